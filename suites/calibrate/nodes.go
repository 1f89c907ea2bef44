package calibrate

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"faultbed/faults"
	"faultbed/faults/room"
	"faultbed/fixtures/load"
	"faultbed/fixtures/topology"
	"faultbed/proxy/pidfd"
	"faultbed/reports/history"
	"faultbed/suites/campaign"
	"faultbed/suites/scenario"
)

var errNoFIN = errors.New("no FIN came where one was asked for")

// silences takes how long the relay's process stood still, n times, by a train of
// questions through it. A fault of a room acts on that process.
func silences(n int) measurement {
	return func(ctx context.Context, b *bench, g gauge) ([]float64, error) {
		k, ok := faults.Room(g.fault)
		if !ok {
			return nil, errors.New("no such fault")
		}
		t := b.target(ctx, "g")
		return again(n, func() (float64, error) { return silence(ctx, b, k, t, time.Duration(g.asked*ms)) })
	}
}

func silence(ctx context.Context, b *bench, k room.Kind, t room.Target, length time.Duration) (float64, error) {
	l, err := dial(ctx, b.addr("wire"))
	if err != nil {
		return 0, err
	}
	defer l.Close()
	longest, stop, ended := 0.0, make(chan struct{}), make(chan error, 1)
	go func() { ended <- train(l, stop, &longest) }()
	scenario.Until(ctx, history.Now()+int64(10*time.Millisecond))
	active, err := k.Inject(ctx, t, nil)
	if err == nil {
		scenario.Until(ctx, history.Now()+int64(length))
		err = active.Lift(context.WithoutCancel(ctx))
	}
	close(stop)
	return longest, errors.Join(err, <-ended)
}

// train asks and asks again until it is stopped; longest is the longest time
// without an answer, ms.
func train(l line, stop chan struct{}, longest *float64) error {
	for last := time.Now(); ; last = time.Now() {
		err := l.ask(1)
		*longest = max(*longest, since(last))
		select {
		case <-stop:
			return err
		default:
			if err != nil {
				return err
			}
		}
	}
}

// signalsLate takes how late n signals were handled after their planned instants,
// each planned when the one before was handled: the kernel merges equal signals
// that wait.
func signalsLate(n int) measurement {
	return func(ctx context.Context, b *bench, _ gauge) ([]float64, error) {
		r, err := listen(b)
		if err != nil {
			return nil, err
		}
		defer r.cmd.Wait()
		defer r.end()
		return again(n, func() (float64, error) {
			t := history.Now() + int64(2*time.Millisecond)
			if err := r.send(ctx, t); err != nil {
				return 0, err
			}
			seen, err := r.next()
			return float64(seen-t) / ms, err
		})
	}
}

// spacings takes the times between signals as their receiver saw them. Two that
// merged are one late one.
func spacings(n int, every time.Duration) measurement {
	return func(ctx context.Context, b *bench, _ gauge) (out []float64, err error) {
		r, err := listen(b)
		if err != nil {
			return nil, err
		}
		begin := history.Now() + int64(10*time.Millisecond)
		for i := 0; i <= n && err == nil; i++ {
			err = r.send(ctx, begin+int64(i)*int64(every))
		}
		scenario.Until(ctx, history.Now()+int64(every)) // for the last one to be handled
		defer r.cmd.Wait()                              // when all is read: it closes the pipe
		r.end()
		last, _ := r.next()
		for {
			seen, end := r.next()
			if end != nil {
				return out, err
			}
			out = append(out, float64(seen-last)/ms)
			last = seen
		}
	}
}

// receiver is a process that says when each signal came.
type receiver struct {
	cmd *exec.Cmd
	fd  *pidfd.FD
	out *bufio.Scanner
}

func listen(b *bench) (*receiver, error) {
	labnode, err := campaign.Labnode()
	if err != nil {
		return nil, err
	}
	r := &receiver{cmd: exec.Command(labnode, "signals")}
	r.cmd.Env = []string{topology.RunEnv + "=" + b.nodes.Run}
	pipe, err := r.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	r.out = bufio.NewScanner(pipe)
	r.out.Scan() // it has its handler
	if r.fd, err = pidfd.Open(r.cmd.Process.Pid); err != nil {
		r.cmd.Process.Kill()
		return nil, errors.Join(err, r.cmd.Wait())
	}
	return r, nil
}

// send sends a signal at an instant.
func (r *receiver) send(ctx context.Context, t int64) error {
	if !scenario.Until(ctx, t) {
		return ctx.Err()
	}
	_, err := r.fd.Signal(syscall.SIGUSR1)
	return err
}

// next is when the next one came, ns.
func (r *receiver) next() (int64, error) {
	if !r.out.Scan() {
		return 0, errors.Join(io.EOF, r.out.Err())
	}
	return strconv.ParseInt(r.out.Text(), 10, 64)
}

// end lets the process end; what it said can still be read.
func (r *receiver) end() {
	r.fd.Signal(syscall.SIGTERM) // it may be gone
	r.fd.Close()
}

// What pace sends: as the bed's own test does, so many a second.
const (
	paceRate = 400
	paceFor  = time.Second
)

// pace takes how late the load begins its requests.
func pace(ctx context.Context, b *bench, _ gauge) ([]float64, error) {
	spec := load.Spec{T0: history.Now() + int64(200*time.Millisecond), Timeout: int64(2 * time.Second), End: 1<<63 - 1,
		Endpoints: []load.Endpoint{{Addr: b.bed["origin"].Addr(topology.OriginPort)}}}
	at := map[string]int64{}
	for i := range int(paceRate * paceFor.Seconds()) {
		a := history.Arrival{At: int64(i) * int64(time.Second) / paceRate, ID: fmt.Sprintf("%04d-%08x", i+1, i), Class: history.Short, Size: 1024}
		spec.Arrivals, at[a.ID] = append(spec.Arrivals, a), spec.T0+a.At
	}
	s, err := b.session(ctx, "load", "load", spec)
	if err != nil {
		return nil, err
	}
	select {
	case <-s.Done():
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []float64
	for _, e := range b.begun {
		out = append(out, float64(e.T-at[e.ID])/ms)
	}
	return out, s.Err()
}
