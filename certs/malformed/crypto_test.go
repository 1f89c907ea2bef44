package malformed

import (
	"bytes"
	"crypto"
	"crypto/dsa" //lint:ignore SA1019 the corpus has a DSA key, and this is who knows whether it signs right
	"crypto/rsa"
	"crypto/sha3"
	"crypto/x509"
	"encoding/hex"
	"math/big"
	"slices"
	"testing"
	"time"

	"faultbed/certs"
)

func testBench(t testing.TB) *bench {
	t.Helper()
	mint, err := certs.NewMint(1, time.Unix(1777636800, 0), t.Name())
	if err != nil {
		t.Fatal(err)
	}
	return &bench{mint: mint, name: "origin.faultbed.test"}
}

// The sums over 100 keys and signatures are those that Go's own crypto/internal/fips140
// is held to (crypto/internal/fips140test/mldsa_test.go of Go 1.26).
func TestMLDSA(t *testing.T) {
	for _, c := range []struct {
		par  mlParam
		want string
	}{
		{mlDSA44, "d51148e1f9f4fa1a723a6cf42e25f2a99eb5c1b378b3d2dbbd561b1203beeae4"},
		{mlDSA65, "8358a1843220194417cadbc2651295cd8fc65125b5a5c1a239a16dc8b57ca199"},
		{mlDSA87, "8c3ad714777622b8f21ce31bb35f71394f23bc0fcf3c78ace5d608990f3b061b"},
	} {
		in, out, seed := sha3.NewSHAKE128(), sha3.NewSHAKE128(), make([]byte, 32)
		for range 100 {
			in.Read(seed)
			k := newMLDSA(c.par, seed)
			out.Write(k.public)
			out.Write(k.sign(nil))
		}
		sum := make([]byte, 32)
		out.Read(sum)
		if got := hex.EncodeToString(sum); got != c.want {
			t.Errorf("ML-DSA with %d rows: %s, want %s", c.par.k, got, c.want)
		}
	}
}

// RFC 8032 §7.4, the vector of no message.
func TestEd448(t *testing.T) {
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	k := newEd448(unhex("6c82a562cb808d10d632be89c8513ebf6c929f34ddfa8c9f63c9960ef6e348a3528c8a3fcc2f044e39a3fc5b94492f8f032e7549a20098f95b"))
	if want := "5fd7449b59b461fd2ce787ec616ad46a1da1342485a70e1f8a0ea75d80e96778edf124769b46c7061bd6783df1e50f6cd1fa1abeafe8256180"; hex.EncodeToString(k.public) != want {
		t.Errorf("public key %x, want %s", k.public, want)
	}
	want := "533a37f6bbe457251f023c0d88f976ae2dfb504a843e34d2074fd823d41a591f2b233f034f628281f2fd7a22ddd47d7828c59bd0a21bfd3980ff0d2028d4b18a9df63e006c5d1c2d345b925d8dc00b4104852db99ac5c7cdda8530a113a0f4dbb61149f05a7363268c71d95808ff2e652600"
	if got := hex.EncodeToString(k.sign(nil)); got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}

// The plain arithmetic makes what crypto/rsa and crypto/dsa verify.
func TestRSAandDSA(t *testing.T) {
	b, msg := testBench(t), []byte("message")
	for _, name := range []string{"rsa1024", "rsa1024b", "rsa2048a", "rsa2048b", "rsa2048c", "rsa2048d", "rsa2048e3", "rsa3072", "rsa4096"} {
		k := rsaKind(name)(b, "")
		parsed, err := x509.ParsePKIXPublicKey(k.spki)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		pub := parsed.(*rsa.PublicKey)
		if err := rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest(crypto.SHA256, msg), k.sign(msg)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		p := pss{crypto.SHA256, crypto.SHA256, 32, nil}
		sig := k.withPSS(p).sign(msg)
		if err := rsa.VerifyPSS(pub, crypto.SHA256, digest(crypto.SHA256, msg), sig, &rsa.PSSOptions{SaltLength: 32}); err != nil {
			t.Errorf("%s: PSS: %v", name, err)
		}
		if _, err := x509.ParsePKCS8PrivateKey(k.pkcs8); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	v, sig := pool()["dsa2048"], []*big.Int{}
	parts, _ := children(dsaKind(b, "").sign(msg))
	for _, p := range parts {
		sig = append(sig, new(big.Int).SetBytes(p.content))
	}
	pub := &dsa.PublicKey{Parameters: dsa.Parameters{P: v[1], Q: v[2], G: v[3]}, Y: v[4]}
	if !dsa.Verify(pub, digest(crypto.SHA256, msg)[:v[2].BitLen()/8], sig[0], sig[1]) {
		t.Error("DSA signature does not verify")
	}
}

// The forgery must be one: right to a verifier that stops reading after the hash.
func TestForgery(t *testing.T) {
	k := rsaKind("rsa2048e3")(testBench(t), "")
	sig := new(big.Int).SetBytes(k.rsa.forge([]byte("message")))
	em := sig.Exp(sig, big.NewInt(3), k.rsa.n).FillBytes(make([]byte, 256))
	if at := bytes.Index(em, digestInfo(crypto.SHA256, []byte("message"))); !bytes.HasPrefix(em, []byte{0, 1, 0xff}) || at < 0 || at > 20 {
		t.Errorf("encoded message %x", em)
	}
}

// The signature was checked with github.com/cloudflare/circl v1.6.5, which is no
// dependency of ours: slhdsa.Verify of SHA2_128f says true to key and signature here.
func TestSLHDSA(t *testing.T) {
	k := newSLHDSA(shake256(48, []byte("faultbed")))
	sig := k.sign([]byte("message"))
	const want = "95935c4e13ea823fa7e6af4386c67a1c06be15a9e1cfa8c0b1292056dff434cd"
	if got := hex.EncodeToString(digest(crypto.SHA256, slices.Concat(k.pkSeed, k.pkRoot, sig))); len(sig) != 17088 || got != want {
		t.Errorf("%d octets, sum %s, want %s", len(sig), got, want)
	}
}
