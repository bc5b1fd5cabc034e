// SPDX-License-Identifier: Apache-2.0

package stats_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/paired"
)

// counted puts cases into a table.
func counted(scores []float64, positive []bool) stats.Scores {
	var s stats.Scores
	for i, v := range scores {
		s.Add(v, positive[i])
	}
	return s
}

// TestAUCOfTheReferenceRow is vector PA-18, whose scores lie on the grid.
func TestAUCOfTheReferenceRow(t *testing.T) {
	positive := []bool{true, true, true, true, true, false, false, false, false, false, false, false}
	for name, c := range map[string]struct {
		scores         []float64
		area, variance float64
	}{
		"A": {[]float64{0.9, 0.8, 0.35, 0.6, 0.7, 0.4, 0.5, 0.3, 0.2, 0.65, 0.1, 0.05}, 0.885714286, 0.0104761905},
		"B": {[]float64{0.85, 0.6, 0.4, 0.75, 0.55, 0.5, 0.45, 0.58, 0.3, 0.62, 0.15, 0.2}, 0.8, 0.019047619},
	} {
		got, err := counted(c.scores, positive).AUC()
		if err != nil || math.Abs(got.Value-c.area) > 1e-9 || math.Abs(got.SE*got.SE-c.variance) > 1e-9 {
			t.Errorf("%s: %+v (variance %v), %v; want %v and %v", name, got, got.SE*got.SE, err, c.area, c.variance)
		}
	}
}

// TestAUCAgreesWithCases: the table says what the cases say, ties and all.
func TestAUCAgreesWithCases(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 7))
	for range 200 {
		n := 5 + r.IntN(400)
		positive, scores := make([]bool, n), make([]float64, n)
		for i := range n {
			positive[i] = i < 2 || i >= 4 && r.IntN(3) == 0
			v := r.NormFloat64() * math.Exp(4*r.Float64())
			if positive[i] {
				v++
			}
			scores[i] = stats.ScoreGrid(math.Round(2*v) / 2) // Many are equal.
		}
		want, err := paired.CompareAUC(positive, scores, scores)
		if err != nil {
			t.Fatal(err)
		}
		got, err := counted(scores, positive).AUC()
		if err != nil || math.Abs(got.Value-want.Candidate.Value) > 1e-12 || math.Abs(got.SE-want.Candidate.SE) > 1e-12 {
			t.Fatalf("%+v, %v; cases say %+v", got, err, want.Candidate)
		}
	}
}

func TestAUCOfTooLittle(t *testing.T) {
	for name, s := range map[string]stats.Scores{
		"nothing":      nil,
		"one negative": {{Score: 1, Positive: 5, Negative: 1}},
		"no positive":  {{Score: 1, Negative: 5}},
	} {
		if _, err := s.AUC(); !errors.Is(err, stats.ErrNoData) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var input *stats.InputError
	for name, s := range map[string]stats.Scores{
		"falling scores": {{Score: 2, Positive: 5, Negative: 5}, {Score: 1, Positive: 5, Negative: 5}},
		"NaN":            {{Score: math.NaN(), Positive: 5, Negative: 5}},
		"negative count": {{Score: 1, Positive: -1, Negative: 5}},
	} {
		if _, err := s.AUC(); !errors.As(err, &input) {
			t.Errorf("%s: %v", name, err)
		}
	}
	apart, err := stats.Scores{{Score: 1, Negative: 50}, {Score: 2, Positive: 50}}.AUC()
	if err != nil || apart != (stats.Estimate{Value: 1}) {
		t.Errorf("scores that tell all cases apart: %+v, %v", apart, err)
	}
}

// TestAUCCoversTheTruth: of normal scores a distance d apart the area is
// Phi(d/sqrt 2), and 1.96 standard errors around the estimate contain it as
// often as they should. The claim is refused at one in a million.
func TestAUCCoversTheTruth(t *testing.T) {
	const runs, cases = 2000, 300
	r := rand.New(rand.NewPCG(18, 1988))
	for _, d := range []float64{0, 0.5, 1.5} {
		truth := stats.NormalCDF(d / math.Sqrt2)
		missed := int64(0)
		for range runs {
			var s stats.Scores
			for i := range cases {
				v := r.NormFloat64()
				if i%3 == 0 {
					v += d
				}
				s.Add(v, i%3 == 0)
			}
			e, err := s.AUC()
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(e.Value-truth) > 1.959964*e.SE {
				missed++
			}
		}
		// DeLong's interval is known to fall a little short of its level.
		p, err := stats.BinomialTestGreater(missed, runs, 0.06)
		t.Logf("d = %v: %d of %d missed", d, missed, runs)
		if err != nil || p < 1e-6 {
			t.Errorf("d = %v: %d of %d intervals missed (p = %.2g), %v", d, missed, runs, p, err)
		}
	}
}

func TestScoreQuantiles(t *testing.T) {
	s := stats.Scores{{Score: 1, Negative: 2}, {Score: 2, Positive: 1, Negative: 1}, {Score: 9, Positive: 1}}
	for q, want := range map[float64]float64{.01: 1, .4: 1, .41: 2, .8: 2, .81: 9, .99: 9} {
		if got, err := s.Quantile(q); err != nil || got != want {
			t.Errorf("quantile %v is %v, %v; want %v", q, got, err, want)
		}
	}
	if _, err := (stats.Scores{}).Quantile(.5); !errors.Is(err, stats.ErrNoData) {
		t.Errorf("without scores: %v", err)
	}
	var input *stats.InputError
	if _, err := s.Quantile(1); !errors.As(err, &input) {
		t.Errorf("at 1: %v", err)
	}
}
