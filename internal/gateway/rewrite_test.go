// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// TestVersionsAreAskedByTheirOwnNames sends real requests to a candidate and
// asks what came to it.
func TestVersionsAreAskedByTheirOwnNames(t *testing.T) {
	const chat = "/v1/chat/completions"
	long := strings.Repeat("x", 100<<10)
	for name, tc := range map[string]struct {
		version    experiment.Version
		path, body string
		wantPath   string // the same where empty
		wantBody   string // the same where empty
	}{
		"OIP":                         {version: experiment.Version{Model: "r2"}, path: "/v2/models/ranker/infer", wantPath: "/v2/models/r2/infer"},
		"OIP with a version":          {version: experiment.Version{Model: "r2"}, path: "/v2/models/ranker/versions/3/infer?a=/v2/models/b", wantPath: "/v2/models/r2/versions/3/infer?a=/v2/models/b"},
		"OIP, only the model":         {version: experiment.Version{Model: "r2"}, path: "/v2/models/ranker", wantPath: "/v2/models/r2"},
		"OIP without a model":         {version: experiment.Version{Model: "r2"}, path: "/v2/models/"},
		"OIP health":                  {version: experiment.Version{Model: "r2"}, path: "/v2/health/ready"},
		"OIP escaped":                 {version: experiment.Version{Model: "a<b/c:%"}, path: "/v2/models/ran%2Fker/infer", wantPath: "/v2/models/a%3Cb%2Fc%3A%25/infer"},
		"KServe":                      {version: experiment.Version{Model: "r2"}, path: "/v1/models/ranker:predict", wantPath: "/v1/models/r2:predict"},
		"KServe explained":            {version: experiment.Version{Model: "team/r:2"}, path: "/v1/models/ranker:explain", wantPath: "/v1/models/team%2Fr%3A2:explain"},
		"KServe, the list":            {version: experiment.Version{Model: "r2"}, path: "/v1/models"},
		"a path that only looks so":   {version: experiment.Version{Model: "r2"}, path: "/x/v2/models/ranker/infer"},
		"path":                        {version: experiment.Version{Path: &experiment.PathRewrite{From: "/ranker", To: "/serving/r2"}}, path: "/ranker/infer?x=1", wantPath: "/serving/r2/infer?x=1"},
		"path, whole":                 {version: experiment.Version{Path: &experiment.PathRewrite{From: "/ranker/", To: "/"}}, path: "/ranker?x", wantPath: "/?x"},
		"path, another":               {version: experiment.Version{Path: &experiment.PathRewrite{From: "/ranker", To: "/r2"}}, path: "/rankers/infer"},
		"path of everything":          {version: experiment.Version{Path: &experiment.PathRewrite{From: "/", To: "/api/"}}, path: "/a//b/", wantPath: "/api/a//b/"},
		"path, then model":            {version: experiment.Version{Model: "r2", Path: &experiment.PathRewrite{From: "/ranker", To: "/"}}, path: "/ranker/v2/models/a/infer", wantPath: "/v2/models/r2/infer"},
		"path that makes a model":     {version: experiment.Version{Model: "r2", Path: &experiment.PathRewrite{From: "/ranker", To: "/v2/models"}}, path: "/ranker/a/infer", wantPath: "/v2/models/r2/infer"},
		"OpenAI":                      {version: experiment.Version{Model: `q"2`}, path: chat, body: ` {"model" : "gpt", "messages":[{"model":"x"}]}`, wantBody: ` {"model" : "q\"2", "messages":[{"model":"x"}]}`},
		"OpenAI, escaped":             {version: experiment.Version{Model: "r2"}, path: "/openai/v1/embeddings?v=1", body: `{"a":1,"\u006dodel":"\u0067pt"}`, wantBody: `{"a":1,"\u006dodel":"r2"}`},
		"OpenAI, long":                {version: experiment.Version{Model: "r2"}, path: "/v1/completions", body: `{"prompt":"` + long + `","model":"gpt"}`, wantBody: `{"prompt":"` + long + `","model":"r2"}`},
		"OpenAI, too long to be read": {version: experiment.Version{Model: "r2"}, path: chat, body: `{"model":"gpt","prompt":"` + long + long + `"}`},
		"OpenAI, no JSON":             {version: experiment.Version{Model: "r2"}, path: chat, body: `{"model":"gpt"`},
		"OpenAI, no object":           {version: experiment.Version{Model: "r2"}, path: chat, body: `["model","gpt"]`},
		"OpenAI, no model":            {version: experiment.Version{Model: "r2"}, path: chat, body: `{"models":"gpt"}`},
		"OpenAI, a model of numbers":  {version: experiment.Version{Model: "r2"}, path: chat, body: `{"model":4}`},
		"OpenAI, two models":          {version: experiment.Version{Model: "r2"}, path: chat, body: `{"model":"a","model":"b"}`},
		"OpenAI, no body":             {version: experiment.Version{Model: "r2"}, path: chat},
		"another path with a model":   {version: experiment.Version{Model: "r2"}, path: "/v1/train", body: `{"model":"gpt"}`},
	} {
		for _, chunked := range []bool{false, true} {
			if chunked && tc.body == "" {
				continue
			}
			t.Run(name+map[bool]string{true: " in chunks"}[chunked], func(t *testing.T) {
				g := testGateway(t, Options{MaxUnitBody: 150 << 10})
				r := routeTo(onlyCandidate(), named(t, "one"), named(t, "two")+"/base/")
				r.Versions[1].Model, r.Versions[1].Path = tc.version.Model, tc.version.Path
				swap(t, g, r)
				url, client := serving(t, g)
				var a answer
				if chunked {
					a = askInChunks(t, client, url+tc.path, tc.body, "X-User-Id", "anna")
				} else {
					a = ask(t, client, "POST", url+tc.path, tc.body, "X-User-Id", "anna")
				}
				wantPath, wantBody := tc.wantPath, tc.wantBody
				if wantPath == "" {
					wantPath = tc.path
				}
				if wantBody == "" {
					wantBody = tc.body
				}
				if got := a.Header.Get("X-Path"); a.Header.Get("X-Backend") != "two" || got != "/base"+wantPath {
					t.Errorf("%s was asked for %q, want two for %q", a.Header.Get("X-Backend"), got, "/base"+wantPath)
				}
				if a.body != wantBody {
					t.Errorf("the version got %.200q, want %.200q", a.body, wantBody)
				}
			})
		}
	}
}

func askInChunks(t *testing.T, c *http.Client, url, body string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", url, struct{ *strings.Reader }{strings.NewReader(body)})
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return answer{res, readAll(t, res)}
}

// TestTheBaselineIsAskedByItsOwnName lets the baseline answer for a candidate
// that cannot be reached, and those that are not assigned.
func TestTheBaselineIsAskedByItsOwnName(t *testing.T) {
	for name, tc := range map[string]struct{ model, unit, want string }{
		"falling back, a name of its own": {"r1", "anna", `{"model":"r1"}`},
		"falling back, the client's name": {"", "anna", `{"model":"gpt"}`},
		"without a unit":                  {"r1", "", `{"model":"r1"}`},
	} {
		t.Run(name, func(t *testing.T) {
			g := testGateway(t, Options{})
			r := routeTo(onlyCandidate(), named(t, "one"), closedPort(t))
			r.Versions[0].Model, r.Versions[1].Model = tc.model, "a-longer-name"
			swap(t, g, r)
			url, client := serving(t, g)
			for range 2 { // A connection that is used again.
				a := ask(t, client, "POST", url+"/v1/chat/completions", `{"model":"gpt"}`, "X-User-Id", tc.unit)
				if a.StatusCode != 200 || a.Header.Get("X-Backend") != "one" || a.body != tc.want {
					t.Errorf("%d of %q: %q, want 200 of one: %q", a.StatusCode, a.Header.Get("X-Backend"), a.body, tc.want)
				}
			}
		})
	}
}

// FuzzTarget checks that both engines ask for the same, whatever the client and
// the plan say, and that nothing gets into the request line that was in
// neither.
func FuzzTarget(f *testing.F) {
	for _, target := range []string{
		"/", "/?", "/v2/models/m/infer", "/v2/models/m", "/v2/models//infer", "/v1/models/m:predict", "/v1/models/a%3Ab:explain?x=/v1/models/y",
		"/ranker", "/ranker/", "/ranker/v2/models/m", "/ranker?q", "/rankers", "//v2/models/m", "/%72anker/a", "/v2/models/%zz", "/a;b=c/d", "*", "/v2/models/m#f",
	} {
		f.Add(target, "/ranker", "/", "r2")
		f.Add(target, "/", "/serving", "team/r:2")
		f.Add(target, "/ranker/", "/v2/models", "")
	}
	f.Fuzz(func(t *testing.T, target, from, to, model string) {
		w, err := newRewrite(&experiment.Version{Name: "v", Model: model, Path: &experiment.PathRewrite{From: from, To: to}})
		if err != nil {
			return
		}
		out := string(w.appendTarget([]byte("HEAD "), target))
		got, ok := strings.CutPrefix(out, "HEAD ")
		if !ok {
			t.Fatalf("%q became %q: what was there is gone", target, out)
		}
		if !strings.HasPrefix(target, "/") {
			if got != target {
				t.Errorf("%q became %q", target, got)
			}
			return
		}
		allowed := target + to + string(w.segment) + "/"
		if !strings.HasPrefix(got, "/") || strings.Trim(got, allowed) != "" {
			t.Errorf("%q became %q, which holds something of its own", target, got)
		}
		_, query, asked := strings.Cut(target, "?")
		_, gotQuery, gotAsked := strings.Cut(got, "?")
		if query != gotQuery || asked != gotAsked {
			t.Errorf("the query of %q became that of %q", target, got)
		}
		u, err := url.ParseRequestURI(target)
		if err != nil || u.Host != "" || u.EscapedPath() != strings.SplitN(target, "?", 2)[0] {
			return // The engine full asks for the path in its own spelling.
		}
		w.move(u)
		if u.RequestURI() != got && !strings.HasPrefix(got, "//") {
			t.Errorf("%q: engine full asks for %q, engine fast for %q", target, u.RequestURI(), got)
		}
	})
}

// FuzzModel checks that a body is changed in its model and nothing else.
func FuzzModel(f *testing.F) {
	for _, body := range []string{
		`{"model":"gpt"}`, ` {"a":{"model":1},"model" : "x" , "b":[]} `, `{"model":"a","model":"b"}`, `{"model":null}`, `[{"model":"x"}]`, `{"\u006dodel":"\ud800"}`, `{"model":""}`, `{`, ``, `"model"`,
	} {
		f.Add([]byte(body), "r2")
	}
	f.Fuzz(func(t *testing.T, body []byte, model string) {
		changed, err := newRewrite(&experiment.Version{Name: "v", Model: model})
		if err != nil || changed == nil {
			return
		}
		in := lookup{exchange: &fakeExchange{body: body, whole: true}, maxBody: 1 << 20}
		e, missing := in.findModel()
		if missing != nil {
			t.Fatalf("missing %+v", missing)
		}
		if !e.found() {
			return
		}
		v := &version{rewrite: changed}
		out := e.appendBody(nil, v)
		if int64(len(out)) != e.length(v) {
			t.Fatalf("%d bytes, length says %d", len(out), e.length(v))
		}
		var before, after map[string]any
		if err := json.Unmarshal(body, &before); err != nil {
			t.Fatalf("a body that is no object is rewritten: %v", err)
		}
		if err := json.Unmarshal(out, &after); err != nil {
			t.Fatalf("%q became %q: %v", body, out, err)
		}
		if after["model"] != model {
			t.Errorf("%q became %q: the model is %v", body, out, after["model"])
		}
		if string(e.appendBody(nil, &version{})) != string(body) {
			t.Errorf("a version without a name of its own gets another body than %q", body)
		}
	})
}
