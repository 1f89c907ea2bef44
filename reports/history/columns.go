package history

import (
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// A page's events are stored by column. What makes them small is that most of
// an event can be told from what came before it in its page:
//
//   - which fields are set, and the value of those that take few, is one number:
//     the event's shape;
//   - a time is the difference to the event's T, and T to the T before;
//   - a string is the number of a word of the page, and a word that ends in a
//     number is the difference to the number that its stem had before;
//   - an id that the page knows is how many ids ago it was first seen; a new one
//     is the difference of its decimal part, and four bytes for its hex;
//   - an id has the connection and the planned instant that it had at its last
//     event, a connection its addresses, its use (plus one) and its offset.
//
// Differences wrap around, so every value of every field survives.

// The columns. Those before colFields are fields, and bits of shape.has.
const (
	colID = iota
	colConn
	colNth
	colIdle
	colPeer
	colLocal
	colPlanned
	colConnected
	colSent
	colFirstByte
	colOffset
	colBytes
	colWant
	colPID
	colCode
	colAgeNs
	colCount
	colVerdict
	colDetail
	colFields
)

// Columns that every event has a value in, and those of the page's tables.
const (
	colT        = colFields + iota
	colShape    // which shape an event has
	colShapes   // the shapes
	colStems    // texts that words begin with
	colWords    // a word's stem, and whether a number follows it
	colNumbers  // that number
	colIDNumber // of a new id, its decimal part
	colIDHex    // its hex
	colIDTail   // its number after the point, if it has one
	colDetailAt // where in a detail the event's id stands
	allColumns
)

// shape is what events of one form have in common.
type shape struct {
	has                               uint32 // fields with a value in their column
	kind, node, class, outcome, phase string
	signal, via                       string
	status                            int
	closing                           bool
}

func shapeOf(e *Event) shape {
	s := shape{kind: string(e.Kind), node: e.Node, class: string(e.Class), outcome: string(e.Outcome), phase: e.Phase,
		signal: e.Signal, via: e.Via, status: e.Status, closing: e.Closing}
	for _, f := range [...]struct {
		set bool
		col int
	}{{e.ID != "", colID}, {e.Conn != "", colConn}, {e.Nth != 0, colNth}, {e.Idle != 0, colIdle}, {e.Peer != "", colPeer}, {e.Local != "", colLocal},
		{e.Planned != 0, colPlanned}, {e.Connected != 0, colConnected}, {e.Sent != 0, colSent}, {e.FirstByte != 0, colFirstByte},
		{e.Offset != 0, colOffset}, {e.Bytes != 0, colBytes}, {e.Want != 0, colWant}, {e.PID != 0, colPID}, {e.Code != 0, colCode},
		{e.AgeNs != 0, colAgeNs}, {e.Count != 0, colCount}, {e.Verdict != "", colVerdict}, {e.Detail != "", colDetail}} {
		if f.set {
			s.has |= 1 << f.col
		}
	}
	return s
}

// known is what a page remembers of an id.
type known struct {
	id      string
	planned int64
	conn    uint32 // its word, from 1; 0: none
}

// link is what a page remembers of a connection.
type link struct {
	nth         int
	offset      int64
	peer, local uint32 // words, from 1
}

// zig makes small numbers of both signs small.
func zig(n int64) uint64 { return uint64(n<<1) ^ uint64(n>>63) }
func zag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// writer makes the columns of one page after another.
type writer struct {
	cols   [allColumns][]byte
	words  map[string]uint32 // from 1
	links  []link            // by word
	stems  map[string]uint32 // from 1
	last   []int64           // by stem: its last number
	shapes map[shape]uint32
	ids    map[string]uint32
	known  []known
	number int64 // of the last new id
	t      int64
	text   []byte
	out    []byte
}

// encode returns the page's bytes, which are good until the next call.
func (w *writer) encode(events []Event) []byte {
	w.reset()
	for i := range events {
		w.event(&events[i])
	}
	w.out = w.out[:0]
	for _, c := range w.cols {
		w.out = append(binary.AppendUvarint(w.out, uint64(len(c))), c...)
	}
	return w.out
}

func (w *writer) reset() {
	for i := range w.cols {
		w.cols[i] = w.cols[i][:0]
	}
	if w.words == nil {
		w.words, w.stems, w.shapes, w.ids = map[string]uint32{}, map[string]uint32{}, map[shape]uint32{}, map[string]uint32{}
	}
	clear(w.words)
	clear(w.stems)
	clear(w.shapes)
	clear(w.ids)
	w.links, w.last, w.known, w.number, w.t = w.links[:0], w.last[:0], w.known[:0], 0, 0
}

func (w *writer) put(col int, u uint64)  { w.cols[col] = binary.AppendUvarint(w.cols[col], u) }
func (w *writer) diff(col int, to int64) { w.put(col, zig(to)) }

func (w *writer) event(e *Event) {
	s := shapeOf(e)
	w.shape(s)
	w.diff(colT, e.T-w.t)
	w.t = e.T
	id := &known{planned: e.T}
	has := func(col int) bool { return s.has&(1<<col) != 0 }
	if has(colID) {
		id = w.id(e.ID)
	}
	if has(colConn) {
		id.conn = w.word(colConn, e.Conn, id.conn)
		at := w.links[id.conn-1]
		w.onConn(e, &at, has)
		w.links[id.conn-1] = at
	} else {
		w.onConn(e, &link{}, has)
	}
	if has(colPlanned) {
		w.diff(colPlanned, id.planned-e.Planned)
		id.planned = e.Planned
	}
	w.plain(e, has)
	if has(colVerdict) {
		w.word(colVerdict, e.Verdict, 0)
	}
	if has(colDetail) {
		w.detail(e)
	}
}

// plain writes the fields that only the event's own T makes likely, or nothing.
func (w *writer) plain(e *Event, has func(int) bool) {
	for _, f := range [...]struct {
		col int
		n   int64
	}{{colConnected, e.T - e.Connected}, {colSent, e.T - e.Sent}, {colFirstByte, e.T - e.FirstByte}, {colIdle, e.Idle}, {colBytes, e.Bytes},
		{colWant, e.Want - e.Bytes}, {colPID, int64(e.PID)}, {colCode, int64(e.Code)}, {colAgeNs, e.AgeNs}, {colCount, e.Count}} {
		if has(f.col) {
			w.diff(f.col, f.n)
		}
	}
}

// onConn writes what a connection makes likely.
func (w *writer) onConn(e *Event, at *link, has func(int) bool) {
	if has(colNth) {
		w.diff(colNth, int64(e.Nth)-int64(at.nth)-1)
		at.nth = e.Nth
	}
	if has(colOffset) {
		w.diff(colOffset, e.Offset-at.offset)
		at.offset = e.Offset
	}
	if has(colPeer) {
		at.peer = w.word(colPeer, e.Peer, at.peer)
	}
	if has(colLocal) {
		at.local = w.word(colLocal, e.Local, at.local)
	}
}

func (w *writer) shape(s shape) {
	n, ok := w.shapes[s]
	if !ok {
		n = uint32(len(w.shapes))
		w.shapes[s] = n
		closing := uint64(0)
		if s.closing {
			closing = 1
		}
		w.put(colShapes, uint64(s.has)<<1|closing)
		w.diff(colShapes, int64(s.status))
		for _, text := range [...]string{s.kind, s.node, s.class, s.outcome, s.phase, s.signal, s.via} {
			w.word(colShapes, text, 0)
		}
	}
	w.put(colShape, uint64(n))
}

// word writes a string: 0 is the one that was likely, 1 a new one, and from 2 on
// they are numbered.
func (w *writer) word(col int, s string, likely uint32) uint32 {
	n, ok := w.words[s]
	switch {
	case !ok:
		n = w.learn(s)
		w.put(col, 1)
	case n == likely:
		w.put(col, 0)
	default:
		w.put(col, uint64(n)+1)
	}
	return n
}

// learn adds a word to the page's.
func (w *writer) learn(s string) uint32 {
	n := uint32(len(w.words) + 1)
	w.words[s] = n
	w.links = append(w.links, link{})
	stem, number, ok := splitNumber(s)
	follows := uint64(0)
	if ok {
		follows = 1
	}
	i, old := w.stems[stem]
	if !old {
		w.stems[stem] = uint32(len(w.stems) + 1)
		w.put(colStems, uint64(len(stem)))
		w.cols[colStems] = append(w.cols[colStems], stem...)
		w.last = append(w.last, 0)
	}
	w.put(colWords, uint64(i)<<1|follows) // 0: a new stem
	if ok {
		last := &w.last[w.stems[stem]-1]
		w.diff(colNumbers, number-*last)
		*last = number
	}
	return n
}

// maxDigits is how many digits an int64 has room for, whatever they are.
const maxDigits = 18

// splitNumber cuts a decimal number off the end: "c12" is "c" and 12, and "c07"
// is "c0" and 7, so that the number's digits are its only spelling.
func splitNumber(s string) (stem string, n int64, ok bool) {
	from := len(s)
	for from > 0 && len(s)-from < maxDigits && s[from-1] >= '0' && s[from-1] <= '9' {
		from--
	}
	for from < len(s)-1 && s[from] == '0' {
		from++
	}
	for _, c := range []byte(s[from:]) {
		n = 10*n + int64(c-'0')
	}
	return s[:from], n, from < len(s)
}

// id writes an id: odd is how many ids ago it was first seen, 0 a new one of the
// usual form, 2 one with a tail, 4 a word.
func (w *writer) id(id string) *known {
	if n, ok := w.ids[id]; ok {
		w.put(colID, uint64(len(w.known)-1-int(n))<<1|1)
		return &w.known[n]
	}
	w.ids[id] = uint32(len(w.known))
	if number, hex, tail, ok := parseID(id); ok {
		w.put(colID, uint64(min(tail+1, 1))<<1)
		w.diff(colIDNumber, number-w.number)
		w.number = number
		w.cols[colIDHex] = binary.LittleEndian.AppendUint32(w.cols[colIDHex], hex)
		if tail >= 0 {
			w.put(colIDTail, uint64(tail))
		}
	} else {
		w.put(colID, 4)
		w.word(colID, id, 0)
	}
	w.known = append(w.known, known{id: id, planned: w.t})
	return &w.known[len(w.known)-1]
}

// parseID takes apart an id such as 0001-1a2b3c4d or 0001-1a2b3c4d.2; ok is only
// for those that spell gives back.
func parseID(id string) (number int64, hex uint32, tail int64, ok bool) {
	dash := strings.IndexByte(id, '-')
	if dash < 4 || dash > maxDigits || len(id) < dash+9 {
		return 0, 0, 0, false
	}
	n, err1 := strconv.ParseInt(id[:dash], 10, 64)
	h, err2 := strconv.ParseUint(id[dash+1:dash+9], 16, 32)
	tail = -1
	if rest := id[dash+9:]; rest != "" {
		t, err := strconv.ParseUint(strings.TrimPrefix(rest, "."), 10, 32)
		if err != nil {
			return 0, 0, 0, false
		}
		tail = int64(t)
	}
	var back [64]byte
	if err1 != nil || err2 != nil || n < 0 || string(spell(back[:0], n, uint32(h), tail)) != id {
		return 0, 0, 0, false
	}
	return n, uint32(h), tail, true
}

// spell writes an id of the usual form.
func spell(b []byte, number int64, hex uint32, tail int64) []byte {
	for p := int64(1000); p > 1 && number < p; p /= 10 {
		b = append(b, '0')
	}
	b = append(strconv.AppendInt(b, number, 10), '-')
	for s := 28; s >= 0; s -= 4 {
		b = append(b, "0123456789abcdef"[hex>>s&15])
	}
	if tail >= 0 {
		b = strconv.AppendInt(append(b, '.'), tail, 10)
	}
	return b
}

// detail writes a text without the event's id, and where that stood.
func (w *writer) detail(e *Event) {
	at := -1
	if e.ID != "" {
		at = strings.Index(e.Detail, e.ID)
	}
	s := e.Detail
	if at >= 0 {
		w.text = append(append(w.text[:0], s[:at]...), s[at+len(e.ID):]...)
		s = string(w.text)
	}
	w.put(colDetailAt, uint64(at+1))
	w.word(colDetail, s, 0)
}

// errColumns is a page whose checksum is right and whose columns are not.
var errColumns = errors.New("its columns don't fit together")

// column is read from its start to its end.
type column struct {
	b   []byte
	bad bool
}

func (c *column) next() uint64 {
	if len(c.b) > 0 && c.b[0] < 0x80 {
		u := c.b[0]
		c.b = c.b[1:]
		return uint64(u)
	}
	return c.slow()
}

func (c *column) slow() uint64 {
	u, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.b, c.bad = nil, true
		return 0
	}
	c.b = c.b[n:]
	return u
}

func (c *column) diff() int64 { return zag(c.next()) }

func (c *column) take(n uint64) []byte {
	if n > uint64(len(c.b)) {
		c.b, c.bad = nil, true
		return nil
	}
	b := c.b[:n]
	c.b = c.b[n:]
	return b
}

// reader is the writer's opposite. It keeps what pages share.
type reader struct {
	cols   [allColumns]column
	words  []string
	links  []link
	met    uint32   // words that an event has had
	has    []uint32 // by shape
	shapes []Event  // what events of a shape have in common
	known  []known
	number int64
	t      int64
	bad    bool
	shared map[string]string // texts of all pages
	room   arena
	joined int // bytes of a page's texts that were put together
}

// join says whether there may be n bytes more of texts that are put together: a
// few bytes of a page can ask for any number.
func (r *reader) join(n int) bool {
	r.joined += n
	return r.joined <= maxPlain
}

// maxShared bounds the texts that are kept for later pages.
const maxShared = 4096

// arena makes strings that lie side by side: one allocation for thousands. A
// string that is kept keeps its neighbours, 16 KiB of them.
type arena struct{ b strings.Builder }

// hold makes room for n bytes side by side, and says where they will begin.
func (a *arena) hold(n int) (from int) {
	if a.b.Cap()-a.b.Len() < n {
		a.b.Reset()
		a.b.Grow(max(n, 16<<10))
	}
	return a.b.Len()
}

func (a *arena) bytes(p []byte) string {
	from := a.hold(len(p))
	a.b.Write(p)
	return a.b.String()[from:]
}

func (a *arena) join(x, y, z string) string {
	from := a.hold(len(x) + len(y) + len(z))
	a.b.WriteString(x)
	a.b.WriteString(y)
	a.b.WriteString(z)
	return a.b.String()[from:]
}

// decode appends a page's n events to into, or returns into with an error.
func (r *reader) decode(page []byte, n int, into []Event) ([]Event, error) {
	all := column{b: page}
	for i := range r.cols {
		r.cols[i] = column{b: all.take(all.next())}
	}
	r.known, r.has, r.shapes, r.number, r.t, r.met, r.joined, r.bad = r.known[:0], r.has[:0], r.shapes[:0], 0, 0, 0, 0, false
	if all.bad || len(all.b) > 0 || len(r.cols[colShape].b) < n || !r.tables() {
		return into, errColumns
	}
	from := len(into)
	into = slices.Grow(into, n)[:from+n]
	for i := range into[from:] {
		r.event(&into[from+i])
	}
	if r.failed() {
		clear(into[from:])
		return into[:from], errColumns
	}
	return into, nil
}

// failed tells whether some column ended early, or has more than its events.
func (r *reader) failed() bool {
	for i := range r.cols {
		r.bad = r.bad || r.cols[i].bad || len(r.cols[i].b) > 0
	}
	return r.bad
}

// tables reads the page's words and shapes.
func (r *reader) tables() bool {
	if r.shared == nil {
		r.shared = map[string]string{}
	}
	var stems []string
	for c := &r.cols[colStems]; len(c.b) > 0; {
		stems = append(stems, r.share(c.take(c.next())))
	}
	last, fresh := make([]int64, len(stems)), uint64(0)
	r.words = r.words[:0]
	var buf []byte
	for c := &r.cols[colWords]; len(c.b) > 0; {
		u := c.next()
		i := u >> 1
		if i == 0 {
			fresh++
			i = fresh
		}
		if i > uint64(len(stems)) {
			return false
		}
		s := stems[i-1]
		if u&1 != 0 {
			last[i-1] += r.cols[colNumbers].diff()
			buf = strconv.AppendInt(append(buf[:0], s...), last[i-1], 10)
			if !r.join(len(buf)) {
				return false
			}
			s = r.room.bytes(buf)
		}
		r.words = append(r.words, s)
	}
	r.links = slices.Grow(r.links[:0], len(r.words))[:len(r.words)]
	clear(r.links)
	return !r.cols[colStems].bad && !r.cols[colWords].bad
}

// share returns a text that pages have in common as one string.
func (r *reader) share(b []byte) string {
	s, ok := r.shared[string(b)]
	if !ok {
		s = string(b)
		if len(r.shared) < maxShared {
			r.shared[s] = s
		}
	}
	return s
}

func (r *reader) diff(col int) int64 { return r.cols[col].diff() }

func (r *reader) event(e *Event) {
	has := r.shape(e)
	r.t += r.diff(colT)
	e.T = r.t
	id := &known{planned: e.T}
	if has&(1<<colID) != 0 {
		id = r.id()
		e.ID = id.id
	}
	at := &link{}
	if has&(1<<colConn) != 0 {
		e.Conn, id.conn = r.word(colConn, id.conn)
		if id.conn != 0 {
			at = &r.links[id.conn-1]
		}
	}
	r.onConn(e, at, has)
	if has&(1<<colPlanned) != 0 {
		e.Planned = id.planned - r.diff(colPlanned)
		id.planned = e.Planned
	}
	r.others(e, has)
	if has&(1<<colVerdict) != 0 {
		e.Verdict, _ = r.word(colVerdict, 0)
	}
	if has&(1<<colDetail) != 0 {
		e.Detail = r.detail(e.ID)
	}
}

func (r *reader) onConn(e *Event, at *link, has uint32) {
	if has&(1<<colNth) != 0 {
		e.Nth = int(r.diff(colNth) + int64(at.nth) + 1)
		at.nth = e.Nth
	}
	if has&(1<<colOffset) != 0 {
		e.Offset = r.diff(colOffset) + at.offset
		at.offset = e.Offset
	}
	if has&(1<<colPeer) != 0 {
		e.Peer, at.peer = r.word(colPeer, at.peer)
	}
	if has&(1<<colLocal) != 0 {
		e.Local, at.local = r.word(colLocal, at.local)
	}
}

// others reads the fields that [writer.plain] writes.
func (r *reader) others(e *Event, has uint32) {
	const seldom = 1<<colIdle | 1<<colPID | 1<<colCode | 1<<colAgeNs | 1<<colCount
	if has&(1<<colConnected) != 0 {
		e.Connected = e.T - r.diff(colConnected)
	}
	if has&(1<<colSent) != 0 {
		e.Sent = e.T - r.diff(colSent)
	}
	if has&(1<<colFirstByte) != 0 {
		e.FirstByte = e.T - r.diff(colFirstByte)
	}
	if has&(1<<colBytes) != 0 {
		e.Bytes = r.diff(colBytes)
	}
	if has&(1<<colWant) != 0 {
		e.Want = e.Bytes + r.diff(colWant)
	}
	if has&seldom != 0 {
		r.seldom(e, has)
	}
}

func (r *reader) seldom(e *Event, has uint32) {
	if has&(1<<colIdle) != 0 {
		e.Idle = r.diff(colIdle)
	}
	if has&(1<<colPID) != 0 {
		e.PID = int(r.diff(colPID))
	}
	if has&(1<<colCode) != 0 {
		e.Code = int(r.diff(colCode))
	}
	if has&(1<<colAgeNs) != 0 {
		e.AgeNs = r.diff(colAgeNs)
	}
	if has&(1<<colCount) != 0 {
		e.Count = r.diff(colCount)
	}
}

// shape reads an event's shape, and what it is if it is new.
func (r *reader) shape(e *Event) (has uint32) {
	n := r.cols[colShape].next()
	if n == uint64(len(r.shapes)) {
		r.newShape()
	}
	if n >= uint64(len(r.shapes)) {
		r.bad = true
		return 0
	}
	*e = r.shapes[n]
	return r.has[n]
}

func (r *reader) newShape() {
	var e Event
	u := r.cols[colShapes].next()
	e.Closing, e.Status = u&1 != 0, int(r.diff(colShapes))
	for _, into := range [...]*string{(*string)(&e.Kind), &e.Node, (*string)(&e.Class), (*string)(&e.Outcome), &e.Phase, &e.Signal, &e.Via} {
		*into, _ = r.word(colShapes, 0)
	}
	r.bad = r.bad || u>>1 >= 1<<colFields
	r.has, r.shapes = append(r.has, uint32(u>>1)), append(r.shapes, e)
}

// word reads what [writer.word] wrote.
func (r *reader) word(col int, likely uint32) (string, uint32) {
	n := uint32(0)
	switch u := r.cols[col].next(); {
	case u == 0:
		n = likely
	case u == 1:
		r.met++
		n = r.met
	case u-1 <= uint64(r.met):
		n = uint32(u - 1)
	}
	if n == 0 || n > uint32(len(r.words)) {
		r.bad = true
		return "", 0
	}
	return r.words[n-1], n
}

func (r *reader) id() *known {
	u := r.cols[colID].next()
	if u&1 != 0 {
		back := u >> 1
		if back >= uint64(len(r.known)) {
			r.bad = true
			return &known{}
		}
		return &r.known[len(r.known)-1-int(back)]
	}
	id := ""
	switch u {
	case 0:
		id = r.newID(-1)
	case 2:
		id = r.newID(int64(r.cols[colIDTail].next()))
	case 4:
		id, _ = r.word(colID, 0)
	default:
		r.bad = true
	}
	r.known = append(r.known, known{id: id, planned: r.t})
	return &r.known[len(r.known)-1]
}

func (r *reader) newID(tail int64) string {
	r.number += r.diff(colIDNumber)
	hex := r.cols[colIDHex].take(4)
	if len(hex) < 4 || r.number < 0 {
		r.bad = true
		return ""
	}
	var b [64]byte
	return r.room.bytes(spell(b[:0], r.number, binary.LittleEndian.Uint32(hex), tail))
}

func (r *reader) detail(id string) string {
	at := r.cols[colDetailAt].next()
	s, _ := r.word(colDetail, 0)
	switch {
	case at == 0:
		return s
	case at-1 > uint64(len(s)) || !r.join(len(s)+len(id)):
		r.bad = true
		return s
	}
	return r.room.join(s[:at-1], id, s[at-1:])
}
