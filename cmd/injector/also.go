package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"time"

	"faultbed/faults/inject/notify"
	"faultbed/faults/inject/python"
	"faultbed/faults/inject/vdso"
	"faultbed/proxy/pidfd"
)

// also are the options of the commands here.
type also struct {
	addr    string
	seconds time.Duration
	offset  time.Duration
}

func (a *also) flags(fs *flag.FlagSet) {
	fs.StringVar(&a.addr, "addr", "", "py…: where the program listens, host:port: a connection wakes it")
	fs.DurationVar(&a.seconds, "seconds", time.Second, "pyblock, pyhang: how long")
	fs.DurationVar(&a.offset, "offset", time.Hour, "skew: by how much, in whole seconds")
}

func init() {
	deeds["pyraise"] = pyDeed(python.Raise)
	deeds["pyblock"] = pyDeed(python.Block)
	deeds["pyhang"] = pyDeed(python.Hang)
	deeds["pyexit"] = pyDeed(python.Exit)
	deeds["skew"] = func(ctx context.Context, o order) error {
		return vdso.Hold(ctx, func() []int { return family(o.pid) }, o.offset, say)
	}
	deeds[connect] = connectDeed
}

func unsupported(err error) bool {
	return errors.Is(err, python.ErrUnsupported) || errors.Is(err, vdso.ErrUnsupported) || errors.Is(err, notify.ErrUnsupported)
}

func pyDeed(act string) func(context.Context, order) error {
	return func(ctx context.Context, o order) error {
		return python.Run(ctx, o.pid, python.Spec{Act: act, Path: o.path, Request: o.request, Times: o.times, For: o.seconds, Addr: o.addr}, say)
	}
}

// family is a process and all below it.
func family(pid int) []int { return append([]int{pid}, pidfd.Descendants(pid)...) }

const connect = "connect"

// given are the orders on standard input.
var given = make(chan notify.Order)

// follow reads standard input to its end. It is the lease, and carries orders for
// the command that takes them. What can't be read ends it, too: all is lifted.
func follow(command string, in io.Reader) {
	if command != connect {
		io.Copy(io.Discard, in)
		return
	}
	for d := json.NewDecoder(in); ; {
		var o notify.Order
		if d.Decode(&o) != nil {
			return
		}
		given <- o
	}
}

// connectDeed supervises until the last of the processes has ended, long after ctx.
func connectDeed(ctx context.Context, o order) error {
	orders := make(chan notify.Order)
	go func() {
		defer close(orders)
		for {
			select {
			case <-ctx.Done():
				return
			case o := <-given:
				orders <- o
			}
		}
	}()
	return notify.Supervise(family(o.pid), orders, say)
}
