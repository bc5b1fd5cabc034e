// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

// Counts are trials and the hits among them: requests and errors, units and
// conversions. The zero value is no trials.
type Counts struct {
	// N is the number of trials.
	N int64 `json:"n"`
	// X is the number of hits, from 0 to N.
	X int64 `json:"x"`
}

// Merge adds two counts of different trials.
func (c Counts) Merge(o Counts) Counts {
	return Counts{N: c.N + o.N, X: c.X + o.X}
}

// Valid reports an *InputError unless 0 <= X <= N.
func (c Counts) Valid() error { return c.check("Counts.Valid") }

func (c Counts) check(fn string) error {
	if c.N < 0 {
		return input.Refuse(fn, "trials", float64(c.N), "0 or more")
	}
	if c.X < 0 || c.X > c.N {
		return input.Refuse(fn, "hits", float64(c.X), "between 0 and the number of trials")
	}
	return nil
}

// Proportion estimates the probability of a hit as X/N with the standard error
// sqrt(p(1-p)/N). That error is 0 when X is 0 or N, which means "unknown", not
// "certain": use BernoulliInterval or ClopperPearson for few hits.
func (c Counts) Proportion() (Estimate, error) {
	if err := c.check("Counts.Proportion"); err != nil {
		return Estimate{}, err
	}
	if c.N == 0 {
		return Estimate{}, input.NoData("Counts.Proportion", "no trials")
	}
	n := float64(c.N)
	p := float64(c.X) / n
	return Estimate{Value: p, SE: math.Sqrt(p * (float64(c.N-c.X) / n) / n)}, nil
}
