// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/headgate-dev/headgate/api/v1alpha1"
)

// Experiment moves live traffic between versions of a model, and ends with a
// verdict.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=experiments,singular=experiment,shortName=hgx,scope=Namespaced
// +kubebuilder:printcolumn:name="CONDITION",type=string,JSONPath=`.status.condition`
// +kubebuilder:printcolumn:name="STAGE",type=string,JSONPath=`.status.stage`
// +kubebuilder:printcolumn:name="SHARES",type=string,JSONPath=`.status.shares`
// +kubebuilder:printcolumn:name="SEEN",type=string,JSONPath=`.status.seen`
// +kubebuilder:printcolumn:name="MESSAGE",type=string,JSONPath=`.status.message`
// +kubebuilder:printcolumn:name="AGE",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63 && !self.metadata.name.contains('.')",message="an experiment's name is lower-case letters, digits and '-', at most 63"
type Experiment struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   v1alpha1.Spec    `json:"spec"`
	Status ExperimentStatus `json:"status,omitzero"`
}

// Text is the experiment in JSON as the one validator reads it, so that a file,
// an object at admission and an object in the cluster are told the same. What the
// cluster adds is left out, and so is the wish of spec.control: it is no part of
// the plan, and a wrong one is no reason to stall.
func (e *Experiment) Text() ([]byte, error) {
	e = e.DeepCopy()
	e.APIVersion, e.Kind = GroupVersion().String(), KindExperiment
	e.Status, e.ManagedFields = ExperimentStatus{}, nil
	e.Spec.Control = nil
	written, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("write the experiment as JSON: %w", err)
	}
	return written, nil
}

// ExperimentList is a list of experiments.
//
// +kubebuilder:object:root=true
type ExperimentList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Experiment `json:"items"`
}
