// Package process is the driver that runs a subject as a child process on this
// machine: the embedded default where no Docker engine answers.
//
// The subject gets a session of its own (a terminal's Ctrl-C does not reach it),
// a minimal environment and the run's mark, by which `faultbed clean` finds it.
// As PID 1 it is started in a PID namespace of its own, which takes Linux and
// root; without that the start fails and says so. It isolates nothing else: a
// subject that must not touch the machine belongs into a container.
// Start with [Driver].
package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"faultbed/proxy"
	"faultbed/proxy/pidfd"
	"faultbed/reports/history"
)

// RunEnv is the variable that marks the processes of a run.
const RunEnv = "FAULTBED_RUN"

// Driver starts subjects as child processes.
type Driver struct{}

type instance struct {
	cmd   *exec.Cmd
	fd    *pidfd.FD
	exit  chan proxy.Exit
	gone  chan struct{}
	log   *syncBuffer
	files []string

	mu   sync.Mutex
	kids []int
}

// Start writes the files and starts the command.
func (Driver) Start(ctx context.Context, l proxy.Launch) (proxy.Instance, proxy.Started, error) {
	i := &instance{exit: make(chan proxy.Exit, 1), gone: make(chan struct{}), log: &syncBuffer{}}
	i.cmd = exec.Command(l.Command[0], l.Command[1:]...)
	i.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", RunEnv + "=" + l.Run}
	for k, v := range l.Env {
		i.cmd.Env = append(i.cmd.Env, k+"="+v)
	}
	i.cmd.Dir = l.Dir
	i.cmd.Stdout, i.cmd.Stderr = i.log, i.log
	i.cmd.WaitDelay = 200 * time.Millisecond // a straggler that holds our pipe must not hold us
	attr, err := attributes(l.PID1)
	if err != nil {
		return nil, proxy.Started{}, err
	}
	i.cmd.SysProcAttr = attr
	if err := i.write(l.Files); err != nil {
		return nil, proxy.Started{}, errors.Join(fmt.Errorf("start %s: %w", l.Name, err), i.unwrite())
	}
	if err := i.cmd.Start(); err != nil {
		return nil, proxy.Started{}, errors.Join(fmt.Errorf("start %s: %w", l.Name, err), i.unwrite())
	}
	st := proxy.Started{PID: i.cmd.Process.Pid, T: history.Now()}
	i.fd, _ = pidfd.Open(st.PID) // without one, Wait's return is the exit's time
	go i.watch()
	return i, st, nil
}

func (i *instance) write(files map[string][]byte) error {
	for path, data := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return err
		}
		i.files = append(i.files, path)
	}
	return nil
}

// unwrite removes the files; the program may have done so itself.
func (i *instance) unwrite() error {
	var errs []error
	for _, f := range i.files {
		if err := os.Remove(f); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (i *instance) watch() {
	defer close(i.gone)
	defer close(i.exit)
	x := proxy.Exit{Via: "wait"}
	if i.fd != nil {
		if t, err := i.fd.Wait(context.Background()); err == nil {
			x.T, x.Via = t, "pidfd"
			x.Orphans = i.orphans()
		}
	}
	err := i.cmd.Wait()
	if x.T == 0 {
		x.T = history.Now()
	}
	x.Code, x.Signal = status(i.cmd, err)
	i.exit <- x
}

func status(cmd *exec.Cmd, err error) (int, string) {
	ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ok && ws.Signaled() {
		return 128 + int(ws.Signal()), pidfd.Name(ws.Signal())
	}
	var ee *exec.ExitError
	if errors.As(err, &ee) {
		return ee.ExitCode(), ""
	}
	return cmd.ProcessState.ExitCode(), ""
}

// orphans are the processes that the subject left behind: of its session, or its
// descendants at a signal. It is not yet reaped, so its pid is no one else's.
func (i *instance) orphans() []proxy.Process { return pidfd.Living(i.family()) }

// family is every process below the subject that is known of.
func (i *instance) family() []int {
	pid := i.cmd.Process.Pid
	i.mu.Lock()
	defer i.mu.Unlock()
	known := slices.DeleteFunc(slices.Clone(i.kids), func(kid int) bool { return !marked(kid, i.cmd.Env) })
	return append(append(known, pidfd.Descendants(pid)...), pidfd.Session(pid)...)
}

// Signal sends the signal by pidfd where there is one. It also notes the
// subject's descendants, to tell at its exit which of them it left behind.
func (i *instance) Signal(_ context.Context, name string) (proxy.Sent, error) {
	sig, err := pidfd.Number(name)
	if err != nil {
		return proxy.Sent{}, err
	}
	kids := pidfd.Descendants(i.cmd.Process.Pid)
	i.mu.Lock()
	i.kids = append(i.kids, kids...)
	i.mu.Unlock()
	if i.fd != nil {
		return i.fd.Signal(sig)
	}
	t := history.Now()
	err = i.cmd.Process.Signal(sig)
	if errors.Is(err, os.ErrProcessDone) {
		err = proxy.ErrEnded
	}
	return proxy.Sent{T: t, Via: "kill"}, err
}

func (i *instance) Exited() <-chan proxy.Exit { return i.exit }

// Close kills the subject's process group and removes its files.
func (i *instance) Close(context.Context) ([]byte, error) {
	kids := i.family()
	i.cmd.Process.Kill()
	<-i.gone
	syscall.Kill(-i.cmd.Process.Pid, syscall.SIGKILL) // stragglers of its group; ESRCH is the good case
	for _, pid := range kids {
		if pidfd.Comm(pid) != "" && marked(pid, i.cmd.Env) {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	awaitGone(kids) // they may hold the port that the next start needs
	if i.fd != nil {
		i.fd.Close()
	}
	return i.log.Bytes(), i.unwrite()
}

// awaitGone waits until none of the processes that were killed is left.
func awaitGone(pids []int) {
	for range 200 {
		if !slices.ContainsFunc(pids, func(pid int) bool { return pidfd.Comm(pid) != "" }) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// marked tells whether pid still is a process of this run.
func marked(pid int, env []string) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	return err == nil && bytes.Contains(b, []byte(env[2]))
}

// syncBuffer keeps the first MiB of a log.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.buf.Len() < 1<<20 {
		b.buf.Write(p)
	}
	return len(p), nil
}

func (b *syncBuffer) Bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.buf.Bytes())
}
