// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Traffic names exactly one router.
//
// +kubebuilder:validation:XValidation:rule="[has(self.gateway), has(self.virtualService), has(self.httpRoute), has(self.fields), has(self.none)].exists_one(x, x)",message="exactly one router carries the traffic: write gateway, virtualService, httpRoute, fields or none"
type Traffic struct {
	Gateway *GatewayTraffic `json:"gateway,omitempty"`
	// VirtualService is Istio's; its destinations hold the shares.
	VirtualService *VirtualServiceTraffic `json:"virtualService,omitempty"`
	// HTTPRoute is the Gateway API's; its backends hold the shares.
	HTTPRoute *HTTPRouteTraffic `json:"httpRoute,omitempty"`
	// Fields are fields of any objects, each of which holds the share of one
	// version. One version may have none: its share is what the others leave.
	//
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +listType=atomic
	Fields []FieldTraffic `json:"fields,omitempty"`
	// None is of strict experiments that shift nothing: nothing that Headgate
	// knows carries the traffic.
	None *NoTraffic `json:"none,omitempty"`
	// Pack names the metrics that tell of the requests: istio, istio-source,
	// istio-waypoint, traefik, envoy-gateway or contour. A VirtualService has
	// istio by default; the gateway counts itself.
	//
	// +kubebuilder:validation:MaxLength=63
	Pack string `json:"pack,omitempty"`
}

// NoTraffic says that no shares are carried.
type NoTraffic struct{}

// VirtualServiceTraffic is a VirtualService whose http routes lead to the
// versions.
type VirtualServiceTraffic struct {
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// Namespace is the experiment's where it is left out.
	//
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
	// Routes names the http routes that carry the split; every one that leads
	// to a version by default.
	//
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	Routes []string `json:"routes,omitempty"`
}

// HTTPRouteTraffic is an HTTPRoute whose rules lead to the versions.
type HTTPRouteTraffic struct {
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// Namespace is the experiment's where it is left out.
	//
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
	// Rules names the rules that carry the split; every one that leads to a
	// version by default.
	//
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	Rules []string `json:"rules,omitempty"`
}

// FieldTraffic is a field of an object that holds the share of a version: whole
// percents, or a quantity such as "500m" of one.
type FieldTraffic struct {
	// +kubebuilder:validation:MaxLength=63
	Version string `json:"version"`
	// +kubebuilder:validation:MaxLength=253
	APIVersion string `json:"apiVersion"`
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind"`
	// Namespace is the experiment's where it is left out.
	//
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// Path leads to the field from the object's root:
	// .spec.traffic[0].percent.
	//
	// +kubebuilder:validation:MaxLength=1000
	Path string `json:"path"`
}

// GatewayTraffic is Headgate's own gateway.
type GatewayTraffic struct {
	// Name is the ConfigMap, in the experiment's namespace, that the gateways
	// follow in a cluster; headgate-gateway by default. headgate run has its own
	// gateway, and needs none.
	//
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
	// Listen is the address that it listens on; a free port on loopback by
	// default.
	Listen string `json:"listen,omitempty"`
	// Fallback is which requests the baseline answers where a candidate does
	// not: unsent (default), those that no byte was sent of; or idempotent,
	// every one, because it may be sent twice.
	Fallback string `json:"fallback,omitempty"`
	Probe    *Probe `json:"probe,omitempty"`
	// Concurrency bounds each version's requests under way, Queue those that
	// wait for a place.
	Concurrency int64 `json:"concurrency,omitempty"`
	Queue       int64 `json:"queue,omitempty"`
}

// Probe asks the versions whether they are healthy.
type Probe struct {
	Path  string   `json:"path"`
	Every Duration `json:"every,omitempty"`
}
