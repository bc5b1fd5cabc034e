// SPDX-License-Identifier: Apache-2.0

package load

import (
	"fmt"
	"strings"
	"time"
)

// Fraction is how much of the run is over, from 0 to 1, by the bound that will
// be met first.
func (r Report) Fraction() float64 {
	f := 0.0
	if r.Planned > 0 {
		f = float64(r.Offered) / float64(r.Planned)
	}
	if r.Duration > 0 {
		f = max(f, r.Sending/r.Duration)
	}
	return min(1, f)
}

// Line sums up a run that goes on, on one line: how far, how fast, for how long
// still, what failed, the split.
func (r Report) Line() string {
	f := r.Fraction()
	parts := []string{fmt.Sprintf("%3.0f%%", 100*f), fmt.Sprintf("%d sent", r.Sent), rateText(r.Rate)}
	switch waiting := r.Outcomes.waiting(); {
	case f >= 1 && waiting > 0:
		parts = append(parts, fmt.Sprintf("%d outcomes to come", waiting))
	case f >= 1:
		parts = append(parts, fmt.Sprintf("%d answers to come", r.Sent-r.Answered-r.Failed))
	case f > 0:
		left := time.Duration(r.Sending * (1 - f) / f * float64(time.Second))
		parts = append(parts, left.Round(time.Second).String()+" left")
	}
	for _, x := range []struct {
		n    int64
		what string
	}{{r.Failed, "failed"}, {r.Errors, "errors"}, {r.Skipped, "skipped"}} {
		if x.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", x.n, x.what))
		}
	}
	for _, v := range r.Versions {
		if v.Name != "" {
			parts = append(parts, fmt.Sprintf("%s %.1f%%", v.Name, 100*float64(v.Answers)/float64(r.Answered)))
		}
	}
	return strings.Join(parts, "  ")
}

// rateText writes a rate to three digits or to the whole request.
func rateText(f float64) string {
	if f >= 100 {
		return fmt.Sprintf("%.0f/s", f)
	}
	return fmt.Sprintf("%.3g/s", f)
}

// waiting is how many outcomes have met no fate yet.
func (o *Outcomes) waiting() int64 {
	if o == nil {
		return 0
	}
	return o.Due - o.Accepted - o.Duplicates - o.Late - o.Unmatched - o.Failed - o.Unexposed - o.Dropped
}

// Milestones are when somebody who reads line by line wants a line: at every
// tenth of the run, or when ten seconds passed in silence. A run shorter than a
// second has none. The zero value is ready.
type Milestones struct {
	began, told time.Time
	tenth       int
}

// Reached says whether it is time for a line, and remembers that it was.
func (m *Milestones) Reached(r Report, now time.Time) bool {
	return m.reached(r.Elapsed, r.Fraction(), now)
}

func (m *Milestones) reached(elapsed, fraction float64, now time.Time) bool {
	if m.began.IsZero() {
		// The first report comes some time into the run.
		m.began = now.Add(-time.Duration(elapsed * float64(time.Second)))
		m.told = m.began
	}
	tenth := int(10 * fraction)
	if now.Sub(m.began) < time.Second || tenth <= m.tenth && now.Sub(m.told) < 10*time.Second {
		return false
	}
	m.tenth, m.told = tenth, now
	return true
}
