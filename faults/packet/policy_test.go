package packet

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"faultbed/faults/room"
)

// segment is a packet of a connection between 10.0.0.1:1000 and 10.0.0.2:80.
func segment(reply bool, flags byte, body string) *parcel {
	b := make([]byte, 40, 40+len(body))
	b = append(b, body...)
	b[0], b[9] = 0x45, 6
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	a, z := []byte{10, 0, 0, 1}, []byte{10, 0, 0, 2}
	ports := [2]uint16{1000, 80}
	if reply {
		a, z, ports = z, a, [2]uint16{80, 1000}
	}
	copy(b[12:], a)
	copy(b[16:], z)
	binary.BigEndian.PutUint16(b[20:], ports[0])
	binary.BigEndian.PutUint16(b[22:], ports[1])
	b[32], b[33] = 5<<4, flags
	seg, f, _ := tcp(b)
	binary.BigEndian.PutUint16(seg[16:], checksum(b, seg))
	return &parcel{data: b, flow: f}
}

const ack, syn, synAck = 0x10, 0x02, 0x12

func die() *rand.Rand { return dieOf(1, 0) }

func TestDelayKeepsOrder(t *testing.T) {
	d := &delayer{Delay: 100, Jitter: 100, die: die()}
	var last int64
	for now := range int64(1000) {
		at := d.judge(segment(false, ack, "x"), now).release
		if at < last || at < now || at > now+200 && at != last {
			t.Fatalf("at %d: released at %d after %d", now, at, last)
		}
		last = at
	}
	if n, _ := d.bites(); n < 900 {
		t.Errorf("%d bites of 1000", n)
	}
}

func TestReorderCountsOvertaken(t *testing.T) {
	r := &reorderer{Share: 1, Gap: 10, die: die(), held: map[flow][]int64{}}
	if v := r.judge(segment(false, ack, "x"), 0); v.release != 10 {
		t.Errorf("released at %d", v.release)
	}
	r.Share = 0
	r.judge(segment(true, ack, "x"), 5) // the other direction overtakes nobody
	r.judge(segment(false, ack, "x"), 5)
	r.judge(segment(false, ack, "x"), 6) // it is overtaken once
	r.Share = 1
	r.judge(segment(false, ack, "x"), 20)
	r.Share = 0
	r.judge(segment(false, ack, "x"), 31) // too late
	if n, _ := r.bites(); n != 1 {
		t.Errorf("%d bites, want 1", n)
	}
}

func TestCorruptFlipsOneBit(t *testing.T) {
	for _, kind := range []string{"stale", "right"} {
		c := &corrupter{Share: 1, Checksum: kind, die: die()}
		p := segment(false, ack, "what it carries")
		whole := slices.Clone(p.data)
		got := c.judge(p, 0).changed
		if !bytes.Equal(p.data, whole) {
			t.Error("the packet itself was changed")
		}
		if c.judge(segment(false, ack, ""), 0).changed != nil {
			t.Error("changed a packet that carries nothing")
		}
		bits := 0
		for i := 40; i < len(whole); i++ {
			for x := whole[i] ^ got[i]; x != 0; x &= x - 1 {
				bits++
			}
		}
		seg, _, _ := tcp(got)
		if right := checksum(got, seg) == binary.BigEndian.Uint16(seg[16:]); bits != 1 || right != (kind == "right") {
			t.Errorf("%s: %d bits changed, checksum right: %v", kind, bits, right)
		}
		if n, _ := c.bites(); n != 1 {
			t.Errorf("%d bites", n)
		}
	}
}

func TestRate(t *testing.T) {
	l := &line{Rate: 1000, Buffer: 100_000} // 1 byte in 1000 ns
	for i, want := range []verdict{{release: 50_000}, {release: 100_000}, {release: 150_000}, {drop: true}} {
		if v := l.judge(segment(false, ack, "0123456789"), 0); v.release != want.release || v.drop != want.drop {
			t.Errorf("packet %d: %+v, want %+v", i, v, want)
		}
	}
	if v := l.judge(segment(false, ack, "0123456789"), 1_000_000); v.release != 1_050_000 {
		t.Errorf("after a pause: %+v", v)
	}
	if n, did := l.bites(); n != 3 || did != "2 waited, 1 lost" {
		t.Errorf("%d bites: %s", n, did)
	}
}

func TestForgetting(t *testing.T) {
	type step struct {
		at      int64
		reply   bool
		flags   byte
		dropped bool
	}
	for name, c := range map[string]struct {
		idle  int64
		steps []step
	}{
		"busy":           {10, []step{{5, false, ack, false}, {14, true, ack, false}, {24, false, ack, false}}},
		"idle from old":  {10, []step{{11, true, ack, true}, {12, false, ack, true}}},
		"idle later":     {10, []step{{0, false, syn, false}, {1, true, synAck, false}, {12, true, ack, true}, {13, false, ack, true}}},
		"opened anew":    {10, []step{{11, false, ack, true}, {12, false, syn, false}, {13, true, synAck, false}, {14, false, ack, false}}},
		"all at once":    {0, []step{{1, false, ack, true}, {2, true, ack, true}}},
		"young ones not": {0, []step{{1, false, syn, false}, {500, true, synAck, false}, {9000, false, ack, false}}},
	} {
		m := &memory{idle: c.idle, seen: map[flow]int64{}}
		for i, s := range c.steps {
			if v := m.judge(segment(s.reply, s.flags, ""), s.at); v.drop != s.dropped {
				t.Errorf("%s: step %d: dropped %v", name, i, v.drop)
			}
		}
	}
}

func TestWays(t *testing.T) {
	target := room.Target{Addr: "127.1.2.2:8080", Origin: "127.1.2.1:9000", Load: "127.1.2.3"}
	addr := netip.MustParseAddr
	for _, c := range []struct {
		side, direction, container string
		want                       []way
	}{
		{"back", "both", "", []way{{Name: "back in", From: addr("127.1.2.1"), FromPort: 9000, Not: addr("127.1.2.3")},
			{Name: "back out", To: addr("127.1.2.1"), ToPort: 9000, NotFrom: addr("127.1.2.3")}}},
		{"front", "both", "", []way{{Name: "front in", To: addr("127.1.2.2")}, {Name: "front out", From: addr("127.1.2.2")}}},
		{"both", "in", "c", []way{{Name: "front in", From: addr("127.1.2.3")}, {Name: "back in", From: addr("127.1.2.1"), FromPort: 9000}}},
		{"back", "out", "c", []way{{Name: "back out", Out: true, To: addr("127.1.2.1"), ToPort: 9000}}},
	} {
		target.Container = c.container
		got, err := where{Side: c.side, Direction: c.direction}.ways(target)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s %s: %+v, %v", c.side, c.direction, got, err)
		}
	}
	target.Origin = "[::1]:80"
	if _, err := (where{Side: "back", Direction: "in"}).ways(target); err == nil {
		t.Error("took IPv6")
	}
	target.Origin = ""
	if _, err := (where{Side: "back", Direction: "in"}).ways(target); err == nil {
		t.Error("took no origin")
	}
}

func TestTableNames(t *testing.T) {
	a := table(room.Target{Run: "20260101-000000-0badcafe", Fault: "f1"})
	b := table(room.Target{Run: "20260101-000000-0badcafe", Fault: "f1"})
	if a == b || !bytes.HasPrefix([]byte(a), []byte("faultbed_20260101_000000_0badcafe_f1_")) {
		t.Errorf("%s, %s", a, b)
	}
}

// FuzzTCP has any bytes read as a packet.
func FuzzTCP(f *testing.F) {
	f.Add(segment(false, ack, "body").data)
	f.Add(segment(true, syn, "").data[:39])
	f.Add([]byte{0x4f, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		seg, fl, ok := tcp(b)
		if !ok {
			return
		}
		if len(payload(seg)) > len(seg)-20 || len(seg) > len(b)-20 || fl.connection() != (flow{fl.to, fl.from}).connection() {
			t.Errorf("%x", b)
		}
		sum := checksum(b, seg)
		binary.BigEndian.PutUint16(seg[16:], sum)
		if checksum(b, seg) != sum {
			t.Error("the checksum counts itself")
		}
	})
}

// FuzzNetlink has any bytes read as what a queue's socket gives.
func FuzzNetlink(f *testing.F) {
	attrs := attr(attr(nil, attrPacketHeader, 0, 0, 0, 7, 8, 0, 1), attrPayload, segment(false, ack, "body").data...)
	f.Add(message(msgPacket, 5, false, attrs))
	f.Add(append(message(msgPacket, 5, false, attrs), message(2, 0, true, nil)...))
	f.Add(say(5, 9, true, []byte("changed")))
	f.Fuzz(func(t *testing.T, b []byte) {
		each(b, func(_ uint16, _ int32, attrs []byte) {
			if _, _, data, _ := packetOf(attrs); len(data) > len(b) {
				t.Error("more than there was")
			}
		})
	})
}

func TestNetlinkMessages(t *testing.T) {
	data := segment(false, ack, "body").data
	attrs := attr(attr(nil, attrPacketHeader, 0, 0, 0, 7, 8, 0, 1), attrPayload, data...)
	var ids []uint32
	err := each(append(message(msgPacket, 5, false, attrs), message(msgPacket, 5, false, attrs)...), func(kind uint16, _ int32, attrs []byte) {
		id, _, got, ok := packetOf(attrs)
		if kind != msgPacket || !ok || !bytes.Equal(got, data) {
			t.Errorf("kind %d, %v, %x", kind, ok, got)
		}
		ids = append(ids, id)
	})
	if err != nil || !slices.Equal(ids, []uint32{7, 7}) {
		t.Errorf("%v, %v", ids, err)
	}
	if err := each(message(msgPacket, 5, false, attrs)[:30], func(uint16, int32, []byte) {}); err == nil {
		t.Error("took a message that is cut short")
	}
}

func TestDropped(t *testing.T) {
	const proc = "64256 11 0 2 65535 3 4 99 1\n64257 12 0 2 65535 0 0 99 1\nodd line\n"
	if a, b, c := dropped(proc, 64256), dropped(proc, 64257), dropped(proc, 1); a != 7 || b != 0 || c != 0 {
		t.Errorf("%d, %d, %d", a, b, c)
	}
}
