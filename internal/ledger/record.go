// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// ahead is how far a sender's clock may be ahead of ours.
const ahead = 5 * time.Minute

// Record stores outcomes and says what became of each. It returns once they
// are on disk; commits are shared with other callers. A batch with anything
// malformed, forged or expired is refused whole (CodeInvalid, with the field's
// path); CodeUnavailable means that the store failed or ctx ended. Outcomes
// with a Key can be sent again safely; so can those without,
// unless the hint says that perhaps they were stored: the database went away in
// the middle of a commit, and stayed away.
func (l *Ledger) Record(ctx context.Context, id string, outcomes []experiment.UnitOutcome) (experiment.Receipt, error) {
	j, err := l.lookup(id)
	if err != nil {
		return experiment.Receipt{}, err
	}
	now := l.options.Now()
	batch, err := l.admit(j, outcomes, now)
	if err != nil {
		return experiment.Receipt{}, err
	}
	var receipt experiment.Receipt
	var unknown int
	err = l.do(ctx, &job{
		size:  len(batch),
		wants: func(w *writer) { w.wantRecord(j, batch, now) },
		run: func(w *writer) (err error) {
			receipt, unknown, err = w.record(j, batch, now)
			return err
		},
		committed: func() {
			c := &l.counters
			c.calls.Add(1)
			c.accepted.Add(int64(receipt.Accepted))
			c.duplicates.Add(int64(receipt.Duplicates))
			c.late.Add(int64(receipt.Late))
			c.unmatched.Add(int64(receipt.Unmatched - unknown))
			c.unknown.Add(int64(unknown))
		},
	})
	if err != nil {
		// Not receipt: when ctx has ended the writer may still be at it.
		return experiment.Receipt{}, err
	}
	return receipt, nil
}

// admitted is an outcome that passed every check that needs no store.
type admitted struct {
	// exposure is what the token says; nil when the outcome names its unit.
	exposure *experiment.Exposure
	unit     uint64
	// request is the hash of the request's id, where the outcome names that.
	request uint64
	event   string
	value   float64
	truth   string
	keyed   bool
	key     [16]byte
	at      int64
}

// admit checks a batch and opens its tokens.
func (l *Ledger) admit(j *join, outcomes []experiment.UnitOutcome, now time.Time) ([]admitted, error) {
	if err := experiment.CheckOutcomes(outcomes); err != nil {
		return nil, err
	}
	batch := make([]admitted, len(outcomes))
	for i := range outcomes {
		o := &outcomes[i]
		a := &batch[i]
		at := o.At
		if at.IsZero() {
			at = now
		}
		if at.After(now.Add(ahead)) {
			return nil, experiment.InvalidAt(experiment.OutcomePath(i, "time"), "%s lies %s in the future", at.Format(time.RFC3339), at.Sub(now).Round(time.Second)).
				WithHint("set the sender's clock, or leave time out")
		}
		*a = admitted{event: o.Event, value: o.Value, at: at.UnixMilli(), keyed: o.Key != ""}
		if j.truths[o.Event] {
			a.truth = truthOf(o)
		}
		if a.keyed {
			sum := sha256.Sum256([]byte(o.Key))
			copy(a.key[:], sum[:])
		}
		if o.Request != "" {
			a.request = l.options.Key.HashUnit(o.Request)
			continue
		}
		if o.Token == "" {
			a.unit = l.options.Key.HashUnit(o.Unit)
			continue
		}
		e, err := l.open(j, o.Token, now)
		if err != nil {
			return nil, experiment.InvalidAt(experiment.OutcomePath(i, "token"), "%s", err.Message).WithHint("%s", err.Hint)
		}
		a.exposure, a.unit = &e, e.Unit
	}
	return batch, nil
}

func (l *Ledger) open(j *join, token string, now time.Time) (experiment.Exposure, *experiment.Error) {
	e, err := l.options.Key.Open(j.experiment, token)
	if err != nil {
		if ours, ok := errors.AsType[*experiment.Error](err); ok {
			return e, ours
		}
		return e, experiment.Errorf(experiment.CodeInvalid, "%w", err)
	}
	switch age := now.Sub(e.At); {
	case age > j.retention():
		return e, experiment.Errorf(experiment.CodeInvalid, "exposure token expired: it is %s old", age.Round(time.Second)).
			WithHint("send outcomes within %s of their exposure", j.retention())
	case age < -ahead:
		return e, experiment.Errorf(experiment.CodeInvalid, "exposure token lies %s in the future", (-age).Round(time.Second)).
			WithHint("set the clocks of gateway and ledger")
	case e.Version >= j.versions:
		return e, experiment.Errorf(experiment.CodeInvalid, "exposure token names version %d of %d", e.Version, j.versions)
	}
	return e, nil
}

// result is what became of one outcome. Where it serves metrics of outcomes and
// of labels, the least is told.
type result int

const (
	accepted result = iota
	duplicate
	late
	unmatched
	unknown
)

// wantRecord asks for what a batch needs.
func (w *writer) wantRecord(j *join, batch []admitted, now time.Time) {
	for i := range batch {
		a := &batch[i]
		if id := (keyID{j.id, a.key}); a.keyed && !w.keys.has(id, now) {
			w.want.keys[j.id] = append(w.want.keys[j.id], a.key[:])
		}
		switch {
		case !j.events[a.event] || a.request != 0:
		case a.exposure != nil:
			w.wantRow(keyOf(j, a.exposure))
		default:
			w.wantUnit(unitOf{j.id, int64(a.unit)})
		}
		if j.truths[a.event] && len(w.pendingRows) == 0 { // Else it is too early.
			w.wantLabel(a.labels(j))
		}
	}
}

func (w *writer) record(j *join, batch []admitted, now time.Time) (receipt experiment.Receipt, unknowns int, err error) {
	if err := w.askLabels(j, batch); err != nil {
		return receipt, 0, err
	}
	for i := range batch {
		r, err := w.recordOne(j, &batch[i], now)
		if err != nil {
			return receipt, 0, err
		}
		switch r {
		case accepted:
			receipt.Accepted++
		case duplicate:
			receipt.Duplicates++
		case late:
			receipt.Late++
		case unmatched:
			receipt.Unmatched++
		case unknown:
			receipt.Unmatched++
			unknowns++
		}
	}
	return receipt, unknowns, nil
}

// recordOne stores one outcome. Only accepted outcomes take their key: one
// that found no unit or prediction may be sent again when there is one.
func (w *writer) recordOne(j *join, a *admitted, now time.Time) (result, error) {
	id := keyID{j.id, a.key}
	if a.keyed && w.keys.has(id, now) {
		return duplicate, nil
	}
	r := unknown
	if j.events[a.event] {
		r = unmatched
		if a.request == 0 { // Units are not known by requests.
			var err error
			if r, err = w.recordOutcome(j, a); err != nil {
				return 0, err
			}
		}
	}
	if j.truths[a.event] {
		told, err := w.recordLabel(j, a)
		if err != nil {
			return 0, err
		}
		r = min(r, told)
	}
	if r == accepted && a.keyed {
		w.keys.take(id, now.Add(j.retention()).UnixMilli())
	}
	return r, nil
}

// outcomeNumber names the number of the last outcome.
const outcomeNumber = "outcome"

func (w *writer) recordOutcome(j *join, a *admitted) (result, error) {
	k, window, r, err := w.match(j, a)
	if err != nil || r != accepted {
		return r, err
	}
	if w.number < 0 {
		if _, err := w.one(sqlNumber, []any{outcomeNumber}, &w.number); err != nil {
			return 0, fmt.Errorf("read the last outcome's number: %w", err)
		}
	}
	w.number++
	w.write.outcomes.add(k.experiment, k.epoch, k.phase, window, w.number, k.unit, a.event, a.value, a.at)
	return accepted, nil
}

// flushOutcomes writes the outcomes that wait.
func (w *writer) flushOutcomes() error {
	if w.write.outcomes.waiting() == 0 {
		return nil
	}
	if err := w.store.later(w.ctx, sqlSetNumber, outcomeNumber, w.number); err != nil {
		return fmt.Errorf("write the last outcome's number: %w", err)
	}
	return w.insertLater(w.write.outcomes)
}

// match finds the row that an outcome belongs to, and its window; a token makes
// it where it is missing.
func (w *writer) match(j *join, a *admitted) (k rowKey, window int64, r result, err error) {
	var found bool
	var first row
	if a.exposure != nil {
		k = keyOf(j, a.exposure)
		// A token does not say in which groups its unit was. Its exposure does,
		// and has come before it, unless it was dropped.
		first, found, err = w.expose(k, a.exposure, j.segments.unknown())
	} else {
		k, first, found, err = w.newest(unitOf{j.id, int64(a.unit)}, a.at)
		if err == nil && !found {
			return k, 0, unmatched, nil
		}
	}
	if err != nil {
		return k, 0, 0, fmt.Errorf("find exposure: %w", err)
	}
	h, err := w.horizon(k.phaseKey)
	if err != nil {
		return k, 0, 0, err
	}
	if !found || first.window < h.outcomes {
		return k, 0, late, nil
	}
	return k, first.window, accepted, nil
}
