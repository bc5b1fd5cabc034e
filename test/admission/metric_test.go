// SPDX-License-Identifier: Apache-2.0

package admission_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"io"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// recorded is the record of an experiment as text: its plan is in there.
func (s *site) recorded(t *testing.T, name string) string {
	t.Helper()
	u := s.object(t, experimentKind.GroupVersion().WithKind("ExperimentRecord"), "search", name)
	text, _, _ := unstructured.NestedString(u.Object, "data")
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	z.Multistream(false) // The head alone: the plan in force.
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

// editsMetric changes a reusable metric under a running experiment.
func (s *site) editsMetric(t *testing.T, first *process) {
	s.Apply(t, metricOf("search", "edited", "503"))
	s.Apply(t, routeOf("search", "edited", "edited-v2"))
	e := experimentOf{name: "edited", metrics: "[{name: errors, ref: {name: edited}}]"}
	s.Apply(t, e.String())
	s.await(t, "search", "edited", "ready", heals, is("Ready", ""))
	has := func(code, when string) {
		t.Helper()
		if !strings.Contains(s.recorded(t, "edited"), `code=\"`+code+`\"`) {
			t.Errorf("%s: the plan does not read code %s", when, code)
		}
	}
	observed := func(what string) {
		t.Helper()
		s.await(t, "search", "edited", what, heals, func(u *unstructured.Unstructured) bool {
			generation, _, _ := unstructured.NestedInt64(u.Object, "status", "observedGeneration")
			return generation == u.GetGeneration()
		})
	}
	has("503", "at the start")
	s.Apply(t, metricOf("search", "edited", "504"))
	patch(t, s, "search", "edited", `{"spec": {"control": {"verb": "pause", "reason": "lunch"}}}`)
	s.await(t, "search", "edited", "paused", heals, func(u *unstructured.Unstructured) bool {
		now, _, _ := unstructured.NestedString(u.Object, "status", "condition")
		return now == "paused"
	})
	observed("after a wish")
	has("503", "after a wish")

	first.kill()
	if err := s.Client.Delete(t.Context(), s.object(t, experimentKind.GroupVersion().WithKind("Metric"), "search", "edited")); err != nil {
		t.Fatal(err)
	}
	s.controller(t, s.Kubeconfig, "--namespace", "search")
	patch(t, s, "search", "edited", `{"spec": {"control": {"verb": "resume"}}}`)
	s.await(t, "search", "edited", "running", heals, func(u *unstructured.Unstructured) bool {
		now, _, _ := unstructured.NestedString(u.Object, "status", "condition")
		return now == "running"
	})
	has("503", "after a restart without the metric")

	patch(t, s, "search", "edited", `{"spec": {"owner": "search-ranking"}}`)
	s.await(t, "search", "edited", "stalled", heals, is("Stalled", "MetricUnavailable"))
	has("503", "while the metric is absent")
	s.Apply(t, metricOf("search", "edited", "505"))
	s.await(t, "search", "edited", "going on", heals, is("Ready", ""))
	observed("after a change")
	has("505", "after a change")
}
