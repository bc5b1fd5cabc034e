// SPDX-License-Identifier: Apache-2.0

package load

import (
	"fmt"
	"strings"
	"time"
)

// PairProgress is how far a comparison is.
type PairProgress struct {
	// Done of Planned pairs have their answers; of Failed ones one or both
	// failed.
	Done, Planned, Failed int64
	// Elapsed is in seconds.
	Elapsed float64
}

// Fraction is how much of the run is over, from 0 to 1.
func (p PairProgress) Fraction() float64 { return float64(p.Done) / float64(max(1, p.Planned)) }

// Line sums it up on one line.
func (p PairProgress) Line() string {
	f := p.Fraction()
	parts := []string{fmt.Sprintf("%3.0f%%", 100*f), fmt.Sprintf("%d pairs", p.Done), rateText(float64(p.Done) / max(p.Elapsed, 1e-9))}
	if f > 0 && f < 1 {
		left := time.Duration(p.Elapsed * (1 - f) / f * float64(time.Second))
		parts = append(parts, left.Round(time.Second).String()+" left")
	}
	if p.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", p.Failed))
	}
	return strings.Join(parts, "  ")
}

// ReachedPairs is Reached for pairs.
func (m *Milestones) ReachedPairs(p PairProgress, now time.Time) bool {
	return m.reached(p.Elapsed, p.Fraction(), now)
}

// show tells progress how far it is, until done.
func (r *pairRun) show(done <-chan struct{}, progress func(PairProgress)) {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			progress(PairProgress{
				Done: r.done.Load(), Planned: int64(len(r.o.Lines)), Failed: r.failed.Load(), Elapsed: time.Since(r.began).Seconds(),
			})
		}
	}
}
