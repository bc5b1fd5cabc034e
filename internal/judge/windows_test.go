// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// windowPlan has a reward, an objective and a guardrail of which a provider tells
// one number a window.
func windowPlan(method experiment.Method) *experiment.Plan {
	query := func(name string) experiment.Metric {
		return experiment.Metric{Name: name, Goal: experiment.Decrease, Trusted: true, Provider: &experiment.ProviderMetric{
			Prometheus: &experiment.PrometheusQuery{Query: []string{"v1", "v2"}},
		}}
	}
	most := 11.0
	return &experiment.Plan{
		Versions:   []experiment.Version{{Name: "v1"}, {Name: "v2"}},
		Assignment: experiment.Assignment{Unit: experiment.Unit{Request: true}},
		Metrics:    []experiment.Metric{query("depth")},
		Reward:     &experiment.Reward{Metric: "depth", MinimumEffect: experiment.Margin{Absolute: .1}},
		Objectives: []experiment.Objective{{Metric: "depth", Max: &most}},
		Guardrails: []experiment.Guardrail{{Metric: "depth", NoWorseThan: experiment.Margin{Absolute: .5}}},
		Stages: []experiment.Stage{{Name: "ab", Split: &experiment.Split{
			Shares: experiment.Shares{5000, 5000}, Until: experiment.Until{AtMost: windowsPlayed * time.Minute},
		}}},
		Analysis: experiment.Analysis{Method: method, Alpha: .05, HarmAlpha: .05, Looks: 5},
		Window:   time.Minute,
	}
}

const windowsPlayed = 240

// series is what a provider tells of one version: mean 10 or as given, deviation
// 1, each window correlated with the one before by rho.
type series struct {
	rng       *rand.Rand
	mean, rho float64
	x         float64
}

func (s *series) next() float64 {
	s.x = s.rho*s.x + math.Sqrt(1-s.rho*s.rho)*s.rng.NormFloat64()
	return s.mean + s.x
}

// windowWorld plays windows and asks every plan each few of them.
type windowWorld struct {
	rho, effect float64
	every       int
	// gaps is the probability that a version's window is missing.
	gaps float64
}

// play tells of each plan which verdicts it ever gave.
func (w *windowWorld) play(t *testing.T, seed uint64, plans []*experiment.Plan) []map[experiment.Role]map[experiment.Status]bool {
	rng := rand.New(rand.NewPCG(seed, 77))
	versions := [2]series{{rng: rng, mean: 10, rho: w.rho, x: rng.NormFloat64()}, {rng: rng, mean: 10 - w.effect, rho: w.rho, x: rng.NormFloat64()}}
	all := experiment.Totals{Phases: []experiment.PhaseTotals{{Epoch: 1, Phase: 1, Shares: experiment.Shares{5000, 5000}}}}
	memory, memo := make([]experiment.Monitors, len(plans)), make([]*Memo, len(plans))
	said := make([]map[experiment.Role]map[experiment.Status]bool, len(plans))
	for k := range plans {
		memo[k] = NewMemo()
		said[k] = map[experiment.Role]map[experiment.Status]bool{experiment.RoleReward: {}, experiment.RoleObjective: {}, experiment.RoleGuardrail: {}}
	}
	for i := range int64(windowsPlayed) {
		seal := experiment.Seal{Source: experiment.SourceMetrics, Epoch: 1, Phase: 1, From: i, To: i + 1}
		for v := range versions {
			if x := versions[v].next(); rng.Float64() >= w.gaps {
				key := experiment.CellKey{Epoch: 1, Phase: 1, Window: i, Version: v, Metric: "depth"}
				seal.Cells = append(seal.Cells, experiment.Cell{CellKey: key, Evidence: experiment.WindowEvidence(x, 1)})
			}
		}
		if err := all.Fold(seal); err != nil {
			t.Fatal(err)
		}
		if (i+1)%int64(w.every) > 0 {
			continue
		}
		for k, p := range plans {
			var j experiment.Judgement
			at := At{Epoch: 1, Phase: 1, StageStart: start, Now: start.Add(time.Duration(i+1) * p.Window), Memo: memo[k]}
			j, memory[k] = Judge(p, &all, memory[k], at)
			for _, v := range j.Verdicts {
				if v.Basis != experiment.BasisWindows {
					t.Fatalf("a verdict on %s", v.Basis)
				}
				if v.Version == 1 {
					said[k][v.Role][v.Status] = true
				}
			}
		}
	}
	return said
}

// TestIdenticalVersionsByWindows is D9 where windows are the sample: 400
// experiments of 240 windows, alpha 5 %, looked at every 8 windows; independent
// windows, and such as have a correlation of 0.5 with the one before. All numbers
// were chosen once.
func TestIdenticalVersionsByWindows(t *testing.T) {
	methods := []experiment.Method{experiment.Sequential, experiment.Anytime, experiment.Fixed}
	for _, w := range []windowWorld{{every: 8}, {rho: .5, every: 8}, {rho: .5, every: 8, gaps: .2}} {
		const runs = 400
		better, worse, broken, violated := make([]int, len(methods)), make([]int, len(methods)), 0, 0
		var plans []*experiment.Plan
		for _, m := range methods {
			plans = append(plans, windowPlan(m))
		}
		for seed := range runs {
			for k, said := range w.play(t, uint64(seed), plans) {
				better[k] += count(said[experiment.RoleReward][experiment.Better])
				worse[k] += count(said[experiment.RoleReward][experiment.Worse])
				if k == 0 {
					broken += count(said[experiment.RoleGuardrail][experiment.Worse])
					violated += count(said[experiment.RoleObjective][experiment.Violated])
				}
			}
		}
		t.Logf("correlation %v, missing %v", w.rho, w.gaps)
		for k, m := range methods {
			atMost(t, string(m)+": better", better[k], runs, .05)
			atMost(t, string(m)+": worse", worse[k], runs, .05)
		}
		atMost(t, "guardrail broken", broken, runs, .05)
		atMost(t, "objective violated", violated, runs, .05)
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestDifferencesAreFoundByWindows: what is said of nothing rarely is said of
// something mostly.
func TestDifferencesAreFoundByWindows(t *testing.T) {
	const runs = 60
	for _, c := range []struct {
		w     windowWorld
		want  experiment.Status
		least int
	}{
		{windowWorld{effect: .7, every: 8}, experiment.Better, 50},
		{windowWorld{effect: -.7, every: 8}, experiment.Worse, 50},
		{windowWorld{effect: 1.2, rho: .5, every: 8}, experiment.Better, 50},
	} {
		n, met := 0, 0
		for seed := range runs {
			said := c.w.play(t, uint64(seed), []*experiment.Plan{windowPlan(experiment.Sequential)})[0]
			n += count(said[experiment.RoleReward][c.want])
			met += count(said[experiment.RoleObjective][experiment.Met])
		}
		t.Logf("effect %v, correlation %v: %s in %d of %d, objective met in %d", c.w.effect, c.w.rho, c.want, n, runs, met)
		if n < c.least {
			t.Errorf("effect %v, correlation %v: %s in %d of %d, want %d", c.w.effect, c.w.rho, c.want, n, runs, c.least)
		}
	}
}

// TestFewWindowsSayNothing: eleven of each version decide nothing, whatever they
// say; nor do many of one version alone.
func TestFewWindowsSayNothing(t *testing.T) {
	for name, n := range map[string][2]int64{"eleven of each": {11, 11}, "hundred of one": {100, 11}} {
		t.Run(name, func(t *testing.T) {
			j := judgeWindows(t, windowPlan(experiment.Anytime), n, func(v int, i int64) float64 { return 10 - 5*float64(v) + .01*float64(i%2) })
			for _, v := range j.Verdicts {
				if known := v.Role == experiment.RoleObjective && v.Version == 0 && n[0] > 11; v.Status != experiment.Undecided && !known {
					t.Errorf("%s of %d is %s", v.Role, v.Version, v.Status)
				}
			}
		})
	}
	j := judgeWindows(t, windowPlan(experiment.Anytime), [2]int64{24, 24}, func(v int, i int64) float64 { return 10 - 5*float64(v) + .01*float64(i%2) })
	if v := j.Find(1, experiment.RoleReward, "depth"); v.Status != experiment.Better {
		t.Errorf("24 of each, far apart: %s", v.Status)
	}
}

func judgeWindows(t *testing.T, p *experiment.Plan, n [2]int64, value func(v int, i int64) float64) experiment.Judgement {
	t.Helper()
	all := experiment.Totals{Phases: []experiment.PhaseTotals{{Epoch: 1, Phase: 1, Shares: experiment.Shares{5000, 5000}}}}
	seal := experiment.Seal{Source: experiment.SourceMetrics, Epoch: 1, Phase: 1, To: max(n[0], n[1])}
	for v := range n {
		for i := range n[v] {
			key := experiment.CellKey{Epoch: 1, Phase: 1, Window: i, Version: v, Metric: "depth"}
			seal.Cells = append(seal.Cells, experiment.Cell{CellKey: key, Evidence: experiment.Evidence{Units: stats.Pair{N: 1, MeanY: value(v, i), MeanX: 1}}})
		}
	}
	if err := all.Fold(seal); err != nil {
		t.Fatal(err)
	}
	j, _ := Judge(p, &all, experiment.Monitors{}, At{Epoch: 1, Phase: 1, StageStart: start, Now: start.Add(time.Hour)})
	return j
}

// TestGaugesThatStandStill: after sixteen windows of the same number a limit is
// known, before it is not.
func TestGaugesThatStandStill(t *testing.T) {
	for n, want := range map[int64]experiment.Status{15: experiment.Undecided, 16: experiment.Met} {
		j := judgeWindows(t, windowPlan(experiment.Sequential), [2]int64{n, n}, func(int, int64) float64 { return 11 })
		if v := j.Find(1, experiment.RoleObjective, "depth"); v.Status != want || v.N != n {
			t.Errorf("%d windows of 11, limited to 11: %s of %d", n, v.Status, v.N)
		}
		if v := j.Find(1, experiment.RoleGuardrail, "depth"); v.Status != experiment.Undecided {
			t.Errorf("two gauges that stand still are compared: %s", v.Status)
		}
	}
	j := judgeWindows(t, windowPlan(experiment.Sequential), [2]int64{20, 20}, func(int, int64) float64 { return 12 })
	if v := j.Find(1, experiment.RoleObjective, "depth"); v.Status != experiment.Violated {
		t.Errorf("20 windows of 12, limited to 11: %s", v.Status)
	}
}

// TestCountersOfProvidersAreCounts: where a provider has counters, few requests
// say as much as of any other count.
func TestCountersOfProvidersAreCounts(t *testing.T) {
	most := .05
	p := windowPlan(experiment.Sequential)
	p.Metrics[0].Provider.Prometheus = &experiment.PrometheusQuery{Events: []string{"a", "b"}, Total: []string{"c", "d"}}
	p.Reward, p.Objectives[0].Max = nil, &most
	all := experiment.Totals{Phases: []experiment.PhaseTotals{{Epoch: 1, Phase: 1, Shares: experiment.Shares{5000, 5000}}}}
	seal := experiment.Seal{Source: experiment.SourceMetrics, Epoch: 1, Phase: 1, To: 1}
	for v, x := range []int64{1, 60} {
		key := experiment.CellKey{Epoch: 1, Phase: 1, Version: v, Metric: "depth"}
		seal.Cells = append(seal.Cells, experiment.Cell{CellKey: key, Evidence: experiment.Evidence{Counts: stats.Counts{N: 400, X: x}}})
	}
	if err := all.Fold(seal); err != nil {
		t.Fatal(err)
	}
	j, _ := Judge(p, &all, experiment.Monitors{}, At{Epoch: 1, Phase: 1, StageStart: start, Now: start.Add(time.Minute)})
	if v := j.Find(1, experiment.RoleObjective, "depth"); v.Status != experiment.Violated || v.Basis != experiment.BasisRequests || v.N != 400 {
		t.Errorf("60 of 400, limited to 5%%: %s of %d %s", v.Status, v.N, v.Basis)
	}
	p.Guardrails[0].NoWorseThan = experiment.Margin{Relative: .1}
	j, _ = Judge(p, &all, experiment.Monitors{}, At{Epoch: 1, Phase: 1, StageStart: start, Now: start.Add(time.Minute)})
	if v := j.Find(1, experiment.RoleGuardrail, "depth"); v.Status != experiment.Worse {
		t.Errorf("60 of 400 against 1 of 400: %s", v.Status)
	}
}
