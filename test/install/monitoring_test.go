// SPDX-License-Identifier: Apache-2.0

package install

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/headgate-dev/headgate/test/servers"
)

// query is one expression of PromQL, and where it stands.
type query struct{ at, expr string }

type rule struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

func rules(t *testing.T) []rule {
	t.Helper()
	var file struct{ Groups []struct{ Rules []rule } }
	if err := yaml.Unmarshal([]byte(text(t, "config/prometheus/rules.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Targets                  []struct{ Expr, LegendFormat string }
}

type dashboard struct {
	Panels     []panel
	Templating struct {
		List []struct {
			Name, Type string
			Query      any
		}
	}
}

func dashboardOf(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal([]byte(text(t, "config/grafana/headgate.json")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

var (
	labelValues = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)
	variable    = regexp.MustCompile(`\$\w+`)
)

// queries are all expressions of dashboard and rules, as Prometheus gets them:
// Grafana's variables are filled in.
func queries(t *testing.T) []query {
	t.Helper()
	var all []query
	d := dashboardOf(t)
	known := []string{"$__rate_interval"}
	for _, v := range d.Templating.List {
		known = append(known, "$"+v.Name)
	}
	fill := func(at, expr string) {
		for _, used := range variable.FindAllString(expr, -1) {
			if !slices.Contains(known, used) {
				t.Errorf("%s: there is no variable %s", at, used)
			}
		}
		expr = strings.ReplaceAll(expr, "$__rate_interval", "5m")
		all = append(all, query{at, variable.ReplaceAllString(expr, "search")})
	}
	for _, v := range d.Templating.List {
		if q, ok := v.Query.(map[string]any); ok {
			m := labelValues.FindStringSubmatch(q["query"].(string))
			if m == nil {
				t.Errorf("variable %s: %v", v.Name, q)
				continue
			}
			fill("variable "+v.Name, fmt.Sprintf("group by (%s) (%s)", m[2], m[1]))
		}
	}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			fill("panel "+p.Title, target.Expr)
		}
	}
	for _, r := range rules(t) {
		all = append(all, query{"alert " + r.Alert, r.Expr})
	}
	if len(all) < 50 {
		t.Fatalf("only %d expressions", len(all))
	}
	return all
}

// Of an expression without its texts and durations, what is left in braces are
// labels, after by and its like too, and every other word is a function if a
// parenthesis follows, an operator, or a metric.
var (
	texts     = regexp.MustCompile(`"(\\.|[^"\\])*"|\[[^\]]*\]`)
	braces    = regexp.MustCompile(`\{[^}]*\}`)
	groupings = regexp.MustCompile(`\b(?:by|without|on|ignoring|group_left|group_right) ?\(([^)]*)\)`)
	wordOf    = regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*(?: *\()?`)
)

// namesIn gives the metrics and the labels of an expression.
func namesIn(expr string) (metrics, labels []string) {
	expr = texts.ReplaceAllString(expr, "")
	add := func(in string) { labels = append(labels, wordOf.FindAllString(in, -1)...) }
	for _, b := range braces.FindAllString(expr, -1) {
		add(b)
	}
	expr = braces.ReplaceAllString(expr, "")
	for _, g := range groupings.FindAllStringSubmatch(expr, -1) {
		add(g[1])
	}
	expr = groupings.ReplaceAllString(expr, "")
	for _, w := range wordOf.FindAllString(expr, -1) {
		if !strings.HasSuffix(w, "(") && !slices.Contains([]string{"and", "or", "unless", "bool", "offset"}, w) {
			metrics = append(metrics, w)
		}
	}
	return metrics, labels
}

func TestNamesAreFoundInExpressions(t *testing.T) {
	m, l := namesIn(`histogram_quantile(0.99, sum by (le, a) (rate(x_bucket{b="c(d", e=~"}"}[5m]))) / on (a) group_left () y or vector(0) > 2`)
	if fmt.Sprint(m) != "[x_bucket y]" || fmt.Sprint(l) != "[b e le a a]" {
		t.Errorf("metrics %q, labels %q", m, l)
	}
}

// istio are Istio's metrics that the dashboard shows and metric pack istio
// counts.
var istio = []string{"istio_requests_total", "istio_request_duration_milliseconds"}

// TestDashboardAndRulesNameWhatIsExported looks up every metric and label of
// their expressions in what the processes register.
func TestDashboardAndRulesNameWhatIsExported(t *testing.T) {
	known := exported(t)
	pack := text(t, "internal/router/pack/istio.go")
	for _, name := range istio {
		if !strings.Contains(pack, `"`+name) {
			t.Errorf("metric pack istio no longer knows %s", name)
		}
		known[name] = []string{"reporter", "response_code", "destination_workload", "destination_workload_namespace"}
	}
	for _, q := range queries(t) {
		metrics, labels := namesIn(q.expr)
		if len(metrics) == 0 {
			t.Errorf("%s: no metric in %s", q.at, q.expr)
		}
		allowed := []string{"job", "instance"} // Every scraped series has them.
		for _, name := range metrics {
			has, ok := known[name]
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				if base, is := strings.CutSuffix(name, suffix); is && !ok {
					has, ok = known[base]
					allowed = append(allowed, "le")
				}
			}
			if !ok {
				t.Errorf("%s: nothing exports %s", q.at, name)
			}
			allowed = append(allowed, has...)
		}
		for _, label := range labels {
			if !slices.Contains(allowed, label) {
				t.Errorf("%s: none of %q has a label %s", q.at, metrics, label)
			}
		}
	}
}

// TestPanelsHaveTheirPlace holds the dashboard to what Grafana draws.
func TestPanelsHaveTheirPlace(t *testing.T) {
	ids := make(map[int]bool)
	taken := make(map[[2]int]string)
	for _, p := range dashboardOf(t).Panels {
		if ids[p.ID] {
			t.Errorf("panel %s: its id is taken", p.Title)
		}
		ids[p.ID] = true
		if p.Type != "row" && (p.Description == "" || len(p.Targets) == 0) {
			t.Errorf("panel %s has no description or no query", p.Title)
		}
		if p.GridPos.X+p.GridPos.W > 24 || p.GridPos.W == 0 || p.GridPos.H == 0 {
			t.Errorf("panel %s is at %+v", p.Title, p.GridPos)
		}
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if other := taken[at]; other != "" {
					t.Fatalf("panel %s lies on %s", p.Title, other)
				}
				taken[at] = p.Title
			}
		}
	}
}

// TestAlertsSayWhatToDo holds every alert to its annotations and to a test of
// its own in rules_test.yaml.
func TestAlertsSayWhatToDo(t *testing.T) {
	tests := text(t, "config/prometheus/rules_test.yaml")
	for _, r := range rules(t) {
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s has no summary or no description", r.Alert)
		}
		if s := r.Labels["severity"]; s != "warning" && s != "critical" {
			t.Errorf("%s has severity %q", r.Alert, s)
		}
		if !strings.Contains(tests, fmt.Sprintf("alertname=%q", r.Alert)) {
			t.Errorf("no test of rules_test.yaml has %s fire", r.Alert)
		}
	}
}

// TestRulesFireWhenTheyShould runs rules_test.yaml.
func TestRulesFireWhenTheyShould(t *testing.T) {
	wanted(t)
	binary := filepath.Join(os.Getenv("HEADGATE_TEST_BIN"), "promtool")
	if info, err := os.Stat(binary); err != nil || !info.Mode().IsRegular() {
		if binary, err = exec.LookPath("promtool"); err != nil {
			t.Skip("there is no promtool on the PATH or in HEADGATE_TEST_BIN (Debian: prometheus)")
		}
	}
	out, err := exec.CommandContext(t.Context(), binary, "test", "rules", file("config/prometheus/rules_test.yaml")).CombinedOutput()
	if err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

// TestPrometheusTakesEveryExpression asks a real Prometheus, which has loaded
// the rules, everything that the dashboard asks.
func TestPrometheusTakesEveryExpression(t *testing.T) {
	wanted(t)
	path, err := filepath.Abs(file("config/prometheus/rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	at := servers.Prometheus(t, fmt.Sprintf("rule_files: [%q]\n", path))
	ask := func(path string) (int, string) {
		res, err := http.Get(at + path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	if status, body := ask("/api/v1/query?query=" + url.QueryEscape("sum(")); status != http.StatusBadRequest {
		t.Fatalf("a wrong expression gets %d: %s", status, body)
	}
	for _, q := range queries(t) {
		if status, body := ask("/api/v1/query?query=" + url.QueryEscape(q.expr)); status != http.StatusOK {
			t.Errorf("%s: %s", q.at, body)
		}
	}
	_, loaded := ask("/api/v1/rules")
	for _, r := range rules(t) {
		if !strings.Contains(loaded, fmt.Sprintf("%q", r.Alert)) {
			t.Errorf("it has not loaded %s", r.Alert)
		}
	}
}
