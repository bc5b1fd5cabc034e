// SPDX-License-Identifier: Apache-2.0

package bandit

import (
	"testing"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Eight versions that differ a little, after some thousand units each.
func BenchmarkVectorOfEight(b *testing.B) {
	arms := make([]experiment.Arm, experiment.MaxVersions)
	for v := range arms {
		arms[v] = experiment.Arm{Version: v, N: 4000 + 300*int64(v), Pending: 100, Mean: 0.05 + 0.001*float64(v), SE: 0.003, Binary: true}
	}
	limits := experiment.Bandit{Epsilon: 0.1, Step: 1000}
	for range arms {
		limits.Min, limits.Max = append(limits.Min, 100), append(limits.Max, 8000)
	}
	u := update(len(arms))
	u.Number = 20
	for _, p := range policies {
		limits.Policy = p
		b.Run(string(p), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Vector(&limits, arms, u); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
