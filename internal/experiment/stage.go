// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"slices"
	"time"
)

// Stage is one traffic pattern with its gates and exit; exactly one kind is
// set.
type Stage struct {
	Name string `json:"name"`
	// Where limits the stage to some requests; the others get the baseline and
	// are no evidence. Shares are shares of these requests.
	Where Where `json:"where,omitempty"`
	// Require lists limits that a candidate must be known to meet before the
	// stage goes on, and may not be known to break.
	Require []Objective `json:"require,omitempty"`
	// Approval names who must approve before the stage is left; empty is
	// nobody.
	Approval string   `json:"approval,omitempty"`
	Ramp     *Ramp    `json:"ramp,omitempty"`
	Split    *Split   `json:"split,omitempty"`
	Mirror   *Mirror  `json:"mirror,omitempty"`
	Bandit   *Bandit  `json:"bandit,omitempty"`
	Switch   *Switch  `json:"switch,omitempty"`
	Observe  *Observe `json:"observe,omitempty"`
	// Iterate is the only stage of a strict plan, and of no other.
	Iterate *Iterate `json:"iterate,omitempty"`
}

// StageKind names a traffic pattern.
type StageKind string

// The stage kinds. KindWarm is no stage of a plan: it is where an experiment
// stands after a promotion while the old version is kept warm.
const (
	KindRamp    StageKind = "ramp"
	KindSplit   StageKind = "split"
	KindMirror  StageKind = "mirror"
	KindBandit  StageKind = "bandit"
	KindSwitch  StageKind = "switch"
	KindObserve StageKind = "observe"
	KindIterate StageKind = "iterate"
	KindWarm    StageKind = "warm"
)

// Kind tells which pattern the stage is.
func (s *Stage) Kind() StageKind {
	switch {
	case s.Ramp != nil:
		return KindRamp
	case s.Split != nil:
		return KindSplit
	case s.Mirror != nil:
		return KindMirror
	case s.Bandit != nil:
		return KindBandit
	case s.Switch != nil:
		return KindSwitch
	case s.Iterate != nil:
		return KindIterate
	default:
		return KindObserve
	}
}

// Ramp raises the candidates' shares step by step.
type Ramp struct {
	Steps []Share `json:"steps"`
	Hold  Hold    `json:"hold"`
	// AtMost is the horizon: a ramp that has not held all its steps by then
	// ends without a winner. Always set.
	AtMost time.Duration `json:"atMost"`
}

// Hold is what one step of a ramp waits for; all of it must be had.
type Hold struct {
	// Requests is the number of the candidate's own requests in the step.
	Requests int64 `json:"requests,omitempty"`
	// Windows is how many consecutive windows must be clean: the candidate had
	// traffic and met every objective and gate in that window.
	Windows int `json:"windows,omitempty"`
	// Settle is the time after a step in which latency is not used to advance.
	Settle time.Duration `json:"settle,omitempty"`
	// For is the least time that the step lasts.
	For time.Duration `json:"for,omitempty"`
}

// Split divides traffic to find out which version wins the reward.
type Split struct {
	Shares Shares `json:"shares"`
	Until  Until  `json:"until"`
	// Otherwise is what happens at the horizon without a winner.
	Otherwise Otherwise `json:"otherwise"`
}

// Until is the exit of a split, a mirror or a bandit; fields that do not
// belong to the kind are zero.
type Until struct {
	// Decided ends a split as soon as the test decides.
	Decided bool `json:"decided,omitempty"`
	// Units is the planned number of units over all versions; looks are spaced
	// evenly up to it. Zero spaces the looks over AtMost instead.
	Units int64 `json:"units,omitempty"`
	// Pairs is the number of pairs that a mirror collects per candidate.
	Pairs int64 `json:"pairs,omitempty"`
	// Best ends a bandit when a version is the best with this probability; 0
	// never does.
	Best    float64       `json:"best,omitempty"`
	AtLeast time.Duration `json:"atLeast,omitempty"`
	// AtMost is the horizon; it is always set.
	AtMost time.Duration `json:"atMost"`
}

// Otherwise is what a stage without a winner leads to.
type Otherwise string

// The answers to "no winner".
const (
	KeepBaseline     Otherwise = "keep"
	PromoteCandidate Otherwise = "promote"
	// AskPerson holds until somebody promotes or aborts, or onUnknown is due.
	AskPerson Otherwise = "ask"
)

// Mirror sends copies of requests to the candidates; their answers are
// compared with the baseline's and go to nobody.
type Mirror struct {
	// Share is the part of the requests that is copied to each candidate.
	Share Share `json:"share"`
	Until Until `json:"until"`
	// ByEvents says that others send the copies, and that their model servers'
	// loggers tell of the answers: the gateway copies nothing.
	ByEvents bool `json:"byEvents,omitempty"`
	// Rate bounds copies per second, Concurrency those in flight; 0 is the
	// gateway's own bound.
	Rate        float64 `json:"rate,omitempty"`
	Concurrency int     `json:"concurrency,omitempty"`
	// Timeout is how long a copy may take; 0 is DefaultCopyTimeout.
	Timeout time.Duration `json:"timeout,omitempty"`
	// Cost ends the stage when its copies have cost that much; 0 never does.
	Cost float64 `json:"cost,omitempty"`
}

// Switch gives the candidate everything at once, once it is warm, and the
// baseline everything back on the first sign of harm.
type Switch struct {
	// Warm is how long the candidate must have been ready before the cut-over.
	Warm time.Duration `json:"warm,omitempty"`
	// Soak is how long it then serves before the stage is over.
	Soak time.Duration `json:"soak"`
}

// Observe shifts nothing; it asks whether the versions that have traffic meet
// their objectives.
type Observe struct {
	For time.Duration `json:"for"`
}

// SharesAt gives the shares that a stage wants at a step, for n versions. A
// removed version's share is the baseline's. Observe and bandit stages want
// what they find: nil.
func (s *Stage) SharesAt(step, n int, removed func(version int) bool) Shares {
	shares := Baseline(n)
	give := func(v int, share Share) {
		if v > 0 && !removed(v) {
			shares[v] += share
			shares[0] -= share
		}
	}
	switch {
	case s.Ramp != nil:
		for v := 1; v < n; v++ {
			give(v, s.Ramp.Steps[step])
		}
	case s.Split != nil:
		for v := 1; v < n; v++ {
			give(v, s.Split.Shares[v])
		}
	case s.Switch != nil:
		// One candidate is left when a switch begins; validation sees to it.
		for v := n - 1; v > 0; v-- {
			if !removed(v) {
				give(v, Whole)
				break
			}
		}
	case s.Mirror != nil:
	default:
		return nil
	}
	return shares
}

// Compares reports whether the stage has a candidate and the baseline in
// traffic at once, so that one can be judged by the other.
func (s *Stage) Compares() bool {
	if s.Ramp != nil {
		return slices.ContainsFunc(s.Ramp.Steps, func(share Share) bool { return share > 0 && share < Whole })
	}
	return s.Split != nil || s.Bandit != nil
}

// Steps is the number of steps of the stage; stages other than ramps have one.
func (s *Stage) Steps() int {
	if s.Ramp != nil {
		return len(s.Ramp.Steps)
	}
	return 1
}

// AtMost is the stage's horizon: how long it lasts at the longest.
func (s *Stage) AtMost() time.Duration {
	switch {
	case s.Ramp != nil:
		return s.Ramp.AtMost
	case s.Split != nil:
		return s.Split.Until.AtMost
	case s.Mirror != nil:
		return s.Mirror.Until.AtMost
	case s.Bandit != nil:
		return s.Bandit.Until.AtMost
	case s.Switch != nil:
		return s.Switch.Warm + s.Switch.Soak
	case s.Iterate != nil:
		return time.Duration(s.Iterate.Total()) * s.Iterate.Every
	default:
		return s.Observe.For
	}
}
