package packet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"faultbed/faults/room"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
)

const hostQueue = "root, nf_tables (Linux 5.12) and NFQUEUE"

// xtQueue tells that the kernel has NFQUEUE only in its older form.
var xtQueue bool

// probeQueue tries a queue and a rule that leads to it.
var probeQueue = sync.OnceValue(func() error {
	return elsewhere(func(ns *os.File) error {
		q, err := openQueue(ns, &delayer{}, 1, false)
		if err != nil {
			return fmt.Errorf("NFQUEUE: %w", err)
		}
		defer q.end(ns)
		if err = tryQueue(ns); err != nil {
			xtQueue = true
			err = tryQueue(ns)
		}
		return err
	})
})

func tryQueue(ns *os.File) error {
	o, err := own(ns, "faultbed_probe")
	if err != nil {
		return fmt.Errorf("nf_tables with owned tables (Linux 5.12): %w", err)
	}
	defer o.conn.CloseLasting()
	o.add(way{}, rule{Then: "queue", Mark: 1}.exprs())
	if err := o.conn.Flush(); err != nil {
		return fmt.Errorf("nf_tables to NFQUEUE: %w", err)
	}
	return nil
}

// toQueue hands a packet to a queue, or lets it pass if nobody serves it.
func toQueue(n uint16) expr.Any {
	if !xtQueue {
		return &expr.Queue{Num: n, Flag: expr.QueueFlagBypass}
	}
	const bypass = 1
	info := make(xt.Unknown, 8) // struct xt_NFQ_info_v3: number, how many, flags; aligned to 8
	for i, v := range []uint16{n, 1, bypass} {
		binary.NativeEndian.PutUint16(info[2*i:], v)
	}
	return &expr.Target{Name: "NFQUEUE", Rev: 3, Info: &info}
}

var marks atomic.Uint32

// ownBit is a bit of packets' marks that tells a fault its own copies, so that it
// does not meet them again while others do. 16 faults with queues may meet the same
// packets at a time.
func ownBit() uint32 { return 1 << (16 + marks.Add(1)%16) }

// served is the queues of a fault in force.
type served struct {
	table  *owned
	names  []string
	queues []*queue
}

// queued leads ways to queues: each to one of its own with a policy of its own, or
// all to one if together.
func queued(t room.Target, w where, together bool, policyOf func(way int) policy) (room.Active, error) {
	if err := probeQueue(); err != nil { // which also finds out how
		return nil, err
	}
	ways, err := w.ways(t)
	if err != nil {
		return nil, err
	}
	s, mark := &served{}, ownBit()
	if s.table, err = ownFor(t); err != nil {
		return nil, err
	}
	for i, way := range ways {
		if i == 0 || !together {
			q, err := openQueue(s.table.ns, policyOf(i), mark, way.Out)
			if err != nil {
				return nil, errors.Join(err, s.end())
			}
			name := way.Name
			if together {
				name = w.Side
			}
			s.queues, s.names = append(s.queues, q), append(s.names, name)
		}
		s.table.add(way, rule{Then: "queue", Mark: mark, Queue: s.queues[len(s.queues)-1].num}.exprs())
	}
	if err := s.table.conn.Flush(); err != nil {
		return nil, errors.Join(fmt.Errorf("rules: %w", err), s.end())
	}
	return room.LiftFunc(func(context.Context) error {
		err := s.end()
		for i, q := range s.queues {
			if n, did := q.policy.bites(); n > 0 {
				note(t, n, unit, s.names[i]+": "+did)
			}
		}
		return err
	}), nil
}

// end takes the rules away first: what is queued then is all that will be.
func (s *served) end() error {
	defer s.table.ns.Close()
	errs := []error{s.table.release()}
	for _, q := range s.queues {
		errs = append(errs, q.end(s.table.ns))
	}
	return errors.Join(errs...)
}
