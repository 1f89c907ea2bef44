package resource

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"faultbed/faults/room"
	"faultbed/reports/history"
)

// someRun is the id of a run that never was.
const someRun = "20200102-030405-0a0b0c0d"

// fake is a machine of plain files: file → content. Cgroups that are made on it get
// the files of born.
func fake(t *testing.T, files, born map[string]string) host {
	t.Helper()
	root := t.TempDir()
	put := func(dir string, files map[string]string) {
		for name, content := range files {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(root, files)
	return host{root, func(dir string) error {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		put(dir, born)
		return nil
	}, os.RemoveAll}
}

const mountsV1 = `29 22 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro
30 29 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct
31 29 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
32 29 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
`

const mountsV2 = "30 29 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"

func TestGroupOf(t *testing.T) {
	v1 := map[string]string{"proc/self/mountinfo": mountsV1, "proc/7/cgroup": "4:memory:/docker/ab:c\n3:cpu,cpuacct:/docker/x\n0::/u\n"}
	v2 := map[string]string{"proc/self/mountinfo": mountsV2, "proc/7/cgroup": "0::/system.slice/docker-ab.scope\n"}
	inside := map[string]string{"proc/self/mountinfo": strings.Replace(mountsV2, " / ", " /docker/ab ", 1), "proc/7/cgroup": "0::/docker/ab/x\n", "proc/8/cgroup": "0::/docker/cd\n"}
	for name, c := range map[string]struct {
		files            map[string]string
		pid              int
		controller, want string
		v2               bool
	}{
		"v1 joined":            {v1, 7, "cpu", "/sys/fs/cgroup/cpu,cpuacct/docker/x", false},
		"v1 colon in the path": {v1, 7, "memory", "/sys/fs/cgroup/memory/docker/ab:c", false},
		"hybrid, none in v1":   {v1, 7, "pids", "/sys/fs/cgroup/unified/u", true},
		"v2":                   {v2, 7, "cpu", "/sys/fs/cgroup/system.slice/docker-ab.scope", true},
		"mounted from below":   {inside, 7, "cpu", "/sys/fs/cgroup/x", true},
		"not in sight":         {inside, 8, "cpu", "", true},
		"nobody":               {v2, 9, "cpu", "", true},
		"nothing is mounted":   {map[string]string{"proc/self/mountinfo": "", "proc/7/cgroup": "0::/\n"}, 7, "cpu", "", true},
	} {
		h := fake(t, c.files, nil)
		g, err := h.groupOf(c.pid, c.controller)
		if c.want == "" {
			if err == nil {
				t.Errorf("%s: %+v, want an error", name, g)
			}
			continue
		}
		if err != nil || g.dir != filepath.Join(h.root, c.want) || g.v2 != c.v2 {
			t.Errorf("%s: %+v, %v", name, g, err)
		}
	}
}

func TestParent(t *testing.T) {
	h := fake(t, map[string]string{
		"c/cgroup.subtree_control": "cpu memory\n", "c/user/cgroup.subtree_control": "memory pids\n", "c/user/session/cgroup.subtree_control": "\n"}, nil)
	g := group{dir: h.path("c/user/session"), top: h.path("c"), v2: true}
	for controller, want := range map[string]string{"memory": "c/user", "cpu": "c", "io": ""} {
		dir, err := g.parent(controller)
		if (err == nil) != (want != "") || err == nil && dir != h.path(want) {
			t.Errorf("%s: %s, %v, want %s", controller, dir, err, want)
		}
	}
	g.v2 = false
	if dir, err := g.parent("cpu"); err != nil || dir != g.dir {
		t.Errorf("v1: %s, %v", dir, err)
	}
}

func TestParseMount(t *testing.T) {
	m, ok := parseMount(`36 35 98:0 /a\040b /mnt/x\134 rw,noatime master:1 - cgroup /dev/s\011 rw,memory`)
	if !ok || m.root != "/a b" || m.point != `/mnt/x\` || m.source != "/dev/s\t" || !m.has("memory") || m.v2() {
		t.Errorf("%+v %v", m, ok)
	}
	for _, bad := range []string{"", "36 35 98:0 / /mnt rw", "36 35 - cgroup x rw", "36 35 98:0 / /mnt rw - cgroup"} {
		if m, ok := parseMount(bad); ok {
			t.Errorf("%q: %+v", bad, m)
		}
	}
	if s := unescape(`\04`); s != `\04` {
		t.Errorf("%q", s)
	}
}

func FuzzParseMount(f *testing.F) {
	for line := range strings.Lines(mountsV1) {
		f.Add(line)
	}
	f.Add(`1 2 3:4 /\040 /\777 rw - cgroup2 \ rw`)
	f.Fuzz(func(t *testing.T, line string) {
		if m, ok := parseMount(line); ok && (m.fstype == "" || len(m.options) == 0) {
			t.Errorf("%q: %+v", line, m)
		}
	})
}

// target is a subject of a run that never was.
func target(pid int, notes *[]history.Event) room.Target {
	return room.Target{Fault: "f1", Run: someRun, Node: "subject-0", PID: pid, Note: func(e history.Event) { *notes = append(*notes, e) }}
}

// TestLimitsV2 sets and restores limits on a tree as cgroup-v2.rst describes it: the
// kernel's own is not there on every machine.
func TestLimitsV2(t *testing.T) {
	const gone = 1<<22 - 1 // no process has this number: it can't be moved, and need not be
	h := fake(t, map[string]string{
		"proc/self/mountinfo":                      mountsV2,
		"proc/4194303/cgroup":                      "0::/sub\n",
		"sys/fs/cgroup/cgroup.procs":               "",
		"sys/fs/cgroup/cgroup.subtree_control":     "cpu memory pids",
		"sys/fs/cgroup/sub/cgroup.procs":           "4194303\n",
		"sys/fs/cgroup/sub/cgroup.subtree_control": "",
	}, map[string]string{"cgroup.procs": "", "cpu.max": "max 100000\n", "cpu.stat": "usage_usec 5\nnr_throttled 3\n",
		"memory.max": "max\n", "memory.swap.max": "max\n", "memory.current": "40960\n", "memory.stat": "anon 1\nactive_file 4096\ninactive_file 8192\n",
		"memory.events": "low 0\nmax 4\noom 1\noom_kill 2\n", "pids.max": "max\n", "pids.current": "3\n", "pids.events": "max 9\n"})
	var notes []history.Event
	tg := target(gone, &notes)
	p, err := h.open(tg, "cpu")
	if err != nil {
		t.Fatal(err)
	}
	own := h.path("sys/fs/cgroup", mark(tg))
	if p.dir != own {
		t.Errorf("its cgroup is %s, want %s", p.dir, own)
	}
	if _, err := h.open(tg, "cpu"); err == nil || !strings.Contains(err.Error(), "another fault holds") {
		t.Errorf("a second one: %v", err)
	}
	// What moved is in our cgroup now; other controllers share it.
	if err := os.WriteFile(h.path("proc/4194303/cgroup"), []byte("0::/"+mark(tg)+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := h.open(tg, "memory")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.limitCPU(5000); err != nil {
		t.Error(err)
	}
	if err := m.limitMemory(gone, memoryWith{Headroom: 8192}); err != nil {
		t.Error(err)
	}
	if err := m.limitPIDs(2); err != nil {
		t.Error(err)
	}
	for file, want := range map[string]string{"cpu.max": "5000 100000", "memory.max": "36864", "memory.swap.max": "0", "pids.max": "5", "cgroup.procs": "4194303"} {
		if is, err := readFile(own, file); err != nil || is != want {
			t.Errorf("%s is %s, %v, want %s", file, is, err, want)
		}
	}
	for name, c := range map[string]counter{"3": p.throttled, "4": m.memoryHits, "9": m.refusedForks} {
		if n, detail, err := c(); err != nil || string('0'+rune(n)) != name {
			t.Errorf("%d %s %v, want %s", n, detail, err, name)
		}
	}
	if err := m.close(); err != nil {
		t.Error(err)
	}
	for file, want := range map[string]string{"memory.max": "max", "memory.swap.max": "max", "pids.max": "max", "cpu.max": "5000 100000"} {
		if is, _ := readFile(own, file); is != want {
			t.Errorf("after one lift %s is %s, want %s", file, is, want)
		}
	}
	if err := p.close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(own); err == nil {
		t.Error("its cgroup is left")
	}
}

// TestContainersOwn refuses a cgroup that is not the container's: others are in it.
func TestContainersOwn(t *testing.T) {
	h := fake(t, map[string]string{"proc/self/mountinfo": mountsV2, "proc/7/cgroup": "0::/docker/abc\n", "sys/fs/cgroup/docker/abc/cpu.max": "max 100000\n"}, nil)
	var notes []history.Event
	tg := target(7, &notes)
	tg.Container = "def"
	if _, err := h.open(tg, "cpu"); err == nil || !strings.Contains(err.Error(), "not the container's own") {
		t.Error(err)
	}
	tg.Container = "abc"
	p, err := h.open(tg, "cpu")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.limitCPU(1000); err != nil {
		t.Error(err)
	}
	if err := p.close(); err != nil {
		t.Error(err)
	}
	if is, _ := readFile(p.dir, "cpu.max"); is != "max 100000" {
		t.Errorf("left at %s", is)
	}
}

func TestLeftovers(t *testing.T) {
	name := "faultbed-" + someRun + "-subject-0-12"
	h := fake(t, map[string]string{"proc/self/mountinfo": mountsV1,
		"sys/fs/cgroup/cpu,cpuacct/" + name + "/cgroup.procs": "77\n", "sys/fs/cgroup/cpu,cpuacct/cgroup.procs": "",
		"sys/fs/cgroup/memory/a/b/" + name + "/cgroup.procs": "", "sys/fs/cgroup/memory/a/b/cgroup.procs": "",
		"sys/fs/cgroup/unified/cgroup.procs": "", "sys/fs/cgroup/unified/a/cgroup.procs": "", "sys/fs/cgroup/unified/a/cgroup.subtree_control": "pids\n",
		"sys/fs/cgroup/unified/a/" + name + "/cgroup.procs":        "78\n",
		"sys/fs/cgroup/memory/faultbed-x-subject-0-1/cgroup.procs": "", "sys/fs/cgroup/memory/docker/faultbed/cgroup.procs": ""}, nil)
	ls, err := h.leftovers()
	if err != nil || len(ls) != 3 {
		t.Fatalf("%+v, %v", ls, err)
	}
	for _, l := range ls {
		if l.Kind != "cgroup" || l.Run != someRun || l.Name != name {
			t.Errorf("%+v", l)
		}
		if err := h.remove(l); err != nil {
			t.Error(err)
		}
	}
	for dir, want := range map[string]string{"cpu,cpuacct": "77", "unified": "78", "unified/a": ""} { // v2: to the root
		if is, err := readFile(h.path("sys/fs/cgroup", dir), "cgroup.procs"); is != want || err != nil {
			t.Errorf("%s has %q, %v, want %q", dir, is, err, want)
		}
	}
	if ls, err := h.leftovers(); err != nil || len(ls) != 0 {
		t.Errorf("%+v, %v are left", ls, err)
	}
	if err := h.remove(room.Leftover{Kind: "cgroup", ID: h.path("sys/fs/cgroup/memory/docker")}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(h.path("sys/fs/cgroup/memory/docker")); err != nil {
		t.Error("it removed somebody else's cgroup")
	}
}

func TestPages(t *testing.T) {
	size := int64(os.Getpagesize())
	for _, c := range []struct {
		n        int64
		choosing bool
		pages    int64
	}{{0, false, 1}, {size, false, 1}, {2*size - 1, false, 1}, {1, true, 1000}, {1001 * size, true, 2000}} {
		if got := pages(c.n, c.choosing); got != strconv.FormatInt(c.pages*size, 10) {
			t.Errorf("%d: %s, want %d pages", c.n, got, c.pages)
		}
	}
}

func TestChecks(t *testing.T) {
	for _, c := range []struct {
		kind room.Kind
		with string
		ok   bool
	}{
		{disk, `{"folder":"a.b"}`, true}, {disk, `{"folder":".."}`, false},
		{ports, `{"ports":1}`, true}, {ports, `{"ports":3}`, false}, {ports, `{"ports":4}`, true},
	} {
		if err := c.kind.Check(json.RawMessage(c.with)); (err == nil) != c.ok {
			t.Errorf("%s %s: %v", c.kind.Name, c.with, err)
		}
	}
	for _, k := range Kinds() {
		if _, err := k.Inject(t.Context(), room.Target{}, json.RawMessage(`{"percent":50,"ports":2,"files":9}`)); err == nil {
			t.Errorf("%s acts on no process", k.Name)
		}
	}
	if names := len(slices.CompactFunc(Kinds(), func(a, b room.Kind) bool { return a.Name == b.Name })); names != len(Kinds()) {
		t.Error("two faults have one name")
	}
}
