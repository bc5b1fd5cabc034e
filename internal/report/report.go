// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
)

// Kind heads the JSON form; its version is the view's.
const Kind = "Report"

// Report is all that is rendered. Numbers are as in the view.
type Report struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// Question is what the experiment was to find out.
	Question string `json:"question"`
	// View is where it stood at the last entry of the journal.
	View     view.Experiment `json:"view"`
	Versions []Version       `json:"versions"`
	// Gates are those that stages that are over were left by.
	Gates   []view.Finding `json:"passedGates,omitempty"`
	Forests []Forest       `json:"forests,omitempty"`
	// Arms are what the last bandit stage knew at its end.
	Arms []Arm `json:"arms,omitempty"`
	// Timeline is what was decided; long runs of a bandit's updates are one
	// line.
	Timeline []Event `json:"timeline"`
	// Shares are the shares over time, at most MaxPoints of them.
	Shares     []Point     `json:"shares"`
	Can        []string    `json:"canBeConcluded"`
	Cannot     []string    `json:"cannotBeConcluded"`
	Deviations []Deviation `json:"deviations"`
	Trust      []Check     `json:"trust"`
	// Decided explains the last decision that moved traffic or ended something.
	Decided *view.Explanation `json:"decided,omitempty"`
	Journal Journal           `json:"journal"`
	Verify  []string          `json:"verify"`
}

// Version is a version with what it is made of and what it cost.
type Version struct {
	Name    string      `json:"name"`
	Role    string      `json:"role"`
	Backend string      `json:"backend"`
	Parts   []view.Part `json:"parts,omitempty"`
	Differs []string    `json:"differs,omitempty"`
	// PerRequest and PerHour are the plan's prices, 0 where unknown; Cost is
	// that of the requests that it served.
	PerRequest float64 `json:"perRequest,omitempty"`
	PerHour    float64 `json:"perHour,omitempty"`
	Cost       float64 `json:"cost,omitempty"`
}

// Arm is a version in a bandit (in a group).
type Arm struct {
	Version string         `json:"version"`
	Slice   string         `json:"slice,omitempty"`
	N       int64          `json:"n"`
	Reward  *view.Estimate `json:"reward,omitempty"`
	Best    float64        `json:"best"`
}

// Event is one line of the timeline.
type Event struct {
	view.Decision
	// Repeats is how many more like it followed, until Until.
	Repeats int        `json:"repeats,omitempty"`
	Until   *time.Time `json:"until,omitempty"`
}

// Point is the shares from a time on, in the order of the versions.
type Point struct {
	At     time.Time `json:"at"`
	Shares []float64 `json:"shares"`
}

// Deviation is a departure from the plan's own course.
type Deviation struct {
	At   time.Time `json:"at"`
	Code string    `json:"code"`
	Text string    `json:"text"`
}

// Check is one reason to trust the evidence, or not to.
type Check struct {
	Name string `json:"name"`
	Text string `json:"text"`
	OK   bool   `json:"ok"`
}

// Journal identifies what the report was made of.
type Journal struct {
	Entries int64     `json:"entries"`
	Engine  string    `json:"engine"`
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
	// State is the hash of the state after the last entry.
	State string `json:"state"`
}

// Bounds of what is drawn and listed.
const (
	// MaxPoints bounds the points of the shares' course.
	MaxPoints = 600
	// maxListed bounds the lines of the timeline and of deviations.
	maxListed = 400
	// runOf is how many updates of a bandit in a row become one line.
	runOf = 4
)

// Of makes the report of one experiment's journal, from its first entry on. An
// error of the journal is returned as it is; a journal that holds nothing, or
// begins in the middle, is an Error of CodeInvalid.
func Of(journal iter.Seq2[experiment.Entry, error]) (Report, error) {
	var r reading
	for e, err := range journal {
		if err != nil {
			return Report{}, err
		}
		if err := r.take(e); err != nil {
			return Report{}, err
		}
	}
	if r.plan == nil {
		return Report{}, experiment.Errorf(experiment.CodeInvalid, "the journal has no entry").
			WithHint("headgate export writes one")
	}
	return r.report(), nil
}

// reading is what is kept of a journal while it is read.
type reading struct {
	plan    *experiment.Plan
	totals  experiment.Totals
	last    experiment.Entry
	entries int64
	first   time.Time
	decided *view.Explanation
	arms    []experiment.Arm
	gates   []view.Finding

	timeline   []Event
	shares     []Point
	deviations []Deviation
	moved      int64
	troubles   []trouble
}

// trouble is a code that kept evidence from being trusted, and when.
type trouble struct {
	code        experiment.ReasonCode
	text        string
	first, last time.Time
	times       int
}

func (r *reading) take(e experiment.Entry) error {
	switch {
	case r.plan == nil && e.Plan == nil:
		return experiment.Errorf(experiment.CodeInvalid, "the journal begins with entry %d, which has no plan", e.Seq).
			WithHint("a report is made of a whole journal")
	case r.plan != nil && e.Plan != nil && e.Seq == 0:
		return experiment.Errorf(experiment.CodeInvalid, "the journal is of several experiments: %s and %s", r.plan.ID(), e.Plan.ID()).
			WithHint("name one of them")
	case r.plan == nil:
		r.first = e.Now
	}
	if e.Plan != nil {
		r.plan = e.Plan
	}
	if err := view.Check(r.plan, &e); err != nil {
		return err
	}
	r.totals.Apply(e.Totals)
	r.entries++
	r.moved = max(r.moved, e.Facts.Moved)
	if arms := e.Facts.Judgement.Arms; len(arms) > 0 {
		r.arms = arms
	}
	r.notice(&e)
	r.gate(&e)
	if e.Decision.Act != experiment.ActHold {
		r.event(&e)
	}
	r.last = e
	return nil
}

// gate remembers what was known of a stage's gates when it was left; a retry
// asks anew.
func (r *reading) gate(e *experiment.Entry) {
	if r.entries == 1 || e.State.Stage == r.last.State.Stage {
		return
	}
	if e.State.Epoch != r.last.State.Epoch {
		r.gates = nil
		return
	}
	v := r.view(e)
	for _, f := range v.Findings {
		if f.Role == string(experiment.RoleGate) {
			r.gates = append(r.gates, f)
		}
	}
}

// view shows where the experiment stood at an entry.
func (r *reading) view(e *experiment.Entry) view.Experiment {
	rec := &experiment.Record{State: e.State, Totals: r.totals, Monitors: e.Monitors}
	return view.Of(view.Input{Plan: r.plan, Record: rec, Judgement: &e.Facts.Judgement, Latest: e.Decision, Now: e.Now})
}

// lasting are the acts that a report explains: those that move traffic or end
// something.
var lasting = []experiment.Act{
	experiment.ActAdvance, experiment.ActRollback, experiment.ActPromote, experiment.ActStop, experiment.ActRemove,
}

// event adds a decision to the timeline and the shares to their course.
func (r *reading) event(e *experiment.Entry) {
	d := e.Decision
	if slices.Contains(lasting, d.Act) {
		x := view.ExplainEntry(r.plan, r.totals, e)
		r.decided = &x
	}
	r.timeline = append(r.timeline, Event{Decision: view.DecisionOf(r.plan, d)})
	p := Point{At: d.At}
	for _, s := range d.To {
		p.Shares = append(p.Shares, s.Fraction())
	}
	r.shares = append(r.shares, p)
}

// departures are the codes of what people did, and of what a plan's own course
// does not have.
var departures = []experiment.ReasonCode{
	experiment.ReasonKilled, experiment.ReasonLifted, experiment.ReasonAborted, experiment.ReasonPausedBy, experiment.ReasonResumed,
	experiment.ReasonPromotedBy, experiment.ReasonRefused, experiment.ReasonRetried, experiment.ReasonApproved, experiment.ReasonFrozen,
	experiment.ReasonLearnOn, experiment.ReasonUnknownTooLong, experiment.ReasonBudget, experiment.ReasonFallback, experiment.ReasonSharedCause,
}

// notice remembers departures and troubles. A trouble that goes on is one.
func (r *reading) notice(e *experiment.Entry) {
	for _, reason := range e.Decision.Reasons {
		if slices.Contains(departures, reason.Code) && !r.repeated(e, reason) {
			r.deviations = append(r.deviations, Deviation{At: e.Now, Code: string(reason.Code), Text: reason.String()})
		}
		if !view.IsTrouble(reason.Code) {
			continue
		}
		i := slices.IndexFunc(r.troubles, func(t trouble) bool { return t.code == reason.Code })
		if i < 0 {
			r.troubles = append(r.troubles, trouble{code: reason.Code, text: reason.String(), first: e.Now})
			i = len(r.troubles) - 1
		}
		r.troubles[i].last = e.Now
		r.troubles[i].times++
	}
}

// repeated says that the entry before gave the same code already: a hold that
// goes on.
func (r *reading) repeated(e *experiment.Entry, reason experiment.Reason) bool {
	return e.Decision.Act == experiment.ActHold && reason.Code != experiment.ReasonRefused &&
		slices.ContainsFunc(r.last.Decision.Reasons, func(o experiment.Reason) bool { return o.Code == reason.Code })
}

func (r *reading) report() Report {
	e := &r.last
	out := Report{
		APIVersion: view.APIVersion, Kind: Kind, View: r.view(e),
		Timeline: listed(collapse(r.timeline)), Shares: thinned(r.shares), Deviations: []Deviation{}, Decided: r.decided,
		Journal: Journal{Entries: r.entries, Engine: e.Engine, First: r.first, Last: e.Now, State: e.After},
	}
	out.Deviations = append(out.Deviations, listed(r.deviations)...)
	out.Question = r.question()
	out.Versions = r.versions(&out.View)
	out.Gates = slices.DeleteFunc(r.gates, func(g view.Finding) bool {
		return slices.ContainsFunc(out.View.Findings, func(f view.Finding) bool {
			return f.Version == g.Version && f.Role == g.Role && f.Question == g.Question
		})
	})
	out.Forests = forestsOf(out.Found())
	out.Arms = r.armsOf(&out.View)
	out.Trust = r.trust(&out.View)
	out.Can, out.Cannot = conclusions(r.plan, &out.View, out.Found())
	file := quoted(r.plan.Name + ".ndjson")
	out.Verify = []string{"headgate export " + quoted(r.plan.ID()) + " >" + file, "headgate replay " + file, "headgate explain --journal " + file}
	return out
}

// listed keeps the newest of a list that is too long to read.
func listed[T any](list []T) []T { return list[max(0, len(list)-maxListed):] }

// collapse makes one line of a run of a bandit's updates.
func collapse(events []Event) []Event {
	shift := func(e Event) bool { return e.Act == string(experiment.ActShift) }
	out := []Event{}
	for i := 0; i < len(events); {
		n := 1
		for shift(events[i]) && i+n < len(events) && shift(events[i+n]) {
			n++
		}
		if n < runOf {
			out = append(out, events[i:i+n]...)
		} else {
			last := events[i+n-1]
			e := events[i]
			e.To, e.Groups, e.Repeats, e.Until = last.To, last.Groups, n-1, &last.At
			out = append(out, e)
		}
		i += n
	}
	return out
}

// thinned keeps at most MaxPoints points, the first and the last among them.
func thinned(points []Point) []Point {
	if len(points) <= MaxPoints {
		return append([]Point{}, points...)
	}
	out := make([]Point, 0, MaxPoints)
	for i := range MaxPoints {
		out = append(out, points[i*(len(points)-1)/(MaxPoints-1)])
	}
	return out
}

// question is what the experiment was to find out, in a sentence.
func (r *reading) question() string {
	candidates := make([]string, 0, len(r.plan.Versions))
	for _, v := range r.plan.Versions[1:] {
		candidates = append(candidates, v.Name)
	}
	baseline := r.plan.Versions[0].Name
	switch {
	case len(candidates) == 0:
		return "Does " + baseline + " meet its objectives?"
	case r.plan.Reward == nil:
		return "Is it safe to replace " + baseline + " by " + orList(candidates) + "?"
	default:
		return "Is " + orList(candidates) + " better than " + baseline + " in " + r.plan.Reward.Metric + ", without harm?"
	}
}

func (r *reading) versions(v *view.Experiment) []Version {
	out := make([]Version, len(v.Versions))
	for i, x := range v.Versions {
		p := r.plan.Versions[i]
		out[i] = Version{
			Name: x.Name, Role: x.Role, Backend: p.Backend, Parts: x.Parts, Differs: x.Differs,
			PerRequest: p.Cost.PerRequest, PerHour: p.Cost.PerHour, Cost: p.Cost.PerRequest * float64(x.Requests),
		}
	}
	return out
}

// armsOf shows what the last bandit knew, unless the reward is hidden.
func (r *reading) armsOf(v *view.Experiment) []Arm {
	if slices.ContainsFunc(v.Notices, func(n view.Notice) bool { return n.Kind == view.NoticeHidden }) {
		return nil
	}
	out := make([]Arm, 0, len(r.arms))
	for _, a := range r.arms {
		if a.Version >= len(r.plan.Versions) {
			continue
		}
		arm := Arm{Version: r.plan.Versions[a.Version].Name, Slice: a.Slice, N: a.N, Best: a.Best}
		if a.N > 0 {
			arm.Reward = view.Around(a.Adaptive, a.AdaptiveSE)
		}
		out = append(out, arm)
	}
	slices.SortStableFunc(out, func(a, b Arm) int { return cmp.Compare(a.Slice, b.Slice) })
	return out
}
