// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"math"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/paired"
)

// predictingPlan has a metric of each kind that is made of predictions or labels.
func predictingPlan() *experiment.Plan {
	p := looksPlan(experiment.Sequential)
	p.Predictions = &experiment.Predictions{Sample: 5000}
	label := func(name string, of experiment.LabelStat) experiment.Metric {
		goal := experiment.Increase
		if of == experiment.LogLoss {
			goal = experiment.Decrease
		}
		return experiment.Metric{Name: name, Goal: goal, Labels: &experiment.LabelsMetric{Event: "truth", Of: of, Window: time.Hour}}
	}
	p.Metrics = append(p.Metrics,
		label("accuracy", experiment.Accuracy), label("auc", experiment.AUC), label("log-loss", experiment.LogLoss),
		experiment.Metric{Name: "nulls", Goal: experiment.Decrease, Prediction: &experiment.PredictionMetric{Kind: experiment.NullOutput}},
		experiment.Metric{Name: "size", Goal: experiment.Decrease, Prediction: &experiment.PredictionMetric{Kind: experiment.OutputSize}},
		experiment.Metric{Name: "class-psi", Goal: experiment.Decrease, Drift: &experiment.DriftMetric{Of: experiment.DriftOfClass, By: experiment.PSI}},
		experiment.Metric{Name: "class-js", Goal: experiment.Decrease, Drift: &experiment.DriftMetric{Of: experiment.DriftOfClass, By: experiment.JS}},
		experiment.Metric{Name: "score-ks", Goal: experiment.Decrease, Drift: &experiment.DriftMetric{Of: experiment.DriftOfScore, By: experiment.KS}},
	)
	return p
}

// TestPredictionsAreDrawn: what is folded is what is assumed.
func TestPredictionsAreDrawn(t *testing.T) {
	p := predictingPlan()
	a := Assumptions{Rate: 2, Laws: []Law{
		{Metric: "accuracy", Values: []float64{.9, .8}, Heard: .5},
		{Metric: "auc", Values: []float64{.85, .6}, Heard: .25},
		{Metric: "nulls", Values: []float64{.1, .3}},
		{Metric: "size", Values: []float64{900, 1100}, SD: 100},
		{Metric: "class-psi", Values: []float64{0, .2}},
		{Metric: "score-ks", Values: []float64{0, .1}},
	}}
	f := routed(t, world(t, p, a), experiment.Route{Slots: experiment.SlotsOf(experiment.Shares{5000, 5000})})
	f.draw(20, 5)
	ph := &folded(t, f, 60).Phases[0]
	for v := range 2 {
		requests := float64(ph.Get(v, experiment.CellRequests).Counts.N)
		accuracy := ph.Get(v, "accuracy")
		ratio, err := accuracy.Units.Ratio()
		if err != nil {
			t.Fatal(err)
		}
		sixSE(t, "accuracy", ratio.Value, a.Laws[0].Values[v], ratio.SE)
		n := float64(accuracy.Counts.N)
		sixSE(t, "unlabelled", float64(accuracy.Counts.X), n/2, math.Sqrt(n)/2)

		auc := ph.Get(v, "auc")
		area, err := auc.Scores.AUC()
		negative, positive := auc.Scores.Total()
		if err != nil || negative+positive != auc.Counts.N-auc.Counts.X {
			t.Fatalf("%d and %d of %+v, %v", negative, positive, auc.Counts, err)
		}
		sixSE(t, "area", area.Value, a.Laws[1].Values[v], area.SE)
		sixSE(t, "positives", float64(positive), float64(negative), 2*math.Sqrt(float64(negative)))

		nulls := ph.Get(v, "nulls").Counts
		sixSE(t, "read", float64(nulls.N), requests/2, math.Sqrt(requests)/2)
		sixSE(t, "nulls", float64(nulls.X)/float64(nulls.N), a.Laws[2].Values[v], math.Sqrt(.21/float64(nulls.N)))
		size, err := ph.Get(v, "size").Units.Ratio()
		if err != nil {
			t.Fatal(err)
		}
		sixSE(t, "size", size.Value, a.Laws[3].Values[v], size.SE)
	}
	c, b := ph.Get(1, experiment.CellClasses).Categories, ph.Get(0, experiment.CellClasses).Categories
	psi, err := paired.PSIEstimate(paired.CategoryBins(b, c))
	if err != nil {
		t.Fatal(err)
	}
	sixSE(t, "PSI", psi.Value, .2, psi.SE)
	ks, err := paired.KSCounts(paired.ScorePoints(ph.Get(0, experiment.CellScores).Scores, ph.Get(1, experiment.CellScores).Scores))
	if err != nil || math.Abs(ks-.1) > .02 {
		t.Errorf("KS %v, want .1 (%v)", ks, err)
	}
}

// TestAreasAreThoseAskedFor: hardly any area is lost in the cells.
func TestAreasAreThoseAskedFor(t *testing.T) {
	for _, want := range []float64{.5, .6, .75, .9, .99} {
		s, area, below := separate(want), 0.0, 0.0
		for k := range scoreCells {
			area += s.positive[k] * (below + s.negative[k]/2)
			below += s.negative[k]
		}
		if math.Abs(area-want) > 2e-3 {
			t.Errorf("area %v, want %v", area, want)
		}
	}
}

// TestDefaultLawsOfPredictionsAreHarmless: what nobody speaks for breaks no limit
// and can be drawn.
func TestDefaultLawsOfPredictionsAreHarmless(t *testing.T) {
	p := predictingPlan()
	limit := func(metric string, least, most *float64) {
		p.Objectives = append(p.Objectives, experiment.Objective{Metric: metric, Min: least, Max: most})
	}
	limit("accuracy", new(.97), nil)
	limit("auc", new(.8), nil)
	limit("log-loss", nil, new(.3))
	limit("nulls", nil, new(.01))
	limit("size", nil, new(500.0))
	limit("class-psi", nil, new(.1))
	limit("class-js", nil, new(.05))
	limit("score-ks", nil, new(.2))
	w := world(t, p, assume(p, Effect{}))
	if w.truth.Harmful[1] {
		t.Error("the default laws break a limit")
	}
	for i := range p.Metrics {
		law := DefaultLaw(p, &p.Metrics[i])
		if err := law.check(p); err != nil {
			t.Errorf("%s: %v", p.Metrics[i].Name, err)
		}
	}
	r := many(t, p, assume(p, Effect{Absolute: .05}), Options{Runs: 20, Seed: 4})
	if r.Headgate.Promoted < 18 {
		t.Errorf("%d of 20 runs promote what is better and keeps its limits", r.Headgate.Promoted)
	}
}

// TestDriftIsFound: outputs that moved lose their traffic.
func TestDriftIsFound(t *testing.T) {
	for _, metric := range []string{"class-psi", "score-ks"} {
		p := predictingPlan()
		p.Objectives = []experiment.Objective{{Metric: metric, Max: new(.05)}}
		a := assume(p, Effect{})
		a.Laws = append(a.Laws, Law{Metric: metric, Values: []float64{0, .2}})
		if r := many(t, p, a, Options{Runs: 20, Seed: 5}); r.Headgate.RolledBack < 19 {
			t.Errorf("%s: %d of 20 runs roll back", metric, r.Headgate.RolledBack)
		}
	}
}

// TestAreaAsRewardKeepsAlpha is D9 for a reward that is no mean: between
// identical versions an area under the ROC curve is better with probability at
// most alpha, and where it is better that is found.
func TestAreaAsRewardKeepsAlpha(t *testing.T) {
	const runs = 400
	for _, method := range []experiment.Method{experiment.Sequential, experiment.Anytime, experiment.Fixed} {
		p := predictingPlan()
		p.Analysis.Method = method
		p.Metrics = p.Metrics[:5]
		p.Guardrails = nil
		p.Reward = &experiment.Reward{Metric: "auc", MinimumEffect: experiment.Margin{Absolute: .005}}
		a := Assumptions{Rate: .2, Laws: []Law{{Metric: "auc", Values: []float64{.8, .8}}}}
		r := many(t, p, a, Options{Runs: runs, Seed: 18})
		pvalue, err := stats.BinomialTestGreater(int64(r.Headgate.Promoted), runs, p.Analysis.Alpha)
		t.Logf("%s: %d of %d promoted", method, r.Headgate.Promoted, runs)
		if err != nil || pvalue < sure {
			t.Errorf("%s promotes more than alpha allows: %d of %d, p = %.2g, %v", method, r.Headgate.Promoted, runs, pvalue, err)
		}
		a.Laws[0].Values[1] = .84
		if r := many(t, p, a, Options{Runs: 20, Seed: 19}); r.Headgate.Promoted < 18 {
			t.Errorf("%s: %d of 20 runs promote an area of .84 over .8", method, r.Headgate.Promoted)
		}
	}
}

// TestShadowFindsAGroup: a gate that holds in every group of a segment finds what
// everybody together hides.
func TestShadowFindsAGroup(t *testing.T) {
	p := looksPlan(experiment.Sequential)
	p.Segments = []experiment.Segment{{Name: "tier", Header: "x-tier", Values: []string{"premium", "basic"}}}
	p.Metrics = append(p.Metrics, experiment.Metric{Name: "same", Goal: experiment.Increase, Pairs: &experiment.PairsMetric{Compare: experiment.CompareClass}})
	p.Guardrails = nil
	p.Window = time.Minute
	gate := experiment.Objective{Metric: "same", Min: new(.8)}
	p.Stages = []experiment.Stage{{
		Name: "shadow", Mirror: &experiment.Mirror{Share: experiment.Whole, Until: experiment.Until{Pairs: 20_000, AtMost: 10 * time.Hour}},
	}}
	a := Assumptions{Rate: 2, Laws: []Law{
		{Metric: "same", Values: []float64{1, .97}}, {Metric: "same", Slice: "tier=premium", Values: []float64{1, .6}},
	}, Groups: []GroupShare{{Slice: "tier=premium", Share: .1}, {Slice: "tier=other", Share: 0}}}
	for name, c := range map[string]struct {
		slices     []string
		rolledBack int
	}{"everybody together": {nil, 0}, "in every tier": {[]string{"tier"}, 20}} {
		gate.Slices = c.slices
		p.Stages[0].Require = []experiment.Objective{gate}
		if r := many(t, p, a, Options{Runs: 20, Seed: 6}); r.Headgate.RolledBack != c.rolledBack {
			t.Errorf("%s: %d of 20 runs roll back, want %d (%+v)", name, r.Headgate.RolledBack, c.rolledBack, r.Headgate)
		}
	}
}
