// SPDX-License-Identifier: Apache-2.0

package httproute

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

func TestGatewaysAreThoseOfTheParents(t *testing.T) {
	route, err := router.Decode([]byte(`{"metadata": {"namespace": "search"}, "spec": {"parentRefs": [
		{"name": "web"},
		{"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "edge", "name": "public", "sectionName": "https"},
		{"group": "", "kind": "Service", "name": "ranker"},
		{"kind": "ListenerSet", "name": "more"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, g := range Gateways(route) {
		got = append(got, g.Kind+" "+g.Namespace+"/"+g.Name)
	}
	if d := cmp.Diff([]string{"Gateway search/web", "Gateway edge/public"}, got); d != "" {
		t.Error(d)
	}
	if c := Class(router.Object{"spec": map[string]any{"gatewayClassName": "traefik"}}); c.Kind != "GatewayClass" || c.Name != "traefik" || c.Namespace != "" {
		t.Errorf("class %+v", c)
	}
}

func TestWhatAnImplementationLacksIsRefused(t *testing.T) {
	mirrored := func(share experiment.Share, byEvents bool) experiment.Stage {
		return experiment.Stage{Name: "shadow", Mirror: &experiment.Mirror{Share: share, ByEvents: byEvents}}
	}
	for name, tc := range map[string]struct {
		stage    experiment.Stage
		versions int
		features []string
		lacks    string
	}{
		"no copies are wanted":            {experiment.Stage{Name: "ab"}, 2, []string{"HTTPRoute"}, ""},
		"others send the copies":          {mirrored(100, true), 2, []string{"HTTPRoute"}, ""},
		"the class says nothing":          {mirrored(100, false), 2, nil, ""},
		"no copies at all":                {mirrored(experiment.Whole, false), 2, []string{"HTTPRoute"}, "HTTPRouteRequestMirror"},
		"copies of everything":            {mirrored(experiment.Whole, false), 2, []string{"HTTPRouteRequestMirror"}, ""},
		"copies of everything or nothing": {mirrored(100, false), 2, []string{"HTTPRouteRequestMirror"}, "HTTPRouteRequestPercentageMirror"},
		"copies of a part":                {mirrored(100, false), 2, []string{"HTTPRouteRequestMirror", "HTTPRouteRequestPercentageMirror"}, ""},
		"copies to one":                   {mirrored(experiment.Whole, false), 3, []string{"HTTPRouteRequestMirror"}, "HTTPRouteRequestMultipleMirrors"},
		"copies to several":               {mirrored(experiment.Whole, false), 3, []string{"HTTPRouteRequestMirror", "HTTPRouteRequestMultipleMirrors"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var features []any
			for _, f := range tc.features {
				features = append(features, map[string]any{"name": f})
			}
			class := router.Object{"metadata": map[string]any{"name": "traefik"}, "status": map[string]any{"supportedFeatures": features}}
			err := Lacks(&experiment.Plan{Versions: make([]experiment.Version, tc.versions), Stages: []experiment.Stage{tc.stage}}, class)
			switch {
			case tc.lacks == "" && err != nil:
				t.Error(err)
			case tc.lacks != "" && (experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(err.Error(), "list "+tc.lacks+",")):
				t.Errorf("%v, want it to name %s", err, tc.lacks)
			}
		})
	}
}
