// SPDX-License-Identifier: Apache-2.0

package quantile

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/headgate-dev/headgate/stats"
)

func TestAllSourcesHoldTheSameRanks(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		var sketch stats.Sketch
		values := make([]float64, 200+r.IntN(2000))
		h := Histogram{Cumulative: make([]int64, 13)}
		for i := range 12 {
			h.Upper = append(h.Upper, 0.002*math.Exp2(float64(i)))
		}
		for i := range values {
			values[i] = 0.05 * math.Exp(r.NormFloat64())
			sketch.Add(values[i])
			at, _ := slices.BinarySearch(h.Upper, values[i])
			for k := at; k < 13; k++ {
				h.Cumulative[k]++
			}
		}
		slices.Sort(values)
		q := 0.1 + 0.8*r.Float64()
		exact, err := FromSorted(values, q, 0.95, 1)
		if err != nil {
			t.Fatal(err)
		}
		fromSketch, err := FromSketch(sketch, q, 0.95, 1)
		if err != nil {
			t.Fatal(err)
		}
		fromBuckets, err := h.Reading(q, 0.95, 1)
		if err != nil {
			t.Fatal(err)
		}
		for what, got := range map[string]Reading{"sketch": fromSketch, "buckets": fromBuckets.Reading} {
			if got.Ranks != exact.Ranks || got.N != exact.N {
				t.Fatalf("%s: ranks %+v, want %+v", what, got.Ranks, exact.Ranks)
			}
			if got.Interval.Low > exact.Interval.Low || got.Interval.High < exact.Interval.High {
				t.Fatalf("%s: %+v does not hold %+v", what, got.Interval, exact.Interval)
			}
			// The bucketed value is a rank apart at most, besides its resolution.
			if near := exact.Interval; math.Abs(got.Value-exact.Value) > got.Resolution+near.High-near.Low {
				t.Fatalf("%s: %g, exactly %g, resolution %g", what, got.Value, exact.Value, got.Resolution)
			}
		}
		if wide := fromSketch.Interval.High / exact.Interval.High; wide > 1.0001*1.01/0.99*1.01/0.99 {
			t.Fatalf("sketch widens by %g", wide)
		}
		if in := fromBuckets.Interpolated; in.Low < fromBuckets.Interval.Low || in.High > fromBuckets.Interval.High {
			t.Fatalf("interpolated %+v outside %+v", in, fromBuckets.Interval)
		}
	}
}

func TestIntervalsGrowWithConfidenceAndInflation(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 500 {
		n, q := 1+r.Int64N(1<<uint(1+r.IntN(20))), 0.001+0.998*r.Float64()
		conf, factor := 0.5+0.49*r.Float64(), 1+20*r.Float64()
		narrow, err1 := RanksFor(n, q, conf, 1)
		sure, err2 := RanksFor(n, q, (1+conf)/2, 1)
		clustered, err3 := RanksFor(n, q, conf, factor)
		more, err4 := RanksFor(n, q, conf, 2*factor)
		for _, err := range []error{err1, err2, err3, err4} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, pair := range [][2]Ranks{{narrow, sure}, {narrow, clustered}, {clustered, more}} {
			if pair[1].Low > pair[0].Low || pair[1].High < pair[0].High {
				t.Fatalf("n %d, q %g, conf %g, factor %g: %+v inside %+v", n, q, conf, factor, pair[1], pair[0])
			}
		}
		if narrow.Coverage < conf-1e-12 || narrow.Low < 0 || narrow.High > n+1 {
			t.Fatalf("n %d, q %g, conf %g: %+v", n, q, conf, narrow)
		}
		mirrored, err := RanksFor(n, 1-q, conf, 1)
		if err != nil {
			t.Fatal(err)
		}
		if d := mirrored.Low + narrow.High - n - 1; d < -1 || d > 1 {
			t.Fatalf("n %d: ranks of %g %+v, of %g %+v", n, q, narrow, 1-q, mirrored)
		}
	}
}

func TestRanksOfBillionsOfRequests(t *testing.T) {
	const n, q = 1 << 36, 0.99
	r, err := RanksFor(n, q, 0.95, 1)
	if err != nil {
		t.Fatal(err)
	}
	sd := math.Sqrt(n * q * (1 - q))
	closeTo(t, "low, in standard deviations", (float64(r.Low)-n*q)/sd, -1.959964, 1e-4)
	closeTo(t, "high, in standard deviations", (float64(r.High)-n*q)/sd, 1.959964, 1e-4)
	closeTo(t, "coverage", r.Coverage, 0.95, 1e-5)
}

func TestMergedHistogramsCountTogether(t *testing.T) {
	both, err := latencies.Merge(latencies)
	if err != nil {
		t.Fatal(err)
	}
	a, errA := latencies.Interpolated(0.7)
	b, errB := both.Interpolated(0.7)
	if errA != nil || errB != nil || a != b || both.N() != 2*latencies.N() || latencies.N() != 10000 {
		t.Errorf("%g of %d, %g of %d (%v, %v)", a, latencies.N(), b, both.N(), errA, errB)
	}
	d, err := KS(latencies, both)
	if err != nil || d != 0 {
		t.Errorf("distance of equal shares %g (%v)", d, err)
	}
}
