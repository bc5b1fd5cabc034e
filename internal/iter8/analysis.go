// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// provenance is who says what stands in an analysis.
const provenance = "headgate"

// analysis tells what the newest iteration found. Of a statistical decision it
// tells the winner and the weights; its numbers are windows, and stand in the
// native experiment.
func (t *teller) analysis() {
	x := t.state.Iteration
	switch {
	case t.plan.Strict && (x == nil || len(x.Values) == 0 && x.Done == 0):
		return
	case x != nil && !x.Last.IsZero():
		t.analysisAt(metav1.NewTime(x.Last), x)
	default:
		at := t.now
		if a := t.out.Analysis; a != nil && a.WinnerAssessment != nil {
			at = a.WinnerAssessment.Timestamp // Nothing is newer but the clock.
		}
		t.analysisAt(at, x)
	}
}

func (t *teller) analysisAt(at metav1.Time, x *experiment.Iteration) {
	meta := func(errors, infos []string) api.AnalysisMeta {
		message := fmt.Sprintf("Error: %s; Warning: ; Info: %s", strings.Join(errors, ", "), strings.Join(infos, ", "))
		return api.AnalysisMeta{Provenance: provenance, Timestamp: at, Message: &message}
	}
	out := &api.Analysis{}
	if t.out.Analysis != nil {
		out.AggregatedBuiltinHists = t.out.Analysis.AggregatedBuiltinHists
	}
	if x != nil {
		data, failed := t.values(x)
		out.AggregatedMetrics = &api.AggregatedMetrics{AnalysisMeta: meta(failed, nil), Data: data}
		out.VersionAssessments = &api.VersionAssessments{AnalysisMeta: meta(nil, nil), Data: t.assessments(x)}
	}
	winner, found := t.winner()
	w := &api.WinnerAssessment{Data: api.WinnerAssessmentData{WinnerFound: found}}
	if found {
		name := t.version(winner)
		w.Data.Winner = &name
	}
	w.AnalysisMeta = meta(nil, []string{t.finding(x, winner, found)})
	out.WinnerAssessment = w
	weights := t.weights()
	out.Weights = &api.WeightsAnalysis{AnalysisMeta: meta(nil, nil), Data: weights}
	t.out.Analysis = out
	if len(weights) > 0 && !t.state.Asks(experiment.IntentRoute) {
		t.out.CurrentWeightDistribution = weights
	}
}

// finding says in Iter8's words why there is a winner or none.
func (t *teller) finding(x *experiment.Iteration, winner int, found bool) string {
	switch p := pattern(t.e); {
	case found && p == api.Conformance:
		return "baseline satisfies all objectives"
	case found && p == api.Canary && winner > 0:
		return "candidate satisfies all objectives"
	case found && p == api.Canary:
		return "baseline satisfies all objectives; candidate does not"
	case found:
		return "found unique winner"
	case x != nil && len(x.Best) > 1:
		return "no unique winner; two or more feasible versions with same reward value"
	case x != nil && len(x.Satisfied) > 0 && !slices.ContainsFunc(x.Satisfied, func(s []bool) bool { return !slices.Contains(s, false) }):
		return "no version satisfies all objectives"
	}
	return "no winner"
}

// values are what the metrics said, by every way in which the criteria write
// them, and which could not be read.
func (t *teller) values(x *experiment.Iteration) (map[string]api.AggregatedMetric, []string) {
	out, failed := map[string]api.AggregatedMetric{}, []string(nil)
	metrics := MetricsOf(t.out.Metrics)
	for _, m := range t.names.Metrics {
		data := api.AggregatedMetric{Data: map[string]api.AggregatedVersion{}}
		for i, v := range t.names.Versions {
			each := api.AggregatedVersion{}
			if r := reading(x, m.Native, i); r != nil && r.Value != nil {
				each.Value = quantityOf(*r.Value)
			} else {
				failed = append(failed, fmt.Sprintf("Error from metrics backend for metric: %s and version: %s", m.Iter8, v.Iter8))
			}
			each.SampleSize = t.sampleSize(x, metrics, m, i)
			data.Data[v.Iter8] = each
		}
		written := m.Written
		if len(written) == 0 {
			written = []string{m.Iter8}
		}
		for _, name := range written {
			out[name] = data
		}
	}
	return out, failed
}

// sampleSize is the number of requests that a metric says it is of, where it
// says so and that is known.
func (t *teller) sampleSize(x *experiment.Iteration, metrics []api.Metric, m Name, version int) *int32 {
	ref := refOf(m.Iter8, "")
	metric := find(metrics, ref)
	if metric == nil || metric.Spec.SampleSize == nil {
		return nil
	}
	r := reading(x, t.names.metric(refOf(*metric.Spec.SampleSize, ref.Namespace)), version)
	if r == nil || r.Value == nil || *r.Value < 0 || *r.Value > 1<<30 {
		return nil
	}
	n := int32(*r.Value)
	return &n
}

// reading is what a metric said of a version; nil is nothing.
func reading(x *experiment.Iteration, metric string, version int) *experiment.Reading {
	for i := range x.Values {
		if r := &x.Values[i]; r.Metric == metric && r.Version == version {
			return r
		}
	}
	return nil
}

// quantityOf writes a number; nil is one that is too great. What is finer than
// 1e-9 is rounded up, as it was.
func quantityOf(f float64) *resource.Quantity {
	q, err := resource.ParseQuantity(strconv.FormatFloat(f, 'f', -1, 64))
	if err != nil {
		return nil
	}
	return &q
}

// assessments say which objectives each version meets; the plan has them in the
// order of the criteria.
func (t *teller) assessments(x *experiment.Iteration) map[string]api.Assessment {
	out := map[string]api.Assessment{}
	for i, satisfied := range x.Satisfied {
		out[t.version(i)] = slices.Clone(satisfied)
	}
	return out
}

// weights are the shares that were asked for last, whole percents as Iter8 had
// them: those of the fields in the order of the versions, and then the one that
// the others leave. Where nothing is moved there are none.
func (t *teller) weights() []api.WeightData {
	out := []api.WeightData{}
	if t.plan.Router.None {
		return out
	}
	var rest []api.WeightData
	for i, share := range t.state.Slots.Shares(len(t.plan.Versions)) {
		w := api.WeightData{Name: t.version(i), Value: int32((share + experiment.Whole/200) * 100 / experiment.Whole)}
		if versions := details(t.e); i < len(versions) && versions[i].WeightObjRef == nil {
			rest = append(rest, w)
			continue
		}
		out = append(out, w)
	}
	return append(out, rest...)
}
