package certs_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	"faultbed/certs"
)

func TestMintRepeatsItself(t *testing.T) {
	epoch := time.Date(2026, 5, 1, 12, 0, 0, 999, time.FixedZone("east", 3600))
	make := func(seed uint64, epoch time.Time, label, sub string) []byte {
		m := must(certs.NewMint(seed, epoch, label))(t).Sub(sub)
		root := must(m.CA("Root CA", nil))(t)
		p := must(certs.NewPair(must(m.Leaf([]string{name}, root))(t), root))(t)
		return append(p.ChainPEM(), p.KeyPEM()...)
	}
	first := make(1, epoch, "l", "s")
	for what, again := range map[string][]byte{"same": make(1, epoch, "l", "s"), "same second, other zone": make(1, epoch.UTC().Truncate(time.Second), "l", "s")} {
		if !bytes.Equal(first, again) {
			t.Errorf("%s: other bytes", what)
		}
	}
	for what, other := range map[string][]byte{"seed": make(2, epoch, "l", "s"), "epoch": make(1, epoch.Add(time.Second), "l", "s"),
		"label": make(1, epoch, "m", "s"), "sub": make(1, epoch, "l", "t")} {
		if bytes.Equal(first, other) {
			t.Errorf("another %s: same bytes", what)
		}
	}
}

// Validate is what the key is held to on the day it is used; here over several seeds,
// since a search for primes could go wrong for some.
func TestRSAKeys(t *testing.T) {
	for seed := range uint64(3) {
		m := must(certs.NewMint(seed, time.Now(), "rsa"))(t)
		key, again := must(m.RSAKey("a"))(t).(*rsa.PrivateKey), must(m.RSAKey("a"))(t).(*rsa.PrivateKey)
		if key.N.BitLen() != 2048 || !key.Equal(again) {
			t.Errorf("seed %d: %d bits, repeated %v", seed, key.N.BitLen(), key.Equal(again))
		}
		der := must(certs.PKCS8(key))(t)
		if _, err := x509.ParsePKCS8PrivateKey(der); err != nil {
			t.Error(err)
		}
	}
}

func TestUnionRootsPEM(t *testing.T) {
	valid, stranger, _ := chains(t)
	stranger.Roots = append(stranger.Roots, []byte("another"))
	rest, n := certs.UnionRootsPEM([]certs.Case{valid, stranger, valid}), 0
	for {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		n++
	}
	if n != 2 {
		t.Errorf("%d anchors, want 2", n)
	}
}

func TestMintWithoutEpoch(t *testing.T) {
	if _, err := certs.NewMint(1, time.Time{}, ""); err == nil {
		t.Error("made a mint")
	}
}
