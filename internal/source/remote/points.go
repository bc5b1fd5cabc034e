// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Workers is how many questions for points one plan has under way at a provider.
const Workers = 4

// leastPatience is what a plan waits at least for all that it asks at once.
const leastPatience = 30 * time.Second

// Patience is how long a plan waits for all that it asks a provider at once, each
// question taking timeout at most. A provider that is slower than that could not
// keep up anyway, and others wait for their turn meanwhile.
func Patience(timeout time.Duration) time.Duration { return max(leastPatience, 2*timeout) }

// Point is one question for one number: nil is an answer that is none.
type Point struct {
	Metric  string
	Version int
	Ask     func(context.Context) (*float64, error)
}

// Points asks, in the order given, the first question alone: of a server that is
// down one of them is enough to know while its breaker is open. Every question
// has a reading, in the same order; one that failed says why, and so do those that
// were not asked in the time that Patience has for questions of timeout.
func Points(ctx context.Context, b *Breaker, timeout time.Duration, asks []Point) []experiment.Reading {
	ctx, cancel := context.WithTimeout(ctx, Patience(timeout))
	defer cancel()
	out := make([]experiment.Reading, len(asks))
	ask := func(i int) {
		p := &asks[i]
		out[i] = experiment.Reading{Metric: p.Metric, Version: p.Version}
		var err error
		if out[i].Value, err = Guarded(ctx, b, p.Ask); err != nil {
			out[i].Value, out[i].Failed = nil, Why(err)
		}
	}
	if len(asks) == 0 {
		return out
	}
	ask(0)
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(Workers, len(asks)-1) {
		wg.Go(func() {
			for i := range next {
				ask(i)
			}
		})
	}
	for i := 1; i < len(asks); i++ {
		next <- i
	}
	close(next)
	wg.Wait()
	return out
}

// Guarded does something that a breaker guards.
func Guarded[T any](ctx context.Context, b *Breaker, do func(context.Context) (T, error)) (T, error) {
	if err := b.Allow(time.Now()); err != nil {
		var none T
		return none, err
	}
	got, err := do(ctx)
	b.Conclude(ctx, err, time.Now())
	return got, err
}

// Why is an error as a reading tells it, never empty.
func Why(err error) string {
	text := Short(err.Error())
	if text == "" {
		return "it failed and does not say why"
	}
	return text
}

// FillWindow fills the words for time into a text, of a window of whole seconds.
func FillWindow(text string, from, to int64) string {
	return fill(text, to-from, from, to)
}

// FillMoment fills them in as of a moment of a strict plan.
func FillMoment(text string, at experiment.Moment) string {
	to := at.Now.Unix()
	return fill(text, at.Elapsed, to-at.Elapsed, to)
}

func fill(text string, length, from, to int64) string {
	if !strings.Contains(text, "{{") {
		return text
	}
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	return strings.NewReplacer(
		experiment.WordWindow, number(length), experiment.WordElapsed, number(length),
		experiment.WordFrom, number(from), experiment.WordTo, number(to),
	).Replace(text)
}
