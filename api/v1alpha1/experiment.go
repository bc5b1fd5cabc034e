// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 is the public contract of Headgate: the Experiment as people
// write it, in a file or as a Kubernetes object (package kube wraps it for the
// API server). What stands here works; what does not work yet is not here, and
// is refused as an unknown field.
//
// Quantities are strings with a unit: "1%" or "0.01" for fractions, "250ms" for
// durations. Files may use bare numbers for fractions.
//
// The schema of the CRD is generated from these types. It bounds lists and says
// what CEL can; internal/translate is the whole truth.
//
// +kubebuilder:object:generate=true
package v1alpha1

// Group and version, and the kinds.
const (
	APIVersion     = "headgate.dev/v1alpha1"
	KindExperiment = "Experiment"
	KindMetric     = "Metric"
)

// Experiment declares versions, traffic, metrics and stages, as a file holds it.
//
// +kubebuilder:object:generate=false
type Experiment struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	Spec       Spec     `json:"spec"`
}

// Metadata names an experiment. Of an object of a cluster, what else the API
// server keeps there is not read.
//
// +kubebuilder:object:generate=false
type Metadata struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
}

// Spec is the experiment itself.
//
// +kubebuilder:validation:XValidation:rule="has(self.strict) && self.strict || !has(self.objectives) || self.objectives.all(o, has(o.max) != has(o.min))",message="exactly one of max and min is required"
// +kubebuilder:validation:XValidation:rule="has(self.strict) && self.strict || !has(self.reward) || has(self.reward.minimumEffect)",message="a reward's minimumEffect is required: for example {relative: 1%}"
type Spec struct {
	// Owner is a team or address that answers for the experiment.
	Owner      string `json:"owner,omitempty"`
	Hypothesis string `json:"hypothesis,omitempty"`
	// Versions: the first is the baseline, the rest are candidates.
	//
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="self.all(x, self.exists_one(y, x.name == y.name))",message="give each version a name of its own"
	// +listType=atomic
	Versions   []Version  `json:"versions"`
	Traffic    Traffic    `json:"traffic"`
	Assignment Assignment `json:"assignment,omitzero"`
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="self.all(x, self.exists_one(y, x.name == y.name))",message="give each segment a name of its own"
	// +listType=atomic
	Segments []Segment `json:"segments,omitempty"`
	// Predictions says how predictions are read from answers, Redact what is
	// taken out of requests and answers before anything is made of them.
	Predictions *Predictions `json:"predictions,omitempty"`
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	Redact []Redaction `json:"redact,omitempty"`
	// Providers are where metrics are read from.
	//
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="self.all(x, self.exists_one(y, x.name == y.name))",message="give each provider a name of its own"
	// +listType=atomic
	Providers []Provider `json:"providers,omitempty"`
	// +kubebuilder:validation:MaxItems=24
	// +kubebuilder:validation:XValidation:rule="self.all(x, self.exists_one(y, x.name == y.name))",message="give each metric a name of its own"
	// +listType=atomic
	Metrics []Metric `json:"metrics,omitempty"`
	Reward  *Reward  `json:"reward,omitempty"`
	// +kubebuilder:validation:MaxItems=24
	// +listType=atomic
	Objectives []Objective `json:"objectives,omitempty"`
	// +kubebuilder:validation:MaxItems=24
	// +listType=atomic
	Guardrails []Guardrail `json:"guardrails,omitempty"`
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=12
	// +kubebuilder:validation:XValidation:rule="self.all(x, self.exists_one(y, x.name == y.name))",message="give each stage a name of its own"
	// +listType=atomic
	Stages    []Stage   `json:"stages"`
	Promote   *Promote  `json:"promote,omitempty"`
	Budget    *Budget   `json:"budget,omitempty"`
	Ledger    *Ledger   `json:"ledger,omitempty"`
	Analysis  Analysis  `json:"analysis,omitzero"`
	Evidence  Evidence  `json:"evidence,omitzero"`
	OnUnknown OnUnknown `json:"onUnknown,omitzero"`
	// OnDelete is what becomes of the traffic when the object is deleted before
	// its end: restore (default) gives the baseline everything, leave leaves
	// the route as it is.
	//
	// +kubebuilder:validation:Enum=restore;leave
	OnDelete string `json:"onDelete,omitempty"`
	// Drift is what is done when somebody else rewrites the shares: correct
	// (default) writes them again, hold waits until they are as asked for, alert
	// only says so.
	//
	// +kubebuilder:validation:Enum=correct;hold;alert
	Drift string `json:"drift,omitempty"`
	// Actions are what is done at transitions besides moving traffic.
	Actions *Actions `json:"actions,omitempty"`
	// Strict decides by Iter8's own rules, which take no alpha and claim no error
	// rate; its only stage is iterate. It is what an iter8.tools Experiment is run
	// as.
	Strict bool `json:"strict,omitempty"`
	// Control is a person's wish, the same as the commands of the command line.
	// It is no part of the plan: changing it changes nothing else.
	Control *Control `json:"control,omitempty"`
}

// Version is one servable model variant.
type Version struct {
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// Backend is in the router's terms: for the gateway a base URL, for a
	// VirtualService HOST[:PORT][/SUBSET], for an HTTPRoute
	// [NAMESPACE/]SERVICE[:PORT]. Fields have none.
	//
	// +kubebuilder:validation:MaxLength=1000
	Backend string `json:"backend,omitempty"`
	// Model is the name that the backend knows the model by, where it is not
	// the one that clients ask for.
	Model string       `json:"model,omitempty"`
	Path  *PathRewrite `json:"path,omitempty"`
	// Workload is the Deployment that serves the version in a cluster, in the
	// experiment's namespace.
	//
	// +kubebuilder:validation:MaxLength=253
	Workload string `json:"workload,omitempty"`
	Cost     *Cost  `json:"cost,omitempty"`
	// Parts say what the version is made of, by name: model, features, prompt.
	//
	// +kubebuilder:validation:MaxProperties=16
	Parts map[string]string `json:"parts,omitempty"`
	// Variables are what texts of metrics call {{.Variables.NAME}}, and those of
	// actions {{.NAME}} where the version is the one that is recommended.
	//
	// +kubebuilder:validation:MaxProperties=32
	Variables map[string]string `json:"variables,omitempty"`
}

// PathRewrite replaces the beginning of the path that clients ask for.
type PathRewrite struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Cost is what a version costs, in the experiment's one currency.
type Cost struct {
	PerRequest Quantity `json:"perRequest,omitempty"`
	PerHour    Quantity `json:"perHour,omitempty"`
	// PerToken goes by the tokens that answers report, in OpenAI's usage.
	PerToken Quantity `json:"perToken,omitempty"`
}

// Assignment says who is assigned.
type Assignment struct {
	Unit Unit `json:"unit,omitzero"`
	// By is who assigns: gateway, Headgate's; client, the application; or
	// router, the serving stack, which draws for each request. The default is
	// gateway for Headgate's gateway, and router for all others.
	//
	// +kubebuilder:validation:Enum=gateway;client;router
	By string `json:"by,omitempty"`
	// Cohort goes with by: client.
	Cohort *Cohort `json:"cohort,omitempty"`
	// Missing is what happens to a request without a unit: baseline (default)
	// or reject.
	Missing string `json:"missing,omitempty"`
	// Overrides give testers a version, Exclude keeps bots and synthetic load
	// on the baseline; neither is counted.
	//
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	Overrides []Override `json:"overrides,omitempty"`
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	Exclude []Exclusion `json:"exclude,omitempty"`
}

// Cohort is where the application says which version a request gets, by its
// name.
type Cohort struct {
	Header string `json:"header"`
}

// Override gives requests with a header's value a version.
type Override struct {
	Header  string `json:"header"`
	Value   string `json:"value"`
	Version string `json:"version"`
}

// Exclusion matches requests whose header contains one of some texts, whatever
// their case; or, without texts, that carry the header.
type Exclusion struct {
	Header string `json:"header"`
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	Contains []string `json:"contains,omitempty"`
}

// Unit says where the unit stands in a request; exactly one field is set.
//
// +kubebuilder:validation:XValidation:rule="[has(self.header), has(self.cookie), has(self.jsonPath), has(self.request)].exists_one(x, x)",message="exactly one of header, cookie, jsonPath and request is required: for example header: x-user-id"
type Unit struct {
	Header   string `json:"header,omitempty"`
	Cookie   string `json:"cookie,omitempty"`
	JSONPath string `json:"jsonPath,omitempty"`
	Request  bool   `json:"request,omitempty"`
}

// Segment is a named way to tell requests apart. Exactly one of Header, Cookie
// and JSONPath says where the value stands, and exactly one of Values and Bins
// names its groups; what they do not name is the group "other".
//
// +kubebuilder:validation:XValidation:rule="[has(self.header), has(self.cookie), has(self.jsonPath)].exists_one(x, x)",message="exactly one of header, cookie and jsonPath is required: for example header: x-tier"
// +kubebuilder:validation:XValidation:rule="[has(self.values), has(self.bins)].exists_one(x, x)",message="exactly one of values and bins is required: for example values: [premium]"
type Segment struct {
	// +kubebuilder:validation:MaxLength=63
	Name     string `json:"name"`
	Header   string `json:"header,omitempty"`
	Cookie   string `json:"cookie,omitempty"`
	JSONPath string `json:"jsonPath,omitempty"`
	// Values names a group for each value.
	//
	// +kubebuilder:validation:MaxItems=7
	// +listType=atomic
	Values []string `json:"values,omitempty"`
	// Bins are the rising edges between groups of numbers: [1, 10] makes "<1",
	// "1..10" and ">=10".
	//
	// +kubebuilder:validation:MaxItems=7
	// +listType=atomic
	Bins []Quantity `json:"bins,omitempty"`
	// Stratify weighs the groups alike in all versions when the reward is
	// compared, and watches the sample ratio of each.
	Stratify bool `json:"stratify,omitempty"`
}

// Reward is the metric to improve.
type Reward struct {
	Metric string `json:"metric"`
	// MinimumEffect is the smallest effect that matters; strict experiments know
	// none.
	MinimumEffect *Margin `json:"minimumEffect,omitempty"`
	Range         *Range  `json:"range,omitempty"`
}

// Range bounds what one unit's reward can be.
type Range struct {
	Low  Quantity `json:"low"`
	High Quantity `json:"high"`
}

// Margin is relative to the baseline or absolute in the metric's unit; exactly
// one is set.
//
// +kubebuilder:validation:XValidation:rule="[has(self.relative), has(self.absolute)].exists_one(x, x)",message="exactly one of relative and absolute is required: for example {relative: 1%}"
type Margin struct {
	Relative Quantity `json:"relative,omitempty"`
	Absolute Quantity `json:"absolute,omitempty"`
}

// Objective is an absolute limit; exactly one of Max and Min is set. For
// latency the limit is a duration. In a strict experiment both may be set, or
// none: then any number satisfies it.
type Objective struct {
	Metric string   `json:"metric"`
	Max    Quantity `json:"max,omitempty"`
	Min    Quantity `json:"min,omitempty"`
	// Slices names the segments in whose every group it holds too.
	//
	// +kubebuilder:validation:MaxItems=8
	// +listType=atomic
	Slices []string `json:"slices,omitempty"`
	// Owner is who answers for the limit, if it is not the experiment's owner.
	Owner string `json:"owner,omitempty"`
	// Rollback, in a strict experiment, rolls back as soon as the limit is
	// broken.
	Rollback bool `json:"rollback,omitempty"`
}

// Guardrail is a metric that the candidate must not worsen by more than a
// margin.
type Guardrail struct {
	Metric      string `json:"metric"`
	NoWorseThan Margin `json:"noWorseThan"`
	// Slices names the segments in whose every group it holds too.
	//
	// +kubebuilder:validation:MaxItems=8
	// +listType=atomic
	Slices []string `json:"slices,omitempty"`
	// Owner is who answers for it, if it is not the experiment's owner.
	Owner string `json:"owner,omitempty"`
}

// Analysis fixes error rates before the start.
type Analysis struct {
	// Method is sequential (default), anytime, fixed, bayesian or threshold.
	Method    string   `json:"method,omitempty"`
	Alpha     Quantity `json:"alpha,omitempty"`
	HarmAlpha Quantity `json:"harmAlpha,omitempty"`
	// Looks goes with sequential.
	Looks int64 `json:"looks,omitempty"`
	// Power is the probability of finding the smallest effect that matters
	// which planning aims at.
	Power Quantity `json:"power,omitempty"`
}

// Evidence says how evidence is cut into windows and how old it may be.
type Evidence struct {
	Window Duration `json:"window,omitempty"`
	Lag    Duration `json:"lag,omitempty"`
	Stale  Duration `json:"stale,omitempty"`
}

// Promote is what happens once a candidate has won.
type Promote struct {
	// How is pointer (default) or copy.
	How      string    `json:"how,omitempty"`
	KeepWarm *KeepWarm `json:"keepWarm,omitempty"`
	// Loser is what becomes of the version without traffic, the baseline or,
	// once it was copied over it, the winner: keep (default), scaleDown or delete.
	Loser string `json:"loser,omitempty"`
}

// KeepWarm is how long the old version stays able to take everything back; all
// that is asked for must be had.
type KeepWarm struct {
	AtLeast Duration `json:"atLeast,omitempty"`
	// Matured names metrics whose outcomes must have had their time.
	//
	// +kubebuilder:validation:MaxItems=24
	// +listType=atomic
	Matured []string `json:"matured,omitempty"`
	// Approval names who must approve the end.
	Approval string `json:"approval,omitempty"`
	// Holdback is the share that stays on the baseline meanwhile.
	Holdback Quantity `json:"holdback,omitempty"`
}

// Budget bounds the whole experiment.
type Budget struct {
	// Cost is in the currency of the versions' costs.
	Cost Quantity `json:"cost,omitempty"`
	// Units counts those exposed to a candidate.
	Units    int64    `json:"units,omitempty"`
	Duration Duration `json:"duration,omitempty"`
	// OnExceeded is hold (default) or rollback.
	OnExceeded string `json:"onExceeded,omitempty"`
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
