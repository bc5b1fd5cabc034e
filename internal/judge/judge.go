// SPDX-License-Identifier: Apache-2.0

// Package judge turns evidence into belief: (plan, totals, monitors) in,
// verdicts and monitors' out. It is the only rule that knows statistics.
//
// What it promises:
//
//   - Harm is watched at every look and may be looked at as often as one
//     likes: objectives by exact confidence sequences for one version against
//     a limit, rewards and guardrails by one-sided normal-mixture e-values. The
//     plan's HarmAlpha is divided evenly among all harm tests of all candidates.
//   - Benefit is said with probability at most Alpha between identical versions
//     (D9), at planned group-sequential looks (method sequential) or at any
//     time (method anytime). Alpha is divided among candidates.
//   - No data is undecided (D2). A sample-ratio mismatch is reported beside the
//     verdicts; what follows from it is decide's business.
//
// The unit of analysis is the unit of randomisation: metrics of outcomes are
// ratios over units with a delta-method standard error. Request metrics of
// experiments that assign units treat requests as independent, which units that
// send many requests make too narrow; such verdicts carry BasisRequests.
//
// Evidence of phases is combined in one of two ways. Where every request is
// assigned anew, phases are independent and their e-values multiply. Where
// units persist from one phase into the next, what a unit is like counts in
// both, a product would count it twice, and so each phase stands on its own
// share of the error: phase j of 1, 2, … gets 1/(j(j+1)) of it (a union bound
// that holds under any dependence). See docs/decisions/0008.
package judge

import (
	"math"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// At is the moment that is judged: where the experiment stands.
type At struct {
	Stage      int
	Epoch      int
	Phase      int
	StageStart time.Time
	Now        time.Time
}

// AtState is where a state stands now.
func AtState(s *experiment.State, now time.Time) At {
	return At{Stage: s.Stage, Epoch: s.Epoch, Phase: s.Phase, StageStart: s.StageStart, Now: now}
}

// MismatchAlarm is the e-value at which a sample-ratio mismatch is believed: a
// healthy experiment reaches it with probability at most 1/1000.
const MismatchAlarm = 1000

// Judge says what is believed. It reads totals and monitors and changes
// neither.
func Judge(p *experiment.Plan, t *experiment.Totals, m experiment.Monitors, at At) (experiment.Judgement, experiment.Monitors) {
	if m.Epoch != at.Epoch {
		m = experiment.Monitors{Epoch: at.Epoch} // A new epoch is a new experiment.
	}
	j := &judging{plan: p, totals: epochOf(t, at.Epoch), at: at, monitors: clone(m)}
	if j.monitors.Stage != at.Stage {
		j.monitors.Stage, j.monitors.Looks = at.Stage, nil
	}
	j.mismatch()
	j.progress()
	for v := range p.Versions {
		for _, o := range p.Objectives {
			j.out.Verdicts = append(j.out.Verdicts, j.objective(v, o))
		}
	}
	for v := 1; v < len(p.Versions); v++ {
		for _, g := range p.Guardrails {
			j.out.Verdicts = append(j.out.Verdicts, j.guardrail(v, g))
		}
		if p.Reward != nil {
			j.out.Verdicts = append(j.out.Verdicts, j.reward(v))
		}
	}
	return j.out, j.monitors
}

// epochOf is the evidence of one epoch: units were shuffled since the one
// before, and the question is asked anew.
func epochOf(t *experiment.Totals, epoch int) *experiment.Totals {
	out := &experiment.Totals{}
	for _, p := range t.Phases {
		if p.Epoch == epoch {
			out.Phases = append(out.Phases, p)
		}
	}
	return out
}

func clone(m experiment.Monitors) experiment.Monitors {
	m.Harm = slices.Clone(m.Harm)
	m.Looks = slices.Clone(m.Looks)
	return m
}

// judging is one call's working state.
type judging struct {
	plan     *experiment.Plan
	totals   *experiment.Totals
	at       At
	monitors experiment.Monitors
	out      experiment.Judgement
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

// mismatch tests the seen split against the shares asked for, phase by phase.
func (j *judging) mismatch() {
	logE := make([]float64, len(j.totals.Phases))
	for i := range j.totals.Phases {
		logE[i] = phaseMismatch(&j.totals.Phases[i])
	}
	now := j.combine(logE)
	if now > j.monitors.MismatchLogE {
		j.monitors.MismatchLogE = now
	}
	j.out.MismatchLogE = j.monitors.MismatchLogE
	j.out.Mismatch = j.monitors.MismatchLogE >= math.Log(MismatchAlarm)
	if j.out.Mismatch {
		worst := slices.Index(logE, slices.Max(logE))
		j.out.MismatchPhase = j.totals.Phases[worst].Phase
	}
}

// mismatchConcentration is the prior weight of the shares asked for, in units:
// large, because a healthy split is close to them.
const mismatchConcentration = 1000

func phaseMismatch(p *experiment.PhaseTotals) float64 {
	counts, shares := make([]int64, len(p.Shares)), make([]float64, len(p.Shares))
	n := int64(0)
	for v, s := range p.Shares {
		counts[v] = p.Get(v, experiment.CellExposures).Counts.N
		shares[v] = s.Fraction()
		n += counts[v]
		if s == 0 && counts[v] > 0 {
			return impossible
		}
	}
	if n == 0 {
		return 0
	}
	logE, err := stats.SRMLogE(counts, shares, mismatchConcentration)
	if err != nil {
		return 0 // One version alone has no ratio to be wrong about.
	}
	return logE
}

// impossible is the evidence of a unit seen where no share was: certain, and
// finite so that it can be stored.
const impossible = 100

// progress reports what pacing asks about the current phase.
func (j *judging) progress() {
	p := j.totals.Phase(j.at.Epoch, j.at.Phase)
	if p == nil {
		return
	}
	j.out.Clean = p.Clean
	seen := make([]int64, len(j.plan.Versions))
	for v := range j.plan.Versions {
		seen[v] = p.Get(v, experiment.CellExposures).Counts.N
		if v > 0 {
			n := p.Get(v, experiment.CellRequests).Counts.N
			if v == 1 || n < j.out.Requests {
				j.out.Requests = n
			}
		}
	}
	if slices.Max(seen) > 0 {
		j.out.Seen = seen
	}
}
