package process_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"faultbed/fixtures/topology"
	"faultbed/proxy"
	"faultbed/proxy/contract"
	"faultbed/proxy/process"
)

func TestContract(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the contract asks /proc")
	}
	dir, run := t.TempDir(), contract.Claim(t)
	c := contract.Config{
		Driver: process.Driver{}, Launch: proxy.Launch{Run: run}, Program: contract.Build(t), Dir: dir,
		Left: func() ([]string, error) { return left(dir, run) },
	}
	if os.Geteuid() != 0 {
		c.NoPID1 = "PID 1 needs root in the process runtime"
	}
	contract.Run(t, c)
}

// left is marked processes, and files (folders may stay).
func left(dir, run string) ([]string, error) {
	ps, err := topology.Processes(run)
	var out []string
	for _, p := range ps {
		out = append(out, fmt.Sprintf("process %s %s", p.ID, p.Name))
	}
	filepath.WalkDir(dir, func(path string, d os.DirEntry, _ error) error {
		if !d.IsDir() {
			out = append(out, path)
		}
		return nil
	})
	return out, err
}

// TestFilesOfAFailedStart are removed though one of them could not be written.
func TestFilesOfAFailedStart(t *testing.T) {
	dir := t.TempDir()
	l := proxy.Launch{Name: "subject-0", Command: []string{"/bin/true"}, Files: map[string][]byte{dir + "/a": nil, dir + "/b": nil, dir + "/b/c": nil}}
	if inst, _, err := (process.Driver{}).Start(t.Context(), l); err == nil {
		inst.Close(t.Context())
		t.Fatal("a file within a file was written")
	}
	if files, err := left(dir, "no-run"); len(files) > 0 || err != nil {
		t.Errorf("left %v, %v", files, err)
	}
}

// TestOrphanWithoutSignal: a subject that ends by itself is asked too.
func TestOrphanWithoutSignal(t *testing.T) {
	l := proxy.Launch{Name: "subject-0", Run: contract.Claim(t), Command: []string{contract.Build(t), "child", "exit=0"}}
	inst, _, err := process.Driver{}.Start(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	x := <-inst.Exited()
	if len(x.Orphans) != 1 {
		t.Errorf("orphans %v", x.Orphans)
	}
	if _, err := inst.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if ps, err := left(t.TempDir(), l.Run); len(ps) > 0 || err != nil {
		t.Errorf("left %v, %v", ps, err)
	}
}
