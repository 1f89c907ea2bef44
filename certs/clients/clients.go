// Package clients judges a server's certificate chain with TLS stacks that people
// run: Go's crypto/tls in this process, OpenSSL's s_client and Python's ssl as child
// processes. Each is used the way its documentation says to verify a server, with
// no harness flags beyond: what is measured is the default.
//
// A judgement is a handshake and one GET: a stack that completes the handshake and
// then gives up has not accepted. A verdict is told from what went over the wire
// where the stack shows it: a failure that the client itself declared, on the server's
// Certificate message or the proof that follows it, is a rejection; anything else is
// not about the chain.
//
// The package needs an address and the programs on PATH, nothing of the bed, so it
// runs on a host and within a network namespace alike. No client's word counts until
// [SelfTest] has seen it reject: several stacks verify nothing unless told to.
// Start with [Detect].
package clients

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"faultbed/certs"
)

// DefaultTimeout bounds a verification whose target has none.
const DefaultTimeout = 5 * time.Second

// Target is a server to verify.
type Target struct {
	Addr       string        // host:port to connect to
	ServerName string        // name for SNI, Host and the identity check
	RootsPEM   []byte        // the only trust anchors
	Timeout    time.Duration // for everything together
}

// Client is one TLS stack.
type Client struct {
	Name      string `json:"name"`
	Version   string `json:"version,omitempty"`
	Available bool   `json:"available"`
	Why       string `json:"why,omitempty"` // why it is not available

	verify func(context.Context, Target) certs.Result
}

// Detect finds the clients, always in the order go, openssl, python. It runs each
// program once to ask for its version.
func Detect(ctx context.Context) []Client {
	return []Client{goClient(), opensslClient(ctx), pythonClient(ctx)}
}

// Verify connects once and judges. It returns by the target's timeout, or when ctx
// ends; both read as [certs.Hang].
func (c Client) Verify(ctx context.Context, t Target) certs.Result {
	res := certs.Result{Verdict: certs.Unreachable, Detail: c.Why}
	if c.verify != nil {
		if t.Timeout <= 0 {
			t.Timeout = DefaultTimeout
		}
		ctx, cancel := context.WithTimeout(ctx, t.Timeout)
		defer cancel()
		res = c.verify(ctx, t)
	}
	res.Client, res.Handshakes = c.Name, 1
	if res.Verdict == certs.Unreachable {
		res.Handshakes = 0
	}
	return res
}

// missing is a client that cannot be used here.
func missing(name string, why error) Client { return Client{Name: name, Why: why.Error()} }

// observed is what is known of an attempt when it is over.
type observed struct {
	connected   bool   // TCP connection established
	certificate bool   // the handshake ended at the server's Certificate or CertificateVerify
	refused     bool   // the client, not the server, ended the handshake
	completed   bool   // handshake completed and verification passed
	timeout     bool   // the deadline came first
	crashed     bool   // the program died of a signal
	status      int    // HTTP status, 0 without a reply
	alert       string // fatal alert, from whichever side
	detail      string
}

func (o observed) verdict() certs.Verdict {
	switch {
	case o.crashed:
		return certs.Crash
	case o.status > 0 && o.completed:
		return certs.Accept
	case o.timeout && o.connected:
		return certs.Hang
	case !o.connected:
		return certs.Unreachable
	case o.completed:
		return certs.AcceptThenClose
	case o.certificate && o.refused:
		return certs.Reject
	}
	return certs.NegotiationFailure
}

func (o observed) result() certs.Result {
	if o.completed && o.status == 0 {
		o.detail = strings.TrimSuffix("handshake completed, no reply: "+o.detail, ": ")
	}
	return certs.Result{Verdict: o.verdict(), Alert: o.alert, Status: o.status, Detail: o.detail}
}

// killed notes that a program was ended by the deadline. Its last words are lost with
// it, so a connection that never came about reads as a hang, too.
func (o *observed) killed(ctx context.Context) {
	if ctx.Err() != nil {
		o.timeout, o.connected = true, true
		o.detail = "no decision within the deadline"
	}
}

// request is the GET that asks for a sign of life.
func request(name string) string {
	return "GET / HTTP/1.1\r\nHost: " + name + "\r\nUser-Agent: faultbed\r\nConnection: close\r\n\r\n"
}

// status reads the code from the first line of an HTTP/1 reply, 0 if it is none.
func status(reply string) int {
	line, _, _ := strings.Cut(reply, "\n")
	proto, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	code, _, _ := strings.Cut(rest, " ")
	if major, _, ok := http.ParseHTTPVersion(proto); !ok || major != 1 || len(code) != 3 {
		return 0
	}
	n := 0
	for _, c := range code {
		if c < '0' || c > '9' {
			return 0
		}
		n = 10*n + int(c-'0')
	}
	return n
}

// child prepares a program that is killed when ctx ends, and whose descendants
// cannot hold up the wait for it.
func child(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = time.Second
	return cmd
}

// signalled tells whether the program died of a signal that was not our own kill.
func signalled(ctx context.Context, err error) bool {
	var exit *exec.ExitError
	if ctx.Err() != nil || !errors.As(err, &exit) {
		return false
	}
	st, ok := exit.Sys().(syscall.WaitStatus)
	return ok && st.Signaled()
}

// version runs a program and returns the first line it prints.
func version(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, DefaultTimeout)
	defer cancel()
	out, err := child(ctx, name, args...).Output()
	if err != nil {
		return "", fmt.Errorf("clients: %s %s: %w", name, strings.Join(args, " "), err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line), nil
}
