// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Metric says how a number is had of a version.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=metrics,singular=metric,scope=Namespaced
// +kubebuilder:metadata:labels="creator=iter8"
// +kubebuilder:printcolumn:name="type",type="string",JSONPath=".spec.type"
// +kubebuilder:printcolumn:name="description",type="string",JSONPath=".spec.description"
type Metric struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec MetricSpec `json:"spec,omitempty"`
}

// MetricList is a list of metrics.
//
// +kubebuilder:object:root=true
type MetricList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Metric `json:"items"`
}

// ProviderIter8 is the provider of the metrics that are made of the load that
// tasks made.
const ProviderIter8 = "iter8"

// MetricSpec is the metric itself.
type MetricSpec struct {
	Description *string `json:"description,omitempty"`
	// Units are shown.
	Units *string `json:"units,omitempty"`
	// Provider is for people, but for iter8: that is the load of tasks.
	Provider *string `json:"provider,omitempty"`
	// Type tells Counter from Gauge; it matters to mock values alone.
	//
	// +kubebuilder:default=Gauge
	Type MetricType `json:"type,omitempty"`
	// SampleSize names a metric that is read too.
	SampleSize *string `json:"sampleSize,omitempty"`
	// +kubebuilder:default=GET
	Method Method `json:"method,omitempty"`
	// URLTemplate is the address; with a secret, $NAME in it is a key of that.
	URLTemplate *string `json:"urlTemplate,omitempty"`
	// Params are of the URL's query. $NAME in their values is the version's name
	// or a variable of it, $elapsedTime the seconds since the start.
	Params []NamedValue `json:"params,omitempty"`
	// Body is JSON once it is filled in like Params.
	Body *string `json:"body,omitempty"`
	// HeaderTemplates are headers; with a secret and AuthType Bearer or APIKey,
	// $NAME in their values is a key of the secret.
	HeaderTemplates []NamedValue `json:"headerTemplates,omitempty"`
	AuthType        *AuthType    `json:"authType,omitempty"`
	// Secret is NAMESPACE/NAME or NAME.
	Secret *string `json:"secret,omitempty"`
	// JQExpression gives the number.
	JQExpression *string `json:"jqExpression,omitempty"`
	// Mock makes numbers up instead of asking.
	Mock []NamedLevel `json:"mock,omitempty"`
}

// MetricType is Counter or Gauge.
//
// +kubebuilder:validation:Enum=Counter;Gauge
type MetricType string

// The types of metrics.
const (
	Counter MetricType = "Counter"
	Gauge   MetricType = "Gauge"
)

// Method is GET or POST.
//
// +kubebuilder:validation:Enum=GET;POST
type Method string

// The methods.
const (
	GET  Method = "GET"
	POST Method = "POST"
)

// AuthType is how a request says who asks.
//
// +kubebuilder:validation:Enum=Basic;Bearer;APIKey
type AuthType string

// The ways to say who asks.
const (
	Basic  AuthType = "Basic"
	Bearer AuthType = "Bearer"
	APIKey AuthType = "APIKey"
)

// NamedLevel is a version's level of a mock metric: a counter is the elapsed
// seconds times the level, a gauge varies about it.
type NamedLevel struct {
	// Name is the version's.
	Name  string            `json:"name"`
	Level resource.Quantity `json:"level"`
}
