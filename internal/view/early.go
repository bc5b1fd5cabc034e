// SPDX-License-Identifier: Apache-2.0

package view

import "time"

// EarlyReading is what a version's share of units with an outcome will come to,
// as far as can be said before all of them have had their time. Nothing is
// decided by it, and it carries no guarantee.
type EarlyReading struct {
	Metric  string `json:"metric"`
	Version string `json:"version"`
	// Units are those of the phase; Waiting those of them that are too young for
	// their outcome to be known.
	Units   int64 `json:"units"`
	Waiting int64 `json:"waiting"`
	// Weighted says that young units are in the value, by the share of outcomes
	// that come by their age; else it is of the others alone.
	Weighted bool `json:"weighted"`
	// Value is absent while nothing can be said.
	Value *Estimate `json:"value,omitempty"`
	At    time.Time `json:"at"`
}

// earlyOf leaves out what the method hides.
func earlyOf(in *Input) []EarlyReading {
	var out []EarlyReading
	hidden := rewardHidden(in)
	for _, r := range in.Early {
		if !hidden || in.Plan.Reward.Metric != r.Metric {
			out = append(out, r)
		}
	}
	return out
}
