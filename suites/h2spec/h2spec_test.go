package h2spec

import (
	"slices"
	"testing"
)

const report = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="4.2. Frame Size" package="http2/4.2" id="4.2" tests="3" skipped="1" failures="1" errors="0">
    <testcase package="http2/4.2" classname="first" time="0.1"></testcase>
    <testcase package="http2/4.2" classname="second" time="2.0"><failure>expect GOAWAY
 actual Timeout</failure></testcase>
    <testcase package="http2/4.2" classname="third" time="0.0"><skipped></skipped></testcase>
  </testsuite>
  <testsuite name="5.1" package="http2/5.1" id="5.1"><testcase package="http2/5.1" classname="idle"><error>odd</error></testcase></testsuite>
</testsuites>`

func TestParse(t *testing.T) {
	got, err := parse([]byte(report))
	want := []Case{{"http2/4.2/1", "first", false, ""}, {"http2/4.2/2", "second", true, "expect GOAWAY actual Timeout"},
		{"http2/4.2/3", "third", false, ""}, {"http2/5.1/1", "idle", true, "odd"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := parse([]byte("<testsuites>")); err == nil {
		t.Error("half a report was taken")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(report))
	f.Fuzz(func(_ *testing.T, text []byte) { parse(text) })
}

// TestCompare: worse, better, as known, and one that may be either.
func TestCompare(t *testing.T) {
	b := Baseline{Subject: "s", Cases: 5, Known: []Known{{Case: "a/1", Outcome: "fail"}, {Case: "a/2", Outcome: "fail"}, {Case: "a/3", Outcome: "either"}}}
	r := Compare(b, []Case{{ID: "a/1", Failed: true}, {ID: "a/2"}, {ID: "a/3"}, {ID: "a/4", Failed: true}})
	if r.OK() || len(r.Worse) != 1 || r.Worse[0].ID != "a/4" || len(r.Better) != 1 || r.Better[0].Case != "a/2" || r.Missing != 1 {
		t.Errorf("%+v", r)
	}
	r = Compare(b, []Case{{ID: "a/1", Failed: true}, {ID: "a/2", Failed: true}, {ID: "a/3", Failed: true}, {ID: "a/4"}, {ID: "a/5"}})
	if !r.OK() || len(r.Better) != 0 {
		t.Errorf("%+v", r)
	}
}

// TestBaselines are whole: each known failure has its reason.
func TestBaselines(t *testing.T) {
	for _, subject := range []string{"go", "nginx"} {
		b, err := baseline(subject)
		if err != nil || b.Subject != subject || b.Cases != 145 {
			t.Errorf("%s: %+v, %v", subject, b, err)
		}
		for i, k := range b.Known {
			again := slices.ContainsFunc(b.Known[:i], func(o Known) bool { return o.Case == k.Case })
			if k.Case == "" || k.Title == "" || k.Why == "" || k.Outcome != "fail" && k.Outcome != "either" || again {
				t.Errorf("%s: %+v", subject, k)
			}
		}
	}
}
