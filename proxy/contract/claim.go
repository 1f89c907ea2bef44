package contract

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"syscall"
	"testing"
	"time"
)

// Claim makes a run id and holds the lock that a living run holds, so that a
// `faultbed clean` of somebody else leaves what carries it alone until the test
// has ended, and finds it if the test was killed.
func Claim(t testing.TB) string {
	t.Helper()
	var b [4]byte
	rand.Read(b[:])
	run := time.Now().Format("20060102-150405-") + hex.EncodeToString(b[:])
	f, err := os.OpenFile("/tmp/faultbed-"+run+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(f.Name()); f.Close() })
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return run
}
