// SPDX-License-Identifier: Apache-2.0

package routers_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/router/routertest"
	"github.com/headgate-dev/headgate/test/servers"
)

var update = flag.Bool("update", false, "rewrite golden files")

const (
	reference = "../../docs/reference/tested-with.md"
	begins    = "<!-- tested: written by go test ./routers -update in test/ -->\n"
	ends      = "<!-- end of tested -->\n"
)

// The ways in which a stack was driven, as the reference explains them.
const (
	forReal    = "driven for real"
	readOnly   = "routes read"
	schemaOnly = "schema only"
	standsIn   = "stand-in"
)

// tested is one row: what carries a router's traffic, and what was seen of it.
type tested struct {
	router, stack, how, asserted string
	by                           func(*testing.T)
}

// TestReferenceSaysWhatWasTested keeps the table of docs/reference/tested-with.md
// in step with the tests, their cases and the versions that the tool modules pin.
func TestReferenceSaysWhatWasTested(t *testing.T) {
	var table strings.Builder
	table.WriteString("\n| router | stack | how | what was asserted | by |\n|---|---|---|---|---|\n")
	for _, row := range rows(t) {
		name := runtime.FuncForPC(reflect.ValueOf(row.by).Pointer()).Name()
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s | `%s` |\n", row.router, row.stack, row.how, row.asserted, name[strings.LastIndexByte(name, '.')+1:])
	}
	table.WriteString("\n")

	have, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(have), begins)
	_, after, ok2 := strings.Cut(rest, ends)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", reference)
	}
	want := before + begins + table.String() + ends + after
	if *update {
		if err := os.WriteFile(reference, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(want, string(have)); d != "" {
		t.Errorf("%s is stale, run go test ./routers -run TestReferenceSaysWhatWasTested -update (-want +have):\n%s", reference, d)
	}
}

func rows(t *testing.T) []tested {
	t.Helper()
	cases := map[string]string{}
	for _, k := range kinds() {
		all, steps := routertest.Load(t, k.dir()), 0
		for _, one := range all {
			steps += len(one.Steps)
		}
		cases[string(k.name)] = fmt.Sprintf("%d cases with %d steps: refused, or written and then what the case says; a second writing writes nothing; the kill", len(all), steps)
	}
	api := "API server " + pinned(t, "apiserver", "k8s.io/kubernetes")
	istioAPI, gatewayAPI := pinned(t, "crds", "istio.io/api"), pinned(t, "crds", "sigs.k8s.io/gateway-api")
	istiod := fmt.Sprintf("istiod (API %s, control plane at %s)", istioAPI, commit(pinned(t, "istiod", "istio.io/istio")))
	ramp := fmt.Sprintf("0 → 10 → 50 → 100 %% and the kill, %d requests each: none failed, none sent again, ", callsPerStep)
	headers := "cohorts, testers and stages for some: every request got its version"
	out := []tested{
		{"virtualService", api + ", Istio's definition " + istioAPI, schemaOnly, cases["virtualService"], TestCasesOnARealServer},
		{
			"virtualService", istiod + " with gRPC clients " + pinned(t, "..", "google.golang.org/grpc"), forReal,
			ramp + fmt.Sprintf("the candidate's count within the exact binomial bound of %.0e; shares changed and killed under load; ", unlikely) + headers, TestIstiodServesTheVirtualService,
		},
		{
			"virtualService", istiod + " as it would tell an Envoy", readOnly,
			"all cases of shares and rules: weights of clusters, header rules in their order, copies with their fractions, the default", TestIstiodServesTheVirtualService,
		},
		{"httpRoute", api + ", Gateway API " + gatewayAPI + ", standard and experimental", schemaOnly, cases["httpRoute"], TestCasesOnARealServer},
		{
			"httpRoute", "Traefik " + pinned(t, "traefik", "github.com/traefik/traefik/v3"), forReal,
			ramp + "exact counts; accepted at the newest generation; no reference at 0 %; shares changed and killed under load; " + headers + "; all cases of shares and rules without copies, by requests with every mixture of their headers; a plan with copies refused", TestTraefikServesTheHTTPRoute,
		},
		{"fields", api + ": Ingress, with the annotation of NGINX", schemaOnly, cases["fields"] + "; here and in all rows below", TestCasesOnARealServer},
		{"fields", "Knative Serving " + pinned(t, "crds", "knative.dev/serving") + ": Service, Route", schemaOnly, "as above; the status is the test's", TestCasesOnARealServer},
	}
	for _, g := range given(t) {
		out = append(out, tested{"fields", g.stack, schemaOnly, "as above" + g.status, TestCasesOnARealServer})
	}
	return append(out, tested{"fields", "KServe: LLMInferenceService; kinds that nobody knows", standsIn, "as above, with a definition that takes everything", TestCasesOnARealServer})
}

// givenStack is a stack whose definitions HEADGATE_CRDS has.
type givenStack struct{ file, stack, status string }

// given are those stacks. Where the folder is there, it must hold exactly them.
func given(t *testing.T) []givenStack {
	t.Helper()
	all := []givenStack{
		{"kserve-v0.20.0", "KServe v0.20.0: InferenceService, InferenceGraph", "; the status is the test's"},
		{"kfserving-v0.6.1", "KFServing v0.6.1: InferenceService", ""},
		{"seldondeployment-v1.17.1", "Seldon Core v1.17.1: SeldonDeployment", ""},
		{"seldonv2-experiment-v2.6.0", "Seldon Core v2.6.0: Experiment", ""},
		{"trafficsplit-linkerd-smi", "Linkerd's SMI extension: TrafficSplit v1alpha1, v1alpha2", ""},
		{"trafficsplit-smi-0.5.0", "SMI SDK v0.5.0: TrafficSplit v1alpha4", ""},
	}
	files := servers.GivenCRDFiles(t)
	have := map[string]bool{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		if have[name] = true; strings.HasPrefix(name, "iter8-") {
			continue // Nothing that carries traffic.
		}
		if !strings.Contains(fmt.Sprint(all), name) {
			t.Errorf("%s is in HEADGATE_CRDS and not in the table", name)
		}
	}
	for _, g := range all {
		if len(files) > 0 && !have[g.file] {
			t.Errorf("%s is in the table and not in HEADGATE_CRDS", g.file)
		}
	}
	return all
}

// pinned is the version of a module that a tool module asks for, or of what it
// puts in its place.
func pinned(t *testing.T, tool, module string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "servers", tool, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{`(?m)^\s*(?:replace )?%[1]s(?: v\S+)? => %[1]s (v\S+)`, `(?m)^\s*(?:require )?%s (v\S+)`} {
		if m := regexp.MustCompile(fmt.Sprintf(form, regexp.QuoteMeta(module))).FindSubmatch(text); m != nil {
			return string(m[1])
		}
	}
	t.Fatalf("no version of %s in the go.mod of %s", module, tool)
	return ""
}

// commit is the end of a version that names a commit.
func commit(version string) string { return version[strings.LastIndexByte(version, '-')+1:] }
