package vdso

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrUnsupported is that this can't be had on this machine, or of this process.
var ErrUnsupported = errors.New("unsupported")

// point is one function of the vDSO: where it begins and what takes its place.
type point struct {
	name string
	code []byte
}

// points are the functions that read the wall clock. Each replacement makes the
// system call (amd64: number in eax, arguments in rdi and rsi, which survive it; rcx
// and r11 do not, and are the callee's to use, System V ABI 3.2.1) and adds seconds.
func points(seconds int32) []point {
	s := binary.LittleEndian.AppendUint32(nil, uint32(seconds))
	return []point{
		{"__vdso_clock_gettime", code(
			0xb8, 0xe4, 0, 0, 0, 0x0f, 0x05, // mov eax, 228; syscall
			0x85, 0xc0, 0x75, 0x15, // test eax, eax; jnz ret
			0x85, 0xff, 0x74, 0x0a, // test edi, edi (CLOCK_REALTIME); jz add
			0x83, 0xff, 0x05, 0x74, 0x05, // cmp edi, 5 (CLOCK_REALTIME_COARSE); je add
			0x83, 0xff, 0x0b, 0x75, 0x07, // cmp edi, 11 (CLOCK_TAI); jne ret
			0x48, 0x81, 0x06, s, // add: add qword [rsi], seconds
			0xc3, // ret
		)},
		{"__vdso_gettimeofday", code(
			0xb8, 0x60, 0, 0, 0, 0x0f, 0x05, // mov eax, 96; syscall
			0x85, 0xc0, 0x75, 0x0c, // test eax, eax; jnz ret
			0x48, 0x85, 0xff, 0x74, 0x07, // test rdi, rdi; jz ret: only the zone was asked for
			0x48, 0x81, 0x07, s, // add qword [rdi], seconds
			0xc3, // ret
		)},
		{"__vdso_time", code(
			0x57, 0x31, 0xff, // push rdi; xor edi, edi
			0xb8, 0xc9, 0, 0, 0, 0x0f, 0x05, // mov eax, 201; syscall
			0x5f, 0x48, 0x05, s, // pop rdi; add rax, seconds
			0x48, 0x85, 0xff, 0x74, 0x03, // test rdi, rdi; jz ret
			0x48, 0x89, 0x07, // mov [rdi], rax
			0xc3, // ret
		)},
	}
}

func code(parts ...any) []byte {
	var out []byte
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			out = append(out, byte(p))
		case []byte:
			out = append(out, p...)
		}
	}
	return out
}

// edit is bytes to be written at an offset in the vDSO.
type edit struct {
	at   uint64
	want []byte
}

// jumpLen is the length of a near jump: e9 and a 32-bit distance.
const jumpLen = 5

// plan lays the replacements into the unused end of the vDSO, and a jump to each at
// the function's begin. Only those five bytes of a function change: a thread that is
// further inside it, perhaps below a signal handler, runs on in the original.
func plan(image []byte, seconds int32) (replacements, jumps []edit, err error) {
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return nil, nil, fmt.Errorf("vDSO: %w", err)
	}
	entries, err := functions(f, len(image))
	if err != nil {
		return nil, nil, err
	}
	free := (used(f, image) + 15) &^ 15
	for _, p := range points(seconds) {
		at, ok := entries[p.name]
		if !ok {
			return nil, nil, fmt.Errorf("%w: the vDSO has no %s", ErrUnsupported, p.name)
		}
		if image[at] == 0xe9 {
			return nil, nil, errors.New("the clock is shifted already")
		}
		if free+uint64(len(p.code)) > uint64(len(image)) {
			return nil, nil, fmt.Errorf("%w: the vDSO has no room at its end", ErrUnsupported)
		}
		distance := uint32(int32(free) - int32(at+jumpLen))
		replacements = append(replacements, edit{free, p.code})
		jumps = append(jumps, edit{at, binary.LittleEndian.AppendUint32([]byte{0xe9}, distance)})
		free += uint64(len(p.code)+15) &^ 15
	}
	return replacements, jumps, nil
}

// functions are the exported functions of a vDSO of so many bytes by name, as offsets.
func functions(f *elf.File, size int) (map[string]uint64, error) {
	if f.Machine != elf.EM_X86_64 || f.Class != elf.ELFCLASS64 {
		return nil, fmt.Errorf("%w: a vDSO for %v", ErrUnsupported, f.Machine)
	}
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return nil, fmt.Errorf("vDSO: %w", err)
	}
	out := map[string]uint64{}
	for _, s := range symbols {
		if s.Value > 0 && s.Value < uint64(size)-jumpLen {
			out[s.Name] = s.Value
		}
	}
	return out, nil
}

// used is where the file that the image was made of ends: with its last segment,
// section or the table of sections (ELF-64 header: e_shoff at 40, e_shentsize at 58).
func used(f *elf.File, image []byte) uint64 {
	end := binary.LittleEndian.Uint64(image[40:]) + uint64(binary.LittleEndian.Uint16(image[58:]))*uint64(len(f.Sections))
	for _, p := range f.Progs {
		end = max(end, p.Off+p.Filesz)
	}
	for _, s := range f.Sections {
		if s.Type != elf.SHT_NOBITS {
			end = max(end, s.Offset+s.FileSize)
		}
	}
	return end
}
