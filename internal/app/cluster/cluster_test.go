// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router/routers"
	"github.com/headgate-dev/headgate/internal/translate"
)

func TestControlPatchLeavesNothingOfAnEarlierWish(t *testing.T) {
	got, err := controlPatch("7", experiment.Command{ID: "a", Verb: experiment.VerbPause, Author: "ada"})
	want := `{"metadata":{"resourceVersion":"7"},"spec":{"control":{"author":"ada","id":"a","override":null,"reason":null,"verb":"pause","version":null}}}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
	got, err = controlPatch("", experiment.Command{ID: "b", Verb: experiment.VerbPromote, Version: "v2", Override: true, Reason: "known"})
	want = `{"spec":{"control":{"author":"","id":"b","override":true,"reason":"known","verb":"promote","version":"v2"}}}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
}

func TestObeyedIsToldByTheRecordOrTheStatus(t *testing.T) {
	wish := func(id string, seen *kube.ControlSeen, generation, observed int64) *kube.Experiment {
		e := &kube.Experiment{}
		e.Generation, e.Status.ObservedGeneration = generation, observed
		e.Spec.Control, e.Status.Control = &v1alpha1.Control{ID: id, Verb: "kill"}, seen
		return e
	}
	for name, tc := range map[string]struct {
		e        *kube.Experiment
		commands []string
		want     bool
	}{
		"no wish":                             {&kube.Experiment{}, nil, true},
		"nobody knows it":                     {wish("a", nil, 2, 1), []string{"b"}, false},
		"the record knows it":                 {wish("a", nil, 2, 1), []string{"b", "a"}, true},
		"the status knows it":                 {wish("a", &kube.ControlSeen{ID: "a"}, 2, 2), nil, true},
		"without an id, seen before":          {wish("", &kube.ControlSeen{ID: "x", Verb: "kill"}, 3, 2), nil, false},
		"without an id, seen as it stands":    {wish("", &kube.ControlSeen{ID: "x", Verb: "kill"}, 3, 3), nil, true},
		"without an id, another one was seen": {wish("", &kube.ControlSeen{ID: "x", Verb: "pause"}, 3, 3), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := obeyed(tc.e, tc.commands); got != tc.want {
				t.Errorf("%v", got)
			}
		})
	}
}

// TestBonesAreEnoughForARouter: what is left of a spec that nothing else can be
// made of routes as the plan does.
func TestBonesAreEnoughForARouter(t *testing.T) {
	versions := []v1alpha1.Version{{Name: "v1", Backend: "ranker-v1"}, {Name: "v2", Backend: "ranker-v2"}}
	for name, traffic := range map[string]v1alpha1.Traffic{
		"virtualService": {VirtualService: &v1alpha1.VirtualServiceTraffic{Name: "ranker", Routes: []string{"primary"}}},
		"httpRoute":      {HTTPRoute: &v1alpha1.HTTPRouteTraffic{Name: "ranker", Namespace: "mesh"}, Pack: "istio"},
	} {
		t.Run(name, func(t *testing.T) {
			e := &kube.Experiment{}
			e.Namespace, e.Name = "search", "ranker"
			e.Spec.Versions, e.Spec.Traffic = versions, traffic
			e.Spec.Assignment = v1alpha1.Assignment{By: "router", Unit: v1alpha1.Unit{Request: true}}
			e.Spec.Stages = []v1alpha1.Stage{{Name: "canary", Ramp: &v1alpha1.Ramp{Steps: []v1alpha1.Quantity{"10%"}}, Hold: &v1alpha1.Hold{For: "1h"}}}
			text, err := e.Text()
			if err != nil {
				t.Fatal(err)
			}
			plan, err := translate.Plan(text)
			if err != nil {
				t.Fatal(err)
			}
			got := bones(e)
			whole, err := routers.New(plan)
			if err != nil {
				t.Fatal(err)
			}
			bare, err := routers.New(got)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(whole.Refs(), bare.Refs()); d != "" {
				t.Error(d)
			}
			if got.ID() != plan.ID() {
				t.Errorf("%s, want %s", got.ID(), plan.ID())
			}
		})
	}
}

func TestUnbegunSaysWhy(t *testing.T) {
	e := &kube.Experiment{}
	e.Namespace, e.Name = "search", "ranker"
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	if v := unbegun(e, now); v.Condition != "waiting" || v.Verdict.Sentence != "NOT BEGUN  no controller has seen it yet" || v.Health.OK {
		t.Errorf("%+v", v)
	}
	e.Status.Condition = "invalid"
	e.Status.Conditions = []metav1.Condition{{Type: kube.ConditionReady, Message: "spec.stages: at least one"}}
	if v := unbegun(e, now); v.Condition != "invalid" || v.Verdict.Sentence != "NOT BEGUN  spec.stages: at least one" {
		t.Errorf("%+v", v)
	}
}

func TestFailureSortsAnswers(t *testing.T) {
	of := schema.GroupResource{Group: kube.Group, Resource: "experiments"}
	for name, tc := range map[string]struct {
		err  error
		want experiment.Code
	}{
		"an object that is not there":  {apierrors.NewNotFound(of, "ranker"), experiment.CodeNotFound},
		"a kind that is not there":     {&apierrors.StatusError{ErrStatus: metav1.Status{Reason: metav1.StatusReasonNotFound, Code: 404}}, experiment.CodeUnavailable},
		"a right that is missing":      {apierrors.NewForbidden(of, "ranker", errors.New("no")), experiment.CodeUnauthorized},
		"a write that came in between": {apierrors.NewConflict(of, "ranker", errors.New("newer")), experiment.CodeConflict},
		"nobody answers":               {errors.New("connection refused"), experiment.CodeUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			if got := experiment.CodeOf(Failure("try", tc.err)); got != tc.want {
				t.Errorf("%s", got)
			}
		})
	}
}
