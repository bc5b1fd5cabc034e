// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// candidates makes a plan of n versions with even shares.
func candidates(p *experiment.Plan, n int) (*experiment.Plan, experiment.Shares) {
	p.Versions = nil
	shares := make(experiment.Shares, n)
	for v := range n {
		p.Versions = append(p.Versions, experiment.Version{Name: fmt.Sprint("v", v+1)})
		shares[v] = experiment.Share(experiment.Whole / n)
	}
	shares[0] += experiment.Whole - experiment.Share(n)*shares[1]
	return p, shares
}

func TestEveryCandidateLooksForItself(t *testing.T) {
	p, shares := candidates(rewarded(6000), 3)
	p.Analysis.Looks = 2
	var m experiment.Monitors
	var j experiment.Judgement
	look := func(n, x1, x2 int, removed ...int) {
		now := at(time.Minute)
		now.Removed = removed
		j, m = Judge(p, totals(phase(1, shares, units(0, "purchase", n, n/5, 1), units(1, "purchase", n, x1, 1), units(2, "purchase", n, x2, 1))), m, now)
	}
	look(1000, 200, 300)
	if d := cmp.Diff([]int{1, 2}, []int{m.Looks[0].Version, m.Looks[1].Version}); d != "" || len(m.Looks) != 2 || j.Look != 1 || j.Planned != 2 || j.Units != 3000 {
		t.Fatalf("looks %+v, judgement %+v", m.Looks, j)
	}
	want, err := stats.Boundaries([]stats.Look{{Spent: .5, Information: 2000}}, .05/2, stats.OBrienFleming)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range m.Looks {
		if math.Abs(l.Bound-want[0]) > 1e-9 || l.Information != 2000 {
			t.Errorf("a candidate's alpha is half of the whole: %+v, want the boundary %v", l, want[0])
		}
	}
	if a, b := j.Find(1, experiment.RoleReward, "purchase"), j.Find(2, experiment.RoleReward, "purchase"); a.Status != experiment.Undecided || b.Status != experiment.Better {
		t.Errorf("the first is %s, the second %s", a.Status, b.Status)
	}
	look(2000, 400, 600, 1)
	if len(m.Looks) != 3 || m.Looks[2].Version != 2 {
		t.Errorf("a removed version looks no more: %+v", m.Looks)
	}
	for v := 1; v < 3; v++ {
		if !j.Find(v, experiment.RoleReward, "purchase").Final {
			t.Errorf("version %d is not final at the horizon", v)
		}
	}
}

// TestLooksOfOldRecords: before there could be several candidates, looks did
// not name theirs.
func TestLooksOfOldRecords(t *testing.T) {
	s := &story{plan: rewarded(10_000)}
	s.look(t, time.Minute, 1000, 200, 600)
	if s.m.Looks[0].Version != 1 {
		t.Errorf("the look is of version %d", s.m.Looks[0].Version)
	}
	s.m.Looks[0].Version = 0
	if v := s.look(t, 2*time.Minute, 1001, 200, 600); v.Status != experiment.Better || len(s.m.Looks) != 1 {
		t.Errorf("%s, looks %+v", v.Status, s.m.Looks)
	}
}

// TestACandidateThatLeavesAddsAPhase: the units of the others are the same in
// both phases, and do not count twice.
func TestACandidateThatLeavesAddsAPhase(t *testing.T) {
	p := rewarded(10_000)
	one := totals(phase(1, half, units(0, "purchase", 1000, 200, 1), units(1, "purchase", 1000, 240, 1)))
	two := totals(one.Phases[0], phase(2, half, units(0, "purchase", 1000, 200, 1), units(1, "purchase", 1000, 240, 1)))
	_, m1 := Judge(p, one, experiment.Monitors{}, at(0))
	_, m2 := Judge(p, two, experiment.Monitors{}, at(0))
	if a, b := m1.Looks[0], m2.Looks[0]; math.Abs(a.Z-b.Z) > 1e-12 || b.Information != 2*a.Information {
		t.Errorf("the same units again: z %v, before %v", b.Z, a.Z)
	}
	p.Assignment.Unit = experiment.Unit{Request: true}
	_, m2 = Judge(p, two, experiment.Monitors{}, at(0))
	if a, b := m1.Looks[0], m2.Looks[0]; math.Abs(b.Z-a.Z*math.Sqrt2) > 1e-12 {
		t.Errorf("new requests: z %v, before %v", b.Z, a.Z)
	}
}

func TestProgressOfSeveral(t *testing.T) {
	p, _ := candidates(rewarded(1000), 4)
	p.Metrics = append(p.Metrics,
		experiment.Metric{Name: "same", Goal: experiment.Increase, Pairs: &experiment.PairsMetric{Compare: experiment.CompareClass}},
		experiment.Metric{Name: "slow", Goal: experiment.Decrease, Pairs: &experiment.PairsMetric{Compare: experiment.CompareLatency}})
	p.Stages = []experiment.Stage{{Name: "shadow", Mirror: &experiment.Mirror{}}, p.Stages[0]}
	pairs := func(v int, metric string, n int) experiment.Total { return units(v, metric, n, n/2, 1) }
	first := phase(1, experiment.Shares{10_000, 0, 0, 0}, pairs(1, "same", 5), pairs(1, "slow", 9), pairs(2, "slow", 7), pairs(3, "slow", 1))
	now := at(0)
	now.Removed = []int{3}
	if j, _ := Judge(p, totals(first), experiment.Monitors{}, now); j.Pairs != 7 || j.Requests != 0 {
		t.Errorf("%d pairs, want those of the second candidate: the third was removed", j.Pairs)
	}
	second := phase(2, experiment.Shares{5000, 2500, 2500, 0},
		counts(1, experiment.CellRequests, 30, 0), counts(2, experiment.CellRequests, 20, 0), counts(0, experiment.CellRequests, 1, 0),
		units(0, "purchase", 7, 1, 1), units(3, "purchase", 5, 1, 1), counts(2, experiment.CellExposures, 3, 0))
	second.Stage, now.Stage, now.Phase = 1, 1, 2
	j, _ := Judge(p, totals(first, second), experiment.Monitors{}, now)
	if j.Pairs != 0 || j.Requests != 20 || j.Units != 12 || !slices.Equal(j.Seen, []int64{0, 0, 3, 0}) {
		t.Errorf("got %+v", j)
	}
	p.Metrics = p.Metrics[:4]
	first = phase(1, experiment.Shares{10_000, 0, 0, 0}, counts(1, experiment.CellMirrored, 10, 2), counts(2, experiment.CellMirrored, 9, 0))
	now.Stage, now.Phase = 0, 1
	if j, _ := Judge(p, totals(first), experiment.Monitors{}, now); j.Pairs != 8 {
		t.Errorf("%d pairs, want the copies that were answered in time", j.Pairs)
	}
}

func TestSpent(t *testing.T) {
	p := base()
	p.Versions = []experiment.Version{
		{Name: "v1", Cost: experiment.Cost{PerRequest: .01, PerHour: 1}}, {Name: "v2", Cost: experiment.Cost{PerRequest: .1, PerHour: 2}},
	}
	p.Stages = []experiment.Stage{{Name: "shadow", Mirror: &experiment.Mirror{}}, p.Stages[0]}
	first := phase(1, experiment.Shares{10_000, 0}, counts(0, experiment.CellRequests, 1000, 0), counts(1, experiment.CellMirrored, 100, 9), counts(0, experiment.CellExposures, 50, 0))
	first.Start = start
	second := phase(2, half, counts(0, experiment.CellRequests, 100, 0), counts(1, experiment.CellRequests, 100, 0), counts(1, experiment.CellExposures, 7, 0))
	second.Stage = 1
	near := func(got, want experiment.Spent) bool {
		return math.Abs(got.Cost-want.Cost) < 1e-9 && math.Abs(got.Mirror-want.Mirror) < 1e-9 && got.Units == want.Units
	}
	now := at(2 * time.Hour)
	retried, again := at(2*time.Hour), first
	retried.Epoch, again.Epoch = 2, 2
	if j, _ := Judge(p, totals(first, again), experiment.Monitors{}, retried); !near(j.Spent, experiment.Spent{Cost: 2*20 + 6, Mirror: 10}) {
		t.Errorf("after a retry: %+v", j.Spent)
	}
	if j, _ := Judge(p, totals(first), experiment.Monitors{}, now); !near(j.Spent, experiment.Spent{Cost: 10 + 10 + 6, Mirror: 10}) {
		t.Errorf("in the mirror: %+v", j.Spent)
	}
	now.Stage = 1
	if j, _ := Judge(p, totals(first, second), experiment.Monitors{}, now); !near(j.Spent, experiment.Spent{Cost: 26 + 1 + 10, Units: 7}) {
		t.Errorf("after it: %+v", j.Spent)
	}
}
