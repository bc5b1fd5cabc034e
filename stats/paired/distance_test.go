// SPDX-License-Identifier: Apache-2.0

package paired

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/stats"
)

// multinomial draws n values into bins.
func multinomial(r *rand.Rand, n int, shares []float64) []int64 {
	out := make([]int64, len(shares))
	for range n {
		u := r.Float64()
		i := 0
		for ; i < len(shares)-1 && u >= shares[i]; i++ {
			u -= shares[i]
		}
		out[i]++
	}
	return out
}

// TestDistancesOfReferenceRows: for samples so large that their noise is gone,
// the estimates are the distances of rows PA-11 and PA-13.
func TestDistancesOfReferenceRows(t *testing.T) {
	const many = 1_000_000_000
	times := func(shares ...float64) []int64 {
		out := make([]int64, len(shares))
		for i, s := range shares {
			out[i] = int64(math.Round(s * many))
		}
		return out
	}
	psi, err := PSIEstimate(times(0.1, 0.2, 0.3, 0.25, 0.15), times(0.08, 0.18, 0.28, 0.28, 0.18))
	if err != nil || math.Abs(psi.Value-0.016819446) > 2e-8 || psi.SE > 1e-4 {
		t.Errorf("PSI %+v, %v", psi, err)
	}
	js, err := JensenShannonEstimate(times(1, 0), times(0, 1))
	if err != nil || math.Abs(js.Value-1) > 1e-8 {
		t.Errorf("JS %+v, %v", js, err)
	}
	want, err := JensenShannon([]float64{.5, .3, .2}, []float64{.1, .3, .6})
	js, err2 := JensenShannonEstimate(times(.5, .3, .2), times(.1, .3, .6))
	if err != nil || err2 != nil || math.Abs(js.Value-want) > 1e-8 {
		t.Errorf("JS %+v, want %v; %v %v", js, want, err, err2)
	}
	ks, err := KolmogorovSmirnov([]float64{1, 2, 2, 5}, []float64{2, 3, 4})
	got, err2 := KSCounts([]int64{1, 2, 0, 0, 1}, []int64{0, 1, 1, 1, 0})
	if err != nil || err2 != nil || math.Abs(got-ks.D) > 1e-15 {
		t.Errorf("KS %v, want %v; %v %v", got, ks.D, err, err2)
	}
}

// TestStandardErrorsAreThoseSeen: over many samples the estimates vary as they
// say, at zero up to sqrt 3 times less, and are right on average.
func TestStandardErrorsAreThoseSeen(t *testing.T) {
	base := []float64{.4, .25, .15, .1, .06, .04}
	most := map[string]float64{"equal": 1.8, "near": 1.5, "far": 1.15, "few alike": 1.15}
	for name, other := range map[string][]float64{
		"equal":     base,
		"near":      {.36, .27, .16, .11, .06, .04},
		"far":       {.1, .15, .2, .25, .2, .1},
		"few alike": {.05, .05, .05, .15, .3, .4},
	} {
		t.Run(name, func(t *testing.T) {
			const runs, n, m = 2500, 700, 400
			truths := map[string]float64{}
			var err error
			if truths["psi"], err = PSI(base, other); err != nil {
				t.Fatal(err)
			}
			if truths["js"], err = JensenShannon(base, other); err != nil {
				t.Fatal(err)
			}
			r := rand.New(rand.NewPCG(2020, 14))
			seen := map[string]*stats.Moments{"psi": {}, "js": {}}
			said := map[string]float64{}
			for range runs {
				x, y := multinomial(r, n, base), multinomial(r, m, other)
				psi, err1 := PSIEstimate(x, y)
				js, err2 := JensenShannonEstimate(x, y)
				if err := errors.Join(err1, err2); err != nil {
					t.Fatal(err)
				}
				for kind, e := range map[string]stats.Estimate{"psi": psi, "js": js} {
					seen[kind].Add(e.Value)
					said[kind] += e.SE * e.SE / runs
				}
			}
			for kind, m := range seen {
				variance, _ := m.Variance()
				sd := math.Sqrt(variance)
				if ratio := math.Sqrt(said[kind]) / sd; ratio < .95 || ratio > most[name] {
					t.Errorf("%s: standard errors are %.2f of the spread seen", kind, ratio)
				}
				if bias := (m.Mean - truths[kind]) / sd; math.Abs(bias) > .15 {
					t.Errorf("%s: the bias is %.2f spreads", kind, bias)
				}
			}
		})
	}
}

// TestDistancesWatchedContinuously: a normal mixture around the estimates, looked
// at sixty times, leaves out the truth no more often than it says.
func TestDistancesWatchedContinuously(t *testing.T) {
	const alpha, runs, looks, step = 0.05, 300, 60, 100
	mix, err := stats.NewMixture(alpha, 2000)
	if err != nil {
		t.Fatal(err)
	}
	base := []float64{.4, .25, .15, .1, .06, .04}
	for name, other := range map[string][]float64{"equal": base, "near": {.36, .27, .16, .11, .06, .04}, "far": {.1, .15, .2, .25, .2, .1}} {
		r := rand.New(rand.NewPCG(77, 5))
		psiTruth, _ := PSI(base, other)
		jsTruth, _ := JensenShannon(base, other)
		missedPSI, missedJS := int64(0), int64(0)
		for range runs {
			x, y := make([]int64, 6), make([]int64, 6)
			var outPSI, outJS bool
			for look := range looks {
				for i, c := range multinomial(r, step, base) {
					x[i] += c
				}
				for i, c := range multinomial(r, step, other) {
					y[i] += c
				}
				n := float64(2 * step * (look + 1))
				psi, err1 := PSIEstimate(x, y)
				js, err2 := JensenShannonEstimate(x, y)
				p, err3 := mix.Interval(psi, n, alpha)
				q, err4 := mix.Interval(js, n, alpha)
				if err := errors.Join(err1, err2, err3, err4); err != nil {
					t.Fatal(err)
				}
				outPSI, outJS = outPSI || !p.Contains(psiTruth), outJS || !q.Contains(jsTruth)
			}
			if outPSI {
				missedPSI++
			}
			if outJS {
				missedJS++
			}
		}
		acceptAtMost(t, name+": PSI left out", missedPSI, runs, alpha)
		acceptAtMost(t, name+": JS left out", missedJS, runs, alpha)
	}
}

// TestWatchedRadiusHoldsAtAnyTime: the empirical distribution of uniform numbers,
// looked at after every one, leaves the radius no more often than it says, while
// it leaves the one of a fixed look.
func TestWatchedRadiusHoldsAtAnyTime(t *testing.T) {
	const alpha, runs, values, points = 0.2, 400, 3000, 64
	r := rand.New(rand.NewPCG(90, 1612))
	watched, fixed := int64(0), int64(0)
	for range runs {
		var below [points]int64
		outWatched, outFixed := false, false
		for n := int64(1); n <= values; n++ {
			below[r.IntN(points)]++
			if n%8 != 0 {
				continue
			}
			d, cumulative := 0.0, int64(0)
			for i, c := range below {
				cumulative += c
				d = max(d, math.Abs(float64(cumulative)/float64(n)-float64(i+1)/points))
			}
			w, err1 := WatchedRadius(n, alpha)
			f, err2 := DKWRadius(n, alpha)
			if err := errors.Join(err1, err2); err != nil {
				t.Fatal(err)
			}
			outWatched, outFixed = outWatched || d > w, outFixed || d > f
		}
		if outWatched {
			watched++
		}
		if outFixed {
			fixed++
		}
	}
	acceptAtMost(t, "left the watched radius", watched, runs, alpha)
	if p, err := stats.BinomialTestGreater(fixed, runs, alpha); err != nil || p > improbable {
		t.Errorf("the radius of one look was left in %d of %d runs (p = %.2g), %v: nothing is shown", fixed, runs, p, err)
	}
}

// TestWatchedRadiusSolvesItsBound: the radius is where the bound meets its share
// of the error, shrinks, and is not much wider than that of one look.
func TestWatchedRadiusSolvesItsBound(t *testing.T) {
	last := 1.0
	for _, n := range []int64{1, 2, 3, 10, 99, 100, 1000, 50_000, 1_000_000} {
		w, err1 := WatchedRadius(n, 0.05)
		f, err2 := DKWRadius(n, 0.05)
		if err := errors.Join(err1, err2); err != nil || w > last || w < f {
			t.Errorf("n = %d: watched %v after %v, at one look %v, %v", n, w, last, f, err)
		}
		if last = w; n >= 1000 && w > 2.4*f {
			t.Errorf("n = %d: watched %v is %.2f of %v", n, w, w/f, f)
		}
		j := math.Floor(math.Log(float64(n))/math.Log(1.25) + 1e-9)
		k := math.Ceil(math.Pow(1.25, j) - 1e-9)
		if x := 2 * k * w * w; w < 1 {
			if got, want := 2*math.E*(x-math.Ln2)*math.Exp(-x), 0.05/((j+1)*(j+2)); math.Abs(got/want-1) > 1e-6 {
				t.Errorf("n = %d: the bound is %v, its share %v", n, got, want)
			}
		}
	}
	for _, alpha := range []float64{1e-12, .5, .999} {
		if w, err := WatchedRadius(1000, alpha); err != nil || math.IsNaN(w) || w <= 0 {
			t.Errorf("alpha %v: %v, %v", alpha, w, err)
		}
	}
}

func TestDistancesRefuse(t *testing.T) {
	var input *stats.InputError
	for name, f := range map[string]func(a, b []int64) error{
		"PSI": func(a, b []int64) error { _, err := PSIEstimate(a, b); return err },
		"JS":  func(a, b []int64) error { _, err := JensenShannonEstimate(a, b); return err },
		"KS":  func(a, b []int64) error { _, err := KSCounts(a, b); return err },
	} {
		if err := f([]int64{1}, []int64{1, 2}); !errors.As(err, &input) {
			t.Errorf("%s of other bins: %v", name, err)
		}
		if err := f([]int64{1, -1}, []int64{1, 2}); !errors.As(err, &input) {
			t.Errorf("%s of negative counts: %v", name, err)
		}
		if err := f([]int64{0, 0}, []int64{1, 2}); !errors.Is(err, stats.ErrNoData) {
			t.Errorf("%s of nothing: %v", name, err)
		}
	}
	for name, f := range map[string]func(int64, float64) (float64, error){"DKWRadius": DKWRadius, "WatchedRadius": WatchedRadius} {
		if _, err := f(0, .05); !errors.Is(err, stats.ErrNoData) {
			t.Errorf("%s of nothing: %v", name, err)
		}
		if _, err := f(5, 1); !errors.As(err, &input) {
			t.Errorf("%s at 1: %v", name, err)
		}
	}
}

func TestBins(t *testing.T) {
	type table struct{ First, Second []int64 }
	same := func(what string, first, second []int64, want table) {
		t.Helper()
		if d := cmp.Diff(want, table{first, second}); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
	}
	a := stats.Categories{{Name: "a", N: 50}, {Name: "b", N: 4}, {Name: "d", N: 20}}
	b := stats.Categories{{Name: "a", N: 40}, {Name: "b", N: 5}, {Name: "c", N: 9}, {Name: "e", N: 10}}
	x, y := CategoryBins(a, b)
	same("names", x, y, table{[]int64{50, 20, 0, 4}, []int64{40, 0, 10, 14}})
	x, y = CategoryBins(nil, stats.Categories{{Name: "a", N: 3}})
	same("rare names alone", x, y, table{[]int64{0}, []int64{3}})

	p := stats.Scores{{Score: 1, Negative: 10}, {Score: 2, Positive: 5, Negative: 5}, {Score: 4, Negative: 60}}
	q := stats.Scores{{Score: 2, Negative: 10}, {Score: 3, Positive: 10}, {Score: 5, Negative: 20}}
	x, y = ScorePoints(p, q)
	same("points", x, y, table{[]int64{10, 10, 0, 60, 0}, []int64{0, 10, 10, 0, 20}})
	// Of 120 in four bins: cuts at 30, 60 and 90; 60 equal scores stay together.
	x, y = ScoreBins(p, q, 4)
	same("bins", x, y, table{[]int64{20, 60, 0}, []int64{10, 10, 20}})
	x, y = ScoreBins(p[:1], nil, 10)
	same("too few for two bins", x, y, table{[]int64{10}, []int64{0}})

	var all stats.Scores
	for i := range 1000 {
		all.Add(float64(i)/1000, false)
	}
	x, _ = ScoreBins(all, all, 10)
	if len(x) != 10 || slices.Max(x) != 100 || slices.Min(x) != 100 {
		t.Errorf("bins of even scores: %v", x)
	}
}
