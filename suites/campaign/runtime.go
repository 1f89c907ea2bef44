package campaign

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"faultbed/fixtures/engine"
	"faultbed/fixtures/images"
	"faultbed/fixtures/topology"
	"faultbed/proxy"
	"faultbed/proxy/container"
	"faultbed/proxy/process"
)

// environment is the runtime that was chosen and why.
type environment struct {
	kind   string
	why    string
	engine *engine.Engine
	images *images.Builder
	nodes  topology.Runtime
	driver proxy.Driver

	labnode string // its path
}

// ErrEnvironment is a machine that can't do what was asked.
var ErrEnvironment = errors.New("environment")

// openRuntime chooses docker where an engine answers, otherwise process, and
// refuses to start beside leftovers of an earlier run.
func openRuntime(ctx context.Context, run, want string, say func(string)) (*environment, error) {
	labnode, err := Labnode()
	if err != nil {
		return nil, err
	}
	if want == "process" {
		return processRuntime(ctx, labnode, run, "asked for by --runtime process")
	}
	e, err := engine.Open(ctx, run)
	if err != nil && want == "docker" {
		return nil, fmt.Errorf("%w: --runtime docker: %w: start the engine or use --runtime process", ErrEnvironment, err)
	}
	if err != nil {
		say("no Docker engine answers: using the process runtime")
		return processRuntime(ctx, labnode, run, "no Docker engine answers")
	}
	env, err := dockerRuntime(ctx, e, labnode, run, say)
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return env, nil
}

func processRuntime(ctx context.Context, labnode, run, why string) (*environment, error) {
	if err := tidy(ctx, nil); err != nil {
		return nil, err
	}
	return &environment{kind: "process", why: why, nodes: topology.NewProcess(labnode, run), driver: process.Driver{}, labnode: labnode}, nil
}

// tidy is an error where something of an earlier run is left.
func tidy(ctx context.Context, e *engine.Engine) error {
	left, err := leftovers(ctx, e)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrEnvironment, err)
	}
	if len(left) > 0 {
		return dirty(left)
	}
	return nil
}

func dirty(ls []engine.Leftover) error {
	return fmt.Errorf("%w: %d things of run %s are left behind, such as %s %s: run faultbed clean", ErrEnvironment, len(ls), ls[0].Run, ls[0].Kind, ls[0].Name)
}

func dockerRuntime(ctx context.Context, e *engine.Engine, labnode, run string, say func(string)) (*environment, error) {
	if err := tidy(ctx, e); err != nil {
		return nil, err
	}
	b := images.New(e, say)
	img, err := b.Scratch(ctx, "labnode", labnode)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEnvironment, err)
	}
	verify := func(ctx context.Context) (string, error) {
		bin, err := os.ReadFile(labnode)
		if err != nil {
			return "", err
		}
		return b.Debian(ctx, "bookworm", []string{"openssl", "python3"}, map[string][]byte{"/labnode": bin})
	}
	nodes := topology.NewDocker(e, run, topology.Images{Labnode: img, Verify: verify})
	return &environment{kind: "docker", labnode: labnode, why: "Docker engine " + e.Version + " answers", engine: e, images: b, nodes: nodes,
		driver: container.Driver{Client: e.Provider.Client(), Local: e.Local, Labels: map[string]string{engine.RunLabel: run}}}, nil
}

func (e *environment) close(ctx context.Context) error {
	err := e.nodes.Close(ctx)
	if e.engine != nil {
		err = errors.Join(err, e.engine.Close())
	}
	return err
}

// lacks says why a variant can't run here, or nothing.
func (e *environment) lacks(variant string) string {
	if e.kind == "process" && variant == "pid1" && (runtime.GOOS != "linux" || os.Geteuid() != 0) {
		return "variant pid1 in the process runtime needs Linux and root"
	}
	return ""
}

// Labnode finds the labnode binary: beside this program, in the source tree's
// bin, or where FAULTBED_LABNODE says.
func Labnode() (string, error) {
	exe, _ := os.Executable()
	wd, _ := os.Getwd()
	tried := []string{os.Getenv("FAULTBED_LABNODE"), filepath.Join(filepath.Dir(exe), "labnode")}
	for dir := wd; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		tried = append(tried, filepath.Join(dir, "bin", "labnode"))
	}
	for _, p := range tried {
		if st, err := os.Stat(p); p != "" && err == nil && st.Mode().IsRegular() {
			return p, nil
		}
	}
	return "", fmt.Errorf("%w: the program labnode is not beside faultbed: make build", ErrEnvironment)
}

// environmentOf records what it was measured on.
func environmentOf(e *environment) map[string]string {
	env := map[string]string{
		"go": runtime.Version(), "os": runtime.GOOS + "/" + runtime.GOARCH, "cpus": fmt.Sprint(runtime.NumCPU()),
		"toxiproxy": "v2.12.0",
	}
	read := func(key, path string) {
		if b, err := os.ReadFile(path); err == nil {
			env[key] = strings.TrimSpace(string(b))
		}
	}
	read("kernel", "/proc/sys/kernel/osrelease")
	read("congestion", "/proc/sys/net/ipv4/tcp_congestion_control")
	read("somaxconn", "/proc/sys/net/core/somaxconn")
	read("pid_max", "/proc/sys/kernel/pid_max")
	read("loadavg", "/proc/loadavg")
	var files syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files) == nil {
		env["nofile"] = fmt.Sprint(files.Cur)
	}
	if e.engine != nil {
		env["docker"], env["api"], env["cgroup"] = e.engine.Version, e.engine.APIVersion, e.engine.Cgroup
	}
	if out, err := exec.Command("uname", "-srm").Output(); err == nil {
		env["uname"] = strings.TrimSpace(string(out))
	}
	return env
}
