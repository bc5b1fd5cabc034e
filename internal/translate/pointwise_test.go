// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"text/template"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/jq"
)

// checkIterate asks of a strict plan what its rules take for granted.
func checkIterate(t testing.TB, p *experiment.Plan, it *experiment.Iterate) {
	t.Helper()
	n := len(p.Versions)
	if !p.Strict || len(p.Stages) != 1 || it.Every < leastEvery || it.Total() < 1 || it.Cap < 0 || it.Increment < 0 || !p.Assignment.Unit.Request || p.Window != it.Every {
		t.Errorf("iterate %+v of %d stages, window %s", it, len(p.Stages), p.Window)
	}
	ok := map[experiment.Pattern]bool{
		experiment.PatternConformance: n == 1 && it.Shift == experiment.ShiftNone && p.Reward == nil,
		experiment.PatternCanary:      n == 2 && p.Reward == nil,
		experiment.PatternReward:      n >= 2 && p.Reward != nil && p.Metric(p.Reward.Metric) != nil,
	}
	if !ok[it.Pattern] || it.Shift == experiment.ShiftSwitch && n != 2 {
		t.Errorf("%s of %d versions, shift %s, reward %+v", it.Pattern, n, it.Shift, p.Reward)
	}
	if len(p.Guardrails)+len(p.Segments)+len(p.Redact) > 0 || p.Budget != nil || p.Predictions != nil || len(p.Sources()) > 0 {
		t.Errorf("a strict plan with more than it can do: %+v", p)
	}
	for _, m := range p.Metrics {
		if m.Provider == nil || m.Provider.Prometheus != nil && len(m.Provider.Prometheus.Query) != n || m.Provider.SQL != nil && m.Provider.SQL.Form != experiment.SQLValue {
			t.Errorf("metric %s gives no single number: %+v", m.Name, m.Provider)
		}
	}
}

// checkProviders asks of what is asked of providers that there is a text for each
// version, and a provider of the kind.
func checkProviders(t testing.TB, p *experiment.Plan) {
	t.Helper()
	n := len(p.Versions)
	for _, m := range p.Metrics {
		x := m.Provider
		if x == nil {
			continue
		}
		provider := p.Provider(x.Provider)
		switch {
		case x.HTTP != nil && (provider == nil || provider.HTTP == nil), x.SQL != nil && (provider == nil || provider.SQL == nil):
			t.Errorf("metric %s is read from %+v", m.Name, provider)
		case (x.Load != nil || x.Mock != nil) && !p.Strict:
			t.Errorf("metric %s of a plan that is not strict", m.Name)
		case x.Mock != nil && len(x.Mock.Levels) != n:
			t.Errorf("metric %s has %d levels", m.Name, len(x.Mock.Levels))
		}
		q := x.HTTP
		if q == nil {
			continue
		}
		for _, list := range []int{len(q.Path), len(q.Params), len(q.Body)} {
			if list != 0 && list != n {
				t.Errorf("metric %s has %d texts for %d versions", m.Name, list, n)
			}
		}
		for _, body := range q.Body {
			if !json.Valid([]byte(timeWords.Replace(body))) {
				t.Errorf("metric %s posts %q", m.Name, body)
			}
		}
		for _, expression := range []string{q.Value, q.Events, q.Total, q.Sum, q.Count, q.Squares} {
			if _, err := jq.Compile(expression); expression != "" && err != nil {
				t.Errorf("metric %s: %v", m.Name, err)
			}
		}
	}
}

// checkActions asks of actions what whoever does them takes for granted.
func checkActions(t testing.TB, p *experiment.Plan) {
	t.Helper()
	for _, hook := range experiment.Hooks() {
		var names []string
		for _, a := range p.Actions.Of(hook) {
			if a.Kind() == "" || a.Name == "" || a.Timeout <= 0 || a.Retries < 0 || slices.Contains(names, a.Name) {
				t.Errorf("action %s of %v: %+v", a.Name, names, a)
			}
			names = append(names, a.Name)
			for _, text := range textsOf(&a) {
				if _, err := template.New("").Parse(text); err != nil {
					t.Errorf("action %s: %v", a.Name, err)
				}
			}
			if l := a.Load; l != nil && (!p.Strict && !l.Discard || (l.Requests > 0) == (l.For > 0) || l.Concurrency < 1 || a.Timeout < loadTakes(l)) {
				t.Errorf("load %+v within %s", l, a.Timeout)
			}
		}
	}
}

// textsOf are some texts of an action that are filled in.
func textsOf(a *experiment.Action) []string {
	switch {
	case a.Patch != nil:
		return []string{a.Patch.Patch, a.Patch.Object.Name, a.Patch.Object.Namespace}
	case a.Apply != nil:
		return []string{a.Apply.Manifest, a.Apply.URL}
	case a.Webhook != nil:
		return []string{a.Webhook.URL, a.Webhook.Body}
	case a.Exec != nil && !a.Exec.Literal:
		return a.Exec.Command
	case a.Git != nil:
		return []string{a.Git.Repository, a.Git.Branch, a.Git.Message, a.Git.Files[0].Content}
	}
	return nil
}

// TestSecretsStayOut puts a password wherever one could be written by mistake.
func TestSecretsStayOut(t *testing.T) {
	const secret = "hunter2"
	inputs := goldenInputs(t)
	for name, edit := range map[string]struct{ golden, old, with string }{
		"user of a provider":      {"sources", "https://insights.example.org/v1?tenant=search", "https://u:hunter2@insights.example.org"},
		"broken user":             {"sources", "https://insights.example.org/v1?tenant=search", "https://u:hunter2@[::1"},
		"fragment of a provider":  {"sources", "https://insights.example.org/v1?tenant=search", "https://insights.example.org/#hunter2"},
		"query of no URL":         {"sources", "https://insights.example.org/v1?tenant=search", "insights/?key=hunter2"},
		"header with a line":      {"sources", `"${KEY}"`, `"${KEY}\nhunter2"`},
		"header of a placeholder": {"sources", `"${KEY}"`, `"${KEY}${X}hunter2"`},
		"header of a webhook":     {"messages", `"Key ${KEY}"`, `"${KEY}{{hunter2"`},
		"user of a webhook":       {"messages", "https://example.org/hooks/", "https://u:hunter2@example.org/"},
		"user of a repository":    {"messages", "https://git.example.org/search/routes.git", "https://u:hunter2@git.example.org/r"},
		"user of a manifest":      {"actions", "manifests/v2.yaml", "https://u:hunter2@example.org/v2.yaml"},
		"user without a scheme":   {"actions", "manifests/v2.yaml", "u:hunter2@example.org/v2.yaml"},
		"user of a target":        {"actions", "http://ranker-v2/predict", "http://u:hunter2@ranker-v2/predict"},
	} {
		t.Run(name, func(t *testing.T) {
			input := string(inputs[edit.golden])
			if !strings.Contains(input, edit.old) {
				t.Fatalf("%s is not in %s", edit.old, edit.golden)
			}
			_, err := Plan([]byte(strings.Replace(input, edit.old, edit.with, 1)))
			if err == nil {
				t.Fatal("accepted")
			}
			checkProblems(t, err)
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the secret is in the error: %v", err)
			}
		})
	}
}
