package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os/exec"
	"time"
)

// server is the process that all clients are measured against.
type server struct {
	cmd           *exec.Cmd
	addr, control string
}

// stats is what the server saw; times are CLOCK_MONOTONIC ns.
type stats struct {
	Requests, Conns, First, Last, Stall int64
}

// startServer starts it on core 1, on loopback addresses of its own.
func startServer(ctx context.Context, bin string) (*server, error) {
	host := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250))
	port := 10000 + rand.IntN(19999)
	s := &server{addr: fmt.Sprintf("%s:%d", host, port), control: fmt.Sprintf("%s:%d", host, port+1)}
	s.cmd = exec.Command(bin, "-listen", s.addr, "-control", s.control)
	if err := startOn(1, s.cmd); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	for range 500 {
		if _, err := s.stats(ctx); err == nil {
			return s, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.stop()
	return nil, fmt.Errorf("the server does not answer on %s", s.control)
}

func (s *server) stop() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

func (s *server) url() string { return "http://" + s.addr + "/" }

// reset forgets what came in, and plans a stall if lasts is not 0.
func (s *server) reset(ctx context.Context, after, lasts time.Duration) error {
	q := url.Values{"after": {after.String()}, "stall": {lasts.String()}}
	return s.call(ctx, http.MethodPost, "/reset?"+q.Encode(), nil)
}

func (s *server) stats(ctx context.Context) (st stats, err error) {
	return st, s.call(ctx, http.MethodGet, "/stats", &st)
}

// arrivals are the instants at which requests came in.
func (s *server) arrivals(ctx context.Context) (at []int64, err error) {
	return at, s.call(ctx, http.MethodGet, "/arrivals", &at)
}

func (s *server) call(ctx context.Context, method, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.control+path, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || into == nil {
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("server: %s: %s", path, resp.Status)
		}
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(into)
}
