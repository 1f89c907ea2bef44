package malformed

const pqClause = "RFC 9881 §3"

// Nothing obliges a verifier to know ML-DSA or SLH-DSA. One that does not know it must
// reject, and so must one that knows it and is shown a broken signature. A leaf of this
// kind needs a server that signs with its key: crypto/tls of Go 1.26 does not.
var postquantum = []recipe{
	row("postquantum/mldsa44-root", L, pqClause, "The trusted root has an ML-DSA-44 key.", rootWith(keyed(mlKind(mlDSA44)))),
	row("postquantum/mldsa65-root", L, pqClause, "The trusted root has an ML-DSA-65 key.", rootWith(keyed(mlKind(mlDSA65)))),
	row("postquantum/mldsa87-root", L, pqClause, "The trusted root has an ML-DSA-87 key.", rootWith(keyed(mlKind(mlDSA87)))),
	row("postquantum/mldsa44-intermediate", L, pqClause, "The intermediate has an ML-DSA-44 key.", subWith(keyed(mlKind(mlDSA44)))),
	row("postquantum/mldsa65-intermediate", L, pqClause, "The intermediate has an ML-DSA-65 key.", subWith(keyed(mlKind(mlDSA65)))),
	row("postquantum/mldsa87-intermediate", L, pqClause, "The intermediate has an ML-DSA-87 key.", subWith(keyed(mlKind(mlDSA87)))),
	row("postquantum/mldsa65-leaf", L, pqClause, "The leaf has an ML-DSA-65 key.", leafWith(keyed(mlKind(mlDSA65)))).tag("handshake", "leafkey"),
	row("postquantum/mldsa65-corrupted", R, verifyClause, "An ML-DSA-65 signature with one bit flipped.", subLeaf(with(keyed(mlKind(mlDSA65))), with(signature(func(s []byte) []byte { return flip(s, 100) })))).control(),
	row("postquantum/mldsa65-null-parameters", R, "RFC 9881 §2", "The algorithm of an ML-DSA signature has NULL for parameters, which MUST be absent.",
		subLeaf(with(keyed(mlKind(mlDSA65))), with(surgery(func(d *draft) { d.alg = seq(oid(mlDSA65.oid), null) })))).doubt(berDoubt),
	row("postquantum/slhdsa-root", L, "RFC 9909 §3", "The trusted root has an SLH-DSA-SHA2-128f key.", rootWith(keyed(slhKind))),
	row("postquantum/slhdsa-corrupted", R, verifyClause, "An SLH-DSA signature with one bit flipped.", subLeaf(with(keyed(slhKind)), with(signature(func(s []byte) []byte { return flip(s, 100) })))),
	row("postquantum/classic", A, pathClause, "The like of these with P-256 keys.", rootWith()).control(),
}
