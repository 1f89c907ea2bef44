package tracee

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if os.Getenv("TRACEE_VICTIM") != "" {
		victim()
		return
	}
	os.Exit(m.Run())
}

//go:noinline
func struck(n uint64) uint64 { return n*3 + 1 }

// victim is a busy process: it calls struck all the time on four threads, and makes
// threads. It ends with its standard input.
func victim() {
	f := struck
	fmt.Println(**(**uintptr)(unsafe.Pointer(&f)), uintptr(unsafe.Pointer(&wrong)))
	for range 4 {
		go func() {
			for n := uint64(1); ; n++ {
				if got := struck(n); got != n*3+1 {
					wrong++
				}
				if n%1000 == 0 {
					time.Sleep(100 * time.Microsecond)
				}
			}
		}()
	}
	go func() {
		for { // a goroutine that ends locked takes its thread with it
			go func() { runtime.LockOSThread(); time.Sleep(time.Millisecond) }()
			time.Sleep(2 * time.Millisecond)
		}
	}()
	io.Copy(io.Discard, os.Stdin)
}

var wrong uint64 // counted in the victim

type prey struct {
	*exec.Cmd
	struck, wrong uint64
	ended         chan error
}

func start(t *testing.T) *prey {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TRACEE_VICTIM=1", "GOMAXPROCS=4")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &prey{Cmd: cmd, ended: make(chan error, 1)}
	line, _ := bufio.NewReader(out).ReadString('\n')
	if _, err := fmt.Sscan(line, &p.struck, &p.wrong); err != nil {
		t.Fatal(line, err)
	}
	// The tracer waits for any child, and this test is both parent and tracer: the
	// kernel would give it the end of its own child once. So the victim's end is
	// read from its pipe.
	go func() { io.Copy(io.Discard, out); p.ended <- nil }()
	t.Cleanup(func() { in.Close(); cmd.Process.Kill(); cmd.Wait() })
	return p
}

func attach(t *testing.T, p *prey) *Tracee {
	t.Helper()
	tr, err := Attach(p.Process.Pid)
	if errors.Is(err, unix.EPERM) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func alive(t *testing.T, p *prey) {
	t.Helper()
	select {
	case <-p.ended:
		t.Fatal("the process has ended")
	case <-time.After(20 * time.Millisecond):
	}
	tids, err := Threads(p.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	for _, tid := range tids {
		if tr := field(p.Process.Pid, tid, "TracerPid:"); tr != "0" && tr != "" {
			t.Errorf("thread %d is still traced by %s", tid, tr)
		}
	}
}

func TestThreadsMeetBreakpointsAndGoOn(t *testing.T) {
	p := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tr := attach(t, p)
	if err := tr.Arm(ctx, p.struck); err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for n := 0; n < 2000 && len(seen) < 2 || n < 200; n++ {
		h, err := tr.Next(ctx)
		if err != nil {
			t.Fatal(n, err)
		}
		r, err := h.Thread.Regs()
		if err != nil || r.Rip != p.struck || h.At != p.struck {
			t.Fatalf("hit at %#x, want %#x: %v", r.Rip, p.struck, err)
		}
		seen[h.Thread.TID] = true
		if err := tr.Resume(h.Thread); err != nil {
			t.Fatal(err)
		}
	}
	if err := tr.Detach(); err != nil {
		t.Fatal(err)
	}
	if len(seen) < 2 {
		t.Errorf("hits of threads %v, want of several", seen)
	}
	if h := tr.Held(); h.Stops < 200 || h.Longest <= 0 {
		t.Errorf("held %+v", h)
	}
	alive(t, p)
}

// A changed argument arrives, once: what a fault is made of.
func TestRegistersAndMemory(t *testing.T) {
	p := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tr := attach(t, p)
	if err := tr.Arm(ctx, p.struck); err != nil {
		t.Fatal(err)
	}
	h, err := tr.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r, err := h.Thread.Regs()
	if err != nil {
		t.Fatal(err)
	}
	r.Rax += 5 // the first argument (Go's ABIInternal)
	if err := h.Thread.SetRegs(r); err != nil {
		t.Fatal(err)
	}
	if err := tr.Resume(h.Thread); err != nil {
		t.Fatal(err)
	}
	if err := tr.Arm(ctx); err != nil {
		t.Fatal(err)
	}
	var got [8]byte
	for until := time.Now().Add(5 * time.Second); binary.NativeEndian.Uint64(got[:]) == 0 && time.Now().Before(until); {
		if err := tr.Read(p.wrong, got[:]); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	if n := binary.NativeEndian.Uint64(got[:]); n != 1 {
		t.Errorf("the victim counted %d wrong results, want 1", n)
	}
	if err := tr.Write(p.wrong, make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	if err := tr.Read(p.wrong, got[:]); err != nil || got != [8]byte{} {
		t.Errorf("written memory reads %v: %v", got, err)
	}
	if err := tr.Detach(); err != nil {
		t.Fatal(err)
	}
	alive(t, p)
}

func TestRemoteSystemCallAndCall(t *testing.T) {
	p := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tr := attach(t, p)
	th := tr.Main()
	if err := tr.Stop(ctx, th); err != nil {
		t.Fatal(err)
	}
	if got, err := tr.Syscall(ctx, th, unix.SYS_GETPID); err != nil || int(got) != p.Process.Pid {
		t.Errorf("getpid gave %d, %v, want %d", got, err, p.Process.Pid)
	}
	if _, err := tr.Syscall(ctx, th, unix.SYS_CLOSE, 9999); !errors.Is(err, syscall.EBADF) {
		t.Errorf("close(9999) gave %v, want EBADF", err)
	}
	page, err := tr.Syscall(ctx, th, unix.SYS_MMAP, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, ^uint64(0), 0)
	if err != nil {
		t.Fatal(err)
	}
	// lea eax, [rdi+rsi]; ret
	if err := tr.Write(page, []byte{0x8d, 0x04, 0x37, 0xc3}); err != nil {
		t.Fatal(err)
	}
	if got, err := tr.Call(ctx, th, page, 40, 2); err != nil || got != 42 {
		t.Errorf("the call gave %d, %v, want 42", got, err)
	}
	if err := tr.Write(page, []byte{0x0f, 0x0b}); err != nil { // ud2
		t.Fatal(err)
	}
	if _, err := tr.Call(ctx, th, page); err == nil || !strings.Contains(err.Error(), "illegal") {
		t.Errorf("a call of ud2 gave %v", err)
	}
	if err := tr.Detach(); err != nil {
		t.Fatal(err)
	}
	alive(t, p)
}

// A breakpoint that was hit but not yet seen must not end the process when the
// tracer goes.
func TestDetachUnderFireLeavesNoTrap(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 15
	}
	p := start(t)
	for range rounds {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		tr := attach(t, p)
		if err := tr.Arm(ctx, p.struck); err != nil {
			t.Fatal(err)
		}
		if err := tr.Detach(); err != nil {
			t.Fatal(err)
		}
		cancel()
		alive(t, p)
	}
}

func TestAttachSaysWhy(t *testing.T) {
	if _, err := Attach(1 << 22); !errors.Is(err, ErrEnded) {
		t.Errorf("attach to no process: %v", err)
	}
	p := start(t)
	tr := attach(t, p)
	if err := tr.Detach(); err != nil {
		t.Fatal(err)
	}
}
