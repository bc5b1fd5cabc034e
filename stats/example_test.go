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

// Is the candidate different, and how sure is that?
func ExampleCompare() {
	baseline, candidate := stats.Counts{N: 20_000, X: 800}, stats.Counts{N: 5000, X: 246}
	c, err := stats.Compare(candidate, baseline, stats.Assumed{Alpha: 0.05, Looked: stats.FixedLook})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s, %s\n", c.Method, c.Guarantee)
	fmt.Printf("%+.4f (%+.4f to %+.4f), p = %.3f\n", c.Effect.Value, c.Interval.Low, c.Interval.High, c.P)
	fmt.Printf("relative: %+.0f %% to %+.0f %%\n", 100*c.Relative.Low, 100*c.Relative.High)

	// The same data, but somebody looks every minute.
	c, err = stats.Compare(candidate, baseline, stats.Assumed{Alpha: 0.05, Looked: stats.AnyTime, Planned: 25_000})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s: %+.4f to %+.4f, different: %t\n", c.Guarantee, c.Interval.Low, c.Interval.High, c.Different)

	// A handful of hits.
	c, err = stats.Compare(stats.Counts{N: 500, X: 7}, stats.Counts{N: 500, X: 1}, stats.Assumed{Alpha: 0.05, Looked: stats.FixedLook})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s: p = %.3f, %s\n", c.Method, c.P, c.Warnings[0].Code)
	// Output:
	// Miettinen and Nurminen's score test and interval, fixed-look
	// +0.0092 (+0.0029 to +0.0161), p = 0.004
	// relative: +6 % to +41 %
	// any-time: -0.0010 to +0.0194, different: false
	// Fisher's exact test, Miettinen and Nurminen's interval: p = 0.069, few-hits
}

// The model's own prediction for the unit, made for both versions, explains
// most of what differs between units.
func ExampleCuped() {
	var baseline, candidate stats.Pair
	for user := range 1000 {
		predicted := float64(user % 10)
		outcome := predicted + float64(user%7)/2
		if user%10 == 3 || user%50 == 7 {
			candidate.Add(outcome+0.3, predicted)
		} else {
			baseline.Add(outcome, predicted)
		}
	}
	a, err := stats.Cuped(candidate, baseline, stats.PerVersion)
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := a.P()
	fmt.Printf("%+.2f, standard error %.2f, variance less by %.0f %%, p < 0.01: %t (%v)\n", a.Value, a.SE, 100*a.Reduction, p < 0.01, err)
	// Output:
	// +0.28, standard error 0.10, variance less by 75 %, p < 0.01: true (<nil>)
}

// A canary's phases have different shares: only within them versions compare.
func ExamplePostStratify() {
	phase := func(xc, nc, xb, nb int64) stats.Stratum {
		c, _ := stats.Counts{N: nc, X: xc}.Proportion()
		b, _ := stats.Counts{N: nb, X: xb}.Proportion()
		return stats.Stratum{Candidate: stats.Measured{Estimate: c, Units: nc}, Baseline: stats.Measured{Estimate: b, Units: nb}}
	}
	// Errors double on the day on which the share goes from 5 % to 50 %.
	s, err := stats.PostStratify([]stats.Stratum{phase(9, 1000, 190, 19_000), phase(180, 10_000, 200, 10_000)})
	fmt.Printf("within phases %+.4f, ignoring them %+.4f, reversed: %t (%v)\n", s.Effect.Value, s.Raw, s.Simpson, err)
	// Output:
	// within phases -0.0015, ignoring them +0.0037, reversed: true (<nil>)
}

// How long will it take?
func ExampleTraffic_Duration() {
	n, err := stats.SampleSizeProportions(0.04, 0.044, 0.05, 0.8)
	if err != nil {
		fmt.Println(err)
		return
	}
	days, weeks, matured, err := stats.Traffic{PerDay: 9000, Exposure: 0.5, Maturation: 7}.Duration(2 * n)
	fmt.Printf("%.0f units per version: %d days, %d in whole weeks, %d until all outcomes are known (%v)\n", math.Ceil(n), days, weeks, matured, err)
	// Output:
	// 39475 units per version: 18 days, 21 in whole weeks, 28 until all outcomes are known (<nil>)
}

// A group-sequential test that stopped early: what is the effect?
func ExampleMedianUnbiased() {
	looks := stats.EvenLooks(4)
	bounds, err := stats.Boundaries(looks, 0.025, stats.Pocock)
	if err != nil {
		fmt.Println(err)
		return
	}
	est := stats.Estimate{Value: 0.026, SE: 0.01} // At the second look.
	median, i, err := stats.MedianUnbiased(est, bounds, looks[:2], 0.05)
	fmt.Printf("measured %.4f, median-unbiased %.4f (%.4f to %.4f), %v\n", est.Value, median, i.Low, i.High, err)
	// Output:
	// measured 0.0260, median-unbiased 0.0248 (0.0035 to 0.0449), <nil>
}
