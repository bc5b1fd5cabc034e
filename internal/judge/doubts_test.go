// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// heard are n units of which x bought and some were never heard of.
func heard(version, n, x int, unheard int64) experiment.Total {
	t := units(version, "purchase", n, x, 1)
	t.Counts.N, t.Counts.X = int64(n), unheard
	return t
}

func codes(j *experiment.Judgement) []string {
	out := []string{}
	for _, d := range j.Doubts {
		out = append(out, string(d.Code)+" v"+string(rune('1'+d.Version))+" "+d.Metric)
	}
	return out
}

func TestJoinedShares(t *testing.T) {
	for name, c := range map[string]struct {
		floor       float64
		b, c        experiment.Total
		want        []string
		wantReward  experiment.Status
		wantWhatFor string
	}{
		"all were heard of":            {.9, heard(0, 1000, 200, 20), heard(1, 1000, 600, 25), nil, experiment.Better, ""},
		"no floor":                     {0, heard(0, 1000, 200, 990), heard(1, 1000, 600, 20), nil, experiment.Better, ""},
		"too few of the candidate":     {.9, heard(0, 1000, 200, 200), heard(1, 1000, 600, 250), []string{"HG-D406 v1 purchase", "HG-D406 v2 purchase"}, experiment.Untrustworthy, ""},
		"few, but it may be chance":    {.9, heard(0, 1000, 200, 100), heard(1, 1000, 600, 115), nil, experiment.Better, ""},
		"before the burn-in":           {.9, heard(0, 1000, 200, 20), heard(1, 99, 60, 60), []string{"HG-D407 v2 purchase"}, experiment.Untrustworthy, ""},
		"unequal, above the floor":     {.5, heard(0, 1000, 200, 30), heard(1, 1000, 600, 110), []string{"HG-D407 v2 purchase"}, experiment.Untrustworthy, ""},
		"unequal where most is silent": {.05, heard(0, 1000, 200, 900), heard(1, 1000, 600, 800), []string{"HG-D407 v2 purchase"}, experiment.Untrustworthy, ""},
		"harm stays visible":           {.9, heard(0, 3000, 900, 800), heard(1, 3000, 600, 800), []string{"HG-D406 v1 purchase", "HG-D406 v2 purchase"}, experiment.Worse, ""},
		"undecided is not trusted":     {.9, heard(0, 1000, 200, 200), heard(1, 1000, 200, 200), []string{"HG-D406 v1 purchase", "HG-D406 v2 purchase"}, experiment.Untrustworthy, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := rewarded(1000)
			p.Metrics[2].Outcomes.Joined = c.floor
			p.Guardrails = []experiment.Guardrail{{Metric: "refund", NoWorseThan: experiment.Margin{Absolute: .1}}}
			all := totals(phase(1, half, c.b, c.c, units(0, "refund", 2000, 200, 1), units(1, "refund", 2000, 200, 1)))
			j, m := Judge(p, all, experiment.Monitors{}, at(0))
			if d := cmp.Diff(append([]string{}, c.want...), codes(&j)); d != "" {
				t.Errorf("doubts (-want +got):\n%s%+v", d, j.Doubts)
			}
			if v := j.Find(1, experiment.RoleReward, "purchase"); v.Status != c.wantReward {
				t.Errorf("the reward is %s, want %s", v.Status, c.wantReward)
			}
			if v := j.Find(1, experiment.RoleGuardrail, "refund"); v.Status != experiment.NotWorse {
				t.Errorf("another metric is %s", v.Status)
			}
			again, _ := Judge(p, totals(), m, at(0))
			for _, code := range codes(&j) {
				if code == "HG-D407 v2 purchase" && len(again.Doubts) == 0 {
					t.Error("that versions differ is forgotten")
				}
			}
		})
	}
}

// TestADoubtOfOneCandidateIsNotTheOthers.
func TestADoubtOfOneCandidateIsNotTheOthers(t *testing.T) {
	p, shares := candidates(rewarded(3000), 3)
	p.Metrics[2].Outcomes.Joined = .9
	j, _ := Judge(p, totals(phase(1, shares, heard(0, 1000, 200, 20), heard(1, 1000, 600, 20), heard(2, 1000, 600, 400))), experiment.Monitors{}, at(0))
	if a, b := j.Find(1, experiment.RoleReward, "purchase"), j.Find(2, experiment.RoleReward, "purchase"); a.Status != experiment.Better || b.Status != experiment.Untrustworthy {
		t.Errorf("the first is %s, the second %s; doubts %+v", a.Status, b.Status, j.Doubts)
	}
}

// TestJoinedTestsShareTheirError.
func TestJoinedTestsShareTheirError(t *testing.T) {
	p, shares := candidates(rewarded(3000), 3)
	p.Metrics[2].Outcomes.Joined, p.Metrics[3].Outcomes.Joined = .5, .5
	j, _ := Judge(p, totals(phase(1, shares, heard(0, 1000, 200, 0), heard(1, 1000, 200, 0), heard(2, 1000, 200, 200))), experiment.Monitors{}, at(0))
	if len(j.Doubts) != 1 || j.Doubts[0].Limit != 4*JoinAlarm || j.Doubts[0].Version != 2 {
		t.Errorf("doubts %+v, want the limit of four tests", j.Doubts)
	}
}

func TestMismatchMakesWhatIsGoodUntrustworthy(t *testing.T) {
	p := rewarded(2000)
	p.Guardrails = []experiment.Guardrail{{Metric: "refund", NoWorseThan: experiment.Margin{Absolute: .1}}}
	p.Objectives = []experiment.Objective{{Metric: "errors", Max: ptr(.1)}}
	judged := func(xc, refunds int) *experiment.Judgement {
		j, _ := Judge(p, totals(phase(1, half, counts(0, experiment.CellExposures, 5000, 0), counts(1, experiment.CellExposures, 4000, 0),
			counts(1, experiment.CellRequests, 5000, 5),
			units(0, "purchase", 1000, 300, 1), units(1, "purchase", 1000, xc, 1), units(0, "refund", 3000, 300, 1), units(1, "refund", 3000, refunds, 1))), experiment.Monitors{}, at(0))
		return &j
	}
	j := judged(600, 300)
	if r, g, o := j.Find(1, experiment.RoleReward, "purchase"), j.Find(1, experiment.RoleGuardrail, "refund"), j.Find(1, experiment.RoleObjective, "errors"); !j.Mismatch ||
		r.Status != experiment.Untrustworthy || g.Status != experiment.Untrustworthy || o.Status != experiment.Met {
		t.Errorf("mismatch %v: reward %s, guardrail %s, objective %s", j.Mismatch, r.Status, g.Status, o.Status)
	}
	j = judged(100, 900)
	if r, g := j.Find(1, experiment.RoleReward, "purchase"), j.Find(1, experiment.RoleGuardrail, "refund"); r.Status != experiment.Worse || g.Status != experiment.Worse {
		t.Errorf("harm: reward %s, guardrail %s", r.Status, g.Status)
	}
	if r := judged(310, 300).Find(1, experiment.RoleReward, "purchase"); r.Status != experiment.Undecided {
		t.Errorf("undecided became %s", r.Status)
	}
}

func TestRewardsOutsideTheirRange(t *testing.T) {
	p := learning(experiment.Bandit{Per: "tier"})
	p.Reward.Range = &experiment.Range{Low: 0, High: 1}
	ph := phase(2, half,
		in("tier=free", units(0, "purchase", 10, 5, 2)), in("tier=free", units(1, "purchase", 10, 6, 2)), in("tier=premium", units(2, "purchase", 10, 1, -1)))
	j := learned(p, nil, ph)
	want := []experiment.Doubt{
		{Code: experiment.ReasonRewardRange, Metric: "purchase", Version: 1, Slice: "tier=free", Value: 1.2, Limit: 1},
		{Code: experiment.ReasonRewardRange, Metric: "purchase", Version: 2, Slice: "tier=premium", Value: -.1, Limit: 0},
	}
	if d := cmp.Diff(want, j.Doubts, cmp.Comparer(func(a, b float64) bool { return a-b < 1e-12 && b-a < 1e-12 })); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	p.Reward.Range = nil
	if j := learned(p, nil, ph); len(j.Doubts) != 0 {
		t.Errorf("without a range: %+v", j.Doubts)
	}
}
