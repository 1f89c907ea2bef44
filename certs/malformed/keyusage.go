package malformed

const (
	usageClause = "RFC 5280 §4.2.1.3"
	signClause  = "RFC 5280 §6.1.4(n)"
	leafClause  = "RFC 8446 §4.4.2.2"
	leafDoubt   = "RFC 8446 asks it of the server, RFC 5280 §4.2.1.3 of the use of the key; neither says in so many words that the client must check"
)

var usages = []recipe{
	row("keyusage/intermediate-absent", L, usageClause, "The intermediate has no keyUsage, which the profile asks of CAs and path validation does not.", subWith(without(extKeyUsage))),
	row("keyusage/intermediate-without-cert-sign", R, signClause, "The intermediate may sign CRLs, not certificates.", subWith(usage(cRLSign))).control(),
	row("keyusage/intermediate-digital-signature", R, signClause, "The intermediate may make digital signatures, not sign certificates.", subWith(usage(digitalSignature))),
	row("keyusage/intermediate-leafs-usage", R, signClause, "The intermediate has a leaf's keyUsage: digitalSignature and keyEncipherment.", subWith(usage(digitalSignature, keyEncipherment))),
	row("keyusage/intermediate-empty", R, signClause, "No bit is set in the intermediate's keyUsage.", subWith(usage())),
	row("keyusage/intermediate-not-critical", A, usageClause, "The intermediate's keyUsage has keyCertSign and is not critical, which it SHOULD be.", subWith(critical(extKeyUsage, false))),
	row("keyusage/intermediate-without-not-critical", R, signClause, "The intermediate's keyUsage lacks keyCertSign and is not critical.",
		subWith(usage(cRLSign), critical(extKeyUsage, false))),
	row("keyusage/upper-of-2-without-cert-sign", R, signClause, "The upper of two intermediates may not sign certificates.", twoSubs(with(usage(cRLSign)), nil)).tag("depth2"),
	row("keyusage/intermediate-many-bits", A, usageClause, "Four bits are set in the intermediate's keyUsage, keyCertSign among them.", subWith(usage(digitalSignature, nonRepudiation, keyCertSign, cRLSign))),
	row("keyusage/intermediate-garbage", R, usageClause, "The intermediate's keyUsage is an INTEGER.", subWith(replace(extKeyUsage, true, number(6)))),
	row("keyusage/intermediate-trailing-zeros", L, "X.690 §11.2.2", "The intermediate's keyUsage keeps zero bits at its end that DER would drop.",
		subWith(replace(extKeyUsage, true, []byte{3, 2, 0, 0x06}))),
	row("keyusage/root-without-cert-sign", L, anchorClause, "The trusted root may not sign certificates.", rootWith(usage(cRLSign))),
	row("keyusage/leaf-absent", A, usageClause, "The leaf has no keyUsage.", leafWith(without(extKeyUsage))).control(),
	row("keyusage/leaf-key-agreement", R, leafClause, "The leaf's key may agree on keys, not sign.", leafWith(usage(keyAgreement))).doubt(leafDoubt),
	row("keyusage/leaf-key-encipherment", R, leafClause, "The leaf's RSA key may encipher keys, not sign: enough for the RSA key exchange of TLS 1.2 only.",
		leafWith(keyed(rsaKind("rsa2048a")), usage(keyEncipherment))).doubt(leafDoubt).tag("rsa"),
	row("keyusage/leaf-cert-sign-only", R, leafClause, "The leaf's key may sign certificates only.", leafWith(usage(keyCertSign))).doubt(leafDoubt),
	row("keyusage/leaf-non-repudiation", R, leafClause, "The leaf's key may sign for non-repudiation only.", leafWith(usage(nonRepudiation))).doubt(leafDoubt),
	row("keyusage/leaf-empty", R, usageClause, "No bit is set in the leaf's keyUsage; one must be.", leafWith(usage())).doubt(leafDoubt),
	row("keyusage/leaf-decipher-only-too", A, usageClause, "The leaf's keyUsage has digitalSignature, keyAgreement and decipherOnly, the ninth bit, and no extended key usage that this could contradict.", leafWith(without(extEKU), usage(digitalSignature, keyAgreement, decipherOnly))),
	row("keyusage/leaf-unknown-bit", L, usageClause, "The leaf's keyUsage has digitalSignature and a bit that nobody has defined.", leafWith(usage(digitalSignature, 12))),
	row("keyusage/leaf-cert-sign-too", L, basicClause, "The leaf's keyUsage has keyCertSign, though it is no CA.", leafWith(usage(digitalSignature, keyCertSign))),
}
