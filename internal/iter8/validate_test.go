// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	api "github.com/headgate-dev/headgate/api/iter8"
)

// rewarded is an A/B experiment with weights, and its one metric.
func rewarded() (*api.Experiment, []api.Metric) {
	e := two(map[string]string{"ns": "a"}, map[string]string{"ns": "b"})
	e.Spec.Strategy = api.Strategy{TestingPattern: api.AB}
	for i, v := range []*api.VersionDetail{&e.Spec.VersionInfo.Baseline, &e.Spec.VersionInfo.Candidates[0]} {
		v.WeightObjRef = &corev1.ObjectReference{APIVersion: "serving.knative.dev/v1", Kind: "Service", Name: "app", FieldPath: ".spec.traffic[" + string('0'+rune(i)) + "].percent"}
	}
	e.Spec.Criteria = &api.Criteria{Rewards: []api.Reward{{Metric: "reward", PreferredDirection: api.High}}}
	url, jq, query := "http://metrics.example.org/ask", ".value", "q('$name')[${elapsedTime}s]"
	m := api.Metric{Spec: api.MetricSpec{URLTemplate: &url, JQExpression: &jq, Params: []api.NamedValue{{Name: "query", Value: query}}}}
	m.Name, m.Namespace = "reward", "default"
	return e, []api.Metric{m}
}

func TestInvalidExperimentsAreToldInIter8sWords(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(e *api.Experiment)
		want   string
	}{
		"no versions":        {func(e *api.Experiment) { e.Spec.VersionInfo = nil }, "No versionInfo in experiment"},
		"A/B of one":         {func(e *api.Experiment) { e.Spec.VersionInfo.Candidates = nil }, "Invalid number of candidates for A/B experiment"},
		"conformance of two": {func(e *api.Experiment) { e.Spec.Strategy.TestingPattern = api.Conformance }, "Invalid number of candidates for Conformance experiment"},
		"A/B/n of one": {func(e *api.Experiment) {
			e.Spec.Strategy.TestingPattern, e.Spec.VersionInfo.Candidates = api.ABNAlias, nil
		}, "Invalid number of candidates for A/B/N experiment"},
		"names twice":              {func(e *api.Experiment) { e.Spec.VersionInfo.Candidates[0].Name = "v1" }, "Version names are not unique"},
		"no reward":                {func(e *api.Experiment) { e.Spec.Criteria = nil }, "Invalid number of rewards for A/B experiment"},
		"a canary with a reward":   {func(e *api.Experiment) { e.Spec.Strategy.TestingPattern = api.Canary }, "Invalid number of rewards for Canary experiment"},
		"a path without its point": {func(e *api.Experiment) { e.Spec.VersionInfo.Baseline.WeightObjRef.FieldPath = "spec.x" }, "Fieldpaths must start with '.'"},
		"no path":                  {func(e *api.Experiment) { e.Spec.VersionInfo.Baseline.WeightObjRef.FieldPath = "" }, "Specification of version weightObjectRef invalid: apiVersion, kind, name and fieldPath of v1 are required"},
		"neither task nor run":     {func(e *api.Experiment) { e.Spec.Strategy.Actions = map[string]api.Action{"finish": {{}}} }, "Experiment failed"},
		"both task and run": {func(e *api.Experiment) {
			e.Spec.Strategy.Actions = map[string]api.Action{"loop": {{Task: "a", Run: "b"}}}
		}, "Experiment failed"},
		"a pattern that is none":    {func(e *api.Experiment) { e.Spec.Strategy.TestingPattern = "AB" }, "spec.strategy.testingPattern"},
		"a deployment that is none": {func(e *api.Experiment) { e.Spec.Strategy.DeploymentPattern = "Fast" }, "spec.strategy.deploymentPattern"},
		"no target":                 {func(e *api.Experiment) { e.Spec.Target = "" }, "spec.target"},
		"a direction that is none":  {func(e *api.Experiment) { e.Spec.Criteria.Rewards[0].PreferredDirection = "Up" }, "preferredDirection"},
		"an interval of nothing":    {func(e *api.Experiment) { e.Spec.Duration = &api.Duration{IntervalSeconds: new(int32)} }, "spec.duration"},
		"two versions without weight": {func(e *api.Experiment) {
			e.Spec.VersionInfo.Baseline.WeightObjRef, e.Spec.VersionInfo.Candidates[0].WeightObjRef = nil, nil
		}, "Specification of version weightObjectRef invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			e, metrics := rewarded()
			tc.change(e)
			_, err := Native(e, metrics)
			p, ok := errors.AsType[*Problem](err)
			if !ok || p.Reason != InvalidExperiment || !strings.Contains(p.Message, tc.want) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}

func TestWhatIter8TookIsTaken(t *testing.T) {
	for name, change := range map[string]func(e *api.Experiment, m *api.Metric){
		"as it is":             func(*api.Experiment, *api.Metric) {},
		"A/B/n with one":       func(e *api.Experiment, _ *api.Metric) { e.Spec.Strategy.TestingPattern = api.ABNAlias },
		"one without a weight": func(e *api.Experiment, _ *api.Metric) { e.Spec.VersionInfo.Baseline.WeightObjRef = nil },
		"increment and cap of 0": func(e *api.Experiment, _ *api.Metric) {
			e.Spec.Strategy.Weights = &api.Weights{MaxCandidateWeight: new(int32), MaxCandidateWeightIncrement: new(int32)}
		},
		"a fixed split without weights": func(e *api.Experiment, _ *api.Metric) {
			e.Spec.Strategy.DeploymentPattern = api.FixedSplit
			e.Spec.VersionInfo.Baseline.WeightObjRef, e.Spec.VersionInfo.Candidates[0].WeightObjRef = nil, nil
		},
		"blue and green": func(e *api.Experiment, _ *api.Metric) { e.Spec.Strategy.DeploymentPattern = api.BlueGreen },
		"limits of all kinds": func(e *api.Experiment, _ *api.Metric) {
			low, high := resource.MustParse("10m"), resource.MustParse("1e3")
			e.Spec.Criteria.Objectives = []api.Objective{{Metric: "reward"}, {Metric: "default/reward", UpperLimit: &high, LowerLimit: &low}, {Metric: "reward", LowerLimit: &low}}
		},
		"a mock": func(_ *api.Experiment, m *api.Metric) {
			m.Spec = api.MetricSpec{Type: api.Counter, Mock: []api.NamedLevel{{Name: "v2", Level: resource.MustParse("15.0")}, {Name: "other"}}}
		},
		"a pattern in an odd name":  func(e *api.Experiment, _ *api.Metric) { e.Spec.VersionInfo.Candidates[0].Name = "App V2 (new)" },
		"the same question for all": func(_ *api.Experiment, m *api.Metric) { m.Spec.Params = nil },
		"strength of another kind": func(e *api.Experiment, _ *api.Metric) {
			s := raw(`{"confidence": "high"}`)
			e.Spec.Criteria.Strength = &s
		},
		"strength that is a text": func(e *api.Experiment, _ *api.Metric) {
			s := raw(`"strong"`)
			e.Spec.Criteria.Strength = &s
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, metrics := rewarded()
			change(e, &metrics[0])
			native, err := Native(e, metrics)
			if err != nil {
				t.Fatal(err)
			}
			if p := planned(t, native); !p.Strict {
				t.Error("it is not strict")
			}
		})
	}
}

func TestBlueGreenRollsBackUnlessToldOtherwise(t *testing.T) {
	e, metrics := rewarded()
	no := false
	e.Spec.Criteria.Objectives = []api.Objective{{Metric: "reward"}, {Metric: "reward", RollbackOnFailure: &no}}
	for deployment, want := range map[api.DeploymentPattern]bool{api.BlueGreen: true, api.Progressive: false, "": false} {
		e.Spec.Strategy.DeploymentPattern = deployment
		native, err := Native(e, metrics)
		if err != nil {
			t.Fatal(err)
		}
		if got := native.Spec.Objectives; got[0].Rollback != want || got[1].Rollback {
			t.Errorf("%q: %+v", deployment, got)
		}
		if shift := native.Spec.Stages[0].Iterate.Shift; (shift == shiftSwitch) != want {
			t.Errorf("%q shifts by %s", deployment, shift)
		}
	}
}
