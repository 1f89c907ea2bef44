package limbo

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"time"

	"faultbed/certs"
	"faultbed/certs/clients"
)

// Outcome is what the clients made of one case.
type Outcome struct {
	ID       string         `json:"id"`
	Expected certs.Oracle   `json:"expected"`
	Skipped  string         `json:"skipped,omitempty"` // why it was not replayed
	Results  []certs.Result `json:"results,omitempty"`
}

// Agrees tells whether a client did what the file expects.
func (o Outcome) Agrees(r certs.Result) bool {
	if o.Expected == certs.MustAccept {
		return r.Verdict == certs.Accept
	}
	return r.Verdict == certs.Reject || r.Verdict == certs.NegotiationFailure && r.Alert != ""
}

// Replay serves each case on loopback and has each client connect to it, one after
// the other. A case that lacks what it takes comes back with the reason.
func Replay(ctx context.Context, cases []Testcase, cs []clients.Client, each func(Outcome)) error {
	for _, t := range cases {
		if err := ctx.Err(); err != nil {
			return err
		}
		o := Outcome{ID: t.ID, Expected: certs.MustReject, Skipped: t.Lacks(time.Now())}
		if t.Expected == "SUCCESS" {
			o.Expected = certs.MustAccept
		}
		if o.Skipped == "" {
			if err := o.judge(ctx, t, cs); err != nil {
				o.Skipped = err.Error()
			}
		}
		each(o)
	}
	return nil
}

func (o *Outcome) judge(ctx context.Context, t Testcase, cs []clients.Client) error {
	c, err := t.Case()
	if err != nil {
		return err
	}
	pair, err := c.TLS()
	if err != nil {
		return fmt.Errorf("it can't be served: %w", err)
	}
	addr, stop, err := serve(pair)
	if err != nil {
		return err
	}
	defer stop()
	for _, client := range cs {
		r := client.Verify(ctx, clients.Target{Addr: addr, ServerName: c.Host, RootsPEM: c.RootsPEM()})
		r.Case = t.ID
		o.Results = append(o.Results, r)
	}
	return nil
}

// serve answers every request with 200 under one certificate.
func serve(pair tls.Certificate) (addr string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, SessionTicketsDisabled: true},
		ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0), // clients reject: that is the point
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })}
	go srv.ServeTLS(l, "", "")
	return l.Addr().String(), func() { srv.Close() }, nil
}

// Tally is how far one client agrees with a file.
type Tally struct {
	Client  string `json:"client"`
	Agrees  int    `json:"agrees"`
	Accepts int    `json:"accepts"` // what should fail
	Rejects int    `json:"rejects"` // what should succeed
	Other   int    `json:"other"`   // hang, crash, no connection
}

// Count sums outcomes up, client by client, in the order of the first case.
func Count(os []Outcome) []Tally {
	var out []Tally
	for _, o := range os {
		for _, r := range o.Results {
			i := slices.IndexFunc(out, func(t Tally) bool { return t.Client == r.Client })
			if i < 0 {
				i, out = len(out), append(out, Tally{Client: r.Client})
			}
			switch {
			case o.Agrees(r):
				out[i].Agrees++
			case r.Verdict == certs.Accept || r.Verdict == certs.AcceptThenClose:
				out[i].Accepts++
			case r.Verdict == certs.Reject || r.Verdict == certs.NegotiationFailure:
				out[i].Rejects++
			default:
				out[i].Other++
			}
		}
	}
	return out
}
