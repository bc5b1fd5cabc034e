// SPDX-License-Identifier: Apache-2.0

package admission_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/headgate-dev/headgate/test/servers"
)

// exporter counts requests of the baseline as Istio does, without the bucket that the objective
// asks for until it is told.
type exporter struct {
	began time.Time
	whole atomic.Bool
}

func (e *exporter) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	served := map[string]int{"bucket-v1": int(time.Since(e.began).Seconds() * 100), "bucket-v2": 0}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	fmt.Fprintln(w, "# TYPE istio_requests_total counter")
	fmt.Fprintln(w, "# TYPE istio_request_duration_milliseconds histogram")
	for host, n := range served {
		labels := fmt.Sprintf(`reporter="destination",destination_service_namespace="search",destination_service_name=%q,destination_service="%s.search.svc.cluster.local",response_code="200"`, host, host)
		fmt.Fprintf(w, "istio_requests_total{%s} %d\n", labels, n)
		for _, le := range []string{"100", "250", "+Inf"} {
			if le != "250" || e.whole.Load() {
				fmt.Fprintf(w, "istio_request_duration_milliseconds_bucket{%s,le=%q} %d\n", labels, le, n)
			}
		}
		fmt.Fprintf(w, "istio_request_duration_milliseconds_sum{%s} %d\n", labels, 20*n)
		fmt.Fprintf(w, "istio_request_duration_milliseconds_count{%s} %d\n", labels, n)
	}
}

// serve answers at an address with what another one says.
func serve(t *testing.T, at, with string) {
	t.Helper()
	behind, err := url.Parse(with)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: httputil.NewSingleHostReverseProxy(behind), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }() // Until it is closed.
	t.Cleanup(func() { _ = server.Close() })
}

// unheard has providers fail one way after the other, before a real Prometheus.
func (s *site) unheard(t *testing.T) {
	e := &exporter{began: time.Now().Add(-time.Minute)}
	target := httptest.NewServer(e)
	t.Cleanup(target.Close)
	prometheus := servers.Prometheus(t, fmt.Sprintf("global: {scrape_interval: 500ms, scrape_timeout: 400ms}\nscrape_configs:\n- job_name: mesh\n  static_configs: [{targets: [%q]}]\n", strings.TrimPrefix(target.URL, "http://")))
	at := servers.FreeAddr(t) // Nobody answers there yet.
	s.Apply(t, routeOf("search", "bucket", "bucket-v2"))
	s.Apply(t, experimentOf{
		name: "bucket", providers: provider("http://"+at, ", token: {name: token, key: token}"),
		metrics: `[{name: errors, from: {builtin: error-rate}}, {name: p99, from: {builtin: latency, quantile: "0.99"}}]`,
		more:    "  guardrails: []\n",
	}.String())
	patch(t, s, "search", "bucket", `{"spec": {"objectives": [{"metric": "errors", "max": "5%"}, {"metric": "p99", "max": "250ms"}]}}`)
	for _, x := range []struct {
		words []string
		mend  func()
	}{
		{[]string{`secret search/token`, "not found"}, func() {
			s.Apply(t, `{apiVersion: v1, kind: Secret, metadata: {name: token, namespace: search}, stringData: {other: secret}}`)
		}},
		{[]string{`secret search/token has no key "token"`}, func() {
			s.Apply(t, `{apiVersion: v1, kind: Secret, metadata: {name: token, namespace: search}, stringData: {token: secret}}`)
		}},
		{[]string{at, "connection refused"}, func() {
			serve(t, at, prometheus)
		}},
		{[]string{"no bucket ends at 250", "above 100"}, func() { e.whole.Store(true) }},
	} {
		u := s.await(t, "search", "bucket", fmt.Sprintf("without evidence: %q", x.words), heals, func(u *unstructured.Unstructured) bool {
			_, _, message := condition(u, "EvidenceUnavailable")
			return is("EvidenceUnavailable", "")(u) && holds(message, x.words)
		})
		_, reason, message := condition(u, "EvidenceUnavailable")
		ready, _, _ := condition(u, "Ready")
		t.Logf("Ready %s, %s: %s", ready, reason, message)
		x.mend()
	}
	began := time.Now()
	s.await(t, "search", "bucket", "heard", heals, func(u *unstructured.Unstructured) bool {
		down, _, _ := condition(u, "EvidenceUnavailable")
		return down == "" && is("Ready", "")(u)
	})
	t.Logf("mended after %v", time.Since(began).Round(100*time.Millisecond))
	s.breaks(t, "bucket")
}

// breaks makes the spec of an experiment wrong while a candidate has traffic: the
// plan in force goes on, and the way back waits for nobody.
func (s *site) breaks(t *testing.T, name string) {
	t.Helper()
	shares := func(want string) bool {
		return eventually(t.Context(), heals, func(context.Context) bool {
			routes, _, _ := unstructured.NestedSlice(s.object(t, virtualServiceKind, "search", name).Object, "spec", "http")
			return strings.Contains(fmt.Sprint(routes), "weight:"+want+"]")
		})
	}
	if !shares("10") {
		t.Fatal("the candidate got no traffic")
	}
	patch(t, s, "search", name, `{"spec": {"objectives": [{"metric": "nobody", "max": "5%"}, {"metric": "p99", "max": "250ms"}]}}`)
	u := s.await(t, "search", name, "stalled", heals, is("Stalled", "InvalidSpec"))
	if _, _, message := condition(u, "Stalled"); !strings.HasPrefix(message, "spec.objectives[0].metric: no such metric") {
		t.Errorf("it says %q", message)
	}
	if !shares("10") {
		t.Error("a wrong spec took the traffic away")
	}
	// It is milliseconds, on a machine that has nothing else to do.
	const soon = 15 * time.Second
	began := time.Now()
	patch(t, s, "search", name, `{"spec": {"control": {"verb": "abort", "reason": "it was a mistake"}}}`)
	if !shares("100") || time.Since(began) > soon {
		t.Errorf("back after %v, with a wrong spec", time.Since(began))
	}
}
