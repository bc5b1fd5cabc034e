// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	api "github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// startVersion is what stands for the versions while there are none.
const startVersion = "start"

// Start turns the start action alone of an experiment that has no versions yet:
// into a native experiment of the same name and namespace that does it, moves
// nothing, asks nothing and is over then. Versions that the experiment has
// meanwhile change nothing of it. An error is a *Problem; it is Iter8's own where
// there is no start action that could fill the versions in.
func Start(e *api.Experiment) (*v1alpha1.Experiment, error) {
	bare := *e
	bare.Spec.VersionInfo = nil
	for _, check := range []func(*api.Experiment) *Problem{schema, tasksAreOne} {
		if p := check(&bare); p != nil {
			return nil, p
		}
	}
	actions, p := actionsOf(&bare, &Names{})
	switch {
	case p != nil:
		return nil, p
	case actions == nil || len(actions.OnStart) == 0:
		return nil, versionInfo(&bare)
	}
	return &v1alpha1.Experiment{
		APIVersion: v1alpha1.APIVersion, Kind: v1alpha1.KindExperiment,
		Metadata: v1alpha1.Metadata{Name: e.Name, Namespace: e.Namespace},
		Spec: v1alpha1.Spec{
			Strict: true,
			// Nothing is recommended yet: the name in a text is empty, as it was.
			Versions: []v1alpha1.Version{{Name: startVersion, Variables: map[string]string{nameVariable: ""}}},
			Traffic:  v1alpha1.Traffic{None: &v1alpha1.NoTraffic{}},
			Stages:   []v1alpha1.Stage{{Name: "start", Iterate: &v1alpha1.Iterate{Pattern: "conformance", Shift: shiftNone, Every: "1s", Times: 1, Loops: 1}}},
			Actions:  &v1alpha1.Actions{ServiceAccount: actions.ServiceAccount, OnStart: actions.OnStart},
		},
	}, nil
}

// WithoutStart takes the start actions out of a native experiment: they were done
// before it.
func WithoutStart(native *v1alpha1.Experiment) {
	a := native.Spec.Actions
	if a == nil {
		return
	}
	if a.OnStart = nil; len(a.OnStep)+len(a.OnPromote)+len(a.OnRollback)+len(a.OnFinish) == 0 {
		native.Spec.Actions = nil
	}
}

// Starting is the status as of a moment while the start action is done by what
// Start made; rec is the record of that, nil before it has begun. done says that
// the action is: then the status is as it was.
func Starting(e *api.Experiment, rec *experiment.Record, now time.Time) (status api.ExperimentStatus, done bool) {
	t := tell(e, now)
	if rec == nil || rec.State.Plan == "" {
		return *t.out, false
	}
	t.state = &rec.State
	failed := slices.ContainsFunc(t.state.Failed, func(f experiment.ActionFailure) bool { return !f.Ignored })
	switch x := t.state.Iteration; {
	case t.state.Condition == experiment.Killed:
		t.mark(api.Completed, corev1.ConditionFalse, Killed, "Nothing more is done until a person lifts the kill")
	case t.state.Condition == experiment.Done && x != nil && x.Over && x.Done > 0 && !failed:
		return *t.out, true
	case t.state.Condition == experiment.Done: // Also where a person ended it.
		t.mark(api.Failed, corev1.ConditionTrue, HandlerFailed, "Start actions failed")
		t.complete("Start actions failed")
	case t.state.Condition == experiment.Paused:
		t.mark(api.Completed, corev1.ConditionFalse, OnHold, "Paused by a person")
	default:
		t.advance(api.StageInitializing)
		t.launched(experiment.OnStart)
	}
	return *t.out, false
}

// Started is the status of an experiment whose start action was done before its
// metrics and its versions were looked at: it is at the stage that comes then.
func Started(e *api.Experiment, now time.Time) api.ExperimentStatus {
	t := tell(e, now)
	t.advance(api.StageRunning)
	return *t.out
}
