package markdown

import (
	"strings"
	"unicode"

	"faultbed/reports/internal/layout"
)

// parts breaks what GitHub would link by itself: a mention notifies people, and
// "#1" leaves a trace in another issue.
const parts = "\u200b"

var escaper = strings.NewReplacer(
	"&", "&amp;", "<", "&lt;", ">", "&gt;", // HTML is markdown
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "|", `\|`, "~", `\~`, "$", `\$`, "!", `\!`,
	"@", "@"+parts, "#", "#"+parts, "://", ":"+parts+"//", "www.", "www"+parts+".", "GH-", "GH"+parts+"-",
)

// text makes foreign text one line of plain text of at most n bytes before it is
// escaped.
func text(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r): // bidirectional overrides reorder what is around them
			return unicode.ReplacementChar
		}
		return r
	}, layout.Clip(strings.ToValidUTF8(s, "\uFFFD"), n))
	return escaper.Replace(strings.Join(strings.Fields(s), " "))
}
