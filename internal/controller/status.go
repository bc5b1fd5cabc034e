// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
)

// The reasons of conditions. A reason of Completed is the outcome in camel case.
const (
	ReasonAsAsked          = "RoutedAsAsked"
	ReasonNotYet           = "NotYet"
	ReasonSettling         = "Settling"
	ReasonContested        = "RouteContested"
	ReasonInvalidSpec      = "InvalidSpec"
	ReasonMetric           = "MetricUnavailable"
	ReasonRecordLost       = "RecordLost"
	ReasonRecordUnreadable = "RecordUnavailable"
	ReasonRouteClaimed     = "RouteClaimed"
	ReasonNoWayBack        = "NoWayBack"
	ReasonRoute            = "RouteUnavailable"
	ReasonEvidence         = "NoEvidence"
	ReasonConflict         = "Conflict"
	ReasonUnsuited         = "RouteCannotDoIt"
)

// showEvery is how long readings that alone changed wait to be shown.
const showEvery = time.Minute

// callTimeout bounds one write of the Experiment.
const callTimeout = 10 * time.Second

// maxMessage bounds a sentence of the status.
const maxMessage = 1000

// show writes the status if it says something new: at once where the experiment
// moved, else at most once a minute.
func (t *turn) show(ctx context.Context) error {
	status := t.status()
	t.r.Metrics.turned(t.key(), t.stall != nil, status.Versions)
	before := &t.obj.Status
	if apiequality.Semantic.DeepEqual(before, &status) {
		return nil
	}
	if sameButReadings(before, &status) && t.now.Sub(t.run.shown) < showEvery && t.run.held == t.run.record.Hold {
		return nil
	}
	t.obj.Status = status
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	switch err := t.r.Client.Status().Update(ctx, t.obj); {
	case apierrors.IsConflict(err): // Somebody wrote the object meanwhile, or the cache is behind.
		t.unshown = true
		return nil
	case err != nil:
		return ignoreNotFound(err)
	}
	t.run.shown, t.run.held = t.now, t.run.record.Hold
	t.r.Metrics.showed()
	return nil
}

// sameButReadings reports whether nothing changed but what may wait: numbers,
// and the words that hold numbers.
func sameButReadings(a, b *kube.ExperimentStatus) bool {
	x, y := a.DeepCopy(), b.DeepCopy()
	for _, s := range []*kube.ExperimentStatus{x, y} {
		s.Readings, s.Seen, s.Message = nil, "", ""
		if s.Record != nil {
			s.Record.Revision = 0
		}
		for i := range s.Versions {
			s.Versions[i].Seen, s.Versions[i].Requests = "", 0
		}
		for i := range s.Conditions {
			// What a person has to do next is news.
			if c := &s.Conditions[i]; c.Type != kube.ConditionStalled && c.Type != ConditionEvidence {
				c.Message = ""
			}
		}
	}
	return apiequality.Semantic.DeepEqual(x, y)
}

// status is what the experiment looks like now.
func (t *turn) status() kube.ExperimentStatus {
	s := *t.obj.Status.DeepCopy()
	s.Control = t.controlSeen()
	if t.run.plan != nil && t.run.loaded {
		t.project(&s)
	} else if t.stall != nil {
		s.Condition = "invalid"
	}
	if t.run.generation == t.obj.Generation || t.stall != nil {
		s.ObservedGeneration = t.obj.Generation
	}
	if o := cmp.Or(t.stall, t.wait); o != nil {
		s.Message = sentence(o.err)
	}
	t.conditions(&s)
	return s
}

// project writes what the view says.
func (t *turn) project(s *kube.ExperimentStatus) {
	x := t.run
	v := view.Of(view.Input{Plan: x.plan, Record: &x.record, Judgement: &x.judgement, Latest: x.latest, Acting: t.deeds.facts, Now: t.now})
	s.Condition, s.Stage, s.Step = v.Condition, v.Stage.Name, int64(x.record.State.Step)
	s.Shares = x.record.State.Slots.Shares(len(x.plan.Versions)).String()
	s.Seen = cmp.Or(seenOf(t.seen.Serving), seenBy(v.Versions))
	s.Message, s.Outcome, s.Version = clip(v.Verdict.Sentence), v.Verdict.Outcome, v.Verdict.Version
	started := metav1.NewTime(x.record.State.Started.Truncate(time.Second))
	s.Started = &started
	s.Record = &kube.RecordRef{Name: t.obj.Name, Revision: x.record.Revision, Entries: x.record.Entries}
	s.Versions = nil
	for i, version := range v.Versions {
		out := kube.VersionStatus{Name: version.Name, Role: version.Role, Share: percent(version.Share), Requests: version.Requests}
		if i < len(t.seen.Serving) {
			out.Seen = t.seen.Serving[i].Percent()
		} else if version.Seen != nil {
			out.Seen = percent(*version.Seen)
		}
		s.Versions = append(s.Versions, out)
	}
	s.Readings = readingsOf(v.Findings)
	if v.Iteration != nil {
		s.Readings = pointsOf(v.Iteration, v.Versions)
	}
	if n := len(v.Decisions); n > 0 {
		d := v.Decisions[n-1]
		s.LastDecision = &kube.LastDecision{At: metav1.NewTime(d.At.Truncate(time.Second)), Act: d.Act, Code: d.Code, Message: clip(strings.Join(d.Reasons, "; "))}
	}
}

func seenOf(shares experiment.Shares) string {
	if shares == nil {
		return ""
	}
	return shares.String()
}

// seenBy joins the shares that requests show.
func seenBy(versions []view.Version) string {
	parts := make([]string, len(versions))
	for i, v := range versions {
		if v.Seen == nil {
			return ""
		}
		parts[i] = percent(*v.Seen)
	}
	return strings.Join(parts, "/")
}

// percent writes a fraction with three significant digits.
func percent(f float64) string { return strconv.FormatFloat(100*f, 'g', 3, 64) + "%" }

// readingsOf are the findings, harm first.
func readingsOf(findings []view.Finding) []kube.Reading {
	sorted := slices.Clone(findings)
	slices.SortStableFunc(sorted, func(a, b view.Finding) int {
		rank := func(f view.Finding) int {
			if f.IsHarm() {
				return 0
			}
			return 1
		}
		return cmp.Compare(rank(a), rank(b))
	})
	var out []kube.Reading
	for _, f := range sorted[:min(len(sorted), kube.MaxReadings)] {
		r := kube.Reading{Metric: f.Metric, Version: f.Version, Verdict: f.Status}
		if f.Slice != "" {
			r.Metric += "[" + f.Slice + "]"
		}
		if f.Estimate != nil && !f.Hidden {
			r.Value = strconv.FormatFloat(*f.Estimate, 'g', 3, 64)
		}
		out = append(out, r)
	}
	return out
}

// pointsOf are what a strict experiment read last.
func pointsOf(i *view.Iteration, versions []view.Version) []kube.Reading {
	var out []kube.Reading
	for _, row := range i.Readings {
		for v, value := range row.Values {
			if len(out) == kube.MaxReadings || v >= len(versions) {
				break
			}
			r := kube.Reading{Metric: row.Metric, Version: versions[v].Name}
			if value != nil {
				r.Value = strconv.FormatFloat(*value, 'g', 3, 64)
			}
			if v < len(row.Satisfied) {
				r.Verdict = string(experiment.Violated)
				if row.Satisfied[v] {
					r.Verdict = string(experiment.Met)
				}
			}
			out = append(out, r)
		}
	}
	return out
}

// conditions sets what tools wait for.
func (t *turn) conditions(s *kube.ExperimentStatus) {
	set := func(kind string, on bool, reason, message string) {
		c := metav1.Condition{
			Type: kind, Status: metav1.ConditionFalse, Reason: reason, Message: clip(message), ObservedGeneration: t.obj.Generation,
			LastTransitionTime: metav1.NewTime(t.now),
		}
		if on {
			c.Status = metav1.ConditionTrue
		}
		meta.SetStatusCondition(&s.Conditions, c)
	}
	// Reconciling and Stalled are there only while they are so.
	only := func(kind string, on bool, reason, message string) {
		if on {
			set(kind, true, reason, message)
			return
		}
		meta.RemoveStatusCondition(&s.Conditions, kind)
	}
	reason, message := ReasonAsAsked, "the route says what was asked for"
	switch {
	case t.stall != nil:
		reason, message = t.stall.reason, sentence(t.stall.err)
	case t.wait != nil:
		reason, message = t.wait.reason, sentence(t.wait.err)
	case len(t.differs) > 0:
		reason, message = ReasonContested, cmp.Or(t.run.drifted, "the route is about to be written")
	case !t.seen.Settled && !t.over():
		reason, message = ReasonSettling, t.seen.Why
	}
	ready := reason == ReasonAsAsked || reason == ReasonSettling
	set(kube.ConditionReady, ready, reason, message)
	only(kube.ConditionStalled, t.stall != nil, reason, message)
	only(kube.ConditionReconciling, t.stall == nil && !ready, reason, message)
	t.endings(s, set)
	t.acted(s, set, only)
	t.listened(only)
}

// endings sets whether and how the experiment is over.
func (t *turn) endings(s *kube.ExperimentStatus, set func(kind string, on bool, reason, message string)) {
	state := &t.run.record.State
	done := t.run.loaded && state.Condition == experiment.Done && !state.Asks(experiment.IntentRun)
	won := t.run.loaded && (state.Condition == experiment.Warm || done && state.Outcome == experiment.Promoted)
	failed := done && (state.Outcome == experiment.RolledBack || state.Outcome == experiment.OutcomeViolated || state.Iteration != nil && state.Iteration.Failed != "")
	outcome := ReasonNotYet
	if done || won {
		outcome = camel(string(cmp.Or(state.Outcome, experiment.Promoted)))
	}
	set(kube.ConditionCompleted, done, outcome, s.Message)
	set(kube.ConditionPromoted, won, outcome, s.Message)
	set(kube.ConditionFailed, failed, outcome, s.Message)
}

// camel turns "rolled-back" into "RolledBack".
func camel(s string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(s, "-") {
		if word != "" {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}

// sentence is an error with what to do about it. Of several the first is told:
// the others follow from it, or come up when it is mended.
func sentence(err error) string {
	err = foremost(err)
	if hint := experiment.HintOf(err); hint != "" {
		return clip(fmt.Sprintf("%v; %s", err, hint))
	}
	return clip(err.Error())
}

// clip bounds a sentence.
func clip(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	return strings.ToValidUTF8(s[:maxMessage-3], "") + "..."
}

// tell sends an event for what was decided; holds are shown, not told.
func (t *turn) tell(d experiment.Decision) {
	if t.r.Events == nil || d.Act == experiment.ActHold || len(d.Reasons) == 0 {
		return
	}
	kind, code := "Normal", d.Reasons[0].Code
	if e, ok := experiment.Lookup(code); ok && e.Level == experiment.Alarm {
		kind = "Warning"
	}
	sentences := make([]string, len(d.Reasons))
	for i, r := range d.Reasons {
		sentences[i] = r.String()
	}
	t.r.Events.Eventf(t.obj, nil, kind, string(code), camel(string(d.Act)), "%s -> %s: %s", d.From, d.To, clip(strings.Join(sentences, "; ")))
}
