// SPDX-License-Identifier: Apache-2.0

package multiple

import "github.com/headgate-dev/headgate/stats/internal/input"

// Levels are the alphas that single comparisons are made at.
type Levels struct {
	// Primary is for each candidate's comparison on the primary metric.
	Primary float64 `json:"primary"`
	// Other is for each candidate's comparison on each other metric; 0 if there
	// is none.
	Other float64 `json:"other"`
}

// PreferentialBonferroni divides alpha over candidates and metrics before the
// data: the share preference of it goes to the primary metric, the rest to the
// others, evenly over candidates,
//
//	primary = preference alpha/candidates,
//	other   = (1-preference) alpha/(candidates (metrics-1)),
//
// where metrics counts the primary one. A single metric gets all of alpha. The
// sum over all comparisons is at most alpha, so nothing is assumed about how
// they depend on each other.
func PreferentialBonferroni(alpha, preference float64, candidates, metrics int) (Levels, error) {
	const fn = "multiple.PreferentialBonferroni"
	if err := input.Fraction(fn, "alpha", alpha); err != nil {
		return Levels{}, err
	}
	if err := input.Fraction(fn, "preference", preference); err != nil {
		return Levels{}, err
	}
	if candidates < 1 {
		return Levels{}, input.Refuse(fn, "candidates", float64(candidates), "1 or more")
	}
	if metrics < 1 {
		return Levels{}, input.Refuse(fn, "metrics", float64(metrics), "1 or more")
	}
	each := alpha / float64(candidates)
	if metrics == 1 {
		return Levels{Primary: each}, nil
	}
	return Levels{Primary: preference * each, Other: (1 - preference) * each / float64(metrics-1)}, nil
}
