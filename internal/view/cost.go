// SPDX-License-Identifier: Apache-2.0

package view

import (
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// StageCost is what a stage has cost, and may yet.
type StageCost struct {
	Stage string `json:"stage"`
	// Cost is what was spent in it; copies of a mirror lack their tokens.
	Cost float64 `json:"cost"`
	// Expected is what it costs in all if it lasts to its horizon at the traffic
	// seen so far; absent of stages that are over and where no traffic was seen.
	Expected *float64 `json:"expected,omitempty"`
}

// stageCosts is nil where nothing costs anything, or nobody counted it by stage.
func stageCosts(in *Input) []StageCost {
	if spent := &in.Judgement.Spent; spent.Cost > 0 && len(spent.Stages) == 0 {
		return nil
	}
	if !slices.ContainsFunc(in.Plan.Versions, func(v experiment.Version) bool { return v.Cost != (experiment.Cost{}) }) {
		return nil
	}
	now := in.Record.State.Stage
	seen, known := trafficOf(in)
	out := make([]StageCost, len(in.Plan.Stages))
	for i := range in.Plan.Stages {
		stage := &in.Plan.Stages[i]
		out[i].Stage = stage.Name
		if i < len(in.Judgement.Spent.Stages) {
			out[i].Cost = in.Judgement.Spent.Stages[i]
		}
		left := stage.AtMost()
		if i == now {
			left -= in.Now.Sub(in.Record.State.StageStart)
		}
		if !live(in) || i < now || !known {
			continue
		}
		expected := out[i].Cost + seen.cost(in, stage)*max(0, left).Seconds()
		if m := stage.Mirror; m != nil && m.Cost > 0 {
			expected = min(expected, max(out[i].Cost, m.Cost+seen.served(in, experiment.Baseline(len(in.Plan.Versions)))*stage.AtMost().Seconds()))
		}
		out[i].Expected = &expected
	}
	return out
}

// seenTraffic is the traffic that was counted in the current epoch.
type seenTraffic struct {
	// rate is requests per second, tokens those of a version's request.
	rate   float64
	tokens []float64
}

func trafficOf(in *Input) (seenTraffic, bool) {
	var counted time.Duration
	requests := int64(0)
	totals := ofEpoch(in)
	for i := range totals.Phases {
		counted += time.Duration(totals.Phases[i].Folded.Gateway) * in.Plan.Window
	}
	out := seenTraffic{tokens: make([]float64, len(in.Plan.Versions))}
	for v := range in.Plan.Versions {
		requests += totals.Get(v, experiment.CellRequests).Counts.N
		if t := totals.Get(v, experiment.CellTokens).Units; t.N > 0 {
			out.tokens[v] = t.MeanY
		} else {
			out.tokens[v] = out.tokens[0] // Nothing better is known.
		}
	}
	if counted <= 0 || requests == 0 {
		return out, false
	}
	out.rate = float64(requests) / counted.Seconds()
	return out, true
}

// cost is what a stage costs a second.
func (s *seenTraffic) cost(in *Input, stage *experiment.Stage) float64 {
	n := len(in.Plan.Versions)
	out := 0.0
	for step := range stage.Steps() {
		shares := stage.SharesAt(step, n, in.Record.State.IsRemoved)
		if shares == nil {
			shares = in.Record.State.Slots.Shares(n)
		}
		if stage.Bandit != nil {
			shares = even(in, n)
		}
		out += s.served(in, shares) / float64(stage.Steps())
	}
	if m := stage.Mirror; m != nil {
		copies := s.rate * m.Share.Fraction()
		if m.Rate > 0 {
			copies = min(copies, m.Rate)
		}
		for v := 1; v < n; v++ {
			if !in.Record.State.IsRemoved(v) {
				out += copies * in.Plan.Versions[v].Cost.PerRequest
			}
		}
	}
	return out
}

// even are even shares of the versions that are left: nobody knows what a bandit
// will choose.
func even(in *Input, n int) experiment.Shares {
	left := []int{0}
	for v := 1; v < n; v++ {
		if !in.Record.State.IsRemoved(v) {
			left = append(left, v)
		}
	}
	shares := make(experiment.Shares, n)
	for _, v := range left {
		shares[v] = experiment.Whole / experiment.Share(len(left))
	}
	return shares
}

// served is what versions cost a second with these shares.
func (s *seenTraffic) served(in *Input, shares experiment.Shares) float64 {
	out := 0.0
	for v := range in.Plan.Versions {
		c := &in.Plan.Versions[v].Cost
		out += s.rate*shares[v].Fraction()*(c.PerRequest+c.PerToken*s.tokens[v]) + c.PerHour/time.Hour.Seconds()
	}
	return out
}
