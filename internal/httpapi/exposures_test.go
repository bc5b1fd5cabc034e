// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// fakeExposer knows the versions v1 and v2, and remembers what it was told.
type fakeExposer struct {
	id    string
	told  []experiment.ClientExposure
	reply func(ctx context.Context) error
}

func (f *fakeExposer) ExposeTold(ctx context.Context, id string, told []experiment.ClientExposure) (experiment.ExposureReceipt, error) {
	var r experiment.ExposureReceipt
	if f.reply != nil {
		return r, f.reply(ctx)
	}
	f.id, f.told = id, told
	for i, e := range told {
		if e.Version != "v1" && e.Version != "v2" {
			r.Refused = append(r.Refused, experiment.RefusedExposure{Path: experiment.ExposurePath(i, "version"), Message: "no such version", Hint: "v1, v2"})
			continue
		}
		r.Accepted++
	}
	return r, nil
}

func TestExposuresAreAccepted(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const receipt = `{"accepted":%d,"duplicates":0,"moved":0,"late":0%s}`
	for name, tc := range map[string]struct {
		body string
		want []experiment.ClientExposure
		says string
	}{
		"a list": {
			body: `{"experiment":"search/ranker","exposures":[{"unit":"u","version":"v1","at":"2026-03-01T13:00:00+01:00","segments":{"tier":"premium","age":17.50,"new":true}},{"unit":"w","version":"v2"}]}`,
			want: []experiment.ClientExposure{{Unit: "u", Version: "v1", At: at, Segments: map[string]string{"tier": "premium", "age": "17.50", "new": "true"}}, {Unit: "w", Version: "v2"}},
			says: fmt.Sprintf(receipt, 2, ""),
		},
		"one alone": {body: `{"unit":"u","version":"v2"}`, want: []experiment.ClientExposure{{Unit: "u", Version: "v2"}}, says: fmt.Sprintf(receipt, 1, "")},
		"one that makes no sense among others": {
			body: `{"exposures":[{"unit":"u","version":"v1"},{"unit":"","version":"v9"}]}`,
			want: []experiment.ClientExposure{{Unit: "u", Version: "v1"}, {Version: "v9"}},
			says: fmt.Sprintf(receipt, 1, `,"refused":[{"path":"exposures[1].version","message":"no such version","hint":"v1, v2"}]`),
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fakeExposer{}
			w := post(t, Exposures(f, one), tc.body)
			if w.Code != http.StatusAccepted || strings.TrimSpace(w.Body.String()) != tc.says {
				t.Fatalf("answer = %d %s, want 202 %s", w.Code, w.Body, tc.says)
			}
			if diff := cmp.Diff(tc.want, f.told); diff != "" || f.id != "search/ranker" {
				t.Errorf("told of %q (-want +got):\n%s", f.id, diff)
			}
		})
	}
}

func TestExposuresAreRefused(t *testing.T) {
	item := func(fields string) string { return `{"exposures":[{"unit":"u","version":"v1"},{` + fields + `}]}` }
	many := `{"exposures":[` + strings.Repeat(`{"unit":"u","version":"v1"},`, experiment.MaxExposures) + `{"unit":"u","version":"v1"}]}`
	for name, tc := range map[string]struct {
		body, path, says string
		status           int
	}{
		"empty":                       {``, "", "is empty", 400},
		"no JSON":                     {`{"exposures":[}`, "", "line 1, column 15", 400},
		"a list":                      {`[]`, "", "is a list", 400},
		"no exposures":                {`{"exposures":[]}`, "exposures", "is empty", 400},
		"nothing at all":              {`{}`, "exposures", "is missing", 400},
		"both forms":                  {`{"exposures":[{"unit":"u","version":"v1"}],"unit":"u"}`, "unit", "beside", 400},
		"too many":                    {many, "exposures", "more than 1000", 400},
		"an unknown field":            {item(`"unti":"u"`), "exposures[1].unti", "not a field", 400},
		"a field twice":               {item(`"unit":"u","unit":"w"`), "exposures[1].unit", "twice", 400},
		"a unit that is a number":     {item(`"unit":17`), "exposures[1].unit", "want a string", 400},
		"a version that is null":      {item(`"version":null`), "exposures[1].version", "null", 400},
		"a time that is none":         {item(`"at":"yesterday"`), "exposures[1].at", "RFC 3339", 400},
		"segments that are a list":    {item(`"segments":[]`), "exposures[1].segments", "want an object", 400},
		"a segment that is null":      {item(`"segments":{"tier":null}`), "exposures[1].segments.tier", "null", 400},
		"a segment that is nested":    {item(`"segments":{"tier":{"a":1}}`), "exposures[1].segments.tier", "an object", 400},
		"another experiment":          {`{"experiment":"search/rankr","unit":"u","version":"v1"}`, "experiment", "takes no exposures", 404},
		"all of them make no sense":   {`{"exposures":[{"unit":"u","version":"v8"},{"unit":"w","version":"v9"}]}`, "exposures[0].version", "no such version", 400},
		"the only one makes no sense": {`{"unit":"u","version":"v9"}`, "version", "no such version", 400},
	} {
		t.Run(name, func(t *testing.T) {
			w := post(t, Exposures(&fakeExposer{}, one), tc.body)
			f := failureOf(t, w)
			if w.Code != tc.status || f.Path != tc.path || !strings.Contains(f.Message, tc.says) || f.Hint == "" {
				t.Errorf("answer = %d %+v, want %d at %q with %q", w.Code, f, tc.status, tc.path, tc.says)
			}
		})
	}
	h := Exposures(&fakeExposer{}, one)
	if w := post(t, h, `{}`, func(r *http.Request) { r.Method = http.MethodGet }); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "POST" {
		t.Errorf("GET is answered %d", w.Code)
	}
	if w := post(t, h, `{}`, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }); w.Code != http.StatusUnsupportedMediaType {
		t.Errorf("text is answered %d", w.Code)
	}
	if w := post(t, h, strings.Repeat(" ", MaxBody+1)); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a body too large is answered %d", w.Code)
	}
}

func TestExposuresSayWhenTheStoreIsDown(t *testing.T) {
	down := &fakeExposer{reply: func(context.Context) error {
		return experiment.Errorf(experiment.CodeUnavailable, "the disk is full")
	}}
	w := post(t, Exposures(down, one), `{"unit":"u","version":"v1"}`)
	if f := failureOf(t, w); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || f.Message != "the disk is full" {
		t.Errorf("answer = %d %+v", w.Code, f)
	}
	slow := &fakeExposer{reply: func(ctx context.Context) error {
		return experiment.Errorf(experiment.CodeUnavailable, "wait for the ledger: %w", ctx.Err())
	}}
	w = post(t, Exposures(slow, one), `{"unit":"u","version":"v1"}`, func(r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		cancel()
		*r = *r.WithContext(ctx)
	})
	if f := failureOf(t, w); w.Code != http.StatusServiceUnavailable || !strings.Contains(f.Hint, "counts once") {
		t.Errorf("answer = %d %+v", w.Code, f)
	}
}

func TestBearer(t *testing.T) {
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	for name, tc := range map[string]struct {
		token, header string
		want          int
	}{
		"no token is asked for":    {"", "", http.StatusTeapot},
		"the token":                {"secret-token-1234", "Bearer secret-token-1234", http.StatusTeapot},
		"the scheme in other case": {"secret-token-1234", "bearer  secret-token-1234 ", http.StatusTeapot},
		"none":                     {"secret-token-1234", "", http.StatusUnauthorized},
		"another":                  {"secret-token-1234", "Bearer secret-token-1235", http.StatusUnauthorized},
		"half of it":               {"secret-token-1234", "Bearer secret-token", http.StatusUnauthorized},
		"another scheme":           {"secret-token-1234", "Basic secret-token-1234", http.StatusUnauthorized},
		"the token alone":          {"secret-token-1234", "secret-token-1234", http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			w := post(t, Bearer(tc.token, next), ``, func(r *http.Request) {
				if tc.header != "" {
					r.Header.Set("Authorization", tc.header)
				}
			})
			if w.Code != tc.want {
				t.Fatalf("answer = %d, want %d", w.Code, tc.want)
			}
			if tc.want == http.StatusUnauthorized {
				if f := failureOf(t, w); f.Code != experiment.CodeUnauthorized || strings.Contains(fmt.Sprint(f), "secret") || w.Header().Get("WWW-Authenticate") == "" {
					t.Errorf("failure = %+v", f)
				}
			}
		})
	}
}
