// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"testing"
)

// Every exported function is fuzzed with the numbers that break arithmetic. It
// must return finite results, or an error of one of the three documented kinds.

// strange are seeds for floating-point arguments.
var strange = []float64{
	0, math.Copysign(0, -1), 1, -1, 0.05, 0.5, 1 - 1e-16, 1e-300, 5e-324, 1e300, math.MaxFloat64, -math.MaxFloat64,
	math.NaN(), math.Inf(1), math.Inf(-1),
}

// strangeCounts are seeds for counts.
var strangeCounts = []int64{0, 1, 2, -1, 100, 1 << 40, math.MaxInt64, math.MinInt64}

// sound fails unless err is documented or all results are finite.
func sound(t *testing.T, what string, err error, results ...float64) {
	t.Helper()
	if err != nil {
		if _, ok := errors.AsType[*InputError](err); !ok && !errors.Is(err, ErrNoData) && !errors.Is(err, ErrImpossible) {
			t.Errorf("%s: undocumented error %v", what, err)
		}
		return
	}
	for _, r := range results {
		if math.IsNaN(r) || math.IsInf(r, 0) {
			t.Errorf("%s returns %v", what, results)
		}
	}
}

// probability fails unless every result is one.
func probability(t *testing.T, what string, err error, results ...float64) {
	t.Helper()
	sound(t, what, err, results...)
	for _, r := range results {
		if err == nil && !(r >= 0 && r <= 1) {
			t.Errorf("%s returns %v, not a probability", what, results)
		}
	}
}

func FuzzCounts(f *testing.F) {
	for i, n := range strangeCounts {
		for j, x := range strangeCounts {
			f.Add(n, x, strange[(i*len(strangeCounts)+j)%len(strange)], strange[(i+2*j)%len(strange)], strange[(3*i+j)%len(strange)])
		}
	}
	f.Add(int64(1000), int64(3), 0.01, 0.05, 500.0)
	f.Fuzz(func(t *testing.T, n, x int64, p0, alpha, planned float64) {
		c := Counts{N: n, X: x}
		sound(t, "Valid", c.Valid())
		e, err := c.Proportion()
		probability(t, "Proportion", err, e.Value, e.SE)
		i, err := BernoulliInterval(c, alpha, planned)
		probability(t, "BernoulliInterval", err, i.Low, i.High)
		if err == nil && !(i.Low <= e.Value*(1+1e-9) && e.Value <= i.High*(1+1e-9)) {
			t.Errorf("BernoulliInterval %+v misses %v", i, e.Value)
		}
		logE, err := BernoulliLogE(c, p0, alpha, planned)
		sound(t, "BernoulliLogE", err, logE)
		i, err = ClopperPearson(c, alpha)
		probability(t, "ClopperPearson", err, i.Low, i.High)
		if err == nil && i.Low > i.High {
			t.Errorf("ClopperPearson %+v", i)
		}
		sum := c.Merge(c)
		_, err = sum.Proportion()
		sound(t, "Merge", err)
	})
}

func FuzzBinomialTestGreater(f *testing.F) {
	for i, n := range strangeCounts {
		for j, x := range strangeCounts {
			f.Add(x, n, strange[(i+j)%len(strange)])
		}
	}
	f.Add(int64(1<<39), int64(1<<40), 0.5)
	f.Fuzz(func(t *testing.T, x, n int64, p float64) {
		v, err := BinomialTestGreater(x, n, p)
		probability(t, "BinomialTestGreater", err, v)
	})
}

func FuzzMoments(f *testing.F) {
	for i, a := range strange {
		f.Add(strangeCounts[i%len(strangeCounts)], a, strange[(i+4)%len(strange)], strange[(i+9)%len(strange)])
	}
	f.Fuzz(func(t *testing.T, n int64, mean, m2, x float64) {
		m := Moments{N: n, Mean: mean, M2: m2}
		v, err := m.Variance()
		sound(t, "Variance", err, v)
		m.Add(x)
		v, err = m.Variance()
		sound(t, "Variance after Add", err, v)
		v, err = m.Merge(Moments{N: 2, Mean: x, M2: 1}).Variance()
		sound(t, "Variance after Merge", err, v)
	})
}

func FuzzPair(f *testing.F) {
	for i, a := range strange {
		at := func(k int) float64 { return strange[(i*k+k)%len(strange)] }
		f.Add(strangeCounts[i%len(strangeCounts)], a, at(2), at(3), at(4), at(5), at(6), at(7))
	}
	f.Add(int64(5), 1.0, 2.0, 3.0, 4.0, 1.0, 1.0, 2.0)
	f.Fuzz(func(t *testing.T, n int64, my, mx, m2y, m2x, cyx, y, x float64) {
		p := Pair{N: n, MeanY: my, MeanX: mx, M2Y: m2y, M2X: m2x, CYX: cyx}
		grown := p
		grown.Add(y, x)
		zeros := p
		zeros.AddZeros(n)
		for _, p := range []Pair{p, grown, zeros, p.Merge(grown)} {
			e, err := p.Ratio()
			sound(t, "Ratio", err, e.Value, e.SE)
			e, err = p.Mean()
			sound(t, "Mean", err, e.Value, e.SE)
		}
	})
}

func FuzzEstimate(f *testing.F) {
	for i, a := range strange {
		for j, b := range strange {
			f.Add(a, strange[(i+j)%len(strange)], b, strange[(i+2*j)%len(strange)], strange[(2*i+j)%len(strange)])
		}
	}
	f.Fuzz(func(t *testing.T, a, seA, b, seB, z float64) {
		if i, ok := RelativeInterval(Estimate{a, seA}, Estimate{b, seB}, z); ok {
			sound(t, "RelativeInterval", nil, i.Low, i.High)
			if i.Low > i.High {
				t.Errorf("RelativeInterval %+v", i)
			}
		}
		// These two have no error result; what uses them must notice.
		m, err := NewMixture(0.05, 100)
		if err != nil {
			t.Fatal(err)
		}
		logE, err := m.LogE(Difference(Estimate{a, seA}, Estimate{b, seB}), 100)
		sound(t, "LogE of Difference", err, logE)
		logE, err = m.LogE(Linearised(Estimate{a, seA}, Estimate{b, seB}, z), 100)
		sound(t, "LogE of Linearised", err, logE)
	})
}

func FuzzNormal(f *testing.F) {
	for _, x := range strange {
		f.Add(x)
	}
	f.Fuzz(func(t *testing.T, x float64) {
		if math.IsNaN(x) {
			return
		}
		probability(t, "NormalCDF and NormalSF", nil, NormalCDF(x), NormalSF(x))
		if q := NormalQuantile(x); math.IsNaN(q) || x > 0 && x < 1 && math.IsInf(q, 0) {
			t.Errorf("NormalQuantile(%g) = %g", x, q)
		}
	})
}

func FuzzMixture(f *testing.F) {
	for i, a := range strange {
		for j, b := range strange {
			f.Add(0.05, 1000.0, a, b, strange[(i+j)%len(strange)], 0.05)
			f.Add(a, b, strange[(i+2*j)%len(strange)], 1.0, 100.0, strange[(2*i+j)%len(strange)])
		}
	}
	f.Fuzz(func(t *testing.T, tuned, planned, value, se, n, alpha float64) {
		m, err := NewMixture(tuned, planned)
		sound(t, "NewMixture", err)
		est := Estimate{value, se}
		two, err := m.LogE(est, n)
		sound(t, "LogE", err, two)
		one, err := m.LogEGreater(est, n)
		sound(t, "LogEGreater", err, one)
		if err == nil && one > two+math.Ln2+1e-9*math.Abs(two) {
			t.Errorf("one-sided %g exceeds twice two-sided %g", one, two)
		}
		i, err := m.Interval(est, n, alpha)
		sound(t, "Interval", err, i.Low, i.High)
		if err == nil && !i.Contains(value) {
			t.Errorf("%+v misses %g", i, value)
		}
		low, err := m.Lower(est, n, alpha)
		sound(t, "Lower", err, low)
		if err == nil && low > value {
			t.Errorf("lower bound %g above %g", low, value)
		}
	})
}

// floats reads a fuzzer's bytes as numbers, eight bytes each.
func floats(b []byte) []float64 {
	var out []float64
	for ; len(b) >= 8; b = b[8:] {
		out = append(out, math.Float64frombits(binary.LittleEndian.Uint64(b)))
	}
	return out
}

// packed is the inverse of floats.
func packed(v ...float64) []byte {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
	}
	return b
}

func FuzzBoundaries(f *testing.F) {
	f.Add(packed(0.2, 1, 0.4, 2, 0.6, 3, 1, 5), 0.025, 2.0, 0.8, 1.0)
	f.Add(packed(0.2, 1, 0.2, 1, 1, 1), 0.9, 1e-9, 0.95, -1.0)
	f.Add(packed(1e-300, 1e-300, 1, 1e300), 1e-12, 50.0, 0.5, 1e9)
	f.Add(packed(1, 1, 1, 1.00002, 1, 1.00005), 0.5, 1.0, 0.6, 0.0)
	for i, a := range strange {
		f.Add(packed(0.5, a, a, 3), strange[(i+3)%len(strange)], a, strange[(i+5)%len(strange)], a)
		f.Add(packed(0.5, 1, 1, 3), 0.05, a, 0.8, a)
	}
	f.Fuzz(func(t *testing.T, raw []byte, alpha, rho, power, drift float64) {
		v := floats(raw)
		if len(v) > 16 {
			v = v[:16] // Eight looks: the work grows with their number.
		}
		var looks []Look
		for i := 0; i+1 < len(v); i += 2 {
			looks = append(looks, Look{Spent: v[i], Information: v[i+1]})
		}
		for _, spend := range []Spending{OBrienFleming, Pocock, KimDeMets(rho)} {
			z, err := Boundaries(looks, alpha, spend)
			sound(t, "Boundaries", err, z...)
			if err != nil {
				continue
			}
			ps, err := CrossingProbability(z, looks, 0)
			probability(t, "CrossingProbability", err, ps...)
			sum := 0.0
			for _, p := range ps {
				sum += p
			}
			if err == nil && sum > alpha*(1+1e-9)+1e-12 {
				t.Errorf("boundaries %v of %v spend %g of %g", z, looks, sum, alpha)
			}
			ps, err = CrossingProbability(z, looks, drift)
			sound(t, "CrossingProbability with drift", err, ps...)
			ps, err = TwoSidedCrossingProbability(z, looks, drift)
			sound(t, "TwoSidedCrossingProbability", err, ps...)
			r, err := Inflation(looks, alpha, power, spend)
			sound(t, "Inflation", err, r)
		}
	})
}

func FuzzSampleRatio(f *testing.F) {
	for i, a := range strange {
		for j, n := range strangeCounts {
			f.Add(n, strangeCounts[(i+j)%len(strangeCounts)], strangeCounts[i%len(strangeCounts)], a, 1.0, strange[(i+j)%len(strange)], strange[(i+3*j)%len(strange)])
			f.Add(int64(10), int64(20), n, 1.0, 2.0, a, 100.0)
		}
	}
	f.Fuzz(func(t *testing.T, a, b, c int64, sa, sb, sc, concentration float64) {
		counts, shares := []int64{a, b, c}, []float64{sa, sb, sc}
		chi2, p, err := SRMChiSquared(counts, shares)
		sound(t, "SRMChiSquared", err, chi2, p)
		probability(t, "SRMChiSquared p", err, p)
		logE, err := SRMLogE(counts, shares, concentration)
		sound(t, "SRMLogE", err, logE)
		_, err = SRMLogE(counts[:2], shares, concentration)
		sound(t, "SRMLogE with a count missing", err)
	})
}

func FuzzPlan(f *testing.F) {
	for i, a := range strange {
		at := func(k int) float64 { return strange[(i*k+k)%len(strange)] }
		f.Add(a, at(2), at(3), at(4), at(5), at(6))
		f.Add(1.0, 1.0, a, 0.05, 0.8, at(3))
	}
	f.Fuzz(func(t *testing.T, a, b, effect, alpha, power, ratio float64) {
		nb, nc, err := SampleSizeDifference(a, b, effect, alpha, power, ratio)
		sound(t, "SampleSizeDifference", err, nb, nc)
		n, err := SampleSizeProportions(a, b, alpha, power)
		sound(t, "SampleSizeProportions", err, n)
		p, err := PowerDifference(effect, a, b)
		probability(t, "PowerDifference", err, p)
	})
}

func FuzzSketch(f *testing.F) {
	f.Add(packed(strange...), 0.5)
	for _, q := range strange {
		f.Add(packed(0.001, 0.1, 5), q)
	}
	f.Fuzz(func(t *testing.T, raw []byte, q float64) {
		var s, twice Sketch
		for _, v := range floats(raw) {
			s.Add(v)
		}
		twice.Merge(s)
		twice.Merge(s)
		if twice.Count() != 2*s.Count() {
			t.Errorf("%d values merged twice are %d", s.Count(), twice.Count())
		}
		v, err := s.Quantile(q)
		sound(t, "Quantile", err, v)
		if err == nil && !(v >= 0.98e-6 && v <= 1.02e4) {
			t.Errorf("quantile %g", v)
		}
	})
}

func FuzzSketchJSON(f *testing.F) {
	for _, s := range []string{`[]`, `null`, `[3,1]`, `[0,5,1152,7]`, `[1,2,3]`, `{"a":1}`, `[1e3,1]`, `[5,9007199254740992]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var s Sketch
		if json.Unmarshal(text, &s) != nil {
			return
		}
		once, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back Sketch
		if err := json.Unmarshal(once, &back); err != nil {
			t.Fatalf("%s reads back as %v", once, err)
		}
		again, err := json.Marshal(back)
		if err != nil || !bytes.Equal(once, again) || !back.Equal(s) {
			t.Fatalf("%s became %s (%v)", once, again, err)
		}
		if s.Count() > 0 {
			v, err := s.Quantile(0.5)
			sound(t, "Quantile", err, v)
		}
	})
}
