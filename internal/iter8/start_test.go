// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	api "github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// script is what common/bash is given.
func script(s string) map[string]apiextensionsv1.JSON {
	return map[string]apiextensionsv1.JSON{"script": {Raw: []byte(strconv.Quote(s))}}
}

// unfilled is an experiment whose versions its start action has to fill in.
func unfilled() *api.Experiment {
	e, _ := rewarded()
	e.Namespace, e.Spec.VersionInfo = "shop", nil
	e.Annotations = map[string]string{AnnotationServiceAccount: "filler", AnnotationExecImage: "registry.example/tools:1"}
	e.Spec.Strategy.Actions = map[string]api.Action{
		api.ActionStart:  {{Run: "fill @< .Name >@"}, {Task: "common/bash", With: script("kubectl apply -f https://manifests.example/{{ .name }}.yaml")}},
		api.ActionFinish: {{Run: "echo finish"}},
	}
	return e
}

func TestAStartActionAloneIsAnExperimentOfItsOwn(t *testing.T) {
	e := unfilled()
	native, err := Start(e)
	if err != nil {
		t.Fatal(err)
	}
	p := planned(t, native)
	if p.ID() != "shop/"+e.Name || !p.Strict || p.Router.Kind() != experiment.RouterNone || len(p.Metrics) != 0 || p.Stages[0].Iterate.Total() != 1 {
		t.Errorf("the plan is %+v", p)
	}
	a := p.Actions
	if a.ServiceAccount != "filler" || len(a.OnStart) != 2 || len(a.OnFinish) != 0 {
		t.Fatalf("the actions are %+v", a)
	}
	if got := a.OnStart[0].Exec; got == nil || got.Image != "registry.example/tools:1" || got.Command[2] != "fill {{.experiment.name}}" {
		t.Errorf("the script became %+v", got)
	}
	if got := p.Versions[0].Variables; !cmp.Equal(got, []experiment.NameValue{{Name: "name"}}) {
		t.Errorf("the variables are %+v: nothing is recommended yet", got)
	}
	filled, _ := rewarded()
	e.Spec.VersionInfo = filled.Spec.VersionInfo
	again, err := Start(e)
	if err != nil || !cmp.Equal(native, again) {
		t.Errorf("the versions, filled in, changed what is going on (%v): %s", err, cmp.Diff(native, again))
	}
}

func TestAStartActionThatCannotFillIn(t *testing.T) {
	for what, c := range map[string]struct {
		change func(e *api.Experiment)
		want   string
	}{
		"none": {func(e *api.Experiment) { delete(e.Spec.Strategy.Actions, api.ActionStart) }, "No versionInfo in experiment"},
		"one of no actions": {func(e *api.Experiment) {
			e.Spec.Strategy.Actions[api.ActionStart] = api.Action{{Task: "common/readiness"}}
		}, "No versionInfo in experiment"},
		"one that is unknown": {
			func(e *api.Experiment) { e.Spec.Strategy.Actions[api.ActionStart] = api.Action{{Task: "common/bsh"}} },
			`task 1 of the action start: unknown task "common/bsh"`,
		},
		"a later one that is unknown": {
			func(e *api.Experiment) { e.Spec.Strategy.Actions[api.ActionFinish] = api.Action{{Task: "common/bsh"}} },
			`task 1 of the action finish: unknown task "common/bsh"`,
		},
		"both task and run": {func(e *api.Experiment) { e.Spec.Strategy.Actions[api.ActionStart][0].Task = "common/bash" }, "Experiment failed"},
	} {
		e := unfilled()
		c.change(e)
		native, err := Start(e)
		if p, ok := err.(*Problem); !ok || p.Message != c.want || p.Reason != InvalidExperiment {
			t.Errorf("%s: %v, %v; want %s", what, native, err, c.want)
		}
	}
}

func TestWhatWasDoneIsNotDoneAgain(t *testing.T) {
	e, metrics := rewarded()
	e.Spec.Strategy.Actions = map[string]api.Action{api.ActionStart: {{Run: "echo start"}}}
	native, err := Native(e, metrics)
	if err != nil {
		t.Fatal(err)
	}
	WithoutStart(native)
	if planned(t, native).Actions != nil {
		t.Error("there are actions left")
	}
	WithoutStart(native) // Where there are none, it is the same.
	e.Spec.Strategy.Actions[api.ActionLoop] = api.Action{{Run: "echo loop"}}
	if native, err = Native(e, metrics); err != nil {
		t.Fatal(err)
	}
	WithoutStart(native)
	if a := planned(t, native).Actions; len(a.OnStart) != 0 || len(a.OnStep) != 1 {
		t.Errorf("the actions are %+v", a)
	}
}

func TestHowAStartActionStands(t *testing.T) {
	over := &experiment.Iteration{Done: 1, Over: true, Found: true}
	for what, c := range map[string]struct {
		state experiment.State
		done  bool
		stage api.Stage
		want  string
	}{
		"not begun": {experiment.State{}, false, api.StageInitializing, "StageAdvanced: Advanced to Initializing"},
		"under way": {
			experiment.State{Plan: "p", Condition: experiment.Running, Actions: []experiment.Intent{run(experiment.OnStart)}},
			false, api.StageInitializing, "HandlerLaunched: Start handler 'start' launched",
		},
		"done, and not over yet": {experiment.State{Plan: "p", Condition: experiment.Running}, false, api.StageInitializing, "HandlerLaunched: Start handler 'start' launched"},
		"over":                   {experiment.State{Plan: "p", Condition: experiment.Done, Outcome: experiment.OutcomeMet, Iteration: over}, true, api.StageInitializing, "StageAdvanced: Advanced to Initializing"},
		"failed": {
			experiment.State{
				Plan: "p", Condition: experiment.Done, Outcome: experiment.Inconclusive, Iteration: &experiment.Iteration{Over: true, Failed: "no"},
				Failed: []experiment.ActionFailure{{Intent: run(experiment.OnStart), Why: "no"}},
			},
			false, api.StageCompleted, "ExperimentCompleted: Start actions failed",
		},
		"one that may fail failed": {
			experiment.State{Plan: "p", Condition: experiment.Done, Iteration: over, Failed: []experiment.ActionFailure{{Intent: run(experiment.OnStart), Ignored: true}}},
			true, api.StageInitializing, "StageAdvanced: Advanced to Initializing",
		},
		"ended by a person": {experiment.State{Plan: "p", Condition: experiment.Done, Outcome: experiment.RolledBack}, false, api.StageCompleted, "ExperimentCompleted: Start actions failed"},
		"paused":            {experiment.State{Plan: "p", Condition: experiment.Paused}, false, api.StageInitializing, "OnHold: Paused by a person"},
		"killed":            {experiment.State{Plan: "p", Condition: experiment.Killed}, false, api.StageInitializing, "Killed: Nothing more is done until a person lifts the kill"},
	} {
		e := unfilled()
		e.Status = Begin(e, noon)
		e.Status = Acquired(e, noon)
		got, done := Starting(e, &experiment.Record{State: c.state}, noon.Add(time.Minute))
		if done != c.done || *got.Stage != c.stage || text(got.Message) != c.want || got.StartTime != nil {
			t.Errorf("%s: %t, %s, %s; want %t, %s, %s", what, done, *got.Stage, text(got.Message), c.done, c.stage, c.want)
		}
	}
}
