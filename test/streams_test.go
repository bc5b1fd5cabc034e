// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// streamer is a model server that sends an event only when the client has the
// one before: a buffer anywhere in between would stop both.
type streamer struct {
	*httptest.Server
	got chan struct{}
	// left is told when a client does not wait for the end.
	left chan struct{}
}

const streamed = 5

func newStreamer(t *testing.T) *streamer {
	t.Helper()
	s := &streamer{got: make(chan struct{}), left: make(chan struct{}, 1)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return // The gateway broke off: the test says why.
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range streamed {
			_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-s.got:
			case <-r.Context().Done():
				s.left <- struct{}{}
				return
			}
		}
		_, _ = io.WriteString(w, "data: [DONE]\n\n")
	}))
	t.Cleanup(s.Close)
	return s
}

// eventClients start a client of an event stream and give what it has received
// up to then; stop ends it, before its time if it must.
func eventClients(t *testing.T, c *curl) map[string]func(engine string) (events io.Reader, stop func()) {
	return map[string]func(string) (io.Reader, func()){
		"curl": func(engine string) (io.Reader, func()) {
			cmd := exec.Command(c.program, "--no-buffer", "--silent", "--show-error", "--max-time", "120", engines[engine],
				"-H", "X-User-Id: anna", "--data-binary", `{"stream":true}`, "http://"+c.gateway.traffic+"/v1/chat/completions")
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			return out, func() {
				_ = cmd.Process.Kill() // It may have ended.
				_ = cmd.Wait()         // As above.
			}
		},
		"Go": func(engine string) (io.Reader, func()) {
			var protocols http.Protocols
			protocols.SetHTTP1(engine == "fast")
			protocols.SetUnencryptedHTTP2(engine == "full")
			tr := &http.Transport{Protocols: &protocols}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+c.gateway.traffic+"/v1/chat/completions", strings.NewReader(`{"stream":true}`))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-User-Id", "anna")
			res, err := (&http.Client{Transport: tr, Timeout: 2 * time.Minute}).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := res.ProtoMajor, map[string]int{"fast": 1, "full": 2}[engine]; got != want {
				t.Errorf("answered in HTTP/%d, want %d", got, want)
			}
			return res.Body, func() {
				_ = res.Body.Close() // It may be broken off.
				tr.CloseIdleConnections()
			}
		},
	}
}

// TestEventsArriveOneByOne reads streams of events through headgate-gateway, to
// their end and not: a client that leaves must reach the model server.
func TestEventsArriveOneByOne(t *testing.T) {
	s := newStreamer(t)
	c := &curl{t: t, program: program(t, "curl"), gateway: newGatewayProcess(t)}
	r := rankers(s.URL)
	r.Slots = experiment.SlotsOf(experiment.Baseline(1))
	c.gateway.serve(r)
	var sent float64
	for name, start := range eventClients(t, c) {
		for engine := range engines {
			t.Run(name+" by "+engine, func(t *testing.T) {
				sent += 2
				events, stop := start(engine)
				defer stop()
				lines := bufio.NewScanner(events)
				for i := range streamed {
					wantEvent(t, lines, fmt.Sprint(i))
					select {
					case s.got <- struct{}{}:
					case <-time.After(time.Minute):
						t.Fatal("the model server does not wait for the client")
					}
				}
				wantEvent(t, lines, "[DONE]")
				for lines.Scan() {
					if lines.Text() != "" {
						t.Errorf("%q after the end", lines.Text())
					}
				}
			})
			t.Run(name+" leaves "+engine, func(t *testing.T) {
				events, stop := start(engine)
				wantEvent(t, bufio.NewScanner(events), "0")
				stop()
				select {
				case <-s.left:
				case <-time.After(time.Minute):
					t.Error("the model server still computes for a client that left")
				}
			})
		}
	}
	c.gateway.settle(sent)
	if n := c.gateway.metrics().sum("headgate_gateway_requests_total", `"5xx"`); n != 0 {
		t.Errorf("%v failures", n)
	}
}

// wantEvent wants the next event, and the empty line behind it if it is here.
func wantEvent(t *testing.T, lines *bufio.Scanner, data string) {
	t.Helper()
	for lines.Scan() {
		if lines.Text() == "" {
			continue
		}
		if lines.Text() != "data: "+data {
			t.Fatalf("%q came, want event %s", lines.Text(), data)
		}
		return
	}
	t.Fatalf("the stream ended before event %s: %v", data, lines.Err())
}
