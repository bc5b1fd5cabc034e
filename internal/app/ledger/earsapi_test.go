// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// TestAPlanThatHearsNeedsEvents: without an address for them nothing would come,
// for ever.
func TestAPlanThatHearsNeedsEvents(t *testing.T) {
	s := newSite(t)
	s.o.Plans = nil
	l := &listening{site: s, p: s.start()}
	l.put(heardPath, heardPlan(), http.StatusBadRequest, "--events ADDRESS")
	if url := l.p.EventsURL(); url != "" {
		t.Errorf("it hears at %s", url)
	}
	start := "&start=2026-11-21T12:00:00Z"
	if status, body := l.call(l.p, http.MethodGet, "/v1/seals?source=gateway&experiment=models/fraud"+start, "", token); status != http.StatusNotFound {
		t.Errorf("seals of what was refused: %d %s", status, body)
	}
	if status, body := l.call(l.p, http.MethodPut, "/v1/phases/models/fraud", "{}", token); status != http.StatusNotFound {
		t.Errorf("phases where nothing is heard: %d %s", status, body)
	}
	s.close(l.p)

	s.o.Plans = []*experiment.Plan{heardPlan()}
	if _, err := Start(t.Context(), s.o); experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(experiment.HintOf(err), "--events") {
		t.Errorf("a plan of a file: %v", err)
	}
	s.o.Events = "127.0.0.1:0"
	p := s.start()
	if p.EventsURL() == "" {
		t.Error("it hears nowhere")
	}
	s.close(p)
}

// TestAKeptPlanThatNobodyHearsIsUnknown after a start without an address for
// events: whoever told of it is told why not.
func TestAKeptPlanThatNobodyHearsIsUnknown(t *testing.T) {
	l := newListening(t)
	l.put(heardPath, heardPlan(), http.StatusNoContent, "")
	l.o.Events, l.o.Gateways = "", []string{"http://127.0.0.1:1"}
	l.again(time.Second)
	if status, body := l.call(l.p, http.MethodGet, "/v1/seals?source=gateway&experiment=models/fraud&start=2026-11-21T12:00:00Z", "", token); status != http.StatusNotFound {
		t.Errorf("%d %s", status, body)
	}
	l.put(heardPath, heardPlan(), http.StatusBadRequest, "--events ADDRESS")
	l.o.Events = "127.0.0.1:0"
	l.again(2 * time.Second)
	l.phase(1, 0)
}

func TestStartWhereEventsCannotBeHeard(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	s := newSite(t)
	s.o.Events = taken.Addr().String()
	if _, err := Start(t.Context(), s.o); experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(experiment.HintOf(err), "--events") {
		t.Errorf("%v, hint %q", err, experiment.HintOf(err))
	}
	s.o.Events, s.o.Gateways = "", nil
	if _, err := Start(t.Context(), s.o); experiment.CodeOf(err) != experiment.CodeInvalid {
		t.Errorf("nothing to hear and no gateway: %v", err)
	}
	s.o.Events = "127.0.0.1:0"
	s.close(s.start()) // The locks are free, and events alone are enough.
}

// TestTheTwoAddressesServeTheirOwn: loggers carry no token, so that nothing that
// wants one is where they send.
func TestTheTwoAddressesServeTheirOwn(t *testing.T) {
	l := newListening(t)
	l.put(heardPath, heardPlan(), http.StatusNoContent, "")
	events := strings.TrimSuffix(l.p.EventsURL(), "/v1/events")
	phase := `{"epoch":1,"phase":1,"stage":0,"start":"2026-11-21T12:00:00Z"}`
	for name, tc := range map[string]struct {
		base, method, path, body, token string
		status                          int
	}{
		"events at the API":           {l.p.APIURL(), "POST", "/v1/events", "{}", token, 404},
		"outcomes at events":          {events, "POST", "/v1/outcomes", "{}", token, 404},
		"plans at events":             {events, "PUT", heardPath, "{}", token, 404},
		"phases at events":            {events, "PUT", "/v1/phases/models/fraud", phase, token, 404},
		"seals at events":             {events, "GET", "/v1/seals", "", token, 404},
		"gateways at events":          {events, "GET", "/v1/gateways", "", token, 404},
		"metrics at events":           {events, "GET", "/metrics", "", token, 404},
		"profiles at events":          {events, "GET", "/debug/pprof/", "", token, 404},
		"health at events":            {events, "GET", "/healthz", "", "", 200},
		"events are posted":           {events, "GET", "/v1/events", "", "", 405},
		"phases without the token":    {l.p.APIURL(), "PUT", "/v1/phases/models/fraud", phase, "", 401},
		"phases with another":         {l.p.APIURL(), "PUT", "/v1/phases/models/fraud", phase, token + "x", 401},
		"phases with the token":       {l.p.APIURL(), "PUT", "/v1/phases/models/fraud", phase, token, 204},
		"phases of nobody":            {l.p.APIURL(), "PUT", "/v1/phases/models/other", phase, token, 404},
		"a phase that is none":        {l.p.APIURL(), "PUT", "/v1/phases/models/fraud", "<html>", token, 400},
		"a phase and more":            {l.p.APIURL(), "PUT", "/v1/phases/models/fraud", phase + "{}", token, 400},
		"a phase of a later version":  {l.p.APIURL(), "PUT", "/v1/phases/models/fraud", `{"later":1,` + phase[1:], token, 400},
		"a phase that is very long":   {l.p.APIURL(), "PUT", "/v1/phases/models/fraud", strings.Repeat(" ", maxPhase) + phase, token, 400},
		"a stage that the plan lacks": {l.p.APIURL(), "PUT", "/v1/phases/models/fraud", strings.Replace(phase, `"stage":0`, `"stage":7`, 1), token, 400},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), tc.method, tc.base+tc.path, strings.NewReader(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			if tc.token != "" {
				req.Header.Set("Authorization", "Bearer "+tc.token)
			}
			if status, body := l.do(req); status != tc.status {
				t.Errorf("%d %s, want %d", status, body, tc.status)
			}
		})
	}
	if status, body := l.send("?experiment=models/other", "r", "{}"); status != http.StatusNotFound {
		t.Errorf("events of no experiment: %d %s", status, body)
	}
}

// TestAnEditedPlanIsHeard: its later phases are of the stages that it has then.
func TestAnEditedPlanIsHeard(t *testing.T) {
	l := newListening(t)
	l.put(heardPath, heardPlan(), http.StatusNoContent, "")
	l.phase(1, 0)
	second := experiment.Phase{Epoch: 1, Phase: 2, Stage: 1, Start: t0}
	l.put("/v1/phases/models/fraud", second, http.StatusBadRequest, "no such phase")
	p := heardPlan()
	p.Stages = append(p.Stages, p.Stages[0])
	l.put(heardPath, p, http.StatusNoContent, "")
	l.put("/v1/phases/models/fraud", second, http.StatusNoContent, "")
}

// TestEventsOfNobody where no plan hears, and of one that is carried by gateways.
func TestEventsOfNobody(t *testing.T) {
	l := newListening(t)
	if status, body := l.send("", "r", "{}"); status/100 != 4 {
		t.Errorf("without any experiment: %d %s", status, body)
	}
	l.put("/v1/plans/search/ranker", testPlan(), http.StatusNoContent, "")
	if status, body := l.send("?experiment=search/ranker", "r", "{}"); status != http.StatusNotFound {
		t.Errorf("of one that gateways carry: %d %s", status, body)
	}
}

// TestManyPlansAtOnce each have their windows: none is forgotten by the store.
func TestManyPlansAtOnce(t *testing.T) {
	l := newListening(t)
	const plans = 24
	var wg sync.WaitGroup
	for i := range plans {
		wg.Go(func() {
			p := heardPlan()
			p.Name = fmt.Sprint("fraud-", i)
			text := planOf(t, p)
			if status, body := l.call(l.p, http.MethodPut, "/v1/plans/models/"+p.Name, text, token); status != http.StatusNoContent {
				t.Errorf("%d %s", status, body)
			}
		})
	}
	wg.Wait()
	if got := l.p.ears.origins(); len(got) != plans {
		t.Fatalf("%d ears", len(got))
	}
	for i := range plans {
		body := `{"epoch":1,"phase":1,"stage":0,"start":"2026-11-21T12:00:00Z"}`
		if status, got := l.call(l.p, http.MethodPut, fmt.Sprint("/v1/phases/models/fraud-", i), body, token); status != http.StatusNoContent {
			t.Fatalf("%d %s", status, got)
		}
	}
	l.at(80 * time.Second)
	for i := range plans {
		l.wholeWindow(fmt.Sprint("models/fraud-", i))
	}
}

func planOf(t *testing.T, p *experiment.Plan) string {
	text, err := json.Marshal(p)
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

// wholeWindow waits until an experiment's first window is sealed, and wants it
// whole.
func (l *listening) wholeWindow(id string) {
	l.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		status, body := l.call(l.p, http.MethodGet, "/v1/seals?source=gateway&epoch=1&phase=1&start=2026-11-21T12:00:00Z&experiment="+id, "", token)
		var s experiment.Seal
		if err := json.Unmarshal([]byte(body), &s); err != nil || status != http.StatusOK || len(s.Gaps) > 0 || time.Now().After(deadline) {
			l.t.Fatalf("%s: %d %s: %v", id, status, body, err)
		}
		if s.To == 1 {
			return
		}
	}
}
