// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

// AUC estimates how often a positive case scores above a negative one, ties
// counted by half: the area under the ROC curve, with the standard error of
// DeLong, DeLong and Clarke-Pearson (1988). It is that of CompareAUC in package
// paired for the same cases, taken from their counts. Cases must be independent.
//
// It needs two positive and two negative cases, else it is ErrNoData, and some
// 30 of each for the standard error to mean much. That error is 0 where every
// positive case scores above every negative one, which means "unknown", not
// "certain". Scores that do not rise, or counts below 0, are an *InputError.
func (s Scores) AUC() (Estimate, error) {
	const fn = "Scores.AUC"
	if err := s.check(fn); err != nil {
		return Estimate{}, err
	}
	negative, positive := s.Total()
	if negative < 2 || positive < 2 {
		return Estimate{}, input.NoData(fn, "fewer than two positive or negative cases")
	}
	n, m := float64(negative), float64(positive)
	// What DeLong calls V10 of a positive case is the share of the negative ones
	// that it beats; V01 of a negative case the share of the positive ones that
	// beat it. All cases of one score have the same, so that they are moments
	// with weights.
	var v10, v01 Moments
	var below ScoreCount // Counted so far.
	for _, c := range s {
		if c.Positive > 0 {
			beaten := (float64(below.Negative) + float64(c.Negative)/2) / n
			v10 = v10.Merge(Moments{N: c.Positive, Mean: beaten})
		}
		if c.Negative > 0 {
			lost := (float64(positive-below.Positive) - float64(c.Positive)/2) / m
			v01 = v01.Merge(Moments{N: c.Negative, Mean: lost})
		}
		below.Negative += c.Negative
		below.Positive += c.Positive
	}
	variance := v10.M2/(m-1)/m + v01.M2/(n-1)/n
	return Estimate{Value: v10.Mean, SE: math.Sqrt(variance)}, nil
}

// check refuses counts that no adding up made.
func (s Scores) check(fn string) error {
	last := math.Inf(-1)
	for _, c := range s {
		switch {
		case c.Negative < 0 || c.Positive < 0:
			return input.Refuse(fn, "count", float64(min(c.Negative, c.Positive)), "0 or more")
		case math.IsInf(c.Score, 0) || !(c.Score > last):
			return input.Refuse(fn, "score", c.Score, "a finite number above the one before")
		}
		last = c.Score
	}
	return nil
}

// Quantile is the smallest score that at least a share q of the scores, whatever
// their labels, do not exceed. Without scores it is ErrNoData.
func (s Scores) Quantile(q float64) (float64, error) {
	const fn = "Scores.Quantile"
	if err := input.Fraction(fn, "q", q); err != nil {
		return 0, err
	}
	negative, positive := s.Total()
	if negative+positive <= 0 {
		return 0, input.NoData(fn, "no scores")
	}
	want, have := q*float64(negative+positive), int64(0)
	for _, c := range s {
		if have += c.Negative + c.Positive; float64(have) >= want {
			return c.Score, nil
		}
	}
	return s[len(s)-1].Score, nil
}
