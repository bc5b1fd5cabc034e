// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestNeedsOfWhatRoutersDifferIn(t *testing.T) {
	tier := Segment{Name: "tier", Header: "x-tier", Values: []string{"free"}}
	limited := Stage{Name: "canary", Ramp: &Ramp{Steps: []Share{100}}, Where: Where{{Segment: "tier", In: []string{"free"}}}}
	request := Assignment{Unit: Unit{Request: true}}
	for name, tc := range map[string]struct {
		plan Plan
		want []Need
	}{
		"a cohort needs no sticky units": {
			Plan{Assignment: Assignment{Unit: Unit{Header: "x-user"}, Cohort: "x-model"}},
			[]Need{{CapCohort, "spec.assignment.cohort"}},
		},
		"testers, bots and refusals": {
			Plan{Assignment: Assignment{Unit: Unit{Request: true}, Overrides: make([]Override, 1), Exclude: make([]Exclusion, 1), RejectMissing: true}},
			[]Need{{CapOverrides, "spec.assignment.overrides"}, {CapExclude, "spec.assignment.exclude"}, {CapRefuse, "spec.assignment.missing"}},
		},
		"a header's values only limit a stage": {
			Plan{Assignment: request, Segments: []Segment{tier}, Stages: []Stage{limited}},
			[]Need{{CapWhere, "spec.stages[canary].where"}},
		},
		"slices tell requests apart": {
			Plan{Assignment: request, Segments: []Segment{tier}, Stages: []Stage{limited}, Guardrails: []Guardrail{{Slices: []string{"tier"}}}},
			[]Need{{CapSegments, "spec.segments"}, {CapWhere, "spec.stages[canary].where"}},
		},
		"so does a bandit by group": {
			Plan{Assignment: request, Segments: []Segment{tier}, Stages: []Stage{limited, {Name: "b", Bandit: &Bandit{Per: "tier"}}}},
			[]Need{{CapSegments, "spec.segments"}, {CapWhere, "spec.stages[canary].where"}},
		},
		"and numbers in a header": {
			Plan{Assignment: request, Segments: []Segment{{Name: "tier", Header: "x-tier", Bins: []float64{1}}}, Stages: []Stage{limited}},
			[]Need{{CapSegments, "spec.segments"}, {CapWhere, "spec.stages[canary].where"}},
		},
		"shares finer than a percent": {
			Plan{Assignment: request, Promote: Promotion{KeepWarm: &KeepWarm{Holdback: 50}}, Stages: []Stage{
				{Name: "r", Ramp: &Ramp{Steps: []Share{100, 150}}}, {Name: "s", Split: &Split{Shares: Shares{9950, 50}}}, {Name: "t", Split: &Split{Shares: Shares{9900, 100}}},
			}},
			[]Need{{CapFineShares, "spec.stages[r].ramp.steps"}, {CapFineShares, "spec.stages[s].split"}, {CapFineShares, "spec.promote.keepWarm.holdback"}},
		},
		"copies, their limits and their comparison": {
			Plan{Assignment: request, Metrics: []Metric{{Name: "overlap", Pairs: &PairsMetric{}}}, Stages: []Stage{{Name: "m", Mirror: &Mirror{Timeout: time.Second}}}},
			[]Need{{CapCopies, "spec.stages[m].mirror"}, {CapMirrorLimits, "spec.stages[m].mirror"}, {CapMirror, "spec.metrics[overlap].from.pairs"}},
		},
		"what is read of answers and changed in requests": {
			Plan{
				Assignment: request, Metrics: []Metric{{Name: "size", Output: &OutputMetric{}}, {Name: "own", Response: &ResponseMetric{}}},
				Versions: []Version{{Name: "v1"}, {Name: "v2", Model: "m", Path: &PathRewrite{}, Cost: Cost{PerToken: 1}}},
			},
			[]Need{
				{CapAnswers, "spec.metrics[size].from.output"},
				{CapAnswers, "spec.metrics[own].from.response"},
				{CapRewrite, "spec.versions[v2].model"},
				{CapRewrite, "spec.versions[v2].path"},
				{CapAnswers, "spec.versions[v2].cost.perToken"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := tc.plan.Needs()
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Error(d)
			}
			var can []Capability
			for _, n := range tc.want {
				if !slices.Contains(can, n.Capability) {
					can = append(can, n.Capability)
				}
			}
			if err := tc.plan.Fits("router", can); err != nil {
				t.Error(err)
			}
			if tc.plan.Fits("router", can[1:]) == nil {
				t.Errorf("fits without %s", can[0])
			}
		})
	}
}
