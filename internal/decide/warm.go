// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"cmp"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// promote gives the winner the traffic. With keepWarm the baseline stays able
// to take everything back, and the experiment goes on until that is over.
func (d *deciding) promote(winner int, reasons ...experiment.Reason) bool {
	keep, copies := d.plan.Promote.KeepWarm, d.plan.Promote.How == experiment.PromoteCopy
	if d.plan.Strict {
		x := d.iteration() // What the person says is what its actions promote.
		x.Best, x.Found, x.Winner = []int{winner}, true, winner
	}
	if keep == nil && !copies {
		d.retire()
		return d.end(experiment.ActPromote, experiment.Promoted, winner, reasons...)
	}
	d.to = d.promoted(winner)
	d.state.Condition, d.state.Winner = experiment.Warm, winner
	d.state.Approved, d.state.ReadySince = false, nil
	if keep == nil {
		d.actions = append(d.actions, experiment.IntentCopy)
		return d.because(experiment.ActPromote, append(reasons, d.copying("its copy was asked for"))...)
	}
	return d.because(experiment.ActPromote, append(reasons,
		experiment.Because(experiment.ReasonWarm, "version", d.name(winner), "baseline", d.name(0)))...)
}

// promoted is the shares of a promotion: everything for the winner, but what is
// held back while the baseline is kept warm.
func (d *deciding) promoted(winner int) asked {
	shares := make(experiment.Shares, len(d.plan.Versions))
	shares[winner] = experiment.Whole
	if keep := d.plan.Promote.KeepWarm; keep != nil {
		shares[winner] -= keep.Holdback
		shares[0] += keep.Holdback
	}
	return forAll(shares)
}

// retire asks for the plan's loser to be done to the version that has no traffic
// any more. It cannot be taken back, so it waits for the end of keeping warm.
func (d *deciding) retire() {
	if l := d.plan.Promote.Loser; l == experiment.LoserScaleDown || l == experiment.LoserDelete {
		d.actions = append(d.actions, experiment.IntentRetire)
	}
}

// warm keeps the old version able to take everything back until a time has
// passed, late outcomes have come in and a person approves, whichever are asked
// for. Harm of the winner was acted on before, and doubts hold: what is retired
// does not come back. A promotion begins a phase of its own, so the phase began
// with it.
func (d *deciding) warm() bool {
	switch {
	case d.state.Condition != experiment.Warm:
		return false
	case d.state.Copied:
		return d.copied()
	case d.state.Asks(experiment.IntentCopy):
		return d.wait(d.copying(d.asIs(experiment.IntentCopy)))
	}
	keep := cmp.Or(d.plan.Promote.KeepWarm, &experiment.KeepWarm{})
	since := d.now.Sub(d.state.PhaseStart)
	if left := keep.AtLeast - since; left > 0 {
		return d.keptWarm("another " + short(left))
	}
	for _, name := range keep.Matured {
		if left := d.matures(name) - since; left > 0 {
			return d.keptWarm(name + " matures in " + short(left))
		}
	}
	want := experiment.Baseline(len(d.plan.Versions))
	want[0], want[d.state.Winner] = 0, experiment.Whole
	if d.unready(forAll(want)) || d.unapproved() {
		return true
	}
	over := experiment.Because(experiment.ReasonWarmOver, "baseline", d.name(0))
	if d.plan.Promote.How == experiment.PromoteCopy {
		d.to = forAll(want)
		d.actions = append(d.actions, experiment.IntentCopy)
		return d.because(experiment.ActAdvance, over, d.copying("its copy was asked for"))
	}
	d.retire()
	return d.end(experiment.ActStop, experiment.Promoted, d.state.Winner, over)
}

func (d *deciding) keptWarm(what string) bool {
	return d.wait(experiment.Because(experiment.ReasonKeptWarm, "baseline", d.name(0), "what", what))
}

// matures is how long after the promotion the last unit exposed before it has
// had its time in a metric.
func (d *deciding) matures(metric string) time.Duration {
	hold := d.plan.Lag + d.plan.Window
	if m := d.plan.Metric(metric); m != nil {
		hold += m.Matures()
	}
	return hold
}
