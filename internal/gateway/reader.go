// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/prediction"
)

// How much is made of looking at answers: it never takes more than a part of
// the machine, and what does not find room is dropped and counted.
const (
	// maxQueued is how many answers wait to be evaluated.
	maxQueued = 1024
	// mostReaders is how many are evaluated at the same time. A reader works
	// stretches of stint and rests as long after each.
	mostReaders = 4
	stint       = 5 * time.Millisecond
	// evaluateWithin bounds each evaluation, answersWithin the time that an
	// answer waits for it and that a window waits for its answers.
	evaluateWithin = 250 * time.Millisecond
	answersWithin  = 5 * time.Second
	// closeWithin bounds how long Close waits for an evaluation that cannot be
	// stopped in the middle of a step.
	closeWithin = time.Second
)

// answerReader evaluates answers beside the traffic.
type answerReader struct {
	sideline
	// held is how many bytes of answers are kept.
	held atomic.Int64
	pool sync.Pool

	// key hides the ids of requests; predicted takes rows, nil takes none.
	key         *experiment.Key
	predicted   func(*experiment.Prediction) bool
	rowsDropped prometheus.Counter
}

// hearing lends what an answer is kept in.
func (r *answerReader) hearing() *hearing {
	h, ok := r.pool.Get().(*hearing)
	if !ok {
		h = new(hearing)
	}
	h.reader = r
	return h
}

// forget takes it back.
func (r *answerReader) forget(h *hearing) {
	r.held.Add(-h.held)
	h.question.release()
	body, readings, digests := h.body[:0], h.readings[:0], h.digests[:0]
	if cap(body) > mostHeardKept {
		body = nil
	}
	*h = hearing{body: body, readings: readings, digests: digests}
	r.pool.Put(h)
}

// queue has an answer evaluated some time soon. It never waits. The answer's
// window stays open until then.
func (r *answerReader) queue(h *hearing) {
	h.since = time.Now()
	h.window.answers.Add(1)
	if !r.put(h) {
		h.do(true)
	}
}

// begun implements task.
func (h *hearing) begun() time.Time { return h.since }

// do implements task: the answer is evaluated and counted.
func (h *hearing) do(late bool) {
	if late {
		h.found = findingDropped
	} else {
		h.read()
	}
	w, r := h.window, h.reader
	h.record()
	r.forget(h)
	w.answers.Add(-1)
}

// read looks at the body for the metrics that it is to tell and for what it
// predicts, and at the request for its features.
func (h *hearing) read() {
	defer func() {
		// What breaks its reader must not break the gateway.
		if recover() != nil {
			h.stopped = findingInvalid
		}
	}()
	if h.keeps() && h.found == findingRead {
		h.readBody()
	}
	if h.question != nil && h.question.body != nil {
		h.readFeatures()
	}
}

// readBody evaluates the metrics that the body is to tell, and reads what it
// predicts.
func (h *hearing) readBody() {
	body, found := unpack(h.body, h.packed)
	if found != findingRead {
		h.found = found
		if found == findingInvalid && h.reads() {
			h.reading.Found = prediction.Invalid
		}
		return
	}
	last := body
	if h.events {
		last = lastEvent(body, h.clipped)
	}
	value, err := prediction.Decode(last)
	ok := err == nil
	if ok {
		value = h.redactor.Apply(value)
	}
	for i := range h.metrics {
		if h.wants>>i&1 != 0 {
			h.readings = append(h.readings, h.readOne(i, value, ok))
		}
	}
	if h.reads() {
		h.readPrediction(body, value, ok)
	}
}

// readOne reads one metric of a body that may be no JSON.
func (h *hearing) readOne(metric int, value any, isJSON bool) reading {
	switch {
	case isJSON && h.events && h.metrics[metric].tokens && !hasUsage(value):
		return reading{metric: metric, found: findingUnfit}
	case isJSON:
		return h.evaluate(metric, value)
	case h.clipped:
		return reading{metric: metric, found: findingTooLarge}
	default:
		return reading{metric: metric, found: findingInvalid}
	}
}

// unpack gives a body as it was before its coding, if that is gzip.
func unpack(body []byte, packed bool) ([]byte, finding) {
	if !packed {
		return body, findingRead
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, findingInvalid
	}
	body, err = io.ReadAll(io.LimitReader(unpacked, maxAnswerBody+1))
	switch {
	case err != nil:
		return nil, findingInvalid
	case len(body) > maxAnswerBody:
		return nil, findingTooLarge
	}
	return body, findingRead
}

// evaluate reads one metric.
func (h *hearing) evaluate(metric int, value any) (out reading) {
	out = reading{metric: metric, count: 1}
	defer func() {
		// An expression that breaks its interpreter must not break the gateway.
		if recover() != nil {
			out.found = findingInvalid
		}
	}()
	ctx, cancel := h.reader.evaluating()
	defer cancel()
	m := &h.metrics[metric]
	var err error
	if out.sum, err = m.sum.Number(ctx, value); err == nil && m.count != nil {
		out.count, err = m.count.Number(ctx, value)
	}
	switch {
	case err == nil && out.count >= 0:
	case errors.Is(err, context.DeadlineExceeded):
		out.found = findingSlow
	case errors.Is(err, context.Canceled):
		out.found = findingDropped
	default:
		out.found = findingInvalid
	}
	return out
}
