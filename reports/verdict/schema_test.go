package verdict_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"faultbed/reports/history"
	"faultbed/reports/internal/sample"
	"faultbed/reports/schema"
	"faultbed/reports/verdict"
)

func encode(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func results() map[string]verdict.Result {
	killed := sample.Run(1)
	killed.Manifest = history.Manifest{Status: "running"}
	killed.Missing = append(killed.Missing, "a/b/c/1")
	return map[string]verdict.Result{
		"one trial":       verdict.Judge(sample.Run(1)),
		"three trials":    verdict.Judge(sample.Run(3)),
		"hostile":         verdict.Judge(sample.Hostile(sample.Run(1), "</script>\x00\"]}\u202e")),
		"killed":          verdict.Judge(killed),
		"nothing was run": verdict.Judge(&history.Run{}),
	}
}

func TestResultsKeepTheSchema(t *testing.T) {
	for name, r := range results() {
		if err := schema.Validate("verdict", encode(t, r)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSchemaIsClosed plants a key into every object of a result, and takes every
// key away: the first is always refused, the second unless the key may be missing.
func TestSchemaIsClosed(t *testing.T) {
	run := sample.Run(1)
	run.Trials = slices.DeleteFunc(run.Trials, func(x *history.Trial) bool { return x.Plan.Subject != "python" || x.Plan.Variant == "init" }) // has one of all
	var doc any
	if err := json.Unmarshal(encode(t, verdict.Judge(run)), &doc); err != nil {
		t.Fatal(err)
	}
	seen := map[string]map[string]any{}
	objects(doc, "", seen)
	if len(seen) < 20 {
		t.Fatalf("only %d kinds of objects: %v", len(seen), slices.Sorted(maps.Keys(seen)))
	}
	refused := func() bool { return schema.Validate("verdict", encode(t, doc)) != nil }
	for place, o := range seen {
		if strings.HasSuffix(place, "/env") || strings.HasSuffix(place, "/subjects") {
			continue // their keys are free
		}
		o["planted"] = 1
		if !refused() {
			t.Errorf("%s: an unknown key is accepted", place)
		}
		delete(o, "planted")
		for _, key := range slices.Collect(maps.Keys(o)) {
			was := o[key]
			delete(o, key)
			if may := optional(place, key); refused() == may {
				t.Errorf("%s without %s: may be missing is %v, refused is %v", place, key, may, !may)
			}
			o[key] = was
		}
	}
}

// objects finds one object for each place; list items share theirs.
func objects(v any, place string, into map[string]map[string]any) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			objects(x, place, into)
		}
	case map[string]any:
		if into[place] == nil {
			into[place] = v
		}
		for k, x := range v {
			objects(x, place+"/"+k, into)
		}
	}
}

// optional tells by the Go types whether a key may be missing at a place.
func optional(place, key string) bool {
	t := reflect.TypeFor[verdict.Result]()
	for _, part := range strings.Split(strings.TrimPrefix(place, "/"), "/") {
		if part != "" {
			f, ok := field(t, part)
			if !ok {
				panic(fmt.Sprintf("no field for %s in %s", part, place))
			}
			t = f.Type
		}
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
	}
	if t.Kind() == reflect.Map {
		return true
	}
	f, _ := field(t, key)
	_, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
	return strings.HasPrefix(opts, "omit")
}

func field(t reflect.Type, name string) (reflect.StructField, bool) {
	for i := range t.NumField() {
		if tag, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); tag == name {
			return t.Field(i), true
		}
	}
	return reflect.StructField{}, false
}

// TestSchemaKnowsEveryField compares the schema with the types, for fields that
// no sample may happen to set.
func TestSchemaKnowsEveryField(t *testing.T) {
	text, err := schema.JSON("verdict")
	if err != nil {
		t.Fatal(err)
	}
	var s struct {
		Defs map[string]struct{ Properties map[string]any } `json:"$defs"`
	}
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	for def, typ := range map[string]reflect.Type{
		"event": reflect.TypeFor[history.Event](), "manifest": reflect.TypeFor[history.Manifest](), "cell": reflect.TypeFor[verdict.Cell](),
		"trial": reflect.TypeFor[verdict.Trial](), "drain": reflect.TypeFor[verdict.Drain](), "blast": reflect.TypeFor[verdict.Blast](),
		"start": reflect.TypeFor[verdict.StartCell](), "tls": reflect.TypeFor[verdict.TLSCell](), "fault": reflect.TypeFor[verdict.FaultBite](), "instant": reflect.TypeFor[verdict.Instant](),
		"gauge": reflect.TypeFor[history.Gauge](), "calibration": reflect.TypeFor[history.Calibration](),
	} {
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			if s.Defs[def].Properties[name] == nil {
				t.Errorf("$defs/%s has no %s", def, name)
			}
		}
		if n := len(s.Defs[def].Properties); n != typ.NumField() {
			t.Errorf("$defs/%s has %d properties, %v %d fields", def, n, typ, typ.NumField())
		}
	}
}
