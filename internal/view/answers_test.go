// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
	"github.com/headgate-dev/headgate/stats"
)

// answers is a shadow of a classifier that is worse for premium users only. Its
// predictions are read, and their labels come later; one digest is mixed.
func answers() view.Input {
	p := ranker("v1", "v2")
	p.Versions[0].Cost = experiment.Cost{PerRequest: 0.001, PerToken: 0.00001}
	p.Versions[1].Cost = experiment.Cost{PerRequest: 0.002, PerHour: 0.5}
	p.Predictions = &experiment.Predictions{Sample: experiment.Whole, Digests: []string{"X-Artifact"}}
	p.Metrics = append(p.Metrics,
		experiment.Metric{Name: "same", Goal: experiment.Increase, Pairs: &experiment.PairsMetric{Compare: experiment.CompareClass}},
		experiment.Metric{Name: "accuracy", Goal: experiment.Increase, Labels: &experiment.LabelsMetric{Event: "truth", Of: experiment.Accuracy, Window: time.Hour, Joined: 0.8}},
		experiment.Metric{Name: "auc", Goal: experiment.Increase, Labels: &experiment.LabelsMetric{Event: "truth", Of: experiment.AUC, Window: time.Hour}},
		experiment.Metric{Name: "nulls", Goal: experiment.Decrease, Prediction: &experiment.PredictionMetric{Kind: experiment.NullOutput}},
		experiment.Metric{Name: "size", Goal: experiment.Decrease, Prediction: &experiment.PredictionMetric{Kind: experiment.OutputSize}},
		experiment.Metric{Name: "psi", Goal: experiment.Decrease, Drift: &experiment.DriftMetric{Of: experiment.DriftOfClass, By: experiment.PSI}},
	)
	p.Stages[0] = experiment.Stage{
		Name: "shadow", Mirror: &experiment.Mirror{Share: 1000, Cost: 50, Until: experiment.Until{Pairs: 20000, AtMost: 72 * time.Hour}},
		Require: []experiment.Objective{{Metric: "same", Min: new(0.8), Owner: "relevance", Slices: []string{"tier"}}, {Metric: "psi", Max: new(0.1)}},
	}
	in := at(p, 0, 0, 6*time.Hour, experiment.Baseline(2))
	ph := &in.Record.Totals.Phases[0]
	pairs := func(n int64, blank int64, rate float64) experiment.Evidence {
		return experiment.Evidence{Units: binary(n/3, rate), Counts: stats.Counts{N: n, X: blank}}
	}
	fold(ph, 1, experiment.CellMirrored, experiment.Evidence{Counts: stats.Counts{N: 8210, X: 31}})
	fold(ph, 1, "same", pairs(8179, 9, 0.9))
	fold(ph, 1, experiment.CellAgreement+"same", experiment.Evidence{Categories: stats.CategoriesOf(map[string]int64{
		experiment.AgreementClass("fraud", "fraud"): 800, experiment.AgreementClass("fraud", "fine"): 600,
		experiment.AgreementClass("fine", "fine"): 6560, experiment.AgreementClass("fine", "fraud"): 210,
	})})
	for v, artifact := range []map[string]int64{{"sha256:aa": 7000}, {"sha256:bb": 600, "sha256:cc": 40, experiment.NoDigest: 3}} {
		var s stats.Scores
		for i := range 400 {
			s.Add(math.Sqrt(float64(i)/400)-0.1*float64(v), i%4 == 0)
		}
		fold(ph, v, experiment.CellClasses, experiment.Evidence{Categories: stats.CategoriesOf(map[string]int64{"fraud": int64(900 + 300*v), "fine": 6100})})
		fold(ph, v, experiment.CellScores, experiment.Evidence{Scores: s})
		fold(ph, v, experiment.CellTokens, experiment.Evidence{Units: stats.Pair{N: 7000, MeanY: 25, MeanX: 1}})
		fold(ph, v, experiment.CellDigest+"x-artifact", experiment.Evidence{Categories: stats.CategoriesOf(artifact)})
		fold(ph, v, "nulls", experiment.Evidence{Counts: stats.Counts{N: 7000, X: 70}})
		fold(ph, v, "size", experiment.Evidence{Units: stats.Pair{N: 7000, MeanY: 900, MeanX: 1, M2Y: 7000 * 2500}})
	}
	fold(ph, 0, "accuracy", experiment.Evidence{Units: binary(5000, 0.9), Counts: stats.Counts{N: 6000, X: 1000}})
	fold(ph, 0, "auc", experiment.Evidence{Scores: ph.Get(0, experiment.CellScores).Scores, Counts: stats.Counts{N: 480, X: 80}})
	ph.Folded = experiment.Folded{Gateway: 2000, Outcomes: 1400, Pairs: 1990}
	in.Judgement.Pairs, in.Judgement.Spent = 8170, experiment.Spent{Cost: 40.5, Mirror: 16.42, Stages: []float64{40.5, 0}}
	in.Judgement.Drifts = []experiment.Drift{{Version: 1, Metric: "psi", Value: 0.012, Interval: stats.Interval{Low: 0.001, High: 0.024}, Level: 0.99, N: 7300, NBaseline: 7000}}
	in.Judgement.Doubts = []experiment.Doubt{{Code: experiment.ReasonVersionMix, Version: 1, Value: 2, Limit: 1, Header: "X-Artifact", Values: []string{"sha256:bb", "sha256:cc"}}}
	gate := func(metric, slice string, status experiment.Status, estimate, half, limit float64, basis experiment.Basis) experiment.Verdict {
		return experiment.Verdict{
			Version: 1, Metric: metric, Slice: slice, Role: experiment.RoleGate, Status: status, Estimate: &estimate,
			Interval: &stats.Interval{Low: estimate - half, High: estimate + half}, Level: 0.99, Guarantee: experiment.GuaranteeAnytime,
			Basis: basis, N: 8170, Limit: &limit,
		}
	}
	in = judged(in,
		gate("same", "", experiment.Met, 0.9, 0.02, 0.8, experiment.BasisPairs),
		gate("same", "tier=free", experiment.Met, 0.95, 0.02, 0.8, experiment.BasisPairs),
		gate("same", "tier=premium", experiment.Undecided, 0.76, 0.06, 0.8, experiment.BasisPairs),
		gate("psi", "", experiment.Met, 0.012, 0.011, 0.1, experiment.BasisRequests),
	)
	return holding(in,
		experiment.Because(experiment.ReasonVersionMix, "version", "v2", "header", "X-Artifact", "one", "sha256:bb", "other", "sha256:cc"),
		experiment.Because(experiment.ReasonGateOpen, "version", "v2", "metric", "same in tier=premium (owner: relevance)"))
}

// TestAnswersInTheView looks at what the golden file should say, whatever it
// does.
func TestAnswersInTheView(t *testing.T) {
	e := view.Of(answers())
	find := func(metric, slice string) *view.Finding {
		i := slices.IndexFunc(e.Findings, func(f view.Finding) bool { return f.Metric == metric && f.Slice == slice })
		if i < 0 {
			t.Fatalf("no finding of %s in %q", metric, slice)
		}
		return &e.Findings[i]
	}
	if f := find("same", "tier=premium"); f.Basis != "pairs" || f.Interval == nil || f.Owner != "relevance" || f.Question != "same in tier=premium >= 80%" {
		t.Errorf("the gate of a group is %+v", f)
	}
	if f := find("psi", ""); f.Unit != "number" || f.Question != "psi <= 0.1" {
		t.Errorf("the drift is %+v", f)
	}
	if e.Mirror.Copies[0].Hanging {
		t.Error("it hangs, though nobody said so")
	}
	hung := answers()
	hung.Hanging = []string{hung.Plan.Versions[1].Name}
	if m := view.Of(hung).Mirror; !m.Copies[0].Hanging {
		t.Errorf("nothing is said of a shadow that hangs: %+v", m.Copies)
	}
	if e.Mirror.Pairs != 8170 {
		t.Errorf("%d pairs: blank ones are none, and units are fewer", e.Mirror.Pairs)
	}
	open := func(w view.Wait) bool { return strings.Contains(w.What, "in tier=premium") && !w.Done }
	if !slices.ContainsFunc(e.Stage.Waits, open) {
		t.Errorf("nobody waits for the group: %+v", e.Stage.Waits)
	}
	for _, part := range []string{"same in tier=premium", "retry"} {
		if !slices.ContainsFunc(e.Flips, func(f view.Flip) bool { return strings.Contains(f.Text, part) }) {
			t.Errorf("nothing says %q: %+v", part, e.Flips)
		}
	}
	if e.Health.OK || len(e.Health.Trouble) != 1 || !strings.Contains(e.Health.Trouble[0], "X-Artifact sha256:bb and sha256:cc") {
		t.Errorf("health is %+v", e.Health)
	}
	if j := e.Health.Joined; !slices.ContainsFunc(j, func(x view.Joined) bool {
		return x.Metric == "accuracy" && math.Abs(x.Share-5./6) < 1e-12 && x.Floor == .8
	}) {
		t.Errorf("joined %+v", j)
	}
	a := e.Agreements
	// By hand: of 8170 pairs 7360 agree; chance is .1714 .1236 + .8286 .8764.
	if len(a) != 1 || !cmp.Equal(a[0].Counts, [][]int64{{6560, 210}, {600, 800}}) || math.Abs(*a[0].Same-7360./8170) > 1e-12 || math.Abs(*a[0].Kappa-.6079) > 5e-4 {
		t.Errorf("agreement is %+v", a)
	}
	l := e.Predictions.Labels
	through := e.At.Add(-3 * time.Hour).Add(1400 * 5 * time.Second)
	if len(l) != 4 || *l[0].Joined != 1-1./6 || !l[0].Through.Equal(through) || l[1].Joined != nil || l[2].Value == nil || l[2].Of != "auc" {
		t.Errorf("labels are %+v", l)
	}
	if d := e.Predictions.Versions[1].Digests; len(d) != 1 || !d[0].Mixed || d[0].Absent != 3 {
		t.Errorf("digests are %+v", d)
	}
}

// TestExpectedCost is what by hand the stages come to: 20,000 requests in 10,000
// seconds, of 25 tokens each.
func TestExpectedCost(t *testing.T) {
	in := answers()
	e := view.Of(in)
	perSecond := 2*(.001+25*.00001) + .5/3600
	shadow := 40.5 + 69*3600*(perSecond+.2*.002)
	ab := 4 * 3600 * (perSecond/2 + .25/3600 + (.002 + 0))
	if s := e.Spent.Stages; len(s) != 2 || s[0].Cost != 40.5 || s[1].Cost != 0 ||
		math.Abs(*s[0].Expected-min(shadow, 50+72*3600*perSecond)) > 1e-6 || math.Abs(*s[1].Expected-ab) > 1e-6 {
		t.Errorf("stages %+v (%v, %v), want %v and %v", s, *s[0].Expected, *s[1].Expected, min(shadow, 50+72*3600*perSecond), ab)
	}
	in.Record.Totals.Phases[0].Folded.Gateway = 0
	if s := view.Of(in).Spent.Stages; s[0].Expected != nil || s[1].Expected != nil {
		t.Errorf("without traffic: %+v", s)
	}
}

// TestManyClasses: rare classes are put together, what was not counted apart
// stands nowhere, and kappa is of all classes.
func TestManyClasses(t *testing.T) {
	in := answers()
	counts := map[string]int64{stats.OtherCategory: 17}
	for i := range 15 {
		class := fmt.Sprintf("c%02d", i)
		counts[experiment.AgreementClass(class, class)] = int64(100 - i)
		counts[experiment.AgreementClass(class, "c00")] += int64(i)
	}
	ph := &in.Record.Totals.Phases[0]
	i := slices.IndexFunc(ph.Cells, func(c experiment.Total) bool { return c.Metric == experiment.CellAgreement+"same" })
	ph.Cells[i].Categories = stats.CategoriesOf(counts)
	a := view.Of(in).Agreements[0]
	want := int64(0)
	for _, c := range counts {
		want += c
	}
	shown := int64(0)
	for _, row := range a.Counts {
		if len(row) != len(a.Classes) {
			t.Fatalf("a row of %d for %d classes", len(row), len(a.Classes))
		}
		for _, n := range row {
			shown += n
		}
	}
	if len(a.Classes) != view.MaxClasses+1 || a.Classes[0] != "c00" || a.Classes[view.MaxClasses] != view.OtherClasses || a.Lost != 17 || a.Pairs != want || shown != want-17 {
		t.Errorf("%d classes %v, %d lost, %d of %d pairs shown", len(a.Classes), a.Classes, a.Lost, shown, a.Pairs)
	}
	// The three rare classes agree with themselves in one cell, but not in truth.
	if n := a.Counts[view.MaxClasses][view.MaxClasses]; n != 88+87+86 {
		t.Errorf("%d pairs of rare classes", n)
	}
	ph.Cells[i].Categories = stats.CategoriesOf(map[string]int64{experiment.AgreementClass("a", "a"): 5})
	if a := view.Of(in).Agreements[0]; *a.Same != 1 || a.Kappa != nil {
		t.Errorf("one class alone: %+v", a)
	}
}

// TestHiddenRewardOfLabels: a fixed test keeps an area as it keeps any reward.
func TestHiddenRewardOfLabels(t *testing.T) {
	in := fixed()
	in.Plan.Predictions = &experiment.Predictions{Sample: experiment.Whole}
	in.Plan.Metrics[0] = experiment.Metric{Name: "click", Goal: experiment.Increase, Labels: &experiment.LabelsMetric{Event: "truth", Of: experiment.Accuracy, Window: time.Minute}}
	for _, l := range view.Of(in).Predictions.Labels {
		if l.Value != nil || l.Matured == 0 {
			t.Errorf("shown before the horizon: %+v", l)
		}
	}
}
