// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	api "github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/suggest"
)

// tasks turns the tasks of an experiment.
type tasks struct {
	e     *api.Experiment
	names *Names
	// modern says that the experiment has tasks of the dialect of run, whose
	// defaults are newer.
	modern bool
	// stage is Iter8's for the action that is being turned.
	stage string
}

// actionsOf turns the actions that Iter8 did, and rollback. Where there is no
// rollback, finish is done then too, as it was; else it is not. Other keys were
// never done, and are not now.
func actionsOf(e *api.Experiment, names *Names) (*v1alpha1.Actions, *Problem) {
	t := &tasks{e: e, names: names}
	for _, action := range e.Spec.Strategy.Actions {
		for _, task := range action {
			t.modern = t.modern || task.Run != "" || task.If != ""
		}
	}
	out := &v1alpha1.Actions{ServiceAccount: e.Annotations[AnnotationServiceAccount]}
	for _, hook := range []struct {
		key   string
		stage api.Stage
		into  *[]v1alpha1.Action
	}{
		{api.ActionStart, api.StageInitializing, &out.OnStart},
		{api.ActionLoop, api.StageRunning, &out.OnStep},
		{api.ActionFinish, api.StageFinishing, &out.OnFinish},
		{api.ActionRollback, api.StageFinishing, &out.OnRollback},
	} {
		t.stage = string(hook.stage)
		for i, task := range e.Spec.Strategy.Actions[hook.key] {
			actions, p := t.task(&task)
			if p != nil {
				p.Message = fmt.Sprintf("task %d of the action %s: %s", i+1, hook.key, p.Message)
				return nil, p
			}
			*hook.into = append(*hook.into, actions...)
		}
	}
	if len(out.OnRollback) > 0 {
		for i := range out.OnFinish {
			out.OnFinish[i].If = also(out.OnFinish[i].If, `.experiment.outcome != "rolled-back"`)
		}
	}
	if len(out.OnStart)+len(out.OnStep)+len(out.OnFinish)+len(out.OnRollback) == 0 {
		return nil, nil
	}
	return out, nil
}

// also puts two conditions together.
func also(a, b string) string {
	if a == "" {
		return b
	}
	return "(" + a + ") and (" + b + ")"
}

// task turns one task, with its condition.
func (t *tasks) task(s *api.TaskSpec) ([]v1alpha1.Action, *Problem) {
	out, p := t.work(s)
	if p != nil {
		return nil, p
	}
	written := cmp.Or(s.If, s.Condition)
	if written == "" {
		return out, nil
	}
	jq, err := condition(written)
	if err != nil {
		return nil, invalid("the condition %s cannot be asked: %v", shown(written), err).
			hint("write CandidateWon() and WinnerFound(), with not, and, or and parentheses")
	}
	for i := range out {
		out[i].If = jq
	}
	return out, nil
}

// kinds are the tasks that are known, and how each is turned.
func kinds() map[string]func(*tasks, *inputs) ([]v1alpha1.Action, *Problem) {
	return map[string]func(*tasks, *inputs) ([]v1alpha1.Action, *Problem){
		"common/exec": (*tasks).exec, "common/bash": (*tasks).bash, "common/promote-kubectl": (*tasks).promoteKubectl,
		"common/readiness": (*tasks).readiness, "metrics/collect": (*tasks).collect,
		"notification/slack": (*tasks).slack, "notification/http": (*tasks).http,
		"gitops/helmex-update": (*tasks).helmex, "knative/init-experiment": (*tasks).initExperiment,
	}
}

// work turns what a task does.
func (t *tasks) work(s *api.TaskSpec) ([]v1alpha1.Action, *Problem) {
	in := &inputs{with: s.With}
	var out []v1alpha1.Action
	var p *Problem
	if s.Run != "" {
		out, p = t.run(s.Run)
	} else {
		known := kinds()
		turn, ok := known[s.Task]
		if !ok {
			names := slices.Sorted(maps.Keys(known))
			p := invalid("unknown task %s", shown(s.Task)).hint("known: %s", strings.Join(names, ", "))
			if best := suggest.Closest(s.Task, names); best != "" {
				p.hint("did you mean %s?", best)
			}
			return nil, p
		}
		out, p = turn(t, in)
	}
	if p == nil {
		p = in.problem()
	}
	return out, p
}

// shown is a text of the experiment in a message.
func shown(s string) string {
	if len(s) > 60 {
		s = strings.ToValidUTF8(s[:57], "") + "..."
	}
	return fmt.Sprintf("%q", s)
}

// inputs are what a task is given under with. The first that cannot be read is
// kept; those that nobody asked for are no problem, as they were none.
type inputs struct {
	with map[string]apiextensionsv1.JSON
	bad  *Problem
}

func (in *inputs) problem() *Problem { return in.bad }

// read decodes an input; false is one that is not given.
func (in *inputs) read(name string, into any) bool {
	raw, ok := in.with[name]
	if !ok || string(raw.Raw) == "null" {
		return false
	}
	if err := json.Unmarshal(raw.Raw, into); err != nil && in.bad == nil {
		in.bad = invalid("%s cannot be read: %s", name, shown(string(raw.Raw)))
	}
	return true
}

// text is an input that is a text; required ones must not be empty.
func (in *inputs) text(name string, required bool) string {
	var s string
	in.read(name, &s)
	if s == "" && required && in.bad == nil {
		in.bad = invalid("%s is required", name)
	}
	return s
}

// flag is an input that is true or false.
func (in *inputs) flag(name string, otherwise bool) bool {
	in.read(name, &otherwise)
	return otherwise
}

// count is an input that is a whole number.
func (in *inputs) count(name string, otherwise int64) int64 {
	in.read(name, &otherwise)
	if otherwise < 0 && in.bad == nil {
		in.bad = invalid("%s is negative", name)
	}
	return otherwise
}
