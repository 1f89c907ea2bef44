package resource

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"faultbed/faults/apart"
	"faultbed/faults/room"
	"golang.org/x/sys/unix"
)

// fullFolder is a folder that is full.
type fullFolder struct {
	ns     *os.File // the subject's mount namespace
	path   string   // in it
	device uint64   // of what is below
	folder int      // the file system that covers it
	events int      // inotify
	writes
}

// inMounts runs f on a thread that has entered a mount namespace. For that it needs
// a root and a working directory of its own, so it is never used again.
func inMounts(ns *os.File, f func() error) error {
	return apart.Run(func() error {
		err := unix.Unshare(unix.CLONE_FS)
		if err == nil {
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNS)
		}
		if err != nil {
			return fmt.Errorf("enter the subject's mount namespace: %w", err)
		}
		return f()
	})
}

// fill mounts a file system that is full over a folder, with the folder's owner and mode.
func fill(t room.Target, path string) (*fullFolder, error) {
	ns, err := apart.Namespace(t.PID, "mnt", t.Container != "")
	if err != nil {
		return nil, err
	}
	f := &fullFolder{ns: ns, path: path, folder: -1, events: -1, writes: writes{written: map[string]bool{}}}
	err = inMounts(ns, func() error {
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil {
			return err
		}
		size := os.Getpagesize()
		options := fmt.Sprintf("size=%d,mode=%o,uid=%d,gid=%d", size, st.Mode&0o7777, st.Uid, st.Gid)
		if err := unix.Mount(mark(t), path, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, options); err != nil {
			return fmt.Errorf("mount: %w", err)
		}
		f.device = st.Dev
		if err := os.WriteFile(filepath.Join(path, ".full"), bytes.Repeat([]byte{0}, size), 0o600); err != nil {
			return err
		}
		return f.open()
	})
	if err == nil && !f.full() {
		err = errors.New("it has room left")
	}
	if err != nil {
		return nil, errors.Join(err, f.empty())
	}
	return f, nil
}

// open begins to follow what happens in the folder.
func (f *fullFolder) open() (err error) {
	if f.folder, err = unix.Open(f.path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return err
	}
	if f.events, err = unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC); err != nil {
		return err
	}
	_, err = unix.InotifyAddWatch(f.events, f.path, unix.IN_MODIFY|unix.IN_CLOSE_WRITE)
	return err
}

// full tells whether no block is free.
func (f *fullFolder) full() bool {
	var st unix.Statfs_t
	return unix.Fstatfs(f.folder, &st) == nil && st.Bfree == 0
}

// look counts the files that could not be written.
func (f *fullFolder) look() (int64, string, error) {
	buf := make([]byte, 64<<10)
	for {
		n, err := unix.Read(f.events, buf)
		if errors.Is(err, unix.EAGAIN) {
			break
		}
		if err != nil {
			return 0, "", err
		}
		f.read(buf[:n])
	}
	if !f.full() {
		return 0, "", errors.New("the folder has room")
	}
	return f.failed, fmt.Sprintf("nothing could be written to the last of them in %s", f.path), nil
}

// read takes the events of one read(2) (inotify(7)).
func (f *fullFolder) read(b []byte) {
	for len(b) >= unix.SizeofInotifyEvent {
		mask := binary.NativeEndian.Uint32(b[4:])
		end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
		if end > len(b) {
			return
		}
		name := string(bytes.TrimRight(b[unix.SizeofInotifyEvent:end], "\x00"))
		if mask&unix.IN_MODIFY != 0 {
			f.changed(name)
		}
		if mask&unix.IN_CLOSE_WRITE != 0 {
			f.closed(name)
		}
		b = b[end:]
	}
}

// empty takes the file system away and looks whether the folder is the old one.
func (f *fullFolder) empty() error {
	for _, fd := range []int{f.folder, f.events} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	defer f.ns.Close()
	if f.device == 0 {
		return nil // it was not mounted
	}
	return inMounts(f.ns, func() error {
		if err := unix.Unmount(f.path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			return fmt.Errorf("unmount %s: %w", f.path, err)
		}
		var st unix.Stat_t
		if err := unix.Stat(f.path, &st); err != nil || st.Dev != f.device {
			return errors.Join(fmt.Errorf("%s is not what it was", f.path), err)
		}
		return nil
	})
}

// unmount removes a mount of ours that a killed run left in this namespace.
func unmount(path string) error {
	err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) { // it is none any more
		return nil
	}
	return err
}

// mayMount is an error where mounting is not allowed: root of a container may not.
func mayMount() error {
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var d [2]unix.CapUserData
	if err := unix.Capget(&h, &d[0]); err != nil {
		return err
	}
	if d[0].Effective&(1<<unix.CAP_SYS_ADMIN) == 0 {
		return errors.New("needs CAP_SYS_ADMIN")
	}
	return nil
}
