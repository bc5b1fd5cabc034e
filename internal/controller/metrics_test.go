// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"maps"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headgate-dev/headgate/api/kube"
)

func TestSharesThatAreNoLongerSeenAreNotShown(t *testing.T) {
	registry := prometheus.NewRegistry()
	m, err := NewMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	shown := func() map[string]float64 {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		kinds := map[string]float64{}
		for _, f := range families {
			if f.GetName() != "headgate_share" {
				continue
			}
			for _, series := range f.GetMetric() {
				for _, label := range series.GetLabel() {
					if label.GetName() == "kind" {
						kinds[label.GetValue()] = series.GetGauge().GetValue()
					}
				}
			}
		}
		return kinds
	}
	name := types.NamespacedName{Namespace: "search", Name: "ranker"}
	m.turned(name, false, []kube.VersionStatus{{Name: "v2", Share: "10%", Seen: "9.5%"}})
	if got := shown(); !maps.Equal(got, map[string]float64{"asked": .1, "seen": .095}) {
		t.Error(got)
	}
	m.turned(name, false, []kube.VersionStatus{{Name: "v2", Share: "25%"}})
	if got := shown(); !maps.Equal(got, map[string]float64{"asked": .25}) {
		t.Error(got)
	}
	m.forget(name)
	if got := shown(); len(got) != 0 {
		t.Error(got)
	}
}
