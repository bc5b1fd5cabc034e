// SPDX-License-Identifier: Apache-2.0

package multiple

import "testing"

func BenchmarkDunnett(b *testing.B) {
	for name, d := range map[string]Dunnett{
		"equal":          {Baseline: 1, Candidates: []float64{1, 1, 1}, TwoSided: true},
		"unequal":        {Baseline: 4, Candidates: []float64{1, 2, 3}, TwoSided: true},
		"small baseline": {Baseline: 1, Candidates: []float64{5, 9, 20}, TwoSided: true},
		"few degrees":    {Baseline: 1, Candidates: []float64{1, 1, 1}, DF: 20, TwoSided: true},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := d.Critical(0.05); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
