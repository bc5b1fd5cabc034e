// SPDX-License-Identifier: Apache-2.0

package counter

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
)

func TestWindowsLoseNothingWhereverTheyAreCut(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 4))
	for range 300 {
		var s Series
		var values []float64
		value, seconds := 100*r.Float64(), 0
		for seconds < 700 {
			s.Samples = append(s.Samples, Sample{at(seconds), value})
			values = append(values, value)
			seconds += 5 + r.IntN(25)
			if r.IntN(15) == 0 {
				value = 0
			}
			value += 10 * r.Float64()
		}
		f := Frame{Start: at(0), Width: time.Duration(30+r.IntN(100)) * time.Second, MaxGap: 30 * time.Second}
		f.Count = 1 + int(700*time.Second/f.Width)
		windows, err := s.Windows(f)
		if err != nil {
			t.Fatal(err)
		}
		total, resets, err := Increase(values)
		if err != nil {
			t.Fatal(err)
		}
		sum, sumResets := 0.0, 0
		for _, w := range windows {
			sum, sumResets = sum+w.Increase, sumResets+w.Resets
		}
		closeTo(t, "sum over windows", sum, total, 1e-9)
		if sumResets != resets {
			t.Fatalf("%d resets in windows, %d in all", sumResets, resets)
		}
		// Moving all times moves the windows.
		for i := range s.Samples {
			s.Samples[i].At = s.Samples[i].At.Add(time.Hour)
		}
		f.Start = f.Start.Add(time.Hour)
		later, err := s.Windows(f)
		if err != nil {
			t.Fatal(err)
		}
		for i := range windows {
			if windows[i].Increase != later[i].Increase || windows[i].Complete != later[i].Complete {
				t.Fatalf("window %d: %+v, an hour later %+v", i, windows[i], later[i])
			}
		}
	}
}

// noise are windows of a version with a rate per exposure.
func noise(r *rand.Rand, n int, rate float64) []Observation {
	out := make([]Observation, n)
	for i := range out {
		e := 100 + 900*r.Float64()
		out[i] = Observation{Amount: rate * e * math.Exp(0.2*r.NormFloat64()), Exposure: e}
	}
	return out
}

func TestComparisonsTurnRoundWithTheVersions(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 4))
	for range 200 {
		n := 3 + r.IntN(40)
		a, b := noise(r, n, 0.02), noise(r, n, 0.03)
		ab, err1 := PairedLogRatio(a, b, 0.5)
		ba, err2 := PairedLogRatio(b, a, 0.5)
		if err := input.First(err1, err2); err != nil {
			t.Fatal(err)
		}
		closeTo(t, "paired", ab.LogRatio.Value, -ba.LogRatio.Value, 1e-12)
		closeTo(t, "paired SE", ab.LogRatio.SE, ba.LogRatio.SE, 1e-12)
		qa, err1 := QuasiPoisson(a, b)
		qb, err2 := QuasiPoisson(b, a)
		if err := input.First(err1, err2); err != nil {
			t.Fatal(err)
		}
		closeTo(t, "rates", qa.LogRatio.Value, -qb.LogRatio.Value, 1e-12)
		closeTo(t, "dispersion", qa.Dispersion, qb.Dispersion, 1e-12)
		if qa.LogRatio.SE < qa.PoissonSE {
			t.Fatalf("the error shrank: %+v", qa)
		}
		// An interval holds 0 exactly when p is not small.
		for _, e := range []Estimate{ab.LogRatio, qa.LogRatio} {
			p, err := e.P()
			if err != nil {
				t.Fatal(err)
			}
			if p < 1e-6 {
				continue // 1-p has lost the digits.
			}
			i, err := e.Interval(1 - p)
			if err != nil {
				t.Fatal(err)
			}
			edge := i.Low
			if e.Value < 0 {
				edge = i.High
			}
			closeTo(t, "end of the interval at 1-p", edge, 0, 1e-7*math.Abs(e.Value)+1e-12)
		}
		mean, err := RatioOfSums(a)
		if err != nil {
			t.Fatal(err)
		}
		zero, err := Difference(mean, mean)
		if err != nil || zero.Value != 0 {
			t.Fatalf("%+v - itself = %+v (%v)", mean, zero, err)
		}
		closeTo(t, "Welch's degrees of freedom", zero.DF, 2*mean.DF, 1e-9)
	}
}

func TestExactRatesAreSymmetricAndAgreeWithTheInterval(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 400 {
		a := Events{r.Int64N(60), 1 + 100*r.Float64()}
		b := Events{r.Int64N(60), 1 + 100*r.Float64()}
		if a.Count == 0 || b.Count == 0 {
			continue
		}
		p, err1 := RateRatioP(a, b)
		back, err2 := RateRatioP(b, a)
		i, err3 := RateRatioInterval(a, b, 0.95)
		j, err4 := RateRatioInterval(b, a, 0.95)
		l, err5 := LogRateRatio(a, b)
		if err := input.First(err1, err2, err3, err4, err5); err != nil {
			t.Fatal(err)
		}
		closeTo(t, "p of exchanged versions", back, p, 1e-10)
		closeTo(t, "ends of exchanged versions", j.Low*i.High, 1, 1e-8)
		if !i.Contains(math.Exp(l.Value)) {
			t.Fatalf("%+v misses %g", i, math.Exp(l.Value))
		}
		// The two-sided test is at least as sharp as the interval.
		if !i.Contains(1) && p > 0.05 {
			t.Fatalf("%v against %v: interval %+v, p %g", a, b, i, p)
		}
	}
}

func TestSegmentsAddUpAndTurnRound(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for range 200 {
		var all, parts, turned []Segment
		for range 1 + r.IntN(4) {
			s := Segment{2 * r.Int64N(30), 2 * r.Int64N(30), 0.01 + r.Float64(), 0.01 + r.Float64()}
			if s.Candidate+s.Baseline == 0 {
				s.Baseline = 2
			}
			all = append(all, s)
			half := Segment{s.Candidate / 2, s.Baseline / 2, 7 * s.CandidateShare, 7 * s.BaselineShare}
			parts = append(parts, half, half, Segment{0, 0, 1, 1}, Segment{0, 5, 0, 1})
			turned = append(turned, Segment{s.Baseline, s.Candidate, s.BaselineShare, s.CandidateShare})
		}
		tau := 0.1 + 2*r.Float64()
		e, err1 := LogE(all, tau)
		split, err2 := LogE(parts, tau)
		back, err3 := LogE(turned, tau)
		up, err4 := LogEGreater(all, tau)
		down, err5 := LogEGreater(turned, tau)
		if err := input.First(err1, err2, err3, err4, err5); err != nil {
			t.Fatal(err)
		}
		closeTo(t, "segments in parts", split, e, 1e-9)
		closeTo(t, "versions exchanged", back, e, 1e-9)
		// The two-sided mixture is the mean of the two one-sided ones.
		closeTo(t, "halves", math.Exp(up)/2+math.Exp(down)/2, math.Exp(e), 1e-9*math.Exp(e))
	}
}

func TestRatioIntervalIsDualToTheLikelihood(t *testing.T) {
	segments := []Segment{{30, 60, 1, 9}, {50, 40, 4, 6}}
	const tau, alpha = 0.5, 0.05
	i, err := RatioInterval(segments, tau, alpha)
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLikelihood("test", segments, tau)
	if err != nil {
		t.Fatal(err)
	}
	e, err := LogE(segments, tau)
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range []float64{i.Low, i.High} {
		closeTo(t, "evidence against an end", e-l.log(math.Log(end)), -math.Log(alpha), 1e-9)
	}
	if e > -math.Log(alpha) == i.Contains(1) {
		t.Errorf("e-value %g, interval %+v", math.Exp(e), i)
	}
	none, err := RatioInterval([]Segment{{0, 50, 1, 1}}, tau, alpha)
	if err != nil || none.Low != 0 || !(none.High < 1) {
		t.Errorf("without events of the candidate %+v (%v)", none, err)
	}
}

func TestConstantSharesAgreeInKindWithTheConjugateMixture(t *testing.T) {
	// Different priors, the same verdicts for clear cases.
	for _, c := range []struct {
		candidate int64
		alarm     bool
	}{{10, false}, {40, true}} {
		normal, err1 := LogE([]Segment{{c.candidate, 90, 1, 9}}, 0.7)
		beta, err2 := stats.SRMLogE([]int64{c.candidate, 90}, []float64{1, 9}, 20)
		if err := input.First(err1, err2); err != nil {
			t.Fatal(err)
		}
		if bound := math.Log(20); (normal > bound) != c.alarm || (beta > bound) != c.alarm {
			t.Errorf("%d of the candidate: %g and %g, alarm %t", c.candidate, normal, beta, c.alarm)
		}
	}
}
