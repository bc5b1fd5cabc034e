// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Bandit is what a bandit stage knows and does.
type Bandit struct {
	Policy string `json:"policy"`
	// Mode is exploring (even shares until every version had its chance),
	// learning, or frozen.
	Mode string `json:"mode"`
	// Why says who froze it, or how far the exploration is.
	Why string `json:"why,omitempty"`
	// Updates counts the vectors so far; Next is when the next is due, absent
	// while none is.
	Updates int        `json:"updates"`
	Next    *time.Time `json:"next,omitempty"`
	// Per names the segment of which each group has its own shares.
	Per string `json:"per,omitempty"`
	// Until is the probability of being the best that ends the stage; 0 is
	// none.
	Until float64 `json:"until,omitempty"`
	// Fallback has everything when evidence stays untrustworthy.
	Fallback string `json:"fallback"`
	Arms     []Arm  `json:"arms"`
}

// The modes of a bandit.
const (
	Exploring = "exploring"
	Learning  = "learning"
	Frozen    = "frozen"
)

// Arm is a version in a bandit (in a group, with Per).
type Arm struct {
	Version string  `json:"version"`
	Slice   string  `json:"slice,omitempty"`
	Share   float64 `json:"share"`
	// N is the matured units, Pending those exposed but not matured.
	N       int64 `json:"n"`
	Pending int64 `json:"pending,omitempty"`
	// Reward is the adaptively weighted mean with its 95 % interval: plain
	// means of a bandit are biased. Absent without data and while hidden.
	Reward *Estimate `json:"reward,omitempty"`
	// Best is the probability of being the best; no error rate is claimed.
	Best    *float64 `json:"best,omitempty"`
	Removed bool     `json:"removed,omitempty"`
}

func banditOf(in *Input) *Bandit {
	s := &in.Record.State
	b := in.Plan.Stages[s.Stage].Bandit
	if b == nil || !live(in) {
		return nil
	}
	out := &Bandit{
		Policy: string(b.Policy), Updates: s.Updates, Per: b.Per, Until: b.Until.Best,
		Fallback: in.Plan.Versions[b.Fallback].Name, Arms: armsOf(in),
	}
	out.Mode, out.Why = modeOf(in, b)
	if out.Mode == Learning && !s.Updated.IsZero() {
		next := s.Updated.Add(b.Every)
		out.Next = &next
	}
	return out
}

// modeOf says whether the bandit learns, and why not.
func modeOf(in *Input, b *experiment.Bandit) (mode, why string) {
	s := &in.Record.State
	switch {
	case b.Still:
		return Frozen, "the plan keeps it still"
	case s.Still:
		why = "a person stopped its learning"
		for _, d := range s.Decisions {
			for _, r := range d.Reasons {
				if r.Code == experiment.ReasonFrozen {
					why = r.String()
				}
			}
		}
		return Frozen, why
	case s.Updates > 0:
		return Learning, ""
	}
	least, name := int64(-1), ""
	for v := range in.Plan.Versions {
		if n := armUnits(in, v); !s.IsRemoved(v) && (least < 0 || n < least) {
			least, name = n, in.Plan.Versions[v].Name
		}
	}
	if least >= b.Explore {
		return Learning, ""
	}
	return Exploring, fmt.Sprintf("%s has %d of %d matured units", name, max(0, least), b.Explore)
}

// armUnits is a version's matured units over all groups.
func armUnits(in *Input, version int) int64 {
	all, groups := int64(0), int64(0)
	for _, a := range in.Judgement.Arms {
		switch {
		case a.Version != version:
		case a.Slice == "":
			all = a.N
		default:
			groups += a.N
		}
	}
	return max(all, groups)
}

// armsOf pairs each version's share, in each group that has its own, with what
// is known of it. What is known of all groups together comes first.
func armsOf(in *Input) []Arm {
	s, n := &in.Record.State, len(in.Plan.Versions)
	out := []Arm{}
	add := func(slice string, shares experiment.Shares) {
		for v := range in.Plan.Versions {
			out = append(out, armOf(in, v, slice, shares[v]))
		}
	}
	if len(s.Tables) == 0 {
		add("", s.Slots.Shares(n))
	}
	for _, t := range s.Tables {
		add(t.Slice, t.Slots.Shares(n))
	}
	return out
}

func armOf(in *Input, version int, slice string, share experiment.Share) Arm {
	out := Arm{Version: in.Plan.Versions[version].Name, Slice: slice, Share: share.Fraction(), Removed: in.Record.State.IsRemoved(version)}
	for _, a := range in.Judgement.Arms {
		if a.Version != version || a.Slice != slice {
			continue
		}
		out.N, out.Pending = a.N, a.Pending
		if a.N > 0 && !rewardHidden(in) {
			out.Reward = Around(a.Adaptive, a.AdaptiveSE)
			best := a.Best
			out.Best = &best
		}
	}
	return out
}

// leadersOf gives the likeliest best arm of each group, in the order of groups.
func leadersOf(arms []experiment.Arm) []experiment.Arm {
	var out []experiment.Arm
	for _, a := range arms {
		i := slices.IndexFunc(out, func(o experiment.Arm) bool { return o.Slice == a.Slice })
		switch {
		case a.N == 0:
		case i < 0:
			out = append(out, a)
		case a.Best > out[i].Best:
			out[i] = a
		}
	}
	return out
}

// leader says which version a bandit holds for the best, by group where groups
// have their own shares.
func leader(in *Input) string {
	leaders := leadersOf(in.Judgement.Arms)
	name := func(a experiment.Arm) string { return in.Plan.Versions[a.Version].Name }
	switch {
	case rewardHidden(in):
		return "the reward is hidden"
	case len(leaders) == 0:
		return "nothing is known yet"
	case len(leaders) == 1:
		return fmt.Sprintf("%s is the best with probability %.2f", name(leaders[0]), leaders[0].Best)
	}
	votes, top := map[string]int{}, name(leaders[0])
	for _, a := range leaders {
		if votes[name(a)]++; votes[name(a)] > votes[top] {
			top = name(a)
		}
	}
	return fmt.Sprintf("%s is the likely best in %d of %d groups", top, votes[top], len(leaders))
}
