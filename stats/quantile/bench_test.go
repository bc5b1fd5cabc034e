// SPDX-License-Identifier: Apache-2.0

package quantile

import "testing"

func BenchmarkRanksFor(b *testing.B) {
	for name, n := range map[string]int64{"thousand": 1e3, "million": 1e6, "billion": 1e9} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := RanksFor(n, 0.99, 0.95, 1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkHistogramReading(b *testing.B) {
	for b.Loop() {
		if _, err := latencies.Reading(0.95, 0.95, 1); err != nil {
			b.Fatal(err)
		}
	}
}
