// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

// Spender is Boundaries for looks that come one by one: each costs what it
// costs, and not what all looks before it have cost once more. It is a value;
// Next makes a new one and leaves the old one as it was, so that the same look
// may be tried again, or another in its place. Boundaries are those of
// Boundaries, but for rounding in the twelfth digit.
type Spender struct {
	alpha float64
	spend Spending
	looks int
	first float64 // information of the first look, the unit of times
	last  Look
	bound float64 // of the last look
	spent float64
	// walk stands before the last look that brought information, whose bound
	// is open: how finely its density has to be resolved depends on how far
	// away the next look is.
	walk walk
	open bool
}

// NewSpender begins a one-sided group-sequential test at level alpha.
func NewSpender(alpha float64, spend Spending) (Spender, error) {
	const fn = "NewSpender"
	if err := input.Fraction(fn, "alpha", alpha); err != nil {
		return Spender{}, err
	}
	if spend == nil {
		return Spender{}, input.Refuse(fn, "spend", 0, "a spending function")
	}
	return Spender{alpha: alpha, spend: spend}, nil
}

// Next returns the boundary of the next look, and what follows it. Looks obey
// the rules of Boundaries.
func (s Spender) Next(look Look) (Spender, float64, error) {
	const fn = "Spender.Next"
	if err := s.check(fn, look); err != nil {
		return s, 0, err
	}
	target := s.spend(s.alpha, look.Spent)
	if !(target >= 0 && target <= s.alpha*(1+1e-12)) {
		return s, 0, input.Refuse(fn, "spending function", target, "from 0 to alpha")
	}
	if s.looks == 0 {
		s.first = look.Information
	}
	s.looks++
	s.last = look
	time := look.Information / s.first
	if s.open {
		// walk.times is that of the open look alone, or of the one before it too.
		k := len(s.walk.times) - 1
		if time <= s.walk.times[k]*(1+sameInformation) {
			return s, s.bound, nil
		}
		s.walk.times = append(s.walk.times[:k+1:k+1], time)
		s.walk.advance(k, math.Inf(-1), s.bound)
		s.walk.times, s.walk.last = s.walk.times[k:], 0
	} else {
		s.walk.times = []float64{time}
	}
	k := len(s.walk.times) - 1
	s.bound, s.open = s.walk.solve(k, target-s.spent), true
	if math.Abs(s.bound) < maxBound {
		s.spent = target
	} else {
		s.spent += s.walk.above(k, s.bound*math.Sqrt(s.walk.times[k]))
	}
	return s, s.bound, nil
}

func (s Spender) check(fn string, l Look) error {
	switch {
	case s.spend == nil:
		return input.Refuse(fn, "spender", 0, "one made by NewSpender")
	case s.looks >= MaxLooks:
		return input.Refuse(fn, "number of looks", float64(s.looks+1), "from 1 to 250")
	case !(l.Spent > 0 && l.Spent <= 1 && l.Spent >= s.last.Spent):
		return input.Refuse(fn, "spent", l.Spent, "above 0, at most 1 and not less than before")
	}
	if err := input.Positive(fn, "information", l.Information); err != nil {
		return err
	}
	if l.Information < s.last.Information {
		return input.Refuse(fn, "information", l.Information, "not less than before")
	}
	if s.looks > 0 && !(s.first >= leastInformation*l.Information) {
		return input.Refuse(fn, "information", s.first, "at least 1e-12 of the last look's")
	}
	return nil
}
