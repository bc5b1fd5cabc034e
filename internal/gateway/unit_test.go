// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/headgate-dev/headgate/internal/experiment"
)

func TestUnitSources(t *testing.T) {
	header := experiment.Unit{Header: "x-user-id"}
	cookie := experiment.Unit{Cookie: "uid"}
	json := experiment.Unit{JSONPath: "$.user.id"}
	for name, tc := range map[string]struct {
		unit   experiment.Unit
		header []string
		body   string
		want   string // unit; empty for none
		reason string // why there is none
		issued bool
		status int // with RejectMissing
	}{
		"header":                       {unit: header, header: []string{"X-User-Id", "anna"}, want: "anna", status: 200},
		"header in another case":       {unit: header, header: []string{"x-uSER-iD", "anna"}, want: "anna", status: 200},
		"header of 256 bytes":          {unit: header, header: []string{"X-User-Id", strings.Repeat("u", 256)}, want: strings.Repeat("u", 256), status: 200},
		"header absent":                {unit: header, reason: reasonAbsent, status: 400},
		"header empty":                 {unit: header, header: []string{"X-User-Id", ""}, reason: reasonAbsent, status: 400},
		"header too long":              {unit: header, header: []string{"X-User-Id", strings.Repeat("u", 257)}, reason: reasonInvalid, status: 400},
		"header with a tab inside":     {unit: header, header: []string{"X-User-Id", "a\tb"}, reason: reasonInvalid, status: 400},
		"cookie":                       {unit: cookie, header: []string{"Cookie", "a=b; uid=anna"}, want: "anna", status: 200},
		"cookie absent is issued":      {unit: cookie, header: []string{"Cookie", "a=b"}, issued: true, status: 200},
		"cookie empty is issued":       {unit: cookie, header: []string{"Cookie", "uid="}, issued: true, status: 200},
		"cookie too long is replaced":  {unit: cookie, header: []string{"Cookie", "uid=" + strings.Repeat("u", 257)}, issued: true, status: 200},
		"JSON string":                  {unit: json, body: `{"user":{"id":"anna","x":1}}`, want: "anna", status: 200},
		"JSON string escaped":          {unit: json, body: `{"user":{"id":"\u0061nna"}}`, want: "anna", status: 200},
		"JSON number":                  {unit: json, body: `{"user":{"id":12345678901234567890}}`, want: "12345678901234567890", status: 200},
		"JSON null":                    {unit: json, body: `{"user":{"id":null}}`, reason: reasonAbsent, status: 400},
		"JSON object":                  {unit: json, body: `{"user":{"id":{}}}`, reason: reasonAbsent, status: 400},
		"JSON path absent":             {unit: json, body: `{"user":{}}`, reason: reasonAbsent, status: 400},
		"JSON control character":       {unit: json, body: `{"user":{"id":"a\u0000b"}}`, reason: reasonInvalid, status: 400},
		"JSON broken":                  {unit: json, body: `{"user":{"id":"anna"}`, reason: reasonAbsent, status: 400},
		"no body":                      {unit: json, reason: reasonAbsent, status: 400},
		"JSON array element":           {unit: experiment.Unit{JSONPath: "users.1.id"}, body: `{"users":[{"id":"bob"},{"id":"anna"}]}`, want: "anna", status: 200},
		"body at the limit":            {unit: json, body: padded(4096), want: "anna", status: 200},
		"body past the limit":          {unit: json, body: padded(4097), reason: reasonBodySize, status: 400},
		"every request is its own one": {unit: experiment.Unit{Request: true}, want: "*", status: 200},
	} {
		for _, chunked := range []bool{false, true} {
			if chunked && tc.body == "" {
				continue
			}
			t.Run(fmt.Sprintf("%s/chunked=%v", name, chunked), func(t *testing.T) {
				var mu sync.Mutex
				var seen []experiment.Exposure
				reg := prometheus.NewRegistry()
				g := testGateway(t, Options{MaxUnitBody: 4096, Registry: reg, Expose: func(e experiment.Exposure, _ uint64) bool {
					mu.Lock()
					defer mu.Unlock()
					seen = append(seen, e)
					return true
				}})
				r := routeTo(onlyCandidate(), named(t, "one"), named(t, "two"))
				r.Assignment.Unit = tc.unit
				swap(t, g, r)
				url, client := serving(t, g)
				body := tc.body
				do := func() answer {
					if !chunked {
						return ask(t, client, "POST", url, body, tc.header...)
					}
					req, _ := http.NewRequestWithContext(t.Context(), "POST", url, struct{ *strings.Reader }{strings.NewReader(body)})
					res, err := client.Do(req)
					if err != nil {
						t.Fatal(err)
					}
					defer res.Body.Close()
					return answer{res, readAll(t, res)}
				}
				a := do()
				settled(client)
				if a.body != body {
					t.Errorf("body of %d bytes came upstream as %d", len(body), len(a.body))
				}
				set := a.Cookies()
				if tc.issued != (len(set) == 1) {
					t.Fatalf("cookies set: %v", set)
				}
				want := tc.want
				if tc.issued {
					want = set[0].Value
					if c := set[0]; c.Name != "uid" || c.Path != "/" || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || len(c.Value) < 22 {
						t.Errorf("cookie = %v", c)
					}
				}
				if want == "" {
					checkUnassigned(t, g, reg, r, a, tc.reason)
				} else {
					checkAssigned(t, g, r, a, seen, want)
				}
				r.Assignment.RejectMissing = true
				swap(t, g, r)
				if a := do(); a.StatusCode != tc.status {
					t.Errorf("with rejectMissing: status %d, want %d", a.StatusCode, tc.status)
				} else if tc.status == 400 {
					wantError(t, a, 400)
				}
			})
		}
	}
}

func readAll(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// padded is a JSON body of n bytes.
func padded(n int) string {
	const head, tail = `{"user":{"id":"anna"},"pad":"`, `"}`
	return head + strings.Repeat("x", n-len(head)-len(tail)) + tail
}

func checkUnassigned(t *testing.T, g *Gateway, reg *prometheus.Registry, r experiment.Route, a answer, reason string) {
	t.Helper()
	if a.StatusCode != 200 || a.Header.Get("X-Backend") != "one" || a.Header.Get(headerVersion) != "v1" {
		t.Errorf("answer %d of %q, want 200 of the baseline", a.StatusCode, a.Header.Get("X-Backend"))
	}
	if token := a.Header.Get(headerExposure); token != "" {
		t.Errorf("request without a unit has exposure %q", token)
	}
	if got := metric(t, reg, "headgate_gateway_unassigned_total", "reason", reason); got != 1 {
		t.Errorf("unassigned{%s} = %v, want 1", reason, got)
	}
	if cells := sealAll(t, g, r); len(cells) != 0 {
		t.Errorf("request without a unit is evidence: %+v", cells)
	}
}

func checkAssigned(t *testing.T, g *Gateway, r experiment.Route, a answer, seen []experiment.Exposure, unit string) {
	t.Helper()
	if a.StatusCode != 200 || a.Header.Get("X-Backend") != "two" || a.Header.Get(headerVersion) != "v2" {
		t.Errorf("answer %d of %q, want 200 of the candidate", a.StatusCode, a.Header.Get("X-Backend"))
	}
	if len(seen) != 1 {
		t.Fatalf("%d exposures, want 1", len(seen))
	}
	e, err := g.options.Key.Open(r.Experiment, a.Header.Get(headerExposure))
	if err != nil {
		t.Fatalf("exposure token: %v", err)
	}
	if unit != "*" && e.Unit != g.options.Key.HashUnit(unit) {
		t.Error("token is of another unit")
	}
	if e.Version != 1 || e.Propensity != experiment.Whole || e.Epoch != 1 || e.Phase != 1 || e.Unit != seen[0].Unit || e.Window != seen[0].Window {
		t.Errorf("token says %+v, exposed was %+v", e, seen[0])
	}
	cells := sealAll(t, g, r)
	if got := count(cells, 1, experiment.CellRequests); got.Counts.N != 1 || got.Counts.X != 0 || got.Sketch.Count() != 1 || cells[0].Window != e.Window {
		t.Errorf("cells = %+v", cells)
	}
}

func TestIssuedCookieKeepsItsVersion(t *testing.T) {
	g := testGateway(t, Options{})
	r := routeTo(experiment.Shares{5000, 5000}, named(t, "one"), named(t, "two"))
	r.Assignment.Unit = experiment.Unit{Cookie: "uid"}
	swap(t, g, r)
	url, client := serving(t, g)
	for range 20 {
		a := ask(t, client, "GET", url, "")
		b := ask(t, client, "GET", url, "", "Cookie", "uid="+a.Cookies()[0].Value)
		if a.Header.Get(headerVersion) != b.Header.Get(headerVersion) {
			t.Fatalf("issued unit moved from %s to %s", a.Header.Get(headerVersion), b.Header.Get(headerVersion))
		}
		if len(b.Cookies()) != 0 {
			t.Fatalf("known unit gets a cookie: %v", b.Cookies())
		}
	}
}

func TestVersionsOwnCookieWinsOverAnIssuedOne(t *testing.T) {
	v := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "uid", Value: "own"})
	})
	g := testGateway(t, Options{})
	r := routeTo(experiment.Baseline(1), v)
	r.Assignment.Unit = experiment.Unit{Cookie: "uid"}
	swap(t, g, r)
	url, client := serving(t, g)
	if set := ask(t, client, "GET", url, "").Cookies(); len(set) != 1 || set[0].Value != "own" {
		t.Errorf("cookies = %v, want the version's own", set)
	}
}

// TestUnitsFallIntoVersionsByShare compares the split of many units with the
// binomial distribution; a fair split is refused with probability 1e-6.
func TestUnitsFallIntoVersionsByShare(t *testing.T) {
	const units = 100_000
	for _, shares := range []experiment.Shares{{9900, 100}, {5000, 5000}, {1, 9999}, {2000, 3000, 5000}} {
		t.Run(shares.String(), func(t *testing.T) {
			g := testGateway(t, Options{})
			r := routeTo(shares, "http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3")
			r.Versions = r.Versions[:len(shares)]
			swap(t, g, r)
			x := &fakeExchange{}
			got := make([]int, len(shares))
			for i := range units {
				x.headers = fmt.Sprintf("user-%d", i)
				var c call
				if refused := g.admit(&c, x); refused != nil {
					t.Fatal(refused.message)
				}
				if c.exposure.Propensity != shares[c.version] {
					t.Fatalf("propensity of version %d is %d, want %d", c.version, c.exposure.Propensity, shares[c.version])
				}
				got[c.version]++
				g.finish(&c, ending{status: 200})
			}
			for v, n := range got {
				b := distuv.Binomial{N: units, P: shares[v].Fraction()}
				if low, high := b.CDF(float64(n)), 1-b.CDF(float64(n-1)); low < 5e-7 || high < 5e-7 {
					t.Errorf("version %d got %d of %d units, share %s", v, n, units, shares[v].Percent())
				}
			}
		})
	}
}

// fakeExchange is an exchange of another engine.
type fakeExchange struct {
	headers, cookies string
	body             []byte
	whole            bool
	err              error
}

func (x *fakeExchange) header(string) string { return x.headers }
func (x *fakeExchange) cookie(string) string { return x.cookies }
func (x *fakeExchange) method() string       { return "POST" }
func (x *fakeExchange) target() string       { return "/" }
func (x *fakeExchange) prefix(int64) ([]byte, bool, error) {
	return x.body, x.whole, x.err
}

// FuzzUnit checks that whatever a client sends, a unit is usable or absent.
func FuzzUnit(f *testing.F) {
	f.Add("anna", "uid=anna; a=b", []byte(`{"user":{"id":"anna"}}`))
	f.Add("", "uid=\"q\"; uid=2", []byte(`{"user":{"id":1e5}}`))
	f.Add("a\x00b", "; =;uid", []byte(`{"user":[{"id":"\ud800"}]}`))
	f.Add(strings.Repeat("x", 300), "uid="+strings.Repeat("x", 300), []byte(`{"user":{"id":"`+strings.Repeat("x", 300)+`"}}`))
	f.Fuzz(func(t *testing.T, header, cookie string, body []byte) {
		in := httptest.NewRequest("POST", "/", strings.NewReader(string(body)))
		in.Header["X-User-Id"] = []string{header}
		in.Header["Cookie"] = []string{cookie}
		for _, u := range []experiment.Unit{{Header: "x-user-id"}, {Cookie: "uid"}, {JSONPath: "$.user.id"}, {JSONPath: "user.0.id"}} {
			finder, err := newUnitFinder(u)
			if err != nil {
				t.Fatal(err)
			}
			x := &fullExchange{in: in}
			x.body.reader = strings.NewReader(string(body))
			unit, issued, missing := finder.find(&lookup{exchange: x, maxBody: 1 << 10})
			switch {
			case missing != nil:
				if unit != "" || issued != "" || missing.reason == "" {
					t.Errorf("%+v: unit %q, issued %q beside %+v", u, unit, issued, missing)
				}
			case unit == "" || len(unit) > maxUnit || strings.ContainsFunc(unit, func(r rune) bool { return r < ' ' || r == 0x7f }):
				t.Errorf("%+v: unusable unit %q", u, unit)
			case issued != "" && (issued != unit || u.Cookie == ""):
				t.Errorf("%+v: issued %q for %q", u, issued, unit)
			}
			if u.JSONPath != "" {
				rest, err := io.ReadAll(x.body.reader)
				if err != nil || string(rest) != string(body) {
					t.Errorf("body %q goes on as %q, %v", body, rest, err)
				}
			}
		}
	})
}
