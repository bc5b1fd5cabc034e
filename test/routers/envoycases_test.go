// SPDX-License-Identifier: Apache-2.0

package routers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	routepb "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
	routerkube "github.com/headgate-dev/headgate/internal/router/kube"
	"github.com/headgate-dev/headgate/internal/router/routertest"
	"github.com/headgate-dev/headgate/internal/router/virtualservice"
	"github.com/headgate-dev/headgate/test/servers"
)

// envoyRoutes writes every case of shares and rules and reads the routes that
// istiod then gives an Envoy: the weights of the clusters, the rules by header
// in their order, the copies with their fractions, and the default.
func envoyRoutes(t *testing.T, c *servers.Cluster, mesh *servers.Mesh) {
	c.Namespace(t, "search")
	c.Apply(t, service("search", "ranker", "http", 80))
	p := envoyIn(t, mesh, "search", "80")
	k := kinds()[0]
	for _, one := range routertest.Load(t, k.dir()) {
		if strings.HasPrefix(one.Name, "hostile/") {
			continue
		}
		t.Run(one.Name, func(t *testing.T) { envoyCase(t, c, p, &one) })
	}
}

func envoyCase(t *testing.T, c *servers.Cluster, p *proxy, one *routertest.Case) {
	r, err := virtualservice.New(&one.Plan)
	if err != nil {
		t.Fatal(err)
	}
	tr := &trial{c: c, one: one}
	if tr.create(t); t.Failed() {
		return
	}
	kube := routerkube.New(c.Client, c.Client, routerkube.Options{})
	for i := range one.Steps {
		if one.Steps[i].Edit != nil {
			tr.read(t)
			tr.edit(t, i)
		}
		traffic := one.Steps[i].Traffic(&one.Plan)
		if _, err := kube.Apply(t.Context(), r, traffic); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		mark := p.mark(t, tr)
		want := func(r request) met { return meantMet(one, &traffic, r.headers) }
		p.until(t, mark, func(config *routepb.RouteConfiguration) error { return wantMet(config, envoyRequests(&traffic), want) })
	}
}

// mark gives the object one more host, which nobody had: routes that have it are
// of the object as it now is.
func (p *proxy) mark(t *testing.T, tr *trial) string {
	t.Helper()
	p.marks++
	mark := fmt.Sprintf("mark-%d.example.com", p.marks)
	tr.read(t)
	hosts, _, err := unstructured.NestedStringSlice(tr.objects[0].Object, "spec", "hosts")
	if err == nil {
		err = unstructured.SetNestedStringSlice(tr.objects[0].Object, append(hosts[:1], mark), "spec", "hosts")
	}
	if err == nil {
		err = tr.c.Client.Update(t.Context(), tr.objects[0])
	}
	if err != nil {
		t.Fatal(err)
	}
	return mark
}

// envoyRequests are requests with all mixtures of headers.
func envoyRequests(traffic *router.Traffic) []request {
	var out []request
	for _, headers := range mixtures(traffic) {
		out = append(out, request{host: "ranker.search.svc.cluster.local", path: "/predict", method: "POST", headers: headers})
	}
	return out
}

// mixtures are all mixtures of the headers that the traffic knows, with values
// that it knows and one that it does not.
func mixtures(traffic *router.Traffic) []map[string]string {
	values := map[string][]string{}
	for _, o := range traffic.Overrides {
		values[strings.ToLower(o.Header)] = append(values[strings.ToLower(o.Header)], o.Value)
	}
	for _, m := range traffic.Where {
		values[m.Header] = append(values[m.Header], m.Values...)
	}
	if traffic.Cohort != "" {
		for _, v := range traffic.Versions {
			values[traffic.Cohort] = append(values[traffic.Cohort], v.Name)
		}
	}
	all := []map[string]string{{}}
	for name, known := range values {
		for _, headers := range slices.Clone(all) {
			for _, v := range append(slices.Compact(slices.Sorted(slices.Values(known))), "none of these") {
				with := map[string]string{name: v}
				for n, v := range headers {
					with[n] = v
				}
				all = append(all, with)
			}
		}
	}
	return all
}

// meantMet is what traffic means for a request, in clusters as istiod names
// them. Copies are made of what takes part, not of testers' requests.
func meantMet(one *routertest.Case, traffic *router.Traffic, headers map[string]string) met {
	out := met{To: map[string]int64{}, Copies: map[string]int64{}}
	for v, share := range meantBy(*traffic, headers) {
		if share > 0 {
			out.To[cluster(one, v)] = int64(share) * millionth / experiment.Whole
		}
	}
	if traffic.Mirror != nil && !traffic.Over && takesPart(traffic, headers) {
		for _, v := range traffic.Mirror.Versions {
			out.Copies[cluster(one, v)] = int64(traffic.Mirror.Share) * millionth / experiment.Whole
		}
	}
	if others := one.Name == "rules/copies to others stay"; others {
		out.Copies["outbound|80||audit.search.svc.cluster.local"] = millionth
	}
	return out
}

func takesPart(traffic *router.Traffic, headers map[string]string) bool {
	tester := slices.ContainsFunc(traffic.Overrides, func(o experiment.Override) bool { return headers[strings.ToLower(o.Header)] == o.Value })
	return !tester && !slices.ContainsFunc(traffic.Where, func(m router.HeaderMatch) bool {
		value, there := headers[m.Header]
		return (there && slices.Contains(m.Values, value)) == m.Not
	})
}

// cluster is istiod's name for where a version's backend leads.
func cluster(one *routertest.Case, v int) string {
	d, err := router.ParseDestination(one.Plan.Versions[v].Backend)
	if err != nil {
		panic(err) // The router has taken it.
	}
	host, port := d.Host, "80"
	if !strings.Contains(host, ".") {
		host += ".search.svc.cluster.local"
	}
	if d.Port != 0 {
		port = "8080"
	}
	return strings.Join([]string{"outbound", port, d.Subset, host}, "|")
}
