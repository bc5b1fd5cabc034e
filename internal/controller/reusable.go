// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/translate"
)

// checkMetric says what is wrong with a reusable metric, written as JSON, in
// whatever experiment uses it. The one validator reads metrics as experiments
// use them, so one that lacks nothing a metric could want is made for it; what
// the validator says of that experiment itself is left out.
func checkMetric(written []byte) error {
	var m v1alpha1.ReusableMetric
	if err := json.Unmarshal(written, &m); err != nil {
		m = v1alpha1.ReusableMetric{} // The validator says what cannot be read.
	}
	user, err := json.Marshal(userOf(&m))
	if err != nil {
		return experiment.Errorf(experiment.CodeInternal, "write an experiment as JSON: %w", err)
	}
	_, err = translate.Plan(user, written)
	found, ok := errors.AsType[translate.Problems](err)
	if !ok {
		return err
	}
	var own translate.Problems
	for _, p := range found {
		// Paths of a reusable metric begin with its name: metric "errors": spec.goal.
		if title, path, _ := strings.Cut(p.Path, ": "); strings.HasPrefix(title, `metric "`) {
			p.Path = path
			own = append(own, p)
		}
	}
	if len(own) == 0 {
		return nil
	}
	return asObject(own, func(*translate.Problem) (lacking, passing bool) { return false, false })
}

// userOf is an experiment with all that a metric could want of one: versions
// with Deployments, the provider that it names, parameters, and features.
func userOf(m *v1alpha1.ReusableMetric) *v1alpha1.Experiment {
	const name = "user"
	use := v1alpha1.Metric{Name: "used", Ref: &v1alpha1.MetricRef{Name: m.Metadata.Name, Namespace: m.Metadata.Namespace}, Params: map[string]string{}}
	for _, p := range m.Spec.Params {
		if p.Default == nil {
			use.Params[p.Name] = "x"
		}
	}
	e := &v1alpha1.Experiment{APIVersion: v1alpha1.APIVersion, Kind: kube.KindExperiment, Metadata: v1alpha1.Metadata{Name: name, Namespace: m.Metadata.Namespace}}
	e.Spec.Versions = []v1alpha1.Version{{Name: "v1", Backend: "user/v1", Workload: "user-v1"}, {Name: "v2", Backend: "user/v2", Workload: "user-v2"}}
	e.Spec.Traffic.VirtualService = &v1alpha1.VirtualServiceTraffic{Name: name}
	e.Spec.Predictions = &v1alpha1.Predictions{Features: []string{"x"}}
	e.Spec.Metrics = []v1alpha1.Metric{use}
	if p := m.Spec.From.Prometheus; p != nil && p.Provider != "" {
		e.Spec.Providers = []v1alpha1.Provider{{Name: p.Provider, Prometheus: &v1alpha1.PrometheusProvider{URL: "http://prometheus:9090"}}}
	}
	return e
}
