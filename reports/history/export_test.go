package history

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

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

// Reseal makes every checksum right of what has the form of a ledger in pages, so
// that a mutation is not merely called a wrong checksum.
func Reseal(file []byte) []byte {
	b := bytes.Clone(file)
	for at := len(pagesMagic) + 1; len(b)-at >= headSize; {
		size := int(binary.LittleEndian.Uint32(b[at+4:]))
		if string(b[at:at+4]) == endMark || size > len(b)-at-headSize {
			size = 0
		}
		binary.LittleEndian.PutUint32(b[at+12:], crc32.Checksum(b[at+headSize:at+headSize+size], castagnoli))
		binary.LittleEndian.PutUint32(b[at+16:], crc32.Checksum(b[at:at+headSize-4], castagnoli))
		at += headSize + size
	}
	return b
}

// Repeated is a page of one event whose n words have one stem, each with a number:
// little to store, and much to put together.
func Repeated(stem, n int) []byte {
	var w writer
	w.reset()
	e := Event{T: 1}
	w.event(&e)
	text := string(bytes.Repeat([]byte("x"), stem))
	for i := range n {
		w.learn(text + string(rune('1'+i%9)))
	}
	for _, c := range w.cols {
		w.out = append(binary.AppendUvarint(w.out, uint64(len(c))), c...)
	}
	return w.out
}

// DecodePlan reads a plan in its usual form; false is any other.
func DecodePlan(b []byte, p *Plan) bool { return decodePlan(b, p) }

// Promised is how many events room is made for, where so many heads claim so many
// each.
func Promised(heads, events int) int {
	file := append([]byte(pagesMagic), pagesVersion)
	for range heads {
		file = append(file, pageHead(pageMark, events, events, 0)...)
		file = append(file, make([]byte, events)...)
	}
	return newPageReader(file).count()
}
