// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/template"
	ast "text/template/parse"
	"unicode"
	"unicode/utf8"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// maxRendered is the greatest length of a text for one version, in bytes.
const maxRendered = 4096

// provided reads what is asked of a provider, with one text for each version.
func (t *translator) provided(path string, in *v1alpha1.Prometheus) *experiment.ProviderMetric {
	q := &experiment.PrometheusQuery{}
	out := &experiment.ProviderMetric{Provider: t.providerOf(path, in.Provider), Prometheus: q}
	forms := []bool{in.Events != "" || in.Total != "", in.Sum != "" || in.Count != "", in.Buckets != "" || in.Above != "", in.Query != ""}
	n := 0
	for _, on := range forms {
		if on {
			n++
		}
	}
	if n != 1 {
		t.fail(path, "", "exactly one form is required: events and total, sum and count, buckets and above, or query",
			`for example {events: 'http_requests_total{version="{{.Version}}",code=~"5.."}', total: 'http_requests_total{version="{{.Version}}"}'}`)
		return out
	}
	for _, f := range []struct {
		field, text string
		form        int
		into        *[]string
		check       func(string) (message, hint string)
	}{
		{".events", in.Events, 0, &q.Events, notASelector},
		{".total", in.Total, 0, &q.Total, notASelector},
		{".sum", in.Sum, 1, &q.Sum, notASelector},
		{".count", in.Count, 1, &q.Count, notASelector},
		{".buckets", in.Buckets, 2, &q.Buckets, notASelector},
		{".query", in.Query, 3, &q.Query, unbalanced},
	} {
		if forms[f.form] {
			*f.into = t.texts(path+f.field, f.text, f.check)
		}
	}
	if forms[2] {
		q.Limit = t.above(path+".above", in.Above)
	}
	if forms[0] && in.Events == in.Total && in.Events != "" {
		t.fail(path+".events", quote(in.Events), "the same as total: every event is one", "select the events among all")
	}
	return out
}

// above reads the limit of a histogram, a duration in seconds or a number in the
// series' unit.
func (t *translator) above(path string, q v1alpha1.Quantity) float64 {
	if d, err := parseDuration(string(q)); err == nil && d > 0 {
		return d.Seconds()
	}
	if q == "" {
		t.fail(path, "", "the limit is required", "an upper bound of a bucket: a duration, or a number in the series' unit")
	}
	return t.number(path, q, 0, -maxAmount, maxAmount)
}

// filled is what a text may name.
type filled struct {
	Version, Backend, Workload, Namespace, Experiment string
	Params                                            map[string]string
}

// defaultNamespace is where an experiment of a file is, if it does not say.
const defaultNamespace = "default"

// texts renders a text for every version and checks what comes of it.
func (t *translator) texts(path, text string, check func(string) (message, hint string)) []string {
	if strings.TrimSpace(text) == "" {
		t.fail(path, "", "a text is required", "")
		return nil
	}
	tmpl, err := t.template(text)
	if err != nil {
		t.fail(path, quote(text), err.Error(), "{{.Version}}, {{.Backend}}, {{.Workload}}, {{.Namespace}}, {{.Experiment}} and {{.Params.NAME}} are filled in")
		return nil
	}
	var out []string
	for i := range t.plan.Versions {
		s, ok := t.render(path, text, tmpl, &t.plan.Versions[i])
		if !ok {
			return nil
		}
		if message, hint := check(s); message != "" {
			t.fail(path, quote(s), message, hint)
			return nil
		}
		if k := slices.Index(out, s); k >= 0 {
			t.fail(path, quote(s), fmt.Sprintf("the same for the versions %s and %s, which it does not tell apart", quote(t.plan.Versions[k].Name), quote(t.plan.Versions[i].Name)),
				`select by what tells them apart, for example version="{{.Version}}" or deployment="{{.Workload}}"`)
			return nil
		}
		out = append(out, s)
	}
	return out
}

// template parses a text in which names are filled in and nothing is computed, so
// that what comes of it is bounded. The names that it uses are noted.
func (t *translator) template(text string) (*template.Template, error) {
	if len(text) > maxRendered {
		return nil, fmt.Errorf("longer than %d bytes", maxRendered)
	}
	tmpl, err := template.New("").Option("missingkey=error").Parse(text)
	if err != nil {
		_, why, _ := strings.Cut(strings.TrimPrefix(err.Error(), "template: "), ": ")
		return nil, fmt.Errorf("not a template: %s", strings.TrimPrefix(why, "1: "))
	}
	for _, defined := range tmpl.Templates() {
		if defined != tmpl {
			return nil, fmt.Errorf("it defines templates; names are filled in and nothing more")
		}
	}
	for _, node := range tmpl.Root.Nodes {
		if err := t.plain(node); err != nil {
			return nil, err
		}
	}
	return tmpl, nil
}

// plain reports a part of a template that is neither text nor a known name.
func (t *translator) plain(node ast.Node) error {
	action, ok := node.(*ast.ActionNode)
	if !ok {
		if node.Type() == ast.NodeText || node.Type() == ast.NodeComment {
			return nil
		}
		return fmt.Errorf("%s: names are filled in and nothing is computed", shortened(node.String()))
	}
	p := action.Pipe
	if len(p.Decl) > 0 || len(p.Cmds) != 1 || len(p.Cmds[0].Args) != 1 {
		return fmt.Errorf("%s: names are filled in and nothing is computed", shortened(node.String()))
	}
	field, ok := p.Cmds[0].Args[0].(*ast.FieldNode)
	if !ok {
		return fmt.Errorf("%s: names are filled in and nothing is computed", shortened(node.String()))
	}
	switch name := field.Ident[0]; {
	case len(field.Ident) == 1 && slices.Contains([]string{"Version", "Backend", "Workload", "Namespace", "Experiment"}, name):
		return nil
	case len(field.Ident) == 2 && name == "Params":
		if _, known := t.params[field.Ident[1]]; !known {
			return fmt.Errorf("%s is no parameter of it", shortened(field.Ident[1]))
		}
		t.used[field.Ident[1]] = true
		return nil
	}
	return fmt.Errorf("%s: there is no such name", shortened(node.String()))
}

// names reports whether a template asks for a name. It is plain.
func names(tmpl *template.Template, name string) bool {
	return slices.ContainsFunc(tmpl.Root.Nodes, func(n ast.Node) bool {
		action, ok := n.(*ast.ActionNode)
		return ok && action.Pipe.Cmds[0].Args[0].(*ast.FieldNode).Ident[0] == name
	})
}

// shortened is a text of the file for a message.
func shortened(s string) string {
	if len(s) > maxName || !printable(s) {
		return quote(s)
	}
	return s
}

// render fills a text in for one version.
func (t *translator) render(path, text string, tmpl *template.Template, v *experiment.Version) (string, bool) {
	if names(tmpl, "Workload") && v.Workload == "" {
		t.deployments(path, text)
		return "", false
	}
	if names(tmpl, "Backend") && v.Backend == "" {
		t.fail(path, quote(text), "version "+quote(v.Name)+" has no backend", "select by {{.Version}} or {{.Workload}}")
		return "", false
	}
	var b bytes.Buffer
	err := tmpl.Execute(&b, filled{
		Version: v.Name, Backend: v.Backend, Workload: v.Workload, Experiment: t.plan.Name,
		Namespace: cmp.Or(t.plan.Namespace, defaultNamespace), Params: t.params,
	})
	s := b.String()
	switch {
	case err != nil:
		t.fail(path, quote(text), "it cannot be filled in", "")
	case len(s) > maxRendered:
		t.fail(path, fmt.Sprintf("%d bytes", len(s)), fmt.Sprintf("longer than %d bytes once it is filled in", maxRendered), "")
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }):
		t.fail(path, quote(s), "it holds control characters", "")
	default:
		return s, true
	}
	return "", false
}

// telemetryLimit reads a limit of what a provider tells.
func (t *translator) telemetryLimit(at, word string, q v1alpha1.Quantity, m *experiment.Metric) float64 {
	switch {
	case m.Builtin != nil && m.Builtin.Kind == experiment.MeanLatency:
		if t.wrongSide(at, word, q, m.Goal, "latency has a max") {
			return 0
		}
		return t.duration(at, v1alpha1.Duration(q), 0, leastTime).Seconds()
	case m.Builtin != nil && m.Builtin.Kind == experiment.ReadyReplicas && t.wrongSide(at, word, q, m.Goal, "ready replicas have a min"):
		return 0
	case m.Builtin != nil:
		return t.number(at, q, 0, 0, maxAmount)
	case !m.Windowed():
		return t.probability(at, q, 0, mostProbability)
	}
	f, _ := t.fraction(at, q)
	return f
}

// telemetry reports what a provider's metrics cannot be used for: they know
// neither units nor groups, nor which requests a stage is about.
func (t *translator) telemetry() {
	for i, g := range t.plan.Guardrails {
		if m := t.plan.Metric(g.Metric); m != nil && m.Telemetry() {
			t.everybody(fmt.Sprintf("spec.guardrails[%d].metric", i), m)
		}
	}
	r := t.plan.Reward
	if r == nil {
		return
	}
	m := t.plan.Metric(r.Metric)
	if m == nil || !m.Telemetry() {
		return
	}
	t.everybody("spec.reward.metric", m)
	for i := range t.plan.Segments {
		if t.plan.Segments[i].Stratify {
			t.fail(fmt.Sprintf("spec.segments[%d].stratify", i), "true", "what a provider tells of the reward cannot be weighed by group", "leave stratify out, or reward outcomes")
		}
	}
	for i := range t.plan.Stages {
		s, path := &t.plan.Stages[i], fmt.Sprintf("spec.stages[%d]", i)
		switch {
		case s.Bandit != nil && (m.Windowed() || s.Bandit.Per != ""):
			t.fail(path+".bandit", quote(m.Name), "a bandit learns from what each unit or request brings", "reward outcomes, or counters (events and total) without per")
		case m.Windowed() && t.given(path+".until.units"):
			t.fail(path+".until.units", "", "windows are the sample of the reward "+quote(m.Name)+", and no units", "bound the stage in time: until: {atMost: 14d}")
		}
	}
}

// everybody reports a comparison by a provider's metric in stages for some: the
// baseline's figures are also of those that the stage is not for.
func (t *translator) everybody(path string, m *experiment.Metric) {
	for i := range t.plan.Stages {
		if s := &t.plan.Stages[i]; t.together(s) && len(s.Where) > 0 {
			t.fail(path, quote(m.Name), fmt.Sprintf("the stage %s is for some requests, and what a provider tells of the baseline is of all", quote(s.Name)), "limit it under objectives, or leave where out")
			return
		}
	}
}
