// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// progressEvery is how often a running load shows its report.
const progressEvery = 200 * time.Millisecond

// run is one run of a load.
type run struct {
	o        Options
	tally    *tally
	client   *http.Client
	outcomes *outcomes
	// One stream of chance each, so that none disturbs another.
	arrivals, units, bodies, luck *rand.Rand
	began                         time.Time
	waits                         waits
}

// Run sends a load and returns its report when the last answer and outcome is
// in. progress, if not nil, gets the report so far five times a second, one
// call at a time, and never after Run has returned. A context that ends
// interrupts: requests under way are given up, the report is Partial, and the
// error is the context's cause. Options that are wrong are an error of
// CodeInvalid that names each field. Requests that fail are no error; they are
// in the report.
func Run(ctx context.Context, o Options, progress func(Report)) (Report, error) {
	if err := o.complete(); err != nil {
		return Report{}, err
	}
	r := &run{
		o: o, tally: newTally(&o), client: newClient(&o),
		arrivals: rand.New(rand.NewPCG(o.Seed, 1)), units: rand.New(rand.NewPCG(o.Seed, 2)),
		bodies: rand.New(rand.NewPCG(o.Seed, 3)), luck: rand.New(rand.NewPCG(o.Seed, 4)),
		began: time.Now(), waits: readWaits(),
	}
	defer r.client.CloseIdleConnections()
	r.outcomes = newOutcomes(&o, r.tally, r.client)

	var posting, showing sync.WaitGroup
	if r.outcomes != nil {
		posting.Go(func() { r.outcomes.post(ctx) })
	}
	done := make(chan struct{})
	if progress != nil {
		showing.Go(func() { r.show(done, progress) })
	}
	r.send(ctx)
	if r.outcomes != nil {
		close(r.outcomes.waiting) // Every answer is in.
	}
	posting.Wait()
	close(done)
	showing.Wait()
	report := r.report()
	if ctx.Err() != nil {
		report.Partial = true
		return report, context.Cause(ctx)
	}
	return report, nil
}

// show gives the report so far to progress, until done.
func (r *run) show(done <-chan struct{}, progress func(Report)) {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			progress(r.report())
		}
	}
}

// report is the account up to now.
func (r *run) report() Report {
	now := time.Since(r.began).Seconds()
	out := r.tally.report()
	if out.Elapsed == 0 {
		out.Elapsed = now
	}
	if out.Sending == 0 {
		out.Sending = now
	}
	over := out.Sending
	if r.o.Rate == 0 {
		over = out.Elapsed
	}
	if over > 0 {
		out.Rate = float64(out.Sent) / over
	}
	out.Machine.judge(&out, r.waits)
	return out
}

// send offers requests until a bound is met, and waits for their answers.
func (r *run) send(ctx context.Context) {
	var asking sync.WaitGroup
	free := make(chan struct{}, r.o.Concurrency)
	start := func(j job) {
		asking.Go(func() {
			defer func() { <-free }()
			r.ask(ctx, j)
		})
	}
	if r.o.Rate > 0 {
		r.paced(ctx, free, start)
	} else {
		r.fast(ctx, free, start)
	}
	sending := time.Since(r.began).Seconds()
	asking.Wait()
	elapsed := time.Since(r.began).Seconds()
	r.tally.do(func(p *Report) { p.Sending, p.Elapsed = sending, elapsed })
}

// paced starts requests at the times of a Poisson process. It never waits for
// an answer. Where it could not run in time, it catches up.
func (r *run) paced(ctx context.Context, free chan struct{}, start func(job)) {
	due := r.began
	for i := range most(r.o.N) {
		due = due.Add(time.Duration(r.arrivals.ExpFloat64() / r.o.Rate * float64(time.Second)))
		if r.o.Duration > 0 && due.Sub(r.began) > r.o.Duration {
			sleepUntil(ctx, r.began.Add(r.o.Duration))
			return
		}
		sleepUntil(ctx, due)
		if ctx.Err() != nil {
			return
		}
		j := r.draw(i, due)
		select {
		case free <- struct{}{}:
			r.tally.do(func(p *Report) { p.Offered++ })
			start(j)
		default:
			r.tally.do(func(p *Report) { p.Offered++; p.Skipped++ })
		}
	}
}

// fast starts a request whenever one has ended.
func (r *run) fast(ctx context.Context, free chan struct{}, start func(job)) {
	if r.o.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.o.Duration)
		defer cancel()
	}
	for i := range most(r.o.N) {
		select {
		case <-ctx.Done():
			return
		case free <- struct{}{}:
		}
		if ctx.Err() != nil {
			return // Both were ready, and chance chose the other.
		}
		r.tally.do(func(p *Report) { p.Offered++ })
		start(r.draw(i, time.Now()))
	}
}

// draw decides everything about the i-th request that is left to chance, also
// for one that will be skipped, so that timing changes no draw.
func (r *run) draw(i int64, due time.Time) job {
	j := job{due: due, unit: -1}
	if r.o.Units > 0 {
		j.unit = r.units.IntN(r.o.Units)
	}
	switch n := len(r.o.Bodies); {
	case n > 0 && r.o.Draw:
		j.body = r.o.Bodies[r.bodies.IntN(n)]
	case n > 0:
		j.body = r.o.Bodies[i%int64(n)]
	}
	if r.o.Outcome != nil {
		j.outcome = r.luck.Float64() < r.o.Outcome.Every
	}
	return j
}
