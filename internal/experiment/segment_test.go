// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestGroupsOfValues(t *testing.T) {
	s := Segment{Name: "tier", Header: "x-tier", Values: []string{"free", "premium"}}
	if d := cmp.Diff([]string{"tier=free", "tier=premium", "tier=other"}, s.Slices()); d != "" {
		t.Error(d)
	}
	for value, want := range map[string]string{"free": "tier=free", "premium": "tier=premium", "": "tier=other", "PREMIUM": "tier=other"} {
		if got := s.Slice(s.Group(value)); got != want {
			t.Errorf("%q is in %s, want %s", value, got, want)
		}
	}
}

func TestGroupsOfBins(t *testing.T) {
	s := Segment{Name: "sessions", JSONPath: "$.sessions", Bins: []float64{1, 10}}
	if d := cmp.Diff([]string{"<1", "1..10", ">=10", Other}, s.Groups()); d != "" {
		t.Error(d)
	}
	for value, want := range map[string]string{
		"0": "<1", "-Inf": "<1", "0.999": "<1", "1": "1..10", "9.5": "1..10", "10": ">=10", "1e9": ">=10",
		"": Other, "NaN": Other, "many": Other,
	} {
		if got := s.Groups()[s.Group(value)]; got != want {
			t.Errorf("%q is in %s, want %s", value, got, want)
		}
	}
}

func TestEveryValueHasAGroup(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Segment{Name: "s"}
		if rapid.Bool().Draw(t, "bins") {
			s.Bins = []float64{-1, 0, 2.5}
		} else {
			s.Values = rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{1,3}`), 1, 8, rapid.ID[string]).Draw(t, "values")
		}
		g := s.Group(rapid.String().Draw(t, "value"))
		if g < 0 || g >= len(s.Groups()) {
			t.Fatalf("group %d of %d", g, len(s.Groups()))
		}
	})
}

func TestWhereWantsEveryCondition(t *testing.T) {
	w := Where{{Segment: "tier", Not: []string{"premium"}}, {Segment: "country", In: []string{"de", "fr"}}}
	for _, c := range []struct {
		tier, country string
		want          bool
	}{{"free", "de", true}, {"other", "fr", true}, {"premium", "de", false}, {"free", "other", false}} {
		got := w.Match(func(segment string) string {
			if segment == "tier" {
				return c.tier
			}
			return c.country
		})
		if got != c.want {
			t.Errorf("tier %s, country %s: got %t", c.tier, c.country, got)
		}
	}
	if got, want := w.String(), "tier not premium, country de or fr"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !(Where{}).Match(func(string) string { return "" }) {
		t.Error("no condition is met by everything")
	}
}

func TestNeedsNameTheFieldThatWants(t *testing.T) {
	p := Plan{
		Assignment: Assignment{Unit: Unit{Header: "x-user-id"}},
		Segments:   []Segment{{Name: "tier"}},
		Metrics:    []Metric{{Name: "purchase", Outcomes: &OutcomesMetric{}}, {Name: "errors", Builtin: &BuiltinMetric{}}},
		Stages:     []Stage{{Name: "shadow", Mirror: &Mirror{}}, {Name: "ab", Split: &Split{}}},
		Promote:    Promotion{How: PromoteCopy, Loser: LoserDelete},
	}
	want := []Need{
		{CapSticky, "spec.assignment.unit"},
		{CapSegments, "spec.segments"},
		{CapCopies, "spec.stages[shadow].mirror"},
		{CapOutcomes, "spec.metrics[purchase].from.outcomes"},
		{CapCopy, "spec.promote.how"},
		{CapRetire, "spec.promote.loser"},
	}
	if d := cmp.Diff(want, p.Needs()); d != "" {
		t.Error(d)
	}
	plain := Plan{Assignment: Assignment{Unit: Unit{Request: true}}}
	if got := plain.Needs(); got != nil {
		t.Errorf("a plain plan needs %v", got)
	}
}

func TestPartsThatDiffer(t *testing.T) {
	p := Plan{Versions: []Version{
		{Parts: []Part{{"features", "f7"}, {"model", "r1"}}},
		{Parts: []Part{{"features", "f7"}, {"model", "r2"}}},
		{Parts: []Part{{"features", "f8"}, {"model", "r2"}, {"prompt", "p1"}}},
	}}
	if d := cmp.Diff([]string{"model"}, p.DifferingParts(1)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"features", "model", "prompt"}, p.DifferingParts(2)); d != "" {
		t.Error(d)
	}
}

func TestHarmIsDividedOverEveryTest(t *testing.T) {
	p := Plan{
		Versions:   make([]Version, 3),
		Segments:   []Segment{{Name: "tier", Values: []string{"free", "premium"}}},
		Objectives: make([]Objective, 2),
		Guardrails: []Guardrail{{Metric: "refund", Slices: []string{"tier"}}, {Metric: "latency"}},
		Reward:     &Reward{},
		Stages:     []Stage{{Require: make([]Objective, 1)}},
		Analysis:   Analysis{HarmAlpha: 0.05},
	}
	// 2 objectives, 1 gate, 1+3 and 1 guardrails, the reward: 9, of 2 candidates.
	if got, want := p.TestAlpha(), 0.05/18; got != want {
		t.Errorf("got %g, want %g", got, want)
	}
}

func TestRoutesOfStages(t *testing.T) {
	pairs := Metric{Name: "agreement", Pairs: &PairsMetric{Compare: CompareClass}}
	where := Where{{Segment: "tier", In: []string{"free"}}}
	p := &Plan{
		Versions: []Version{{Name: "v1", Backend: "http://a"}, {Name: "v2", Backend: "http://b"}, {Name: "v3", Backend: "http://c"}},
		Segments: []Segment{{Name: "tier", Header: "x-tier", Values: []string{"free", "premium"}}},
		Metrics:  []Metric{pairs},
		Stages:   []Stage{{Name: "shadow", Where: where, Mirror: &Mirror{Share: 1000, Rate: 5}}},
		Window:   1,
	}
	s := &State{Condition: Running, Slots: SlotsOf(Baseline(3)), Removed: []Removal{{Version: 1}}}
	r := RouteOf(p, s)
	if d := cmp.Diff(&MirrorRoute{Share: 1000, Versions: []int{2}, Rate: 5, Timeout: DefaultCopyTimeout, Pairs: []Metric{pairs}}, r.Mirror); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(where, r.Where); d != "" {
		t.Error(d)
	}
	for _, c := range []Condition{Done, Killed, Warm} {
		s.Condition = c
		if r := RouteOf(p, s); r.Mirror != nil || r.Where != nil {
			t.Errorf("%s: the stage's mirror or where is still there", c)
		}
	}
}

// Requests without a unit go where everybody goes once a version has won.
func TestRequestsThatAreNotAssignedFollowThePromotion(t *testing.T) {
	p := &Plan{Versions: make([]Version, 3), Stages: []Stage{{Observe: &Observe{}}}}
	for _, c := range []struct {
		state State
		want  int
	}{
		{State{Condition: Running, Winner: 0}, 0},
		{State{Condition: Warm, Winner: 2}, 2},
		{State{Condition: Done, Outcome: Promoted, Winner: 2}, 2},
		{State{Condition: Done, Outcome: RolledBack}, 0},
		{State{Condition: Killed, Outcome: RolledBack}, 0},
	} {
		if got := RouteOf(p, &c.state).Default; got != c.want {
			t.Errorf("%s %s: version %d, want %d", c.state.Condition, c.state.Outcome, got, c.want)
		}
	}
}

func TestRoutesWithTablesByGroup(t *testing.T) {
	whole := SlotsOf(Baseline(1))
	route := func(change func(*Route)) *Snapshot {
		r := Route{
			Experiment: "x", Versions: []Version{{Name: "v1", Backend: "http://a"}}, Window: 1, Slots: whole,
			Segments: []Segment{{Name: "tier", Values: []string{"free"}}},
			Tables:   []GroupTable{{"tier=free", whole}, {"tier=other", whole}},
		}
		change(&r)
		return &Snapshot{Routes: []Route{r}}
	}
	if err := route(func(*Route) {}).Check(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Route){
		"1 tables by group":             func(r *Route) { r.Tables = r.Tables[:1] },
		`table 1 is of "tier=free"`:     func(r *Route) { r.Tables[1].Slice = "tier=free" },
		"table of tier=other: slot tab": func(r *Route) { r.Tables[1].Slots = nil },
		"2 tables by group: want":       func(r *Route) { r.Segments = nil },
		`where names segment "country"`: func(r *Route) { r.Where = Where{{Segment: "country"}} },
		"want either values or bins":    func(r *Route) { r.Segments[0].Bins = []float64{1} },
	} {
		wantError(t, route(change).Check(), want)
	}
}

func TestARouterMustFitThePlan(t *testing.T) {
	p := Plan{Assignment: Assignment{Unit: Unit{Header: "x-user-id"}}, Stages: []Stage{{Name: "shadow", Mirror: &Mirror{}}}}
	wantError(t, p.Fits("gateway", []Capability{CapSticky}), "spec.stages[shadow].mirror: the gateway cannot do copies of requests")
	if err := p.Fits("gateway", []Capability{CapCopies, CapSticky}); err != nil {
		t.Error(err)
	}
}

// A kill leaves nothing that could send a request elsewhere (D8).
func TestAKilledRouteIsTheBaselines(t *testing.T) {
	now := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	half := SlotsOf(Shares{5000, 5000})
	r := Route{
		Experiment: "x", Versions: []Version{{Name: "v1"}, {Name: "v2"}}, Epoch: 2, Phase: 3, Slots: half,
		Tables: []GroupTable{{"tier=free", half}, {"tier=other", half}}, Where: Where{{Segment: "tier"}}, Mirror: &MirrorRoute{},
	}
	want := Route{Experiment: "x", Versions: r.Versions, Epoch: 2, Phase: 4, PhaseStart: now, Slots: SlotsOf(Baseline(2))}
	if d := cmp.Diff(want, r.Killed(now)); d != "" {
		t.Error(d)
	}
}

// A backend may hold a password, and errors end in logs.
func TestABadBackendIsNotRepeated(t *testing.T) {
	s := Snapshot{Routes: []Route{{Versions: []Version{{Name: "v1", Backend: "ftp://user:hunter2@host"}}, Window: 1}}}
	err := s.Check()
	wantError(t, err, "version v1: backend is not an http URL")
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error repeats a password: %v", err)
	}
}
