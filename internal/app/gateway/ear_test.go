// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

var earStart = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// heardPlan is a plan of a stage that splits and one that mirrors, whose
// predictions are told by events.
func heardPlan() *experiment.Plan {
	return &experiment.Plan{
		Namespace: "models", Name: "fraud",
		Versions: []experiment.Version{{Name: "v1", Backend: "fraud-v1"}, {Name: "v2", Backend: "fraud-v2", Model: "fraud-2"}},
		Router:   experiment.Router{Fields: []experiment.ShareField{{Version: 1, Kind: "InferenceService", Name: "fraud", Path: ".spec.x"}}},
		Metrics: []experiment.Metric{
			{Name: "broken", Prediction: &experiment.PredictionMetric{Kind: experiment.InvalidOutput}},
			{Name: "height", Prediction: &experiment.PredictionMetric{Kind: experiment.MeanScore}},
			{Name: "shift", Drift: &experiment.DriftMetric{Of: experiment.DriftOfClass, By: experiment.PSI}},
			{Name: "right", Labels: &experiment.LabelsMetric{Event: "truth", Of: experiment.Accuracy, Window: time.Hour}},
		},
		Predictions: &experiment.Predictions{
			Protocol: experiment.ProtocolKServe, Class: ".predictions[0].class", Score: ".predictions[0].score", Sample: experiment.Whole, ByEvents: true,
		},
		Stages: []experiment.Stage{
			{Name: "canary", Split: &experiment.Split{Shares: experiment.Shares{9000, 1000}}},
			{Name: "shadow", Mirror: &experiment.Mirror{Share: experiment.Whole}},
		},
		Window: time.Minute, Lag: 10 * time.Second,
	}
}

// listener is an ear, its clock, and whoever takes its batches.
type listener struct {
	*Ear
	t     *testing.T
	key   *experiment.Key
	clock atomic.Int64
	taken uint64
	rows  []experiment.Prediction
	seals []experiment.Seal
	last  bool
}

func newListener(t *testing.T, change func(p *experiment.Plan)) *listener {
	t.Helper()
	l := &listener{t: t}
	p := heardPlan()
	if change != nil {
		change(p)
	}
	var err error
	if l.key, err = experiment.NewKey(slices.Repeat([]byte{7}, experiment.KeySize)); err != nil {
		t.Fatal(err)
	}
	l.Ear, err = NewEar(EarOptions{
		Plan: p, Key: l.key, Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return earStart.Add(time.Duration(l.clock.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// at sets the clock, since the beginning of the first phase.
func (l *listener) at(d time.Duration) *listener {
	l.clock.Store(int64(d))
	return l
}

func earPhase(epoch, phase, stage int, start time.Duration) experiment.Phase {
	return experiment.Phase{Epoch: epoch, Phase: phase, Stage: stage, Start: earStart.Add(start)}
}

func (l *listener) begin(p experiment.Phase) {
	l.t.Helper()
	if err := l.Begin(p); err != nil {
		l.t.Fatal(err)
	}
}

func prediction(class string, score float64) string {
	return fmt.Sprintf(`{"predictions":[{"class":%q,"score":%g}]}`, class, score)
}

// said hears what a version answered to a request.
func (l *listener) said(version, id, body string) {
	l.t.Helper()
	e := experiment.Event{ID: id, Kind: experiment.EventResponse, Names: []string{version}, Body: []byte(body)}
	if why := l.Hear(&e); why != "" {
		l.t.Errorf("%s of %s is not heard: %s", id, version, why)
	}
}

// take takes all batches there are.
func (l *listener) take() {
	l.t.Helper()
	for b := l.Next(l.taken); b != nil; b = l.Next(l.taken) {
		if b.Sequence != l.taken+1 || l.last || len(b.Exposures)+len(b.Pairs) > 0 {
			l.t.Fatalf("batch %d after %d, over %t: %+v", b.Sequence, l.taken, l.last, b)
		}
		l.taken, l.last = b.Sequence, b.Last
		l.rows, l.seals = append(l.rows, b.Predictions...), append(l.seals, b.Seals...)
	}
}

// told is what was sealed of a phase: up to where, its gaps, and its cells in
// order.
func (l *listener) told(epoch, phase int) (to int64, gaps []experiment.Gap, cells []experiment.Cell) {
	l.t.Helper()
	l.take()
	for _, s := range l.seals {
		if s.Epoch != epoch || s.Phase != phase {
			continue
		}
		if s.Experiment != "models/fraud" || s.Source != experiment.SourceGateway || s.From != to {
			l.t.Fatalf("after window %d comes %+v", to, s)
		}
		to, gaps, cells = s.To, append(gaps, s.Gaps...), append(cells, s.Cells...)
	}
	slices.SortFunc(cells, func(a, b experiment.Cell) int { return a.Compare(b.CellKey) })
	return to, gaps, cells
}

// answers are what a version said in a window of phase 1.2.
type answers struct {
	window  int64
	version int
	classes map[string]int64
	scores  []float64
	invalid int64
}

// cells are what counts of them.
func (a answers) cells() (out []experiment.Cell) {
	key := experiment.CellKey{Epoch: 1, Phase: 2, Window: a.window, Version: a.version}
	add := func(metric string, e experiment.Evidence) {
		key.Metric = metric
		out = append(out, experiment.Cell{CellKey: key, Evidence: e})
	}
	n := int64(len(a.scores)) + a.invalid
	add("broken", experiment.Evidence{Counts: stats.Counts{N: n, X: a.invalid}})
	if len(a.classes) > 0 {
		add(experiment.CellClasses, experiment.Evidence{Categories: stats.CategoriesOf(a.classes)})
	}
	var heights stats.Pair
	for _, s := range a.scores {
		heights.Add(s, 1)
	}
	add("height", experiment.Evidence{Counts: stats.Counts{N: n, X: a.invalid}, Units: heights})
	return out
}

func TestAnswersBecomeCellsByVersionAndWindow(t *testing.T) {
	l := newListener(t, nil)
	l.at(time.Second).begin(earPhase(1, 2, 0, 0))
	l.said("v1", "a", prediction("ok", .25))
	l.said("v1", "b", prediction("ok", .5))
	l.said("v1", "c", prediction("fraud", .75))
	l.said("fraud-2", "d", prediction("fraud", .875)) // By its model's name.
	l.said("v2", "e", `{"detail":"the model is loading"}`)
	l.at(70*time.Second - 1)
	l.said("v2", "f", prediction("ok", .125))
	if to, _, cells := l.told(1, 2); to != 0 || len(cells) > 0 || len(l.rows) != 5 {
		t.Fatalf("before the lag is over %d windows are sealed, with %v; %d rows", to, cells, len(l.rows))
	}
	l.at(70 * time.Second)
	if to, _, _ := l.told(1, 2); to != 1 {
		t.Fatalf("after the lag %d windows are sealed", to)
	}
	l.at(4 * time.Minute)
	l.said("v1", "g", prediction("ok", 1)) // Nothing was said in windows 2 and 3.
	l.at(6 * time.Minute)
	var want []experiment.Cell
	for _, a := range []answers{
		{0, 0, map[string]int64{"ok": 2, "fraud": 1}, []float64{.25, .5, .75}, 0},
		{0, 1, map[string]int64{"fraud": 1}, []float64{.875}, 1},
		{1, 1, map[string]int64{"ok": 1}, []float64{.125}, 0},
		{4, 0, map[string]int64{"ok": 1}, []float64{1}, 0},
	} {
		want = append(want, a.cells()...)
	}
	slices.SortFunc(want, func(a, b experiment.Cell) int { return a.Compare(b.CellKey) })
	to, gaps, got := l.told(1, 2)
	if diff := gocmp.Diff(want, got); diff != "" || to != 5 || len(gaps) > 0 {
		t.Errorf("up to %d, gaps %v, cells (-want +got):\n%s", to, gaps, diff)
	}
}

// TestRowsAreOfTheRequest: labels find them by its id, and the ledger tells
// copies from what users saw.
func TestRowsAreOfTheRequest(t *testing.T) {
	for stage, name := range []string{"a split", "a mirror"} {
		t.Run(name, func(t *testing.T) {
			l := newListener(t, nil)
			l.at(0).begin(earPhase(1, 2, stage, 0))
			l.at(61*time.Second + 1500*time.Microsecond)
			l.said("v1", "r-1", prediction("ok", .25))
			l.said("v2", "r-1", prediction("fraud", .75))
			l.said("v2", "r-2", `{`) // Nothing is predicted.
			l.take()
			row := experiment.Prediction{
				Exposure: experiment.Exposure{
					Experiment: "models/fraud", Epoch: 1, Phase: 2, Window: 1, Unit: l.key.HashUnit("r-1"), At: earStart.Add(61*time.Second + time.Millisecond),
				},
				Request: l.key.HashUnit("r-1"), Class: "ok", Score: new(.25),
			}
			second := row
			second.Version, second.Class, second.Score, second.Mirrored = 1, "fraud", new(.75), name == "a mirror"
			if diff := gocmp.Diff([]experiment.Prediction{row, second}, l.rows); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

// TestWhatIsRedactedIsNotHandedOver, neither as it is nor in a cell.
func TestWhatIsRedactedIsNotHandedOver(t *testing.T) {
	const secret = "alice-4711"
	for name, redact := range map[string][]experiment.Redaction{
		"shown":   nil,
		"removed": {{Path: "$.predictions[*].account", How: experiment.RedactRemove}},
		"hashed":  {{Path: "$.predictions[*].account", How: experiment.RedactHash}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newListener(t, func(p *experiment.Plan) {
				p.Redact, p.Predictions.Class = redact, `.predictions[0] | (.account // .class)`
			})
			l.begin(earPhase(1, 2, 0, 0))
			l.said("v2", "r", `{"predictions":[{"class":"ok","score":0.5,"account":"`+secret+`"}]}`)
			l.at(2 * time.Minute)
			_, _, cells := l.told(1, 2)
			text, err := json.Marshal([]any{l.rows, cells})
			if err != nil || len(l.rows) != 1 || len(cells) != 3 {
				t.Fatalf("%v, rows %+v, cells %+v", err, l.rows, cells)
			}
			if got, want := strings.Contains(string(text), secret), redact == nil; got != want {
				t.Errorf("the secret is handed over: %t, in %s", got, text)
			}
			if removed := l.rows[0].Class == "ok"; removed != (name == "removed") {
				t.Errorf("the class is %q", l.rows[0].Class)
			}
		})
	}
}

func TestWhyEventsAreNotHeard(t *testing.T) {
	l := newListener(t, nil)
	event := func(kind experiment.EventKind, names ...string) *experiment.Event {
		return &experiment.Event{ID: "r", Kind: kind, Names: names, Body: []byte(prediction("ok", .5))}
	}
	check := func(when string, e *experiment.Event, want Unheard) {
		t.Helper()
		if got := l.Hear(e); got != want {
			t.Errorf("%s, %s of %q: %q, want %q", when, e.Kind, e.Names, got, want)
		}
	}
	check("before any phase", event(experiment.EventResponse, "v1"), HeardEarly)
	check("before any phase", event(experiment.EventRequest, "v1"), HeardRequest)
	check("before any phase", event(experiment.EventResponse, "v3"), HeardNobody)
	l.begin(earPhase(1, 2, 0, 0))
	check("then", event(experiment.EventRequest, "v1"), HeardRequest)
	check("then", event(experiment.EventResponse), HeardNobody)
	check("then", event(experiment.EventResponse, ""), HeardNobody)
	check("then", event(experiment.EventResponse, "v3", "fraud"), HeardNobody)
	check("then", event(experiment.EventResponse, "v3", "v2", "v1"), "")
	l.at(2 * time.Minute)
	_, _, cells := l.told(1, 2)
	if diff := gocmp.Diff((answers{0, 1, map[string]int64{"ok": 1}, []float64{.5}, 0}).cells(), cells); diff != "" {
		t.Errorf("cells (-want +got):\n%s", diff)
	}
	if all := Unheards(); !slices.Contains(all, HeardEarly) || !slices.Contains(all, HeardNobody) || !slices.Contains(all, HeardRequest) {
		t.Errorf("the reasons are %q", all)
	}
}

// TestGarbageIsInvalid, and breaks nothing.
func TestGarbageIsInvalid(t *testing.T) {
	l := newListener(t, nil)
	l.begin(earPhase(1, 2, 0, 0))
	bodies := []string{
		"\x00\xff\xfe", "<html>", `{"predictions":`, `{"predictions":7}`, `"fraud"`, strings.Repeat("[", 1<<20), `{"a":` + strings.Repeat(`{"a":`, 1<<16),
		prediction("ok", .5) + "}", "\x1f\x8b\x08\x00",
	}
	for i, body := range bodies {
		l.said("v2", fmt.Sprint("garbage-", i), body)
	}
	e := experiment.Event{Kind: experiment.EventResponse, Names: []string{"v2"}, ID: strings.Repeat("x", 1<<16), Path: "\x00?", Body: []byte(prediction("ok", .5))}
	if why := l.Hear(&e); why != "" {
		t.Errorf("what has a long id is not heard: %s", why)
	}
	l.at(2 * time.Minute)
	_, _, cells := l.told(1, 2)
	n := int64(len(bodies))
	want := answers{0, 1, map[string]int64{"ok": 1}, []float64{.5}, n}.cells()
	if diff := gocmp.Diff(want, cells); diff != "" {
		t.Errorf("cells (-want +got):\n%s", diff)
	}
	if len(l.rows) != 1 || l.rows[0].Request != 0 {
		t.Errorf("rows %+v, want one of a request without an id", l.rows)
	}
}

// TestOfARequestAllAnswersAreReadOrNone where only a sample is.
func TestOfARequestAllAnswersAreReadOrNone(t *testing.T) {
	l := newListener(t, func(p *experiment.Plan) { p.Predictions.Sample = experiment.Whole / 2 })
	l.begin(earPhase(1, 2, 1, 0))
	const n = 1000
	for i := range n {
		for _, version := range []string{"v1", "v2"} {
			l.said(version, fmt.Sprint("r-", i), prediction("ok", .5))
		}
	}
	l.take()
	read := map[uint64]int{}
	for _, r := range l.rows {
		read[r.Request] |= 1 << r.Version
	}
	if len(read) < 4*n/10 || len(read) > 6*n/10 {
		t.Errorf("%d of %d requests are read, want about half", len(read), n)
	}
	for request, versions := range read {
		if versions != 3 {
			t.Errorf("of request %x the versions %b are read", request, versions)
		}
	}
}

// TestEventsCountWhenTheyWere, as far as that window is open and not to come.
func TestEventsCountWhenTheyWere(t *testing.T) {
	l := newListener(t, nil)
	l.begin(earPhase(1, 2, 0, 0))
	l.at(3*time.Minute + 5*time.Second) // Windows 0 and 1 are ripe, 2 is not.
	l.told(1, 2)
	for i, at := range []time.Duration{-time.Hour, time.Second, 2*time.Minute + time.Second, 3 * time.Minute, time.Hour} {
		e := experiment.Event{ID: fmt.Sprint(i), Kind: experiment.EventResponse, Names: []string{"v1"}, At: earStart.Add(at), Body: []byte(prediction("ok", .5))}
		if why := l.Hear(&e); why != "" {
			t.Errorf("an event of %s is not heard: %s", at, why)
		}
	}
	l.at(10 * time.Minute)
	_, _, cells := l.told(1, 2)
	got := map[int64]int64{}
	for _, c := range cells {
		if c.Metric == "broken" {
			got[c.Window] += c.Counts.N
		}
	}
	if diff := gocmp.Diff(map[int64]int64{2: 3, 3: 2}, got); diff != "" {
		t.Errorf("answers by window (-want +got):\n%s", diff)
	}
	windows := []int64{}
	for _, r := range l.rows {
		windows = append(windows, r.Window)
	}
	if diff := gocmp.Diff([]int64{0, 0, 2, 3, 3}, windows); diff != "" {
		t.Errorf("rows' windows (-want +got):\n%s", diff)
	}
}
