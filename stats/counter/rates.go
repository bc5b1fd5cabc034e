// SPDX-License-Identifier: Apache-2.0

package counter

import (
	"fmt"
	"math"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
)

// Events are independent events and what they were counted over.
type Events struct {
	// Count is the number of events, 0 or more.
	Count int64
	// Exposure is what the rate is per, such as requests or seconds: above 0.
	Exposure float64
}

// twoRates checks two counts and returns their sum and the probability, under
// equal rates, that an event is the candidate's.
func twoRates(fn string, candidate, baseline Events) (n int64, p float64, err error) {
	for _, e := range []Events{candidate, baseline} {
		if e.Count < 0 || e.Count > 1<<39 {
			return 0, 0, input.Refuse(fn, "events", float64(e.Count), "from 0 to 2^39")
		}
		if err := input.Positive(fn, "exposure", e.Exposure); err != nil {
			return 0, 0, err
		}
	}
	n = candidate.Count + baseline.Count
	if n == 0 {
		return 0, 0, input.NoData(fn, "no events")
	}
	p = 1 / (1 + baseline.Exposure/candidate.Exposure)
	if !(p > 1e-12 && p < 1-1e-12) {
		return 0, 0, input.Refuse(fn, "exposure", candidate.Exposure, "within a factor of 1e12 of the baseline's")
	}
	return n, p, nil
}

// RateRatioP is the exact two-sided p-value of "both rates are equal": given
// all events, those of the candidate are binomial with its share of the
// exposure (Przyborowski and Wilenski 1940). It sums the probabilities of all
// splits that are not likelier than what was seen, as poisson.test of R does.
// Events must be independent; see QuasiPoisson and PairedLogRatio where they
// come in bursts. Without any event it is stats.ErrNoData.
func RateRatioP(candidate, baseline Events) (float64, error) {
	const fn = "counter.RateRatioP"
	n, p, err := twoRates(fn, candidate, baseline)
	if err != nil {
		return 0, err
	}
	x, y := candidate.Count, baseline.Count
	if float64(x) < float64(n)*p {
		// Count the other version's events, so that x lies above its mean.
		x, y, p = y, x, 1-p
	}
	above, err := tail(x, n, p)
	if err != nil {
		return 0, err
	}
	// Splits as likely to within 1e-7 count as equally likely.
	const slack = 1e-7
	odds := math.Log(p) - math.Log1p(-p)
	seen := logSplit(x, y, odds)
	low, high := int64(-1), int64(math.Floor(float64(n)*p)) // likelier than seen at high
	if logSplit(high, n-high, odds) <= seen+slack {
		return 1, nil
	}
	for high-low > 1 {
		if k := low + (high-low)/2; logSplit(k, n-k, odds) <= seen+slack {
			low = k
		} else {
			high = k
		}
	}
	below, err := tail(n-low, n, 1-p) // P(X <= low)
	return min(1, above+below), err
}

// tail is P(X >= x) for X binomial(n, p).
func tail(x, n int64, p float64) (float64, error) {
	if x > n {
		return 0, nil
	}
	return stats.BinomialTestGreater(x, n, p)
}

// logSplit is the logarithm of the probability of a split, up to a constant.
func logSplit(x, y int64, odds float64) float64 {
	lx, _ := math.Lgamma(float64(x) + 1)
	ly, _ := math.Lgamma(float64(y) + 1)
	return float64(x)*odds - lx - ly
}

// RateRatioInterval is the exact confidence interval for candidate rate over
// baseline rate at conf, such as 0.95, at one look fixed in advance (Clopper
// and Pearson's, of the candidate's share of events). Each side errs with at
// most (1-conf)/2, so near the edge it may hold 1 where RateRatioP is below
// 1-conf. A baseline without events is stats.ErrNoData, since there is no upper
// bound: exchange the two for a lower one.
func RateRatioInterval(candidate, baseline Events, conf float64) (stats.Interval, error) {
	const fn = "counter.RateRatioInterval"
	n, _, err := twoRates(fn, candidate, baseline)
	if err := input.First(err, input.Fraction(fn, "conf", conf)); err != nil {
		return stats.Interval{}, err
	}
	if baseline.Count == 0 {
		return stats.Interval{}, input.NoData(fn, "the baseline has no events")
	}
	share, err := stats.ClopperPearson(stats.Counts{N: n, X: candidate.Count}, conf)
	if err != nil {
		return stats.Interval{}, fmt.Errorf("stats: counter.%s: %w", fn, err)
	}
	scale := baseline.Exposure / candidate.Exposure
	out := stats.Interval{Low: share.Low / (1 - share.Low) * scale, High: share.High / (1 - share.High) * scale}
	return out, input.First(input.Finite(fn, "low", out.Low), input.Finite(fn, "high", out.High))
}

// LogRateRatio estimates ln(candidate rate/baseline rate) with the standard
// error sqrt(1/x_c + 1/x_b) of independent events. A version without events is
// stats.ErrNoData; below about ten in each use RateRatioP.
func LogRateRatio(candidate, baseline Events) (stats.Estimate, error) {
	const fn = "counter.LogRateRatio"
	if _, _, err := twoRates(fn, candidate, baseline); err != nil {
		return stats.Estimate{}, err
	}
	if candidate.Count == 0 || baseline.Count == 0 {
		return stats.Estimate{}, input.NoData(fn, "a version without events")
	}
	c, b := float64(candidate.Count), float64(baseline.Count)
	return stats.Estimate{
		Value: math.Log(c/b) - math.Log(candidate.Exposure/baseline.Exposure),
		SE:    math.Sqrt(1/c + 1/b),
	}, nil
}
