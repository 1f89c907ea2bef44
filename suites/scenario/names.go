package scenario

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"faultbed/faults/dns"
	"faultbed/fixtures/topology"
	"faultbed/proxy"
)

// originHost is the name by which a subject dials its origin where it has to ask
// for it: the plan has faults of package dns.
const originHost = "origin.faultbed.test"

// names starts the bed's name server, and a second way to the origin, where its
// name leads after a move: a relay at another address and the same port, for a port
// is nothing that an address record could change.
func (t *trial) names(ctx context.Context) error {
	host, p, err := net.SplitHostPort(t.originAddr)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSetup, err)
	}
	port, err := strconv.Atoi(p)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSetup, err)
	}
	moved, n := t.nodes["moved"], t.nodes["dns"]
	if _, err := t.session(ctx, moved, "wire", topology.WireSpec{Listen: moved.Addr(port), Target: t.nodes["origin"].Addr(topology.OriginPort)}, t.fault); err != nil {
		return err
	}
	t.namesS, err = t.session(ctx, n, "dns", topology.DNSSpec{Listen: n.Addr(topology.DNSPort), Zone: dns.Zone{Name: originHost, Addr: host, Moved: moved.IP}}, t.fault)
	return err
}

// originFor is how the subject is told its origin.
func (t *trial) originFor() string {
	if !t.plan.Names {
		return t.originAddr
	}
	_, port, _ := net.SplitHostPort(t.originAddr)
	return net.JoinHostPort(originHost, port)
}

// asking makes a launch whose resolver asks the bed's server, once and for a
// second at most: a subject's own deadlines come first. In a container the file is
// mounted, for it would be that of the node whose network the container shares;
// a process gets a mount namespace by labnode, which then becomes it.
func (l *Lab) asking(launch proxy.Launch, server string) (proxy.Launch, error) {
	file := filepath.Join(l.Tmp, server+"-"+launch.Name+".resolv.conf") // beds have servers of their own
	if err := os.MkdirAll(l.Tmp, 0o755); err != nil {
		return launch, err
	}
	if err := os.WriteFile(file, []byte("nameserver "+server+"\noptions timeout:1 attempts:1\n"), 0o644); err != nil {
		return launch, err
	}
	if l.Runtime == "docker" {
		launch.Resolv = file
		return launch, nil
	}
	launch.Command = append([]string{l.Labnode, "names", file}, launch.Command...)
	return launch, nil
}
