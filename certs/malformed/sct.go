package malformed

import (
	"encoding/binary"
	"time"
)

const sctClause = "RFC 6962 §3.3"

// stamp is a signed certificate timestamp (RFC 6962 §3.2) of a log that nobody knows:
// its signature fits nothing, which only who knows the log's key could tell.
func stamp(b *bench, version byte, at time.Duration) []byte {
	out := append([]byte{version}, b.mint.Bytes("log", 32)...)
	out = binary.BigEndian.AppendUint64(out, uint64(b.mint.Epoch.Add(at).UnixMilli()))
	sig := p256(b, "log").sign(out)
	out = append(out, 0, 0, 4, 3) // no extensions; SHA-256, ECDSA
	return append(binary.BigEndian.AppendUint16(out, uint16(len(sig))), sig...)
}

// stampList is a SignedCertificateTimestampList.
func stampList(stamps ...[]byte) []byte {
	var list []byte
	for _, s := range stamps {
		list = append(binary.BigEndian.AppendUint16(list, uint16(len(s))), s...)
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(list))), list...)
}

// embedded is a leaf with a list of timestamps in its extension.
func embedded(f func(b *bench) []byte) func(*bench) {
	return leafAs(func(b *bench) []change { return with(add(extSCT, false, octets(f(b)))) })
}

// RFC 6962 §3.3 leaves it to the client what it makes of timestamps: nothing in it
// makes a path invalid that RFC 5280 finds valid.
var scts = []recipe{
	row("sct/absent", A, sctClause, "There is no timestamp, as in every private authority.", leafWith()).control(),
	row("sct/unknown-log", L, sctClause, "The leaf has a timestamp of a log that nobody knows.", embedded(func(b *bench) []byte { return stampList(stamp(b, 0, -2*day)) })),
	row("sct/two", L, sctClause, "The leaf has two timestamps of the same log.", embedded(func(b *bench) []byte { return stampList(stamp(b, 0, -2*day), stamp(b, 0, -3*day)) })),
	row("sct/future", L, sctClause, "The leaf's timestamp is of tomorrow.", embedded(func(b *bench) []byte { return stampList(stamp(b, 0, day)) })),
	row("sct/unknown-version", L, sctClause, "The leaf's timestamp is of a version that nobody knows.", embedded(func(b *bench) []byte { return stampList(stamp(b, 9, -day)) })),
	row("sct/empty-list", L, sctClause, "The leaf's list of timestamps is empty, and the type has one at least.", embedded(func(*bench) []byte { return stampList() })),
	row("sct/truncated", L, sctClause, "The leaf's timestamp ends in the middle.", embedded(func(b *bench) []byte { s := stampList(stamp(b, 0, -day)); return s[:len(s)/2] })),
	row("sct/garbage", L, sctClause, "The leaf's list of timestamps is no OCTET STRING.", leafWith(add(extSCT, false, number(1)))),
	row("sct/list-twice", R, extClause, "The leaf has the extension with timestamps twice.", leafAs(func(b *bench) []change {
		list := octets(stampList(stamp(b, 0, -day)))
		return with(add(extSCT, false, list), add(extSCT, false, list))
	})).doubt(onceDoubt),
	row("sct/in-handshake", L, "RFC 6962 §3.3.1", "A timestamp comes in the handshake's extension.", func(b *bench) {
		leafWith()(b)
		b.out.SCTs = [][]byte{stamp(b, 0, -day)}
	}).serverOnly(),
	row("sct/in-handshake-garbage", L, "RFC 6962 §3.3.1", "100 random bytes come as a timestamp in the handshake's extension.", func(b *bench) {
		leafWith()(b)
		b.out.SCTs = [][]byte{b.mint.Bytes("garbage", 100)}
	}).serverOnly(),
	row("sct/precertificate", R, "RFC 6962 §3.1", "The precertificate itself is presented.", leafWith(add(extPoison, true, null))).control(),
}
