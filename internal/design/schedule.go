// SPDX-License-Identifier: Apache-2.0

package design

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Span is how long something takes, or when it is, counted from the start.
type Span struct {
	// Expected is under the assumptions, AtMost what the plan allows; Unknown
	// if that cannot be said.
	Expected, AtMost time.Duration
}

// Unknown is a time that cannot be foreseen: the traffic is not stated, or a
// person is waited for.
const Unknown = time.Duration(-1)

// plus adds spans; what is unknown stays so.
func (s Span) plus(o Span) Span {
	add := func(a, b time.Duration) time.Duration {
		if a == Unknown || b == Unknown || a > math.MaxInt64-b {
			return Unknown
		}
		return a + b
	}
	return Span{Expected: add(s.Expected, o.Expected), AtMost: add(s.AtMost, o.AtMost)}
}

// MarshalJSON writes seconds, and null for what is unknown.
func (s Span) MarshalJSON() ([]byte, error) {
	seconds := func(d time.Duration) *float64 {
		if d == Unknown {
			return nil
		}
		f := d.Seconds()
		return &f
	}
	return json.Marshal(struct {
		Expected *float64 `json:"expected"`
		AtMost   *float64 `json:"atMost"`
	}{seconds(s.Expected), seconds(s.AtMost)})
}

// Stage is one stage in the timetable.
type Stage struct {
	Name  string               `json:"name"`
	Kind  experiment.StageKind `json:"kind"`
	Where string               `json:"where,omitempty"`
	// Shares is what the versions get; a ramp's are in its steps.
	Shares string `json:"shares,omitempty"`
	Steps  []Step `json:"steps,omitempty"`
	// Waits says what the stage waits for, beside its steps.
	Waits []string `json:"waits,omitempty"`
	Start Span     `json:"start"`
	End   Span     `json:"end"`
	// Posture says how often a request is answered, and Factor by how many
	// models on average: 1 where each request goes to one.
	Posture string  `json:"posture"`
	Factor  float64 `json:"factor"`
	// Late says that at the traffic assumed the stage's horizon comes before
	// what it waits for.
	Late bool `json:"late,omitempty"`
	// Expected and AtMost are what passes through the stage in these times;
	// nil where a time or the traffic is unknown.
	Expected *Volume `json:"expected,omitempty"`
	AtMost   *Volume `json:"atMost,omitempty"`

	takes Span
	flow  []flow
}

// Step is one step of a ramp.
type Step struct {
	Share string `json:"share"`
	// Takes is how long the step is held at least.
	Takes Span   `json:"takes"`
	Waits string `json:"waits"`
}

// flow is a stretch of constant shares.
type flow struct {
	shares experiment.Shares
	takes  time.Duration
}

// timetable lays the stages out one after the other.
func (w *world) timetable() []Stage {
	var out []Stage
	at, chosen := Span{}, false
	for i := range w.plan.Stages {
		s := &w.plan.Stages[i]
		// Where several versions competed, one goes on: any will do here.
		removed := func(version int) bool { return chosen && version > 1 }
		st := w.stage(s, removed)
		st.Start, st.End = at, at.plus(st.takes)
		at = st.End
		out = append(out, st)
		chosen = chosen || s.Split != nil || s.Bandit != nil
	}
	if k := w.plan.Promote.KeepWarm; k != nil && len(w.plan.Versions) > 1 {
		st := w.keepWarm(k)
		st.Start, st.End = at, at.plus(st.takes)
		out = append(out, st)
	}
	for i := range out {
		w.fill(&out[i])
	}
	return out
}

// stage says what a stage waits for and how long that takes.
func (w *world) stage(s *experiment.Stage, removed func(int) bool) Stage {
	out := Stage{Name: s.Name, Kind: s.Kind(), Where: s.Where.String(), takes: Span{AtMost: s.AtMost()}}
	n := len(w.plan.Versions)
	shares := s.SharesAt(0, n, removed)
	switch out.Kind {
	case experiment.KindRamp:
		w.ramp(&out, s, removed)
		shares = nil
	case experiment.KindSplit:
		w.until(&out, s, s.Split.Until, s.Split.Until.Decided, "a decision")
	case experiment.KindBandit:
		w.until(&out, s, s.Bandit.Until, s.Bandit.Until.Best > 0, fmt.Sprintf("a version that is the best with %s", percent(s.Bandit.Until.Best)))
		shares = even(n)
	case experiment.KindMirror:
		w.mirror(&out, s)
	case experiment.KindSwitch:
		out.takes.Expected = out.takes.AtMost
		out.Waits = []string{fmt.Sprintf("%s of readiness, then %s with all traffic", Days(s.Switch.Warm), Days(s.Switch.Soak))}
	default:
		out.takes.Expected = out.takes.AtMost
		out.Waits = []string{Days(s.Observe.For)}
		shares = experiment.Baseline(n)
	}
	if len(s.Require) > 0 {
		out.Waits = append(out.Waits, things(len(s.Require), "gate"))
	}
	if s.Approval != "" {
		out.Waits = append(out.Waits, "the approval of "+s.Approval)
		if out.Kind != experiment.KindRamp && out.Kind != experiment.KindSplit {
			out.takes.AtMost = Unknown
		}
	}
	if shares != nil {
		out.Shares = shares.String()
		out.flow = []flow{{shares, out.takes.Expected}}
	}
	return out
}

// even gives n versions the same share.
func even(n int) experiment.Shares {
	s := make(experiment.Shares, n)
	for i := range s {
		s[i] = experiment.Whole / experiment.Share(n)
	}
	s[0] += experiment.Whole % experiment.Share(n)
	return s
}

// ramp times the steps. A step's evidence is read window by window, some lag
// after each window's end.
func (w *world) ramp(out *Stage, s *experiment.Stage, removed func(int) bool) {
	out.takes.Expected = 0
	if _, waits := w.step(s, experiment.Whole); waits != "" {
		out.Waits = append(out.Waits, waits)
	}
	for i, share := range s.Ramp.Steps {
		takes, waits := w.step(s, share)
		out.Steps = append(out.Steps, Step{Share: share.Percent(), Takes: Span{takes, Unknown}, Waits: waits})
		out.takes = out.takes.plus(Span{Expected: takes})
		out.flow = append(out.flow, flow{s.SharesAt(i, len(w.plan.Versions), removed), takes})
	}
	if out.takes.Expected != Unknown && out.takes.Expected > out.takes.AtMost {
		out.takes.Expected = out.takes.AtMost
	}
}

// step is how long a step of a ramp takes, and what it waits for.
func (w *world) step(s *experiment.Stage, share experiment.Share) (time.Duration, string) {
	h := s.Ramp.Hold
	least, waits := max(h.For, h.Settle), []string{}
	if share == 0 {
		return least, "readiness"
	}
	if h.Windows > 0 {
		settle := (h.Settle + w.plan.Window - 1) / w.plan.Window * w.plan.Window
		least = max(least, settle+time.Duration(h.Windows)*w.plan.Window+w.plan.Lag)
		waits = append(waits, things(h.Windows, "clean window"))
	}
	if h.For > 0 {
		waits = append(waits, Days(h.For))
	}
	want := max(1, h.Requests) // No data is no pass.
	if h.Requests > 0 {
		waits = append([]string{Thousands(float64(h.Requests)) + " requests"}, waits...)
	}
	switch rate := w.requests * w.matching(s.Where) * share.Fraction(); {
	case rate > 0:
		// A hair less, so that rounding does not add a window.
		windows := math.Ceil(float64(want) / rate / w.plan.Window.Seconds() * (1 - 1e-12))
		least = max(least, seconds(windows*w.plan.Window.Seconds())+w.plan.Lag)
	case h.Requests > 0:
		least = Unknown
	}
	return least, strings.Join(waits, ", ")
}

// maturity is how long after its exposure a unit is judged at the latest.
func (w *world) maturity() time.Duration {
	return w.plan.Window + w.plan.OutcomeWindow() + w.sealing()
}

// until times a split or a bandit.
func (w *world) until(out *Stage, s *experiment.Stage, u experiment.Until, early bool, what string) {
	out.takes.Expected = u.AtMost
	if early {
		out.Waits = append(out.Waits, what)
	}
	if rate := w.rewarded() * w.matching(s.Where); u.Units > 0 {
		out.Waits = append(out.Waits, Thousands(float64(u.Units))+" units")
		out.takes.Expected = Unknown
		if rate > 0 {
			out.takes.Expected = min(u.AtMost, seconds(float64(u.Units)/rate)+w.maturity())
		}
	}
	if early && s.Split != nil {
		if f, ok := w.early(s); ok && out.takes.Expected != Unknown {
			// Of the time in which units arrive, the share that the test takes.
			arriving := out.takes.Expected - w.maturity()
			out.takes.Expected = seconds(f*arriving.Seconds()) + w.maturity()
		}
	}
	if out.takes.Expected != Unknown {
		out.takes.Expected = max(out.takes.Expected, u.AtLeast)
	}
}

func (w *world) mirror(out *Stage, s *experiment.Stage) {
	u := s.Mirror.Until
	out.Waits = []string{Thousands(float64(u.Pairs)) + " pairs"}
	out.takes.Expected = Unknown
	if rate := w.copies(s); rate > 0 {
		out.takes.Expected = min(u.AtMost, max(u.AtLeast, seconds(float64(u.Pairs)/rate)+w.plan.Window+w.plan.PairsHold(), w.labelled(s)))
	}
}

// labelled is how long a mirror's gates of labels wait for the first window of
// which they know: 0 without such a gate.
func (w *world) labelled(s *experiment.Stage) time.Duration {
	for _, o := range s.Require {
		if m := w.plan.Metric(o.Metric); m != nil && m.Labels != nil {
			return w.plan.Window + w.plan.Hold(experiment.SourceOutcomes)
		}
	}
	return 0
}

// copies is how many requests per second are copied to each candidate.
func (w *world) copies(s *experiment.Stage) float64 {
	rate := w.requests * w.matching(s.Where) * s.Mirror.Share.Fraction()
	if s.Mirror.Rate > 0 {
		rate = min(rate, s.Mirror.Rate)
	}
	return rate
}

// keepWarm is the time after a promotion as a stage of its own.
func (w *world) keepWarm(k *experiment.KeepWarm) Stage {
	shares := experiment.Baseline(len(w.plan.Versions))
	shares[0], shares[1] = k.Holdback, experiment.Whole-k.Holdback
	takes := k.AtLeast
	out := Stage{Name: "keep warm", Kind: experiment.KindWarm, Shares: shares.String()}
	if k.AtLeast > 0 {
		out.Waits = append(out.Waits, Days(k.AtLeast))
	}
	for _, name := range k.Matured {
		if m := w.plan.Metric(name); m != nil && m.Matures() > 0 {
			takes = max(takes, m.Matures()+w.plan.Lag+w.plan.Window)
			out.Waits = append(out.Waits, name+" to mature")
		}
	}
	out.takes = Span{takes, takes}
	if k.Approval != "" {
		out.takes.AtMost = Unknown
		out.Waits = append(out.Waits, "the approval of "+k.Approval)
	}
	out.flow = []flow{{shares, takes}}
	return out
}

// seconds makes a duration; what is longer than centuries is Unknown.
func seconds(s float64) time.Duration {
	if !(s < 1e10) {
		return Unknown
	}
	return time.Duration(s * float64(time.Second))
}
