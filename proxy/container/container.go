// Package container is the driver that runs a subject in a container, through
// testcontainers-go, inside the network namespace of an infra container.
//
// The container gets the subject's own command as its entry point (exec form),
// as PID 1 or under the engine's init, and nothing of ours inside. Where the
// engine's kernel is this one, signals go to the subject's own host pid and its
// exit is seen by pidfd; where it is remote, both go by the API, which is tens of
// milliseconds less precise, and Via says which. The engine's init is stopped from
// the first signal to the subject's end, so that what the subject leaves behind can
// be counted. Start with [Driver].
package container

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"time"

	"faultbed/proxy"
	"faultbed/proxy/pidfd"
	"faultbed/reports/history"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

// Driver starts subjects in containers.
type Driver struct {
	Client client.APIClient
	Local  bool              // pids of the engine are pids here
	Labels map[string]string // put on every container
}

type instance struct {
	d    Driver
	c    *testcontainers.DockerContainer
	pid  int
	fd   *pidfd.FD
	init *held // nil as PID 1
	exit chan proxy.Exit
	stop context.CancelFunc
	gone chan struct{} // closed when watch has ended
}

// held is the engine's init above a subject. It is stopped from the first signal
// to the subject's end: the moment it sees that end it ends too, and takes along
// whatever the subject left behind, before anyone could count it.
type held struct {
	pid int
	fd  *pidfd.FD
}

func (h *held) signal(sig syscall.Signal) {
	if h != nil {
		h.fd.Signal(sig) // it may be gone, and that is all that can go wrong
	}
}

// Start runs the subject's image with its command.
func (d Driver) Start(ctx context.Context, l proxy.Launch) (proxy.Instance, proxy.Started, error) {
	if l.Resolv != "" && !d.Local {
		return nil, proxy.Started{}, fmt.Errorf("start %s: a resolv.conf of this machine can't be mounted by an engine elsewhere", l.Name)
	}
	c, err := testcontainers.Run(ctx, l.Image, d.options(l)...)
	i := &instance{d: d, c: c, exit: make(chan proxy.Exit, 1)}
	if err != nil {
		return nil, proxy.Started{}, i.fail(ctx, l, err)
	}
	st := proxy.Started{T: history.Now(), Ref: c.GetContainerID()}
	if d.Local {
		if i.pid, err = i.findPID(ctx, !l.PID1); err == nil && i.pid > 0 {
			i.fd, _ = pidfd.Open(i.pid)
		}
		seen := executed(i.pid, !l.PID1)
		st.PID, st.T = i.pid, history.Now()
		if !seen && !l.PID1 && i.refused(ctx) {
			return nil, proxy.Started{}, i.fail(ctx, l, errors.New("the init can't execute "+l.Command[0]))
		}
	}
	watch, stop := context.WithCancel(context.WithoutCancel(ctx))
	i.stop, i.gone = stop, make(chan struct{})
	go i.watch(watch)
	return i, st, nil
}

// fail removes the container and adds its last words to the error.
func (i *instance) fail(ctx context.Context, l proxy.Launch, err error) error {
	if i.c != nil {
		log, cerr := i.Close(ctx)
		err = errors.Join(fmt.Errorf("%w: %s", err, tail(log)), cerr)
	}
	return fmt.Errorf("start %s: %w", l.Name, err)
}

// refused tells whether the init ended as it does when it can't execute its
// command.
func (i *instance) refused(ctx context.Context) bool {
	for range 50 {
		st, err := i.state(ctx)
		if err != nil || !st.Running {
			return err == nil && (st.ExitCode == 126 || st.ExitCode == 127)
		}
		pause(ctx, 20*time.Millisecond)
	}
	return false
}

func tail(log []byte) string {
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], " | ")
}

func (d Driver) options(l proxy.Launch) []testcontainers.ContainerCustomizer {
	var files []testcontainers.ContainerFile
	for path, data := range l.Files {
		files = append(files, testcontainers.ContainerFile{Reader: bytes.NewReader(data), ContainerFilePath: path, FileMode: 0o644})
	}
	labels := map[string]string{}
	for k, v := range d.Labels {
		labels[k] = v
	}
	labels["faultbed.node"] = l.Name
	init := !l.PID1
	return []testcontainers.ContainerCustomizer{
		testcontainers.WithEntrypoint(l.Command...),
		testcontainers.WithEnv(l.Env),
		testcontainers.WithFiles(files...),
		testcontainers.WithLabels(labels),
		testcontainers.WithHostConfigModifier(func(hc *container.HostConfig) {
			hc.NetworkMode = container.NetworkMode("container:" + l.Net)
			hc.Init = &init
			if l.Resolv != "" {
				hc.Binds = append(hc.Binds, l.Resolv+":/etc/resolv.conf:ro")
			}
		}),
	}
}

// findPID is the subject's host pid: the container's first process, or the
// init's child. A subject that ended at once has none.
func (i *instance) findPID(ctx context.Context, init bool) (int, error) {
	for range 50 {
		st, err := i.state(ctx)
		if err != nil || !st.Running {
			return 0, err
		}
		if !init {
			return st.Pid, nil
		}
		if kids := pidfd.Children(st.Pid); len(kids) > 0 {
			if fd, err := pidfd.Open(st.Pid); err == nil {
				i.init = &held{st.Pid, fd}
			}
			return kids[0], nil
		}
		time.Sleep(2 * time.Millisecond)
	}
	return 0, errors.New("the init has no child")
}

// executed waits until the process is the subject's own program: until then it is
// the engine's runtime, or its init that has forked and not yet executed, and a
// signal would be theirs. False if it was gone before.
func executed(pid int, init bool) bool {
	inits := []string{"docker-init", "tini", "catatonit"}
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Microsecond) {
		comm := pidfd.Comm(pid)
		if !strings.HasPrefix(comm, "runc:") && (!init || !slices.Contains(inits, comm)) {
			return comm != ""
		}
	}
	return true
}

func (i *instance) state(ctx context.Context) (*container.State, error) {
	r, err := i.d.Client.ContainerInspect(ctx, i.c.GetContainerID(), client.ContainerInspectOptions{})
	if err != nil {
		return nil, err
	}
	return r.Container.State, nil
}

// watch delivers the exit: its instant by pidfd, its code from the engine.
func (i *instance) watch(ctx context.Context) {
	defer close(i.gone)
	defer close(i.exit)
	x := proxy.Exit{Via: "api"}
	if i.fd != nil {
		if t, err := i.fd.Wait(ctx); err == nil {
			x.T, x.Via = t, "pidfd"
			x.Orphans = i.orphans()
			i.init.signal(syscall.SIGCONT)
		}
	}
	for ctx.Err() == nil {
		st, err := i.state(ctx)
		if err == nil && !st.Running {
			if x.T == 0 {
				x.T = history.Now()
			}
			x.Code, x.OOM = st.ExitCode, st.OOMKilled
			if st.ExitCode > 128 && st.ExitCode < 160 {
				x.Signal = pidfd.Name(syscall.Signal(st.ExitCode - 128))
			}
			i.exit <- x
			return
		}
		pause(ctx, 10*time.Millisecond)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// orphans are what is left below the init. PID 1 leaves none behind.
func (i *instance) orphans() []proxy.Process {
	if i.init == nil {
		return nil
	}
	return pidfd.Living(pidfd.Descendants(i.init.pid))
}

func (i *instance) Signal(ctx context.Context, name string) (proxy.Sent, error) {
	sig, err := pidfd.Number(name)
	if err != nil {
		return proxy.Sent{}, err
	}
	if i.fd != nil {
		i.init.signal(syscall.SIGSTOP)
		sent, err := i.fd.Signal(sig)
		if err != nil {
			i.init.signal(syscall.SIGCONT)
		}
		return sent, err
	}
	t := history.Now()
	_, err = i.d.Client.ContainerKill(ctx, i.c.GetContainerID(), client.ContainerKillOptions{Signal: "SIG" + name})
	if err != nil && strings.Contains(err.Error(), "is not running") {
		err = fmt.Errorf("%w: %w", proxy.ErrEnded, err)
	}
	return proxy.Sent{T: t, Via: "api"}, err
}

func (i *instance) Exited() <-chan proxy.Exit { return i.exit }

// Close reads the log and removes the container by force: a polite stop would
// be a second drain. It does so too when its caller was stopped.
func (i *instance) Close(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	if i.stop != nil {
		i.stop()
		<-i.gone // it polls the descriptor
	}
	var log []byte
	if r, err := i.c.Logs(ctx); err == nil {
		log, _ = io.ReadAll(io.LimitReader(r, 1<<20))
		r.Close()
	}
	_, err := i.d.Client.ContainerRemove(ctx, i.c.GetContainerID(), client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if i.fd != nil {
		i.fd.Close()
	}
	if i.init != nil {
		i.init.fd.Close()
	}
	if err != nil && (strings.Contains(err.Error(), "No such") || strings.Contains(err.Error(), "already in progress")) {
		err = nil
	}
	return log, err
}
