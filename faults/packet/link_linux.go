package packet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"faultbed/faults/room"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

const hostLink = "root"

// probeLink asks for what unplugging needs.
var probeLink = sync.OnceValue(func() error {
	return elsewhere(func(ns *os.File) error {
		l, err := openLinks(ns)
		if err == nil {
			err = l.conn.Close()
		}
		return err
	})
})

// links are the interfaces of a namespace that were up, loopback aside, and the
// routes that lead through them.
type links struct {
	ns     *os.File
	conn   *netlink.Conn
	up     map[int32]string
	routes []netlink.Message
}

func openLinks(ns *os.File) (*links, error) {
	c, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{NetNS: int(ns.Fd())})
	if err != nil {
		return nil, fmt.Errorf("interfaces: %w", err)
	}
	l := &links{ns: ns, conn: c}
	if l.up, err = l.list(); err == nil {
		l.routes, err = l.listRoutes()
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return l, nil
}

// unplug sets down what is up.
func unplug(t room.Target) (room.Active, error) {
	if !inside(t) { // the host's are not ours
		return nil, errors.New("the subject has no network of its own")
	}
	ns, err := namespace(t)
	if err != nil {
		return nil, err
	}
	l, err := openLinks(ns)
	if err != nil {
		return nil, errors.Join(err, ns.Close())
	}
	lift := room.LiftFunc(func(context.Context) error { return l.plug() })
	for index := range l.up {
		if err := l.set(index, 0); err != nil {
			return nil, errors.Join(err, l.plug())
		}
	}
	still, err := l.list()
	if err != nil {
		return nil, errors.Join(err, l.plug())
	}
	var down []string
	for index, name := range l.up {
		if _, up := still[index]; !up {
			down = append(down, name)
		}
	}
	if len(down) > 0 {
		slices.Sort(down)
		note(t, int64(len(down)), "interfaces", "down: "+strings.Join(down, ", "))
	}
	return lift, nil
}

// plug sets them up again, adds the routes that the kernel did not bring back by
// itself, and sees that all is as it was. An interface that is gone went with its
// container.
func (l *links) plug() error {
	defer l.ns.Close()
	defer l.conn.Close()
	for index := range l.up {
		if err := l.set(index, unix.IFF_UP); errors.Is(err, unix.ENODEV) {
			return nil
		} else if err != nil {
			return err
		}
	}
	for _, r := range l.routes {
		_, err := l.conn.Execute(netlink.Message{Header: netlink.Header{Type: unix.RTM_NEWROUTE,
			Flags: netlink.Request | netlink.Acknowledge | netlink.Create | netlink.Excl}, Data: r.Data})
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("put a route back: %w", err)
		}
	}
	return l.verify()
}

func (l *links) verify() error {
	up, err := l.list()
	routes, err2 := l.listRoutes()
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	if len(up) != len(l.up) || len(routes) != len(l.routes) {
		return fmt.Errorf("%d interfaces are up with %d routes: they were %d with %d", len(up), len(routes), len(l.up), len(l.routes))
	}
	return nil
}

// set changes IFF_UP of an interface (struct ifinfomsg, rtnetlink(7)).
func (l *links) set(index int32, flags uint32) error {
	b := binary.NativeEndian.AppendUint32([]byte{0, 0, 0, 0}, uint32(index))
	b = binary.NativeEndian.AppendUint32(b, flags)
	b = binary.NativeEndian.AppendUint32(b, unix.IFF_UP)
	_, err := l.conn.Execute(netlink.Message{Header: netlink.Header{Type: unix.RTM_NEWLINK, Flags: netlink.Request | netlink.Acknowledge}, Data: b})
	if err != nil {
		return fmt.Errorf("interface %s: %w", l.up[index], err)
	}
	return nil
}

// list names the interfaces that are up, loopback aside.
func (l *links) list() (map[int32]string, error) {
	found, err := l.conn.Execute(netlink.Message{Header: netlink.Header{Type: unix.RTM_GETLINK, Flags: netlink.Request | netlink.Dump}, Data: make([]byte, 16)})
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	up := map[int32]string{}
	for _, m := range found {
		if len(m.Data) < 16 {
			continue
		}
		index, flags := binary.NativeEndian.Uint32(m.Data[4:]), binary.NativeEndian.Uint32(m.Data[8:])
		if flags&unix.IFF_UP != 0 && flags&unix.IFF_LOOPBACK == 0 {
			up[int32(index)] = strings.TrimRight(string(attribute(m.Data[16:], unix.IFLA_IFNAME)), "\x00")
		}
	}
	return up, nil
}

// listRoutes lists IPv4 routes of the main table through the interfaces.
func (l *links) listRoutes() (out []netlink.Message, err error) {
	found, err := l.conn.Execute(netlink.Message{Header: netlink.Header{Type: unix.RTM_GETROUTE, Flags: netlink.Request | netlink.Dump},
		Data: append([]byte{unix.AF_INET}, make([]byte, 11)...)})
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	for _, m := range found {
		if len(m.Data) < 12 || m.Data[4] != unix.RT_TABLE_MAIN {
			continue
		}
		if oif := attribute(m.Data[12:], unix.RTA_OIF); len(oif) == 4 && l.up[int32(binary.NativeEndian.Uint32(oif))] != "" {
			out = append(out, m)
		}
	}
	return out, nil
}

// attribute is the data of a message's attribute, nil if it has none of that type.
func attribute(b []byte, kind uint16) []byte {
	attrs, err := netlink.UnmarshalAttributes(b)
	if err != nil {
		return nil
	}
	i := slices.IndexFunc(attrs, func(a netlink.Attribute) bool { return a.Type == kind })
	if i < 0 {
		return nil
	}
	return attrs[i].Data
}
