package history

import (
	"bytes"
	"encoding/json"
	"os"
	"strconv"
)

// A plan of a hundred thousand arrivals is ten megabytes of JSON, and reading it
// with encoding/json would cost as much as reading both ledgers. So arrivals as
// [Plan.Encode] writes them, a field a line, are read line by line; anything
// else, and whatever is unusual in them, is left to encoding/json.

func readPlan(path string, p *Plan) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return decodeJSON(path, nil, err, p)
	}
	if decodePlan(b, p) {
		return nil
	}
	*p = Plan{}
	return decodeJSON(path, b, nil, p)
}

// How Encode begins and ends the list.
var (
	arrivalsFrom = []byte("\n \"arrivals\": [\n")
	arrivalsTo   = []byte("\n ],\n")
)

// decodePlan reads a plan in its usual form; false is any other.
func decodePlan(b []byte, p *Plan) bool {
	from := bytes.Index(b, arrivalsFrom)
	if from < 0 {
		return false
	}
	list := b[from+len(arrivalsFrom):]
	to := bytes.Index(list, arrivalsTo)
	if to < 0 {
		return false
	}
	rest := bytes.Join([][]byte{b[:from], []byte("\n \"arrivals\": []"), list[to+len(arrivalsTo)-2:]}, nil)
	if bytes.Count(bytes.ToLower(rest), []byte(`"arrivals"`)) != 1 || json.Unmarshal(rest, p) != nil || p.Arrivals == nil {
		return false // it stands somewhere else, or twice
	}
	p.Arrivals = make([]Arrival, 0, bytes.Count(list[:to], []byte("\n  {"))+1)
	return p.arrivals(list[:to])
}

// arrivals reads the lines of the list.
func (p *Plan) arrivals(list []byte) bool {
	r := arrivalReader{words: map[string]string{}}
	open := false // within an arrival
	for more := true; more; {
		var line []byte
		line, list, more = bytes.Cut(list, []byte("\n"))
		switch {
		case string(line) == "  {" && !open:
			p.Arrivals, open = append(p.Arrivals, Arrival{}), true
			r.comma = true // as if: a field must follow
		case open && (string(line) == "  }," && more || string(line) == "  }" && !more):
			if r.comma {
				return false
			}
			open = false
		case !open || !r.comma || !r.field(line, &p.Arrivals[len(p.Arrivals)-1]):
			return false
		}
	}
	return !open
}

type arrivalReader struct {
	comma bool // the last line ended with one: another must follow
	room  arena
	words map[string]string
}

// field reads a line such as `   "at": 12,`.
func (r *arrivalReader) field(line []byte, a *Arrival) bool {
	key, value, ok := bytes.Cut(line, []byte(": "))
	if !ok || len(value) == 0 {
		return false
	}
	value, r.comma = bytes.CutSuffix(value, []byte(","))
	switch string(key) {
	case `   "at"`:
		return integer(value, &a.At)
	case `   "id"`:
		return r.text(value, &a.ID, false)
	case `   "class"`:
		return r.text(value, (*string)(&a.Class), true)
	case `   "size"`:
		return integer(value, &a.Size)
	case `   "hold"`:
		return integer(value, &a.Hold)
	case `   "replica"`:
		n := int64(0)
		ok := integer(value, &n)
		a.Replica = int(n)
		return ok
	case `   "lane"`:
		n := int64(0)
		ok := integer(value, &n)
		a.Lane = int(n)
		return ok
	case `   "hook"`:
		return r.text(value, &a.Hook, true)
	case `   "param"`:
		return r.text(value, &a.Param, true)
	case `   "client"`:
		return r.text(value, &a.Client, true)
	case `   "script"`:
		return r.text(value, &a.Script, true)
	}
	return false
}

// integer reads a number as JSON writes integers.
func integer(b []byte, into *int64) bool {
	n, err := strconv.ParseInt(string(b), 10, 64)
	*into = n
	var back [20]byte
	return err == nil && bytes.Equal(strconv.AppendInt(back[:0], n, 10), b)
}

// text reads a string of printable ASCII without escapes. Those that many
// arrivals have are one string in memory.
func (r *arrivalReader) text(b []byte, into *string, common bool) bool {
	if len(b) < 2 || b[0] != '"' || b[len(b)-1] != '"' {
		return false
	}
	b = b[1 : len(b)-1]
	for _, c := range b {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	s, known := "", false
	if common {
		s, known = r.words[string(b)]
	}
	if !known {
		s = r.room.bytes(b)
		if common {
			r.words[s] = s
		}
	}
	*into = s
	return true
}
