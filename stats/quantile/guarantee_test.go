// SPDX-License-Identifier: Apache-2.0

package quantile

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/headgate-dev/headgate/stats"
)

// Seeds are fixed: a failure means that the code changed, and at 1e-6 that it
// is wrong.
const improbable = 1e-6

// acceptAtMost refuses a claim "the probability is at most p" after x in n.
func acceptAtMost(t *testing.T, what string, x, n int64, p float64) {
	t.Helper()
	v, err := stats.BinomialTestGreater(x, n, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d of %d (%.4f), claimed at most %g", what, x, n, float64(x)/float64(n), p)
	if v < improbable {
		t.Errorf("%s: %d of %d is improbable (%.2g) if the rate is at most %g", what, x, n, v, p)
	}
}

// users draws requests of users who differ in speed and in number of requests.
func users(r *rand.Rand, n int, spread float64) (values []float64, per [][]float64) {
	for range n {
		own, requests := spread*r.NormFloat64(), 1+r.IntN(15)
		mine := make([]float64, requests)
		for i := range mine {
			mine[i] = 0.1 * math.Exp(own+0.5*r.NormFloat64())
		}
		values, per = append(values, mine...), append(per, mine)
	}
	slices.Sort(values)
	return values, per
}

func TestIntervalsContainTheQuantileAsOftenAsPromised(t *testing.T) {
	const runs, n, q = 1500, 600, 0.95
	truth := 0.1 * math.Exp(0.5*stats.NormalQuantile(q))
	r := rand.New(rand.NewPCG(1, 3))
	var missed, missedSketch, missedBuckets, wide int64
	bounds := []float64{0.05, 0.1, 0.2, 0.3, 0.4, 0.8, 1.6, 3.2}
	for range runs {
		values, h, s := make([]float64, n), Histogram{Upper: bounds, Cumulative: make([]int64, len(bounds)+1)}, stats.Sketch{}
		for i := range values {
			values[i] = 0.1 * math.Exp(0.5*r.NormFloat64())
			s.Add(values[i])
			at, _ := slices.BinarySearch(bounds, values[i])
			for k := at; k <= len(bounds); k++ {
				h.Cumulative[k]++
			}
		}
		slices.Sort(values)
		exact, err1 := FromSorted(values, q, 0.9, 1)
		sketch, err2 := FromSketch(s, q, 0.9, 1)
		buckets, err3 := h.Reading(q, 0.9, 1)
		if err1 != nil || err2 != nil || err3 != nil {
			t.Fatal(err1, err2, err3)
		}
		if !exact.Interval.Contains(truth) {
			missed++
		} else if exact.Ranks.Coverage < 0.93 {
			wide++ // Ranks are whole: a little more than 90 %, not much more.
		}
		if !sketch.Interval.Contains(truth) {
			missedSketch++
		}
		if !buckets.Interval.Contains(truth) {
			missedBuckets++
		}
	}
	acceptAtMost(t, "quantile outside the interval", missed, runs, 0.1)
	acceptAtMost(t, "quantile inside the interval", wide, runs, 0.93)
	acceptAtMost(t, "quantile outside the sketch's interval", missedSketch, runs, 0.1)
	acceptAtMost(t, "quantile outside the buckets' interval", missedBuckets, runs, 0.1)
}

func TestEqualVersionsRarelyDifferInTheirQuantiles(t *testing.T) {
	const runs, n, q = 2000, 2000, 0.9
	r := rand.New(rand.NewPCG(2, 3))
	one := func() stats.Estimate {
		values := make([]float64, n)
		for i := range values {
			values[i] = r.ExpFloat64()
		}
		slices.Sort(values)
		reading, err := FromSorted(values, q, 0.95, 1)
		if err != nil {
			t.Fatal(err)
		}
		e, err := reading.Estimate()
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	var different int64
	for range runs {
		if d := stats.Difference(one(), one()); math.Abs(d.Value) > 1.959964*d.SE {
			different++
		}
	}
	// The method is approximate: 5 % becomes no more than 6.
	acceptAtMost(t, "equal versions differ", different, runs, 0.06)
	acceptAtMost(t, "equal versions agree", runs-different, runs, 0.97)
}

func TestClusteredRequestsNeedTheFactor(t *testing.T) {
	const runs, n, q, spread = 1000, 150, 0.75, 0.8
	truth := 0.1 * math.Exp(math.Sqrt(spread*spread+0.25)*stats.NormalQuantile(q))
	r := rand.New(rand.NewPCG(3, 3))
	var naive, adjusted int64
	for range runs {
		values, per := users(r, n, spread)
		plain, err := FromSorted(values, q, 0.95, 1)
		if err != nil {
			t.Fatal(err)
		}
		var p stats.Pair
		for _, mine := range per {
			y := 0.0
			for _, v := range mine {
				if v <= plain.Value {
					y++
				}
			}
			p.Add(y, float64(len(mine)))
		}
		factor, err := ClusterFactor(p, q)
		if err != nil {
			t.Fatal(err)
		}
		clustered, err := FromSorted(values, q, 0.95, factor)
		if err != nil {
			t.Fatal(err)
		}
		if !plain.Interval.Contains(truth) {
			naive++
		}
		if !clustered.Interval.Contains(truth) {
			adjusted++
		}
	}
	acceptAtMost(t, "quantile outside the clustered interval", adjusted, runs, 0.06)
	if naive < 5*adjusted/2 {
		t.Errorf("%d misses without the factor, %d with it: what is it good for?", naive, adjusted)
	}
}
