// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// seen is a check's evidence: a thousand units and requests in each version, with
// so many rewards, refunds (of all units) and failures; a negative number is no
// data.
type seen struct{ reward, refund, failed [2]float64 }

func (s seen) tallies(p *experiment.Plan) []tally {
	out := newTallies(p)
	for v := range 2 {
		t := &out[v]
		if s.failed[v] >= 0 {
			t.requests, t.failed = 1000, int64(1000*s.failed[v])
		}
		if s.reward[v] >= 0 {
			t.units = 1000
			t.metrics[0].pair = stats.Pair{N: 1000, MeanY: s.reward[v], MeanX: 1}
		}
		t.metrics[1].pair = stats.Pair{N: 1000, MeanY: s.refund[v], MeanX: 1}
	}
	return out
}

func both(x float64) [2]float64 { return [2]float64{x, x} }

// fine passes every check of every rival.
func fine() seen {
	return seen{reward: [2]float64{.1, .11}, refund: both(.1), failed: both(.001)}
}

func rivalPlan() *experiment.Plan {
	p := looksPlan(experiment.Fixed)
	limit := .01
	p.Objectives = []experiment.Objective{{Metric: "errors", Max: &limit}}
	return p
}

// told plays checks of a rule until it ends, and says how and at which check.
func told(t *testing.T, r Rival, p *experiment.Plan, check func(i int) seen) string {
	t.Helper()
	w := world(t, p, Assumptions{Rate: 1})
	rule := w.newRule(r, rivalStage(p))
	for i := 1; i <= 40; i++ {
		s := check(i).tallies(p)
		if v := rule.check(s, s); v.end != "" {
			return fmt.Sprintf("%s %d at %d", v.end, v.winner, i)
		}
	}
	return "never"
}

func always(s seen) func(int) seen { return func(int) seen { return s } }

// until gives one thing in the first n checks, and fine afterwards.
func until(n int, s seen) func(int) seen {
	return func(i int) seen {
		if i <= n {
			return s
		}
		return fine()
	}
}

// TestRivalsDecideByTheirRules is a case for every clause of each rule.
func TestRivalsDecideByTheirRules(t *testing.T) {
	bad := fine()
	bad.failed[1] = .02
	edge := fine()
	edge.failed[1] = .01
	worse := fine()
	worse.reward = [2]float64{.1, .08}
	between := fine()
	between.reward = [2]float64{.1, .0995}
	tie := fine()
	tie.reward = both(.1)
	empty := seen{reward: both(-1), refund: both(.1), failed: both(-1)}
	refunds := fine()
	refunds.refund[1] = .2
	for name, tc := range map[string]struct {
		rival Rival
		check func(int) seen
		want  string
	}{
		"iter8 promotes the best last value":                   {Iter8, always(fine()), "promoted 1 at 10"},
		"iter8 does not look at what was before":               {Iter8, until(9, bad), "promoted 1 at 10"},
		"iter8 keeps the baseline if its last value is better": {Iter8, always(worse), "rolledBack 0 at 10"},
		"iter8 has no winner in a tie":                         {Iter8, always(tie), "undecided 0 at 10"},
		"iter8 takes a limit that is just met":                 {Iter8, always(edge), "promoted 1 at 10"},
		"iter8 wants objectives of the candidate":              {Iter8, always(bad), "rolledBack 0 at 10"},
		"iter8 takes no data for a failed objective":           {Iter8, always(empty), "undecided 0 at 10"},
		"iter8 has no guardrails":                              {Iter8, always(refunds), "promoted 1 at 10"},
		"argo promotes after its count":                        {Argo, always(fine()), "promoted 1 at 10"},
		"argo takes three failures":                            {Argo, until(3, bad), "promoted 1 at 10"},
		"argo aborts at the fourth":                            {Argo, until(4, bad), "rolledBack 0 at 4"},
		"argo counts failures by metric": {Argo, func(i int) seen {
			return []seen{bad, refunds}[i%2]
		}, "rolledBack 0 at 7"},
		"argo takes three inconclusive":               {Argo, until(3, between), "promoted 1 at 10"},
		"argo waits for a person at the fourth":       {Argo, always(between), "undecided 0 at 4"},
		"argo does not count measurements of nothing": {Argo, until(4, empty), "promoted 1 at 14"},
		"argo aborts at the fifth in a row":           {Argo, always(empty), "rolledBack 0 at 5"},
		"argo fails on a reward below the margin":     {Argo, always(worse), "rolledBack 0 at 4"},
		"flagger promotes at the full weight":         {Flagger, always(fine()), "promoted 1 at 10"},
		"flagger stays a step for each failed check":  {Flagger, until(4, bad), "promoted 1 at 14"},
		"flagger rolls back at its threshold":         {Flagger, always(bad), "rolledBack 0 at 5"},
		"flagger never forgives":                      {Flagger, func(i int) seen { return []seen{bad, fine()}[i%2] }, "rolledBack 0 at 10"},
		"flagger takes no data for a failed check":    {Flagger, until(5, empty), "rolledBack 0 at 5"},
		"flagger knows nothing in between":            {Flagger, until(5, between), "promoted 1 at 10"},
		"flagger fails on a reward below the margin":  {Flagger, always(worse), "rolledBack 0 at 5"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := told(t, tc.rival, rivalPlan(), tc.check); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
	t.Run("iter8 promotes a feasible candidate where there is no reward", func(t *testing.T) {
		p := rivalPlan()
		p.Reward = nil
		if got := told(t, Iter8, p, always(worse)) + ", " + told(t, Iter8, p, always(bad)); got != "promoted 1 at 10, rolledBack 0 at 10" {
			t.Error(got)
		}
	})
}

func TestFlaggerRaisesItsWeightByPassedChecks(t *testing.T) {
	p := rivalPlan()
	r := world(t, p, Assumptions{Rate: 1}).newRule(Flagger, &p.Stages[0])
	bad := fine()
	bad.failed[1] = .5
	var got []experiment.Share
	for _, s := range []seen{fine(), bad, fine(), bad, fine()} {
		got = append(got, r.shares()[1])
		r.check(s.tallies(p), nil)
	}
	if want := []experiment.Share{500, 1000, 1000, 1500, 1500}; !slices.Equal(got, want) {
		t.Errorf("weights %v, want %v", got, want)
	}
}

// TestRulesSeeTheSameCounts: where two rules ask for the same shares in the same
// windows, every number that was drawn is the same.
func TestRulesSeeTheSameCounts(t *testing.T) {
	p := looksPlan(experiment.Fixed)
	a := assume(p, Effect{Relative: .02})
	w := world(t, p, a)
	own, other := newPlayer(w), newPlayer(w)
	if _, err := own.play(9, false); err != nil {
		t.Fatal(err)
	}
	other.rival(Iter8, &p.Stages[0], 9)
	mine, theirs := own.flow.spans[len(own.flow.spans)-1], other.flow.spans[0]
	if len(mine.batches) < 20 || mine.start != 0 {
		t.Fatalf("the split drew %d batches from window %d on", len(mine.batches), mine.start)
	}
	for i := range min(len(mine.batches), len(theirs.batches)) {
		if d := cmp.Diff(mine.batches[i], theirs.batches[i], cmp.AllowUnexported(batch{}, tally{}, measured{})); d != "" {
			t.Fatalf("windows %d (-headgate +iter8):\n%s", i, d)
		}
	}
}

// TestRivalsLookWhenTheirWindowsMatured: a check comes an outcome window after
// what it looks at, and there are ten in the time that the stage has.
func TestRivalsLookWhenTheirWindowsMatured(t *testing.T) {
	p := looksPlan(experiment.Fixed)
	w := world(t, p, assume(p, Effect{Relative: .3}))
	for _, r := range Rivals() {
		trial, ok := w.PlayRival(r, 4)
		if !ok || trial.End != EndPromoted || trial.Took < 22*time.Hour || trial.Took > 31*time.Hour {
			t.Errorf("%s: %s after %s", r, trial.End, trial.Took)
		}
	}
	p.Stages = []experiment.Stage{observeStage()}
	if _, ok := world(t, p, assume(p, Effect{})).PlayRival(Iter8, 4); ok {
		t.Error("a rival decides in a stage in which nothing is compared")
	}
	if r := many(t, p, assume(p, Effect{}), Options{Runs: 2, Rivals: true}); r.Iter8 != nil || len(r.Notes) != 2 || r.Headgate.Rates.FalsePromotions != nil {
		t.Errorf("rivals' figures without a stage of theirs: %v", r.Notes)
	}
}
