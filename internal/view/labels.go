// SPDX-License-Identifier: Apache-2.0

package view

import (
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Labels is how far the truth of a version's predictions is known.
type Labels struct {
	Metric  string `json:"metric"`
	Version string `json:"version"`
	// Of is what the labels tell: accuracy, auc, …
	Of string `json:"of"`
	// Matured is how many predictions have had their time; Joined the share of
	// them that has a label, absent where none has matured.
	Matured int64    `json:"matured"`
	Joined  *float64 `json:"joined,omitempty"`
	// Floor is the least share that the plan accepts.
	Floor float64 `json:"floor,omitempty"`
	// Value is the metric in the version; absent while it cannot be said, and
	// while the method hides it.
	Value *Estimate `json:"value,omitempty"`
	// Unit is the value's, as in findings.
	Unit string `json:"unit,omitempty"`
	// Through is the end of the newest window whose labels have all had their
	// time: what was predicted later is not judged yet.
	Through *time.Time `json:"through,omitempty"`
}

func labelsOf(in *Input, totals *experiment.Totals) []Labels {
	var out []Labels
	through := maturedThrough(in, totals)
	for i := range in.Plan.Metrics {
		m := &in.Plan.Metrics[i]
		for v := 0; v < len(in.Plan.Versions) && m.Labels != nil; v++ {
			e := totals.Get(v, m.Cell())
			l := Labels{
				Metric: m.Name, Version: in.Plan.Versions[v].Name, Of: string(m.Labels.Of), Matured: e.Counts.N,
				Floor: m.Labels.Joined, Unit: m.Unit(), Through: through,
			}
			if e.Counts.N > 0 {
				l.Joined = new(1 - float64(e.Counts.X)/float64(e.Counts.N))
			}
			if !rewardHidden(in) || in.Plan.Reward.Metric != m.Name {
				l.Value = valueOf(m, e)
			}
			out = append(out, l)
		}
	}
	return out
}

// valueOf is a metric of units or of a whole sample in one version.
func valueOf(m *experiment.Metric, e experiment.Evidence) *Estimate {
	if !m.WholeSample() {
		return rewardOf(e.Units)
	}
	area, err := e.Scores.AUC()
	if err != nil {
		return nil
	}
	return Around(area.Value, area.SE)
}

// maturedThrough is the end of the newest window that outcomes were folded of.
func maturedThrough(in *Input, totals *experiment.Totals) *time.Time {
	var newest *time.Time
	for i := range totals.Phases {
		p := &totals.Phases[i]
		if n := p.Folded.Outcomes; n > 0 {
			newest = new(p.Start.Add(time.Duration(n) * in.Plan.Window))
		}
	}
	return newest
}
