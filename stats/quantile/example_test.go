// SPDX-License-Identifier: Apache-2.0

package quantile_test

import (
	"errors"
	"fmt"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/quantile"
)

// Is p99 within 250 ms? That is: do at most 1 % of requests take longer? The
// interval may be looked at as often as one likes.
func ExampleHistogram_Above() {
	h := quantile.Histogram{
		Upper:      []float64{0.1, 0.25, 0.5, 1},
		Cumulative: []int64{18_000, 19_890, 19_980, 19_995, 20_000},
	}
	slow, _, err := h.Above(0.25) // A bound, so both counts are the same.
	if err != nil {
		fmt.Println(err)
		return
	}
	i, err := stats.BernoulliInterval(slow, 0.05, 10_000)
	fmt.Printf("%d of %d above 250 ms: %.2f %% to %.2f %% (%v)\n", slow.X, slow.N, 100*i.Low, 100*i.High, err)
	// Output: 110 of 20000 above 250 ms: 0.40 % to 0.72 % (<nil>)
}

// What a dashboard shows, and what is known.
func ExampleHistogram_Reading() {
	h := quantile.Histogram{
		Upper:      []float64{0.1, 0.25, 0.5, 1},
		Cumulative: []int64{18_000, 19_890, 19_980, 19_995, 20_000},
	}
	for _, q := range []float64{0.95, 0.9998} {
		shown, err := h.Interpolated(q)
		if err != nil {
			fmt.Println(err)
			return
		}
		r, err := h.Reading(q, 0.95, 1)
		switch {
		case errors.Is(err, quantile.ErrBeyond):
			fmt.Printf("p%g is shown as %.3f s, and is not known\n", 100*q, shown)
		case err != nil:
			fmt.Println(err)
		default:
			fmt.Printf("p%g is shown as %.3f s, and lies between %g and %g s\n", 100*q, shown, r.Interval.Low, r.Interval.High)
		}
	}
	// Output:
	// p95 is shown as 0.179 s, and lies between 0.1 and 0.25 s
	// p99.98 is shown as 1.000 s, and is not known
}

// Two versions' 95th percentiles from sketches.
func ExampleFromSketch() {
	var baseline, candidate stats.Sketch
	for i := range 4000 {
		latency := 0.05 + 0.0001*float64(i*7919%4000)
		baseline.Add(latency)
		candidate.Add(1.2 * latency)
	}
	read := func(s stats.Sketch) (quantile.Reading, stats.Estimate) {
		r, err := quantile.FromSketch(s, 0.95, 0.95, 1)
		if err != nil {
			fmt.Println(err)
		}
		e, err := r.Estimate()
		if err != nil {
			fmt.Println(err)
		}
		return r, e
	}
	b, eb := read(baseline)
	c, ec := read(candidate)
	d := stats.Difference(ec, eb)
	fmt.Printf("p95 %.3f s against %.3f s: %+.3f s, standard error %.3f, resolution %.3f\n",
		c.Value, b.Value, d.Value, d.SE, b.Resolution+c.Resolution)
	// Output: p95 0.514 s against 0.430 s: +0.085 s, standard error 0.003, resolution 0.010
}

// How many values bound a 99th percentile?
func ExampleRanksFor() {
	for _, n := range []int64{300, 500, 100_000} {
		r, err := quantile.RanksFor(n, 0.99, 0.95, 1)
		fmt.Printf("%d values: rank %d to %d, known: %t (%v)\n", n, r.Low, r.High, r.High <= n, err)
	}
	// Output:
	// 300 values: rank 293 to 301, known: false (<nil>)
	// 500 values: rank 490 to 500, known: true (<nil>)
	// 100000 values: rank 98938 to 99062, known: true (<nil>)
}

// Ten requests of a user are not ten users.
func ExampleClusterFactor() {
	var per stats.Pair
	for user := range 400 {
		fast := 10.0
		if user%10 == 0 {
			fast = 5
		}
		per.Add(fast, 10) // Requests at most the sample's p95, and requests.
	}
	factor, err := quantile.ClusterFactor(per, 0.95)
	fmt.Printf("%.1f times the variance (%v)\n", factor, err)
	// Output: 4.7 times the variance (<nil>)
}
