// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// movedLimit is the part of a phase's units that may change version inside of
// it before nothing is believed of any.
const movedLimit = .01

const (
	// wholeAfterGap is how many whole windows must follow the newest one that is
	// not, before the phase's evidence may raise anything again.
	wholeAfterGap = 3
	// missingLimit is the part of a stage's windows that may be not whole.
	missingLimit = .25
)

// incomplete reports whether so much is missing of a source, or so lately, that
// nothing may rest on it. Either passes once enough whole windows have come: a
// gap never blocks an experiment for ever.
func incomplete(s *experiment.SourceHealth) bool {
	return s.Missing > 0 && (s.Whole < wholeAfterGap || float64(s.Missing) > missingLimit*float64(s.Windows))
}

// trust gathers the reasons not to believe the evidence. It decides nothing:
// harm is acted on all the same.
func (d *deciding) trust() bool {
	j := &d.facts.Judgement
	if j.Mismatch {
		d.doubt(experiment.ReasonMismatch, "asked", d.from.all.String(), "seen", seen(j.Seen))
	}
	for _, s := range d.facts.Sources {
		if s.Source == experiment.SourcePairs && !d.mirroring() {
			continue // Nothing is copied any more, so nothing new comes.
		}
		switch {
		case s.Down != "":
			d.doubt(experiment.ReasonSourceDown, "source", s.Source, "why", s.Down)
		case s.Gap && s.Missing == 0:
			d.doubt(experiment.ReasonGap, "source", s.Source)
		case incomplete(&s):
			d.doubt(experiment.ReasonIncomplete, "missing", s.Missing, "windows", s.Windows, "source", s.Source, "why", s.Why)
		case !s.Newest.IsZero() && d.now.Sub(s.Newest) > d.plan.Stale:
			d.doubt(experiment.ReasonStale, "source", s.Source, "age", d.now.Sub(s.Newest).Round(time.Second))
		}
	}
	for _, x := range j.Doubts {
		if x.Version < 0 || x.Version >= len(d.plan.Versions) || d.state.IsRemoved(x.Version) {
			continue // Nothing rests on a version that left.
		}
		d.judged(x)
	}
	units := sum(j.Seen)
	if d.facts.Moved > 0 && float64(d.facts.Moved) > movedLimit*float64(units) {
		d.doubt(experiment.ReasonMoved, "moved", d.facts.Moved, "units", units)
	}
	return false
}

func (d *deciding) doubt(code experiment.ReasonCode, pairs ...any) {
	d.doubts = append(d.doubts, experiment.Because(code, pairs...))
}

// judged writes a doubt of the judgement.
func (d *deciding) judged(x experiment.Doubt) {
	metric := inSlice(x.Metric, x.Slice)
	switch x.Code {
	case experiment.ReasonJoined:
		d.doubt(x.Code, "have", percent(x.Value), "version", d.name(x.Version), "metric", metric, "want", percent(x.Limit))
	case experiment.ReasonUnevenJoin:
		d.doubt(x.Code, "metric", metric)
	case experiment.ReasonMoved:
		d.doubt(x.Code, "moved", x.Value, "units", x.Limit)
	case experiment.ReasonRewardRange:
		of := "its range"
		if d.plan.Reward != nil && d.plan.Reward.Range != nil {
			of = fmt.Sprintf("%g to %g", d.plan.Reward.Range.Low, d.plan.Reward.Range.High)
		}
		who := d.name(x.Version)
		if x.Slice != "" {
			who = inSlice(who, x.Slice)
		}
		d.doubt(x.Code, "version", who, "value", fmt.Sprintf("%g", x.Value), "range", of)
	case experiment.ReasonSliceMismatch:
		d.doubt(x.Code, "slice", x.Slice)
	case experiment.ReasonVersionMix:
		values := append(slices.Clone(x.Values), "?", "?")
		d.doubt(x.Code, "version", d.name(x.Version), "header", x.Header, "one", values[0], "other", values[1])
	default:
		// A doubt that this engine has no sentence for is a doubt all the same.
		d.doubt(experiment.ReasonSourceDown, "source", metric, "why", string(x.Code))
	}
}

// mirroring reports whether requests are copied now.
func (d *deciding) mirroring() bool { return live(&d.state) && d.stage().Mirror != nil }

// distrusted holds while there are doubts (D2).
func (d *deciding) distrusted() bool {
	if len(d.doubts) == 0 {
		return false
	}
	d.waiting = true
	return d.wait(d.doubts...)
}

func sum(counts []int64) int64 {
	n := int64(0)
	for _, c := range counts {
		n += c
	}
	return n
}

func seen(counts []int64) string {
	n := sum(counts)
	if n == 0 {
		return "nothing"
	}
	parts := make([]string, len(counts))
	for i, c := range counts {
		parts[i] = fmt.Sprintf("%.1f%%", 100*float64(c)/float64(n))
	}
	return strings.Join(parts, "/")
}
