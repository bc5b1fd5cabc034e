// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/headgate-dev/headgate/internal/bandit"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/adaptive"
)

// learning is a plan of three versions in a bandit stage.
func learning(b experiment.Bandit) *experiment.Plan {
	p, _ := candidates(tiers(rewarded(0), false), 3)
	p.Stages = []experiment.Stage{p.Stages[0], {Name: "learn", Bandit: &b}}
	return p
}

// learned judges phases in the bandit stage, after one of another.
func learned(p *experiment.Plan, removed []int, phases ...experiment.PhaseTotals) *experiment.Judgement {
	all := []experiment.PhaseTotals{phase(1, half, units(1, "purchase", 999, 999, 1))}
	for _, ph := range phases {
		ph.Stage = 1
		all = append(all, ph)
	}
	now := at(0)
	now.Stage, now.Removed, now.Phase = 1, removed, len(all)
	j, _ := Judge(p, totals(all...), experiment.Monitors{}, now)
	return &j
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-9*max(1, math.Abs(want)) {
		t.Errorf("%s is %.12g, want %.12g", what, got, want)
	}
}

func TestArmsAreStratifiedByPeriod(t *testing.T) {
	p := learning(experiment.Bandit{})
	shares := experiment.Shares{4000, 4000, 2000}
	j := learned(p, nil,
		phase(2, shares, units(0, "purchase", 400, 40, 1), units(1, "purchase", 400, 80, 1), units(2, "purchase", 200, 10, 1), counts(1, experiment.CellExposures, 450, 0)),
		phase(3, experiment.Shares{1000, 9000, 0}, units(0, "purchase", 100, 50, 1), units(1, "purchase", 1900, 1140, 1), counts(1, experiment.CellExposures, 2000, 0)))
	if len(j.Arms) != 3 {
		t.Fatalf("%d arms", len(j.Arms))
	}
	a, b, c := j.Arms[0], j.Arms[1], j.Arms[2]
	// The baseline had 500 units of which 90 bought, 18 %; on one mix of periods
	// with the others it is better than it looks, because it had more of the
	// period in which nobody bought.
	near(t, "the baseline's mean", a.Mean, (1000*.1+2000*.5)/3000)
	near(t, "the first candidate's mean", b.Mean, (1000*.2+2000*.6)/3000)
	near(t, "the second candidate's mean, of one period", c.Mean, .05)
	s2 := (400*.1*.9 + 100*.5*.5) / 498
	near(t, "the baseline's error", a.SE, math.Sqrt(s2*(1000*1000/400.+2000*2000/100.))/3000)
	if a.N != 500 || b.N != 2300 || b.Pending != 150 || a.Pending != 0 || c.N != 200 || !a.Binary || !c.Binary || b.Slice != "" {
		t.Errorf("arms %+v", j.Arms)
	}
	m := func(n int64, rate float64) stats.Moments {
		return stats.Moments{N: n, Mean: rate, M2: float64(n) * rate * (1 - rate)}
	}
	w, err := adaptive.WeightedMean([]adaptive.Period{{Share: .4, Units: 1000, Observed: m(400, .2)}, {Share: .9, Units: 2000, Observed: m(1900, .6)}}, .2)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "the adaptive mean", b.Adaptive, w.Value)
	near(t, "its error", b.AdaptiveSE, w.SE)
	near(t, "the adaptive mean of one period", c.Adaptive, .05)
	best, err := bandit.Best(j.Arms, experiment.Increase)
	if err != nil {
		t.Fatal(err)
	}
	for v, arm := range j.Arms {
		near(t, "the chance of being the best", arm.Best, best[v])
	}
}

func TestArmsOfVersionsThatLeft(t *testing.T) {
	j := learned(learning(experiment.Bandit{}), []int{1},
		phase(2, half, units(0, "purchase", 400, 40, 1), units(1, "purchase", 400, 200, 1), units(2, "purchase", 400, 40, 1)))
	near(t, "the chance of one that left", j.Arms[1].Best, 0)
	near(t, "the chance of one that stays", j.Arms[2].Best, .5)
}

func TestArmsOfNothing(t *testing.T) {
	for name, phases := range map[string][]experiment.PhaseTotals{
		"no phase": nil, "an empty one": {phase(2, half)}, "pending": {phase(2, half, counts(0, experiment.CellExposures, 5, 0))},
	} {
		j := learned(learning(experiment.Bandit{}), nil, phases...)
		for _, a := range j.Arms {
			if a.N != 0 || a.Mean != 0 || a.SE != 0 || math.Abs(a.Best-1./3) > 1e-6 || (a.Pending > 0) != (name == "pending" && a.Version == 0) {
				t.Errorf("%s: %+v", name, a)
			}
		}
	}
}

func TestArmsByGroup(t *testing.T) {
	group := func(slice string, n, x0, x1 int) []experiment.Total {
		return []experiment.Total{in(slice, units(0, "purchase", n, x0, 1)), in(slice, units(1, "purchase", n, x1, 1)), in(slice, units(2, "purchase", n, n/20, 1)), in(slice, counts(1, experiment.CellExposures, int64(n)+7, 0))}
	}
	ph := phase(2, half, append(group("tier=free", 1000, 100, 150), group("tier=premium", 1000, 500, 400)...)...)
	for _, s := range []string{"tier=free", "tier=premium", "tier=other"} {
		ph.Groups = append(ph.Groups, experiment.GroupShares{Slice: s, Shares: experiment.Shares{4000, 4000, 2000}})
	}
	own := learned(learning(experiment.Bandit{Per: "tier"}), nil, ph)
	if len(own.Arms) != 9 || own.Arms[1].Slice != "tier=free" || own.Arms[3].Slice != "tier=premium" || own.Arms[4].Pending != 7 {
		t.Fatalf("arms %+v", own.Arms)
	}
	near(t, "free", own.Arms[1].Mean, .15)
	near(t, "premium", own.Arms[4].Mean, .4)
	if own.Arms[1].Best < .9 || own.Arms[3].Best < .9 {
		t.Errorf("each group has its own best: %+v", own.Arms)
	}
	pooled := learned(learning(experiment.Bandit{Per: "tier", Pool: true}), nil, ph)
	for g, i := range []int{1, 4} {
		a, raw := pooled.Arms[i], own.Arms[i]
		if toward := (a.Mean - raw.Mean) * []float64{1, -1}[g]; toward <= 0 || a.Binary || a.N != raw.N {
			t.Errorf("%s: pooled %+v, alone %+v", a.Slice, a, raw)
		}
	}
	// Nothing is known of the others, so they are as the common mean, and as
	// uncertain as groups differ.
	if a := pooled.Arms[7]; a.Mean < .15 || a.Mean > .4 || a.SE < .1 {
		t.Errorf("the unknown group: %+v", a)
	}
}

// TestGroupsThatAreAlikePool: with no difference between groups the pooled
// mean is that of all, and its error smaller.
func TestGroupsThatAreAlikePool(t *testing.T) {
	var cells []experiment.Total
	for _, s := range []string{"tier=free", "tier=premium", "tier=other"} {
		for v := range 3 {
			cells = append(cells, in(s, units(v, "purchase", 300, 60, 1)))
		}
	}
	j := learned(learning(experiment.Bandit{Per: "tier", Pool: true}), nil, phase(2, half, cells...))
	for _, a := range j.Arms {
		near(t, "the pooled mean", a.Mean, .2)
		near(t, "its error", a.SE, math.Sqrt(300*.2*.8/299/300/3))
	}
}

// TestRewardsOfAnyKind: ratios and counts become arms too.
func TestRewardsOfAnyKind(t *testing.T) {
	p := learning(experiment.Bandit{})
	var pair stats.Pair
	rng := rand.New(rand.NewPCG(1, 1))
	for range 500 {
		x := float64(1 + rng.IntN(5))
		pair.Add(x*rng.Float64(), x)
	}
	ratio, err := pair.Ratio()
	if err != nil {
		t.Fatal(err)
	}
	j := learned(p, nil, phase(2, half, experiment.Total{Version: 1, Metric: "purchase", Evidence: experiment.Evidence{Units: pair}}))
	near(t, "a ratio", j.Arms[1].Mean, ratio.Value)
	near(t, "its error", j.Arms[1].SE, ratio.SE)
	if j.Arms[1].Binary {
		t.Error("a ratio is no zero or one")
	}
	p.Reward.Metric = "errors"
	j = learned(p, nil, phase(2, half, counts(1, experiment.CellRequests, 100, 20), counts(1, experiment.CellExposures, 120, 0)))
	if a := j.Arms[1]; a.N != 100 || a.Mean != .2 || !a.Binary || a.Pending != 0 {
		t.Errorf("counts: %+v", a)
	}
}

// TestArmsOfIdenticalVersionsAreNotBiased plays a greedy bandit on identical
// versions while the rate drifts: plain means would call the version that was
// lucky in a good hour better, period-stratified and adaptive ones do not.
func TestArmsOfIdenticalVersionsAreNotBiased(t *testing.T) {
	p, _ := candidates(rewarded(0), 2)
	p.Stages = []experiment.Stage{{Name: "learn", Bandit: &experiment.Bandit{}}}
	const runs = 400
	var plain, stratified, weighted, z stats.Moments
	for seed := range uint64(runs) {
		rng := rand.New(rand.NewPCG(seed, 9))
		share := experiment.Share(5000)
		var phases []experiment.PhaseTotals
		var merged stats.Moments
		for number, rate := range []float64{.1, .2, .3, .4, .5} {
			var arms [2]stats.Pair
			for range 400 {
				v := int(bernoulli(rng, share.Fraction()))
				y := bernoulli(rng, rate)
				arms[v].Add(y, 1)
				if v == 1 {
					merged.Add(y)
				}
			}
			phases = append(phases, phase(number+1, experiment.Shares{experiment.Whole - share, share},
				experiment.Total{Version: 0, Metric: "purchase", Evidence: experiment.Evidence{Units: arms[0]}},
				experiment.Total{Version: 1, Metric: "purchase", Evidence: experiment.Evidence{Units: arms[1]}}))
			if share = 2000; arms[1].MeanY > arms[0].MeanY {
				share = 8000
			}
		}
		j, _ := Judge(p, totals(phases...), experiment.Monitors{}, at(0))
		plain.Add(merged.Mean - .3)
		stratified.Add(j.Arms[1].Mean - j.Arms[0].Mean)
		weighted.Add(j.Arms[1].Adaptive - j.Arms[0].Adaptive)
		z.Add((j.Arms[1].Mean - j.Arms[0].Mean) / math.Hypot(j.Arms[0].SE, j.Arms[1].SE))
	}
	for name, m := range map[string]stats.Moments{"stratified": stratified, "adaptive": weighted} {
		v, err := m.Variance()
		if err != nil {
			t.Fatal(err)
		}
		if se := math.Sqrt(v / runs); math.Abs(m.Mean) > 4.9*se {
			t.Errorf("%s means differ by %v ± %v between identical versions", name, m.Mean, se)
		}
	}
	if v, _ := z.Variance(); v < .7 || v > 1.3 {
		t.Errorf("differences are %v standard errors wide, want 1", math.Sqrt(v))
	}
	if v, _ := plain.Variance(); v < .0008 {
		t.Errorf("the example has no teeth: plain means vary by %v", v)
	}
}
