// SPDX-License-Identifier: Apache-2.0

package httproute

import (
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

const group = "gateway.networking.k8s.io"

// Gateways names the Gateways that carry a route. Parents of other kinds, such as
// the Services of a mesh, are left out: they have no class.
func Gateways(route router.Object) []router.Ref {
	parents, err := router.List(route, "spec", "parentRefs")
	if err != nil {
		return nil
	}
	var out []router.Ref
	for _, p := range parents {
		if g, ok := p["group"].(string); ok && g != group {
			continue
		}
		if k := router.Text(p, "kind"); k != "" && k != "Gateway" {
			continue
		}
		namespace := router.Text(p, "namespace")
		if namespace == "" {
			namespace = router.Text(route, "metadata", "namespace")
		}
		out = append(out, router.Ref{Group: group, Versions: []string{"v1", "v1beta1"}, Kind: "Gateway", Namespace: namespace, Name: router.Text(p, "name")})
	}
	return out
}

// Class names the GatewayClass of a Gateway, which has no namespace.
func Class(gateway router.Object) router.Ref {
	return router.Ref{
		Group: group, Versions: []string{"v1", "v1beta1"}, Kind: "GatewayClass", Name: router.Text(gateway, "spec", "gatewayClassName"),
	}
}

// Lacks reports the first thing that a plan wants and the implementation of a
// GatewayClass says that it does not do, as CodeInvalid. It is to be asked before
// anything is written: an implementation may answer every request of a rule with
// 500 for a filter that it does not know, and still call the route accepted
// (Traefik 3.6 does), so that a shadow would take the users down. A class that
// lists no features says nothing, and lacks nothing that is known.
func Lacks(p *experiment.Plan, class router.Object) error {
	list, err := router.List(class, "status", "supportedFeatures")
	if err != nil || len(list) == 0 {
		return nil
	}
	for i := range p.Stages {
		m := p.Stages[i].Mirror
		if m == nil || m.ByEvents || m.Share == 0 {
			continue
		}
		wants := []string{"HTTPRouteRequestMirror"}
		if m.Share < experiment.Whole {
			wants = append(wants, "HTTPRouteRequestPercentageMirror")
		}
		if len(p.Versions) > 2 {
			wants = append(wants, "HTTPRouteRequestMultipleMirrors")
		}
		for _, feature := range wants {
			if !slices.ContainsFunc(list, func(f map[string]any) bool { return router.Text(f, "name") == feature }) {
				return experiment.Errorf(experiment.CodeInvalid, "stage %s: GatewayClass %s does not list %s, which copies of requests need", p.Stages[i].Name, router.Text(class, "metadata", "name"), feature).
					WithHint("leave the mirror stage out, or let another implementation or Headgate's gateway carry the traffic")
			}
		}
	}
	return nil
}
