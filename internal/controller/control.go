// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

// commandOf is what spec.control asks for, where these commands were obeyed
// already. A control without an id has one made of its words and of the
// generation at which it was first seen, so that the same words at a later
// generation are a new wish only if they had changed in between.
func commandOf(obj *kube.Experiment, obeyed []string) (experiment.Command, bool) {
	c := obj.Spec.Control
	if c == nil || c.Verb == "" {
		return experiment.Command{}, false
	}
	return experiment.Command{
		ID: controlID(obj, obeyed), Verb: experiment.Verb(c.Verb), Version: c.Version,
		Override: c.Override, Reason: c.Reason, Author: c.Author,
	}, true
}

// controlID is the id of the control that an experiment has. A controller that
// died between obeying a wish and saying so in the status finds it among the
// commands that were obeyed since the status was written.
func controlID(obj *kube.Experiment, obeyed []string) string {
	c := obj.Spec.Control
	if c.ID != "" {
		return c.ID
	}
	words := wordsOf(c)
	if seen := obj.Status.Control; seen != nil && seen.ID == fmt.Sprintf("%s-%d", words, seen.Generation) {
		return seen.ID
	}
	for _, id := range slices.Backward(obeyed) {
		at, ok := strings.CutPrefix(id, words+"-")
		generation, err := strconv.ParseInt(at, 10, 64)
		if ok && err == nil && generation > obj.Status.ObservedGeneration && generation <= obj.Generation {
			return id
		}
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
	c, ok := commandOf(t.obj, t.run.record.State.Commands)
	if !ok || slices.Contains(t.run.record.State.Commands, c.ID) {
		return nil
	}
	return []experiment.Command{c}
}

// killFirst takes the traffic back at once, before the record is asked, and
// whatever else is in the way: a kill that nobody obeyed yet, or a stop of which
// nobody knows how it stood.
func (t *turn) killFirst(ctx context.Context) {
	c, ok := commandOf(t.obj, t.run.record.State.Commands)
	if !ok || c.Verb != experiment.VerbKill || slices.Contains(t.run.record.State.Commands, c.ID) || t.unborn {
		return // One that never began has no traffic to take back; the route may be another's.
	}
	t.killing = true
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

// controlSeen is the newest wish that was obeyed or refused; none once it was
// taken out of the spec, so that the same words later are a new one.
func (t *turn) controlSeen() *kube.ControlSeen {
	c, ok := commandOf(t.obj, t.run.record.State.Commands)
	before := t.obj.Status.Control
	if !ok {
		return nil
	}
	if !slices.Contains(t.run.record.State.Commands, c.ID) || before != nil && before.ID == c.ID {
		return before
	}
	return &kube.ControlSeen{ID: c.ID, Verb: string(c.Verb), At: metav1.NewTime(t.now), Generation: t.obj.Generation}
}
