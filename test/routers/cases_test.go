// SPDX-License-Identifier: Apache-2.0

package routers_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
	"github.com/headgate-dev/headgate/internal/router/fields"
	"github.com/headgate-dev/headgate/internal/router/httproute"
	"github.com/headgate-dev/headgate/internal/router/routertest"
	"github.com/headgate-dev/headgate/internal/router/virtualservice"
	"github.com/headgate-dev/headgate/test/servers"
)

// kind is one of the routers that write objects.
type kind struct {
	name experiment.RouterKind
	make routertest.Make
}

func kinds() []kind {
	return []kind{
		{experiment.RouterVirtualService, func(p *experiment.Plan) (router.Router, error) { return virtualservice.New(p) }},
		{experiment.RouterHTTPRoute, func(p *experiment.Plan) (router.Router, error) { return httproute.New(p) }},
		{experiment.RouterFields, func(p *experiment.Plan) (router.Router, error) { return fields.New(p) }},
	}
}

// dir holds the router's cases.
func (k kind) dir() fs.FS {
	return os.DirFS(filepath.Join("..", "..", "internal", "router", strings.ToLower(string(k.name)), "testdata"))
}

// stack is what is installed while cases run.
type stack struct {
	name string
	crds []*servers.CRD
}

// stacks are the sets of definitions under which cases run, for each router one
// after the other.
func stacks(t *testing.T, k kind) []stack {
	t.Helper()
	switch k.name {
	case experiment.RouterVirtualService:
		return []stack{{"istio", servers.IstioCRDs(t, "virtualservices.networking.istio.io")}}
	case experiment.RouterHTTPRoute:
		const name = "httproutes.gateway.networking.k8s.io"
		return []stack{{"standard", servers.GatewayAPICRDs(t, name)}, {"experimental", experimentalCRDs(t, name)}}
	}
	out := []stack{
		{"knative", servers.KnativeCRDs(t, "services.serving.knative.dev", "routes.serving.knative.dev")},
		{"stand-ins", []*servers.CRD{
			standIn("things.example.com", "Thing", "v1"), standIn("llminferenceservices.serving.kserve.io", "LLMInferenceService", "v1alpha2"),
		}},
	}
	for _, file := range servers.GivenCRDFiles(t) {
		crds := slices.DeleteFunc(servers.CRDsOf(t, file), func(crd *servers.CRD) bool { return !slices.Contains(splitKinds, crd.GetName()) })
		out = append(out, stack{strings.TrimSuffix(filepath.Base(file), ".yaml"), crds})
	}
	return out
}

// splitKinds are the definitions of given files whose objects hold shares. The
// others are not installed: each costs the API server memory.
var splitKinds = []string{
	"inferenceservices.serving.kserve.io", "inferenceservices.serving.kubeflow.org", "inferencegraphs.serving.kserve.io",
	"seldondeployments.machinelearning.seldon.io", "experiments.mlops.seldon.io", "trafficsplits.split.smi-spec.io",
}

// unreal are cases that no real server can have, and why. They are run without
// one by the routers' own tests.
var unreal = map[string]string{
	"fields/hostile/another kind than asked for": "the server gives an object of the kind that was asked for, or none",
}

// refused are inputs that a stack's own definition refuses or does not know, by
// stack and case, with what the server says of them.
var refused = map[string]string{
	"standard/hostile/filters that would be lost where sessions persist": `unknown field "spec.rules[0].sessionPersistence"`,
}

// TestCasesOnARealServer has every case of every router written to an API
// server with the stack's definitions: what the server then holds is what the
// case says, a second writing changes nothing, and the way back leads back.
func TestCasesOnARealServer(t *testing.T) {
	c := servers.APIServer(t)
	for _, ns := range []string{"search", "edge"} {
		c.Namespace(t, ns)
	}
	for _, k := range kinds() {
		t.Run(string(k.name), func(t *testing.T) { everyCase(t, c, k) })
	}
}

func everyCase(t *testing.T, c *servers.Cluster, k kind) {
	goldens, cases := results(t, k), routertest.Load(t, k.dir())
	done := make(map[string]bool)
	for _, s := range stacks(t, k) {
		c.Install(t, s.crds...)
		served := []schema.GroupVersionKind{{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"}}
		for _, crd := range s.crds {
			served = append(served, servers.Served(crd)...)
		}
		for _, one := range cases {
			if !runsOn(&one, served) || unreal[string(k.name)+"/"+one.Name] != "" {
				continue
			}
			done[one.Name] = true
			t.Run(s.name+"/"+one.Name, func(t *testing.T) {
				tr := &trial{c: c, kind: k, one: &one, golden: goldens[one.Name], refusal: refused[s.name+"/"+one.Name]}
				tr.run(t)
			})
		}
		c.Uninstall(t, s.crds...)
	}
	for _, one := range cases {
		why := unreal[string(k.name)+"/"+one.Name]
		switch {
		case done[one.Name]:
		case why != "":
			t.Logf("%s: left out, for %s", one.Name, why)
		case os.Getenv("HEADGATE_CRDS") == "":
			t.Logf("%s: left out, for HEADGATE_CRDS is not set", one.Name)
		default:
			t.Errorf("%s: no stack serves its objects", one.Name)
		}
	}
	t.Logf("%d of %d cases", len(done), len(cases))
}

// runsOn reports whether the server serves all objects of a case, in the
// versions in which the case gives them.
func runsOn(one *routertest.Case, served []schema.GroupVersionKind) bool {
	return !slices.ContainsFunc(one.Objects, func(o router.Object) bool {
		return !slices.Contains(served, schema.FromAPIVersionAndKind(router.Text(o, "apiVersion"), router.Text(o, "kind")))
	})
}
