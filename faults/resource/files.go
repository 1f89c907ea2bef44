package resource

import (
	"fmt"
	"os"
	"slices"
	"strconv"
)

// files are the numbers of a process's open files, sorted.
func files(pid int) ([]int, error) {
	es, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return nil, err
	}
	var out []int
	for _, e := range es {
		if n, err := strconv.Atoi(e.Name()); err == nil {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, nil
}

// limitFor is the soft limit under which a process that has these files can open
// so many more. RLIMIT_NOFILE bounds the number of a new file, and the kernel gives
// the lowest that is free: holes count.
func limitFor(open []int, more int) int {
	n, i := 0, 0
	for ; ; n++ {
		if i < len(open) && open[i] == n {
			i++
			continue
		}
		if more == 0 {
			return n
		}
		more--
	}
}

// full tells whether no number below the limit is free.
func full(open []int, limit int) bool { return limitFor(open, 0) >= limit }
