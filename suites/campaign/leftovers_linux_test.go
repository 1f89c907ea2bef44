package campaign

import (
	"os"
	"os/exec"
	"slices"
	"testing"

	"faultbed/fixtures/engine"
)

// of are the leftovers of one run.
func of(t *testing.T, run string) []engine.Leftover {
	t.Helper()
	ls, err := Leftovers(t.Context())
	must(t, err)
	return slices.DeleteFunc(ls, func(l engine.Leftover) bool { return l.Run != run })
}

func TestLeftoversOfALivingRunAreNone(t *testing.T) {
	run, held := locked(t)
	marked := exec.Command("sleep", "1000")
	marked.Env = []string{"PATH=" + os.Getenv("PATH"), "FAULTBED_RUN=" + run}
	must(t, marked.Start())
	ended := make(chan error, 1)
	go func() { ended <- marked.Wait() }()
	defer marked.Process.Kill()
	must(t, os.Mkdir(tmpPath(run), 0o755))
	defer os.RemoveAll(tmpPath(run))

	if ls := of(t, run); len(ls) > 0 {
		t.Errorf("things of a living run are left over: %v", ls)
	}
	must(t, held.Close())
	ls := of(t, run)
	var kinds []string
	for _, l := range ls {
		kinds = append(kinds, l.Kind)
	}
	if want := []string{"process", "file", "file"}; !slices.Equal(kinds, want) {
		t.Errorf("left of a dead run: %v, want %v", kinds, want)
	}
	_, err := Clean(t.Context(), ls)
	must(t, err)
	if err := <-ended; err == nil {
		t.Error("its process was not killed")
	}
	if ls := of(t, run); len(ls) > 0 {
		t.Errorf("left after clean: %v", ls)
	}
}
