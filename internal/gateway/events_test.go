// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/prediction"
	"github.com/headgate-dev/headgate/stats"
)

func TestEvents(t *testing.T) {
	for name, tc := range map[string]struct {
		body string
		want []string
	}{
		"one":                     {"data: a\n\n", []string{"a"}},
		"two":                     {"data: a\n\ndata:b\n\n", []string{"a", "b"}},
		"of several lines":        {"data: a\ndata: b\n\n", []string{"a\nb"}},
		"with other fields":       {": hello\nevent: x\nid: 1\ndata: a\nretry: 5\ndatum: z\n\n", []string{"a"}},
		"ends of lines":           {"data: a\r\n\r\ndata: b\r\rdata: c\n\n", []string{"a", "b", "c"}},
		"the last without an end": {"data: a\n\ndata: b", []string{"a", "b"}},
		"nothing":                 {"\n\n: x\n\n", nil},
		"empty data":              {"data\n\ndata:\n\n", []string{"", ""}},
		"one blank is taken":      {"data:  a \n\n", []string{" a "}},
	} {
		t.Run(name, func(t *testing.T) {
			e := events{rest: []byte(tc.body)}
			var got []string
			for data, ok := e.next(); ok; data, ok = e.next() {
				got = append(got, string(data))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestStreamedTextsAreJoined(t *testing.T) {
	body := strings.Join([]string{
		`{"id":"x","choices":[{"index":1,"delta":{"role":"assistant","content":"B"}},{"index":0,"delta":{"content":"A"}}]}`,
		`{"id":"x","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"},{"index":1,"delta":{},"finish_reason":"length"}]}`,
		`{"id":"x","choices":[],"usage":{"total_tokens":7}}`, `[DONE]`, "",
	}, "\n\n")
	body = "data: " + strings.ReplaceAll(strings.TrimSuffix(body, "\n\n"), "\n\n", "\n\ndata: ") + "\n\n"
	got, ok := joined([]byte(body), (*prediction.Redactor)(nil).Apply)
	if !ok {
		t.Fatal("not read")
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"choices":[{"finish_reason":"stop","index":0,"message":{"content":"Aa","role":"assistant"}},{"finish_reason":"length","index":1,"message":{"content":"B","role":"assistant"}}],"id":"x","usage":{"total_tokens":7}}`
	if string(text) != want {
		t.Errorf("%s, want %s", text, want)
	}
}

// TestTokensOfStreamsCount: of long streams only the end is kept.
func TestTokensOfStreamsCount(t *testing.T) {
	text := `data: {"choices":[{"index":0,"delta":{"content":"` + strings.Repeat("x", 100) + `"}}],"usage":null}` + "\n\n"
	usage := `data: {"choices":[],"usage":{"total_tokens":42}}` + "\n\n"
	for name, tc := range map[string]struct {
		kind  string
		body  []string
		found string
	}{
		"plain JSON":                 {"application/json", []string{`{"usage":{"total_tokens":42}}`}, "read"},
		"a short stream":             {"text/event-stream", []string{text, usage, "data: [DONE]\n\n"}, "read"},
		"a stream without an end":    {"text/event-stream", []string{text, usage}, "read"},
		"a long stream":              {"text/event-stream", []string{strings.Repeat(text, 20_000), usage, "data: [DONE]\n\n"}, "read"},
		"many pieces":                {"text/event-stream", append(strings.SplitAfter(strings.Repeat(text, 3000), "\n\n"), usage, "data: [DONE]\n\n"), "read"},
		"nobody asked for the usage": {"text/event-stream", []string{text, text, "data: [DONE]\n\n"}, "unfit"},
		"no JSON":                    {"text/event-stream", []string{"data: x\n\n"}, "invalid"},
		"no events":                  {"text/event-stream", []string{": still there\n\n"}, "invalid"},
		"an event too long":          {"text/event-stream", []string{"data: {", strings.Repeat(" ", 3*maxEventTail), "}\n\n"}, "too_large"},
		"text":                       {"text/plain", []string{"42"}, "unfit"},
	} {
		t.Run(name, func(t *testing.T) {
			model := backend(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tc.kind)
				for _, piece := range tc.body {
					io.WriteString(w, piece)
					w.(http.Flusher).Flush()
				}
			})
			reg := prometheus.NewRegistry()
			g := testGateway(t, Options{Registry: reg, ErrorLog: log.New(t.Output(), "", 0)})
			r := routeTo(onlyCandidate(), model, model)
			r.Answers = []experiment.Answer{{Metric: experiment.CellTokens, Sum: `.usage.total_tokens // 0`, Sample: experiment.Whole}}
			swap(t, g, r)
			url, client := serving(t, g)
			if got := ask(t, client, "POST", url+chatPath, "{}", "X-User-Id", "anna"); got.body != strings.Join(tc.body, "") {
				t.Errorf("the client got %d bytes", len(got.body))
			}
			settled(client)
			allHeard(g)
			want := experiment.Evidence{Counts: stats.Counts{N: 1, X: 1}}
			if tc.found == "read" {
				want = experiment.Evidence{Counts: stats.Counts{N: 1}, Units: pairOf(42, 1)}
			}
			if diff := cmp.Diff(want, count(sealAll(t, g, r), 1, experiment.CellTokens)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got := metric(t, reg, "headgate_gateway_answers_total", "result", tc.found); got != 1 {
				t.Errorf("%v are %s, want 1", got, tc.found)
			}
			if held := g.answers.held.Load(); held != 0 {
				t.Errorf("%d bytes are held", held)
			}
		})
	}
}

// TestLittleOfAStreamIsKept: however long it is.
func TestLittleOfAStreamIsKept(t *testing.T) {
	r := answerReader{}
	h := r.hearing()
	h.wants, h.tail = 1, true
	for i := range 5000 {
		h.take(fmt.Appendf(nil, "data: %d%s\n\n", i, strings.Repeat(".", i)))
		if len(h.body) > 2*maxEventTail || h.held > 2*maxEventTail {
			t.Fatalf("%d bytes are kept, %d held", len(h.body), h.held)
		}
	}
	want := "4999" + strings.Repeat(".", 4999)
	if got := lastEvent(h.body, h.clipped); string(got) != want {
		t.Errorf("the last event is %.20q… of %d bytes", got, len(got))
	}
	r.forget(h)
	if r.held.Load() != 0 {
		t.Errorf("%d bytes are held", r.held.Load())
	}
}

// FuzzEvents checks that nothing breaks the reading of streams, and that the
// last event is that of all events.
func FuzzEvents(f *testing.F) {
	f.Add([]byte("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\ndata: [DONE]\n\n"))
	f.Add([]byte("data: {\"choices\":[{\"index\":-1},{\"index\":1e9,\"text\":\"x\"},{\"index\":\"a\"},3]}\r\r"))
	f.Add([]byte("data\ndata:\r\ndata: x"))
	f.Fuzz(func(t *testing.T, body []byte) {
		e := events{rest: body}
		var last []byte
		n := 0
		for data, ok := e.next(); ok; data, ok = e.next() {
			if n++; len(data) > 0 && !isDone(data) {
				last = append(last[:0], data...)
			}
			if n > len(body) {
				t.Fatal("it does not end")
			}
		}
		if got := lastEvent(body, false); string(got) != string(last) {
			t.Errorf("last %q, want %q", got, last)
		}
		lastEvent(body, true)
		if value, ok := joined(body, (*prediction.Redactor)(nil).Apply); ok {
			if _, err := json.Marshal(value); err != nil {
				t.Errorf("%v of %q", err, body)
			}
		}
	})
}
