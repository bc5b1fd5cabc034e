// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

// Look is one planned interim analysis.
type Look struct {
	// Spent is the time at which alpha is spent, the planned fraction of the
	// experiment, in (0, 1] and never decreasing.
	Spent float64 `json:"spent"`
	// Information is what the look knows, in any positive unit that is
	// proportional to 1/SE^2, such as units seen. Only ratios matter. It never
	// decreases.
	Information float64 `json:"information"`
}

const (
	// maxBound is the largest boundary: a probability of 1e-16 is as good as
	// nothing spent, and root finding has nothing to hold on to beyond.
	maxBound = 8.2
	// sameInformation is the relative growth of information below which a
	// look has learned nothing and keeps the boundary of the one before.
	sameInformation = 1e-5
	// leastInformation is the smallest share of the last look's information
	// that a look may have. Far below it, fractions would underflow.
	leastInformation = 1e-12
	// MaxLooks is the largest number of looks that one schedule may have.
	MaxLooks = 250
)

// Boundaries returns the one-sided upper boundaries z_1..z_K of a
// group-sequential test: the probability that a standard normal statistic with
// the looks' information ever reaches its boundary is alpha, spent as spend
// says. For a symmetric two-sided test use alpha/2 and both signs.
//
// The boundary of a look depends on that look and those before it alone, so
// looks may be appended as they happen, in number and timing not foreseen, as
// long as neither was chosen by what the statistic showed. A look that brings
// less than 0.001 % more information reuses the boundary before it and spends
// nothing; what it left unspent goes to the next. Boundaries are at most 8.2.
//
// The integration is that of Armitage, McPherson and Rowe (1969), by
// Gauss-Legendre quadrature over the continuation region.
func Boundaries(looks []Look, alpha float64, spend Spending) ([]float64, error) {
	const fn = "Boundaries"
	if err := input.First(checkLooks(fn, looks), input.Fraction(fn, "alpha", alpha)); err != nil {
		return nil, err
	}
	if spend == nil {
		return nil, input.Refuse(fn, "spend", 0, "a spending function")
	}
	bounds := make([]float64, 0, len(looks))
	w := walk{times: informationTimes(looks)}
	spent := 0.0
	for k, look := range looks {
		target := spend(alpha, look.Spent)
		if !(target >= 0 && target <= alpha*(1+1e-12)) {
			return nil, input.Refuse(fn, "spending function", target, "from 0 to alpha")
		}
		if w.repeats(k) {
			bounds = append(bounds, bounds[k-1])
			continue
		}
		z := w.solve(k, target-spent)
		bounds = append(bounds, z)
		// Not the sum of what was spent, whose rounding would leave a later
		// look with a little to spend where there is nothing.
		if out := w.advance(k, math.Inf(-1), z); math.Abs(z) < maxBound {
			spent = target
		} else {
			spent += out
		}
	}
	return bounds, nil
}

// CrossingProbability returns, for each look, the probability that the
// statistic reaches its boundary there for the first time, when its expectation
// at look k is drift*sqrt(I_k/I_K): drift is the expectation at the last look,
// 0 under the null hypothesis. The sum is the power or the error rate.
func CrossingProbability(bounds []float64, looks []Look, drift float64) ([]float64, error) {
	return crossing("CrossingProbability", bounds, looks, drift, false)
}

// TwoSidedCrossingProbability is CrossingProbability for the absolute value of
// the statistic against boundaries that are 0 or more. With 1.96 at each look
// it is what peeking at a fixed-sample test does.
func TwoSidedCrossingProbability(bounds []float64, looks []Look, drift float64) ([]float64, error) {
	return crossing("TwoSidedCrossingProbability", bounds, looks, drift, true)
}

func crossing(fn string, bounds []float64, looks []Look, drift float64, both bool) ([]float64, error) {
	if err := input.First(checkLooks(fn, looks), input.Finite(fn, "drift", drift)); err != nil {
		return nil, err
	}
	if len(bounds) != len(looks) {
		return nil, input.Refuse(fn, "number of bounds", float64(len(bounds)), "one for each look")
	}
	out := make([]float64, len(looks))
	w := walk{times: informationTimes(looks), drift: drift}
	for k, b := range bounds {
		if err := input.Finite(fn, "bound", b); err != nil {
			return nil, err
		}
		low := math.Inf(-1)
		if both {
			if low = -b; b < 0 {
				return nil, input.Refuse(fn, "bound", b, "0 or more")
			}
		}
		if w.repeats(k) {
			// The same statistic again: only a lower boundary could add to it.
			if b < bounds[k-1] {
				return nil, input.Refuse(fn, "bound", b, "no lower than the one before at the same information")
			}
			continue
		}
		out[k] = w.advance(k, low, b)
	}
	return out, nil
}

// Inflation is the factor by which a group-sequential test's largest sample
// exceeds that of a fixed one-sided test with the same alpha and power. It
// needs alpha < power < 1.
func Inflation(looks []Look, alpha, power float64, spend Spending) (float64, error) {
	const fn = "Inflation"
	if err := levels(fn, alpha, power); err != nil {
		return 0, err
	}
	bounds, err := Boundaries(looks, alpha, spend)
	if err != nil {
		return 0, err
	}
	fixed := NormalQuantile(power) - NormalQuantile(alpha)
	drift, err := driftFor(fn, bounds, looks, power, fixed+10)
	if err != nil {
		return 0, err
	}
	return (drift / fixed) * (drift / fixed), nil
}

// checkLooks refuses schedules that are empty, too long or run backwards.
func checkLooks(fn string, looks []Look) error {
	if len(looks) == 0 || len(looks) > MaxLooks {
		return input.Refuse(fn, "number of looks", float64(len(looks)), "from 1 to 250")
	}
	before := Look{}
	for _, l := range looks {
		if !(l.Spent > 0 && l.Spent <= 1 && l.Spent >= before.Spent) {
			return input.Refuse(fn, "spent", l.Spent, "above 0, at most 1 and not less than before")
		}
		if err := input.Positive(fn, "information", l.Information); err != nil {
			return err
		}
		if l.Information < before.Information {
			return input.Refuse(fn, "information", l.Information, "not less than before")
		}
		before = l
	}
	if first := looks[0].Information; !(first >= leastInformation*before.Information) {
		return input.Refuse(fn, "information", first, "at least 1e-12 of the last look's")
	}
	return nil
}

// informationTimes are the information fractions I_k/I_K.
func informationTimes(looks []Look) []float64 {
	t := make([]float64, len(looks))
	last := looks[len(looks)-1].Information
	for k, l := range looks {
		t[k] = l.Information / last
	}
	return t
}
