// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

func planText(t *testing.T, change func(p *experiment.Plan)) string {
	t.Helper()
	p := testPlan()
	change(p)
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestAPlanThatIsToldOf is taken like one of a file, and outlives the process.
func TestAPlanThatIsToldOf(t *testing.T) {
	s := newSite(t)
	s.o.Plans = nil
	s.gateway.set(gives(nil))
	p := s.start()
	path, plan := "/v1/plans/search/ranker", planText(t, func(*experiment.Plan) {})
	if status, body := s.call(p, http.MethodPut, path, plan, ""); status != http.StatusUnauthorized {
		t.Fatalf("without the token: %d %s", status, body)
	}
	for range 2 { // The same again is fine.
		if status, body := s.call(p, http.MethodPut, path, plan, token); status != http.StatusNoContent {
			t.Fatalf("%d %s", status, body)
		}
	}
	other := planText(t, func(p *experiment.Plan) { p.Window = time.Second })
	if status, body := s.call(p, http.MethodPut, path, other, token); status != http.StatusConflict {
		t.Errorf("joined otherwise: %d %s", status, body)
	}
	s.close(p)

	p = s.start()
	defer s.close(p)
	s.gateway.set(gives(batch("a", 1)))
	s.state(p, func(g PullState) bool { return g.Sequence == 1 })
	if got := s.sealed(p, experiment.SourceExposures, experiment.CellExposures); got != 1 {
		t.Errorf("it has %d exposures of a plan that was kept", got)
	}
	// An edit that joins alike takes the kept one's place.
	edited := planText(t, func(p *experiment.Plan) { p.Retention.Rows = 77 })
	if status, body := s.call(p, http.MethodPut, path, edited, token); status != http.StatusNoContent {
		t.Errorf("edited: %d %s", status, body)
	}
}

func TestPlansThatAreRefused(t *testing.T) {
	s := newSite(t)
	p := s.start()
	defer s.close(p)
	for name, tc := range map[string]struct{ path, body, want string }{
		"no JSON":            {"search/ranker", "<html>", "invalid character"},
		"two":                {"search/ranker", planText(t, func(*experiment.Plan) {}) + "{}", "more behind it"},
		"an unknown field":   {"search/ranker", `{"later": 1}`, "unknown field"},
		"no name":            {"search/ranker", "{}", "namespace is"},
		"another's":          {"search/other", planText(t, func(*experiment.Plan) {}), "that of search/ranker"},
		"a path for a name":  {"search/ranker", planText(t, func(p *experiment.Plan) { p.Name = "../../x" }), "name"},
		"no versions":        {"search/ranker", planText(t, func(p *experiment.Plan) { p.Versions = nil }), "0 versions"},
		"no window":          {"search/new", planText(t, func(p *experiment.Plan) { p.Name, p.Window = "new", 0 }), "window is 0s"},
		"more than is taken": {"search/ranker", `{"name":"` + strings.Repeat("a", maxPlan), "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := s.call(p, http.MethodPut, "/v1/plans/"+tc.path, tc.body, token)
			if status != http.StatusBadRequest || !strings.Contains(body, tc.want) {
				t.Errorf("%d %s, want %q", status, body, tc.want)
			}
		})
	}
}
