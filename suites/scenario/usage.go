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

// usage notes what the subject and its descendants hold, until ctx ends or they
// do. Where /proc is another kernel's (pid 0) there is nothing to see.
func (t *trial) usage(ctx context.Context, node string, pid int) {
	for pid > 0 && ctx.Err() == nil {
		files, rss := int64(0), int64(0)
		for _, p := range append(pidfd.Descendants(pid), pid) {
			f, m := held(p)
			files, rss = files+f, rss+m
		}
		if files == 0 {
			return
		}
		t.note(history.Event{Kind: history.Usage, Node: node, Count: files, Bytes: rss})
		select {
		case <-ctx.Done():
		case <-time.After(usageEvery):
		}
	}
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
