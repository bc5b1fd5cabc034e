// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// ConditionEvidence is there while a source of evidence cannot be read: nothing
// is raised or promoted by what is not known (D2, D5).
const ConditionEvidence = "EvidenceUnavailable"

// hearing reads a source as seal does, and keeps what a person can do where it
// fails: the rules want to know no more than that it does.
func (t *turn) hearing(ctx context.Context, w engine.Wanted, now time.Time) (experiment.Seal, error) {
	s, err := t.seal(ctx, w, now)
	if err == nil || experiment.CodeOf(err) == experiment.CodeConflict { // A conflict is a gap.
		return s, err
	}
	// How often it was tried is no news.
	why, _, _ := strings.Cut(err.Error(), " (failed ")
	if hint := experiment.HintOf(err); hint != "" {
		why += "; " + hint
	}
	if !slices.Contains(t.unheard, why) {
		t.unheard = append(t.unheard, why)
	}
	return s, err
}

// follow tells the sources which phase lasts.
func (t *turn) follow(ctx context.Context) {
	x := t.run
	f, ok := x.evidence.(Follower)
	phases := x.record.Totals.Phases
	if !ok || len(phases) == 0 || t.over() {
		return
	}
	last := &phases[len(phases)-1]
	f.Follow(ctx, experiment.Phase{Epoch: last.Epoch, Phase: last.Phase, Stage: last.Stage, Start: last.Start})
}

// points asks for what a strict plan's iteration is made of, where one is due.
func (t *turn) points(ctx context.Context) []experiment.Reading {
	x := t.run
	out := engine.Points(ctx, x.plan, &x.record.State, t.now, func(ctx context.Context, at experiment.Moment) []experiment.Reading {
		if x.evidence == nil {
			return engine.Unread(x.plan, cmp.Or(x.deaf, "its source is not open"))
		}
		return x.evidence.Points(ctx, at)
	})
	for _, r := range out {
		if why := r.Metric + ": " + r.Failed; r.Failed != "" && x.evidence != nil && !slices.Contains(t.unheard, why) {
			t.unheard = append(t.unheard, why)
		}
	}
	return out
}

// listened sets the condition of the sources, if they were asked.
func (t *turn) listened(only func(kind string, on bool, reason, message string)) {
	if t.run.deaf != "" {
		only(ConditionEvidence, true, ReasonEvidence, t.run.deaf)
	} else if t.heard || t.over() {
		only(ConditionEvidence, len(t.unheard) > 0, reasonUnreadable, strings.Join(t.unheard, "; "))
	}
}

// unwatched says what to do where the route's kind is not in the cache: the
// cluster takes its time, or refuses to list it and to say so.
func (t *turn) unwatched(ctx context.Context, err error) error {
	if !apierrors.IsTimeout(err) || !strings.Contains(err.Error(), "Informer to sync") {
		return err
	}
	targets, unresolved := t.r.Routes.Targets(ctx, t.run.router)
	if unresolved != nil || len(targets) == 0 {
		return err
	}
	rules, seen := []string{}, []string{}
	for _, at := range targets {
		rule := fmt.Sprintf(`{apiGroups: ["%s"], resources: ["%s"], verbs: ["list", "watch"]}`, at.Resource.Group, at.Resource.Resource)
		if !slices.Contains(rules, rule) {
			rules, seen = append(rules, rule), append(seen, at.String())
		}
	}
	return experiment.Errorf(experiment.CodeUnavailable, "watch %s: it is not listed yet", strings.Join(seen, ", ")).
		WithHint("where this lasts, allow the controller to list and to watch: %s", strings.Join(rules, ", "))
}
