// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func ptr(f float64) *float64 { return &f }

// base is a plan of two versions with a split, to be changed by tests.
func base() *experiment.Plan {
	return &experiment.Plan{
		Name: "x", Window: time.Minute,
		Versions:   []experiment.Version{{Name: "v1"}, {Name: "v2"}},
		Assignment: experiment.Assignment{Unit: experiment.Unit{Header: "x-user"}},
		Metrics: []experiment.Metric{
			{Name: "errors", Goal: experiment.Decrease, Builtin: &experiment.BuiltinMetric{Kind: experiment.ErrorRate}},
			{Name: "p99", Goal: experiment.Decrease, Builtin: &experiment.BuiltinMetric{Kind: experiment.Latency, Quantile: .99, Limit: time.Second}},
			{Name: "purchase", Goal: experiment.Increase, Outcomes: &experiment.OutcomesMetric{Event: "purchase"}},
			{Name: "refund", Goal: experiment.Decrease, Outcomes: &experiment.OutcomesMetric{Event: "refund"}},
		},
		Stages: []experiment.Stage{{Name: "ab", Split: &experiment.Split{
			Shares: experiment.Shares{5000, 5000}, Until: experiment.Until{Units: 1000, AtMost: time.Hour},
		}}},
		Analysis: experiment.Analysis{Method: experiment.Sequential, Alpha: .05, HarmAlpha: .05, Looks: 5},
	}
}

// phase makes totals of one phase from cells in any order.
func phase(number int, shares experiment.Shares, cells ...experiment.Total) experiment.PhaseTotals {
	t := experiment.Totals{Phases: []experiment.PhaseTotals{{Epoch: 1, Phase: number, Shares: shares}}}
	seal := experiment.Seal{Source: experiment.SourceGateway, Epoch: 1, Phase: number, To: 1}
	for _, c := range cells {
		seal.Cells = append(seal.Cells, experiment.Cell{CellKey: experiment.CellKey{Epoch: 1, Phase: number, Version: c.Version, Metric: c.Metric, Slice: c.Slice}, Evidence: c.Evidence})
	}
	if err := t.Fold(seal); err != nil {
		panic(err)
	}
	return t.Phases[0]
}

func counts(version int, metric string, n, x int64) experiment.Total {
	return experiment.Total{Version: version, Metric: metric, Evidence: experiment.Evidence{Counts: stats.Counts{N: n, X: x}}}
}

// units is a metric of n units of which x had one event of a value.
func units(version int, metric string, n, x int, value float64) experiment.Total {
	var p stats.Pair
	for i := range n {
		y := 0.0
		if i < x {
			y = value
		}
		p.Add(y, 1)
	}
	return experiment.Total{Version: version, Metric: metric, Evidence: experiment.Evidence{Units: p}}
}

func totals(phases ...experiment.PhaseTotals) *experiment.Totals {
	return &experiment.Totals{Phases: phases}
}

func at(elapsed time.Duration) At {
	return At{Epoch: 1, Phase: 1, StageStart: start, Now: start.Add(elapsed)}
}

var half = experiment.Shares{5000, 5000}

func TestObjectiveAgreesWithItsConfidenceSequence(t *testing.T) {
	p := base()
	p.Objectives = []experiment.Objective{{Metric: "errors", Max: ptr(.01)}, {Metric: "p99", Max: ptr(.01)}}
	for _, c := range []struct {
		n, x int64
		want experiment.Status
	}{
		{1, 0, experiment.Undecided},
		{1, 1, experiment.Undecided},
		{100, 0, experiment.Undecided},
		{5000, 5, experiment.Met},
		{1000, 10, experiment.Undecided},
		{1000, 50, experiment.Violated},
		{10, 10, experiment.Violated},
		{100_000, 900, experiment.Undecided},
		{100_000, 700, experiment.Met},
		{100_000, 1300, experiment.Violated},
	} {
		t.Run(fmt.Sprintf("%d of %d are %s", c.x, c.n, c.want), func(t *testing.T) {
			// The evidence lies in two phases and has to be brought together; the
			// baseline's and the other metric's are not to be mixed in.
			all := totals(
				phase(1, half, counts(1, experiment.CellRequests, c.n-c.n/3, c.x-c.x/3), counts(0, experiment.CellRequests, 77, 7), counts(1, "p99", 9, 9)),
				phase(2, half, counts(1, experiment.CellRequests, c.n/3, c.x/3)),
			)
			j, _ := Judge(p, all, experiment.Monitors{}, at(time.Minute))
			v := j.Find(1, experiment.RoleObjective, "errors")
			interval, err := stats.BernoulliInterval(stats.Counts{N: c.n, X: c.x}, .05/2, p.PlannedRequests())
			if err != nil {
				t.Fatal(err)
			}
			want := experiment.Verdict{
				Version: 1, Metric: "errors", Role: experiment.RoleObjective, Status: c.want, N: c.n,
				Estimate: ptr(float64(c.x) / float64(c.n)), Interval: &interval, Level: .975, Limit: ptr(.01),
				Guarantee: experiment.GuaranteeAnytime, Basis: experiment.BasisRequests,
				Need: v.Need, // TestNeed looks at it.
			}
			if d := cmp.Diff(&want, v); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if b := j.Find(0, experiment.RoleObjective, "errors"); b.N != 77 {
				t.Errorf("the baseline has %d requests, want 77", b.N)
			}
			if l := j.Find(1, experiment.RoleObjective, "p99"); l.N != 9 || *l.Estimate != 1 {
				t.Errorf("latency reads %+v, want its own cell of 9", l)
			}
		})
	}
}

func TestObjectiveIsDecidedByItsInterval(t *testing.T) {
	p := base()
	p.Objectives = []experiment.Objective{{Metric: "errors", Max: ptr(.01)}}
	seen := map[experiment.Status]int{}
	for x := range int64(120) {
		j, _ := Judge(p, totals(phase(1, half, counts(1, experiment.CellRequests, 5000, x))), experiment.Monitors{}, at(0))
		v, want := j.Find(1, experiment.RoleObjective, "errors"), experiment.Undecided
		switch {
		case v.Interval.Low > .01:
			want = experiment.Violated
		case v.Interval.High <= .01:
			want = experiment.Met
		}
		if v.Status != want {
			t.Errorf("%d of 5000: %s, interval %+v", x, v.Status, *v.Interval)
		}
		seen[want]++
	}
	if len(seen) != 3 {
		t.Errorf("the example does not tell: %v", seen)
	}
}

func TestObjectiveOfUnits(t *testing.T) {
	p := base()
	p.Objectives = []experiment.Objective{{Metric: "purchase", Min: ptr(.1)}}
	for name, c := range map[string]struct {
		n, x int
		want experiment.Status
	}{
		"above a least value is met":      {5000, 700, experiment.Met},
		"below a least value is violated": {5000, 300, experiment.Violated},
		"near it is undecided":            {5000, 510, experiment.Undecided},
		"before the burn-in is undecided": {99, 0, experiment.Undecided},
		"no spread is undecided":          {5000, 0, experiment.Undecided},
	} {
		t.Run(name, func(t *testing.T) {
			j, _ := Judge(p, totals(phase(1, half, units(1, "purchase", c.n, c.x, 1))), experiment.Monitors{}, at(0))
			if v := j.Find(1, experiment.RoleObjective, "purchase"); v.Status != c.want || v.Basis != experiment.BasisUnits || v.N != int64(c.n) {
				t.Errorf("got %+v", v)
			}
		})
	}
}

// TestNoDataIsUndecided is D2.
func TestNoDataIsUndecided(t *testing.T) {
	p := base()
	p.Objectives = []experiment.Objective{{Metric: "errors", Max: ptr(.01)}, {Metric: "purchase", Min: ptr(.01)}}
	p.Guardrails = []experiment.Guardrail{{Metric: "refund", NoWorseThan: experiment.Margin{Relative: .1}}, {Metric: "errors", NoWorseThan: experiment.Margin{Absolute: .1}}}
	p.Reward = &experiment.Reward{Metric: "purchase", MinimumEffect: experiment.Margin{Absolute: 1}}
	for name, all := range map[string]*experiment.Totals{
		"no phase":      totals(),
		"an empty one":  totals(phase(1, half)),
		"only baseline": totals(phase(1, half, counts(0, experiment.CellRequests, 1e6, 1e5), units(0, "purchase", 9999, 99, 1), units(0, "refund", 9999, 99, 1))),
		"only candidate": totals(phase(1, half,
			units(1, "purchase", 99, 50, 1), units(1, "refund", 9999, 99, 1))),
		"before the burn-in": totals(phase(1, half,
			counts(0, experiment.CellRequests, 99, 0), units(0, "purchase", 99, 1, 1), units(0, "refund", 99, 1, 1),
			units(1, "purchase", 99, 98, 1), units(1, "refund", 99, 98, 1))),
		"nothing ever happens": totals(phase(1, half,
			units(0, "purchase", 9999, 0, 1), units(0, "refund", 9999, 0, 1), units(1, "purchase", 9999, 0, 1), units(1, "refund", 9999, 0, 1))),
	} {
		for _, method := range []experiment.Method{experiment.Sequential, experiment.Anytime} {
			for _, when := range []time.Duration{0, 30 * time.Minute, 2 * time.Hour} {
				t.Run(fmt.Sprintf("%s, %s, %s", name, method, when), func(t *testing.T) {
					p.Analysis.Method = method
					j, _ := Judge(p, all, experiment.Monitors{}, at(when))
					for _, v := range j.Verdicts {
						if v.Version > 0 && v.Status != experiment.Undecided || v.Equivalent {
							t.Errorf("%s %s is %s, equivalent %v", v.Role, v.Metric, v.Status, v.Equivalent)
						}
						if v.Role == experiment.RoleReward && v.Final != (when >= time.Hour) {
							t.Errorf("final is %v at %s", v.Final, when)
						}
					}
					if len(j.Verdicts) != 2*2+3 {
						t.Errorf("%d verdicts", len(j.Verdicts))
					}
				})
			}
		}
	}
}

func TestGuardrailMargins(t *testing.T) {
	for name, c := range map[string]struct {
		metric string
		margin experiment.Margin
		x      int // of 20,000 candidate units; the baseline has 4,000 (20%)
		want   experiment.Status
		limit  float64
	}{
		"decrease, equal, absolute":               {"refund", experiment.Margin{Absolute: .03}, 4000, experiment.NotWorse, .03},
		"decrease, equal, relative":               {"refund", experiment.Margin{Relative: .15}, 4000, experiment.NotWorse, .03},
		"decrease, within by little":              {"refund", experiment.Margin{Absolute: .03}, 4550, experiment.Undecided, .03},
		"decrease, within by little, relative":    {"refund", experiment.Margin{Relative: .15}, 4550, experiment.Undecided, .03},
		"decrease, beyond":                        {"refund", experiment.Margin{Absolute: .03}, 5200, experiment.Worse, .03},
		"decrease, beyond, relative":              {"refund", experiment.Margin{Relative: .15}, 5200, experiment.Worse, .03},
		"decrease, a wider relative margin holds": {"refund", experiment.Margin{Relative: .5}, 5200, experiment.NotWorse, .1},
		"increase, equal":                         {"purchase", experiment.Margin{Absolute: .03}, 4000, experiment.NotWorse, .03},
		"increase, beyond":                        {"purchase", experiment.Margin{Absolute: .03}, 2800, experiment.Worse, .03},
		"increase, beyond, relative":              {"purchase", experiment.Margin{Relative: .15}, 2800, experiment.Worse, .03},
		"increase, far better":                    {"purchase", experiment.Margin{Relative: .15}, 9000, experiment.NotWorse, .03},
	} {
		t.Run(name, func(t *testing.T) {
			p := base()
			p.Guardrails = []experiment.Guardrail{{Metric: c.metric, NoWorseThan: c.margin}}
			all := totals(phase(1, half, units(0, c.metric, 20_000, 4000, 1), units(1, c.metric, 20_000, c.x, 1)))
			j, _ := Judge(p, all, experiment.Monitors{}, at(0))
			v := j.Find(1, experiment.RoleGuardrail, c.metric)
			if v.Status != c.want || math.Abs(*v.Limit-c.limit) > 1e-12 || v.NBaseline != 20_000 {
				t.Errorf("got %s, limit %v, e %v", v.Status, *v.Limit, v.LogE)
			}
		})
	}
}

// TestGoalsMirror turns a metric's values and its goal: what is believed stays.
func TestGoalsMirror(t *testing.T) {
	for _, method := range []experiment.Method{experiment.Sequential, experiment.Anytime} {
		for _, x := range []int{100, 180, 200, 220, 300} {
			t.Run(fmt.Sprintf("%s, %d", method, x), func(t *testing.T) {
				judged := func(goal experiment.Goal, value float64) (experiment.Judgement, experiment.Monitors) {
					p := base()
					p.Analysis.Method = method
					p.Metrics[2].Goal = goal
					p.Reward = &experiment.Reward{Metric: "purchase", MinimumEffect: experiment.Margin{Absolute: .01}}
					p.Guardrails = []experiment.Guardrail{{Metric: "purchase", NoWorseThan: experiment.Margin{Absolute: .05}}}
					all := totals(phase(1, half, units(0, "purchase", 1000, 200, value), units(1, "purchase", 1000, x, value)))
					return Judge(p, all, experiment.Monitors{}, at(time.Minute))
				}
				up, upMemory := judged(experiment.Increase, 2)
				down, downMemory := judged(experiment.Decrease, -2)
				for i := range down.Verdicts {
					v := &down.Verdicts[i]
					v.Estimate = ptr(-*v.Estimate)
					v.Interval.Low, v.Interval.High = -v.Interval.High, -v.Interval.Low
				}
				for i := range downMemory.Looks {
					downMemory.Looks[i].Estimate *= -1
				}
				if d := cmp.Diff(up, down); d != "" {
					t.Errorf("(-increase +decrease):\n%s", d)
				}
				if d := cmp.Diff(upMemory, downMemory); d != "" {
					t.Errorf("memory (-increase +decrease):\n%s", d)
				}
			})
		}
	}
}

// TestAlphaIsDivided lets a plan with more tests want more of each.
func TestAlphaIsDivided(t *testing.T) {
	refund := experiment.Guardrail{Metric: "refund", NoWorseThan: experiment.Margin{Absolute: .001}}
	all := totals(phase(1, half, units(0, "refund", 5000, 500, 1), units(1, "refund", 5000, 625, 1)))
	judged := func(tests int) *experiment.Verdict {
		p := base()
		p.Guardrails = []experiment.Guardrail{refund}
		for range tests - 1 {
			p.Objectives = append(p.Objectives, experiment.Objective{Metric: "errors", Max: ptr(.5)})
		}
		j, _ := Judge(p, all, experiment.Monitors{}, at(0))
		return j.Find(1, experiment.RoleGuardrail, "refund")
	}
	flips := 0
	for tests := 1; tests <= 200; tests++ {
		v := judged(tests)
		if got, want := v.Status == experiment.Worse, v.LogE >= math.Log(float64(tests)/.05); got != want {
			t.Fatalf("with %d tests and log e %v the guardrail is %s", tests, v.LogE, v.Status)
		}
		if v.Status == experiment.Worse {
			flips = tests
		}
	}
	if flips == 0 || flips == 200 {
		t.Errorf("the example does not tell: worse up to %d tests", flips)
	}
}

// logE is the e-value of one phase as package stats has it, for equal spreads.
func logE(t *testing.T, p *experiment.Plan, n, xb, xc int) float64 {
	t.Helper()
	mix, err := stats.NewMixture(p.TestAlpha(), p.PlannedUnits())
	if err != nil {
		t.Fatal(err)
	}
	b, _ := units(0, "", n, xb, 1).Units.Ratio()
	c, _ := units(0, "", n, xc, 1).Units.Ratio()
	se := max(b.SE, c.SE) * math.Sqrt2
	e, err := mix.LogEGreater(stats.Estimate{Value: b.Value - c.Value, SE: se}, float64(2*n))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestPhasesCombine(t *testing.T) {
	for name, c := range map[string]struct {
		request bool
		want    func(a, b float64) float64
	}{
		"units that persist share the error out": {false, func(a, b float64) float64 {
			return max(0, a+math.Log(1./2), b+math.Log(1./12)) // The second phase says nothing.
		}},
		"requests multiply": {true, func(a, b float64) float64 { return a + b }},
	} {
		t.Run(name, func(t *testing.T) {
			p := base()
			p.Assignment.Unit = experiment.Unit{Header: "x-user"}
			if c.request {
				p.Assignment.Unit = experiment.Unit{Request: true}
			}
			p.Reward = &experiment.Reward{Metric: "purchase"}
			all := totals(
				phase(1, half, units(0, "purchase", 1000, 200, 1), units(1, "purchase", 1000, 170, 1)),
				phase(2, half, units(0, "purchase", 50, 20, 1)),
				phase(3, half, units(0, "purchase", 4000, 800, 1), units(1, "purchase", 4000, 650, 1)),
			)
			j, m := Judge(p, all, experiment.Monitors{}, at(0))
			want := c.want(logE(t, p, 1000, 200, 170), logE(t, p, 4000, 800, 650))
			v := j.Find(1, experiment.RoleReward, "purchase")
			if math.Abs(v.LogE-want) > 1e-9 || m.Harm[0].Worse != v.LogE {
				t.Errorf("log e is %v and remembered as %v, want %v", v.LogE, m.Harm[0].Worse, want)
			}
		})
	}
}

// TestLittleIsNotCertain is the case of a canary at 1 %: of its first hundred
// units none has bought, as every third time at a rate of 1 %. That is no harm;
// of five thousand it is.
func TestLittleIsNotCertain(t *testing.T) {
	p := base()
	p.Reward = &experiment.Reward{Metric: "purchase"}
	p.Guardrails = []experiment.Guardrail{{Metric: "refund", NoWorseThan: experiment.Margin{Relative: .03}}}
	for n, want := range map[int]experiment.Status{100: experiment.Undecided, 300: experiment.Undecided, 5000: experiment.Worse} {
		all := totals(phase(1, experiment.Shares{9900, 100},
			units(0, "purchase", 10_000, 100, 1), units(1, "purchase", n, 0, 1),
			units(0, "refund", 10_000, 100, 1), units(1, "refund", n, 0, 1)))
		j, _ := Judge(p, all, experiment.Monitors{}, at(0))
		if v := j.Find(1, experiment.RoleReward, "purchase"); v.Status != want {
			t.Errorf("of %d units none bought: %s (log e %v), want %s", n, v.Status, v.LogE, want)
		}
		if v := j.Find(1, experiment.RoleGuardrail, "refund"); n == 100 && v.Status != experiment.Undecided {
			t.Errorf("of %d units none had a refund: %s", n, v.Status)
		}
	}
}

// story judges a growing split again and again, remembering.
type story struct {
	plan *experiment.Plan
	m    experiment.Monitors
	j    experiment.Judgement
}

func (s *story) look(t *testing.T, elapsed time.Duration, n, xb, xc int) *experiment.Verdict {
	t.Helper()
	s.j, s.m = Judge(s.plan, totals(phase(1, half, units(0, "purchase", n, xb, 1), units(1, "purchase", n, xc, 1))), s.m, at(elapsed))
	return s.j.Find(1, experiment.RoleReward, "purchase")
}

func (s *story) spent() []float64 {
	var out []float64
	for _, l := range s.m.Looks {
		out = append(out, l.Spent)
	}
	return out
}

func rewarded(units int64) *experiment.Plan {
	p := base()
	p.Reward = &experiment.Reward{Metric: "purchase", MinimumEffect: experiment.Margin{Absolute: .05}}
	p.Stages[0].Split.Until.Units = units
	return p
}

func TestLooksAreSpentOnceAndInOrder(t *testing.T) {
	s := &story{plan: rewarded(10_000)}
	for _, c := range []struct {
		elapsed time.Duration
		n       int // per version
		want    []float64
	}{
		{time.Minute, 200, nil},
		{2 * time.Minute, 999, nil},
		{3 * time.Minute, 1000, []float64{.2}},
		{4 * time.Minute, 1000, []float64{.2}},
		{5 * time.Minute, 1900, []float64{.2}},
		{6 * time.Minute, 3100, []float64{.2, .6}}, // Two thresholds at once are one look.
		{7 * time.Minute, 3200, []float64{.2, .6}},
		{8 * time.Minute, 4000, []float64{.2, .6, .8}},
		{61 * time.Minute, 4100, []float64{.2, .6, .8, 1}}, // The horizon in time.
		{62 * time.Minute, 5000, []float64{.2, .6, .8, 1}},
		{63 * time.Minute, 9000, []float64{.2, .6, .8, 1}},
	} {
		v := s.look(t, c.elapsed, c.n, c.n/5, c.n/5+10)
		if d := cmp.Diff(c.want, s.spent()); d != "" {
			t.Fatalf("at %s with %d units, spent (-want +got):\n%s", c.elapsed, c.n, d)
		}
		if v.Status != experiment.Undecided || v.Final != (c.elapsed > time.Hour) || s.j.Look != len(c.want) || s.j.Planned != 5 || s.j.Units != int64(2*c.n) {
			t.Errorf("at %s: %+v, %+v", c.elapsed, v, s.j)
		}
		if want := max(0, 10_000-int64(2*c.n)); !v.Final && v.Need != want || v.Final && v.Need != 0 {
			t.Errorf("at %s: need %d, want %d", c.elapsed, v.Need, want)
		}
	}
	var looks []stats.Look
	for _, l := range s.m.Looks {
		looks = append(looks, l.Look)
	}
	bounds, err := stats.Boundaries(looks, .05, stats.OBrienFleming)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range s.m.Looks {
		if math.Abs(l.Bound-bounds[i]) > 1e-9 {
			t.Errorf("look %d has the boundary %v, want %v", i, l.Bound, bounds[i])
		}
	}
}

func TestLooksWithoutUnitsFollowTime(t *testing.T) {
	s := &story{plan: rewarded(0)}
	for minute, want := range map[int]int{0: 0, 11: 0, 12: 1, 24: 2, 59: 4, 60: 5} {
		s.m = experiment.Monitors{}
		for m := range minute + 1 {
			s.look(t, time.Duration(m)*time.Minute, 200+10*m, 40, 41)
		}
		if len(s.m.Looks) != want {
			t.Errorf("after %d minutes %d looks are spent, want %d", minute, len(s.m.Looks), want)
		}
	}
}

func TestBetterIsSaidAtLooksOnlyAndStays(t *testing.T) {
	s := &story{plan: rewarded(10_000)}
	if v := s.look(t, time.Minute, 990, 200, 600); v.Status != experiment.Undecided {
		t.Fatalf("between looks: %s", v.Status)
	}
	v := s.look(t, 2*time.Minute, 1000, 200, 600)
	if v.Status != experiment.Better || v.Guarantee != experiment.GuaranteeLooks || v.Final {
		t.Fatalf("at a look: %+v", v)
	}
	// The next look does not cross; what was said was said.
	if v := s.look(t, 3*time.Minute, 2000, 800, 810); v.Status != experiment.Better {
		t.Errorf("later: %s", v.Status)
	}
	if l := s.m.Looks[1]; l.Z >= l.Bound {
		t.Errorf("the example does not tell: z %v, bound %v", l.Z, l.Bound)
	}
}

func TestHarmWinsOverBenefit(t *testing.T) {
	s := &story{plan: rewarded(10_000)}
	s.look(t, time.Minute, 1000, 200, 600)
	if v := s.look(t, 2*time.Minute, 4900, 3000, 1000); v.Status != experiment.Worse {
		t.Errorf("got %s", v.Status)
	}
}

func TestANewStageLooksAnew(t *testing.T) {
	p := rewarded(10_000)
	p.Stages = append(p.Stages, p.Stages[0])
	s := &story{plan: p}
	s.look(t, time.Minute, 1000, 200, 600)
	now := at(2 * time.Minute)
	now.Stage = 1
	j, m := Judge(p, totals(phase(1, half, units(0, "purchase", 1000, 200, 1), units(1, "purchase", 1000, 600, 1))), s.m, now)
	if v := j.Find(1, experiment.RoleReward, "purchase"); v.Status != experiment.Undecided || len(m.Looks) != 0 || m.Stage != 1 || j.Units != 0 {
		t.Errorf("the second stage begins with %s, %d looks and %d units", v.Status, len(m.Looks), j.Units)
	}
}

// TestANewEpochForgets: its units were shuffled, so neither what tests remember
// nor what was counted before belongs to it.
func TestANewEpochForgets(t *testing.T) {
	s := &story{plan: rewarded(10_000)}
	s.look(t, time.Minute, 1000, 600, 200)
	if len(s.m.Looks) != 1 || s.j.Find(1, experiment.RoleReward, "purchase").Status != experiment.Worse {
		t.Fatalf("the example does not tell: %+v", s.m)
	}
	all := totals(phase(1, half, units(0, "purchase", 1000, 600, 1), units(1, "purchase", 1000, 200, 1), counts(1, experiment.CellExposures, 9999, 0)))
	fresh := phase(1, half, units(0, "purchase", 200, 40, 1), units(1, "purchase", 200, 40, 1))
	fresh.Epoch = 2
	all.Phases = append(all.Phases, fresh)
	now := at(2 * time.Minute)
	now.Epoch = 2
	got, gotMemory := Judge(s.plan, all, s.m, now)
	want, wantMemory := Judge(s.plan, totals(fresh), experiment.Monitors{}, now)
	if got.Spent.Units != 9999 {
		t.Errorf("%d units were spent: what was paid in an earlier epoch was paid", got.Spent.Units)
	}
	got.Spent = want.Spent
	if d := cmp.Diff([]any{want, wantMemory}, []any{got, gotMemory}); d != "" {
		t.Errorf("an earlier epoch is remembered (-alone +after):\n%s", d)
	}
	if got.Units != 400 || got.Mismatch {
		t.Errorf("%+v", got)
	}
}

func TestAnytimeSaysBetterAtAnyTime(t *testing.T) {
	s := &story{plan: rewarded(10_000)}
	s.plan.Analysis.Method = experiment.Anytime
	for _, c := range []struct {
		n, xc int
		want  experiment.Status
	}{{200, 40, experiment.Undecided}, {300, 75, experiment.Undecided}, {400, 200, experiment.Better}, {500, 100, experiment.Better}} {
		if v := s.look(t, time.Minute, c.n, c.n/5, c.xc); v.Status != c.want || v.Guarantee != experiment.GuaranteeAnytime {
			t.Errorf("%d of %d: %s, %s", c.xc, c.n, v.Status, v.Guarantee)
		}
	}
	if len(s.m.Looks) != 0 {
		t.Errorf("%d looks spent", len(s.m.Looks))
	}
}

func TestEquivalenceAtTheHorizon(t *testing.T) {
	for name, c := range map[string]struct {
		n, xc  int
		margin experiment.Margin
		after  time.Duration
		want   bool
	}{
		"the same and enough of it":          {5000, 1000, experiment.Margin{Absolute: .02}, time.Hour, true},
		"by the units planned":               {5000, 1000, experiment.Margin{Absolute: .02}, time.Minute, true},
		"a relative margin":                  {5000, 1000, experiment.Margin{Relative: .1}, time.Hour, true},
		"not before the horizon":             {4999, 1000, experiment.Margin{Absolute: .02}, time.Minute, false},
		"the same, but too little of it":     {500, 100, experiment.Margin{Absolute: .02}, time.Hour, false},
		"a margin narrower than the doubt":   {5000, 1000, experiment.Margin{Absolute: .005}, time.Hour, false},
		"a difference that matters":          {5000, 1120, experiment.Margin{Absolute: .02}, time.Hour, false},
		"no smallest effect, no equivalence": {5000, 1000, experiment.Margin{}, time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := &story{plan: rewarded(10_000)}
			s.plan.Reward.MinimumEffect = c.margin
			v := s.look(t, c.after, c.n, c.n/5, c.xc)
			if v.Equivalent != c.want {
				t.Errorf("equivalent is %v: %v in %+v, limit %v", v.Equivalent, *v.Estimate, *v.Interval, *v.Limit)
			}
			if !v.Final {
				return
			}
			b, _ := units(0, "", c.n, c.n/5, 1).Units.Ratio()
			x, _ := units(0, "", c.n, c.xc, 1).Units.Ratio()
			half := 1.6448536269514722 * max(b.SE, x.SE) * math.Sqrt2
			if v.Level != .9 || math.Abs(v.Interval.High-*v.Estimate-half) > 1e-12 || math.Abs(*v.Estimate-v.Interval.Low-half) > 1e-12 {
				t.Errorf("two one-sided tests at .05 are %v ± %v at level .9, not %+v at %v", *v.Estimate, half, *v.Interval, v.Level)
			}
		})
	}
}

func TestMismatch(t *testing.T) {
	seen := func(number int, shares experiment.Shares, baseline, candidate int64) experiment.PhaseTotals {
		return phase(number, shares, counts(0, experiment.CellExposures, baseline, 0), counts(1, experiment.CellExposures, candidate, 0))
	}
	tenth, none := experiment.Shares{9000, 1000}, experiment.Shares{10_000, 0}
	for name, c := range map[string]struct {
		phases []experiment.PhaseTotals
		want   int // the phase, or 0
	}{
		"nothing seen":                       {nil, 0},
		"as asked for":                       {[]experiment.PhaseTotals{seen(1, half, 5000, 5000)}, 0},
		"within chance":                      {[]experiment.PhaseTotals{seen(1, half, 5080, 4920)}, 0},
		"lost candidates":                    {[]experiment.PhaseTotals{seen(1, half, 5500, 4500)}, 1},
		"too many candidates":                {[]experiment.PhaseTotals{seen(1, tenth, 8000, 2000)}, 1},
		"in a later phase":                   {[]experiment.PhaseTotals{seen(1, none, 500, 0), seen(2, tenth, 9000, 1000), seen(3, half, 5600, 4400)}, 3},
		"in an earlier phase":                {[]experiment.PhaseTotals{seen(1, tenth, 9000, 3000), seen(2, half, 5000, 5000)}, 1},
		"a unit where no share is":           {[]experiment.PhaseTotals{seen(1, none, 5000, 1)}, 1},
		"a unit where no share is, phase 50": {append(slices.Repeat([]experiment.PhaseTotals{seen(1, half, 50, 50)}, 49), seen(50, none, 5000, 1)), 50},
		"the baseline alone":                 {[]experiment.PhaseTotals{seen(1, none, 5000, 0)}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			j, m := Judge(base(), totals(c.phases...), experiment.Monitors{}, at(0))
			if j.Mismatch != (c.want > 0) || j.MismatchPhase != c.want {
				t.Errorf("mismatch %v in phase %d, log e %v", j.Mismatch, j.MismatchPhase, j.MismatchLogE)
			}
			if j.Mismatch != (j.MismatchLogE >= math.Log(MismatchAlarm)) || m.MismatchLogE != j.MismatchLogE {
				t.Errorf("mismatch %v at log e %v, remembered %v", j.Mismatch, j.MismatchLogE, m.MismatchLogE)
			}
		})
	}
	t.Run("is not forgotten", func(t *testing.T) {
		_, m := Judge(base(), totals(seen(1, half, 5500, 4500)), experiment.Monitors{}, at(0))
		if j, _ := Judge(base(), totals(seen(1, half, 50_000, 50_000)), m, at(0)); !j.Mismatch || !slices.Equal(j.Seen, []int64{50_000, 50_000}) {
			t.Errorf("got %+v", j)
		}
	})
}

// TestJudgeChangesNothing hands over slices with room to spare, where a careless
// append would write.
func TestJudgeChangesNothing(t *testing.T) {
	for _, method := range []experiment.Method{experiment.Sequential, experiment.Anytime} {
		p := rewarded(10_000)
		p.Analysis.Method = method
		p.Objectives = []experiment.Objective{{Metric: "errors", Max: ptr(.01)}}
		p.Guardrails = []experiment.Guardrail{{Metric: "refund", NoWorseThan: experiment.Margin{Relative: .03}}}
		all := totals(phase(1, half,
			counts(0, experiment.CellExposures, 1000, 0), counts(1, experiment.CellExposures, 1000, 0), counts(1, experiment.CellRequests, 1000, 5),
			units(0, "purchase", 1000, 200, 1), units(1, "purchase", 1000, 210, 1), units(0, "refund", 1000, 20, 1), units(1, "refund", 1000, 20, 1)))
		m := experiment.Monitors{
			Epoch: 1,
			Harm:  make([]experiment.HarmMonitor, 1, 9),
			Looks: make([]experiment.SpentLook, 0, 9),
		}
		m.Harm[0] = experiment.HarmMonitor{Version: 1, Role: experiment.RoleReward, Metric: "purchase"}
		write := func() string {
			b, err := json.Marshal([]any{p, all, m, m.Harm[:9], m.Looks[:9]})
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		before := write()
		j1, m1 := Judge(p, all, m, at(time.Minute))
		j2, m2 := Judge(p, all, m, at(time.Minute))
		if d := cmp.Diff(before, write()); d != "" {
			t.Errorf("%s: inputs changed (-before +after):\n%s", method, d)
		}
		if d := cmp.Diff([]any{j1, m1}, []any{j2, m2}); d != "" {
			t.Errorf("%s: judged otherwise the second time:\n%s", method, d)
		}
	}
}

// TestMonitorsOnlyGrow feeds evidence that swings from good to bad and back.
func TestMonitorsOnlyGrow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rewarded(2000)
		p.Analysis.Method = rapid.SampledFrom([]experiment.Method{experiment.Sequential, experiment.Anytime}).Draw(t, "method")
		p.Guardrails = []experiment.Guardrail{{Metric: "purchase", NoWorseThan: experiment.Margin{Absolute: .02}}}
		var m experiment.Monitors
		n := 0
		for tick := range rapid.IntRange(1, 8).Draw(t, "ticks") {
			n += rapid.IntRange(0, 500).Draw(t, "more")
			xb, xc := rapid.IntRange(0, n).Draw(t, "baseline"), rapid.IntRange(0, n).Draw(t, "candidate")
			all := totals(phase(1, half,
				counts(0, experiment.CellExposures, int64(xb), 0), counts(1, experiment.CellExposures, int64(xc), 0),
				units(0, "purchase", n, xb, 1), units(1, "purchase", n, xc, 1)))
			_, next := Judge(p, all, m, at(time.Duration(tick)*10*time.Minute))
			grown(t, m, next)
			m = next
		}
	})
}

func grown(t *rapid.T, old, next experiment.Monitors) {
	if next.MismatchLogE < old.MismatchLogE || len(next.Looks) < len(old.Looks) || !slices.Equal(next.Looks[:len(old.Looks)], old.Looks) {
		t.Fatalf("mismatch or looks shrank: %+v → %+v", old, next)
	}
	for i := 1; i < len(next.Looks); i++ {
		if a, b := next.Looks[i-1], next.Looks[i]; b.Spent <= a.Spent || b.Information < a.Information {
			t.Fatalf("looks out of order: %+v", next.Looks)
		}
	}
	for i, h := range old.Harm {
		g := next.Harm[i]
		if g.Role != h.Role || g.Metric != h.Metric || g.Version != h.Version || g.Worse < h.Worse || g.Better < h.Better {
			t.Fatalf("%+v became %+v", h, g)
		}
	}
}

func TestProgressIsThatOfThePhase(t *testing.T) {
	first, second := phase(1, half, counts(1, experiment.CellRequests, 500, 0)), phase(2, half, counts(1, experiment.CellRequests, 7, 1), counts(0, experiment.CellRequests, 9, 0), counts(0, experiment.CellExposures, 4, 0))
	second.Clean = 3
	now := at(0)
	now.Phase = 2
	j, _ := Judge(base(), totals(first, second), experiment.Monitors{}, now)
	if j.Requests != 7 || j.Clean != 3 || !slices.Equal(j.Seen, []int64{4, 0}) {
		t.Errorf("got %+v", j)
	}
}

func TestStreak(t *testing.T) {
	p := base()
	p.Objectives = []experiment.Objective{{Metric: "errors", Max: ptr(.1)}, {Metric: "p99", Max: ptr(.1)}, {Metric: "purchase", Max: ptr(.1)}}
	p.Stages = []experiment.Stage{{Name: "canary", Ramp: &experiment.Ramp{Steps: []experiment.Share{1000}, Hold: experiment.Hold{Windows: 2}}}}
	const settled = 90 * time.Second // Two windows, begun is counted.
	cell := func(w int64, v int, metric string, n, x int64) experiment.Cell {
		return experiment.Cell{CellKey: experiment.CellKey{Window: w, Version: v, Metric: metric}, Evidence: experiment.Evidence{Counts: stats.Counts{N: n, X: x}}}
	}
	clean := func(w int64) []experiment.Cell {
		return []experiment.Cell{cell(w, 1, experiment.CellRequests, 10, 1), cell(w, 1, "p99", 10, 1), cell(w, 0, experiment.CellRequests, 10, 9)}
	}
	dirty := func(w int64) []experiment.Cell {
		return []experiment.Cell{cell(w, 1, experiment.CellRequests, 10, 2), cell(w, 1, "p99", 10, 0)}
	}
	slow := func(w int64) []experiment.Cell {
		return []experiment.Cell{cell(w, 1, experiment.CellRequests, 10, 0), cell(w, 1, "p99", 10, 2)}
	}
	for name, c := range map[string]struct {
		had      int
		settle   time.Duration
		from, to int64
		cells    []experiment.Cell
		want     int
	}{
		"nothing sealed keeps it":                   {3, 0, 4, 4, nil, 3},
		"clean windows count":                       {3, 0, 4, 6, slices.Concat(clean(4), clean(5)), 5},
		"an empty window ends it":                   {3, 0, 4, 5, nil, 0},
		"traffic on the baseline alone ends it":     {3, 0, 4, 5, []experiment.Cell{cell(4, 0, experiment.CellRequests, 9, 0)}, 0},
		"errors end it":                             {3, 0, 4, 5, dirty(4), 0},
		"latency ends it":                           {3, 0, 4, 5, slow(4), 0},
		"requests without a latency cell end it":    {3, 0, 4, 5, clean(4)[:1], 0},
		"it begins anew after":                      {3, 0, 4, 7, slices.Concat(clean(4), dirty(5), clean(6)), 1},
		"settling neither counts nor ends":          {0, settled, 0, 3, slices.Concat(slow(0), clean(1), clean(2)), 1},
		"a window that is dirty after settling is":  {0, settled, 0, 3, slices.Concat(clean(0), clean(1), dirty(2)), 0},
		"the cells may come in any order and split": {0, 0, 0, 1, []experiment.Cell{cell(0, 1, "p99", 5, 0), cell(0, 1, experiment.CellRequests, 10, 0), cell(0, 1, "p99", 5, 1)}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p.Stages[0].Ramp.Hold.Settle = c.settle
			ph := &experiment.PhaseTotals{Shares: experiment.Shares{9000, 1000}, Clean: c.had}
			if got := Streak(p, ph, experiment.Seal{Source: experiment.SourceGateway, From: c.from, To: c.to, Cells: c.cells}); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
			if ph.Clean != c.had {
				t.Error("the phase was changed")
			}
		})
	}
	t.Run("a window that is not whole ends it", func(t *testing.T) {
		p.Stages[0].Ramp.Hold.Settle = 0
		ph := &experiment.PhaseTotals{Shares: experiment.Shares{9000, 1000}, Clean: 3}
		seal := experiment.Seal{From: 4, To: 7, Cells: slices.Concat(clean(4), clean(5), clean(6)), Gaps: []experiment.Gap{{From: 2, To: 6, Why: "silent"}}}
		if got := Streak(p, ph, seal); got != 1 {
			t.Errorf("got %d, want 1", got)
		}
	})
	t.Run("a version without share is not asked for traffic", func(t *testing.T) {
		ph := &experiment.PhaseTotals{Shares: experiment.Shares{10_000, 0}}
		if got := Streak(p, ph, experiment.Seal{From: 5, To: 6}); got != 1 {
			t.Errorf("got %d, want 1", got)
		}
	})
}

func TestSettleWindowsRoundUp(t *testing.T) {
	p := base()
	for settle, want := range map[time.Duration]int64{0: 0, time.Second: 1, time.Minute: 1, 61 * time.Second: 2} {
		p.Stages = []experiment.Stage{{Ramp: &experiment.Ramp{Hold: experiment.Hold{Settle: settle}}}, {Observe: &experiment.Observe{}}}
		if got := SettleWindows(p, 0); got != want {
			t.Errorf("%s settle in %d windows, want %d", settle, got, want)
		}
		if a, b := SettleWindows(p, 1), SettleWindows(p, 2); a != 0 || b != 0 {
			t.Errorf("stages that do not settle take %d and %d windows", a, b)
		}
	}
}
