package packet

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// owned is a table that belongs to one netlink socket and goes with it.
type owned struct {
	ns      *os.File
	conn    *nftables.Conn
	table   *nftables.Table
	in, out *nftables.Chain
}

// nftOwner is NFT_TABLE_F_OWNER, which golang.org/x/sys lacks.
const nftOwner = 2

// own makes an empty table. Package nftables has no flags for tables, so the
// message that makes it is ours, on the socket of the rules to come.
func own(ns *os.File, name string) (*owned, error) {
	t := &owned{ns: ns, table: &nftables.Table{Name: name, Family: nftables.TableFamilyIPv4}}
	create := func(c *netlink.Conn) error { return createOwned(c, name) }
	var err error
	t.conn, err = nftables.New(nftables.AsLasting(), nftables.WithNetNSFd(int(ns.Fd())), nftables.WithSockOptions(create))
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", name, err)
	}
	return t, nil
}

func createOwned(c *netlink.Conn, name string) error {
	attrs := netlink.NewAttributeEncoder()
	attrs.String(unix.NFTA_TABLE_NAME, name)
	attrs.Bytes(unix.NFTA_TABLE_FLAGS, []byte{0, 0, 0, nftOwner})
	data, err := attrs.Encode()
	if err != nil {
		return err
	}
	batch := func(kind netlink.HeaderType) netlink.Message {
		return netlink.Message{Header: netlink.Header{Type: kind, Flags: netlink.Request}, Data: []byte{0, 0, 0, unix.NFNL_SUBSYS_NFTABLES}}
	}
	made := netlink.Message{Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWTABLE,
		Flags: netlink.Request | netlink.Acknowledge | netlink.Create | netlink.Excl}, Data: append([]byte{unix.NFPROTO_IPV4, 0, 0, 0}, data...)}
	if _, err := c.SendMessages([]netlink.Message{batch(unix.NFNL_MSG_BATCH_BEGIN), made, batch(unix.NFNL_MSG_BATCH_END)}); err != nil {
		return err
	}
	_, err = c.Receive() // the acknowledgement, or why not
	return err
}

// chain is the hook at which a way's packets are met, before any firewall's filter.
func (o *owned) chain(out bool) *nftables.Chain {
	c, hook, name := &o.in, nftables.ChainHookInput, "in"
	if out {
		c, hook, name = &o.out, nftables.ChainHookOutput, "out"
	}
	if *c == nil {
		*c = o.conn.AddChain(&nftables.Chain{Name: name, Table: o.table, Type: nftables.ChainTypeFilter, Hooknum: hook, Priority: nftables.ChainPriorityMangle})
	}
	return *c
}

// count is how many packets the rules that mean to bite have met.
func (o *owned) count() (map[string]int64, error) {
	met := map[string]int64{}
	for _, c := range []*nftables.Chain{o.in, o.out} {
		if c == nil {
			continue
		}
		rules, err := o.conn.GetRules(o.table, c)
		if err != nil {
			return met, fmt.Errorf("counters of %s: %w", o.table.Name, err)
		}
		for _, r := range rules {
			met[string(r.UserData)] += packets(r)
		}
	}
	return met, nil
}

// release removes the table and closes the socket, with which the kernel would
// take it away too, only later; then it sees that it is gone.
func (o *owned) release() error {
	o.conn.DelTable(o.table)
	err := errors.Join(o.conn.Flush(), o.conn.CloseLasting())
	look, newErr := nftables.New(nftables.WithNetNSFd(int(o.ns.Fd())))
	if newErr != nil {
		return errors.Join(err, newErr)
	}
	tables, listErr := look.ListTables()
	if slices.ContainsFunc(tables, func(t *nftables.Table) bool { return t.Name == o.table.Name }) {
		err = errors.Join(err, fmt.Errorf("table %s is still there", o.table.Name))
	}
	return errors.Join(err, listErr)
}
