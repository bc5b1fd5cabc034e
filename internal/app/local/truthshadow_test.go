// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
)

const shadowSpec = `
  assignment: {unit: {header: x-user-id}}
  metrics:
  - {name: accuracy, from: {labels: {event: truth, of: accuracy, window: LABELS, joined: 80%}}}
  - {name: recall, from: {labels: {event: truth, of: recall, positive: fraud, window: LABELS}}}
  - {name: area, from: {labels: {event: truth, of: auc, positive: fraud, window: LABELS}}}
  - {name: psi, from: {drift: {of: class}}}
  - {name: invalid, from: {prediction: invalid}}
  stages:
  - name: shadow
    mirror: {share: 100%, rate: 5000, timeout: COPIES}
    until: {pairs: 600, atMost: 1h}
    require: [{metric: accuracy, min: 85%}, {metric: psi, max: 1}, {metric: invalid, max: 5%}]
  - {name: canary, ramp: {steps: [10%]}, hold: {for: 1h}}
`

// askShadowed asks the baseline for all cases, of which the shadow gets copies,
// and tells the truth of them: by token, or one third each by token, by unit and
// by request.
func askShadowed(w *world, old []kind, byToken bool) {
	w.t.Helper()
	const asked = 120 * confusedCopies
	var waiting []told
	for row := range asked {
		unit, request := fmt.Sprint("user-", row), ""
		if row%3 == 2 {
			request = fmt.Sprint("request-", row)
		}
		label := told{Event: "truth", Label: caseOf(old, row).truth}
		switch token := w.ask("v1", unit, request, row); {
		case byToken || row%3 == 0:
			label.Token = token
		case row%3 == 1:
			label.Unit = unit
		default:
			label.Request = request
		}
		if w.asked%copiesAtATime == 0 {
			w.counted("pairs_total", w.asked)
		}
		if waiting = append(waiting, label); len(waiting) == labelsAtATime || row == asked-1 {
			w.counted("predictions_total", 2*w.asked)
			w.tell(waiting, experiment.Receipt{Accepted: len(waiting)})
			waiting = nil
		}
	}
}

// TestAShadowsTruthDecides: labels of requests that only the baseline's users
// saw answered tell how right its shadow would have been, and the gates of the
// mirror go by that. The truth of a row is the same in both tables: fraud comes
// first in them.
func TestAShadowsTruthDecides(t *testing.T) {
	for name, c := range map[string]struct {
		baseline, shadow []kind
		byToken          bool
		right, recall    float64 // the shadow's
		status           experiment.Status
		stage            string
		end              experiment.Outcome
	}{
		"a better one goes on":     {confusedOld, confusedNew, true, 110. / 120, 45. / 50, experiment.Met, "canary", ""},
		"a worse one is taken out": {confusedNew, confusedOld, false, 90. / 120, 30. / 50, experiment.Violated, "shadow", experiment.RolledBack},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "truth-"+string(c.status), pathOIP, oipClass(c.baseline), oipClass(c.shadow), shadowSpec)
			w.until("the mirror", func(v *view.Experiment) bool { return v.Mirror != nil })
			askShadowed(w, c.baseline, c.byToken)
			w.pass(120 * confusedCopies)
			v := w.until("the gate has decided", func(v *view.Experiment) bool {
				return v.Stage.Name == c.stage && v.Verdict.Outcome == string(c.end) && matured(120)(v)
			})
			if c.end == "" {
				v = w.until("all have matured", matured(120*confusedCopies))
				l := labelled(t, &v, "accuracy", "v2")
				if l.Matured != 120*confusedCopies || l.Joined == nil || *l.Joined != 1 || l.Value == nil {
					t.Fatalf("accuracy of the shadow: %+v", l)
				}
				near(t, "accuracy of the shadow", l.Value.Value, c.right, 1e-10)
				near(t, "accuracy of the baseline", labelled(t, &v, "accuracy", "v1").Value.Value, 90./120, 1e-10)
				near(t, "recall of the shadow", labelled(t, &v, "recall", "v2").Value.Value, c.recall, 1e-10)
				// 45·(65 + 5) + 5·(65) + halves of ties, over 50·70.
				near(t, "area of the shadow", labelled(t, &v, "area", "v2").Value.Value, (45.*70+5*65)/(50*70), 1e-10)
			} else if f := found(t, &v, experiment.RoleGate, "accuracy", "v2"); f.Status != string(c.status) {
				t.Errorf("%s: %+v", f.Question, f)
			}
			if v.Versions[1].Units != 0 || v.Versions[1].Requests != 0 {
				t.Errorf("a shadow was seen: %+v", v.Versions[1])
			}
			for _, p := range v.Predictions.Versions {
				if p.N != 120*confusedCopies {
					t.Errorf("%s has %d classes, want %d", p.Version, p.N, 120*confusedCopies)
				}
			}
			if d := drifted(t, &v, "psi"); d.N == 0 || d.NBaseline == 0 {
				t.Errorf("drift %+v", d)
			}
			replays(t, w.run)
		})
	}
}

// tellEvents posts what a model server's logger tells of a version's answers to
// the requests of rows.
func (w *world) tellEvents(version string, from, to int, answer func(row int) string) {
	w.t.Helper()
	var batch []map[string]any
	for row := from; row < to; row++ {
		batch = append(batch, map[string]any{
			"specversion": "1.0", "id": fmt.Sprint("request-", row), "type": "org.kubeflow.serving.inference.response", "datacontenttype": "application/json",
			"data": json.RawMessage(answer(row)),
		})
	}
	text, err := json.Marshal(batch)
	if err != nil {
		w.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.host.APIURL()+"/v1/events?version="+version, bytes.NewReader(text))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/cloudevents-batch+json")
	var got struct{ Accepted int }
	if w.do(req, http.StatusAccepted, &got); got.Accepted != to-from {
		w.t.Fatalf("%d of %d events are accepted", got.Accepted, to-from)
	}
}

// TestOthersShadowsHaveTruth: where others mirror and route, the answers that
// their loggers tell of are predictions of both versions, and labels find them
// by the request.
func TestOthersShadowsHaveTruth(t *testing.T) {
	t.Parallel()
	const asked = 480
	old, young := oipClass(confusedOld), oipClass(confusedNew)
	w := newWorld(t, "overheard", pathOIP, old, young, `
  assignment: {unit: {header: x-user-id}}
  metrics:
  - {name: accuracy, from: {labels: {event: truth, of: accuracy, window: LABELS, joined: 80%}}}
  - {name: psi, from: {drift: {of: class}}}
  stages:
  - name: shadow
    mirror: {share: 100%, by: events, timeout: COPIES}
    until: {pairs: `+fmt.Sprint(asked)+`, atMost: 1h}
    require: [{metric: accuracy, min: 80%}, {metric: psi, max: 1}]
  - {name: canary, ramp: {steps: [10%]}, hold: {for: 1h}}
`)
	w.until("the mirror", func(v *view.Experiment) bool { return v.Mirror != nil })
	for from := 0; from < asked; from += labelsAtATime {
		w.tellEvents("v1", from, from+labelsAtATime, old)
		w.tellEvents("v2", from, from+labelsAtATime, young)
		w.counted("predictions_total", 2*(from+labelsAtATime))
		var labels []told
		for row := from; row < from+labelsAtATime; row++ {
			labels = append(labels, told{Request: fmt.Sprint("request-", row), Event: "truth", Label: caseOf(confusedOld, row).truth})
		}
		w.tell(labels, experiment.Receipt{Accepted: len(labels)})
	}
	w.pass(asked)
	w.until("the gates are met", func(v *view.Experiment) bool { return v.Stage.Name == "canary" })
	v := w.until("all have matured", matured(asked))
	near(t, "accuracy of the baseline", labelled(t, &v, "accuracy", "v1").Value.Value, 90./120, 1e-10)
	near(t, "accuracy of the shadow", labelled(t, &v, "accuracy", "v2").Value.Value, 110./120, 1e-10)
	for _, p := range v.Predictions.Versions {
		if p.N != asked {
			t.Errorf("%s has %d classes, want %d", p.Version, p.N, asked)
		}
	}
	replays(t, w.run)
}
