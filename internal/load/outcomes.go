// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

const (
	// maxWaiting bounds the outcomes whose time has not come, about 10 MB.
	maxWaiting = 1 << 16
	// maxPost is how many outcomes one call carries. With long tokens it stays
	// far below the megabyte that the API reads.
	maxPost = 500
	// linger lets outcomes that are due at nearly the same time share a call.
	linger = 50 * time.Millisecond
	// postTimeout bounds one call; postTries calls are made before outcomes
	// count as failed, postPause apart. Keys make repeating safe.
	postTimeout = 10 * time.Second
	postTries   = 3
	postPause   = 200 * time.Millisecond
)

// outcomes posts outcomes when they are due. All wait equally long, so they
// are due in the order in which they came.
type outcomes struct {
	o       *Outcome
	tally   *tally
	client  *http.Client
	waiting chan expected
	run     string
	next    int64
}

type expected struct {
	token string
	due   time.Time
}

func newOutcomes(o *Options, t *tally, client *http.Client) *outcomes {
	if o.Outcome == nil {
		return nil
	}
	return &outcomes{
		o: o.Outcome, tally: t, client: client,
		waiting: make(chan expected, maxWaiting),
		// Keys of different runs never meet, whatever the seed.
		run: rand.Text(),
	}
}

// expect notes that an outcome follows an answer of now.
func (p *outcomes) expect(token string, now time.Time) {
	p.count(func(o *Outcomes) { o.Due++ })
	if token == "" {
		p.count(func(o *Outcomes) { o.Unexposed++ })
		return
	}
	select {
	case p.waiting <- expected{token, now.Add(p.o.Delay)}:
	default:
		p.count(func(o *Outcomes) { o.Dropped++ })
	}
}

func (p *outcomes) count(change func(*Outcomes)) {
	p.tally.do(func(r *Report) { change(r.Outcomes) })
}

// post posts until waiting is closed and empty. Once the context ends, what
// waits is dropped.
func (p *outcomes) post(ctx context.Context) {
	var held *expected
	for {
		if held == nil {
			first, ok := <-p.waiting
			if !ok {
				return
			}
			held = &first
		}
		sleepUntil(ctx, held.due.Add(linger))
		batch := []expected{*held}
		batch, held = p.gather(batch, time.Now())
		p.send(ctx, batch)
	}
}

// gather adds what is due to a batch, and returns the first that is not.
func (p *outcomes) gather(batch []expected, now time.Time) ([]expected, *expected) {
	for len(batch) < maxPost {
		select {
		case x, ok := <-p.waiting:
			if !ok {
				return batch, nil
			}
			if x.due.After(now) {
				return batch, &x
			}
			batch = append(batch, x)
		default:
			return batch, nil
		}
	}
	return batch, nil
}

// send posts one batch and counts what became of it.
func (p *outcomes) send(ctx context.Context, batch []expected) {
	n := int64(len(batch))
	body := p.encode(batch)
	var err error
	for try := range postTries {
		if try > 0 {
			sleepUntil(ctx, time.Now().Add(postPause))
		}
		if ctx.Err() != nil {
			p.count(func(o *Outcomes) { o.Dropped += n })
			return
		}
		var receipt experiment.Receipt
		var again bool
		if receipt, again, err = p.call(ctx, body, len(batch)); err == nil {
			p.count(func(o *Outcomes) {
				o.Accepted += int64(receipt.Accepted)
				o.Duplicates += int64(receipt.Duplicates)
				o.Late += int64(receipt.Late)
				o.Unmatched += int64(receipt.Unmatched)
			})
			return
		}
		if !again {
			break
		}
	}
	p.count(func(o *Outcomes) {
		o.Failed += n
		if o.Example == "" {
			o.Example = exampleOf(err)
		}
	})
}

func (p *outcomes) encode(batch []expected) []byte {
	type outcome struct {
		Token string  `json:"token"`
		Event string  `json:"event"`
		Value float64 `json:"value"`
		Key   string  `json:"key"`
	}
	all := make([]outcome, len(batch))
	for i, x := range batch {
		p.next++
		all[i] = outcome{x.token, p.o.Event, p.o.Value, p.run + "-" + strconv.FormatInt(p.next, 10)}
	}
	fields := map[string]any{"outcomes": all}
	if p.o.Experiment != "" {
		fields["experiment"] = p.o.Experiment
	}
	body, err := json.Marshal(fields)
	if err != nil {
		panic("texts and finite numbers are always JSON: " + err.Error())
	}
	return body
}

// call posts once. again says that another try may help.
func (p *outcomes) call(ctx context.Context, body []byte, n int) (_ experiment.Receipt, again bool, _ error) {
	var receipt experiment.Receipt
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.o.URL, bytes.NewReader(body))
	if err != nil {
		return receipt, false, err
	}
	req.Header.Set("Content-Type", "application/json")
	if p.o.Token != "" {
		req.Header.Set("Authorization", "Bearer "+p.o.Token)
	}
	res, err := p.client.Do(req)
	if err != nil {
		return receipt, true, err
	}
	text, _, err := drain(res.Body, maxJSON)
	if err != nil {
		return receipt, true, err
	}
	if res.StatusCode != http.StatusAccepted {
		var failure struct{ Error struct{ Message string } }
		_ = json.Unmarshal(text, &failure) // Whatever it is, the status tells.
		return receipt, res.StatusCode >= 500, fmt.Errorf("status %d %s", res.StatusCode, failure.Error.Message)
	}
	if err := json.Unmarshal(text, &receipt); err != nil {
		return receipt, false, fmt.Errorf("the receipt is not JSON: %w", io.ErrUnexpectedEOF)
	}
	if sum := receipt.Accepted + receipt.Duplicates + receipt.Late + receipt.Unmatched; sum != n {
		return receipt, false, fmt.Errorf("the receipt is for %d outcomes, %d were sent", sum, n)
	}
	return receipt, false, nil
}

// sleepUntil waits for a time, or for the context's end.
func sleepUntil(ctx context.Context, at time.Time) {
	wait := time.Until(at)
	if wait <= 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
