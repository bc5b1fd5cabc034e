// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/translate"
)

// checkMetric says what is wrong with a reusable metric, written as JSON, in
// whatever experiment uses it. The one validator reads metrics as experiments
// use them, so ones that lack nothing a metric could want are made for it; what
// the validator says of those experiments themselves is left out. A metric that
// one of them can use is admitted; otherwise the first tells what is wrong.
func checkMetric(written []byte) error {
	var m v1alpha1.ReusableMetric
	if err := json.Unmarshal(written, &m); err != nil {
		m = v1alpha1.ReusableMetric{} // The validator says what cannot be read.
	}
	var first error
	for i, u := range usersOf(&m, string(written)) {
		err := u.refuses(&m, written)
		if err == nil {
			return nil
		}
		if i == 0 {
			first = err
		}
	}
	return first
}

// user is an experiment with all that a metric could want of one: versions with
// Deployments and variables, the provider that it names, parameters, and features.
type user struct {
	strict bool
	// value is what parameters and variables are; those of versions differ in what
	// follows.
	value string
	// variables are the names that each version has a value for.
	variables []string
}

// variableForm finds the variables in the texts of a metric.
var variableForm = regexp.MustCompile(`\.Variables\.([A-Za-z_][A-Za-z0-9_]*)`)

// usersOf are the experiments that could use a metric. What its texts are filled
// in with nobody knows yet: it may be a word, a number or a path. Only strict
// experiments have load, mocks and elapsed time, and databases that are asked for
// no window.
func usersOf(m *v1alpha1.ReusableMetric, written string) []user {
	var u user
	for _, found := range variableForm.FindAllStringSubmatch(written, -1) {
		if !slices.Contains(u.variables, found[1]) {
			u.variables = append(u.variables, found[1])
		}
	}
	from, kinds := &m.Spec.From, []bool{false}
	switch {
	case from.Load != "" || from.Mock != nil:
		kinds = []bool{true}
	case strings.Contains(written, ".Elapsed"):
		kinds = []bool{true, false} // An answer may have something of that name, too.
	case from.SQL != nil && !strings.Contains(from.SQL.Query, ":from") && !strings.Contains(from.SQL.Query, ":to"):
		kinds = []bool{false, true}
	}
	values := []string{"x"}
	if len(u.variables)+len(m.Spec.Params) > 0 {
		values = []string{"x", "1", "/x"}
	}
	var out []user
	for _, u.strict = range kinds {
		for _, u.value = range values {
			out = append(out, u)
		}
	}
	return out
}

// refuses says why a metric cannot be used by the experiment.
func (u *user) refuses(m *v1alpha1.ReusableMetric, written []byte) error {
	experimentOf, err := json.Marshal(u.of(m))
	if err != nil {
		return experiment.Errorf(experiment.CodeInternal, "write an experiment as JSON: %w", err)
	}
	_, err = translate.Plan(experimentOf, written)
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

// of is the experiment, written for a metric.
func (u *user) of(m *v1alpha1.ReusableMetric) *v1alpha1.Experiment {
	const name = "user"
	use := v1alpha1.Metric{Name: "used", Ref: &v1alpha1.MetricRef{Name: m.Metadata.Name, Namespace: m.Metadata.Namespace}, Params: map[string]string{}}
	for _, p := range m.Spec.Params {
		if p.Default == nil {
			use.Params[p.Name] = u.value
		}
	}
	e := &v1alpha1.Experiment{APIVersion: v1alpha1.APIVersion, Kind: kube.KindExperiment, Metadata: v1alpha1.Metadata{Name: name, Namespace: m.Metadata.Namespace}}
	e.Spec.Strict = u.strict
	for i, version := range versionsOf(&m.Spec.From) {
		v := v1alpha1.Version{Name: version, Backend: "user/" + version, Workload: "user-" + version, Variables: map[string]string{}}
		for _, key := range u.variables {
			v.Variables[key] = fmt.Sprint(u.value, i+1)
		}
		e.Spec.Versions = append(e.Spec.Versions, v)
	}
	e.Spec.Traffic.VirtualService = &v1alpha1.VirtualServiceTraffic{Name: name}
	e.Spec.Predictions = &v1alpha1.Predictions{Features: []string{"x"}}
	e.Spec.Metrics = []v1alpha1.Metric{use}
	e.Spec.Providers = providersFor(&m.Spec.From)
	return e
}

// versionsOf are the versions that a metric speaks of, and two at least.
func versionsOf(from *v1alpha1.From) []string {
	var names []string
	if from.Mock != nil {
		names = slices.Sorted(maps.Keys(from.Mock.Levels))
	}
	for _, name := range []string{"v1", "v2"} {
		if len(names) < 2 && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// providersFor is the provider that a metric names, or the only one where it may
// leave the name out.
func providersFor(from *v1alpha1.From) []v1alpha1.Provider {
	const server = "http://provider:9090"
	switch {
	case from.HTTP != nil:
		return []v1alpha1.Provider{{Name: cmp.Or(from.HTTP.Provider, "provider"), HTTP: &v1alpha1.HTTPProvider{URL: server}}}
	case from.SQL != nil:
		return []v1alpha1.Provider{{Name: cmp.Or(from.SQL.Provider, "provider"), SQL: &v1alpha1.SQLProvider{Postgres: &v1alpha1.Secret{Name: "provider", Key: "url"}}}}
	case from.Prometheus != nil && from.Prometheus.Provider != "":
		return []v1alpha1.Provider{{Name: from.Prometheus.Provider, Prometheus: &v1alpha1.PrometheusProvider{URL: server}}}
	}
	return nil
}
