// SPDX-License-Identifier: Apache-2.0

package kube

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MaxRecordData is how many bytes a record's data may have.
const MaxRecordData = 512 << 10

// ExperimentRecord is the memory of one experiment, of the same name and
// namespace: its state, its totals and the newest entries of its journal. It is
// the controller's, and nobody's to edit.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=experimentrecords,singular=experimentrecord,scope=Namespaced
// +kubebuilder:printcolumn:name="REVISION",type=integer,JSONPath=`.revision`
// +kubebuilder:printcolumn:name="ENTRIES",type=integer,JSONPath=`.entries`
// +kubebuilder:printcolumn:name="ENGINE",type=string,JSONPath=`.engine`
// +kubebuilder:printcolumn:name="AGE",type=date,JSONPath=`.metadata.creationTimestamp`
type ExperimentRecord struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Revision rises by one with every save.
	Revision int64 `json:"revision,omitempty"`
	// Entries counts the journal's, from the beginning.
	Entries int64 `json:"entries,omitempty"`
	// Engine is the version of the engine that wrote the record.
	//
	// +kubebuilder:validation:MaxLength=63
	Engine string `json:"engine,omitempty"`
	// Data is JSON, compressed by gzip.
	//
	// +kubebuilder:validation:MaxLength=699052
	Data []byte `json:"data,omitempty"`
}

// ExperimentRecordList is a list of records.
//
// +kubebuilder:object:root=true
type ExperimentRecordList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []ExperimentRecord `json:"items"`
}
