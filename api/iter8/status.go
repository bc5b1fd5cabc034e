// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ExperimentStatus is where an experiment stands.
type ExperimentStatus struct {
	// Conditions are Completed, Failed and TargetAcquired, in this order.
	Conditions []Condition `json:"conditions,omitempty"`
	// InitTime is when the experiment was first seen; it orders those that wait
	// for one target.
	InitTime *metav1.Time `json:"initTime,omitempty"`
	// StartTime is when the first iteration began; elapsed time counts from it.
	StartTime *metav1.Time `json:"startTime,omitempty"`
	// LastUpdateTime is when the newest iteration was complete.
	LastUpdateTime      *metav1.Time `json:"lastUpdateTime,omitempty"`
	Stage               *Stage       `json:"stage,omitempty"`
	CompletedIterations *int32       `json:"completedIterations,omitempty"`
	// CurrentWeightDistribution is what the cluster holds.
	CurrentWeightDistribution []WeightData `json:"currentWeightDistribution,omitempty"`
	Analysis                  *Analysis    `json:"analysis,omitempty"`
	// VersionRecommendedForPromotion is the winner where there is one, else the
	// baseline.
	VersionRecommendedForPromotion *string `json:"versionRecommendedForPromotion,omitempty"`
	// Metrics are the metrics as they were when the experiment began.
	Metrics []MetricInfo `json:"metrics,omitempty"`
	// Message is the reason and the message of the newest condition.
	Message *string `json:"message,omitempty"`
}

// Stage is a part of an experiment's life.
//
// +kubebuilder:validation:Enum=Waiting;Initializing;Running;Finishing;Completed
type Stage string

// The stages, in their order.
const (
	StageWaiting      Stage = "Waiting"
	StageInitializing Stage = "Initializing"
	StageRunning      Stage = "Running"
	StageFinishing    Stage = "Finishing"
	StageCompleted    Stage = "Completed"
)

// ConditionType names a condition.
//
// +kubebuilder:validation:Enum=Completed;Failed;TargetAcquired
type ConditionType string

// The conditions.
const (
	Completed      ConditionType = "Completed"
	Failed         ConditionType = "Failed"
	TargetAcquired ConditionType = "TargetAcquired"
)

// Condition is one of the things that are so or not.
type Condition struct {
	Type               ConditionType          `json:"type"`
	Status             corev1.ConditionStatus `json:"status"`
	LastTransitionTime *metav1.Time           `json:"lastTransitionTime,omitempty"`
	Reason             *string                `json:"reason,omitempty"`
	Message            *string                `json:"message,omitempty"`
}

// WeightData is a version's weight in percent.
type WeightData struct {
	Name  string `json:"name"`
	Value int32  `json:"value"`
}

// MetricInfo is a metric as it was when the experiment began.
type MetricInfo struct {
	// Name is as the criteria write it.
	Name string `json:"name"`
	// +kubebuilder:validation:EmbeddedResource
	MetricObj Metric `json:"metricObj"`
}

// Analysis is what was found at the newest iteration.
type Analysis struct {
	AggregatedMetrics      *AggregatedMetrics      `json:"aggregatedMetrics,omitempty"`
	VersionAssessments     *VersionAssessments     `json:"versionAssessments,omitempty"`
	WinnerAssessment       *WinnerAssessment       `json:"winnerAssessment,omitempty"`
	Weights                *WeightsAnalysis        `json:"weights,omitempty"`
	AggregatedBuiltinHists *AggregatedBuiltinHists `json:"aggregatedBuiltinHists,omitempty"`
}

// AnalysisMeta says who found something, and when.
type AnalysisMeta struct {
	Provenance string      `json:"provenance"`
	Timestamp  metav1.Time `json:"timestamp"`
	Message    *string     `json:"message,omitempty"`
}

// AggregatedMetrics are the values of metrics, by metric.
type AggregatedMetrics struct {
	AnalysisMeta `json:",inline"`
	Data         map[string]AggregatedMetric `json:"data"`
}

// AggregatedMetric are the values of one metric, by version.
type AggregatedMetric struct {
	Max  *resource.Quantity           `json:"max,omitempty"`
	Min  *resource.Quantity           `json:"min,omitempty"`
	Data map[string]AggregatedVersion `json:"data"`
}

// AggregatedVersion is the value of a metric of a version.
type AggregatedVersion struct {
	Max   *resource.Quantity `json:"max,omitempty"`
	Min   *resource.Quantity `json:"min,omitempty"`
	Value *resource.Quantity `json:"value,omitempty"`
	// +kubebuilder:validation:Minimum=0
	SampleSize *int32 `json:"sampleSize,omitempty"`
}

// VersionAssessments say, by version, which of the criteria's objectives are met,
// in their order.
type VersionAssessments struct {
	AnalysisMeta `json:",inline"`
	Data         map[string]Assessment `json:"data"`
}

// Assessment says of each objective whether it is met.
type Assessment []bool

// WinnerAssessment says whether there is a winner, and which.
type WinnerAssessment struct {
	AnalysisMeta `json:",inline"`
	Data         WinnerAssessmentData `json:"data"`
}

// WinnerAssessmentData is the winner.
type WinnerAssessmentData struct {
	WinnerFound bool    `json:"winnerFound"`
	Winner      *string `json:"winner,omitempty"`
}

// WeightsAnalysis are the weights that were recommended.
type WeightsAnalysis struct {
	AnalysisMeta `json:",inline"`
	Data         []WeightData `json:"data"`
}

// AggregatedBuiltinHists is what the load of tasks has shown.
type AggregatedBuiltinHists struct {
	AnalysisMeta `json:",inline"`
	Data         apiextensionsv1.JSON `json:"data"`
}
