package wire

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"faultbed/reports/history"
)

// lingering is how long a cut connection waits for its peers to close before
// its sockets do: closing with unread bytes would be an RST.
const lingering = time.Second

// conn is one connection through the relay.
type conn struct {
	r              *Relay
	id             string
	opened         int64
	client, server *net.TCPConn
	up, down       *pump
	talk           talk          // what both directions know of their HTTP/1
	done           chan struct{} // closed when its sockets are
	once           sync.Once
	cut            atomic.Bool  // both directions have had their end: what comes is dropped
	ended          atomic.Int32 // directions that have
}

func newConn(r *Relay, client *net.TCPConn, opened int64) *conn {
	return &conn{r: r, opened: opened, client: client, done: make(chan struct{})}
}

// join is the connection once its target was dialled.
func (c *conn) join(server *net.TCPConn) {
	c.server = server
	c.up = newPump(c, Up, c.client, server)
	c.down = newPump(c, Down, server, c.client)
	c.up.other, c.down.other = c.down, c.up
}

// run carries both directions until both have ended.
func (c *conn) run() {
	var wg sync.WaitGroup
	for _, p := range []*pump{c.up, c.down} {
		wg.Go(func() {
			p.run()
			if c.ended.Add(1) == 2 {
				c.shut()
			}
			p.watch()
		})
	}
	wg.Wait()
}

// shut closes both sockets as they are.
func (c *conn) shut() {
	c.once.Do(func() {
		close(c.done)
		c.client.Close()
		c.server.Close()
	})
}

// abort resets both ends.
func (c *conn) abort() {
	c.client.SetLinger(0)
	c.server.SetLinger(0)
	c.shut()
}

// reset breaks the connection by RST, towards both ends or one. The one that is
// spared is told nothing, and what it sends is dropped.
func (c *conn) reset(towards string) {
	end := map[string]*net.TCPConn{"client": c.client, "server": c.server}[towards]
	if end == nil {
		c.abort()
		return
	}
	c.cut.Store(true)
	end.SetLinger(0)
	end.Close()
}

// finish sends FIN in both directions and drops what comes; the sockets close
// when their peers do, or a moment later.
func (c *conn) finish() {
	c.cut.Store(true)
	c.server.CloseWrite()
	c.client.CloseWrite()
	time.AfterFunc(lingering, c.shut)
}

func (c *conn) bite(a *active, detail string) {
	now, unit := history.Now(), ""
	if a.byRequest() {
		unit = "requests"
	}
	c.r.emit(history.Event{T: now, Kind: history.Bite, ID: a.ID, Conn: c.id, Peer: c.client.RemoteAddr().String(), Via: unit,
		AgeNs: now - c.opened, Count: 1, Detail: detail})
}
