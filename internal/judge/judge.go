// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"math"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// At is the moment that is judged: where the experiment stands.
type At struct {
	Stage      int
	Epoch      int
	Phase      int
	StageStart time.Time
	Now        time.Time
	// Removed are the versions that lost their share for good.
	Removed []int
	// Memo saves time from one judgement to the next. It may be nil and never
	// changes a result.
	Memo *Memo
}

// AtState is where a state stands now.
func AtState(s *experiment.State, now time.Time) At {
	at := At{Stage: s.Stage, Epoch: s.Epoch, Phase: s.Phase, StageStart: s.StageStart, Now: now}
	for _, r := range s.Removed {
		at.Removed = append(at.Removed, r.Version)
	}
	return at
}

// Judge says what is believed. It reads totals and monitors and changes
// neither.
func Judge(p *experiment.Plan, t *experiment.Totals, m experiment.Monitors, at At) (experiment.Judgement, experiment.Monitors) {
	if p.Strict {
		return experiment.Judgement{}, m // Point values decide, and nothing is claimed of them.
	}
	if m.Epoch != at.Epoch {
		m = experiment.Monitors{Epoch: at.Epoch} // A new epoch is a new experiment.
	}
	j := &judging{
		plan: p, totals: epochOf(t, at.Epoch), at: at, monitors: clone(m),
		harmAlpha: p.TestAlpha(), benefitAlpha: p.CandidateAlpha(),
		plannedUnits: p.PlannedUnits(), plannedRequests: p.PlannedRequests(), stratify: stratifiedSlices(p),
	}
	for i := range j.totals.Phases {
		ph := &j.totals.Phases[i]
		j.all = append(j.all, ph)
		if ph.Stage == at.Stage {
			j.current = append(j.current, ph)
		}
	}
	if j.monitors.Stage != at.Stage {
		j.newStage()
	}
	j.mismatch()
	j.progress()
	j.spent(t)
	j.joined()
	j.mixes()
	j.limits()
	j.drifts()
	for v := 1; v < len(p.Versions); v++ {
		j.guardrails(v)
		if p.Reward != nil && p.Metric(p.Reward.Metric).Pairs == nil {
			j.out.Verdicts = append(j.out.Verdicts, j.reward(v))
		}
	}
	j.arms()
	j.outOfRange()
	j.finite()
	j.distrust()
	return j.out, j.monitors
}

// judging is one call's working state.
type judging struct {
	plan     *experiment.Plan
	totals   *experiment.Totals // of the current epoch
	at       At
	monitors experiment.Monitors
	out      experiment.Judgement

	// What the plan says and every test asks for.
	harmAlpha, benefitAlpha       float64
	plannedUnits, plannedRequests float64
	stratify                      []string
	// all are the phases of the epoch, current those of the current stage.
	all, current []*experiment.PhaseTotals
}

// epochOf is the evidence of one epoch: units were shuffled since the one
// before, and the question is asked anew.
func epochOf(t *experiment.Totals, epoch int) *experiment.Totals {
	out := &experiment.Totals{}
	for _, p := range t.Phases {
		if p.Epoch != epoch {
			continue
		}
		if alike(p.Groups) {
			p.Groups = nil
		}
		out.Phases = append(out.Phases, p)
	}
	return out
}

// alike reports whether groups have the same shares, each in a table of its own:
// then there is one split of everybody, as if there were one table.
func alike(groups []experiment.GroupShares) bool {
	return !slices.ContainsFunc(groups, func(g experiment.GroupShares) bool { return !slices.Equal(g.Shares, groups[0].Shares) })
}

func clone(m experiment.Monitors) experiment.Monitors {
	m.Harm = slices.Clone(m.Harm)
	m.Looks = slices.Clone(m.Looks)
	return m
}

// newStage forgets what belongs to the stage before: its looks, and what spoke
// for a benefit inside of it.
func (j *judging) newStage() {
	j.monitors.Stage, j.monitors.Looks = j.at.Stage, nil
	j.monitors.Harm = slices.DeleteFunc(j.monitors.Harm, func(h experiment.HarmMonitor) bool { return h.Role == splitRole })
}

// monitor finds or makes the memory of a test.
func (j *judging) monitor(version int, role experiment.Role, metric, slice string) *experiment.HarmMonitor {
	for i := range j.monitors.Harm {
		h := &j.monitors.Harm[i]
		if h.Version == version && h.Role == role && h.Metric == metric && h.Slice == slice {
			return h
		}
	}
	j.monitors.Harm = append(j.monitors.Harm, experiment.HarmMonitor{Version: version, Role: role, Metric: metric, Slice: slice})
	return &j.monitors.Harm[len(j.monitors.Harm)-1]
}

// stage is the current stage, or nil after the last.
func (j *judging) stage() *experiment.Stage {
	if j.at.Stage >= len(j.plan.Stages) {
		return nil
	}
	return &j.plan.Stages[j.at.Stage]
}

// Evidence of all stages counts, or that of the current one alone.
const (
	allStages = iota
	currentStage
)

// phases are those of the current stage, or all, in order.
func (j *judging) phases(scope int) []*experiment.PhaseTotals {
	if scope == allStages {
		return j.all
	}
	return j.current
}

// planned is the sample that a metric's intervals are tuned to.
func (j *judging) planned(m *experiment.Metric) float64 {
	basis := m.Basis()
	if r := j.plan.Reward; m.OfAnswers() && r != nil && r.Metric == m.Name {
		basis = experiment.BasisUnits // A plan with such a reward assigns requests.
	}
	switch basis {
	case experiment.BasisPairs:
		return j.plan.PlannedPairs()
	case experiment.BasisUnits:
		return j.plannedUnits
	case experiment.BasisWindows:
		return j.plan.PlannedWindows()
	default:
		return j.plannedRequests
	}
}

// combine brings the log e-values of phases together, in phase order.
func (j *judging) combine(logE []float64) float64 {
	if j.plan.Assignment.Unit.Request {
		sum := 0.0
		for _, e := range logE {
			sum += e
		}
		return sum
	}
	best := 0.0
	for i, e := range logE {
		best = max(best, e+math.Log(experiment.PhaseWeight(i)))
	}
	return best
}
