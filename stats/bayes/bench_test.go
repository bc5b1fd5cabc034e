// SPDX-License-Identifier: Apache-2.0

package bayes

import "testing"

// tenBetas are ten versions that differ a little, after some thousand trials.
func tenBetas() []Beta {
	arms := make([]Beta, 10)
	for i := range arms {
		arms[i] = Beta{A: 100 + 7*float64(i), B: 2000 + 50*float64(i*i%7)}
	}
	return arms
}

// P(best) of ten versions must not take more than 2 ms.
func BenchmarkRankTenBetas(b *testing.B) {
	arms := tenBetas()
	for b.Loop() {
		if _, err := RankBetas(arms); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRankTwoBetas(b *testing.B) {
	arms := tenBetas()[:2]
	for b.Loop() {
		if _, err := RankBetas(arms); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRankTenNormalsOfUnlikeWidth(b *testing.B) {
	arms := make([]Normal, 10)
	for i := range arms {
		arms[i] = Normal{Mean: float64(i % 4), SD: 0.01 * float64(int(1)<<i)}
	}
	for b.Loop() {
		if _, err := RankNormals(arms); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRankTenStudents(b *testing.B) {
	arms := make([]Student, 10)
	for i := range arms {
		arms[i] = Student{Location: float64(i), Scale: 2, DF: 3 + float64(i*i)}
	}
	for b.Loop() {
		if _, err := RankStudents(arms); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBetaInterval(b *testing.B) {
	for b.Loop() {
		if _, err := (Beta{A: 100, B: 2000}).Interval(0.95); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDifferenceInterval(b *testing.B) {
	for b.Loop() {
		if _, err := DifferenceInterval(Beta{A: 100, B: 2000}, Beta{A: 90, B: 2100}, 0.95); err != nil {
			b.Fatal(err)
		}
	}
}
