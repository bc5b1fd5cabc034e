// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"fmt"
	"math"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// mostCounted is the largest count that a float64 tells from its neighbours.
const mostCounted = 1 << 53

// Told is what one window's numbers of one version come to: evidence, nothing
// (there was none of it), or Why they cannot be.
type Told struct {
	experiment.Evidence
	Some bool
	Why  string
}

// Counts are exact counts. They must be whole, and events no more than total.
func Counts(events, total float64) Told {
	switch {
	case !whole(total) || !whole(events):
		return Told{Why: fmt.Sprintf("has %v of %v, which are no counts", events, total)}
	case events > total:
		return Told{Why: fmt.Sprintf("has %v events of %v in all", events, total)}
	case total == 0:
		return Told{}
	}
	return Told{Some: true, Evidence: experiment.Evidence{Counts: stats.Counts{N: int64(total), X: int64(events)}}}
}

// Ratio makes a window one observation of a sum over a count, which need not be
// whole: providers estimate counts.
func Ratio(sum, count float64) Told {
	switch {
	case !finite(sum) || !finite(count) || count < 0 || count == 0 && sum != 0:
		return Told{Why: fmt.Sprintf("has a sum of %v over %v", sum, count)}
	case count == 0:
		return Told{}
	}
	return Told{Some: true, Evidence: experiment.WindowEvidence(sum, count)}
}

// Value makes a window one observation.
func Value(value float64) Told {
	if !finite(value) {
		return Told{Why: fmt.Sprintf("is %v", value)}
	}
	return Told{Some: true, Evidence: experiment.WindowEvidence(value, 1)}
}

// rounding is how far, relative to the sum of squares, sums that were rounded can
// seem impossible.
const rounding = 1e-9

// Moments are those of n independent units whose values sum to sum and whose
// squares to squares. By Cauchy and Schwarz squares is at least sum²/n. What two
// large sums leave of each other is only as exact as they are.
func Moments(n, sum, squares float64) Told {
	bad := Told{Why: fmt.Sprintf("has a sum of %v and of squares %v over %v units, which cannot be", sum, squares, n)}
	switch {
	case !whole(n) || !finite(sum) || !finite(squares) || squares < 0:
		return bad
	case n == 0 && (sum != 0 || squares != 0):
		return bad
	case n == 0:
		return Told{}
	}
	m2 := squares - sum*(sum/n)
	if m2 < -rounding*squares || !finite(m2) {
		return bad
	}
	return OfUnits(stats.Pair{N: int64(n), MeanY: sum / n, MeanX: 1, M2Y: max(0, m2)})
}

// OfUnits is the evidence of units. They are counted beside their moments, which
// tells them from windows.
func OfUnits(p stats.Pair) Told {
	if p.N == 0 {
		return Told{}
	}
	return Told{Some: true, Evidence: experiment.Evidence{Units: p, Counts: stats.Counts{N: p.N}}}
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

func whole(x float64) bool { return x >= 0 && x <= mostCounted && math.Trunc(x) == x }

// Over is a ratio for a reading: nil where it has no value.
func Over(y, x float64) *float64 {
	r := y / x
	if x == 0 || !finite(r) {
		return nil
	}
	return &r
}
