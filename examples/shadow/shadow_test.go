// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestAccuracy pins what README.md says: v2 is better for those who write mails,
// and worse where the topic was chosen in the portal.
func TestAccuracy(t *testing.T) {
	// Processors that fuse multiplication and addition may turn a few tickets.
	const tolerance = 0.001
	rows := draw(learned, lessons)
	one, two := newV1(rows), newV2(rows)
	type tally struct{ n, one, two, same float64 }
	got := map[string]*tally{}
	for _, x := range draw(asked, 20000) {
		if got[x.Tier] == nil {
			got[x.Tier] = new(tally)
		}
		c := got[x.Tier]
		want, a, b := queues[x.queue].name, one.predict(&x), two.predict(&x)
		c.n++
		for _, is := range []struct {
			so  bool
			sum *float64
		}{{a == want, &c.one}, {b == want, &c.two}, {a == b, &c.same}} {
			if is.so {
				*is.sum++
			}
		}
	}
	for tier, want := range map[string]struct{ one, two, same float64 }{
		"free":     {0.9729, 0.9852, 0.9759},
		"standard": {0.9750, 0.9852, 0.9780},
		"premium":  {0.9946, 0.6460, 0.6512},
	} {
		c := got[tier]
		one, two, same := c.one/c.n, c.two/c.n, c.same/c.n
		t.Logf("%-8s %5.0f tickets: v1 right %.2f %%, v2 right %.2f %%, same answer %.2f %%", tier, c.n, 100*one, 100*two, 100*same)
		for _, x := range [][2]float64{{one, want.one}, {two, want.two}, {same, want.same}} {
			if math.Abs(x[0]-x[1]) > tolerance {
				t.Errorf("%s: %.4f, want %.4f ± %.4f", tier, x[0], x[1], tolerance)
			}
		}
	}
}

func TestServerTellsCopiesFromUsers(t *testing.T) {
	s := &server{model: newV1(draw(learned, lessons))}
	ask := func(body string, shadow bool) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/models/tickets:predict", strings.NewReader(body))
		if shadow {
			r.Header.Set("X-Headgate-Shadow", "true")
		}
		w := httptest.NewRecorder()
		s.handler().ServeHTTP(w, r)
		return w
	}
	const body = `{"instances":[{"text":"my parcel has not arrived"},{"topic":"invoice"}]}`
	const want = `{"predictions":["shipping","billing"]}`
	for _, shadow := range []bool{true, true, false} {
		if w := ask(body, shadow); w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != want {
			t.Errorf("answered %d %s, want %s", w.Code, w.Body, want)
		}
	}
	if w := ask("tickets", false); w.Code != http.StatusBadRequest {
		t.Errorf("a body that is no JSON is answered with %d", w.Code)
	}
	w := httptest.NewRecorder()
	s.handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	for _, want := range []string{`from="users"} 2`, `from="shadow"} 4`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the metrics do not say %s:\n%s", want, w.Body)
		}
	}
}

func TestRequestsAreTheSameInEveryRun(t *testing.T) {
	var one, two bytes.Buffer
	for _, out := range []*bytes.Buffer{&one, &two} {
		if err := run(t.Context(), []string{"-requests", "100"}, out); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(one.Bytes(), two.Bytes()) {
		t.Error("two runs print different requests")
	}
	n := 0
	for line := range bytes.Lines(one.Bytes()) {
		var body struct{ Instances []ticket }
		if err := json.Unmarshal(line, &body); err != nil || len(body.Instances) != 1 {
			t.Fatalf("%s: %v", line, err)
		}
		if x := body.Instances[0]; (x.Topic != "") != (x.Tier == "premium") {
			t.Errorf("a ticket of tier %s has the topic %q", x.Tier, x.Topic)
		}
		n++
	}
	if n != 100 {
		t.Errorf("%d requests, want 100", n)
	}
}

func TestServesOnLoopbackOnly(t *testing.T) {
	for _, address := range []string{":0", "0.0.0.0:0", "192.0.2.1:80", "localhost:0", "127.0.0.1"} {
		if err := run(t.Context(), []string{"-v1", address, "-v2", "127.0.0.1:0"}, new(bytes.Buffer)); err == nil {
			t.Errorf("it listens at %s", address)
		}
	}
}
