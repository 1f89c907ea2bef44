package wire

import "slices"

const mostMangled = 1 << 20

var corrupt = Kind{
	Name:     Corrupt,
	Sentence: "inverts every bit of some bytes at an exact byte or instant",
	Bites:    "a connection on which a byte was changed",
	Params:   at(bytesOf("size", 1, mostMangled, int64(1), "to change")),
	make:     func(f Fault, _ any) any { return &corrupting{span{0, max(1, f.Size)}} },
}

// span has edges.
type span []int64

func (s span) edges() []int64 { return s }

type corrupting struct{ span }

func (e *corrupting) mangle(at int64, b []byte) []byte {
	for i := range b {
		b[i] ^= 0xff
	}
	return b
}

func (*corrupting) rest() []byte { return nil }

var duplicate = Kind{
	Name:     Duplicate,
	Sentence: "hands some bytes on twice, at an exact byte or instant",
	Bites:    "a connection on which bytes came twice",
	Params:   at(bytesOf("size", 1, mostMangled, int64(1), "to repeat")),
	make:     func(f Fault, _ any) any { return &doubling{span: span{0, max(1, f.Size)}} },
}

type doubling struct {
	span
	kept []byte
}

func (e *doubling) mangle(at int64, b []byte) []byte {
	n := int64(len(b))
	e.kept = append(e.kept, b...)
	if at+n < last(e.span) {
		return b
	}
	return slices.Concat(b, e.rest())
}

// rest is what was to be repeated, if the source has ended within it.
func (e *doubling) rest() []byte {
	b := e.kept
	e.kept = nil
	return b
}

var reorder = Kind{
	Name:     Reorder,
	Sentence: "hands some bytes on after as many that follow them, at an exact byte or instant",
	Bites:    "a connection on which bytes changed places",
	Params:   at(bytesOf("size", 1, mostMangled, int64(1), "that wait for as many")),
	make:     func(f Fault, _ any) any { n := max(1, f.Size); return &swapping{span: span{0, n, 2 * n}} },
}

type swapping struct {
	span
	kept []byte
}

func (e *swapping) mangle(at int64, b []byte) []byte {
	switch {
	case at < e.span[1]:
		e.kept = append(e.kept, b...)
		return nil
	case at+int64(len(b)) < e.span[2]:
		return b
	}
	return slices.Concat(b, e.rest())
}

// rest is what still waits, when the source has ended or the fault was lifted.
func (e *swapping) rest() []byte {
	b := e.kept
	e.kept = nil
	return b
}
