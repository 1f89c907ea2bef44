package gobin

import (
	"bufio"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// run starts a program, gives its first line, and ends it with the test.
func run(t *testing.T, argv ...string) (pid int, line string) {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
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
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	line, _ = bufio.NewReader(out).ReadString('\n')
	return cmd.Process.Pid, strings.TrimSpace(line)
}

// TestFind holds what the table says against what the program itself says, for every
// way of building it: the start of its text is found differently.
func TestFind(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs Linux")
	}
	for i, c := range []struct {
		name string
		cgo  string
		args []string
		slow bool
	}{
		{"static", "0", nil, false},
		{"stripped", "0", []string{"-ldflags=-s -w"}, false},
		{"position-independent", "0", []string{"-buildmode=pie", "-ldflags=-s -w"}, true},
		{"with C", "1", []string{"-ldflags=-s -w -linkmode=external", "-tags=netgo"}, true},
		{"with C, position-independent", "1", []string{"-buildmode=pie", "-ldflags=-s -w -linkmode=external"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.slow && testing.Short() {
				t.Skip("builds for seconds")
			}
			bin := filepath.Join(t.TempDir(), "victim"+strconv.Itoa(i))
			cmd := exec.Command("go", append(append([]string{"build", "-o", bin}, c.args...), "./testdata/victim")...)
			cmd.Env = append(os.Environ(), "CGO_ENABLED="+c.cgo)
			if out, err := cmd.CombinedOutput(); err != nil && c.cgo == "1" {
				t.Skip("no C compiler: ", string(out))
			} else if err != nil {
				t.Fatal(err, string(out))
			}
			pid, says := run(t, bin)
			p, err := Open(pid)
			if errors.Is(err, os.ErrPermission) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			f, err := p.Find("main.none", "main.struck")
			if got := fmt.Sprint(f.Entry); err != nil || got != says {
				t.Errorf("struck begins at %s, the program says %s: %v", got, says, err)
			}
			if _, err := p.Find("main.none"); err == nil || !strings.Contains(err.Error(), "main.none") {
				t.Errorf("a function that is not there: %v", err)
			}
			if all := p.All("main.none", "main.main", "main.struck"); len(all) != 2 {
				t.Errorf("of two functions and none: %v", all)
			}
		})
	}
}

func TestNoGo(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs Linux")
	}
	sleep, err := exec.LookPath("cat")
	if err != nil {
		t.Skip(err)
	}
	cmd := exec.Command(sleep)
	in, _ := cmd.StdinPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	if _, err := Open(cmd.Process.Pid); !errors.Is(err, ErrNotGo) {
		t.Errorf("a C program: %v", err)
	}
	if _, err := Open(1 << 22); err == nil {
		t.Error("no process: no error")
	}
}

// FuzzRead: a table that is broken is an error, not the injector's end.
func FuzzRead(f *testing.F) {
	exe, err := os.Executable()
	if err != nil {
		f.Fatal(err)
	}
	if file, err := elf.Open(exe); err == nil {
		if s := section(file, ".gopclntab"); s != nil {
			if data, err := s.Data(); err == nil {
				f.Add(data[:4096], uint64(0x401000))
			}
		}
		file.Close()
	}
	f.Add([]byte{0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8}, uint64(0))
	f.Add([]byte{}, uint64(1))
	f.Fuzz(func(t *testing.T, data []byte, text uint64) {
		if len(data) > 1<<16 {
			return
		}
		p, err := read(data, text)
		if (p == nil) == (err == nil) {
			t.Errorf("%v, %v", p, err)
		}
	})
}

func TestFirstMapping(t *testing.T) {
	maps := "55d0a000-55d0b000 r--p 00000000 08:01 42 /usr/bin/pro xy\n55d0b000-55d0c000 r-xp 00001000 08:01 42 /usr/bin/pro xy\n7ffc0000-7ffd0000 rw-p 0 00:00 0 [stack]\n"
	for name, want := range map[string]uint64{"/usr/bin/pro xy": 0x55d0a000, "/usr/bin/other": 0, "xy": 0x55d0a000} {
		if got, ok := firstMapping([]byte(maps), name); got != want && name != "xy" || ok != (want > 0) {
			t.Errorf("%s is at %#x, %v; want %#x", name, got, ok, want)
		}
	}
}
