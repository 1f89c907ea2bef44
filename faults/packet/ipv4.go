package packet

import (
	"encoding/binary"
	"net/netip"
)

// flow is one direction of a connection.
type flow struct {
	from, to netip.AddrPort
}

// connection is the same for both directions of a flow.
func (f flow) connection() flow {
	if f.from.Compare(f.to) > 0 {
		return flow{f.to, f.from}
	}
	return f
}

// tcp finds the TCP segment in an IPv4 packet (RFC 791, RFC 9293); ok is false if
// it has none that is whole, fragments included.
func tcp(b []byte) (segment []byte, f flow, ok bool) {
	if len(b) < 20 || b[0]>>4 != 4 || b[9] != 6 || binary.BigEndian.Uint16(b[6:])&0x3fff != 0 {
		return nil, flow{}, false
	}
	head, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if head < 20 || total > len(b) || total < head+20 {
		return nil, flow{}, false
	}
	seg := b[head:total]
	if at := int(seg[12]>>4) * 4; at < 20 || at > len(seg) {
		return nil, flow{}, false
	}
	from := netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[12:])), binary.BigEndian.Uint16(seg))
	to := netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[16:])), binary.BigEndian.Uint16(seg[2:]))
	return seg, flow{from, to}, true
}

// payload is what a segment carries.
func payload(segment []byte) []byte { return segment[int(segment[12]>>4)*4:] }

// checksum is a segment's, its own field taken as 0 (RFC 9293 section 3.1).
func checksum(packet, segment []byte) uint16 {
	sum := uint32(6) + uint32(len(segment)) // the pseudo header's protocol and length
	sum = add(sum, packet[12:20])
	sum = add(add(sum, segment[:16]), segment[18:])
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// add adds 16-bit words; no packet is long enough to overflow 32 bits.
func add(sum uint32, b []byte) uint32 {
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}
