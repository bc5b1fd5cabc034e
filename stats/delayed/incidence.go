// SPDX-License-Identifier: Apache-2.0

package delayed

import (
	"cmp"
	"math"
	"slices"
	"sort"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
)

// Observation is one unit: the age at its outcome, or the age up to which it
// has been watched without any.
type Observation struct {
	Time  float64 `json:"time"`
	Event bool    `json:"event"`
}

// Step is an age at which outcomes came: how many, and how many units had been
// watched up to it without one.
type Step struct {
	Time   float64 `json:"time"`
	Events int64   `json:"events"`
	AtRisk int64   `json:"atRisk"`
}

// RiskTable sums observations up into steps with outcomes. A unit last seen at
// the age of an outcome of another was still at risk then.
func RiskTable(observations []Observation) ([]Step, error) {
	const fn = "delayed.RiskTable"
	for _, o := range observations {
		if err := duration(fn, "time", o.Time); err != nil {
			return nil, err
		}
	}
	sorted := slices.SortedFunc(slices.Values(observations), func(a, b Observation) int { return cmp.Compare(a.Time, b.Time) })
	var steps []Step
	for i := 0; i < len(sorted); {
		s := Step{Time: sorted[i].Time, AtRisk: int64(len(sorted) - i)}
		for ; i < len(sorted) && sorted[i].Time == s.Time; i++ {
			if sorted[i].Event {
				s.Events++
			}
		}
		if s.Events > 0 {
			steps = append(steps, s)
		}
	}
	return steps, nil
}

// Point is a cumulative incidence: the share of units with an outcome at Time
// or before.
type Point struct {
	Time float64 `json:"time"`
	stats.Estimate
}

// Curve is a cumulative incidence over time: a step function that begins at 0
// and rises at its points.
type Curve []Point

// CumulativeIncidence is one minus the estimate of Kaplan and Meier (1958),
//
//	F(t) = 1 - prod_{t_i <= t} (1 - d_i/n_i),
//
// with Greenwood's standard error (1-F) sqrt(sum d/(n(n-d))), which is 0 once
// nobody is left. Units must leave the watch for reasons that have nothing to
// do with their outcome, such as being young. Times must rise. No steps are
// ErrNoData.
func CumulativeIncidence(steps []Step) (Curve, error) {
	const fn = "delayed.CumulativeIncidence"
	if len(steps) == 0 {
		return nil, input.NoData(fn, "no outcomes")
	}
	out := make(Curve, 0, len(steps))
	logLeft, sum, before := 0.0, 0.0, math.Inf(-1)
	for _, s := range steps {
		if err := duration(fn, "time", s.Time); err != nil {
			return nil, err
		}
		if s.Time <= before {
			return nil, input.Refuse(fn, "time", s.Time, "later than the step before")
		}
		if s.AtRisk <= 0 || s.Events < 0 || s.Events > s.AtRisk {
			return nil, input.Refuse(fn, "events", float64(s.Events), "from 0 to the number at risk, which is above 0")
		}
		d, n := float64(s.Events), float64(s.AtRisk)
		logLeft += math.Log1p(-d / n)
		p := Point{Time: s.Time, Estimate: stats.Estimate{Value: -math.Expm1(logLeft)}}
		if s.Events < s.AtRisk {
			sum += d / n / float64(s.AtRisk-s.Events)
			p.SE = math.Exp(logLeft) * math.Sqrt(sum)
		}
		out = append(out, p)
		before = s.Time
		if p.Value >= 1 {
			break // Nobody is left, and nothing that follows changes that.
		}
	}
	return out, nil
}

// At is the cumulative incidence at an age: 0 before the first point.
func (c Curve) At(age float64) float64 {
	i := sort.Search(len(c), func(i int) bool { return c[i].Time > age })
	if i == 0 {
		return 0
	}
	return c[i-1].Value
}

// Delays says which share of the outcomes within window has come by an age: the
// argument of Weighted, for outcomes that count within window alone. Without
// any outcome in the window it is ErrNoData.
func (c Curve) Delays(window float64) (func(age float64) float64, error) {
	const fn = "delayed.Curve.Delays"
	if err := duration(fn, "window", window); err != nil {
		return nil, err
	}
	all := c.At(window)
	if !(all > 0) {
		return nil, input.NoData(fn, "no outcomes within the window")
	}
	return func(age float64) float64 { return c.At(min(age, window)) / all }, nil
}
