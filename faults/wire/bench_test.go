package wire_test

import (
	"io"
	"slices"
	"testing"
	"time"

	"faultbed/faults/wire"
)

// BenchmarkStall reports how much later than asked a held byte comes, what the
// relay itself takes included.
func BenchmarkStall(b *testing.B) {
	const pause = 10 * time.Millisecond
	bed := newBed(b, false)
	var late []time.Duration
	for b.Loop() {
		bed.inject(wire.Fault{ID: "f", Kind: wire.Stall, Direction: wire.Up, Pause: pause})
		client, server := bed.dial()
		begin := time.Now()
		client.Write([]byte("x"))
		if _, err := io.ReadFull(server, make([]byte, 1)); err != nil {
			b.Fatal(err)
		}
		late = append(late, time.Since(begin)-pause)
		client.Close()
		server.Close()
		bed.lift("f")
	}
	report(b, late)
}

// BenchmarkDrip reports how much later than asked each piece comes after the one
// before.
func BenchmarkDrip(b *testing.B) {
	const gap = 5 * time.Millisecond
	bed := newBed(b, false)
	bed.inject(wire.Fault{ID: "f", Kind: wire.Drip, Direction: wire.Up, Size: 1, Gap: gap})
	client, server := bed.dial()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for c := make([]byte, 64); ; {
			select {
			case <-stop:
				return
			default:
				client.Write(c)
			}
		}
	}()
	var late []time.Duration
	buf := make([]byte, 1)
	server.Read(buf)
	for last := time.Now(); b.Loop(); {
		if _, err := io.ReadFull(server, buf); err != nil {
			b.Fatal(err)
		}
		late = append(late, time.Since(last)-gap)
		last = time.Now()
	}
	report(b, late)
}

func report(b *testing.B, late []time.Duration) {
	slices.Sort(late)
	b.ReportMetric(float64(late[len(late)/2].Microseconds()), "p50-late-us")
	b.ReportMetric(float64(late[len(late)*99/100].Microseconds()), "p99-late-us")
}
