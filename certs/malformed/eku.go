package malformed

const (
	ekuClause   = "RFC 5280 §4.2.1.12"
	nestedDoubt = "RFC 5280 does not apply an authority's extended key usage to what it issues; Go, OpenSSL and BoringSSL do"
)

var ekus = []recipe{
	row("eku/leaf-client-only", R, ekuClause, "The server presents a leaf that is for TLS clients only.", leafWith(eku(ekuClient))).core().control().serverOnly(),
	row("eku/leaf-server", A, ekuClause, "The leaf is for TLS servers.", leafWith(eku(ekuServer))).control().serverOnly(),
	row("eku/leaf-absent", A, ekuClause, "The leaf has no extended key usage: it may serve any purpose.", leafWith(without(extEKU))),
	row("eku/leaf-any", L, ekuClause, "The leaf is for anyExtendedKeyUsage, which an application MAY find too little.", leafWith(eku(ekuAny))),
	row("eku/leaf-any-and-email", L, ekuClause, "The leaf is for anyExtendedKeyUsage and e-mail.", leafWith(eku(ekuAny, ekuEmail))),
	row("eku/leaf-server-and-client", A, ekuClause, "The leaf is for servers and clients.", leafWith(eku(ekuServer, ekuClient))),
	row("eku/leaf-client-and-server", A, ekuClause, "The leaf is for clients and servers, in this order.", leafWith(eku(ekuClient, ekuServer))),
	row("eku/leaf-email", R, ekuClause, "The leaf is for e-mail.", leafWith(eku(ekuEmail))),
	row("eku/leaf-code-signing", R, ekuClause, "The leaf is for signing code.", leafWith(eku(ekuCode))),
	row("eku/leaf-ocsp", R, ekuClause, "The leaf is for signing OCSP responses.", leafWith(eku(ekuOCSP))),
	row("eku/leaf-unknown", R, ekuClause, "The leaf is for a purpose that nobody knows.", leafWith(eku(ekuUnknown))),
	row("eku/leaf-server-and-unknown", A, ekuClause, "The leaf is for servers and for a purpose that nobody knows.", leafWith(eku(ekuServer, ekuUnknown))).serverOnly(),
	row("eku/leaf-empty", R, ekuClause, "The leaf's extended key usage is an empty SEQUENCE, and the type is SIZE (1..MAX).", leafWith(eku())),
	row("eku/leaf-critical-server", A, ekuClause, "The leaf's extended key usage has serverAuth and is critical.", leafWith(eku(ekuServer), critical(extEKU, true))).serverOnly(),
	row("eku/leaf-critical-client", R, ekuClause, "The leaf's extended key usage has clientAuth only and is critical.", leafWith(eku(ekuClient), critical(extEKU, true))).serverOnly(),
	row("eku/leaf-netscape", L, ekuClause, "The leaf is for Netscape's step-up of 1997, which some verifiers still take for serverAuth.", leafWith(eku(ekuNetscape))).serverOnly(),
	row("eku/leaf-garbage", R, ekuClause, "The leaf's extended key usage is a UTF8String.", leafWith(replace(extEKU, false, text(tagUTF8, "server")))),
	row("eku/intermediate-server", A, ekuClause, "The intermediate is for TLS servers.", subWith(eku(ekuServer))).serverOnly(),
	row("eku/intermediate-any", L, ekuClause, "The intermediate is for anyExtendedKeyUsage.", subWith(eku(ekuAny))).doubt(nestedDoubt),
	row("eku/intermediate-client", L, ekuClause, "The intermediate is for TLS clients only, the leaf for servers.", subWith(eku(ekuClient))).doubt(nestedDoubt).serverOnly(),
	row("eku/intermediate-email", L, ekuClause, "The intermediate is for e-mail only.", subWith(eku(ekuEmail))).doubt(nestedDoubt),
	row("eku/intermediate-netscape", L, ekuClause, "The intermediate is for Netscape's step-up only.", subWith(eku(ekuNetscape))).doubt(nestedDoubt).serverOnly(),
	row("eku/intermediate-server-leaf-client", R, ekuClause, "The intermediate is for servers, the leaf for clients only.", subLeaf(with(eku(ekuServer)), with(eku(ekuClient)))).serverOnly(),
	row("eku/root-client", L, anchorClause, "The trusted root is for TLS clients only.", rootWith(eku(ekuClient))).serverOnly(),
	row("eku/root-email", L, anchorClause, "The trusted root is for e-mail only.", rootWith(eku(ekuEmail))),
}
