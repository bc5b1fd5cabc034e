// SPDX-License-Identifier: Apache-2.0

package bayes_test

import (
	"fmt"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/bayes"
)

// Three versions with their conversions: which is best, and what does choosing
// each of them cost?
func ExampleRankBetas() {
	var arms []bayes.Beta
	for _, c := range []stats.Counts{{N: 1000, X: 31}, {N: 1000, X: 42}, {N: 200, X: 9}} {
		b, err := bayes.Jeffreys().Update(c)
		if err != nil {
			fmt.Println(err)
			return
		}
		arms = append(arms, b)
	}
	r, err := bayes.RankBetas(arms)
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range arms {
		fmt.Printf("version %d: best with probability %.3f, expected loss %.4f\n", i, r.Best[i], r.Loss[i])
	}
	// Output:
	// version 0: best with probability 0.030, expected loss 0.0201
	// version 1: best with probability 0.388, expected loss 0.0091
	// version 2: best with probability 0.582, expected loss 0.0043
}

// A relative effect, with a prior that expects small ones.
func ExampleNormal_Update() {
	effect, err := bayes.Relative(stats.Estimate{Value: 10.5, SE: 0.316}, stats.Estimate{Value: 10, SE: 0.158})
	if err != nil {
		fmt.Println(err)
		return
	}
	post, err := bayes.Normal{Mean: 0, SD: 0.05}.Update(effect)
	if err != nil {
		fmt.Println(err)
		return
	}
	better, err := post.Above(0)
	if err != nil {
		fmt.Println(err)
		return
	}
	rope, err := post.Rope(stats.Interval{Low: -0.01, High: 0.01})
	fmt.Printf("%+.3f ± %.3f, better with probability %.2f, too small to matter %.2f, %v\n", post.Mean, post.SD, better, rope.In, err)
	// Output: +0.033 ± 0.029, better with probability 0.87, too small to matter 0.14, <nil>
}

// What is known about a mean after five observations.
func ExampleNormalInverseGamma_Mean() {
	var m stats.Moments
	for _, latency := range []float64{104, 98, 131, 110, 102} {
		m.Add(latency)
	}
	post, err := bayes.NormalInverseGamma{M: 100, K: 1, A: 1, B: 200}.Update(m)
	if err != nil {
		fmt.Println(err)
		return
	}
	mean, err := post.Mean()
	if err != nil {
		fmt.Println(err)
		return
	}
	i, err := mean.Interval(0.9)
	fmt.Printf("%.1f, 90 %% between %.1f and %.1f, %v\n", mean.Location, i.Low, i.High, err)
	// Output: 107.5, 90 % between 97.6 and 117.4, <nil>
}

// How much larger is one proportion than another?
func ExampleDifferenceInterval() {
	i, err := bayes.DifferenceInterval(bayes.Beta{A: 43, B: 959}, bayes.Beta{A: 32, B: 970}, 0.95)
	fmt.Printf("%+.4f to %+.4f, %v\n", i.Low, i.High, err)
	// Output: -0.0056 to +0.0277, <nil>
}
