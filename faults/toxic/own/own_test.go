package own

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

// delays are the first throws of three connections.
func delays(seed uint64, fault string) (out []time.Duration) {
	t := &latency{Fault: fault, Latency: int64(50 * time.Millisecond), Jitter: int64(20 * time.Millisecond), Seed: seed}
	for range 3 {
		dice := t.NewState().(*rand.Rand)
		for range 4 {
			out = append(out, t.delay(dice))
		}
	}
	return out
}

func TestJitterFollowsFromTheSeed(t *testing.T) {
	a := delays(7, "f1")
	if !slices.Equal(a, delays(7, "f1")) {
		t.Error("the same seed gives other delays")
	}
	if slices.Equal(a, delays(8, "f1")) || slices.Equal(a, delays(7, "f2")) || slices.Equal(a[:4], a[4:8]) {
		t.Error("another seed, fault or connection gives the same delays")
	}
	for _, d := range a {
		if d < 30*time.Millisecond || d > 70*time.Millisecond {
			t.Errorf("a delay of %v is outside 50ms ± 20ms", d)
		}
	}
}

// pipe runs a toxic on chunks and returns the bytes that came out and its bites.
func pipe(t *testing.T, toxic toxics.Toxic, chunks ...string) (out string, bites []Bite) {
	t.Helper()
	Register(func(b Bite) { bites = append(bites, b) })
	in, to := make(chan *stream.StreamChunk, len(chunks)+1), make(chan *stream.StreamChunk, len(chunks)+1)
	for _, c := range chunks {
		in <- &stream.StreamChunk{Data: []byte(c), Timestamp: time.Now()}
	}
	in <- nil
	stub := toxics.NewToxicStub(in, to)
	if s, ok := toxic.(interface{ NewState() any }); ok {
		stub.State = s.NewState()
	}
	toxic.Pipe(stub)
	for c := range to {
		out += string(c.Data)
	}
	return out, bites
}

func TestLimitIsExact(t *testing.T) {
	for n, want := range map[int64]string{1: "a", 3: "abc", 4: "abcd", 5: "abcde", 7: "abcdefg"} {
		if out, bites := pipe(t, &limit{Fault: "f1", Bytes: n}, "abc", "defg", "hi"); out != want || len(bites) != 1 || bites[0].Fault != "f1" {
			t.Errorf("limit %d: %q passed with bites %v, want %q with one", n, out, bites, want)
		}
	}
	if out, bites := pipe(t, &limit{Bytes: 100}, "abc"); out != "abc" || len(bites) > 0 {
		t.Errorf("below the limit: %q, bites %v", out, bites)
	}
}

func TestSlowCloseLosesNothing(t *testing.T) {
	begun := time.Now()
	out, bites := pipe(t, &slowClose{Fault: "f1", Delay: int64(30 * time.Millisecond)}, "abc", "d")
	if out != "abcd" || len(bites) != 1 || time.Since(begun) < 30*time.Millisecond {
		t.Errorf("%q passed with bites %v after %v", out, bites, time.Since(begun))
	}
}

func TestLatencyLosesNothing(t *testing.T) {
	if out, _ := pipe(t, &latency{Latency: int64(time.Millisecond)}, "abc", "d"); out != "abcd" {
		t.Errorf("%q passed", out)
	}
}
