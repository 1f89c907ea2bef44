package main

import (
	"bytes"
	"hash/fnv"
	"strconv"
)

var (
	headEnd = []byte("\r\n\r\n")
	hello   = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!")
	bad     = []byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
)

// maxSize bounds the body that a path may ask for, in bytes.
const maxSize = 4096

// cutHead splits the first request off; a body is none of its business.
func cutHead(in []byte) (head, rest []byte, ok bool) {
	return bytes.Cut(in, headEnd)
}

// respond is the whole response to a request.
func respond(head []byte) []byte {
	_, path, _ := bytes.Cut(head, []byte(" "))
	path, _, _ = bytes.Cut(path, []byte(" "))
	own, ok := bytes.CutPrefix(path, []byte("/fb/"))
	if !ok {
		return hello
	}
	id, size, ok := parse(own)
	if !ok {
		return bad
	}
	out := make([]byte, 0, 256)
	out = append(out, "HTTP/1.1 200 OK\r\nX-Faultbed-Id: "...)
	out = append(out, id...)
	out = append(out, "\r\nContent-Length: "...)
	out = strconv.AppendInt(out, size, 10)
	out = append(out, headEnd...)
	return stream(out, id, size)
}

// parse reads CLASS/ID?size=N&….
func parse(own []byte) (id []byte, size int64, ok bool) {
	path, query, _ := bytes.Cut(own, []byte("?"))
	_, id, ok = bytes.Cut(path, []byte("/"))
	value, found := bytes.CutPrefix(query, []byte("size="))
	if !ok || !found {
		return nil, 0, false
	}
	value, _, _ = bytes.Cut(value, []byte("&"))
	size, err := strconv.ParseInt(string(value), 10, 64)
	return id, size, err == nil && size >= 0 && size <= maxSize && plain(id)
}

// plain ids can't break the header line that they are put into.
func plain(id []byte) bool {
	return !bytes.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c > '~' })
}

// stream appends the first n bytes of id's body: 32-byte records of the FNV-1a
// hash of the id and the offset, as faultbed's package fixtures/body has it.
func stream(out, id []byte, n int64) []byte {
	end := len(out) + int(n)
	h := fnv.New64a()
	h.Write(id)
	key := appendHex(make([]byte, 0, 16), h.Sum64())
	for o := int64(0); len(out) < end; o += 32 {
		out = append(append(out, key...), ':')
		for d := int64(1e13); d > 0; d /= 10 {
			out = append(out, byte('0'+o/d%10))
		}
		out = append(out, '\n')
	}
	return out[:end]
}

func appendHex(out []byte, v uint64) []byte {
	for shift := 60; shift >= 0; shift -= 4 {
		out = append(out, "0123456789abcdef"[v>>shift&15])
	}
	return out
}
