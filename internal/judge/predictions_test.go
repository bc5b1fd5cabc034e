// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// labels is a plan with a metric of each kind that predictions and labels make.
func labels() *experiment.Plan {
	p := rewarded(4000)
	p.Predictions = &experiment.Predictions{Sample: experiment.Whole, Digests: []string{"X-Artifact", "x-prompt"}}
	p.Metrics = append(p.Metrics,
		experiment.Metric{Name: "auc", Goal: experiment.Increase, Labels: &experiment.LabelsMetric{Event: "fraud", Of: experiment.AUC}},
		experiment.Metric{Name: "accuracy", Goal: experiment.Increase, Labels: &experiment.LabelsMetric{Event: "fraud", Of: experiment.Accuracy}},
		experiment.Metric{Name: "nulls", Goal: experiment.Decrease, Prediction: &experiment.PredictionMetric{Kind: experiment.NullOutput}},
		experiment.Metric{Name: "size", Goal: experiment.Decrease, Prediction: &experiment.PredictionMetric{Kind: experiment.OutputSize}},
		experiment.Metric{Name: "psi", Goal: experiment.Decrease, Drift: &experiment.DriftMetric{Of: experiment.DriftOfClass, By: experiment.PSI}},
		experiment.Metric{Name: "ks", Goal: experiment.Decrease, Drift: &experiment.DriftMetric{Of: experiment.DriftOfScore, By: experiment.KS}},
	)
	return p
}

// scored is a metric's evidence of scores.
func scored(version int, s stats.Scores) experiment.Total {
	negative, positive := s.Total()
	return experiment.Total{Version: version, Metric: "auc", Evidence: experiment.Evidence{Scores: s, Counts: stats.Counts{N: negative + positive}}}
}

// normals are scored cases, a third of them positive and d higher.
func normals(version, n int, d float64) experiment.Total {
	r := rand.New(rand.NewPCG(uint64(version), uint64(n)))
	var s stats.Scores
	for i := range n {
		v := r.NormFloat64()
		if i%3 == 0 {
			v += d
		}
		s.Add(v, i%3 == 0)
	}
	return scored(version, s)
}

// unlabelled says that half of the predictions have no label.
func unlabelled(t experiment.Total) experiment.Total {
	t.Counts = stats.Counts{N: 2 * t.Counts.N, X: t.Counts.N}
	return t
}

func classes(version int, counts map[string]int64) experiment.Total {
	return experiment.Total{Version: version, Metric: experiment.CellClasses, Evidence: experiment.Evidence{Categories: stats.CategoriesOf(counts)}}
}

func uniform(version, n int, shift float64) experiment.Total {
	var s stats.Scores
	for i := range n {
		s.Add(math.Min(1, (float64(i)+.5)/float64(n)+shift), false)
	}
	return experiment.Total{Version: version, Metric: experiment.CellScores, Evidence: experiment.Evidence{Scores: s}}
}

func TestAreaUnderTheCurve(t *testing.T) {
	p := labels()
	p.Reward = &experiment.Reward{Metric: "auc", MinimumEffect: experiment.Margin{Absolute: .01}}
	p.Guardrails = []experiment.Guardrail{{Metric: "auc", NoWorseThan: experiment.Margin{Absolute: .05}, Slices: []string{"tier"}}}
	p.Objectives = []experiment.Objective{{Metric: "auc", Min: ptr(.7), Slices: []string{"tier"}}}
	p.Segments = []experiment.Segment{{Name: "tier", Header: "x-tier", Values: []string{"premium"}, Stratify: true}}
	base := normals(0, 9000, 1.5)
	for name, c := range map[string]struct {
		b, c                         experiment.Total
		reward, guardrail, objective experiment.Status
	}{
		"alike":          {base, normals(1, 9001, 1.5), experiment.Undecided, experiment.NotWorse, experiment.Met},
		"better":         {normals(0, 9000, 1), normals(1, 9000, 1.5), experiment.Better, experiment.NotWorse, experiment.Met},
		"worse":          {base, normals(1, 9000, .5), experiment.Worse, experiment.Worse, experiment.Violated},
		"few labels":     {base, normals(1, 80, .1), experiment.Undecided, experiment.Undecided, experiment.Undecided},
		"few positive":   {base, scored(1, stats.Scores{{Score: 0, Negative: 900, Positive: 15}, {Score: 1, Negative: 900, Positive: 14}}), experiment.Undecided, experiment.Undecided, experiment.Undecided},
		"nothing at all": {experiment.Total{Metric: "auc"}, experiment.Total{Version: 1, Metric: "auc"}, experiment.Undecided, experiment.Undecided, experiment.Undecided},
		// Beside another version it has at least that one's spread; alone it has none.
		"told all apart":    {base, scored(1, stats.Scores{{Score: 0, Negative: 2000}, {Score: 1, Positive: 2000}}), experiment.Better, experiment.NotWorse, experiment.Undecided},
		"half have a label": {base, unlabelled(normals(1, 9001, 1.5)), experiment.Undecided, experiment.NotWorse, experiment.Met},
	} {
		t.Run(name, func(t *testing.T) {
			j, _ := Judge(p, totals(phase(1, half, c.b, c.c)), experiment.Monitors{}, at(0))
			r, g, o := j.Find(1, experiment.RoleReward, "auc"), j.Find(1, experiment.RoleGuardrail, "auc"), j.Find(1, experiment.RoleObjective, "auc")
			if r.Status != c.reward || g.Status != c.guardrail || o.Status != c.objective {
				t.Errorf("reward %s, guardrail %s, objective %s; want %s, %s, %s", r.Status, g.Status, o.Status, c.reward, c.guardrail, c.objective)
			}
			if n := len(j.Verdicts); n != 4 {
				t.Errorf("%d verdicts: a whole sample has no slices", n)
			}
			area, err := c.c.Scores.AUC()
			if negative, positive := c.c.Scores.Total(); err == nil && (o.N != negative+positive || *o.Estimate != area.Value) {
				t.Errorf("objective %+v, want %v of %d", o, area, negative+positive)
			}
		})
	}
}

func TestPredictionMetricsAreJudgedAsRequests(t *testing.T) {
	p := labels()
	p.Objectives = []experiment.Objective{{Metric: "nulls", Max: ptr(.05)}, {Metric: "size", Max: ptr(1000)}}
	p.Guardrails = []experiment.Guardrail{{Metric: "nulls", NoWorseThan: experiment.Margin{Absolute: .02}}, {Metric: "size", NoWorseThan: experiment.Margin{Relative: .1}}}
	size := func(version int, mean float64) experiment.Total {
		return experiment.Total{Version: version, Metric: "size", Evidence: experiment.Evidence{Units: stats.Pair{N: 5000, MeanY: mean, MeanX: 1, M2Y: 5000 * 100 * 100}}}
	}
	j, _ := Judge(p, totals(phase(1, half, counts(0, "nulls", 5000, 50), counts(1, "nulls", 5000, 600), size(0, 800), size(1, 790))), experiment.Monitors{}, at(0))
	for _, c := range []struct {
		role   experiment.Role
		metric string
		want   experiment.Status
	}{
		{experiment.RoleObjective, "nulls", experiment.Violated},
		{experiment.RoleGuardrail, "nulls", experiment.Worse},
		{experiment.RoleObjective, "size", experiment.Met},
		{experiment.RoleGuardrail, "size", experiment.NotWorse},
	} {
		if v := j.Find(1, c.role, c.metric); v.Status != c.want || v.Basis != experiment.BasisRequests {
			t.Errorf("%s %s is %s (%s), want %s", c.role, c.metric, v.Status, v.Basis, c.want)
		}
	}
}

func TestDriftAgainstALimit(t *testing.T) {
	p := labels()
	p.Objectives = []experiment.Objective{{Metric: "psi", Max: ptr(.1)}, {Metric: "ks", Max: ptr(.15), Slices: []string{"tier"}}}
	p.Segments = []experiment.Segment{{Name: "tier", Header: "x-tier", Values: []string{"premium"}}}
	p.Reward = nil
	even := map[string]int64{"a": 9000, "b": 6000, "c": 3000}
	for name, c := range map[string]struct {
		classes map[string]int64
		shift   float64
		psi, ks experiment.Status
	}{
		"the same":      {map[string]int64{"a": 6000, "b": 4000, "c": 2000}, 0, experiment.Met, experiment.Met},
		"far":           {map[string]int64{"a": 2000, "b": 4000, "c": 6000}, .3, experiment.Violated, experiment.Violated},
		"near a limit":  {map[string]int64{"a": 5000, "b": 3400, "c": 3600}, .15, experiment.Undecided, experiment.Undecided},
		"a new class":   {map[string]int64{"a": 6000, "b": 3000, "d": 3000}, 0, experiment.Violated, experiment.Met},
		"too few":       {map[string]int64{"a": 1, "c": 98}, 0, experiment.Undecided, experiment.Met},
		"one class now": {map[string]int64{"a": 12_000}, 0, experiment.Violated, experiment.Met},
	} {
		t.Run(name, func(t *testing.T) {
			j, _ := Judge(p, totals(phase(1, half, classes(0, even), classes(1, c.classes), uniform(0, 9000, 0), uniform(1, 12_000, c.shift))), experiment.Monitors{}, at(0))
			psi, ks := j.Find(1, experiment.RoleObjective, "psi"), j.Find(1, experiment.RoleObjective, "ks")
			if psi.Status != c.psi || ks.Status != c.ks {
				t.Errorf("PSI %s %+v, KS %s %+v; want %s and %s", psi.Status, psi.Interval, ks.Status, ks.Interval, c.psi, c.ks)
			}
			for _, metric := range []string{"psi", "ks"} {
				if v := j.Find(0, experiment.RoleObjective, metric); v.Status != experiment.Met || *v.Estimate != 0 {
					t.Errorf("the baseline drifts from itself in %s: %+v", metric, v)
				}
				i := slices.IndexFunc(j.Drifts, func(d experiment.Drift) bool { return d.Metric == metric && d.Version == 1 })
				if v := j.Find(1, experiment.RoleObjective, metric); (v.Interval == nil) != (i < 0) || i >= 0 && (j.Drifts[i].Interval != *v.Interval || j.Drifts[i].N != v.N) {
					t.Errorf("%s is read as %+v, judged as %+v", metric, j.Drifts, v)
				}
			}
			if len(j.Verdicts) != 4 {
				t.Errorf("%d verdicts: distributions have no slices", len(j.Verdicts))
			}
		})
	}
}

// TestSharesThatChangeAreNoDrift: in each phase both versions answer alike, but
// who asks changes with the hour, and so do the shares.
func TestSharesThatChangeAreNoDrift(t *testing.T) {
	p := labels()
	p.Objectives = []experiment.Objective{{Metric: "psi", Max: ptr(.05)}}
	all := totals(
		phase(1, experiment.Shares{9000, 1000}, classes(0, map[string]int64{"a": 8100, "b": 900}), classes(1, map[string]int64{"a": 900, "b": 100})),
		phase(2, half, classes(0, map[string]int64{"a": 500, "b": 4500}), classes(1, map[string]int64{"a": 500, "b": 4500})),
	)
	j, _ := Judge(p, all, experiment.Monitors{}, at(0))
	if v := j.Find(1, experiment.RoleObjective, "psi"); v.Status != experiment.Met || *v.Estimate > .01 || v.N != 6000 || v.NBaseline != 14_000 {
		t.Errorf("got %+v", v)
	}
}

func digest(version int, header string, counts map[string]int64) experiment.Total {
	return experiment.Total{Version: version, Metric: experiment.CellDigest + header, Evidence: experiment.Evidence{Categories: stats.CategoriesOf(counts)}}
}

func TestVersionMix(t *testing.T) {
	p := labels()
	p.Guardrails = []experiment.Guardrail{{Metric: "refund", NoWorseThan: experiment.Margin{Absolute: .1}}}
	p.Objectives = []experiment.Objective{{Metric: "errors", Max: ptr(.1)}}
	cells := func(bought int, more ...experiment.Total) experiment.PhaseTotals {
		return phase(1, half, append(more, counts(0, experiment.CellRequests, 5000, 5), counts(1, experiment.CellRequests, 5000, 5),
			units(0, "purchase", 2000, 500, 1), units(1, "purchase", 2000, bought, 1), units(0, "refund", 2000, 200, 1), units(1, "refund", 2000, 200, 1))...)
	}
	mix := func(version int, values float64, header, one, other string) []experiment.Doubt {
		return []experiment.Doubt{{Code: experiment.ReasonVersionMix, Version: version, Value: values, Limit: 1, Header: header, Values: []string{one, other}}}
	}
	type belief struct{ Reward, Guardrail, Candidate, Baseline experiment.Status }
	none := belief{experiment.Untrustworthy, experiment.Untrustworthy, experiment.Untrustworthy, experiment.Met}
	for name, c := range map[string]struct {
		totals *experiment.Totals
		doubts []experiment.Doubt
		want   belief
	}{
		"one value each": {
			totals(cells(800, digest(0, "x-artifact", map[string]int64{"a": 50}), digest(1, "x-artifact", map[string]int64{"b": 70, experiment.NoDigest: 3}))), nil,
			belief{experiment.Better, experiment.NotWorse, experiment.Met, experiment.Met},
		},
		"the candidate is two": {
			totals(cells(800, digest(1, "x-artifact", map[string]int64{"a": 5, "b": 70, experiment.NoDigest: 900}))), mix(1, 2, "X-Artifact", "b", "a"), none,
		},
		"it became another in a later phase": {
			totals(cells(800, digest(1, "x-prompt", map[string]int64{"a": 5})), phase(2, half, digest(1, "x-prompt", map[string]int64{"z": 9}))), mix(1, 2, "x-prompt", "z", "a"), none,
		},
		"the baseline is three": {
			totals(cells(800, digest(0, "x-artifact", map[string]int64{"a": 5, "b": 5, "c": 1}))), mix(0, 3, "X-Artifact", "a", "b"),
			belief{experiment.Untrustworthy, experiment.Untrustworthy, experiment.Met, experiment.Untrustworthy},
		},
		"harm stays said": {
			totals(cells(200, digest(1, "x-artifact", map[string]int64{"a": 5, "b": 70}))), mix(1, 2, "X-Artifact", "b", "a"),
			belief{experiment.Worse, experiment.Untrustworthy, experiment.Untrustworthy, experiment.Met},
		},
	} {
		t.Run(name, func(t *testing.T) {
			j, _ := Judge(p, c.totals, experiment.Monitors{}, at(0))
			if d := cmp.Diff(c.doubts, j.Doubts); d != "" {
				t.Errorf("doubts (-want +got):\n%s", d)
			}
			got := belief{
				j.Find(1, experiment.RoleReward, "purchase").Status, j.Find(1, experiment.RoleGuardrail, "refund").Status,
				j.Find(1, experiment.RoleObjective, "errors").Status, j.Find(0, experiment.RoleObjective, "errors").Status,
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("beliefs (-want +got):\n%s", d)
			}
		})
	}
	later := at(0)
	later.Epoch = 2
	if j, _ := Judge(p, totals(cells(800, digest(1, "x-artifact", map[string]int64{"a": 5, "b": 70}))), experiment.Monitors{}, later); len(j.Doubts) > 0 {
		t.Errorf("after a retry: %+v", j.Doubts)
	}
}

// TestLabelsNeverJoined: the floor of label metrics counts predictions, those of
// one unit as one.
func TestLabelsNeverJoined(t *testing.T) {
	p := labels()
	p.Reward = &experiment.Reward{Metric: "accuracy"}
	i := slices.IndexFunc(p.Metrics, func(m experiment.Metric) bool { return m.Name == "accuracy" })
	p.Metrics[i].Labels.Joined = .9
	cell := func(version, units int, unlabelled int64) experiment.Total {
		var pair stats.Pair
		for k := range units {
			pair.Add(float64(k%2), 1)
		}
		return experiment.Total{Version: version, Metric: "accuracy", Evidence: experiment.Evidence{Units: pair, Counts: stats.Counts{N: 20_000, X: unlabelled}}}
	}
	for name, c := range map[string]struct {
		b, c    experiment.Total
		request bool
		want    []string
	}{
		"all are there":               {cell(0, 2000, 1000), cell(1, 2000, 1050), false, nil},
		"too few":                     {cell(0, 2000, 4000), cell(1, 2000, 4000), false, []string{"HG-D406 v1 accuracy", "HG-D406 v2 accuracy"}},
		"a few units may be silent":   {cell(0, 200, 1000), cell(1, 200, 1400), false, nil},
		"as many single predictions":  {cell(0, 200, 1000), cell(1, 200, 1400), true, []string{"HG-D407 v2 accuracy"}},
		"one version loses its truth": {cell(0, 2000, 200), cell(1, 2000, 1900), false, []string{"HG-D407 v2 accuracy"}},
	} {
		t.Run(name, func(t *testing.T) {
			p.Assignment.Unit = experiment.Unit{Header: "x-user"}
			if c.request {
				p.Assignment.Unit = experiment.Unit{Request: true}
			}
			j, _ := Judge(p, totals(phase(1, half, c.b, c.c)), experiment.Monitors{}, at(0))
			if d := cmp.Diff(append([]string{}, c.want...), codes(&j)); d != "" {
				t.Errorf("doubts (-want +got):\n%s", d)
			}
		})
	}
}

// TestStreakOfPredictions: a window in which nothing was read of a metric breaks
// no streak, one in which too much is wrong does. Distributions have no windows.
func TestStreakOfPredictions(t *testing.T) {
	p := labels()
	p.Objectives = []experiment.Objective{{Metric: "nulls", Max: ptr(.1)}, {Metric: "psi", Max: ptr(.1)}, {Metric: "auc", Min: ptr(.9)}, {Metric: "size", Max: ptr(1)}}
	ph := &experiment.PhaseTotals{Shares: half}
	cell := func(metric string, n, x int64) experiment.Cell {
		return experiment.Cell{CellKey: experiment.CellKey{Version: 1, Metric: metric}, Evidence: experiment.Evidence{Counts: stats.Counts{N: n, X: x}}}
	}
	requests := cell(experiment.CellRequests, 10, 0)
	for name, c := range map[string]struct {
		cells []experiment.Cell
		want  int
	}{
		"none were read": {[]experiment.Cell{requests}, 1},
		"few are null":   {[]experiment.Cell{requests, cell("nulls", 10, 1)}, 1},
		"many are null":  {[]experiment.Cell{requests, cell("nulls", 10, 2)}, 0},
		"no traffic":     {nil, 0},
	} {
		if got := Streak(p, ph, experiment.Seal{To: 1, Cells: c.cells}); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// TestAShadowIsJudgedByWhatItPredicts: in a mirror a candidate has predictions
// and labels without any exposure. They meet its gates, are held against the
// baseline's as if they were other cases', and say nothing of the split.
func TestAShadowIsJudgedByWhatItPredicts(t *testing.T) {
	p := labels()
	p.Stages = append([]experiment.Stage{{
		Name: "shadow", Mirror: &experiment.Mirror{Share: experiment.Whole},
		Require: []experiment.Objective{{Metric: "accuracy", Min: ptr(.8)}, {Metric: "psi", Max: ptr(.2)}},
	}}, p.Stages...)
	p.Reward = nil
	p.Guardrails = []experiment.Guardrail{{Metric: "accuracy", NoWorseThan: experiment.Margin{Absolute: .05}}}
	const n = 4000
	cats := map[string]int64{"cat": n / 2, "dog": n / 2}
	for name, c := range map[string]struct {
		right                  int
		classes, digests       map[string]int64
		gate, drift, guardrail experiment.Status
	}{
		"alike":            {3600, cats, map[string]int64{"two": n}, experiment.Met, experiment.Met, experiment.NotWorse},
		"less right":       {3000, cats, map[string]int64{"two": n}, experiment.Violated, experiment.Met, experiment.Worse},
		"of other classes": {3600, map[string]int64{"cat": n}, map[string]int64{"two": n}, experiment.Met, experiment.Violated, experiment.NotWorse},
		"two things":       {3600, cats, map[string]int64{"two": n / 2, "three": n / 2}, experiment.Untrustworthy, experiment.Untrustworthy, experiment.Untrustworthy},
	} {
		t.Run(name, func(t *testing.T) {
			j, _ := Judge(p, totals(phase(1, experiment.Baseline(2),
				counts(0, experiment.CellExposures, n, 0), counts(0, experiment.CellRequests, n, 0), counts(1, experiment.CellMirrored, n, 0),
				units(0, "accuracy", n, 3600, 1), units(1, "accuracy", n, c.right, 1), classes(0, cats), classes(1, c.classes),
				digest(0, "x-artifact", map[string]int64{"one": n}), digest(1, "x-artifact", c.digests),
			)), experiment.Monitors{}, at(0))
			gate, drift, guardrail := j.Find(1, experiment.RoleGate, "accuracy"), j.Find(1, experiment.RoleGate, "psi"), j.Find(1, experiment.RoleGuardrail, "accuracy")
			if gate.Status != c.gate || drift.Status != c.drift || guardrail.Status != c.guardrail {
				t.Errorf("accuracy %s, drift %s, guardrail %s; want %s, %s, %s", gate.Status, drift.Status, guardrail.Status, c.gate, c.drift, c.guardrail)
			}
			if gate.N != n || guardrail.N != n || guardrail.NBaseline != n {
				t.Errorf("accuracy of %d, guardrail of %d and %d: want %d", gate.N, guardrail.N, guardrail.NBaseline, n)
			}
			if j.Mismatch || j.Pairs != n || !slices.Equal(j.Seen, []int64{n, 0}) {
				t.Errorf("mismatch %t, %d pairs, seen %v", j.Mismatch, j.Pairs, j.Seen)
			}
		})
	}
}
