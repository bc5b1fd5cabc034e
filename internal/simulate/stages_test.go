// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"slices"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// stagePlan is a plan of two versions and the stages.
func stagePlan(stages ...experiment.Stage) *experiment.Plan {
	p := looksPlan(experiment.Sequential)
	p.Window, p.Lag, p.Stale, p.Stages = time.Minute, 10*time.Second, 10*time.Minute, stages
	p.Metrics[0].Outcomes.Window, p.Metrics[1].Outcomes.Window = 5*time.Minute, 5*time.Minute
	limit, floor := .05, .6
	p.Metrics = append(p.Metrics, experiment.Metric{Name: "overlap", Goal: experiment.Increase, Pairs: &experiment.PairsMetric{Compare: experiment.CompareRanking}})
	p.Objectives = []experiment.Objective{{Metric: "errors", Max: &limit}}
	for i := range p.Stages {
		if p.Stages[i].Mirror != nil {
			p.Stages[i].Require = []experiment.Objective{{Metric: "overlap", Min: &floor}}
		}
	}
	return p
}

func mirrorStage() experiment.Stage {
	return experiment.Stage{Name: "shadow", Mirror: &experiment.Mirror{Share: 5000, Until: experiment.Until{Pairs: 2000, AtMost: 4 * time.Hour}}}
}

func rampStage() experiment.Stage {
	return experiment.Stage{Name: "canary", Ramp: &experiment.Ramp{
		Steps: []experiment.Share{0, 500, 2000}, AtMost: 12 * time.Hour,
		Hold: experiment.Hold{Requests: 500, Windows: 2, Settle: 3 * time.Minute},
	}}
}

func splitStage(otherwise experiment.Otherwise) experiment.Stage {
	return experiment.Stage{Name: "ab", Split: &experiment.Split{
		Shares: experiment.Shares{5000, 5000}, Otherwise: otherwise, Until: experiment.Until{Decided: true, Units: 20_000, AtMost: 12 * time.Hour},
	}}
}

func banditStage() experiment.Stage {
	return experiment.Stage{Name: "learn", Bandit: &experiment.Bandit{
		Policy: experiment.Thompson, Every: 10 * time.Minute, Explore: 500,
		Min: experiment.Shares{500, 500}, Max: experiment.Shares{9500, 9500}, Step: 2000,
		Until: experiment.Until{Best: .99, AtMost: 12 * time.Hour}, Otherwise: experiment.KeepBaseline,
	}}
}

func switchStage() experiment.Stage {
	return experiment.Stage{Name: "cut", Switch: &experiment.Switch{Warm: 5 * time.Minute, Soak: 30 * time.Minute}}
}

func observeStage() experiment.Stage {
	return experiment.Stage{Name: "watch", Observe: &experiment.Observe{For: time.Hour}}
}

// TestEveryStageKindIsPlayed: in a world in which the candidate is far better
// each kind ends as it should, and where it breaks a limit it is found out.
func TestEveryStageKindIsPlayed(t *testing.T) {
	for name, tc := range map[string]struct {
		stages []experiment.Stage
		good   experiment.Outcome
	}{
		"ramp":    {[]experiment.Stage{rampStage()}, experiment.Promoted},
		"split":   {[]experiment.Stage{splitStage(experiment.KeepBaseline)}, experiment.Promoted},
		"bandit":  {[]experiment.Stage{banditStage()}, experiment.Promoted},
		"switch":  {[]experiment.Stage{switchStage()}, experiment.Promoted},
		"mirror":  {[]experiment.Stage{mirrorStage()}, experiment.OutcomeMet},
		"observe": {[]experiment.Stage{observeStage()}, experiment.OutcomeMet},
		"all": {[]experiment.Stage{
			observeStage(), mirrorStage(), rampStage(), splitStage(experiment.KeepBaseline), switchStage(),
		}, experiment.Promoted},
	} {
		t.Run(name, func(t *testing.T) {
			p := stagePlan(tc.stages...)
			switch name {
			case "switch": // Nothing is compared once the candidate has everything.
				p.Reward, p.Guardrails = nil, nil
			case "all": // So what is compared must be known before.
				p.Stages[3].Split.Until.AtLeast = 2 * time.Hour
			}
			a := Assumptions{Rate: 20, Laws: []Law{{Metric: "purchase", Values: []float64{.1, .15}}}}
			w := world(t, p, a)
			good := 0
			for seed := range uint64(8) {
				r, err := w.Play(seed, true)
				if err != nil {
					t.Fatal(err)
				}
				if r.Outcome == tc.good {
					good++
				} else {
					last := r.Entries[len(r.Entries)-1]
					t.Logf("seed %d ends %q after %s: %v", seed, r.Outcome, r.Took, last.Decision.Reasons)
				}
			}
			if good < 7 {
				t.Errorf("%d of 8 good candidates ended %s", good, tc.good)
			}
			bad := a
			bad.Laws = append(bad.Laws, Law{Metric: "errors", Values: []float64{.001, .3}}, Law{Metric: "overlap", Values: []float64{.9, .2}})
			w = world(t, p, bad)
			for seed := range uint64(4) {
				r, err := w.Play(seed, false)
				if err != nil {
					t.Fatal(err)
				}
				if name != "observe" && r.End != EndRolledBack {
					t.Errorf("seed %d: a candidate that fails a third of its requests ends %s (%s) by %s", seed, r.End, r.Outcome, r.Reason)
				}
			}
		})
	}
}

// TestTheRightOneOfSeveralIsPromoted: the best of three candidates wins, one that
// does harm is removed.
func TestTheRightOneOfSeveralIsPromoted(t *testing.T) {
	split := splitStage(experiment.KeepBaseline)
	split.Split.Shares = experiment.Shares{2500, 2500, 2500, 2500}
	split.Split.Until.Units = 60_000
	p := stagePlan(split)
	p.Versions = append(p.Versions, experiment.Version{Name: "v3"}, experiment.Version{Name: "v4"})
	a := Assumptions{Rate: 20, Laws: []Law{
		{Metric: "purchase", Values: []float64{.1, .1, .15, .3}}, {Metric: "errors", Values: []float64{.001, .001, .001, .3}},
	}}
	r := many(t, p, a, Options{Runs: 12, Rivals: true})
	if h := r.Headgate; h.Right < 11 || h.Wrong > 0 {
		t.Errorf("%d right, %d wrong: %v", h.Right, h.Wrong, h.Ends)
	}
	if !r.Truth.Harmful[3] || r.Truth.Right(3) || !r.Truth.Right(2) {
		t.Errorf("the truth is %+v", r.Truth)
	}
}

// TestGroupsOfTheirOwn: a guardrail that is broken in one group only is found
// there.
func TestGroupsOfTheirOwn(t *testing.T) {
	p := stagePlan(splitStage(experiment.KeepBaseline))
	p.Segments = []experiment.Segment{{Name: "tier", Header: "t", Values: []string{"premium", "basic"}}}
	p.Guardrails[0].Slices = []string{"tier"}
	a := Assumptions{Rate: 100, Groups: []GroupShare{{"tier=premium", .3}, {"tier=basic", .4}}, Laws: []Law{
		{Metric: "purchase", Values: []float64{.3, .3}}, {Metric: "refund", Slice: "tier=premium", Values: []float64{.1, .6}},
	}}
	p.Stages[0].Split.Until.Units = 60_000
	w := world(t, p, a)
	if !w.truth.Harmful[1] {
		t.Error("a candidate that is worse in a group breaks no limit")
	}
	r, err := w.Play(3, true)
	if err != nil {
		t.Fatal(err)
	}
	last := r.Entries[len(r.Entries)-1]
	if r.End != EndRolledBack || r.Reason != experiment.ReasonGuardrail {
		t.Errorf("ends %s: %v", r.End, last.Decision.Reasons)
	}
}

// TestPersonsAnswerAtOnce: who is asked says yes, in the same moment, and the
// report says that somebody was.
func TestPersonsAnswerAtOnce(t *testing.T) {
	ask := splitStage(experiment.AskPerson)
	approved := observeStage()
	approved.Approval = "owner"
	p := stagePlan(approved, ask)
	p.Stages[1].Split.Until.Units = 3000
	p.Promote.KeepWarm = &experiment.KeepWarm{AtLeast: 20 * time.Minute, Approval: "owner"}
	r := many(t, p, Assumptions{Rate: 20, Laws: []Law{{Metric: "purchase", Values: []float64{.1, .1}}}}, Options{Runs: 10})
	h := r.Headgate
	if h.Asked != 10 || h.Promoted < 9 || len(r.Notes) != 3 {
		t.Errorf("asked in %d of 10 runs, %d promoted: %v %v", h.Asked, h.Promoted, h.Ends, r.Notes)
	}
	w := world(t, p, Assumptions{Rate: 20})
	trial, err := w.Play(1, true)
	if err != nil {
		t.Fatal(err)
	}
	var verbs []experiment.Verb
	for i, e := range trial.Entries {
		for _, c := range e.Facts.Commands {
			verbs = append(verbs, c.Verb)
			if asked := trial.Entries[i-1].Now; !e.Now.Equal(asked) {
				t.Errorf("asked at %s, answered at %s", asked, e.Now)
			}
		}
	}
	if want := []experiment.Verb{experiment.VerbApprove, experiment.VerbPromote, experiment.VerbApprove}; !slices.Equal(verbs, want) {
		t.Errorf("they said %v, want %v", verbs, want)
	}
}

// TestLongRampsTakeBoundedMemory: a ramp is drawn window by window, and what is
// sealed is used again, without a change of what is folded.
func TestLongRampsTakeBoundedMemory(t *testing.T) {
	p := stagePlan(rampStage())
	w := world(t, p, assume(p, Effect{}))
	f := newFlow(w)
	f.begin(1)
	f.phase(&experiment.Route{Epoch: 1, Phase: 1, Slots: experiment.SlotsOf(experiment.Shares{5000, 5000})}, 0)
	var folded experiment.Folded
	most := 0
	for now := int64(10); now <= 20_000; now += 10 {
		f.draw(now, 1)
		seals, _ := f.seals(now, nil, nil)
		for _, s := range seals {
			if n := folded.Of(s.Source); s.From != *n {
				t.Fatalf("%s goes on from window %d, %d are folded", s.Source, s.From, *n)
			}
			*folded.Of(s.Source) = s.To
		}
		most = max(most, len(f.spans[0].batches))
	}
	if most > 1100 || folded.Outcomes != 20_000-w.outcome || folded.Gateway != 20_000-w.lag {
		t.Errorf("at most %d batches for 20,000 windows, folded %+v", most, folded)
	}
}

// TestWhatNeverEndsIsGivenUp: an experiment that waits for ever is undecided, and
// the reason is what it waited for.
func TestWhatNeverEndsIsGivenUp(t *testing.T) {
	limit := .0001
	p := stagePlan(rampStage())
	p.Reward, p.Guardrails = nil, nil
	p.Objectives = []experiment.Objective{{Metric: "errors", Max: &limit}} // It takes 30,000 requests to know.
	p.Stages[0].Ramp.AtMost = 1000 * time.Hour
	p.OnUnknown = experiment.OnUnknown{After: time.Hour, Do: experiment.PolicyHold}
	a := Assumptions{Rate: .5, Laws: []Law{{Metric: "errors", Values: []float64{0, 0}}}}
	w := world(t, p, a)
	w.limit = 50 * 60 // Sooner than its horizon.
	r, err := w.Play(1, false)
	if err != nil {
		t.Fatal(err)
	}
	if r.End != EndUndecided || r.Outcome != "" || r.Took != 50*time.Hour || r.Reason == "" {
		t.Errorf("%s %q after %s by %q", r.End, r.Outcome, r.Took, r.Reason)
	}
}
