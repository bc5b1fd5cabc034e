// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// shadowPlan is a mirror with one gate on what a shadow's answers say, or on how
// right they are.
func shadowPlan(metric string, least, most *float64) *experiment.Plan {
	p := predictingPlan()
	p.Window, p.Stale = time.Minute, 5*time.Hour
	p.Guardrails = nil
	p.Stages = []experiment.Stage{{
		Name: "shadow", Require: []experiment.Objective{{Metric: metric, Min: least, Max: most}},
		Mirror: &experiment.Mirror{Share: 5000, Until: experiment.Until{Pairs: 5000, AtMost: 6 * time.Hour}},
	}}
	return p
}

// outcomes counts how runs ended.
func outcomes(t *testing.T, p *experiment.Plan, metric string, candidate float64, o Options) map[experiment.Outcome]int {
	t.Helper()
	a := Assumptions{Rate: 2, Steps: 10, Laws: []Law{{Metric: metric, Values: []float64{DefaultLaw(p, p.Metric(metric)).Values[0], candidate}}}}
	p.Metrics = slices.DeleteFunc(p.Metrics, func(m experiment.Metric) bool { return m.Name != metric && m.Name != p.Reward.Metric })
	out := make(map[experiment.Outcome]int)
	for _, e := range many(t, p, a, o).Headgate.Ends {
		out[e.Outcome] += e.Runs
	}
	return out
}

// TestShadowsAreJudgedByWhatTheyAnswer: a gate of labels, predictions or drift
// lets a good candidate out of the mirror, and takes a bad one out.
func TestShadowsAreJudgedByWhatTheyAnswer(t *testing.T) {
	const runs = 20
	for metric, c := range map[string]struct {
		least, most *float64
		good, bad   float64
	}{
		"accuracy":  {new(.75), nil, .82, .68},
		"auc":       {new(.75), nil, .82, .68},
		"nulls":     {nil, new(.05), .02, .08},
		"class-psi": {nil, new(.1), 0, .3},
		"score-ks":  {nil, new(.1), 0, .2},
	} {
		t.Run(metric, func(t *testing.T) {
			p := shadowPlan(metric, c.least, c.most)
			if ends := outcomes(t, p, metric, c.good, Options{Runs: runs, Seed: 21}); ends[experiment.OutcomeMet] < runs-1 {
				t.Errorf("of %d good shadows: %v", runs, ends)
			}
			if ends := outcomes(t, p, metric, c.bad, Options{Runs: runs, Seed: 22}); ends[experiment.RolledBack] < runs-1 {
				t.Errorf("of %d bad shadows: %v", runs, ends)
			}
		})
	}
}

// TestShadowsTruthKeepsItsErrorRates: a candidate that is exactly at the limit of
// a label gate is said to be within with probability at most alpha, and to be
// beyond with probability at most harmAlpha. Everywhere else both are rarer.
func TestShadowsTruthKeepsItsErrorRates(t *testing.T) {
	const runs = 400
	p := shadowPlan("accuracy", new(.75), nil)
	ends := outcomes(t, p, "accuracy", .75, Options{Runs: runs, Seed: 23})
	t.Logf("of %d shadows at the limit: %v", runs, ends)
	for outcome, alpha := range map[experiment.Outcome]float64{
		experiment.OutcomeMet: p.Analysis.Alpha, experiment.RolledBack: p.Analysis.HarmAlpha,
	} {
		pvalue, err := stats.BinomialTestGreater(int64(ends[outcome]), runs, alpha)
		if err != nil || pvalue < sure {
			t.Errorf("%s in %d of %d runs, more than %v allows: p = %.2g, %v", outcome, ends[outcome], runs, alpha, pvalue, err)
		}
	}
}

// TestCopiesHaveLabelsOfTheirOwn: what is folded of a shadow is what is assumed,
// for requests without a population and for units that come back, and it has no
// requests, exposures or outcomes.
func TestCopiesHaveLabelsOfTheirOwn(t *testing.T) {
	for name, units := range map[string]int64{"each request is another unit's": 0, "units that come back": 3000} {
		t.Run(name, func(t *testing.T) {
			p := shadowPlan("accuracy", new(.75), nil)
			a := Assumptions{Rate: 2, Units: units, Laws: []Law{
				{Metric: "accuracy", Values: []float64{.9, .8}, Heard: .5}, {Metric: "auc", Values: []float64{.85, .6}},
			}}
			f := routed(t, world(t, p, a), experiment.Route{
				Slots: experiment.SlotsOf(experiment.Baseline(2)), Mirror: &experiment.MirrorRoute{Share: 2500, Versions: []int{1}},
			})
			f.draw(300, 7)
			ph := &folded(t, f, 2000).Phases[0]
			met := float64(ph.Get(0, "accuracy").Counts.N)
			shadow := ph.Get(1, "accuracy")
			sixSE(t, "labelled units of the shadow", float64(shadow.Counts.N), met/4, math.Sqrt(met*3/16))
			sixSE(t, "unlabelled", float64(shadow.Counts.X), float64(shadow.Counts.N)/2, math.Sqrt(float64(shadow.Counts.N)/4))
			right, err := shadow.Units.Ratio()
			if err != nil {
				t.Fatal(err)
			}
			sixSE(t, "accuracy", right.Value, .8, right.SE)
			if n := ph.Get(1, "auc").Counts.N; n != shadow.Counts.N {
				t.Errorf("%d units have scores, %d labels", n, shadow.Counts.N)
			}
			copies := float64(ph.Get(1, experiment.CellMirrored).Counts.N)
			if units > 0 && copies < 1.5*float64(shadow.Counts.N) {
				t.Errorf("%v copies of %d units: the test has no teeth", copies, shadow.Counts.N)
			}
			sixSE(t, "read", float64(ph.Get(1, "nulls").Counts.N), copies/2, math.Sqrt(copies)/2)
			for _, cell := range []string{experiment.CellRequests, experiment.CellExposures, "purchase"} {
				if e := ph.Get(1, cell); e.Counts.N+e.Units.N != 0 {
					t.Errorf("a shadow has %s: %+v", cell, e)
				}
			}
		})
	}
}
