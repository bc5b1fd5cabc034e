// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/headgate-dev/headgate/internal/design"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/simulate"
)

// Simulated is the demo's world with time compressed: the same models' answers
// to the same rows, the same rate, users, label delays and faults.
func (w *World) Simulated(c Candidate) *simulate.World {
	return &simulate.World{Units: units, Rate: rate, Answer: func(rng *rand.Rand, version, _ int, a *simulate.Answer) {
		// Latency on a quiet machine; only its share over the limit matters.
		a.Latency = 2 * time.Millisecond
		if version == 1 {
			if rng.Float64() < c.Faults.SlowShare {
				a.Latency += c.Faults.SlowBy
			}
			if rng.Float64() < c.Faults.FailShare {
				a.Failed = true
				return
			}
		}
		right := 0.0
		if w.right[version][rng.IntN(len(w.Rows))] {
			right = 1
		}
		after := labelAfter + time.Duration(rng.Int64N(int64(labelWithin)))
		a.Outcomes = append(a.Outcomes,
			simulate.Outcome{Event: "label", Value: 1, After: after},
			simulate.Outcome{Event: "correct", Value: right, After: after})
	}}
}

// Power is the probability with which the plan is designed to end right for a
// candidate: to find it better, or to catch it by the test that should. For a
// candidate that is the same it is 1 - alpha, the probability not to promote.
func (w *World) Power(p *experiment.Plan, c Candidate) (float64, error) {
	split := p.Stages[len(p.Stages)-1].Split
	acc := w.Accuracy()
	truth := design.Truth{Baseline: acc[0], Candidate: acc[1], SDBaseline: sd(acc[0]), SDCandidate: sd(acc[1])}
	// Requests that the candidate has answered when the split is half over.
	requests := int64(rate * split.Shares[1].Fraction() * split.Until.AtMost.Seconds() / 2)
	switch {
	case c.Faults.FailShare > 0:
		return design.Objective(p, *p.Objectives[0].Max, c.Faults.FailShare, requests)
	case c.Faults.SlowShare > 0:
		return design.Objective(p, *p.Objectives[1].Max, c.Faults.SlowShare, requests)
	case acc[1] < acc[0]:
		return design.Harm(p, split, truth, len(p.Stages)+1)
	case acc[1] > acc[0]:
		return design.Benefit(p, split, truth)
	default:
		return 1 - p.Analysis.Alpha, nil
	}
}

// sd is the standard deviation of one unit's part in an accuracy, for units
// that send one request each; those that send more only sharpen it.
func sd(accuracy float64) float64 { return math.Sqrt(accuracy * (1 - accuracy)) }
