// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"fmt"
	"slices"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// limitOf reads a max or a min in a metric's unit.
func (t *translator) limitOf(at, word string, q v1alpha1.Quantity, m *experiment.Metric) float64 {
	switch {
	case m.Windowed(), m.Provider != nil:
		return t.telemetryLimit(at, word, q, m)
	case m.Builtin != nil && word == "min":
		t.fail(at, quote(string(q)), "errors, latency and restarts have a max", "")
	case m.Builtin != nil && m.Builtin.Kind == experiment.Latency:
		return t.latency(at, v1alpha1.Duration(q), m.Builtin)
	case m.Builtin != nil:
		return t.probability(at, q, 0, mostProbability)
	case m.Pairs != nil && t.wrongSide(at, word, q, m.Goal, "agreement has a min, failures and latency have a max"):
	case m.Pairs != nil:
		return t.probability(at, q, 0, mostProbability)
	case m.Prediction != nil:
		return t.predictionLimit(at, word, q, m)
	case m.Drift != nil:
		return t.driftLimit(at, word, q, m)
	case m.Labels != nil:
		return t.labelsLimit(at, word, q, m)
	default:
		f, _ := t.fraction(at, q)
		return f
	}
	return 0
}

// wrongSide reports a limit on the side where a metric is good.
func (t *translator) wrongSide(at, word string, q v1alpha1.Quantity, goal experiment.Goal, message string) bool {
	if (word == "min") == (goal == experiment.Increase) {
		return false
	}
	t.fail(at, quote(string(q)), message, "")
	return true
}

func (t *translator) predictionLimit(at, word string, q v1alpha1.Quantity, m *experiment.Metric) float64 {
	switch k := m.Prediction.Kind; {
	case k == experiment.OutputSize:
		return t.number(at, q, 0, 0, maxAmount) // An answer may be too short as well as too long.
	case k == experiment.MeanScore:
		f, _ := t.fraction(at, q)
		return f
	case t.wrongSide(at, word, q, m.Goal, "bad answers and the time of explanations have a max"):
	case k == experiment.ExplanationTime:
		return t.duration(at, v1alpha1.Duration(q), 0, leastTime).Seconds()
	default:
		return t.probability(at, q, 0, mostProbability)
	}
	return 0
}

// Bounds of limits. An index of 10 is reached where hardly a class is shared.
const (
	leastDistance   = 1e-4
	mostPSI         = 10
	mostLogLoss     = 35 // what the scores' distance from 0 and 1 allows, in nats
	mostCalibration = 1e6
)

func (t *translator) driftLimit(at, word string, q v1alpha1.Quantity, m *experiment.Metric) float64 {
	switch {
	case t.wrongSide(at, word, q, m.Goal, "drift has a max"):
		return 0
	case m.Drift.By == experiment.PSI:
		return t.number(at, q, 0, leastDistance, mostPSI)
	}
	return t.within(at, q, 0, leastDistance, 1) // Divergence in bits and distance of distributions are 1 at most.
}

func (t *translator) labelsLimit(at, word string, q v1alpha1.Quantity, m *experiment.Metric) float64 {
	switch of := m.Labels.Of; {
	case of == experiment.Calibration:
		return t.number(at, q, 0, leastProbability, mostCalibration)
	case t.wrongSide(at, word, q, m.Goal, "log-loss and brier have a max, what else labels tell has a min"):
		return 0
	case of == experiment.LogLoss:
		return t.number(at, q, 0, leastProbability, mostLogLoss)
	}
	return t.probability(at, q, 0, mostProbability)
}

// sliced reads the segments in whose groups a limit or a guardrail holds too. A
// distribution is of everybody.
func (t *translator) sliced(path string, in []string, m *experiment.Metric) []string {
	switch {
	case m == nil || len(in) == 0:
	case m.Telemetry():
		t.fail(path, "", "what a provider tells is of everybody", "leave slices out, or write a metric for the groups")
	case m.WholeSample():
		t.fail(path, "", "drift and AUC are of everybody", "leave slices out, or write another metric for the groups")
	}
	return t.slices(path, in)
}

// uncomparable reports a metric that a candidate cannot improve or worsen: it
// has limits alone.
func (t *translator) uncomparable(path, role string, m *experiment.Metric) bool {
	switch {
	case m.Drift != nil:
		t.fail(path, quote(m.Name), "drift is no "+role, "the baseline does not drift from itself: limit drift under objectives or require")
	case m.Labels != nil && m.Labels.Of == experiment.Calibration:
		t.fail(path, quote(m.Name), "calibration is no "+role, "it is best at 1: limit it under objectives, and once more by a second metric for the other side")
	default:
		return false
	}
	return true
}

// aucRewarded reports what a reward that is no mean of units cannot be used for.
func (t *translator) aucRewarded() {
	r := t.plan.Reward
	if r == nil {
		return
	}
	m := t.plan.Metric(r.Metric)
	if m == nil || !m.WholeSample() {
		return
	}
	if slices.ContainsFunc(t.plan.Stages, func(s experiment.Stage) bool { return s.Bandit != nil }) {
		t.fail("spec.reward.metric", quote(r.Metric), "a bandit learns from what each unit brings, and AUC is of all of them together", "reward accuracy, log-loss or brier")
	}
	for i := range t.plan.Segments {
		if t.plan.Segments[i].Stratify {
			t.fail(fmt.Sprintf("spec.segments[%d].stratify", i), "true", "the reward is AUC, which is of everybody and cannot be weighed by group", "leave stratify out, or reward accuracy, log-loss or brier")
		}
	}
}
