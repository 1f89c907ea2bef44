package proxy

import (
	"slices"
	"strings"

	"faultbed/reports/schema"
)

// Term is a word of a closed list, with what it means.
type Term struct{ Name, Doc string }

// Capabilities is the closed list of what a subject can declare to do. A
// scenario that requires more than a subject declares skips it, visibly.
func Capabilities() []Term {
	return []Term{
		{"http1", "serves HTTP/1.1 on its plain listener, with keep-alive"},
		{"http2", "serves HTTP/2 on its TLS listener (ALPN h2)"},
		{"tls-front", "has a TLS listener beside the plain one, when it is given a certificate"},
		{"tls-back", "speaks TLS to the origin, when the origin does"},
		{"tls-back-verify", "verifies the origin's chain and name against a given CA"},
		{"websocket", "forwards an upgrade to WebSocket and both directions after it"},
		{"upgrade", "forwards any upgrade, as a stream of bytes in both directions"},
		{"streaming", "forwards a response as it arrives, without waiting for its end"},
		{"upload", "forwards request bodies of any size, as they arrive"},
		{"health", "answers GET /healthz itself with 200 while it serves"},
		{"metrics", "answers GET /metrics itself in Prometheus' text format"},
		{"crash-go", "carries the Go crash hooks, armed by FAULTBED_CRASH_HOOKS=1"},
		{"go-http", "is a Go program on net/http, server and Transport, that keeps the names of its functions: inject.go-* can hit it"},
		{"aiohttp", "is a CPython program whose server is aiohttp's: inject.python-* can hit it"},
		{"workers", "its first process only watches over others, which serve, and replaces one that dies"},
		{"crash-python", "carries the Python crash hooks, armed by FAULTBED_CRASH_HOOKS=1"},
		{"resolves", "looks its origin's name up while it serves, and not only at its start"},
		{"resolves-anew", "does so for each new connection: it keeps no answer longer than that lives"},
		{"forks", "starts a process for each connection"},
		{"spools", "writes bodies to files in the folder spool of its own folder before it sends them on"},
	}
}

// Declarations is the closed list of transformations that a subject may declare
// as legitimate, so that no check takes them for a fault.
func Declarations() []Term {
	return []Term{
		{"retries-idempotent", "sends an idempotent request that got no answer once more"},
		{"retries-dead-connections", "sends an idempotent request again for each reused connection to the origin that turns out dead, up to a new one"},
		{"trusts-transfer-encoding", "goes by Transfer-Encoding where Content-Length is there too, and keeps the connection open after it"},
		{"buffers-request", "reads a request body whole before the origin sees it"},
		{"buffers-response", "reads a response whole before the client sees it"},
		{"forwards-connection-headers", "forwards headers that the client's Connection header names"},
		{"drops-trailers", "drops trailers of requests and of responses"},
		{"drops-request-trailers", "drops trailers of requests"},
		{"answers-100", "answers Expect: 100-continue itself, before the origin has"},
		{"drops-103", "drops 103 (Early Hints)"},
		{"closes-tunnels-whole", "ends both directions of an upgraded connection when one has ended"},
		{"drains-silently", "tells clients of a drain neither by Connection: close nor by GOAWAY"},
		{"cuts-websockets", "ends WebSockets at a drain without a close frame"},
	}
}

// Has tells whether the subject declares a capability.
func (s *Spec) Has(capability string) bool { return slices.Contains(s.Capabilities, capability) }

// The checks below are what the JSON Schema can't say well.

func (s *Spec) checkGet() *schema.Error {
	var got []string
	for _, way := range []struct {
		name string
		set  bool
	}{{"build", s.Get.Build != nil}, {"image", s.Get.Image != nil}, {"debian", s.Get.Debian != nil}, {"executable", s.Get.Executable != nil}} {
		if way.set {
			got = append(got, way.name)
		}
	}
	switch {
	case len(got) == 0:
		return s.doc.KeyErrorf("$.get", "get: want exactly one of build, image, debian, executable")
	case len(got) > 1:
		return s.doc.KeyErrorf("$.get", "get: want one way to get the program, got %s", strings.Join(got, " and "))
	case s.Process != nil && s.Get.Debian == nil:
		return s.doc.KeyErrorf("$.process", "process: only a subject from Debian packages has it, not one with get.%s", got[0])
	}
	return nil
}

func (s *Spec) checkReady() *schema.Error {
	switch {
	case (s.Ready.HTTP != "") == s.Ready.TCP:
		return s.doc.KeyErrorf("$.ready", "ready: want exactly one of http and tcp")
	case s.Ready.Timeout <= 0:
		return s.doc.Errorf("$.ready.timeout", "ready.timeout: must be more than 0")
	}
	return nil
}

func (s *Spec) checkDrain() *schema.Error {
	if s.Drain.Grace <= 0 {
		return s.doc.Errorf("$.drain.grace", "drain.grace: must be more than 0")
	}
	return nil
}

// needs are capabilities that make no sense without another.
var needs = map[string]string{"http2": "tls-front", "tls-back-verify": "tls-back", "resolves-anew": "resolves"}

func (s *Spec) checkLists() *schema.Error {
	for key, list := range map[string][]string{"capabilities": s.Capabilities, "declares": s.Declares} {
		for i, c := range list {
			if slices.Contains(list[:i], c) {
				return s.doc.Errorf(schema.Path(key, i), "%s[%d]: %q is there twice", key, i, c)
			}
			if n := needs[c]; n != "" && !slices.Contains(list, n) {
				return s.doc.Errorf(schema.Path(key, i), "%s[%d]: %q needs %q", key, i, c, n)
			}
		}
	}
	return nil
}

func (s *Spec) checkTargets() *schema.Error {
	for target := range s.Config {
		if _, twice := s.Files[target]; twice {
			return s.doc.KeyErrorf(schema.Path("config", target), "config: %q is in files already", target)
		}
	}
	if s.Get.Executable == nil {
		return nil
	}
	if key, target := s.absoluteTarget(); key != "" {
		return s.doc.KeyErrorf(schema.Path(key, target), "%s: an executable runs on this machine, so %q must be relative to {{.Dir}}", key, target)
	}
	return nil
}

// absoluteTarget is a target outside Dir, if there is one, and the key that has it.
func (s *Spec) absoluteTarget() (key, target string) {
	for key, m := range map[string]map[string]string{"files": s.Files, "config": s.Config} {
		for t := range m {
			if strings.HasPrefix(t, "/") {
				return key, t
			}
		}
	}
	return "", ""
}
