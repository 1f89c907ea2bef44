package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// connections is how many every client uses, where it lets itself be told.
const connections = 32

// job is one run of one client.
type job struct {
	url, addr string
	lasts     time.Duration
	rate      int    // requests a second; 0 is a closed loop
	core      int    // that the client may use, or anywhere
	dir       string // empty, for the client's files
}

// outcome is what the client itself reports.
type outcome struct {
	p99 time.Duration // 0: it tells none
	lag time.Duration // median from the planned instant to the send; -1: it tells none
}

// client is one way to run one program.
type client struct {
	name   string // in the tables
	bin    string // the program
	args   func(job) []string
	stdin  func(job) string
	report func(b *bench, j job, stdout []byte) (outcome, error) // nil: it is not asked
}

const ours = "faultbed"

// clients that run a closed loop, ours first.
var closedClients = []client{
	{name: ours, bin: "labnode", report: oursReport, args: func(j job) []string {
		return []string{"closed", "--addr", j.addr, "--connections", itoa(connections), "--for", j.lasts.String(), "--ledger", ledger(j)}
	}},
	{name: "wrk", bin: "wrk", args: func(j job) []string {
		return []string{"-t1", "-c" + itoa(connections), "-d" + seconds(j.lasts), j.url}
	}},
	{name: "fortio", bin: "fortio", args: fortio()},
	{name: "hey", bin: "hey", args: func(j job) []string { return []string{"-c", itoa(connections), "-z", j.lasts.String(), j.url} }},
	{name: "vegeta", bin: "vegeta", args: vegeta(true), stdin: vegetaTarget},
	{name: "k6", bin: "k6", args: k6(connections)},
}

// clients that keep a rate.
var fixedClients = []client{
	{name: ours, bin: "labnode", report: oursReport, args: func(j job) []string {
		return []string{"open", "--addr", j.addr, "--rate", itoa(j.rate), "--for", j.lasts.String(), "--ledger", ledger(j)}
	}},
	{name: "vegeta", bin: "vegeta", args: vegeta(false), stdin: vegetaTarget, report: vegetaReport},
	{name: "vegeta, 32 workers", bin: "vegeta", args: vegeta(true), stdin: vegetaTarget, report: vegetaReport},
	{name: "fortio", bin: "fortio", args: fortio(), report: fortioReport},
	{name: "fortio -uniform", bin: "fortio", args: fortio("-uniform"), report: fortioReport},
	{name: "fortio -uniform -nocatchup", bin: "fortio", args: fortio("-uniform", "-nocatchup"), report: fortioReport},
	{name: "hey -q", bin: "hey", report: heyReport, args: func(j job) []string {
		return []string{"-c", itoa(connections), "-q", strconv.FormatFloat(float64(j.rate)/connections, 'f', -1, 64), "-z", j.lasts.String(), j.url}
	}},
	{name: "wrk2", bin: "wrk2", report: wrk2Report, args: func(j job) []string {
		return []string{"-t1", "-c" + itoa(connections), "-d" + seconds(j.lasts), "-R" + itoa(j.rate), "--latency", j.url}
	}},
	{name: "k6, 1,200 users", bin: "k6", args: k6(1200), report: k6Report},
	{name: "k6, 32 users", bin: "k6", args: k6(connections), report: k6Report},
}

func itoa(n int) string              { return strconv.Itoa(n) }
func seconds(d time.Duration) string { return itoa(int(d.Round(time.Second)/time.Second)) + "s" }
func ledger(j job) string            { return filepath.Join(j.dir, "client.fbl") }
func vegetaTarget(j job) string      { return "GET " + j.url + "\n" }

// oursReport reads the one line that labnode prints. A run of which a request did
// not end ok has failed: its figures are those of something else.
func oursReport(_ *bench, _ job, stdout []byte) (outcome, error) {
	var r struct {
		Requests int64            `json:"requests"`
		Outcomes map[string]int64 `json:"outcomes"`
		P99      time.Duration    `json:"p99"`
		Lag      time.Duration    `json:"lag"`
	}
	if err := json.Unmarshal(stdout, &r); err != nil {
		return outcome{}, err
	}
	if ok := r.Outcomes["ok"]; ok != r.Requests || ok == 0 {
		return outcome{}, fmt.Errorf("the run failed: of %d requests %d ended ok: %v", r.Requests, ok, r.Outcomes)
	}
	return outcome{r.P99, r.Lag}, nil
}

// vegeta keeps one record a request in a file, as ours does.
func vegeta(capped bool) func(job) []string {
	return func(j job) []string {
		args := []string{"attack", "-rate", itoa(j.rate), "-duration", j.lasts.String(), "-output", filepath.Join(j.dir, "results.bin")}
		if capped {
			args = append(args, "-workers", itoa(connections), "-max-workers", itoa(connections))
		}
		return args
	}
}

func vegetaReport(b *bench, j job, _ []byte) (outcome, error) {
	out, err := exec.Command(b.bins["vegeta"], "report", "-type", "json", filepath.Join(j.dir, "results.bin")).Output()
	if err != nil {
		return outcome{}, fmt.Errorf("vegeta report: %w", err)
	}
	var r struct {
		Latencies struct {
			P99 time.Duration `json:"99th"`
		} `json:"latencies"`
	}
	err = json.Unmarshal(out, &r)
	return outcome{r.Latencies.P99, -1}, err
}

func fortio(more ...string) func(job) []string {
	return func(j job) []string {
		args := append([]string{"-c", itoa(connections), "-t", j.lasts.String()}, more...)
		if j.rate > 0 {
			args = append(args, "-qps", itoa(j.rate))
		}
		return append(args, j.url)
	}
}

func fortioReport(_ *bench, _ job, stdout []byte) (outcome, error) {
	var r struct{ P99 float64 }
	err := json.Unmarshal(stdout, &r)
	return outcome{time.Duration(r.P99 * 1e9), -1}, err
}

var (
	heyP99  = regexp.MustCompile(`(?m)^\s*99%\s+in\s+([0-9.]+) secs`)
	wrk2P99 = regexp.MustCompile(`(?m)^\s*99\.000%\s+([0-9.]+(?:us|ms|s|m))\s*$`)
)

func heyReport(_ *bench, _ job, stdout []byte) (outcome, error) {
	m := heyP99.FindSubmatch(stdout)
	if m == nil {
		return outcome{}, errors.New("hey prints no line for 99%")
	}
	s, err := strconv.ParseFloat(string(m[1]), 64)
	return outcome{time.Duration(s * 1e9), -1}, err
}

func wrk2Report(_ *bench, _ job, stdout []byte) (outcome, error) {
	m := wrk2P99.FindSubmatch(stdout)
	if m == nil {
		return outcome{}, errors.New("wrk2 prints no line for 99%")
	}
	d, err := time.ParseDuration(string(m[1]))
	return outcome{d, -1}, err
}

// k6 runs a script of ours; users are allocated before the run.
func k6(users int) func(job) []string {
	return func(j job) []string {
		scenario := fmt.Sprintf(`{executor: "constant-vus", vus: %d, duration: "%s"}`, users, j.lasts)
		if j.rate > 0 {
			scenario = fmt.Sprintf(`{executor: "constant-arrival-rate", rate: %d, timeUnit: "1s", duration: "%s", preAllocatedVUs: %d}`, j.rate, j.lasts, users)
		}
		script := filepath.Join(j.dir, "script.js")
		os.WriteFile(script, []byte(strings.Join([]string{
			`import http from "k6/http"`,
			`export const options = {discardResponseBodies: true, summaryTrendStats: ["p(99)"], scenarios: {one: ` + scenario + `}}`,
			`export default function () { http.get("` + j.url + `") }`, ""}, "\n")), 0o644)
		return []string{"run", "--quiet", "--no-usage-report", "--summary-export", filepath.Join(j.dir, "summary.json"), script}
	}
}

func k6Report(_ *bench, j job, _ []byte) (outcome, error) {
	b, err := os.ReadFile(filepath.Join(j.dir, "summary.json"))
	if err != nil {
		return outcome{}, err
	}
	var r struct {
		Metrics struct {
			Duration map[string]float64 `json:"http_req_duration"` // ms
		} `json:"metrics"`
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return outcome{}, fmt.Errorf("k6's summary: %w", err)
	}
	return outcome{time.Duration(r.Metrics.Duration["p(99)"] * 1e6), -1}, nil
}
