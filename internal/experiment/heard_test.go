// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestMergedSealsAreWholeWhereAllAre: a window counts once all have sealed it,
// and lacks what one of them lacks.
func TestMergedSealsAreWholeWhereAllAre(t *testing.T) {
	cell := func(window int64, metric string) Cell {
		return Cell{CellKey: CellKey{Epoch: 1, Phase: 2, Window: window, Metric: metric}}
	}
	seal := func(to int64, gaps []Gap, cells ...Cell) Seal {
		return Seal{Source: SourceGateway, Epoch: 1, Phase: 2, From: 3, To: to, Gaps: gaps, Cells: cells}
	}
	pack := seal(6, []Gap{{4, 5, "no scrape"}}, cell(3, "requests"), cell(5, "requests"))
	pack.Cells = slices.Grow(pack.Cells, 16) // Into which nothing of the others' may go.
	ears := seal(9, []Gap{{3, 5, "deaf"}, {8, 9, "deaf"}}, cell(3, "invalid"), cell(4, "invalid"), cell(6, "invalid"), cell(8, "invalid"))
	for name, tc := range map[string]struct {
		of   []Seal
		want Seal
	}{
		"one alone":           {[]Seal{ears}, ears},
		"the slower is first": {[]Seal{pack, ears}, seal(6, []Gap{{3, 5, "deaf"}}, cell(3, "requests"), cell(5, "requests"), cell(3, "invalid"), cell(4, "invalid"))},
		"the slower is last":  {[]Seal{ears, pack}, seal(6, []Gap{{3, 5, "deaf"}}, cell(3, "invalid"), cell(4, "invalid"), cell(3, "requests"), cell(5, "requests"))},
		"one has none":        {[]Seal{pack, ears, seal(3, nil)}, seal(3, nil)},
	} {
		t.Run(name, func(t *testing.T) {
			before := slices.Clone(tc.of)
			for i := range before {
				before[i].Cells, before[i].Gaps = slices.Clone(before[i].Cells), slices.Clone(before[i].Gaps)
			}
			got := MergeSeals(tc.of...)
			if len(got.Cells) == 0 {
				got.Cells = nil
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, tc.of); diff != "" {
				t.Errorf("what was merged has changed (-before +after):\n%s", diff)
			}
		})
	}
}

func TestVersionsByName(t *testing.T) {
	p := &Plan{Versions: []Version{{Name: "v1"}, {Name: "v2", Model: "ranker-2"}, {Name: "v3", Model: "v1"}, {Name: "v4", Model: "same"}, {Name: "v5", Model: "same"}}}
	for name, tc := range map[string]struct {
		names []string
		want  int
	}{
		"nothing":                       {nil, -1},
		"an empty name":                 {[]string{""}, -1}, // Version v1 has no model.
		"empty names and one":           {[]string{"", "", "v2"}, 1},
		"a version":                     {[]string{"v4"}, 3},
		"its model":                     {[]string{"ranker-2"}, 1},
		"a name before a model":         {[]string{"v1"}, 0},
		"a model of several is nobody":  {[]string{"same"}, -1},
		"unless another name tells":     {[]string{"same", "v5"}, 4},
		"the first that means anything": {[]string{"fraud", "v2", "v1"}, 1},
		"no other case":                 {[]string{"V1"}, -1},
		"no part of a name":             {[]string{"v"}, -1},
	} {
		if got := p.VersionNamed(tc.names); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
	if got := (&Plan{Versions: []Version{{Model: ""}, {}}}).VersionNamed([]string{""}); got != -1 {
		t.Errorf("an empty name of versions without any is %d", got)
	}
}

// heard is a plan of another's router, which reads predictions in every way.
func heard(by bool) *Plan {
	return &Plan{
		Router: Router{Fields: []ShareField{{Version: 1}}}, Assignment: Assignment{Unit: Unit{Request: true}},
		Predictions: &Predictions{ByEvents: by},
		Metrics: []Metric{
			{Name: "broken", Prediction: &PredictionMetric{Kind: InvalidOutput}},
			{Name: "shift", Drift: &DriftMetric{Of: DriftOfClass}},
			{Name: "right", Labels: &LabelsMetric{Event: "truth", Window: time.Hour}},
		},
		Window: time.Minute, Lag: 10 * time.Second,
	}
}

// TestWhoHearsNeedsNothingOfTheRouter to read predictions; what else it asks for
// it needs as ever.
func TestWhoHearsNeedsNothingOfTheRouter(t *testing.T) {
	if (&Plan{}).Hears() || heard(false).Hears() || !heard(true).Hears() {
		t.Error("plans hear that say nothing of events, or do not that do")
	}
	want := []Need{
		{CapPredictions, "spec.metrics[broken].from.prediction"},
		{CapPredictions, "spec.metrics[shift].from.drift"},
		{CapPredictions, "spec.metrics[right].from.labels"},
		{CapOutcomes, "spec.metrics[right].from.labels"},
	}
	of := func(p *Plan) []Need {
		return slices.DeleteFunc(p.Needs(), func(n Need) bool { return n.Capability != CapPredictions && n.Capability != CapOutcomes })
	}
	sorted := func(n []Need) []Need {
		slices.SortFunc(n, func(a, b Need) int {
			return slices.Compare([]string{string(a.Capability), a.Path}, []string{string(b.Capability), b.Path})
		})
		return n
	}
	if diff := cmp.Diff(sorted(want), sorted(of(heard(false)))); diff != "" {
		t.Errorf("of answers on their way (-want +got):\n%s", diff)
	}
	if got := of(heard(true)); len(got) > 0 {
		t.Errorf("of answers that are told of it needs %v", got)
	}
	bare := heard(true)
	bare.Metrics = nil
	if got := of(bare); len(got) > 0 {
		t.Errorf("without metrics it needs %v", got)
	}
	bare.Predictions.ByEvents = false
	if got := of(bare); len(got) != 1 || got[0].Path != "spec.predictions" {
		t.Errorf("without metrics, on their way, it needs %v", got)
	}
	clicks := heard(true)
	clicks.Metrics = append(clicks.Metrics, Metric{Name: "click", Outcomes: &OutcomesMetric{Event: "click"}})
	if got := of(clicks); len(got) != 1 || got[0].Capability != CapOutcomes {
		t.Errorf("with outcomes it needs %v", got)
	}
}

// TestWhoHearsAsksTheLedgerForLabels, and nobody for exposures, of which nothing
// is told.
func TestWhoHearsAsksTheLedgerForLabels(t *testing.T) {
	unlabelled := heard(true)
	unlabelled.Metrics = unlabelled.Metrics[:2]
	clicks := heard(true)
	clicks.Metrics = append(clicks.Metrics, Metric{Name: "click", Outcomes: &OutcomesMetric{Event: "click"}})
	own := heard(true)
	own.Router = Router{}
	for name, tc := range map[string]struct {
		plan *Plan
		want []Source
	}{
		"heard":                {heard(true), []Source{SourceGateway, SourceOutcomes}},
		"heard without labels": {unlabelled, []Source{SourceGateway}},
		"heard with outcomes":  {clicks, []Source{SourceGateway, SourceExposures, SourceOutcomes}},
		"on their way":         {heard(false), []Source{SourceGateway, SourceExposures, SourceOutcomes}},
		"by Headgate's own":    {own, []Source{SourceGateway, SourceExposures, SourceOutcomes}},
	} {
		if diff := cmp.Diff(tc.want, tc.plan.Sources()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestAWindowThatIsHeardWaitsForTheSlower of its pack and the loggers.
func TestAWindowThatIsHeardWaitsForTheSlower(t *testing.T) {
	slow := heard(true)
	slow.Lag = time.Hour
	deaf := heard(false)
	deaf.Lag = time.Hour
	own := heard(false)
	own.Router = Router{}
	pack := heard(true).MetricsHold()
	if pack <= 10*time.Second || pack >= time.Hour {
		t.Fatalf("the pack waits %s", pack)
	}
	for name, tc := range map[string]struct {
		plan *Plan
		want time.Duration
	}{
		"the pack is slower": {heard(true), pack},
		"the lag is longer":  {slow, time.Hour},
		"nothing is heard":   {deaf, pack},
		"Headgate's own":     {own, 10 * time.Second},
	} {
		if got := tc.plan.Hold(SourceGateway); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

// TestAPlanThatHearsIsAnother: its hash says so, and it goes through JSON.
func TestAPlanThatHearsIsAnother(t *testing.T) {
	text, err := json.Marshal(heard(true))
	if err != nil {
		t.Fatal(err)
	}
	var back Plan
	if err := json.Unmarshal(text, &back); err != nil || !back.Hears() || back.Hash() != heard(true).Hash() {
		t.Errorf("%v, hears %t", err, back.Hears())
	}
	if heard(true).Hash() == heard(false).Hash() {
		t.Error("the hash does not tell")
	}
}
