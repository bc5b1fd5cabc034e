// SPDX-License-Identifier: Apache-2.0

package design

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// shop is a plan with a stage of most kinds.
func shop() *experiment.Plan {
	limit, overlap := .02, .6
	return &experiment.Plan{
		Name: "x", Window: time.Minute, Lag: 10 * time.Second,
		Versions: []experiment.Version{
			{Name: "v1", Cost: experiment.Cost{PerRequest: .001, PerHour: 1}},
			{Name: "v2", Cost: experiment.Cost{PerRequest: .003, PerHour: 2}},
		},
		Assignment: experiment.Assignment{Unit: experiment.Unit{Header: "x-user"}},
		Segments:   []experiment.Segment{{Name: "tier", Header: "x-tier", Values: []string{"premium", "basic"}}},
		Metrics: []experiment.Metric{
			{Name: "purchase", Goal: experiment.Increase, Outcomes: &experiment.OutcomesMetric{Event: "purchase", Window: 10 * time.Minute}},
			{Name: "refund", Goal: experiment.Decrease, Outcomes: &experiment.OutcomesMetric{Event: "refund", Per: "purchase", Window: 10 * time.Minute}},
			{Name: "errors", Goal: experiment.Decrease, Builtin: &experiment.BuiltinMetric{Kind: experiment.ErrorRate}},
			{Name: "overlap", Goal: experiment.Increase, Pairs: &experiment.PairsMetric{Compare: experiment.CompareRanking}},
		},
		Reward:     &experiment.Reward{Metric: "purchase", MinimumEffect: experiment.Margin{Relative: .2}},
		Objectives: []experiment.Objective{{Metric: "errors", Max: &limit}},
		Guardrails: []experiment.Guardrail{{Metric: "refund", NoWorseThan: experiment.Margin{Absolute: .1}, Slices: []string{"tier"}}},
		Stages: []experiment.Stage{
			{
				Name: "shadow", Require: []experiment.Objective{{Metric: "overlap", Min: &overlap}},
				Mirror: &experiment.Mirror{Share: 2000, Until: experiment.Until{Pairs: 2000, AtMost: time.Hour}},
			},
			{Name: "canary", Ramp: &experiment.Ramp{
				Steps: []experiment.Share{0, 1000}, AtMost: 2 * time.Hour,
				Hold: experiment.Hold{Requests: 600, Windows: 1, Settle: 2 * time.Minute},
			}},
			{Name: "ab", Split: &experiment.Split{
				Shares: experiment.Shares{5000, 5000}, Otherwise: experiment.KeepBaseline,
				Until: experiment.Until{Units: 6000, AtMost: 3 * time.Hour},
			}},
			{Name: "cut", Switch: &experiment.Switch{Warm: 5 * time.Minute, Soak: 10 * time.Minute}},
		},
		Promote:  experiment.Promotion{KeepWarm: &experiment.KeepWarm{AtLeast: time.Hour, Matured: []string{"refund"}, Holdback: 500}},
		Analysis: experiment.Analysis{Method: experiment.Sequential, Alpha: .05, HarmAlpha: .05, Looks: 4, Power: .8},
	}
}

// shopping is ten requests per second of units that make two each.
func shopping() Assumptions {
	return Assumptions{Requests: 10, PerUnit: 2, Values: []Value{{Metric: "purchase", Mean: .1}, {Metric: "refund", Mean: .05}}}
}

func of(t *testing.T, p *experiment.Plan, a Assumptions) Report {
	t.Helper()
	r, err := Of(p, a)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// near says whether two numbers agree to a millionth.
func near(a, b float64) bool { return math.Abs(a-b) <= 1e-6*max(1, math.Abs(b)) }

func TestTimetable(t *testing.T) {
	r := of(t, shop(), shopping())
	// 2,000 pairs at 2/s; a window, the lag, the times of both answers and what a
	// pair takes besides until the last is known.
	shadow := 1097 * time.Second
	// Readiness while it settles, then 600 requests at 1/s, in whole windows.
	canary := 120*time.Second + 610*time.Second
	// 6,000 units at 5/s, the last of them judged a window, its outcome window
	// and the lag later.
	ab := 1200*time.Second + 670*time.Second
	at, latest := time.Duration(0), time.Duration(0)
	for i, want := range []struct {
		name           string
		takes, latest  time.Duration
		shares, kind   string
		exposed, units int64
	}{
		{"shadow", shadow, time.Hour, "100%/0%", "mirror", 0, 5485},
		{"canary", canary, 2 * time.Hour, "", "ramp", 305, 3650},
		{"ab", ab, 3 * time.Hour, "50%/50%", "split", 4675, 9350},
		{"cut", 15 * time.Minute, 15 * time.Minute, "0%/100%", "switch", 4500, 4500},
		{"keep warm", time.Hour, time.Hour, "5%/95%", "warm", 17_100, 18_000},
	} {
		s := r.Stages[i]
		if s.Name != want.name || string(s.Kind) != want.kind || s.Shares != want.shares {
			t.Errorf("stage %d is %s, a %s of %s", i, s.Name, s.Kind, s.Shares)
		}
		if s.Start != (Span{at, latest}) {
			t.Errorf("%s starts at %+v, want %s and %s", s.Name, s.Start, at, latest)
		}
		at, latest = at+want.takes, latest+want.latest
		if s.End != (Span{at, latest}) {
			t.Errorf("%s ends at %+v, want %s and %s", s.Name, s.End, at, latest)
		}
		if s.Late || s.Expected.Exposed != want.exposed || s.Expected.Units != want.units {
			t.Errorf("%s: late %v, %d of %d units exposed", s.Name, s.Late, s.Expected.Exposed, s.Expected.Units)
		}
	}
	if r.Total.Takes != (Span{at, latest}) || *r.Total.Exposed != 305+4675+4500 {
		t.Errorf("in all %+v, %d units", r.Total.Takes, *r.Total.Exposed)
	}
	steps := r.Stages[1].Steps
	if steps[0].Takes.Expected != 2*time.Minute || steps[0].Waits != "readiness" || steps[1].Takes.Expected != 610*time.Second || steps[1].Waits != "600 requests, 1 clean window" {
		t.Errorf("the steps are %+v", steps)
	}
}

// TestMirrorsWaitForLabels: a gate of labels keeps a mirror longer than its pairs
// do, and no longer than it may last.
func TestMirrorsWaitForLabels(t *testing.T) {
	for _, c := range []struct{ window, want time.Duration }{
		{5 * time.Minute, 1097 * time.Second}, // The outcome window of 10 minutes is over before the pairs are there.
		{20 * time.Minute, 20*time.Minute + 70*time.Second},
		{3 * time.Hour, time.Hour},
	} {
		p := shop()
		p.Metrics = append(p.Metrics, experiment.Metric{Name: "right", Goal: experiment.Increase, Labels: &experiment.LabelsMetric{Event: "truth", Of: experiment.Accuracy, Window: c.window}})
		p.Stages[0].Require = append(p.Stages[0].Require, experiment.Objective{Metric: "right", Min: new(.7)})
		if got := of(t, p, shopping()).Stages[0].End.Expected; got != c.want {
			t.Errorf("labels within %s: the mirror takes %s, want %s", c.window, got, c.want)
		}
	}
}

func TestCostsByPosture(t *testing.T) {
	r := of(t, shop(), shopping())
	h := func(seconds float64) float64 { return seconds / 3600 }
	for i, want := range []struct {
		factor float64
		cost   Cost
	}{
		// Everything by v1, a fifth by v2 too, both up.
		{1.2, Cost{Total: 10.97 + 6.582 + 3*h(1097), Copies: 6.582, Extra: 6.582 + 2*h(1097)}},
		// v2 is idle for two minutes, then a tenth costs thrice as much.
		{1, Cost{Total: 7.3 + 610*.002 + 3*h(730), Idle: 2 * h(120), Extra: 610*.002 + 2*h(730)}},
		{1, Cost{Total: 18.7 + 9350*.002 + 3*h(1870), Extra: 9350*.002 + 2*h(1870)}},
		{1, Cost{Total: 9 + 9000*.002 + 3*h(900), Idle: h(900), Extra: 9000*.002 + 2*h(900)}},
		{1, Cost{Total: 36 + .95*36000*.002 + 3, Extra: .95*36000*.002 + 2}},
	} {
		c := *r.Stages[i].Expected.Cost
		if !near(r.Stages[i].Factor, want.factor) || !near(c.Total, want.cost.Total) || !near(c.Copies, want.cost.Copies) || !near(c.Idle, want.cost.Idle) || !near(c.Extra, want.cost.Extra) {
			t.Errorf("%s answers %v times and costs %+v, want %v and %+v", r.Stages[i].Name, r.Stages[i].Factor, c, want.factor, want.cost)
		}
	}
	t.Run("a mirror of everything is answered twice", func(t *testing.T) {
		p := shop()
		p.Stages[0].Mirror.Share = experiment.Whole
		if f := of(t, p, shopping()).Stages[0].Factor; f != 2 {
			t.Errorf("answered %v times", f)
		}
		p.Stages[0].Mirror.Rate = 1
		if f := of(t, p, shopping()).Stages[0].Factor; !near(f, 1.1) {
			t.Errorf("with a tenth of it copied answered %v times", f)
		}
	})
	t.Run("a mirror costs no more than its bound", func(t *testing.T) {
		p := shop()
		p.Stages[0].Mirror.Cost = 2
		if c := of(t, p, shopping()).Stages[0].Expected.Cost; c.Copies != 2 {
			t.Errorf("its copies cost %v", c.Copies)
		}
	})
	t.Run("nothing is said where no version declares a cost", func(t *testing.T) {
		p := shop()
		for v := range p.Versions {
			p.Versions[v].Cost = experiment.Cost{}
		}
		if r := of(t, p, shopping()); r.Total.Cost != nil || r.Stages[0].Expected.Cost != nil {
			t.Errorf("it costs %+v", r.Total.Cost)
		}
	})
}

func TestRewardOfAPlan(t *testing.T) {
	p := shop()
	r := of(t, p, shopping()).Reward
	want, err := Benefit(p, p.Stages[2].Split, truth(.1, .12))
	if err != nil || r.Power == nil || !near(*r.Power, want) || r.Planned != 6000 || r.Stage != "ab" {
		t.Errorf("the power is %+v, want %v (%v)", r, want, err)
	}
	if r.Needed < 5000 || r.Needed > 8000 || r.PerVersion[0] != r.PerVersion[1] || !near(r.Relative, .2) {
		t.Errorf("%+v", r)
	}
	if d := r.Duration; d == nil || d.Days != 1 || d.WholeWeeks != 7 || d.Matured != 8 {
		t.Errorf("it takes %+v", r.Duration)
	}
	if r.Detectable <= .015 || r.Detectable >= .025 || !near(r.DetectableRelative, r.Detectable/.1) {
		t.Errorf("it finds %v", r.Detectable)
	}
	t.Run("a horizon in time counts the units that are judged by then", func(t *testing.T) {
		p := shop()
		p.Stages[2].Split.Until.Units = 0
		r := of(t, p, shopping()).Reward
		if r.Planned != 5*(3*3600-670) {
			t.Errorf("%d units", r.Planned)
		}
	})
	t.Run("units that do not come by the horizon are not counted", func(t *testing.T) {
		p := shop()
		p.Stages[2].Split.Until.Units = 1e6
		out := of(t, p, shopping())
		if out.Reward.Planned != 5*(3*3600-670) || !out.Stages[2].Late {
			t.Errorf("%d units, late %v", out.Reward.Planned, out.Stages[2].Late)
		}
	})
	t.Run("a stage that may decide early is expected to", func(t *testing.T) {
		p := shop()
		p.Stages[2].Split.Until.Decided = true
		s := of(t, p, shopping()).Stages[2]
		if took := s.End.Expected - s.Start.Expected; took <= 670*time.Second || took >= 1870*time.Second {
			t.Errorf("it takes %s", took)
		}
		p.Stages[2].Split.Until.AtLeast = 2 * time.Hour
		s = of(t, p, shopping()).Stages[2]
		if took := s.End.Expected - s.Start.Expected; took != 2*time.Hour {
			t.Errorf("with a least time it takes %s", took)
		}
	})
	t.Run("a deviation that is stated is taken", func(t *testing.T) {
		a := shopping()
		a.Values[0] = Value{Metric: "purchase", Mean: 12, SD: 40}
		r := of(t, shop(), a).Reward
		z := 1.6449 + .8416
		if n := float64(r.Needed); math.Abs(n/(4*z*z*40*40/(2.4*2.4))-r.Inflation) > .001 {
			t.Errorf("%v units, inflated by %v", n, r.Inflation)
		}
	})
}

func TestSlicesHaveTheirShare(t *testing.T) {
	a := shopping()
	a.Groups = []Group{{"tier=premium", .01}, {"tier=basic", .9}}
	r := of(t, shop(), a)
	planned := map[string]int64{}
	for _, g := range r.Guardrails {
		planned[g.Slice] = g.Planned
	}
	if planned[""] != 6000 || planned["tier=premium"] != 60 || planned["tier=basic"] != 5400 || planned["tier=other"] != 540 {
		t.Errorf("planned %v", planned)
	}
	i := slices.IndexFunc(r.Conclusions, func(c Conclusion) bool { return strings.Contains(c.Says, "tier=premium") })
	if i < 0 || r.Conclusions[i].Can || !strings.HasPrefix(r.Conclusions[i].Because, "slice tier=premium has too few units to be judged: 60 of ") {
		t.Errorf("concluded %+v", r.Conclusions)
	}
	if !slices.ContainsFunc(r.Notes, func(n string) bool { return n == "tier=other is taken to have 9% of the traffic" }) {
		t.Errorf("noted %q", r.Notes)
	}
	t.Run("where leaves the others out", func(t *testing.T) {
		p := shop()
		p.Stages[1].Where = experiment.Where{{Segment: "tier", Not: []string{"basic"}}}
		s := of(t, p, a).Stages[1]
		// A tenth of the requests: 600 requests at 0.1/s.
		if s.Where != "tier not basic" || s.Steps[1].Takes.Expected != 6010*time.Second {
			t.Errorf("%+v", s.Steps)
		}
	})
	t.Run("a ratio of events varies as the events are rare", func(t *testing.T) {
		w, err := newWorld(shop(), a)
		if err != nil {
			t.Fatal(err)
		}
		if sd := w.value("refund").SD; !near(sd, math.Sqrt(.05*.95/.1)) {
			t.Errorf("the deviation is %v", sd)
		}
	})
}

func TestWithoutAssumptionsNothingIsMadeUp(t *testing.T) {
	r := of(t, shop(), Assumptions{})
	if r.Reward.Power != nil || r.Reward.Needed != 0 || r.Reward.Missing != "how purchase stands today" {
		t.Errorf("%+v", r.Reward)
	}
	if r.Total.Takes.Expected != Unknown || r.Total.Takes.AtMost != 7*time.Hour+15*time.Minute || r.Total.Exposed != nil || r.Total.Cost != nil {
		t.Errorf("%+v", r.Total)
	}
	text, err := json.Marshal(r)
	if err != nil || !strings.Contains(string(text), `"end":{"expected":null,"atMost":3600}`) {
		t.Errorf("%v\n%s", err, text)
	}
	t.Run("the values alone tell the sample, not the days", func(t *testing.T) {
		a := shopping()
		a.Requests = 0
		r := of(t, shop(), a).Reward
		if r.Needed == 0 || r.Duration != nil || r.Power == nil {
			t.Errorf("%+v", r)
		}
	})
}

func TestWayBackIsTheRoutersOwn(t *testing.T) {
	for want, router := range map[string]experiment.Router{
		"the gateway sends the next request to v1":     {},
		"the route is written to give v1 everything":   {HTTPRoute: &experiment.RouteObject{Name: "shop"}},
		"nothing here carries traffic, and no version": {None: true},
	} {
		p := shop()
		p.Router = router
		if got := wayBack(p).Needs; !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q in it", p.Router.Kind(), got, want)
		}
	}
}

func TestAVersionAlone(t *testing.T) {
	p := shop()
	p.Versions, p.Reward, p.Guardrails, p.Promote = p.Versions[:1], nil, nil, experiment.Promotion{}
	p.Stages = []experiment.Stage{{Name: "look", Observe: &experiment.Observe{For: time.Hour}}}
	r := of(t, p, shopping())
	if l := r.Objectives[0]; l.Planned != 36_000 || l.Power == nil || *l.Power != 1 || *r.Total.Exposed != 0 {
		t.Errorf("%+v, %+v", l, r.Total)
	}
	if c := r.Conclusions; len(c) != 2 || !c[0].Can || !strings.HasPrefix(c[0].Because, "36,000 requests of v1 show it") || c[1].Says != "whether anything changed" {
		t.Errorf("%+v", c)
	}
}

func TestConclusions(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*experiment.Plan, *Assumptions)
		want   string
	}{
		"a mirror alone says nothing of users": {func(p *experiment.Plan, _ *Assumptions) {
			p.Stages, p.Promote, p.Reward, p.Guardrails = p.Stages[:1], experiment.Promotion{}, nil, nil
		}, "cannot: how users react: mirror only"},
		"bayesian has no error rate": {
			func(p *experiment.Plan, _ *Assumptions) { p.Analysis.Method = experiment.Bayesian },
			"cannot: how often better is said of an identical version: the method bayesian bounds no error rate",
		},
		"a threshold at the effect is a coin": {
			func(p *experiment.Plan, _ *Assumptions) { p.Analysis.Method = experiment.Threshold },
			"cannot: whether v2 is better in purchase by 20% of the baseline: with the very effect the estimate reaches the threshold half of the time",
		},
		"enough units find it": {
			func(p *experiment.Plan, _ *Assumptions) { p.Stages[2].Split.Until.Units = 8000 },
			"can: whether v2 is better in purchase by 20% of the baseline: 8,000 units find it with probability 8",
		},
		"too few do not": {
			func(p *experiment.Plan, _ *Assumptions) { p.Stages[2].Split.Until.Units = 600 },
			"cannot: whether v2 is better in purchase by 20% of the baseline: 600 units find it with probability ",
		},
		"two parts are not one model": {func(p *experiment.Plan, _ *Assumptions) {
			p.Versions[0].Parts = []experiment.Part{{Name: "model", Value: "a"}, {Name: "features", Value: "a"}}
			p.Versions[1].Parts = []experiment.Part{{Name: "model", Value: "b"}, {Name: "features", Value: "b"}}
		}, "cannot: that an effect of v2 is the model's alone: parts features and model differ"},
		"a ramp finds nothing better": {
			func(p *experiment.Plan, _ *Assumptions) { p.Stages = p.Stages[:2] },
			"cannot: whether v2 is better: no stage decides the reward",
		},
		"a horizon comes first": {
			func(p *experiment.Plan, _ *Assumptions) { p.Stages[1].Ramp.Hold.Requests = 1e6 },
			"cannot: that canary has all that it waits for: at this traffic it reaches its horizon of 2h first",
		},
		"a switch has no control": {func(p *experiment.Plan, _ *Assumptions) {
			p.Stages, p.Reward, p.Guardrails = p.Stages[3:], nil, nil
		}, "cannot: whether the switch changed anything"},
		"a limit that already is broken": {
			func(_ *experiment.Plan, a *Assumptions) {
				a.Values = append(a.Values, Value{Metric: "errors", Mean: .03})
			},
			"cannot: that errors is within 2%: it stands at 3%, and no sample shows that to be within its limit",
		},
		"requests are drawn anew": {
			func(p *experiment.Plan, _ *Assumptions) { p.Assignment.Unit = experiment.Unit{Request: true} },
			"cannot: how a user who keeps one version behaves: each request is drawn anew",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, a := shop(), shopping()
			c.change(p, &a)
			var all []string
			for _, x := range of(t, p, a).Conclusions {
				lead := "cannot: "
				if x.Can {
					lead = "can: "
				}
				all = append(all, lead+x.Says+": "+x.Because)
			}
			if !slices.ContainsFunc(all, func(s string) bool { return strings.HasPrefix(s, c.want) }) {
				t.Errorf("%q is not among\n%s", c.want, strings.Join(all, "\n"))
			}
			cannot := slices.IndexFunc(all, func(s string) bool { return strings.HasPrefix(s, "cannot") })
			if cannot >= 0 && slices.ContainsFunc(all[cannot:], func(s string) bool { return strings.HasPrefix(s, "can:") }) {
				t.Errorf("what can be concluded does not come first:\n%s", strings.Join(all, "\n"))
			}
		})
	}
}

func TestStrictPlansHaveNothingToPlan(t *testing.T) {
	p := shop()
	p.Strict = true
	_, err := Of(p, Assumptions{})
	if experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(err.Error(), "claims no error rate, so there is nothing to plan") {
		t.Errorf("got %v", err)
	}
}

func TestAssumptionsThatCannotBe(t *testing.T) {
	for name, c := range map[string]struct {
		a    Assumptions
		want string
	}{
		"traffic that is not a number": {Assumptions{Requests: math.NaN()}, "NaN requests per second: want 0 to"},
		"negative units":               {Assumptions{Units: -1}, "-1 units per day"},
		"a metric that is not there":   {Assumptions{Values: []Value{{Metric: "clicks", Mean: .1}}}, `no metric of the plan is called "clicks"`},
		"a mean without a deviation":   {Assumptions{Values: []Value{{Metric: "purchase", Mean: 12}}}, "the baseline of purchase is 12, which is no proportion"},
		"errors above all requests":    {Assumptions{Values: []Value{{Metric: "errors", Mean: 2}}}, "the baseline of errors is 2: want a share"},
		"an infinite deviation":        {Assumptions{Values: []Value{{Metric: "purchase", Mean: 1, SD: math.Inf(1)}}}, "want finite numbers"},
		"a group that is not there":    {Assumptions{Groups: []Group{{"tier=gold", .1}}}, `no segment of the plan has the group "tier=gold"`},
		"groups beyond everything":     {Assumptions{Groups: []Group{{"tier=premium", .8}, {"tier=basic", .3}}}, "have 0 to 100% together"},
		"a group twice":                {Assumptions{Groups: []Group{{"tier=premium", .1}, {"tier=premium", .1}}}, "tier=premium is assumed twice"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Of(shop(), c.a)
			if experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestEveryPlanHasAReport plans at random: no combination of stages, methods
// and assumptions is refused, makes a number that JSON does not know, or is
// silent.
func TestEveryPlanHasAReport(t *testing.T) {
	for seed := range uint64(150) {
		rng := rand.New(rand.NewPCG(seed, 1))
		p := shop()
		p.Analysis.Method = everyMethod[rng.IntN(len(everyMethod))]
		p.Analysis.Looks = 1 + rng.IntN(5)
		p.Assignment.Unit.Request = rng.IntN(3) == 0
		p.Stages = append(p.Stages, experiment.Stage{Name: "learn", Bandit: &experiment.Bandit{
			Every: time.Hour, Until: experiment.Until{Units: rng.Int64N(1e6), Best: .9, AtMost: 24 * time.Hour},
		}}, experiment.Stage{Name: "look", Approval: "ann", Observe: &experiment.Observe{For: time.Hour}})
		rng.Shuffle(len(p.Stages), func(i, j int) { p.Stages[i], p.Stages[j] = p.Stages[j], p.Stages[i] })
		p.Stages = p.Stages[:1+rng.IntN(len(p.Stages))]
		if rng.IntN(3) == 0 {
			p.Stages[0].Where = experiment.Where{{Segment: "tier", In: []string{"premium"}}}
		}
		a := Assumptions{}
		if rng.IntN(3) > 0 {
			a.Requests = math.Exp(20 * (rng.Float64() - .4))
		}
		if rng.IntN(2) == 0 {
			a.Values = []Value{{Metric: "purchase", Mean: rng.Float64() * .999}, {Metric: "refund", Mean: rng.Float64()}, {Metric: "errors", Mean: rng.Float64()}}
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := of(t, p, a)
			if _, err := json.Marshal(r); err != nil {
				t.Error(err)
			}
			if len(r.Conclusions) == 0 || len(r.Stages) < len(p.Stages) || r.WayBack.Command == "" {
				t.Errorf("%+v", r)
			}
			for _, s := range r.Stages {
				if s.End.Expected != Unknown && s.End.AtMost != Unknown && s.End.Expected > s.End.AtMost {
					t.Errorf("%s is expected to end at %s, after %s", s.Name, s.End.Expected, s.End.AtMost)
				}
			}
		})
	}
}
