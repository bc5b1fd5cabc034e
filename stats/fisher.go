// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

// maxFisherTrials bounds the exact sums over a hypergeometric distribution,
// whose length grows with the square root of the trials.
const maxFisherTrials = 1 << 31

// FisherExact is the exact test that two proportions are equal, given how many
// hits there were in all, at one look fixed in advance. p is two-sided: the
// probability of everything that is no more likely than what was seen. midP
// counts what is exactly as likely by half, which makes up for p being larger
// than it need be; its error rate can exceed alpha a little. Both versions
// together may have up to 2^31 trials. Without trials it is ErrNoData.
func FisherExact(candidate, baseline Counts) (p, midP float64, err error) {
	const fn = "FisherExact"
	if err := checkProportions(fn, candidate, baseline); err != nil {
		return 0, 0, err
	}
	if candidate.N > maxFisherTrials || baseline.N > maxFisherTrials || candidate.N+baseline.N > maxFisherTrials {
		return 0, 0, input.Refuse(fn, "trials", float64(candidate.N)+float64(baseline.N), "at most 2^31")
	}
	h := hypergeometric{
		candidate: float64(candidate.N), baseline: float64(baseline.N),
		hits: float64(candidate.X + baseline.X),
	}
	less, equal := h.unlikely(float64(candidate.X))
	return min(1, less+equal), min(1, less+equal/2), nil
}

// hypergeometric is how many of the hits fall to the candidate if both
// versions are alike.
type hypergeometric struct{ candidate, baseline, hits float64 }

// up is the probability of x+1 relative to that of x.
func (h hypergeometric) up(x float64) float64 {
	return (h.candidate - x) / (x + 1) * ((h.hits - x) / (h.baseline - h.hits + x + 1))
}

// sameProbability is the relative difference below which two outcomes count as
// equally likely: rounding must not decide on which side they fall.
const sameProbability = 1e-7

// unlikely is the probability of the outcomes that are less likely than x, and
// of those that are as likely. Everything is relative to the outcome x, so
// that far tails keep their digits; where the mode is too far above it to be
// represented, the probability is 0.
func (h hypergeometric) unlikely(x float64) (less, equal float64) {
	low, high := max(0, h.hits-h.baseline), min(h.candidate, h.hits)
	total := 0.0
	visit := func(term float64) {
		total += term
		switch {
		case term < 1-sameProbability:
			less += term
		case term <= 1+sameProbability:
			equal += term
		}
	}
	visit(1)
	for k, term := x, 1.0; k < high; k++ {
		up := h.up(k)
		if term *= up; up < 1 && term < 1e-18 || math.IsInf(total, 1) {
			break
		}
		visit(term)
	}
	for k, term := x, 1.0; k > low; k-- {
		up := h.up(k - 1)
		if term /= up; up > 1 && term < 1e-18 || math.IsInf(total, 1) {
			break
		}
		visit(term)
	}
	if math.IsInf(total, 1) {
		return 0, 0
	}
	return less / total, equal / total
}
