package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// missing is a client that could not be had, and why.
type missing struct{ name, why string }

// provide installs and builds what a run needs: programs by name. What is ours
// must build; a peer that can't be had is missing.
func provide(ctx context.Context, c config) (map[string]string, []missing, error) {
	if err := os.MkdirAll(c.cache, 0o755); err != nil {
		return nil, nil, err
	}
	bins, gone, here := map[string]string{}, []missing{}, filepath.Join(c.root, "tools", "peers")
	for _, p := range []struct{ name, dir, pkg, have string }{
		{"server", here, "./server", ""},
		{"labnode", c.root, "./cmd/labnode", c.labnode},
		{"fortio", here, "./fortio", ""},
		{"vegeta", here, "github.com/tsenart/vegeta/v12", ""},
	} {
		bin, err := p.have, error(nil)
		if bin == "" {
			bin, err = build(ctx, p.dir, p.pkg, filepath.Join(c.cache, p.name))
		}
		switch {
		case err == nil:
			bins[p.name] = bin
		case p.name == "server" || p.name == "labnode":
			return nil, nil, err
		default:
			gone = append(gone, missing{p.name, err.Error()})
		}
	}
	for _, p := range []struct{ name, why string }{
		{"wrk", "is no command here, and Debian's package wrk could not be installed"},
		{"hey", "is no command here, and Debian's package hey could not be installed"},
		{"wrk2", "is no command here; neither Debian nor the Go module proxy has it"},
		{"k6", "is no command here; it is under the AGPL, so this bench runs one that you have but fetches none"},
	} {
		if bin, ok := find(ctx, p.name); ok {
			bins[p.name] = bin
		} else {
			gone = append(gone, missing{p.name, p.why})
		}
	}
	slices.SortFunc(gone, func(a, b missing) int { return strings.Compare(a.name, b.name) })
	return bins, gone, nil
}

// build makes a static program from a package of the module in dir.
func build(ctx context.Context, dir, pkg, to string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", to, pkg)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w: %s", pkg, err, firstLine(out))
	}
	return to, nil
}

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	return line
}

// find looks for a command, and tries Debian's package of the same name where
// there is one and we may install it.
func find(ctx context.Context, name string) (string, bool) {
	bin, err := exec.LookPath(name)
	if err == nil {
		return bin, true
	}
	if name != "wrk" && name != "hey" || os.Geteuid() != 0 {
		return "", false
	}
	cmd := exec.CommandContext(ctx, "apt-get", "install", "-y", "-qq", "--no-install-recommends", name)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if cmd.Run() != nil {
		return "", false
	}
	bin, err = exec.LookPath(name)
	return bin, err == nil
}
