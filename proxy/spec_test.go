package proxy_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"faultbed/proxy"
	"faultbed/reports/schema"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("-want +got (-update rewrites):\n%s", d)
	}
}

func embedded(t *testing.T) map[string]*proxy.Spec {
	t.Helper()
	all, err := proxy.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*proxy.Spec{}
	for _, s := range all {
		out[s.Name] = s
	}
	return out
}

// params are those of a whole bed, TLS on both legs.
func params() proxy.Params {
	return proxy.Params{
		Dir: "/bed", Program: "/bin/goproxy", Listen: "10.0.0.3:8080", ListenTLS: "10.0.0.3:8443",
		TLS:      proxy.TLS{Cert: "/bed/cert.pem", Key: "/bed/key.pem"},
		Origin:   proxy.Origin{Addr: "10.0.0.2:9000", TLS: true, CA: "/bed/ca.pem", Name: "origin.test"},
		Settings: proxy.Settings{ReadHeaderTimeout: 1500 * time.Millisecond, ShutdownDelay: 250 * time.Millisecond},
	}
}

func TestEmbedded(t *testing.T) {
	specs := embedded(t)
	if got := slices.Sorted(maps.Keys(specs)); !slices.Equal(got, []string{"go", "nginx", "python"}) {
		t.Fatalf("embedded: %v", got)
	}
	if s := specs["nginx"]; s.Drain.Signal != "QUIT" || time.Duration(s.Drain.Grace) != 2*time.Second || !slices.Equal(s.Drain.ExitCodes, []int{0}) {
		t.Errorf("nginx drains with %+v", s.Drain)
	}
	if s := specs["python"]; s.Has("http2") || !s.Has("crash-python") || s.Get.Debian.Suite != "bookworm" {
		t.Errorf("python: %+v", s)
	}
}

// TestRenderGolden shows what each subject is started with, plain and with TLS
// on both legs and crash hooks.
func TestRenderGolden(t *testing.T) {
	for name, s := range embedded(t) {
		plain := params()
		plain.ListenTLS, plain.TLS, plain.Origin, plain.Settings = "", proxy.TLS{}, proxy.Origin{Addr: "10.0.0.2:9000"}, proxy.Settings{}
		tls := params()
		tls.CrashHooks = true
		for variant, p := range map[string]proxy.Params{"plain": plain, "tls": tls} {
			r, err := s.Render(p)
			if err != nil {
				t.Fatal(err)
			}
			delete(r.Files, "/bed/pyproxy.py") // not a template; TestSources has it
			golden(t, filepath.Join("testdata/render", name+"-"+variant+".txt"), show(r))
		}
	}
}

func show(r proxy.Rendered) string {
	var b strings.Builder
	b.WriteString(strings.Join(r.Command, "\n  ") + "\n")
	for _, k := range slices.Sorted(maps.Keys(r.Env)) {
		fmt.Fprintf(&b, "%s=%s\n", k, r.Env[k])
	}
	for _, k := range slices.Sorted(maps.Keys(r.Files)) {
		fmt.Fprintf(&b, "--- %s\n%s", k, r.Files[k])
	}
	return b.String()
}

// TestRenderAlways: whatever sound parameters a bed has, every embedded subject
// renders, and shows the addresses that it was given and no others.
func TestRenderAlways(t *testing.T) {
	specs := embedded(t)
	rapid.Check(t, func(t *rapid.T) {
		p := params()
		p.CrashHooks = rapid.Bool().Draw(t, "crash")
		if !rapid.Bool().Draw(t, "front") {
			p.ListenTLS = ""
		}
		if !rapid.Bool().Draw(t, "back") {
			p.Origin.TLS = false
		}
		ms := rapid.Int64Range(0, 1e6)
		p.Grace = time.Duration(ms.Draw(t, "grace")) * time.Millisecond
		p.Settings.StreamIdleTimeout = time.Duration(ms.Draw(t, "idle")) * time.Millisecond
		p.Listen = rapid.SampledFrom([]string{"[::1]:80", "0.0.0.0:8080", "proxy:1"}).Draw(t, "listen")
		for name, s := range specs {
			r, err := s.Render(p)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			text := show(r)
			for what, c := range map[string]struct {
				text string
				want bool
			}{
				p.Listen: {p.Listen, true}, "origin": {p.Origin.Addr, true}, "front": {"10.0.0.3:8443", p.ListenTLS != ""},
				"key": {"/bed/key.pem", p.ListenTLS != ""}, "ca": {"/bed/ca.pem", p.Origin.TLS},
			} {
				if strings.Contains(text, c.text) != c.want {
					t.Fatalf("%s: %s (%s) shown: %v", name, what, c.text, !c.want)
				}
			}
			if _, armed := r.Env["FAULTBED_CRASH_HOOKS"]; armed != (p.CrashHooks && name != "nginx") {
				t.Fatalf("%s: crash hooks armed: %v", name, armed)
			}
		}
	})
}

func TestRenderRefusesBadParams(t *testing.T) {
	s := embedded(t)["go"]
	for want, spoil := range map[string]func(*proxy.Params){
		`listen address "8080"`:            func(p *proxy.Params) { p.Listen = "8080" },
		`listen address ":80"`:             func(p *proxy.Params) { p.Listen = ":80" },
		`TLS listen address "h:0"`:         func(p *proxy.Params) { p.ListenTLS = "h:0" },
		`origin address ""`:                func(p *proxy.Params) { p.Origin.Addr = "" },
		`folder "bed" is not absolute`:     func(p *proxy.Params) { p.Dir = "bed" },
		`needs a certificate and a key`:    func(p *proxy.Params) { p.TLS.Key = "" },
		`origin with TLS needs a CA and a`: func(p *proxy.Params) { p.Origin.Name = "" },
	} {
		p := params()
		spoil(&p)
		if _, err := s.Render(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

const minimal = `name: x
description: a proxy
get:
  image: {ref: x}
command:
  - x
  - '{{.Listen}}'
ready:
  tcp: true
drain:
  signal: TERM
  grace: 1s
capabilities: [http1, tls-front, http2]
`

// TestErrors are mistakes that the schema can't see; each becomes one line.
func TestErrors(t *testing.T) {
	const get, command, ready, grace, caps = "get:\n  image: {ref: x}\n", "  - '{{.Listen}}'\n", "  tcp: true\n", "1s", "[http1, tls-front, http2]"
	for _, c := range []struct{ name, old, new, want string }{
		{"no get", get, "get: {}\n", `3:1: get: want exactly one of build, image, debian, executable`},
		{"two gets", get, get + "  build: {go: ./x}\n", `3:1: get: want one way to get the program, got build and image`},
		{"process without debian", get, get + "process: {program: x}\n", `5:1: process: only a subject from Debian packages has it, not one with get.image`},
		{"no ready", "ready:\n" + ready, "ready: {}\n", `8:1: ready: want exactly one of http and tcp`},
		{"two readies", ready, ready + "  http: /x\n", `8:1: ready: want exactly one of http and tcp`},
		{"ready timeout", ready, ready + "  timeout: 0s\n", `10:12: ready.timeout: must be more than 0`},
		{"grace", grace, "0s", `12:10: drain.grace: must be more than 0`},
		{"signal", "TERM", "SIGTERM", `11:11: drain.signal: "SIGTERM" is not one of TERM, INT, QUIT, HUP, USR1, USR2, WINCH (did you mean "TERM"?)`},
		{"capability twice", caps, "[http1, http1]", `13:23: capabilities[1]: "http1" is there twice`},
		{"capability needs", caps, "[http1, http2]", `13:23: capabilities[1]: "http2" needs "tls-front"`},
		{"declaration twice", caps, caps + "\ndeclares:\n  - buffers-request\n  - buffers-request", `16:5: declares[1]: "buffers-request" is there twice`},
		{"target twice", get, get + "files: {a: src}\nconfig: {a: x}\n", `6:10: config: "a" is in files already`},
		{"missing source", get, get + "files:\n  a: nothing/here.py\n", `6:6: nothing/here.py: file does not exist`},
		{"source outside", get, get + "files: {a: ../../b}\n", `5:12: ../../b: is outside of the subject's file system`},
		{"absolute target", get, "get:\n  executable: {path: x}\nconfig: {/etc/x: y}\n", `5:10: config: an executable runs on this machine, so "/etc/x" must be relative to {{.Dir}}`},
		{"template syntax", command, "  - '{{.Listen'\n", `7:6: template: unclosed action`},
		{"template field", command, "  - 'on {{.Lisen}}'\n", `7:11: template: unknown field .Lisen (did you mean "Listen"?)`},
		{"template deep field", command, "  - '{{.Origin.Nmae}}'\n", `7:15: template: unknown field .Nmae (did you mean "Name"?)`},
		{"template field in branch", command, "  - '{{if and .CrashHooks .Origin.TLS .ListenTLS}}{{.Dri}}{{end}}'\n", `7:53: template: unknown field .Dri (did you mean "Dir"?)`},
		{"template field in a branch never taken", command, "  - '{{if eq .Dir \"x\"}}{{else if .CrashHooks}}{{.Dri}}{{end}}'\n", `7:49: template: unknown field .Dri (did you mean "Dir"?)`},
		{"template field in an else", command, "  - '{{if .Dir}}x{{else}}{{.Settings.ConnectTimeot}}{{end}}'\n", `7:37: template: unknown field .ConnectTimeot (did you mean "ConnectTimeout"?)`},
		{"template field of with", command, "  - '{{with .Origin}}{{.Addr}}{{.Prot}}{{end}}'\n", `7:33: template: unknown field .Prot (did you mean "Port"?)`},
		{"template field of the root", command, "  - '{{with .Origin}}{{$.Settings.ShutdownDelai}}{{end}}'\n", `7:34: template: unknown field .ShutdownDelai (did you mean "ShutdownDelay"?)`},
		{"template field as an argument", command, "  - '{{if false}}{{least .Grace .Settings.Kept}}{{end}}'\n", `7:42: template: unknown field .Kept (known: ReadHeaderTimeout, StreamIdleTimeout, ConnectTimeout, ResponseHeaderTimeout, KeepaliveTimeout, ShutdownDelay)`},
		{"template field of a text", command, "  - '{{if false}}{{(printf .Dir.Base).X}}{{end}}'\n", `7:32: template: unknown field .Base`},
		{"template function", command, "  - '{{milis .Grace}}'\n", `7:6: template: unknown function milis (did you mean "millis"?)`},
		{"template duration", command, "  - '{{less .Grace \"1\"}}'\n", `7:8: template: error calling less: time: missing unit in duration "1"`},
		{"template range", command, "  - '{{range 1000000000}}{{end}}'\n", `7:14: template: range and template are not supported`},
		{"template define", command, "  - '{{define \"a\"}}{{template \"a\"}}{{end}}'\n", `7:6: template: define and block are not supported`},
		{"template in config", get, get + "config:\n  x.conf: |\n\n    listen {{.Listen}};\n      origin {{ .Orgin.Host }};\n", `9:17: template: unknown field .Orgin (did you mean "Origin"?)`},
		{"template in env", get, get + "env:\n  A: x {{.B}}\n", `6:10: template: unknown field .B (known: Dir, Program, Listen, ListenTLS, TLS, Origin, Grace, Settings, CrashHooks, ListenHost, ListenPort, ListenTLSHost, ListenTLSPort)`},
		{"template huge", command, "  - '{{printf \"%900000d\" 1}}{{printf \"%900000d\" 1}}'\n", `7:5: template: renders to more than 1048576 bytes`},
		{"empty command", "  - x\n" + command, "  - '{{if false}}x{{end}}'\n", `5:1: command: every element renders empty`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if strings.Count(minimal, c.old) != 1 {
				t.Fatalf("%q is not once in minimal", c.old)
			}
			fsys := fstest.MapFS{"s/x.yaml": {Data: []byte(strings.Replace(minimal, c.old, c.new, 1))}, "s/src": {}}
			_, err := proxy.LoadFS(fsys, "s/x.yaml")
			var se *schema.Error
			if !errors.As(err, &se) {
				t.Fatalf("want a *schema.Error, got %v", err)
			}
			if got := se.Error(); got != "s/x.yaml:"+c.want {
				t.Errorf("got\n%s\nwant\ns/x.yaml:%s\n%s", got, c.want, se.Excerpt)
			}
		})
	}
}

func TestMissingFile(t *testing.T) {
	_, err := proxy.Load("nothing.yaml")
	if err == nil || err.Error() != "nothing.yaml: no such file or directory" {
		t.Errorf("got %v", err)
	}
	if _, err := proxy.LoadFS(fstest.MapFS{}, "x.yaml"); err == nil || err.Error() != "x.yaml: file does not exist" {
		t.Errorf("got %v", err)
	}
}

// TestSources: sources are read relative to the file, and land in Dir or where
// an absolute target says.
func TestSources(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "subjects"), 0o755); err != nil {
		t.Fatal(err)
	}
	text := minimal + "files: {bin/run.py: ../run.py, /etc/run.conf: run.conf}\nconfig: {/etc/x: 'on {{.ListenPort}}'}\n"
	for name, data := range map[string]string{"subjects/x.yaml": text, "run.py": "{{not a template", "subjects/run.conf": "c"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s, err := proxy.Load(filepath.Join(dir, "subjects/x.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Render(params())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]byte{"/bed/bin/run.py": []byte("{{not a template"), "/etc/run.conf": []byte("c"), "/etc/x": []byte("on 8080")}
	if d := cmp.Diff(want, r.Files); d != "" {
		t.Error(d)
	}
	if err := s.Local(t.Context()); err == nil || !strings.Contains(err.Error(), "needs a container") {
		t.Errorf("an absolute target runs locally: %v", err)
	}
}

func TestEmbeddedPythonSource(t *testing.T) {
	want, err := os.ReadFile("pyproxy/pyproxy.py")
	if err != nil {
		t.Fatal(err)
	}
	r, err := embedded(t)["python"].Render(params())
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Files["/bed/pyproxy.py"]; len(want) == 0 || string(got) != string(want) {
		t.Errorf("%d bytes rendered, %d in the source", len(got), len(want))
	}
}

func TestLocal(t *testing.T) {
	const debian = "get: {debian: {packages: [x]}}\n"
	for _, c := range []struct{ name, get, want string }{
		{"build", "get: {build: {go: ./x}}\n", ""},
		{"image", "get: {image: {ref: x}}\n", "it needs a container"},
		{"executable", "get: {executable: {path: sh}}\n", ""},
		{"no executable", "get: {executable: {path: /nothing/sh}}\n", "/nothing/sh is not on this machine"},
		{"debian", debian, "it needs a container"},
		{"debian here", debian + "process: {program: sh, probe: [sh, -c, exit 0]}\n", ""},
		{"debian not here", debian + "process: {program: /nothing/sh}\n", "/nothing/sh is not on this machine"},
		{"debian probe", debian + "process: {program: sh, probe: [sh, -c, 'echo one; echo two >&2; exit 3']}\n", "exit status 3: two"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(minimal, "get:\n  image: {ref: x}\n", c.get, 1)
			s, err := proxy.LoadFS(fstest.MapFS{"x.yaml": {Data: []byte(text)}}, "x.yaml")
			if err != nil {
				t.Fatal(err)
			}
			err = s.Local(t.Context())
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestLocalVersion(t *testing.T) {
	for argv, want := range map[string]string{"[sh, -c, 'echo; echo 1.2 >&2; echo 3']": "1.2", "[sh, -c, exit 1]": "exit status 1", "[/nothing]": "no such file"} {
		s, err := proxy.LoadFS(fstest.MapFS{"x.yaml": {Data: []byte(minimal + "version: " + argv + "\n")}}, "x.yaml")
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.LocalVersion(t.Context())
		if !strings.Contains(fmt.Sprint(got, err), want) {
			t.Errorf("%s: %q, %v, want %q", argv, got, err, want)
		}
	}
}

// TestClosedLists holds the documented lists against the published schema.
func TestClosedLists(t *testing.T) {
	text, err := schema.JSON("subject")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Defs struct{ Capability, Declaration struct{ Enum []string } } `json:"$defs"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		terms []proxy.Term
		enum  []string
	}{{proxy.Capabilities(), doc.Defs.Capability.Enum}, {proxy.Declarations(), doc.Defs.Declaration.Enum}} {
		var names []string
		for _, term := range c.terms {
			if term.Doc == "" {
				t.Errorf("%s is not documented", term.Name)
			}
			names = append(names, term.Name)
		}
		if d := cmp.Diff(names, c.enum); d != "" {
			t.Errorf("-code +schema:\n%s", d)
		}
	}
}

// FuzzLoad: whatever the file, Load returns a subject that renders, or one error
// with its place.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("subjects/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(minimal))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := proxy.LoadFS(fstest.MapFS{"s/x.yaml": {Data: data}, "pyproxy/pyproxy.py": {}}, "s/x.yaml")
		if err == nil {
			_, err = s.Render(params())
		}
		var se *schema.Error
		if err != nil && (!errors.As(err, &se) || strings.Contains(se.Error(), "\n")) {
			t.Errorf("not one line of a *schema.Error: %q", err)
		}
	})
}

// FuzzRender: whatever the template, it renders or its error stands in the
// line that is to blame.
func FuzzRender(f *testing.F) {
	for _, seed := range []string{"{{.Listen}}", "a\n  {{if .ListenTLS}}{{.TLS.Cert}}{{else}}{{end}}", "{{millis (less .Grace \"1s\")}}",
		"{{with .Origin}}{{.Port}}{{end}}", "{{with $x := .Grace}}{{$x}}{{end}}", "{{/* c */}}{{- \"a\" | printf \"%q\" -}}", "{{index .Listen 99}}", "{{.Origin.URL.X}}", "{{call .Dir}}"} {
		f.Add("nginx.conf", seed)
	}
	f.Fuzz(func(t *testing.T, target, text string) {
		config, err := json.Marshal(map[string]string{target: text}) // JSON is YAML
		if err != nil {
			t.Skip()
		}
		data := minimal + "config: " + string(config) + "\n"
		_, err = proxy.LoadFS(fstest.MapFS{"x.yaml": {Data: []byte(data)}}, "x.yaml")
		var se *schema.Error
		if err != nil && (!errors.As(err, &se) || se.Line != strings.Count(minimal, "\n")+1) {
			t.Errorf("not an error in the template's line: %v", err)
		}
	})
}
