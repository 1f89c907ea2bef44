// Package resource is the room of faults on what a subject is given: files,
// processor, memory, processes, disk, ports, and the queue of its listener.
//
// Limits on processor, memory and processes are those of a cgroup, v1 or v2: the
// container's own, or in the process runtime one that is made for the subject's
// process tree and named faultbed-RUN-NODE-PID, which [Cleaner] finds if faultbed is
// killed meanwhile. The full disk is a mount: in a container it ends with the
// container's mount namespace; in the process runtime it is made in the host's and
// outlives both the subject and faultbed, until [Cleaner] finds it by that name. All
// others belong to the subject's processes or its network namespace and end with them.
//
// Each fault counts what the kernel says became of
// it (throttled periods, limit hits, dropped connections), not that it was set.
//
// It takes nothing from other programs of the machine, and it loads nothing: a
// limit that the load does not reach bites nothing. Start with [Kinds].
package resource

import "faultbed/faults/room"

// Kinds lists the room's faults.
func Kinds() []room.Kind { return []room.Kind{cpu, fdLimit, memory, backlog, ports, pids, disk} }
