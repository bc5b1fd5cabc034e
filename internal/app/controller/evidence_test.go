// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/api/kube"
	face "github.com/headgate-dev/headgate/internal/controller"
	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/source/ledger"
	"github.com/headgate-dev/headgate/internal/translate"
	"github.com/headgate-dev/headgate/stats"
)

var t0 = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// heard is a canary that KServe carries, whose loggers tell of answers.
const heard = `
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: fraud, namespace: models}
spec:
  versions: [{name: v1, workload: fraud-v1}, {name: v2, workload: fraud-v2}]
  traffic:
    pack: istio
    fields:
    - {version: v2, apiVersion: serving.kserve.io/v1beta1, kind: InferenceService, name: fraud, path: .spec.predictor.canaryTrafficPercent}
  predictions: {by: events, protocol: kserve}
  metrics:
  - {name: errors, from: {builtin: error-rate}}
  - {name: invalid, from: {prediction: invalid}}
  - {name: right, from: {labels: {event: chargeback, of: accuracy, window: 1h}}}
  objectives: [{metric: errors, max: 5%}, {metric: invalid, max: 1%}]
  stages:
  - {name: canary, ramp: {steps: [5%, 25%]}, hold: {requests: 100}}
  evidence: {window: 1m, lag: 10s}
`

func heardPlan(t *testing.T) *experiment.Plan {
	t.Helper()
	p, err := translate.Plan([]byte(heard))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// counted is a Prometheus that has counted one request a second of either
// version since long ago.
func counted(w http.ResponseWriter, r *http.Request) {
	query, over, _ := strings.Cut(r.FormValue("query"), "[")
	at, _ := strconv.ParseFloat(r.FormValue("time"), 64) // Nothing is 0.
	result := []any{}
	if strings.HasSuffix(query, `-v1",response_code!~"0"}`) || strings.HasSuffix(query, `-v2",response_code!~"0"}`) {
		ms, _ := strconv.ParseFloat(strings.TrimSuffix(over, "ms]"), 64)
		var values [][2]any
		for s := float64(int64((at-ms/1000)/5)*5 + 5); s <= at; s += 5 {
			values = append(values, [2]any{s, strconv.FormatFloat(s-float64(t0.Unix())+10_000, 'f', 0, 64)})
		}
		result = append(result, map[string]any{"metric": map[string]string{"pod": "a", "response_code": "200"}, "values": values})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": "matrix", "result": result}}) // Whoever asked may have gone.
}

// listening is a ledger's API. It notes what it is told, and what it is asked
// for.
type listening struct {
	mu     sync.Mutex
	phases []experiment.Phase
	asked  []string
	// deaf, blind and strange are that it takes no phases, tells no seals and
	// refuses plans; to is up to where it has sealed.
	deaf, blind, strange bool
	to                   int64
}

func (l *listening) set(change func(l *listening)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l)
}

func (l *listening) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fail := func(code experiment.Code, message string) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = fmt.Fprintf(w, `{"error":{"code":%q,"message":%q,"hint":"mend it"}}`, code, message)
	}
	kind := strings.Split(r.URL.Path, "/")[2]
	switch {
	case kind == "plans" && l.strange:
		fail(experiment.CodeInvalid, "this ledger hears none")
	case kind == "phases" && l.deaf:
		fail(experiment.CodeUnavailable, "it is away")
	case kind == "seals" && l.blind:
		fail(experiment.CodeUnavailable, "the store is away")
	case kind == "phases":
		var p experiment.Phase
		_ = json.NewDecoder(r.Body).Decode(&p) // Nothing is another phase.
		l.phases = append(l.phases, p)
		w.WriteHeader(http.StatusNoContent)
	case kind == "seals":
		source := experiment.Source(r.FormValue("source"))
		l.asked = append(l.asked, string(source))
		_ = json.NewEncoder(w).Encode(experiment.Seal{
			Source: source, Epoch: 1, Phase: 2, To: l.to, Gaps: []experiment.Gap{{From: 1, To: 2, Why: "deaf"}}, Cells: []experiment.Cell{said(0, 0, 7), said(2, 1, 9)},
		})
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

// said are n answers in a window.
func said(window int64, version int, n int64) experiment.Cell {
	return experiment.Cell{
		CellKey:  experiment.CellKey{Epoch: 1, Phase: 2, Window: window, Version: version, Metric: "invalid"},
		Evidence: experiment.Evidence{Counts: stats.Counts{N: n}},
	}
}

// requests are what the pack counts in a window; before its first sample is none.
func requests(window int64, version int) experiment.Cell {
	c := said(window, version, 60)
	if window == 0 {
		c.Counts.N -= 5
	}
	c.Metric = experiment.CellRequests
	return c
}

// desk is the evidence of a plan, with what is behind it.
type desk struct {
	*evidence
	t          *testing.T
	ledger     *listening
	prometheus *httptest.Server
	totals     experiment.Totals
}

func opened(t *testing.T, p *experiment.Plan) *desk {
	t.Helper()
	d := &desk{t: t, ledger: &listening{to: 3}, prometheus: httptest.NewServer(http.HandlerFunc(counted))}
	t.Cleanup(d.prometheus.Close)
	at := httptest.NewServer(d.ledger)
	t.Cleanup(at.Close)
	source, err := ledger.New(ledger.Options{URL: at.URL})
	if err != nil {
		t.Fatal(err)
	}
	s := &providers{fallback: prometheusAt(d.prometheus.URL), ledger: source}
	made, err := s.open(t.Context(), &kube.Experiment{}, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(made.Close)
	if _, ok := made.(face.Follower); !ok {
		t.Error("nobody would tell it of phases")
	}
	d.evidence = made.(*evidence)
	d.totals.Phases = []experiment.PhaseTotals{{Epoch: 1, Phase: 2, Start: t0, Shares: experiment.Shares{9500, 500}}}
	return d
}

func prometheusAt(url string) *experiment.PrometheusProvider {
	return &experiment.PrometheusProvider{URL: url, Scrape: 5 * time.Second, Delay: time.Second}
}

var lasting = experiment.Phase{Epoch: 1, Phase: 2, Start: t0}

// ask asks for a source's windows when all of them can be sealed.
func (d *desk) ask(source experiment.Source) (experiment.Seal, error) {
	d.t.Helper()
	return d.askAt(source, 5*time.Hour)
}

func (d *desk) askAt(source experiment.Source, now time.Duration) (experiment.Seal, error) {
	d.t.Helper()
	return d.Seal(d.t.Context(), engine.Wanted{Source: source, Totals: &d.totals, Phase: &d.totals.Phases[0]}, t0.Add(now))
}

// TestWhatIsHeardIsMergedWithWhatIsCounted: a window counts once both have it.
func TestWhatIsHeardIsMergedWithWhatIsCounted(t *testing.T) {
	d := opened(t, heardPlan(t))
	d.Follow(t.Context(), lasting)
	for _, tc := range []struct {
		heard int64
		now   time.Duration
		want  int64
	}{{3, time.Hour, 3}, {2, time.Hour, 2}, {0, time.Hour, 0}, {9, 2*time.Minute + 20*time.Second, 2}} {
		d.ledger.set(func(l *listening) { l.to = tc.heard })
		seal, err := d.askAt(experiment.SourceGateway, tc.now)
		var want []experiment.Cell
		var gaps []experiment.Gap
		for w := range tc.want {
			want = append(want, requests(w, 0), requests(w, 1))
		}
		if tc.want > 0 {
			want = append(want, said(0, 0, 7))
		}
		if tc.want > 1 {
			gaps = []experiment.Gap{{From: 1, To: 2, Why: "deaf"}}
		}
		if tc.want > 2 {
			want = append(want, said(2, 1, 9))
		}
		slices.SortFunc(want, func(a, b experiment.Cell) int { return a.Compare(b.CellKey) })
		seal.Cells = slices.DeleteFunc(seal.Cells, func(c experiment.Cell) bool { return c.Metric == experiment.CellExposures }) // As requests.
		slices.SortFunc(seal.Cells, func(a, b experiment.Cell) int { return a.Compare(b.CellKey) })
		if len(seal.Cells) == 0 {
			seal.Cells = nil
		}
		if diff := cmp.Diff(experiment.Seal{Source: experiment.SourceGateway, Epoch: 1, Phase: 2, To: tc.want, Cells: want, Gaps: gaps}, seal); diff != "" || err != nil {
			t.Errorf("after %s, %d windows heard: %v (-want +got):\n%s", tc.now, tc.heard, err, diff)
		}
	}
	d.ledger.set(func(l *listening) { l.to, l.asked = 1, nil })
	if seal, err := d.ask(experiment.SourceOutcomes); err != nil || seal.To != 1 || seal.Source != experiment.SourceOutcomes {
		t.Errorf("labels: %+v, %v", seal, err)
	}
	if seal, err := d.ask(experiment.SourceMetrics); err != nil || seal.To != 0 {
		t.Errorf("metrics: %+v, %v", seal, err)
	}
	if diff := cmp.Diff([]string{"outcomes"}, d.ledger.asked); diff != "" {
		t.Errorf("the ledger is asked for (-want +got):\n%s", diff)
	}
}

// TestWhatCannotBeHadIsDown, never a zero.
func TestWhatCannotBeHadIsDown(t *testing.T) {
	d := opened(t, heardPlan(t))
	d.Follow(t.Context(), lasting)
	down := func(what string, want string, sources ...experiment.Source) {
		t.Helper()
		for _, source := range sources {
			seal, err := d.ask(source)
			if experiment.CodeOf(err) != experiment.CodeUnavailable || !strings.Contains(fmt.Sprint(err), want) || seal.To != 0 || len(seal.Cells) > 0 {
				t.Errorf("%s, %s: %+v, %v", what, source, seal, err)
			}
		}
	}
	both := []experiment.Source{experiment.SourceGateway, experiment.SourceOutcomes}
	d.ledger.set(func(l *listening) { l.blind = true })
	down("the ledger tells nothing", "the store is away", both...)
	d.Follow(t.Context(), lasting)
	if n := len(d.ledger.phases); n != 2 {
		t.Errorf("a ledger that failed, and may have forgotten, was told %d times", n)
	}
	d.ledger.set(func(l *listening) { l.blind, l.deaf = false, true })
	second := lasting
	second.Phase = 3
	d.Follow(t.Context(), second)
	down("the ledger was not told", "tell the ledger of phase 1.3: it is away", both...)
	d.Follow(t.Context(), second)
	down("nor the second time", "it is away", both...)
	d.ledger.set(func(l *listening) { l.deaf = false })
	d.Follow(t.Context(), second)
	if seal, err := d.ask(experiment.SourceGateway); err != nil || seal.To != 3 {
		t.Errorf("once it is told: %+v, %v", seal, err)
	}
	d.prometheus.Close()
	down("the pack tells nothing", "", experiment.SourceGateway)
	if seal, err := d.ask(experiment.SourceOutcomes); err != nil || seal.To != 3 {
		t.Errorf("labels without the pack: %+v, %v", seal, err)
	}
}

// TestTheLedgerIsToldOfAPhaseNowAndThen: at once of a new one, and of the same
// again since it may have been started anew.
func TestTheLedgerIsToldOfAPhaseNowAndThen(t *testing.T) {
	d := opened(t, heardPlan(t))
	second := lasting
	second.Phase = 3
	want := []experiment.Phase{lasting}
	for range 3 {
		d.Follow(t.Context(), lasting)
	}
	if diff := cmp.Diff(want, d.ledger.phases); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	d.told = d.told.Add(-followAgain)
	d.Follow(t.Context(), lasting)
	d.Follow(t.Context(), second)
	d.Follow(t.Context(), second)
	if diff := cmp.Diff(append(want, lasting, second), d.ledger.phases); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// TestPlansThatNobodyHears are refused with what to do; those that need no ledger
// begin without one.
func TestPlansThatNobodyHears(t *testing.T) {
	own := heardPlan(t)
	own.Router, own.Predictions = experiment.Router{}, nil
	counted := heardPlan(t)
	counted.Predictions, counted.Metrics = nil, counted.Metrics[:1]
	alone := &providers{fallback: prometheusAt("http://127.0.0.1:1")}
	for what, p := range map[string]*experiment.Plan{"no ledger hears them": heardPlan(t), "gateways carry its traffic": own} {
		_, err := alone.open(t.Context(), &kube.Experiment{}, p)
		if experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(err.Error(), what) || !strings.Contains(experiment.HintOf(err), "--ledger URL") {
			t.Errorf("%s: %v, hint %q", what, err, experiment.HintOf(err))
		}
	}
	made, err := alone.open(t.Context(), &kube.Experiment{}, counted)
	if err != nil {
		t.Fatal(err)
	}
	made.(face.Follower).Follow(t.Context(), lasting) // Nobody is there to be told.
	made.Close()

	at := httptest.NewServer(&listening{strange: true})
	t.Cleanup(at.Close)
	if alone.ledger, err = ledger.New(ledger.Options{URL: at.URL}); err != nil {
		t.Fatal(err)
	}
	if _, err := alone.open(t.Context(), &kube.Experiment{}, heardPlan(t)); experiment.CodeOf(err) != experiment.CodeInvalid || experiment.HintOf(err) != "mend it" {
		t.Errorf("a ledger that hears nothing: %v", err)
	}
	if _, err := alone.open(t.Context(), &kube.Experiment{}, counted); err != nil {
		t.Errorf("a plan that needs none is told to it: %v", err)
	}
}
