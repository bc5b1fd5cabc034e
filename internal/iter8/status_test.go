// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	api "github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// noon is when the tests' experiments begin.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// begun is an A/B experiment with an objective and all of its actions, its plan,
// and a record that a test fills in.
func begun(t *testing.T, actions ...string) (*api.Experiment, *experiment.Plan, *experiment.Record) {
	t.Helper()
	e, metrics := rewarded()
	limit := resource.MustParse("50")
	e.Spec.Criteria.Objectives = []api.Objective{{Metric: "default/latency", UpperLimit: &limit}}
	e.Spec.Duration = &api.Duration{IterationsPerLoop: ptr(int32(5)), MaxLoops: ptr(int32(2))}
	latency := *metrics[0].DeepCopy()
	latency.Name, latency.Spec.SampleSize, latency.Spec.Units = "latency", ptr("count"), ptr("milliseconds")
	count := *metrics[0].DeepCopy()
	count.Name = "count"
	e.Spec.Strategy.Actions = map[string]api.Action{}
	for _, key := range actions {
		e.Spec.Strategy.Actions[key] = api.Action{{Run: "echo " + key}}
	}
	infos, err := Gather(e, (&File{Metrics: append(metrics, latency, count)}).Get)
	if err != nil {
		t.Fatal(err)
	}
	e.Status = Begin(e, noon)
	e.Status = Acquired(e, noon)
	e.Status.Metrics = infos
	native, err := Native(e, MetricsOf(infos))
	if err != nil {
		t.Fatal(err)
	}
	rec := &experiment.Record{State: experiment.State{
		Plan: "p", Condition: experiment.Running, Started: noon, Slots: shared(90, 10),
	}}
	return e, planned(t, native), rec
}

// shared is a table that gives versions some percents.
func shared(percents ...int) experiment.Slots {
	shares := make(experiment.Shares, len(percents))
	for i, p := range percents {
		shares[i] = experiment.Share(p) * experiment.Whole / 100
	}
	return experiment.SlotsOf(shares)
}

// after is an experiment of n iterations that the candidate has won.
func after(n int) *experiment.Iteration {
	out := &experiment.Iteration{Done: n, First: noon.Add(time.Second), Found: true, Winner: 1, Best: []int{1}, Satisfied: [][]bool{{true}, {true}}}
	out.Last = out.First.Add(time.Duration(n-1) * 20 * time.Second)
	for metric, values := range map[string][2]float64{"reward": {10, 12.5}, "latency": {1.1329, 1.1751}, "count": {1213.6, 361.9}} {
		for i, v := range values {
			out.Values = append(out.Values, experiment.Reading{Metric: metric, Version: i, Value: &v})
		}
	}
	return out
}

func run(hook experiment.Hook) experiment.Intent {
	return experiment.Intent{Kind: experiment.IntentRun, Transition: 3, Hook: hook}
}

func TestProgressIsToldInIter8sWords(t *testing.T) {
	all := []string{"start", "loop", "finish", "rollback"}
	for name, tc := range map[string]struct {
		actions []string
		change  func(s *experiment.State, r *experiment.Record)
		stage   api.Stage
		message string
		failed  string
	}{
		"start actions": {all, func(s *experiment.State, _ *experiment.Record) {
			s.Actions = []experiment.Intent{run(experiment.OnStart)}
		}, api.StageInitializing, "HandlerLaunched: Start handler 'start' launched", ""},
		"before the first": {all, func(*experiment.State, *experiment.Record) {}, api.StageRunning, "StageAdvanced: Advanced to Running", ""},
		"an iteration":     {all, func(s *experiment.State, _ *experiment.Record) { s.Iteration = after(3) }, api.StageRunning, "IterationUpdate: Completed Iteration 3", ""},
		"a loop":           {nil, func(s *experiment.State, _ *experiment.Record) { s.Iteration = after(5) }, api.StageRunning, "IterationUpdate: Completed Loop 1", ""},
		"a loop's actions": {all, func(s *experiment.State, _ *experiment.Record) {
			s.Iteration, s.Actions = after(5), []experiment.Intent{run(experiment.OnStep)}
		}, api.StageRunning, "HandlerLaunched: Loop handler 'loop' launched", ""},
		"a provider that fails": {nil, func(s *experiment.State, r *experiment.Record) {
			s.Iteration, r.Hold = after(3), string(experiment.ReasonNotRead)
		}, api.StageRunning, "OnHold: A metric cannot be read, and nothing is moved until it can", ""},
		"paused": {nil, func(s *experiment.State, _ *experiment.Record) {
			s.Iteration, s.Condition = after(3), experiment.Paused
		}, api.StageRunning, "OnHold: Paused by a person", ""},
		"killed": {nil, func(s *experiment.State, _ *experiment.Record) {
			s.Iteration, s.Condition = after(3), experiment.Killed
		}, api.StageRunning, "Killed: All traffic is on v1 until a person lifts the kill", ""},
		"finish actions": {all, func(s *experiment.State, _ *experiment.Record) {
			s.Iteration, s.Condition, s.Outcome, s.Actions = after(10), experiment.Done, experiment.Promoted, []experiment.Intent{run(experiment.OnFinish)}
		}, api.StageFinishing, "HandlerLaunched: Finish handler 'finish' launched", ""},
		"the end after actions": {all, func(s *experiment.State, _ *experiment.Record) {
			s.Iteration, s.Condition, s.Outcome = after(10), experiment.Done, experiment.Promoted
		}, api.StageCompleted, "ExperimentCompleted: Experiment Completed", ""},
		"the end without": {nil, func(s *experiment.State, _ *experiment.Record) {
			s.Iteration, s.Condition, s.Outcome = after(10), experiment.Done, experiment.Promoted
		}, api.StageCompleted, "ExperimentCompleted: Experiment completed successfully", ""},
		"rollback by finish": {[]string{"finish"}, func(s *experiment.State, _ *experiment.Record) {
			s.Iteration, s.Condition, s.Outcome, s.Actions = after(4), experiment.Done, experiment.RolledBack, []experiment.Intent{run(experiment.OnFinish)}
		}, api.StageFinishing, "HandlerLaunched: Rollback handler 'finish' launched", ""},
		"rollback": {all, func(s *experiment.State, _ *experiment.Record) {
			s.Iteration, s.Condition, s.Outcome, s.Actions = after(4), experiment.Done, experiment.RolledBack, []experiment.Intent{run(experiment.OnRollback)}
		}, api.StageFinishing, "HandlerLaunched: Rollback handler 'rollback' launched", ""},
		"rolled back": {nil, func(s *experiment.State, _ *experiment.Record) {
			s.Iteration, s.Condition, s.Outcome = after(4), experiment.Done, experiment.RolledBack
		}, api.StageCompleted, "ExperimentCompleted: Experiment rolled back", ""},
		"actions that failed": {all, func(s *experiment.State, _ *experiment.Record) {
			s.Iteration, s.Condition, s.Outcome = after(5), experiment.Done, experiment.Inconclusive
			s.Iteration.Failed = "it failed"
			s.Failed = []experiment.ActionFailure{{Intent: run(experiment.OnFinish), Ignored: true}, {Intent: run(experiment.OnStep), Why: "no"}}
		}, api.StageCompleted, "ExperimentCompleted: Loop actions failed", "HandlerFailed: Loop actions failed"},
	} {
		t.Run(name, func(t *testing.T) {
			e, p, rec := begun(t, tc.actions...)
			tc.change(&rec.State, rec)
			e.Status = Status(e, p, rec, noon.Add(time.Hour))
			s := e.Status
			if *s.Stage != tc.stage || *s.Message != tc.message {
				t.Errorf("%s, %q; want %s, %q", *s.Stage, *s.Message, tc.stage, tc.message)
			}
			if len(s.Conditions) != 3 {
				t.Fatalf("%d conditions", len(s.Conditions))
			}
			for i, kind := range []api.ConditionType{api.Completed, api.Failed, api.TargetAcquired} {
				if s.Conditions[i].Type != kind {
					t.Errorf("condition %d is %s", i, s.Conditions[i].Type)
				}
			}
			if got := s.Conditions[0].Status == corev1.ConditionTrue; got != (tc.stage == api.StageCompleted) {
				t.Errorf("Completed is %v", got)
			}
			if c := s.Conditions[1]; (c.Status == corev1.ConditionTrue) != (tc.failed != "") || tc.failed != "" && *c.Reason+": "+*c.Message != tc.failed {
				t.Errorf("Failed is %+v", c)
			}
			again := Status(e, p, rec, noon.Add(2*time.Hour))
			if diff := cmp.Diff(s, again); diff != "" {
				t.Errorf("told again it differs:\n%s", diff)
			}
			valid(t, s)
		})
	}
}

// valid wants no null where the schema has a list or an object.
func valid(t *testing.T, s api.ExperimentStatus) {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(strings.ReplaceAll(string(text), `"creationTimestamp":null`, ""), ":null") {
		t.Errorf("the status has a null: %s", text)
	}
}

func TestAnalysisTellsTheNewestIteration(t *testing.T) {
	e, p, rec := begun(t)
	rec.State.Iteration = after(8)
	rec.State.Slots = shared(20, 80)
	nothing := rec.State.Iteration.Values[:0:0]
	for _, r := range rec.State.Iteration.Values {
		if r.Metric == "reward" && r.Version == 0 {
			r.Value = nil
		}
		nothing = append(nothing, r)
	}
	rec.State.Iteration.Values = nothing
	s := Status(e, p, rec, noon.Add(time.Hour))
	if *s.CompletedIterations != 8 || *s.VersionRecommendedForPromotion != "v2" || !s.StartTime.Time.Equal(noon.Add(time.Second)) || !s.LastUpdateTime.Time.Equal(noon.Add(141*time.Second)) {
		t.Errorf("%d iterations, %s, from %s to %s", *s.CompletedIterations, *s.VersionRecommendedForPromotion, s.StartTime, s.LastUpdateTime)
	}
	want := []api.WeightData{{Name: "v1", Value: 20}, {Name: "v2", Value: 80}}
	if diff := cmp.Diff(want, s.CurrentWeightDistribution); diff != "" {
		t.Errorf("weights, -want +got:\n%s", diff)
	}
	a := s.Analysis
	if diff := cmp.Diff(want, a.Weights.Data); diff != "" {
		t.Errorf("recommended weights, -want +got:\n%s", diff)
	}
	if !a.WinnerAssessment.Data.WinnerFound || *a.WinnerAssessment.Data.Winner != "v2" || *a.WinnerAssessment.Message != "Error: ; Warning: ; Info: found unique winner" {
		t.Errorf("the winner is %+v", a.WinnerAssessment)
	}
	if diff := cmp.Diff(map[string]api.Assessment{"v1": {true}, "v2": {true}}, a.VersionAssessments.Data); diff != "" {
		t.Errorf("assessments, -want +got:\n%s", diff)
	}
	latency := a.AggregatedMetrics.Data["default/latency"].Data["v2"]
	if latency.Value.String() != "1175100u" || *latency.SampleSize != 361 {
		t.Errorf("the latency is %s of %d", latency.Value, *latency.SampleSize)
	}
	if v := a.AggregatedMetrics.Data["reward"].Data["v1"]; v.Value != nil {
		t.Errorf("the unknown reward is %s", v.Value)
	}
	if got := *a.AggregatedMetrics.Message; !strings.Contains(got, "Error from metrics backend for metric: default/reward and version: v1;") {
		t.Errorf("the message is %s", got)
	}
	valid(t, s)
}

func TestRollbackRecommendsTheBaseline(t *testing.T) {
	e, p, rec := begun(t)
	rec.State.Iteration, rec.State.Condition, rec.State.Outcome = after(4), experiment.Done, experiment.RolledBack
	s := Status(e, p, rec, noon.Add(time.Hour))
	if *s.VersionRecommendedForPromotion != "v1" || s.Analysis.WinnerAssessment.Data.WinnerFound {
		t.Errorf("%s is recommended, winner: %v", *s.VersionRecommendedForPromotion, s.Analysis.WinnerAssessment.Data)
	}
}

func TestWeightsThatAreNotYetWrittenAreNotTold(t *testing.T) {
	e, p, rec := begun(t)
	e.Status.CurrentWeightDistribution = []api.WeightData{{Name: "v1", Value: 100}, {Name: "v2", Value: 0}}
	rec.State.Iteration = after(1)
	rec.State.Actions = []experiment.Intent{{Kind: experiment.IntentRoute, Transition: 1}}
	s := Status(e, p, rec, noon.Add(time.Hour))
	if s.CurrentWeightDistribution[1].Value != 0 || s.Analysis.Weights.Data[1].Value != 10 {
		t.Errorf("current %v, recommended %v", s.CurrentWeightDistribution, s.Analysis.Weights.Data)
	}
}

func TestInferredWeightIsLast(t *testing.T) {
	e, p, rec := begun(t)
	e.Spec.VersionInfo.Baseline.WeightObjRef = nil
	rec.State.Iteration = after(1)
	s := Status(e, p, rec, noon.Add(time.Hour))
	if diff := cmp.Diff([]api.WeightData{{Name: "v2", Value: 10}, {Name: "v1", Value: 90}}, s.CurrentWeightDistribution); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestRefusedExperimentsHaveFailed(t *testing.T) {
	for name, err := range map[string]error{
		"a problem": &Problem{Reason: MetricUnavailable, Message: "Unable to find metric a/b"},
		"an error":  fmt.Errorf("not valid: %w", errors.New("x")),
	} {
		t.Run(name, func(t *testing.T) {
			e, _, _ := begun(t)
			s := Refused(e, err, noon.Add(time.Minute))
			want := "MetricUnavailable: Unable to find metric a/b"
			if name == "an error" {
				want = "InvalidExperiment: not valid: x"
			}
			c := s.Conditions[1]
			if c.Status != corev1.ConditionTrue || *c.Reason+": "+*c.Message != want || *s.Stage != api.StageCompleted || *s.Message != "ExperimentCompleted: Experiment failed" {
				t.Errorf("Failed is %+v, %s, %q", c, *s.Stage, *s.Message)
			}
		})
	}
}

func TestBeginningIsToldInIter8sWords(t *testing.T) {
	e, _ := rewarded()
	e.Status = Begin(e, noon)
	if *e.Status.Message != "ExperimentInitialized: Experiment status initialized" || *e.Status.Stage != api.StageWaiting || !e.Status.InitTime.Time.Equal(noon) {
		t.Errorf("%+v", e.Status)
	}
	e.Status = Acquired(e, noon.Add(time.Second))
	if *e.Status.Message != "StageAdvanced: Advanced to Initializing" || e.Status.Conditions[2].Status != corev1.ConditionTrue {
		t.Errorf("%+v", e.Status)
	}
	if s := Status(e, nil, nil, noon); !cmp.Equal(s, e.Status) {
		t.Errorf("without a record: %+v", s)
	}
}

func TestStatisticalDecisionsAreTold(t *testing.T) {
	e, metrics := rewarded()
	s := raw(`{"alpha": "5%"}`)
	e.Spec.Criteria.Strength = &s
	native, err := Native(e, metrics)
	if err != nil {
		t.Fatal(err)
	}
	p := planned(t, native)
	rec := &experiment.Record{State: experiment.State{Plan: "p", Condition: experiment.Running, Started: noon, Slots: shared(50, 50)}}
	e.Status = Status(e, p, rec, noon.Add(65*time.Second))
	if *e.Status.CompletedIterations != 3 || *e.Status.Stage != api.StageRunning || e.Status.Analysis.WinnerAssessment.Data.WinnerFound {
		t.Errorf("running: %+v", e.Status)
	}
	rec.State.Condition, rec.State.Outcome, rec.State.Winner, rec.State.Slots = experiment.Done, experiment.Promoted, 1, shared(0, 100)
	e.Status = Status(e, p, rec, noon.Add(time.Hour))
	if *e.Status.VersionRecommendedForPromotion != "v2" || *e.Status.CompletedIterations != 3 || e.Status.CurrentWeightDistribution[1].Value != 100 {
		t.Errorf("promoted: %+v", e.Status)
	}
	valid(t, e.Status)
}

func TestDescribeIsWhatIter8sUsersKnow(t *testing.T) {
	cases := map[string]func(t *testing.T) *api.Experiment{
		"waiting": func(*testing.T) *api.Experiment {
			e, _ := rewarded()
			return e
		},
		"running": func(t *testing.T) *api.Experiment {
			e, p, rec := begun(t)
			rec.State.Iteration = after(8)
			e.Status = Status(e, p, rec, noon.Add(time.Hour))
			return e
		},
		"tie": func(t *testing.T) *api.Experiment {
			e, p, rec := begun(t)
			x := after(8)
			x.Found, x.Best, x.Satisfied = false, []int{0, 1}, [][]bool{{true}, {false}}
			for i := range x.Values {
				if x.Values[i].Metric == "reward" {
					x.Values[i].Value = ptr(-0.0004)
				}
			}
			rec.State.Iteration = x
			e.Status = Status(e, p, rec, noon.Add(time.Hour))
			return e
		},
		"unknown": func(t *testing.T) *api.Experiment {
			e, p, rec := begun(t)
			rec.State.Iteration = &experiment.Iteration{Done: 1, First: noon, Last: noon}
			low := resource.MustParse("1m")
			e.Spec.Criteria.Objectives[0].LowerLimit = &low
			e.Spec.Criteria.Rewards[0].PreferredDirection = api.Low
			e.Status = Status(e, p, rec, noon.Add(time.Hour))
			return e
		},
		"canary": func(t *testing.T) *api.Experiment {
			e, p, rec := begun(t)
			rec.State.Iteration = after(8)
			e.Spec.Strategy.TestingPattern, e.Spec.Criteria.Rewards = api.Canary, nil
			e.Status = Status(e, p, rec, noon.Add(time.Hour))
			return e
		},
		"conformance": func(t *testing.T) *api.Experiment {
			e, _, _ := begun(t)
			e.Spec.Strategy.TestingPattern, e.Spec.Criteria, e.Spec.VersionInfo.Candidates = api.Conformance, nil, nil
			e.Status.CompletedIterations = ptr(int32(2))
			return e
		},
	}
	for name, make := range cases {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			if err := Describe(&b, make(t)); err != nil {
				t.Fatal(err)
			}
			golden(t, "describe/"+name+".txt", b.String())
		})
	}
}

func TestNumbersAreRoundedUp(t *testing.T) {
	for text, want := range map[string]string{
		"50": "50.000", "10m": "0.010", "0.0001": "0.001", "1n": "0.001", "0": "0.000", "1213.6249": "1213.625", "-0.0004": "0.000", "-1.2345": "-1.234", "1k": "1000.000", "1Ki": "1024.000", "12.5": "12.500",
	} {
		q := resource.MustParse(text)
		if got := rounded(&q); got != want {
			t.Errorf("%s is written %s, want %s", text, got, want)
		}
		if again := resource.MustParse(text); q.Cmp(again) != 0 {
			t.Errorf("%s was changed", text)
		}
	}
	if got := rounded(nil); got != "unavailable" {
		t.Errorf("nothing is written %s", got)
	}
}

func TestCellsAreWrappedEvenly(t *testing.T) {
	for text, want := range map[string]string{
		"short":                                "short",
		"iter8-knative/mean-latency <= 50.000": "iter8-knative/mean-latency <=|50.000",
		"iter8-knative/95th-percentile-tail-latency <= 100.000":  "iter8-knative/95th-percentile-tail-latency|<= 100.000",
		"iter8-knative/mean-latency (milliseconds)":              "iter8-knative/mean-latency|(milliseconds)",
		"a-very-long-word-that-is-longer-than-thirty-characters": "a-very-long-word-that-is-longer-than-thirty-characters",
	} {
		if got := strings.Join(wrap(text), "|"); got != want {
			t.Errorf("%q is wrapped %q, want %q", text, got, want)
		}
	}
}
