// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// ExplanationKind heads the JSON form of an Explanation.
const ExplanationKind = "Explanation"

// Explanation says what a decision rested on and what would have flipped it.
type Explanation struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Experiment string `json:"experiment"`
	// Plan is the plan's hash.
	Plan string `json:"plan"`
	// Seq is the journal entry; absent for what holds now.
	Seq *int64    `json:"seq,omitempty"`
	At  time.Time `json:"at"`
	// Act is what was decided, From and To the shares before and after.
	Act     string    `json:"act"`
	From    string    `json:"from"`
	To      string    `json:"to"`
	Grounds []Ground  `json:"grounds"`
	Notices []Notice  `json:"notices,omitempty"`
	RestsOn []Finding `json:"restsOn,omitempty"`
	// Mismatch is the e-value of a sample-ratio mismatch at the time.
	Mismatch float64 `json:"mismatchEValue"`
	// Flips are the nearest changes that would have made another decision.
	Flips []Flip `json:"flips,omitempty"`
	// Together says that only all flips together would have; else any one.
	Together bool `json:"together,omitempty"`
}

// Ground is a reason of a decision with what its code means.
type Ground struct {
	Code    string `json:"code"`
	Text    string `json:"text"`
	Meaning string `json:"meaning,omitempty"`
}

// Flip is the nearest change of one thing that would have made a decision
// otherwise. Numbers are those of the text, in the metric's unit or a count.
type Flip struct {
	Version string `json:"version,omitempty"`
	Role    string `json:"role,omitempty"`
	Metric  string `json:"metric,omitempty"`
	Slice   string `json:"slice,omitempty"`
	Text    string `json:"text"`
	// Quantity names what Seen and Bar count: "failed requests", "value",
	// "difference", "e-value", …
	Quantity string   `json:"quantity,omitempty"`
	Seen     *float64 `json:"seen,omitempty"`
	// Bar is the value at which the decision turns.
	Bar *float64 `json:"bar,omitempty"`
	// More is about how much more evidence would do as well, if what was seen
	// stays as it is.
	More int64 `json:"more,omitempty"`
}

// ExplainEntry explains a journal entry. totals are those of the time: an entry
// holds only the phases that changed.
func ExplainEntry(p *experiment.Plan, totals experiment.Totals, e *experiment.Entry) Explanation {
	rec := experiment.Record{State: e.State, Totals: totals, Monitors: e.Monitors}
	out := Explain(Input{Plan: p, Record: &rec, Judgement: &e.Facts.Judgement, Latest: e.Decision, Now: e.Now})
	out.Seq = &e.Seq
	return out
}

// Explain explains the latest decision of an input.
func Explain(in Input) Explanation {
	x := explaining{in: &in, d: in.Latest}
	out := Explanation{
		APIVersion: APIVersion, Kind: ExplanationKind, Experiment: in.Plan.ID(), Plan: in.Record.State.Plan,
		At: in.Now, Act: string(x.d.Act), From: x.d.From.String(), To: x.d.To.String(),
		Grounds: []Ground{}, Notices: noticesOf(&in), Mismatch: exp(in.Judgement.MismatchLogE),
	}
	for _, r := range x.d.Reasons {
		g := Ground{Code: string(r.Code), Text: r.String()}
		if e, ok := experiment.Lookup(r.Code); ok {
			g.Meaning = e.Meaning
		}
		out.Grounds = append(out.Grounds, g)
	}
	out.RestsOn = findingsOf(&in)
	switch x.d.Act {
	case experiment.ActRollback, experiment.ActRemove:
		x.harm()
	case experiment.ActHold:
		x.hold()
	default:
		x.ending()
	}
	out.Flips, out.Together = x.flips, x.together && len(x.flips) > 1
	return out
}

// Explain is the explanation of what holds now, as the view has it.
func (e *Experiment) Explain() Explanation {
	shares := make([]string, len(e.Versions))
	for i, v := range e.Versions {
		shares[i] = fmt.Sprintf("%.4g%%", 100*v.Share)
	}
	now := strings.Join(shares, "/")
	name := e.Name
	if e.Namespace != "" {
		name = e.Namespace + "/" + e.Name
	}
	out := Explanation{
		APIVersion: APIVersion, Kind: ExplanationKind, Experiment: name, Plan: e.Plan, At: e.At,
		Act: string(experiment.ActHold), From: now, To: now, Grounds: []Ground{}, Notices: e.Notices, RestsOn: e.Findings,
		Mismatch: e.Health.Mismatch, Flips: e.Flips, Together: e.Together,
	}
	for i, text := range e.Verdict.Reasons {
		g := Ground{Text: text}
		if i == 0 {
			g.Code = e.Verdict.Code
			if entry, ok := experiment.Lookup(experiment.ReasonCode(g.Code)); ok {
				g.Meaning = entry.Meaning
			}
		}
		out.Grounds = append(out.Grounds, g)
	}
	return out
}

// explaining is one call's working state.
type explaining struct {
	in       *Input
	d        experiment.Decision
	flips    []Flip
	together bool
}

func (x *explaining) add(flips ...Flip) { x.flips = append(x.flips, flips...) }

// say adds a flip that is not about one verdict.
func (x *explaining) say(quantity string, seen, bar float64, format string, args ...any) {
	x.add(Flip{Text: fmt.Sprintf(format, args...), Quantity: quantity, Seen: &seen, Bar: &bar})
}

// of starts a flip about a verdict.
func (x *explaining) of(v *experiment.Verdict) Flip {
	return Flip{Version: x.name(v.Version), Role: string(v.Role), Metric: v.Metric, Slice: v.Slice}
}

func (x *explaining) name(version int) string { return x.in.Plan.Versions[version].Name }

// named says whether the decision's reasons name a version.
func (x *explaining) named(version int) bool {
	return slices.ContainsFunc(x.d.Reasons, func(r experiment.Reason) bool { return r.Param("version") == x.name(version) })
}

// harm explains why versions lost their share: every harm that is known would
// have had to be otherwise.
func (x *explaining) harm() {
	if x.byPerson() {
		return
	}
	x.together = true
	for i := range x.in.Judgement.Verdicts {
		v := &x.in.Judgement.Verdicts[i]
		if v.Version == 0 || !x.named(v.Version) {
			continue
		}
		switch v.Status {
		case experiment.Violated:
			x.add(x.violated(v, "would not have lost its traffic"))
		case experiment.Worse:
			x.add(x.worse(v))
		}
	}
}

// byPerson explains what people did: no figure would have changed it.
func (x *explaining) byPerson() bool {
	for _, r := range x.d.Reasons {
		switch r.Code {
		case experiment.ReasonKilled, experiment.ReasonLifted, experiment.ReasonAborted, experiment.ReasonPausedBy, experiment.ReasonResumed,
			experiment.ReasonPromotedBy, experiment.ReasonRetried, experiment.ReasonApproved, experiment.ReasonFrozen, experiment.ReasonLearnOn:
			x.add(Flip{Text: "a person decided it: no figure would have made it otherwise"})
			return true
		}
	}
	return false
}

// hold explains what would let a stage go on: all of what it waits for, but of
// candidates that are undecided any one.
func (x *explaining) hold() {
	x.together = len(x.d.Reasons) != 1 || x.d.Reasons[0].Code != experiment.ReasonNeedUnits
	for _, r := range x.d.Reasons {
		x.waiting(r)
	}
}

func (x *explaining) waiting(r experiment.Reason) {
	have, want := number(r.Param("have")), number(r.Param("want"))
	switch r.Code {
	case experiment.ReasonNeedRequests:
		x.say("requests", have, want, "goes on with %s of %s (%s of %s are there)", things(want-have, "more request"), r.Param("version"), count(have), count(want))
	case experiment.ReasonNeedWindows:
		x.say("windows", have, want, "goes on with %s in a row", things(want-have, "more clean window"))
	case experiment.ReasonNeedPairs:
		x.say("pairs", have, want, "goes on with %s of each candidate", things(want-have, "more pair"))
	case experiment.ReasonExploring:
		x.say("units", have, want, "learns once %s has %s", r.Param("version"), things(want-have, "more matured unit"))
	case experiment.ReasonNeedTime, experiment.ReasonObserving, experiment.ReasonSoaking, experiment.ReasonWarmUp, experiment.ReasonLearning:
		x.add(Flip{Text: "goes on in " + r.Param("left")})
	case experiment.ReasonNeedApproval:
		x.add(Flip{Text: "goes on with the approval of " + r.Param("owner")})
	case experiment.ReasonNotReady:
		x.add(Flip{Version: r.Param("version"), Text: fmt.Sprintf("goes on once %s answers its readiness probe", r.Param("version"))})
	case experiment.ReasonNeedUnits:
		x.undecidedRewards()
	case experiment.ReasonGateOpen:
		x.openGate(r.Param("version"), r.Param("metric"))
	case experiment.ReasonMismatch:
		seen := exp(x.in.Judgement.MismatchLogE)
		x.say("e-value", seen, MismatchAlarm, "would not hold with a sample-ratio e-value below %d (it reached %.3g)", MismatchAlarm, seen)
	case experiment.ReasonBudget:
		x.add(Flip{Text: "goes on with a larger budget, or by a person's promotion: " + r.Param("what")})
	case experiment.ReasonAsk:
		x.add(Flip{Text: "goes on when a person promotes or aborts"})
	default:
		x.doubted(r.Code)
	}
}

// doubted explains evidence that is not trusted.
func (x *explaining) doubted(code experiment.ReasonCode) {
	for _, d := range x.in.Judgement.Doubts {
		if d.Code != code {
			continue
		}
		if code == experiment.ReasonVersionMix {
			x.add(Flip{Version: x.name(d.Version), Text: "would be trusted again after a retry with one model: " + doubtText(x.in.Plan, d)})
			continue
		}
		what := percent
		quantity := "share"
		if code == experiment.ReasonUnevenJoin || code == experiment.ReasonSliceMismatch || code == experiment.ReasonRewardRange {
			what, quantity = func(v float64) string { return fmt.Sprintf("%.4g", v) }, "value"
		}
		x.say(quantity, d.Value, d.Limit, "would be trusted again at %s (seen %s): %s", what(d.Limit), what(d.Value), doubtText(x.in.Plan, d))
	}
}

// ending explains advances, promotions and stops: what carried them, and how
// much of it there was to spare.
func (x *explaining) ending() {
	if x.byPerson() {
		return
	}
	unwon := false
	for _, r := range x.d.Reasons {
		switch r.Code {
		case experiment.ReasonStepHeld, experiment.ReasonStageDone:
			x.held(r)
		case experiment.ReasonBetter:
			x.promotedBy(r)
			x.spare(r.Param("version"))
		case experiment.ReasonSafe, experiment.ReasonObjectivesMet, experiment.ReasonMirrored:
			x.spare(r.Param("version"))
		case experiment.ReasonOtherwise:
			if x.d.Act == experiment.ActPromote {
				x.spare("")
			}
		case experiment.ReasonNoDifference, experiment.ReasonInconclusive:
			if !unwon { // Each candidate has such a reason.
				x.withoutWinner()
			}
			unwon = true
		case experiment.ReasonBest:
			x.best(r)
		case experiment.ReasonObjective:
			x.violatedBy(r.Param("version"))
		}
	}
}

// held explains a step or stage of a ramp that had all that it waited for.
func (x *explaining) held(r experiment.Reason) {
	i := slices.IndexFunc(x.in.Plan.Stages, func(s experiment.Stage) bool { return s.Name == r.Param("stage") })
	if i < 0 || x.in.Plan.Stages[i].Ramp == nil {
		return
	}
	j, h := x.in.Judgement, x.in.Plan.Stages[i].Ramp.Hold
	if h.Requests > 0 {
		x.say("requests", float64(j.Requests), float64(h.Requests), "would have waited with fewer than %s requests (%s came)", count(float64(h.Requests)), count(float64(j.Requests)))
	}
	if h.Windows > 0 {
		x.say("windows", float64(j.Clean), float64(h.Windows), "would have waited with fewer than %d clean windows in a row (%d were)", h.Windows, j.Clean)
	}
}

// withoutWinner explains an end that nobody won: what a winner lacked.
func (x *explaining) withoutWinner() {
	b := x.in.Plan.Stages[x.in.Record.State.Stage].Bandit
	if b == nil || b.Until.Best == 0 {
		x.undecidedRewards()
		return
	}
	for _, a := range leadersOf(x.in.Judgement.Arms) {
		x.say("probability", a.Best, b.Until.Best, "would have had a winner with a probability of %.4g that %s is the best%s (it was %.4g)", b.Until.Best, x.name(a.Version), in(a.Slice), a.Best)
	}
}

// in names a group in a sentence.
func in(slice string) string {
	if slice == "" {
		return ""
	}
	return " in " + slice
}

// best explains the exit of a bandit.
func (x *explaining) best(r experiment.Reason) {
	for i := range x.in.Plan.Stages {
		b := x.in.Plan.Stages[i].Bandit
		if b == nil || b.Until.Best == 0 {
			continue
		}
		for _, a := range x.in.Judgement.Arms {
			if x.name(a.Version) == r.Param("version") && a.Best >= b.Until.Best {
				x.say("probability", a.Best, b.Until.Best, "would have gone on learning with a probability below %.4g that %s is the best%s (it was %.4g)", b.Until.Best, x.name(a.Version), in(a.Slice), a.Best)
			}
		}
	}
}

// number reads a count from a reason's parameter.
func number(s string) float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0
	}
	return f
}

// things writes a count of things.
func things(n float64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return count(n) + " " + thing + "s"
}

// count writes a count with separators.
func count(x float64) string {
	s := strconv.FormatInt(int64(max(0, x)), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
