package resource

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"faultbed/faults/room"
	"faultbed/proxy/pidfd"
)

// squeeze takes the memory that a subject's limit leaves, as a sidecar in the same
// pod does. Load alone does not always end in a kill: what connections take is the
// kernel's, and refused instead (accept(2), ENOMEM), and code is read from disk
// again and again. The hog can't take more than the limit, where it ends too.
type squeeze struct {
	subject int
	hog     *exec.Cmd      // leads a process group
	was     map[int]string // oom_score_adj by process
}

// hog keeps what it reads of a file that has no line ends. There are four of it, so
// that none is as large as the subject counts with its oom_score_adj. It begins when
// it is told to, and exits with 3 if one of them ended other than by a signal.
const hog = `echo $$ >"$0" && read -r go || exit 2
all=
for i in 1 2 3 4; do tail -n 1 /dev/zero & all="$all $!"; done
for p in $all; do wait "$p"; [ $? -gt 128 ] || exit 3; done`

func (s *squeeze) begin(t room.Target, dir string) error {
	s.subject = t.PID
	for _, pid := range append([]int{t.PID}, pidfd.Descendants(t.PID)...) {
		was, err := readFile(fmt.Sprintf("/proc/%d", pid), "oom_score_adj")
		if err == nil {
			s.was[pid] = was
			err = write(fmt.Sprintf("/proc/%d", pid), "oom_score_adj", "1000") // first of all (proc_pid_oom_score_adj(5))
		}
		if err != nil && !gone(err) {
			return err
		}
	}
	s.hog = exec.Command("/bin/sh", "-c", hog, filepath.Join(dir, "cgroup.procs"))
	s.hog.Env = append(os.Environ(), "FAULTBED_RUN="+t.Run)
	s.hog.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := s.hog.StdinPipe()
	if err != nil {
		return err
	}
	if err := s.hog.Start(); err != nil {
		return err
	}
	if err := within(dir, s.hog.Process.Pid); err != nil {
		return err
	}
	_, err = io.WriteString(in, "go\n")
	return errors.Join(err, in.Close())
}

// within waits up to 5 s until a process is in a cgroup: elsewhere it squeezes nobody.
func within(dir string, pid int) error {
	for limit := time.Now().Add(5 * time.Second); time.Now().Before(limit) && pidfd.Comm(pid) != ""; time.Sleep(time.Millisecond) {
		if s, err := readFile(dir, "cgroup.procs"); err != nil {
			return err
		} else if slices.Contains(strings.Fields(s), strconv.Itoa(pid)) {
			return nil
		}
	}
	return fmt.Errorf("squeeze: the process that takes memory is not in %s", dir)
}

// end kills the hog and restores the processes that are left.
func (s *squeeze) end() error {
	var errs []error
	if s.hog != nil && s.hog.Process != nil {
		syscall.Kill(-s.hog.Process.Pid, syscall.SIGKILL) // gone already, mostly: the kernel killed them too
		s.hog.Wait()
		if code := s.hog.ProcessState.ExitCode(); code > 0 {
			errs = append(errs, fmt.Errorf("squeeze: what takes memory ended by itself (code %d)", code))
		}
	}
	s.inherit()
	for pid, was := range s.was {
		if n, err := strconv.Atoi(was); err == nil {
			err = write(fmt.Sprintf("/proc/%d", pid), "oom_score_adj", strconv.Itoa(n))
			if !gone(err) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// inherit adds those that were born meanwhile: they have what was set for the one
// that started them, and had the subject's own without it.
func (s *squeeze) inherit() {
	for _, pid := range slices.Collect(maps.Keys(s.was)) {
		for _, born := range pidfd.Descendants(pid) {
			is, err := readFile(fmt.Sprintf("/proc/%d", born), "oom_score_adj")
			if _, known := s.was[born]; !known && err == nil && is == "1000" {
				s.was[born] = s.was[s.subject]
			}
		}
	}
}
