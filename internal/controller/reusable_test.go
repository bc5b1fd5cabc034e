// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"fmt"
	"strings"
	"testing"
)

// TestReusableMetricsAreCheckedAsTheyAreUsed: what any experiment could use is
// admitted, whatever it is read from; what none could is refused in the metric's
// own words.
func TestReusableMetricsAreCheckedAsTheyAreUsed(t *testing.T) {
	for name, c := range map[string]struct {
		spec string // as JSON
		says string // empty is admitted
	}{
		"prometheus": {`{"goal": "increase", "from": {"prometheus": {"provider": "p", "query": "depth{version=\"{{.Version}}\"}"}}}`, ""},
		"http with a provider": {
			`{"goal": "increase", "from": {"http": {"provider": "api", "path": "/v1/{{.Variables.ns}}", "value": ".x"}}}`, "",
		},
		"http without": {`{"goal": "increase", "from": {"http": {"params": [{"name": "q", "value": "{{.Version}}"}], "events": ".e", "total": ".n"}}}`, ""},
		"http whose body holds a number": {
			`{"goal": "increase", "params": [{"name": "id"}], "from": {"http": {"method": "POST", "body": "{\"id\": {{.Params.id}}, \"v\": {{ .Variables.number }}}", "value": ".x"}}}`, "",
		},
		"http whose path is a variable": {`{"goal": "increase", "from": {"http": {"path": "{{.Variables.where}}", "value": ".x"}}}`, ""},
		"sql":                           {`{"goal": "increase", "from": {"sql": {"provider": "facts", "query": "select version, 1 as n from t where at >= :from and at < :to", "form": "moments"}}}`, ""},
		"sql without a provider":        {`{"goal": "increase", "from": {"sql": {"query": "select version, 1 as value from t where at >= :from and at < :to", "form": "value"}}}`, ""},
		"sql of strict experiments":     {`{"goal": "increase", "from": {"sql": {"query": "select version, 1 as value from t", "form": "value"}}}`, ""},
		"load":                          {`{"from": {"load": "mean-latency"}}`, ""},
		"mock":                          {`{"from": {"mock": {"levels": {"ranker-a": 3}}}}`, ""},
		"elapsed time": {
			`{"from": {"prometheus": {"query": "sum(increase(x{version=\"{{.Version}}\"}[{{.Elapsed}}s]))"}}}`, "",
		},
		"units of answers that tell of elapsed time": {
			`{"goal": "increase", "from": {"http": {"path": "/{{.Version}}", "sum": ".Elapsed", "count": ".n", "squares": ".q"}}}`, "",
		},
		"strict questions that are the same for all": {`{"goal": "increase", "from": {"http": {"path": "/q", "params": [{"name": "t", "value": "{{.Elapsed}}"}], "value": ".x"}}}`, ""},

		"jq that is none":       {`{"goal": "increase", "from": {"http": {"path": "/{{.Version}}", "value": ".["}}}`, "spec.from.http.value"},
		"a query that writes":   {`{"goal": "increase", "from": {"sql": {"query": "delete from t", "form": "value"}}}`, "spec.from.sql.query"},
		"sql without its form":  {`{"goal": "increase", "from": {"sql": {"query": "select version, 1 as value from t where at >= :from and at < :to"}}}`, "spec.from.sql.form"},
		"mock without a level":  {`{"from": {"mock": {}}}`, "spec.from.mock.levels"},
		"an unknown load":       {`{"from": {"load": "depth"}}`, "spec.from.load"},
		"elapsed in a selector": {`{"goal": "increase", "from": {"prometheus": {"events": "a{v=\"{{.Version}}\",t=\"{{.Elapsed}}\"}", "total": "a{v=\"{{.Version}}\"}"}}}`, "spec.from.prometheus"},
		"a parameter not used":  {`{"goal": "increase", "params": [{"name": "id"}], "from": {"http": {"path": "/{{.Version}}", "value": ".x"}}}`, "spec.params[0]"},
		"one that is unknown":   {`{"goal": "increase", "from": {"http": {"path": "/{{.Params.id}}/{{.Version}}", "value": ".x"}}}`, "no parameter"},
		"the same for both":     {`{"goal": "increase", "from": {"http": {"path": "/q", "value": ".x"}}}`, "does not tell apart"},
		"no window, and counts": {`{"goal": "increase", "from": {"sql": {"query": "select version, 1 as events, 2 as total from t", "form": "counts"}}}`, "does not ask for :from"},
		"no goal":               {`{"from": {"sql": {"query": "select version, 1 as value from t where at >= :from and at < :to", "form": "value"}}}`, "spec.goal"},
		"nothing":               {`{"from": {}}`, "spec.from"},
	} {
		t.Run(name, func(t *testing.T) {
			written := fmt.Sprintf(`{"apiVersion": "headgate.dev/v1alpha1", "kind": "Metric", "metadata": {"name": "errors", "namespace": "search"}, "spec": %s}`, c.spec)
			err := checkMetric([]byte(written))
			switch {
			case c.says == "" && err != nil:
				t.Error(err)
			case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
				t.Errorf("%v, want something of %s", err, c.says)
			case err != nil && (strings.Contains(err.Error(), "user/") || strings.Contains(err.Error(), "has no variable") || strings.Contains(err.Error(), "no such provider")):
				t.Errorf("it speaks of the experiment that was made for it: %v", err)
			}
		})
	}
}
