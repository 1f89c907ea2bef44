package scenario

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"faultbed/fixtures/engine"
	"faultbed/fixtures/images"
	"faultbed/fixtures/topology"
	"faultbed/proxy"
	"faultbed/reports/history"
)

// Lab is everything that trials share: the runtime, the subjects made ready and
// the certificates.
type Lab struct {
	Run      string // run id
	Runtime  string // docker or process
	Dir      string // run folder
	Beds     topology.Runtime
	Driver   proxy.Driver
	Subjects map[string]*Subject
	Certs    *Certs
	Images   *images.Builder // nil in the process runtime
	Labnode  string          // path of the labnode binary
	Tmp      string          // process runtime: where subjects' files go
}

// Subject is a subject made ready for this run's runtime.
type Subject struct {
	Spec     *proxy.Spec
	Image    string            // docker runtime
	Program  string            // process runtime, for build: the built binary
	Versions map[string]string // for the record
}

// dirInContainer is where a containerised subject finds its rendered files.
const dirInContainer = "/faultbed"

// Prepare gets a subject: builds or finds its image, or its program on this
// machine. The error says what is missing and what to do.
func (l *Lab) Prepare(ctx context.Context, spec *proxy.Spec) (*Subject, error) {
	s := &Subject{Spec: spec, Versions: map[string]string{}}
	var err error
	if l.Runtime == "docker" {
		err = s.image(ctx, l)
	} else {
		err = s.local(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("subject %s: %w", spec.Name, err)
	}
	return s, nil
}

// image makes the subject's image.
func (s *Subject) image(ctx context.Context, l *Lab) (err error) {
	get := s.Spec.Get
	switch {
	case get.Build != nil:
		bin, err := s.build(ctx)
		if err != nil {
			return err
		}
		if s.Image, err = l.Images.Scratch(ctx, filepath.Base(bin), bin); err != nil {
			return err
		}
		s.Program = "/" + filepath.Base(bin)
	case get.Debian != nil:
		if s.Image, err = l.Images.Debian(ctx, get.Debian.Suite, get.Debian.Packages, nil); err != nil {
			return err
		}
	case get.Image != nil:
		s.Image = get.Image.Ref
	default:
		return fmt.Errorf("%w: it is an executable of this machine: use --runtime process", ErrUnavailable)
	}
	s.Versions["image"] = s.Image
	if d := l.Images.Digest(ctx, s.Image); d != "" {
		s.Versions["digest"] = d
	}
	if argv := s.Spec.Version; len(argv) > 0 {
		s.Versions["version"], err = l.Images.Output(ctx, s.Image, map[string]string{engine.RunLabel: l.Run}, argv...)
	}
	return err
}

// build builds the subject's program and notes with what.
func (s *Subject) build(ctx context.Context) (string, error) {
	bin, err := buildGo(ctx, s.Spec.Get.Build.Go)
	if err != nil {
		return "", err
	}
	info, err := buildinfo.ReadFile(bin)
	if err == nil {
		s.Versions["version"] = info.Path + " built with " + info.GoVersion
	}
	return bin, err
}

// local finds or builds the subject's program.
func (s *Subject) local(ctx context.Context) (err error) {
	if s.Spec.Get.Build != nil {
		s.Program, err = s.build(ctx)
		return err
	}
	if err := s.Spec.Local(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if v, err := s.Spec.LocalVersion(ctx); err == nil {
		s.Versions["version"] = v
	}
	return nil
}

// ErrUnavailable is a subject that this runtime or machine can't have.
var ErrUnavailable = fmt.Errorf("not available")

var building sync.Mutex

// buildGo builds a Go package statically, next to the other programs.
func buildGo(ctx context.Context, pkg string) (string, error) {
	building.Lock()
	defer building.Unlock()
	root, err := moduleRoot()
	if err != nil {
		return "", fmt.Errorf("%w: %s is built from source: %w", ErrUnavailable, pkg, err)
	}
	out := filepath.Join(root, "bin", filepath.Base(pkg))
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", out, pkg)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if log, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w: %s", pkg, err, topology.Tail(string(log), 3))
	}
	return out, nil
}

// moduleRoot is the folder of go.mod: above the working directory or above the
// program.
func moduleRoot() (string, error) {
	wd, _ := os.Getwd()
	exe, _ := os.Executable()
	for _, start := range []string{wd, filepath.Dir(exe)} {
		for dir := start; ; dir = filepath.Dir(dir) {
			b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
			if err == nil && strings.HasPrefix(string(b), "module faultbed\n") {
				return dir, nil
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return "", fmt.Errorf("faultbed's source tree was not found")
}

// params is what the subject's templates see.
func (l *Lab) params(t *trial, r int) proxy.Params {
	in := t.nodes[infra(r)]
	p, dir := t.plan, dirInContainer
	if l.Runtime == "process" {
		dir = filepath.Join(l.Tmp, strings.ReplaceAll(p.Key(), "/", "_")+"-"+strconv.Itoa(r))
		os.MkdirAll(dir, 0o755)
	}
	set := p.Settings
	params := proxy.Params{
		Dir: dir, Program: t.subj.Program, Grace: time.Duration(set.Grace), CrashHooks: p.Crash,
		Listen: in.Addr(topology.SubjectPort), Origin: proxy.Origin{Addr: t.originFor()},
		Settings: proxy.Settings{
			ShutdownDelay:         time.Duration(set.ShutdownDelay),
			ReadHeaderTimeout:     time.Duration(set.ReadHeader),
			StreamIdleTimeout:     time.Duration(set.StreamIdle),
			ConnectTimeout:        time.Duration(set.Connect),
			ResponseHeaderTimeout: time.Duration(set.ResponseHeader),
		},
	}
	if p.Engine == TLSBack {
		params.Origin.TLS, params.Origin.Name, params.Origin.CA = true, OriginName, filepath.Join(dir, "origin-ca.pem")
	}
	if p.TLS {
		params.ListenTLS = in.Addr(topology.SubjectTLSPort)
		params.TLS = proxy.TLS{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}
	}
	return params
}

// launch renders the subject for one start.
func (s *Subject) launch(l *Lab, p history.Plan, in *topology.Node, params proxy.Params) (proxy.Launch, error) {
	r, err := s.Spec.Render(params)
	if err != nil {
		return proxy.Launch{}, err
	}
	files := r.Files
	if params.TLS.Cert != "" {
		chain, key := l.Certs.SubjectChain, l.Certs.SubjectKey
		files[params.TLS.Cert], files[params.TLS.Key] = chain, key
	}
	if params.Origin.CA != "" {
		files[params.Origin.CA] = l.Certs.OriginRoots
	}
	return proxy.Launch{Run: l.Run, Dir: params.Dir, Image: s.Image, Net: in.Ref, Command: r.Command, Env: r.Env, Files: files, PID1: p.Variant == "pid1"}, nil
}
