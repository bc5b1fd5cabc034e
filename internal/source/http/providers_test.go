// SPDX-License-Identifier: Apache-2.0

package http_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	source "github.com/headgate-dev/headgate/internal/source/http"
	"github.com/headgate-dev/headgate/internal/translate"
	"github.com/headgate-dev/headgate/stats"
)

// readyMade is the plan of the part of docs/guide/metrics.md that asks so.
func readyMade(t *testing.T, part string) *experiment.Plan {
	t.Helper()
	page, err := os.ReadFile("../../../docs/guide/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split(string(page), "```yaml\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		if !strings.Contains(block, part) {
			continue
		}
		p, err := translate.Plan([]byte(`apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: ranker, namespace: search}
spec:
  owner: ranking
  versions: [{name: v1, backend: "http://127.0.0.1:1"}, {name: v2, backend: "http://127.0.0.1:2"}]
  traffic: {gateway: {}}
  assignment: {unit: {header: x-user-id}}
  stages: [{name: canary, ramp: {steps: [50%]}, hold: {windows: 2}}]
  ` + strings.ReplaceAll(strings.TrimSpace(block), "\n", "\n  ")))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	t.Fatalf("docs/guide/metrics.md does not ask for %s", part)
	return nil
}

// TestReadyMadeProviders asks small servers of our own that want what New Relic,
// Sysdig and Elasticsearch want and answer in their shapes, as
// docs/guide/metrics.md says.
func TestReadyMadeProviders(t *testing.T) {
	counts := experiment.Evidence{Counts: stats.Counts{N: 2000, X: 14}}
	for name, tc := range map[string]struct {
		part  string
		serve func(w http.ResponseWriter, r *http.Request, body map[string]any)
		want  experiment.Evidence
		quiet bool // the first version has nothing
	}{
		"New Relic by GET": {
			part: "/v1/accounts/1/query",
			serve: func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
				want := "SELECT count(*), filter(count(*), WHERE error IS true) FROM Transaction WHERE version = 'v2' SINCE 1767323045 UNTIL 1767323105"
				if r.Method != "GET" || r.URL.Path != "/v1/accounts/1/query" || r.Header.Get("X-Query-Key") != "s3cret" {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				if q := r.URL.Query().Get("nrql"); q != want {
					fmt.Fprint(w, `{"results":[{"count":0},{"count":0}],"metadata":{}}`)
					return
				}
				fmt.Fprint(w, `{"results":[{"count":2000},{"count":14}],"metadata":{"contents":[{"function":"count"},{"function":"filter"}]}}`)
			},
			want: counts, quiet: true,
		},
		"New Relic by POST": {
			part: "/graphql",
			serve: func(w http.ResponseWriter, r *http.Request, body map[string]any) {
				text, _ := body["query"].(string)
				if r.Method != "POST" || r.URL.Path != "/graphql" || r.Header.Get("API-Key") != "s3cret" || !strings.Contains(text, "SINCE 1767323045 UNTIL 1767323105") {
					w.WriteHeader(http.StatusForbidden)
					return
				}
				fmt.Fprint(w, `{"data":{"actor":{"account":{"nrql":{"results":[{"n":4,"q":30,"s":10}]}}}}}`)
			},
			want: experiment.Evidence{Counts: stats.Counts{N: 4}, Units: stats.Pair{N: 4, MeanY: 2.5, MeanX: 1, M2Y: 5}},
		},
		"Sysdig": {
			part: "/api/data",
			serve: func(w http.ResponseWriter, r *http.Request, body map[string]any) {
				if r.Method != "POST" || r.URL.Path != "/api/data" || r.Header.Get("Authorization") != "Bearer s3cret" {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				if body["start"] != 1767323045. || body["end"] != 1767323105. || body["sampling"] != 60. || body["filter"] == "kubernetes.deployment.name = 'ranker-v1'" {
					fmt.Fprint(w, `{"data":[],"start":1767323045,"end":1767323105}`)
					return
				}
				fmt.Fprint(w, `{"data":[{"t":1767323105,"d":[6.481]}],"start":1767323045,"end":1767323105}`)
			},
			want: experiment.WindowEvidence(6.481, 1), quiet: true,
		},
		"Elasticsearch": {
			part: "/sessions/_search",
			serve: func(w http.ResponseWriter, r *http.Request, body map[string]any) {
				text, _ := json.Marshal(body)
				switch {
				case r.URL.Path != "/sessions/_search" || r.Header.Get("Authorization") != "ApiKey s3cret" || body["size"] != 0.:
					w.WriteHeader(http.StatusUnauthorized)
				case strings.Contains(string(text), `"v1"`): // Nothing was found: nulls.
					fmt.Fprint(w, `{"took":1,"timed_out":false,"hits":{"hits":[]},"aggregations":{"revenue":{"count":0,"min":null,"max":null,"avg":null,"sum":0.0,"sum_of_squares":null}}}`)
				default:
					fmt.Fprint(w, `{"took":1,"timed_out":false,"hits":{"hits":[]},"aggregations":{"revenue":{"count":9,"min":72.0,"max":99.0,"avg":86.0,"sum":774.0,"sum_of_squares":67028.0}}}`)
				}
			},
			want: experiment.Evidence{Counts: stats.Counts{N: 9}, Units: stats.Pair{N: 9, MeanY: 86, MeanX: 1, M2Y: 464}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := at(serve(t, func(w http.ResponseWriter, r *http.Request) {
				var body map[string]any
				if text, _ := io.ReadAll(r.Body); len(text) > 0 && (json.Unmarshal(text, &body) != nil || r.Header.Get("Content-Type") != "application/json") {
					t.Errorf("the body is no JSON: %s", text)
				}
				tc.serve(w, r, body)
			}))
			p := readyMade(t, tc.part)
			provider := *p.Providers[0].HTTP
			provider.URL, provider.CA = o.Provider.URL, nil // Ours, and without TLS.
			o.Provider, o.Secrets = provider, secretIs("s3cret")
			s, err := source.New(o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Close)
			r, err := s.Metrics(p, p.Providers[0].Name)
			if err != nil {
				t.Fatal(err)
			}
			p.Window = time.Minute
			seal, err := r.Seal(t.Context(), wanted(0), began.Add(10*time.Minute))
			if err == nil {
				seal = firstWindow(seal)
			}
			if err != nil || seal.To != 1 || len(seal.Cells) == 0 {
				t.Fatalf("%+v, %v", seal, err)
			}
			last := seal.Cells[len(seal.Cells)-1]
			if diff := cmp.Diff(tc.want, last.Evidence); diff != "" || last.Version != 1 {
				t.Error(diff)
			}
			if (len(seal.Cells) == 1) != (tc.quiet || name == "Elasticsearch") {
				t.Errorf("%+v", seal)
			}
			// No value is a gap; no count, of which there can be none, is not.
			if (len(seal.Gaps) > 0) != (name == "Sysdig") {
				t.Errorf("%+v", seal.Gaps)
			}
		})
	}
}

// firstWindow is what a seal says of its first window.
func firstWindow(s experiment.Seal) experiment.Seal {
	s.To = min(s.To, s.From+1)
	s.Cells = slices.DeleteFunc(s.Cells, func(c experiment.Cell) bool { return c.Window >= s.To })
	s.Gaps = experiment.MergeGaps(s.Gaps, s.From, s.To)
	return s
}
