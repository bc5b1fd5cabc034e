// SPDX-License-Identifier: Apache-2.0

package experiment

import "time"

// Stage is one traffic pattern with its exit; exactly one kind is set.
type Stage struct {
	Name    string   `json:"name"`
	Ramp    *Ramp    `json:"ramp,omitempty"`
	Split   *Split   `json:"split,omitempty"`
	Observe *Observe `json:"observe,omitempty"`
}

// StageKind names a traffic pattern.
type StageKind string

// The stage kinds of this engine.
const (
	KindRamp    StageKind = "ramp"
	KindSplit   StageKind = "split"
	KindObserve StageKind = "observe"
)

// Kind tells which pattern the stage is.
func (s *Stage) Kind() StageKind {
	switch {
	case s.Ramp != nil:
		return KindRamp
	case s.Split != nil:
		return KindSplit
	default:
		return KindObserve
	}
}

// Ramp raises the candidate's share step by step.
type Ramp struct {
	Steps []Share `json:"steps"`
	Hold  Hold    `json:"hold"`
}

// Hold is what one step of a ramp waits for; all of it must be had.
type Hold struct {
	// Requests is the number of the candidate's own requests in the step.
	Requests int64 `json:"requests,omitempty"`
	// Windows is how many consecutive windows must be clean: the candidate had
	// traffic and met every objective in that window.
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

// Until is the exit of a split.
type Until struct {
	// Decided ends the stage as soon as the test decides.
	Decided bool `json:"decided,omitempty"`
	// Units is the planned number of units over all versions; looks are spaced
	// evenly up to it. Zero spaces the looks over AtMost instead.
	Units   int64         `json:"units,omitempty"`
	AtLeast time.Duration `json:"atLeast,omitempty"`
	// AtMost is the horizon; it is always set.
	AtMost time.Duration `json:"atMost"`
}

// Otherwise is what a split without a winner leads to.
type Otherwise string

// The answers to "no winner".
const (
	KeepBaseline     Otherwise = "keep"
	PromoteCandidate Otherwise = "promote"
)

// Observe shifts nothing; it asks whether the versions that have traffic meet
// their objectives.
type Observe struct {
	For time.Duration `json:"for"`
}

// SharesAt gives the shares that a stage wants at a step, for n versions. An
// observe stage wants what it finds: nil.
func (s *Stage) SharesAt(step, n int) Shares {
	switch {
	case s.Ramp != nil:
		shares := make(Shares, n)
		shares[0] = Whole
		for v := 1; v < n; v++ {
			shares[v] = s.Ramp.Steps[step]
			shares[0] -= shares[v]
		}
		return shares
	case s.Split != nil:
		return s.Split.Shares
	default:
		return nil
	}
}

// Steps is the number of steps of the stage; stages other than ramps have one.
func (s *Stage) Steps() int {
	if s.Ramp != nil {
		return len(s.Ramp.Steps)
	}
	return 1
}
