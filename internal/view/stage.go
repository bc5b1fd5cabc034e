// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"fmt"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Stage is where the experiment stands.
type Stage struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	// Number and Step count from 1.
	Number int `json:"number"`
	Of     int `json:"of"`
	Step   int `json:"step"`
	Steps  int `json:"steps"`
	// Progress is 0 to 1 through what the stage waits for.
	Progress float64 `json:"progress"`
	// Elapsed is the time in the stage.
	Elapsed float64 `json:"elapsedSeconds"`
	// Horizon is how long the stage lasts at the longest.
	Horizon float64 `json:"horizonSeconds,omitempty"`
	// Where says which requests take part, "tier not premium"; empty is all.
	Where string `json:"where,omitempty"`
	// Waits are what the stage waits for, all of it.
	Waits []Wait `json:"waits,omitempty"`
	// Approval is whom the stage waits for last; absent where it wants none.
	Approval *Approval `json:"approval,omitempty"`
}

// Wait is one thing that is waited for.
type Wait struct {
	// What names it: "requests of v2", "clean windows", "gate overlap >= 60%".
	What string `json:"what"`
	// Have and Want count in Unit; a wait for a fact has neither.
	Have float64 `json:"have,omitempty"`
	Want float64 `json:"want,omitempty"`
	// Unit is requests, windows, units, pairs, iterations, seconds or
	// probability.
	Unit string `json:"unit,omitempty"`
	Done bool   `json:"done"`
	// Owner answers for a gate.
	Owner string `json:"owner,omitempty"`
}

// Approval is a person's leave that something waits for.
type Approval struct {
	// Owner is who must approve.
	Owner string `json:"owner"`
	// Given says that it was; Awaited that nothing else is missing.
	Given   bool `json:"given"`
	Awaited bool `json:"awaited"`
}

func stageOf(in *Input) Stage {
	s := &in.Record.State
	stage := &in.Plan.Stages[s.Stage]
	out := Stage{
		Name: stage.Name, Kind: string(stage.Kind()),
		Number: s.Stage + 1, Of: len(in.Plan.Stages), Step: s.Step + 1, Steps: stage.Steps(),
		Elapsed: in.Now.Sub(s.StageStart).Seconds(), Progress: progress(in, stage),
	}
	if s.Condition == experiment.Warm {
		out.Kind = string(experiment.KindWarm)
		out.Approval = approvalOf(in, warmApproval(in.Plan))
	}
	if !live(in) {
		return out
	}
	out.Horizon = stage.AtMost().Seconds()
	out.Where = stage.Where.String()
	out.Waits = waits(in, stage)
	out.Approval = approvalOf(in, stage.Approval)
	return out
}

func approvalOf(in *Input, owner string) *Approval {
	if owner == "" {
		return nil
	}
	a := &Approval{Owner: owner, Given: in.Record.State.Approved}
	for _, r := range in.Latest.Reasons {
		a.Awaited = a.Awaited || r.Code == experiment.ReasonNeedApproval && !a.Given
	}
	return a
}

// progress is how much of what the stage waits for is there, 0 to 1. It reads
// the totals, not the judgement: after a step the judgement is of the phase
// before.
func progress(in *Input, stage *experiment.Stage) float64 {
	s := &in.Record.State
	switch s.Condition {
	case experiment.Done:
		return 1
	case experiment.Warm:
		return warmProgress(in)
	}
	elapsed := in.Now.Sub(s.StageStart)
	f := fraction(elapsed, stage.AtMost())
	switch {
	case stage.Ramp != nil:
		f = (float64(s.Step) + stepProgress(in, stage.Ramp.Hold)) / float64(stage.Steps())
	case stage.Split != nil:
		f = max(f, part(float64(matured(in)), float64(stage.Split.Until.Units)))
	case stage.Bandit != nil:
		f = max(f, part(float64(matured(in)), float64(stage.Bandit.Until.Units)))
	case stage.Mirror != nil:
		f = max(f, part(float64(pairs(in)), float64(stage.Mirror.Until.Pairs)))
	case stage.Switch != nil:
		f = switchProgress(in, stage.Switch)
	case stage.Iterate != nil:
		f = part(float64(iterations(s)), float64(stage.Iterate.Total()))
	}
	return max(0, min(1, f))
}

// part is have of want, 0 where nothing is wanted.
func part(have, want float64) float64 {
	if want <= 0 {
		return 0
	}
	return max(0, min(1, have/want))
}

func fraction(elapsed, of time.Duration) float64 { return part(float64(elapsed), float64(of)) }

// stepProgress is how much of a ramp's step is there.
func stepProgress(in *Input, h experiment.Hold) float64 {
	s := &in.Record.State
	switch {
	case h.Requests > 0:
		return part(float64(stepRequests(in)), float64(h.Requests))
	case h.For > 0:
		return fraction(in.Now.Sub(s.PhaseStart), h.For)
	default:
		return 0
	}
}

// stepRequests is the requests of the remaining candidate that has the fewest
// in the current phase.
func stepRequests(in *Input) int64 {
	p := in.Record.Totals.Phase(in.Record.State.Epoch, in.Record.State.Phase)
	if p == nil {
		return 0
	}
	return fewest(in, func(v int) int64 { return p.Get(v, experiment.CellRequests).Counts.N })
}

// fewest is the least of a count over the remaining candidates.
func fewest(in *Input, count func(version int) int64) int64 {
	n := int64(-1)
	for v := 1; v < len(in.Plan.Versions); v++ {
		if in.Record.State.IsRemoved(v) {
			continue
		}
		if c := count(v); n < 0 || c < n {
			n = c
		}
	}
	return max(0, n)
}

// switchProgress credits the warming up with its part of the stage's time, and
// the soak from the cut-over on.
func switchProgress(in *Input, w *experiment.Switch) float64 {
	s := &in.Record.State
	whole := float64(w.Warm + w.Soak)
	if cutOver(in) {
		return part(float64(w.Warm)+float64(min(w.Soak, in.Now.Sub(s.PhaseStart))), whole)
	}
	if s.ReadySince == nil {
		return 0
	}
	return part(float64(min(w.Warm, in.Now.Sub(*s.ReadySince))), whole)
}

// cutOver says that a switch has given its candidate everything.
func cutOver(in *Input) bool {
	return in.Record.State.Slots.Shares(len(in.Plan.Versions))[0] == 0
}

// stagePhases visits the phases of the current stage and epoch.
func stagePhases(in *Input, visit func(*experiment.PhaseTotals)) {
	for i := range in.Record.Totals.Phases {
		p := &in.Record.Totals.Phases[i]
		if p.Stage == in.Record.State.Stage && p.Epoch == in.Record.State.Epoch {
			visit(p)
		}
	}
}

// matured is the number of units whose reward is known in the current stage.
func matured(in *Input) int64 {
	n := int64(0)
	if in.Plan.Reward == nil {
		return 0
	}
	m := in.Plan.Metric(in.Plan.Reward.Metric)
	if m == nil {
		return 0
	}
	stagePhases(in, func(p *experiment.PhaseTotals) {
		for v := range in.Plan.Versions {
			e := p.Get(v, m.Cell())
			negative, positive := e.Scores.Total()
			n += e.Units.N + negative + positive
		}
	})
	return n
}

// pairs is the pairs of the remaining candidate that has the fewest in the
// current stage, by the metric that has most.
func pairs(in *Input) int64 {
	return fewest(in, func(v int) int64 {
		most := int64(0)
		for i := range in.Plan.Metrics {
			m := &in.Plan.Metrics[i]
			if m.Pairs == nil {
				continue
			}
			n := int64(0)
			stagePhases(in, func(p *experiment.PhaseTotals) { n += p.Get(v, m.Cell()).Pairs() })
			most = max(most, n)
		}
		return most
	})
}

// waits lists what a stage waits for.
func waits(in *Input, stage *experiment.Stage) []Wait {
	s := &in.Record.State
	var out []Wait
	count := func(what, unit string, have, want float64) {
		if want > 0 {
			out = append(out, Wait{What: what, Unit: unit, Have: have, Want: want, Done: have >= want})
		}
	}
	elapsed, phase := in.Now.Sub(s.StageStart).Seconds(), in.Now.Sub(s.PhaseStart).Seconds()
	until := func(u experiment.Until) {
		count("units", "units", float64(matured(in)), float64(u.Units))
		count("pairs of each candidate", "pairs", float64(pairs(in)), float64(u.Pairs))
		count("least time", "seconds", elapsed, u.AtLeast.Seconds())
	}
	switch {
	case stage.Ramp != nil:
		h := stage.Ramp.Hold
		count("requests of the candidate", "requests", float64(stepRequests(in)), float64(h.Requests))
		count("clean windows", "windows", float64(cleanWindows(in)), float64(h.Windows))
		count("least time", "seconds", phase, max(h.For, h.Settle).Seconds())
	case stage.Split != nil:
		until(stage.Split.Until)
	case stage.Mirror != nil:
		until(stage.Mirror.Until)
	case stage.Bandit != nil:
		until(stage.Bandit.Until)
		count("probability of being the best", "probability", bestChance(in), stage.Bandit.Until.Best)
	case stage.Switch != nil && cutOver(in):
		count("soak", "seconds", phase, stage.Switch.Soak.Seconds())
	case stage.Switch != nil:
		ready := 0.0
		if s.ReadySince != nil {
			ready = in.Now.Sub(*s.ReadySince).Seconds()
		}
		count("ready without a break", "seconds", ready, stage.Switch.Warm.Seconds())
	case stage.Iterate != nil:
		count("iterations", "iterations", float64(iterations(s)), float64(stage.Iterate.Total()))
	default:
		count("the period", "seconds", elapsed, stage.Observe.For.Seconds())
	}
	return append(out, gates(in, stage)...)
}

func cleanWindows(in *Input) int {
	if p := in.Record.Totals.Phase(in.Record.State.Epoch, in.Record.State.Phase); p != nil {
		return p.Clean
	}
	return 0
}

// bestChance is the probability that one version is the best: that of the
// leader, or where groups have their own shares, the least of the groups' if
// they agree on one.
func bestChance(in *Input) float64 {
	leaders := leadersOf(in.Judgement.Arms)
	chance := 1.0
	for _, a := range leaders {
		if a.Version != leaders[0].Version {
			return 0
		}
		chance = min(chance, a.Best)
	}
	if len(leaders) == 0 {
		return 0
	}
	return chance
}

// gates lists what the stage requires of each remaining candidate.
func gates(in *Input, stage *experiment.Stage) []Wait {
	var out []Wait
	for i := range stage.Require {
		o := &stage.Require[i]
		limit := o.Max
		if limit == nil {
			limit = o.Min
		}
		for v := min(1, len(in.Plan.Versions)-1); v < len(in.Plan.Versions); v++ {
			if in.Record.State.IsRemoved(v) {
				continue
			}
			for _, slice := range append([]string{""}, in.Plan.LimitSlices(o)...) {
				out = append(out, gate(in, o, experiment.Verdict{
					Version: v, Metric: o.Metric, Slice: slice, Role: experiment.RoleGate, Status: experiment.Undecided, Limit: limit,
				}))
			}
		}
	}
	return out
}

// gate is one limit in one slice, with what is believed of it.
func gate(in *Input, o *experiment.Objective, verdict experiment.Verdict) Wait {
	if found := in.Judgement.FindIn(verdict.Version, experiment.RoleGate, o.Metric, verdict.Slice); found != nil {
		verdict.Status = found.Status
	}
	return Wait{
		What:  fmt.Sprintf("gate %s of %s: %s", question(in, &verdict), in.Plan.Versions[verdict.Version].Name, verdict.Status),
		Done:  verdict.Status == experiment.Met,
		Owner: cmp.Or(o.Owner, in.Plan.Owner),
	}
}
