package resource

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"faultbed/faults/room"
	"faultbed/proxy/pidfd"
)

// squeeze takes the memory that a subject's limit leaves, as a sidecar in the same
// pod does. Load alone does not always end in a kill: what connections take is the
// kernel's, and refused instead (accept(2), ENOMEM), and code is read from disk
// again and again. The hog can't take more than the limit, where it ends too.
type squeeze struct {
	hog *exec.Cmd      // leads a process group
	was map[int]string // oom_score_adj by process
}

// hog keeps what it reads of a file that has no line ends. There are four of it, so
// that none is as large as the subject counts with its oom_score_adj.
const hog = `echo $$ >"$0" && for i in 1 2 3 4; do tail -n 1 /dev/zero & done; wait`

func (s *squeeze) begin(t room.Target, dir string) error {
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
	return s.hog.Start()
}

// end kills the hog and restores the processes that are left.
func (s *squeeze) end() error {
	if s.hog != nil && s.hog.Process != nil {
		syscall.Kill(-s.hog.Process.Pid, syscall.SIGKILL) // gone already, mostly: the kernel killed them too
		s.hog.Wait()
	}
	var errs []error
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
