// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"math"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// exp keeps huge evidence a number that JSON can carry.
func exp(x float64) float64 { return math.Exp(min(x, 300)) }

// verdictOf says in one sentence what is believed and what happens next.
func verdictOf(in *Input) Verdict {
	s := &in.Record.State
	if s.Condition == experiment.Done || s.Condition == experiment.Killed {
		return finalVerdict(in)
	}
	v := Verdict{Reasons: texts(in.Latest.Reasons)}
	if len(in.Latest.Reasons) > 0 {
		v.Code = string(in.Latest.Reasons[0].Code)
	}
	candidate := in.Plan.Versions[len(in.Plan.Versions)-1].Name
	switch {
	case s.Condition == experiment.Paused:
		v.Sentence = "PAUSED  shares stay until somebody resumes"
	case len(in.Plan.Versions) == 1:
		v.Sentence = fmt.Sprintf("OBSERVING  %s", strings.Join(v.Reasons, "; "))
	default:
		v.Sentence = fmt.Sprintf("KEEP GOING  %s %s; %s", candidate, leaning(in), strings.Join(v.Reasons, "; "))
	}
	return v
}

// leaning says what the reward shows so far, without claiming more than it
// may.
func leaning(in *Input) string {
	if in.Plan.Reward == nil {
		return "is on trial"
	}
	v := in.Judgement.Find(1, experiment.RoleReward, in.Plan.Reward.Metric)
	switch {
	case v == nil || v.Interval == nil:
		return "is not known well enough to say"
	case v.Status == experiment.Better:
		return "is better"
	case v.Interval.Low > 0 || v.Interval.High < 0:
		return fmt.Sprintf("differs by %+.1f points", 100**v.Estimate)
	default:
		return fmt.Sprintf("is undecided (%+.1f points)", 100**v.Estimate)
	}
}

func finalVerdict(in *Input) Verdict {
	s := &in.Record.State
	winner := in.Plan.Versions[s.Winner].Name
	v := Verdict{Outcome: string(s.Outcome), Version: winner}
	last := last(s.Decisions)
	v.Reasons = texts(last.Reasons)
	why := strings.Join(v.Reasons, "; ")
	if len(last.Reasons) > 0 {
		v.Code = string(last.Reasons[0].Code)
	}
	switch s.Outcome {
	case experiment.Promoted:
		v.Sentence = fmt.Sprintf("PROMOTED  %s has all traffic: %s", winner, why)
	case experiment.RolledBack:
		v.Sentence = fmt.Sprintf("ROLLED BACK  %s has all traffic: %s", winner, why)
	case experiment.NoDifference:
		v.Sentence = fmt.Sprintf("NO DIFFERENCE  %s keeps the traffic: %s", winner, why)
	case experiment.Inconclusive:
		v.Sentence = fmt.Sprintf("INCONCLUSIVE  %s keeps the traffic: %s", winner, why)
	default:
		v.Sentence = fmt.Sprintf("%s  %s", strings.ToUpper(strings.ReplaceAll(string(s.Outcome), "-", " ")), why)
	}
	return v
}

// last is the newest decision that ended something.
func last(ds []experiment.Decision) experiment.Decision {
	if len(ds) == 0 {
		return experiment.Decision{}
	}
	return ds[len(ds)-1]
}

func stageOf(in *Input) Stage {
	s := &in.Record.State
	stage := &in.Plan.Stages[s.Stage]
	out := Stage{
		Name: stage.Name, Kind: string(stage.Kind()),
		Number: s.Stage + 1, Of: len(in.Plan.Stages), Step: s.Step + 1, Steps: stage.Steps(),
		Elapsed: in.Now.Sub(s.StageStart).Seconds(),
	}
	out.Progress = progress(in, stage)
	return out
}

// progress is how much of what the stage waits for is there, 0 to 1. It reads
// the totals, not the judgement: after a step the judgement is of the phase
// before.
func progress(in *Input, stage *experiment.Stage) float64 {
	s := &in.Record.State
	if s.Condition == experiment.Done {
		return 1
	}
	var f float64
	switch {
	case stage.Ramp != nil:
		f = (float64(s.Step) + stepProgress(in, stage.Ramp.Hold)) / float64(stage.Steps())
	case stage.Split != nil:
		f = float64(in.Now.Sub(s.StageStart)) / float64(stage.Split.Until.AtMost)
		if n := stage.Split.Until.Units; n > 0 {
			f = max(f, float64(matured(in))/float64(n))
		}
	default:
		f = float64(in.Now.Sub(s.StageStart)) / float64(stage.Observe.For)
	}
	return max(0, min(1, f))
}

// stepProgress is how much of a ramp's step is there.
func stepProgress(in *Input, h experiment.Hold) float64 {
	s := &in.Record.State
	p := in.Record.Totals.Phase(s.Epoch, s.Phase)
	switch {
	case h.Requests > 0 && p != nil:
		n := p.Get(len(in.Plan.Versions)-1, experiment.CellRequests).Counts.N
		return min(1, float64(n)/float64(h.Requests))
	case h.Requests == 0 && h.For > 0:
		return max(0, min(1, float64(in.Now.Sub(s.PhaseStart))/float64(h.For)))
	default:
		return 0
	}
}

// matured is the number of units whose reward is known in the current stage.
func matured(in *Input) int64 {
	n := int64(0)
	for i := range in.Record.Totals.Phases {
		p := &in.Record.Totals.Phases[i]
		if p.Stage != in.Record.State.Stage || in.Plan.Reward == nil {
			continue
		}
		for v := range in.Plan.Versions {
			n += p.Get(v, in.Plan.Reward.Metric).Units.N
		}
	}
	return n
}

// question is what a verdict answers, in the metric's own unit.
func question(p *experiment.Plan, v *experiment.Verdict) string {
	switch v.Role {
	case experiment.RoleReward:
		return v.Metric + " better?"
	case experiment.RoleGuardrail:
		return v.Metric + " not worse?"
	}
	m := p.Metric(v.Metric)
	if m.Builtin != nil && m.Builtin.Kind == experiment.Latency {
		return fmt.Sprintf("%s <= %s", v.Metric, m.Builtin.Limit)
	}
	for _, o := range p.Objectives {
		switch {
		case o.Metric != v.Metric:
		case o.Max != nil:
			return fmt.Sprintf("%s <= %.4g%%", v.Metric, 100**o.Max)
		case o.Min != nil:
			return fmt.Sprintf("%s >= %.4g%%", v.Metric, 100**o.Min)
		}
	}
	return v.Metric
}
