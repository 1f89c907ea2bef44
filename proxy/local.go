package proxy

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// probeTime bounds the commands that find out whether and in what version a
// subject is on this machine.
const probeTime = 10 * time.Second

// Local tells whether the process runtime can run the subject on this machine:
// nil, or the reason why not. What is to be built can always run.
func (s *Spec) Local(ctx context.Context) error {
	if key, target := s.absoluteTarget(); key != "" {
		return fmt.Errorf("subject %s: it needs a container: %s places %s", s.Name, key, target)
	}
	switch {
	case s.Get.Build != nil:
		return nil
	case s.Get.Executable != nil:
		return s.present(s.Get.Executable.Path)
	case s.Process == nil:
		return fmt.Errorf("subject %s: it needs a container, for its file does not say which program of this machine it is: add process: {program: /path/of/it}", s.Name)
	}
	if err := s.present(s.Process.Program); err != nil {
		return err
	}
	if len(s.Process.Probe) == 0 {
		return nil
	}
	if out, err := output(ctx, s.Process.Probe); err != nil {
		return fmt.Errorf("subject %s: probe %q: %w: %s", s.Name, strings.Join(s.Process.Probe, " "), err, lastLine(out))
	}
	return nil
}

func (s *Spec) present(program string) error {
	if _, err := exec.LookPath(program); err != nil {
		return fmt.Errorf("subject %s: %s is not on this machine", s.Name, program)
	}
	return nil
}

// LocalVersion is the first line that the version command prints on this
// machine; it is empty if the subject has no such command.
func (s *Spec) LocalVersion(ctx context.Context) (string, error) {
	if len(s.Version) == 0 {
		return "", nil
	}
	out, err := output(ctx, s.Version)
	if err != nil {
		return "", fmt.Errorf("subject %s: version: %w: %s", s.Name, err, lastLine(out))
	}
	first, _, _ := strings.Cut(strings.TrimSpace(out), "\n")
	return first, nil
}

// output is what a command writes to either stream: nginx -v uses the second.
func output(ctx context.Context, argv []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.WaitDelay = time.Second
	b, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = errors.Join(ctx.Err(), err)
	}
	return string(b), err
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}
