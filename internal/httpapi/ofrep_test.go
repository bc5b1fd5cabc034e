// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// fakeEvaluator gives units named after a version that version.
type fakeEvaluator struct {
	asked []experiment.Asked
	ids   []string
	phase int
	down  bool
}

func (f *fakeEvaluator) Evaluate(id string, asked *experiment.Asked) (experiment.Evaluation, error) {
	f.ids, f.asked = append(f.ids, id), append(f.asked, *asked)
	e := experiment.Evaluation{Experiment: id, Version: "v1", Why: experiment.WhySplit, Epoch: 2, Phase: f.phase, Slot: 17, Token: "T" + time.Now().String()}
	switch {
	case f.down:
		return e, experiment.Errorf(experiment.CodeUnavailable, "no experiment is served yet")
	case id == "broken":
		return e, experiment.Errorf(experiment.CodeInternal, "a secret of the house")
	case id != "search/ranker" && id != "fraud":
		return e, experiment.Errorf(experiment.CodeNotFound, "no experiment is called %q", id)
	case asked.Unit == "bad":
		return e, experiment.InvalidAt("unit", "it cannot be a unit").WithHint("send 1 to 256 bytes")
	case asked.Unit == "all":
		e.Why = experiment.WhyOnly
	case asked.Values["tier"] == "free":
		e.Why, e.Slot, e.Token = experiment.WhyTargeted, -1, ""
	case strings.HasPrefix(asked.Unit, "v2"):
		e.Version = "v2"
	}
	return e, nil
}

func two() []string { return []string{"search/ranker", "fraud"} }

// evaluateFlags posts to a path and gives the answer with its body as JSON.
func evaluateFlags(t *testing.T, e Evaluator, path, body string, change ...func(*http.Request)) (*httptest.ResponseRecorder, any) {
	t.Helper()
	w := post(t, OpenFeature(e, two), body, append([]func(*http.Request){func(r *http.Request) { setPath(r, path) }}, change...)...)
	var got any
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatalf("%q is no JSON: %v", w.Body, err)
		}
	}
	return w, got
}

func setPath(r *http.Request, path string) {
	if u, err := r.URL.Parse(path); err == nil {
		r.URL = u
	}
}

const single = "/ofrep/v1/evaluate/flags/"

func TestOpenFeatureEvaluatesAFlag(t *testing.T) {
	for name, tc := range map[string]struct {
		key, body string
		asked     experiment.Asked
		id, value string
		reason    string
		slot      any
		token     bool
	}{
		"split":                    {"fraud", `{"context":{"targetingKey":"v2-anna"}}`, experiment.Asked{Unit: "v2-anna"}, "fraud", "v2", "SPLIT", 17.0, true},
		"one version alone":        {"fraud", `{"context":{"targetingKey":"all"}}`, experiment.Asked{Unit: "all"}, "fraud", "v1", "STATIC", 17.0, true},
		"what else is known":       {"fraud", `{"context":{"targetingKey":"u","tier":"free","age":17.50,"new":true,"nested":{"a":1},"none":null}}`, experiment.Asked{Unit: "u", Values: map[string]string{"tier": "free", "age": "17.50", "new": "true"}}, "fraud", "v1", "TARGETING_MATCH", nil, false},
		"a namespace, escaped":     {"search%2Franker", `{"context":{"targetingKey":"u"}}`, experiment.Asked{Unit: "u"}, "search/ranker", "v1", "SPLIT", 17.0, true},
		"a namespace as it is":     {"search/ranker", `{"context":{"targetingKey":"u"}}`, experiment.Asked{Unit: "u"}, "search/ranker", "v1", "SPLIT", 17.0, true},
		"fields of later versions": {"fraud", `{"context":{"targetingKey":"u"},"more":1}`, experiment.Asked{Unit: "u"}, "fraud", "v1", "SPLIT", 17.0, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fakeEvaluator{phase: 3}
			w, got := evaluateFlags(t, f, single+tc.key, tc.body)
			if w.Code != http.StatusOK || len(f.ids) != 1 || f.ids[0] != tc.id {
				t.Fatalf("answer = %d %v, asked for %v", w.Code, got, f.ids)
			}
			if tc.asked.Values == nil {
				tc.asked.Values = map[string]string{}
			}
			if diff := cmp.Diff(tc.asked, f.asked[0]); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
			flag := got.(map[string]any)
			metadata := flag["metadata"].(map[string]any)
			if token, _ := metadata["exposure"].(string); (token != "") != tc.token {
				t.Errorf("exposure token is %q", token)
			}
			delete(metadata, "exposure")
			want := map[string]any{"key": tc.id, "value": tc.value, "variant": tc.value, "reason": tc.reason, "metadata": map[string]any{"epoch": 2.0, "phase": 3.0}}
			if tc.slot != nil {
				want["metadata"].(map[string]any)["slot"] = tc.slot
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("flag (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOpenFeatureSaysWhatIsWrong(t *testing.T) {
	const good = `{"context":{"targetingKey":"u"}}`
	for name, tc := range map[string]struct {
		path, body string
		status     int
		code       string
	}{
		"no such flag":            {single + "frau", good, 404, "FLAG_NOT_FOUND"},
		"no flag":                 {single, good, 404, "FLAG_NOT_FOUND"},
		"an empty body":           {single + "fraud", ``, 400, "PARSE_ERROR"},
		"no JSON":                 {single + "fraud", `{"context":`, 400, "PARSE_ERROR"},
		"a list":                  {single + "fraud", `[]`, 400, "PARSE_ERROR"},
		"no context":              {single + "fraud", `{}`, 400, "INVALID_CONTEXT"},
		"a context of null":       {single + "fraud", `{"context":null}`, 400, "INVALID_CONTEXT"},
		"a context of text":       {single + "fraud", `{"context":"u"}`, 400, "INVALID_CONTEXT"},
		"no targeting key":        {single + "fraud", `{"context":{"tier":"free"}}`, 400, "TARGETING_KEY_MISSING"},
		"an empty targeting key":  {single + "fraud", `{"context":{"targetingKey":""}}`, 400, "TARGETING_KEY_MISSING"},
		"a number as key":         {single + "fraud", `{"context":{"targetingKey":17}}`, 400, "INVALID_CONTEXT"},
		"a key that is no unit":   {single + "fraud", `{"context":{"targetingKey":"bad"}}`, 400, "INVALID_CONTEXT"},
		"a body too large":        {single + "fraud", `{"context":{"targetingKey":"` + strings.Repeat("u", maxContext) + `"}}`, 413, "PARSE_ERROR"},
		"all flags, no JSON":      {"/ofrep/v1/evaluate/flags", `x`, 400, "PARSE_ERROR"},
		"all flags, no key":       {"/ofrep/v1/evaluate/flags", `{"context":{}}`, 400, "TARGETING_KEY_MISSING"},
		"all flags, no unit":      {"/ofrep/v1/evaluate/flags", `{"context":{"targetingKey":"bad"}}`, 400, "INVALID_CONTEXT"},
		"something inside breaks": {single + "broken", good, 500, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w, got := evaluateFlags(t, &fakeEvaluator{}, tc.path, tc.body)
			failure := got.(map[string]any)
			code, _ := failure["errorCode"].(string)
			details, _ := failure["errorDetails"].(string)
			if w.Code != tc.status || code != tc.code || details == "" || strings.Contains(details, "secret") {
				t.Errorf("answer = %d %v, want %d %s with details", w.Code, got, tc.status, tc.code)
			}
			key, ofOne := strings.CutPrefix(tc.path, single)
			if said, _ := failure["key"].(string); ofOne && tc.code != "" && said != key {
				t.Errorf("key = %q, want %q", said, key)
			}
			if _, there := failure["value"]; there {
				t.Error("an error has a value")
			}
		})
	}
	w, got := evaluateFlags(t, &fakeEvaluator{down: true}, single+"fraud", good)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || got.(map[string]any)["errorDetails"] == "" {
		t.Errorf("before anything is served: %d %v", w.Code, got)
	}
	if w, _ := evaluateFlags(t, &fakeEvaluator{}, single+"fraud", good, func(r *http.Request) { r.Method = http.MethodGet }); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET is answered %d", w.Code)
	}
	if w, _ := evaluateFlags(t, &fakeEvaluator{}, single+"fraud", good, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }); w.Code != http.StatusUnsupportedMediaType {
		t.Errorf("text is answered %d", w.Code)
	}
}

func TestOpenFeatureEvaluatesAllFlags(t *testing.T) {
	const bulk = "/ofrep/v1/evaluate/flags"
	synctest.Test(t, func(t *testing.T) {
		f := &fakeEvaluator{}
		ask := func(unit string, match ...string) (*httptest.ResponseRecorder, any) {
			return evaluateFlags(t, f, bulk, `{"context":{"targetingKey":"`+unit+`"}}`, func(r *http.Request) { r.Header["If-None-Match"] = match })
		}
		w, got := ask("v2-anna")
		tag := w.Header().Get("ETag")
		var keys, values []string
		for _, flag := range got.(map[string]any)["flags"].([]any) {
			keys, values = append(keys, flag.(map[string]any)["key"].(string)), append(values, flag.(map[string]any)["value"].(string))
		}
		if diff := cmp.Diff([]string{"search/ranker", "fraud", "v2", "v2"}, append(keys, values...)); w.Code != 200 || diff != "" || tag == "" {
			t.Fatalf("answer = %d, tag %q (-want +got):\n%s", w.Code, tag, diff)
		}
		time.Sleep(time.Minute) // In the bubble's time; the tokens are new ones.
		for name, header := range map[string][]string{"its tag": {tag}, "among others": {`"a", ` + tag}, "in another line": {`"a"`, tag}, "strong": {strings.TrimPrefix(tag, "W/")}, "any": {"*"}} {
			if w, got := ask("v2-anna", header...); w.Code != http.StatusNotModified || got != nil || w.Header().Get("ETag") != tag {
				t.Errorf("%s: %d %v", name, w.Code, got)
			}
		}
		if n := len(f.asked); n != 2+2*5 {
			t.Errorf("%d evaluations: what is not modified is exposed too", n)
		}
		if w, _ := ask("v2-bob", tag); w.Code != 200 {
			t.Errorf("another unit of the same versions: %d", w.Code)
		}
		if w, _ := ask("v1-anna", tag); w.Code != 200 {
			t.Errorf("another version: %d", w.Code)
		}
		f.phase++
		if w, _ := ask("v2-anna", tag); w.Code != 200 {
			t.Errorf("another phase: %d", w.Code)
		}
		f.phase--
		time.Sleep(24 * time.Hour)
		if w, _ := ask("v2-anna", tag); w.Code != 200 {
			t.Errorf("a day later: %d; tokens would grow too old", w.Code)
		}
		f.down = true
		_, got = ask("v2-anna", tag)
		if flag := got.(map[string]any)["flags"].([]any)[0].(map[string]any); flag["errorCode"] != "GENERAL" || flag["errorDetails"] == "" {
			t.Errorf("before anything is served: %v", flag)
		}
	})
}

// FuzzContext checks that whatever is sent, there is a unit or an error of the
// protocol.
func FuzzContext(f *testing.F) {
	for _, body := range []string{
		`{"context":{"targetingKey":"u","tier":"free","n":1e400,"b":false}}`, `{"context":{"targetingKey":""}}`, `{"context":[]}`, `{"context":{"targetingKey":null}}`,
		`{}`, ``, `null`, `{"context":{"targetingKey":"\ud800"}}`, `{"context":{"targetingKey":"a","targetingKey":1}}`, strings.Repeat(`{"context":`, 100), "{\"context\":{\"targetingKey\":\"\xff\"}}",
	} {
		f.Add([]byte(body))
	}
	known := map[string]bool{parseError: true, targetingKeyMissing: true, invalidContext: true}
	f.Fuzz(func(t *testing.T, body []byte) {
		asked, wrong := decodeContext(body)
		switch {
		case (asked == nil) == (wrong == nil):
			t.Fatalf("%q: asked %v beside %v", body, asked, wrong)
		case wrong != nil && (!known[wrong.ErrorCode] || wrong.ErrorDetails == ""):
			t.Errorf("%q: %+v", body, wrong)
		case asked != nil && (asked.Unit == "" || asked.Values == nil):
			t.Errorf("%q: %+v", body, asked)
		}
	})
}

// FuzzExposures checks that whatever is sent, there are exposures or an error
// of class invalid.
func FuzzExposures(f *testing.F) {
	for _, body := range []string{`{"unit":"u","version":"v1"}`, `{"exposures":[{"unit":"u","version":"v1","at":"2026-03-01T12:00:00Z","segments":{"a":1}}]}`, `{"exposures":[{"segments":{"a":{}}}]}`, `[]`, `{"exposures":{}}`, `{"segments":{"":true}}`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := decodeExposures(body)
		switch {
		case err != nil && experiment.CodeOf(err) != experiment.CodeInvalid:
			t.Errorf("%q: %v", body, err)
		case err == nil && (len(b.told) == 0 || len(b.told) > experiment.MaxExposures):
			t.Errorf("%q: %d exposures", body, len(b.told))
		}
	})
}
