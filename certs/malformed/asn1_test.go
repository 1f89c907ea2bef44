package malformed

import (
	"bytes"
	"encoding/asn1"
	"math/big"
	"testing"
)

// FuzzChildren: what is split and put together again is the same, and encoding/asn1
// finds the same children wherever it takes the input.
func FuzzChildren(f *testing.F) {
	f.Add(seq(number(1), seq(oid("1.2.3"), null), bitString(make([]byte, 200))))
	f.Add([]byte{0x30, 0x80, 0, 0})
	f.Add([]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, in []byte) {
		parts, ok := children(in)
		var all []byte
		for _, p := range parts {
			all = append(all, p.whole...)
		}
		if ok && !bytes.HasSuffix(in, all) {
			t.Errorf("%x: children %x", in, all)
		}
		var theirs []asn1.RawValue
		if rest, err := asn1.Unmarshal(in, &theirs); err != nil || len(rest) > 0 || in[0] != tagSequence {
			return
		}
		if !ok || len(theirs) != len(parts) {
			t.Fatalf("%x: %d children (%v), encoding/asn1 has %d", in, len(parts), ok, len(theirs))
		}
		for i, p := range parts {
			if !bytes.Equal(p.content, theirs[i].Bytes) {
				t.Errorf("%x: child %d is %x, encoding/asn1 has %x", in, i, p.content, theirs[i].Bytes)
			}
		}
	})
}

// FuzzInteger: the encoder against encoding/asn1.
func FuzzInteger(f *testing.F) {
	for _, n := range []int64{0, 1, 127, 128, 255, 256, -1, -127, -128, -129, -256} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, n int64) {
		for _, n := range []*big.Int{big.NewInt(n), new(big.Int).Lsh(big.NewInt(n), 99)} {
			want, err := asn1.Marshal(n)
			if err != nil {
				t.Fatal(err)
			}
			if got := integer(n); !bytes.Equal(got, want) {
				t.Errorf("%v: %x, want %x", n, got, want)
			}
		}
	})
}

func TestOID(t *testing.T) {
	for _, s := range []asn1.ObjectIdentifier{{1, 2, 840, 113549, 1, 1, 11}, {2, 5, 29, 17}, {2, 16, 840, 1, 101, 3, 4, 2, 1}, {2, 999, 1 << 30}} {
		want, err := asn1.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := oid(s.String()); !bytes.Equal(got, want) {
			t.Errorf("%v: %x, want %x", s, got, want)
		}
	}
}

func TestLongLengths(t *testing.T) {
	for _, n := range []int{0, 127, 128, 255, 256, 65535, 65536, 1 << 20} {
		e, rest, ok := next(append(octets(make([]byte, n)), 7))
		if !ok || len(e.content) != n || len(rest) != 1 {
			t.Errorf("%d octets: read %d, %d over (%v)", n, len(e.content), len(rest), ok)
		}
		want, err := asn1.Marshal(make([]byte, n))
		if err != nil || !bytes.Equal(octets(make([]byte, n)), want) {
			t.Errorf("%d octets: encoding/asn1 differs (%v)", n, err)
		}
	}
}
