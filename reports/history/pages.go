package history

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// A ledger in pages (.fbl) is a magic with the form's version, pages, and an
// end mark. A page is a head of fixed size and the events in columns
// (columns.go), compressed with Zstandard:
//
//	mark "FBpg" | bytes | events | CRC-32C of the data | CRC-32C of the head so far
//
// each four bytes, little-endian. The end mark is a head "FBen" with the number
// of pages in place of the bytes and that of all events modulo 2³². Each page
// stands alone: one that is damaged costs its own events and no others.
const (
	pagesMagic   = "\x89FBL\r\n\x1a" // as PNG's: a transfer as text breaks it visibly
	pagesVersion = 1
	pageMark     = "FBpg"
	endMark      = "FBen"
	headSize     = 20
	pageEvents   = 4096
	maxEvents    = 1 << 16 // in one page; more is no page of ours
	maxPlain     = 64 << 20
	maxCounted   = 1 << 22 // events that room is made for on the heads' word
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var zstdEncoder = sync.OnceValue(func() *zstd.Encoder {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false))
	return must(enc, err)
})

var zstdDecoder = sync.OnceValue(func() *zstd.Decoder {
	return must(zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxPlain)))
})

// must is for constructors that fail only by a mistake in their options.
func must[T any](v T, err error) T {
	if err != nil {
		panic("zstd: " + err.Error())
	}
	return v
}

// Pages writes a ledger in pages: about 15 bytes an event where NDJSON has 300.
// A page is one write(2) when it is full, so a kill loses at most the last 4096
// events, and the missing end mark says so. It is for ledgers that are closed,
// or of which that much may be lost; [Ledger] loses nothing.
type Pages struct {
	mu     sync.Mutex
	f      *os.File
	held   []Event // not written yet
	buf    []byte
	col    writer
	pages  uint32
	events uint32
	proof  *reader // if set, each page is read again before it is written, and the file is on the disk when it is closed
}

// CreatePages creates the file, which must not exist yet.
func CreatePages(path string) (*Pages, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	if _, err := f.WriteString(pagesMagic + string(rune(pagesVersion))); err != nil {
		return nil, fmt.Errorf("ledger: %w", errors.Join(err, f.Close()))
	}
	return &Pages{f: f}, nil
}

// Append adds events and writes the pages that became full. An error of the
// disk is returned, never hidden.
func (p *Pages) Append(events ...Event) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(events) > 0 {
		n := min(len(events), pageEvents-len(p.held))
		p.held, events = append(p.held, events[:n]...), events[n:]
		if len(p.held) == pageEvents {
			if err := p.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *Pages) flush() error {
	if len(p.held) == 0 {
		return nil
	}
	plain := p.col.encode(p.held)
	if p.proof != nil {
		if back, err := p.proof.decode(plain, len(p.held), nil); err != nil || !slices.Equal(back, p.held) {
			return fmt.Errorf("ledger: page %d does not read as it was written: %w", p.pages+1, errors.Join(err, errColumns))
		}
	}
	data := zstdEncoder().EncodeAll(plain, p.buf[:0])
	p.buf = data
	p.pages, p.events = p.pages+1, p.events+uint32(len(p.held))
	head := pageHead(pageMark, len(data), len(p.held), crc32.Checksum(data, castagnoli))
	p.held = p.held[:0]
	if _, err := p.f.Write(append(head, data...)); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// Close writes what is left and the end mark, and closes the file; a second
// call does nothing.
func (p *Pages) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.f == nil {
		return nil
	}
	err := p.flush()
	if err == nil {
		_, err = p.f.Write(pageHead(endMark, int(p.pages), int(p.events), 0))
	}
	if err == nil && p.proof != nil { // the text is about to be removed: a rename alone may outlive a power cut that the data does not
		err = p.f.Sync()
	}
	err = errors.Join(err, p.f.Close())
	p.f, p.held = nil, nil
	return err
}

func pageHead(mark string, size, events int, sum uint32) []byte {
	b := append(make([]byte, 0, headSize), mark...)
	for _, n := range []uint32{uint32(size), uint32(events), sum} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// head is a page's head, read.
type head struct {
	mark              string
	size, events, sum uint32
}

func parseHead(b []byte) (head, bool) {
	if len(b) < headSize || crc32.Checksum(b[:headSize-4], castagnoli) != binary.LittleEndian.Uint32(b[headSize-4:]) {
		return head{}, false
	}
	return head{string(b[:4]), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:])}, true
}

// pageReader goes through a ledger in pages.
type pageReader struct {
	data    []byte
	at      int
	col     reader
	plain   []byte
	pages   uint32 // begun so far, damaged ones too
	ended   bool
	defects []string
}

// newPageReader reads what begins with the magic, or should.
func newPageReader(data []byte) *pageReader {
	r := &pageReader{data: data, at: len(pagesMagic) + 1}
	switch {
	case !bytes.HasPrefix(data, []byte(pagesMagic)):
		r.at = 0
		r.damaged("it does not begin as a ledger in pages does")
	case len(data) < r.at:
		r.at = len(data)
	case data[r.at-1] != pagesVersion:
		r.damaged(fmt.Sprintf("its form has version %d and this faultbed knows %d: read it with the version that wrote it, or a newer one", data[r.at-1], pagesVersion))
		r.ended = true
	}
	return r
}

func (r *pageReader) flaws() (bool, []string) { return false, r.defects }

// count is how many events the heads promise, so that room can be made once.
func (r *pageReader) count() (n int) {
	for at := r.at; at < len(r.data) && !r.ended; {
		h, ok := parseHead(r.data[at:])
		if !ok || h.mark != pageMark || h.events > maxEvents || int(h.events) > len(r.data) {
			return n
		}
		if n += int(h.events); n > maxCounted {
			return maxCounted // of heads that lie; append grows beyond
		}
		at += headSize + int(h.size)
	}
	return n
}

// next appends the events of the next page that can be read; io.EOF at the end.
func (r *pageReader) next(into []Event) ([]Event, error) {
	for r.at < len(r.data) && !r.ended {
		h, ok := parseHead(r.data[r.at:])
		switch {
		case !ok:
			r.resync()
		case h.mark == endMark:
			r.end(h)
		default:
			r.pages++
			events, err := r.page(h, into)
			if err == nil {
				return events, nil
			}
			r.damaged(fmt.Sprintf("page %d, with %d events, can't be read: %v", r.pages, h.events, err))
		}
	}
	if !r.ended {
		r.damaged("it has no end mark: its writer was killed, or it was cut")
		r.ended = true
	}
	return into, io.EOF
}

func (r *pageReader) damaged(what string) { r.defects = append(r.defects, what) }

// resync looks for the next head after bytes that are none.
func (r *pageReader) resync() {
	from := r.at
	for r.at++; r.at < len(r.data); r.at++ {
		n := bytes.Index(r.data[r.at:], []byte(pageMark[:2]))
		if n < 0 {
			r.at = len(r.data)
			break
		}
		r.at += n
		if h, ok := parseHead(r.data[r.at:]); ok && (h.mark == pageMark || h.mark == endMark) {
			break
		}
	}
	if r.at == len(r.data) {
		return // the missing end mark tells
	}
	r.damaged(fmt.Sprintf("%d bytes from byte %d on are no page", r.at-from, from))
}

// end holds what was read against what was written.
func (r *pageReader) end(h head) {
	r.ended = true
	if h.size != r.pages {
		r.damaged(fmt.Sprintf("%d pages of %d were found", r.pages, h.size))
	}
	if extra := len(r.data) - r.at - headSize; extra > 0 {
		r.damaged(fmt.Sprintf("%d bytes follow its end mark", extra))
	}
}

// page decodes one page and moves behind it.
func (r *pageReader) page(h head, into []Event) ([]Event, error) {
	r.at += headSize
	if int64(h.size) > int64(len(r.data)-r.at) {
		r.at = len(r.data)
		return into, errors.New("it is cut off")
	}
	data := r.data[r.at : r.at+int(h.size)]
	r.at += int(h.size)
	if crc32.Checksum(data, castagnoli) != h.sum {
		return into, errors.New("its checksum is wrong")
	}
	plain, err := zstdDecoder().DecodeAll(data, r.plain[:0])
	if err != nil {
		return into, err
	}
	r.plain = plain
	return r.col.decode(plain, int(h.events), into)
}
