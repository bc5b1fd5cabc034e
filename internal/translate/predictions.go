// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// Bounds of what is read: each is looked for in every request or answer.
const (
	maxFeatures = 64
	maxDigests  = 8
)

// predictions reads how predictions are read. Metrics that are made of them
// have them read as each answer shows them, if nobody says how.
func (t *translator) predictions() {
	in, path := t.api.Spec.Predictions, "spec.predictions"
	if in == nil {
		if slices.ContainsFunc(t.plan.Metrics, func(m experiment.Metric) bool { return m.OfPredictions() }) {
			t.plan.Predictions = &experiment.Predictions{Sample: experiment.Whole}
		}
		return
	}
	t.option(path+".protocol", in.Protocol, string(experiment.ProtocolOIP), string(experiment.ProtocolKServe), string(experiment.ProtocolSeldon),
		string(experiment.ProtocolOpenAI), string(experiment.ProtocolJSON))
	t.jq(path+".class", in.Class)
	t.jq(path+".score", in.Score)
	t.features(path+".features", in)
	t.digests(path+".digests", in.Digests)
	t.option(path+".by", in.By, byGateway, byEvents)
	if in.By == byEvents {
		t.heard(path)
	}
	t.plan.Predictions = &experiment.Predictions{
		ByEvents: in.By == byEvents,
		Protocol: experiment.Protocol(in.Protocol), Class: in.Class, Score: in.Score, Sample: t.sample(path+".sample", in.Sample),
		Features: slices.Clone(in.Features), Digests: slices.Clone(in.Digests),
	}
}

// heard reports what cannot be known of answers that loggers tell of.
func (t *translator) heard(path string) {
	if t.own() && !t.unrouted() {
		t.fail(path+".by", quote(byEvents), "Headgate's gateway carries the traffic, and reads answers on their way",
			"leave by out, or say in spec.traffic what else carries the traffic")
	}
	if t.given(path + ".features") {
		t.fail(path+".features", "", "what loggers tell of requests is not held against their answers", "leave features out, or let Headgate's gateway carry the traffic")
	}
	if t.given(path + ".digests") {
		t.fail(path+".digests", "", "loggers do not tell the headers of answers", "leave digests out, or let Headgate's gateway carry the traffic")
	}
}

func (t *translator) features(path string, in *v1alpha1.Predictions) {
	if len(in.Features) > maxFeatures {
		t.fail(path, fmt.Sprintf("%d features", len(in.Features)), fmt.Sprintf("want at most %d features", maxFeatures), "each is looked for in every request that is read")
	}
	for i, name := range in.Features {
		at := fmt.Sprintf("%s[%d]", path, i)
		if name == "" || strings.TrimSpace(name) != name || len(name) > maxPartValue || !printable(name) {
			t.fail(at, quote(name), "not the name of a feature", fmt.Sprintf("1 to %d printable bytes without blanks at the ends", maxPartValue))
		}
		if slices.Contains(in.Features[:i], name) {
			t.fail(at, quote(name), "given twice", "")
		}
	}
}

func (t *translator) digests(path string, in []string) {
	if len(in) > maxDigests {
		t.fail(path, fmt.Sprintf("%d headers", len(in)), fmt.Sprintf("want at most %d headers", maxDigests), "each is looked for in every answer that is read")
	}
	for i, name := range in {
		at := fmt.Sprintf("%s[%d]", path, i)
		t.ownHeader(at, name, "x-model-digest")
		if slices.ContainsFunc(in[:i], func(o string) bool { return strings.EqualFold(o, name) }) {
			t.fail(at, quote(name), "given twice", "the case of a header's name does not matter")
		}
	}
}

// reading is what can be read of answers: classes, scores, and lists, which are
// vectors and rankings. Whether there is anything in them is always known.
type reading struct{ class, score, list bool }

// readable says what answers tell. What a protocol lays out is read from each
// answer; of the others only what an expression finds is known.
func (t *translator) readable() reading {
	p := t.api.Spec.Predictions
	if p == nil {
		return reading{true, true, true}
	}
	switch p.Protocol {
	case string(experiment.ProtocolJSON):
		return reading{class: p.Class != "", score: p.Score != ""}
	case string(experiment.ProtocolOpenAI):
		return reading{class: p.Class != "", score: p.Score != "", list: true} // Embeddings and ranked documents.
	}
	return reading{true, true, true}
}

// told reports a metric of something that answers do not tell.
func (t *translator) told(path string, ok bool, what string) {
	if !ok {
		t.fail(path, "", fmt.Sprintf("answers of the protocol %s tell no %s", t.api.Spec.Predictions.Protocol, what),
			"write in spec.predictions where it stands, as a jq expression, for example class: .label or score: .score")
	}
}

func (t *translator) prediction(path, kind string) *experiment.PredictionMetric {
	t.choice(path, kind, string(experiment.InvalidOutput), string(experiment.EmptyOutput), string(experiment.NullOutput),
		string(experiment.AbsentFeatures), string(experiment.NullFeatures), string(experiment.FailedExplanations),
		string(experiment.OutputSize), string(experiment.MeanScore), string(experiment.ExplanationTime))
	if p := t.api.Spec.Predictions; p != nil && p.By == byEvents && slices.Contains(unheard, experiment.PredictionKind(kind)) {
		t.fail(path, quote(kind), "events tell neither of requests nor of explanations", "count what answers say, or let Headgate's gateway carry the traffic")
		return &experiment.PredictionMetric{Kind: experiment.PredictionKind(kind)}
	}
	switch experiment.PredictionKind(kind) {
	case experiment.MeanScore:
		t.told(path, t.readable().score, "score")
	case experiment.AbsentFeatures, experiment.NullFeatures:
		if p := t.api.Spec.Predictions; p == nil || len(p.Features) == 0 {
			t.fail(path, quote(kind), "nothing says which features a request should have", "write predictions: {features: [NAME, …]}")
		}
	}
	return &experiment.PredictionMetric{Kind: experiment.PredictionKind(kind)}
}

func (t *translator) drift(path string, in *v1alpha1.Drift) *experiment.DriftMetric {
	out := &experiment.DriftMetric{Of: experiment.DriftOf(in.Of), By: cmp.Or(experiment.Distance(in.By), experiment.PSI)}
	t.choice(path+".of", in.Of, string(experiment.DriftOfClass), string(experiment.DriftOfScore))
	t.option(path+".by", in.By, string(experiment.PSI), string(experiment.JS), string(experiment.KS))
	can := t.readable()
	switch out.Of {
	case experiment.DriftOfClass:
		t.told(path+".of", can.class, "class")
		if out.By == experiment.KS {
			t.fail(path+".by", quote(in.By), "the Kolmogorov-Smirnov distance is of scores, which have an order", "write by: psi or by: js")
		}
	case experiment.DriftOfScore:
		t.told(path+".of", can.score, "score")
	}
	return out
}

// Which statistics of labels a field goes with.
var (
	withPositive  = []experiment.LabelStat{experiment.Precision, experiment.Recall, experiment.F1, experiment.AUC, experiment.LogLoss, experiment.Brier, experiment.Calibration}
	withThreshold = []experiment.LabelStat{experiment.Precision, experiment.Recall, experiment.F1}
)

// The defaults of labels.
const (
	defaultPositive  = "1"
	defaultThreshold = 0.5
)

func (t *translator) labels(path string, in *v1alpha1.Labels) *experiment.LabelsMetric {
	of := experiment.LabelStat(in.Of)
	t.required(path+".event", in.Event, "an event is required", "the name that labels are posted under as outcomes")
	t.text(path+".event", in.Event, experiment.MaxOutcomeText)
	t.choice(path+".of", in.Of, string(experiment.Accuracy), string(experiment.Precision), string(experiment.Recall), string(experiment.F1),
		string(experiment.AUC), string(experiment.LogLoss), string(experiment.Brier), string(experiment.Calibration))
	out := &experiment.LabelsMetric{Event: in.Event, Of: of, Joined: t.within(path+".joined", in.Joined, 0, 0, 1)}
	if in.Window == "" {
		t.fail(path+".window", "", "a window is required", "how long after its request a label counts, for example 7d")
	} else {
		out.Window = t.duration(path+".window", in.Window, 0, leastTime)
	}
	if !t.clean(path + ".of") {
		return out
	}
	can := t.readable()
	switch {
	case of == experiment.Accuracy:
		t.told(path+".of", can.class, "class")
	case of.Scored():
		t.told(path+".of", can.score, "score")
	default:
		t.told(path+".of", can.class || can.score, "class or score")
	}
	if slices.Contains(withPositive, of) {
		t.line(path+".positive", in.Positive, experiment.MaxClass)
		if in.Positive == "" && t.given(path+".positive") {
			t.fail(path+".positive", quote(""), "no class is called that", "leave positive out for \"1\"")
		}
		out.Positive = cmp.Or(in.Positive, defaultPositive)
	} else if t.given(path + ".positive") {
		t.fail(path+".positive", quote(in.Positive), "accuracy counts every class", "leave positive out")
	}
	if slices.Contains(withThreshold, of) {
		out.Threshold = t.number(path+".threshold", in.Threshold, defaultThreshold, -maxAmount, maxAmount)
	} else if t.given(path + ".threshold") {
		t.fail(path+".threshold", quote(string(in.Threshold)), "a threshold goes with precision, recall and f1 only", "leave threshold out")
	}
	return out
}

// labelsGoal says which way a statistic is better. Calibration is best at 1; the
// goal that it gets is never asked for.
func labelsGoal(of experiment.LabelStat) experiment.Goal {
	if of == experiment.LogLoss || of == experiment.Brier {
		return experiment.Decrease
	}
	return experiment.Increase
}

// predicted reads the metrics that are made of predictions.
func (t *translator) predicted(path string, m v1alpha1.Metric, out *experiment.Metric) {
	goal := path + ".goal"
	switch from := m.From; {
	case from.Prediction != "":
		out.Prediction = t.prediction(path+".from.prediction", from.Prediction)
		if out.Prediction.Kind == experiment.MeanScore {
			out.Goal = cmp.Or(out.Goal, experiment.Increase)
			return
		}
		out.Goal = t.naturalGoal(goal, m.Goal, experiment.Decrease, "bad answers, size and time are better when they decrease")
	case from.Drift != nil:
		out.Drift = t.drift(path+".from.drift", from.Drift)
		out.Goal = t.naturalGoal(goal, m.Goal, experiment.Decrease, "drift is better when it decreases")
	case from.Labels.Of == string(experiment.Calibration):
		out.Labels = t.labels(path+".from.labels", from.Labels)
		out.Goal = experiment.Increase
		if m.Goal != "" {
			t.fail(goal, quote(m.Goal), "calibration is best at 1, and has no better direction", "leave goal out, and limit it by a min and by a max")
		}
	default:
		out.Labels = t.labels(path+".from.labels", from.Labels)
		out.Goal = t.naturalGoal(goal, m.Goal, labelsGoal(out.Labels.Of), from.Labels.Of+" says which way is better")
	}
}
