// SPDX-License-Identifier: Apache-2.0

package pack

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
)

var update = flag.Bool("update", false, "rewrite golden files")

// planFor is a plan that a pack fits.
func planFor(name string) *experiment.Plan {
	p := &experiment.Plan{
		Namespace: "search", Name: "ranker", Window: time.Minute,
		Versions: []experiment.Version{{Name: "v1", Workload: "ranker-v1"}, {Name: "v2", Workload: "ranker-v2"}},
		Metrics: []experiment.Metric{
			{Name: "errors", Builtin: &experiment.BuiltinMetric{Kind: experiment.ErrorRate}},
			{Name: "p99", Builtin: &experiment.BuiltinMetric{Kind: experiment.Latency, Quantile: .99, Limit: 250 * time.Millisecond}},
		},
	}
	backend := "ranker-%s:8080"
	switch name {
	case "headgate":
		backend = "http://ranker-%s"
	case "istio", "istio-source", "istio-waypoint":
		p.Router.VirtualService = &experiment.RouteObject{Name: "ranker"}
		backend = "ranker.search.svc.cluster.local:8080/%s"
	default:
		p.Router.HTTPRoute = &experiment.RouteObject{Name: "ranker"}
	}
	for i := range p.Versions {
		p.Versions[i].Backend = fmt.Sprintf(backend, p.Versions[i].Name)
	}
	return p
}

// golden compares a text with a file, or rewrites the file.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s, rewrite with -update (-want +got):\n%s", path, d)
	}
}

// show writes down what a pack asks of a plan's candidate.
func show(t *testing.T, name string) string {
	t.Helper()
	p := planFor(name)
	k, err := For(p, name, Options{})
	if err != nil {
		t.Fatal(err)
	}
	slow, err := k.Exceedance(250 * time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	const v = 1
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\nSeen from %s.\n\n", name, k.Sees)
	kind := "by default"
	if k.Fixed {
		kind = "always"
	}
	var bounds []string
	for _, bound := range k.Bounds {
		bounds = append(bounds, time.Duration(bound*float64(k.Unit)).String())
	}
	fmt.Fprintf(&b, "Buckets end, %s, at %s; the series are in units of %v.\n\n", kind, strings.Join(bounds, ", "), k.Unit)
	fmt.Fprintf(&b, "```promql\n# requests\n%s\n", k.Total[v])
	fmt.Fprintf(&b, "# failed requests\n%s\n", strings.ReplaceAll(k.Events[v], " or ", "\nor "))
	fmt.Fprintf(&b, "# requests by time to answer; above a limit of 250 ms is all less le=%q\n%s\n", fmt.Sprint(slow.Limit), slow.Buckets[v])
	fmt.Fprintf(&b, "# mean time to answer\n%s\n%s\n", k.Sum[v], k.Count[v])
	b.WriteString("```\n")
	return b.String()
}

func TestTheDocumentSaysWhatPacksAsk(t *testing.T) {
	path := filepath.Join("..", "..", "..", "docs", "reference", "metrics.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- packs: written by go test ./internal/router/pack -update -->\n", "<!-- end of packs -->"
	before, rest, ok := strings.Cut(string(page), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the page has no place for the packs")
	}
	var b strings.Builder
	for _, name := range Names() {
		b.WriteString("\n" + show(t, name))
	}
	k, err := For(planFor("istio"), "istio", Options{})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "\n### Deployments, with every pack\n\nBy kube-state-metrics, for versions that name a `workload`.\n\n```promql\n# ready replicas\n%s\n# restarts within a window\n%s\n```\n\n", k.Ready[1], k.Restarts[1])
	golden(t, path, before+begin+b.String()+end+after)
}

func TestPacksChosenByTheRouter(t *testing.T) {
	for plan, want := range map[string]string{"istio": "istio", "headgate": "headgate"} {
		if k, err := For(planFor(plan), "", Options{}); err != nil || k.Name != want {
			t.Errorf("%s: %s, %v", plan, k.Name, err)
		}
	}
	if _, err := For(planFor("traefik"), "", Options{}); experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(experiment.HintOf(err), "contour, envoy-gateway") {
		t.Error(err, experiment.HintOf(err))
	}
}

func TestVersionsAreToldApart(t *testing.T) {
	for name, tc := range map[string]struct {
		pack   string
		change func(*experiment.Plan)
		want   string // a part of the candidate's selector, or of the error
		fails  bool
	}{
		"by workload": {"istio", func(*experiment.Plan) {}, `destination_workload_namespace="search",destination_workload="ranker-v2"`, false},
		"by a Service of its own": {"istio", func(p *experiment.Plan) {
			for i := range p.Versions {
				p.Versions[i].Workload, p.Versions[i].Backend = "", "ranker-"+p.Versions[i].Name
			}
		}, `destination_service_namespace="search",destination_service_name="ranker-v2"`, false},
		"by a Service of another namespace": {"istio", func(p *experiment.Plan) {
			p.Versions[1].Workload, p.Versions[1].Backend = "", "ranker.other.svc.cluster.local"
		}, `destination_service_namespace="other",destination_service_name="ranker"`, false},
		"by its Service, as callers know it": {"istio-source", func(p *experiment.Plan) {
			for i := range p.Versions {
				p.Versions[i].Backend = "ranker-" + p.Versions[i].Name
			}
		}, `reporter="source",destination_service_namespace="search",destination_service_name="ranker-v2"`, false},
		"by a host outside of the cluster": {"istio-source", func(p *experiment.Plan) {
			p.Versions[1].Workload, p.Versions[1].Backend = "", "models.example.com"
		}, `reporter="source",destination_service="models.example.com"`, false},
		"not by subset": {"istio", func(p *experiment.Plan) { p.Versions[1].Workload = "" }, "nothing tells version v2 apart", true},
		"not by the same Service": {"traefik", func(p *experiment.Plan) {
			p.Versions[1].Backend = p.Versions[0].Backend
		}, "v1 and v2 have the same series", true},
		"not without a port":              {"traefik", func(p *experiment.Plan) { p.Versions[1].Backend = "ranker-v2" }, "has no port", true},
		"by the names that Traefik makes": {"traefik", func(p *experiment.Plan) { p.Versions[1].Backend = "other/ranker-v2:80" }, `service=~"other-ranker-v2-((http|grpc)-)?80@kubernetesgateway"`, false},
		"by Contour's":                    {"contour", func(*experiment.Plan) {}, `envoy_cluster_name=~"search_ranker-v2_8080(_[0-9a-f]+)?"`, false},
		"by place in the route":           {"envoy-gateway", func(*experiment.Plan) {}, `envoy_cluster_name=~"httproute/search/ranker/rule/[0-9]+/backend/1"`, false},
		"of another router":               {"headgate", func(p *experiment.Plan) { p.Router.HTTPRoute = &experiment.RouteObject{} }, "does not belong to the httpRoute router", true},
		"a pack that is none":             {"linkerd", func(*experiment.Plan) {}, `no metric pack is called "linkerd"`, true},
		"a backend that is none":          {"traefik", func(p *experiment.Plan) { p.Versions[1].Backend = "A B" }, "version v2: backend", true},
	} {
		t.Run(name, func(t *testing.T) {
			p := planFor(tc.pack)
			tc.change(p)
			k, err := For(p, tc.pack, Options{})
			got := fmt.Sprint(err)
			if err == nil {
				got = k.Total[1]
			}
			if (err != nil) != tc.fails || !strings.Contains(got, tc.want) {
				t.Errorf("%s", got)
			}
		})
	}
}

func TestOrderOfBackends(t *testing.T) {
	k, err := For(planFor("envoy-gateway"), "envoy-gateway", Options{Order: []int{3, 1}})
	if err != nil || !strings.Contains(k.Total[0], "/backend/3") || !strings.Contains(k.Total[1], "/backend/1") {
		t.Error(k.Total, err)
	}
	if _, err := For(planFor("envoy-gateway"), "envoy-gateway", Options{Order: []int{1}}); err == nil {
		t.Error("one place for two versions")
	}
}

func TestLimitsAreBounds(t *testing.T) {
	k, err := For(planFor("headgate"), "headgate", Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range k.Bounds {
		limit := time.Duration(b * float64(time.Second))
		if q, err := k.Exceedance(limit); err != nil || q.Limit != b {
			t.Errorf("%v: %v, %v", limit, q.Limit, err)
		}
	}
	if _, err := k.Exceedance(300 * time.Millisecond); experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(experiment.HintOf(err), "250ms or 500ms") {
		t.Error(err, experiment.HintOf(err))
	}
	p := planFor("headgate")
	p.Metrics[1].Builtin.Limit = 300 * time.Millisecond
	if _, err := k.Reads(p); err == nil || !strings.Contains(err.Error(), "metric p99: ") {
		t.Error(err)
	}
	// Others' bounds can be set by people, in milliseconds here.
	k, err = For(planFor("istio"), "istio", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if q, err := k.Exceedance(300 * time.Millisecond); err != nil || q.Limit != 300 {
		t.Error(q.Limit, err)
	}
}

func TestNearest(t *testing.T) {
	bounds := []float64{5, 1, 2}
	for limit, want := range map[float64][]float64{.5: {1}, 1.5: {1, 2}, 9: {5}} {
		if got := Nearest(bounds, limit); !cmp.Equal(got, want) {
			t.Errorf("%v: %v", limit, got)
		}
	}
}

func TestReads(t *testing.T) {
	p := planFor("istio")
	k, err := For(p, "istio", Options{})
	if err != nil {
		t.Fatal(err)
	}
	reads, err := k.Reads(p)
	if err != nil {
		t.Fatal(err)
	}
	want := []Read{
		{Cell: experiment.CellRequests, Query: experiment.PrometheusQuery{Events: k.Events, Total: k.Total}},
		{Cell: "p99", Kind: experiment.Latency, Query: experiment.PrometheusQuery{Buckets: k.Buckets, Limit: 250}},
	}
	if d := cmp.Diff(want, reads); d != "" {
		t.Error(d)
	}
	for kind, want := range map[experiment.BuiltinKind]Read{
		experiment.MeanLatency:   {Query: experiment.PrometheusQuery{Sum: k.Sum, Count: k.Count}, Scale: .001}, // Istio counts milliseconds.
		experiment.RequestRate:   {Query: experiment.PrometheusQuery{Query: []string{"sum(rate(" + k.Total[0] + "[60000ms]))", "sum(rate(" + k.Total[1] + "[60000ms]))"}}},
		experiment.ReadyReplicas: {Query: experiment.PrometheusQuery{Query: k.Ready}},
		experiment.Restarts:      {Query: experiment.PrometheusQuery{Query: k.Restarts}},
	} {
		p.Metrics = []experiment.Metric{{Name: "m", Builtin: &experiment.BuiltinMetric{Kind: kind}}}
		want.Cell, want.Kind = "m", kind
		if reads, err := k.Reads(p); err != nil || len(reads) != 2 || !cmp.Equal(want, reads[1]) {
			t.Errorf("%s: %v\n%s", kind, err, cmp.Diff(want, reads[len(reads)-1]))
		}
	}
	if m := k.MeanLatency(); !cmp.Equal(m.Sum, k.Sum) || !cmp.Equal(m.Count, k.Count) {
		t.Error(m)
	}
	p.Versions[1].Workload = ""
	p.Versions[1].Backend = "ranker-v2"
	if k, err = For(p, "istio", Options{}); err != nil || k.Ready[1] != "" || k.Restarts[0] == "" {
		t.Error(k.Ready, k.Restarts, err)
	}
}
