package malformed

const (
	anyPolicy    = "2.5.29.32.0"
	policyA      = "1.3.6.1.4.1.32473.3.1"
	policyB      = "1.3.6.1.4.1.32473.3.2"
	policyClause = "RFC 5280 §6.1.5(g)"
	policyDoubt  = "§6.1.5 makes it an error; OpenSSL leaves policies alone unless it is told to check them"
)

func withPolicies(ids ...string) change {
	return func(d *draft) {
		var infos [][]byte
		for _, id := range ids {
			infos = append(infos, seq(oid(id)))
		}
		d.put(extPolicies, false, seq(infos...))
	}
}

// requirePolicy sets requireExplicitPolicy, which must be critical (§4.2.1.11).
func requirePolicy(skip byte) change {
	return add(extConstraints, true, seq(implicit(0, []byte{skip})))
}

func mapped(from, to string) change { return add(extMappings, true, seq(seq(oid(from), oid(to)))) }

var (
	inhibitMapping = add(extConstraints, true, seq(implicit(1, []byte{0})))
	inhibitAny     = add(extInhibitAny, true, number(0))
)

var policies = []recipe{
	row("policy/none-required", A, policyClause, "Intermediate and leaf have different policies, and nobody asks for one.", subLeaf(with(withPolicies(policyA)), with(withPolicies(policyB)))).control(),
	row("policy/required-and-there", A, policyClause, "The intermediate requires a policy, and the leaf has the same.", subLeaf(with(withPolicies(policyA), requirePolicy(0)), with(withPolicies(policyA)))),
	row("policy/required-and-none", R, policyClause, "The intermediate requires a policy, and the leaf has none.", subLeaf(with(withPolicies(policyA), requirePolicy(0)), nil)).doubt(policyDoubt),
	row("policy/required-and-other", R, policyClause, "The intermediate requires a policy, and the leaf has another.", subLeaf(with(withPolicies(policyA), requirePolicy(0)), with(withPolicies(policyB)))).doubt(policyDoubt),
	row("policy/required-and-any-above", A, policyClause, "The intermediate has anyPolicy and requires one; the leaf has one.", subLeaf(with(withPolicies(anyPolicy), requirePolicy(0)), with(withPolicies(policyA)))),
	row("policy/required-after-one", A, policyClause, "A policy is required one certificate below; the leaf is the first there and has none.", subLeaf(with(withPolicies(policyA), requirePolicy(2)), nil)),
	row("policy/required-not-critical", R, policyClause, "The like of required-and-none, and the extension is not critical.", subLeaf(with(withPolicies(policyA), requirePolicy(0), critical(extConstraints, false)), nil)).doubt(policyDoubt),
	row("policy/mapped", A, "RFC 5280 §6.1.4(b)", "The intermediate maps its policy to the leaf's, and requires one.",
		subLeaf(with(withPolicies(policyA), mapped(policyA, policyB), requirePolicy(0)), with(withPolicies(policyB)))),
	row("policy/mapped-elsewhere", R, policyClause, "The intermediate maps its policy to another than the leaf's, and requires one.",
		subLeaf(with(withPolicies(policyA), mapped(policyA, policyB), requirePolicy(0)), with(withPolicies(policyA)))).doubt(policyDoubt),
	row("policy/mapping-any", R, "RFC 5280 §6.1.4(a)", "The intermediate maps anyPolicy, which must not be mapped.", subLeaf(with(withPolicies(policyA), mapped(anyPolicy, policyB)), with(withPolicies(policyB)))).doubt(policyDoubt),
	row("policy/mapping-inhibited", R, policyClause, "The upper intermediate inhibits mapping; the lower one maps and requires.", twoSubsLeaf(
		with(withPolicies(policyA), inhibitMapping), with(withPolicies(policyA), mapped(policyA, policyB), requirePolicy(0)), with(withPolicies(policyB)))).doubt(policyDoubt).tag("depth2"),
	row("policy/any-inhibited", R, policyClause, "The intermediate inhibits anyPolicy and requires one; the leaf has anyPolicy only.",
		subLeaf(with(withPolicies(policyA), inhibitAny, requirePolicy(0)), with(withPolicies(anyPolicy)))).doubt(policyDoubt),
	row("policy/any-not-inhibited", A, policyClause, "The intermediate requires a policy; the leaf has anyPolicy.", subLeaf(with(withPolicies(policyA), requirePolicy(0)), with(withPolicies(anyPolicy)))),
	row("policy/unknown-critical", A, "RFC 5280 §4.2.1.4", "The leaf's policies are critical, and the verifier has no demands of its own.", leafWith(withPolicies(policyA), critical(extPolicies, true))),
	row("policy/same-twice", L, "RFC 5280 §4.2.1.4", "The leaf has the same policy twice, which MUST NOT be.", leafWith(withPolicies(policyA, policyA))),
	row("policy/constraints-empty", L, "RFC 5280 §4.2.1.11", "The intermediate's policyConstraints are an empty SEQUENCE, which the profile forbids to issue.", subWith(add(extConstraints, true, seq()))),
	row("policy/constraints-garbage", R, "RFC 5280 §4.2.1.11", "The intermediate's policyConstraints are a UTF8String; they are critical.", subWith(add(extConstraints, true, text(tagUTF8, "x")))),
	row("policy/stranger", R, pathClause, "The like of required-and-there below a root that nobody trusts.", func(b *bench) {
		sub := b.ca("Stranger Intermediate CA", b.anchor("Stranger Root CA"), withPolicies(policyA), requirePolicy(0))
		b.send(b.leaf(sub, withPolicies(policyA)), sub)
	}).control(),
	row("policy/on-root", L, anchorClause, "The trusted root requires a policy; there is none below.", rootWith(requirePolicy(0))),
	row("policy/mapping-empty", L, "RFC 5280 §4.2.1.5", "The intermediate's mappings are an empty SEQUENCE; they are not critical.", subWith(add(extMappings, false, seq()))),
}

func twoSubsLeaf(high, low, leaf []change) func(*bench) {
	return func(b *bench) {
		top := b.ca("Upper CA of the case", b.root, high...)
		sub := b.ca("Lower CA of the case", top, low...)
		b.send(b.leaf(sub, leaf...), sub, top)
	}
}
