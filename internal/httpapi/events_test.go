// SPDX-License-Identifier: Apache-2.0

package httpapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/httpapi"
)

// heard keeps what it is told, up to a number of events.
type heard struct {
	room   int
	events []experiment.Event
}

func (h *heard) Listen(_ string, e *experiment.Event) (bool, error) {
	if len(h.events) == h.room {
		return false, nil
	}
	h.events = append(h.events, *e)
	return true, nil
}

// tell posts events and gives the answer.
func tell(h *heard, target, body string, head ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
	for i := 0; i < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	w := httptest.NewRecorder()
	httpapi.Events(h, func() []string { return []string{"team/models"} }).ServeHTTP(w, r)
	return w
}

// As KServe's agent and Seldon's executor send them.
var (
	kserve = []string{
		"Ce-Id", "r-1", "Ce-Type", "org.kubeflow.serving.inference.response", "Ce-Source", "http://localhost:9081/",
		"Ce-Specversion", "1.0", "Ce-Inferenceservicename", "ranker", "Ce-Namespace", "search", "Ce-Component", "predictor",
		"Ce-Time", "2026-11-21T11:26:00.5Z", "Ce-Metadata", `{"x-headgate-version":["v2"]}`, "Content-Type", "application/json",
	}
	seldon = []string{
		"Ce-Id", "e-77", "Ce-Requestid", "puid-1", "Ce-Type", "io.seldon.serving.inference.request", "Ce-Specversion", "1.0",
		"Ce-Modelid", "classifier", "Ce-Inferenceservicename", "income", "Ce-Endpoint", "canary", "Content-Type", "application/json",
	}
)

func TestEventsOfLoggers(t *testing.T) {
	at := time.Date(2026, 11, 21, 11, 26, 0, 5e8, time.UTC)
	for name, tc := range map[string]struct {
		target, body string
		head         []string
		want         experiment.Event
	}{
		"KServe": {"/v1/events", `{"predictions":[1]}`, kserve, experiment.Event{
			ID: "r-1", Kind: experiment.EventResponse, Names: []string{"v2", "ranker"}, At: at, Body: []byte(`{"predictions":[1]}`),
		}},
		"KServe with a URL of its own": {"/v1/events?version=v1&experiment=team/models", `{}`, kserve, experiment.Event{
			ID: "r-1", Kind: experiment.EventResponse, Names: []string{"v1", "v2", "ranker"}, At: at, Body: []byte(`{}`),
		}},
		"Seldon": {"/v1/events", `{"data":{}}`, seldon, experiment.Event{
			ID: "puid-1", Kind: experiment.EventRequest, Names: []string{"canary", "classifier", "income"}, Body: []byte(`{"data":{}}`),
		}},
		"structured": {
			"/v1/events", `{"specversion":"1.0","id":"r-1","type":"org.kubeflow.serving.inference.response","datacontenttype":"application/json","data":{"predictions":[1]},"n":1}`,
			[]string{"Content-Type", "application/cloudevents+json; charset=utf-8"},
			experiment.Event{ID: "r-1", Kind: experiment.EventResponse, Body: []byte(`{"predictions":[1]}`)},
		},
		"structured, in base64": {
			"/v1/events", `{"id":"r-1","type":"org.kubeflow.serving.inference.response","data_base64":"eyJhIjoxfQ=="}`,
			[]string{"Content-Type", "application/cloudevents+json"},
			experiment.Event{ID: "r-1", Kind: experiment.EventResponse, Body: []byte(`{"a":1}`)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := &heard{room: 9}
			if w := tell(h, tc.target, tc.body, tc.head...); w.Code != http.StatusAccepted || w.Body.String() != "{\"accepted\":1,\"dropped\":0,\"ignored\":0}\n" {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if diff := cmp.Diff([]experiment.Event{tc.want}, h.events); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestABatchOfEvents(t *testing.T) {
	h := &heard{room: 2}
	one := func(kind string) string { return fmt.Sprintf(`{"id":"x","type":%q,"data":{}}`, kind) }
	body := "[" + strings.Join([]string{
		one("org.kubeflow.serving.inference.request"), one("io.seldon.serving.feedback"),
		one("org.kubeflow.serving.inference.response"), one("io.seldon.serving.inference.response"),
	}, ",") + "]"
	w := tell(h, "/v1/events", body, "Content-Type", "application/cloudevents-batch+json")
	if w.Code != http.StatusAccepted || w.Body.String() != "{\"accepted\":2,\"dropped\":1,\"ignored\":1}\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestEventsThatMakeNoSense(t *testing.T) {
	for name, tc := range map[string]struct {
		target, body string
		head         []string
		code         int
		want         string
	}{
		"no type":             {"/v1/events", "{}", nil, 400, `"path":"Ce-Type"`},
		"no id":               {"/v1/events", "{}", []string{"Ce-Type", "a.inference.request"}, 400, `"path":"Ce-Id"`},
		"a long id":           {"/v1/events", "{}", []string{"Ce-Type", "a.inference.request", "Ce-Id", strings.Repeat("x", 300)}, 400, `"path":"Ce-Id"`},
		"a bad time":          {"/v1/events", "{}", []string{"Ce-Type", "a.inference.request", "Ce-Id", "x", "Ce-Time", "noon"}, 400, `"path":"Ce-Time"`},
		"another experiment":  {"/v1/events?experiment=team/model", "{}", kserve, 404, `did you mean \"team/models\"?`},
		"broken JSON":         {"/v1/events", "{", []string{"Content-Type", "application/cloudevents+json"}, 400, "not a JSON object"},
		"broken base64":       {"/v1/events", `{"data_base64":"%"}`, []string{"Content-Type", "application/cloudevents+json"}, 400, `"path":"data_base64"`},
		"a batch too long":    {"/v1/events", "[" + strings.Repeat("{},", 256) + "{}]", []string{"Content-Type", "application/cloudevents-batch+json"}, 400, "257 events"},
		"a body far too long": {"/v1/events", strings.Repeat("x", httpapi.MaxEventsBody+1), kserve, 413, "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			h := &heard{room: 9}
			w := tell(h, tc.target, tc.body, tc.head...)
			if w.Code != tc.code || !strings.Contains(w.Body.String(), tc.want) || len(h.events) > 0 {
				t.Errorf("%d %s, %d events; want %d with %s", w.Code, w.Body, len(h.events), tc.code, tc.want)
			}
		})
	}
}
