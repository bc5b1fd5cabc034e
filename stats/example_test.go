// SPDX-License-Identifier: Apache-2.0

package stats_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/headgate-dev/headgate/stats"
)

// Is the candidate's error rate within its limit? The interval may be looked
// at after every request.
func ExampleBernoulliInterval() {
	const limit = 0.01
	for _, c := range []stats.Counts{{N: 200, X: 0}, {N: 2000, X: 3}, {N: 2000, X: 60}} {
		i, err := stats.BernoulliInterval(c, 0.05, 1000)
		if err != nil {
			fmt.Println(err)
			return
		}
		verdict := "undecided"
		switch {
		case i.High <= limit:
			verdict = "met"
		case i.Low > limit:
			verdict = "violated"
		}
		fmt.Printf("%d of %d: %.4f to %.4f, %s\n", c.X, c.N, i.Low, i.High, verdict)
	}
	// Output:
	// 0 of 200: 0.0000 to 0.0363, undecided
	// 3 of 2000: 0.0000 to 0.0056, met
	// 60 of 2000: 0.0196 to 0.0430, violated
}

// Clicks per view, where a user views several times: users are the units.
func ExamplePair() {
	var baseline, candidate stats.Pair
	for user := range 600 {
		views := float64(1 + user%5)
		baseline.Add(float64(user%3), views)
		candidate.Add(float64((user+1)%4), views)
	}
	b, err := baseline.Ratio()
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := candidate.Ratio()
	if err != nil {
		fmt.Println(err)
		return
	}
	d := stats.Difference(c, b)
	fmt.Printf("%.3f against %.3f: %+.3f, standard error %.3f\n", c.Value, b.Value, d.Value, d.SE)
	if i, ok := stats.RelativeInterval(c, b, -stats.NormalQuantile(0.025)); ok {
		fmt.Printf("relative: %+.0f %% to %+.0f %%\n", 100*i.Low, 100*i.High)
	}
	// Output:
	// 0.500 against 0.333: +0.167, standard error 0.022
	// relative: +35 % to +66 %
}

// Watch for harm after every batch, and stop when the evidence suffices.
func ExampleMixture_LogEGreater() {
	const alpha = 0.05
	mix, err := stats.NewMixture(2*alpha, 5000) // Looks one way only.
	if err != nil {
		fmt.Println(err)
		return
	}
	for n := 1000.0; n <= 5000; n += 1000 {
		// A drop of 2 points, measured more and more precisely; what is tested
		// is that it is not more than 1 point.
		drop := stats.Estimate{Value: 0.02 - 0.01, SE: 0.2 / math.Sqrt(n)}
		logE, err := mix.LogEGreater(drop, n)
		if err != nil {
			fmt.Println(err)
			return
		}
		lower, err := mix.Lower(drop, n, alpha)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%.0f units: e-value %5.2f, drop beyond the margin at least %+.4f, harm: %t\n",
			n, math.Exp(logE), lower, logE >= -math.Log(alpha))
	}
	// Output:
	// 1000 units: e-value  2.35, drop beyond the margin at least -0.0097, harm: false
	// 2000 units: e-value  6.20, drop beyond the margin at least -0.0028, harm: false
	// 3000 units: e-value 17.64, drop beyond the margin at least -0.0002, harm: false
	// 4000 units: e-value 52.74, drop beyond the margin at least +0.0012, harm: true
	// 5000 units: e-value 163.03, drop beyond the margin at least +0.0022, harm: true
}

// Five looks at a benefit, planned in advance, for the price of 2.5 % more data.
func ExampleBoundaries() {
	var looks []stats.Look
	for _, units := range []float64{4000, 8000, 12_000, 16_000, 20_000} {
		looks = append(looks, stats.Look{Spent: units / 20_000, Information: units})
	}
	bounds, err := stats.Boundaries(looks, 0.025, stats.OBrienFleming)
	if err != nil {
		fmt.Println(err)
		return
	}
	inflation, err := stats.Inflation(looks, 0.025, 0.8, stats.OBrienFleming)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("better when z reaches %.3f\n", bounds)
	fmt.Printf("largest sample: %.3f times that of a fixed test\n", inflation)
	// Output:
	// better when z reaches [4.877 3.357 2.680 2.290 2.031]
	// largest sample: 1.025 times that of a fixed test
}

// What looking five times at an ordinary test does to its 5 %.
func ExampleTwoSidedCrossingProbability() {
	bounds := []float64{1.96, 1.96, 1.96, 1.96, 1.96}
	looks := []stats.Look{{0.2, 1}, {0.4, 2}, {0.6, 3}, {0.8, 4}, {1, 5}}
	ps, err := stats.TwoSidedCrossingProbability(bounds, looks, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	sum := 0.0
	for _, p := range ps {
		sum += p
		fmt.Printf("%.3f ", sum)
	}
	// Output: 0.050 0.083 0.107 0.126 0.142
}

// Did the units arrive in the proportion that was asked for?
func ExampleSRMLogE() {
	const alpha = 0.001
	for _, counts := range [][]int64{{9031, 969}, {8700, 1300}} {
		logE, err := stats.SRMLogE(counts, []float64{90, 10}, 1000)
		fmt.Println(counts, "mismatch:", logE >= -math.Log(alpha), err)
	}
	_, err := stats.SRMLogE([]int64{9000, 1000, 3}, []float64{90, 10, 0}, 1000)
	fmt.Println("a version without a share:", errors.Is(err, stats.ErrImpossible))
	// Output:
	// [9031 969] mismatch: false <nil>
	// [8700 1300] mismatch: true <nil>
	// a version without a share: true
}

// How many units does a 10 % canary need to see 2 % against 2.5 %?
func ExampleSampleSizeDifference() {
	sd := func(p float64) float64 { return math.Sqrt(p * (1 - p)) }
	baseline, candidate, err := stats.SampleSizeDifference(sd(0.02), sd(0.025), 0.005, 0.05, 0.8, 1./9)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.0f baseline and %.0f candidate units\n", math.Ceil(baseline), math.Ceil(candidate))
	// Output: 59100 baseline and 6567 candidate units
}

// Latencies counted on two gateways, merged without loss.
func ExampleSketch() {
	var a, b stats.Sketch
	for ms := 1; ms <= 100; ms++ {
		a.Add(float64(ms) / 1000)
		b.Add(float64(ms) / 500)
	}
	a.Merge(b)
	for _, q := range []float64{0.5, 0.99} {
		v, err := a.Quantile(q)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("p%.0f: %.3f s\n", 100*q, v)
	}
	text, err := json.Marshal(b)
	fmt.Println(len(text) < 2000, err)
	// Output:
	// p50: 0.067 s
	// p99: 0.197 s
	// true <nil>
}

// Not enough data is a kind of answer, told apart from a mistake.
func ExampleErrNoData() {
	_, err := stats.Counts{}.Proportion()
	fmt.Println(errors.Is(err, stats.ErrNoData))
	_, err = stats.NewMixture(5, 1000)
	var input *stats.InputError
	fmt.Println(errors.As(err, &input), err)
	// Output:
	// true
	// true stats: NewMixture: alpha is 5, want a number above 0 and below 1
}
