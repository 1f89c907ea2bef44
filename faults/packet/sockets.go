package packet

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"net/netip"

	"faultbed/faults/param"
	"faultbed/faults/room"
)

// killSockets has the kernel abort the subject's sockets (ss -K, SOCK_DESTROY): the
// subject's next call gets ECONNABORTED, its peer an RST, also on what is idle.
var killSockets = room.Kind{
	Name: "kill-sockets", Sentence: "has the kernel abort the subject's connections at once, in use or idle",
	Touches: "sockets", Bites: "one socket of the subject that was connected and is gone", Host: hostSockets,
	Params: []param.Param{side},
	Probe:  probeSockets,
	Inject: func(_ context.Context, t room.Target, with json.RawMessage) (room.Active, error) {
		w := where{Direction: "out"}
		if err := decode(with, &w); err != nil {
			return nil, err
		}
		ways, err := w.ways(t)
		if err != nil {
			return nil, err
		}
		return nil, abortSockets(t, ways)
	},
}

// endpoints tells whether a socket's packets go out on a way.
func (w way) endpoints(local, peer netip.AddrPort) bool {
	is := func(addr netip.Addr, port uint16, want netip.Addr, wantPort uint16) bool {
		return (!want.IsValid() || addr == want) && (wantPort == 0 || port == wantPort)
	}
	return is(local.Addr(), local.Port(), w.From, w.FromPort) && is(peer.Addr(), peer.Port(), w.To, w.ToPort) &&
		!(w.NotFrom.IsValid() && local.Addr() == w.NotFrom) && !(w.Not.IsValid() && peer.Addr() == w.Not)
}

// socket is a TCP socket as the kernel describes it.
type socket struct {
	id          [48]byte // struct inet_diag_sockid, which holds a cookie: it can't come to mean another
	family      byte
	local, peer netip.AddrPort
}

// socketOf reads a struct inet_diag_msg (linux/inet_diag.h).
func socketOf(b []byte) (s socket, ok bool) {
	if len(b) < 52 {
		return s, false
	}
	s.family, s.id = b[0], [48]byte(b[4:])
	addr := func(at int) netip.Addr {
		if s.family == 2 { // AF_INET
			return netip.AddrFrom4([4]byte(s.id[at:]))
		}
		return netip.AddrFrom16([16]byte(s.id[at:])).Unmap()
	}
	s.local = netip.AddrPortFrom(addr(4), binary.BigEndian.Uint16(s.id[0:]))
	s.peer = netip.AddrPortFrom(addr(20), binary.BigEndian.Uint16(s.id[2:]))
	return s, true
}

// request is a struct inet_diag_req_v2 about TCP sockets in some states.
func (s socket) request(states uint32) []byte {
	b := []byte{s.family, 6, 0, 0}
	return append(binary.NativeEndian.AppendUint32(b, states), s.id[:]...)
}
