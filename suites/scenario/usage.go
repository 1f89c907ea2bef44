package scenario

import (
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
	files, rss := int64(0), int64(0)
	for _, p := range append(pidfd.Descendants(pid), pid) {
		f, m := held(p)
		files, rss = files+f, rss+m
	}
	if files > 0 {
		t.note(history.Event{Kind: history.Usage, Node: node, Count: files, Bytes: rss})
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
