// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate-dev/headgate/examples/digits"
)

// The demo's traffic. 400 requests a second cost a quarter of a core; the
// units are enough for the plan's 4,000 within its 45 seconds.
const (
	units       = 6000
	rate        = 400.0
	workers     = 64
	labelAfter  = time.Second
	labelWithin = 2 * time.Second
	postEvery   = 100 * time.Millisecond
	postAtMost  = 500
	askTimeout  = 5 * time.Second
)

// Traffic is what the load has sent and got.
type Traffic struct {
	Sent, Failed, Labels, LabelsLost, Behind int64
}

// load is an open loop: requests leave at their own times, whatever the
// answers do, as users would. If all workers are busy a request is skipped and
// counted as behind.
type load struct {
	world       *World
	counts      struct{ sent, failed, labels, lost, behind atomic.Int64 }
	client      *http.Client
	askURL      string
	outcomesURL string
	jobs        chan job
	labels      chan label
	cancel      context.CancelFunc
	wg          sync.WaitGroup
	bodies      [][]byte
}

type job struct{ user, row int }

// label is a true label that becomes known at a time.
type label struct {
	token string
	right bool
	at    time.Time
}

func startLoad(ctx context.Context, w *World, trafficURL, apiURL string, seed uint64) *load {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l := &load{
		world: w, cancel: cancel,
		client: &http.Client{
			Timeout:   askTimeout,
			Transport: &http.Transport{MaxIdleConnsPerHost: workers, DisableCompression: true},
		},
		askURL:      trafficURL + "/v2/models/" + modelName + "/infer",
		outcomesURL: apiURL + "/v1/outcomes",
		jobs:        make(chan job), labels: make(chan label, 4096),
	}
	for i := range w.Rows {
		l.bodies = append(l.bodies, inferRequest(&w.Rows[i]))
	}
	for range workers {
		l.wg.Go(func() { l.work(ctx) })
	}
	l.wg.Go(func() { l.arrive(ctx, rand.New(rand.NewPCG(seed, 1))) })
	l.wg.Go(func() { l.report(ctx, rand.New(rand.NewPCG(seed, 2))) })
	return l
}

// inferRequest is a row as an Open Inference Protocol request.
func inferRequest(r *digits.Row) []byte {
	type tensor struct {
		Name     string    `json:"name"`
		Shape    []int     `json:"shape"`
		Datatype string    `json:"datatype"`
		Data     []float64 `json:"data"`
	}
	pixels := make([]float64, len(r.Pixels))
	for i, p := range r.Pixels {
		pixels[i] = float64(p)
	}
	b, err := json.Marshal(map[string][]tensor{"inputs": {{"pixels", []int{1, len(pixels)}, "FP64", pixels}}})
	if err != nil {
		panic("a row of numbers is always JSON: " + err.Error())
	}
	return b
}

func (l *load) stop() {
	l.cancel()
	l.wg.Wait()
	l.client.CloseIdleConnections()
}

func (l *load) traffic() Traffic {
	t := &l.counts
	return Traffic{Sent: t.sent.Load(), Failed: t.failed.Load(), Labels: t.labels.Load(), LabelsLost: t.lost.Load(), Behind: t.behind.Load()}
}

// arrive hands out requests as a Poisson process.
func (l *load) arrive(ctx context.Context, rng *rand.Rand) {
	next := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next = next.Add(time.Duration(rng.ExpFloat64() / rate * float64(time.Second)))
		j := job{user: rng.IntN(units), row: rng.IntN(len(l.world.Rows))}
		if wait := time.Until(next); wait > 0 {
			timer.Reset(wait)
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
		}
		select {
		case <-ctx.Done():
			return
		case l.jobs <- j:
		default:
			l.counts.behind.Add(1)
		}
	}
}

func (l *load) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-l.jobs:
			l.ask(ctx, j)
		}
	}
}

// ask sends one row for one user and puts its true label aside for later.
func (l *load) ask(ctx context.Context, j job) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.askURL, bytes.NewReader(l.bodies[j.row]))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-User-Id", fmt.Sprintf("user-%04d", j.user))
	l.counts.sent.Add(1)
	res, err := l.client.Do(req)
	if err != nil {
		l.counts.failed.Add(1)
		return
	}
	defer func() { _ = res.Body.Close() }()
	predicted, ok := readLabel(res)
	if !ok {
		l.counts.failed.Add(1)
		return
	}
	select {
	case l.labels <- label{token: res.Header.Get("X-Headgate-Exposure"), right: predicted == l.world.Rows[j.row].Label}:
	default:
		l.counts.lost.Add(1)
	}
}

// readLabel is the label in an Open Inference Protocol answer.
func readLabel(res *http.Response) (int, bool) {
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil || res.StatusCode != http.StatusOK {
		return 0, false
	}
	var answer struct {
		Outputs []struct {
			Name string    `json:"name"`
			Data []float64 `json:"data"`
		} `json:"outputs"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return 0, false
	}
	for _, o := range answer.Outputs {
		if o.Name == "label" && len(o.Data) == 1 {
			return int(o.Data[0]), true
		}
	}
	return 0, false
}

// report posts labels one to three seconds after their answer, in batches, as
// a labelling job would.
func (l *load) report(ctx context.Context, rng *rand.Rand) {
	tick := time.NewTicker(postEvery)
	defer tick.Stop()
	var waiting []label
	for {
		select {
		case <-ctx.Done():
			return
		case x := <-l.labels:
			x.at = time.Now().Add(labelAfter + time.Duration(rng.Int64N(int64(labelWithin))))
			waiting = append(waiting, x)
		case now := <-tick.C:
			due := waiting[:0:0]
			left := waiting[:0]
			for _, x := range waiting {
				if !x.at.After(now) && len(due) < postAtMost {
					due = append(due, x)
				} else {
					left = append(left, x)
				}
			}
			waiting = left
			if len(due) > 0 {
				l.post(ctx, due)
			}
		}
	}
}

// post sends labels as outcomes: one event that a label came, one whether the
// answer was right.
func (l *load) post(ctx context.Context, due []label) {
	type outcome struct {
		Token string  `json:"token"`
		Event string  `json:"event"`
		Value float64 `json:"value"`
	}
	batch := make([]outcome, 0, 2*len(due))
	for _, x := range due {
		right := 0.0
		if x.right {
			right = 1
		}
		batch = append(batch, outcome{x.token, "label", 1}, outcome{x.token, "correct", right})
	}
	body, err := json.Marshal(map[string]any{"outcomes": batch})
	if err != nil {
		return
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.outcomesURL, bytes.NewReader(body))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := l.client.Do(req)
	if err != nil {
		l.counts.lost.Add(int64(len(due)))
		return
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	if res.StatusCode != http.StatusAccepted {
		l.counts.lost.Add(int64(len(due)))
		return
	}
	l.counts.labels.Add(int64(len(due)))
}
