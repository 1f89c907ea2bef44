// Package gobin finds functions in a running Go program, stripped or not, by the
// table that its own runtime needs for stack traces (.gopclntab).
//
// It reads the program's file and a few bytes of its memory, stops nothing and
// changes nothing. It needs a program of Go 1.18 or later whose names were not
// obfuscated or packed away; and the right to read its memory (ptrace(2)).
//
// Start with [Open] and [Program.Find].
package gobin

import (
	"bytes"
	"debug/elf"
	"debug/gosym"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
)

// ErrNotGo is a program without the table.
var ErrNotGo = errors.New("no Go program: it has no .gopclntab")

// Program is a running Go program's functions.
type Program struct {
	table *gosym.Table
}

// Open reads the functions of a process. The error wraps [ErrNotGo], or says what
// can't be read.
func Open(pid int) (*Program, error) {
	f, err := elf.Open(fmt.Sprintf("/proc/%d/exe", pid)) // also right in a container
	if err != nil {
		return nil, fmt.Errorf("program of %d: %w", pid, err)
	}
	defer f.Close()
	sec := section(f, ".gopclntab", ".data.rel.ro.gopclntab")
	if sec == nil {
		return nil, ErrNotGo
	}
	data, err := sec.Data()
	if err != nil {
		return nil, fmt.Errorf("%s of %d: %w", sec.Name, pid, err)
	}
	text, err := live(pid, f, sec, data)
	if err != nil {
		return nil, fmt.Errorf("program of %d: %w", pid, err)
	}
	return read(data, text)
}

// read parses the table. Where it is broken debug/gosym gives no error but panics, or
// makes room for as many functions as the table says.
func read(data []byte, text uint64) (p *Program, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("function table: %v", r)
		}
	}()
	if len(data) < headText || binary.LittleEndian.Uint64(data[headFuncs:]) > uint64(len(data)/8) {
		return nil, errors.New("function table: its head is broken")
	}
	t, err := gosym.NewTable(nil, gosym.NewLineTable(data, text))
	if err == nil && len(t.Funcs) == 0 {
		err = errors.New("no functions in it")
	}
	if err != nil {
		return nil, fmt.Errorf("function table: %w", err)
	}
	return &Program{t}, nil
}

// Func is a function and the address of its first instruction.
type Func struct {
	Name  string
	Entry uint64
}

// Find is the first of the functions that the program has. The error names them.
func (p *Program) Find(names ...string) (Func, error) {
	for _, n := range names {
		if fn := p.table.LookupFunc(n); fn != nil {
			return Func{n, fn.Entry}, nil
		}
	}
	return Func{}, fmt.Errorf("the program has no function %s", strings.Join(names, ", "))
}

// All is every one of the functions that the program has.
func (p *Program) All(names ...string) (out []Func) {
	for _, n := range names {
		if f, err := p.Find(n); err == nil {
			out = append(out, f)
		}
	}
	return out
}

func section(f *elf.File, names ...string) *elf.Section {
	for _, n := range names {
		if s := f.Section(n); s != nil {
			return s
		}
	}
	return nil
}

// Magic numbers of the table (runtime/symtab.go); 1.16's addresses are of another kind.
var magics = []uint32{0xfffffff0, 0xfffffff1}

// Offsets in the table's head of the number of functions and of the text's start, and
// of the latter in runtime.moduledata since Go 1.26.
const (
	headFuncs  = 8
	headText   = 24
	moduleText = 176
)

// live is where the running program's text starts (runtime.text), which the table's
// addresses count from. It is not the section .text, which C code may begin; Go 1.26
// leaves it out of the table's head and names the section of its module data instead.
func live(pid int, f *elf.File, table *elf.Section, data []byte) (uint64, error) {
	if len(data) < headText+8 || !known(f.ByteOrder.Uint32(data)) || data[7] != 8 {
		return 0, errors.New("a function table of Go 1.18 or later, 64-bit, is wanted")
	}
	addr := table.Addr + headText
	if m := f.Section(".go.module"); m != nil {
		addr = m.Addr + moduleText
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return 0, err
	}
	defer mem.Close()
	off, err := bias(pid, f)
	if err != nil {
		return 0, err
	}
	var word [8]byte
	if _, err := mem.ReadAt(word[:], int64(addr+off)); err != nil {
		return 0, fmt.Errorf("memory: %w", err)
	}
	text := binary.NativeEndian.Uint64(word[:])
	if f.Type == elf.ET_DYN && text < off { // a head that is not relocated
		text += off
	}
	if text == 0 {
		return 0, errors.New("where its text starts can't be told")
	}
	return text, nil
}

func known(magic uint32) bool {
	for _, m := range magics {
		if m == magic {
			return true
		}
	}
	return false
}

// bias is how far a position-independent program was moved.
func bias(pid int, f *elf.File) (uint64, error) {
	if f.Type != elf.ET_DYN {
		return 0, nil
	}
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, err
	}
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return 0, err
	}
	from, ok := firstMapping(maps, strings.TrimSuffix(exe, " (deleted)"))
	if !ok {
		return 0, errors.New("its file is not among its mappings")
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD {
			return from - p.Vaddr&^0xfff, nil
		}
	}
	return 0, errors.New("its file has nothing to load")
}

// firstMapping is the lowest address at which a file is mapped (proc(5), maps).
func firstMapping(maps []byte, name string) (uint64, bool) {
	for line := range bytes.Lines(maps) {
		if !strings.HasSuffix(strings.TrimSuffix(strings.TrimSpace(string(line)), " (deleted)"), " "+name) {
			continue
		}
		var from uint64
		_, err := fmt.Sscanf(string(line), "%x-", &from)
		return from, err == nil
	}
	return 0, false
}
