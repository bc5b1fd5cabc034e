// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	api "github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/api/v1alpha1"
)

// measures turns metrics into native ones and their providers.
type measures struct {
	e         *api.Experiment
	names     *Names
	vars      *variables
	strict    bool
	providers []v1alpha1.Provider
	taken     map[string]bool
	metrics   []v1alpha1.Metric
}

// read makes every metric that the experiment wants.
func (m *measures) read(metrics []api.Metric) *Problem {
	for _, r := range references(m.e, metrics) {
		metric := find(metrics, r.ref)
		if metric == nil {
			return &Problem{Reason: MetricUnavailable, Message: "Unable to find metric " + r.ref.String()}
		}
		from, p := m.from(metric)
		if p != nil {
			return p
		}
		m.metrics = append(m.metrics, v1alpha1.Metric{Name: m.names.metric(r.ref), Goal: m.goal(r.ref), From: from})
	}
	return nil
}

// goal is the direction in which a metric is better: as the reward says, else by
// the side of its limit, which strict experiments need not be told.
func (m *measures) goal(ref Ref) string {
	c := criteria(m.e)
	for _, r := range c.Rewards {
		if refOf(r.Metric, namespaceOf(m.e)) == ref {
			if r.PreferredDirection == api.Low {
				return decrease
			}
			return increase
		}
	}
	if m.strict {
		return ""
	}
	out := decrease
	for _, o := range c.Objectives {
		switch {
		case refOf(o.Metric, namespaceOf(m.e)) != ref:
		case o.UpperLimit != nil:
			return decrease
		case o.LowerLimit != nil:
			out = increase
		}
	}
	return out
}

const (
	increase = "increase"
	decrease = "decrease"
)

// from is where the number of a metric comes from.
func (m *measures) from(metric *api.Metric) (v1alpha1.From, *Problem) {
	s := &metric.Spec
	switch {
	case text(s.Provider) == api.ProviderIter8:
		return load(metric)
	case s.Mock != nil:
		out := m.mock(s)
		if len(out.Mock.Levels) == 0 {
			return out, unreadable(metric.Namespace+"/"+metric.Name, "mock has a level of no version of the experiment")
		}
		return out, nil
	}
	q, p := m.query(metric)
	return v1alpha1.From{HTTP: q}, p
}

func (m *measures) mock(s *api.MetricSpec) v1alpha1.From {
	out := &v1alpha1.Mock{Counter: s.Type == api.Counter, Levels: map[string]v1alpha1.Quantity{}}
	for _, l := range s.Mock {
		if name, ok := m.names.Version(l.Name); ok {
			out.Levels[name] = decimal(l.Level)
		}
	}
	return v1alpha1.From{Mock: out}
}

// decimal writes a quantity without a suffix, exactly.
func decimal(q resource.Quantity) v1alpha1.Quantity {
	q = q.DeepCopy()
	s := q.AsDec().String()
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return v1alpha1.Quantity(s)
}

// query is what is asked of a provider that answers with JSON.
func (m *measures) query(metric *api.Metric) (*v1alpha1.HTTP, *Problem) {
	s, name := &metric.Spec, metric.Namespace+"/"+metric.Name
	switch {
	case text(s.URLTemplate) == "":
		return nil, unreadable(name, "urlTemplate is required")
	case strings.TrimSpace(text(s.JQExpression)) == "":
		return nil, unreadable(name, "jqExpression is required")
	case s.Body != nil && s.Method != api.POST:
		return nil, unreadable(name, "a body goes with method: POST")
	}
	provider, p := m.provider(metric)
	if p != nil {
		return nil, p
	}
	out := &v1alpha1.HTTP{Provider: provider, Value: *s.JQExpression}
	if s.Method == api.POST {
		out.Method = string(api.POST)
	}
	for _, param := range s.Params {
		out.Params = append(out.Params, v1alpha1.NameValue{Name: param.Name, Value: fill(param.Value, asIs, m.vars.word)})
	}
	if s.Body != nil {
		out.Body = fill(*s.Body, asIs, m.vars.word)
	}
	return out, nil
}

// provider gives the name of the provider that a metric is read from: metrics
// with the same address, headers and secret have one.
func (m *measures) provider(metric *api.Metric) (string, *Problem) {
	in, p := m.credentials(metric)
	if p != nil {
		return "", p
	}
	for i := range m.providers {
		if reflect.DeepEqual(m.providers[i].HTTP, in) {
			return m.providers[i].Name, nil
		}
	}
	out := v1alpha1.Provider{Name: native("iter8-"+text(metric.Spec.Provider), m.taken), HTTP: in}
	m.providers = append(m.providers, out)
	return out.Name, nil
}
