// SPDX-License-Identifier: Apache-2.0

package paired_test

import (
	"fmt"
	"math"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/paired"
)

// A shadow answers 2000 labelled requests along with the baseline. The e-value
// may be looked at after every one of them.
func ExampleDiscordance() {
	d := paired.Discordance{N: 2000, Candidate: 96, Baseline: 55}
	logE, err := d.LogE(20)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, midP, err := d.Exact()
	if err != nil {
		fmt.Println(err)
		return
	}
	i, err := d.Interval(0.95)
	fmt.Printf("e-value %.1f; at one look p = %.4f, right %+.3f to %+.3f more often, %v\n", math.Exp(logE), midP, i.Low, i.High, err)
	// Output: e-value 49.9; at one look p = 0.0008, right +0.008 to +0.033 more often, <nil>
}

// Is the candidate's score equivalent to the baseline's, to within 0.05?
func ExampleMean_Equivalence() {
	var differences stats.Moments
	for i := range 400 {
		differences.Add(0.2 * math.Sin(float64(i)))
	}
	m, err := paired.Difference(differences)
	if err != nil {
		fmt.Println(err)
		return
	}
	e, err := m.Equivalence(stats.Interval{Low: -0.05, High: 0.05})
	fmt.Printf("%+.4f ± %.4f, equivalent: %t, %v\n", m.Value, m.SE, e.P < 0.05, err)
	// Output: +0.0009 ± 0.0071, equivalent: true, <nil>
}

// Differences with an outlier that would rule a mean.
func ExampleSignedRanks() {
	d := []float64{0.4, 0.7, -0.1, 0.3, 0.9, 0.2, -30, 0.5, 0.6, 0.8}
	w, err := paired.SignedRanks(d)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, p, err := w.Exact()
	if err != nil {
		fmt.Println(err)
		return
	}
	centre, err := paired.HodgesLehmann(d)
	fmt.Printf("centre %.3f, p = %.3f, %v\n", centre, p, err)
	// Output: centre 0.400, p = 0.105, <nil>
}

// Have the outputs of two versions drifted apart?
func ExamplePSICounts() {
	expected, actual := []int64{120, 340, 400, 140}, []int64{150, 330, 380, 140}
	psi, err := paired.PSICounts(expected, actual)
	if err != nil {
		fmt.Println(err)
		return
	}
	limit, err := paired.PSIThreshold(1000, 1000, len(expected), 0.01)
	fmt.Printf("PSI %.4f, up to %.4f is chance, %v\n", psi, limit, err)
	// Output: PSI 0.0080, up to 0.0227 is chance, <nil>
}

// Which of two scores tells fraud from the rest better?
func ExampleCompareAUC() {
	fraud := []bool{true, true, true, true, true, false, false, false, false, false, false, false}
	a, err := paired.CompareAUC(fraud,
		[]float64{0.9, 0.8, 0.35, 0.6, 0.7, 0.4, 0.5, 0.3, 0.2, 0.65, 0.1, 0.05},
		[]float64{0.85, 0.6, 0.4, 0.75, 0.55, 0.5, 0.45, 0.58, 0.3, 0.62, 0.15, 0.2})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, p, err := a.Test()
	fmt.Printf("%.3f against %.3f, p = %.2f, %v\n", a.Candidate.Value, a.Baseline.Value, p, err)
	// Output: 0.886 against 0.800, p = 0.36, <nil>
}
