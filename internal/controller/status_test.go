// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
	routes "github.com/headgate-dev/headgate/internal/router/kube"
)

// sealed is evidence that is always the same.
type sealed struct{ seal experiment.Seal }

// Seal implements Evidence.
func (s sealed) Seal(context.Context, engine.Wanted, time.Time) (experiment.Seal, error) {
	return s.seal, nil
}

// Points implements Evidence.
func (sealed) Points(context.Context, experiment.Moment) []experiment.Reading { return nil }

// Close implements Evidence.
func (sealed) Close() {}

func TestConditions(t *testing.T) {
	wrong := errors.New("wrong")
	asked := router.Seen{Settled: true}
	for name, c := range map[string]struct {
		state experiment.State
		turn  func(*turn)
		ready string // True, or the reason why not.
		is    []string
		not   []string
	}{
		"running as asked": {
			turn: func(t *turn) { t.seen = asked }, ready: ReasonAsAsked,
			not: []string{kube.ConditionStalled, kube.ConditionReconciling, kube.ConditionCompleted, kube.ConditionPromoted, kube.ConditionFailed},
		},
		"stalled": {
			turn: func(t *turn) { t.stall = &obstacle{ReasonInvalidSpec, wrong} }, ready: ReasonInvalidSpec,
			is: []string{kube.ConditionStalled}, not: []string{kube.ConditionReady, kube.ConditionReconciling},
		},
		"waiting": {
			turn: func(t *turn) { t.wait = &obstacle{ReasonRoute, wrong} }, ready: ReasonRoute,
			is: []string{kube.ConditionReconciling}, not: []string{kube.ConditionReady, kube.ConditionStalled},
		},
		"contested": {
			turn: func(t *turn) { t.seen, t.differs = asked, []routes.Difference{{}} }, ready: ReasonContested,
			is: []string{kube.ConditionReconciling}, not: []string{kube.ConditionReady},
		},
		"promoted": {
			state: experiment.State{Condition: experiment.Done, Outcome: experiment.Promoted},
			turn:  func(t *turn) { t.seen = asked }, ready: ReasonAsAsked,
			is: []string{kube.ConditionCompleted, kube.ConditionPromoted}, not: []string{kube.ConditionFailed},
		},
		"rolled back": {
			state: experiment.State{Condition: experiment.Done, Outcome: experiment.RolledBack},
			turn:  func(t *turn) { t.seen = asked }, ready: ReasonAsAsked,
			is: []string{kube.ConditionCompleted, kube.ConditionFailed}, not: []string{kube.ConditionPromoted},
		},
		"kept warm": {
			state: experiment.State{Condition: experiment.Warm},
			turn:  func(t *turn) { t.seen = asked }, ready: ReasonAsAsked,
			is: []string{kube.ConditionPromoted}, not: []string{kube.ConditionCompleted, kube.ConditionFailed},
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := newRun("u")
			x.loaded, x.record.State = true, c.state
			turned := &turn{r: New(Options{}), run: x, obj: &kube.Experiment{}, now: time.Unix(1e9, 0)}
			c.turn(turned)
			var s kube.ExperimentStatus
			turned.conditions(&s)
			if got := meta.FindStatusCondition(s.Conditions, kube.ConditionReady); got == nil || got.Reason != c.ready {
				t.Errorf("Ready is %+v, want reason %s", got, c.ready)
			}
			for _, kind := range c.is {
				if !meta.IsStatusConditionTrue(s.Conditions, kind) {
					t.Errorf("%s is not True", kind)
				}
			}
			for _, kind := range c.not {
				if meta.IsStatusConditionTrue(s.Conditions, kind) {
					t.Errorf("%s is True", kind)
				}
			}
		})
	}
}

func TestWhatMayWaitToBeShown(t *testing.T) {
	base := func() *kube.ExperimentStatus {
		return &kube.ExperimentStatus{
			Condition: "running", Shares: "90%/10%", Seen: "90%/10%", Message: "a",
			Readings: []kube.Reading{{Metric: "errors"}}, Record: &kube.RecordRef{Revision: 1, Entries: 1},
		}
	}
	for name, c := range map[string]struct {
		change func(*kube.ExperimentStatus)
		same   bool
	}{
		"nothing":      {func(*kube.ExperimentStatus) {}, true},
		"readings":     {func(s *kube.ExperimentStatus) { s.Readings = nil }, true},
		"a sentence":   {func(s *kube.ExperimentStatus) { s.Message = "b" }, true},
		"a revision":   {func(s *kube.ExperimentStatus) { s.Record.Revision++ }, true},
		"shares":       {func(s *kube.ExperimentStatus) { s.Shares = "50%/50%" }, false},
		"the entries":  {func(s *kube.ExperimentStatus) { s.Record.Entries++ }, false},
		"the end":      {func(s *kube.ExperimentStatus) { s.Condition = "done" }, false},
		"a wish heard": {func(s *kube.ExperimentStatus) { s.Control = &kube.ControlSeen{ID: "x"} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			after := base()
			c.change(after)
			if got := sameButReadings(base(), after); got != c.same {
				t.Errorf("may wait: %v, want %v", got, c.same)
			}
		})
	}
}

func TestSentencesAreBounded(t *testing.T) {
	long := clip(strings.Repeat("é", maxMessage))
	if len(long) > maxMessage || !strings.HasSuffix(long, "...") || strings.ContainsRune(long, '\uFFFD') {
		t.Errorf("%d bytes, ends with %q", len(long), long[len(long)-8:])
	}
	if got := sentence(experiment.Errorf(experiment.CodeInvalid, "broken").WithHint("mend it")); got != "broken; mend it" {
		t.Errorf("got %q", got)
	}
}

func TestOutcomesAreReasons(t *testing.T) {
	for outcome, want := range map[experiment.Outcome]string{experiment.RolledBack: "RolledBack", experiment.Promoted: "Promoted", experiment.OutcomeMet: "ObjectivesMet"} {
		if got := camel(string(outcome)); got != want {
			t.Errorf("%s is %s", outcome, got)
		}
	}
}

func TestPaceOfTurns(t *testing.T) {
	now := time.Unix(1e9, 0)
	for name, c := range map[string]struct {
		state experiment.State
		turn  func(*turn)
		want  time.Duration
	}{
		"at the next tick":             {turn: func(t *turn) { t.run.due = now.Add(7 * time.Second) }, want: 7 * time.Second},
		"at once when it is late":      {turn: func(t *turn) { t.run.due = now.Add(-time.Hour) }, want: 10 * time.Millisecond},
		"soon when something passes":   {turn: func(t *turn) { t.wait = &obstacle{} }, want: retrySoon},
		"patiently when it is stalled": {turn: func(t *turn) { t.stall = &obstacle{}; t.run.stalls = 9 }, want: retryLater},
		"with the plan in force": {turn: func(t *turn) {
			t.stall = &obstacle{reason: ReasonInvalidSpec}
			t.run.stalls = 9
			t.run.due = now.Add(time.Second)
		}, want: time.Second},
		"never by itself when it ended": {state: experiment.State{Condition: experiment.Done}, turn: func(t *turn) { t.seen.Settled = true }},
		"until the end is in effect":    {state: experiment.State{Condition: experiment.Killed}, turn: func(*turn) {}, want: retrySoon},
	} {
		t.Run(name, func(t *testing.T) {
			x := newRun("u")
			x.loaded, x.record.State = true, c.state
			x.plan = &experiment.Plan{Router: experiment.Router{VirtualService: &experiment.RouteObject{}}}
			turned := &turn{r: New(Options{Now: func() time.Time { return now }}), run: x, now: now}
			c.turn(turned)
			if got := turned.again(); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
