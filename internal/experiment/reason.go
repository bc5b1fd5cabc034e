// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"fmt"
	"slices"
	"strings"
)

//go:generate go test . -run TestReasonsReference -update

// ReasonCode is a stable name for why a decision was made. Codes are never
// reused or renumbered. Frozen: docs/decisions/0006.
type ReasonCode string

// Level says how a reason should be received.
type Level string

// The levels.
const (
	Info    Level = "info"
	Warning Level = "warning"
	Alarm   Level = "alarm"
)

// Reason is a code with the values of this one case.
type Reason struct {
	Code   ReasonCode `json:"code"`
	Params []Param    `json:"params,omitempty"`
}

// Param is a named value of a reason; an ordered list, so that JSON and hashes
// are stable.
type Param struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Because makes a reason from a code and name, value pairs.
func Because(code ReasonCode, pairs ...any) Reason {
	r := Reason{Code: code}
	for i := 0; i+1 < len(pairs); i += 2 {
		r.Params = append(r.Params, Param{Name: fmt.Sprint(pairs[i]), Value: fmt.Sprint(pairs[i+1])})
	}
	return r
}

// Param returns the value of a parameter, or nothing.
func (r Reason) Param(name string) string {
	i := slices.IndexFunc(r.Params, func(p Param) bool { return p.Name == name })
	if i < 0 {
		return ""
	}
	return r.Params[i].Value
}

// String writes the reason as a sentence.
func (r Reason) String() string {
	text := string(r.Code)
	if e, ok := Lookup(r.Code); ok {
		text = e.Text
	}
	pairs := make([]string, 0, 2*len(r.Params))
	for _, p := range r.Params {
		pairs = append(pairs, "{"+p.Name+"}", p.Value)
	}
	// In one pass: a value may itself hold braces.
	return strings.NewReplacer(pairs...).Replace(text)
}

// The reason codes. Hundreds group them: 1 the run of the experiment, 2
// holding, 3 harm, 4 trust, 5 endings, 6 people.
const (
	ReasonStarted        ReasonCode = "HG-D101"
	ReasonStageEntered   ReasonCode = "HG-D102"
	ReasonStepHeld       ReasonCode = "HG-D103"
	ReasonStageDone      ReasonCode = "HG-D104"
	ReasonNeedRequests   ReasonCode = "HG-D201"
	ReasonNeedWindows    ReasonCode = "HG-D202"
	ReasonNeedTime       ReasonCode = "HG-D203"
	ReasonNeedUnits      ReasonCode = "HG-D204"
	ReasonNotReady       ReasonCode = "HG-D205"
	ReasonGateOpen       ReasonCode = "HG-D206"
	ReasonPaused         ReasonCode = "HG-D207"
	ReasonObserving      ReasonCode = "HG-D208"
	ReasonObjective      ReasonCode = "HG-D301"
	ReasonRewardWorse    ReasonCode = "HG-D302"
	ReasonGuardrail      ReasonCode = "HG-D303"
	ReasonMismatch       ReasonCode = "HG-D401"
	ReasonSourceDown     ReasonCode = "HG-D402"
	ReasonStale          ReasonCode = "HG-D403"
	ReasonGap            ReasonCode = "HG-D404"
	ReasonUnknownTooLong ReasonCode = "HG-D405"
	ReasonBetter         ReasonCode = "HG-D501"
	ReasonNoDifference   ReasonCode = "HG-D502"
	ReasonInconclusive   ReasonCode = "HG-D503"
	ReasonSafe           ReasonCode = "HG-D504"
	ReasonOtherwise      ReasonCode = "HG-D505"
	ReasonObjectivesMet  ReasonCode = "HG-D506"
	ReasonKilled         ReasonCode = "HG-D601"
	ReasonLifted         ReasonCode = "HG-D602"
	ReasonAborted        ReasonCode = "HG-D603"
	ReasonPausedBy       ReasonCode = "HG-D604"
	ReasonResumed        ReasonCode = "HG-D605"
	ReasonPromotedBy     ReasonCode = "HG-D606"
	ReasonRefused        ReasonCode = "HG-D607"
	ReasonRetried        ReasonCode = "HG-D608"
)

// CatalogueEntry describes a reason code: the sentence with {placeholders}
// and, for the reference, what it means and what to do.
type CatalogueEntry struct {
	Code    ReasonCode
	Level   Level
	Text    string
	Meaning string
}

// Catalogue lists every reason code in order. The reference page is generated
// from it.
func Catalogue() []CatalogueEntry { return slices.Clone(catalogue) }

// Lookup returns the entry of a code.
func Lookup(code ReasonCode) (CatalogueEntry, bool) {
	i := slices.IndexFunc(catalogue, func(e CatalogueEntry) bool { return e.Code == code })
	if i < 0 {
		return CatalogueEntry{}, false
	}
	return catalogue[i], true
}

var catalogue = []CatalogueEntry{
	{ReasonStarted, Info, "the experiment started with all traffic on {version}", "The plan was accepted and hashed; the baseline serves everything."},
	{ReasonStageEntered, Info, "stage {stage} began", "The experiment entered the stage and asks for its first shares."},
	{ReasonStepHeld, Info, "step {step} of {stage} held: {requests} requests, {windows} clean windows", "Everything that the step waits for was had, so the next step begins."},
	{ReasonStageDone, Info, "stage {stage} is over", "The last step of the stage held, or its period passed."},
	{ReasonNeedRequests, Info, "{version} has {have} of {want} requests of this step", "The step's request budget is not met. Wait, or raise the traffic."},
	{ReasonNeedWindows, Info, "{have} of {want} consecutive clean windows", "The newest windows did not all have traffic on the candidate and meet every objective. Wait, or look at the objectives per window."},
	{ReasonNeedTime, Info, "{left} left of the least time", "The stage or step has a least duration that has not passed."},
	{ReasonNeedUnits, Info, "the reward is undecided with {have} matured units: {more}", "The test has not decided and the horizon is not reached."},
	{ReasonNotReady, Warning, "{version} does not answer its readiness probe", "No share is given to a version that is not ready. Start it, or look at its log."},
	{ReasonGateOpen, Warning, "{metric} of {version} is not known to be within its limit", "Promotion wants every objective met and every guardrail not worse, with confidence. Wait for more evidence."},
	{ReasonPaused, Info, "the experiment is paused", "A person paused it: shares stay, harm is still acted on. Resume it to go on."},
	{ReasonObserving, Info, "observing for another {left}", "An observe stage shifts nothing and ends when its period is over."},
	{ReasonObjective, Alarm, "{version} violates {metric}: {estimate}, {bound}, limit {limit}", "The confidence bound of an objective lies beyond its limit, at any time of looking. The candidate loses all traffic."},
	{ReasonRewardWorse, Alarm, "{version} is worse in {metric} by {estimate} (interval {interval})", "Always-valid evidence says that the candidate lowers the reward. It loses all traffic."},
	{ReasonGuardrail, Alarm, "{version} worsens {metric} by {estimate}, more than {limit}", "Always-valid evidence says that a guardrail is worse by more than its margin. The candidate loses all traffic."},
	{ReasonMismatch, Alarm, "sample-ratio mismatch: asked for {asked}, seen {seen}", "The units seen do not fit the shares asked for, so comparisons cannot be trusted. Look for lost exposures, bots or a second router."},
	{ReasonSourceDown, Warning, "{source} cannot be read: {why}", "A source that is down is not a bad model: hold, and go on when it answers again."},
	{ReasonStale, Warning, "the newest evidence of {source} is {age} old", "Evidence older than the plan allows raises no share. See whether traffic and source are alive."},
	{ReasonGap, Warning, "windows of {source} are missing", "Evidence was lost, for instance by a restart; a gap is never read as zero."},
	{ReasonUnknownTooLong, Warning, "nothing could be decided for {time}", "The evidence stayed unknown longer than onUnknown.after; the plan's policy was applied."},
	{ReasonBetter, Info, "{version} is better in {metric}: {estimate} (interval {interval})", "The test crossed its boundary in favour of the candidate, with every objective met and no guardrail worse."},
	{ReasonNoDifference, Info, "{version} and {baseline} do not differ in {metric} by as much as {margin}: {estimate} (interval {interval})", "At the horizon the whole interval lies within the smallest effect that matters."},
	{ReasonInconclusive, Info, "{metric} is undecided at the horizon: {estimate} (interval {interval})", "The horizon was reached and the interval is too wide to say more. Plan a longer stage or a larger effect."},
	{ReasonSafe, Info, "{version} held every step and meets every objective", "A rollout without a reward promotes when all its steps held and every objective is met with confidence."},
	{ReasonOtherwise, Info, "without a winner the plan says: {otherwise}", "The stage's otherwise rule was applied."},
	{ReasonObjectivesMet, Info, "{version} meets every objective", "The observed period is over and every objective is met with confidence."},
	{ReasonKilled, Alarm, "killed by {author}: {reason}", "All traffic is on the baseline and stays there until a person lifts the kill."},
	{ReasonLifted, Warning, "the kill was lifted by {author}: {reason}", "The experiment ends with the baseline serving; start it anew to try again."},
	{ReasonAborted, Warning, "aborted by {author}: {reason}", "A person ended the experiment; all traffic went to the baseline."},
	{ReasonPausedBy, Info, "paused by {author}: {reason}", "Shares stay as they are until somebody resumes."},
	{ReasonResumed, Info, "resumed by {author}", "The experiment goes on from where it was."},
	{ReasonPromotedBy, Warning, "promoted by {author}: {reason}", "A person promoted the candidate ahead of the plan."},
	{ReasonRefused, Warning, "{verb} by {author} was refused: {why}", "The command could not be obeyed in this state."},
	{ReasonRetried, Info, "started anew by {author}: {reason}", "A new epoch began: units are shuffled, evidence and error rates start from nothing."},
}
