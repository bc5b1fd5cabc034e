// SPDX-License-Identifier: Apache-2.0

package experiment

import "time"

// Bandit moves traffic towards the version whose reward is best while it
// learns which one that is. It publishes share vectors on a cadence; nothing
// is drawn at random but by the units' slots, so every exposure's propensity
// is its version's share.
type Bandit struct {
	Policy BanditPolicy `json:"policy"`
	// Epsilon is the share that epsilon-greedy spreads evenly; it falls to
	// Epsilon/(1+Decay*k) at the k-th update.
	Epsilon float64 `json:"epsilon,omitempty"`
	Decay   float64 `json:"decay,omitempty"`
	// Every is the time between two updates.
	Every time.Duration `json:"every"`
	// Explore is the number of matured units that each version must have
	// before the first update; until then shares are even.
	Explore int64 `json:"explore"`
	// Min and Max bound each version's share (of each group, with Per); Step
	// bounds its change at one update.
	Min  Shares `json:"min"`
	Max  Shares `json:"max"`
	Step Share  `json:"step"`
	// Per names a segment of which every group has a vector of its own.
	Per string `json:"per,omitempty"`
	// Pool lends each group's estimate the strength of all groups together.
	Pool bool `json:"pool,omitempty"`
	// Caps bound the candidates' shares together in some groups. They need
	// Per.
	Caps []GroupCap `json:"caps,omitempty"`
	// Fallback is the version that has everything when evidence stays
	// untrustworthy longer than the plan's onUnknown.after.
	Fallback int `json:"fallback,omitempty"`
	// Still keeps the shares even and learns nothing: the no-learning switch
	// of the plan. A person has the verbs freeze and learn.
	Still bool  `json:"still,omitempty"`
	Until Until `json:"until"`
	// Otherwise is what happens at the horizon without a winner.
	Otherwise Otherwise `json:"otherwise"`
}

// BanditPolicy names how posteriors become shares.
type BanditPolicy string

// The policies.
const (
	EpsilonGreedy BanditPolicy = "epsilon-greedy"
	UCB1          BanditPolicy = "ucb1"
	KLUCB         BanditPolicy = "kl-ucb"
	Thompson      BanditPolicy = "thompson"
	TopTwo        BanditPolicy = "top-two"
)

// GroupCap bounds what all candidates together may have of a group.
type GroupCap struct {
	Group string `json:"group"`
	Max   Share  `json:"max"`
}

// Arm is what a bandit knows of a version (in a group): the reward of its
// matured units, stratified by period, so that shares which move with the
// hour do not bias it.
type Arm struct {
	Version int `json:"version"`
	// Slice is the group that the arm is of, "tier=premium"; empty for all.
	Slice string `json:"slice,omitempty"`
	// N is the number of matured units, Pending those exposed but not matured.
	N       int64 `json:"n"`
	Pending int64 `json:"pending,omitempty"`
	// Mean is the reward per unit, period-stratified; SE its standard error.
	Mean float64 `json:"mean"`
	SE   float64 `json:"se"`
	// Adaptive is the adaptively weighted mean with its standard error: the
	// one to report, because plain means of a bandit are biased.
	Adaptive   float64 `json:"adaptive"`
	AdaptiveSE float64 `json:"adaptiveSE"`
	// Binary says that every unit's reward is 0 or 1.
	Binary bool `json:"binary,omitempty"`
	// Best is the probability that the version is the best of its group.
	Best float64 `json:"best"`
}
