// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/experiment"
)

const (
	// pullEvery is the time between two questions for a batch, pullAgain the
	// longest time after failures. After a batch of at least many rows the next
	// is asked for at once: a gateway gives what it has, be it a single row, and
	// each takes a commit.
	pullEvery = 250 * time.Millisecond
	pullAgain = 5 * time.Second
	many      = 1024
	// pullWithin bounds one question and its answer, maxBatch that in bytes as
	// JSON; a gateway makes batches of a few MB.
	pullWithin = 10 * time.Second
	maxBatch   = 64 << 20
	// gatewayHint says what a gateway's address looks like.
	gatewayHint = "name the admin address of each gateway, for example --gateway http://127.0.0.1:9090"
)

// adder stores a batch once; fresh is false if it was stored before.
type adder interface {
	Add(ctx context.Context, b *experiment.Batch) (fresh bool, err error)
}

// puller takes batches over from one gateway, one after the other.
type puller struct {
	url    string
	client *http.Client
	store  adder
	log    *slog.Logger
	pulled pulled
	within time.Duration

	mu    sync.Mutex
	state PullState
}

// PullState is how it goes with one gateway.
type PullState struct {
	URL string `json:"url"`
	// Gateway and Sequence name the last batch that is stored.
	Gateway  string `json:"gateway,omitempty"`
	Sequence uint64 `json:"sequence,omitempty"`
	// Rows is how many were stored, Again how many batches were known already.
	Rows  int64 `json:"rows"`
	Again int64 `json:"again"`
	// Restarts is how often another process answered than before, Skipped how
	// many batches it had let go: what was in them is a gap of its windows.
	Restarts int64 `json:"restarts"`
	Skipped  int64 `json:"skipped"`
	// At is when the gateway last answered, Failing why it does not.
	At      time.Time `json:"at,omitzero"`
	Failing string    `json:"failing,omitempty"`
}

// pulled are the metrics of all gateways.
type pulled struct {
	up       *prometheus.GaugeVec
	rows     *prometheus.CounterVec
	again    *prometheus.CounterVec
	restarts *prometheus.CounterVec
}

func newPulled(registry prometheus.Registerer) pulled {
	p := pulled{
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "headgate_ledger_gateway_up", Help: "1 while a gateway answers when it is asked for its batches.",
		}, []string{"gateway"}),
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headgate_ledger_gateway_rows_total", Help: "Rows taken over from a gateway.",
		}, []string{"gateway"}),
		again: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headgate_ledger_gateway_known_total", Help: "Batches of a gateway that were stored already.",
		}, []string{"gateway"}),
		restarts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headgate_ledger_gateway_restarts_total", Help: "How often a gateway was another process than before: what the one before had not handed over is lost.",
		}, []string{"gateway"}),
	}
	registry.MustRegister(p.up, p.rows, p.again, p.restarts)
	return p
}

// newClient asks gateways and nobody else: it takes no proxy of the environment
// and follows no redirect.
func newClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// checkGateway reads a gateway's address.
func checkGateway(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", experiment.Errorf(experiment.CodeInvalid, "a gateway's address is not an http URL of host and port").
			WithHint("%s", gatewayHint)
	}
	return strings.TrimSuffix(u.String(), "/"), nil
}

// run pulls until ctx is done.
func (p *puller) run(ctx context.Context) {
	wait := pullEvery
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		more, err := p.pull(ctx)
		p.note(err)
		switch {
		case err != nil:
			// Not all of many ask a gateway that comes back at the same moment.
			wait = min(2*wait, pullAgain)
			t.Reset(wait/2 + rand.N(wait/2+1))
			continue
		case more:
			t.Reset(0)
		default:
			t.Reset(pullEvery)
		}
		wait = pullEvery
	}
}

// note remembers how the last question went, and says it when it changes.
func (p *puller) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	failing := ""
	if err != nil {
		failing = err.Error()
	} else {
		p.state.At = time.Now().UTC()
	}
	if (failing == "") != (p.state.Failing == "") {
		if err != nil {
			p.log.Warn("a gateway's rows cannot be taken over; they wait there, within bounds", "gateway", p.url, "error", err)
		} else {
			p.log.Info("a gateway's rows are taken over again", "gateway", p.url)
		}
	}
	p.state.Failing = failing
	up := 0.0
	if err == nil {
		up = 1
	}
	p.pulled.up.WithLabelValues(p.url).Set(up)
}

// pull asks for the batch after the last one and stores it; more says that
// there is much to take over.
func (p *puller) pull(ctx context.Context) (more bool, err error) {
	b, err := p.ask(ctx)
	if b == nil || err != nil {
		return false, err
	}
	if last := p.current(); b.Gateway == last.Gateway && b.Sequence <= last.Sequence {
		// Storing it again would do no harm, but asking at once would.
		return false, fmt.Errorf("the gateway answers with batch %d after %d", b.Sequence, last.Sequence)
	}
	b.Origin = p.url
	fresh, err := p.store.Add(ctx, b)
	if err != nil {
		return false, fmt.Errorf("store batch %d: %w", b.Sequence, err)
	}
	p.took(b, fresh)
	return rowsOf(b) >= many, nil
}

func rowsOf(b *experiment.Batch) int { return len(b.Exposures) + len(b.Pairs) + len(b.Predictions) }

// took notes a batch that is stored.
func (p *puller) took(b *experiment.Batch, fresh bool) {
	n := int64(rowsOf(b))
	p.mu.Lock()
	defer p.mu.Unlock()
	first := uint64(1)
	switch p.state.Gateway {
	case "":
		first = b.Sequence // What came before, an earlier ledger may have taken.
	case b.Gateway:
		first = p.state.Sequence + 1
	default:
		p.state.Restarts++
		p.pulled.restarts.WithLabelValues(p.url).Inc()
		p.log.Warn("a gateway was started anew; what it had not handed over before is lost", "gateway", p.url)
	}
	p.state.Skipped += int64(b.Sequence - first)
	p.state.Gateway, p.state.Sequence = b.Gateway, b.Sequence
	if fresh {
		p.state.Rows += n
		p.pulled.rows.WithLabelValues(p.url).Add(float64(n))
	} else {
		p.state.Again++
		p.pulled.again.WithLabelValues(p.url).Inc()
	}
}

// ask gives the next batch; nil is that there is none yet.
func (p *puller) ask(ctx context.Context) (*experiment.Batch, error) {
	ctx, cancel := context.WithTimeout(ctx, p.within)
	defer cancel()
	state := p.current()
	q := url.Values{}
	if state.Gateway != "" {
		q.Set("gateway", state.Gateway)
		q.Set("after", strconv.FormatUint(state.Sequence, 10))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/v1/batches?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	res, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	switch res.StatusCode {
	case http.StatusOK:
	case http.StatusNoContent:
		return nil, nil
	default:
		return nil, fmt.Errorf("the gateway answers %s", res.Status)
	}
	return read(res.Body)
}

// read reads a batch of at most maxBatch.
func read(body io.Reader) (*experiment.Batch, error) {
	limited := &io.LimitedReader{R: body, N: maxBatch}
	var b experiment.Batch
	err := json.NewDecoder(limited).Decode(&b)
	switch {
	case err != nil && limited.N <= 0:
		return nil, fmt.Errorf("read a batch: it has more than %d bytes", maxBatch)
	case err != nil:
		return nil, fmt.Errorf("read a batch: %w", err)
	case b.Gateway == "" || b.Sequence == 0:
		return nil, errors.New("read a batch: it has no gateway or no sequence")
	}
	return &b, nil
}

// current is how it goes.
func (p *puller) current() PullState {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.state
	s.URL = p.url
	return s
}
