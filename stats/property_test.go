// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/headgate-dev/headgate/stats/internal/input"
	"pgregory.net/rapid"
)

// near says that two numbers agree to a relative 1e-9 of the larger scale.
func near(a, b, scale float64) bool {
	return math.Abs(a-b) <= 1e-9*max(math.Abs(a), math.Abs(b), scale, 1e-300)
}

// observation draws numbers of ordinary size and sign.
func observation() *rapid.Generator[float64] { return rapid.Float64Range(-1e6, 1e6) }

// spread draws standard errors.
func spread() *rapid.Generator[float64] { return rapid.Float64Range(1e-6, 1e6) }

// shuffledParts cuts 0..n-1, in random order, into random parts.
func shuffledParts(t *rapid.T, n int) [][]int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	order = rapid.Permutation(order).Draw(t, "order")
	var parts [][]int
	for len(order) > 0 {
		k := rapid.IntRange(1, len(order)).Draw(t, "part")
		parts, order = append(parts, order[:k]), order[k:]
	}
	return parts
}

func TestMomentsMergeInAnyOrderAndPartition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// A large common level is what naive sums of squares fail on.
		level := rapid.SampledFrom([]float64{0, 1e3, 1e9}).Draw(t, "level")
		xs := rapid.SliceOfN(rapid.Float64Range(-10, 10), 2, 40).Draw(t, "xs")
		var all Moments
		for _, x := range xs {
			all.Add(level + x)
		}
		var merged Moments
		for _, part := range shuffledParts(t, len(xs)) {
			var m Moments
			for _, i := range part {
				m.Add(level + xs[i])
			}
			merged = merged.Merge(m)
		}
		// Means are rounded at the size of the level, and each of n deviations,
		// up to 20, carries that rounding into M2 a few times over.
		rounding := 1e-15 * level * 20 * float64(len(xs))
		if merged.N != all.N || !near(merged.Mean, all.Mean, 1) || math.Abs(merged.M2-all.M2) > 1e-9*(1+all.M2)+rounding {
			t.Fatalf("merged %+v, added %+v", merged, all)
		}
	})
}

func TestPairMergeInAnyOrderAndPartition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ys := rapid.SliceOfN(observation(), 2, 40).Draw(t, "ys")
		xs := rapid.SliceOfN(observation(), len(ys), len(ys)).Draw(t, "xs")
		zeros := rapid.Int64Range(0, 20).Draw(t, "zeros")
		var all, merged Pair
		for i := range ys {
			all.Add(ys[i], xs[i])
		}
		for range zeros {
			all.Add(0, 0)
		}
		for _, part := range shuffledParts(t, len(ys)) {
			var p Pair
			for _, i := range part {
				p.Add(ys[i], xs[i])
			}
			merged = p.Merge(merged)
		}
		merged.AddZeros(zeros)
		same := merged.N == all.N &&
			near(merged.MeanY, all.MeanY, 1e6) && near(merged.MeanX, all.MeanX, 1e6) &&
			near(merged.M2Y, all.M2Y, 1e12) && near(merged.M2X, all.M2X, 1e12) && near(merged.CYX, all.CYX, 1e12)
		if !same {
			t.Fatalf("merged %+v, added %+v", merged, all)
		}
	})
}

func TestPairRatioScales(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 30).Draw(t, "n")
		// Whole numbers: squares of the smallest floats have few digits.
		ys := rapid.SliceOfN(rapid.IntRange(0, 1000), n, n).Draw(t, "ys")
		xs := rapid.SliceOfN(rapid.Float64Range(1, 10), n, n).Draw(t, "xs")
		a := rapid.Float64Range(0.01, 100).Draw(t, "a")
		b := rapid.Float64Range(0.01, 100).Draw(t, "b")
		var p, scaled Pair
		for i := range n {
			y := float64(ys[i])
			p.Add(y, xs[i])
			scaled.Add(a*y, b*xs[i])
		}
		r, err1 := p.Ratio()
		s, err2 := scaled.Ratio()
		if err := input.First(err1, err2); err != nil {
			t.Fatal(err)
		}
		// Where Y is proportional to X the error is rounding and nothing else.
		if !near(s.Value, r.Value*a/b, 0) || math.Abs(s.SE-r.SE*a/b) > 1e-7*(r.SE+r.Value)*a/b {
			t.Fatalf("scaled %+v, plain %+v by %g", s, r, a/b)
		}
	})
}

func TestMeanShifts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(rapid.Float64Range(-10, 10), 2, 30).Draw(t, "xs")
		shift := rapid.Float64Range(-1e3, 1e3).Draw(t, "shift")
		var p, q Pair
		for _, x := range xs {
			p.Add(x, 1)
			q.Add(x+shift, 1)
		}
		a, err1 := p.Mean()
		b, err2 := q.Mean()
		if err := input.First(err1, err2); err != nil {
			t.Fatal(err)
		}
		if !near(b.Value, a.Value+shift, 1e3) || math.Abs(a.SE-b.SE) > 1e-7 {
			t.Fatalf("shifted %+v, plain %+v", b, a)
		}
		// With a denominator of 1 the ratio is the mean.
		r, err := p.Ratio()
		if err != nil || !near(r.Value, a.Value, 1) || math.Abs(r.SE-a.SE) > 1e-9 {
			t.Fatalf("ratio %+v (%v), mean %+v", r, err, a)
		}
	})
}

func TestCountsAndUnitsOfOneTrialAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Counts{N: rapid.Int64Range(2, 500).Draw(t, "n")}
		c.X = rapid.Int64Range(0, c.N).Draw(t, "x")
		var p Pair
		for range c.X {
			p.Add(1, 1)
		}
		for range c.N - c.X {
			p.Add(0, 1)
		}
		a, err1 := c.Proportion()
		b, err2 := p.Ratio()
		if err := input.First(err1, err2); err != nil {
			t.Fatal(err)
		}
		// One divides by n, the other by n-1.
		bessel := math.Sqrt(float64(c.N-1) / float64(c.N))
		if !near(a.Value, b.Value, 1) || math.Abs(a.SE-b.SE*bessel) > 1e-9 {
			t.Fatalf("counts %+v, units %+v", a, b)
		}
	})
}

func TestDifferenceSwaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := Estimate{observation().Draw(t, "a"), spread().Draw(t, "seA")}
		b := Estimate{observation().Draw(t, "b"), spread().Draw(t, "seB")}
		ab, ba := Difference(a, b), Difference(b, a)
		if ab.Value != -ba.Value || ab.SE != ba.SE {
			t.Fatalf("%+v and %+v", ab, ba)
		}
	})
}

func TestRelativeIntervalAgreesWithDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := Estimate{rapid.Float64Range(0.5, 10).Draw(t, "b"), rapid.Float64Range(0.001, 1).Draw(t, "seB")}
		c := Estimate{rapid.Float64Range(-10, 10).Draw(t, "c"), rapid.Float64Range(0.001, 1).Draw(t, "seC")}
		if rapid.Bool().Draw(t, "negative baseline") {
			b.Value = -b.Value
		}
		z := rapid.Float64Range(0, 4).Draw(t, "z")
		i, ok := RelativeInterval(c, b, z)
		if ok != (z*b.SE < math.Abs(b.Value)) {
			t.Fatalf("bounded: %t", ok)
		}
		if !ok {
			return
		}
		effect := (c.Value - b.Value) / math.Abs(b.Value)
		if i.Low > effect+1e-9*(1+math.Abs(effect)) || i.High < effect-1e-9*(1+math.Abs(effect)) {
			t.Fatalf("%+v misses the estimate %g", i, effect)
		}
		// Fieller's definition: at the ends c - ratio*b is z errors from 0.
		sign := math.Copysign(1, b.Value)
		for _, end := range []float64{i.Low, i.High} {
			l := Linearised(c, b, sign*end+1)
			if math.Abs(math.Abs(l.Value)-z*l.SE) > 1e-6*(z*l.SE+math.Abs(c.Value)+math.Abs(end)+1) {
				t.Fatalf("at %g: %+v, want %g standard errors from 0", end, l, z)
			}
		}
		d := Difference(c, b)
		if math.Abs(math.Abs(d.Value)-z*d.SE) < 1e-9 {
			return // On the edge, rounding decides.
		}
		if i.Contains(0) == (math.Abs(d.Value) > z*d.SE) {
			t.Fatalf("relative %+v, difference %+v at z = %g", i, d, z)
		}
	})
}

// mixtureCase draws a tuning and a state of the data.
func mixtureCase(t *rapid.T) (m Mixture, est Estimate, n, alpha float64) {
	planned := math.Exp(rapid.Float64Range(0, 20).Draw(t, "ln planned"))
	m, err := NewMixture(rapid.Float64Range(0.001, 0.5).Draw(t, "tuned"), planned)
	if err != nil {
		t.Fatal(err)
	}
	est.SE = spread().Draw(t, "se")
	est.Value = est.SE * rapid.Float64Range(-50, 50).Draw(t, "z")
	return m, est, math.Exp(rapid.Float64Range(0, 20).Draw(t, "ln n")), rapid.Float64Range(1e-9, 0.9).Draw(t, "alpha")
}

func TestLowerIsDualToLogEGreater(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, est, n, alpha := mixtureCase(t)
		low, err := m.Lower(est, n, alpha)
		if err != nil {
			t.Fatal(err)
		}
		at, err := m.LogEGreater(Estimate{est.Value - low, est.SE}, n)
		if err != nil || math.Abs(at+math.Log(alpha)) > 1e-7 {
			t.Fatalf("log e-value at the bound %g (%v), want %g", at, err, -math.Log(alpha))
		}
		if logE, err := m.LogEGreater(est, n); err != nil || math.Abs(low) > 1e-6*est.SE && (logE >= -math.Log(alpha)) != (low >= 0) {
			t.Fatalf("lower bound %g, log e-value %g (%v)", low, logE, err)
		}
		if low >= est.Value {
			t.Fatalf("lower bound %g above the estimate %g", low, est.Value)
		}
	})
}

func TestIntervalIsDualToLogEAndContainsTheEstimate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, est, n, alpha := mixtureCase(t)
		i, err := m.Interval(est, n, alpha)
		if err != nil {
			t.Fatal(err)
		}
		if !i.Contains(est.Value) {
			t.Fatalf("%+v misses %g", i, est.Value)
		}
		for _, end := range []float64{i.Low, i.High} {
			if at, err := m.LogE(Estimate{est.Value - end, est.SE}, n); err != nil || math.Abs(at+math.Log(alpha)) > 1e-6 {
				t.Fatalf("log e-value at %g: %g (%v)", end, at, err)
			}
		}
	})
}

func TestLogEGreaterGrowsWithTheEstimate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, est, n, _ := mixtureCase(t)
		// Every size of z, over the seams of the approximations too.
		est.Value = est.SE * rapid.SampledFrom([]float64{-1e6, -1e3, -40, -28.3, -28.2, -5, 0, 5, 1e3}).Draw(t, "z")
		a, err1 := m.LogEGreater(est, n)
		est.Value += 0.01 * est.SE * rapid.Float64Range(1, 100).Draw(t, "step")
		b, err2 := m.LogEGreater(est, n)
		if err := input.First(err1, err2); err != nil || !(b > a) {
			t.Fatalf("%g, then %g (%v)", a, b, err)
		}
	})
}

func TestBernoulliIntervalIsDualToLogE(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Counts{N: rapid.Int64Range(1, 1e7).Draw(t, "n")}
		if rapid.Bool().Draw(t, "rare") {
			c.X = rapid.Int64Range(0, min(c.N, 20)).Draw(t, "x")
		} else {
			c.X = rapid.Int64Range(0, c.N).Draw(t, "x")
		}
		alpha := rapid.Float64Range(0.001, 0.5).Draw(t, "alpha")
		planned := math.Exp(rapid.Float64Range(0, 16).Draw(t, "ln planned"))
		i, err := BernoulliInterval(c, alpha, planned)
		if err != nil {
			t.Fatal(err)
		}
		if p := float64(c.X) / float64(c.N); !i.Contains(p) || i.Low < 0 || i.High > 1 {
			t.Fatalf("%+v misses %g", i, p)
		}
		// Any p, in terms of which also the outermost matter.
		p := logistic(rapid.Float64Range(-30, 30).Draw(t, "logit"))
		if p <= 0 || p >= 1 {
			return
		}
		logE, err := BernoulliLogE(c, p, alpha, planned)
		if err != nil {
			t.Fatal(err)
		}
		if excess := logE + math.Log(alpha); math.Abs(excess) > 1e-6 && i.Contains(p) == (excess > 0) {
			t.Fatalf("p = %g, log e-value %g, interval %+v", p, logE, i)
		}
		mirrored, err := BernoulliInterval(Counts{N: c.N, X: c.N - c.X}, alpha, planned)
		if err != nil || math.Abs(mirrored.Low-(1-i.High)) > 1e-12 || math.Abs(mirrored.High-(1-i.Low)) > 1e-12 {
			t.Fatalf("mirrored %+v (%v), plain %+v", mirrored, err, i)
		}
	})
}

// schedule draws looks with some that bring nothing new.
func schedule(t *rapid.T) []Look {
	looks := make([]Look, rapid.IntRange(1, 8).Draw(t, "looks"))
	spent := rapid.SliceOfN(rapid.Float64Range(0.01, 1), len(looks), len(looks)).Draw(t, "spent")
	slices.Sort(spent)
	information := 0.0
	for k := range looks {
		step := rapid.Float64Range(0.01, 3).Draw(t, "step")
		if k > 0 && rapid.IntRange(0, 5).Draw(t, "kind") == 0 {
			step = 0
		}
		information += step
		looks[k] = Look{Spent: spent[k], Information: information}
	}
	looks[len(looks)-1].Spent = 1
	return looks
}

func spending(t *rapid.T) Spending {
	return rapid.SampledFrom([]Spending{OBrienFleming, Pocock, KimDeMets(1), KimDeMets(3)}).Draw(t, "spending")
}

func TestBoundariesSpendWhatTheyMay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		looks, spend := schedule(t), spending(t)
		alpha := rapid.Float64Range(0.001, 0.4).Draw(t, "alpha")
		bounds, err := Boundaries(looks, alpha, spend)
		if err != nil {
			t.Fatal(err)
		}
		ps, err := CrossingProbability(bounds, looks, 0)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for k, p := range ps {
			repeated := k > 0 && looks[k].Information == looks[k-1].Information
			if sum += p; !repeated && math.Abs(sum-spend(alpha, looks[k].Spent)) > 1e-9 {
				t.Fatalf("look %d: spent %.12g, may %.12g", k, sum, spend(alpha, looks[k].Spent))
			}
			if repeated && (p != 0 || bounds[k] != bounds[k-1]) {
				t.Fatalf("look %d repeats the one before but spends %g at %g after %g", k, p, bounds[k], bounds[k-1])
			}
		}
	})
}

func TestBoundariesDependOnThePastAndOnRatiosAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		looks, spend := schedule(t), spending(t)
		whole, err := Boundaries(looks, 0.05, spend)
		if err != nil {
			t.Fatal(err)
		}
		unit := rapid.Float64Range(1e-3, 1e9).Draw(t, "unit")
		for i := range looks {
			looks[i].Information *= unit
		}
		k := rapid.IntRange(1, len(looks)).Draw(t, "prefix")
		part, err := Boundaries(looks[:k], 0.05, spend)
		if err != nil {
			t.Fatal(err)
		}
		for i := range part {
			if math.Abs(part[i]-whole[i]) > 1e-7 {
				t.Fatalf("look %d: %.12g alone, %.12g with later looks", i, part[i], whole[i])
			}
		}
	})
}

func TestSketchMergesExactlyAndKeepsOnePercent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logs := rapid.SliceOfN(rapid.Float64Range(math.Log(1.0001e-6), math.Log(0.999e4)), 1, 60).Draw(t, "logs")
		xs := make([]float64, len(logs))
		var all, merged Sketch
		for i, l := range logs {
			xs[i] = math.Exp(l)
			all.Add(xs[i])
		}
		for _, part := range shuffledParts(t, len(xs)) {
			var s Sketch
			for _, i := range part {
				s.Add(xs[i])
			}
			merged.Merge(s)
		}
		if diff := cmp.Diff(all, merged); diff != "" {
			t.Fatal(diff)
		}
		slices.Sort(xs)
		q := rapid.Float64Range(0, 1).Draw(t, "q")
		got, err := merged.Quantile(q)
		want := xs[int(q*float64(len(xs)-1))]
		if err != nil || math.Abs(got-want) > 0.0100001*want {
			t.Fatalf("quantile %g = %g (%v), want %g within 1 %%", q, got, err, want)
		}
		a, err1 := json.Marshal(all)
		b, err2 := json.Marshal(merged)
		var back Sketch
		err3 := json.Unmarshal(b, &back)
		if err := input.First(err1, err2, err3); err != nil || string(a) != string(b) || !back.Equal(all) || back.Count() != all.Count() {
			t.Fatalf("%s and %s (%v)", a, b, err)
		}
	})
}

func TestClopperPearsonIsDualToTheBinomialTest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Counts{N: rapid.Int64Range(1, 1e6).Draw(t, "n")}
		c.X = rapid.Int64Range(1, c.N).Draw(t, "x")
		conf := rapid.Float64Range(0.5, 0.999).Draw(t, "conf")
		i, err := ClopperPearson(c, conf)
		if err != nil {
			t.Fatal(err)
		}
		p, err := BinomialTestGreater(c.X, c.N, i.Low)
		if tail := (1 - conf) / 2; err != nil || math.Abs(p-tail) > 1e-6*tail {
			t.Fatalf("P(X >= x) at the lower end is %g (%v), want %g", p, err, tail)
		}
		if !i.Contains(float64(c.X) / float64(c.N)) {
			t.Fatalf("%+v misses the proportion", i)
		}
	})
}

func TestSampleSizeGivesThePower(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sb, sc := spread().Draw(t, "sdBaseline"), spread().Draw(t, "sdCandidate")
		effect := max(sb, sc) * rapid.Float64Range(0.001, 3).Draw(t, "effect")
		alpha := rapid.Float64Range(0.001, 0.3).Draw(t, "alpha")
		power := rapid.Float64Range(0.4, 0.99).Draw(t, "power")
		ratio := rapid.Float64Range(0.01, 10).Draw(t, "ratio")
		nb, nc, err := SampleSizeDifference(sb, sc, effect, alpha, power, ratio)
		if err != nil || !near(nc, ratio*nb, 0) {
			t.Fatalf("%g and %g at ratio %g (%v)", nb, nc, ratio, err)
		}
		se := math.Hypot(sb/math.Sqrt(nb), sc/math.Sqrt(nc))
		got, err := PowerDifference(effect, se, -NormalQuantile(alpha))
		if err != nil || math.Abs(got-power) > 1e-9 {
			t.Fatalf("power %g (%v), want %g", got, err, power)
		}
	})
}
