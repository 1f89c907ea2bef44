package scenario

import (
	"context"
	"errors"

	"faultbed/fixtures/load"
	"faultbed/fixtures/topology"
	"faultbed/reports/history"
)

// Serve has a plan's subject and origin up while use runs, for tools that bring
// their own traffic: the plan's arrivals and faults are not acted.
func (l *Lab) Serve(ctx context.Context, bed *topology.Bed, p history.Plan, use func(context.Context, load.Endpoint) error) error {
	t := l.trial(bed, p)
	if err := t.open(); err != nil {
		return err
	}
	err := t.up(ctx)
	if err == nil {
		err = t.subjects(ctx)
	}
	if err == nil {
		err = use(ctx, t.endpoints[0])
	}
	err = errors.Join(err, t.injErr, t.close(context.WithoutCancel(ctx)))
	return errors.Join(err, t.finish(ctx, err))
}
