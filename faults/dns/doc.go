// Package dns is the room of faults on the names that a subject looks up: a name
// that moves, fails, is unknown, comes late, leads nowhere, or is not answered.
//
// Where a plan has one, the subject is told its origin by name, and its
// /etc/resolv.conf names a server of ours ([Server]), which runs on a node of its
// own. Every query that a fault answered is a bite. A pool hides names: a subject
// asks when it opens a connection, so cut its connections (wire.rst) while the
// fault acts, or let the fault act from the first request on. It may also keep
// answers for longer than they live: aiohttp does for 10 s, and nginx without
// "resolver" asks once, at its start.
//
// It changes no resolver of the machine. Start with [Kinds].
package dns
