package history

import "hash/crc32"

// Columns are events as a page holds them, before compression.
func Columns(events []Event) []byte {
	var w writer
	return w.encode(events)
}

// Seal makes a ledger of one page out of what claims to be the columns of n events.
func Seal(n int, columns []byte) []byte {
	data := zstdEncoder().EncodeAll(columns, nil)
	file := append([]byte(pagesMagic), pagesVersion)
	file = append(append(file, pageHead(pageMark, len(data), n, crc32.Checksum(data, castagnoli))...), data...)
	return append(file, pageHead(endMark, 1, n, 0)...)
}

// DecodePlan reads a plan in its usual form; false is any other.
func DecodePlan(b []byte, p *Plan) bool { return decodePlan(b, p) }
