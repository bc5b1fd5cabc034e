// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"fmt"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// exceeded does what the plan says when its budget is used up. A promotion is
// not undone for it.
func (d *deciding) exceeded() bool {
	b := d.plan.Budget
	if b == nil || !live(&d.state) {
		return false
	}
	spent := &d.facts.Judgement.Spent
	say := func(format string, args ...any) {
		d.over = append(d.over, experiment.Because(experiment.ReasonBudget, "what", fmt.Sprintf(format, args...)))
	}
	if b.Cost > 0 && spent.Cost > b.Cost {
		say("cost %.2f of %.2f", spent.Cost, b.Cost)
	}
	if b.Units > 0 && spent.Units > b.Units {
		say("%d of %d units", spent.Units, b.Units)
	}
	if elapsed := d.now.Sub(d.state.Started); b.Duration > 0 && elapsed > b.Duration {
		say("%s of %s", short(elapsed), short(b.Duration))
	}
	if len(d.over) == 0 || b.OnExceeded != experiment.PolicyRollback {
		return false
	}
	return d.rollback(d.over...)
}

// overBudget holds when the budget is used up: nothing is raised or promoted
// any more until a person promotes or aborts.
func (d *deciding) overBudget() bool {
	if len(d.over) == 0 {
		return false
	}
	d.waiting = true
	return d.wait(d.over...)
}

// capped ends a mirror whose copies have cost what they may, in whatever
// condition: an experiment that waits goes on paying for copies. A mirror that
// has what it waits for is left to pace.
func (d *deciding) capped() bool {
	if !d.mirroring() || !d.dear() {
		return false
	}
	var why []experiment.Reason
	switch {
	case d.state.Condition == experiment.Paused:
		why = []experiment.Reason{experiment.Because(experiment.ReasonPaused)}
	case len(d.doubts) > 0:
		why = d.doubts
	case len(d.over) > 0:
		why = d.over
	case len(d.inTheWay()) > 0:
		why = d.inTheWay()
	default:
		return false
	}
	return d.atHorizon(why)
}

// dear reports whether the current mirror's copies have cost what they may.
func (d *deciding) dear() bool {
	m := d.stage().Mirror
	return m != nil && m.Cost > 0 && d.facts.Judgement.Spent.Mirror >= m.Cost
}

// atHorizon ends a stage that did not get what it waits for in its time. The
// baseline keeps the traffic.
func (d *deciding) atHorizon(missing []experiment.Reason) bool {
	what := "it did not get what it waits for"
	if len(missing) > 0 {
		what = missing[0].String()
	}
	if d.dear() {
		what = fmt.Sprintf("its copies cost %.2f of %.2f; %s", d.facts.Judgement.Spent.Mirror, d.stage().Mirror.Cost, what)
	}
	d.waiting = false
	return d.end(experiment.ActStop, experiment.Inconclusive, 0, append([]experiment.Reason{
		experiment.Because(experiment.ReasonHorizon, "stage", d.stage().Name, "missing", what),
	}, missing...)...)
}
