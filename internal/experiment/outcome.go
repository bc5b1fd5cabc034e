// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// UnitOutcome is one measured consequence of an exposure: a click, a purchase,
// a refund, now or days later. (Outcome is how an experiment ended.)
type UnitOutcome struct {
	// Token is the exposure token that came with the answer; it needs no
	// stored exposure. Exactly one of Token, Unit and Request is set.
	Token string
	// Request is the id of the request that the outcome is of, as it came with
	// it; only labels, which are of predictions, can be found by it.
	Request string
	// Unit is the unit's id as the application knows it. It is hashed before
	// it is stored.
	Unit  string
	Event string
	Value float64
	// Label is the true class, where the event is that of labels; empty is
	// Value as a decimal number.
	Label string
	// Key makes the outcome count once, however often it is sent; without a
	// key every sending counts.
	Key string
	// At is when it happened; zero means when it arrived.
	At time.Time
}

// Receipt says what became of a batch of outcomes; its numbers sum to the
// batch's size.
type Receipt struct {
	Accepted   int `json:"accepted"`
	Duplicates int `json:"duplicates"`
	// Late outcomes belong to a window that is sealed: they are not added.
	Late int `json:"late"`
	// Unmatched outcomes belong to no exposed unit, or no metric knows their
	// event.
	Unmatched int `json:"unmatched"`
}

// Bounds of a batch of outcomes.
const (
	// MaxOutcomes is how many outcomes one call may carry.
	MaxOutcomes = 1000
	// MaxOutcomeText is the greatest length of an event, unit or key, in
	// bytes.
	MaxOutcomeText = 256
	// MaxOutcomeValue bounds a value's size, so that sums of squares stay
	// finite: one sum that does not would spoil its cell for ever.
	MaxOutcomeValue = 1e100
)

// FieldError says which part of an input is wrong, as a path such as
// outcomes[3].value. It is the cause inside an Error of CodeInvalid.
type FieldError struct {
	Path string
	// Problem is the value and what is wrong with it. It never repeats a token
	// or a unit.
	Problem string
}

func (e *FieldError) Error() string { return e.Path + ": " + e.Problem }

// InvalidAt makes an Error of CodeInvalid about one field.
func InvalidAt(path, format string, args ...any) *Error {
	return Errorf(CodeInvalid, "%w", &FieldError{Path: path, Problem: fmt.Sprintf(format, args...)})
}

// PathOf is the path of the field that an error is about, or nothing.
func PathOf(err error) string {
	if e, ok := errors.AsType[*FieldError](err); ok {
		return e.Path
	}
	return ""
}

// OutcomePath is the path of a field of the i-th outcome of a batch.
func OutcomePath(i int, field string) string {
	return "outcomes[" + strconv.Itoa(i) + "]." + field
}

// CheckOutcomes reports the first outcome of a batch that is malformed,
// whatever the experiment.
func CheckOutcomes(outcomes []UnitOutcome) error {
	if len(outcomes) > MaxOutcomes {
		return InvalidAt("outcomes", "%d outcomes in one call: want at most %d", len(outcomes), MaxOutcomes).
			WithHint("send them in several calls")
	}
	for i := range outcomes {
		if err := outcomes[i].check(i); err != nil {
			return err
		}
	}
	return nil
}

func (o *UnitOutcome) check(i int) error {
	switch {
	case o.Event == "":
		return InvalidAt(OutcomePath(i, "event"), "is missing").
			WithHint("name the event as the plan's metrics do")
	case o.Token == "" && o.Unit == "" && o.Request == "":
		return InvalidAt(OutcomePath(i, "token"), "is missing, and so is unit").
			WithHint("send the value of X-Headgate-Exposure as token, or the unit's id as unit")
	case o.Request != "" && (o.Token != "" || o.Unit != ""):
		return InvalidAt(OutcomePath(i, "request"), "stands beside token or unit").
			WithHint("send one of token, unit and request")
	case o.Token != "" && o.Unit != "":
		return InvalidAt(OutcomePath(i, "unit"), "stands beside token").
			WithHint("send token or unit, not both")
	case math.IsNaN(o.Value) || math.IsInf(o.Value, 0):
		return InvalidAt(OutcomePath(i, "value"), "%v is not a finite number", o.Value).
			WithHint("leave out outcomes that have no value")
	case math.Abs(o.Value) > MaxOutcomeValue:
		return InvalidAt(OutcomePath(i, "value"), "%g is beyond %g", o.Value, float64(MaxOutcomeValue)).
			WithHint("send the value in a larger unit")
	}
	for _, f := range []struct{ name, text string }{{"event", o.Event}, {"unit", o.Unit}, {"request", o.Request}, {"label", o.Label}, {"key", o.Key}} {
		if len(f.text) > MaxOutcomeText {
			return InvalidAt(OutcomePath(i, f.name), "has %d bytes: want at most %d", len(f.text), MaxOutcomeText).
				WithHint("send a shorter %s", f.name)
		}
	}
	return nil
}
