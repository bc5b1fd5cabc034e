// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// heardPlan is a plan whose predictions are told by events.
func heardPlan() *experiment.Plan {
	return &experiment.Plan{
		Namespace: "models", Name: "fraud",
		Versions: []experiment.Version{{Name: "v1", Model: "fraud-1"}, {Name: "v2", Model: "fraud-2"}},
		Router:   experiment.Router{Fields: []experiment.ShareField{{Version: 1, Kind: "InferenceService", Name: "fraud", Path: ".spec.x"}}},
		Metrics: []experiment.Metric{
			{Name: "broken", Prediction: &experiment.PredictionMetric{Kind: experiment.InvalidOutput}},
			{Name: "shift", Drift: &experiment.DriftMetric{Of: experiment.DriftOfClass, By: experiment.PSI}},
			{Name: "right", Labels: &experiment.LabelsMetric{Event: "chargeback", Of: experiment.Accuracy, Window: 2 * time.Minute}},
		},
		Predictions: &experiment.Predictions{Protocol: experiment.ProtocolKServe, Sample: experiment.Whole, ByEvents: true},
		Stages:      []experiment.Stage{{Name: "canary", Ramp: &experiment.Ramp{Steps: []experiment.Share{1000}}}},
		Window:      time.Minute, Lag: 10 * time.Second,
	}
}

const heardPath = "/v1/plans/models/fraud"

// listening is a process that hears, and its clock.
type listening struct {
	*site
	clock atomic.Int64
	p     *Process
}

func newListening(t *testing.T) *listening {
	t.Helper()
	l := &listening{site: newSite(t)}
	l.o.Plans, l.o.Gateways, l.o.Events = nil, nil, "127.0.0.1:0"
	l.o.every = time.Millisecond
	l.o.now = func() time.Time { return t0.Add(time.Duration(l.clock.Load())) }
	l.p = l.start()
	t.Cleanup(func() { l.close(l.p) })
	return l
}

// at sets the clock.
func (l *listening) at(d time.Duration) *listening {
	l.clock.Store(int64(d))
	return l
}

// again ends the process and starts it anew, when the clock says so.
func (l *listening) again(at time.Duration) {
	l.t.Helper()
	l.close(l.p)
	l.at(at)
	l.p = l.start()
}

// put tells the API of something, and wants an answer.
func (l *listening) put(path string, body any, want int, says string) {
	l.t.Helper()
	text, ok := body.(string)
	if !ok {
		raw, err := json.Marshal(body)
		if err != nil {
			l.t.Fatal(err)
		}
		text = string(raw)
	}
	if status, got := l.call(l.p, http.MethodPut, path, text, token); status != want || !strings.Contains(got, says) {
		l.t.Fatalf("PUT %s: %d %s, want %d and %q", path, status, got, want, says)
	}
}

func (l *listening) phase(number int, start time.Duration) {
	l.t.Helper()
	l.put("/v1/phases/models/fraud", experiment.Phase{Epoch: 1, Phase: number, Start: t0.Add(start)}, http.StatusNoContent, "")
}

// send sends to the address of events, as KServe's logger does, what was
// answered.
func (l *listening) send(query, id, body string) (int, string) {
	l.t.Helper()
	req, err := http.NewRequestWithContext(l.t.Context(), http.MethodPost, l.p.EventsURL()+query, strings.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Ce-Specversion": "1.0", "Ce-Id": id, "Ce-Type": "org.kubeflow.serving.inference.response",
		"Ce-Source": "http://localhost:9081/", "Ce-Inferenceservicename": "fraud", "Ce-Namespace": "models", "Ce-Component": "predictor",
	} {
		req.Header.Set(name, value)
	}
	return l.do(req)
}

func (l *listening) do(req *http.Request) (int, string) {
	l.t.Helper()
	res, err := l.client.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// said wants an event to be taken.
func (l *listening) said(version, id, class string) {
	l.t.Helper()
	query := "?" + url.Values{"experiment": {"models/fraud"}, "version": {version}}.Encode()
	if status, body := l.send(query, id, fmt.Sprintf(`{"predictions":[%q]}`, class)); status != http.StatusAccepted || !strings.Contains(body, `"accepted":1`) {
		l.t.Fatalf("%d %s", status, body)
	}
}

// label tells the truth about a request, once its answer is stored.
func (l *listening) label(id, truth string) {
	l.t.Helper()
	body := fmt.Sprintf(`{"experiment":"models/fraud","request":%q,"event":"chargeback","label":%q,"time":%q}`, id, truth, t0.Add(time.Duration(l.clock.Load())).Format(time.RFC3339))
	for deadline := time.Now().Add(time.Minute); ; {
		status, got := l.call(l.p, http.MethodPost, "/v1/outcomes", body, token)
		switch {
		case status == http.StatusAccepted && strings.Contains(got, `"accepted":1`):
			return
		case status != http.StatusAccepted || time.Now().After(deadline):
			l.t.Fatalf("a label: %d %s", status, got)
		}
	}
}

// seal waits until windows of a phase are sealed up to one.
func (l *listening) seal(source experiment.Source, phase int, start time.Duration, to int64) experiment.Seal {
	l.t.Helper()
	q := url.Values{"source": {string(source)}, "epoch": {"1"}, "phase": {fmt.Sprint(phase)}, "start": {t0.Add(start).Format(time.RFC3339Nano)}, "experiment": {"models/fraud"}}
	for deadline := time.Now().Add(time.Minute); ; {
		status, body := l.call(l.p, http.MethodGet, "/v1/seals?"+q.Encode(), "", token)
		var s experiment.Seal
		if err := json.Unmarshal([]byte(body), &s); err != nil || status != http.StatusOK || time.Now().After(deadline) {
			l.t.Fatalf("%d %s: %v", status, body, err)
		}
		if s.To >= to {
			return s
		}
	}
}

// cell is one of phase 1.1.
func heardCell(window int64, version int, metric string, e experiment.Evidence) experiment.Cell {
	return experiment.Cell{CellKey: experiment.CellKey{Epoch: 1, Phase: 1, Window: window, Version: version, Metric: metric}, Evidence: e}
}

func counts(n, x int64) experiment.Evidence {
	return experiment.Evidence{Counts: stats.Counts{N: n, X: x}}
}

func classes(counts map[string]int64) experiment.Evidence {
	return experiment.Evidence{Categories: stats.CategoriesOf(counts)}
}

// TestEventsAndLabelsBecomeSeals goes all the way.
func TestEventsAndLabelsBecomeSeals(t *testing.T) {
	l := newListening(t)
	l.at(time.Second)
	l.put(heardPath, heardPlan(), http.StatusNoContent, "")
	l.said("v1", "early", "ok")
	l.phase(1, 0)
	for i, class := range []string{"ok", "ok", "fraud"} {
		l.said("v1", fmt.Sprint("a-", i), class)
	}
	l.said("fraud-2", "b-0", "fraud")
	l.said("v2", "b-1", "ok")
	if status, body := l.send("?version=v2", "b-2", `{"error":"overloaded"}`); status != http.StatusAccepted { // There is only one experiment.
		t.Fatalf("%d %s", status, body)
	}
	l.at(62 * time.Second)
	l.said("v2", "b-3", "ok")
	l.said("v3", "c", "ok")
	l.label("a-0", "ok")
	l.label("a-2", "ok")
	l.label("b-0", "fraud")
	l.at(6 * time.Minute)
	gateway := l.seal(experiment.SourceGateway, 1, 0, 2)
	want := []experiment.Cell{
		heardCell(0, 0, "broken", counts(3, 0)), heardCell(0, 0, experiment.CellClasses, classes(map[string]int64{"fraud": 1, "ok": 2})),
		heardCell(0, 1, "broken", counts(3, 1)), heardCell(0, 1, experiment.CellClasses, classes(map[string]int64{"fraud": 1, "ok": 1})),
		heardCell(1, 1, "broken", counts(1, 0)), heardCell(1, 1, experiment.CellClasses, classes(map[string]int64{"ok": 1})),
	}
	if diff := cmp.Diff(want, gateway.Cells); diff != "" || len(gateway.Gaps) > 0 {
		t.Errorf("gaps %v, cells (-want +got):\n%s", gateway.Gaps, diff)
	}
	var half, one stats.Pair
	half.Add(1, 1)
	half.Add(0, 1)
	one.Add(1, 1)
	want = []experiment.Cell{
		heardCell(0, 0, "right", experiment.Evidence{Counts: stats.Counts{N: 3, X: 1}, Units: half}),
		heardCell(0, 1, "right", experiment.Evidence{Counts: stats.Counts{N: 2, X: 1}, Units: one}),
		heardCell(1, 1, "right", counts(1, 1)),
	}
	outcomes := l.seal(experiment.SourceOutcomes, 1, 0, 2)
	if diff := cmp.Diff(want, outcomes.Cells); diff != "" || len(outcomes.Gaps) > 0 {
		t.Errorf("gaps %v, cells (-want +got):\n%s", outcomes.Gaps, diff)
	}
	_, metrics := l.call(l.p, http.MethodGet, "/metrics", "", "")
	for result, n := range map[string]int{"heard": 7, "early": 1, "unknown": 1, "request": 0, "dropped": 0} {
		if want := fmt.Sprintf("headgate_ledger_events_total{experiment=%q,result=%q} %d\n", "models/fraud", result, n); !strings.Contains(metrics, want) {
			t.Errorf("no %s", want)
		}
	}
	if want := `ear="models/fraud"`; !strings.Contains(metrics, want) {
		t.Errorf("no metric of %s", want)
	}
}

// TestALedgerThatBeginsAnewLacksWhatItDidNotHear: the plan is known again, the
// window under way at the end is handed over, and what nobody heard is a gap.
func TestALedgerThatBeginsAnewLacksWhatItDidNotHear(t *testing.T) {
	l := newListening(t)
	l.at(time.Second)
	l.put(heardPath, heardPlan(), http.StatusNoContent, "")
	l.phase(1, 0)
	l.said("v1", "a", "ok")
	l.at(75 * time.Second)
	l.seal(experiment.SourceGateway, 1, 0, 1)
	l.said("v1", "b", "ok") // In window 1, which is under way.
	l.again(130 * time.Second)
	l.said("v1", "c", "ok") // Nobody has told of the phase yet.
	l.phase(1, 0)
	l.said("v1", "d", "ok") // In window 2, which is not whole.
	l.at(3 * time.Minute)
	l.said("v1", "e", "ok")
	l.at(4*time.Minute + 10*time.Second)
	got := l.seal(experiment.SourceGateway, 1, 0, 4)
	var want []experiment.Cell
	for _, window := range []int64{0, 1, 3} {
		want = append(want, heardCell(window, 0, "broken", counts(1, 0)), heardCell(window, 0, experiment.CellClasses, classes(map[string]int64{"ok": 1})))
	}
	if diff := cmp.Diff(want, got.Cells); diff != "" || got.To != 4 {
		t.Errorf("up to %d, cells (-want +got):\n%s", got.To, diff)
	}
	for w, lacks := range []bool{false, true, true, false} {
		if got.Lacks(int64(w)) != lacks {
			t.Errorf("window %d lacks: %t; gaps %+v", w, !lacks, got.Gaps)
		}
	}
	l.at(10 * time.Minute)
	outcomes := l.seal(experiment.SourceOutcomes, 1, 0, 4)
	if !outcomes.Lacks(1) || !outcomes.Lacks(2) || outcomes.Lacks(3) {
		t.Errorf("labels' gaps are %+v", outcomes.Gaps)
	}
	if log := l.log.String(); strings.Contains(log, token) || strings.Contains(log, "not stored") {
		t.Errorf("the log says %s", log)
	}
}

// TestTheNextPhaseHasWindowsOfItsOwn, and the one before is sealed too.
func TestTheNextPhaseHasWindowsOfItsOwn(t *testing.T) {
	l := newListening(t)
	l.put(heardPath, heardPlan(), http.StatusNoContent, "")
	l.phase(1, 0)
	l.said("v1", "a", "ok")
	l.at(30 * time.Second)
	l.phase(2, 30*time.Second)
	l.phase(1, 0) // Said late, by a controller that is no leader any more.
	l.said("v1", "b", "ok")
	l.said("v2", "c", "ok")
	l.at(3 * time.Minute)
	for phase, start := range map[int]time.Duration{1: 0, 2: 30 * time.Second} {
		got := l.seal(experiment.SourceGateway, phase, start, 1)
		n := int64(0)
		for _, c := range got.Cells {
			if c.Metric == "broken" && c.Window == 0 {
				n += c.Counts.N
			}
		}
		if n != int64(phase) || len(got.Gaps) > 0 {
			t.Errorf("phase %d has %d answers, gaps %+v", phase, n, got.Gaps)
		}
	}
	l.put("/v1/phases/models/fraud", experiment.Phase{Epoch: 1, Phase: 0, Start: t0.Add(time.Hour)}, http.StatusBadRequest, "another name")
}
