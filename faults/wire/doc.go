// Package wire is our own TCP relay between two nodes, which can break a
// connection exactly: at a byte or at an instant of HTTP/1, HTTP/2 or TLS, in
// one direction, for connections that are open or for those to come.
//
// While no fault acts the relay hands on what it sees: bytes, half-close, RST,
// back-pressure. Two things it can't hide: it accepts before it knows whether
// its target will (a refused dial becomes an RST at once), and the kernel
// buffers of two connections are larger than those of one. It sees bytes, not
// packets, and inside TLS only records.
//
// Every connection that a fault touched is a bite in the ledger, with its age.
// Which ones it touches follows from their order and from hashes of the seed,
// never from a running generator: a replay decides the same.
//
// Faults compose. Before each piece of bytes, in this order: paces wait, holds
// wait, manglers change it (in the order in which they took hold), it is
// written, and what acts at the byte reached acts, first come first. Start with
// [Listen], [Relay.Inject] and [Kinds].
package wire
