// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"crypto/sha256"
	"database/sql"
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
// with a Key can be sent again safely.
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
	event    string
	value    float64
	keyed    bool
	key      [16]byte
	at       int64
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
		if a.keyed {
			sum := sha256.Sum256([]byte(o.Key))
			copy(a.key[:], sum[:])
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

// result is what became of one outcome.
type result int

const (
	accepted result = iota
	duplicate
	late
	unmatched
	unknown
)

func (w *writer) record(j *join, batch []admitted, now time.Time) (receipt experiment.Receipt, unknowns int, err error) {
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
// that found no unit may be sent again when its unit has been exposed.
func (w *writer) recordOne(j *join, a *admitted, now time.Time) (result, error) {
	if a.keyed {
		known, err := w.known(j, a, now)
		if err != nil || known {
			return duplicate, err
		}
	}
	if !j.events[a.event] {
		return unknown, nil
	}
	k, r, err := w.match(j, a)
	if err != nil || r != accepted {
		return r, err
	}
	if _, err := w.stmt.addOutcome.ExecContext(w.ctx, k.experiment, k.unit, k.epoch, k.phase, a.event, a.value, a.at); err != nil {
		return 0, fmt.Errorf("write outcome: %w", err)
	}
	if a.keyed {
		if _, err := w.stmt.addKey.ExecContext(w.ctx, j.id, a.key[:], now.Add(j.retention()).UnixMilli()); err != nil {
			return 0, fmt.Errorf("write key: %w", err)
		}
	}
	return accepted, nil
}

func (w *writer) known(j *join, a *admitted, now time.Time) (bool, error) {
	var one int
	err := w.stmt.key.QueryRowContext(w.ctx, j.id, a.key[:], now.UnixMilli()).Scan(&one)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, fmt.Errorf("read key: %w", err)
	}
	return err == nil, nil
}

// match finds the row that an outcome belongs to; a token makes it where it is
// missing.
func (w *writer) match(j *join, a *admitted) (k rowKey, r result, err error) {
	var found bool
	var first row
	if a.exposure != nil {
		k = keyOf(j, a.exposure)
		// A token does not say in which groups its unit was. Its exposure does,
		// and has come before it, unless it was dropped.
		first, found, err = w.expose(k, a.exposure, j.segments.unknown())
	} else {
		k = rowKey{phaseKey{experiment: j.id}, int64(a.unit)}
		err = w.stmt.newest.QueryRowContext(w.ctx, j.id, k.unit, a.at).Scan(&k.epoch, &k.phase)
		if errors.Is(err, sql.ErrNoRows) {
			return k, unmatched, nil
		}
		if err == nil {
			first, found, err = w.row(k)
		}
	}
	if err != nil {
		return k, 0, fmt.Errorf("find exposure: %w", err)
	}
	h, err := w.horizon(k.phaseKey)
	if err != nil {
		return k, 0, err
	}
	if !found || first.window < h.outcomes {
		return k, late, nil
	}
	return k, accepted, nil
}
