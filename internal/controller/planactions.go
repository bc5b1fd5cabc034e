// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"cmp"
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headgate-dev/headgate/internal/action"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// The events of the plan's own actions.
const (
	eventActionDone   = "ActionDone"
	eventActionFailed = "ActionFailed"
)

// Why an action fails that nobody can do.
const (
	nobodyActs   = "actions of the plan are not done here"
	noSuchAction = "the plan has no such action any more"
)

// iter8Group is the group of the objects that texts call "this".
const iter8Group = "iter8.tools"

// goOn goes on with the plan's own actions that the state asks for, one at a
// time, and calls off those that it does not ask for any more. None begins while
// the route is not what was asked for: what they tell, or change, comes after the
// traffic.
func (t *turn) goOn(ctx context.Context) map[experiment.Intent]experiment.ActionFact {
	p, s := t.run.plan, &t.run.record.State
	facts := make(map[experiment.Intent]experiment.ActionFact, len(s.Actions))
	for _, i := range s.Actions {
		if i.Kind == experiment.IntentRun {
			facts[i] = experiment.ActionFact{Intent: i, Why: nobodyActs, Failed: true}
			if p.ActionOf(i) == nil {
				facts[i] = experiment.ActionFact{Intent: i, Why: noSuchAction, Failed: true}
			}
		}
	}
	if t.r.Actions == nil {
		return facts
	}
	for _, f := range t.r.Actions.Progress(ctx, t.owner(), action.Tasks(p, s, string(t.run.uid))) {
		facts[f.Intent] = f
	}
	return facts
}

// owner is who the plan's actions are done for.
func (t *turn) owner() action.Owner {
	o := action.Owner{UID: string(t.run.uid), Namespace: t.obj.Namespace, This: t.this()}
	if a := t.run.plan.Actions; a != nil {
		o.ServiceAccount = a.ServiceAccount
	}
	if obstacle := cmp.Or(t.stall, t.wait); obstacle != nil && (t.wait != nil || !t.unreadSpec()) {
		o.Wait = "the route does not say what was asked for yet: " + sentence(obstacle.err)
	}
	r, namespace, made := t.r, t.obj.Namespace, t.run.router
	if r.Secrets != nil {
		o.Secrets = func(ctx context.Context, s experiment.Secret) (string, error) { return r.Secrets(ctx, namespace, s) }
	}
	if r.Routes != nil && made != nil {
		o.Routes = func(ctx context.Context) error {
			_, err := r.Routes.Objects(ctx, made)
			return err
		}
	}
	return o
}

// this reads the object of Iter8's that the experiment was made for, if there is
// one.
func (t *turn) this() func(ctx context.Context) (any, error) {
	owner := metav1.GetControllerOf(t.obj)
	if owner == nil {
		return nil
	}
	gv, err := schema.ParseGroupVersion(owner.APIVersion)
	if err != nil || gv.Group != iter8Group {
		return nil
	}
	reader, key := t.r.Reusable, types.NamespacedName{Namespace: t.obj.Namespace, Name: owner.Name}
	return func(ctx context.Context) (any, error) {
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(gv.WithKind(owner.Kind))
		if err := reader.Get(ctx, key, u); err != nil {
			return nil, experiment.Errorf(experiment.CodeUnavailable, "get %s %s: %w", owner.Kind, key, err)
		}
		return map[string]any{
			"metadata": map[string]any{"name": u.GetName(), "namespace": u.GetNamespace()},
			"spec":     u.Object["spec"], "status": u.Object["status"],
		}, nil
	}
}

// callOff stops all that is done for an experiment besides its traffic.
func (r *Reconciler) callOff(uid types.UID) {
	if r.Actions != nil {
		r.Actions.Forget(string(uid))
	}
}

// toldOwn sends an event for an action of the plan that is done, or failed for
// good.
func (t *turn) toldOwn(f experiment.ActionFact) {
	if t.r.Events == nil {
		return
	}
	label := t.run.plan.Label(f.Intent)
	switch {
	case f.Done:
		t.r.Events.Eventf(t.obj, nil, "Normal", eventActionDone, "Act", "%s: %s", label, clip(cmp.Or(f.Why, "done")))
	case f.Failed:
		t.r.Events.Eventf(t.obj, nil, "Warning", eventActionFailed, "Act", "%s: %s", label, clip(f.Why))
	}
}

// ownAwaited is the action of the plan that is waited for, and how it stands.
func (t *turn) ownAwaited() (*experiment.Intent, string) {
	todo := t.run.record.State.Actions
	if len(todo) == 0 || todo[0].Kind != experiment.IntentRun {
		return nil, ""
	}
	i := &todo[0]
	for _, f := range t.deeds.facts {
		if f.Intent == *i {
			return i, t.run.plan.Label(*i) + ": " + f.Why
		}
	}
	return i, t.run.plan.Label(*i) + ": it begins"
}

// ownFailed says which action of the plan this turn was told to have failed for
// good, if none is to be ignored.
func (t *turn) ownFailed() string {
	for _, f := range t.deeds.facts {
		if a := t.run.plan.ActionOf(f.Intent); f.Failed && a != nil && !a.Ignore {
			return t.run.plan.Label(f.Intent) + ": " + f.Why
		}
	}
	return ""
}
