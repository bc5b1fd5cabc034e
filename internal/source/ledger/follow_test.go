// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
)

func heardPlan() *experiment.Plan {
	p := plan()
	p.Predictions = &experiment.Predictions{ByEvents: true}
	return p
}

// told is a ledger that notes what it is told, and answers phases as a test says.
type told struct {
	t      *testing.T
	paths  []string
	bodies []string
	plans  int
	phase  http.HandlerFunc
}

func (s *told) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Method != http.MethodPut {
		s.t.Errorf("%s %s: %v", r.Method, r.URL, err)
	}
	if strings.HasPrefix(r.URL.Path, "/v1/plans/") {
		s.plans++
		w.WriteHeader(http.StatusNoContent)
		return
	}
	s.paths, s.bodies = append(s.paths, r.URL.EscapedPath()), append(s.bodies, string(body))
	s.phase(w, r)
}

func (s *told) open(p *experiment.Plan) *Plan {
	s.t.Helper()
	server := httptest.NewServer(s)
	s.t.Cleanup(server.Close)
	source, err := New(Options{URL: server.URL})
	if err != nil {
		s.t.Fatal(err)
	}
	opened, err := source.Open(s.t.Context(), p)
	if err != nil {
		s.t.Fatal(err)
	}
	return opened
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // Whoever asked may have gone.
	}
}

var lasting = experiment.Phase{Epoch: 2, Phase: 3, Stage: 1, Start: t0}

func TestTheLedgerIsToldOfPhases(t *testing.T) {
	s := &told{t: t, phase: says(http.StatusNoContent, "")}
	p := s.open(heardPlan())
	if err := p.Follow(t.Context(), lasting); err != nil {
		t.Fatal(err)
	}
	var got experiment.Phase
	if len(s.paths) != 1 || s.paths[0] != "/v1/phases/search/ranker" || json.Unmarshal([]byte(s.bodies[0]), &got) != nil || s.plans != 1 {
		t.Fatalf("told %q at %q, %d plans", s.bodies, s.paths, s.plans)
	}
	if diff := cmp.Diff(lasting, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s = &told{t: t, phase: says(http.StatusNoContent, "")}
	if err := s.open(plan()).Follow(t.Context(), lasting); err != nil || len(s.paths) > 0 {
		t.Errorf("a plan that hears nothing: %v, told %q", err, s.paths)
	}
}

func TestALedgerThatForgotThePlanIsToldOfBoth(t *testing.T) {
	const unknown = `{"error":{"code":"not_found","message":"no experiment hears","hint":"apply it"}}`
	s := &told{t: t}
	s.phase = func(w http.ResponseWriter, r *http.Request) {
		if s.plans < 2 {
			says(http.StatusNotFound, unknown)(w, r)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
	p := s.open(heardPlan())
	if err := p.Follow(t.Context(), lasting); err != nil || s.plans != 2 || len(s.paths) != 2 || s.bodies[0] != s.bodies[1] {
		t.Errorf("%v, %d plans, told %q", err, s.plans, s.bodies)
	}
	// One that does not know it all the same is asked twice, not for ever.
	s.phase, s.paths = says(http.StatusNotFound, unknown), nil
	if err := p.Follow(t.Context(), lasting); experiment.CodeOf(err) != experiment.CodeNotFound || len(s.paths) != 2 || s.plans != 3 {
		t.Errorf("%v, %d plans, told %q", err, s.plans, s.paths)
	}
}

// TestALedgerThatCannotBeToldIsDown: never a gap, which a conflict of a source
// would be.
func TestALedgerThatCannotBeToldIsDown(t *testing.T) {
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		code   experiment.Code
		want   string
	}{
		"it is away":        {says(502, "<html>"), experiment.CodeUnavailable, "502 Bad Gateway"},
		"it hears nothing":  {says(404, "404 page not found\n"), experiment.CodeUnavailable, "404 Not Found"},
		"a wrong token":     {says(401, `{"error":{"code":"unauthorized","message":"the token is wrong","hint":"h"}}`), experiment.CodeUnauthorized, "the token is wrong"},
		"an earlier one":    {says(400, `{"error":{"code":"invalid","message":"an earlier experiment was heard","hint":"h"}}`), experiment.CodeInvalid, "an earlier experiment"},
		"it contradicts it": {says(409, `{"error":{"code":"conflict","message":"recorded otherwise","hint":"h"}}`), experiment.CodeInvalid, "recorded otherwise"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &told{t: t, phase: tc.answer}
			err := s.open(heardPlan()).Follow(t.Context(), lasting)
			if experiment.CodeOf(err) != tc.code || !strings.Contains(err.Error(), "tell the ledger of phase 2.3: ") || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("%s %v, want %s %q", experiment.CodeOf(err), err, tc.code, tc.want)
			}
			if _, wrapped := errors.AsType[*experiment.Error](errors.Unwrap(err)); !wrapped {
				t.Errorf("%v is not wrapped", err)
			}
			if hint := experiment.HintOf(err); tc.code != experiment.CodeUnavailable && hint != "h" {
				t.Errorf("the hint is %q", hint)
			}
		})
	}
}
