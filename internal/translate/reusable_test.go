// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
)

const referring = `apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: ranker, namespace: search}
spec:
  versions: [{name: v1, backend: "http://a:1"}, {name: v2, backend: "http://b:1"}]
  traffic: {gateway: {}}
  assignment: {unit: {request: true}}
  providers: [{name: prometheus, prometheus: {url: "http://prometheus:9090"}}]
  metrics:
  - {name: errors, ref: {name: http-errors}, params: {job: ranker}}
  objectives: [{metric: errors, max: 1%}]
  stages: [{name: canary, ramp: {steps: [1%]}, hold: {requests: 100}}]
`

const httpErrors = `apiVersion: headgate.dev/v1alpha1
kind: Metric
metadata: {name: http-errors, namespace: search}
spec:
  params: [{name: job}]
  goal: decrease
  trust: observed
  from: {prometheus: {events: 'e{job="{{.Params.job}}",v="{{.Version}}"}', total: 't{job="{{.Params.job}}",v="{{.Version}}"}'}}
`

func TestReusableMetricsMayStandInFurtherFiles(t *testing.T) {
	p, err := Plan([]byte(referring), []byte(strings.Replace(httpErrors, "http-errors", "other", 1)+"---\n"+httpErrors))
	if err != nil {
		t.Fatal(err)
	}
	q := p.Metric("errors").Provider.Prometheus
	if d := cmp.Diff([]string{`e{job="ranker",v="v1"}`, `e{job="ranker",v="v2"}`}, q.Events); d != "" {
		t.Error(d)
	}
	same, err := Plan([]byte(referring + "---\n" + httpErrors))
	if err != nil || same.Hash() != p.Hash() {
		t.Errorf("in the same file: %v, another plan", err)
	}
}

func TestFurtherFilesAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"another experiment":  {referring, "a further file holds reusable metrics only"},
		"no YAML":             {"a: [", "not YAML"},
		"nothing":             {"", "the file is empty"},
		"another namespace":   {strings.Replace(httpErrors, "namespace: search", "namespace: ads", 1), `there is no such metric in the namespace "search"`},
		"a mistake in itself": {strings.Replace(httpErrors, "events: ", "event: ", 1), `metric "http-errors": spec.from.prometheus.event: unknown field (did you mean events?)`},
		"a mistake in use":    {strings.Replace(httpErrors, "'e{", "'e[", 1), `metric "http-errors": spec.from.prometheus.events: the bracket } closes nothing`},
		"an unused parameter": {strings.Replace(httpErrors, "[{name: job}]", "[{name: job}, {name: spare, default: x}]", 1), `metric "http-errors": spec.params[1]: nothing uses the parameter, got "spare"`},
		"a long text":         {strings.Replace(httpErrors, "'e{", "'"+strings.Repeat("e", 4097)+"{", 1), "longer than 4096 bytes"},
		"many documents":      {strings.Repeat("---\na: 1\n", 100), "more than 64 documents"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Plan([]byte(referring), []byte(c.file))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %.500v, want %q in it", err, c.want)
			}
		})
	}
}

func TestTextsStayBoundedOnceTheyAreFilledIn(t *testing.T) {
	long := strings.Repeat("x", 900)
	metric := strings.Replace(httpErrors, `e{job="`, `e{job="`+strings.Repeat("{{.Params.job}}", 5), 1)
	_, err := Plan([]byte(strings.Replace(referring, "job: ranker", "job: "+long, 1)), []byte(metric))
	if err == nil || !strings.Contains(err.Error(), "longer than 4096 bytes once it is filled in") {
		t.Errorf("%.300v", err)
	}
}

// TestProvidersKeepSecrets puts a secret wherever one could stand by mistake.
func TestProvidersKeepSecrets(t *testing.T) {
	const secret = "hunter2!"
	for _, provider := range []string{
		`url: "https://u:hunter2!@p"`, `url: "https://p?token=hunter2!"`, `url: "https://p", token: {env: "hunter2!"}`,
		`url: "https://p", token: {name: "hunter2!", key: k}`, `url: "https://p", token: {name: n, key: "hunter2!"}`,
		`url: "https://p", username: u, password: {env: x, file: "hunter2!"}`,
	} {
		_, err := Plan([]byte(strings.Replace(referring, `url: "http://prometheus:9090"`, provider, 1)), []byte(httpErrors))
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", provider, err)
		}
	}
}

// TestReusableMetricsOfHTTP fills parameters and variables in.
func TestReusableMetricsOfHTTP(t *testing.T) {
	const metric = `apiVersion: headgate.dev/v1alpha1
kind: Metric
metadata: {name: http-errors, namespace: search}
spec:
  params: [{name: job}]
  goal: decrease
  trust: observed
  from: {http: {params: [{name: q, value: "{{.Params.job}}/{{.Variables.app}}/{{.Window}}"}], events: .bad, total: .all}}
`
	referring := strings.NewReplacer(`prometheus: {url: "http://prometheus:9090"}`, `http: {url: "https://api"}`,
		`"http://a:1"`, `"http://a:1", variables: {app: one}`, `"http://b:1"`, `"http://b:1", variables: {app: two}`).Replace(referring)
	p, err := Plan([]byte(referring), []byte(metric))
	if err != nil {
		t.Fatal(err)
	}
	want := [][]experiment.NameValue{{{Name: "q", Value: "ranker/one/{{.Window}}"}}, {{Name: "q", Value: "ranker/two/{{.Window}}"}}}
	if d := cmp.Diff(want, p.Metric("errors").Provider.HTTP.Params); d != "" {
		t.Error(d)
	}
	if _, err := Plan([]byte(strings.Replace(referring, "variables: {app: two}", "cost: {perRequest: 1}", 1)), []byte(metric)); err == nil || !strings.Contains(err.Error(), `version "v2" has no variable "app"`) {
		t.Errorf("a version without the variable: %v", err)
	}
}
