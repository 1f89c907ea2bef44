package calibrate

import (
	"context"
	"io"
	"math"
	"slices"
	"sync"
	"time"
)

type measurement = func(context.Context, *bench, gauge) ([]float64, error)

// again calls f n times and collects what it measured.
func again(n int, f func() (float64, error)) (out []float64, err error) {
	for range n {
		x, err := f()
		if err != nil {
			return out, err
		}
		out = append(out, x)
	}
	return out, nil
}

// answered is how long the first answer of a new connection took from the
// question, ms.
func answered(ctx context.Context, addr string) (float64, error) {
	l, err := dial(ctx, addr)
	if err != nil {
		return 0, err
	}
	defer l.Close()
	begun := time.Now()
	err = l.ask(1)
	return since(begun), err
}

// way is what the relay costs while no fault acts.
func way(ctx context.Context, b *bench, _ gauge) ([]float64, error) {
	return again(200, func() (float64, error) { return answered(ctx, b.addr("wire")) })
}

// answers takes the delay of answers on n new connections.
func answers(n int) measurement {
	return func(ctx context.Context, b *bench, g gauge) (out []float64, err error) {
		err = b.under(ctx, g, func(addr string) (err error) {
			out, err = again(n, func() (float64, error) { return answered(ctx, addr) })
			return err
		})
		return out, err
	}
}

// arrivals takes the delay from the connect on.
func arrivals(n int) measurement {
	return func(ctx context.Context, b *bench, g gauge) (out []float64, err error) {
		err = b.under(ctx, g, func(addr string) (err error) {
			out, err = again(n, func() (float64, error) {
				begun := time.Now()
				_, err := answered(ctx, addr)
				return since(begun), err
			})
			return err
		})
		return out, err
	}
}

// afterFIN takes how long after the FIN of the answers' direction the next
// question reaches the server.
func afterFIN(n int) measurement {
	one := func(ctx context.Context, b *bench, addr string) (float64, error) {
		l, err := dial(ctx, addr)
		if err != nil {
			return 0, err
		}
		defer l.Close()
		if err := l.ask(1); err != nil {
			return 0, err
		}
		if _, err := l.Read(make([]byte, 1)); err != io.EOF {
			return 0, errNoFIN
		}
		begun := time.Now()
		if err := l.put(0); err != nil {
			return 0, err
		}
		select {
		case <-b.heard:
			return since(begun), nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return func(ctx context.Context, b *bench, g gauge) (out []float64, err error) {
		err = b.under(ctx, g, func(addr string) (err error) {
			out, err = again(n, func() (float64, error) { return one(ctx, b, addr) })
			return err
		})
		return out, err
	}
}

// gaps takes the times between n pieces of so many bytes.
func gaps(n, size int) measurement {
	return func(ctx context.Context, b *bench, g gauge) (out []float64, err error) {
		err = b.under(ctx, g, func(addr string) error {
			l, err := dial(ctx, addr)
			if err != nil {
				return err
			}
			defer l.Close()
			if err := l.put((n + 1) * size); err != nil {
				return err
			}
			piece := make([]byte, size)
			if _, err := io.ReadFull(l, piece); err != nil {
				return err
			}
			last := time.Now()
			out, err = again(n, func() (float64, error) {
				_, err := io.ReadFull(l, piece)
				gap := since(last)
				last = time.Now()
				return gap, err
			})
			return err
		})
		return out, err
	}
}

// reads takes the times between pieces of any size until so many bytes have come.
func reads(total int) measurement {
	return func(ctx context.Context, b *bench, g gauge) (out []float64, err error) {
		err = b.under(ctx, g, func(addr string) error {
			l, err := dial(ctx, addr)
			if err != nil {
				return err
			}
			defer l.Close()
			if err := l.put(total); err != nil {
				return err
			}
			var last time.Time
			for got, buf := 0, make([]byte, 64<<10); got < total; last = time.Now() {
				n, err := l.Read(buf)
				if err != nil {
					return err
				}
				if got += n; !last.IsZero() {
					out = append(out, since(last))
				}
			}
			return nil
		})
		return out, err
	}
}

// rates takes the rate of n answers of so many bytes, kB/s.
func rates(n, size int) measurement {
	return func(ctx context.Context, b *bench, g gauge) (out []float64, err error) {
		err = b.under(ctx, g, func(addr string) error {
			l, err := dial(ctx, addr)
			if err != nil {
				return err
			}
			defer l.Close()
			out, err = again(n, func() (float64, error) {
				begun := time.Now()
				err := l.ask(size)
				return float64(size) / since(begun), err // bytes per ms are kB per s
			})
			return err
		})
		return out, err
	}
}

// turns opens so many connections at once, n times, and takes the rate at which
// they get their turn.
func turns(n, at int) measurement {
	once := func(ctx context.Context, b *bench, g gauge) (rate float64, err error) {
		err = b.under(ctx, g, func(addr string) error {
			done, errs := make([]time.Time, at), make([]error, at)
			var wg sync.WaitGroup
			for i := range at {
				wg.Go(func() {
					_, errs[i] = answered(ctx, addr)
					done[i] = time.Now()
				})
			}
			wg.Wait()
			slices.SortFunc(done, time.Time.Compare)
			rate = float64(at-1) / done[at-1].Sub(done[0]).Seconds()
			return first(errs)
		})
		return rate, err
	}
	return func(ctx context.Context, b *bench, g gauge) ([]float64, error) {
		return again(n, func() (float64, error) { return once(ctx, b, g) })
	}
}

func first(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// shares takes the share of so many new connections that was touched, under n
// seeds.
func shares(n, of int) measurement {
	return func(ctx context.Context, b *bench, g gauge) ([]float64, error) {
		return again(n, func() (float64, error) {
			touched := 0
			err := b.under(ctx, g, func(addr string) error {
				for range of {
					if _, err := answered(ctx, addr); err != nil {
						touched++
					}
				}
				return ctx.Err()
			})
			return float64(touched) / float64(of), err
		})
	}
}

// halfWidths takes the half width of the delays, n times from so many: that of a
// uniform distribution is its deviation times the root of three.
func halfWidths(n, of int) measurement {
	return func(ctx context.Context, b *bench, g gauge) ([]float64, error) {
		return again(n, func() (float64, error) {
			xs, err := answers(of)(ctx, b, g)
			return deviation(xs) * math.Sqrt(3), err
		})
	}
}

func deviation(xs []float64) float64 {
	mean, sum := 0.0, 0.0
	for _, x := range xs {
		mean += x / float64(len(xs))
	}
	for _, x := range xs {
		sum += (x - mean) * (x - mean)
	}
	return math.Sqrt(sum / float64(len(xs)-1))
}
