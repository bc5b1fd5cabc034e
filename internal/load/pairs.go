// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate-dev/headgate/internal/compare"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/prediction"
)

// Bounds of pairs. The answers of all pairs under way are in memory, so that
// fewer may be than without pairs; those of which are decoded at the same time
// are as many as there are processors.
const (
	DefaultPairs = 8
	MaxPairs     = 64
	MaxShown     = 1_000

	// maxAnswer is how much of an answer is compared, in bytes.
	maxAnswer = 1 << 20
	// compareWithin bounds the comparison of one pair.
	compareWithin = 2 * time.Second
)

// PairOptions say what to send to which two endpoints, and how to compare what
// they answer. Errors name a field as the command line's flag.
type PairOptions struct {
	// Baseline and Candidate are URLs; without a scheme they are plain HTTP.
	Baseline, Candidate string
	// Method and Header are as in Options, and go to both.
	Method string
	Header http.Header
	// Lines are the bodies. Each goes once to both endpoints.
	Lines []Line
	// Concurrency caps the pairs under way, DefaultPairs by default.
	Concurrency int
	// Timeout bounds each request, from its sending to its last byte.
	Timeout time.Duration

	// Plan gives the metrics of pairs, what predictions are, what is redacted,
	// segments, and the gates of its mirror stages. Nil compares what answers
	// turn out to hold.
	Plan *experiment.Plan
	// Require are further gates.
	Require []experiment.Objective
	// Show is how many requests to keep whose answers disagree.
	Show int

	// dial connects instead of the network, in tests.
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// pairRun is one comparison of two endpoints.
type pairRun struct {
	o    PairOptions
	plan *pairPlan
	// ends are the baseline and the candidate.
	ends      [2]*run
	comparing chan struct{}
	tally     *pairTally
	done      atomic.Int64
	failed    atomic.Int64
	began     time.Time
}

// RunPairs sends each body to both endpoints at once and compares the answers.
// Which of the two is asked first takes turns. progress, if not nil, is told how
// far it is as by Run. A context that ends interrupts: pairs under way are given
// up and not counted, the report is Partial, and the error is the context's
// cause. Options that are wrong are an error of CodeInvalid that names each
// field. Requests that fail and gates that are not met are no error; they are in
// the report.
func RunPairs(ctx context.Context, o PairOptions, progress func(PairProgress)) (PairReport, error) {
	r, err := newPairRun(o)
	if err != nil {
		return PairReport{}, err
	}
	before := readWaits()
	defer r.ends[0].client.CloseIdleConnections()
	defer r.ends[1].client.CloseIdleConnections()
	var showing sync.WaitGroup
	done := make(chan struct{})
	if progress != nil {
		showing.Go(func() { r.show(done, progress) })
	}
	r.send(ctx)
	close(done)
	showing.Wait()
	report := r.report()
	var all Report
	report.Machine.judge(&all, before)
	if ctx.Err() != nil {
		report.Partial = true
		return report, context.Cause(ctx)
	}
	return report, nil
}

// newPairRun fills in defaults and reports every field that is wrong.
func newPairRun(o PairOptions) (*pairRun, error) {
	if o.Concurrency == 0 {
		o.Concurrency = DefaultPairs
	}
	var problems []error
	if o.Concurrency < 1 || o.Concurrency > MaxPairs {
		problems = append(problems, invalid("--concurrency", "leave it out for the default", "%d is not from 1 to %d pairs", o.Concurrency, MaxPairs))
		o.Concurrency = DefaultPairs
	}
	if o.Show < 0 || o.Show > MaxShown {
		problems = append(problems, invalid("--show", "0 shows none", "%d is not from 0 to %d", o.Show, MaxShown))
	}
	if len(o.Lines) == 0 {
		problems = append(problems, invalid("--data-lines", "give a file of JSON lines, or one body with --data", "there is nothing to send to both endpoints"))
	}
	out := &pairRun{o: o, comparing: make(chan struct{}, runtime.GOMAXPROCS(0)), began: time.Now()}
	for i, url := range []string{o.Baseline, o.Candidate} {
		end := Options{
			URL: url, Method: o.Method, Header: o.Header, Timeout: o.Timeout, dial: o.dial,
			// Both may be behind one host.
			Concurrency: 2 * o.Concurrency,
		}
		if len(o.Lines) > 0 {
			end.Bodies = [][]byte{o.Lines[0].Body}
		}
		target, err := parseURL([]string{"URL", "--pairs"}[i], url)
		if err != nil {
			problems = append(problems, err)
			end.URL = "placeholder.invalid" // Its mistake is told.
		}
		if err := errors.Join(end.completeRequest(), end.completePace()); err != nil && i == 0 {
			problems = append(problems, err) // What is wrong for one is for both.
		}
		end.target = target
		out.ends[i] = &run{o: end, client: newClient(&end)}
	}
	var err error
	if out.plan, err = newPairPlan(&o); err != nil {
		problems = append(problems, err)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	out.tally = newPairTally(out.plan, o.Show)
	return out, nil
}

// send asks for every pair, at most so many at the same time.
func (r *pairRun) send(ctx context.Context) {
	var asking sync.WaitGroup
	free := make(chan struct{}, r.o.Concurrency)
	for i := range r.o.Lines {
		select {
		case <-ctx.Done():
		case free <- struct{}{}:
		}
		if ctx.Err() != nil {
			break
		}
		asking.Go(func() {
			defer func() { <-free }()
			r.pair(ctx, i)
		})
	}
	asking.Wait()
}

// pair asks both endpoints at once. The one that comes second is asked as soon
// as the first is on its way.
func (r *pairRun) pair(ctx context.Context, i int) {
	var answers [2]reply
	first := i % 2
	begun := make(chan struct{})
	var asking sync.WaitGroup
	asking.Go(func() {
		answers[first] = r.ends[first].answer(ctx, r.o.Lines[i].Body, sync.OnceFunc(func() { close(begun) }))
	})
	<-begun
	answers[1-first] = r.ends[1-first].answer(ctx, r.o.Lines[i].Body, func() {})
	asking.Wait()
	if ctx.Err() != nil {
		return // Whether an answer was cut off cannot be told.
	}
	if answers[0].failed() || answers[1].failed() {
		r.failed.Add(1)
	}
	r.compare(ctx, i, &answers)
	r.done.Add(1)
}

// compare compares two answers and counts what comes of it.
func (r *pairRun) compare(ctx context.Context, i int, answers *[2]reply) {
	r.comparing <- struct{}{}
	defer func() { <-r.comparing }()
	within, cancel := context.WithTimeout(ctx, compareWithin)
	defer cancel()
	p := pairOf{index: i, line: r.o.Lines[i].Number, answers: answers, groups: r.plan.groups(r.o.Lines[i].Body)}
	for side := range p.read {
		p.read[side] = r.plan.read(&answers[side], r.ends[side].o.target.Path)
	}
	p.compared = r.plan.compare(within, &p.read[0], &p.read[1])
	r.tally.add(&p, func() []Disagreeing { return r.plan.disagreeing(within, &p) })
}

// newRedactor hashes with a key of this run, which nobody keeps.
func newRedactor(redactions []experiment.Redaction) (*prediction.Redactor, error) {
	secret := make([]byte, experiment.KeySize)
	_, _ = rand.Read(secret) // It never fails.
	key, err := experiment.NewKey(secret)
	if err != nil {
		return nil, err
	}
	return prediction.NewRedactor(redactions, func(b []byte) uint64 { return key.HashUnit(string(b)) })
}

// pairOf is a pair while it is compared.
type pairOf struct {
	index, line int
	answers     *[2]reply
	read        [2]compare.Answer
	compared    []experiment.Compared
	// groups are the slices that the request is in.
	groups []int
}
