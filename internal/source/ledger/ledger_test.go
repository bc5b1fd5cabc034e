// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
)

var t0 = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func plan() *experiment.Plan {
	return &experiment.Plan{
		Namespace: "search", Name: "ranker", Versions: []experiment.Version{{Name: "v1"}, {Name: "v2"}},
		Window: time.Minute, Lag: 10 * time.Second,
	}
}

// wanted asks for the windows of a phase from one on.
func wanted(from int64) engine.Wanted {
	return engine.Wanted{Source: experiment.SourceGateway, Phase: &experiment.PhaseTotals{Epoch: 1, Phase: 2, Start: t0}, From: from}
}

// opened is a plan at a ledger that answers as a test says, but takes plans. The
// time-out is that of the answers: a plan is taken however long it takes.
func opened(t *testing.T, o Options, answer http.HandlerFunc) *Plan {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	o.URL = s.URL + "/"
	within := o.Timeout
	o.Timeout = time.Minute
	source, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	p, err := source.Open(t.Context(), plan())
	if err != nil {
		t.Fatal(err)
	}
	if within > 0 {
		source.options.Timeout = within
	}
	return p
}

func sealed(w http.ResponseWriter, from, to int64) {
	_ = json.NewEncoder(w).Encode(experiment.Seal{ // Whoever asked may have gone.
		Source: experiment.SourceGateway, Epoch: 1, Phase: 2, From: from, To: to,
		Gaps: []experiment.Gap{{From: 3, To: 4, Why: "a gateway was silent"}},
	})
}

func TestAsksForWhatIsWanted(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var asked *http.Request
	p := opened(t, Options{TokenFile: token}, func(w http.ResponseWriter, r *http.Request) {
		asked = r
		sealed(w, 3, 5)
	})
	seal, err := p.Seal(t.Context(), wanted(3), t0.Add(10*time.Minute))
	if err != nil || seal.To != 5 || len(seal.Gaps) != 1 {
		t.Errorf("%+v, %v", seal, err)
	}
	want := "/v1/seals?epoch=1&experiment=search%2Franker&from=3&phase=2&source=gateway&start=2026-11-21T12%3A00%3A00Z"
	if got := asked.URL.String(); got != want || asked.Header.Get("Authorization") != "Bearer secret" {
		t.Errorf("it asks %s with %s", got, asked.Header.Get("Authorization"))
	}
	asked = nil
	if seal, err := p.Seal(t.Context(), wanted(3), t0.Add(4*time.Minute)); err != nil || seal.From != 3 || seal.To != 3 || asked != nil {
		t.Errorf("before anything sealed: %+v, %v, asked %v", seal, err, asked)
	}
}

func TestALedgerThatForgotIsToldAgain(t *testing.T) {
	told, known := 0, false
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPut:
			text, err := io.ReadAll(r.Body)
			var got experiment.Plan
			if err != nil || json.Unmarshal(text, &got) != nil || got.Hash() != plan().Hash() || r.URL.Path != "/v1/plans/search/ranker" {
				t.Errorf("told of %s at %s", text, r.URL)
			}
			told, known = told+1, true
			w.WriteHeader(http.StatusNoContent)
		case !known:
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"error":{"code":"`+string(experiment.CodeNotFound)+`","message":"no experiment"}}`)
		default:
			sealed(w, 0, 5)
		}
	}))
	t.Cleanup(s.Close)
	source, err := New(Options{URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	p, err := source.Open(t.Context(), plan())
	if err != nil {
		t.Fatal(err)
	}
	known = false
	if seal, err := p.Seal(t.Context(), wanted(0), t0.Add(10*time.Minute)); err != nil || seal.To != 5 || told != 2 {
		t.Errorf("%+v, %v, told %d times", seal, err, told)
	}
}

// TestALedgerThatFails is a source that is down, and never a zero or a gap that
// is none.
func TestALedgerThatFails(t *testing.T) {
	text := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		code   experiment.Code
		want   string
	}{
		"a proxy's page":        {text(502, "<html>"), experiment.CodeUnavailable, "502 Bad Gateway"},
		"its store is away":     {text(503, `{"error":{"code":"unavailable","message":"the store is away"}}`), experiment.CodeUnavailable, "the store is away"},
		"a code of nobody":      {text(500, `{"error":{"code":"odd","message":"oops"}}`), experiment.CodeUnavailable, "oops"},
		"a wrong token":         {text(401, `{"error":{"code":"unauthorized","message":"the token is wrong"}}`), experiment.CodeUnauthorized, "the token is wrong"},
		"windows that are lost": {text(409, `{"error":{"code":"conflict","message":"a gap"}}`), experiment.CodeConflict, "a gap"},
		"no JSON":               {text(200, "<html>"), experiment.CodeUnavailable, "read its answer"},
		"half an answer":        {text(200, `{"source":"gateway","cells":[`), experiment.CodeUnavailable, "unexpected EOF"},
		"other windows":         {func(w http.ResponseWriter, _ *http.Request) { sealed(w, 1, 2) }, experiment.CodeUnavailable, "other windows"},
		"nothing":               {text(200, "{}"), experiment.CodeUnavailable, "other windows"},
		"another address":       {text(302, ""), experiment.CodeUnavailable, "302 Found"},
		"nothing in time":       {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, experiment.CodeUnavailable, "deadline"},
		"no end": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"experiment":"`)
			for line := strings.Repeat("a", 1<<20); ; {
				if _, err := io.WriteString(w, line); err != nil {
					return
				}
			}
		}, experiment.CodeUnavailable, "more than 67108864 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			var o Options
			if name == "nothing in time" {
				o.Timeout = 50 * time.Millisecond
			}
			p := opened(t, o, tc.answer)
			_, err := p.Seal(t.Context(), wanted(0), t0.Add(10*time.Minute))
			if experiment.CodeOf(err) != tc.code || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s %v, want %s %q", experiment.CodeOf(err), err, tc.code, tc.want)
			}
		})
	}
}

func TestAPlanThatTheLedgerRefuses(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, `{"error":{"code":"conflict","message":"it is registered with other outcomes","hint":"run it under another name"}}`)
	}))
	t.Cleanup(s.Close)
	source, err := New(Options{URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	_, err = source.Open(t.Context(), plan())
	if experiment.CodeOf(err) != experiment.CodeInvalid || experiment.HintOf(err) != "run it under another name" {
		t.Errorf("%s %v", experiment.CodeOf(err), err)
	}
}

func TestAddressesOfLedgers(t *testing.T) {
	for _, bad := range []string{"", "ledger:9093", "http://", "ftp://ledger", "http://u:hunter2@ledger", "http://ledger/?token=hunter2"} {
		if _, err := New(Options{URL: bad}); experiment.CodeOf(err) != experiment.CodeInvalid || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
