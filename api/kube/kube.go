// SPDX-License-Identifier: Apache-2.0

// Package kube is what Headgate keeps in a cluster: experiments and metrics as
// people apply them, and the record that the controller keeps of each
// experiment. What people write is the same as in files: the specs are those of
// package v1alpha1. Status is for people and tools; what an experiment is, the
// record alone knows. The controller reads back three things, none of which
// decides: that there is a record, which wish of spec.control was seen last, and
// of which generation the plan in force is.
//
// Deepcopy and the schemas in config/crd are generated from here: go generate.
//
// +kubebuilder:object:generate=true
// +groupName=headgate.dev
// +versionName=v1alpha1
package kube

//go:generate go tool -modfile=../../tools/go.mod controller-gen object:headerFile=boilerplate.go.txt paths=./;../v1alpha1
//go:generate go tool -modfile=../../tools/go.mod controller-gen crd paths=./ output:crd:dir=../../config/crd

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Group and version of the kinds here, and the kinds.
const (
	Group       = "headgate.dev"
	VersionName = "v1alpha1"

	KindExperiment       = "Experiment"
	KindMetric           = "Metric"
	KindExperimentRecord = "ExperimentRecord"
)

// GroupVersion gives the group and version of the kinds here.
func GroupVersion() schema.GroupVersion {
	return schema.GroupVersion{Group: Group, Version: VersionName}
}

// AddToScheme tells a scheme the kinds here.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion(),
		&Experiment{}, &ExperimentList{}, &Metric{}, &MetricList{}, &ExperimentRecord{}, &ExperimentRecordList{})
	metav1.AddToGroupVersion(s, GroupVersion())
	return nil
}
