// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"errors"
	"fmt"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

// ErrNoData is wrapped by every error that says "not yet": no observations,
// fewer than two where a variance is needed, a denominator of zero, or a
// standard error of zero. More data cures it; callers report undecided.
var ErrNoData = input.ErrNoData

// ErrImpossible is wrapped where observations cannot have come from what is
// being tested, such as a unit in a version whose share is zero. The evidence
// is infinite, and infinity is not a number to store, so it is an error that
// the caller treats as a mismatch.
var ErrImpossible = errors.New("impossible under the hypothesis")

// InputError says that an argument is outside the domain of a function; more
// data does not cure it. Func is the exported function or method, with the name
// of the package before it in a subpackage, and Arg its argument. Value is what
// was passed; for slices, the offending element or length. Want describes what
// would have been accepted.
type InputError = input.Error

// level refuses what is no two-sided alpha, of which halves must be above 0.
func level(fn string, alpha float64) error {
	if !(alpha >= 1e-300 && alpha < 1) {
		return input.Refuse(fn, "alpha", alpha, "a number above 1e-300 and below 1")
	}
	return nil
}

// result passes a computed estimate on unless it overflowed.
func result(fn string, e Estimate) (Estimate, error) {
	if err := input.First(input.Finite(fn, "value", e.Value), input.Finite(fn, "standard error", e.SE)); err != nil {
		return Estimate{}, err
	}
	return e, nil
}

// impossible wraps ErrImpossible with the version that should have no units.
func impossible(fn string, version int, units int64) error {
	return fmt.Errorf("stats: %s: version %d has no share and %d units: %w", fn, version, units, ErrImpossible)
}
