// SPDX-License-Identifier: Apache-2.0

package quantile

import (
	"errors"
	"math"
	"testing"

	"github.com/headgate-dev/headgate/stats"
)

func closeTo(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol) {
		t.Errorf("%s = %.12g, want %.12g within %g", what, got, want, tol)
	}
}

func TestRanksOfTheMedianFromTables(t *testing.T) {
	// Ranks and coverage of the sign test's interval, as sums of binomial
	// coefficients: n = 10, P(2 <= X <= 8) = 1 - 22/1024.
	r, err := RanksFor(10, 0.5, 0.95, 1)
	if err != nil {
		t.Fatal(err)
	}
	if r.Low != 2 || r.High != 9 {
		t.Errorf("ranks %+v, want 2 and 9", r)
	}
	closeTo(t, "coverage", r.Coverage, 1-22./1024, 1e-12)
}

func TestRanksMeetTheirDefinition(t *testing.T) {
	// Against sums of binomial probabilities.
	for _, n := range []int64{1, 2, 5, 30, 381, 400} {
		for _, q := range []float64{0.01, 0.5, 0.9, 0.99} {
			for _, conf := range []float64{0.5, 0.95, 0.999} {
				r, err := RanksFor(n, q, conf, 1)
				if err != nil {
					t.Fatal(err)
				}
				cdf, low, high, cover := 0.0, int64(-1), int64(-1), 0.0
				for x := range n + 1 {
					ln, _ := math.Lgamma(float64(n + 1))
					lx, _ := math.Lgamma(float64(x + 1))
					ly, _ := math.Lgamma(float64(n - x + 1))
					p := math.Exp(ln - lx - ly + float64(x)*math.Log(q) + float64(n-x)*math.Log1p(-q))
					cdf += p
					if low < 0 && cdf >= (1-conf)/2-1e-13 {
						low = x
					}
					if high < 0 && cdf >= (1+conf)/2-1e-13 {
						high = x + 1
					}
					if x >= r.Low && x < r.High {
						cover += p
					}
				}
				if r.Low != low || r.High != high {
					t.Errorf("n %d, q %g, conf %g: %d to %d, want %d to %d", n, q, conf, r.Low, r.High, low, high)
				}
				closeTo(t, "coverage", r.Coverage, cover, 1e-10)
			}
		}
	}
}

func TestA99thPercentileNeeds368Values(t *testing.T) {
	values := make([]float64, 1000)
	for i := range values {
		values[i] = float64(i)
	}
	least := 0
	for n := range values {
		if _, err := FromSorted(values[:n], 0.99, 0.95, 1); err == nil {
			least = n
			break
		} else if !errors.Is(err, stats.ErrNoData) {
			t.Fatal(err)
		}
	}
	// The largest value is above the quantile unless all values are below it.
	if want := int(math.Ceil(math.Log(0.025) / math.Log(0.99))); least != want {
		t.Errorf("%d values suffice, want %d", least, want)
	}
}

// latencies has 10,000 requests.
var latencies = Histogram{Upper: []float64{0.05, 0.1, 0.25, 0.5, 1}, Cumulative: []int64{2400, 5600, 8700, 9700, 9950, 10000}}

func TestInterpolationIsThatOfPrometheus(t *testing.T) {
	for _, c := range []struct {
		name string
		h    Histogram
		q    float64
		want float64
	}{
		{"inside a bucket", latencies, 0.95, 0.45},
		{"inside the lowest bucket, which begins at 0", latencies, 0.12, 0.025},
		{"on a bound", latencies, 0.87, 0.25},
		{"0", latencies, 0, 0},
		{"in the last bucket", latencies, 0.999, 1},
		{"1", latencies, 1, 1},
		{"lowest bound negative", Histogram{[]float64{-1, 1}, []int64{5, 10, 10}}, 0.2, -1},
		{"between negative bounds", Histogram{[]float64{-3, -1}, []int64{0, 10, 10}}, 0.5, -2},
		{"rank 0 with an empty lowest bucket", Histogram{[]float64{1, 2}, []int64{0, 10, 10}}, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.h.Interpolated(c.q)
			if err != nil {
				t.Fatal(err)
			}
			closeTo(t, "quantile", got, c.want, 1e-12)
		})
	}
}

func TestIntervalReachesTheBoundsOfBuckets(t *testing.T) {
	r, err := latencies.Reading(0.95, 0.95, 1)
	if err != nil {
		t.Fatal(err)
	}
	if r.Interval != (stats.Interval{Low: 0.25, High: 0.5}) || r.Ranks.Low != 9457 || r.Ranks.High != 9543 {
		t.Errorf("%+v", r)
	}
	closeTo(t, "low, interpolated", r.Interpolated.Low, 0.43925, 1e-12)
	closeTo(t, "high, interpolated", r.Interpolated.High, 0.46075, 1e-12)
	closeTo(t, "resolution", r.Resolution, 0.2, 1e-12)
}

func TestIntervalIntoTheLastBucketIsRefused(t *testing.T) {
	// Rank 9,950 itself has a bound; what lies around it has none.
	if _, err := latencies.Reading(0.995, 0.95, 1); !errors.Is(err, ErrBeyond) {
		t.Errorf("got %v, want ErrBeyond", err)
	}
	if _, err := latencies.Reading(0.99, 0.95, 1); err != nil {
		t.Errorf("the 99th percentile is known: %v", err)
	}
	// Requests of few users: the same ranks are much less sure.
	if _, err := latencies.Reading(0.99, 0.95, 25); !errors.Is(err, ErrBeyond) {
		t.Errorf("got %v, want ErrBeyond", err)
	}
	below := Histogram{Upper: []float64{0, 1}, Cumulative: []int64{900, 1000, 1000}}
	if _, err := below.Reading(0.5, 0.95, 1); !errors.Is(err, ErrBeyond) {
		t.Errorf("got %v, want ErrBeyond", err)
	}
}

func TestAboveALimit(t *testing.T) {
	for _, c := range []struct {
		limit         float64
		least, atMost int64
	}{
		{0.25, 1300, 1300}, {1, 50, 50}, {0.05, 7600, 7600}, // Bounds.
		{0.3, 300, 1300}, {0.01, 7600, 10000}, {2, 0, 50}, {-1, 7600, 10000}, // Between and beyond.
	} {
		least, most, err := latencies.Above(c.limit)
		if err != nil {
			t.Fatal(err)
		}
		if least != (stats.Counts{N: 10000, X: c.least}) || most != (stats.Counts{N: 10000, X: c.atMost}) {
			t.Errorf("above %g: %+v to %+v, want %d to %d", c.limit, least, most, c.least, c.atMost)
		}
	}
}

func TestClusterFactorIsNotInverted(t *testing.T) {
	// Users whose ten requests are all fast or all slow: ten times the variance
	// of independent requests, up to the n/(n-1) of the sample covariance.
	var p stats.Pair
	for user := range 1000 {
		y := 0.0
		if user < 900 {
			y = 10
		}
		p.Add(y, 10)
	}
	got, err := ClusterFactor(p, 0.9)
	if err != nil {
		t.Fatal(err)
	}
	closeTo(t, "factor", got, 10*1000./999, 1e-9)
}
