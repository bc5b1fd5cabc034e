// SPDX-License-Identifier: Apache-2.0

// Package iter8 is the group iter8.tools at version v2alpha2, as Iter8's users
// have it in their files and clusters: the kinds Experiment and Metric, with the
// same names, enums, defaults, columns and status. What was valid there is valid
// here. What an Iter8 experiment means is said in package internal/iter8; here is
// only its shape.
//
// Two dialects of tasks were in use under this one version, and both are read:
// task with if, of which condition is an older spelling, and run.
//
// Deepcopy and the schemas in config/crd/iter8 are generated from here: go generate.
//
// +kubebuilder:object:generate=true
// +groupName=iter8.tools
// +versionName=v2alpha2
package iter8

//go:generate go tool -modfile=../../tools/go.mod controller-gen object:headerFile=boilerplate.go.txt paths=./
//go:generate go tool -modfile=../../tools/go.mod controller-gen crd paths=./ output:crd:dir=../../config/crd/iter8

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Group and version of the kinds here, and the kinds.
const (
	Group       = "iter8.tools"
	VersionName = "v2alpha2"
	APIVersion  = Group + "/" + VersionName

	KindExperiment = "Experiment"
	KindMetric     = "Metric"
)

// GroupVersion gives the group and version of the kinds here.
func GroupVersion() schema.GroupVersion {
	return schema.GroupVersion{Group: Group, Version: VersionName}
}

// AddToScheme tells a scheme the kinds here.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion(), &Experiment{}, &ExperimentList{}, &Metric{}, &MetricList{})
	metav1.AddToGroupVersion(s, GroupVersion())
	return nil
}
