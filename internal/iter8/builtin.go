// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/api/v1alpha1"
)

// systemNamespace is where Iter8 kept the metrics of its own load.
const systemNamespace = "iter8-system"

// builtins are those metrics and what they are here.
var builtins = []struct {
	name, description, units string
	kind                     api.MetricType
	from                     v1alpha1.From
}{
	{"request-count", "Number of requests", "", api.Counter, v1alpha1.From{Load: "requests"}},
	{"error-count", "Number of responses with HTTP status code 4xx or 5xx", "", api.Counter, v1alpha1.From{Load: "errors"}},
	{"error-rate", "Fraction of requests with error responses", "", api.Gauge, v1alpha1.From{Load: "error-rate"}},
	{"mean-latency", "Mean latency", "milliseconds", api.Gauge, v1alpha1.From{Load: "mean-latency"}},
	{"latency-50th-percentile", "50th percentile of the latency", "milliseconds", api.Gauge, v1alpha1.From{Load: "latency", Quantile: "0.5"}},
	{"latency-75th-percentile", "75th percentile of the latency", "milliseconds", api.Gauge, v1alpha1.From{Load: "latency", Quantile: "0.75"}},
	{"latency-90th-percentile", "90th percentile of the latency", "milliseconds", api.Gauge, v1alpha1.From{Load: "latency", Quantile: "0.9"}},
	{"latency-95th-percentile", "95th percentile of the latency", "milliseconds", api.Gauge, v1alpha1.From{Load: "latency", Quantile: "0.95"}},
	{"latency-99th-percentile", "99th percentile of the latency", "milliseconds", api.Gauge, v1alpha1.From{Load: "latency", Quantile: "0.99"}},
}

// builtin is a metric of Iter8's own load, which needs no object; nil is none.
func builtin(ref Ref) *api.Metric {
	if ref.Namespace != systemNamespace {
		return nil
	}
	for i := range builtins {
		b := &builtins[i]
		if b.name != ref.Name {
			continue
		}
		provider := api.ProviderIter8
		m := &api.Metric{
			ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: ref.Name},
			Spec:       api.MetricSpec{Description: &b.description, Provider: &provider, Type: b.kind, Method: api.GET},
		}
		if b.units != "" {
			m.Spec.Units = &b.units
		}
		return m
	}
	return nil
}

// load is where the number of a metric of Iter8's own load comes from.
func load(m *api.Metric) (v1alpha1.From, *Problem) {
	var known []string
	for _, b := range builtins {
		if b.name == m.Name {
			return b.from, nil
		}
		known = append(known, b.name)
	}
	return v1alpha1.From{}, unreadable(m.Namespace+"/"+m.Name, "the provider iter8 has %s", strings.Join(known, ", "))
}
