// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/simulate"
	"github.com/headgate-dev/headgate/internal/translate"
	"github.com/headgate-dev/headgate/internal/view"
)

var update = flag.Bool("update", false, "rewrite golden files")

const twoVersions = `
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: ranker, namespace: search}
spec:
  versions: [{name: v1, backend: "http://a:1"}, {name: v2, backend: "http://b:1"}]
  traffic: {gateway: {}}
  assignment: {unit: {header: x-user-id}}
  metrics:
  - {name: click, from: {outcomes: {event: click, window: 10s}}}
  - {name: errors, from: {builtin: error-rate}}
  - {name: p99, from: {builtin: latency, quantile: 0.99}}
  reward: {metric: click, minimumEffect: {absolute: 10%}}
  objectives: [{metric: errors, max: 3%}, {metric: p99, max: 250ms}]
  stages:
  - {name: canary, ramp: {steps: [5%, 20%]}, hold: {requests: 200, windows: 3}}
  - {name: ab, split: {v1: 50%, v2: 50%}, until: {decided: true, units: 3000, atMost: 10m}}
  evidence: {window: 5s, lag: 1s, stale: 1m}
`

const oneVersion = `
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: conformance}
spec:
  versions: [{name: v1, backend: "http://a:1"}]
  traffic: {gateway: {}}
  assignment: {unit: {request: true}}
  metrics:
  - {name: errors, from: {builtin: error-rate}}
  - {name: p99, from: {builtin: latency, quantile: 0.99}}
  objectives: [{metric: errors, max: 3%}, {metric: p99, max: 250ms}]
  stages: [{name: watch, observe: {for: 2m}}]
  evidence: {window: 5s, lag: 1s, stale: 1m}
`

func planOf(t testing.TB, yaml string) *experiment.Plan {
	t.Helper()
	p, err := translate.Plan([]byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// truth is what versions are really like: their rates of errors and of slow
// answers, and how often a unit clicks.
type truth struct{ failed, slow, click []float64 }

var (
	same   = truth{[]float64{0.005, 0.005}, []float64{0.001, 0.001}, []float64{0.3, 0.3}}
	better = truth{same.failed, same.slow, []float64{0.3, 0.6}}
	worse  = truth{same.failed, same.slow, []float64{0.6, 0.2}}
	broken = truth{[]float64{0.005, 0.3}, same.slow, same.click}
)

func (w truth) world() *simulate.World {
	return &simulate.World{Units: 4000, Rate: 40, Answer: func(rng *rand.Rand, version, unit int, a *simulate.Answer) {
		a.Failed = rng.Float64() < w.failed[version]
		a.Latency = 20 * time.Millisecond
		if rng.Float64() < w.slow[version] {
			a.Latency = time.Second
		}
		if rng.Float64() < w.click[version] {
			a.Outcomes = append(a.Outcomes, simulate.Outcome{Event: "click", Value: 1, After: time.Second})
		}
	}}
}

// journal plays a plan in the simulator.
func journal(t testing.TB, p *experiment.Plan, w truth, seed uint64) []experiment.Entry {
	t.Helper()
	r, err := simulate.Run(p, w.world(), seed, true)
	if err != nil {
		t.Fatal(err)
	}
	return r.Entries
}

func inputOf(p *experiment.Plan, e *experiment.Entry) view.Input {
	return view.Input{
		Plan: p, Record: &experiment.Record{State: e.State, Totals: e.Totals, Monitors: e.Monitors, Entries: e.Seq},
		Judgement: &e.Facts.Judgement, Latest: e.Decision, Now: e.Now,
	}
}

// find gives the last entry that is wanted.
func find(t testing.TB, entries []experiment.Entry, want func(*experiment.Entry) bool) *experiment.Entry {
	t.Helper()
	for i := range entries {
		if e := &entries[len(entries)-1-i]; want(e) {
			return e
		}
	}
	t.Fatal("the simulation never came there")
	return nil
}

// paused is what a pause makes of a record.
func paused(t testing.TB, p *experiment.Plan, e *experiment.Entry) view.Input {
	t.Helper()
	now := e.Now.Add(time.Second)
	out, err := engine.Step(p, *inputOf(p, e).Record, engine.Input{
		Now: now, Commands: []experiment.Command{{ID: "1", Verb: experiment.VerbPause, Author: "operator", Reason: "a look at the logs"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return view.Input{Plan: p, Record: &out.Record, Judgement: &out.Judgement, Latest: out.Decision, Now: now}
}

func TestViewGolden(t *testing.T) {
	two, one := planOf(t, twoVersions), planOf(t, oneVersion)
	holds := func(stage string) func(*experiment.Entry) bool {
		return func(e *experiment.Entry) bool {
			return e.Decision.Act == experiment.ActHold && e.State.Condition == experiment.Running && two.Stages[e.State.Stage].Name == stage
		}
	}
	ends := func(outcome experiment.Outcome, code experiment.ReasonCode) func(*experiment.Entry) bool {
		return func(e *experiment.Entry) bool {
			return e.State.Outcome == outcome && e.Decision.Reasons[0].Code == code
		}
	}
	for name, in := range map[string]view.Input{
		"running canary":         inputOf(two, find(t, journal(t, two, same, 1), holds("canary"))),
		"running split":          inputOf(two, find(t, journal(t, two, same, 1), holds("ab"))),
		"paused":                 paused(t, two, find(t, journal(t, two, same, 1), holds("ab"))),
		"promoted":               inputOf(two, find(t, journal(t, two, better, 2), ends(experiment.Promoted, experiment.ReasonBetter))),
		"rolled back, objective": inputOf(two, find(t, journal(t, two, broken, 3), ends(experiment.RolledBack, experiment.ReasonObjective))),
		"rolled back, reward":    inputOf(two, find(t, journal(t, two, worse, 4), ends(experiment.RolledBack, experiment.ReasonRewardWorse))),
		"no difference":          inputOf(two, find(t, journal(t, two, same, 5), ends(experiment.NoDifference, experiment.ReasonNoDifference))),
		"observing": inputOf(one, find(t, journal(t, one, same, 6), func(e *experiment.Entry) bool {
			return e.Decision.Act == experiment.ActHold
		})),
		"objectives met": inputOf(one, find(t, journal(t, one, same, 6), ends(experiment.OutcomeMet, experiment.ReasonObjectivesMet))),
	} {
		t.Run(name, func(t *testing.T) {
			e := view.Of(in)
			checkView(t, in, &e)
			got := golden(t, e)
			file := filepath.Join("testdata", strings.NewReplacer(" ", "_", ",", "").Replace(name)+".json")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s differs (-want +got):\n%s", file, diff)
			}
		})
	}
}

func TestEveryGoldenHasItsCase(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) != 9 {
		t.Errorf("%d golden files (%v), want 9", len(files), err)
	}
}

// golden writes a view with numbers of nine digits: some machines fuse multiply
// and add.
func golden(t *testing.T, e view.Experiment) []byte {
	t.Helper()
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(rounded(v)); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func rounded(v any) any {
	switch x := v.(type) {
	case json.Number:
		f, _ := x.Float64()
		return json.Number(strconv.FormatFloat(f, 'g', 9, 64))
	case []any:
		for i := range x {
			x[i] = rounded(x[i])
		}
	case map[string]any:
		for k := range x {
			x[k] = rounded(x[k])
		}
	}
	return v
}

// checkView asks what every view promises.
func checkView(t testing.TB, in view.Input, e *view.Experiment) {
	t.Helper()
	if b, err := json.Marshal(e); err != nil || bytes.Contains(b, []byte(`null`)) {
		t.Errorf("it cannot be written, or holds null: %v %s", err, b)
	}
	if s := e.Verdict.Sentence; s == "" || strings.ContainsAny(s, "{}\n") || strings.HasSuffix(strings.TrimSpace(s), ";") || strings.HasSuffix(strings.TrimSpace(s), ":") {
		t.Errorf("sentence is %q", s)
	}
	if e.Verdict.Code == "" || len(e.Verdict.Reasons) == 0 || len(e.Decisions) == 0 {
		t.Errorf("verdict without reasons: %+v, %d decisions", e.Verdict, len(e.Decisions))
	}
	for _, r := range e.Verdict.Reasons {
		if r == "" || strings.ContainsAny(r, "{}") {
			t.Errorf("reason is %q", r)
		}
	}
	if s := e.Stage; s.Name == "" || !(s.Progress >= 0 && s.Progress <= 1) || s.Number < 1 || s.Number > s.Of || s.Step < 1 || s.Step > s.Steps || s.Elapsed < 0 {
		t.Errorf("stage is %+v", s)
	}
	if len(e.Versions) != len(in.Plan.Versions) {
		t.Errorf("%d versions, the plan has %d", len(e.Versions), len(in.Plan.Versions))
	}
	share, seen := 0.0, 0.0
	for i, v := range e.Versions {
		if v.Name != in.Plan.Versions[i].Name || (v.Role == "baseline") != (i == 0) || v.Units < 0 || v.Requests < 0 {
			t.Errorf("version %d is %+v", i, v)
		}
		share += v.Share
		if v.Seen != nil {
			seen += *v.Seen
		}
		if r := v.Reward; r != nil && !(r.Low <= r.Value && r.Value <= r.High) {
			t.Errorf("%s: reward is %+v", v.Name, r)
		}
	}
	if math.Abs(share-1) > 1e-9 || (seen != 0 && math.Abs(seen-1) > 1e-9) {
		t.Errorf("shares sum to %v, those seen to %v", share, seen)
	}
	for _, f := range e.Findings {
		if in.Plan.Metric(f.Metric) == nil || f.Status == "" || f.Role == "" || f.Guarantee == "" || f.Version == "" {
			t.Errorf("finding is %+v", f)
		}
	}
}
