// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

func TestWriters(t *testing.T) {
	o := object(t, `{
		"metadata": {"annotations": {"a/b": "1"}, "managedFields": [
			{"manager": "kubectl", "operation": "Update", "time": "2026-03-01T12:00:00Z", "fieldsV1": {"f:spec": {".": {}, "f:hosts": {}, "f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {"f:weight": {}}}}}},
			{"manager": "argocd", "operation": "Apply", "time": "2026-03-01T12:00:05Z", "fieldsV1": {"f:metadata": {"f:annotations": {"f:a/b": {}}}, "f:spec": {"f:http": {}}}},
			{"manager": "istiod", "operation": "Update", "subresource": "status", "time": "2026-03-01T12:00:09Z", "fieldsV1": {"f:status": {"f:conditions": {}}}},
			{"manager": "headgate-controller", "operation": "Update", "time": "2026-03-01T12:00:07Z", "fieldsV1": {"f:spec": {"f:http": {}, "f:set": {"v:\"x\"": {}}, "f:places": {"i:1": {}}}}},
			{"manager": "broken", "operation": "Update", "time": "2026-03-01T12:00:08Z"}
		]},
		"spec": {"hosts": ["h"], "http": [{"route": [{"weight": 1}]}], "set": ["y", "x"], "places": [1, 2],
			"ports": [{"port": 80, "protocol": "UDP", "weight": 1}, {"port": 80, "protocol": "TCP", "weight": 2}]}}`)
	for name, tc := range map[string]struct {
		pointers, want string
	}{
		"a list without keys, latest first": {"/spec/http/0/route/0/weight", "headgate-controller argocd"},
		"all below a place":                 {"/spec", "headgate-controller argocd kubectl"},
		"an annotation":                     {"/metadata/annotations/a~1b", "argocd"},
		"an element by its keys":            {"/spec/ports/1/weight", "kubectl"},
		"another element":                   {"/spec/ports/0/weight", ""},
		"an element by its value":           {"/spec/set/1", "headgate-controller"},
		"another value":                     {"/spec/set/0", ""},
		"an element by its index":           {"/spec/places/1", "headgate-controller"},
		"several places":                    {"/spec/set/1 /spec/hosts", "headgate-controller kubectl"},
		"nobody's":                          {"/spec/gateways", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := strings.Join(Writers(o, strings.Fields(tc.pointers)), " "); got != tc.want {
				t.Errorf("writers %q, want %q", got, tc.want)
			}
		})
	}
	for _, o := range []string{`{}`, `{"metadata":{"managedFields":"x"}}`, `{"metadata":{"managedFields":[{"fieldsV1":{"f:spec":1}},null]}}`} {
		if got := Writers(object(t, o), []string{"/spec/a"}); len(got) > 0 {
			t.Errorf("%s: writers %q", o, got)
		}
	}
}

// TestLeaseNames pins names that controllers of other versions must find.
func TestLeaseNames(t *testing.T) {
	name := func(group, kind, ns, n, pointer string) string {
		return LeaseName(schema.GroupKind{Group: group, Kind: kind}, types.NamespacedName{Namespace: ns, Name: n}, beforeList(pointer))
	}
	first := name("networking.istio.io", "VirtualService", "search", "ranker", "/spec/http")
	if want := "headgate-route-cdbd28056b486d5f92421ddb58d25b9e"; first != want {
		t.Errorf("the name is %s, was %s", first, want)
	}
	if got := name("networking.istio.io", "VirtualService", "search", "ranker", "/spec/http/1/route/0/weight"); got != first {
		t.Errorf("a place in the list has a lease of its own, %s", got)
	}
	seen := map[string]bool{first: true}
	for _, other := range []string{
		name("networking.istio.io", "VirtualService", "search", "ranker", "/spec/tcp"),
		name("networking.istio.io", "VirtualService", "search", "ranker2", "/spec/http"),
		name("networking.istio.io", "VirtualService", "searc", "hranker", "/spec/http"),
		name("networking.istio.io", "VirtualServic", "esearch", "ranker", "/spec/http"),
		name("serving.knative.dev", "Service", "search", "ranker", "/spec/http"),
		name("serving.kserve.io", "InferenceService", "search", "ranker", "/spec/predictor/canaryTrafficPercent"),
	} {
		if seen[other] || len(other) > 63 {
			t.Errorf("the name %s is taken or too long", other)
		}
		seen[other] = true
	}
}

// FuzzDecodeOriginal never panics, and what it takes can be put back.
func FuzzDecodeOriginal(f *testing.F) {
	f.Add([]byte(`{"version":1,"objects":[{"apiVersion":"v1","kind":"K","name":"n","places":[{"path":"/spec/l/0/w","value":3,"around":"00"},{"path":"/spec/a","absent":true}]}]}`))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte(`{"version":1,"objects":[null]}`))
	f.Add([]byte(`{"version":1,"objects":[{"places":null}]} x`))
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := decodeOriginal(text)
		if err != nil {
			if experiment.CodeOf(err) != experiment.CodeInvalid {
				t.Errorf("error %v is not invalid", err)
			}
			return
		}
		for _, one := range o.Objects {
			var owned []string
			for _, p := range one.Places {
				owned = append(owned, p.Path)
			}
			putBack(router.Object{"apiVersion": one.APIVersion, "spec": map[string]any{"l": []any{map[string]any{"w": int64(1)}}}}, one, owned)
		}
	})
}
