// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/headgate-dev/headgate/internal/experiment"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeRecorder checks batches as every recorder must and remembers them.
type fakeRecorder struct {
	mu    sync.Mutex
	got   []experiment.UnitOutcome
	id    string
	reply func(ctx context.Context) (experiment.Receipt, error)
}

func (f *fakeRecorder) Record(ctx context.Context, id string, outcomes []experiment.UnitOutcome) (experiment.Receipt, error) {
	if err := experiment.CheckOutcomes(outcomes); err != nil {
		return experiment.Receipt{}, err
	}
	if f.reply != nil {
		return f.reply(ctx)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.id = id
	f.got = append(f.got, outcomes...)
	return experiment.Receipt{Accepted: len(outcomes)}, nil
}

func one() []string { return []string{"search/ranker"} }

func post(tb testing.TB, h http.Handler, body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodPost, "/v1/outcomes", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func failureOf(tb testing.TB, w *httptest.ResponseRecorder) Failure {
	tb.Helper()
	var body struct{ Error *Failure }
	d := json.NewDecoder(w.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&body); err != nil || body.Error == nil {
		tb.Fatalf("answer %d is no error body: %v", w.Code, err)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		tb.Errorf("content type = %q", got)
	}
	return *body.Error
}

func TestAccepts(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 500_000_000, time.UTC)
	for name, tc := range map[string]struct {
		body string
		key  string
		want []experiment.UnitOutcome
	}{
		"a list": {
			body: `{"experiment":"search/ranker","outcomes":[{"token":"T","event":"purchase","value":12.5,"key":"k","time":"2026-03-01T13:00:00.5+01:00"},{"unit":"u","event":"refund"}]}`,
			want: []experiment.UnitOutcome{{Token: "T", Event: "purchase", Value: 12.5, Key: "k", At: at}, {Unit: "u", Event: "refund", Value: 1}},
		},
		"one alone":                   {body: `{"unit":"u","event":"click"}`, want: []experiment.UnitOutcome{{Unit: "u", Event: "click", Value: 1}}},
		"one alone with experiment":   {body: ` {"event":"click","experiment":"search/ranker","unit":"u","value":0} `, want: []experiment.UnitOutcome{{Unit: "u", Event: "click"}}},
		"request key for each place":  {body: `{"outcomes":[{"unit":"u","event":"a"},{"unit":"u","event":"a","key":"0"}]}`, key: "r", want: []experiment.UnitOutcome{{Unit: "u", Event: "a", Value: 1, Key: "r#0"}, {Unit: "u", Event: "a", Value: 1, Key: "r=0"}}},
		"labels by request":           {body: `{"outcomes":[{"request":"r-1","event":"truth","label":"cat"},{"unit":"u","event":"truth","value":0}]}`, want: []experiment.UnitOutcome{{Request: "r-1", Event: "truth", Label: "cat", Value: 1}, {Unit: "u", Event: "truth"}}},
		"escapes and small exponents": {body: `{"unit":"\u00fc","event":"a","value":-1.5e-3}`, want: []experiment.UnitOutcome{{Unit: "ü", Event: "a", Value: -0.0015}}},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fakeRecorder{}
			w := post(t, Outcomes(f, one), tc.body, func(r *http.Request) {
				if tc.key != "" {
					r.Header.Set("Idempotency-Key", tc.key)
				}
			})
			want := fmt.Sprintf(`{"accepted":%d,"duplicates":0,"late":0,"unmatched":0}`, len(tc.want))
			if w.Code != http.StatusAccepted || strings.TrimSpace(w.Body.String()) != want {
				t.Fatalf("answer = %d %s, want 202 %s", w.Code, w.Body, want)
			}
			if diff := cmp.Diff(tc.want, f.got); diff != "" || f.id != "search/ranker" {
				t.Errorf("recorded for %q (-want +got):\n%s", f.id, diff)
			}
		})
	}
}

func TestBadBodies(t *testing.T) {
	outcome := func(fields string) string { return `{"outcomes":[{"unit":"u","event":"e"},{` + fields + `}]}` }
	many := `{"outcomes":[` + strings.Repeat(`{"unit":"u","event":"e"},`, experiment.MaxOutcomes) + `{"unit":"u","event":"e"}]}`
	for name, tc := range map[string]struct{ body, path, says, hint string }{
		"empty":                    {``, "", "is empty", `"outcomes"`},
		"blank":                    {" \n\t", "", "is empty", `"outcomes"`},
		"no JSON":                  {`hello`, "", "line 1, column 1", "JSON"},
		"broken on line 2":         {"{\"outcomes\":\n [}", "", "line 2, column 3", "JSON"},
		"cut short":                {`{"outcomes":[{"unit":"u"`, "", "unexpected end", "JSON"},
		"trailing data":            {`{"unit":"u","event":"e"} {}`, "", "column 26", "one JSON object"},
		"trailing comma":           {`{"unit":"u","event":"e",}`, "", "column 25", "JSON"},
		"NaN":                      {outcome(`"unit":"u","event":"e","value":NaN`), "", "invalid character 'N'", "finite"},
		"Infinity":                 {outcome(`"unit":"u","event":"e","value":-Infinity`), "", "invalid character 'I'", "finite"},
		"single quotes":            {`{'unit':'u'}`, "", "column 2", "double quotes"},
		"not UTF-8":                {"{\"unit\":\"\xff\"}", "", "UTF-8", "UTF-8"},
		"a list at the top":        {`[{"unit":"u","event":"e"}]`, "", "the body is a list", `{"outcomes"`},
		"a string at the top":      {`"u"`, "", "is a string", `{"outcomes"`},
		"null":                     {`null`, "", "is null", `{"outcomes"`},
		"nothing in it":            {`{}`, "outcomes", "is missing", `{"outcomes"`},
		"only an experiment":       {`{"experiment":"search/ranker"}`, "outcomes", "is missing", `{"outcomes"`},
		"no outcomes":              {`{"outcomes":[]}`, "outcomes", "is empty", "at least one"},
		"outcomes null":            {`{"outcomes":null}`, "outcomes", "is null: want a list", "a list"},
		"outcomes an object":       {`{"outcomes":{}}`, "outcomes", "is an object: want a list", "a list"},
		"too many outcomes":        {many, "outcomes", "more than 1000", "several"},
		"an outcome is a string":   {`{"outcomes":["u"]}`, "outcomes[0]", "is a string: want an object", "an object"},
		"misspelt at the top":      {`{"outcome":[]}`, "outcome", "not a field", `"outcomes"`},
		"misspelt in the list":     {outcome(`"unit":"u","evnt":"e"`), "outcomes[1].evnt", "not a field", `"event"`},
		"wrong case":               {outcome(`"Unit":"u","event":"e"`), "outcomes[1].Unit", "not a field", `"unit"`},
		"unknown and far":          {outcome(`"unit":"u","event":"e","zzzzzz":1`), "outcomes[1].zzzzzz", "not a field", "known are token, unit"},
		"request beside unit":      {outcome(`"request":"r","unit":"u","event":"e"`), "outcomes[1].request", "stands beside", "one of token, unit and request"},
		"a label that is a number": {outcome(`"unit":"u","event":"e","label":3`), "outcomes[1].label", "is a number", "a string"},
		"experiment in the list":   {outcome(`"experiment":"x"`), "outcomes[1].experiment", "not a field", "known are"},
		"a field twice":            {outcome(`"unit":"u","unit":"v","event":"e"`), "outcomes[1].unit", "twice", "once"},
		"outcomes and a field":     {`{"outcomes":[{"unit":"u","event":"e"}],"event":"e"}`, "event", "beside outcomes", "each"},
		"value a string":           {outcome(`"unit":"u","event":"e","value":"ten"`), "outcomes[1].value", `"ten": want a number`, "without quotes"},
		"value true":               {outcome(`"unit":"u","event":"e","value":true`), "outcomes[1].value", "the boolean true: want a number", "a number"},
		"value null":               {outcome(`"unit":"u","event":"e","value":null`), "outcomes[1].value", "is null", "a number"},
		"value beyond float":       {outcome(`"unit":"u","event":"e","value":1e999`), "outcomes[1].value", "1e999 does not fit", "finite"},
		"value beyond sums":        {outcome(`"unit":"u","event":"e","value":1e200`), "outcomes[1].value", "beyond", "larger unit"},
		"value a list":             {outcome(`"value":[1]`), "outcomes[1].value", "is a list", "a number"},
		"unit a number":            {outcome(`"unit":8675309,"event":"e"`), "outcomes[1].unit", "is a number: want a string", "a string"},
		"unit empty":               {outcome(`"unit":"","event":"e"`), "outcomes[1].unit", "empty string", "leave it out"},
		"event missing":            {outcome(`"unit":"u"`), "outcomes[1].event", "is missing", "event"},
		"neither token nor unit":   {outcome(`"event":"e"`), "outcomes[1].token", "is missing", "X-Headgate-Exposure"},
		"both token and unit":      {outcome(`"event":"e","unit":"u","token":"T"`), "outcomes[1].unit", "beside token", "not both"},
		"long key":                 {outcome(`"event":"e","unit":"u","key":"` + strings.Repeat("k", 257) + `"`), "outcomes[1].key", "257 bytes", "shorter"},
		"time of no shape":         {outcome(`"unit":"u","event":"e","time":"yesterday"`), "outcomes[1].time", `"yesterday"`, "2026-01-31T12:00:00Z"},
		"time without zone":        {outcome(`"unit":"u","event":"e","time":"2026-03-01T12:00:00"`), "outcomes[1].time", "RFC 3339", "leave it out"},
		"time a number":            {outcome(`"unit":"u","event":"e","time":1772366400`), "outcomes[1].time", "is a number: want a string", "a string"},
		"alone: path without list": {`{"unit":"u","event":"e","value":1e200}`, "value", "beyond", "larger unit"},
		"alone: event missing":     {`{"unit":"u"}`, "event", "is missing", "event"},
		"experiment a number":      {`{"experiment":1,"outcomes":[]}`, "experiment", "is a number", "a string"},
		"deep nesting":             {strings.Repeat("[", 20000), "", "not JSON", "JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fakeRecorder{}
			w := post(t, Outcomes(f, one), tc.body)
			if w.Code != http.StatusBadRequest {
				t.Fatalf("status = %d %s, want 400", w.Code, w.Body)
			}
			got := failureOf(t, w)
			if got.Code != experiment.CodeInvalid || got.Path != tc.path || !strings.Contains(got.Message, tc.says) || !strings.Contains(got.Hint, tc.hint) {
				t.Errorf("error = %+v, want path %q, message about %q, hint about %q", got, tc.path, tc.says, tc.hint)
			}
			if strings.Contains(got.Message+got.Hint, "8675309") {
				t.Errorf("error shows the unit: %+v", got)
			}
			if len(f.got) > 0 {
				t.Errorf("recorded %d outcomes of a bad body", len(f.got))
			}
		})
	}
}

func TestBadRequests(t *testing.T) {
	const good = `{"unit":"u","event":"e"}`
	header := func(name string, values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header[name] = values }
	}
	for name, tc := range map[string]struct {
		change      func(*http.Request)
		experiments []string
		body        string
		status      int
		path, hint  string
	}{
		"GET":                    {func(r *http.Request) { r.Method = http.MethodGet }, one(), good, 405, "", "POST"},
		"no content type":        {header("Content-Type"), one(), good, 415, "Content-Type", "application/json"},
		"a form":                 {header("Content-Type", "application/x-www-form-urlencoded"), one(), good, 415, "Content-Type", "application/json"},
		"another charset":        {header("Content-Type", "application/json; charset=latin1"), one(), good, 415, "Content-Type", "application/json"},
		"compressed":             {header("Content-Encoding", "gzip"), one(), good, 415, "Content-Encoding", "as it is"},
		"10 MB":                  {nil, one(), `{"unit":"` + strings.Repeat("u", 10_000_000) + `"}`, 413, "", "several"},
		"no experiment runs":     {nil, nil, good, 404, "", "start"},
		"several run":            {nil, []string{"a", "b"}, good, 400, "experiment", "a, b"},
		"misspelt experiment":    {nil, one(), `{"experiment":"search/rankr","unit":"u","event":"e"}`, 404, "experiment", `"search/ranker"`},
		"unknown experiment":     {nil, one(), `{"experiment":"zzz","unit":"u","event":"e"}`, 404, "experiment", "search/ranker"},
		"empty idempotency key":  {header("Idempotency-Key", ""), one(), good, 400, "Idempotency-Key", "UUID"},
		"two idempotency keys":   {header("Idempotency-Key", "a", "b"), one(), good, 400, "Idempotency-Key", "UUID"},
		"long idempotency key":   {header("Idempotency-Key", strings.Repeat("k", 129)), one(), good, 400, "Idempotency-Key", "UUID"},
		"keys too long together": {header("Idempotency-Key", strings.Repeat("k", 128)), one(), `{"outcomes":[{"unit":"u","event":"e","key":"` + strings.Repeat("k", 200) + `"}]}`, 400, "outcomes[0].key", "shorter"},
	} {
		t.Run(name, func(t *testing.T) {
			change := tc.change
			if change == nil {
				change = func(*http.Request) {}
			}
			w := post(t, Outcomes(&fakeRecorder{}, func() []string { return tc.experiments }), tc.body, change)
			if w.Code != tc.status {
				t.Fatalf("status = %d %s, want %d", w.Code, w.Body, tc.status)
			}
			if got := failureOf(t, w); got.Path != tc.path || got.Message == "" || !strings.Contains(got.Hint, tc.hint) {
				t.Errorf("error = %+v, want path %q and a hint about %q", got, tc.path, tc.hint)
			}
			if tc.status == 405 && w.Header().Get("Allow") != "POST" {
				t.Errorf("Allow = %q", w.Header().Get("Allow"))
			}
		})
	}
}

// TestAnswersOnlyAfterCommit looks at the answer from inside the recorder:
// until it returns, nothing may have been written.
func TestAnswersOnlyAfterCommit(t *testing.T) {
	w := httptest.NewRecorder()
	w.Code = 0 // NewRecorder presets 200.
	entered, leave := make(chan struct{}), make(chan struct{})
	f := &fakeRecorder{reply: func(context.Context) (experiment.Receipt, error) {
		close(entered)
		<-leave
		return experiment.Receipt{Accepted: 1}, nil
	}}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/outcomes", strings.NewReader(`{"unit":"u","event":"e"}`))
	r.Header.Set("Content-Type", "application/json")
	done := make(chan struct{})
	go func() {
		defer close(done)
		Outcomes(f, one).ServeHTTP(w, r)
	}()
	<-entered
	if w.Code != 0 || w.Body.Len() > 0 || w.Flushed {
		t.Errorf("answered %d %q before the commit", w.Code, w.Body)
	}
	close(leave)
	<-done
	if w.Code != http.StatusAccepted {
		t.Errorf("status = %d, want 202", w.Code)
	}
}

func TestStoreFailures(t *testing.T) {
	for name, tc := range map[string]struct {
		reply  func(context.Context) (experiment.Receipt, error)
		status int
		code   experiment.Code
	}{
		"down": {func(context.Context) (experiment.Receipt, error) {
			return experiment.Receipt{}, experiment.Errorf(experiment.CodeUnavailable, "write the ledger: disk full")
		}, 503, experiment.CodeUnavailable},
		"broken": {func(context.Context) (experiment.Receipt, error) { return experiment.Receipt{}, errors.New("secret") }, 500, experiment.CodeInternal},
		"not known": {func(context.Context) (experiment.Receipt, error) {
			return experiment.Receipt{}, experiment.Errorf(experiment.CodeNotFound, "gone")
		}, 404, experiment.CodeNotFound},
		"ended wait": {func(ctx context.Context) (experiment.Receipt, error) {
			<-ctx.Done()
			return experiment.Receipt{}, ctx.Err()
		}, 503, experiment.CodeUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			w := post(t, Outcomes(&fakeRecorder{reply: tc.reply}, one), `{"unit":"u","event":"e"}`, func(r *http.Request) {
				if name == "ended wait" {
					ctx, cancel := context.WithCancel(r.Context())
					cancel()
					*r = *r.WithContext(ctx)
				}
			})
			got := failureOf(t, w)
			if w.Code != tc.status || got.Code != tc.code || strings.Contains(got.Message, "secret") {
				t.Errorf("answer = %d %+v, want %d %s", w.Code, got, tc.status, tc.code)
			}
			if (w.Header().Get("Retry-After") != "") != (tc.status == 503) {
				t.Errorf("Retry-After = %q at %d", w.Header().Get("Retry-After"), w.Code)
			}
		})
	}
}

func TestConcurrentRequests(t *testing.T) {
	f := &fakeRecorder{}
	h := Outcomes(f, one)
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			if w := post(t, h, fmt.Sprintf(`{"unit":"u%d","event":"e"}`, i)); w.Code != http.StatusAccepted {
				t.Errorf("status = %d %s", w.Code, w.Body)
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, o := range f.got {
		seen[o.Unit] = true
	}
	if len(seen) != 32 || len(f.got) != 32 {
		t.Errorf("%d outcomes of %d units, want 32 of 32", len(f.got), len(seen))
	}
}

func TestHealth(t *testing.T) {
	get := func(h http.Handler, method string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "/healthz", nil))
		return w
	}
	if w := get(Health(nil), http.MethodGet); w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"status":"ok"}` {
		t.Errorf("healthy = %d %s", w.Code, w.Body)
	}
	down := Health(func(context.Context) error { return errors.New("ledger is closed") })
	if w := get(down, http.MethodGet); w.Code != 503 || failureOf(t, w).Message != "ledger is closed" {
		t.Errorf("unhealthy = %d %s", w.Code, w.Body)
	}
	if w := get(down, http.MethodPost); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST = %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

func TestEveryCodeHasAStatus(t *testing.T) {
	for code, want := range map[experiment.Code]int{
		"": 200, experiment.CodeInvalid: 400, experiment.CodeUnauthorized: 401, experiment.CodeNotFound: 404, experiment.CodeConflict: 409,
		experiment.CodeUntrustworthy: 409, experiment.CodeInternal: 500, experiment.CodeUnavailable: 503, "new": 500,
	} {
		if got := StatusOf(code); got != want {
			t.Errorf("StatusOf(%q) = %d, want %d", code, got, want)
		}
	}
}

// FuzzDecode checks that whatever comes is either refused as invalid, or means
// what a plain JSON decoder reads from it.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"outcomes":[{"token":"T","event":"e","value":1.5,"key":"k","time":"2026-03-01T12:00:00Z"}]}`,
		`{"unit":"u","event":"e"}`, `{"experiment":"x","outcomes":[{}]}`, `[]`, `{"outcomes":[`, `{"value":1e400}`, "{\"unit\":\"\xff\"}", `{"unit":"u","unit":"v"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := decode(bytes.Clone(body))
		if err != nil {
			if experiment.CodeOf(err) != experiment.CodeInvalid {
				t.Errorf("error %v has code %s", err, experiment.CodeOf(err))
			}
			return
		}
		type plain struct {
			Token, Unit, Event, Key string
			Value                   *float64
			Time                    time.Time
		}
		var p struct {
			plain
			Outcomes []plain
		}
		if err := json.Unmarshal(body, &p); err != nil {
			t.Fatalf("took what is no JSON of this shape: %v", err)
		}
		if b.bare {
			p.Outcomes = []plain{p.plain}
		}
		if len(p.Outcomes) != len(b.outcomes) {
			t.Fatalf("%d outcomes, want %d", len(b.outcomes), len(p.Outcomes))
		}
		for i, o := range b.outcomes {
			want := p.Outcomes[i]
			value := 1.0
			if want.Value != nil {
				value = *want.Value
			}
			if o.Token != want.Token || o.Unit != want.Unit || o.Event != want.Event || o.Key != want.Key || o.Value != value || !o.At.Equal(want.Time) {
				t.Errorf("outcome %d = %+v, want %+v", i, o, want)
			}
		}
	})
}
