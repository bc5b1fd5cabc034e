// SPDX-License-Identifier: Apache-2.0

package experiment

// Router says what carries the traffic. At most one field is set; none is
// Headgate's own gateway, in this process or in those that follow it.
type Router struct {
	// Map is the ConfigMap, in the plan's namespace, that Headgate's own gateways
	// follow in a cluster; empty is DefaultMap.
	Map            string       `json:"map,omitempty"`
	VirtualService *RouteObject `json:"virtualService,omitempty"`
	HTTPRoute      *RouteObject `json:"httpRoute,omitempty"`
	// Fields are the fields that hold the shares, at most one for each version.
	// One version may have none: its share is what the others leave.
	Fields []ShareField `json:"fields,omitempty"`
	// None says that nothing Headgate knows carries shares: a strict plan that
	// shifts nothing asks for that.
	None bool `json:"none,omitempty"`
	// Pack names the metrics that tell of the requests; empty is the router's
	// own, where it has only one.
	Pack string `json:"pack,omitempty"`
	// Drift is what to do when somebody else changes the shares; empty is
	// DriftCorrect.
	Drift OnDrift `json:"drift,omitempty"`
	// OnDelete is what becomes of the route when a running experiment is
	// deleted; empty is OnDeleteRestore.
	OnDelete OnDelete `json:"onDelete,omitempty"`
}

// DefaultMap is the ConfigMap that gateways follow where the plan names none.
const DefaultMap = "headgate-gateway"

// OnDrift is what to do when a route does not say what was asked for.
type OnDrift string

// The answers to drift: write it again, raise nothing until it is as asked for,
// or only say so. A kill and a rollback are always written again.
const (
	DriftCorrect OnDrift = "correct"
	DriftHold    OnDrift = "hold"
	DriftAlert   OnDrift = "alert"
)

// OnDelete is what becomes of the route of a deleted experiment.
type OnDelete string

// The fates of routes: all traffic to the baseline, or as it stands.
const (
	OnDeleteRestore OnDelete = "restore"
	OnDeleteLeave   OnDelete = "leave"
)

// RouterKind names a router, as people write it in spec.traffic.
type RouterKind string

// The routers.
const (
	RouterGateway        RouterKind = "gateway"
	RouterVirtualService RouterKind = "virtualService"
	RouterHTTPRoute      RouterKind = "httpRoute"
	RouterFields         RouterKind = "fields"
	// RouterNone is of strict plans that shift nothing: there is nothing to write
	// and nothing to read back.
	RouterNone RouterKind = "none"
)

// Kind tells which router it is.
func (r *Router) Kind() RouterKind {
	switch {
	case r.VirtualService != nil:
		return RouterVirtualService
	case r.HTTPRoute != nil:
		return RouterHTTPRoute
	case len(r.Fields) > 0:
		return RouterFields
	case r.None:
		return RouterNone
	default:
		return RouterGateway
	}
}

// RouteObject is an object of the cluster that holds routes.
type RouteObject struct {
	// Namespace is the plan's where it is empty.
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Routes are the names of the object's routes (Gateway API: rules) that
	// carry the split. Empty is every route that leads to a version.
	Routes []string `json:"routes,omitempty"`
}

// ShareField is one field of one object that holds one version's share: an
// integer of percent, or a quantity such as "500m" of one.
type ShareField struct {
	Version    int    `json:"version"`
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// Namespace is the plan's where it is empty.
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Path leads to the field from the object's root: ".spec.traffic[0].percent".
	Path string `json:"path"`
}
