package resource

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// host is the machine whose cgroups are meant; tests have one of plain files.
type host struct {
	root  string
	mkdir func(dir string) error
	rmdir func(dir string) error
}

var machine = host{"/", func(dir string) error { return os.Mkdir(dir, 0o755) }, os.Remove}

func (h host) path(parts ...string) string {
	return filepath.Join(append([]string{h.root}, parts...)...)
}

// group is a cgroup of the hierarchy that has a controller.
type group struct {
	dir string // as this machine sees it
	top string // where the hierarchy is mounted
	v2  bool
}

// groupOf is the cgroup of a process that the controller counts it in. A machine
// with both versions has each controller in one of them (cgroups(7)).
func (h host) groupOf(pid int, controller string) (group, error) {
	b, err := os.ReadFile(h.path("proc", strconv.Itoa(pid), "cgroup"))
	if err != nil {
		return group{}, fmt.Errorf("cgroup of %d: %w", pid, err)
	}
	ms, err := h.mounts("cgroup", "cgroup2")
	if err != nil {
		return group{}, err
	}
	i := slices.IndexFunc(ms, func(m mount) bool { return !m.v2() && m.has(controller) })
	if i < 0 {
		i = slices.IndexFunc(ms, func(m mount) bool { return m.v2() })
	}
	if i < 0 {
		return group{}, fmt.Errorf("no cgroup hierarchy with %s is mounted", controller)
	}
	m := ms[i]
	path, err := member(string(b), controller, m.v2())
	if err != nil {
		return group{}, err
	}
	rel, err := filepath.Rel(m.root, path)
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return group{}, fmt.Errorf("cgroup %s of %d can't be seen from here", path, pid)
	}
	top := h.path(m.point)
	return group{dir: filepath.Join(top, rel), top: top, v2: m.v2()}, nil
}

// member is the path of a process's cgroup, from the lines of /proc/PID/cgroup:
// "4:cpu,cpuacct:/path" for v1, "0::/path" for v2.
func member(lines, controller string, v2 bool) (string, error) {
	for line := range strings.Lines(lines) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(f) != 3 || !strings.HasPrefix(f[2], "/") {
			continue
		}
		if v2 && f[0] == "0" && f[1] == "" || !v2 && slices.Contains(strings.Split(f[1], ","), controller) {
			return f[2], nil
		}
	}
	return "", fmt.Errorf("it is in no cgroup of %s", controller)
}

// mount is a line of mountinfo.
type mount struct {
	root, point, fstype, source string
	options                     []string // of the super block
}

func (m mount) v2() bool                   { return m.fstype == "cgroup2" }
func (m mount) has(controller string) bool { return slices.Contains(m.options, controller) }

// mounts are the machine's mounts of some types, in the order of its list.
func (h host) mounts(fstypes ...string) ([]mount, error) {
	b, err := os.ReadFile(h.path("proc", "self", "mountinfo"))
	if err != nil {
		return nil, err
	}
	var out []mount
	for line := range strings.Lines(string(b)) {
		if m, ok := parseMount(line); ok && slices.Contains(fstypes, m.fstype) {
			out = append(out, m)
		}
	}
	return out, nil
}

// parseMount reads a line of /proc/PID/mountinfo (proc_pid_mountinfo(5)).
func parseMount(line string) (mount, bool) {
	left, right, ok := strings.Cut(line, " - ")
	l, r := strings.Fields(left), strings.Fields(right)
	if !ok || len(l) < 6 || len(r) < 3 {
		return mount{}, false
	}
	return mount{root: unescape(l[3]), point: unescape(l[4]), fstype: r[0], source: unescape(r[1]), options: strings.Split(r[2], ",")}, true
}

// unescape turns "\040" into the space that it stands for.
func unescape(s string) string {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(s, `\`)
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		if n, err := strconv.ParseUint(after[:min(3, len(after))], 8, 8); err == nil && len(after) >= 3 {
			b.WriteByte(byte(n))
			s = after[3:]
			continue
		}
		b.WriteByte('\\')
		s = after
	}
}

// parent is the cgroup below which one for a process of g can be made. In v2 that
// is where the controller is handed to children, which a cgroup with processes
// can't do (cgroups(7), "no internal processes").
func (g group) parent(controller string) (string, error) {
	if !g.v2 {
		return g.dir, nil
	}
	for dir := g.dir; ; dir = filepath.Dir(dir) {
		b, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
		if err == nil && slices.Contains(strings.Fields(string(b)), controller) {
			return dir, nil
		}
		if dir == g.top || len(dir) < len(g.top) {
			return "", fmt.Errorf("cgroup v2: %s is handed to no child of a cgroup above the subject (cgroup.subtree_control)", controller)
		}
	}
}

// readFile is the one value of a cgroup's file.
func readFile(dir, name string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, name))
	return strings.TrimSpace(string(b)), err
}

// readInt is a number of a cgroup's file; "max" is -1, as v1 writes what has no limit.
func readInt(dir, name string) (int64, error) {
	s, err := readFile(dir, name)
	if err != nil {
		return 0, err
	}
	if s == "max" {
		return -1, nil
	}
	return strconv.ParseInt(s, 10, 64)
}

// readKey is the number beside a key in a file of lines "key number".
func readKey(dir, name, key string) (int64, error) {
	s, err := readFile(dir, name)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(s) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == key {
			return strconv.ParseInt(f[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("%s has no %s", name, key)
}

// write sets a cgroup's file. The file is there already: one that is not must not
// be made, on a tree of plain files neither.
func write(dir, name, value string) error {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}
