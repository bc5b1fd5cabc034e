// SPDX-License-Identifier: Apache-2.0

package design

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// labelled is the shop judged by labels that come within an hour.
func labelled(of experiment.LabelStat) *experiment.Plan {
	p := shop()
	p.Metrics = append(p.Metrics, experiment.Metric{Name: "right", Goal: experiment.Increase, Labels: &experiment.LabelsMetric{Event: "truth", Of: of, Window: time.Hour}})
	p.Predictions = &experiment.Predictions{Sample: experiment.Whole / 2}
	p.Guardrails = []experiment.Guardrail{{Metric: "right", NoWorseThan: experiment.Margin{Absolute: .05}}}
	p.Promote.KeepWarm = &experiment.KeepWarm{AtLeast: time.Minute, Matured: []string{"right"}}
	for i := range p.Stages {
		if s := p.Stages[i].Split; s != nil {
			s.Until.AtMost = 6 * time.Hour
		}
	}
	return p
}

// TestLabelsTakeTheirTime: what waits for labels lasts until they came.
func TestLabelsTakeTheirTime(t *testing.T) {
	a := shopping()
	a.Values = append(a.Values, Value{Metric: "right", Mean: .9})
	before, after := of(t, shop(), shopping()), of(t, labelled(experiment.Accuracy), a)
	took := func(r Report, i int) time.Duration { return r.Stages[i].End.Expected - r.Stages[i].Start.Expected }
	if d := took(after, 2) - took(before, 2); d != 50*time.Minute {
		t.Errorf("labels of an hour instead of outcomes of ten minutes make the split %s longer", d)
	}
	if d := took(after, 4); d != time.Hour+70*time.Second {
		t.Errorf("it is kept warm for %s", d)
	}
	if !slices.ContainsFunc(after.Notes, func(s string) bool { return strings.Contains(s, "every prediction is taken to get its label") }) {
		t.Errorf("nothing is noted of labels: %q", after.Notes)
	}
}

// TestPredictionsAreASample: half of the predictions are half of the sample.
func TestPredictionsAreASample(t *testing.T) {
	a := shopping()
	a.Values = append(a.Values, Value{Metric: "right", Mean: .9})
	p := labelled(experiment.Accuracy)
	half := of(t, p, a).Guardrails[0]
	p.Predictions.Sample = experiment.Whole
	whole := of(t, p, a).Guardrails[0]
	if half.Basis != experiment.BasisUnits || half.Planned == 0 || half.Planned*2 != whole.Planned || half.Needed != whole.Needed || *half.Power >= *whole.Power {
		t.Errorf("half of the predictions plan %+v, all of them %+v", half, whole)
	}
}

// TestWhatVariesUnknownAmounts: a statistic that is no mean over all that is
// labelled asks for its deviation.
func TestWhatVariesUnknownAmounts(t *testing.T) {
	for _, stat := range []experiment.LabelStat{experiment.AUC, experiment.Recall, experiment.LogLoss} {
		t.Run(string(stat), func(t *testing.T) {
			p, a := labelled(stat), shopping()
			p.Reward.Metric = "right"
			a.Values = append(a.Values, Value{Metric: "right", Mean: .8})
			r := of(t, p, a)
			const missing = "how much right varies from unit to unit"
			if r.Guardrails[0].Missing != missing || r.Guardrails[0].Power != nil || r.Reward.Missing != missing || r.Reward.Power != nil {
				t.Errorf("%+v, %+v", r.Guardrails[0], r.Reward)
			}
			a.Values[len(a.Values)-1].SD = 1.5
			r = of(t, p, a)
			if r.Guardrails[0].Power == nil || r.Reward.Power == nil || r.Reward.Proportion {
				t.Errorf("with a deviation %+v, %+v", r.Guardrails[0], r.Reward)
			}
		})
	}
}

// TestLimitsOfPredictions: shares of answers are planned like errors, of the
// sample and by group; a distance is no share.
func TestLimitsOfPredictions(t *testing.T) {
	p, limit := shop(), .02
	p.Predictions = &experiment.Predictions{Sample: experiment.Whole / 4}
	p.Metrics = append(p.Metrics,
		experiment.Metric{Name: "bad", Goal: experiment.Decrease, Prediction: &experiment.PredictionMetric{Kind: experiment.InvalidOutput}},
		experiment.Metric{Name: "unexplained", Goal: experiment.Decrease, Prediction: &experiment.PredictionMetric{Kind: experiment.FailedExplanations}},
		experiment.Metric{Name: "shift", Goal: experiment.Decrease, Drift: &experiment.DriftMetric{Of: experiment.DriftOfClass, By: experiment.PSI}})
	for _, name := range []string{"bad", "unexplained", "shift"} {
		p.Objectives = append(p.Objectives, experiment.Objective{Metric: name, Max: &limit})
	}
	p.Objectives[1].Slices = []string{"tier"}
	a := shopping()
	a.Values = append(a.Values, Value{Metric: "bad", Mean: .001})
	a.Groups = []Group{{Slice: "tier=premium", Share: .1}, {Slice: "tier=basic", Share: .9}}
	r := of(t, p, a)
	var names []string
	for _, l := range r.Objectives {
		names = append(names, l.Metric+l.Slice)
	}
	if want := []string{"errors", "bad", "badtier=premium", "badtier=basic", "badtier=other", "unexplained"}; !slices.Equal(names, want) {
		t.Fatalf("planned are %q, want %q", names, want)
	}
	errors, bad, premium := r.Objectives[0], r.Objectives[1], r.Objectives[2]
	if bad.Planned != errors.Planned/4 || premium.Planned != errors.Planned/40 || !bad.Assumed || bad.Needed != premium.Needed {
		t.Errorf("%+v, %+v, %+v", errors, bad, premium)
	}
	if !slices.ContainsFunc(r.Notes, func(s string) bool { return strings.Contains(s, "unexplained is of") }) {
		t.Errorf("nothing is noted of explanations: %q", r.Notes)
	}
	a.Values[len(a.Values)-1].Mean = 2
	if _, err := Of(p, a); err == nil {
		t.Error("a share of 200% is taken")
	}
}

// TestTokensCost: what tokens cost is told where it is known how many there are.
func TestTokensCost(t *testing.T) {
	p := shop()
	for v := range p.Versions {
		p.Versions[v].Cost = experiment.Cost{PerToken: p.Versions[v].Cost.PerRequest / 500}
	}
	byRequest := shop()
	for v := range byRequest.Versions {
		byRequest.Versions[v].Cost.PerHour = 0
	}
	a := shopping()
	unknown := of(t, p, a)
	if c := unknown.Total.Cost; c.Total != 0 || !slices.ContainsFunc(unknown.Notes, func(s string) bool { return strings.Contains(s, "what tokens cost is left out") }) {
		t.Errorf("with unknown tokens it costs %+v: %q", c, unknown.Notes)
	}
	want := of(t, byRequest, a)
	a.Tokens = 500
	got := of(t, p, a)
	if !near(got.Total.Cost.Total, want.Total.Cost.Total) || !near(got.Stages[0].Expected.Cost.Copies, want.Stages[0].Expected.Cost.Copies) || got.Stages[0].Expected.Cost.Copies == 0 {
		t.Errorf("500 tokens cost %+v, a request %+v", got.Total.Cost, want.Total.Cost)
	}
	a.Tokens = -1
	if _, err := Of(p, a); err == nil {
		t.Error("fewer tokens than none are taken")
	}
}
