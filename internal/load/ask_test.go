// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// hijack answers with raw bytes and closes the connection.
func hijack(raw string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_, _ = conn.Write([]byte(raw))
			_ = conn.Close()
		}
	}
}

func TestFailuresAreToldApart(t *testing.T) {
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // It complains of every refusal.
	secure.StartTLS()
	t.Cleanup(secure.Close)
	plain := serve(t, func(http.ResponseWriter, *http.Request) {})
	for name, tc := range map[string]struct{ url, kind, example string }{
		"nobody listens":          {"http://127.0.0.1:1", "refused", "connection refused"},
		"closed without answer":   {serve(t, hijack("")), "reset", "EOF"},
		"closed inside an answer": {serve(t, hijack("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")), "cut short", "unexpected EOF"},
		"not HTTP":                {serve(t, hijack("220 mail.example \x1b[31m ready\r\n\r\n")), "other", "malformed HTTP"},
		"unknown authority":       {secure.URL, "tls", "certificate"},
		"TLS to a plain server":   {strings.Replace(plain, "http://", "https://", 1), "tls", ""},
		"no such host":            {"http://" + strings.Repeat("a", 64) + ".invalid/", "dns", "no such host"},
	} {
		t.Run(name, func(t *testing.T) {
			r := mustRun(t, Options{URL: tc.url, N: 3, Timeout: time.Minute})
			if r.Failed != 3 || len(r.Failures) != 1 {
				t.Fatalf("failures = %+v, want 3 of one kind", r.Failures)
			}
			f := r.Failures[0]
			if f.Kind != tc.kind || !strings.Contains(f.Example, tc.example) || strings.Contains(f.Example, "\x1b") {
				t.Errorf("kind %q, example %q; want %q, %q", f.Kind, f.Example, tc.kind, tc.example)
			}
		})
	}
}

func TestHugeAnswersAreGivenUp(t *testing.T) {
	chunk := bytes.Repeat([]byte("x"), 1<<20)
	var sizes atomic.Int64
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		// The first answer has exactly what is read, the second goes on for ever.
		most := 16
		if sizes.Add(1) == 2 {
			most = 1 << 30
		}
		for range most {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	r := mustRun(t, Options{URL: url, N: 2, Concurrency: 1})
	if r.Answered != 2 || r.Oversize != 1 {
		t.Errorf("answered %d, oversize %d, want 2 and 1", r.Answered, r.Oversize)
	}
}

func TestAnswersAreCountedByVersionAndStatus(t *testing.T) {
	var n atomic.Int64
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		switch i := n.Add(1); {
		case i%10 == 0:
			w.WriteHeader(http.StatusBadGateway) // Nobody's version.
		case i%10 < 4:
			w.Header().Set("X-Headgate-Version", "v2")
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			w.Header().Set("X-Headgate-Version", "v1")
		}
	})
	r := mustRun(t, Options{URL: url, N: 1000})
	want := []Version{{Name: "", Answers: 100, Errors: 100}, {Name: "v1", From: "header", Answers: 600}, {Name: "v2", From: "header", Answers: 300, Errors: 300}}
	if len(r.Versions) != 3 {
		t.Fatalf("versions = %+v", r.Versions)
	}
	for i, w := range want {
		if g := r.Versions[i]; g.Name != w.Name || g.From != w.From || g.Answers != w.Answers || g.Errors != w.Errors {
			t.Errorf("version %d = %+v, want %+v", i, g, w)
		}
	}
	// Where the binomial tails of 600 in 1000 are 2.5 %, by bisection elsewhere.
	if s := r.Versions[1].Share; s.Of != "answers" || s.Value != 0.6 || fmt.Sprintf("%.4f %.4f", s.Low, s.High) != "0.5689 0.6305" {
		t.Errorf("share of v1 = %+v", s)
	}
	if got := fmt.Sprint(r.Statuses); got != "[{200 600} {429 300} {502 100}]" {
		t.Errorf("statuses = %s", got)
	}
}

func TestShareCountsUnitsWhereTheyStick(t *testing.T) {
	for name, tc := range map[string]struct {
		version func(unit string, i int64) string
		of      string
		moved   bool
	}{
		"sticky":      {func(u string, _ int64) string { return "v" + u[len(u)-1:] }, "units", false},
		"per request": {func(_ string, i int64) string { return fmt.Sprintf("v%d", i%10) }, "answers", true},
	} {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int64
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Headgate-Version", tc.version(r.Header.Get("X-User-Id"), n.Add(1)))
			})
			r := mustRun(t, Options{URL: url, N: 2000, Units: 50})
			if r.UnitsSeen != 50 || (r.UnitsMoved > 0) != tc.moved || len(r.Versions) != 10 {
				t.Errorf("%d units, %d moved, %d versions", r.UnitsSeen, r.UnitsMoved, len(r.Versions))
			}
			s := r.Versions[0].Share
			if s.Of != tc.of {
				t.Errorf("share of %s, want of %s", s.Of, tc.of)
			}
			// Five of fifty units say far less than 200 of 2000 answers.
			if wide := s.High-s.Low > 0.1; wide != (tc.of == "units") {
				t.Errorf("interval = [%g, %g]", s.Low, s.High)
			}
		})
	}
}

func TestNamesOfVersions(t *testing.T) {
	for name, tc := range map[string]struct {
		o      Options
		status int
		header string
		body   string
		want   label
	}{
		"header":                       {header: "v1", body: `"text"`, want: label{"v1", "header"}},
		"no header, JSON string":       {body: `"New Model A"`, want: label{"New Model A", "text"}},
		"no header, plain text":        {body: "New Model B\n", want: label{"New Model B", "text"}},
		"no header, number":            {body: "0.73"},
		"no header, list":              {body: `["v1"]`},
		"no header, object":            {body: `{"version":"v1"}`},
		"no header, page":              {body: "<html>hi</html>"},
		"no header, several lines":     {body: "a\nb"},
		"no header, long text":         {body: strings.Repeat("a", 65)},
		"no header, long JSON string":  {body: `"` + strings.Repeat("a", 300) + `"`},
		"no header, nothing":           {},
		"no header, failure":           {status: 404, body: "404 page not found"},
		"failure with header":          {status: 503, header: "v1", want: label{"v1", "header"}},
		"own header, none, text":       {o: Options{VersionHeader: "X-Model"}, body: `"A"`},
		"JSON path":                    {o: Options{VersionJSON: "meta.model"}, header: "v1", body: `{"meta":{"model":"m7"}}`, want: label{"m7", "json"}},
		"JSON path that is not there":  {o: Options{VersionJSON: "meta.model"}, header: "v1", body: `{"meta":{}}`},
		"JSON path into what is none":  {o: Options{VersionJSON: "a"}, body: `<a>`},
		"escape sequences are defused": {header: "v\x1b[31m\u202e1", want: label{"v?[31m?1", "header"}},
		"bytes that are no text":       {header: "v\xff", want: label{"v?", "header"}},
		"long names are cut":           {header: strings.Repeat("ü", 99), want: label{strings.Repeat("ü", 63) + "…", "header"}},
		"blank":                        {header: "  "},
	} {
		t.Run(name, func(t *testing.T) {
			o := tc.o
			o.URL = "http://model"
			if err := o.complete(); err != nil {
				t.Fatal(err)
			}
			h := http.Header{}
			if tc.header != "" {
				h.Set("X-Headgate-Version", tc.header)
			}
			if tc.status == 0 {
				tc.status = 200
			}
			body := []byte(tc.body)
			if got := o.labelOf(tc.status, h, body[:min(len(body), o.keep(h))]); got != tc.want {
				t.Errorf("label = %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestEndlessNamesFillNoMemory(t *testing.T) {
	var n atomic.Int64
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Headgate-Version", fmt.Sprintf("v%03d", n.Add(1)))
	})
	r := mustRun(t, Options{URL: url, N: 500, Units: 7})
	if len(r.Versions) != maxVersions+1 {
		t.Errorf("%d versions are told apart, want %d", len(r.Versions), maxVersions+1)
	}
	if rest := r.Versions[0]; rest.From != "other" || rest.Answers != 500-maxVersions {
		t.Errorf("the rest = %+v, want %d answers", rest, 500-maxVersions)
	}
}

func TestSecretsReachNoReport(t *testing.T) {
	ok := strings.TrimPrefix(serve(t, func(http.ResponseWriter, *http.Request) {}), "http://")
	for name, host := range map[string]string{"answered": ok, "refused": "127.0.0.1:1"} {
		t.Run(name, func(t *testing.T) {
			r := mustRun(t, Options{
				URL: "http://me:hunter2@" + host + "/p?key=hunter2", N: 2,
				Header: http.Header{"Authorization": {"Bearer hunter2"}},
			})
			text, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(text, []byte("hunter2")) || !bytes.Contains(text, []byte(host+"/p?…")) {
				t.Errorf("report = %s", text)
			}
		})
	}
}

func TestQuantileOfWaitsIsThatSinceTheStart(t *testing.T) {
	before := waits{counts: []float64{1000, 0, 5, 0}, edges: []float64{0, 1, 2, 3, 4}}
	now := waits{counts: []float64{1090, 8, 6, 1}, edges: before.edges}
	for q, want := range map[float64]float64{0.5: 1, 0.95: 2, 0.985: 3, 1: 4} {
		if got := now.quantile(q, before); got != want {
			t.Errorf("quantile %g = %g, want %g", q, got, want)
		}
	}
	if got := now.quantile(0.99, now); got != 0 {
		t.Errorf("quantile of nothing = %g", got)
	}
	if w := readWaits(); len(w.counts) == 0 || len(w.edges) != len(w.counts)+1 {
		t.Errorf("this Go counts %d waits in %d edges", len(w.counts), len(w.edges))
	}
	m := Machine{}
	if m.judge(&Report{Sent: 100, Behind: 2}, readWaits()); !m.Busy {
		t.Error("2 % of requests late: want busy")
	}
}

func TestBucketsHoldTheirLatencies(t *testing.T) {
	o := Options{URL: "x"}
	if err := o.complete(); err != nil {
		t.Fatal(err)
	}
	tl := newTally(&o)
	for _, d := range []time.Duration{0, 50 * time.Microsecond, 100 * time.Microsecond, 1499 * time.Microsecond, 1500 * time.Microsecond, 70 * time.Second, time.Hour} {
		h := tl.bucketOf(d.Seconds())
		tl.buckets = make([]int64, len(tl.buckets))
		tl.buckets[h] = 1
		got := tl.histogram()
		if len(got) != 1 || got[0].Low > d.Seconds() || (got[0].High != 0 && got[0].High <= d.Seconds()) {
			t.Errorf("%s is in %+v", d, got)
		}
	}
	if text := fmt.Sprint(tl.edges[:8], tl.edges[len(tl.edges)-1]); text != "[0.0001 0.00015 0.0002 0.0003 0.0005 0.0007 0.001 0.0015] 70" {
		t.Errorf("edges = %s", text)
	}
}
