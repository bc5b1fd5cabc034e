// SPDX-License-Identifier: Apache-2.0

package delayed

import (
	"fmt"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
)

// Cohort are units of about the same age, such as those of one window.
type Cohort struct {
	// Age is the time since their exposure, at the moment of counting.
	Age float64 `json:"age"`
	// Counts are the units, and those with an outcome so far.
	stats.Counts
}

func (c Cohort) check(fn string) error {
	if err := duration(fn, "age", c.Age); err != nil {
		return err
	}
	if err := c.Valid(); err != nil {
		return fmt.Errorf("stats: %s: cohort of age %g: %w", fn, c.Age, err)
	}
	return nil
}

// Matured adds up the cohorts that are at least as old as needed: outcome
// window plus the lag with which outcomes arrive. waiting is how many units
// are younger; they are left out whether they have an outcome or not, because
// those that have would come without those that will not. None matured is
// ErrNoData.
func Matured(cohorts []Cohort, needed float64) (matured stats.Counts, waiting int64, err error) {
	const fn = "delayed.Matured"
	if err := duration(fn, "needed", needed); err != nil {
		return stats.Counts{}, 0, err
	}
	for _, c := range cohorts {
		if err := c.check(fn); err != nil {
			return stats.Counts{}, 0, err
		}
		if c.Age >= needed {
			matured = matured.Merge(c.Counts)
		} else {
			waiting += c.N
		}
	}
	if matured.N == 0 {
		return stats.Counts{}, waiting, input.NoData(fn, "no unit is old enough")
	}
	return matured, waiting, matured.Valid()
}

// Weighted estimates the share of units that will have an outcome, from units
// of any age: outcomes over the units that could have shown one,
//
//	p = sum x_i / sum n_i F(age_i),
//
// where delay = F says which share of outcomes has come by an age, from 0 to 1
// and never falling. Its standard error is that of a ratio of sums over units
// by the delta method. F is taken as known: it must come from earlier units,
// many more than are judged here, and be the same for all versions that are
// compared (DelaysDiffer). Young cohorts can push the estimate above 1.
//
// No unit that could have shown an outcome is ErrNoData; an outcome where F is
// 0 is ErrImpossible.
func Weighted(cohorts []Cohort, delay func(age float64) float64) (stats.Estimate, error) {
	const fn = "delayed.Weighted"
	if delay == nil {
		return stats.Estimate{}, input.Refuse(fn, "delay", 0, "a function")
	}
	var units stats.Pair
	for _, c := range cohorts {
		if err := c.check(fn); err != nil {
			return stats.Estimate{}, err
		}
		f := delay(c.Age)
		if !(f >= 0 && f <= 1) {
			return stats.Estimate{}, input.Refuse(fn, "delay", f, "a share from 0 to 1")
		}
		if f == 0 && c.X > 0 {
			return stats.Estimate{}, fmt.Errorf("stats: %s: %d outcomes at age %g, before which there can be none: %w", fn, c.X, c.Age, stats.ErrImpossible)
		}
		if c.N == 0 {
			continue
		}
		// All units of a cohort have the same X = F, so that only the spread
		// of Y = 0 or 1 is left.
		y := float64(c.X) / float64(c.N)
		units = units.Merge(stats.Pair{N: c.N, MeanY: y, MeanX: f, M2Y: float64(c.N-c.X) * y})
	}
	return units.Ratio()
}
