// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"math"
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// MismatchAlarm is the e-value at which a sample-ratio mismatch is believed.
const MismatchAlarm = 1000

// Health says whether the evidence can be trusted.
type Health struct {
	OK bool `json:"ok"`
	// Trouble lists what is wrong.
	Trouble []string `json:"trouble,omitempty"`
	// Incomplete is, by source, how many of the epoch's windows are not whole,
	// whether that is trouble or not (any more).
	Incomplete []Incomplete `json:"incomplete,omitempty"`
	// Mismatch is the e-value of a sample-ratio mismatch; 1000 is the alarm.
	Mismatch float64 `json:"mismatchEValue"`
	// Joined is, where the plan asks for it, how many matured units were heard
	// of.
	Joined []Joined `json:"joined,omitempty"`
}

// Incomplete says that a part of what happened is missing and was not counted.
type Incomplete struct {
	Source string `json:"source"`
	// Missing of Windows are not whole; Last is why, of the newest.
	Missing int64  `json:"missing"`
	Windows int64  `json:"windows"`
	Last    string `json:"last"`
}

// String says it in the words of its reason.
func (i Incomplete) String() string {
	return experiment.Because(experiment.ReasonIncomplete, "missing", i.Missing, "windows", i.Windows, "source", i.Source, "why", i.Last).String()
}

// Joined is the part of a version's matured units that have an outcome, or of its
// matured predictions that have a label.
type Joined struct {
	Metric  string  `json:"metric"`
	Version string  `json:"version"`
	Share   float64 `json:"share"`
	// Floor is the least that the plan accepts.
	Floor float64 `json:"floor"`
}

// troubles are the codes that say that the evidence cannot be trusted.
var troubles = []experiment.ReasonCode{
	experiment.ReasonMismatch, experiment.ReasonSourceDown, experiment.ReasonStale, experiment.ReasonGap,
	experiment.ReasonJoined, experiment.ReasonUnevenJoin, experiment.ReasonMoved, experiment.ReasonRewardRange,
	experiment.ReasonSliceMismatch, experiment.ReasonVersionMix, experiment.ReasonIncomplete,
}

// IsTrouble says that a reason with this code distrusts the evidence.
func IsTrouble(code experiment.ReasonCode) bool { return slices.Contains(troubles, code) }

// healthOf gathers what the latest decision distrusted and, where another rule
// decided first, what the judgement doubts.
func healthOf(in *Input) Health {
	h := Health{Mismatch: exp(in.Judgement.MismatchLogE), Joined: joinedOf(in), Incomplete: incompleteOf(in)}
	said := func(code experiment.ReasonCode) bool {
		return slices.ContainsFunc(in.Latest.Reasons, func(r experiment.Reason) bool { return r.Code == code })
	}
	for _, r := range in.Latest.Reasons {
		if IsTrouble(r.Code) {
			h.Trouble = append(h.Trouble, r.String())
		}
	}
	if in.Judgement.Mismatch && !said(experiment.ReasonMismatch) {
		h.Trouble = append(h.Trouble, fmt.Sprintf("sample-ratio mismatch in phase %d", in.Judgement.MismatchPhase))
	}
	for _, d := range in.Judgement.Doubts {
		if !said(d.Code) {
			h.Trouble = append(h.Trouble, doubtText(in.Plan, d))
		}
	}
	h.OK = len(h.Trouble) == 0
	return h
}

// doubtText says a doubt in the words of its reason.
func doubtText(p *experiment.Plan, d experiment.Doubt) string {
	version := ""
	if d.Version < len(p.Versions) {
		version = p.Versions[d.Version].Name
	}
	within := "its range"
	if p.Reward != nil && p.Reward.Range != nil {
		within = fmt.Sprintf("%g to %g", p.Reward.Range.Low, p.Reward.Range.High)
	}
	return experiment.Because(d.Code, "version", version, "metric", d.Metric, "slice", d.Slice,
		"have", percent(d.Value), "want", percent(d.Limit), "value", fmt.Sprintf("%.4g", d.Value), "range", within,
		"asked", "its shares", "seen", fmt.Sprintf("an e-value of %.3g", exp(d.Value)),
		"moved", fmt.Sprintf("%.4g", d.Value), "units", "all", "header", d.Header, "one", nth(d.Values, 0), "other", nth(d.Values, 1)).String()
}

// nth is the i-th of some values; anybody may have written the journal.
func nth(values []string, i int) string {
	if i < len(values) {
		return values[i]
	}
	return "?"
}

// joinedOf reads the units never heard of from the totals of metrics that have
// a floor.
func joinedOf(in *Input) []Joined {
	var out []Joined
	totals := ofEpoch(in)
	for i := range in.Plan.Metrics {
		m := &in.Plan.Metrics[i]
		if m.Floor() == 0 {
			continue
		}
		for v := range in.Plan.Versions {
			c := totals.Get(v, m.Cell()).Counts
			if c.N == 0 {
				continue
			}
			out = append(out, Joined{
				Metric: m.Name, Version: in.Plan.Versions[v].Name,
				Share: 1 - float64(c.X)/float64(c.N), Floor: m.Floor(),
			})
		}
	}
	return out
}

// incompleteOf counts the windows that are not whole.
func incompleteOf(in *Input) []Incomplete {
	var out []Incomplete
	totals := ofEpoch(in)
	for _, source := range experiment.Sources() {
		i := Incomplete{Source: string(source)}
		for p := range totals.Phases {
			phase := &totals.Phases[p]
			gaps := phase.GapsOf(source)
			i.Windows += *phase.Folded.Of(source)
			i.Missing += gaps.Windows
			if n := len(gaps.Last); n > 0 {
				i.Last = gaps.Last[n-1].Why
			}
		}
		if i.Missing > 0 {
			out = append(out, i)
		}
	}
	return out
}

// exp keeps huge evidence a number that JSON can carry.
func exp(x float64) float64 { return math.Exp(min(x, 300)) }
