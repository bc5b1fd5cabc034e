// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// exposedBy is a gateway that remembers its exposures, and their groups.
type exposedBy struct {
	*Gateway
	exposures []experiment.Exposure
	groups    []uint64
	now       time.Time
}

func evaluating(t *testing.T, r experiment.Route) *exposedBy {
	t.Helper()
	x := &exposedBy{now: epochStart.Add(25 * time.Second)}
	x.Gateway = testGateway(t, Options{
		Now: func() time.Time { return x.now },
		Expose: func(e experiment.Exposure, groups uint64) bool {
			x.exposures, x.groups = append(x.exposures, e), append(x.groups, groups)
			return true
		},
	})
	swap(t, x.Gateway, r)
	return x
}

func segmented(r experiment.Route) experiment.Route {
	r.Segments = []experiment.Segment{
		{Name: "tier", Header: "x-tier", Values: []string{"free", "premium"}},
		{Name: "age", JSONPath: "$.age", Bins: []float64{18}},
	}
	return r
}

// TestEvaluationIsWhatTrafficGets asks for units and sends their requests: the
// version, the exposure and the groups must be the same.
func TestEvaluationIsWhatTrafficGets(t *testing.T) {
	r := segmented(picked("http://127.0.0.1:1", "http://127.0.0.1:2"))
	r.PhaseStart = epochStart
	r.Slots = experiment.SlotsOf(experiment.Shares{6000, 4000})
	for _, slice := range r.Segments[0].Slices() {
		shares := map[string]experiment.Shares{"tier=free": {1000, 9000}, "tier=premium": {10000, 0}, "tier=other": {5000, 5000}}[slice]
		r.Tables = append(r.Tables, experiment.GroupTable{Slice: slice, Slots: experiment.SlotsOf(shares)})
	}
	r.Where = experiment.Where{{Segment: "age", Not: []string{"other"}}}
	x := evaluating(t, r)
	whys := map[experiment.Why]int{}
	for i := range 400 {
		unit, tier, age := "user-"+strconv.Itoa(i), []string{"free", "premium", "gold"}[i%3], []string{"17", "40", "old"}[i/3%3]
		api, synthetic := []string{"", "", "", "blue"}[i%4], []string{"", "", "", "", "1"}[i%5]
		x.exposures, x.groups = nil, nil
		got, err := x.Evaluate(&experiment.Asked{Unit: unit, Values: map[string]string{"tier": tier, "age": age, "x-api-version": api, "x-synthetic": synthetic}})
		if err != nil {
			t.Fatal(err)
		}
		asked, askedGroups := x.exposures, x.groups
		x.exposures, x.groups = nil, nil
		var k call
		if refused := x.admit(&k, requestWith(t, `{"age":"`+age+`"}`, "X-User-Id", unit, "X-Tier", tier, "X-Api-Version", api, "X-Synthetic", synthetic)); refused != nil {
			t.Fatal(refused.message)
		}
		if want := k.route.versions[k.version].name; got.Version != want {
			t.Fatalf("unit %s is told %s, its requests get %s", unit, got.Version, want)
		}
		if diff := cmp.Diff(fmt.Sprint(x.exposures, x.groups), fmt.Sprint(asked, askedGroups)); diff != "" {
			t.Fatalf("unit %s is exposed otherwise (-traffic +asked):\n%s", unit, diff)
		}
		if token := x.token(&k); token != got.Token {
			t.Fatalf("unit %s has token %q, its requests %q", unit, got.Token, token)
		}
		if counted := len(asked) == 1; counted == (got.Why == experiment.WhyTargeted) || counted != (got.Slot >= 0) {
			t.Fatalf("unit %s: %+v and %d exposures", unit, got, len(asked))
		}
		whys[got.Why]++
		x.finish(&k, ending{status: 200})
	}
	if len(whys) != 3 {
		t.Errorf("only %v came up: nothing was tested", whys)
	}
}

func TestEvaluationOfRequestsIsEachTimeAnother(t *testing.T) {
	r := routeTo(experiment.Shares{5000, 5000}, "http://127.0.0.1:1", "http://127.0.0.1:2")
	r.Assignment.Unit = experiment.Unit{Request: true}
	x := evaluating(t, r)
	units := map[uint64]bool{}
	for range 20 {
		if _, err := x.Evaluate(&experiment.Asked{Unit: "anna"}); err != nil {
			t.Fatal(err)
		}
		units[x.exposures[len(x.exposures)-1].Unit] = true
	}
	if len(units) != 20 {
		t.Errorf("%d units in 20 evaluations", len(units))
	}
}

func TestEvaluationRefuses(t *testing.T) {
	x := evaluating(t, routeTo(experiment.Baseline(1), "http://127.0.0.1:1"))
	for name, unit := range map[string]string{"nothing": "", "control characters": "a\x00", "a long one": strings.Repeat("u", 257)} {
		if e, err := x.Evaluate(&experiment.Asked{Unit: unit}); experiment.CodeOf(err) != experiment.CodeInvalid || e.Token != "" || len(x.exposures) != 0 {
			t.Errorf("%s as unit: %+v, %v", name, e, err)
		}
	}
	empty := testGateway(t, Options{})
	if _, err := empty.Evaluate(&experiment.Asked{Unit: "anna"}); experiment.CodeOf(err) != experiment.CodeUnavailable {
		t.Errorf("before the first snapshot: %v", err)
	}
	if _, _, err := empty.Told(&experiment.ClientExposure{Unit: "anna", Version: "v1"}); experiment.CodeOf(err) != experiment.CodeUnavailable {
		t.Errorf("before the first snapshot: %v", err)
	}
}

func TestKilledUnitsAreToldTheBaseline(t *testing.T) {
	r := picked("http://127.0.0.1:1", "http://127.0.0.1:2").Killed(epochStart)
	x := evaluating(t, r)
	e, err := x.Evaluate(&experiment.Asked{Unit: "anna", Values: map[string]string{"x-api-version": "blue"}})
	if err != nil || e.Version != "v1" || e.Why != experiment.WhyOnly {
		t.Errorf("%+v, %v; want v1 alone", e, err)
	}
}

func TestToldExposures(t *testing.T) {
	r := segmented(routeTo(experiment.Shares{3000, 7000, 0}, "http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3"))
	r.Assignment.Cohort = "x-model"
	x := evaluating(t, r)
	base := experiment.ClientExposure{Unit: "anna", Version: "v2", Segments: map[string]string{"tier": "premium", "age": "40"}}
	want := experiment.Exposure{
		Experiment: "shop/ranker", Epoch: 1, Phase: 1, Window: 2, Version: 1, Propensity: 7000,
		Unit: x.options.Key.HashUnit("anna"), At: x.now,
	}
	for name, tc := range map[string]struct {
		change func(c *experiment.ClientExposure)
		path   string // of what is refused
		says   string
		want   func(e *experiment.Exposure)
		groups uint64
	}{
		"a candidate now":         {change: func(*experiment.ClientExposure) {}, groups: 1 | 1<<8},
		"without segments":        {change: func(c *experiment.ClientExposure) { c.Segments = nil }, groups: 2 | 2<<8},
		"the baseline":            {change: func(c *experiment.ClientExposure) { c.Version = "v1" }, want: func(e *experiment.Exposure) { e.Version, e.Propensity = 0, 3000 }, groups: 1 | 1<<8},
		"at the phase's start":    {change: func(c *experiment.ClientExposure) { c.At = epochStart }, want: func(e *experiment.Exposure) { e.At, e.Window = epochStart, 0 }, groups: 1 | 1<<8},
		"a little ahead":          {change: func(c *experiment.ClientExposure) { c.At = x.now.Add(ahead) }, want: func(e *experiment.Exposure) { e.At, e.Window = x.now.Add(ahead), 32 }, groups: 1 | 1<<8},
		"before the phase":        {change: func(c *experiment.ClientExposure) { c.At = epochStart.Add(-time.Millisecond) }, path: "at", says: "before the present phase"},
		"far ahead":               {change: func(c *experiment.ClientExposure) { c.At = x.now.Add(ahead + 1) }, path: "at", says: "in the future"},
		"no unit":                 {change: func(c *experiment.ClientExposure) { c.Unit = "" }, path: "unit", says: "cannot be a unit"},
		"a unit of control":       {change: func(c *experiment.ClientExposure) { c.Unit = "a\n" }, path: "unit", says: "cannot be a unit"},
		"no version":              {change: func(c *experiment.ClientExposure) { c.Version = "" }, path: "version", says: "no such version"},
		"an unknown version":      {change: func(c *experiment.ClientExposure) { c.Version = "v9" }, path: "version", says: `"v9"`},
		"a version without share": {change: func(c *experiment.ClientExposure) { c.Version = "v3" }, path: "version", says: "no share"},
		"an unknown segment":      {change: func(c *experiment.ClientExposure) { c.Segments = map[string]string{"teir": "free"} }, path: "segments", says: "no such segment"},
	} {
		t.Run(name, func(t *testing.T) {
			told, e := base, want
			tc.change(&told)
			if tc.want != nil {
				tc.want(&e)
			}
			got, groups, err := x.Told(&told)
			if tc.path != "" {
				if experiment.CodeOf(err) != experiment.CodeInvalid || experiment.PathOf(err) != tc.path || !strings.Contains(err.Error(), tc.says) || experiment.HintOf(err) == "" {
					t.Errorf("Told = %v at %q, want %q at %q", err, experiment.PathOf(err), tc.says, tc.path)
				}
				return
			}
			if diff := cmp.Diff(e, got); err != nil || diff != "" || groups != tc.groups {
				t.Errorf("Told = %v, groups %x, want %x (-want +got):\n%s", err, groups, tc.groups, diff)
			}
		})
	}
	if len(x.exposures) != 0 {
		t.Error("storing is the caller's")
	}
	r.Assignment.Cohort, r.Phase = "", 2
	swap(t, x.Gateway, r)
	if _, _, err := x.Told(&base); experiment.CodeOf(err) != experiment.CodeConflict {
		t.Errorf("where Headgate assigns: %v, want CodeConflict", err)
	}
}
