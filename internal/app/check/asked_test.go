// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/internal/app/cluster"
	"github.com/headgate-dev/headgate/internal/experiment"
)

var began = time.Date(2026, 1, 2, 3, 4, 5, 6e8, time.UTC)

// secrets is a cluster that holds Secrets alone.
type secrets struct {
	client.Client
	data map[string]string
}

func (s secrets) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	value, ok := s.data[key.Name]
	if !ok {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, key.Name)
	}
	into.(*corev1.Secret).Data = map[string][]byte{"key": []byte(value)}
	return nil
}

// told gathers what a check says of a plan's evidence, as "STATUS CODE TEXT".
func told(p *experiment.Plan, s *experiment.State, data map[string]string, prometheus string) []string {
	k := &checker{Options: Options{Prometheus: prometheus, Client: &cluster.Client{
		Options: cluster.Options{Now: func() time.Time { return began }}, Live: secrets{data: data},
	}}}
	k.evidence(context.Background(), p, s)
	var out []string
	for _, r := range k.report.Results {
		out = append(out, fmt.Sprintf("%s %s %s", r.Status, r.Code, r.Text))
	}
	return out
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func asking(name, provider string, q experiment.HTTPQuery) experiment.Metric {
	q.Method, q.Params = "GET", [][]experiment.NameValue{
		{{Name: "v", Value: "v1"}, {Name: "t", Value: "{{.From}}-{{.To}}"}}, {{Name: "v", Value: "v2"}, {Name: "t", Value: "{{.From}}-{{.To}}"}},
	}
	return experiment.Metric{Name: name, Provider: &experiment.ProviderMetric{Provider: provider, HTTP: &q}}
}

func planOf(metrics ...experiment.Metric) *experiment.Plan {
	return &experiment.Plan{
		Name: "e", Namespace: "search", Window: time.Minute, Versions: []experiment.Version{{Name: "v1"}, {Name: "v2"}}, Metrics: metrics,
		Stages: []experiment.Stage{{Name: "s"}},
	}
}

// halves is the state of an experiment whose versions have half of the traffic.
func halves() *experiment.State {
	return &experiment.State{Slots: experiment.SlotsOf(experiment.Shares{5000, 5000})}
}

// TestOtherProvidersAreAskedForTheNewestWindow of each version that has traffic,
// with the secrets of the experiment's namespace.
func TestOtherProvidersAreAskedForTheNewestWindow(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("x-key") != "hush" || r.URL.Query().Get("t") != "1767322925-1767322985" {
			t.Errorf("asked with %q for %q", r.Header.Get("x-key"), r.URL.Query().Get("t"))
		}
		if r.URL.Query().Get("v") == "v2" {
			_, _ = io.WriteString(w, `{"n": 9, "x": null}`)
			return
		}
		_, _ = io.WriteString(w, `{"n": 9, "e": 1, "x": 4}`)
	})
	p := planOf(asking("errors", "api", experiment.HTTPQuery{Events: ".e", Total: ".n"}), asking("depth", "api", experiment.HTTPQuery{Value: ".n"}))
	p.Providers = []experiment.Provider{{Name: "api", HTTP: &experiment.HTTPProvider{
		URL: url, Headers: []experiment.NameValue{{Name: "x-key", Value: "${key}"}}, Timeout: time.Second, Delay: time.Minute,
		Secrets: []experiment.NamedSecret{{Name: "key", Secret: experiment.Secret{Name: "api", Key: "key"}}},
	}}}
	data := map[string]string{"api": "hush"}
	want := []string{
		"ok HG-C141 the provider api answers",
		"ok HG-C142 errors tells of v1: 9 in the newest window",
		"warning HG-C142 errors of v2 has no number as its events in the newest window",
		"ok HG-C142 depth tells of v1",
		"ok HG-C142 depth tells of v2",
	}
	if d := cmp.Diff(want, told(p, halves(), data, "")); d != "" {
		t.Error(d)
	}
	// The candidate has no traffic before it begins.
	if got := told(p, nil, data, ""); len(got) != 3 || strings.Contains(strings.Join(got, " "), "v2") {
		t.Errorf("%q", got)
	}
	if got := told(p, halves(), nil, ""); len(got) != 1 || !strings.HasPrefix(got[0], "warning HG-C141 from here, provider api: ") || strings.Contains(got[0], "hush") {
		t.Errorf("without the secret: %q", got)
	}
	p.Providers[0].HTTP.URL = "http://127.0.0.1:1"
	if got := told(p, halves(), data, ""); len(got) != 1 || !strings.HasPrefix(got[0], "warning HG-C141 from here, provider api: ") {
		t.Errorf("where it is not: %q", got)
	}
}

// TestWhatAClusterCannotAskIsSaid: neither files of a laptop nor its environment.
func TestWhatAClusterCannotAskIsSaid(t *testing.T) {
	m := experiment.Metric{Name: "revenue", Provider: &experiment.ProviderMetric{
		Provider: "facts", SQL: &experiment.SQLQuery{Query: "select version, 1 as value from t where at >= :from and at < :to", Form: experiment.SQLValue},
	}}
	for want, provider := range map[string]*experiment.SQLProvider{
		"no SQLite files":            {SQLite: "facts.db", Timeout: time.Second},
		"a key of a Secret object":   {Postgres: &experiment.Secret{Env: "FACTS"}, Timeout: time.Second},
		"read secret search/missing": {Postgres: &experiment.Secret{Name: "missing", Key: "key"}, Timeout: time.Second},
	} {
		p := planOf(m)
		p.Providers = []experiment.Provider{{Name: "facts", SQL: provider}}
		for _, strict := range []bool{false, true} {
			p.Strict = strict
			if got := told(p, halves(), nil, ""); len(got) != 1 || !strings.Contains(got[0], want) || strings.HasPrefix(got[0], "ok") {
				t.Errorf("%q, want %s", got, want)
			}
		}
	}
}

// TestStrictPlansAreAskedForNumbers and no pack is wanted of any router.
func TestStrictPlansAreAskedForNumbers(t *testing.T) {
	var asked atomic.Value
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		asked.Store(r.Form.Get("query"))
		result := `[]`
		if strings.Contains(r.Form.Get("query"), "v1") {
			result = `[{"metric":{},"value":[1,"2.5"]}]`
		}
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":%s}}`, result)
	})
	query := experiment.Metric{Name: "errors", Provider: &experiment.ProviderMetric{Provider: "prometheus", Prometheus: &experiment.PrometheusQuery{
		Query: []string{"v1[{{.Elapsed}}s]", "v2[{{.Elapsed}}s]"},
	}}}
	p := planOf(query, experiment.Metric{Name: "noise", Provider: &experiment.ProviderMetric{Mock: &experiment.MockQuery{}}})
	p.Strict, p.Router = true, experiment.Router{None: true}
	p.Providers = []experiment.Provider{{Name: "prometheus", Prometheus: &experiment.PrometheusProvider{URL: "http://127.0.0.1:1", Scrape: time.Second}}}
	want := []string{"ok HG-C141 the provider prometheus answers", "ok HG-C142 errors of v1 is 2.5", "warning HG-C142 errors tells no number of v2"}
	if d := cmp.Diff(want, told(p, nil, nil, url)); d != "" {
		t.Error(d)
	}
	if !strings.HasSuffix(asked.Load().(string), "[60s]") {
		t.Errorf("before it begins it is asked %s", asked.Load())
	}
	s := halves()
	s.Iteration = &experiment.Iteration{First: began.Add(-90 * time.Second)}
	p.Router = experiment.Router{Fields: []experiment.ShareField{{Version: 1}}}
	p.Providers, p.Metrics[0].Provider.Provider = nil, experiment.DefaultProvider
	want[0] = "ok HG-C141 the provider answers"
	if d := cmp.Diff(want, told(p, s, nil, url)); d != "" || !strings.HasSuffix(asked.Load().(string), "[90s]") {
		t.Error(asked.Load(), d)
	}
	if got := told(p, s, nil, ""); len(got) != 1 || !strings.HasPrefix(got[0], "warning HG-C141") || !strings.Contains(got[0], "names no provider") {
		t.Errorf("nobody knows where it is: %q", got)
	}
	if got := told(p, s, nil, "http://127.0.0.1:1"); len(got) != 1 || !strings.HasPrefix(got[0], "warning HG-C141 from here, the provider tells nothing: errors of v1: ") {
		t.Errorf("it does not answer: %q", got)
	}
}

// TestSecretNamesAreThoseOfProvidersAndActions, each once.
func TestSecretNamesAreThoseOfProvidersAndActions(t *testing.T) {
	of := func(name string) *experiment.Secret { return &experiment.Secret{Name: name, Key: "key"} }
	p := planOf()
	p.Providers = []experiment.Provider{
		{Name: "a", Prometheus: &experiment.PrometheusProvider{Token: of("prometheus"), CA: &experiment.Secret{File: "ca.pem"}}},
		{Name: "b", HTTP: &experiment.HTTPProvider{Key: of("http"), Secrets: []experiment.NamedSecret{{Name: "x", Secret: *of("named")}}}},
		{Name: "c", SQL: &experiment.SQLProvider{Postgres: of("facts")}},
	}
	if d := cmp.Diff([]string{"prometheus", "http", "named", "facts"}, secretNames(p)); d != "" {
		t.Error(d)
	}
	p.Actions = &experiment.Actions{
		OnStart:  []experiment.Action{{Webhook: &experiment.WebhookAction{Sign: of("sign"), Secrets: []experiment.NamedSecret{{Secret: *of("facts")}}}}},
		OnFinish: []experiment.Action{{Slack: &experiment.SlackAction{Webhook: of("slack")}}, {Git: &experiment.GitAction{Token: of("git")}}},
	}
	if d := cmp.Diff([]string{"prometheus", "http", "named", "facts", "sign", "slack", "git"}, secretNames(p)); d != "" {
		t.Error(d)
	}
}
