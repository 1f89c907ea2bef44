package inject

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// pair is a connection from a "client" to a "server", with both ends here.
func pair(t *testing.T, l *net.TCPListener) (client, server net.Conn) {
	t.Helper()
	client, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{client, server} {
		c.SetDeadline(time.Now().Add(10 * time.Second))
		t.Cleanup(func() { c.Close() })
	}
	return client, server
}

// TestCut: this process is the subject. Its own listener is its front; its
// connections to the other listener are its back, whose far end is here too.
func TestCut(t *testing.T) {
	if err := probeCut(); err != nil {
		t.Skip(err)
	}
	for _, c := range []struct {
		side, by string
		want     error // what the peer of the cut end reads
	}{
		{front, byRST, syscall.ECONNRESET}, {front, byFIN, io.EOF},
		{back, byRST, syscall.ECONNRESET}, {back, byFIN, io.EOF},
	} {
		t.Run(c.side+" "+c.by, func(t *testing.T) {
			l := listen(t)
			var bystanders [2]net.Conn
			client, server := pair(t, l)
			bystanders[0], bystanders[1] = pair(t, listen(t))
			origin, peer := "127.0.0.1:9", client
			if c.side == back {
				origin, peer = l.Addr().String(), server
			}
			var led ledger
			active, err := injectCut(context.Background(), self(&led, origin), with(t, cut, map[string]any{"side": c.side, "by": c.by, "count": only(c.side)}))
			if err != nil {
				t.Fatal(err)
			}
			defer active.Lift(context.Background())
			if _, err := peer.Read(make([]byte, 1)); !errors.Is(err, c.want) {
				t.Errorf("the peer read %v, want %v", err, c.want)
			}
			if c.side == back && !alive(bystanders[0], bystanders[1]) {
				t.Error("another connection was cut too")
			}
			if n := led.bites(); n < 1 {
				t.Errorf("%d bites", n)
			}
		})
	}
}

// only is how many to cut: on the front both listeners are the subject's.
func only(side string) int {
	if side == front {
		return 2
	}
	return 1
}

func alive(a, b net.Conn) bool {
	if _, err := a.Write([]byte("x")); err != nil {
		return false
	}
	_, err := b.Read(make([]byte, 1))
	return err == nil
}

// TestCutWhich cuts only the connection on which an answer is due.
func TestCutWhich(t *testing.T) {
	if err := probeCut(); err != nil {
		t.Skip(err)
	}
	l := listen(t)
	idle, idleServer := pair(t, l)
	asked, askedServer := pair(t, l)
	exchange := func(from, to net.Conn) {
		if !alive(from, to) {
			t.Fatal("no bytes")
		}
		time.Sleep(30 * time.Millisecond) // TCP_INFO counts in ticks of up to 10 ms
	}
	for _, c := range [][2]net.Conn{{idle, idleServer}, {asked, askedServer}} {
		exchange(c[0], c[1])
		exchange(c[1], c[0])
	}
	exchange(asked, askedServer)
	var led ledger
	active, err := injectCut(context.Background(), self(&led, l.Addr().String()), with(t, cut, map[string]any{"which": busy, "count": 5}))
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond)
	if err := active.Lift(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := led.bites(); n != 1 {
		t.Errorf("%d bites, want 1", n)
	}
	if _, err := askedServer.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the busy one's peer read %v", err)
	}
	if !alive(idle, idleServer) {
		t.Error("the idle one was cut")
	}
}
