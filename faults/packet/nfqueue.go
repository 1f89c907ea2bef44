package packet

import (
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
)

// The part of nfnetlink_queue that is needed (linux/netfilter/nfnetlink_queue.h).
// Netlink counts in the host's byte order, nfnetlink in the network's.
const (
	subsysQueue = 3 << 8
	msgPacket   = subsysQueue
	msgVerdict  = subsysQueue | 1
	msgConfig   = subsysQueue | 2

	attrPacketHeader  = 1
	attrVerdictHeader = 2
	attrMark          = 3
	attrPayload       = 10
	attrConfigCommand = 1
	attrConfigParams  = 2
	attrConfigLength  = 3

	commandBind, commandUnbind = 1, 2
	copyPacket                 = 2
	nfDrop, nfAccept           = 0, 1
)

// message makes a netlink message to a queue; it asks for an acknowledgement if ack.
func message(kind uint16, queue uint16, ack bool, attrs []byte) []byte {
	flags := uint16(1) // NLM_F_REQUEST
	if ack {
		flags |= 4 // NLM_F_ACK
	}
	b := binary.NativeEndian.AppendUint32(make([]byte, 0, 20+len(attrs)), uint32(20+len(attrs)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, flags)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0) // sequence and port: nobody asks
	b = append(b, 0, 0)                   // any family, version 0
	b = binary.BigEndian.AppendUint16(b, queue)
	return append(b, attrs...)
}

// attr appends an attribute, padded to 4 bytes.
func attr(b []byte, kind uint16, data ...byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(4+len(data)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, data...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// say is the message that decides about a packet; changed goes on in its place.
func say(queue uint16, id uint32, drop bool, changed []byte) []byte {
	what := byte(nfAccept)
	if drop {
		what = nfDrop
	}
	attrs := attr(nil, attrVerdictHeader, binary.BigEndian.AppendUint32([]byte{0, 0, 0, what}, id)...)
	if changed != nil {
		attrs = attr(attrs, attrPayload, changed...)
	}
	return message(msgVerdict, queue, false, attrs)
}

var errNetlink = errors.New("a netlink message that is cut short")

// each calls f for every message in a datagram, with what follows the headers of
// netlink and nfnetlink; for an error message code is its errno, 0 if it acknowledges.
func each(b []byte, f func(kind uint16, code int32, attrs []byte)) error {
	for len(b) >= 16 {
		n := int(binary.NativeEndian.Uint32(b))
		if n < 20 || n > len(b) {
			return errNetlink
		}
		kind := binary.NativeEndian.Uint16(b[4:])
		if kind == 2 { // NLMSG_ERROR
			f(kind, -int32(binary.NativeEndian.Uint32(b[16:])), nil)
		} else {
			f(kind, 0, b[20:n])
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	return nil
}

// packetOf is the packet, its id and its mark in a queue's message.
func packetOf(attrs []byte) (id, mark uint32, data []byte, ok bool) {
	for len(attrs) >= 4 {
		n := int(binary.NativeEndian.Uint16(attrs))
		if n < 4 || n > len(attrs) {
			return 0, 0, nil, false
		}
		body := attrs[4:n]
		switch kind := binary.NativeEndian.Uint16(attrs[2:]) & 0x3fff; {
		case kind == attrPacketHeader && len(body) >= 4:
			id, ok = binary.BigEndian.Uint32(body), true
		case kind == attrMark && len(body) == 4:
			mark = binary.BigEndian.Uint32(body)
		case kind == attrPayload:
			data = body
		}
		attrs = attrs[min((n+3)&^3, len(attrs)):]
	}
	return id, mark, data, ok && len(data) >= 20
}

// dropped is how many packets the kernel dropped for lack of room in a queue, by
// /proc/net/netfilter/nfnetlink_queue: number, port, waiting, copy mode, copy range,
// dropped by the queue, by the socket, …
func dropped(proc string, queue uint16) (n int64) {
	for line := range strings.Lines(proc) {
		f := strings.Fields(line)
		if len(f) < 7 || f[0] != strconv.Itoa(int(queue)) {
			continue
		}
		full, _ := strconv.ParseInt(f[5], 10, 64)
		unread, _ := strconv.ParseInt(f[6], 10, 64)
		n += full + unread
	}
	return n
}
