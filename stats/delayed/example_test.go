// SPDX-License-Identifier: Apache-2.0

package delayed_test

import (
	"fmt"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/delayed"
)

// Refunds come within two weeks. Three windows of units, the youngest a week
// old: what is the rate?
func ExampleWeighted() {
	history := []delayed.Step{
		{Time: 2, Events: 40, AtRisk: 1000},
		{Time: 7, Events: 30, AtRisk: 960},
		{Time: 14, Events: 10, AtRisk: 930},
	}
	incidence, err := delayed.CumulativeIncidence(history)
	if err != nil {
		fmt.Println(err)
		return
	}
	delays, err := incidence.Delays(14)
	if err != nil {
		fmt.Println(err)
		return
	}
	cohorts := []delayed.Cohort{
		{Age: 21, Counts: stats.Counts{N: 500, X: 45}},
		{Age: 14, Counts: stats.Counts{N: 500, X: 43}},
		{Age: 7, Counts: stats.Counts{N: 500, X: 38}},
	}
	all, err := delayed.Weighted(cohorts, delays)
	if err != nil {
		fmt.Println(err)
		return
	}
	matured, waiting, err := delayed.Matured(cohorts, 14)
	fmt.Printf("weighted %.4f ± %.4f; matured %d of %d, %d units are too young, %v\n", all.Value, all.SE, matured.X, matured.N, waiting, err)
	// Output: weighted 0.0877 ± 0.0075; matured 88 of 1000, 500 units are too young, <nil>
}

// Do outcomes take longer with the candidate, or are there only fewer of them?
func ExampleDelaysDiffer() {
	var baseline, candidate []delayed.Delay
	for i := range 60 {
		age := 30 - float64(i)/4
		baseline = append(baseline, delayed.Delay{Delay: float64(i*7%11) + 1, Age: age})
		if i%3 == 0 {
			candidate = append(candidate, delayed.Delay{Delay: float64(i*5%11) + 1, Age: age})
		}
	}
	_, p, err := delayed.DelaysDiffer([][]delayed.Delay{baseline, candidate})
	fmt.Printf("fair to weigh both with common delays: %t, %v\n", p > 0.01, err)
	// Output: fair to weigh both with common delays: true, <nil>
}
