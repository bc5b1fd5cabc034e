// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/action"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// actor is who does actions here: it says what it is told to.
type actor struct {
	facts     []experiment.ActionFact
	owner     action.Owner
	keys      []string
	forgotten []string
}

func (a *actor) Progress(_ context.Context, o action.Owner, tasks []action.Task) []experiment.ActionFact {
	a.owner, a.keys = o, nil
	for _, t := range tasks {
		a.keys = append(a.keys, t.Key)
	}
	return a.facts
}

func (a *actor) Forget(uid string) { a.forgotten = append(a.forgotten, uid) }

func finish(index int) experiment.Intent {
	return experiment.Intent{Kind: experiment.IntentRun, Transition: 3, Hook: experiment.OnFinish, Index: index}
}

// acting is a turn of an experiment that ended and has two actions left.
func acting(a Actions, todo ...experiment.Intent) (*turn, *events.FakeRecorder) {
	recorder := events.NewFakeRecorder(10)
	x := newRun("u1")
	x.loaded = true
	x.plan = &experiment.Plan{
		Namespace: "search", Name: "ranker", Versions: []experiment.Version{{Name: "v1"}, {Name: "v2"}},
		Actions: &experiment.Actions{ServiceAccount: "promoter", OnFinish: []experiment.Action{{Name: "apply"}, {Name: "tell", Ignore: true}}},
	}
	x.record.State = experiment.State{Condition: experiment.Done, Slots: experiment.SlotsOf(experiment.Baseline(2)), Actions: todo}
	obj := &kube.Experiment{}
	obj.Namespace, obj.Name = "search", "ranker"
	return &turn{r: New(Options{Actions: a, Events: recorder}), run: x, obj: obj, now: time.Unix(1e9, 0)}, recorder
}

// condition is how the condition of actions stands after what was found.
func condition(t *turn, s *kube.ExperimentStatus) string {
	set := func(kind string, on bool, reason, message string) {
		c := metav1.Condition{Type: kind, Status: metav1.ConditionFalse, Reason: reason, Message: message}
		if on {
			c.Status = metav1.ConditionTrue
		}
		meta.SetStatusCondition(&s.Conditions, c)
	}
	only := func(string, bool, string, string) {}
	t.acted(s, set, only)
	c := meta.FindStatusCondition(s.Conditions, ConditionActions)
	if c == nil {
		return ""
	}
	return string(c.Status) + " " + c.Reason + ": " + c.Message
}

func TestThePlansActionsAreHandedOnInTheirOrder(t *testing.T) {
	a := &actor{}
	turned, _ := acting(a, finish(0), finish(1))
	a.facts = []experiment.ActionFact{{Intent: finish(0), Why: "try 1 of 4 is under way"}, {Intent: finish(1), Why: "it waits for onFinish/apply"}}
	got := turned.act(t.Context())
	if diff := cmp.Diff(a.facts, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"u1/3/onFinish/0", "u1/3/onFinish/1"}, a.keys); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if o := a.owner; o.UID != "u1" || o.Namespace != "search" || o.ServiceAccount != "promoter" || o.Wait != "" || o.This != nil {
		t.Errorf("%+v", o)
	}
	if turned.idle() {
		t.Error("the experiment is idle with actions left")
	}
}

func TestActionsComeAfterTheTraffic(t *testing.T) {
	for name, c := range map[string]struct {
		stall, wait *obstacle
		want        bool
	}{
		"nothing is in the way":       {nil, nil, false},
		"the route cannot be written": {nil, &obstacle{ReasonRoute, errors.New("it is away")}, true},
		"the route is another's":      {&obstacle{ReasonRouteClaimed, errors.New("it is x's")}, nil, true},
	} {
		a := &actor{}
		turned, _ := acting(a, finish(0))
		turned.stall, turned.wait = c.stall, c.wait
		turned.goOn(t.Context())
		if (a.owner.Wait != "") != c.want || len(a.keys) != 1 {
			t.Errorf("%s: %q, %v", name, a.owner.Wait, a.keys)
		}
	}
}

func TestTheConditionSaysWhatWaitsAndHowItEnded(t *testing.T) {
	a := &actor{}
	s := &kube.ExperimentStatus{}
	turned, recorder := acting(a, finish(0), finish(1))
	step := func(want string, facts ...experiment.ActionFact) {
		t.Helper()
		turned.deeds, a.facts = deeds{}, facts
		turned.act(t.Context())
		if got := condition(turned, s); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	step("False Acting: onFinish/apply: try 2 of 4 in 3s: it is away", experiment.ActionFact{Intent: finish(0), Why: "try 2 of 4 in 3s: it is away"}, experiment.ActionFact{Intent: finish(1), Why: "it waits"})
	// What is told to be done is not asked for any more once the rules know.
	turned.deeds, a.facts = deeds{}, []experiment.ActionFact{{Intent: finish(0), Done: true, Why: "2 objects applied"}, {Intent: finish(1)}}
	turned.act(t.Context())
	turned.run.record.State.Actions = []experiment.Intent{finish(1)}
	if got := condition(turned, s); got != "False Acting: onFinish/tell: " {
		t.Errorf("%q", got)
	}
	turned.deeds, a.facts = deeds{}, []experiment.ActionFact{{Intent: finish(1), Failed: true, Why: "nobody listens"}}
	turned.act(t.Context())
	turned.run.record.State.Actions = nil
	if got := condition(turned, s); got != "True Done: nobody listens" { // It is told to be ignored.
		t.Errorf("%q", got)
	}
	var told []string
	for range 2 {
		told = append(told, <-recorder.Events)
	}
	if diff := cmp.Diff([]string{"Normal ActionDone onFinish/apply: 2 objects applied", "Warning ActionFailed onFinish/tell: nobody listens"}, told); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAFailureForGoodStaysInTheCondition(t *testing.T) {
	a := &actor{facts: []experiment.ActionFact{{Intent: finish(0), Failed: true, Why: "tried 4 times: forbidden"}}}
	s := &kube.ExperimentStatus{}
	turned, _ := acting(a, finish(0))
	turned.act(t.Context())
	turned.run.record.State.Actions = nil
	for range 2 { // Also in the turns after it.
		if got := condition(turned, s); got != "False Failed: onFinish/apply: tried 4 times: forbidden" {
			t.Errorf("%q", got)
		}
		turned.deeds = deeds{}
	}
}

func TestWhereNobodyActsActionsFail(t *testing.T) {
	turned, _ := acting(nil, finish(0), finish(9))
	facts := turned.goOn(t.Context())
	if f := facts[finish(0)]; !f.Failed || f.Why != nobodyActs {
		t.Errorf("%+v", f)
	}
	if f := facts[finish(9)]; !f.Failed || f.Why != noSuchAction {
		t.Errorf("%+v", f)
	}
}

func TestActionsOfAnExperimentThatIsGoneAreCalledOff(t *testing.T) {
	a := &actor{}
	turned, _ := acting(a, finish(0))
	metrics, err := NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	turned.r.Metrics, turned.r.runs[turned.key()] = metrics, turned.run
	turned.r.forget(turned.key())
	if diff := cmp.Diff([]string{"u1"}, a.forgotten); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// shelf is where one object is read from.
type shelf struct {
	client.Reader
	object map[string]any
	fails  error
}

func (s shelf) Get(_ context.Context, key client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	if u := o.(*unstructured.Unstructured); s.fails == nil && key.String() == "search/old" && u.GetKind() == "Experiment" {
		u.Object = s.object
	}
	return s.fails
}

func TestThisIsTheObjectThatTheExperimentWasMadeFor(t *testing.T) {
	yes := true
	turned, _ := acting(&actor{}, finish(0))
	turned.obj.OwnerReferences = []metav1.OwnerReference{
		{APIVersion: "apps/v1", Kind: "Deployment", Name: "x"},
		{APIVersion: "iter8.tools/v2alpha2", Kind: "Experiment", Name: "old", Controller: &yes},
	}
	from := &shelf{object: map[string]any{
		"metadata": map[string]any{"name": "old", "namespace": "search", "uid": "9"}, "spec": map[string]any{"target": "t"}, "status": map[string]any{"stage": "Running"},
	}}
	turned.r.Reusable = from
	got, err := turned.this()(t.Context())
	want := map[string]any{"metadata": map[string]any{"name": "old", "namespace": "search"}, "spec": map[string]any{"target": "t"}, "status": map[string]any{"stage": "Running"}}
	if diff := cmp.Diff(any(want), got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	from.fails = errors.New("the API server is away")
	if _, err := turned.this()(t.Context()); experiment.CodeOf(err) != experiment.CodeUnavailable || !strings.Contains(err.Error(), "search/old") {
		t.Error(err)
	}
	turned.obj.OwnerReferences[1].APIVersion = "example.com/v1"
	if turned.this() != nil {
		t.Error("another's owner is this")
	}
}
