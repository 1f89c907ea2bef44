package wire

import (
	"io"
	"net"
	"testing"
	"time"

	"faultbed/reports/history"
)

// dawdling takes its time, and then looks whether something has overtaken it.
type dawdling struct{ passed chan int64 }

func (e dawdling) act(p *pump, _ *grip) bool {
	time.Sleep(50 * time.Millisecond)
	e.passed <- p.other.passed.Load()
	return true
}

// TestNothingOvertakesAnAct answers a request as soon as it is there, while a
// fault at its end still acts.
func TestNothingOvertakesAnAct(t *testing.T) {
	defer func(ks []Kind, d time.Duration) { kinds, overtaking = ks, d }(kinds, overtaking)
	overtaking = time.Minute
	slow := dawdling{make(chan int64, 1)}
	kinds = append(Kinds(), Kind{Name: "dawdle", Params: at(), make: func(Fault, any) any { return slow }})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		if c, err := ln.Accept(); err == nil {
			io.ReadFull(c, make([]byte, 4))
			c.Write([]byte("pong"))
		}
	}()
	r, err := Listen("127.0.0.1:0", ln.Addr().String(), func(history.Event) {})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Inject(Fault{ID: "f", Kind: "dawdle", Direction: Up, AtByte: 4}); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte("ping"))
	if n := <-slow.passed; n != 0 {
		t.Errorf("%d bytes of the answer passed before the act was over", n)
	}
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
		t.Error(err)
	}
}
