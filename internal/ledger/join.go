// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"cmp"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// join is what the ledger must know of a plan. It does not change.
type join struct {
	experiment string
	id         int64 // the experiment's number in the file
	versions   int
	window     time.Duration
	lag        time.Duration
	stale      time.Duration
	outcome    time.Duration // the longest outcome window
	pairsHold  time.Duration
	metrics    []joinMetric
	events     map[string]bool // of outcomes
	labels     []labelMetric
	truths     map[string]bool // events of labels
	pairs      []string        // the metrics of pairs, in the plan's order
	mirrored   bool            // some stage makes pairs
	segments   segments
	keepRows   int64
	keepFor    time.Duration
}

type joinMetric struct {
	name       string
	event, per string
	windowMS   int64
}

// labelMetric is a metric of labels, with its defaults.
type labelMetric struct {
	name      string
	event     string
	of        experiment.LabelStat
	positive  string
	threshold float64
	windowMS  int64
}

func newJoin(p *experiment.Plan) *join {
	j := &join{
		experiment: p.ID(), versions: len(p.Versions),
		window: p.Window, lag: p.Lag, stale: p.Stale, outcome: p.OutcomeWindow(), pairsHold: p.PairsHold(),
		events: map[string]bool{}, truths: map[string]bool{},
		mirrored: slices.Contains(p.Sources(), experiment.SourcePairs), segments: newSegments(p.Segments),
		keepRows: cmp.Or(p.Retention.Rows, experiment.DefaultRows), keepFor: cmp.Or(p.Retention.For, experiment.DefaultRowsFor),
	}
	for i := range p.Metrics {
		switch m := &p.Metrics[i]; {
		case m.Outcomes != nil:
			o := m.Outcomes
			j.metrics = append(j.metrics, joinMetric{name: m.Name, event: o.Event, per: o.Per, windowMS: o.Window.Milliseconds()})
			j.events[o.Event] = true
			if o.Per != "" {
				j.events[o.Per] = true
			}
		case m.Labels != nil:
			t := m.Labels
			j.labels = append(j.labels, labelMetric{
				name: m.Name, event: t.Event, of: t.Of, positive: cmp.Or(t.Positive, "1"),
				threshold: t.Threshold, windowMS: t.Window.Milliseconds(),
			})
			j.truths[t.Event] = true
		case m.Pairs != nil:
			j.pairs = append(j.pairs, m.Name)
		}
	}
	return j
}

// retention is how long after its exposure an outcome may still come, and how
// long after it came its key is remembered.
func (j *join) retention() time.Duration { return j.outcome + 24*time.Hour }

// same refuses a plan that joins otherwise. How many rows are kept may differ.
func (j *join) same(o *join) error {
	if j.versions != o.versions || j.window != o.window || j.lag != o.lag || j.pairsHold != o.pairsHold ||
		!slices.Equal(j.metrics, o.metrics) || !slices.Equal(j.labels, o.labels) || !slices.Equal(j.pairs, o.pairs) ||
		!slices.Equal(j.segments.slices, o.segments.slices) {
		return experiment.Errorf(experiment.CodeConflict, "register %s: it is registered with other outcomes, labels, pairs, windows, versions or segments", j.experiment).
			WithHint("run the changed plan under another name")
	}
	return nil
}

// holds is how long after a window's end each source seals it.
func (j *join) hold(source experiment.Source) time.Duration {
	switch source {
	case experiment.SourceOutcomes:
		return j.lag + j.outcome
	case experiment.SourcePairs:
		return j.pairsHold
	default:
		return j.lag
	}
}
