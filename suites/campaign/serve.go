package campaign

import (
	"context"

	"faultbed/fixtures/load"
	"faultbed/fixtures/topology"
	"faultbed/reports/history"
)

// Serve has the subject of one of the campaign's plans up while use runs, instead of
// [Campaign.Run].
func (c *Campaign) Serve(ctx context.Context, p history.Plan, use func(context.Context, load.Endpoint) error) error {
	return c.lab.Serve(ctx, topology.NewBed(c.lab.Beds, 0), p, use)
}
