// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
	"github.com/headgate-dev/headgate/stats"
)

func textsOf(e view.Explanation) []string {
	var out []string
	for _, f := range e.Flips {
		out = append(out, f.Text)
	}
	return out
}

// removed is a removal of one of two candidates for two harms at once.
func removed() view.Input {
	p := ranker("v1", "v2", "v3")
	p.Stages[1].Split.Shares = experiment.Shares{4000, 3000, 3000}
	in := judged(at(p, 1, 0, time.Hour, experiment.Shares{4000, 3000, 3000}), limit(p, 1, "errors", 6000, 30), limit(p, 2, "errors", 400, 40), limit(p, 2, "p99", 400, 60))
	return decided(in, experiment.ActRemove, experiment.Running, "", 0, experiment.Because(experiment.ReasonObjective,
		"version", "v3", "metric", "errors", "estimate", "10.00%", "bound", "at least 5.61%", "limit", "3.00%"))
}

func TestExplanationsSayWhatWouldHaveFlipped(t *testing.T) {
	guardrail := judged(even(ranker("v1", "v2")), refunds(experiment.Worse, 0.034)...)
	guardrail = decided(guardrail, experiment.ActRollback, experiment.Done, experiment.RolledBack, 0,
		experiment.Because(experiment.ReasonGuardrail, "version", "v2", "metric", "refund", "estimate", "+3.40 points", "limit", "1.00%"))
	faint := judged(even(ranker("v1", "v2")), refunds(experiment.Worse, 0.015)...)
	faint = decided(faint, experiment.ActRollback, experiment.Done, experiment.RolledBack, 0,
		experiment.Because(experiment.ReasonGuardrail, "version", "v2", "metric", "refund", "estimate", "+1.50 points", "limit", "1.00%"))
	step := judged(at(ranker("v1", "v2"), 0, 0, time.Hour, experiment.Shares{9500, 500}))
	step.Judgement.Requests, step.Judgement.Clean = 1240, 5
	step = decided(step, experiment.ActAdvance, experiment.Running, "", 0, experiment.Because(experiment.ReasonStepHeld, "step", "5%", "stage", "canary", "requests", 1240, "windows", 5))
	gate := judged(at(ranker("v1", "v2"), 0, 1, time.Hour, experiment.Shares{8000, 2000}), limit(ranker("v1", "v2"), 1, "errors", 1000, 15))
	gate = holding(gate, experiment.Because(experiment.ReasonGateOpen, "version", "v2", "metric", "errors"))
	early := holding(judged(even(ranker("v1", "v2")), limit(ranker("v1", "v2"), 1, "errors", 20, 0)), experiment.Because(experiment.ReasonGateOpen, "version", "v2", "metric", "errors"))
	early.Judgement.Verdicts = early.Judgement.Verdicts[4:]
	best := learner(true)
	best.Judgement.Arms[4].Best, best.Judgement.Arms[1].Best = 0.96, 0.97
	best = decided(best, experiment.ActAdvance, experiment.Running, "", 1, experiment.Because(experiment.ReasonBest, "version", "v2", "metric", "click", "chance", "0.96"))
	aborted := decided(even(ranker("v1", "v2")), experiment.ActRollback, experiment.Done, experiment.RolledBack, 0, experiment.Because(experiment.ReasonAborted, "author", "operator", "reason", "enough"))
	for name, c := range map[string]struct {
		in       view.Input
		want     []string
		together bool
	}{
		"an objective by its requests": {rolledBack(), []string{"v2 would not have lost its traffic if fewer than 27 of 400 requests had failed (40 did)"}, false},
		"two harms, both of them": {removed(), []string{
			"v3 would not have lost its traffic if fewer than 28 of 400 requests had failed (40 did)",
			"v3 would not have lost its traffic if fewer than 15 of 400 requests had taken more than 250ms (60 did)",
		}, true},
		"a guardrail by its interval": {guardrail, []string{"v2 would not have lost its traffic with a difference in refund in tier=premium below +2.20 points, its interval being as wide (it was +3.40 points)"}, false},
		"a guardrail by its evidence": {faint, []string{"v2 would not have lost its traffic with evidence of harm in refund in tier=premium below an e-value of 140 (it reached 4000)"}, false},
		"a step by what it held": {step, []string{
			"would have waited with fewer than 1,000 requests (1,240 came)",
			"would have waited with fewer than 3 clean windows in a row (5 were)",
		}, false},
		"an open gate by what it lacks": {gate, []string{"v2 would be known to meet errors if at most 12 of 1,000 requests had failed (15 did), or with about 444 more like these"}, false},
		"a gate that is too early":      {early, []string{"v2 cannot be known to meet errors with 20 requests, or with about 264 more like these"}, false},
		"a bandit's exit by its probability": {best, []string{
			"would have gone on learning with a probability below 0.95 that v2 is the best in tier=free (it was 0.97)",
			"would have gone on learning with a probability below 0.95 that v2 is the best in tier=premium (it was 0.96)",
		}, false},
		"a person by nothing": {aborted, []string{"a person decided it: no figure would have made it otherwise"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			e := view.Explain(c.in)
			if d := cmp.Diff(c.want, textsOf(e)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if e.Together != c.together {
				t.Errorf("together is %t", e.Together)
			}
			if e.Plan != c.in.Record.State.Plan || len(e.Grounds) == 0 || e.Grounds[0].Meaning == "" {
				t.Errorf("the plan is %q, the grounds %v", e.Plan, e.Grounds)
			}
		})
	}
}

// TestPromotionsAreExplainedByTheirLook: the look's boundary, not the interval.
func TestPromotionsAreExplainedByTheirLook(t *testing.T) {
	got := textsOf(view.Explain(promoted(false)))
	want := []string{
		"v2 would not have been called better at its look with a difference below +2.67 points (it was +3.10 points)",
		"v2 would not have been known to meet errors if 237 or more of 10,000 requests had failed (50 did)",
	}
	if d := cmp.Diff(want, got[:min(2, len(got))]); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestTheBarIsWhereTheVerdictTurns judges again on both sides of the bar.
func TestTheBarIsWhereTheVerdictTurns(t *testing.T) {
	p := ranker("v1", "v2")
	for _, n := range []int64{60, 400, 1000, 25000} {
		for _, x := range []int64{0, 1, n / 100, n / 30, n / 10, n / 2} {
			in := judged(at(p, 0, 0, time.Hour, experiment.Shares{9500, 500}), limit(p, 1, "errors", n, x))
			switch in.Judgement.Verdicts[0].Status {
			case experiment.Violated:
				in = decided(in, experiment.ActRollback, experiment.Done, experiment.RolledBack, 0, experiment.Because(experiment.ReasonObjective, "version", "v2", "metric", "errors"))
			case experiment.Met:
				in = decided(in, experiment.ActPromote, experiment.Done, experiment.Promoted, 1, experiment.Because(experiment.ReasonSafe, "version", "v2"))
			default:
				in = holding(in, experiment.Because(experiment.ReasonGateOpen, "version", "v2", "metric", "errors"))
			}
			e := view.Explain(in)
			if len(e.Flips) != 1 {
				t.Fatalf("%d of %d: %d flips", x, n, len(e.Flips))
			}
			f := e.Flips[0]
			status := func(n, x int64) experiment.Status { return limit(p, 1, "errors", n, x).Status }
			was := status(n, x)
			if f.Bar != nil {
				bar := int64(*f.Bar)
				inside, outside := bar-1, bar
				if was == experiment.Undecided {
					inside, outside = bar, bar+1
				}
				if status(n, inside) == status(n, outside) {
					t.Errorf("%d of %d is %s: %d and %d are both %s (%s)", x, n, was, inside, outside, status(n, inside), f.Text)
				}
			}
			if f.More > 0 {
				like := func(m int64) int64 { return int64(math.Round(float64(x) / float64(n) * float64(m))) }
				if got := status(n+f.More, like(n+f.More)); got != experiment.Met {
					t.Errorf("%d of %d: with %d more it is %s", x, n, f.More, got)
				}
			}
		}
	}
}

// TestNothingIsClaimedOfAnIntervalMadeOtherwise: where the interval is not the
// one that counts give, the explanation keeps to the interval.
func TestNothingIsClaimedOfAnIntervalMadeOtherwise(t *testing.T) {
	in := rolledBack()
	v := &in.Judgement.Verdicts[1]
	v.Interval = &stats.Interval{Low: 0.05, High: 0.2}
	want := []string{"v2 would not have lost its traffic with errors of at most 8.00%, its interval being as wide (it was 10.00%)"}
	if d := cmp.Diff(want, textsOf(view.Explain(in))); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestHiddenFiguresAreNowhere writes all that faces show of a fixed test before
// its horizon and looks for its figures.
func TestHiddenFiguresAreNowhere(t *testing.T) {
	in := fixed()
	e, why := view.Of(in), view.Explain(in)
	for _, v := range e.Versions {
		if v.Reward != nil {
			t.Errorf("the reward of %s is shown: %+v", v.Name, v.Reward)
		}
	}
	text, err := json.Marshal([]any{e, why})
	if err != nil {
		t.Fatal(err)
	}
	for _, figure := range []string{"0.0417", "4.17", "4.2 points", "0.029", "0.054", "0.987", "98.7", `"value":0.3`} {
		if strings.Contains(string(text), figure) {
			t.Errorf("%s is shown in %s", figure, text)
		}
	}
	if !strings.Contains(string(text), `"hidden":true`) || e.Stage.Progress != 0.25 {
		t.Errorf("nothing says that it is hidden, or how far it is: %v", e.Stage)
	}
	// At the horizon everything is there.
	for i := range in.Judgement.Verdicts {
		if v := &in.Judgement.Verdicts[i]; v.Role == experiment.RoleReward {
			v.Hidden, v.Final = false, true
		}
	}
	e = view.Of(in)
	if e.Versions[1].Reward == nil || e.Findings[4].Estimate == nil || e.Findings[4].Hidden {
		t.Errorf("at the horizon it is hidden still: %+v", e.Findings[4])
	}
}

// TestKnownHarmIsNeverHidden: a fixed test hides benefit, not harm.
func TestKnownHarmIsNeverHidden(t *testing.T) {
	in := fixed()
	in.Judgement.Verdicts[4].Status = experiment.Worse
	if f := view.Of(in).Findings[4]; f.Status != "worse" || f.Estimate == nil {
		t.Errorf("harm is hidden: %+v", f)
	}
}

// TestAnOverrideIsShownForEver follows a promotion by override to its end.
func TestAnOverrideIsShownForEver(t *testing.T) {
	in := warm(true)
	for range experiment.MaxDecisions + 1 {
		e := view.Of(in)
		if len(e.Notices) == 0 || e.Notices[0].Kind != view.NoticeOverride || !strings.Contains(e.Notices[0].Text, "refund in tier=premium") || !strings.HasPrefix(e.Verdict.Sentence, "PROMOTED BY OVERRIDE") {
			t.Fatalf("after %d decisions: %v, %s", len(in.Record.State.Decisions), e.Notices, e.Verdict.Sentence)
		}
		// What comes later pushes the promotion out of the state's memory.
		s := &in.Record.State
		s.Decisions = append(s.Decisions[1:], experiment.Decision{
			At: in.Now, Act: experiment.ActStop, From: experiment.Shares{500, 9500}, To: experiment.Shares{0, 10000},
			Reasons: []experiment.Reason{experiment.Because(experiment.ReasonWarmOver, "baseline", "v1")},
		})
		s.Condition, s.Outcome = experiment.Done, experiment.Promoted
	}
	if e := view.Of(warm(false)); len(e.Notices) != 0 {
		t.Errorf("a promotion by the plan has %v", e.Notices)
	}
}

// TestLimitsOnUnitsMoveWithTheirInterval: what has no exact counts is explained
// by moving the estimate, whichever side of the limit it stands on.
func TestLimitsOnUnitsMoveWithTheirInterval(t *testing.T) {
	for name, c := range map[string]struct {
		status    experiment.Status
		low, high float64
		want      string
	}{
		"broken":    {experiment.Violated, 0.50, 0.56, "v2 would not have lost its traffic with overlap of at least 57.00%, its interval being as wide (it was 53.00%)"},
		"undecided": {experiment.Undecided, 0.58, 0.64, "v2 would be known to meet its limit with overlap of at least 63.00%, its interval being as wide (it was 61.00%)"},
		"met":       {experiment.Met, 0.62, 0.68, "v2 would not have been known to meet its limit with overlap of less than 63.00%, its interval being as wide (it was 65.00%)"},
	} {
		t.Run(name, func(t *testing.T) {
			in := shadow()
			v := &in.Judgement.Verdicts[0]
			v.Status, v.Estimate, v.Interval = c.status, new((c.low+c.high)/2), &stats.Interval{Low: c.low, High: c.high}
			switch c.status {
			case experiment.Violated:
				in = decided(in, experiment.ActRollback, experiment.Running, "", 0, experiment.Because(experiment.ReasonGate, "version", "v2", "metric", "overlap", "stage", "shadow"))
			case experiment.Met:
				in = decided(in, experiment.ActStop, experiment.Running, "", 0, experiment.Because(experiment.ReasonMirrored, "version", "v2", "pairs", 20000))
			default:
				in = holding(in, experiment.Because(experiment.ReasonGateOpen, "version", "v2", "metric", "overlap"))
			}
			if d := cmp.Diff([]string{c.want}, textsOf(view.Explain(in))); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// TestEntriesThatFitNoPlanAreRefused: a file may say anything.
func TestEntriesThatFitNoPlanAreRefused(t *testing.T) {
	p := ranker("v1", "v2")
	fine := func() experiment.Entry { return experiment.Entry{Seq: 7, State: rolledBack().Record.State} }
	if e := fine(); view.Check(p, &e) != nil {
		t.Errorf("a good entry is refused: %v", view.Check(p, &e))
	}
	for name, spoil := range map[string]func(*experiment.Plan, *experiment.Entry){
		"no versions": func(p *experiment.Plan, _ *experiment.Entry) { p.Versions = nil },
		"a stage":     func(_ *experiment.Plan, e *experiment.Entry) { e.State.Stage = 9 },
		"no kind":     func(p *experiment.Plan, _ *experiment.Entry) { p.Stages[1] = experiment.Stage{Name: "ab"} },
		"a fallback":  func(p *experiment.Plan, _ *experiment.Entry) { p.Stages[1].Bandit = &experiment.Bandit{Fallback: 5} },
		"a winner":    func(_ *experiment.Plan, e *experiment.Entry) { e.State.Winner = -1 },
		"a removal":   func(_ *experiment.Plan, e *experiment.Entry) { e.State.Removed = []experiment.Removal{{Version: 5}} },
		"a verdict": func(_ *experiment.Plan, e *experiment.Entry) {
			e.Facts.Judgement.Verdicts = []experiment.Verdict{{Version: 5}}
		},
		"an arm": func(_ *experiment.Plan, e *experiment.Entry) { e.Facts.Judgement.Arms = []experiment.Arm{{Version: 5}} },
		"a doubt": func(_ *experiment.Plan, e *experiment.Entry) {
			e.Facts.Judgement.Doubts = []experiment.Doubt{{Version: -5}}
		},
		"its decision": func(_ *experiment.Plan, e *experiment.Entry) { e.Decision.Stage = -1 },
		"a decision":   func(_ *experiment.Plan, e *experiment.Entry) { e.State.Decisions[0].Stage = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			p, e := ranker("v1", "v2"), fine()
			spoil(p, &e)
			if err := view.Check(p, &e); err == nil || !strings.Contains(err.Error(), "entry 7 does not fit its plan: ") {
				t.Errorf("error is %v", err)
			}
		})
	}
}
