// SPDX-License-Identifier: Apache-2.0

package experiment

import "github.com/headgate-dev/headgate/stats"

// Status is what is believed about a version and a metric.
type Status string

// The statuses of comparisons and, from Met on, of objectives. Undecided is
// what no data gives, never a pass (D2).
const (
	Better        Status = "better"
	NotWorse      Status = "not worse"
	Worse         Status = "worse"
	Undecided     Status = "undecided"
	Untrustworthy Status = "untrustworthy"
	Met           Status = "met"
	Violated      Status = "violated"
)

// Role is the part that a metric plays in a verdict.
type Role string

// The roles.
const (
	RoleReward    Role = "reward"
	RoleGuardrail Role = "guardrail"
	RoleObjective Role = "objective"
	// RoleGate is a limit that a stage requires.
	RoleGate Role = "gate"
)

// Guarantee says which error is controlled, and when.
type Guarantee string

// The guarantees.
const (
	GuaranteeAnytime Guarantee = "any time"
	GuaranteeLooks   Guarantee = "at looks"
	GuaranteeHorizon Guarantee = "at the horizon"
	GuaranteeNone    Guarantee = "none"
)

// Basis says what the sample of a verdict is made of.
type Basis string

// The bases. Requests are not independent when units make many of them; a
// verdict that rests on requests says so.
const (
	BasisUnits    Basis = "units"
	BasisRequests Basis = "requests"
	// BasisPairs are answers of two versions to the same request. They say
	// nothing of how users react.
	BasisPairs Basis = "pairs"
	// BasisWindows are the plan's windows: a provider told one number for each and
	// nothing of the spread inside. They depend on those before, which the error
	// makes up for only approximately.
	BasisWindows Basis = "windows"
)

// Verdict is what is believed now of one version in one role of one metric.
type Verdict struct {
	Version int    `json:"version"`
	Metric  string `json:"metric"`
	// Slice is the group that the verdict is about, "tier=premium"; empty is
	// everybody.
	Slice  string `json:"slice,omitempty"`
	Role   Role   `json:"role"`
	Status Status `json:"status"`
	// Estimate is, for an objective, the metric's value; for a comparison the
	// difference candidate - baseline in the metric's unit. Nil without data.
	Estimate *float64 `json:"estimate,omitempty"`
	// Interval is the confidence interval of Estimate, at Level, under
	// Guarantee.
	Interval  *stats.Interval `json:"interval,omitempty"`
	Level     float64         `json:"level,omitempty"`
	Guarantee Guarantee       `json:"guarantee"`
	Basis     Basis           `json:"basis"`
	// N is the sample of the version; for comparisons NBaseline that of the
	// baseline.
	N         int64 `json:"n"`
	NBaseline int64 `json:"nBaseline,omitempty"`
	// Limit is the objective's limit or the margin in the metric's unit.
	Limit *float64 `json:"limit,omitempty"`
	// LogE is the strongest evidence so far of harm, as the logarithm of an
	// e-value combined over phases.
	LogE float64 `json:"logE,omitempty"`
	// Final says that the planned horizon was reached: this reward verdict
	// will not change.
	Final bool `json:"final,omitempty"`
	// Equivalent says that the interval lies within the smallest effect that
	// matters.
	Equivalent bool `json:"equivalent,omitempty"`
	// Need is about how many more units, requests, pairs or windows a decision takes,
	// when that can be said.
	Need int64 `json:"need,omitempty"`
	// Hidden says that the method keeps the figures from people until the
	// horizon, so that nobody stops early because of them.
	Hidden bool `json:"hidden,omitempty"`
	// Chance is the probability of being better, for the method bayesian.
	Chance float64 `json:"chance,omitempty"`
}

// Judgement is all that is believed at one moment.
type Judgement struct {
	Verdicts []Verdict `json:"verdicts,omitempty"`
	// Mismatch is the sample-ratio alarm: the log e-value that the seen split
	// is not the one asked for, and whether it crossed the alarm.
	Mismatch      bool    `json:"mismatch,omitempty"`
	MismatchLogE  float64 `json:"mismatchLogE,omitempty"`
	MismatchPhase int     `json:"mismatchPhase,omitempty"`
	// Requests is the requests of the candidate with the fewest, of those that
	// have a share in the current phase; Units the matured units of all
	// versions in the current stage, Clean the consecutive clean windows.
	Requests int64 `json:"requests"`
	Units    int64 `json:"units"`
	Clean    int   `json:"clean"`
	// Seen is the seen split of the current phase by exposures, or nil.
	Seen []int64 `json:"seen,omitempty"`
	// Pairs is the pairs of the candidate with the fewest in the current stage.
	Pairs int64 `json:"pairs,omitempty"`
	// Arms is what a bandit stage knows, by group and version.
	Arms []Arm `json:"arms,omitempty"`
	// Drifts are the plan's drift metrics over all stages, as far as they can be
	// read, whether or not a limit is set on them.
	Drifts []Drift `json:"drifts,omitempty"`
	// Doubts are reasons not to trust the evidence besides the mismatch.
	Doubts []Doubt `json:"doubts,omitempty"`
	// Spent is what the experiment has cost so far.
	Spent Spent `json:"spent,omitzero"`
	// Look is the number of looks spent; Planned that of the plan.
	Look    int `json:"look,omitempty"`
	Planned int `json:"planned,omitempty"`
}

// Drift is how far a candidate's outputs lie from the baseline's.
type Drift struct {
	Version int    `json:"version"`
	Metric  string `json:"metric"`
	// Value is the distance, less its bias but not below 0; Interval its
	// confidence interval at Level, at any time of looking.
	Value    float64        `json:"value"`
	Interval stats.Interval `json:"interval"`
	Level    float64        `json:"level"`
	// N and NBaseline are the predictions of the two versions.
	N         int64 `json:"n"`
	NBaseline int64 `json:"nBaseline"`
}

// Doubt is a reason not to trust evidence, with what was seen and the limit.
type Doubt struct {
	Code    ReasonCode `json:"code"`
	Metric  string     `json:"metric,omitempty"`
	Version int        `json:"version,omitempty"`
	Slice   string     `json:"slice,omitempty"`
	Value   float64    `json:"value"`
	Limit   float64    `json:"limit"`
	// Header and Values are of a version mix: the header of a digest and two of
	// the values that it had, the more frequent one first.
	Header string   `json:"header,omitempty"`
	Values []string `json:"values,omitempty"`
}

// Spent is what an experiment has used up.
type Spent struct {
	// Cost is over all versions, in the plan's currency; Mirror is the part of
	// it that the current mirror stage's copies made. Copies cost by the request
	// and by the hour: how many tokens they took nobody counts.
	Cost   float64 `json:"cost,omitempty"`
	Mirror float64 `json:"mirror,omitempty"`
	// Stages is the part of the cost that each of the plan's stages had; nil
	// where nothing costs anything.
	Stages []float64 `json:"stages,omitempty"`
	// Units is the units ever exposed to a candidate, counted by phase.
	Units int64 `json:"units,omitempty"`
}

// Find returns the verdict of a version in a role for a metric over everybody,
// or nil.
func (j *Judgement) Find(version int, role Role, metric string) *Verdict {
	return j.FindIn(version, role, metric, "")
}

// FindIn is the same for one slice; the empty slice is everybody.
func (j *Judgement) FindIn(version int, role Role, metric, slice string) *Verdict {
	for i := range j.Verdicts {
		v := &j.Verdicts[i]
		if v.Version == version && v.Role == role && v.Metric == metric && v.Slice == slice {
			return v
		}
	}
	return nil
}

// Monitors is what sequential tests must remember between looks. It is stored
// with the totals; losing it would spend alpha twice.
type Monitors struct {
	// Harm is the highest log e-value reached, by test.
	Harm []HarmMonitor `json:"harm,omitempty"`
	// Looks are the group-sequential looks spent in the current split stage.
	Looks []SpentLook `json:"looks,omitempty"`
	// Epoch is the epoch that all of it belongs to; Stage the stage of Looks.
	Epoch int `json:"epoch"`
	Stage int `json:"stage"`
	// MismatchLogE is the highest log e-value of the sample-ratio test.
	MismatchLogE float64 `json:"mismatchLogE,omitempty"`
}

// HarmMonitor is the memory of one always-valid test.
type HarmMonitor struct {
	Version int     `json:"version"`
	Role    Role    `json:"role"`
	Metric  string  `json:"metric"`
	Slice   string  `json:"slice,omitempty"`
	Worse   float64 `json:"worse"`
	Better  float64 `json:"better"`
}

// SpentLook is one look at a candidate's reward.
type SpentLook struct {
	Version int `json:"version,omitempty"`
	stats.Look
	Z     float64 `json:"z"`
	Bound float64 `json:"bound"`
	// Estimate and SE are the difference as seen at the look.
	Estimate float64 `json:"estimate"`
	SE       float64 `json:"se"`
}
