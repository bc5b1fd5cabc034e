// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

// commandOf is what spec.control asks for. A control without an id has one made
// of its words and of the generation at which it was first seen, so that the
// same words at a later generation are a new wish only if they had changed in
// between.
func commandOf(obj *kube.Experiment) (experiment.Command, bool) {
	c := obj.Spec.Control
	if c == nil || c.Verb == "" {
		return experiment.Command{}, false
	}
	return experiment.Command{
		ID: controlID(obj), Verb: experiment.Verb(c.Verb), Version: c.Version,
		Override: c.Override, Reason: c.Reason, Author: c.Author,
	}, true
}

// controlID is the id of the control that an experiment has.
func controlID(obj *kube.Experiment) string {
	c := obj.Spec.Control
	if c.ID != "" {
		return c.ID
	}
	words := wordsOf(c)
	if seen := obj.Status.Control; seen != nil && seen.ID == fmt.Sprintf("%s-%d", words, seen.Generation) {
		return seen.ID
	}
	return fmt.Sprintf("%s-%d", words, obj.Generation)
}

// wordsOf is a short hash of what a control says.
func wordsOf(c *v1alpha1.Control) string {
	text, err := json.Marshal(c)
	if err != nil {
		return "control" // Its fields are texts: it cannot fail.
	}
	sum := sha256.Sum256(text)
	return "control-" + hex.EncodeToString(sum[:6])
}

// commands are the wishes that the state has not obeyed yet.
func (t *turn) commands() []experiment.Command {
	c, ok := commandOf(t.obj)
	if !ok || slices.Contains(t.run.record.State.Commands, c.ID) {
		return nil
	}
	return []experiment.Command{c}
}

// killFirst takes the traffic back at once, before the record is asked, and
// whatever else is in the way: a kill that nobody obeyed yet, or a stop of which
// nobody knows how it stood.
func (t *turn) killFirst(ctx context.Context) {
	c, ok := commandOf(t.obj)
	if !ok || c.Verb != experiment.VerbKill || slices.Contains(t.run.record.State.Commands, c.ID) {
		return
	}
	if t.run.plan == nil { // The record is lost: the spec says what the route is, if it can.
		p, err := t.r.planOf(ctx, t.obj)
		if err != nil {
			return
		}
		t.run.adopt(p)
	}
	if t.run.router == nil {
		made, err := t.r.Router(t.run.plan)
		if err != nil {
			t.stopped(ReasonInvalidSpec, err)
			return
		}
		t.run.router = made
	}
	t.unsafe(true)
	if err := t.write(ctx, router.KilledTraffic(t.run.plan)); err != nil {
		t.stopped(ReasonRoute, err)
		return
	}
	t.r.Metrics.safe(t.r.Now().Sub(t.run.unsafe))
	t.run.unsafe = time.Time{}
}

// controlSeen is the newest wish that was obeyed or refused.
func (t *turn) controlSeen() *kube.ControlSeen {
	c, ok := commandOf(t.obj)
	before := t.obj.Status.Control
	if !ok || !slices.Contains(t.run.record.State.Commands, c.ID) || before != nil && before.ID == c.ID {
		return before
	}
	return &kube.ControlSeen{ID: c.ID, Verb: string(c.Verb), At: metav1.NewTime(t.now), Generation: t.obj.Generation}
}
