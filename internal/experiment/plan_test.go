// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestCatalogue: codes are unique, in order, of one form and described.
func TestCatalogue(t *testing.T) {
	form := regexp.MustCompile(`^HG-D[1-6]\d\d$`)
	placeholder := regexp.MustCompile(`\{[a-z]+\}`)
	last := ReasonCode("")
	for _, e := range Catalogue() {
		if !form.MatchString(string(e.Code)) || e.Code <= last {
			t.Errorf("%s after %s", e.Code, last)
		}
		last = e.Code
		if e.Text == "" || e.Meaning == "" || !strings.HasSuffix(e.Meaning, ".") || strings.HasSuffix(e.Text, ".") {
			t.Errorf("%s: %q, %q", e.Code, e.Text, e.Meaning)
		}
		if e.Level != Info && e.Level != Warning && e.Level != Alarm {
			t.Errorf("%s has the level %q", e.Code, e.Level)
		}
		if rest := placeholder.ReplaceAllString(e.Text, ""); strings.ContainsAny(rest, "{}") {
			t.Errorf("%s has a broken placeholder: %q", e.Code, e.Text)
		}
		if got, ok := Lookup(e.Code); !ok || got != e {
			t.Errorf("%s is not found", e.Code)
		}
	}
	Catalogue()[0].Text = "spoiled"
	if e, _ := Lookup(ReasonStarted); e.Text == "spoiled" {
		t.Error("the catalogue can be written to")
	}
}

func TestReasonsAreSentences(t *testing.T) {
	for want, r := range map[string]Reason{
		"stage ab began":                   Because(ReasonStageEntered, "stage", "ab"),
		"stage {stage} began":              Because(ReasonStageEntered),
		"HG-D999":                          {Code: "HG-D999"},
		"killed by {reason}: {author} {x}": Because(ReasonKilled, "author", "{reason}", "reason", "{author} {x}"),
		"3 of 5 consecutive clean windows": Because(ReasonNeedWindows, "have", 3, "want", 5, "left over"),
	} {
		if got := r.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	r := Because(ReasonNeedWindows, "have", 3, "want", 5)
	if r.Param("want") != "5" || r.Param("none") != "" {
		t.Errorf("%+v", r)
	}
}

func TestErrors(t *testing.T) {
	e := Errorf(CodeUnavailable, "reading %s: %w", "x", io.EOF)
	wrapped := fmt.Errorf("doing: %w", e.WithHint("try %d", 7))
	if !errors.Is(wrapped, io.EOF) || CodeOf(wrapped) != CodeUnavailable || HintOf(wrapped) != "try 7" || wrapped.Error() != "doing: reading x: EOF" {
		t.Errorf("%v, %s, %s", wrapped, CodeOf(wrapped), HintOf(wrapped))
	}
	if e.Hint != "" {
		t.Error("WithHint changed the error it was given")
	}
	if CodeOf(nil) != "" || CodeOf(io.EOF) != CodeInternal || HintOf(io.EOF) != "" || PathOf(io.EOF) != "" {
		t.Error("errors of others")
	}
	if err := InvalidAt("a.b", "is %d", 3); PathOf(fmt.Errorf("x: %w", err)) != "a.b" || err.Error() != "a.b: is 3" || err.Code != CodeInvalid {
		t.Errorf("%v at %s", err, PathOf(err))
	}
}

func TestOutcomesAreChecked(t *testing.T) {
	long := strings.Repeat("x", MaxOutcomeText+1)
	for name, c := range map[string]struct {
		o    UnitOutcome
		path string
	}{
		"by unit":               {UnitOutcome{Unit: "u", Event: "e", Value: -3, Key: "k"}, ""},
		"by token":              {UnitOutcome{Token: "t", Event: "e", Value: MaxOutcomeValue}, ""},
		"as long as may be":     {UnitOutcome{Unit: long[1:], Event: long[1:], Key: long[1:]}, ""},
		"without an event":      {UnitOutcome{Unit: "u"}, "outcomes[1].event"},
		"of nobody":             {UnitOutcome{Event: "e"}, "outcomes[1].token"},
		"of two":                {UnitOutcome{Event: "e", Token: "t", Unit: "secret"}, "outcomes[1].unit"},
		"not a number":          {UnitOutcome{Unit: "secret", Event: "e", Value: math.NaN()}, "outcomes[1].value"},
		"infinite":              {UnitOutcome{Unit: "secret", Event: "e", Value: math.Inf(-1)}, "outcomes[1].value"},
		"too large":             {UnitOutcome{Unit: "secret", Event: "e", Value: -1.1 * MaxOutcomeValue}, "outcomes[1].value"},
		"with a long event":     {UnitOutcome{Unit: "secret", Event: long}, "outcomes[1].event"},
		"with a long key":       {UnitOutcome{Unit: "secret", Event: "e", Key: long}, "outcomes[1].key"},
		"of a unit that's long": {UnitOutcome{Unit: long, Event: "e"}, "outcomes[1].unit"},
	} {
		t.Run(name, func(t *testing.T) {
			err := CheckOutcomes([]UnitOutcome{{Unit: "u", Event: "e"}, c.o})
			if PathOf(err) != c.path || (err == nil) != (c.path == "") {
				t.Fatalf("got %v at %q, want %q", err, PathOf(err), c.path)
			}
			if err != nil && (CodeOf(err) != CodeInvalid || HintOf(err) == "" || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), long)) {
				t.Errorf("%s: %v (%s)", CodeOf(err), err, HintOf(err))
			}
		})
	}
	if err := CheckOutcomes(make([]UnitOutcome, MaxOutcomes+1)); PathOf(err) != "outcomes" {
		t.Errorf("too many: %v", err)
	}
	if err := CheckOutcomes(nil); err != nil {
		t.Errorf("none: %v", err)
	}
}

func TestSnapshotsAreChecked(t *testing.T) {
	s := exampleState()
	good := RouteOf(examplePlan(), &s)
	if len(good.Measures) != 1 || good.Measures[0] != (Measure{Metric: "p99", Limit: 250 * time.Millisecond}) || good.Experiment != "search/ranker" {
		t.Errorf("route %+v", good)
	}
	for name, c := range map[string]struct {
		spoil func(r *Route)
		want  string
	}{
		"good":                 {func(*Route) {}, ""},
		"no version":           {func(r *Route) { r.Versions = nil }, `snapshot 7, route "search/ranker": 0 versions`},
		"too many versions":    {func(r *Route) { r.Versions = make([]Version, 9) }, "9 versions"},
		"no backend":           {func(r *Route) { r.Versions = []Version{{Name: "v1"}} }, "version v1: backend"},
		"another scheme":       {func(r *Route) { r.Versions = []Version{{Name: "v1", Backend: "ftp://a"}} }, "not an http URL"},
		"a broken URL":         {func(r *Route) { r.Versions = []Version{{Name: "v1", Backend: "http://a\x00"}} }, "not an http URL"},
		"no window":            {func(r *Route) { r.Window = 0 }, "window is 0s"},
		"slots of nobody":      {func(r *Route) { r.Slots = Slots{{Version: 5, Slots: Whole}} }, "names version 5"},
		"slots without an end": {func(r *Route) { r.Slots = Slots{{0, math.MaxInt}, {1, math.MaxInt}, {0, 10_002}} }, "slot run 0"},
	} {
		t.Run(name, func(t *testing.T) {
			r := good
			c.spoil(&r)
			snapshot := Snapshot{Sequence: 7, Routes: []Route{good, r}}
			wantError(t, snapshot.Check(), c.want)
		})
	}
	empty := Snapshot{Sequence: 8}
	wantError(t, empty.Check(), "snapshot 8 has no route")
}

// TestHarmAlphaIsDividedAmongAllTests: also where the baseline is all there is
// to observe.
func TestHarmAlphaIsDividedAmongAllTests(t *testing.T) {
	for name, c := range map[string]struct {
		versions, objectives, guardrails int
		reward                           bool
		want                             float64
	}{
		"nothing to test":                {2, 0, 0, false, .06},
		"one of each":                    {2, 1, 1, true, .02},
		"two candidates":                 {3, 1, 1, true, .01},
		"three objectives of a baseline": {1, 3, 0, false, .02},
	} {
		t.Run(name, func(t *testing.T) {
			p := &Plan{Versions: make([]Version, c.versions), Objectives: make([]Objective, c.objectives), Guardrails: make([]Guardrail, c.guardrails), Analysis: Analysis{HarmAlpha: .06, Alpha: .06}}
			if c.reward {
				p.Reward = &Reward{}
			}
			if got := p.TestAlpha(); math.Abs(got-c.want) > 1e-15 {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if got, want := p.CandidateAlpha(), .06/float64(max(1, c.versions-1)); got != want {
				t.Errorf("candidates get %v, want %v", got, want)
			}
		})
	}
}

func TestPhaseWeightsSumToOneAtMost(t *testing.T) {
	sum := 0.0
	for i := range 100_000 {
		w := PhaseWeight(i)
		if w <= 0 || i > 0 && w >= PhaseWeight(i-1) {
			t.Fatalf("weight %d is %v", i, w)
		}
		if sum += w; sum > 1 {
			t.Fatalf("%d weights sum to %v", i+1, sum)
		}
	}
	if sum < .9999 {
		t.Errorf("weights sum to %v: some of the error is never spent", sum)
	}
}

func TestPlans(t *testing.T) {
	p := examplePlan()
	if p.ID() != "search/ranker" || p.OutcomeWindow() != time.Hour || p.PlannedUnits() != 100 || p.PlannedRequests() != 500 {
		t.Errorf("%s, %s, %v, %v", p.ID(), p.OutcomeWindow(), p.PlannedUnits(), p.PlannedRequests())
	}
	if m := p.Metric("p99"); m.Cell() != "p99" || m.ByUnit() || p.Metric("none") != nil || !p.Metric("refund").ByUnit() {
		t.Errorf("metrics")
	}
	if m := (&Metric{Name: "e", Builtin: &BuiltinMetric{Kind: ErrorRate}}); m.Cell() != CellRequests {
		t.Errorf("errors are in %s", m.Cell())
	}
	p.Namespace, p.Stages = "", nil
	if p.ID() != "ranker" || p.PlannedUnits() != defaultPlannedUnits {
		t.Errorf("%s, %v", p.ID(), p.PlannedUnits())
	}
	for m, want := range map[Margin]float64{{Absolute: .1}: .1, {Relative: .1}: .02, {}: 0} {
		if got := m.Of(-.2); math.Abs(got-want) > 1e-15 {
			t.Errorf("%+v of -0.2 is %v, want %v", m, got, want)
		}
	}
	if Increase.Sign() != 1 || Decrease.Sign() != -1 {
		t.Error("signs")
	}
}
