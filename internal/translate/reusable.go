// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// maxParams is how many parameters a reusable metric may have.
const maxParams = 16

// reusable is an object of kind Metric, with the lines of its document.
type reusable struct {
	*decoder
	api  v1alpha1.ReusableMetric
	read bool // something sensible can be said about it
}

// apart tells documents of kind Metric from others.
func apart(roots []*yaml.Node) (metrics, others []*yaml.Node) {
	for _, root := range roots {
		if kindOf(root) == v1alpha1.KindMetric {
			metrics = append(metrics, root)
		} else {
			others = append(others, root)
		}
	}
	return metrics, others
}

// OnlyMetrics reports whether a file holds reusable metrics and nothing else.
func OnlyMetrics(data []byte) bool {
	if len(data) > maxFile {
		return false
	}
	roots, err := parse(data)
	metrics, others := apart(roots)
	return err == nil && len(metrics) > 0 && len(others) == 0
}

// kindOf is what a document says that it is.
func kindOf(root *yaml.Node) string {
	for i := 0; root.Kind == yaml.MappingNode && i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == "kind" {
			return root.Content[i+1].Value
		}
	}
	return ""
}

func reusables(roots []*yaml.Node) []*reusable {
	out := make([]*reusable, len(roots))
	for i, root := range roots {
		m := &reusable{decoder: newDecoder()}
		m.read = m.decoder.read(root, reflect.ValueOf(&m.api).Elem())
		out[i] = m
	}
	return out
}

// title begins the paths of a reusable metric's problems.
func (m *reusable) title() string { return "metric " + quote(m.api.Metadata.Name) }

// gather reads further files of reusable metrics, and looks at all of them as far
// as can be done without an experiment that refers to them.
func (t *translator) gather(files [][]byte) {
	for _, data := range files {
		d := newDecoder()
		metrics, others := apart(d.documents(data))
		for _, root := range others {
			d.add("", root.Line, quote(kindOf(root)), "a further file holds reusable metrics only", "write kind: Metric, or give each experiment a command of its own")
		}
		t.problems = append(t.problems, d.problems...)
		t.library = append(t.library, reusables(metrics)...)
	}
	seen := map[[2]string]bool{}
	for _, m := range t.library {
		meta := m.api.Metadata
		m.as(t, nil).choice("apiVersion", m.api.APIVersion, v1alpha1.APIVersion)
		m.as(t, nil).objectName("metadata.name", meta.Name, "http-errors")
		key := [2]string{t.namespaceOf(meta.Namespace), meta.Name}
		if seen[key] {
			m.as(t, nil).fail("metadata.name", quote(meta.Name), "a metric of that name is there already", "give each a name of its own")
		}
		seen[key] = true
		t.take(m)
	}
}

// namespaceOf is a namespace, or the experiment's.
func (t *translator) namespaceOf(namespace string) string {
	return cmp.Or(namespace, t.api.Metadata.Namespace)
}

// as translates a reusable metric with parameters, for one plan. What is wrong
// with it gathers in its own decoder.
func (m *reusable) as(t *translator, params map[string]string) *translator {
	return &translator{decoder: m.decoder, api: t.api, plan: t.plan, params: params, used: map[string]bool{}}
}

// take moves a reusable metric's problems to the experiment's.
func (t *translator) take(m *reusable) {
	for _, p := range m.problems {
		if p.Path == "" {
			p.Path = m.title()
		} else {
			p.Path = m.title() + ": " + p.Path
		}
		t.problems = append(t.problems, p)
	}
	m.problems = nil
}

// referred is a metric that an object of kind Metric defines.
func (t *translator) referred(path string, in v1alpha1.Metric) experiment.Metric {
	out := experiment.Metric{Name: in.Name, Goal: experiment.Increase}
	for _, field := range []string{".goal", ".from", ".trust"} {
		if t.given(path + field) {
			t.fail(path+field, "", "the reusable metric says it", "leave it out here, or leave ref out")
		}
	}
	m := t.find(path+".ref", in.Ref)
	if m == nil || !m.read {
		return out
	}
	values := t.arguments(path, in, m)
	u := m.as(t, values)
	out = u.metric("spec", v1alpha1.Metric{Name: in.Name, Goal: m.api.Spec.Goal, From: m.api.Spec.From, Trust: m.api.Spec.Trust})
	for i, p := range m.api.Spec.Params {
		if len(m.problems) == 0 && p.Name != "" && !u.used[p.Name] {
			u.fail(fmt.Sprintf("spec.params[%d]", i), quote(p.Name), "nothing uses the parameter", "write {{.Params."+p.Name+"}} in a text of from.prometheus or from.http, or leave it out")
		}
	}
	t.take(m)
	return out
}

// find looks a reusable metric up.
func (t *translator) find(path string, ref *v1alpha1.MetricRef) *reusable {
	if ref.Name == "" {
		t.fail(path+".name", "", "the name of a reusable metric is required", "")
		return nil
	}
	var names []string
	for _, m := range t.library {
		if t.namespaceOf(m.api.Metadata.Namespace) != t.namespaceOf(ref.Namespace) {
			continue
		}
		if m.api.Metadata.Name == ref.Name {
			return m
		}
		names = append(names, m.api.Metadata.Name)
	}
	hint := "write it as kind: Metric in another document of the file, or in a further file: -f experiment.yaml -f metrics.yaml"
	if len(names) > 0 {
		hint = nearest(ref.Name, names)
	}
	t.fail(path+".name", quote(ref.Name), "there is no such metric"+t.inNamespace(ref), hint)
	return nil
}

func (t *translator) inNamespace(ref *v1alpha1.MetricRef) string {
	if n := t.namespaceOf(ref.Namespace); n != "" {
		return " in the namespace " + quote(n)
	}
	return ""
}

// paramForm is what a template can name.
var paramForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)

// arguments are the parameters of a reusable metric, given or by default.
func (t *translator) arguments(path string, in v1alpha1.Metric, m *reusable) map[string]string {
	values := map[string]string{}
	u, known := m.as(t, nil), make([]string, 0, len(m.api.Spec.Params))
	if n := len(m.api.Spec.Params); n > maxParams {
		u.fail("spec.params", fmt.Sprintf("%d parameters", n), fmt.Sprintf("want at most %d", maxParams), "")
	}
	for i, p := range m.api.Spec.Params {
		at := fmt.Sprintf("spec.params[%d]", i)
		u.required(at+".name", p.Name, "a name is required", "")
		u.form(at+".name", p.Name, paramForm, "not a parameter", "letters, digits and '_', beginning with no digit")
		if slices.Contains(known, p.Name) {
			u.fail(at+".name", quote(p.Name), "given twice", "")
		}
		known = append(known, p.Name)
		value, given := in.Params[p.Name]
		switch {
		case given:
			t.line(join(path+".params", p.Name), value, maxText)
		case p.Default != nil:
			value = *p.Default
			u.line(at+".default", value, maxText)
		default:
			t.fail(path+".ref", quote(m.api.Metadata.Name), "its parameter "+quote(p.Name)+" is not given", "write params: {"+p.Name+": VALUE}")
		}
		values[p.Name] = value
	}
	for _, name := range slices.Sorted(maps.Keys(in.Params)) {
		if !slices.Contains(known, name) {
			t.fail(join(path+".params", name), quote(in.Params[name]), "the metric has no such parameter", nearest(name, known))
		}
	}
	return values
}
