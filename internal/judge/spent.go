// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"github.com/headgate-dev/headgate/internal/experiment"
)

// spent adds up what the experiment has used: requests, copies and tokens at what
// they cost, versions for the hours that they were up, units that met a
// candidate. It counts every epoch, because what was paid was paid. What copies
// took in tokens nobody counts, so that a mirror's part lacks it.
func (j *judging) spent(t *experiment.Totals) {
	out := &j.out.Spent
	stages := make([]float64, len(j.plan.Stages))
	pay := func(stage int, cost float64) {
		out.Cost += cost
		if stage < len(stages) {
			stages[stage] += cost
		}
	}
	current := j.stage()
	for i := range t.Phases {
		p := &t.Phases[i]
		for v := range j.plan.Versions {
			each := &j.plan.Versions[v].Cost
			copies := each.PerRequest * float64(p.Get(v, experiment.CellMirrored).Counts.N)
			pay(p.Stage, each.PerRequest*float64(p.Get(v, experiment.CellRequests).Counts.N)+copies)
			if each.PerToken > 0 {
				tokens := p.Get(v, experiment.CellTokens).Units
				pay(p.Stage, each.PerToken*tokens.MeanY*float64(tokens.N))
			}
			if current != nil && current.Mirror != nil && p.Epoch == j.at.Epoch && p.Stage == j.at.Stage {
				out.Mirror += copies
			}
			if v > 0 {
				out.Units += p.Get(v, experiment.CellExposures).Counts.N
			}
		}
		pay(p.Stage, j.perHour()*j.hours(t, i))
	}
	if out.Cost > 0 {
		out.Stages = stages
	}
}

// perHour is what it costs an hour that all versions are up.
func (j *judging) perHour() float64 {
	sum := 0.0
	for v := range j.plan.Versions {
		sum += j.plan.Versions[v].Cost.PerHour
	}
	return sum
}

// hours is how long a phase has lasted: until the next, or until now.
func (j *judging) hours(t *experiment.Totals, i int) float64 {
	start, end := t.Phases[i].Start, j.at.Now
	if i+1 < len(t.Phases) && !t.Phases[i+1].Start.IsZero() {
		end = t.Phases[i+1].Start
	}
	if start.IsZero() {
		return 0
	}
	return max(0, end.Sub(start).Hours())
}
