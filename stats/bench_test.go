// SPDX-License-Identifier: Apache-2.0

package stats

import "testing"

func BenchmarkPairAdd(b *testing.B) {
	var p Pair
	for b.Loop() {
		p.Add(1, 3)
	}
}

func BenchmarkPairMerge(b *testing.B) {
	p, o := Pair{N: 5, MeanY: 1, MeanX: 2, M2Y: 3, M2X: 4, CYX: 1}, Pair{N: 7, MeanY: 2, MeanX: 1, M2Y: 1, M2X: 2, CYX: 1}
	var sink Pair
	for b.Loop() {
		sink = p.Merge(o)
	}
	_ = sink
}

func BenchmarkBoundaries5(b *testing.B)  { benchmarkBoundaries(b, 5) }
func BenchmarkBoundaries20(b *testing.B) { benchmarkBoundaries(b, 20) }

func benchmarkBoundaries(b *testing.B, k int) {
	looks := EvenLooks(k)
	for b.Loop() {
		if _, err := Boundaries(looks, 0.025, OBrienFleming); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBernoulliInterval(b *testing.B) {
	for b.Loop() {
		if _, err := BernoulliInterval(Counts{N: 5000, X: 37}, 0.05, 5000); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMixtureLower(b *testing.B) {
	m, err := NewMixture(0.05, 5000)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := m.Lower(Estimate{0.01, 0.003}, 4000, 0.05); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSRMLogE(b *testing.B) {
	counts, shares := []int64{5000, 4900}, []float64{0.5, 0.5}
	for b.Loop() {
		if _, err := SRMLogE(counts, shares, 1000); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSketchAdd(b *testing.B) {
	var s Sketch
	v := 0.001
	for b.Loop() {
		s.Add(v)
		if v *= 1.01; v > 10 {
			v = 0.001
		}
	}
}

func BenchmarkCompareMeans(b *testing.B) {
	x, y := Moments{N: 900, Mean: 5, M2: 900}, Moments{N: 800, Mean: 4.9, M2: 700}
	benchmarkCompare(b, x, y, Assumed{Alpha: 0.05, Looked: FixedLook})
}

func BenchmarkCompareRatios(b *testing.B) {
	x := Pair{N: 900, MeanY: 5, MeanX: 9, M2Y: 900, M2X: 1200, CYX: 500}
	benchmarkCompare(b, x, x, Assumed{Alpha: 0.05, Looked: FixedLook})
}

func BenchmarkCompareCounts(b *testing.B) {
	x, y := Counts{N: 9000, X: 120}, Counts{N: 8000, X: 90}
	benchmarkCompare(b, x, y, Assumed{Alpha: 0.05, Looked: FixedLook})
}

func BenchmarkCompareFewHits(b *testing.B) {
	x, y := Counts{N: 9000, X: 12}, Counts{N: 8000, X: 9}
	benchmarkCompare(b, x, y, Assumed{Alpha: 0.05, Looked: FixedLook})
}

func BenchmarkCompareAnyTime(b *testing.B) {
	x, y := Counts{N: 9000, X: 120}, Counts{N: 8000, X: 90}
	benchmarkCompare(b, x, y, Assumed{Alpha: 0.05, Looked: AnyTime, Planned: 20_000})
}

func BenchmarkCompareAtLooks(b *testing.B) {
	x, y := Counts{N: 9000, X: 120}, Counts{N: 8000, X: 90}
	benchmarkCompare(b, x, y, Assumed{Alpha: 0.05, Looked: AtLooks, Looks: EvenLooks(5), Spend: OBrienFleming})
}

func benchmarkCompare[S Sample](b *testing.B, x, y S, a Assumed) {
	for b.Loop() {
		if _, err := Compare(x, y, a); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStudentQuantile(b *testing.B) {
	for b.Loop() {
		StudentQuantile(0.025, 37.4)
	}
}

func BenchmarkSampleSizeT(b *testing.B) {
	for b.Loop() {
		if _, err := SampleSizeT(1, 0.2, 0.05, 0.8); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMedianUnbiased(b *testing.B) {
	looks := EvenLooks(4)
	bounds, err := Boundaries(looks, 0.025, Pocock)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := MedianUnbiased(Estimate{2.5, 1}, bounds, looks, 0.05); err != nil {
			b.Fatal(err)
		}
	}
}
