// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestNeedsOfPredictions(t *testing.T) {
	p := Plan{
		Assignment:  Assignment{Unit: Unit{Request: true}},
		Predictions: &Predictions{Sample: Whole},
		Metrics: []Metric{
			{Name: "bad", Prediction: &PredictionMetric{Kind: InvalidOutput}},
			{Name: "shift", Drift: &DriftMetric{Of: DriftOfClass, By: PSI}},
			{Name: "right", Labels: &LabelsMetric{Event: "truth", Of: Accuracy, Window: time.Hour}},
		},
	}
	want := []Need{
		{CapPredictions, "spec.metrics[bad].from.prediction"},
		{CapPredictions, "spec.metrics[shift].from.drift"},
		{CapPredictions, "spec.metrics[right].from.labels"},
		{CapOutcomes, "spec.metrics[right].from.labels"},
	}
	if d := cmp.Diff(want, p.Needs()); d != "" {
		t.Error(d)
	}
	p.Metrics = nil
	if d := cmp.Diff([]Need{{CapPredictions, "spec.predictions"}}, p.Needs()); d != "" {
		t.Error(d)
	}
	if p.Fits("gateway", []Capability{CapOutcomes}) == nil {
		t.Error("predictions are read by a router that cannot")
	}
}

func TestWhatMatures(t *testing.T) {
	for _, tc := range []struct {
		metric      Metric
		matures     time.Duration
		predictions bool
	}{
		{Metric{Builtin: &BuiltinMetric{Kind: ErrorRate}}, 0, false},
		{Metric{Outcomes: &OutcomesMetric{Window: time.Hour}}, time.Hour, false},
		{Metric{Labels: &LabelsMetric{Window: time.Minute}}, time.Minute, true},
		{Metric{Drift: &DriftMetric{}}, 0, true},
		{Metric{Prediction: &PredictionMetric{}}, 0, true},
	} {
		if got := tc.metric.Matures(); got != tc.matures || tc.metric.OfPredictions() != tc.predictions {
			t.Errorf("%+v matures after %s and is of predictions: %t", tc.metric, got, tc.metric.OfPredictions())
		}
	}
}
