package verdict

import (
	"encoding/json"
	"fmt"
	"strings"

	"faultbed/reports/check"
	"faultbed/reports/history"
)

// Instant is one place at which a sweep ran its fault, and what became of the
// request that it was for.
type Instant struct {
	Fault      string          `json:"fault"`   // id in the plan
	Request    string          `json:"request"` // id
	At         string          `json:"at"`      // "response-body-byte 512"
	Direction  string          `json:"direction"`
	Outcome    history.Outcome `json:"outcome"` // as the client saw it
	Status     int             `json:"status,omitempty"`
	Bytes      int64           `json:"bytes"`   // of the answer's body, as the client got them
	Reached    int             `json:"reached"` // requests with this id that the origin got: more than one were tried again
	Origin     string          `json:"origin"`  // what the origin saw of it
	Bites      int64           `json:"bites"`
	Violations []string        `json:"violations,omitempty"` // checks
}

// sweep is what became of each instant; nothing of a plan that is no sweep.
func sweep(v *check.View, found []check.Violation) (out []Instant) {
	if !strings.HasPrefix(v.Plan.Scenario, "sweep/") {
		return nil
	}
	for _, f := range v.Plan.Faults {
		var with place
		if json.Unmarshal(f.With, &with) != nil || with.Request == "" {
			continue
		}
		for _, x := range v.Exchanges {
			if strings.HasPrefix(x.Arrival.ID, with.Request) {
				i := Instant{Fault: f.ID, At: with.String(), Direction: with.Direction, Bites: sumBites(v, f.ID)}
				out = append(out, i.fill(x, found))
			}
		}
	}
	return out
}

func (i Instant) fill(x *check.Exchange, found []check.Violation) Instant {
	i.Request, i.Outcome = x.Arrival.ID, x.Outcome()
	if x.End != nil {
		i.Status, i.Bytes = x.End.Status, x.End.Bytes
	}
	i.Reached, i.Origin = origin(x.Origin)
	for _, f := range found {
		if f.ID == i.Request {
			i.Violations = append(i.Violations, f.Check)
		}
	}
	return i
}

// origin says what it saw of a request: of the last one if it was tried again.
func origin(events []history.Event) (reached int, said string) {
	said = "nothing"
	for _, e := range events {
		switch {
		case e.Kind == history.Request:
			reached++
			said = "its head"
		case e.Kind == history.UploadDone && e.Outcome != history.OK:
			said = "a body that was " + string(e.Outcome)
		case e.Kind == history.UploadDone:
			said = "all of it"
		case e.Kind == history.Response && e.Detail != "":
			said += ", could not answer in full"
		case e.Kind == history.Response:
			said = "all of it, answered in full"
		}
	}
	return reached, said
}

// place is where a fault begins, as its parameters say.
type place struct {
	Request   string `json:"request"`
	When      string `json:"when"`
	Nth       int    `json:"nth"`
	Byte      int64  `json:"byte"`
	AtByte    int64  `json:"at_byte"`
	Direction string `json:"direction"`
}

func (p place) String() string {
	if p.When == "" || p.When == "any" {
		return fmt.Sprintf("%s byte %d", p.Direction, p.AtByte)
	}
	s := p.When
	if p.Nth > 1 {
		s += fmt.Sprintf(" #%d", p.Nth)
	}
	if strings.HasSuffix(p.When, "-body-byte") {
		s += fmt.Sprintf(" %d", p.Byte)
	}
	return s
}
