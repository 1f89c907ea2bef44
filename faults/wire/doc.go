// Package wire is our own TCP relay between two nodes, which can break a
// connection exactly: at a byte, in one direction, by RST or by FIN, for
// connections that are open or for those to come.
//
// toxiproxy can't do that: it turns RST into FIN, loses half-closes and has no
// byte offsets. While no fault acts the relay hands on what it sees: bytes,
// half-close, RST, back-pressure. Two things it can't hide: it accepts before
// it knows whether its target will (a refused dial becomes an RST at once), and
// the kernel buffers of two connections are larger than those of one.
//
// Every connection that a fault touched is a bite in the ledger, with its age.
// It delays nothing and throws no dice: which connections are touched follows
// from the order in which they were opened. Start with [Listen].
package wire
