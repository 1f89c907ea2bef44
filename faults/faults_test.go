package faults_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"faultbed/faults"
	"faultbed/faults/param"
	"faultbed/faults/wire"
	"faultbed/reports/history"
)

// families is who carries out the faults of each.
var families = map[string]faults.By{"toxic": faults.Toxiproxy, "wire": faults.Wire, "origin": faults.Origin, "http": faults.Attacker, "process": faults.Process, "crash": faults.Hook}

func TestCatalogue(t *testing.T) {
	var names []string
	for _, k := range faults.Catalogue() {
		names = append(names, k.Name)
		family, _, _ := strings.Cut(k.Name, ".")
		switch {
		case families[family] != k.By && k.By != faults.Host || k.By == "":
			t.Errorf("%s: carried out by %q", k.Name, k.By)
		case k.Sentence == "" || k.Touches == "":
			t.Errorf("%s: no sentence, or no unit of its bites", k.Name)
		case k.By == faults.Host && k.Bites == "":
			t.Errorf("%s: does not say what counts as a bite", k.Name)
		case k.By != faults.Host && (k.By == faults.Hook) != (k.Needs != ""):
			t.Errorf("%s: needs %q", k.Name, k.Needs)
		case (k.By == faults.Process || k.By == faults.Hook || k.By == faults.Host) != (len(k.Legs) == 0):
			t.Errorf("%s: legs %v", k.Name, k.Legs)
		}
		for _, p := range k.Params {
			checkParam(t, k.Name, p)
		}
		if found, ok := faults.Find(k.Name); !ok || found.Sentence != k.Sentence {
			t.Errorf("%s is not found", k.Name)
		}
	}
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) || len(names) == 0 {
		t.Errorf("not sorted, or not unique: %v", names)
	}
}

func checkParam(t *testing.T, fault string, p faults.Param) {
	t.Helper()
	switch {
	case p.Doc == "" || p.Doc == p.Name:
		t.Errorf("%s.%s is not documented", fault, p.Name)
	case p.Type == "enum" && (len(p.Of) < 2 || p.Default == nil || !slices.Contains(p.Of, p.Default.(string))):
		t.Errorf("%s.%s: default %v of %v", fault, p.Name, p.Default, p.Of)
	case !slices.Contains([]string{param.Enum, param.Int, param.Duration, param.Share, param.Text}, p.Type):
		t.Errorf("%s.%s: type %q", fault, p.Name, p.Type)
	}
	if n, ok := p.Default.(int64); ok && (n < p.Min || n > p.Max) {
		t.Errorf("%s.%s: default %d is outside %d to %d", fault, p.Name, n, p.Min, p.Max)
	}
}

// given writes n as YAML would have it.
func given(p faults.Param, n int64) any {
	if p.Type == "duration" {
		return time.Duration(n).String()
	}
	return n
}

// required has the parameters that have no default, each with its least value.
func required(k faults.Kind) map[string]any {
	with := map[string]any{}
	for _, p := range k.Params {
		if p.Default == nil {
			with[p.Name] = given(p, p.Min)
		}
	}
	return with
}

func refuse(t *testing.T, k faults.Kind, param string, with map[string]any) {
	t.Helper()
	_, err := faults.Validate(k.Name, with)
	var pe *faults.ParamError
	if !errors.As(err, &pe) || pe.Fault != k.Name || pe.Param != param || !strings.Contains(err.Error(), pe.Problem) || pe.Problem == "" {
		t.Errorf("%s %v: got %v, want an error about %s", k.Name, with, err, param)
	}
}

// TestValidate goes through every parameter of every fault.
func TestValidate(t *testing.T) {
	for _, k := range faults.Catalogue() {
		t.Run(k.Name, func(t *testing.T) {
			complete(t, k)
			unknown := required(k)
			unknown["zzz"] = 1
			refuse(t, k, "zzz", unknown)
			for _, p := range k.Params {
				with := required(k)
				put := func(v any) map[string]any { with[p.Name] = v; return with }
				if p.Default == nil {
					delete(with, p.Name)
					refuse(t, k, p.Name, with)
				}
				for _, bad := range []any{nil, true, []any{1}, map[string]any{}, "non sense", 1.5, math.NaN(), math.Inf(1), 1e300, uint64(math.MaxUint64)} {
					refuse(t, k, p.Name, put(bad))
				}
				if p.Type == param.Text || p.Type == param.Share {
					checkFree(t, k, p, put)
					continue
				}
				refuse(t, k, p.Name, put(""))
				if p.Type == "enum" {
					for _, v := range p.Of {
						takes(t, k, beside(put(v), p, v), p.Name, v)
					}
					refuse(t, k, p.Name, put(strings.ToUpper(p.Of[0])+" "))
					continue
				}
				refuse(t, k, p.Name, put(given(p, p.Min-max(p.Step, 1))))
				refuse(t, k, p.Name, put(given(p, p.Max+max(p.Step, 1))))
				if p.Name == "size" || p.Name == "variation" { // TestSlicer has their upper ends
					continue
				}
				takes(t, k, put(given(p, p.Min)), p.Name, p.Min)
				takes(t, k, beside(put(given(p, p.Max)), p, p.Max), p.Name, p.Max)
				if p.Step > 0 {
					refuse(t, k, p.Name, put(given(p, p.Min+1)))
					takes(t, k, put(given(p, p.Min+p.Step)), p.Name, p.Min+p.Step)
				}
			}
		})
	}
}

// checkFree is for what has no ends to try.
func checkFree(t *testing.T, k faults.Kind, p faults.Param, put func(any) map[string]any) {
	t.Helper()
	if p.Type == param.Text {
		takes(t, k, put(""), p.Name, "")
		takes(t, k, put("a-1.b_2"), p.Name, "a-1.b_2")
		refuse(t, k, p.Name, put(strings.Repeat("a", 65)))
		return
	}
	takes(t, k, put(1), p.Name, 1.0)
	takes(t, k, put(0.25), p.Name, 0.25)
	for _, bad := range []any{0, -0.5, 1.0001, ""} {
		refuse(t, k, p.Name, put(bad))
	}
}

// beside adds what a value needs: some parameters count what another one names.
func beside(with map[string]any, p faults.Param, v any) map[string]any {
	needs := map[string]string{"nth": wire.RequestEnd, "byte": wire.ResponseBodyByte, "frame": wire.ResponseFrame}
	if w, ok := needs[p.Name]; ok && v != "any" {
		with = maps.Clone(with)
		with["when"] = w
	}
	return with
}

// complete wants the defaults filled in, and the bytes that json.Marshal makes
// of sorted keys.
func complete(t *testing.T, k faults.Kind) {
	t.Helper()
	raw, err := faults.Validate(k.Name, required(k))
	if err != nil {
		t.Fatal(err)
	}
	var parts []string
	for _, p := range k.Params {
		v := p.Default
		if v == nil {
			v = p.Min
		}
		b, _ := json.Marshal(v)
		parts = append(parts, fmt.Sprintf("%q:%s", p.Name, b))
	}
	slices.Sort(parts)
	if want := "{" + strings.Join(parts, ",") + "}"; string(raw) != want {
		t.Errorf("%s, want %s", raw, want)
	}
	if none, err := faults.Validate(k.Name, nil); err == nil && !bytes.Equal(none, raw) {
		t.Errorf("nil gives %s", none)
	}
}

func takes(t *testing.T, k faults.Kind, with map[string]any, param string, want any) {
	t.Helper()
	raw, err := faults.Validate(k.Name, with)
	if err != nil {
		t.Errorf("%v: %v", with, err)
		return
	}
	b, _ := json.Marshal(want)
	if !bytes.Contains(raw, fmt.Appendf(nil, "%q:%s", param, b)) {
		t.Errorf("%s has no %s %s", raw, param, b)
	}
}

// TestNumbers are the types in which a number can come from YAML or JSON.
func TestNumbers(t *testing.T) {
	var first json.RawMessage
	for _, n := range []any{3, int64(3), uint64(3), 3.0} {
		raw, err := faults.Validate("wire.cut", map[string]any{"at_byte": n})
		if first == nil {
			first = raw
		}
		if err != nil || !bytes.Equal(raw, first) {
			t.Errorf("%T: %s, %v", n, raw, err)
		}
	}
}

// TestSlicer: toxiproxy's slicer panics if the variation is not below the size.
func TestSlicer(t *testing.T) {
	k, _ := faults.Find("toxic.slicer")
	for _, n := range []int64{16, 1 << 20} {
		takes(t, k, map[string]any{"size": n, "variation": n - 1}, "variation", n-1)
		refuse(t, k, "variation", map[string]any{"size": n, "variation": n})
	}
}

// TestTogether are parameters of which one alone would do.
func TestTogether(t *testing.T) {
	for param, with := range map[string]map[string]any{
		"at_byte":   {"when": "any"},
		"nth":       {"at_byte": 1, "nth": 2},
		"byte":      {"when": wire.RequestHeadDone, "byte": 1},
		"frame":     {"when": wire.RequestHeadDone, "frame": "DATA"},
		"when":      {"when": wire.ServerHello, "class": "short"},
		"direction": {"at_byte": 1, "direction": "left"},
	} {
		refuse(t, faults.Kind{Name: "wire.cut"}, param, with)
	}
	k, _ := faults.Find("wire.cut")
	takes(t, k, map[string]any{"when": wire.RequestHeadDone}, "at_byte", 0)
	takes(t, k, map[string]any{"when": wire.ServerRecord, "nth": 3, "at_byte": 7}, "nth", 3)
}

func TestExclude(t *testing.T) {
	with := func(name string, extra map[string]any) json.RawMessage {
		k, _ := faults.Find(name)
		all := required(k)
		maps.Copy(all, extra)
		raw, err := faults.Validate(name, all)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	for _, c := range []struct {
		a, b string
		ofA  map[string]any
		ofB  map[string]any
		want bool
	}{
		{"wire.refuse", "wire.slow-accept", nil, nil, true},
		{"wire.cut", "wire.refuse", map[string]any{"match": "new"}, nil, true},
		{"wire.cut", "wire.refuse", nil, nil, false},
		{"wire.silent-accept", "wire.connection-rate", nil, nil, true},
		{"wire.silent-accept", "wire.connection-rate", map[string]any{"chance": 0.5}, nil, false},
		{"wire.rst", "wire.drip", nil, map[string]any{"match": "new"}, true},
		{"wire.rst", "wire.drip", map[string]any{"match": "live"}, map[string]any{"match": "new"}, false},
		{"wire.refuse", "toxic.latency", nil, nil, false},
		{"wire.drip", "wire.bandwidth", nil, nil, false},
		{"resource.cpu", "resource.cpu", nil, nil, true},
		{"resource.cpu", "resource.memory", nil, map[string]any{"bytes": 64 << 20}, false},
		{"packet.loss", "packet.loss", nil, nil, false},
	} {
		a, b := with(c.a, c.ofA), with(c.b, c.ofB)
		for _, err := range []error{faults.Exclude(c.a, a, c.b, b), faults.Exclude(c.b, b, c.a, a)} {
			if (err != nil) != c.want {
				t.Errorf("%s %s with %s %s: %v", c.a, a, c.b, b, err)
			}
		}
	}
}

func TestBeyond(t *testing.T) {
	raw, err := faults.Validate("wire.cut", map[string]any{"when": wire.ResponseBodyByte, "byte": 100})
	if err != nil {
		t.Fatal(err)
	}
	if err := faults.Beyond("wire.cut", raw, 0, 101); err != nil {
		t.Error(err)
	}
	var pe *faults.ParamError
	if err := faults.Beyond("wire.cut", raw, 1000, 100); !errors.As(err, &pe) || pe.Param != "byte" {
		t.Errorf("got %v", err)
	}
	if err := faults.Beyond("toxic.down", nil, 0, 0); err != nil {
		t.Error(err)
	}
}

// TestProbe: what can't run says why, and all else can.
func TestProbe(t *testing.T) {
	for _, k := range faults.Catalogue() {
		if err := faults.Probe(k.Name); err != nil && k.Host == "" {
			t.Errorf("%s: %v", k.Name, err)
		}
	}
}

func TestUnknownFault(t *testing.T) {
	refuse(t, faults.Kind{Name: "wire.burn"}, "fault", nil)
}

// TestWireTakesThem: what the catalogue says of wire is what the relay knows.
func TestWireTakesThem(t *testing.T) {
	r, err := wire.Listen("127.0.0.1:0", "127.0.0.1:1", func(history.Event) {})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, k := range faults.Catalogue() {
		kind, ok := strings.CutPrefix(k.Name, "wire.")
		if !ok || kind == wire.Refuse { // which needs the host's leave: package wire tests it
			continue
		}
		raw, err := faults.Validate(k.Name, required(k))
		if err != nil {
			t.Fatal(err)
		}
		f := wire.Fault{}
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		err = d.Decode(&f)
		f.ID, f.Kind = k.Name, kind
		if err := errors.Join(err, r.Inject(f)); err != nil {
			t.Errorf("%s: %v", k.Name, err)
		}
	}
}

// FuzzValidate: what is accepted is complete, within its ranges, and the same
// when it is given again.
func FuzzValidate(f *testing.F) {
	for _, k := range faults.Catalogue() {
		b, _ := json.Marshal(required(k))
		f.Add(k.Name, b)
	}
	f.Add("toxic.slicer", []byte(`{"size":100,"variation":99,"delay":"1µs"}`))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		var with map[string]any
		if json.Unmarshal(data, &with) != nil {
			t.Skip()
		}
		raw, err := faults.Validate(name, with)
		var pe *faults.ParamError
		if err != nil {
			if !errors.As(err, &pe) {
				t.Fatalf("%T", err)
			}
			return
		}
		again, err := faults.Validate(name, back(t, name, raw))
		if err != nil || !bytes.Equal(raw, again) {
			t.Errorf("%s became %s, %v", raw, again, err)
		}
	})
}

// back turns parameters of a plan into those of YAML.
func back(t *testing.T, name string, raw []byte) map[string]any {
	var full map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&full); err != nil {
		t.Fatal(err)
	}
	k, _ := faults.Find(name)
	if len(full) != len(k.Params) {
		t.Errorf("%s: %d parameters, want %d", raw, len(full), len(k.Params))
	}
	for _, p := range k.Params {
		n, ok := full[p.Name].(json.Number)
		if !ok {
			continue
		}
		if p.Type == param.Share {
			f, err := n.Float64()
			if err != nil || f <= 0 || f > 1 {
				t.Errorf("%s: %v, %v", p.Name, n, err)
			}
			full[p.Name] = f
			continue
		}
		v, err := n.Int64()
		if err != nil || v < p.Min || v > p.Max {
			t.Errorf("%s: %v, %v", p.Name, n, err)
		}
		full[p.Name] = given(p, v)
	}
	return full
}
