// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Iteration is how far a strict experiment is, and what its newest iteration
// found.
type Iteration struct {
	Done int `json:"done"`
	Of   int `json:"of"`
	// Every is the time between two iterations; Next when the next is due, absent
	// where none is.
	Every float64    `json:"everySeconds"`
	Next  *time.Time `json:"next,omitempty"`
	// Winner is empty where there is none; Recommended is the winner or the
	// baseline.
	Winner      string `json:"winner,omitempty"`
	Recommended string `json:"recommended"`
	// Failed says why the experiment ended without a result.
	Failed string `json:"failed,omitempty"`
	// Readings are the newest values, a row for each metric.
	Readings []PointRow `json:"readings,omitempty"`
}

// PointRow is a metric's newest value for each version.
type PointRow struct {
	Metric string `json:"metric"`
	// Role is reward or objective; empty where the metric is only shown.
	Role string `json:"role,omitempty"`
	// Limit is what an objective wants: "<= 100".
	Limit string `json:"limit,omitempty"`
	// Values are by version, in their order; one is absent where no number is
	// known. Satisfied, of objectives, likewise.
	Values    []*float64 `json:"values"`
	Satisfied []bool     `json:"satisfied,omitempty"`
}

// iterationOf shows a strict experiment's iterations, else nothing.
func iterationOf(in *Input) *Iteration {
	if !in.Plan.Strict || len(in.Plan.Stages) == 0 || in.Plan.Stages[0].Iterate == nil {
		return nil
	}
	it, x := in.Plan.Stages[0].Iterate, in.Record.State.Iteration
	out := &Iteration{Of: it.Total(), Every: it.Every.Seconds(), Recommended: in.Plan.Versions[x.Recommended()].Name}
	if x == nil {
		return out
	}
	out.Done, out.Failed = x.Done, x.Failed
	if x.Found {
		out.Winner = in.Plan.Versions[x.Winner].Name
	}
	if next := x.Last.Add(it.Every); in.Record.State.Condition == experiment.Running && x.Done > 0 && x.Done < out.Of {
		out.Next = &next
	}
	out.Readings = pointRows(in.Plan, x)
	return out
}

// iterations is how many are complete.
func iterations(s *experiment.State) int {
	if s.Iteration == nil {
		return 0
	}
	return s.Iteration.Done
}

// pointRows lists the reward, the objectives and then what is only shown.
func pointRows(p *experiment.Plan, x *experiment.Iteration) []PointRow {
	var rows []PointRow
	if p.Reward != nil {
		rows = append(rows, PointRow{Metric: p.Reward.Metric, Role: string(experiment.RoleReward), Values: pointsOf(p, x, p.Reward.Metric)})
	}
	for i, o := range p.Objectives {
		row := PointRow{Metric: o.Metric, Role: string(experiment.RoleObjective), Limit: limitsOf(o), Values: pointsOf(p, x, o.Metric)}
		for v := range x.Satisfied {
			row.Satisfied = append(row.Satisfied, i < len(x.Satisfied[v]) && x.Satisfied[v][i])
		}
		rows = append(rows, row)
	}
	for i := range p.Metrics {
		name := p.Metrics[i].Name
		if !slices.ContainsFunc(rows, func(r PointRow) bool { return r.Metric == name }) {
			rows = append(rows, PointRow{Metric: name, Values: pointsOf(p, x, name)})
		}
	}
	return rows
}

func pointsOf(p *experiment.Plan, x *experiment.Iteration, metric string) []*float64 {
	out := make([]*float64, len(p.Versions))
	for _, r := range x.Values {
		if r.Metric == metric && r.Version < len(out) {
			out[r.Version] = r.Value
		}
	}
	return out
}

func limitsOf(o experiment.Objective) string {
	var parts []string
	if o.Min != nil {
		parts = append(parts, fmt.Sprintf(">= %g", *o.Min))
	}
	if o.Max != nil {
		parts = append(parts, fmt.Sprintf("<= %g", *o.Max))
	}
	return strings.Join(parts, " and ")
}

// strictLeader says what the newest iteration of a strict experiment came to.
func strictLeader(in *Input) string {
	x := in.Record.State.Iteration
	switch {
	case x == nil || x.Done == 0:
		return "nothing was compared yet"
	case x.Found:
		return in.Plan.Versions[x.Winner].Name + " is the winner so far"
	}
	return "there is no winner so far"
}

// strictEnd is how a strict experiment ended by itself: its shares stay, and what
// it recommends is for its own actions to promote. Other ends are empty.
func strictEnd(in *Input) string {
	s := &in.Record.State
	if !in.Plan.Strict || s.Condition != experiment.Done {
		return ""
	}
	name, shares := in.Plan.Versions[s.Winner].Name, s.Slots.Shares(len(in.Plan.Versions))
	switch {
	case s.Iteration != nil && s.Iteration.Failed != "":
		return fmt.Sprintf("FAILED  the shares stay at %s", shares)
	case s.Outcome == experiment.Promoted && shares[s.Winner] < experiment.Whole:
		return fmt.Sprintf("WINNER  %s is recommended for promotion, the shares stay at %s", name, shares)
	case s.Outcome == experiment.BaselineKept:
		return fmt.Sprintf("BASELINE WINS  %s is recommended, the shares stay at %s", name, shares)
	case s.Outcome == experiment.Inconclusive:
		return fmt.Sprintf("NO WINNER  %s is recommended, the shares stay at %s", name, shares)
	}
	return ""
}

// Action is one of the plan's actions that is asked for, or failed.
type Action struct {
	// Name is the hook and the action: "onFinish/apply".
	Name string `json:"name"`
	Kind string `json:"kind"`
	// Status is waiting or failed.
	Status string `json:"status"`
	// Why says what it waits for, or what is in its way.
	Why string `json:"why,omitempty"`
	// Ignored says that everything went on all the same.
	Ignored bool `json:"ignored,omitempty"`
}

// actionsOf lists what failed, and then what is to be done.
func actionsOf(in *Input) []Action {
	var out []Action
	add := func(i experiment.Intent, status, why string, ignored bool) {
		kind := string(i.Kind)
		if a := in.Plan.ActionOf(i); a != nil {
			kind = a.Kind()
		}
		out = append(out, Action{Name: in.Plan.Label(i), Kind: kind, Status: status, Why: why, Ignored: ignored})
	}
	for _, f := range in.Record.State.Failed {
		add(f.Intent, "failed", f.Why, f.Ignored)
	}
	for _, i := range in.Record.State.Actions {
		why := ""
		for _, f := range in.Acting {
			if f.Intent == i {
				why = f.Why
			}
		}
		add(i, "waiting", why, false)
	}
	return out
}
