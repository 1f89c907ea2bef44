package vdso

import (
	"bufio"
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const victimEnv = "FAULTBED_VDSO_VICTIM"

func TestMain(m *testing.M) {
	if os.Getenv(victimEnv) != "" {
		victim()
		return
	}
	os.Exit(m.Run())
}

// victim reads its clocks all the time on four threads, and prints for each line of
// its input: the wall clock in s, the monotonic clock in ns, and how often the
// latter was seen to go back.
func victim() {
	back := make(chan int, 1)
	back <- 0
	for range 4 {
		go func() {
			last := time.Now()
			for {
				now := time.Now()
				if now.Sub(last) < 0 { // of the monotonic reading
					back <- <-back + 1
				}
				last = now
			}
		}()
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var ts unix.Timespec
		unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
		n := <-back
		back <- n
		fmt.Println(time.Now().Unix(), ts.Nano(), n)
	}
}

const pythonVictim = `
import sys, time
for line in sys.stdin:
    print(int(time.time()), time.monotonic_ns(), 0, flush=True)
`

// asked is a process that tells its clocks.
type asked struct {
	*exec.Cmd
	in  io.Writer
	out *bufio.Reader
}

func begin(t *testing.T, cmd *exec.Cmd) *asked {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return &asked{cmd, in, bufio.NewReader(out)}
}

// clocks is how far off its wall clock is, in s, and its monotonic clock, in ns.
func (a *asked) clocks(t *testing.T) (wall, mono int64) {
	t.Helper()
	fmt.Fprintln(a.in)
	line, err := a.out.ReadString('\n')
	if err != nil {
		t.Fatalf("the process says %q, %v", line, err)
	}
	var back int64
	f := strings.Fields(line)
	for i, into := range []*int64{&wall, &mono, &back} {
		if *into, err = strconv.ParseInt(f[i], 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	if back != 0 {
		t.Errorf("the monotonic clock went back %d times", back)
	}
	return wall - time.Now().Unix(), ts.Nano() - mono
}

func TestShift(t *testing.T) {
	ours := exec.Command(os.Args[0])
	ours.Env = append(os.Environ(), victimEnv+"=1")
	for name, cmd := range map[string]*exec.Cmd{"go": ours, "python": exec.Command("/usr/bin/python3", "-c", pythonVictim)} {
		t.Run(name, func(t *testing.T) {
			a := begin(t, cmd)
			if wall, _ := a.clocks(t); wall < -1 || wall > 1 {
				t.Fatalf("the clock is %d s off at once", wall)
			}
			var held []time.Duration
			for range rounds() {
				for _, by := range []int32{-86400, 3600, 315360000} {
					held = append(held, round(t, a, by))
				}
			}
			slices.Sort(held)
			t.Logf("%d of %d; threads stopped for %v in the median, %v at most", len(held), len(held), held[len(held)/2], held[len(held)-1])
		})
	}
}

func round(t *testing.T, a *asked, by int32) time.Duration {
	t.Helper()
	ctx := context.Background()
	s, err := Shift(ctx, a.Process.Pid, by)
	if errors.Is(err, unix.EPERM) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	a.check(t, int64(by))
	if _, err := Shift(ctx, a.Process.Pid, by); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("shifted twice: %v", err)
	}
	if _, err := s.Restore(ctx); err != nil {
		t.Fatal(err)
	}
	a.check(t, 0)
	return s.Held
}

// check compares the clocks to what they should be: seconds may turn meanwhile.
func (a *asked) check(t *testing.T, want int64) {
	t.Helper()
	wall, mono := a.clocks(t)
	if wall < want-1 || wall > want+1 {
		t.Errorf("the wall clock is %d s off, want %d", wall, want)
	}
	if mono < 0 || mono > int64(time.Minute) {
		t.Errorf("the monotonic clock is %d ns off", mono)
	}
}

func TestRestoreOfTheDead(t *testing.T) {
	a := begin(t, exec.Command("/bin/cat"))
	s, err := Shift(context.Background(), a.Process.Pid, 60)
	if errors.Is(err, unix.EPERM) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	a.Process.Kill()
	a.Wait()
	if _, err := s.Restore(context.Background()); err != nil {
		t.Error(err)
	}
}

// image is a vDSO of this machine.
func image(tb testing.TB) []byte {
	tb.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		tb.Skip(err)
	}
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		if !strings.HasSuffix(strings.TrimSpace(line), "[vdso]") {
			continue
		}
		if _, err := fmt.Sscanf(line, "%x-%x", &from, &to); err != nil {
			tb.Fatal(err)
		}
		out := make([]byte, to-from)
		mem, err := os.Open("/proc/self/mem")
		if err != nil {
			tb.Skip(err)
		}
		defer mem.Close()
		if _, err := mem.ReadAt(out, from); err != nil {
			tb.Fatal(err)
		}
		return out
	}
	tb.Skip("no vDSO")
	return nil
}

// TestPlan: what is written meets neither the file's own bytes nor itself, and each
// jump leads to its replacement.
func TestPlan(t *testing.T) {
	img := image(t)
	replacements, jumps, err := plan(img, 60)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range replacements {
		if there := img[r.at : r.at+uint64(len(r.want))]; !bytes.Equal(there, make([]byte, len(there))) {
			t.Errorf("replacement %d covers % x", i, there)
		}
		if i > 0 && replacements[i-1].at+uint64(len(replacements[i-1].want)) > r.at {
			t.Errorf("replacement %d covers the one before", i)
		}
		j := jumps[i]
		distance := int32(uint32(j.want[1]) | uint32(j.want[2])<<8 | uint32(j.want[3])<<16 | uint32(j.want[4])<<24)
		if to := int64(j.at) + jumpLen + int64(distance); j.want[0] != 0xe9 || to != int64(r.at) {
			t.Errorf("jump %d leads to %#x, want %#x", i, to, r.at)
		}
	}
}

func FuzzPlan(f *testing.F) {
	f.Add(image(f))
	f.Add([]byte(elf.ELFMAG))
	f.Fuzz(func(t *testing.T, img []byte) {
		replacements, jumps, err := plan(img, 1)
		for _, e := range append(replacements, jumps...) {
			if err == nil && e.at+uint64(len(e.want)) > uint64(len(img)) {
				t.Errorf("beyond the end: %#x of %#x", e.at, len(img))
			}
		}
	})
}

func rounds() int {
	if testing.Short() {
		return 2
	}
	return 10
}
