// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// answers is what a question came to, as a reader of Prometheus' API sees it.
type answers struct {
	Status, Error string
	Data          struct {
		ResultType string
		Result     []struct {
			Metric map[string]string
			Value  [2]any
			Values [][2]any
		}
	}
}

func ask(t *testing.T, s *Server, path string, args url.Values) answers {
	t.Helper()
	client := http.Client{Transport: s}
	resp, err := client.Get(Address + "/api/v1/" + path + "?" + args.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var a answers
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		t.Fatal(err)
	}
	return a
}

func at(d time.Duration) string { return fmt.Sprint(start.Add(d).Unix()) }

// scraping is a server of one target whose exposition a test writes.
func scraping(t *testing.T, o Options, exposition *atomic.Value) *Server {
	t.Helper()
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		text, _ := exposition.Load().(string)
		if text == "" {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprint(w, text)
	}))
	t.Cleanup(target.Close)
	o.Targets, o.Every = []string{target.URL}, 10*time.Second
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestACounterIsAskedAsOfPrometheus(t *testing.T) {
	var exposition atomic.Value
	s := scraping(t, Options{}, &exposition)
	for i := range 7 {
		exposition.Store(fmt.Sprintf("# TYPE hits_total counter\nhits_total{version=\"v1\"} %d\nhits_total{version=\"v2\"} %d\n", 10*i, 20*i))
		s.scrapeAll(t.Context(), start.Add(time.Duration(10*i)*time.Second))
	}
	if down := s.Down(); len(down) > 0 {
		t.Fatalf("down: %v", down)
	}
	t.Run("raw samples", func(t *testing.T) {
		a := ask(t, s, "query", url.Values{"query": {`hits_total{version="v2"}[30s]`}, "time": {at(60 * time.Second)}})
		if a.Data.ResultType != "matrix" || len(a.Data.Result) != 1 || len(a.Data.Result[0].Values) != 3 {
			t.Fatalf("%+v", a)
		}
		if got := a.Data.Result[0].Values[2][1]; got != "120" {
			t.Errorf("the newest sample is %v", got)
		}
	})
	t.Run("a rate", func(t *testing.T) {
		a := ask(t, s, "query", url.Values{"query": {"sum by (version) (rate(hits_total[1m]))"}, "time": {at(60 * time.Second)}})
		got := map[string]any{}
		for _, r := range a.Data.Result {
			got[r.Metric["version"]] = r.Value[1]
		}
		if d := cmp.Diff(map[string]any{"v1": "1", "v2": "2"}, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
	t.Run("a range of moments", func(t *testing.T) {
		a := ask(t, s, "query_range", url.Values{"query": {`hits_total{version="v1"}`}, "start": {at(0)}, "end": {at(time.Minute)}, "step": {"30"}})
		if len(a.Data.Result) != 1 || len(a.Data.Result[0].Values) != 3 {
			t.Errorf("%+v", a)
		}
	})
	t.Run("what is no query is refused", func(t *testing.T) {
		if a := ask(t, s, "query", url.Values{"query": {"sum(("}}); a.Status != "error" || !strings.Contains(a.Error, "parse error") {
			t.Errorf("%+v", a)
		}
	})
}

func TestWhatIsGoneEndsAtOnce(t *testing.T) {
	var exposition atomic.Value
	exposition.Store("a 1\nb 2\n")
	s := scraping(t, Options{}, &exposition)
	value := func(query string, d time.Duration) []any {
		var out []any
		for _, r := range ask(t, s, "query", url.Values{"query": {query}, "time": {at(d)}}).Data.Result {
			out = append(out, r.Value[1])
		}
		return out
	}
	s.scrapeAll(t.Context(), start)
	exposition.Store("a 1\n")
	s.scrapeAll(t.Context(), start.Add(10*time.Second))
	if a, b := value("a", 11*time.Second), value("b", 11*time.Second); len(a) != 1 || len(b) != 0 {
		t.Errorf("a %v, b %v", a, b)
	}
	exposition.Store("")
	s.scrapeAll(t.Context(), start.Add(20*time.Second))
	if a, up := value("a", 21*time.Second), value("up", 21*time.Second); len(a) != 0 || len(up) != 1 || up[0] != "0" {
		t.Errorf("a %v, up %v", a, up)
	}
	if len(s.Down()) != 1 {
		t.Errorf("nobody says that the target is down: %v", s.Down())
	}
	exposition.Store("a 5\n")
	s.scrapeAll(t.Context(), start.Add(30*time.Second))
	if a := value("a", 31*time.Second); len(a) != 1 || a[0] != "5" {
		t.Errorf("it is back: %v", a)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	var exposition atomic.Value
	exposition.Store("a 1\nb 2\nc 3\n")
	s := scraping(t, Options{Series: 2, Samples: 100}, &exposition)
	s.scrapeAll(t.Context(), start)
	if len(s.store.series) != 2 || len(s.Down()) != 1 {
		t.Errorf("%d series, down %v", len(s.store.series), s.Down())
	}
	for i := range 2000 {
		s.scrapeAll(t.Context(), start.Add(time.Duration(i)*10*time.Second))
	}
	if s.store.samples > 100 {
		t.Errorf("%d samples are kept", s.store.samples)
	}
	s.store.forget(start.Add(24 * time.Hour))
	if len(s.store.series) != 0 || s.store.samples != 0 {
		t.Errorf("%d series and %d samples are left", len(s.store.series), s.store.samples)
	}
}

func TestWhatIsNoTargetIsRefused(t *testing.T) {
	for name, o := range map[string]Options{
		"nothing":     {Every: time.Second},
		"no address":  {Every: time.Second, Targets: []string{"localhost"}},
		"credentials": {Every: time.Second, Targets: []string{"http://me:secret@host/metrics"}},
		"no interval": {Targets: []string{"http://host/metrics"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(o)
			if experiment.CodeOf(err) != experiment.CodeInvalid || strings.Contains(err.Error(), "secret") {
				t.Error(err)
			}
		})
	}
}
