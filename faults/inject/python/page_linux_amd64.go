package python

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"faultbed/faults/inject/tracee"
	"golang.org/x/sys/unix"
)

// page is memory that the program and this process share. It stays mapped in the
// program, 64 KiB, until that ends: a request that was hit may still write there. It
// outlives the program here, for the last words of one that ends at once.
type page struct {
	here  []byte
	there uint64 // its address in the program
}

// share makes a stopped thread map the page.
func share(ctx context.Context, t *tracee.Tracee, th *tracee.Thread) (p page, err error) {
	name, err := t.Map(ctx, th, 4096)
	if err != nil {
		return p, fmt.Errorf("memory in %d: %w", t.PID, err)
	}
	defer func() { err = errors.Join(err, t.Unmap(ctx, th, name, 4096)) }()
	if err := t.Write(name, []byte("faultbed\x00")); err != nil {
		return p, err
	}
	fd, err := t.Syscall(ctx, th, unix.SYS_MEMFD_CREATE, name, unix.MFD_CLOEXEC)
	if err != nil {
		return p, fmt.Errorf("memfd in %d: %w", t.PID, err)
	}
	defer func() {
		_, e := t.Syscall(ctx, th, unix.SYS_CLOSE, fd)
		err = errors.Join(err, e)
	}()
	if _, err := t.Syscall(ctx, th, unix.SYS_FTRUNCATE, fd, pageLen); err != nil {
		return p, err
	}
	if p.there, err = t.Syscall(ctx, th, unix.SYS_MMAP, 0, pageLen, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED, fd, 0); err != nil {
		return p, fmt.Errorf("memory in %d: %w", t.PID, err)
	}
	p.here, err = mapHere(t.PID, int(fd))
	return p, err
}

// mapHere maps a file of another process.
func mapHere(pid, fd int) ([]byte, error) {
	ref, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("pidfd of %d: %w", pid, err)
	}
	defer unix.Close(ref)
	own, err := unix.PidfdGetfd(ref, fd, 0)
	if err != nil {
		return nil, fmt.Errorf("pidfd_getfd of %d: %w", pid, err)
	}
	defer unix.Close(own)
	return unix.Mmap(own, 0, pageLen, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

// word reads a number. The program writes each by one pwrite(2) of its own.
func (p page) word(at int) uint64 { return binary.NativeEndian.Uint64(p.here[at:]) }

func (p page) why() string {
	text, _, _ := bytes.Cut(p.here[atWhy:atRecords], []byte{0})
	return string(text)
}

// record is the nth request that was hit.
func (p page) record(n uint64) (t int64, path string) {
	r := p.here[atRecords+int(n%records)*recordLen:][:recordLen]
	length := min(binary.NativeEndian.Uint64(r[8:]), recordLen-16)
	return int64(binary.NativeEndian.Uint64(r)), string(r[16 : 16+length])
}
