package packet

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"

	"faultbed/faults/param"
	"faultbed/faults/room"
)

// unit of all bites here but those of sockets.
const unit = "packets"

var (
	side = param.Param{Name: "side", Type: param.Enum, Of: []string{"front", "back", "both"}, Default: "back",
		Doc: "front: between the load and the subject; back: between the subject and the origin"}
	direction = param.Param{Name: "direction", Type: param.Enum, Of: []string{"in", "out", "both"}, Default: "both",
		Doc: "in: towards the subject; out: from it"}
	established = param.Param{Name: "established", Type: param.Enum, Of: []string{"too", "keep"}, Default: "too",
		Doc: "keep: only handshakes, so that connections that are there live on"}
	share = param.Param{Name: "share", Type: param.Share, Default: 0.05, Doc: "of packets, by a throw for each"}
)

// where is the part of a fault's parameters that chooses packets.
type where struct {
	Side        string `json:"side"`
	Direction   string `json:"direction"`
	Established string `json:"established"`
}

// inside tells that the subject has a network namespace of its own. Then each
// packet is met there once. In the host's, everything goes over loopback and is
// met where it arrives: a packet that waits on its way out would count against
// its sender's socket buffer, which is slower than the wire (TCP small queues).
func inside(t room.Target) bool { return t.Container != "" }

// way is one direction of one side: packets that come from or go to a peer.
type way struct {
	Name         string     // "front in"
	Out          bool       // they are met on their way out of the namespace
	From, To     netip.Addr // zero: any
	FromPort     uint16     // 0: any
	ToPort       uint16
	NotFrom, Not netip.Addr // these are others' packets
}

// ways are the ways that a fault's parameters choose.
func (w where) ways(t room.Target) ([]way, error) {
	var out []way
	for _, s := range []string{"front", "back"} {
		if w.Side != s && w.Side != "both" {
			continue
		}
		in, err := inward(t, s)
		if err != nil {
			return nil, err
		}
		if w.Direction != "out" {
			out = append(out, in)
		}
		if w.Direction != "in" {
			out = append(out, in.back(s, inside(t)))
		}
	}
	return out, nil
}

// inward is a side's way to the subject. In the host's namespace clients and
// subject alike send from 127.0.0.1, so the front is known by the subject's
// address. The back is known by the origin's, to which the load's control arm
// goes too, from the load's own address.
func inward(t room.Target, side string) (way, error) {
	w := way{Name: side + " in"}
	load, loadErr := netip.ParseAddr(t.Load)
	addr, addrErr := netip.ParseAddrPort(t.Addr)
	origin, originErr := netip.ParseAddrPort(t.Origin)
	switch {
	case side == "back":
		w.From, w.FromPort = origin.Addr(), origin.Port()
		if inside(t) {
			return w, need4(originErr, origin.Addr())
		}
		w.Not = load
		return w, errors.Join(need4(originErr, origin.Addr()), need4(loadErr, load))
	case inside(t):
		w.From = load
		return w, need4(loadErr, load)
	}
	w.To = addr.Addr()
	return w, need4(addrErr, addr.Addr())
}

// back is the way in the other direction.
func (w way) back(side string, inside bool) way {
	return way{Name: side + " out", Out: inside, From: w.To, To: w.From, FromPort: w.ToPort, ToPort: w.FromPort, NotFrom: w.Not, Not: w.NotFrom}
}

func need4(err error, a netip.Addr) error {
	if err == nil && !a.Is4() {
		err = fmt.Errorf("%s is no IPv4 address", a)
	}
	return err
}

// tables tells the tables of trials apart that run at the same time.
var tables atomic.Int64

// table names a fault's table; run ids have dashes, which nft(8) does not take.
func table(t room.Target) string {
	b := fmt.Appendf(nil, "faultbed_%s_%s_%d", t.Run, t.Fault, tables.Add(1))
	for i, c := range b {
		if c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			b[i] = '_'
		}
	}
	return string(b)
}

// note notes a bite, if anybody wants to know: who calibrates does not.
func note(t room.Target, n int64, unit, detail string) {
	if t.Note != nil {
		t.Bit(n, unit, detail)
	}
}

// decode reads a plan's parameters.
func decode(with json.RawMessage, into any) error {
	if err := json.Unmarshal(with, into); err != nil {
		return fmt.Errorf("parameters: %w", err)
	}
	return nil
}
