// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// rule is an http route of a VirtualService, as far as the lab is about it.
type rule struct {
	Match []struct {
		Headers map[string]struct {
			Exact string `json:"exact"`
		} `json:"headers"`
	} `json:"match"`
	Route []struct {
		Destination destination `json:"destination"`
		Weight      *int64      `json:"weight"`
	} `json:"route"`
	Mirrors []struct {
		Destination destination `json:"destination"`
		Percentage  struct {
			Value float64 `json:"value"`
		} `json:"percentage"`
	} `json:"mirrors"`
	Mirror           *destination `json:"mirror"`
	MirrorPercentage *struct {
		Value float64 `json:"value"`
	} `json:"mirrorPercentage"`
}

type destination struct {
	Host string `json:"host"`
}

func rulesOf(t *testing.T, u *unstructured.Unstructured) []rule {
	t.Helper()
	http, _, err := unstructured.NestedSlice(u.Object, "spec", "http")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(http)
	if err != nil {
		t.Fatal(err)
	}
	var out []rule
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// copies are the hosts that get copies, with the percentage.
func (r *rule) copies() map[string]float64 {
	out := map[string]float64{}
	for _, m := range r.Mirrors {
		out[m.Destination.Host] = m.Percentage.Value
	}
	if r.Mirror != nil {
		out[r.Mirror.Host] = 100
		if r.MirrorPercentage != nil {
			out[r.Mirror.Host] = r.MirrorPercentage.Value
		}
	}
	return out
}

// serves is who answers a request with a cohort by the first rule that matches;
// empty where it is drawn.
func serves(rules []rule, header, cohort string) string {
	for _, r := range rules {
		matches := len(r.Match) == 0
		for _, m := range r.Match {
			h, named := m.Headers[header]
			matches = matches || named && h.Exact == cohort
		}
		if !matches {
			continue
		}
		host := ""
		for _, d := range r.Route {
			switch {
			case d.Weight != nil && *d.Weight == 0 && len(r.Route) > 1:
			case host != "":
				return ""
			default:
				host = d.Destination.Host
			}
		}
		return host
	}
	return "nobody"
}

// TestIstioLab runs the three experiments of examples/istio-lab: weights to the
// end; the shadow and the cohorts until their routes say what was asked for, and
// back. The mesh is a stand-in that counts by the weights.
func TestIstioLab(t *testing.T) {
	s := exampleSite(t, "ml-serving")
	_, prometheus := newMesh(t, s, nil)
	s.Apply(t, exampleFile(t, "istio-lab/routes.yaml"))
	routes := s.trail(virtualServiceKind)
	s.start(s.Kubeconfig, prometheus)
	window := []string{"{window: 30s, stale: 5m}", "{window: 2s, stale: 30s}"}
	s.Apply(t, exampleFile(t, "istio-lab/weighted.yaml", append(window, "{requests: 2000, windows: 2, settle: 1m}", "{requests: 200, windows: 1, settle: 1s}")...))
	s.Apply(t, exampleFile(t, "istio-lab/shadow.yaml", window...))
	s.Apply(t, exampleFile(t, "istio-lab/cohorts.yaml", append(window, "http://prometheus.monitoring:9090", prometheus, "scrape: 15s", "scrape: 500ms")...))

	t.Run("a shadow answers nobody", func(t *testing.T) {
		s := s.in(t)
		mirrored := func(u *unstructured.Unstructured) bool {
			rules := rulesOf(t, u)
			return cmp.Equal(rules[len(rules)-1].copies(), map[string]float64{"churn-shadow-v3": 100})
		}
		rules := rulesOf(t, s.await(virtualServiceKind, "churn-shadow", "mirrored", stepTime, mirrored))
		if got := serves(rules, "", ""); got != "churn-primary-v2" {
			t.Errorf("%q answers", got)
		}
		s.control("shadow", "kill", "k")
		rules = rulesOf(t, s.await(virtualServiceKind, "churn-shadow", "without copies", soon, func(u *unstructured.Unstructured) bool { return !mirrored(u) }))
		if got := serves(rules, "", ""); got != "churn-primary-v2" || len(rules[len(rules)-1].copies()) > 0 {
			t.Errorf("after a kill %q answers, copies go to %v", got, rules[len(rules)-1].copies())
		}
	})

	t.Run("a cohort has its version, and nobody else has treatment", func(t *testing.T) {
		s := s.in(t)
		const header = "x-user-cohort"
		split := func(u *unstructured.Unstructured) bool {
			return serves(rulesOf(t, u), header, "treatment") == "churn-treatment"
		}
		rules := rulesOf(t, s.await(virtualServiceKind, "churn-cohorts", "split by cohort", stepTime, split))
		for _, cohort := range []string{"control", "", "gold"} {
			if got := serves(rules, header, cohort); got != "churn-control" {
				t.Errorf("cohort %q: %q answers", cohort, got)
			}
		}
		s.control("cohorts", "abort", "a")
		rules = rulesOf(t, s.await(virtualServiceKind, "churn-cohorts", "one for all", soon, func(u *unstructured.Unstructured) bool { return !split(u) }))
		if got := serves(rules, header, "treatment"); got != "churn-control" || len(rules) != 1 {
			t.Errorf("after an abort %q answers treatment, by %d rules", got, len(rules))
		}
	})

	t.Run("weights lead to the promotion", func(t *testing.T) {
		s := s.in(t)
		s.await(experimentKind, "weighted", "completed", 2*stepTime, is("Completed", "True"))
		got := s.asked(routes, "churn-weighted")
		if n := len(got); n < 4 || !slices.Equal(got[n-4:], []string{"100/0", "90/10", "50/50", "0/100"}) && !slices.Equal(got[n-3:], []string{"90/10", "50/50", "0/100"}) {
			t.Errorf("the route asked for %v", got)
		}
	})
}
