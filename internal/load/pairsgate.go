// SPDX-License-Identifier: Apache-2.0

package load

import (
	"slices"
	"strconv"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// GateReport is a limit and what is known of it.
type GateReport struct {
	Metric string `json:"metric"`
	// Slice is empty for everybody.
	Slice string `json:"slice,omitempty"`
	// Exactly one of Max and Min is set.
	Max *float64 `json:"max,omitempty"`
	Min *float64 `json:"min,omitempty"`
	// From is --require, or the stage whose gate it is.
	From string `json:"from"`
	PairShare
	// Status is met if the whole interval keeps the limit, violated if none of
	// it does, else undecided.
	Status experiment.Status `json:"status"`
}

// ParseRequire reads METRIC>=SHARE or METRIC<=SHARE, the share as 0.95 or 95%.
func ParseRequire(s string) (experiment.Objective, error) {
	const hint = "write it as 'class>=0.95' or 'failures<=1%'"
	name, limit, least := strings.Cut(s, ">=")
	most := false
	if !least {
		name, limit, most = strings.Cut(s, "<=")
	}
	if name = strings.TrimSpace(name); !least && !most || name == "" {
		return experiment.Objective{}, invalid("--require", hint, "%q is no limit", clipText(s))
	}
	number, percent := strings.CutSuffix(strings.TrimSpace(limit), "%")
	f, err := strconv.ParseFloat(number, 64)
	if percent {
		f /= 100
	}
	if err != nil || !(f >= 0 && f <= 1) {
		return experiment.Objective{}, invalid("--require", hint, "the limit %q of %s is not from 0 to 1", clipText(limit), clipText(name))
	}
	if least {
		return experiment.Objective{Metric: name, Min: &f}, nil
	}
	return experiment.Objective{Metric: name, Max: &f}, nil
}

// check holds the gates against what was found.
func (p *pairPlan) check(means []PairMean) []GateReport {
	var out []GateReport
	for _, g := range p.gates {
		i := slices.IndexFunc(means, func(m PairMean) bool { return m.Metric == g.Metric })
		if i < 0 {
			continue // Metrics with a gate are never left out.
		}
		gate := GateReport{Metric: g.Metric, Max: g.Max, Min: g.Min, From: g.from, PairShare: means[i].PairShare}
		gate.Status = gate.status()
		out = append(out, gate)
		for _, s := range means[i].Slices {
			if slices.Contains(g.Slices, experiment.SegmentOf(s.Slice)) && s.Pairs+s.Blank > 0 {
				gate.Slice, gate.PairShare = s.Slice, s.PairShare
				gate.Status = gate.status()
				out = append(out, gate)
			}
		}
	}
	return out
}

func (g *GateReport) status() experiment.Status {
	switch {
	case g.Low == nil:
		return experiment.Undecided
	case g.Min != nil && *g.Low >= *g.Min, g.Max != nil && *g.High <= *g.Max:
		return experiment.Met
	case g.Min != nil && *g.High < *g.Min, g.Max != nil && *g.Low > *g.Max:
		return experiment.Violated
	}
	return experiment.Undecided
}
