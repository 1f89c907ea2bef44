// Package packet is the room of faults on packets between a subject and its
// peers: lost, refused, late, doubled, mangled, too many, too large or forgotten.
//
// Filters are rules of nf_tables, what needs thought is a queue (NFQUEUE) that a
// thread of faultbed's own serves. In a container they stand in the network
// namespace that the subject shares with nobody but its infra node. In the process
// runtime they stand in the host's, where they match the subject's own address and
// its way to the origin and nothing else.
//
// Each fault has a table of its own, faultbed_RUN_FAULT, which the kernel takes
// away with the socket that made it ("flags owner", nft(8), Linux 5.12). So a
// killed faultbed leaves no rule behind, nobody else can change one, and no
// foreign rule is ever read or written. Bites are the kernel's counters of the
// fault's own rules, or what the queue saw; one packet is what the kernel handles
// as one, which may be several segments (GSO) and on loopback is up to 64 KiB.
//
// Start with [Kinds].
package packet

import "faultbed/faults/room"

// Kinds lists the room's faults.
func Kinds() []room.Kind {
	return []room.Kind{corrupt, delay, disconnect, drop, duplicate, forget, killSockets, loss, mtu, partition, rate, reject, reorder}
}
