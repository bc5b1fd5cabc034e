// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"testing"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

func wishing(generation int64, c *v1alpha1.Control) *kube.Experiment {
	obj := &kube.Experiment{}
	obj.Generation = generation
	obj.Spec.Control = c
	return obj
}

func TestCommandOfNothingIsNone(t *testing.T) {
	for _, c := range []*v1alpha1.Control{nil, {Reason: "no verb"}} {
		if cmd, ok := commandOf(wishing(1, c), nil); ok {
			t.Errorf("%+v asks for %+v", c, cmd)
		}
	}
}

func TestCommandOfKeepsTheWords(t *testing.T) {
	got, ok := commandOf(wishing(3, &v1alpha1.Control{ID: "x", Verb: "promote", Version: "v2", Override: true, Reason: "why", Author: "ann"}), nil)
	want := experiment.Command{ID: "x", Verb: experiment.VerbPromote, Version: "v2", Override: true, Reason: "why", Author: "ann"}
	if !ok || got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestControlWithoutAnID(t *testing.T) {
	pause := &v1alpha1.Control{Verb: "pause", Author: "ann"}
	first := controlID(wishing(5, pause), nil)
	seen := func(generation int64, id string, at int64) *kube.Experiment {
		obj := wishing(generation, pause)
		obj.Status.ObservedGeneration = at
		obj.Status.Control = &kube.ControlSeen{ID: id, Generation: 5}
		return obj
	}
	for name, c := range map[string]struct {
		obj    *kube.Experiment
		obeyed []string
		same   bool
	}{
		"is the same at the same generation":                      {obj: wishing(5, pause), same: true},
		"is the same after an edit of something else":             {obj: seen(7, first, 6), obeyed: []string{first}, same: true},
		"is another after another wish was seen in between":       {obj: seen(7, "control-000000000000-5", 6), obeyed: []string{first}},
		"is another with other words":                             {obj: wishing(5, &v1alpha1.Control{Verb: "pause", Author: "bob"})},
		"is the same where the controller died before it said so": {obj: wishing(6, pause), obeyed: []string{first}, same: true},
		"is another where the status went on since": {obj: func() *kube.Experiment {
			obj := wishing(9, pause)
			obj.Status.ObservedGeneration = 8 // Nothing was wished then: the status would say so.
			return obj
		}(), obeyed: []string{first}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := controlID(c.obj, c.obeyed); (got == first) != c.same {
				t.Errorf("got %s, first %s", got, first)
			}
		})
	}
}

func TestControlSeenIsForgottenWithTheWish(t *testing.T) {
	obj := wishing(6, nil)
	obj.Status.Control = &kube.ControlSeen{ID: "x"}
	if got := (&turn{obj: obj, run: newRun("u")}).controlSeen(); got != nil {
		t.Errorf("got %+v", got)
	}
}

func TestControlSeenIsWhatWasObeyed(t *testing.T) {
	x := newRun("u")
	obj := wishing(6, &v1alpha1.Control{ID: "x", Verb: "kill"})
	turned := &turn{obj: obj, run: x}
	if got := turned.controlSeen(); got != nil {
		t.Errorf("before it was obeyed: %+v", got)
	}
	x.record.State.Commands = []string{"x"}
	if got := turned.controlSeen(); got == nil || got.ID != "x" || got.Verb != "kill" || got.Generation != 6 {
		t.Errorf("got %+v", got)
	}
}
