// SPDX-License-Identifier: Apache-2.0

package action

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

const (
	// defaultRequests is how many requests load makes that is bounded by nothing
	// else, loadTimeout bounds one of them.
	defaultRequests = 100
	loadTimeout     = 10 * time.Second
	maxConcurrency  = 64
)

// planned is the time that load takes by its own bounds.
func planned(a *experiment.LoadAction) time.Duration {
	if a.Requests > 0 || a.For <= 0 {
		if a.Rate <= 0 {
			return 0
		}
		return time.Duration(float64(cmp.Or(a.Requests, defaultRequests)) / a.Rate * float64(time.Second))
	}
	return a.For
}

// load asks versions with requests of its own, all targets at once. A target that
// answers with errors, or not at all, has errors; the action is done all the same.
func (r *Runner) load(ctx context.Context, j *job, a *experiment.LoadAction) (result, error) {
	body := []byte(a.Body)
	if a.BodyURL != "" {
		var err error
		if body, err = r.fetch(ctx, a.BodyURL); err != nil {
			return result{}, err
		}
	}
	for _, t := range a.Targets {
		if _, err := webAddress(t.URL); err != nil {
			return result{}, err
		}
	}
	transport := r.client.Transport.(*http.Transport).Clone() // Connections of its own, closed when it is done.
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: loadTimeout, CheckRedirect: r.client.CheckRedirect}
	tallies := make([]tally, len(a.Targets))
	var wg sync.WaitGroup
	for i := range a.Targets {
		wg.Go(func() { tallies[i].run(ctx, client, a, &a.Targets[i], string(body)) })
	}
	wg.Wait()
	var loaded []experiment.Loaded
	total := int64(0)
	for i := range tallies {
		l := tallies[i].loaded
		if total += l.Requests; !a.Discard && l.Version >= 0 {
			loaded = append(loaded, tallies[i].told())
		}
	}
	if total == 0 && ctx.Err() != nil {
		return result{}, unavailable("no request was made")
	}
	return result{why: fmt.Sprintf("%d requests", total), loaded: loaded}, nil
}

// bounds are the upper bounds of the buckets, in microseconds: ten for each power
// of ten, from a tenth of a millisecond to more than a request may take.
var bounds = func() (out [60]int64) {
	for i, first := range [10]int64{100, 125, 160, 200, 250, 315, 400, 500, 630, 800} {
		for k, power := 0, int64(1); k < 6; k, power = k+1, 10*power {
			out[10*k+i] = first * power
		}
	}
	return out
}()

// tally counts what a target answered.
type tally struct {
	mu     sync.Mutex
	loaded experiment.Loaded
	counts [len(bounds) + 1]int64
}

// run makes the load of one target: each worker takes the next request when it is
// due.
func (t *tally) run(ctx context.Context, client *http.Client, a *experiment.LoadAction, target *experiment.LoadTarget, body string) {
	t.loaded.Version = target.Version
	requests := a.Requests
	if a.For > 0 && requests <= 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, a.For)
		defer cancel()
	} else if requests <= 0 {
		requests = defaultRequests
	}
	tickets := make(chan struct{})
	var wg sync.WaitGroup
	for range min(max(a.Concurrency, 1), maxConcurrency) {
		wg.Go(func() {
			for range tickets {
				t.ask(ctx, client, a, target, body)
			}
		})
	}
	start := time.Now()
	for n := int64(0); requests <= 0 || n < requests; n++ {
		if a.Rate > 0 {
			due := start.Add(time.Duration(float64(n) / a.Rate * float64(time.Second)))
			if !sleepUntil(ctx, due) {
				break
			}
		}
		select {
		case tickets <- struct{}{}:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(tickets)
	wg.Wait()
}

func sleepUntil(ctx context.Context, due time.Time) bool {
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// ask makes one request and counts it, unless time was over before it ended.
func (t *tally) ask(ctx context.Context, client *http.Client, a *experiment.LoadAction, target *experiment.LoadTarget, body string) {
	method, content := http.MethodGet, io.Reader(http.NoBody)
	if a.Body != "" || a.BodyURL != "" {
		method, content = http.MethodPost, strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, target.URL, content)
	if err != nil {
		return // Its address was read before.
	}
	req.Header.Set("User-Agent", userAgent)
	if method == http.MethodPost {
		req.Header.Set("Content-Type", cmp.Or(a.ContentType, "application/json"))
	}
	for _, h := range target.Headers {
		if strings.EqualFold(h.Name, "Host") {
			req.Host = h.Value
			continue
		}
		req.Header.Set(h.Name, h.Value)
	}
	start := time.Now()
	resp, err := client.Do(req)
	failed := err != nil
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		failed = err != nil || resp.StatusCode >= http.StatusBadRequest
	}
	if err != nil && ctx.Err() != nil {
		return
	}
	t.count(time.Since(start), failed, err == nil)
}

// count counts a request; only answers have a time.
func (t *tally) count(took time.Duration, failed, answered bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := &t.loaded
	if l.Requests++; failed {
		l.Errors++
	}
	if !answered {
		return
	}
	l.Seconds += took.Seconds()
	l.Longest = max(l.Longest, took.Seconds())
	at, _ := slices.BinarySearch(bounds[:], (took + time.Microsecond - 1).Microseconds())
	t.counts[at]++
}

// told is what the target answered, with the buckets that hold something.
func (t *tally) told() experiment.Loaded {
	out := t.loaded
	for i, n := range t.counts {
		if n == 0 {
			continue
		}
		b := experiment.LoadBucket{Count: n, Upto: out.Longest}
		if i > 0 {
			b.Over = float64(bounds[i-1]) / 1e6
		}
		if i < len(bounds) {
			b.Upto = float64(bounds[i]) / 1e6
		}
		out.Buckets = append(out.Buckets, b)
	}
	return out
}
