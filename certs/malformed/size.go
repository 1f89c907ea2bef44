package malformed

import (
	"fmt"

	"faultbed/certs"
)

// hugeExtras makes a message of about 40 KiB: above what Java (30 KiB), mbedTLS and
// wolfSSL (17 KiB) took when measured, below what OpenSSL and Go take.
const hugeExtras = 80

var size = []recipe{{
	// Extraneous certificates SHOULD be tolerated (RFC 8446 §4.4.2), but no clause says
	// how many: a limit is a defence.
	name:     "size/huge-chain",
	sentence: fmt.Sprintf("A valid chain, followed by %d certificates that have nothing to do with it.", hugeExtras),
	clause:   "RFC 8446 §4.4.2",
	oracle:   certs.LocalPolicy,
	tags:     []string{"size"},
	build: func(b *bench) {
		sent := []certs.CA{b.intermediate}
		for i := range hugeExtras {
			sent = append(sent, b.anchor(fmt.Sprintf("Unrelated CA %02d", i)))
		}
		if b.err == nil {
			b.send(b.leaf(b.intermediate), sent...)
		}
	},
}}
