package main

import (
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"faultbed/faults/wire"
	"faultbed/reports/history"
	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// The three run the same loads in one process: the difference is what an
// injector that does nothing adds. Compare them within one run.

func BenchmarkDirect(b *testing.B) {
	loads(b, func(_ *testing.B, target string) string { return target })
}

func BenchmarkRelay(b *testing.B) {
	loads(b, func(b *testing.B, target string) string {
		r, err := wire.Listen("127.0.0.1:0", target, func(history.Event) {})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { r.Close() })
		return r.Addr()
	})
}

func BenchmarkToxiproxy(b *testing.B) {
	zerolog.SetGlobalLevel(zerolog.Disabled)
	loads(b, func(b *testing.B, target string) string {
		srv := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
		p := toxiproxy.NewProxy(srv, "back", "127.0.0.1:0", target)
		if err := p.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(p.Stop)
		return p.Listen
	})
}

func loads(b *testing.B, before func(*testing.B, string) string) {
	b.Run("roundtrip", func(b *testing.B) { roundTrip(b, dial(b, before(b, target(b, echo)))) })
	b.Run("throughput", func(b *testing.B) {
		end := make(chan int64, 1)
		c := dial(b, before(b, target(b, func(c net.Conn) { n, _ := io.Copy(discard{}, c); end <- n })))
		throughput(b, c, end)
	})
}

// roundTrip sends 64 bytes there and back.
func roundTrip(b *testing.B, c net.Conn) {
	buf := make([]byte, 64)
	var took []time.Duration
	for b.Loop() {
		begin := time.Now()
		if _, err := c.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, buf); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
}

// throughput writes chunks of 64 KiB; the last has arrived when it ends.
func throughput(b *testing.B, c net.Conn, end <-chan int64) {
	chunk := make([]byte, 64<<10)
	b.SetBytes(int64(len(chunk)))
	sent := int64(0)
	for b.Loop() {
		n, err := c.Write(chunk)
		sent += int64(n)
		if err != nil {
			b.Fatal(err)
		}
	}
	c.(*net.TCPConn).CloseWrite()
	if got := <-end; got != sent {
		b.Fatalf("%d of %d bytes arrived", got, sent)
	}
}

func target(b *testing.B, f func(net.Conn)) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { ln.Close() })
	go func() {
		for c, err := ln.Accept(); err == nil; c, err = ln.Accept() {
			go func() { defer c.Close(); f(c) }()
		}
	}()
	return ln.Addr().String()
}

func dial(b *testing.B, addr string) net.Conn {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}

func echo(c net.Conn) {
	buf := make([]byte, 64<<10)
	for n, err := c.Read(buf); err == nil; n, err = c.Read(buf) {
		c.Write(buf[:n])
	}
}

// discard reads with a buffer of its own: io.Discard's is 8 KiB.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func (discard) ReadFrom(r io.Reader) (n int64, err error) {
	buf := make([]byte, 256<<10)
	for {
		m, err := r.Read(buf)
		n += int64(m)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}
