// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"slices"
	"time"
)

// Iterate is the one stage of a strict plan. At every iteration each metric is
// asked once for each version, the versions are compared by these point values
// and nothing else, and the shares follow the best of them: Iter8's rules, which
// take no alpha and claim no error rate. A strict plan is exempt from D1, D2 and
// D9; a provider that fails still moves nothing (D5), and the way back and a kill
// are what they always are (D3, D8).
type Iterate struct {
	Pattern Pattern `json:"pattern"`
	Shift   Shift   `json:"shift"`
	// Every is the time between two iterations; the first is at once.
	Every time.Duration `json:"every"`
	// Times is the number of iterations in a loop, Loops that of loops.
	Times int `json:"times"`
	Loops int `json:"loops"`
	// Cap bounds each candidate's share, Increment by how much it rises in one
	// iteration.
	Cap       Share `json:"cap"`
	Increment Share `json:"increment"`
}

// Total is the number of iterations over all loops.
func (i *Iterate) Total() int { return i.Times * i.Loops }

// Pattern says what makes a version the winner of an iteration.
type Pattern string

// The patterns. A conformance asks whether the only version satisfies its
// objectives; a canary wins by satisfying them, else the baseline may; by reward
// the best value among the versions that satisfy them wins, if it is the only
// one.
const (
	PatternConformance Pattern = "conformance"
	PatternCanary      Pattern = "canary"
	PatternReward      Pattern = "reward"
)

// Shift says what the shares do from one iteration to the next.
type Shift string

// The shifts: none moves nothing; greedy is epsilon-greedy with a tenth of the
// traffic spread evenly; switch gives the candidate everything at the start.
const (
	ShiftNone   Shift = "none"
	ShiftGreedy Shift = "greedy"
	ShiftSwitch Shift = "switch"
)

// Iteration is what a strict plan knows of its iterations.
type Iteration struct {
	// Done is how many are complete; First is when the first was asked for, from
	// which elapsed time counts, Last when the newest was complete.
	Done  int       `json:"done"`
	First time.Time `json:"first,omitzero"`
	Last  time.Time `json:"last,omitzero"`
	// Values are the newest readings, by the plan's metrics and versions.
	Values []Reading `json:"values,omitempty"`
	// Satisfied says, by version and then by the plan's objectives, which were
	// satisfied; what no number is known of is not.
	Satisfied [][]bool `json:"satisfied,omitempty"`
	// Best are the versions that the traffic follows. Found says that there is a
	// winner: Winner, else the baseline is what is recommended.
	Best   []int `json:"best,omitempty"`
	Found  bool  `json:"found,omitempty"`
	Winner int   `json:"winner,omitempty"`
	// Failed says why the experiment ended without a result.
	Failed string `json:"failed,omitempty"`
	// Over says that the iterations are: the last was, or an action failed for
	// good. Neither a rollback nor a person's promotion is that.
	Over bool `json:"over,omitempty"`
	// Loads are the answers to the load that the plan's own actions made.
	Loads []Loaded `json:"loads,omitempty"`
}

// Recommended is the version to promote: the winner, or the baseline.
func (i *Iteration) Recommended() int {
	if i != nil && i.Found {
		return i.Winner
	}
	return 0
}

// Clone copies what changes of it.
func (i *Iteration) Clone() *Iteration {
	if i == nil {
		return nil
	}
	out := *i
	out.Values, out.Satisfied = slices.Clone(i.Values), slices.Clone(i.Satisfied)
	out.Best, out.Loads = slices.Clone(i.Best), slices.Clone(i.Loads)
	return &out
}

// Reading is one metric of one version as of a moment. Value is nil where the
// provider answered with something that is no number, and Failed says why where
// it did not answer: that is no news of the version (D5).
type Reading struct {
	Metric  string   `json:"metric"`
	Version int      `json:"version"`
	Value   *float64 `json:"value,omitempty"`
	Failed  string   `json:"failed,omitempty"`
}

// Moment is when readings are asked for: Elapsed whole seconds, at least one,
// after the first.
type Moment struct {
	Now     time.Time
	Elapsed int64
}

// Iterates reports whether a strict plan wants readings, and as of what.
func (p *Plan) Iterates(s *State, now time.Time) (Moment, bool) {
	if !p.Strict || s.Condition != Running || s.Stage >= len(p.Stages) || p.Stages[s.Stage].Iterate == nil || len(s.Actions) > 0 {
		return Moment{}, false
	}
	it, x := p.Stages[s.Stage].Iterate, s.Iteration
	switch {
	case x == nil || x.First.IsZero():
		return Moment{Now: now, Elapsed: 1}, true
	case x.Done >= it.Total():
		return Moment{}, false
	case x.Done > 0 && now.Before(x.Last.Add(it.Every)):
		return Moment{}, false
	}
	return Moment{Now: now, Elapsed: max(1, int64(now.Sub(x.First)/time.Second))}, true
}

// Loaded is what a version answered to the load of an action, over all of its
// runs.
type Loaded struct {
	Version  int   `json:"version"`
	Requests int64 `json:"requests"`
	// Errors are answers with a status of 400 or more, and requests without any.
	Errors int64 `json:"errors"`
	// Seconds is the sum of the times to the end of the answer, Longest the
	// longest of them.
	Seconds float64 `json:"seconds"`
	Longest float64 `json:"longest"`
	// Buckets count answers by their time, in rising order.
	Buckets []LoadBucket `json:"buckets,omitempty"`
}

// LoadBucket counts answers that took more than Over and at most Upto seconds.
type LoadBucket struct {
	Over  float64 `json:"over"`
	Upto  float64 `json:"upto"`
	Count int64   `json:"count"`
}
