// SPDX-License-Identifier: Apache-2.0

package http_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	source "github.com/headgate-dev/headgate/internal/source/http"
	"github.com/headgate-dev/headgate/stats"
)

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// planOf has metrics m0, m1 … of a provider called p.
func planOf(queries ...experiment.HTTPQuery) *experiment.Plan {
	p := &experiment.Plan{Name: "e", Window: time.Minute, Versions: []experiment.Version{{Name: "v1"}, {Name: "v2"}}}
	for i := range queries {
		p.Metrics = append(p.Metrics, experiment.Metric{Name: fmt.Sprintf("m%d", i), Provider: &experiment.ProviderMetric{Provider: "p", HTTP: &queries[i]}})
	}
	return p
}

// asks is a question that names version and window.
func asks(value string) experiment.HTTPQuery {
	return experiment.HTTPQuery{Method: "GET", Value: value, Params: [][]experiment.NameValue{
		{{Name: "of", Value: "v1"}, {Name: "at", Value: "{{.From}} {{.To}} {{.Window}} {{.Elapsed}}"}},
		{{Name: "of", Value: "v2"}, {Name: "at", Value: "{{.From}} {{.To}} {{.Window}} {{.Elapsed}}"}},
	}}
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// says answers everything alike.
func says(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

func open(t *testing.T, p *experiment.Plan, o source.Options) *source.Plan {
	t.Helper()
	s, err := source.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	r, err := s.Metrics(p, "p")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func at(url string) source.Options {
	return source.Options{Provider: experiment.HTTPProvider{URL: url, Timeout: 10 * time.Second, Delay: time.Minute}}
}

// wanted are the windows of a phase in which both versions have traffic.
func wanted(from int64, ends ...time.Time) engine.Wanted {
	totals := &experiment.Totals{Phases: []experiment.PhaseTotals{{Epoch: 1, Phase: 1, Start: began, Shares: experiment.Shares{5000, 5000}}}}
	for _, end := range ends {
		totals.Phases = append(totals.Phases, experiment.PhaseTotals{Epoch: 1, Phase: 2, Start: end})
	}
	totals.Phases[0].Folded.Metrics = from
	return engine.Wanted{Source: experiment.SourceMetrics, Totals: totals, Phase: &totals.Phases[0], From: from}
}

func TestAnswersBecomeEvidenceByForm(t *testing.T) {
	windows := func(y, x float64) experiment.Evidence { return experiment.WindowEvidence(y, x) }
	for name, tc := range map[string]struct {
		form   experiment.HTTPQuery
		answer string
		want   *experiment.Evidence // nil is none
		gap    string
	}{
		"a value":                    {experiment.HTTPQuery{Value: ".x"}, `{"x":2.5}`, ptr(windows(2.5, 1)), ""},
		"a value of zero":            {experiment.HTTPQuery{Value: ".x"}, `{"x":0}`, ptr(windows(0, 1)), ""},
		"a null":                     {experiment.HTTPQuery{Value: ".x"}, `{"x":null}`, nil, "m0 of v1 has no number as its value"},
		"a truth":                    {experiment.HTTPQuery{Value: ".x"}, `{"x":true}`, nil, "no number"},
		"two values":                 {experiment.HTTPQuery{Value: ".x[]"}, `{"x":[1,2]}`, nil, "more than one number"},
		"an error of the jq":         {experiment.HTTPQuery{Value: ".x.y"}, `{"x":1}`, nil, "no number"},
		"Prometheus' NaN":            {experiment.HTTPQuery{Value: ".x|tonumber"}, `{"x":"NaN"}`, nil, "no number"},
		"Prometheus' Inf":            {experiment.HTTPQuery{Value: ".x|tonumber"}, `{"x":"+Inf"}`, nil, "no number"},
		"counts":                     {experiment.HTTPQuery{Events: ".e", Total: ".n"}, `{"e":3,"n":10}`, &experiment.Evidence{Counts: stats.Counts{N: 10, X: 3}}, ""},
		"counts of nothing":          {experiment.HTTPQuery{Events: ".e", Total: ".n"}, `{"e":0,"n":0}`, nil, ""},
		"more events than there are": {experiment.HTTPQuery{Events: ".e", Total: ".n"}, `{"e":11,"n":10}`, nil, "11 events of 10"},
		"counts that are not whole":  {experiment.HTTPQuery{Events: ".e", Total: ".n"}, `{"e":1.5,"n":10}`, nil, "no counts"},
		"negative counts":            {experiment.HTTPQuery{Events: ".e", Total: ".n"}, `{"e":-1,"n":10}`, nil, "no counts"},
		"counts beyond exactness":    {experiment.HTTPQuery{Events: ".e", Total: ".n"}, `{"e":1,"n":1e17}`, nil, "no counts"},
		"a ratio":                    {experiment.HTTPQuery{Sum: ".s", Count: ".n"}, `{"s":12.5,"n":4.5}`, ptr(windows(12.5, 4.5)), ""},
		"a ratio of nothing":         {experiment.HTTPQuery{Sum: ".s", Count: ".n"}, `{"s":0,"n":0}`, nil, ""},
		"a sum of nothing":           {experiment.HTTPQuery{Sum: ".s", Count: ".n"}, `{"s":1,"n":0}`, nil, "a sum of 1 over 0"},
		"half of it":                 {experiment.HTTPQuery{Sum: ".s", Count: ".n"}, `{"s":1}`, nil, "no number as its count"},
		"units": {experiment.HTTPQuery{Sum: ".s", Count: ".n", Squares: ".q"}, `{"s":6,"n":3,"q":14}`, &experiment.Evidence{
			Counts: stats.Counts{N: 3}, Units: stats.Pair{N: 3, MeanY: 2, MeanX: 1, M2Y: 2},
		}, ""},
		"units that are all alike, rounded": {experiment.HTTPQuery{Sum: ".s", Count: ".n", Squares: ".q"}, `{"s":0.3,"n":3,"q":0.02999999999999999}`, &experiment.Evidence{
			Counts: stats.Counts{N: 3}, Units: stats.Pair{N: 3, MeanY: 0.09999999999999999, MeanX: 1},
		}, ""},
		"squares that are too small": {experiment.HTTPQuery{Sum: ".s", Count: ".n", Squares: ".q"}, `{"s":6,"n":3,"q":11}`, nil, "cannot be"},
		"negative squares":           {experiment.HTTPQuery{Sum: ".s", Count: ".n", Squares: ".q"}, `{"s":0,"n":3,"q":-1}`, nil, "cannot be"},
		"half a unit":                {experiment.HTTPQuery{Sum: ".s", Count: ".n", Squares: ".q"}, `{"s":6,"n":2.5,"q":14}`, nil, "cannot be"},
		"a sum of no units":          {experiment.HTTPQuery{Sum: ".s", Count: ".n", Squares: ".q"}, `{"s":6,"n":0,"q":36}`, nil, "cannot be"},
	} {
		t.Run(name, func(t *testing.T) {
			p := planOf(tc.form)
			r := open(t, p, at(serve(t, says(tc.answer))))
			seal, err := r.Seal(t.Context(), wanted(0), began.Add(2*time.Minute))
			if err != nil || seal.From != 0 || seal.To != 1 {
				t.Fatalf("%+v, %v", seal, err)
			}
			if tc.want != nil {
				if len(seal.Cells) != 2 || len(seal.Gaps) > 0 {
					t.Fatalf("%+v", seal)
				}
				key := experiment.CellKey{Epoch: 1, Phase: 1, Version: 1, Metric: "m0"}
				if diff := cmp.Diff(experiment.Cell{CellKey: key, Evidence: *tc.want}, seal.Cells[1]); diff != "" {
					t.Error(diff)
				}
				return
			}
			if len(seal.Cells) > 0 || (len(seal.Gaps) > 0) != (tc.gap != "") || tc.gap != "" && !strings.Contains(seal.Gaps[0].Why, tc.gap) {
				t.Errorf("%+v", seal)
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

// TestUnitsAreNotTakenForWindows folds what a provider tells of units, which must
// not become batches of windows.
func TestUnitsAreNotTakenForWindows(t *testing.T) {
	p := planOf(experiment.HTTPQuery{Sum: ".s", Count: ".n", Squares: ".q"})
	r := open(t, p, at(serve(t, says(`{"s":6,"n":3,"q":14}`))))
	w := wanted(0)
	seal, err := r.Seal(t.Context(), w, began.Add(5*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Totals.Fold(seal); err != nil {
		t.Fatal(err)
	}
	e := w.Totals.Phases[0].Get(1, "m0")
	if e.Units.N != 12 || e.Units.MeanY != 2 || e.Units.M2Y != 8 || e.Batches.N() != 0 || p.Metrics[0].Basis() != experiment.BasisUnits {
		t.Errorf("%+v", e)
	}
}

// TestWindowsAreAskedForInWholeSeconds is what the words for time become: seconds
// that lie inside of the phase, each in one window.
func TestWindowsAreAskedForInWholeSeconds(t *testing.T) {
	for name, tc := range map[string]struct {
		start time.Duration
		end   time.Duration // after began; 0 goes on
		want  []string
	}{
		"from a whole second on":       {0, 0, []string{"1767323045 1767323105 60 60", "1767323105 1767323165 60 60"}},
		"from a part of a second":      {500 * time.Millisecond, 0, []string{"1767323046 1767323106 60 60", "1767323106 1767323166 60 60"}},
		"a phase that ended":           {0, 90*time.Second + 300*time.Millisecond, []string{"1767323045 1767323105 60 60", "1767323105 1767323135 30 30"}},
		"an end of less than a second": {0, 60*time.Second + 300*time.Millisecond, []string{"1767323045 1767323105 60 60"}},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var asked []string
			p := planOf(asks(".x"))
			r := open(t, p, at(serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Get("of") == "v2" {
					mu.Lock()
					asked = append(asked, r.URL.Query().Get("at"))
					mu.Unlock()
				}
				_, _ = io.WriteString(w, `{"x":1}`)
			})))
			var w engine.Wanted
			if tc.end > 0 {
				w = wanted(0, began.Add(tc.end))
			} else {
				w = wanted(0)
			}
			w.Totals.Phases[0].Start = began.Add(tc.start)
			seal, err := r.Seal(t.Context(), w, began.Add(3*time.Minute+tc.start))
			if err != nil || seal.To != 2 || len(seal.Gaps) > 0 {
				t.Fatalf("%+v, %v", seal, err)
			}
			if diff := cmp.Diff(tc.want, asked); diff != "" {
				t.Error(diff)
			}
		})
	}
	p := planOf(asks(".x"))
	p.Window = 500 * time.Millisecond
	r := open(t, p, at("http://127.0.0.1:1"))
	if _, err := r.Seal(t.Context(), wanted(0), began.Add(time.Hour)); experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(err.Error(), "whole seconds") {
		t.Error(err)
	}
}

// TestWindowsAreReadInOrderAfterTheDelay also leaves out versions without traffic.
func TestWindowsAreReadInOrderAfterTheDelay(t *testing.T) {
	var asked, fails atomic.Int64
	fails.Store(1 << 60)
	p := planOf(asks(".x"))
	o := at(serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) > fails.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = io.WriteString(w, `{"x":1}`)
	}))
	o.Windows = 4
	r := open(t, p, o)
	w := wanted(0)
	w.Totals.Phases[0].Shares = experiment.Shares{10000, 0}
	for now, want := range map[time.Duration]int64{
		2*time.Minute - 1: 0, 2 * time.Minute: 1, 4 * time.Minute: 3, time.Hour: 4,
	} {
		asked.Store(0)
		seal, err := r.Seal(t.Context(), w, began.Add(now))
		if err != nil || seal.From != 0 || seal.To != want || int64(len(seal.Cells)) != want || asked.Load() != want || len(seal.Gaps) > 0 {
			t.Errorf("after %v: %+v, %v, asked %d times", now, seal, err, asked.Load())
		}
	}
	// A server that goes down in between: what was read stands, then it fails.
	asked.Store(0)
	fails.Store(2)
	seal, err := r.Seal(t.Context(), w, began.Add(time.Hour))
	if err != nil || seal.To != 2 || len(seal.Cells) != 2 {
		t.Errorf("%+v, %v", seal, err)
	}
	w = wanted(2)
	if seal, err = r.Seal(t.Context(), w, began.Add(time.Hour)); experiment.CodeOf(err) != experiment.CodeUnavailable || !strings.Contains(err.Error(), "metric m0 of v") || seal.From != 2 || seal.To != 2 {
		t.Errorf("%+v, %v", seal, err)
	}
	fails.Store(1 << 60)
	if seal, err = r.Seal(t.Context(), w, began.Add(time.Hour)); err != nil || seal.From != 2 || seal.To != 6 {
		t.Errorf("%+v, %v", seal, err)
	}
}

func TestPointsTakeWhatIter8Would(t *testing.T) {
	const shape = `{"data":{"result":[{"value":[1577836800.1,"21.5"]}]},"results":[{"count":82.25}],"n":null,"s":"7","b":true,"f":false,"a":[3,4],"o":{"x":1},"nan":"NaN","e":3,"t":0}`
	seven := func(x float64) *float64 { return &x }
	for expression, want := range map[string]*float64{
		`.data.result[0].value[1] | tonumber`: seven(21.5),
		`.results[0] | .[] | tonumber`:        seven(82.25),
		`.a[]`:                                seven(3), // The first.
		`.b`:                                  seven(1),
		`.f`:                                  seven(0),
		`.e`:                                  seven(3),
		`.n`:                                  nil,
		`.s`:                                  nil,
		`.a`:                                  nil,
		`.o`:                                  nil,
		`.missing.deeper`:                     nil,
		`.nan | tonumber`:                     nil,
		`.o | tonumber`:                       nil,
		`empty`:                               nil,
		`error("no")`:                         nil,
		`infinite`:                            nil,
		`.data.result[3].value[1] | tonumber`: nil,
	} {
		p := planOf(experiment.HTTPQuery{Value: expression})
		r := open(t, p, at(serve(t, says(shape))))
		got := r.Points(t.Context(), experiment.Moment{Now: began, Elapsed: 1})
		if diff := cmp.Diff([]experiment.Reading{{Metric: "m0", Value: want}, {Metric: "m0", Version: 1, Value: want}}, got); diff != "" {
			t.Errorf("%s: %s", expression, diff)
		}
	}
	p := planOf(experiment.HTTPQuery{Sum: ".e", Count: ".data.result[0].value[1]|tonumber"}, experiment.HTTPQuery{Events: ".e", Total: ".t"})
	r := open(t, p, at(serve(t, says(shape))))
	got := r.Points(t.Context(), experiment.Moment{Now: began, Elapsed: 1})
	if *got[0].Value != 3/21.5 || got[2].Value != nil || got[2].Failed != "" {
		t.Errorf("%+v", got)
	}
}

func TestMomentsFillTheWordsForTime(t *testing.T) {
	var asked atomic.Value
	p := planOf(experiment.HTTPQuery{
		Method: "POST", Value: ".x", Path: []string{"/v1/{{.Elapsed}}", "/v2/{{.Elapsed}}"},
		Body: []string{`{"of": "v1"}`, `{"since": "{{.Window}}s", "from": {{.From}}, "to": {{.To}}}`},
	})
	r := open(t, p, at(serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(r.URL.Path, "v2") {
			asked.Store(fmt.Sprintf("%s %s %s %s %s", r.Method, r.URL, r.Header.Get("Content-Type"), r.Header.Get("Accept"), body))
		}
		_, _ = io.WriteString(w, `{"x":1}`)
	})+"/base/?a=b"))
	got := r.Points(t.Context(), experiment.Moment{Now: began.Add(1500 * time.Millisecond), Elapsed: 42})
	if got[1].Value == nil {
		t.Fatalf("%+v", got)
	}
	want := `POST /base/v2/42?a=b application/json application/json {"since": "42s", "from": 1767323004, "to": 1767323046}`
	if asked.Load() != want {
		t.Errorf("%s\nwant %s", asked.Load(), want)
	}
}

func TestADeadProviderIsNotAskedForEveryPoint(t *testing.T) {
	var asked atomic.Int64
	var queries []experiment.HTTPQuery
	for range 12 {
		queries = append(queries, asks(".x"))
	}
	o := at(serve(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	o.Backoff = time.Hour
	r := open(t, planOf(queries...), o)
	moment := experiment.Moment{Now: began, Elapsed: 1}
	for _, got := range r.Points(t.Context(), moment) {
		if got.Failed == "" || got.Value != nil {
			t.Errorf("%+v", got)
		}
	}
	if n := asked.Load(); n < 3 || n > 3+4 {
		t.Errorf("asked %d times for 24 points", n)
	}
	asked.Store(0)
	for _, got := range r.Points(t.Context(), moment) {
		if !strings.Contains(got.Failed, "tried again in") {
			t.Errorf("%+v", got)
		}
	}
	if asked.Load() > 0 {
		t.Error("asked although the breaker is open")
	}
}

func TestQuestionsUnderWayAreBounded(t *testing.T) {
	var now, most atomic.Int64
	var queries []experiment.HTTPQuery
	for range 12 {
		queries = append(queries, asks(".x"))
	}
	r := open(t, planOf(queries...), at(serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		_, _ = io.WriteString(w, `{"x":1}`)
		now.Add(-1)
	})))
	for _, got := range r.Points(t.Context(), experiment.Moment{Now: began, Elapsed: 1}) {
		if got.Value == nil {
			t.Fatalf("%+v", got)
		}
	}
	if _, err := r.Seal(t.Context(), wanted(0), began.Add(10*time.Minute)); err != nil {
		t.Fatal(err)
	}
	if most.Load() > 4 {
		t.Errorf("%d questions at once", most.Load())
	}
}

func TestSecretsFillAddressAndHeaders(t *testing.T) {
	var got atomic.Value
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got.Store(fmt.Sprintf("%s key=%q auth=%q literal=%q host=%q", r.URL, r.Header.Get("X-Query-Key"), r.Header.Get("Authorization"), r.Header.Get("X-Other"), r.Host))
		_, _ = io.WriteString(w, `{"x":1}`)
	})
	secret := func(_ context.Context, s experiment.Secret) (string, error) { return "<" + s.Env + ">", nil }
	for name, tc := range map[string]struct {
		change func(*experiment.HTTPProvider)
		want   string
	}{
		"named": {func(p *experiment.HTTPProvider) {
			p.URL += "/${ACCOUNT}/query"
			p.Headers = []experiment.NameValue{{Name: "X-Query-Key", Value: "k ${KEY} ${OTHER}"}, {Name: "X-Other", Value: "$KEY"}, {Name: "host", Value: "metrics.example"}}
			p.Secrets = []experiment.NamedSecret{{Name: "ACCOUNT", Secret: experiment.Secret{Env: "A"}}, {Name: "KEY", Secret: experiment.Secret{Env: "K"}}}
		}, `/%3CA%3E/query?at=x&of=v1 key="k <K> ${OTHER}" auth="" literal="$KEY" host="metrics.example"`},
		"basic, with a secret user": {func(p *experiment.HTTPProvider) {
			p.Username, p.Password = "${USER}", &experiment.Secret{Env: "P"}
			p.Secrets = []experiment.NamedSecret{{Name: "USER", Secret: experiment.Secret{Env: "u"}}}
		}, `/?at=x&of=v1 key="" auth="Basic PHU+OjxQPg==" literal="" host=`},
		"a bearer's": {func(p *experiment.HTTPProvider) { p.Token = &experiment.Secret{Env: "T"} }, `/?at=x&of=v1 key="" auth="Bearer <T>" literal="" host=`},
		"basic": {func(p *experiment.HTTPProvider) {
			p.Username, p.Password = "u", &experiment.Secret{Env: "P"}
		}, `/?at=x&of=v1 key="" auth="Basic dTo8UD4=" literal="" host=`},
	} {
		t.Run(name, func(t *testing.T) {
			o := at(url)
			tc.change(&o.Provider)
			o.Secrets = secret
			q := asks(".x")
			q.Params[0][1].Value = "x"
			p := planOf(q)
			p.Versions = p.Versions[:1]
			p.Metrics[0].Provider.HTTP.Params = q.Params[:1]
			r := open(t, p, o)
			if got := r.Points(t.Context(), experiment.Moment{Now: began, Elapsed: 1}); got[0].Value == nil {
				t.Fatalf("%+v", got)
			}
			if !strings.HasPrefix(got.Load().(string), tc.want) {
				t.Errorf("%s\nwant %s", got.Load(), tc.want)
			}
		})
	}
}

func TestWhatCannotBeAskedIsRefused(t *testing.T) {
	secret := &experiment.Secret{Env: "X"}
	const hush = "hunter2"
	for name, tc := range map[string]struct {
		p    experiment.HTTPProvider
		says string
	}{
		"no address":           {experiment.HTTPProvider{}, "no URL"},
		"another scheme":       {experiment.HTTPProvider{URL: "file:///etc/" + hush}, "no URL"},
		"credentials in it":    {experiment.HTTPProvider{URL: "http://u:" + hush + "@a"}, "carries credentials"},
		"two credentials":      {experiment.HTTPProvider{URL: "http://a?k=" + hush, Token: secret, Password: secret}, "http://a has a token and a password"},
		"certificates on http": {experiment.HTTPProvider{URL: "http://a", CA: secret}, "need https"},
		"nobody reads secrets": {experiment.HTTPProvider{URL: "http://${X}", Secrets: []experiment.NamedSecret{{Name: "X", Secret: *secret}}}, "nobody reads"},
	} {
		_, err := source.New(source.Options{Provider: tc.p})
		if experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), hush) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, tc := range map[string]struct {
		q    experiment.HTTPQuery
		says string
	}{
		"no form":       {experiment.HTTPQuery{}, "exactly one"},
		"two forms":     {experiment.HTTPQuery{Value: ".x", Events: ".e", Total: ".n"}, "exactly one"},
		"half a form":   {experiment.HTTPQuery{Sum: ".x"}, "exactly one"},
		"bad jq":        {experiment.HTTPQuery{Value: ".x["}, "its value"},
		"a jq of time":  {experiment.HTTPQuery{Value: "now"}, "its value"},
		"too few texts": {experiment.HTTPQuery{Value: ".x", Path: []string{"/a"}}, "1 texts for 2 versions"},
	} {
		s, err := source.New(at("http://127.0.0.1:1"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err = s.Metrics(planOf(tc.q), "p"); experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// alike answers every request with the same body.
type alike string

func (a alike) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(string(a))), Request: r}, nil
}

func TestAnEndlessExpressionHoldsNothingUp(t *testing.T) {
	o := at("http://127.0.0.1:1")
	o.Provider.Timeout = 300 * time.Millisecond
	s, err := source.New(o)
	if err != nil {
		t.Fatal(err)
	}
	// Without a connection, which a busy machine could hold up for as long.
	if err := s.AnswerBy(alike(`{}`)); err != nil {
		t.Fatal(err)
	}
	r, err := s.Metrics(planOf(experiment.HTTPQuery{Value: "last(repeat(1))"}), "p")
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range r.Points(t.Context(), experiment.Moment{Now: began, Elapsed: 1}) {
		if got.Value != nil || !strings.Contains(got.Failed, "did not come to an end") {
			t.Errorf("%+v", got)
		}
	}
	if _, err := r.Seal(t.Context(), wanted(0), began.Add(2*time.Minute)); experiment.CodeOf(err) != experiment.CodeInvalid {
		t.Error(err)
	}
}

func secretIs(value string) func(context.Context, experiment.Secret) (string, error) {
	return func(context.Context, experiment.Secret) (string, error) { return value, nil }
}
