package malformed

import "time"

// The dates of a trust anchor are no input of the algorithm (RFC 5280 §6.1.1(d)), so
// nothing in the RFC decides about them; OpenSSL and Go reject an expired one.
const (
	datesClause = "RFC 5280 §6.1.3(a)(2)"
	timeClause  = "RFC 5280 §4.1.2.5"
	utcClause   = "RFC 5280 §4.1.2.5.1"
	genClause   = "RFC 5280 §4.1.2.5.2"
	timeDoubt   = "the clause binds who issues; a verifier that reads BER times does no wrong to anybody"
)

var expired = []recipe{
	row("expired/leaf", R, datesClause, "The leaf expired a day ago.", leafWith(past)).core().control(),
	row("expired/intermediate", R, datesClause, "The intermediate expired a day ago; leaf and root are valid.", subWith(past)).core(),
	row("expired/root", L, anchorClause, "The trusted root expired a day ago; all below it is valid.", rootWith(past)).core(),
	row("expired/leaf-not-yet", R, datesClause, "The leaf will be valid in a month.", leafWith(future)),
	row("expired/intermediate-not-yet", R, datesClause, "The intermediate will be valid in a month.", subWith(future)),
	row("expired/root-not-yet", L, anchorClause, "The trusted root will be valid in a month.", rootWith(future)),
	row("expired/upper-of-2", R, datesClause, "The upper of two intermediates expired a day ago.", twoSubs(with(past), nil)).tag("depth2"),
	row("expired/lower-of-2", R, datesClause, "The lower of two intermediates expired a day ago.", twoSubs(nil, with(past))).tag("depth2"),
	row("expired/all", R, datesClause, "Leaf and intermediate expired a day ago.", subLeaf(with(past), with(past))),
	row("expired/leaf-long-ago", R, datesClause, "The leaf expired in 1971.",
		leafWith(fixed(text(tagUTCTime, "700101000000Z"), text(tagUTCTime, "710101000000Z")))),
	row("expired/leaf-ends-at-epoch", A, timeClause, "At the epoch it is the last second of the leaf's validity.", leafWith(dates(-day, 0))).tag("clock"),
	row("expired/leaf-ended-second-ago", R, timeClause, "At the epoch the leaf's validity ended a second ago.", leafWith(dates(-day, -time.Second))).tag("clock"),
	row("expired/leaf-starts-at-epoch", A, timeClause, "At the epoch it is the first second of the leaf's validity.", leafWith(dates(0, day))).tag("clock"),
	row("expired/leaf-starts-in-second", R, timeClause, "At the epoch the leaf's validity begins in a second.", leafWith(dates(time.Second, day))).tag("clock"),
	row("expired/intermediate-ends-at-epoch", A, timeClause, "At the epoch it is the last second of the intermediate's validity.", subWith(dates(-day, 0))).tag("clock"),
	row("expired/intermediate-ended-second-ago", R, timeClause, "At the epoch the intermediate's validity ended a second ago.", subWith(dates(-day, -time.Second))).tag("clock"),
	row("expired/intermediate-starts-at-epoch", A, timeClause, "At the epoch it is the first second of the intermediate's validity.", subWith(dates(0, day))).tag("clock"),
	row("expired/intermediate-starts-in-second", R, timeClause, "At the epoch the intermediate's validity begins in a second.", subWith(dates(time.Second, day))).tag("clock"),
	row("expired/leaf-inverted", R, datesClause, "The leaf ends before it begins, and the epoch is between.", leafWith(dates(day, -day))),
	row("expired/intermediate-inverted", R, datesClause, "The intermediate ends before it begins, and the epoch is between.", subWith(dates(day, -day))),
	row("expired/leaf-outlives-ca", A, pathClause, "The leaf is valid for years after its intermediate ends; now all is valid.", subLeaf(with(dates(-day, 30*day)), with(dates(-day, 3*year)))),
	row("expired/leaf-ten-years", A, timeClause, "The leaf is valid for ten years.", leafWith(dates(-day, 10*year))).
		doubt("RFC 5280 sets no limit; browsers and Apple do for roots that they ship (398 days and less)"),
	row("expired/leaf-no-end", A, timeClause, "The leaf ends at 99991231235959Z, which says that it has no end.", leafWith(until(text(tagGenTime, "99991231235959Z")))),
	row("expired/intermediate-no-end", A, timeClause, "The intermediate ends at 99991231235959Z.", subWith(until(text(tagGenTime, "99991231235959Z")))),
	row("expired/intermediate-until-2050", A, timeClause, "The intermediate ends in 2050, the first year that needs GeneralizedTime.", subWith(until(text(tagGenTime, "20500101000000Z")))),
	row("expired/intermediate-until-2049", A, timeClause, "The intermediate ends in the last second that UTCTime can tell.", subWith(until(text(tagUTCTime, "491231235959Z")))),
	row("expired/intermediate-since-1950", A, timeClause, "The intermediate begins in 1950, the first second that UTCTime can tell.",
		subWith(fixed(text(tagUTCTime, "500101000000Z"), text(tagUTCTime, "491231235959Z")))),
	row("expired/year-50-in-utc", R, utcClause, "The leaf's end is written as year 50, meant as 2050: it reads as 1950.", leafWith(until(text(tagUTCTime, "500101000000Z")))),
	row("expired/generalized-too-early", L, timeClause, "The leaf's dates are GeneralizedTime although they lie before 2050.",
		leafWith(surgery(func(d *draft) {
			d.validity = seq(generalized(d.b.mint.Epoch.Add(-day)), generalized(d.b.mint.Epoch.Add(300*day)))
		}))),
	row("expired/utc-without-seconds", R, utcClause, "The leaf begins at a UTCTime without seconds.", leafWith(since(text(tagUTCTime, "2501010000Z")))).doubt(timeDoubt),
	row("expired/utc-with-offset", R, utcClause, "The leaf begins at a UTCTime with an offset from GMT.", leafWith(since(text(tagUTCTime, "250101000000+0100")))).doubt(timeDoubt),
	row("expired/utc-without-zone", R, utcClause, "The leaf begins at a UTCTime without its Z.", leafWith(since(text(tagUTCTime, "250101000000")))).doubt(timeDoubt),
	row("expired/generalized-fraction", R, genClause, "The leaf ends at a GeneralizedTime with a fraction of a second.", leafWith(until(text(tagGenTime, "20600101000000.5Z")))).doubt(timeDoubt),
	row("expired/month-13", R, utcClause, "The leaf begins in month 13.", leafWith(since(text(tagUTCTime, "251301000000Z")))),
	row("expired/day-30-february", R, utcClause, "The leaf begins on 30 February.", leafWith(since(text(tagUTCTime, "250230000000Z")))),
	row("expired/not-a-time", R, timeClause, "The leaf's end is NULL where a time should be.", leafWith(until(null))),
	row("expired/in-time", A, datesClause, "The like of leaf, and in time.", leafWith()).control(),
}

// past moves the validity to the two days that ended a day before the epoch.
var past = dates(-3*day, -day)

// future moves the validity to a month that begins in a month.
var future = dates(30*day, 60*day)

// fixed, since and until write both ends, or one, as they are given.
func fixed(from, to []byte) change { return surgery(func(d *draft) { d.validity = seq(from, to) }) }

func until(to []byte) change {
	return surgery(func(d *draft) { d.validity = seq(clock(d.b.mint.Epoch.Add(-day)), to) })
}

func since(from []byte) change {
	return surgery(func(d *draft) { d.validity = seq(from, clock(d.b.mint.Epoch.Add(300*day))) })
}
