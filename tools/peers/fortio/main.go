// Command fortio runs fortio's own load generator, packages fhttp and periodic,
// and prints its p99. fortio's command line is not used because a scripting
// language that it embeds is not always to be had; the engine is the same, with
// its fast client.
//
// Flags mirror fortio load's. It measures nothing itself: tools/peers counts
// its requests at the server. Start with fortio's periodic.RunnerOptions.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"fortio.org/fortio/fhttp"
	"fortio.org/fortio/periodic"
	"fortio.org/log"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "fortio:", err)
		os.Exit(1)
	}
}

func run() error {
	o := fhttp.HTTPRunnerOptions{}
	flag.IntVar(&o.NumThreads, "c", 32, "connections, a goroutine each")
	flag.Float64Var(&o.QPS, "qps", -1, "requests a second over all connections; -1 is as many as possible")
	flag.DurationVar(&o.Duration, "t", 3*time.Second, "how long")
	flag.BoolVar(&o.Uniform, "uniform", false, "spread the connections' requests evenly")
	flag.BoolVar(&o.NoCatchUp, "nocatchup", false, "do not make up for what a stall held back")
	flag.Parse()
	log.SetLogLevel(log.Error)
	o.URL, o.Out, o.RunType = flag.Arg(0), io.Discard, "HTTP"
	o.RunnerOptions.Resolution, o.Percentiles = periodic.DefaultRunnerOptions.Resolution, []float64{99}
	o.HTTPReqTimeOut = 10 * time.Second
	r, err := fhttp.RunHTTPTest(&o)
	if err != nil {
		return err
	}
	out := struct {
		Requests int64   `json:"requests"`
		P99      float64 `json:"p99"` // s
	}{r.DurationHistogram.Count, r.DurationHistogram.Percentiles[0].Value}
	return json.NewEncoder(os.Stdout).Encode(out)
}
