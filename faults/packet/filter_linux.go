package packet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"sync"

	"faultbed/faults/room"
	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

const hostFilter = "root, nf_tables (Linux 5.12)"

// probeFilter tries every expression that a rule may have, in a namespace of its own.
var probeFilter = sync.OnceValue(func() error {
	return elsewhere(func(ns *os.File) error {
		o, err := own(ns, "faultbed_probe")
		if err != nil {
			return fmt.Errorf("nf_tables with owned tables (Linux 5.12): %w", err)
		}
		defer o.conn.CloseLasting()
		for _, then := range slices.Sorted(maps.Keys(answers)) {
			o.add(way{Name: then}, rule{Syn: true, Longer: 1, Share: 0.5, Then: then}.exprs())
		}
		if err := o.conn.Flush(); err != nil {
			return fmt.Errorf("nf_tables: %w", err)
		}
		return nil
	})
})

// filter puts a rule on ways and counts what it met when it is lifted.
func filter(t room.Target, w where, r rule) (room.Active, error) {
	ways, err := w.ways(t)
	if err != nil {
		return nil, err
	}
	o, err := ownFor(t)
	if err != nil {
		return nil, err
	}
	for _, way := range ways {
		o.add(way, r.exprs())
	}
	if err := o.conn.Flush(); err != nil {
		return nil, errors.Join(fmt.Errorf("rules: %w", err), o.release(), o.ns.Close())
	}
	return room.LiftFunc(func(context.Context) error {
		defer o.ns.Close()
		met, err := o.count()
		bite(t, met, r.Then)
		return errors.Join(err, o.release())
	}), nil
}

// ownFor makes the table of a fault.
func ownFor(t room.Target) (*owned, error) {
	ns, err := namespace(t)
	if err != nil {
		return nil, err
	}
	o, err := own(ns, table(t))
	if err != nil {
		ns.Close()
	}
	return o, err
}

// bite notes what was met on each way.
func bite(t room.Target, met map[string]int64, what string) {
	for _, name := range slices.Sorted(maps.Keys(met)) {
		if met[name] > 0 {
			note(t, met[name], unit, name+": "+what)
		}
	}
}

// add appends a rule for a way's packets; it is named by it.
func (o *owned) add(w way, then []expr.Any) {
	o.conn.AddRule(&nftables.Rule{Table: o.table, Chain: o.chain(w.Out), Exprs: append(w.exprs(), then...), UserData: []byte(w.Name)})
}

func packets(r *nftables.Rule) (n int64) {
	for _, e := range r.Exprs {
		if c, ok := e.(*expr.Counter); ok {
			n += int64(c.Packets)
		}
	}
	return n
}

// Offsets in the IPv4 and TCP headers (RFC 791, RFC 9293).
const (
	atSaddr, atDaddr = 12, 16
	atSport, atDport = 0, 2
	atFlags          = 13
	flagSyn, flagRst = 0x02, 0x04
)

// exprs match a way's packets.
func (w way) exprs() []expr.Any {
	out := []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, is(expr.CmpOpEq, []byte{unix.IPPROTO_TCP})}
	addr := func(op expr.CmpOp, at uint32, a netip.Addr) {
		if a.IsValid() {
			out = append(out, load(expr.PayloadBaseNetworkHeader, at, 4), is(op, a.AsSlice()))
		}
	}
	port := func(at uint32, p uint16) {
		if p != 0 {
			out = append(out, load(expr.PayloadBaseTransportHeader, at, 2), is(expr.CmpOpEq, binary.BigEndian.AppendUint16(nil, p)))
		}
	}
	addr(expr.CmpOpEq, atSaddr, w.From)
	addr(expr.CmpOpEq, atDaddr, w.To)
	addr(expr.CmpOpNeq, atSaddr, w.NotFrom)
	addr(expr.CmpOpNeq, atDaddr, w.Not)
	port(atSport, w.FromPort)
	port(atDport, w.ToPort)
	return out
}

// exprs are a rule's conditions, its counter and what it does, in this order: the
// counter counts what fulfils the conditions.
func (r rule) exprs() []expr.Any {
	var out []expr.Any
	if r.Syn {
		out = append(out, load(expr.PayloadBaseTransportHeader, atFlags, 1),
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{flagSyn | flagRst}, Xor: []byte{0}}, is(expr.CmpOpEq, []byte{flagSyn}))
	}
	if r.Then == "tcp-reset" { // they pass, for the answer may be on a way too
		out = append(out, load(expr.PayloadBaseTransportHeader, atFlags, 1),
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{flagRst}, Xor: []byte{0}}, is(expr.CmpOpEq, []byte{0}))
	}
	if r.Longer > 0 {
		out = append(out, &expr.Meta{Key: expr.MetaKeyLEN, Register: 1}, hton(), is(expr.CmpOpGt, binary.BigEndian.AppendUint32(nil, uint32(r.Longer))))
	}
	if r.Share > 0 && r.Share < 1 {
		out = append(out, &expr.Numgen{Register: 1, Modulus: dice, Type: unix.NFT_NG_RANDOM}, hton(),
			is(expr.CmpOpLt, binary.BigEndian.AppendUint32(nil, uint32(r.Share*dice))))
	}
	if r.Mark > 0 {
		out = append(out, &expr.Meta{Key: expr.MetaKeyMARK, Register: 1},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binary.NativeEndian.AppendUint32(nil, r.Mark), Xor: make([]byte, 4)},
			is(expr.CmpOpEq, make([]byte, 4)))
	}
	if r.Then == "queue" {
		return append(out, &expr.Counter{}, toQueue(r.Queue))
	}
	return append(out, &expr.Counter{}, answers[r.Then])
}

// dice is how fine a share is thrown.
const dice = 1 << 30

// answers are what a rule may do; ICMP codes of RFC 792 and RFC 1812.
var answers = map[string]expr.Any{
	"drop":             &expr.Verdict{Kind: expr.VerdictDrop},
	"tcp-reset":        &expr.Reject{Type: unix.NFT_REJECT_TCP_RST},
	"net-unreachable":  &expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: 0},
	"host-unreachable": &expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: 1},
	"port-unreachable": &expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: 3},
	"admin-prohibited": &expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: 13},
}

func load(base expr.PayloadBase, at, n uint32) expr.Any {
	return &expr.Payload{DestRegister: 1, Base: base, Offset: at, Len: n}
}

func is(op expr.CmpOp, data []byte) expr.Any { return &expr.Cmp{Op: op, Register: 1, Data: data} }

// hton makes a number of the host's order comparable.
func hton() expr.Any {
	return &expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 4, Size: 4}
}
