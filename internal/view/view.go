// SPDX-License-Identifier: Apache-2.0

package view

import (
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// APIVersion and Kind head the JSON form. Fields may be added; consumers should
// ignore those they do not know.
const (
	APIVersion = "cli.headgate.dev/v1"
	Kind       = "ExperimentView"
)

// Experiment is all that a face shows. Numbers are fractions (0.01 is one
// percent), times seconds; what is not known is absent, never zero.
type Experiment struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	Namespace  string `json:"namespace,omitempty"`
	// Plan is the plan's hash.
	Plan       string    `json:"plan"`
	Owner      string    `json:"owner,omitempty"`
	Hypothesis string    `json:"hypothesis,omitempty"`
	Method     string    `json:"method,omitempty"`
	At         time.Time `json:"at"`
	Elapsed    float64   `json:"elapsedSeconds"`
	Condition  string    `json:"condition"`
	Stage      Stage     `json:"stage"`
	Verdict    Verdict   `json:"verdict"`
	Health     Health    `json:"health"`
	// Notices are what a reader must know before any number is used: every
	// face shows them.
	Notices  []Notice  `json:"notices,omitempty"`
	Versions []Version `json:"versions"`
	Findings []Finding `json:"findings,omitempty"`
	// Mirror, Bandit and Warm are there while the experiment stands in such a
	// stage or condition.
	Mirror *Mirror `json:"mirror,omitempty"`
	Bandit *Bandit `json:"bandit,omitempty"`
	Warm   *Warm   `json:"warm,omitempty"`
	Spent  *Spent  `json:"spent,omitempty"`
	// Strict says that Iter8's own rules decide; Iteration is how far they are.
	Strict    bool       `json:"strict,omitempty"`
	Iteration *Iteration `json:"iteration,omitempty"`
	// Actions are those of the plan that are asked for, or failed for good.
	Actions []Action `json:"actions,omitempty"`
	// Agreements are which classes versions gave to the same requests.
	Agreements []Agreement `json:"agreements,omitempty"`
	// Predictions are there where the plan reads them.
	Predictions *Predictions `json:"predictions,omitempty"`
	// Early is what metrics of late outcomes will come to, for display only.
	Early []EarlyReading `json:"early,omitempty"`
	// Flips are what would change the decision that holds now, Together all of
	// them at once; empty once the experiment has ended.
	Flips     []Flip     `json:"flips,omitempty"`
	Together  bool       `json:"flipsTogether,omitempty"`
	Decisions []Decision `json:"decisions"`
}

// Verdict is what is believed of the experiment as a whole.
type Verdict struct {
	// Outcome is empty while the experiment runs.
	Outcome string `json:"outcome,omitempty"`
	// Version has the traffic at the end.
	Version string `json:"version,omitempty"`
	// Sentence says it in one line, the same on every face.
	Sentence string   `json:"sentence"`
	Code     string   `json:"code"`
	Reasons  []string `json:"reasons"`
}

// Version is one row of the table of versions.
type Version struct {
	Name string `json:"name"`
	Role string `json:"role"`
	// Share is what was asked for; Seen what was seen, by exposures.
	Share     float64  `json:"share"`
	Seen      *float64 `json:"seen,omitempty"`
	Units     int64    `json:"units"`
	Requests  int64    `json:"requests"`
	ErrorRate *float64 `json:"errorRate,omitempty"`
	P50       *float64 `json:"p50Seconds,omitempty"`
	P95       *float64 `json:"p95Seconds,omitempty"`
	P99       *float64 `json:"p99Seconds,omitempty"`
	// Reward is absent while the method hides it.
	Reward *Estimate `json:"reward,omitempty"`
	Parts  []Part    `json:"parts,omitempty"`
	// Differs names the parts in which a candidate is not like the baseline.
	Differs []string `json:"differs,omitempty"`
	// Removed says that the version lost its share for good, and why.
	Removed *Removal `json:"removed,omitempty"`
}

// Part is a named, versioned piece of a version.
type Part struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Removal is why a candidate lost its share for good.
type Removal struct {
	At   time.Time `json:"at"`
	Code string    `json:"code"`
	Why  string    `json:"why"`
}

// Estimate is a value with its 95 % interval at a fixed look.
type Estimate struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Decision is one line of what happened.
type Decision struct {
	At   time.Time `json:"at"`
	Act  string    `json:"act"`
	From string    `json:"from"`
	To   string    `json:"to"`
	// Groups are the shares after it, by group, where groups have their own.
	Groups []GroupShares `json:"groups,omitempty"`
	// Stage is where the experiment stood after it; Step counts from 1.
	Stage   string   `json:"stage,omitempty"`
	Step    int      `json:"step,omitempty"`
	Code    string   `json:"code"`
	Reasons []string `json:"reasons"`
}

// GroupShares is the shares of one group: "90%/10%".
type GroupShares struct {
	Slice  string `json:"slice"`
	Shares string `json:"shares"`
}

// Assignment is the answer to "why this version?" for one unit.
type Assignment struct {
	Experiment string `json:"experiment"`
	// Version is what the unit gets; empty where that depends on its group.
	Version string `json:"version,omitempty"`
	// Slot is the unit's slot of 10,000; it stays while the epoch does.
	Slot int `json:"slot"`
	// Share is the version's share now, 0 to 1.
	Share  float64 `json:"share"`
	Epoch  int     `json:"epoch"`
	Killed bool    `json:"killed,omitempty"`
	// Where limits the stage to some requests: the others get the baseline,
	// Baseline, whatever their slot.
	Where    string `json:"where,omitempty"`
	Baseline string `json:"baseline"`
	// Groups is what the unit gets in each group, where every group has shares
	// of its own.
	Groups []GroupAssignment `json:"groups,omitempty"`
}

// GroupAssignment is a unit's version in one group.
type GroupAssignment struct {
	Slice   string  `json:"slice"`
	Version string  `json:"version"`
	Share   float64 `json:"share"`
}

// Input is what a view is made of.
type Input struct {
	Plan      *experiment.Plan
	Record    *experiment.Record
	Judgement *experiment.Judgement
	// Latest is the newest decision, holds included.
	Latest experiment.Decision
	// Early are readings of outcomes that are not all mature, if there are any.
	Early []EarlyReading
	// Acting is how the state's actions stand, as far as it is known.
	Acting []experiment.ActionFact
	// Hanging names the candidates that the gateway in this process finds to hang
	// in a mirror.
	Hanging []string
	Now     time.Time
}

// Of makes the view.
func Of(in Input) Experiment {
	s := &in.Record.State
	e := Experiment{
		APIVersion: APIVersion, Kind: Kind,
		Name: in.Plan.Name, Namespace: in.Plan.Namespace, Plan: s.Plan,
		Owner: in.Plan.Owner, Hypothesis: in.Plan.Hypothesis, Method: string(in.Plan.Analysis.Method), At: in.Now,
		Elapsed: in.Now.Sub(s.Started).Seconds(), Condition: string(s.Condition),
		Stage: stageOf(&in), Health: healthOf(&in),
		Mirror: mirrorOf(&in), Bandit: banditOf(&in), Warm: warmOf(&in), Spent: spentOf(&in), Agreements: agreementsOf(&in), Predictions: predictionsOf(&in), Early: earlyOf(&in),
		Strict: in.Plan.Strict, Iteration: iterationOf(&in), Actions: actionsOf(&in),
	}
	if e.Strict {
		e.Method = "strict"
	}
	e.Verdict = verdictOf(&in)
	e.Notices = noticesOf(&in)
	for v := range in.Plan.Versions {
		e.Versions = append(e.Versions, versionOf(&in, v))
	}
	e.Findings = findingsOf(&in)
	if e.Verdict.Outcome == "" {
		why := Explain(in)
		e.Flips, e.Together = why.Flips, why.Together
	}
	for _, d := range s.Decisions {
		e.Decisions = append(e.Decisions, DecisionOf(in.Plan, d))
	}
	return e
}

// DecisionOf shows one decision.
func DecisionOf(p *experiment.Plan, d experiment.Decision) Decision {
	out := Decision{
		At: d.At, Act: string(d.Act), From: d.From.String(), To: d.To.String(),
		Step: d.Step + 1, Reasons: texts(d.Reasons),
	}
	if d.Stage < len(p.Stages) {
		out.Stage = p.Stages[d.Stage].Name
	}
	for _, g := range d.Groups {
		out.Groups = append(out.Groups, GroupShares{Slice: g.Slice, Shares: g.Shares.String()})
	}
	if len(d.Reasons) > 0 {
		out.Code = string(d.Reasons[0].Code)
	}
	return out
}

func texts(reasons []experiment.Reason) []string {
	out := make([]string, len(reasons))
	for i, r := range reasons {
		out[i] = r.String()
	}
	return out
}

func versionOf(in *Input, v int) Version {
	role := "candidate"
	if v == 0 {
		role = "baseline"
	}
	totals := ofEpoch(in)
	requests := totals.Get(v, experiment.CellRequests)
	out := Version{
		Name: in.Plan.Versions[v].Name, Role: role,
		Share:    in.Record.State.Slots.Shares(len(in.Plan.Versions))[v].Fraction(),
		Units:    units(totals, v),
		Requests: requests.Counts.N,
		Removed:  removalOf(in, v),
	}
	for _, part := range in.Plan.Versions[v].Parts {
		out.Parts = append(out.Parts, Part{part.Name, part.Value})
	}
	if v > 0 {
		out.Differs = in.Plan.DifferingParts(v)
	}
	if rate, err := requests.Counts.Proportion(); err == nil {
		out.ErrorRate = &rate.Value
	}
	if requests.Sketch != nil {
		out.P50, out.P95, out.P99 = quantile(requests.Sketch, 0.5), quantile(requests.Sketch, 0.95), quantile(requests.Sketch, 0.99)
	}
	out.Seen = seenOf(in.Judgement.Seen, v)
	if in.Plan.Reward != nil && !rewardHidden(in) {
		if m := in.Plan.Metric(in.Plan.Reward.Metric); m != nil {
			out.Reward = valueOf(m, totals.Get(v, m.Cell()))
		}
	}
	return out
}

// ofEpoch is the evidence of the current epoch. A retry asks anew, and what was
// counted before it is nothing that its verdicts rest on.
func ofEpoch(in *Input) *experiment.Totals {
	out := &experiment.Totals{}
	for _, p := range in.Record.Totals.Phases {
		if p.Epoch == in.Record.State.Epoch {
			out.Phases = append(out.Phases, p)
		}
	}
	return out
}

func removalOf(in *Input, v int) *Removal {
	for _, r := range in.Record.State.Removed {
		if r.Version == v {
			return &Removal{At: r.At, Code: string(r.Reason.Code), Why: r.Reason.String()}
		}
	}
	return nil
}

// seenOf is a version's part of the exposures, or nil where there are none.
func seenOf(seen []int64, v int) *float64 {
	n := int64(0)
	for _, c := range seen {
		n += c
	}
	if n == 0 || v >= len(seen) {
		return nil
	}
	f := float64(seen[v]) / float64(n)
	return &f
}

// units is the largest number of units that the version had in one phase: the
// same units come again in the next, so that a sum would count them twice.
func units(t *experiment.Totals, v int) int64 {
	n := int64(0)
	for i := range t.Phases {
		n = max(n, t.Phases[i].Get(v, experiment.CellExposures).Counts.N)
	}
	return n
}

func rewardOf(p stats.Pair) *Estimate {
	e, err := p.Ratio()
	if err != nil {
		return nil
	}
	return Around(e.Value, e.SE)
}

// Around is an estimate with its 95 % interval.
func Around(value, se float64) *Estimate {
	half := stats.NormalQuantile(0.975) * se
	return &Estimate{Value: value, Low: value - half, High: value + half}
}

func quantile(s *stats.Sketch, q float64) *float64 {
	v, err := s.Quantile(q)
	if err != nil {
		return nil
	}
	return &v
}
