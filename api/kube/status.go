// SPDX-License-Identifier: Apache-2.0

package kube

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The types of an experiment's conditions. Reconciling and Stalled follow the
// conventions of kstatus: they are there, with status True, only while they
// hold, and are taken away when they do not. The others are always there once
// the controller has seen the experiment.
//
//	                    Ready  Reconciling  Stalled  Completed  Promoted  Failed
//	not yet rendered    False  True         -        False      False     False
//	running as asked    True   -            -        False      False     False
//	cannot go on        False  -            True     False      False     False
//	killed              True   -            -        False      False     False
//	promoted            True   -            -        True       True      False
//	rolled back         True   -            -        True       False     True
//	no winner           True   -            -        True       False     False
//
// So kubectl wait --for=condition=Completed waits for the end, whichever it is;
// --for=condition=Promoted and --for=condition=Failed for one of the ends; and
// what asks kstatus (Flux, kpt, Helm) holds an experiment to be Current as soon
// as its traffic is as asked for, not only weeks later at its end.
const (
	// ConditionReady is True when the spec is valid and the cluster's routes
	// are as the experiment wants them now, also after its end. It says nothing
	// of the versions.
	ConditionReady = "Ready"
	// ConditionReconciling is True while the observed generation is not yet in
	// effect: the plan is being read, or the routes are being written.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is True when the experiment cannot go on until a person
	// does something, which its message says: an invalid spec, a route that is
	// not there or belongs to another experiment, a right that is missing, a
	// record that is lost.
	ConditionStalled = "Stalled"
	// ConditionCompleted is True when the experiment is over, however it ended, and
	// its own actions are done or have failed for good. Its reason is the outcome
	// in camel case: Promoted, RolledBack, NoDifference, Inconclusive, BaselineKept,
	// ObjectivesMet or ObjectivesViolated.
	ConditionCompleted = "Completed"
	// ConditionPromoted is True when a candidate has won and has the traffic,
	// also while the old version is kept warm.
	ConditionPromoted = "Promoted"
	// ConditionFailed is True when the experiment was rolled back or its
	// objectives were violated.
	ConditionFailed = "Failed"
)

// ExperimentStatus is where an experiment stands, for people and tools. It is a
// projection of the record. Of it only Record, Control and ObservedGeneration (with
// the reason of Stalled) are read back, and no decision is made of them.
type ExperimentStatus struct {
	// ObservedGeneration is the generation of the spec that the status is of.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Condition is running, paused, warm, done or killed; or invalid, where
	// there is no plan.
	Condition string `json:"condition,omitempty"`
	// Stage is the name of the current stage, Step its step from 0.
	Stage string `json:"stage,omitempty"`
	Step  int64  `json:"step,omitempty"`
	// Shares are those asked for, in the versions' order: "90%/10%". Seen are
	// those that requests show, or that the stack reports.
	Shares string `json:"shares,omitempty"`
	Seen   string `json:"seen,omitempty"`
	// Message is one sentence that says what is going on.
	//
	// +kubebuilder:validation:MaxLength=1000
	Message string `json:"message,omitempty"`
	// Outcome is how it ended: promoted, rolled-back, no-difference,
	// inconclusive, baseline-kept, objectives-met or objectives-violated.
	Outcome string `json:"outcome,omitempty"`
	// Version is the winner, once there is one.
	Version string `json:"version,omitempty"`
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	Versions []VersionStatus `json:"versions,omitempty"`
	// Readings are what metrics say, at most MaxReadings, those that matter
	// first.
	//
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=48
	Readings []Reading    `json:"readings,omitempty"`
	Record   *RecordRef   `json:"record,omitempty"`
	Control  *ControlSeen `json:"control,omitempty"`
	// Started is when the experiment began to run.
	Started      *metav1.Time  `json:"started,omitempty"`
	LastDecision *LastDecision `json:"lastDecision,omitempty"`
}

// MaxReadings is how many readings a status holds.
const MaxReadings = 48

// VersionStatus is where a version stands.
type VersionStatus struct {
	Name string `json:"name"`
	// Role is baseline, candidate, winner or removed.
	Role string `json:"role"`
	// Share is the one asked for, Seen the one that is seen: "10%".
	Share string `json:"share"`
	Seen  string `json:"seen,omitempty"`
	// Requests counts those of the current phase.
	Requests int64 `json:"requests,omitempty"`
}

// Reading is what a metric says of a version.
type Reading struct {
	Metric  string `json:"metric"`
	Version string `json:"version"`
	// Value has three significant digits; it is empty where nothing is known.
	Value string `json:"value,omitempty"`
	// Verdict is better, not worse, worse, undecided, untrustworthy, met or
	// violated.
	Verdict string `json:"verdict,omitempty"`
}

// RecordRef names the ExperimentRecord that holds the experiment's state. A
// record that is named here and is not there, or belongs to another, stops the
// experiment: it is never begun anew.
type RecordRef struct {
	Name     string `json:"name"`
	Revision int64  `json:"revision"`
	Entries  int64  `json:"entries"`
}

// ControlSeen is the last wish of spec.control that was obeyed or refused.
type ControlSeen struct {
	ID   string      `json:"id"`
	Verb string      `json:"verb"`
	At   metav1.Time `json:"at"`
	// Generation is the one at which the wish was first seen.
	Generation int64 `json:"generation"`
}

// LastDecision is the newest decision of the journal.
type LastDecision struct {
	At metav1.Time `json:"at"`
	// Act is what was decided, Code the first of its reasons.
	Act  string `json:"act"`
	Code string `json:"code"`
	// +kubebuilder:validation:MaxLength=1000
	Message string `json:"message,omitempty"`
}
