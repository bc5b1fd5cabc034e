// SPDX-License-Identifier: Apache-2.0

package adaptive_test

import (
	"fmt"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/adaptive"
)

// hits are the moments of a version with so many conversions.
func hits(n, x int64) stats.Moments {
	p := float64(x) / float64(n)
	return stats.Moments{N: n, Mean: p, M2: float64(x) * (1 - p)}
}

// A bandit took traffic from a version after an unlucky first day.
func ExampleWeightedMean() {
	w, err := adaptive.WeightedMean([]adaptive.Period{
		{Share: 0.5, Units: 1000, Observed: hits(500, 40)},
		{Share: 0.2, Units: 1000, Observed: hits(200, 21)},
		{Share: 0.1, Units: 1000, Observed: hits(100, 11)},
	}, 0)
	fmt.Printf("%.4f ± %.4f; raw and biased: %.4f; %v\n", w.Value, w.SE, w.BiasedRaw.Value, err)
	// Output: 0.0941 ± 0.0112; raw and biased: 0.0900; <nil>
}

// Three periods of a bandit: is the candidate better?
func ExampleBatchedOLS() {
	var batches []adaptive.Batch
	for _, p := range [][2]stats.Moments{
		{hits(500, 40), hits(500, 55)},
		{hits(200, 17), hits(800, 92)},
		{hits(100, 8), hits(900, 99)},
	} {
		b, err := adaptive.NewBatch(p[0], p[1])
		if err != nil {
			fmt.Println(err)
			return
		}
		batches = append(batches, b)
	}
	out, err := adaptive.BatchedOLS(batches)
	fmt.Printf("z = %.2f, p = %.3f, effect %+.4f ± %.4f, %v\n", out.Z, out.P, out.Effect.Value, out.Effect.SE, err)
	// Output: z = 2.17, p = 0.030, effect +0.0300 ± 0.0138, <nil>
}

// The rate fell while the candidate's share rose.
func ExampleStratify() {
	s, err := adaptive.Stratify([][]stats.Moments{
		{hits(900, 270), hits(100, 32)},
		{hits(100, 10), hits(900, 108)},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	d := stats.Difference(s.Means[1], s.Means[0])
	fmt.Printf("%+.3f ± %.3f; raw and biased: %+.3f\n", d.Value, d.SE, s.BiasedRaw[1].Value-s.BiasedRaw[0].Value)
	// Output: +0.020 ± 0.029; raw and biased: -0.140
}
