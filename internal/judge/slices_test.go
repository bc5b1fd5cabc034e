// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// in puts evidence into a slice.
func in(slice string, t experiment.Total) experiment.Total {
	t.Slice = slice
	return t
}

// tiers adds a segment of two named groups.
func tiers(p *experiment.Plan, stratify bool) *experiment.Plan {
	p.Segments = []experiment.Segment{{Name: "tier", Header: "x-tier", Values: []string{"free", "premium"}, Stratify: stratify}}
	return p
}

func find2(j *experiment.Judgement, version int, slice string) *experiment.Verdict {
	i := slices.IndexFunc(j.Verdicts, func(v experiment.Verdict) bool {
		return v.Version == version && v.Slice == slice && v.Role == experiment.RoleGuardrail
	})
	if i < 0 {
		return nil
	}
	return &j.Verdicts[i]
}

func TestAGuardrailIsJudgedInEverySlice(t *testing.T) {
	p := tiers(base(), false)
	p.Guardrails = []experiment.Guardrail{{Metric: "refund", NoWorseThan: experiment.Margin{Absolute: .03}, Slices: []string{"tier"}}}
	all := totals(phase(1, half,
		units(0, "refund", 20_000, 4000, 1), units(1, "refund", 20_000, 4000, 1),
		in("tier=free", units(0, "refund", 15_000, 3000, 1)), in("tier=free", units(1, "refund", 15_000, 3000, 1)),
		in("tier=premium", units(0, "refund", 4900, 900, 1)), in("tier=premium", units(1, "refund", 4900, 1350, 1)),
		in("tier=other", units(0, "refund", 100, 10, 1)), in("tier=other", units(1, "refund", 99, 10, 1))))
	j, m := Judge(p, all, experiment.Monitors{}, at(0))
	for slice, want := range map[string]experiment.Status{
		"": experiment.NotWorse, "tier=free": experiment.NotWorse, "tier=premium": experiment.Worse, "tier=other": experiment.Undecided,
	} {
		if v := find2(&j, 1, slice); v == nil || v.Status != want {
			t.Errorf("%q: %+v, want %s", slice, v, want)
		}
	}
	if len(m.Harm) != 4 {
		t.Errorf("monitors %+v", m.Harm)
	}
	// A slice's memory is its own: with the evidence gone it still is worse.
	j, _ = Judge(p, totals(phase(1, half, in("tier=premium", units(0, "refund", 4900, 900, 1)), in("tier=premium", units(1, "refund", 4900, 900, 1)),
		in("tier=free", units(0, "refund", 4900, 900, 1)), in("tier=free", units(1, "refund", 4900, 900, 1)))), m, at(0))
	if a, b := find2(&j, 1, "tier=premium"), find2(&j, 1, "tier=free"); a.Status != experiment.Worse || b.Status == experiment.Worse {
		t.Errorf("premium is %s, free %s", a.Status, b.Status)
	}
}

// TestGroupsWithTheirOwnSharesAreComparedInside is Simpson's paradox: the
// candidate has most of the group that buys much and seldom fails, looks better
// for everybody and is worse in every group.
func TestGroupsWithTheirOwnSharesAreComparedInside(t *testing.T) {
	p := tiers(rewarded(100_000), false)
	p.Guardrails = []experiment.Guardrail{{Metric: "errors", NoWorseThan: experiment.Margin{Relative: .1}}}
	var cells []experiment.Total
	for _, c := range []struct {
		slice        string
		v, n, buying int
	}{
		{"", 0, 11_000, 1900},
		{"", 1, 9000, 3770},
		{"tier=free", 0, 10_000, 1000},
		{"tier=free", 1, 1000, 70},
		{"tier=premium", 0, 1000, 900},
		{"tier=premium", 1, 8000, 3700},
	} {
		cells = append(cells, in(c.slice, units(c.v, "purchase", c.n, c.buying, 1)),
			in(c.slice, counts(c.v, experiment.CellRequests, int64(c.n), int64(c.n-c.buying)/2)))
	}
	all := totals(phase(1, experiment.Shares{5500, 4500}, cells...))
	all.Phases[0].Groups = []experiment.GroupShares{
		{Slice: "tier=free", Shares: experiment.Shares{9000, 1000}},
		{Slice: "tier=premium", Shares: experiment.Shares{1000, 9000}},
		{Slice: "tier=other", Shares: experiment.Shares{10_000, 0}}, // The candidate has nothing of it, and it says nothing.
	}
	j, _ := Judge(p, all, experiment.Monitors{}, at(0))
	reward := j.Find(1, experiment.RoleReward, "purchase")
	want := 11./20*(.07-.1) + 9./20*(.4625-.9)
	if reward.Status != experiment.Worse || math.Abs(*reward.Estimate-want) > 1e-12 || reward.N != 9000 {
		t.Errorf("the reward: %+v, estimate %v, want %v", reward, *reward.Estimate, want)
	}
	if errors := find2(&j, 1, ""); errors.Status != experiment.Worse {
		t.Errorf("errors: %+v", errors)
	}
	// A group with too little of the candidate is left out, not mixed in.
	few := totals(phase(1, half, append(slices.Clone(cells), in("tier=other", units(0, "purchase", 5000, 5000, 1)), in("tier=other", units(1, "purchase", 99, 99, 1)))...))
	few.Phases[0].Groups = all.Phases[0].Groups
	if j, _ := Judge(p, few, experiment.Monitors{}, at(0)); j.Find(1, experiment.RoleReward, "purchase").NBaseline != 11_000 {
		t.Errorf("compared %+v", j.Find(1, experiment.RoleReward, "purchase"))
	}
	all.Phases[0].Groups = nil
	j, _ = Judge(p, all, experiment.Monitors{}, at(0))
	if v := j.Find(1, experiment.RoleReward, "purchase"); v.Status == experiment.Worse || *v.Estimate < 0 {
		t.Errorf("the example does not tell: %+v", v)
	}
}

// TestGroupsWithTheSameSharesAreOneSplit: after a bandit by group a stage divides
// every group alike, in tables of their own. Nothing is left out of it, and the
// split of everybody is watched.
func TestGroupsWithTheSameSharesAreOneSplit(t *testing.T) {
	p := tiers(rewarded(100_000), false)
	all := totals(phase(1, half,
		units(0, "purchase", 5090, 500, 1), units(1, "purchase", 5090, 500, 1),
		in("tier=free", units(0, "purchase", 5000, 490, 1)), in("tier=free", units(1, "purchase", 5000, 490, 1)),
		in("tier=premium", units(0, "purchase", 90, 10, 1)), in("tier=premium", units(1, "purchase", 90, 10, 1)),
		counts(0, experiment.CellExposures, 6000, 0), counts(1, experiment.CellExposures, 5000, 0)))
	for _, slice := range p.Segments[0].Slices() {
		all.Phases[0].Groups = append(all.Phases[0].Groups, experiment.GroupShares{Slice: slice, Shares: half})
	}
	j, _ := Judge(p, all, experiment.Monitors{}, at(0))
	if v := j.Find(1, experiment.RoleReward, "purchase"); v.N != 5090 {
		t.Errorf("of 5090 units %d are compared", v.N)
	}
	if !j.Mismatch {
		t.Errorf("6000 to 5000 units are no mismatch: log e %v", j.MismatchLogE)
	}
}

func TestStratifyingTakesChanceOutOfTheMix(t *testing.T) {
	judged := func(stratify bool, other int) *experiment.Verdict {
		p := tiers(rewarded(100_000), stratify)
		// By chance the candidate has more of the group that buys.
		all := totals(phase(1, half,
			units(0, "purchase", 10_000+other, 4900, 1), units(1, "purchase", 10_000+other, 5100, 1),
			in("tier=free", units(0, "purchase", 5100, 0, 1)), in("tier=free", units(1, "purchase", 4900, 0, 1)),
			in("tier=premium", units(0, "purchase", 4900, 4900, 1)), in("tier=premium", units(1, "purchase", 5100, 5100, 1)),
			in("tier=other", units(0, "purchase", other, 0, 1)), in("tier=other", units(1, "purchase", other, 0, 1))))
		if stratify { // Somebody must behave unlike the group, or there is no spread.
			for i := range all.Phases[0].Cells {
				if c := &all.Phases[0].Cells[i]; c.Slice != "" && c.Units.N > 0 {
					c.Units.M2Y += .01 * float64(c.Units.N)
				}
			}
		}
		j, _ := Judge(p, all, experiment.Monitors{}, at(0))
		return j.Find(1, experiment.RoleReward, "purchase")
	}
	plain, stratified := judged(false, 0), judged(true, 0)
	if math.Abs(*plain.Estimate-.02) > 1e-9 || math.Abs(*stratified.Estimate) > 1e-9 {
		t.Errorf("plain %v, stratified %v, want .02 and 0", *plain.Estimate, *stratified.Estimate)
	}
	width := func(v *experiment.Verdict) float64 { return v.Interval.High - v.Interval.Low }
	if width(stratified) > width(plain)/3 {
		t.Errorf("stratified %v wide, plain %v", width(stratified), width(plain))
	}
	// A group too small to stand alone stays in, with another.
	if v := judged(true, 60); v.N != 10_060 {
		t.Errorf("of 10060 units %d are compared", v.N)
	}
}

func TestRatioOfGroups(t *testing.T) {
	exposed := func(slice string, baseline, candidate int64) []experiment.Total {
		return []experiment.Total{in(slice, counts(0, experiment.CellExposures, baseline, 0)), in(slice, counts(1, experiment.CellExposures, candidate, 0))}
	}
	slice := func(free, premium []experiment.Total) []experiment.Total { return append(free, premium...) }
	for name, c := range map[string]struct {
		stratify bool
		groups   bool
		cells    []experiment.Total
		mismatch bool
		doubt    string
	}{
		"fits": {true, false, append(slice(exposed("tier=free", 5000, 5000), exposed("tier=premium", 500, 500)), exposed("", 5500, 5500)...), false, ""},
		"a group does not, and the whole hides it": {
			true, false,
			append(slice(exposed("tier=free", 5000, 5000), exposed("tier=premium", 700, 480)), exposed("", 5700, 5480)...), false, "tier=premium",
		},
		"a group that is not watched": {
			false, false,
			append(slice(exposed("tier=free", 5000, 5000), exposed("tier=premium", 700, 480)), exposed("", 5700, 5480)...), false, "",
		},
		"a group with its own shares is held to them": {
			false, true,
			append(slice(exposed("tier=free", 9000, 1000), exposed("tier=premium", 100, 900)), exposed("", 9100, 1900)...), false, "",
		},
		"and found out": {
			false, true,
			append(slice(exposed("tier=free", 9000, 1000), exposed("tier=premium", 250, 750)), exposed("", 9250, 1750)...), false, "tier=premium",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := tiers(rewarded(1000), c.stratify)
			ph := phase(1, half, append(c.cells, units(0, "purchase", 900, 90, 1), units(1, "purchase", 900, 600, 1))...)
			if c.groups {
				p.Stages = append(p.Stages, experiment.Stage{Name: "learn", Bandit: &experiment.Bandit{Per: "tier"}})
				ph.Groups = []experiment.GroupShares{
					{Slice: "tier=free", Shares: experiment.Shares{9000, 1000}}, {Slice: "tier=premium", Shares: experiment.Shares{1000, 9000}},
				}
			}
			j, m := Judge(p, totals(ph), experiment.Monitors{}, at(0))
			doubted := ""
			for _, d := range j.Doubts {
				if d.Code != experiment.ReasonSliceMismatch || d.Value < d.Limit {
					t.Errorf("doubt %+v", d)
				}
				doubted += d.Slice
			}
			if j.Mismatch != c.mismatch || doubted != c.doubt {
				t.Errorf("mismatch %v, doubts %+v, want %v and %q", j.Mismatch, j.Doubts, c.mismatch, c.doubt)
			}
			// D2: what a doubt touches says nothing good, and it is not forgotten.
			if v := j.Find(1, experiment.RoleReward, "purchase"); (v.Status == experiment.Better) == (c.doubt != "") && !c.groups {
				t.Errorf("the reward is %s", v.Status)
			}
			if again, _ := Judge(p, totals(), m, at(0)); len(again.Doubts) != len(j.Doubts) {
				t.Errorf("doubts are forgotten: %+v", again.Doubts)
			}
		})
	}
}

// TestRatioTestsShareTheirError: all of them together keep 1/1000, here by
// their limits.
func TestRatioTestsShareTheirError(t *testing.T) {
	p := tiers(base(), true)
	lost := func(n int64) float64 { // log e of a whole split of n : n-300
		e, err := stats.SRMLogE([]int64{n, n - 300}, []float64{1, 1}, mismatchConcentration)
		if err != nil {
			t.Fatal(err)
		}
		return e + math.Log(experiment.PhaseWeight(0))
	}
	seen := map[bool]bool{}
	for n := int64(800); n < 20_000; n += 50 {
		ph := phase(1, half, counts(0, experiment.CellExposures, n, 0), counts(1, experiment.CellExposures, n-300, 0),
			in("tier=free", counts(0, experiment.CellExposures, n, 0)), in("tier=free", counts(1, experiment.CellExposures, n-300, 0)))
		j, _ := Judge(p, totals(ph), experiment.Monitors{}, at(0))
		if want := lost(n) >= math.Log(2000); j.Mismatch != want {
			t.Errorf("the whole, n %d: %v, want %v", n, j.Mismatch, want)
		}
		if want := lost(n) >= math.Log(6000); (len(j.Doubts) > 0) != want {
			t.Errorf("the group, n %d: %v, want %v", n, j.Doubts, want)
		} else {
			seen[want] = true
		}
	}
	if len(seen) != 2 {
		t.Error("the example does not tell")
	}
}

// TestFalseHarmInSlices: identical versions, watched in a dozen slices of two
// guardrails over twenty looks, are called harmful at most as often as allowed,
// everything together.
func TestFalseHarmInSlices(t *testing.T) {
	const runs, groups = 150, 6
	p := base()
	seg := experiment.Segment{Name: "region", Header: "x-region"}
	for g := range groups - 1 {
		seg.Values = append(seg.Values, fmt.Sprint(g))
	}
	p.Segments = []experiment.Segment{seg}
	for _, m := range []string{"refund", "errors"} {
		p.Guardrails = append(p.Guardrails, experiment.Guardrail{Metric: m, Slices: []string{"region"}})
	}
	slicesOf := seg.Slices()
	alarms := 0
	for seed := range uint64(runs) {
		rng := rand.New(rand.NewPCG(seed, 3))
		var m experiment.Monitors
		var us [groups + 1][2]stats.Pair
		var cs [groups + 1][2]stats.Counts
		harmed := false
		for range 12 {
			for range 900 {
				g, v := 1+rng.IntN(groups), rng.IntN(2)
				y := bernoulli(rng, .1)
				bad := int64(bernoulli(rng, .01))
				for _, i := range []int{0, g} {
					us[i][v].Add(y, 1)
					cs[i][v] = cs[i][v].Merge(stats.Counts{N: 1, X: bad})
				}
			}
			var cells []experiment.Total
			for g := range us {
				slice := ""
				if g > 0 {
					slice = slicesOf[g-1]
				}
				for v := range 2 {
					cells = append(cells, in(slice, experiment.Total{Version: v, Metric: "refund", Evidence: experiment.Evidence{Units: us[g][v]}}),
						in(slice, experiment.Total{Version: v, Metric: experiment.CellRequests, Evidence: experiment.Evidence{Counts: cs[g][v]}}))
				}
			}
			var j experiment.Judgement
			j, m = Judge(p, totals(phase(1, half, cells...)), m, at(0))
			harmed = harmed || slices.ContainsFunc(j.Verdicts, func(v experiment.Verdict) bool { return v.Status == experiment.Worse })
		}
		if harmed {
			alarms++
		}
	}
	atMost(t, "false harm in any slice", alarms, runs, .05)
}
