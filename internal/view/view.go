// SPDX-License-Identifier: Apache-2.0

// Package view is the read model of an experiment: made once from the record,
// pure, and shown by every face in the same words. Verdict first, evidence
// second, data third.
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
// percent), latencies seconds; what is not known is absent, never zero.
type Experiment struct {
	APIVersion string     `json:"apiVersion"`
	Kind       string     `json:"kind"`
	Name       string     `json:"name"`
	Namespace  string     `json:"namespace,omitempty"`
	Plan       string     `json:"plan"`
	At         time.Time  `json:"at"`
	Elapsed    float64    `json:"elapsedSeconds"`
	Condition  string     `json:"condition"`
	Stage      Stage      `json:"stage"`
	Verdict    Verdict    `json:"verdict"`
	Health     Health     `json:"health"`
	Versions   []Version  `json:"versions"`
	Findings   []Finding  `json:"findings,omitempty"`
	Decisions  []Decision `json:"decisions"`
}

// Stage is where the experiment stands.
type Stage struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	// Number and Step count from 1.
	Number int `json:"number"`
	Of     int `json:"of"`
	Step   int `json:"step"`
	Steps  int `json:"steps"`
	// Progress is 0 to 1 through what the stage waits for.
	Progress float64 `json:"progress"`
	// Elapsed is the time in the stage.
	Elapsed float64 `json:"elapsedSeconds"`
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

// Health says whether the evidence can be trusted.
type Health struct {
	OK bool `json:"ok"`
	// Trouble lists what is wrong.
	Trouble []string `json:"trouble,omitempty"`
	// Mismatch is the e-value of a sample-ratio mismatch; 1000 is the alarm.
	Mismatch float64 `json:"mismatchEValue"`
}

// Version is one row of the table of versions.
type Version struct {
	Name string `json:"name"`
	Role string `json:"role"`
	// Share is what was asked for; Seen what was seen, by exposures.
	Share     float64   `json:"share"`
	Seen      *float64  `json:"seen,omitempty"`
	Units     int64     `json:"units"`
	Requests  int64     `json:"requests"`
	ErrorRate *float64  `json:"errorRate,omitempty"`
	P50       *float64  `json:"p50Seconds,omitempty"`
	P95       *float64  `json:"p95Seconds,omitempty"`
	P99       *float64  `json:"p99Seconds,omitempty"`
	Reward    *Estimate `json:"reward,omitempty"`
}

// Estimate is a value with its 95 % interval at a fixed look.
type Estimate struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Finding is a verdict of one version, role and metric.
type Finding struct {
	Version string `json:"version"`
	Role    string `json:"role"`
	Metric  string `json:"metric"`
	// Question is what is asked of the metric: "error-rate <= 3%".
	Question  string          `json:"question"`
	Status    string          `json:"status"`
	Estimate  *float64        `json:"estimate,omitempty"`
	Interval  *stats.Interval `json:"interval,omitempty"`
	Level     float64         `json:"level,omitempty"`
	Limit     *float64        `json:"limit,omitempty"`
	Guarantee string          `json:"guarantee"`
	Basis     string          `json:"basis"`
	N         int64           `json:"n"`
}

// Decision is one line of what happened.
type Decision struct {
	At      time.Time `json:"at"`
	Act     string    `json:"act"`
	From    string    `json:"from"`
	To      string    `json:"to"`
	Code    string    `json:"code"`
	Reasons []string  `json:"reasons"`
}

// Assignment is the answer to "why this version?" for one unit.
type Assignment struct {
	Experiment string `json:"experiment"`
	Version    string `json:"version"`
	// Slot is the unit's slot of 10,000; it stays while the epoch does.
	Slot int `json:"slot"`
	// Share is the version's share now, 0 to 1.
	Share  float64 `json:"share"`
	Epoch  int     `json:"epoch"`
	Killed bool    `json:"killed,omitempty"`
}

// Input is what a view is made of.
type Input struct {
	Plan      *experiment.Plan
	Record    *experiment.Record
	Judgement *experiment.Judgement
	// Latest is the newest decision, holds included.
	Latest experiment.Decision
	Now    time.Time
}

// Of makes the view.
func Of(in Input) Experiment {
	s := &in.Record.State
	e := Experiment{
		APIVersion: APIVersion, Kind: Kind,
		Name: in.Plan.Name, Namespace: in.Plan.Namespace, Plan: s.Plan, At: in.Now,
		Elapsed: in.Now.Sub(s.Started).Seconds(), Condition: string(s.Condition),
		Stage: stageOf(&in), Health: healthOf(&in),
	}
	e.Verdict = verdictOf(&in)
	for v := range in.Plan.Versions {
		e.Versions = append(e.Versions, versionOf(&in, v))
	}
	for _, v := range in.Judgement.Verdicts {
		e.Findings = append(e.Findings, Finding{
			Question: question(in.Plan, &v),
			Version:  in.Plan.Versions[v.Version].Name, Role: string(v.Role), Metric: v.Metric, Status: string(v.Status),
			Estimate: v.Estimate, Interval: v.Interval, Level: v.Level, Limit: v.Limit,
			Guarantee: string(v.Guarantee), Basis: string(v.Basis), N: v.N + v.NBaseline,
		})
	}
	for _, d := range s.Decisions {
		e.Decisions = append(e.Decisions, decisionOf(d))
	}
	return e
}

func decisionOf(d experiment.Decision) Decision {
	out := Decision{At: d.At, Act: string(d.Act), From: d.From.String(), To: d.To.String(), Reasons: texts(d.Reasons)}
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
	totals := &in.Record.Totals
	requests := totals.Get(v, experiment.CellRequests)
	out := Version{
		Name: in.Plan.Versions[v].Name, Role: role,
		Share:    in.Record.State.Slots.Shares(len(in.Plan.Versions))[v].Fraction(),
		Units:    units(totals, v),
		Requests: requests.Counts.N,
	}
	if rate, err := requests.Counts.Proportion(); err == nil {
		out.ErrorRate = &rate.Value
	}
	if requests.Sketch != nil {
		out.P50, out.P95, out.P99 = quantile(requests.Sketch, 0.5), quantile(requests.Sketch, 0.95), quantile(requests.Sketch, 0.99)
	}
	if seen := in.Judgement.Seen; seen != nil {
		n := int64(0)
		for _, c := range seen {
			n += c
		}
		f := float64(seen[v]) / float64(n)
		out.Seen = &f
	}
	if in.Plan.Reward != nil {
		out.Reward = rewardOf(totals.Get(v, in.Plan.Reward.Metric).Units)
	}
	return out
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
	half := stats.NormalQuantile(0.975) * e.SE
	return &Estimate{Value: e.Value, Low: e.Value - half, High: e.Value + half}
}

func quantile(s *stats.Sketch, q float64) *float64 {
	v, err := s.Quantile(q)
	if err != nil {
		return nil
	}
	return &v
}

func healthOf(in *Input) Health {
	h := Health{OK: true, Mismatch: exp(in.Judgement.MismatchLogE)}
	for _, r := range in.Latest.Reasons {
		switch r.Code {
		case experiment.ReasonMismatch, experiment.ReasonSourceDown, experiment.ReasonStale, experiment.ReasonGap:
			h.OK = false
			h.Trouble = append(h.Trouble, r.String())
		}
	}
	return h
}
