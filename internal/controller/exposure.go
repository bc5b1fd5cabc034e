// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// onTime is how late after its phase began a route may have been written and
// still count from the start: what tells of requests counts from a scrape after
// it.
const onTime = time.Second

// keptPhases is how many phases' routing is remembered: evidence of more is not
// read at once.
const keptPhases = 8

// served is since when the route is known to say what a phase asks for.
type served struct {
	epoch, phase int
	since        time.Time
}

// serves notes whether the route says what the running phase asks for. What was
// written just now, or is found to be otherwise, begins anew; and so does what a
// controller finds that has only just started, since it cannot know when it was
// written.
func (t *turn) serves(already bool) {
	x, s := t.run, &t.run.record.State
	i := slices.IndexFunc(x.served, func(p served) bool { return p.epoch == s.Epoch && p.phase == s.Phase })
	if i < 0 {
		x.served = append(x.served, served{s.Epoch, s.Phase, t.r.Now()})
		if n := len(x.served) - keptPhases; n > 0 {
			x.served = x.served[n:]
		}
	} else if !already {
		x.served[i].since = t.r.Now()
	}
}

// seal reads evidence, and leaves out of it how many requests each version got
// while the route did not say what was asked for: a share that was written late,
// or by somebody else, is no sample-ratio mismatch. Whether a version does harm
// is told by all of its requests.
func (t *turn) seal(ctx context.Context, w engine.Wanted, now time.Time) (experiment.Seal, error) {
	x := t.run
	seal, err := x.evidence.Seal(ctx, w, now)
	if err != nil || w.Source != experiment.SourceGateway || t.gateways() {
		return seal, err
	}
	from, known := x.exposed(w.Phase)
	seal.Cells = slices.DeleteFunc(seal.Cells, func(c experiment.Cell) bool {
		begins := w.Phase.Start.Add(time.Duration(c.Window) * x.plan.Window)
		return c.Metric == experiment.CellExposures && (!known || begins.Before(from))
	})
	return seal, err
}

// exposed is from when the windows of a phase show its shares; not known of a
// phase that this controller did not see. A source must have scraped after a
// route was served, so that its next samples are of that route alone.
func (x *run) exposed(p *experiment.PhaseTotals) (from time.Time, known bool) {
	i := slices.IndexFunc(x.served, func(s served) bool { return s.epoch == p.Epoch && s.phase == p.Phase })
	switch {
	case i < 0:
		return time.Time{}, false
	case x.served[i].since.Sub(p.Start) <= min(onTime, x.plan.Window/4):
		return p.Start, true
	}
	return x.served[i].since.Add(x.plan.Hold(experiment.SourceGateway)), true
}
