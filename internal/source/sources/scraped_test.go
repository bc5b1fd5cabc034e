// SPDX-License-Identifier: Apache-2.0

package sources

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// TestAPrometheusInTheProcess: a plan that names targets is told of them as of
// any server, and nothing is left running when it is closed (TestMain looks).
func TestAPrometheusInTheProcess(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "depth{v=\"v1\"} 3\ndepth{v=\"v2\"} 4\n")
	}))
	defer target.Close()
	p := &experiment.Plan{
		Name: "x", Strict: true, Versions: []experiment.Version{{Name: "v1"}, {Name: "v2"}},
		Router:    experiment.Router{None: true},
		Providers: []experiment.Provider{{Name: "own", Prometheus: &experiment.PrometheusProvider{Targets: []string{target.URL}, Scrape: 30 * time.Second}}},
		Metrics: []experiment.Metric{{Name: "depth", Provider: &experiment.ProviderMetric{
			Provider: "own", Prometheus: &experiment.PrometheusQuery{Query: []string{`depth{v="v1"}`, `depth{v="v2"}`}},
		}}},
	}
	s, err := Open(t.Context(), p, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	// The first scrape, at once, is all that is waited for: it has as long as the
	// next takes to come.
	var got []experiment.Reading
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		got = s.Points(t.Context(), experiment.Moment{Now: time.Now(), Elapsed: 1})
		if len(got) == 2 && got[0].Value != nil && got[1].Value != nil {
			break
		}
	}
	if len(got) != 2 {
		t.Fatalf("%+v", got)
	}
	for v, r := range got {
		if r.Failed != "" || r.Value == nil || *r.Value != float64(3+v) {
			t.Errorf("%+v", r)
		}
	}
	if _, err := Open(t.Context(), p, Options{Cluster: true}); experiment.CodeOf(err) != experiment.CodeInvalid {
		t.Errorf("in a cluster: %v", err)
	}
}
