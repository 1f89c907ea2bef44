package scenario

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"faultbed/proxy/pidfd"
	"faultbed/reports/history"
)

// usageEvery is the spacing of looks at the subject's processes.
const usageEvery = 500 * time.Millisecond

// settled is how long after the load's end the subject may take to notice that
// its clients have gone.
const settled = 150 * time.Millisecond

// usage notes what the subject and its descendants hold, until ctx ends or they
// do, and once more when the load's connections are closed. Where /proc is another
// kernel's (pid 0), or another user's, there is nothing to see, and that is noted.
func (t *trial) usage(ctx context.Context, node string, pid int) {
	if pid <= 0 || !t.look(node, pid) {
		t.note(history.Event{Kind: history.Note, Node: node, Detail: "its open files and memory can't be seen from here: the check leaks is blind"})
		return
	}
	for {
		select {
		case <-ctx.Done():
			time.Sleep(settled)
			t.look(node, pid)
			return
		case <-time.After(usageEvery):
		}
		if !t.look(node, pid) {
			return
		}
	}
}

// look notes usage once; false if there was none to see.
func (t *trial) look(node string, pid int) bool {
	files, rss, cpu := int64(0), int64(0), int64(0)
	for _, p := range append(pidfd.Descendants(pid), pid) {
		f, m := held(p)
		files, rss, cpu = files+f, rss+m, cpu+spent(p)
	}
	if files > 0 {
		t.note(history.Event{Kind: history.Usage, Node: node, Count: files, Bytes: rss})
		t.note(history.Event{Kind: history.Spent, Node: node, Bytes: cpu})
	}
	return files > 0
}

// held is a process's open files and resident bytes; 0 if it is gone.
func held(pid int) (files, rss int64) {
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return 0, 0
	}
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if f := strings.Fields(string(b)); len(f) > 1 {
		pages, _ := strconv.ParseInt(f[1], 10, 64)
		rss = pages * int64(os.Getpagesize())
	}
	return int64(len(fds)), rss
}

// jiffy is the unit of /proc's CPU times: USER_HZ is 100 on every Linux (times(2)).
const jiffy = int64(10 * time.Millisecond)

// spent is the CPU time that a process has used, ns, in steps of 10 ms; 0 if it is gone.
func spent(pid int) int64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(b[bytes.LastIndexByte(b, ')')+1:]), " ") // a command may hold spaces (proc(5))
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	return (user + system) * jiffy
}
