// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"testing"
)

func FuzzProportions(f *testing.F) {
	for i, n := range strangeCounts {
		for j, x := range strangeCounts {
			f.Add(n, x, strangeCounts[(i+j)%len(strangeCounts)], strangeCounts[(2*i+j)%len(strangeCounts)], strange[(i*j+j)%len(strange)], strange[(i+3*j)%len(strange)])
		}
	}
	f.Add(int64(1000), int64(3), int64(900), int64(20), 0.05, 0.01)
	f.Add(int64(1), int64(1), int64(1), int64(0), 0.05, -0.5)
	f.Add(int64(9), int64(1), int64(8), int64(2), 5e-324, 0.0) // Half of alpha is zero.
	f.Fuzz(func(t *testing.T, n1, x1, n2, x2 int64, alpha, d float64) {
		c, b := Counts{N: n1, X: x1}, Counts{N: n2, X: x2}
		z, p, err := TwoProportionZ(c, b)
		sound(t, "TwoProportionZ", err, z)
		probability(t, "TwoProportionZ", err, p)
		i, err := WilsonInterval(c, alpha)
		probability(t, "WilsonInterval", err, i.Low, i.High)
		for what, interval := range map[string]func(Counts, Counts, float64) (Interval, error){
			"NewcombeInterval": NewcombeInterval, "MiettinenNurminenInterval": MiettinenNurminenInterval,
		} {
			i, err := interval(c, b, alpha)
			sound(t, what, err, i.Low, i.High)
			if err == nil && (i.Low > i.High || i.Low < -1-1e-9 || i.High > 1+1e-9) {
				t.Errorf("%s %+v", what, i)
			}
		}
		z, err = MiettinenNurminenZ(c, b, d)
		sound(t, "MiettinenNurminenZ", err, z)
		r, i, err := RiskRatio(c, b, alpha)
		sound(t, "RiskRatio", err, r, i.Low, i.High)
		p, mid, err := FisherExact(c, b)
		probability(t, "FisherExact", err, p, mid)
		m, err := MantelHaenszel([]BinaryStratum{{c, b}, {b, c}, {c, c}}, alpha, n1%2 == 0)
		sound(t, "MantelHaenszel", err, m.Chi2, m.OddsRatio, m.Interval.Low, m.Interval.High, m.Pooled)
		probability(t, "MantelHaenszel", err, m.P)
		e, p, err := MissingOutcomes(c, b)
		sound(t, "MissingOutcomes", err, e.Value, e.SE)
		probability(t, "MissingOutcomes", err, p)
		share, _, err := MultipleExposure(c)
		probability(t, "MultipleExposure", err, share)
		logE, err := BernoulliLogEGreater(c, d, alpha, 1000)
		sound(t, "BernoulliLogEGreater", err, logE)
		comparisons(t, c, b, alpha)
	})
}

// comparisons fuzzes Compare in all its ways.
func comparisons[S Sample](t *testing.T, c, b S, alpha float64) {
	t.Helper()
	for _, looked := range []Guarantee{FixedLook, AtLooks, AnyTime} {
		got, err := Compare(c, b, Assumed{Alpha: alpha, Looked: looked, Planned: 1000, Looks: EvenLooks(2), Spend: Pocock})
		sound(t, "Compare", err, got.Effect.Value, got.Effect.SE, got.Effect.DF, got.Interval.Low, got.Interval.High, got.LogE)
		probability(t, "Compare", err, got.P)
		if err == nil && got.Interval.Low > got.Interval.High {
			t.Errorf("Compare %+v", got)
		}
	}
}

func FuzzContrasts(f *testing.F) {
	for i, a := range strange {
		at := func(k int) float64 { return strange[(i*k+k)%len(strange)] }
		f.Add(strangeCounts[i%len(strangeCounts)], a, at(2), at(3), int64(i), at(4), at(5), at(6), at(7), at(8))
		f.Add(int64(50), 1.0, 2.0, a, int64(70), 1.1, at(3), 1.0, 0.5, 0.05)
	}
	f.Add(int64(50), 1.0, 20.0, 3.0, int64(70), 1.1, 30.0, 1.0, 0.5, 0.05)
	f.Fuzz(func(t *testing.T, n1 int64, mean1, m21, m31 float64, n2 int64, mean2, m22, x, cyx, alpha float64) {
		a, b := Moments{N: n1, Mean: mean1, M2: m21}, Moments{N: n2, Mean: mean2, M2: m22}
		c, err := Welch(a, b)
		sound(t, "Welch", err, c.Value, c.SE, c.DF)
		for _, c := range []Contrast{c, {Estimate{mean1, m21}, m31}} {
			p, err := c.P()
			probability(t, "P", err, p)
			p, err = c.PGreater()
			probability(t, "PGreater", err, p)
			i, err := c.Interval(alpha)
			sound(t, "Contrast.Interval", err, i.Low, i.High)
			low, err := c.Lower(alpha)
			sound(t, "Contrast.Lower", err, low)
		}
		ma, mb := Measured{Estimate{mean1, m21}, n1}, Measured{Estimate{mean2, m22}, n2}
		r, err := RelativeContrast(ma, mb)
		sound(t, "RelativeContrast", err, r.Value, r.SE, r.DF)
		i, err := LogRatioInterval(ma.Estimate, mb.Estimate, x)
		sound(t, "LogRatioInterval", err, i.Low, i.High)
		s, err := PostStratify([]Stratum{{x, ma, mb}, {cyx, mb, ma}})
		sound(t, "PostStratify", err, s.Effect.Value, s.Effect.SE, s.Raw)
		shape := Shape{Moments: a, M3: m31}
		skew, err := shape.Merge(Shape{Moments: b, M3: x}).Skewness()
		sound(t, "Skewness", err, skew)
		p, err := PreExposureBalance([]Balance{{a, b}, {b, a}})
		probability(t, "PreExposureBalance", err, p)
		comparisons(t, a, b, alpha)
		comparisons(t, shape, Shape{Moments: b, M3: m31}, alpha)
		pa := Pair{N: n1, MeanY: mean1, MeanX: x, M2Y: m21, M2X: m22, CYX: cyx}
		pb := Pair{N: n2, MeanY: mean2, MeanX: x, M2Y: m22, M2X: m21, CYX: cyx}
		comparisons(t, pa, pb, alpha)
		for _, rule := range []ThetaRule{WithinVersions, PerVersion, Joint, 9} {
			adj, err := Cuped(pa, pb, rule)
			sound(t, "Cuped", err, adj.Value, adj.SE, adj.DF, adj.Reduction, adj.ThetaCandidate, adj.ThetaBaseline)
			rel, err := CupedRelative(pa, pb, rule)
			sound(t, "CupedRelative", err, rel.Value, rel.SE, rel.DF)
		}
		triple := Triple{N: n1, MeanY: mean1, MeanX: x, MeanZ: mean2, M2Y: m21, M2X: m22, M2Z: m31, CYX: cyx, CYZ: alpha, CXZ: x}
		triple.Add(mean2, x, cyx)
		l, err := triple.Linear()
		sound(t, "Linear", err, l.MeanY, l.M2Y, l.M2X, l.CYX)
	})
}

func FuzzStudent(f *testing.F) {
	for i, a := range strange {
		for j := range strange {
			f.Add(a, strange[(i+j)%len(strange)])
		}
	}
	f.Add(1e-300, 9999.9)
	f.Fuzz(func(t *testing.T, x, df float64) {
		sf, q := StudentSF(x, df), StudentQuantile(x, df)
		if math.IsNaN(x) || !(df > 0) {
			if !math.IsNaN(sf) || !math.IsNaN(q) {
				t.Errorf("StudentSF(%g, %g) = %g, quantile %g", x, df, sf, q)
			}
			return
		}
		if !(sf >= 0 && sf <= 1) || math.IsNaN(q) {
			t.Errorf("StudentSF(%g, %g) = %g, quantile %g", x, df, sf, q)
		}
	})
}

func FuzzBeta(f *testing.F) {
	for i, a := range strange {
		for j, b := range strange {
			f.Add(strange[(i+j)%len(strange)], a, b)
			f.Add(0.3, a, strange[(i+2*j)%len(strange)])
		}
	}
	f.Add(0.999, 1e9, 1e6)
	f.Add(5e-324, 1137.5, 44.0)
	f.Fuzz(func(t *testing.T, x, a, b float64) {
		p := BetaCDF(x, a, b)
		if math.IsNaN(x) || !(min(a, b) >= 1e-100) || !(max(a, b) <= 1e14) {
			if !math.IsNaN(p) {
				t.Errorf("BetaCDF(%g, %g, %g) = %g", x, a, b, p)
			}
			return
		}
		if !(p >= 0 && p <= 1+1e-9) {
			t.Errorf("BetaCDF(%g, %g, %g) = %g", x, a, b, p)
		}
	})
}

func FuzzLooks(f *testing.F) {
	for i, a := range strange {
		at := func(k int) float64 { return strange[(i*k+k)%len(strange)] }
		f.Add(i, a, at(2), at(3), at(4), at(5))
		f.Add(3, a, 0.5, 2.0, at(3), 0.5)
	}
	f.Add(4, 1.5, 0.4, 2.0, 0.05, 0.5)
	f.Fuzz(func(t *testing.T, k int, z, at, c, alpha, shape float64) {
		if k > 6 {
			k %= 7
		}
		looks := EvenLooks(k)
		p, err := ConditionalPower(z, at, c, shape)
		probability(t, "ConditionalPower", err, p)
		p, err = PredictivePower(z, at, c)
		probability(t, "PredictivePower", err, p)
		i, err := RepeatedInterval(Estimate{z, at}, c)
		sound(t, "RepeatedInterval", err, i.Low, i.High)
		p, err = RepeatedP(z, looks, Pocock)
		probability(t, "RepeatedP", err, p)
		for _, both := range []bool{false, true} {
			bounds, err := ClassicalBoundaries(k, alpha, shape, both)
			sound(t, "ClassicalBoundaries", err, bounds...)
			if err != nil {
				continue
			}
			p, err := StagewiseP(z, bounds, looks)
			probability(t, "StagewiseP", err, p)
			r, err := BoundaryInflation(bounds, looks, alpha, at)
			sound(t, "BoundaryInflation", err, r)
			n, err := ExpectedSample(bounds, looks, z)
			probability(t, "ExpectedSample", err, n)
			if k <= 3 {
				m, i, err := MedianUnbiased(Estimate{z, c}, bounds, looks, alpha)
				sound(t, "MedianUnbiased", err, m, i.Low, i.High)
			}
		}
	})
}

func FuzzMixtures(f *testing.F) {
	for i, a := range strange {
		at := func(k int) float64 { return strange[(i*k+k)%len(strange)] }
		f.Add(a, at(2), at(3), at(4), at(5), at(6))
		f.Add(0.05, 100.0, a, at(3), at(4), 0.05)
		f.Add(0.05, a, 1.0, 10.0, at(4), 0.05)
	}
	f.Add(0.05, 100.0, 1.0, -50.0, 100.0, 0.05)
	f.Fuzz(func(t *testing.T, tuned, planned, c, s, v, alpha float64) {
		r, err := MixtureRadius(planned, alpha)
		sound(t, "MixtureRadius", err, r)
		r, err = StudentMixtureRadius(planned, c, alpha)
		sound(t, "StudentMixtureRadius", err, r)
		if m, err := NewMixture(tuned, planned); err == nil {
			low, err := m.LowerRelaxed(Estimate{s, c}, v, alpha)
			sound(t, "LowerRelaxed", err, low)
			if exact, err2 := m.Lower(Estimate{s, c}, v, alpha); err == nil && err2 == nil && low > exact+1e-9*math.Abs(exact)+1e-9*c {
				t.Errorf("relaxed bound %g above the exact one %g", low, exact)
			}
			more, err := Remaining(Estimate{s, c}, v, s, alpha, m.Radius(tuned))
			sound(t, "Remaining", err, more)
		}
		if v < 1e9 { // Beyond, the far tails take too long for a fuzzer.
			g, err := NewGammaExponential(tuned, planned, c)
			sound(t, "NewGammaExponential", err)
			logE, err := g.LogE(s, v)
			sound(t, "GammaExponential.LogE", err, logE)
			b, err := g.Bound(v, alpha)
			sound(t, "GammaExponential.Bound", err, b)
		}
		b, err := NewBetaBinomial(s, tuned, planned, v > 1)
		sound(t, "NewBetaBinomial", err)
		x, err := b.Excess(v, alpha)
		sound(t, "BetaBinomial.Excess", err, x)
	})
}

func FuzzRun(f *testing.F) {
	for i, a := range strange {
		at := func(k int) float64 { return strange[(i*k+k)%len(strange)] }
		f.Add(a, at(2), at(3), at(4), at(5), strangeCounts[i%len(strangeCounts)])
		f.Add(1.0, a, 0.05, 0.8, at(3), int64(i))
	}
	f.Fuzz(func(t *testing.T, sd, effect, alpha, power, maturation float64, n int64) {
		x, err := SampleSizeT(sd, effect, alpha, power)
		sound(t, "SampleSizeT", err, x)
		x, err = SampleSizeNonInferiority(sd, effect, alpha, power)
		sound(t, "SampleSizeNonInferiority", err, x)
		x, err = RuleOf16(sd, effect)
		sound(t, "RuleOf16", err, x)
		x, err = DetectableEffect(sd, alpha, power)
		sound(t, "DetectableEffect", err, x)
		each, eachPower, err := MetricLevels(alpha, power, int(n), int(-n))
		probability(t, "MetricLevels", err, each, eachPower)
		days, weeks, matured, err := Traffic{PerDay: sd, Exposure: alpha, Maturation: maturation}.Duration(effect)
		sound(t, "Duration", err)
		if err == nil && !(days >= 1 && weeks >= days && matured >= weeks && weeks%7 == 0) {
			t.Errorf("%d days, %d in weeks, %d matured", days, weeks, matured)
		}
		x, err = PooledCap(alpha, []float64{sd, effect}, []float64{maturation})
		sound(t, "PooledCap", err, x)
		z, p, err := SRMAdaptive([]AdaptiveSplit{{n, sd, effect}, {-n, effect, sd}, {Expected: maturation}})
		sound(t, "SRMAdaptive", err, z...)
		probability(t, "SRMAdaptive", err, p)
		chi2, _, p, err := SRMPhases([]SplitPhase{{[]int64{n, 5}, []float64{sd, effect}}, {[]int64{n}, []float64{power}}})
		sound(t, "SRMPhases", err, chi2)
		probability(t, "SRMPhases", err, p)
		logE, err := MultinomialLogE([]int64{n, 7}, []float64{sd, effect}, []float64{alpha, maturation})
		sound(t, "MultinomialLogE", err, logE)
	})
}
