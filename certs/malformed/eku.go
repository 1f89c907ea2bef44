package malformed

import (
	"crypto/x509"

	"faultbed/certs"
)

var eku = []recipe{{
	name:     "eku/leaf-client-only",
	sentence: "The server presents a leaf that is for TLS clients only.",
	clause:   "RFC 5280 §4.2.1.12",
	oracle:   certs.MustReject,
	build: func(b *bench) {
		client := func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }
		b.send(b.leaf(b.intermediate, client), b.intermediate)
	},
}}
