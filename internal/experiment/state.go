// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"slices"
	"time"
)

// Condition is where an experiment stands in its life.
type Condition string

// The conditions.
const (
	Running Condition = "running"
	Paused  Condition = "paused"
	// Warm is after a promotion while the old version is kept warm: late
	// outcomes can still take everything back.
	Warm Condition = "warm"
	// Done is final, but for a kill.
	Done Condition = "done"
	// Killed holds all traffic on the baseline until a person lifts it (D8).
	Killed Condition = "killed"
)

// Outcome is how an experiment ended.
type Outcome string

// The outcomes. OutcomeMet and OutcomeViolated end experiments that only
// observe. BaselineKept ends strict ones whose baseline was the best.
const (
	Promoted        Outcome = "promoted"
	RolledBack      Outcome = "rolled-back"
	NoDifference    Outcome = "no-difference"
	Inconclusive    Outcome = "inconclusive"
	OutcomeMet      Outcome = "objectives-met"
	OutcomeViolated Outcome = "objectives-violated"
	BaselineKept    Outcome = "baseline-kept"
)

// MaxDecisions is how many decisions the state remembers.
const MaxDecisions = 10

// State is all that a decision may depend on besides plan, facts and time.
type State struct {
	Plan      string    `json:"plan"` // the plan's hash
	Condition Condition `json:"condition"`
	Stage     int       `json:"stage"`
	Step      int       `json:"step"`
	Epoch     int       `json:"epoch"`
	Phase     int       `json:"phase"`
	Slots     Slots     `json:"slots"`
	// Tables are the tables of a segment's groups, in the segment's order,
	// while a bandit has a vector for each; else Slots is for all.
	Tables []GroupTable `json:"tables,omitempty"`
	// Transition counts changes that the world must see; with the
	// experiment's ID it is the idempotency key of actions.
	Transition int       `json:"transition"`
	Started    time.Time `json:"started"`
	StageStart time.Time `json:"stageStart"`
	PhaseStart time.Time `json:"phaseStart"`
	// UnknownSince is when the evidence stopped letting the stage go on.
	UnknownSince *time.Time `json:"unknownSince,omitempty"`
	Outcome      Outcome    `json:"outcome,omitempty"`
	// Winner is the version that has the traffic at the end, and while the old
	// one is kept warm.
	Winner int `json:"winner,omitempty"`
	// Removed are the candidates that lost their share for good.
	Removed []Removal `json:"removed,omitempty"`
	// Overridden is the promotion of the winner by a person against known
	// harm; nil where there was none.
	Overridden *Overriding `json:"overridden,omitempty"`
	// Approved says that the current stage was approved by a person.
	Approved bool `json:"approved,omitempty"`
	// Updates counts the updates of the current bandit stage; Updated is when
	// the last one was; Still says that a person stopped its learning.
	Updates int       `json:"updates,omitempty"`
	Updated time.Time `json:"updated,omitzero"`
	Still   bool      `json:"still,omitempty"`
	// ReadySince is since when every remaining candidate has been ready, in a
	// switch that warms up.
	ReadySince *time.Time `json:"readySince,omitempty"`
	// Actions are what is to be done besides routing and is not known to be done
	// yet.
	Actions []Intent `json:"actions,omitempty"`
	// Copied says that the baseline was made a copy of the winner; at the end it
	// is the copy that has the traffic.
	Copied bool `json:"copied,omitempty"`
	// Commands are the ids of commands already obeyed, newest last.
	Commands  []string   `json:"commands,omitempty"`
	Decisions []Decision `json:"decisions,omitempty"`
	// Failed are the plan's actions that failed for good, newest last, at most
	// MaxFailed.
	Failed []ActionFailure `json:"failed,omitempty"`
	// Iteration is how far a strict plan is; nil before its first iteration.
	Iteration *Iteration `json:"iteration,omitempty"`
}

// MaxFailed is how many failed actions the state remembers.
const MaxFailed = 10

// Hash identifies the state.
func (s *State) Hash() string { return hashJSON(s) }

// Clone copies the state deeply enough that changing the copy's slices leaves
// the original as it was.
func (s State) Clone() State {
	s.Slots = slices.Clone(s.Slots)
	s.Tables = slices.Clone(s.Tables)
	s.Removed = slices.Clone(s.Removed)
	s.Actions = slices.Clone(s.Actions)
	s.Commands = slices.Clone(s.Commands)
	s.Decisions = slices.Clone(s.Decisions)
	s.Failed = slices.Clone(s.Failed)
	s.Iteration = s.Iteration.Clone()
	return s
}

// Default is the version of requests that are not assigned: the baseline, and
// after a promotion the winner, or what became a copy of it. The iterations of a
// strict plan promote nobody by themselves.
func (s *State) Default() int {
	switch {
	case s.Condition == Warm:
		return s.Winner
	case s.Condition == Done && s.Outcome == Promoted && !s.Copied && !s.iterated():
		return s.Winner
	}
	return 0
}

// iterated reports whether a strict plan ended by its own rules.
func (s *State) iterated() bool { return s.Iteration != nil && s.Iteration.Over }

// Starting reports whether actions of onStart are still to be done, or one of them
// failed for good: nothing is given to a candidate before, copies neither.
func (s *State) Starting() bool {
	return slices.ContainsFunc(s.Actions, func(i Intent) bool { return i.Kind == IntentRun && i.Hook == OnStart }) ||
		slices.ContainsFunc(s.Failed, func(f ActionFailure) bool { return f.Hook == OnStart && !f.Ignored })
}

// Released reports whether the route is no longer made what the slots ask for:
// that of a strict plan that shifts nothing, and that of one whose iterations are
// over, which is its actions' from then on. A rollback and a kill have it all the
// same (D3, D8).
func (s *State) Released(p *Plan) bool {
	switch {
	case !p.Strict || s.Outcome == RolledBack:
		return false
	case s.Condition == Running || s.Condition == Paused:
		return s.Stage < len(p.Stages) && p.Stages[s.Stage].Iterate != nil && p.Stages[s.Stage].Iterate.Shift == ShiftNone
	}
	return s.Condition == Done && s.iterated()
}

// Asks reports whether an action of a kind is asked for and not known to be
// done.
func (s *State) Asks(kind IntentKind) bool {
	return slices.ContainsFunc(s.Actions, func(i Intent) bool { return i.Kind == kind })
}

// WayBackLost reports whether a promotion has made, or is making, the baseline
// something else than it was: overwritten by a copy, or scaled down.
func (s *State) WayBackLost(p *Plan) bool {
	retired := s.Condition == Done && s.Outcome == Promoted && p.Promote.Loser == LoserScaleDown
	return s.Copied || s.Asks(IntentCopy) || retired
}

// IsRemoved reports whether a version lost its share for good.
func (s *State) IsRemoved(version int) bool {
	return slices.ContainsFunc(s.Removed, func(r Removal) bool { return r.Version == version })
}

// Removal is a candidate that lost its share for good, and why.
type Removal struct {
	Version int       `json:"version"`
	At      time.Time `json:"at"`
	Reason  Reason    `json:"reason"`
}

// Overriding is who promoted a version against known harm, why, and what was
// known.
type Overriding struct {
	At     time.Time `json:"at"`
	Author string    `json:"author"`
	Reason string    `json:"reason"`
	Harm   []Reason  `json:"harm"`
}

// GroupTable is the slot table of one group, named as a slice.
type GroupTable struct {
	Slice string `json:"slice"`
	Slots Slots  `json:"slots"`
}

// Verb is what a person asks for.
type Verb string

// The verbs that decide obeys.
const (
	VerbKill    Verb = "kill"
	VerbLift    Verb = "lift"
	VerbPause   Verb = "pause"
	VerbResume  Verb = "resume"
	VerbPromote Verb = "promote"
	VerbAbort   Verb = "abort"
	VerbRetry   Verb = "retry"
	// VerbApprove lets the current stage, or the end of keeping warm, go on.
	VerbApprove Verb = "approve"
	// VerbFreeze stops a bandit's learning, VerbLearn lets it go on.
	VerbFreeze Verb = "freeze"
	VerbLearn  Verb = "learn"
)

// Command is a person's wish; it is obeyed once, by its ID.
type Command struct {
	ID     string `json:"id"`
	Verb   Verb   `json:"verb"`
	Author string `json:"author,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Version names the version to promote, where several candidates are left.
	Version string `json:"version,omitempty"`
	// Override promotes in spite of a failed guardrail or objective. It needs
	// a reason.
	Override bool `json:"override,omitempty"`
}

// SourceHealth is the freshness of one source of evidence.
type SourceHealth struct {
	Source Source `json:"source"`
	// Down says why the source could not be read; a source that is down is
	// not a bad model (D5).
	Down string `json:"down,omitempty"`
	// Gap says that windows were lost and cannot be had again. Where Missing is
	// 0, reading cannot even go on behind them.
	Gap bool `json:"gap,omitempty"`
	// Windows is how many windows of the running stage are folded, where some of
	// them are not whole: Missing of them. Whole is how many whole ones are newer
	// than the newest of these, Why what is missing of that.
	Windows int64  `json:"windows,omitempty"`
	Missing int64  `json:"missing,omitempty"`
	Whole   int64  `json:"whole,omitempty"`
	Why     string `json:"why,omitempty"`
	// Newest is the end of the newest window read.
	Newest time.Time `json:"newest,omitzero"`
}

// Facts is what a decision is made of, besides plan, state and time. Frozen:
// docs/decisions/0004.
type Facts struct {
	Judgement Judgement `json:"judgement"`
	// Ready says per version whether it answers its readiness probe; empty
	// when nobody probes.
	Ready    []bool         `json:"ready,omitempty"`
	Sources  []SourceHealth `json:"sources,omitempty"`
	Commands []Command      `json:"commands,omitempty"`
	// Moved counts units that changed version inside the current phase.
	Moved int64 `json:"moved,omitempty"`
	// Route is what the cluster says of the shares; nil where Headgate's own
	// gateway serves them.
	Route *RouteFact `json:"route,omitempty"`
	// Actions is how the state's actions stand; one that is not told of is not
	// done.
	Actions []ActionFact `json:"actions,omitempty"`
	// Readings are what a strict plan's iteration is made of; empty where none is
	// due.
	Readings []Reading `json:"readings,omitempty"`
}

// ActionFact is how an action stands.
type ActionFact struct {
	Intent
	Done bool `json:"done,omitempty"`
	// Why says what it waits for, or what is in its way.
	Why string `json:"why,omitempty"`
	// Failed says that it was tried as often as the plan says, in vain.
	Failed bool `json:"failed,omitempty"`
	// Loaded is what an action's load brought.
	Loaded []Loaded `json:"loaded,omitempty"`
}

// Act is the kind of a decision.
type Act string

// The acts.
const (
	ActStart    Act = "start"
	ActHold     Act = "hold"
	ActAdvance  Act = "advance"
	ActRollback Act = "rollback"
	ActPromote  Act = "promote"
	ActStop     Act = "stop"
	ActPause    Act = "pause"
	ActResume   Act = "resume"
	ActRetry    Act = "retry"
	// ActRemove takes the share of one of several candidates, for good.
	ActRemove Act = "remove"
	// ActShift gives a bandit's new shares.
	ActShift Act = "shift"
	// ActApprove notes a person's approval.
	ActApprove Act = "approve"
	// ActLearn notes that a bandit's learning was stopped or goes on.
	ActLearn Act = "learn"
	// ActEdit notes that an edited plan took the place of the one before.
	ActEdit Act = "edit"
)

// Decision is what was decided, why, and what it changed.
type Decision struct {
	At      time.Time `json:"at"`
	Act     Act       `json:"act"`
	Reasons []Reason  `json:"reasons"`
	// From and To are the shares before and after.
	From Shares `json:"from"`
	To   Shares `json:"to"`
	// Groups are the shares after, by group, where groups have their own.
	Groups []GroupShares `json:"groups,omitempty"`
	// Stage and Step are where the experiment stands after the decision.
	Stage int `json:"stage"`
	Step  int `json:"step"`
}

// IntentKind names something to be done in the world.
type IntentKind string

// The kinds of intent.
const (
	// IntentRoute asks for the state's slots to be served.
	IntentRoute IntentKind = "route"
	// IntentRetire asks for the plan's Loser to be done to the version without
	// traffic: the baseline, or the winner once the baseline is a copy of it.
	IntentRetire IntentKind = "retire"
	// IntentCopy asks for the winner to be copied over the baseline.
	IntentCopy IntentKind = "copy"
	// IntentRestore asks for the baseline to be what it was before a copy or a
	// scaling down.
	IntentRestore IntentKind = "restore"
	// IntentRun asks for one of the plan's actions.
	IntentRun IntentKind = "run"
)

// Intent is an action that the state asks for. It is stored before it is
// done, and done idempotently under (experiment, Transition).
type Intent struct {
	Kind       IntentKind `json:"kind"`
	Transition int        `json:"transition"`
	// Hook and Index say which of the plan's actions IntentRun is.
	Hook  Hook `json:"hook,omitempty"`
	Index int  `json:"index,omitempty"`
}
