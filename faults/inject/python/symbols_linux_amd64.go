package python

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// functions are the addresses of functions that the process's interpreter exports:
// the program itself, or a shared library.
func functions(pid int, names ...string) ([]uint64, error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	for file, base := range modules(string(maps)) {
		f, err := elf.Open(filepath.Join(fmt.Sprintf("/proc/%d/root", pid), file))
		if err != nil {
			continue
		}
		at, found := exported(f, base, names)
		f.Close()
		if found {
			return at, nil
		}
	}
	return nil, fmt.Errorf("%w: process %d has none of its functions", ErrUnsupported, pid)
}

// modules are the mapped files that may be an interpreter, and where each begins.
func modules(maps string) map[string]uint64 {
	out := map[string]uint64{}
	for line := range strings.Lines(maps) {
		f := strings.Fields(line)
		if len(f) < 6 || f[2] != "00000000" || !strings.Contains(filepath.Base(f[5]), "python") {
			continue
		}
		var from uint64
		if _, err := fmt.Sscanf(f[0], "%x-", &from); err == nil && out[f[5]] == 0 {
			out[f[5]] = from
		}
	}
	return out
}

// exported are the addresses of all the names in a file that is mapped at base.
func exported(f *elf.File, base uint64, names []string) ([]uint64, bool) {
	if f.Type == elf.ET_EXEC {
		base = 0
	}
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return nil, false
	}
	out := make([]uint64, len(names))
	for _, s := range symbols {
		if i := slices.Index(names, s.Name); i >= 0 && s.Section != elf.SHN_UNDEF {
			out[i] = base + s.Value
		}
	}
	return out, !slices.Contains(out, 0)
}
