package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"faultbed/reports/history"
	"golang.org/x/net/dns/dnsmessage"
)

// Zone is what a server knows: one name and where it leads.
type Zone struct {
	Name  string `json:"name"`  // "origin.faultbed.test"
	Addr  string `json:"addr"`  // IPv4
	Moved string `json:"moved"` // IPv4: where it leads while it has moved
}

// Order is a fault as its server carries it out.
type Order struct {
	ID    string        `json:"id"`
	Do    string        `json:"do"`
	Delay time.Duration `json:"delay,omitempty"`
}

// ttl is how long an answer lives, s: short, so that a move is seen.
const ttl = 1

// maxTCP bounds one connection, for a client that sends nothing.
const maxTCP = 10 * time.Second

// Server answers for one zone, by UDP and TCP (RFC 1035 §4.2), and does with each
// query for its name what the faults in force say.
type Server struct {
	zone Zone
	self netip.Addr
	emit func(history.Event)
	udp  net.PacketConn
	tcp  net.Listener
	ctx  context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu     sync.Mutex
	orders []Order
}

// Listen starts a server at host:port. emit gets a bite for each query that a
// fault touched and a line for each other one; it is called from several
// goroutines.
func Listen(addr string, z Zone, emit func(history.Event)) (*Server, error) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, fmt.Errorf("dns: %w", err)
	}
	for _, a := range []string{z.Addr, z.Moved} {
		if ip, err := netip.ParseAddr(a); err != nil || !ip.Is4() {
			return nil, fmt.Errorf("dns: %s leads to %q, which is no IPv4 address", z.Name, a)
		}
	}
	s := &Server{zone: z, self: at.Addr(), emit: emit}
	if s.udp, err = net.ListenPacket("udp", addr); err != nil {
		return nil, fmt.Errorf("dns: %w", err)
	}
	if s.tcp, err = net.Listen("tcp", addr); err != nil {
		return nil, errors.Join(fmt.Errorf("dns: %w", err), s.udp.Close())
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.wg.Go(s.packets)
	s.wg.Go(s.streams)
	return s, nil
}

// Inject begins a fault.
func (s *Server) Inject(o Order) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.ContainsFunc(s.orders, func(x Order) bool { return x.ID == o.ID }) {
		return fmt.Errorf("dns: fault %s acts already", o.ID)
	}
	s.orders = append(s.orders, o)
	return nil
}

// Lift ends a fault.
func (s *Server) Lift(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.orders)
	s.orders = slices.DeleteFunc(s.orders, func(o Order) bool { return o.ID == id })
	if len(s.orders) == n {
		return fmt.Errorf("dns: no fault %s acts", id)
	}
	return nil
}

// Close ends the server and waits for what it was answering.
func (s *Server) Close() error {
	s.stop()
	err := errors.Join(s.udp.Close(), s.tcp.Close())
	s.wg.Wait()
	return err
}

func (s *Server) packets() {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := s.udp.ReadFrom(buf)
		if err != nil {
			if s.ctx.Err() != nil {
				return
			}
			continue // an ICMP error of a client that has gone
		}
		query := slices.Clone(buf[:n])
		s.wg.Go(func() {
			if answer := s.answer(query, from); answer != nil {
				s.udp.WriteTo(answer, from)
			}
		})
	}
}

func (s *Server) streams() {
	for {
		c, err := s.tcp.Accept()
		if err != nil {
			return
		}
		s.wg.Go(func() { s.stream(c) })
	}
}

// stream answers the queries of a connection, each behind its length.
func (s *Server) stream(c net.Conn) {
	defer c.Close()
	defer context.AfterFunc(s.ctx, func() { c.Close() })()
	c.SetDeadline(time.Now().Add(maxTCP))
	for {
		var n uint16
		if binary.Read(c, binary.BigEndian, &n) != nil {
			return
		}
		query := make([]byte, n)
		if _, err := io.ReadFull(c, query); err != nil {
			return
		}
		if answer := s.answer(query, c.RemoteAddr()); answer != nil {
			c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
		}
	}
}

// reply is what becomes of a query.
type reply struct {
	code  dnsmessage.RCode
	addr  netip.Addr // none: no answer section
	delay time.Duration
	drop  bool
	bites []Order
}

// answer is the message that answers a query, nil if none does.
func (s *Server) answer(query []byte, from net.Addr) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(query)
	if err != nil || h.Response {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return build(h, nil, reply{code: dnsmessage.RCodeFormatError})
	}
	r := s.decide(q)
	s.tell(q, r, from)
	if r.drop || !s.wait(r.delay) {
		return nil
	}
	return build(h, &q, r)
}

// decide applies the faults in force, in the order in which they began.
func (s *Server) decide(q dnsmessage.Question) (r reply) {
	if !strings.EqualFold(strings.TrimSuffix(q.Name.String(), "."), s.zone.Name) {
		return reply{code: dnsmessage.RCodeNameError}
	}
	a := q.Type == dnsmessage.TypeA
	if a {
		r.addr = netip.MustParseAddr(s.zone.Addr)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.orders {
		if (o.Do == Wrong || o.Do == Move) && !a {
			continue // there is no such address to change
		}
		r.bites = append(r.bites, o)
		r.apply(o, s)
	}
	return r
}

func (r *reply) apply(o Order, s *Server) {
	switch o.Do {
	case NXDomain:
		r.code, r.addr = dnsmessage.RCodeNameError, netip.Addr{}
	case ServFail:
		r.code, r.addr = dnsmessage.RCodeServerFailure, netip.Addr{}
	case Slow:
		r.delay += o.Delay
	case Drop:
		r.drop = true
	case Wrong:
		r.addr = s.self
	case Move:
		r.addr = netip.MustParseAddr(s.zone.Moved)
	}
}

// tell writes the query down: a bite of each fault that it met.
func (s *Server) tell(q dnsmessage.Question, r reply, from net.Addr) {
	said := fmt.Sprintf("%s %s: %s", strings.TrimPrefix(q.Type.String(), "Type"), strings.TrimSuffix(q.Name.String(), "."), r)
	for _, o := range r.bites {
		s.emit(history.Event{Kind: history.Bite, ID: o.ID, Count: 1, Via: "queries", Peer: from.String(), Detail: said})
	}
	if len(r.bites) == 0 {
		s.emit(history.Event{Kind: history.Shown, Peer: from.String(), Detail: "query " + said})
	}
}

func (r reply) String() string {
	s := strings.TrimPrefix(r.code.String(), "RCode")
	switch {
	case r.drop:
		return "no answer"
	case r.addr.IsValid():
		s = r.addr.String()
	}
	if r.delay > 0 {
		s += fmt.Sprintf(" after %v", r.delay)
	}
	return s
}

// wait waits; false if the server was closed meanwhile.
func (s *Server) wait(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// build is a reply's message; q is nil if there was no question to be read.
func build(h dnsmessage.Header, q *dnsmessage.Question, r reply) []byte {
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: h.ID, Response: true, OpCode: h.OpCode, Authoritative: true,
		RecursionDesired: h.RecursionDesired, RecursionAvailable: true, RCode: r.code})
	b.EnableCompression()
	err := b.StartQuestions()
	if q != nil {
		err = errors.Join(err, b.Question(*q), b.StartAnswers())
		if r.addr.IsValid() {
			err = errors.Join(err, b.AResource(dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: ttl}, dnsmessage.AResource{A: r.addr.As4()}))
		}
	}
	msg, ferr := b.Finish()
	if err != nil || ferr != nil {
		return nil // of a question that was read it can be built
	}
	return msg
}
