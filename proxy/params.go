package proxy

import (
	"net"
	"strconv"
	"time"
)

// Params is what the templates of a subject's file may use. Addresses are
// host:port, paths are those of the node on which the subject runs.
//
//	{{.Dir}}                        folder of its configuration and temporary files
//	{{.Program}}                    the program: what was built, or get.executable, or process.program
//	{{.Listen}} {{.ListenHost}} {{.ListenPort}}            plain listener
//	{{.ListenTLS}} {{.ListenTLSHost}} {{.ListenTLSPort}}   TLS listener; empty if there is none
//	{{.TLS.Cert}} {{.TLS.Key}}      PEM files of its chain and key
//	{{.Origin.URL}} {{.Origin.Addr}} {{.Origin.Host}} {{.Origin.Port}}
//	{{.Origin.TLS}} {{.Origin.CA}} {{.Origin.Name}}        whether the origin speaks TLS; roots; name to verify
//	{{.Grace}}                      time from the drain signal to the promised end
//	{{.Settings.X}}                 X: ReadHeaderTimeout, StreamIdleTimeout, ConnectTimeout,
//	                                ResponseHeaderTimeout, KeepaliveTimeout, ShutdownDelay
//	{{.CrashHooks}}                 whether crash hooks are to be armed
//
// Durations print as Go's ("1m30s"). Functions turn them into what programs
// read: {{seconds .Grace}} "1.5", {{dur .Grace}} "1.5s", {{millis .Grace}} 1500,
// {{less .Grace "200ms"}} less one or more margins (never under half of it),
// {{least a b}} the shorter. {{range}} and {{template}} are not supported.
type Params struct {
	Dir        string        // absolute
	Program    string        // for get.build; otherwise the file says it, if empty
	Listen     string        // plain listener
	ListenTLS  string        // TLS listener; empty: none
	TLS        TLS           // wanted if ListenTLS is set
	Origin     Origin        // where requests go
	Grace      time.Duration // Spec.Drain.Grace if 0
	Settings   Settings      // zero fields get the value of DefaultSettings
	CrashHooks bool
}

// TLS names the PEM files of a listener's certificate chain and key.
type TLS struct{ Cert, Key string }

// Origin is what the subject forwards to.
type Origin struct {
	Addr string // host:port
	TLS  bool
	CA   string // PEM file of the roots; wanted if TLS
	Name string // the name to verify and to send as SNI; wanted if TLS
}

// Settings are the timeouts that most proxies have. A subject whose program
// lacks one ignores it.
type Settings struct {
	ReadHeaderTimeout     time.Duration // to receive a request's head
	StreamIdleTimeout     time.Duration // silence within a body, either direction
	ConnectTimeout        time.Duration // to connect to the origin
	ResponseHeaderTimeout time.Duration // from the request's end to the response's head
	KeepaliveTimeout      time.Duration // an idle client connection is kept so long
	ShutdownDelay         time.Duration // goes on accepting so long after the drain signal; none by default
}

// DefaultSettings are those of a subject that nothing else was said about.
func DefaultSettings() Settings {
	return Settings{
		ReadHeaderTimeout: 5 * time.Second, StreamIdleTimeout: 30 * time.Second, ConnectTimeout: 2 * time.Second,
		ResponseHeaderTimeout: 10 * time.Second, KeepaliveTimeout: 75 * time.Second,
	}
}

// ListenHost is the host of Listen.
func (p Params) ListenHost() string { return host(p.Listen) }

// ListenPort is the port of Listen.
func (p Params) ListenPort() int { return port(p.Listen) }

// ListenTLSHost is the host of ListenTLS.
func (p Params) ListenTLSHost() string { return host(p.ListenTLS) }

// ListenTLSPort is the port of ListenTLS.
func (p Params) ListenTLSPort() int { return port(p.ListenTLS) }

// Host is the host of Addr.
func (o Origin) Host() string { return host(o.Addr) }

// Port is the port of Addr.
func (o Origin) Port() int { return port(o.Addr) }

// URL is the origin's base URL, without a path.
func (o Origin) URL() string {
	if o.TLS {
		return "https://" + o.Addr
	}
	return "http://" + o.Addr
}

// host and port take addresses that Params.check has seen.
func host(addr string) string {
	h, _, _ := net.SplitHostPort(addr)
	return h
}

func port(addr string) int {
	_, p, _ := net.SplitHostPort(addr)
	n, _ := strconv.Atoi(p)
	return n
}
