// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/translate"
	"github.com/headgate-dev/headgate/internal/view"
)

// The tests of this and the other truth files hold what a user reads against
// numbers that are known from elsewhere: model servers whose predictions are
// scripted, a whole host before them, requests and labels by HTTP, and at the
// end the view, by HTTP too.

// Paths of requests, which tell the protocols.
const (
	pathKServe = "/v1/models/m:predict"
	pathOIP    = "/v2/models/m/infer"
)

// labelWindow is the outcome window of all label metrics here: the time that a
// test has from a prediction to its label, on a slow machine too. Nobody waits
// for its end: pass moves the clock.
const labelWindow = 2 * time.Minute

// copyTimeout is what copies may take: what hurries none. Evidence of pairs is
// whole this long after its window.
const copyTimeout = time.Minute

// copiesAtATime is how many copies may be under way: few enough that none waits
// so long on a slow machine that the gateway drops it.
const copiesAtATime = 16

// TestLabelsThroughTheWholePath has three experiments wait for their truth at
// the same time. Each is asked and told at once, and gives what is to be seen in
// the end.
func TestLabelsThroughTheWholePath(t *testing.T) {
	t.Parallel()
	areas, table, bad := areasAreDeLongs(t), labelsOfATable(t), labelsTakeABadVersionOut(t)
	t.Run("a bad version is taken out", bad)
	t.Run("areas are DeLong's", areas)
	t.Run("a table is worked out by hand", table)
}

// scripted serves a version that answers a prediction by the row that the
// request names.
func scripted(t *testing.T, answer func(row int) string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			return // Somebody asks whether it is ready.
		}
		var q struct {
			Instances []struct{ Row int }
			Inputs    []struct{ Data []int }
		}
		err := json.NewDecoder(r.Body).Decode(&q)
		row := 0
		switch {
		case err == nil && r.URL.Path == pathKServe && len(q.Instances) == 1:
			row = q.Instances[0].Row
		case err == nil && r.URL.Path == pathOIP && len(q.Inputs) == 1 && len(q.Inputs[0].Data) == 1:
			row = q.Inputs[0].Data[0]
		default:
			http.Error(w, "no such prediction", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answer(row))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// world is a host with one experiment of two scripted versions, and a user of
// it who has nothing but HTTP.
type world struct {
	t      *testing.T
	host   *Host
	run    *Run
	client *http.Client
	path   string
	// ahead is what the host's clock is ahead of the machine's, in nanoseconds.
	ahead atomic.Int64
	// units and asked count units and requests.
	units, asked int
}

// newWorld begins an experiment whose versions answer as scripted, and ends it with the test.
func newWorld(t *testing.T, name, path string, v1, v2 func(row int) string, spec string) *world {
	t.Helper()
	p, err := translate.Plan(fmt.Appendf(nil, `
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: %s, namespace: truth}
spec:
  versions: [{name: v1, backend: %q}, {name: v2, backend: %q}]
  traffic: {gateway: {}}
  evidence: {window: 200ms, lag: 100ms}
%s`, name, scripted(t, v1), scripted(t, v2), strings.NewReplacer("LABELS", labelWindow.String(), "COPIES", copyTimeout.String()).Replace(spec)))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, path: path, client: &http.Client{Transport: &http.Transport{}}}
	h, err := Start(t.Context(), Options{Data: t.TempDir(), Experiments: []Experiment{{Plan: p}}, now: w.now})
	if err != nil {
		t.Fatal(err)
	}
	w.host, w.run = h, h.Runs()[0]
	t.Cleanup(func() {
		w.client.CloseIdleConnections()
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// now is the host's clock.
func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

// pass moves the clock on so far that the outcome windows of all labels are
// over, and the time of all copies. What was asked until now is in the evidence
// by then, with so many pairs: answers are counted a little after they were
// given, so that is waited for first.
func (w *world) pass(pairs int) {
	w.t.Helper()
	w.until("all requests are counted", func(v *view.Experiment) bool {
		n := int64(0)
		for i := range v.Versions {
			n += v.Versions[i].Requests
		}
		return n >= int64(w.asked)
	})
	w.counted("pairs_total", pairs)
	for _, queue := range []string{"exposures_queued", "rows_queued"} {
		w.counted(queue, 0)
	}
	w.ahead.Add(int64(labelWindow + 3*copyTimeout))
}

// unit is a new one that is assigned to a version.
func (w *world) unit(version string) string {
	w.t.Helper()
	for range 1000 {
		w.units++
		unit := fmt.Sprint("unit-", w.units)
		if w.run.Assign(unit).Version == version {
			return unit
		}
	}
	w.t.Fatalf("nobody is assigned to %s: %s", version, w.view().Verdict.Sentence)
	return ""
}

// ask asks for the prediction of a row and gives the exposure's token. The
// answer must be of the version that the unit was chosen for.
func (w *world) ask(version, unit, request string, row int) (token string) {
	w.t.Helper()
	got, token := w.answer(unit, request, row)
	if got != version {
		w.t.Fatalf("%s answered for row %d, want %s", got, row, version)
	}
	return token
}

// answer asks for the prediction of a row, whichever version gives it.
func (w *world) answer(unit, request string, row int) (version, token string) {
	w.t.Helper()
	body := fmt.Sprintf(`{"instances":[{"row":%d}]}`, row)
	if w.path == pathOIP {
		body = fmt.Sprintf(`{"inputs":[{"name":"row","datatype":"INT64","shape":[1],"data":[%d]}]}`, row)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.run.TrafficURL()+w.path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-User-Id", unit)
	if request != "" {
		req.Header.Set("X-Request-Id", request)
	}
	res, err := w.client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		w.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		w.t.Fatalf("row %d was answered %s", row, res.Status)
	}
	w.asked++
	return res.Header.Get("X-Headgate-Version"), res.Header.Get("X-Headgate-Exposure")
}

// told is one outcome as the API takes it.
type told struct {
	Token   string     `json:"token,omitempty"`
	Unit    string     `json:"unit,omitempty"`
	Request string     `json:"request,omitempty"`
	Event   string     `json:"event"`
	Label   string     `json:"label,omitempty"`
	Value   *float64   `json:"value,omitempty"`
	Time    *time.Time `json:"time,omitempty"`
}

// post posts JSON to the API, which must answer with a status.
func (w *world) post(path string, body any, status int, into any) {
	w.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.host.APIURL()+path, bytes.NewReader(text))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	w.do(req, status, into)
}

// get reads a page of the API: JSON, or text where into is one.
func (w *world) get(path string, into any) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.host.APIURL()+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.do(req, http.StatusOK, into)
}

func (w *world) do(req *http.Request, status int, into any) {
	w.t.Helper()
	res, err := w.client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != status {
		w.t.Fatalf("%s answered %s, %v: %s", req.URL.Path, res.Status, err, text)
	}
	if plain, ok := into.(*string); ok {
		*plain = string(text)
	} else if err := json.Unmarshal(text, into); err != nil {
		w.t.Fatalf("%s: %v", req.URL.Path, err)
	}
}

// tell posts outcomes, of which each must become what want counts.
func (w *world) tell(outcomes []told, want experiment.Receipt) {
	w.t.Helper()
	var got experiment.Receipt
	for len(outcomes) > 0 {
		n := min(len(outcomes), experiment.MaxOutcomes)
		var one experiment.Receipt
		w.post("/v1/outcomes", map[string]any{"outcomes": outcomes[:n]}, http.StatusAccepted, &one)
		got.Accepted += one.Accepted
		got.Duplicates += one.Duplicates
		got.Late += one.Late
		got.Unmatched += one.Unmatched
		outcomes = outcomes[n:]
	}
	if got != want {
		w.t.Fatalf("of the outcomes became %+v, want %+v", got, want)
	}
}

// view is what a user reads.
func (w *world) view() (v view.Experiment) {
	w.t.Helper()
	w.get("/v1/experiment?name="+url.QueryEscape(w.run.ID()), &v)
	return v
}

// until waits until the view is as wanted, and gives it. Each step of the
// experiment makes a new one; a deadline bounds the wait.
func (w *world) until(what string, wanted func(v *view.Experiment) bool) view.Experiment {
	w.t.Helper()
	deadline := time.After(90 * time.Second)
	for {
		if v := w.view(); wanted(&v) {
			return v
		}
		select {
		case <-w.run.Changed():
		case <-w.run.Done():
			if v := w.view(); wanted(&v) {
				return v
			}
			w.t.Fatalf("over before %s: %s", what, w.view().Verdict.Sentence)
		case <-deadline:
			text, _ := json.Marshal(w.view())
			w.t.Fatalf("never: %s; the last view is %s", what, text)
		}
	}
}

// split waits until both versions have their half.
func (w *world) split() {
	w.t.Helper()
	w.until("the halves", func(v *view.Experiment) bool { return v.Versions[1].Share == 0.5 })
}

// counted asks until one of the ledger's metrics says so.
func (w *world) counted(metric string, n int) {
	w.t.Helper()
	w.shows(fmt.Sprintf("headgate_ledger_%s{headgate_run=%q} %d\n", metric, w.run.ID(), n))
}

// predicted asks until the gateway has read so many answers of a version.
func (w *world) predicted(version string, answers int) {
	w.t.Helper()
	w.shows(fmt.Sprintf("headgate_gateway_predictions_total{experiment=%q,headgate_run=%[1]q,result=\"read\",version=%q} %d\n", w.run.ID(), version, answers))
}

// shows asks until the metrics have a line.
func (w *world) shows(want string) {
	w.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; {
		var text string
		if w.get("/metrics", &text); strings.Contains(text, want) {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("never: %s", want)
		}
	}
}

// labelsAtATime is how many labels are told at a time: soon enough after their
// predictions on a slow machine too.
const labelsAtATime = 48

// tellSoon tells labels if there are enough of them, or if these are the last,
// and gives those that are left. It waits until the ledger has all predictions:
// answers are read after they were given, and a label cannot come before its
// prediction.
func (w *world) tellSoon(labels []told, last bool) (left []told) {
	w.t.Helper()
	if len(labels) < labelsAtATime && !last {
		return labels
	}
	w.counted("predictions_total", w.asked)
	w.tell(labels, experiment.Receipt{Accepted: len(labels)})
	return nil
}

// labelled is a label metric of a version in a view.
func labelled(t *testing.T, v *view.Experiment, metric, version string) view.Labels {
	t.Helper()
	for _, l := range v.Predictions.Labels {
		if l.Metric == metric && l.Version == version {
			return l
		}
	}
	t.Fatalf("the view has no %s of %s", metric, version)
	return view.Labels{}
}

// matured says whether so many predictions of each version have had their time,
// by every label metric.
func matured(n int64) func(v *view.Experiment) bool {
	return func(v *view.Experiment) bool {
		for _, l := range v.Predictions.Labels {
			if l.Matured < n {
				return false
			}
		}
		return true
	}
}

// found is a finding of a view.
func found(t *testing.T, v *view.Experiment, role experiment.Role, metric, version string) view.Finding {
	t.Helper()
	for _, f := range v.Findings {
		if f.Role == string(role) && f.Metric == metric && f.Version == version {
			return f
		}
	}
	t.Fatalf("the view has no %s %s of %s", role, metric, version)
	return view.Finding{}
}

// near asserts that a number is another one within a tolerance.
func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s = %.12g, want %.12g within %g", what, got, want, tolerance)
	}
}

// standardError is that of an estimate, which is shown by its 95 % interval:
// the 97.5th percentile of the normal distribution times it, either way.
func standardError(e *view.Estimate) float64 { return (e.High - e.Low) / 2 / 1.959963984540054 }
