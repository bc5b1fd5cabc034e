// SPDX-License-Identifier: Apache-2.0

package multiple_test

import (
	"fmt"
	"math"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/multiple"
)

// Four slices are watched for harm; which of the alarms hold together?
func ExampleHolm() {
	p, err := multiple.Holm([]float64{0.004, 0.03, 0.04, 0.6})
	fmt.Println(p, err)
	// Output: [0.016 0.09 0.09 0.6] <nil>
}

// A dozen rollouts are watched at the same time and continuously.
func ExampleEBenjaminiHochberg() {
	logE := make([]float64, 12)
	logE[3], logE[7] = math.Log(900), math.Log(130)
	d, err := multiple.EBenjaminiHochberg(logE, 0.1)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.Count, "stand:", d.Rejected[3], d.Rejected[7])
	fmt.Printf("an e-value of %.0f was enough\n", math.Exp(d.LogThreshold))
	// Output:
	// 2 stand: true true
	// an e-value of 60 was enough
}

// Three candidates share a baseline: 2.06 instead of Bonferroni's 2.13.
func ExampleDunnett() {
	d := multiple.Dunnett{Baseline: 10_000, Candidates: []float64{10_000, 10_000, 10_000}}
	c, err := d.Critical(0.05)
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := d.Adjust([]float64{2.09, -0.3, 1.75})
	fmt.Printf("%.3f; adjusted p %.3f (%v)\n", c, p, err)
	// Output: 2.062; adjusted p [0.047 0.618 0.071] (<nil>)
}

// The metric that matters keeps most of alpha, however many are watched.
func ExamplePreferentialBonferroni() {
	for _, metrics := range []int{2, 10} {
		l, err := multiple.PreferentialBonferroni(0.05, 0.5, 2, metrics)
		fmt.Printf("%d metrics: %.4f and %.4f (%v)\n", metrics, l.Primary, l.Other, err)
	}
	// Output:
	// 2 metrics: 0.0125 and 0.0125 (<nil>)
	// 10 metrics: 0.0125 and 0.0014 (<nil>)
}

// Every guardrail must pass, so the weakest decides and nothing is corrected.
func ExampleIntersectionUnion() {
	p, err := multiple.IntersectionUnion([]float64{0.001, 0.03, 0.012})
	fmt.Println(p, err)
	// Output: 0.03 <nil>
}

// One slice looks terrible. How terrible is it really?
func ExampleHeterogeneity_Shrink() {
	effects := []stats.Estimate{{Value: 0.012, SE: 0.004}, {Value: 0.008, SE: 0.005}, {Value: -0.015, SE: 0.012}, {Value: 0.010, SE: 0.008}}
	h, err := multiple.Compare(effects)
	if err != nil {
		fmt.Println(err)
		return
	}
	shrunk, err := h.Shrink(effects)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("slices differ: p = %.2f, I² = %.0f %%\n", h.P, 100*h.I2)
	for i, e := range shrunk {
		fmt.Printf("%+.3f is displayed as %+.3f\n", effects[i].Value, e.Value)
	}
	// Output:
	// slices differ: p = 0.20, I² = 35 %
	// +0.012 is displayed as +0.011
	// +0.008 is displayed as +0.009
	// -0.015 is displayed as +0.006
	// +0.010 is displayed as +0.009
}

// Premium users are harmed while the others gain: more than chance?
func ExampleGailSimon() {
	i, err := multiple.GailSimon([]stats.Estimate{{Value: 0.020, SE: 0.004}, {Value: -0.024, SE: 0.008}})
	fmt.Printf("p = %.4f (%v)\n", i.P, err)
	// Output: p = 0.0013 (<nil>)
}
