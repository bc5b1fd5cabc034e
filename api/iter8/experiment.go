// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Experiment compares versions of an app by their metrics, iteration by
// iteration, and moves traffic to the best.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=experiments,singular=experiment,scope=Namespaced
// +kubebuilder:metadata:labels="creator=iter8"
// +kubebuilder:printcolumn:name="type",type="string",JSONPath=".spec.strategy.testingPattern"
// +kubebuilder:printcolumn:name="target",type="string",JSONPath=".spec.target"
// +kubebuilder:printcolumn:name="stage",type="string",JSONPath=".status.stage"
// +kubebuilder:printcolumn:name="completed iterations",type="string",JSONPath=".status.completedIterations"
// +kubebuilder:printcolumn:name="message",type="string",JSONPath=".status.message"
type Experiment struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   ExperimentSpec   `json:"spec,omitempty"`
	Status ExperimentStatus `json:"status,omitempty"`
}

// ExperimentList is a list of experiments.
//
// +kubebuilder:object:root=true
type ExperimentList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Experiment `json:"items"`
}

// ExperimentSpec is the experiment itself.
type ExperimentSpec struct {
	// Target is what is experimented on. Of all experiments with one target, in
	// any namespace, one runs at a time, in the order of their beginnings.
	//
	// +kubebuilder:validation:MinLength=1
	Target   string    `json:"target"`
	Strategy Strategy  `json:"strategy"`
	Criteria *Criteria `json:"criteria,omitempty"`
	Duration *Duration `json:"duration,omitempty"`
	// VersionInfo may be left out, for a start action to fill in.
	VersionInfo *VersionInfo `json:"versionInfo,omitempty"`
}

// Strategy is how the versions are compared, and what the traffic does meanwhile.
type Strategy struct {
	TestingPattern TestingPattern `json:"testingPattern"`
	// DeploymentPattern is Progressive where it is left out.
	DeploymentPattern DeploymentPattern `json:"deploymentPattern,omitempty"`
	// Actions are lists of tasks, by when they are done: start, loop, finish, and
	// beyond what Iter8 had, rollback.
	Actions map[string]Action `json:"actions,omitempty"`
	Weights *Weights          `json:"weights,omitempty"`
}

// TestingPattern says what makes a version the winner. A/B/n is another spelling
// of A/B/N.
//
// +kubebuilder:validation:Enum=Canary;A/B;A/B/N;Conformance;A/B/n
type TestingPattern string

// The testing patterns.
const (
	Canary      TestingPattern = "Canary"
	AB          TestingPattern = "A/B"
	ABN         TestingPattern = "A/B/N"
	ABNAlias    TestingPattern = "A/B/n"
	Conformance TestingPattern = "Conformance"
)

// DeploymentPattern says what the traffic does.
//
// +kubebuilder:validation:Enum=FixedSplit;Progressive;BlueGreen
type DeploymentPattern string

// The deployment patterns.
const (
	FixedSplit  DeploymentPattern = "FixedSplit"
	Progressive DeploymentPattern = "Progressive"
	BlueGreen   DeploymentPattern = "BlueGreen"
)

// The actions that are done.
const (
	ActionStart    = "start"
	ActionLoop     = "loop"
	ActionFinish   = "finish"
	ActionRollback = "rollback"
)

// Action is a list of tasks, done one after the other.
type Action []TaskSpec

// TaskSpec is one task: exactly one of Task and Run is set.
type TaskSpec struct {
	// Task names what is done: common/exec, notification/http and others.
	Task string `json:"task,omitempty"`
	// Run is a script for bash.
	Run string `json:"run,omitempty"`
	// If is a condition on the experiment; the task is left out where it does not
	// hold. Condition is its older name.
	If        string `json:"if,omitempty"`
	Condition string `json:"condition,omitempty"`
	// With is the task's input.
	With map[string]apiextensionsv1.JSON `json:"with,omitempty"`
}

// Weights bound what a candidate gets.
type Weights struct {
	// MaxCandidateWeight is the most percent of a candidate, 100 by default.
	//
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	MaxCandidateWeight *int32 `json:"maxCandidateWeight,omitempty"`
	// MaxCandidateWeightIncrement is the most percent that a candidate gains in
	// one iteration, 10 by default.
	//
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	MaxCandidateWeightIncrement *int32 `json:"maxCandidateWeightIncrement,omitempty"`
}

// Criteria are what versions are compared by. A metric is named NAME, in the
// experiment's namespace, or NAMESPACE/NAME.
type Criteria struct {
	// RequestCount is a metric that is shown, and decides nothing.
	RequestCount *string `json:"requestCount,omitempty"`
	// Rewards is exactly one for A/B and A/B/N, and none for other patterns.
	Rewards []Reward `json:"rewards,omitempty"`
	// Indicators are metrics that are shown, and decide nothing.
	Indicators []string    `json:"indicators,omitempty"`
	Objectives []Objective `json:"objectives,omitempty"`
	// Strength is free; Iter8 did not read it. An object in Headgate's words makes
	// the decision a statistical one.
	Strength *apiextensionsv1.JSON `json:"strength,omitempty"`
}

// Reward is the metric to improve.
type Reward struct {
	Metric             string    `json:"metric"`
	PreferredDirection Direction `json:"preferredDirection"`
}

// Direction says which values are better.
//
// +kubebuilder:validation:Enum=High;Low
type Direction string

// The directions.
const (
	High Direction = "High"
	Low  Direction = "Low"
)

// Objective is a limit on a metric, both inclusive. One without limits is met by
// any number.
type Objective struct {
	Metric     string             `json:"metric"`
	UpperLimit *resource.Quantity `json:"upperLimit,omitempty"`
	LowerLimit *resource.Quantity `json:"lowerLimit,omitempty"`
	// RollbackOnFailure ends the experiment when the objective is not met; it is
	// true by default for BlueGreen, else false.
	RollbackOnFailure *bool `json:"rollback_on_failure,omitempty"`
}

// Duration is how long the experiment lasts: iterationsPerLoop times maxLoops
// iterations.
type Duration struct {
	// IntervalSeconds is the time between two iterations, 20 by default.
	//
	// +kubebuilder:validation:Minimum=1
	IntervalSeconds *int32 `json:"intervalSeconds,omitempty"`
	// IterationsPerLoop is 15 by default.
	//
	// +kubebuilder:validation:Minimum=1
	IterationsPerLoop *int32 `json:"iterationsPerLoop,omitempty"`
	// MaxLoops is 1 by default.
	//
	// +kubebuilder:validation:Minimum=1
	MaxLoops *int32 `json:"maxLoops,omitempty"`
}

// VersionInfo lists the versions.
type VersionInfo struct {
	Baseline   VersionDetail   `json:"baseline"`
	Candidates []VersionDetail `json:"candidates,omitempty"`
}

// VersionDetail is one version.
type VersionDetail struct {
	// Name is the version's own.
	Name string `json:"name"`
	// Variables are used in the queries of metrics and in tasks.
	Variables []NamedValue `json:"variables,omitempty"`
	// WeightObjRef is the field that holds the version's weight, in percent.
	WeightObjRef *corev1.ObjectReference `json:"weightObjRef,omitempty"`
}

// NamedValue is a variable, a parameter or a header.
type NamedValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}
