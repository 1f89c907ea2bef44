package wire_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"faultbed/faults/wire"
	"faultbed/reports/history"
	"golang.org/x/net/http2"
)

// An exchange of HTTP/1 with a body each way, the one chunked, the other not.
const (
	request  = "POST /fb/upload/u1?size=4 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n5;x=y\r\ndefgh\r\n0\r\nT: v\r\n\r\n"
	response = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"
)

// places says where an instant of it is.
func places(t wire.Trigger) int {
	body := strings.Index(request, "abc") + int(t.Byte)
	if t.Byte > 2 {
		body = strings.Index(request, "defgh") + int(t.Byte) - 3
	}
	final := strings.Index(response, "HTTP/1.1 200")
	return map[string]int{
		wire.RequestHeadBegun: 0, wire.RequestHeadDone: strings.Index(request, "3\r\nabc"), wire.RequestBodyByte: body, wire.RequestEnd: len(request),
		wire.ResponseHeadBegun: final, wire.ResponseHeadDone: strings.Index(response, "0123"), wire.ResponseBodyByte: strings.Index(response, "0123") + int(t.Byte), wire.ResponseEnd: len(response),
	}[t.When]
}

// instantsOf are all that a sweep would go through.
func instantsOf(t *testing.T, protocol string, request, response int64) []wire.Trigger {
	t.Helper()
	ts, err := wire.Instants(protocol, request, response)
	if err != nil || len(ts) == 0 {
		t.Fatalf("%v, %v", ts, err)
	}
	return ts
}

// TestSweepHTTP1 runs faults at every instant of a request and wants exactly the
// bytes before it.
func TestSweepHTTP1(t *testing.T) {
	for _, at := range instantsOf(t, wire.HTTP1, 8, 10) {
		for kind, end := range map[string]error{wire.Cut: nil, wire.RSTAt: syscall.ECONNRESET, wire.HalfClose: nil} {
			t.Run(fmt.Sprint(kind, " ", at), func(t *testing.T) {
				b := newBed(t, false)
				b.inject(at.Set(wire.Fault{ID: "f", Kind: kind}))
				client, server := b.dial()
				send(client, []byte(request))
				n := places(at)
				if at.Direction == wire.Up {
					gets(t, server, []byte(request[:n]), end)
				} else {
					next(t, server, []byte(request))
					send(server, []byte(response))
					gets(t, client, []byte(response[:n]), end)
				}
				b.bitten("f", 1)
			})
		}
	}
}

// TestSweepAcross begins faults in the other direction than their instant's.
func TestSweepAcross(t *testing.T) {
	for _, at := range instantsOf(t, wire.HTTP1, 8, 10) {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			b := newBed(t, false)
			f := at.Set(wire.Fault{ID: "f", Kind: wire.HalfClose})
			f.Direction = map[string]string{wire.Up: wire.Down, wire.Down: wire.Up}[at.Direction]
			b.inject(f)
			client, server := b.dial()
			send(client, []byte(request))
			if at.Direction == wire.Up { // the client sees FIN, and the request goes on
				gets(t, client, nil, nil)
				next(t, server, []byte(request))
			} else {
				next(t, server, []byte(request))
				send(server, []byte(response))
				gets(t, server, nil, nil)
				next(t, client, []byte(response))
			}
			b.bitten("f", 1)
		})
	}
}

// TestHoldAcross lets a response wait from the end of its request on, while the
// relay reads it already.
func TestHoldAcross(t *testing.T) {
	b := newBed(t, false)
	b.inject(wire.Fault{ID: "f", Kind: wire.BlackHole, Direction: wire.Down, When: wire.RequestEnd})
	client, server := b.dial()
	send(server, []byte("early"))
	next(t, client, []byte("early"))
	send(client, []byte(request))
	next(t, server, []byte(request))
	send(server, []byte(response))
	silent(t, client)
	b.lift("f")
	next(t, client, []byte(response))
	b.bitten("f", 1)
}

// TestNthRequest counts on a connection that is used again, opened before.
func TestNthRequest(t *testing.T) {
	for _, pieces := range []int{1, 7, 1000} {
		b := newBed(t, false)
		client, server := b.dial()
		exchange := func() {
			for p := range slices.Chunk([]byte(request), pieces) {
				client.Write(p)
			}
			next(t, server, []byte(request))
			send(server, []byte(response))
			next(t, client, []byte(response))
		}
		if pieces == 1000 {
			exchange() // a parser that begins later needs a read that begins a message
		}
		b.inject(wire.Fault{ID: "f", Kind: wire.Cut, Direction: wire.Down, When: wire.ResponseBodyByte, Byte: 4, Nth: 3})
		if pieces < 1000 {
			client, server = b.dial()
		}
		exchange()
		exchange()
		client.Write([]byte(request))
		next(t, server, []byte(request))
		send(server, []byte(response))
		gets(t, client, []byte(response[:len(response)-6]), nil)
	}
}

// TestByClass touches the requests of one class or id, on connections that carry
// others before and after.
func TestByClass(t *testing.T) {
	for name, c := range map[string]struct {
		class, id string
		hit       string // of requests a1 to a4
	}{
		"class": {"slow", "", "..x."}, "id": {"", "a2", ".x.."}, "prefix": {"any", "a", "xxxx"}, "both": {"short", "a4", "...x"}, "none": {"upload", "", "...."},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, false)
			b.inject(wire.Fault{ID: "f", Kind: wire.Corrupt, Direction: wire.Down, When: wire.ResponseBodyByte, Byte: 1, Size: 2, Class: c.class, Request: c.id})
			client, server := b.dial()
			for i, class := range []string{"short", "short", "slow", "short"} {
				q := fmt.Sprintf("GET /fb/%s/a%d?size=3 HTTP/1.1\r\nHost: x\r\n\r\n", class, i+1)
				send(client, []byte(q))
				next(t, server, []byte(q))
				a := []byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n")
				send(server, append(a, "abc"...))
				body := "abc"
				if c.hit[i] == 'x' {
					body = string([]byte{'a', 0xff ^ 'b', 0xff ^ 'c'})
				}
				next(t, client, append(a, body...))
			}
			bites := b.log.of(history.Bite, "f")
			if len(bites) != strings.Count(c.hit, "x") {
				t.Errorf("%d bites", len(bites))
			}
			for _, e := range bites {
				if !strings.Contains(e.Detail, " of ") || e.Conn != "w1" {
					t.Errorf("%+v", e)
				}
			}
		})
	}
}

// TestByClassAtLine counts from the end of the request line in its own
// direction, and decides by the id.
func TestByClassAtLine(t *testing.T) {
	line, rest := "GET /fb/slow/a7 HTTP/1.1\r\n", "Host: x\r\n\r\n"
	for at, f := range map[int]wire.Fault{
		len(line):        {Kind: wire.Cut, Direction: wire.Up, Class: "slow"},
		len(line) + 3:    {Kind: wire.Cut, Direction: wire.Up, Class: "slow", AtByte: 3},
		len(line) + 2:    {Kind: wire.Cut, Direction: wire.Up, Class: "slow", When: wire.RequestHeadBegun, AtByte: 2},
		len(line + rest): {Kind: wire.Cut, Direction: wire.Up, Class: "slow", When: wire.RequestEnd},
	} {
		b := newBed(t, false)
		f.ID = "f"
		b.inject(f)
		client, server := b.dial()
		send(client, []byte(line+rest))
		gets(t, server, []byte((line + rest)[:at]), nil)
		b.bitten("f", 1)
	}
}

// TestChanceByID: the same ids are hit whatever connection carries them.
func TestChanceByID(t *testing.T) {
	const many = 40
	hits := func(conns int) map[string]bool {
		b := newBed(t, false)
		b.inject(wire.Fault{ID: "f", Kind: wire.Corrupt, Direction: wire.Up, When: wire.RequestEnd, Request: "r", Chance: 0.4, Seed: 7})
		for i := range conns {
			client, server := b.dial()
			for j := i; j < many; j += conns {
				q := fmt.Sprintf("GET /fb/short/r%d HTTP/1.1\r\n\r\n", j)
				client.Write([]byte(q))
				next(t, server, []byte(q))
			}
			client.Write([]byte("GET / HTTP/1.1\r\n\r\n")) // its first byte is what the last one's fault changes
			io.ReadFull(server, make([]byte, 18))
		}
		hit := map[string]bool{}
		for _, e := range b.log.of(history.Bite, "f") {
			_, id, _ := strings.Cut(e.Detail, " of short/")
			hit[id] = true
		}
		return hit
	}
	one := hits(many)
	if len(one) < many/8 || len(one) > many*3/4 {
		t.Errorf("%d of %d at chance 0.4", len(one), many)
	}
	if again := hits(many); fmt.Sprint(again) != fmt.Sprint(one) {
		t.Errorf("%v, then %v", one, again)
	}
}

// frames is one exchange of HTTP/2: what the client sends, and the server.
func frames(t *testing.T) (up, down []byte) {
	t.Helper()
	var u, d bytes.Buffer
	u.WriteString(http2.ClientPreface)
	uf, df := http2.NewFramer(&u, nil), http2.NewFramer(&d, nil)
	uf.WriteSettings()
	df.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 15})
	df.WriteSettingsAck()
	uf.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte("headers"), EndHeaders: true})
	uf.WriteData(1, false, pattern(5000))
	uf.WriteData(1, true, nil)
	df.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte("h")})
	df.WriteContinuation(1, true, []byte("more"))
	df.WriteData(1, true, pattern(300))
	df.WritePing(false, [8]byte{1})
	df.WriteGoAway(1, http2.ErrCodeNo, nil)
	return u.Bytes(), d.Bytes()
}

// TestSweepHTTP2 cuts before every frame of a recorded exchange.
func TestSweepHTTP2(t *testing.T) {
	up, down := frames(t)
	ts, err := wire.Observe(wire.HTTP2, up, down)
	if err != nil || len(ts) != 4+7 {
		t.Fatalf("%v, %v", ts, err)
	}
	for _, at := range ts {
		t.Run(fmt.Sprint(at.Direction, at), func(t *testing.T) {
			b := newBed(t, false)
			b.inject(at.Set(wire.Fault{ID: "f", Kind: wire.Cut}))
			client, server := b.dial()
			src, dst, sent := client, server, up
			if at.Direction == wire.Down {
				src, dst, sent = server, client, down
			}
			send(src, sent)
			gets(t, dst, sent[:at.At], nil)
			b.bitten("f", 1)
		})
	}
	if s := fmt.Sprint(ts); !strings.Contains(s, "request-frame DATA #2") || !strings.Contains(s, "response-frame GOAWAY") {
		t.Errorf("%s", s)
	}
}

// TestLiveFrames begins in the middle of a connection.
func TestLiveFrames(t *testing.T) {
	_, down := frames(t)
	b := newBed(t, false)
	client, server := b.dial()
	send(server, down)
	next(t, client, down)
	b.inject(wire.Fault{ID: "f", Kind: wire.Cut, Direction: wire.Down, When: wire.ResponseFrame, Frame: "PING", AtByte: 9})
	send(server, down)
	ping := bytes.LastIndex(down, []byte{0, 0, 8, 6, 0})
	gets(t, client, down[:ping+9], nil)
}

// tap records what a connection sends.
type tap struct {
	net.Conn
	mu   sync.Mutex
	sent []byte
}

func (c *tap) Write(b []byte) (int, error) {
	c.mu.Lock()
	c.sent = append(c.sent, b...)
	c.mu.Unlock()
	return c.Conn.Write(b)
}

func (c *tap) all() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.sent)
}

// ear records what a connection receives.
type ear struct {
	net.Conn
	mu  sync.Mutex
	got []byte
}

func (c *ear) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	c.got = append(c.got, b[:n]...)
	c.mu.Unlock()
	return n, err
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, of, of, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// handshake does one between both ends and, if that works, one exchange; it
// returns what each has sent and received.
func handshake(t *testing.T, client, server *net.TCPConn, version uint16) (c, s *tap, atC, atS []byte) {
	cert := selfSigned(t)
	ce, se := &ear{Conn: client}, &ear{Conn: server}
	c, s = &tap{Conn: ce}, &tap{Conn: se}
	tc := tls.Client(c, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
	ts := tls.Server(s, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: version, MaxVersion: version, SessionTicketsDisabled: true})
	var wg sync.WaitGroup
	wg.Go(func() { io.Copy(ts, ts); server.CloseWrite(); io.Copy(io.Discard, se) })
	tc.Write([]byte("ping"))
	io.ReadFull(tc, make([]byte, 4))
	client.CloseWrite()
	io.Copy(io.Discard, ce)
	wg.Wait()
	return c, s, ce.got, se.got
}

// TestSweepTLS cuts a real handshake at every instant.
func TestSweepTLS(t *testing.T) {
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		for _, at := range instantsOf(t, wire.TLS, 0, 0) {
			t.Run(name+" "+at.String(), func(t *testing.T) {
				b := newBed(t, false)
				b.inject(at.Set(wire.Fault{ID: "f", Kind: wire.Cut}))
				client, server := b.dial()
				c, s, atC, atS := handshake(t, client, server, version)
				ts, err := wire.Observe(wire.TLS, c.all(), s.all())
				if err != nil {
					t.Fatal(err)
				}
				i := slices.IndexFunc(ts, func(o wire.Trigger) bool { return o.When == at.When && o.Nth == 1 })
				hidden := at.When == wire.ServerFinished && version == tls.VersionTLS13
				if (i < 0) != hidden {
					t.Fatalf("%s is not among %v", at, ts)
				}
				if hidden {
					b.bitten("f", 0)
					return
				}
				got, sent := atS, c.all()
				if at.Direction == wire.Down {
					got, sent = atC, s.all()
				}
				if !bytes.Equal(got, sent[:ts[i].At]) {
					t.Errorf("%d bytes arrived, the instant is at %d of %v", len(got), ts[i].At, ts)
				}
				b.bitten("f", 1)
			})
		}
	}
}

func TestTLSRecordCut(t *testing.T) {
	for _, end := range []string{"fin", "rst"} {
		directed(t, func(t *testing.T, b *bed, direction string) {
			b.inject(wire.Fault{ID: "f", Kind: wire.TLSRecordCut, Direction: direction, Record: 2, Keep: 8, End: end})
			client, server := b.dial()
			c, s, atC, atS := handshake(t, client, server, tls.VersionTLS13)
			got, sent := atS, c.all()
			if direction == wire.Down {
				got, sent = atC, s.all()
			}
			first := 5 + int(sent[3])<<8 + int(sent[4])
			if !bytes.Equal(got, sent[:first+8]) {
				t.Errorf("%d bytes arrived, want %d", len(got), first+8)
			}
			b.bitten("f", 1)
		})
	}
}

// TestObserve wants the instants of HTTP/1 at their places.
func TestObserve(t *testing.T) {
	ts, err := wire.Observe(wire.HTTP1, []byte(request+request), []byte(response+response))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, o := range ts {
		base := map[string]int{wire.Up: len(request), wire.Down: len(response)}[o.Direction] * (o.Nth - 1)
		if want := base + places(o); o.At != int64(want) {
			t.Errorf("%s at %d, want %d", o, o.At, want)
		}
		seen[fmt.Sprint(o)] = true
	}
	for _, w := range instantsOf(t, wire.HTTP1, 8, 10) {
		w.Nth = 2
		if !seen[fmt.Sprint(w)] && w.Byte == 0 {
			t.Errorf("%s was not found", w)
		}
	}
	if _, err := wire.Observe("gopher", nil, nil); err == nil {
		t.Error("gopher is known")
	}
}
