// SPDX-License-Identifier: Apache-2.0

package kube

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/headgate-dev/headgate/api/v1alpha1"
)

// Metric is a metric that several experiments use, with parameters.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=metrics,singular=metric,scope=Namespaced
// +kubebuilder:printcolumn:name="GOAL",type=string,JSONPath=`.spec.goal`
// +kubebuilder:printcolumn:name="AGE",type=date,JSONPath=`.metadata.creationTimestamp`
type Metric struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec v1alpha1.MetricSpec `json:"spec"`
}

// MetricList is a list of metrics.
//
// +kubebuilder:object:root=true
type MetricList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Metric `json:"items"`
}
