package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"time"
)

// config is the settings; the package comment describes each.
type config struct {
	listen, listenTLS, tlsCert, tlsKey string

	origin                     *url.URL
	originCA, originServerName string

	gracefulTimeout, shutdownDelay                 time.Duration
	readHeaderTimeout, streamIdle, keepalive       time.Duration
	originConnectTimeout, originResponseHeaderTime time.Duration

	maxIdleOrigin int
	logLevel      slog.Level
	crashHooks    bool
}

// parse reads the flags and, for the crash hooks, the environment.
func parse(args []string, usage io.Writer) (config, error) {
	var c config
	f := flag.NewFlagSet("goproxy", flag.ContinueOnError)
	f.SetOutput(usage)
	f.StringVar(&c.listen, "listen", "", "`host:port` of the plain listener")
	f.StringVar(&c.listenTLS, "listen-tls", "", "`host:port` of the TLS listener")
	f.StringVar(&c.tlsCert, "tls-cert", "", "PEM `file` of the TLS listener's chain")
	f.StringVar(&c.tlsKey, "tls-key", "", "PEM `file` of its private key")
	origin := f.String("origin", "", "`URL` of the origin: http://host:port or https://host:port")
	f.StringVar(&c.originCA, "origin-ca", "", "PEM `file` of the roots that the origin is verified by")
	f.StringVar(&c.originServerName, "origin-server-name", "", "`name` to verify and to send as SNI")
	f.DurationVar(&c.gracefulTimeout, "graceful-shutdown-timeout", 10*time.Second, "longest drain")
	f.DurationVar(&c.shutdownDelay, "shutdown-delay", 0, "goes on accepting so long after the signal")
	f.DurationVar(&c.readHeaderTimeout, "read-header-timeout", 5*time.Second, "to receive a request's head")
	f.DurationVar(&c.streamIdle, "stream-idle-timeout", time.Minute, "ends a body or tunnel that moves no byte")
	f.DurationVar(&c.originConnectTimeout, "origin-connect-timeout", 2*time.Second, "to connect to the origin")
	f.DurationVar(&c.originResponseHeaderTime, "origin-response-header-timeout", 10*time.Second, "to receive a response's head")
	f.DurationVar(&c.keepalive, "keepalive-timeout", 75*time.Second, "idle client connections")
	f.IntVar(&c.maxIdleOrigin, "max-idle-origin-connections", 64, "connections to the origin kept for reuse")
	f.TextVar(&c.logLevel, "log-level", slog.LevelInfo, "debug, info, warn or error")
	if err := f.Parse(args); err != nil {
		return c, err
	}
	c.crashHooks = os.Getenv("FAULTBED_CRASH_HOOKS") == "1"
	return c, c.check(*origin, f.Args())
}

func (c *config) check(origin string, rest []string) error {
	u, err := url.Parse(origin)
	c.origin = u
	switch {
	case len(rest) > 0:
		return fmt.Errorf("not a flag: %q", rest[0])
	case err != nil:
		return fmt.Errorf("--origin: %w", err)
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.Path != "" && u.Path != "/", u.RawQuery != "":
		return fmt.Errorf("--origin=%q: want http://host:port or https://host:port", origin)
	case c.listen == "" && c.listenTLS == "":
		return errors.New("want --listen or --listen-tls")
	case c.listenTLS != "" && (c.tlsCert == "" || c.tlsKey == ""):
		return errors.New("--listen-tls wants --tls-cert and --tls-key")
	case c.maxIdleOrigin < 0 || c.shutdownDelay < 0:
		return errors.New("--max-idle-origin-connections and --shutdown-delay cannot be negative")
	}
	for name, d := range map[string]time.Duration{
		"graceful-shutdown-timeout": c.gracefulTimeout, "read-header-timeout": c.readHeaderTimeout,
		"stream-idle-timeout": c.streamIdle, "keepalive-timeout": c.keepalive,
		"origin-connect-timeout": c.originConnectTimeout, "origin-response-header-timeout": c.originResponseHeaderTime,
	} {
		if d <= 0 {
			return fmt.Errorf("--%s=%v: want more than 0", name, d)
		}
	}
	return nil
}

// frontTLS is the TLS listener's configuration; nil if there is none.
func (c *config) frontTLS() (*tls.Config, error) {
	if c.listenTLS == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(c.tlsCert, c.tlsKey)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert, --tls-key: %w", err)
	}
	// Without h2 named here, net/http offers it but does not serve it if the plain
	// listener happens to be first (http.Server.shouldConfigureHTTP2ForServe).
	return &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}, nil
}

// backTLS is how the origin is verified.
func (c *config) backTLS() (*tls.Config, error) {
	t := &tls.Config{ServerName: c.originServerName}
	if c.originCA == "" {
		return t, nil
	}
	pem, err := os.ReadFile(c.originCA)
	if err != nil {
		return nil, fmt.Errorf("--origin-ca: %w", err)
	}
	t.RootCAs = x509.NewCertPool()
	if !t.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--origin-ca: no certificate in %s", c.originCA)
	}
	return t, nil
}
