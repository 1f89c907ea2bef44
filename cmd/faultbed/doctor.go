package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"

	"faultbed/faults/resource"
	"faultbed/fixtures/engine"
	"faultbed/fixtures/images"
	"faultbed/suites/campaign"
	"github.com/spf13/cobra"
)

// finding is one thing that doctor looked at.
type finding struct {
	Name  string `json:"name"`
	OK    bool   `json:"ok"`
	Found string `json:"found"`
	Do    string `json:"do,omitempty"` // what to do about it
	fatal bool
}

func doctorCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "doctor", Short: "Say what this machine can do and lacks, each with what to do", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			fs := examine(cmd.Context())
			if asJSON {
				if err := printJSON(fs); err != nil {
					return err
				}
			} else {
				printFindings(fs)
			}
			for _, f := range fs {
				if f.fatal && !f.OK {
					return fmt.Errorf("%w: %s: %s", campaign.ErrEnvironment, f.Name, f.Found)
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printFindings(fs []finding) {
	for _, f := range fs {
		mark := "ok  "
		if !f.OK {
			mark = "!   "
		}
		fmt.Printf("%s %-12s %s\n", mark, f.Name, f.Found)
		if f.Do != "" {
			fmt.Printf("     %-12s → %s\n", "", f.Do)
		}
	}
}

func examine(ctx context.Context) []finding {
	fs := []finding{labnodeFinding(), goFinding()}
	e, err := engine.Open(ctx, "doctor")
	if err != nil {
		fs = append(fs, finding{Name: "engine", Found: err.Error(), Do: "start a Docker engine, or use --runtime process"})
	} else {
		defer e.Close()
		fs = append(fs, engineFindings(ctx, e)...)
	}
	return append(fs, dockerenvFinding(), pidFinding(), cgroupFinding(), programs(), leftoverFinding(ctx))
}

func labnodeFinding() finding {
	p, err := campaign.Labnode()
	if err != nil {
		return finding{Name: "labnode", Found: err.Error(), Do: "make build", fatal: true}
	}
	return finding{Name: "labnode", OK: true, Found: p}
}

func goFinding() finding {
	out, err := exec.Command("go", "version").Output()
	if err != nil {
		return finding{Name: "go", Found: "not installed", Do: "install Go: subject go is built from source"}
	}
	return finding{Name: "go", OK: true, Found: strings.TrimSpace(string(out))}
}

func engineFindings(ctx context.Context, e *engine.Engine) []finding {
	where := "local: signals and exits go by pidfd"
	if !e.Local {
		where = "its kernel is not this one: signals and exits go by the API, tens of milliseconds less precise"
	}
	out := []finding{
		{Name: "engine", OK: true, Found: fmt.Sprintf("Docker %s, API %s, cgroup %s, kernel %s", e.Version, e.APIVersion, e.Cgroup, e.Kernel)},
		{Name: "engine place", OK: e.Local, Found: where},
	}
	reg := finding{Name: "registry", OK: true, Found: "answers"}
	if err := images.Registry(ctx, e); err != nil {
		reg.OK, reg.Found = false, "no image registry answers"
		reg.Do = "nothing, if mmdebstrap is installed: Debian bases are bootstrapped from packages"
		if _, err := exec.LookPath("mmdebstrap"); err != nil {
			reg.Do = "apt-get install mmdebstrap"
		}
	}
	return append(out, reg)
}

func dockerenvFinding() finding {
	if engine.StrayDockerenv() {
		return finding{Name: ".dockerenv", Found: "/.dockerenv exists though the engine's socket is here; testcontainers would look for the engine at the gateway",
			Do: "nothing: faultbed sets TESTCONTAINERS_HOST_OVERRIDE=127.0.0.1 for itself", OK: true}
	}
	return finding{Name: ".dockerenv", OK: true, Found: "no stray marker"}
}

// minPids is what a campaign needs at least: nodes, subjects and their threads.
const minPids = 2000

func pidFinding() finding {
	if runtime.GOOS != "linux" {
		return finding{Name: "pids", OK: true, Found: "not looked at on " + runtime.GOOS}
	}
	limit := smallest("/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max", "/sys/fs/cgroup/pids/pids.max", "/sys/fs/cgroup/pids.max")
	f := finding{Name: "pids", OK: limit >= minPids, Found: fmt.Sprintf("at most %d processes and threads", limit)}
	if !f.OK {
		f.Do = fmt.Sprintf("raise pids.max or kernel.pid_max to %d or more", minPids)
	}
	return f
}

// cgroupFinding is what the faults resource.cpu, memory and pids need.
func cgroupFinding() finding {
	can, err := resource.Cgroups()
	if err != nil {
		return finding{Name: "cgroups", Found: strings.ReplaceAll(err.Error(), "\n", "; "), Do: "run as root where cgroups can be written; faults that need them are skipped, and listed"}
	}
	return finding{Name: "cgroups", OK: true, Found: can}
}

func smallest(paths ...string) int {
	least := 1 << 22
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if n, aerr := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && aerr == nil {
			least = min(least, n)
		}
	}
	return least
}

// programs are what the process runtime and the TLS clients use.
func programs() finding {
	var missing []string
	for _, p := range []string{"openssl", "python3", "nginx"} {
		if _, err := exec.LookPath(p); err != nil {
			missing = append(missing, p)
		}
	}
	if len(missing) == 0 {
		return finding{Name: "programs", OK: true, Found: "openssl, python3 and nginx are installed"}
	}
	return finding{Name: "programs", Found: "not installed: " + strings.Join(missing, ", "),
		Do: "only the process runtime needs them: what needs a missing one is skipped, and listed"}
}

func leftoverFinding(ctx context.Context) finding {
	ls, err := campaign.Leftovers(ctx)
	switch {
	case err != nil:
		return finding{Name: "leftovers", Found: err.Error()}
	case len(ls) > 0:
		return finding{Name: "leftovers", Found: fmt.Sprintf("%d things of earlier runs, such as %s %s", len(ls), ls[0].Kind, ls[0].Name), Do: "faultbed clean"}
	}
	return finding{Name: "leftovers", OK: true, Found: "none"}
}

func cleanCommand() *cobra.Command {
	var dry, imgs bool
	cmd := &cobra.Command{
		Use: "clean", Short: "Remove what killed runs left behind, in both runtimes", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			ls, err := campaign.Leftovers(ctx)
			if err != nil {
				return err
			}
			for _, l := range ls {
				fmt.Printf("%s %s of run %s\n", l.Kind, l.Name, l.Run)
			}
			if dry {
				return nil
			}
			left, err := campaign.Clean(ctx, ls)
			if err = errors.Join(err, cleanImages(ctx, imgs)); err != nil {
				return err
			}
			if len(left) > 0 {
				return fmt.Errorf("%w: %d things could not be removed, such as %s %s", campaign.ErrEnvironment, len(left), left[0].Kind, left[0].Name)
			}
			fmt.Printf("removed %d, verified: nothing is left\n", len(ls))
			return nil
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "list only")
	cmd.Flags().BoolVar(&imgs, "images", false, "also remove the images that faultbed built")
	return cmd
}

func cleanImages(ctx context.Context, want bool) error {
	if !want {
		return nil
	}
	e, err := engine.Open(ctx, "clean")
	if errors.Is(err, engine.ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer e.Close()
	gone, err := images.Remove(ctx, e)
	for _, tag := range gone {
		fmt.Println("image", tag)
	}
	return err
}
