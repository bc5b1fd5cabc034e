// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 is the public contract of Headgate: the Experiment as people
// write it, in a file or (later) as a Kubernetes object. What stands here works;
// what does not work yet is not here, and is refused as an unknown field.
//
// Quantities are strings with a unit: "1%" or "0.01" for fractions, "250ms" for
// durations. Files may use bare numbers for fractions.
package v1alpha1

// Group and version, and the kinds.
const (
	APIVersion     = "headgate.dev/v1alpha1"
	KindExperiment = "Experiment"
)

// Experiment declares versions, traffic, metrics and stages.
type Experiment struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	Spec       Spec     `json:"spec"`
}

// Metadata names an experiment.
type Metadata struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
}

// Spec is the experiment itself.
type Spec struct {
	// Owner is a team or address that answers for the experiment.
	Owner      string `json:"owner,omitempty"`
	Hypothesis string `json:"hypothesis,omitempty"`
	// Versions: the first is the baseline, the second the candidate.
	Versions   []Version   `json:"versions"`
	Traffic    Traffic     `json:"traffic"`
	Assignment Assignment  `json:"assignment,omitempty"`
	Metrics    []Metric    `json:"metrics,omitempty"`
	Reward     *Reward     `json:"reward,omitempty"`
	Objectives []Objective `json:"objectives,omitempty"`
	Guardrails []Guardrail `json:"guardrails,omitempty"`
	Stages     []Stage     `json:"stages"`
	Analysis   Analysis    `json:"analysis,omitempty"`
	Evidence   Evidence    `json:"evidence,omitempty"`
	OnUnknown  OnUnknown   `json:"onUnknown,omitempty"`
}

// Version is one servable model variant.
type Version struct {
	Name string `json:"name"`
	// Backend is in the router's terms; for the gateway a base URL.
	Backend string `json:"backend"`
}

// Traffic names exactly one router.
type Traffic struct {
	Gateway *GatewayTraffic `json:"gateway,omitempty"`
}

// GatewayTraffic is Headgate's own gateway.
type GatewayTraffic struct {
	// Listen is the address that it listens on; a free port on loopback by
	// default.
	Listen string `json:"listen,omitempty"`
}

// Assignment says who is assigned.
type Assignment struct {
	Unit Unit `json:"unit,omitempty"`
	// By is who assigns: gateway (default).
	By string `json:"by,omitempty"`
	// Missing is what happens to a request without a unit: baseline (default)
	// or reject.
	Missing string `json:"missing,omitempty"`
}

// Unit says where the unit stands in a request; exactly one field is set.
type Unit struct {
	Header   string `json:"header,omitempty"`
	Cookie   string `json:"cookie,omitempty"`
	JSONPath string `json:"jsonPath,omitempty"`
	Request  bool   `json:"request,omitempty"`
}

// Metric is how outcomes or telemetry become a number per version.
type Metric struct {
	Name string `json:"name"`
	// Goal is increase or decrease; built-in metrics know their own.
	Goal string `json:"goal,omitempty"`
	From From   `json:"from"`
}

// From is the source of a metric; exactly one field is set.
type From struct {
	// Builtin is a metric of the router's pack: error-rate or latency.
	Builtin string `json:"builtin,omitempty"`
	// Quantile goes with latency: 0.99, or 99%.
	Quantile Quantity `json:"quantile,omitempty"`
	// Outcomes is a metric of the ledger.
	Outcomes *Outcomes `json:"outcomes,omitempty"`
}

// Outcomes is a ratio over units: the sum of an event's values per event of
// another name, or per unit.
type Outcomes struct {
	Event  string   `json:"event"`
	Per    string   `json:"per,omitempty"`
	Window Duration `json:"window"`
}

// Reward is the metric to improve.
type Reward struct {
	Metric        string `json:"metric"`
	MinimumEffect Margin `json:"minimumEffect"`
}

// Margin is relative to the baseline or absolute in the metric's unit; exactly
// one is set.
type Margin struct {
	Relative Quantity `json:"relative,omitempty"`
	Absolute Quantity `json:"absolute,omitempty"`
}

// Objective is an absolute limit; exactly one of Max and Min is set. For
// latency the limit is a duration.
type Objective struct {
	Metric string   `json:"metric"`
	Max    Quantity `json:"max,omitempty"`
	Min    Quantity `json:"min,omitempty"`
}

// Guardrail is a metric that the candidate must not worsen by more than a
// margin.
type Guardrail struct {
	Metric      string `json:"metric"`
	NoWorseThan Margin `json:"noWorseThan"`
}

// Stage is one traffic pattern; exactly one of Ramp, Split and Observe is set.
type Stage struct {
	Name    string              `json:"name"`
	Ramp    *Ramp               `json:"ramp,omitempty"`
	Split   map[string]Quantity `json:"split,omitempty"`
	Observe *Observe            `json:"observe,omitempty"`
	// Hold goes with ramp.
	Hold *Hold `json:"hold,omitempty"`
	// Until and Otherwise go with split.
	Until     *Until `json:"until,omitempty"`
	Otherwise string `json:"otherwise,omitempty"`
}

// Ramp raises the candidate's share step by step.
type Ramp struct {
	Steps []Quantity `json:"steps"`
}

// Hold is what each step of a ramp waits for; all of it must be had.
type Hold struct {
	Requests int64    `json:"requests,omitempty"`
	Windows  int64    `json:"windows,omitempty"`
	Settle   Duration `json:"settle,omitempty"`
	For      Duration `json:"for,omitempty"`
}

// Until is the exit of a split.
type Until struct {
	Decided bool     `json:"decided,omitempty"`
	Units   int64    `json:"units,omitempty"`
	AtLeast Duration `json:"atLeast,omitempty"`
	AtMost  Duration `json:"atMost"`
}

// Observe shifts nothing for a while.
type Observe struct {
	For Duration `json:"for"`
}

// Analysis fixes error rates before the start.
type Analysis struct {
	// Method is sequential (default) or anytime.
	Method    string   `json:"method,omitempty"`
	Alpha     Quantity `json:"alpha,omitempty"`
	HarmAlpha Quantity `json:"harmAlpha,omitempty"`
	Looks     int64    `json:"looks,omitempty"`
}

// Evidence says how evidence is cut into windows and how old it may be.
type Evidence struct {
	Window Duration `json:"window,omitempty"`
	Lag    Duration `json:"lag,omitempty"`
	Stale  Duration `json:"stale,omitempty"`
}

// OnUnknown bounds the wait for evidence that can be trusted.
type OnUnknown struct {
	After Duration `json:"after,omitempty"`
	// Do is hold (default) or rollback.
	Do string `json:"do,omitempty"`
}

// Quantity is a fraction or a number, perhaps with a unit: "1%", "0.01",
// "250ms". Files may write a bare number; translate reads them.
type Quantity string

// Duration is a length of time with its unit: "250ms", "72h", "14d".
type Duration string
