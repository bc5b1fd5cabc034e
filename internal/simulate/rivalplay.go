// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// PlayRival plays another tool's rule once, in the same world: where it asks for
// the shares that the plan asks for, it sees the same counts. ok is false if the
// plan has no stage that the rule could decide in.
func (w *Fast) PlayRival(r Rival, seed uint64) (t Trial, ok bool) {
	stage := rivalStage(w.plan)
	if stage == nil {
		return Trial{}, false
	}
	return newPlayer(w).rival(r, stage, seed), true
}

// schedule is when a rival looks, in windows.
type schedule struct {
	step, interval int64
}

// rivalSchedule spreads the checks over the time that the stage is expected to
// last, in the steps that the plan takes itself.
func (w *Fast) rivalSchedule(stage *experiment.Stage) schedule {
	total := int64(0)
	for step := range stage.Steps() {
		total += w.windows(w.expected(stage, step))
	}
	s := schedule{step: max(1, int64(w.expected(stage, 0)/w.plan.Window)/int64(w.steps))}
	if stage.Bandit != nil {
		s.step = max(1, min(s.step, int64(stage.Bandit.Every/w.plan.Window)))
	}
	s.interval = max(1, (total/rivalChecks+s.step/2)/s.step) * s.step
	return s
}

// rival plays a rule. Checks wait until the outcomes of what they look at have
// had their time.
func (p *player) rival(name Rival, stage *experiment.Stage, seed uint64) Trial {
	w, f := p.w, p.flow
	f.begin(seed)
	r := w.newRule(name, stage)
	every := w.rivalSchedule(stage)
	latest, all := newTallies(w.plan), newTallies(w.plan)
	var shares experiment.Shares
	route := experiment.Route{Where: stage.Where}
	for now, due := int64(0), every.interval+w.outcome; ; now += every.step {
		if now >= due {
			due += every.interval
			f.matured(now, func(b *batch) {
				merge(latest, b)
				merge(all, b)
			})
			v := r.check(latest, all)
			forget(latest)
			if v.end == "" && now >= 2*w.limit {
				v.end = EndUndecided
			}
			if v.end != "" {
				t := Trial{End: v.end, Winner: v.winner}
				w.settle(&t, &f.sum, now)
				return t
			}
		}
		if next := r.shares(); !slices.Equal(shares, next) {
			shares = next
			route.Phase++
			route.Slots = experiment.SlotsOf(shares)
			f.phase(&route, now)
		}
		f.draw(now+every.step, every.step)
	}
}

// matured visits the batches whose outcomes have had their time, each once.
func (f *flow) matured(now int64, visit func(*batch)) {
	for _, s := range f.spans {
		for s.sealed[0] < len(s.batches) && s.start+s.batches[s.sealed[0]].to+f.w.outcome <= now {
			visit(s.batches[s.sealed[0]])
			s.sealed[0]++
		}
	}
}
