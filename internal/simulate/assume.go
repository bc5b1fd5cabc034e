// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"math"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Assumptions are what a Fast world takes for granted.
type Assumptions struct {
	// Rate is the number of requests per second over all versions, those that
	// match no stage's where included; up to 1e6.
	Rate float64 `json:"requestsPerSecond"`
	// Units is the number of units that requests come from, evenly; 0 is that
	// each request comes from another. Plans that assign requests ignore it.
	Units int64 `json:"units,omitempty"`
	// Delay is the mean of the exponential time after which outcomes come.
	Delay time.Duration `json:"-"`
	// Laws say what metrics are; the last that fits a metric and group is meant.
	// Metrics without a law have that of DefaultLaw.
	Laws []Law `json:"laws,omitempty"`
	// Groups are the shares of some groups of segments. Groups that are not
	// listed divide what is left evenly.
	Groups []GroupShare `json:"groups,omitempty"`
	// Steps is how often the engine is asked in the expected time of a stage or
	// of a ramp's step, but at most once a window; 0 is DefaultSteps.
	Steps int `json:"steps,omitempty"`
}

// Law is what a metric is in truth.
type Law struct {
	Metric string `json:"metric"`
	// Slice is the group that the law is of, "tier=premium"; empty is everybody.
	Slice string `json:"slice,omitempty"`
	// Values are the metric's mean in each version, in the plan's order: per
	// unit, per event of a ratio's denominator, or per request (for latency the
	// share over the limit).
	Values []float64 `json:"values"`
	// SD is the standard deviation of one unit's, pair's or window's value; 0 is
	// that values are 0 or 1, of windows that they do not vary.
	SD float64 `json:"sd,omitempty"`
	// Heard is the share of units that are heard of at all, where Values count
	// among those; 0 is 1. A ratio per an event that another metric counts takes
	// it from there.
	Heard float64 `json:"heard,omitempty"`
}

// GroupShare is the share of the requests that a group has, 0 to 1.
type GroupShare struct {
	Slice string  `json:"slice"`
	Share float64 `json:"share"`
}

// DefaultSteps is how often the engine is asked in a stage.
const DefaultSteps = 100

// Bounds of what may be assumed. Beyond them counts and times overflow, or a run
// takes longer than it is worth.
const (
	maxRate  = 1e6
	maxValue = 1e12
	maxKinds = 256
	maxDelay = 10 * 365 * 24 * time.Hour
	maxUnits = 1e12
)

// Effect is a change of a metric, positive for an improvement whatever the
// metric's goal; at most one field is not zero.
type Effect struct {
	// Absolute is in the metric's unit, Relative a fraction of the baseline.
	Absolute float64 `json:"absolute,omitempty"`
	Relative float64 `json:"relative,omitempty"`
}

// Of is the metric's value after the change of a baseline's value.
func (e Effect) Of(baseline float64, goal experiment.Goal) float64 {
	return baseline + goal.Sign()*(e.Absolute+e.Relative*math.Abs(baseline))
}

// MinimumEffect is the smallest effect that matters to the plan, as an effect.
func MinimumEffect(p *experiment.Plan) Effect {
	if p.Reward == nil {
		return Effect{}
	}
	return Effect{Absolute: p.Reward.MinimumEffect.Absolute, Relative: p.Reward.MinimumEffect.Relative}
}

// What is assumed of a metric that nobody speaks for.
const (
	defaultReward = 0.1
	defaultErrors = 0.001
	defaultAgree  = 0.9
)

// DefaultLaw is what is assumed of a metric that nobody speaks for: the same in
// all versions, and well within the limits that the plan sets.
func DefaultLaw(p *experiment.Plan, m *experiment.Metric) Law {
	value := defaultReward
	switch {
	case m.Telemetry() && !unitsTold(m):
		return defaultTelemetry(p, m)
	case m.Builtin != nil && m.Builtin.Kind == experiment.ErrorRate:
		value = defaultErrors
	case m.Builtin != nil:
		value = (1 - m.Builtin.Quantile) / 4
	case m.Pairs != nil && (m.Pairs.Compare == experiment.CompareFailures || m.Pairs.Compare == experiment.CompareLatency):
		value = defaultErrors
	case m.Pairs != nil:
		value = defaultAgree
	}
	if m.Drift != nil || m.Labels != nil || m.Prediction != nil {
		return defaultPrediction(p, m)
	}
	for _, o := range limitsOf(p) {
		if o.Metric != m.Name {
			continue
		}
		if o.Max != nil {
			value = min(value, *o.Max-.75*math.Abs(*o.Max))
		}
		if o.Min != nil {
			value = max(value, *o.Min+max(0, 1-*o.Min)/2)
		}
	}
	law := Law{Metric: m.Name, Values: make([]float64, len(p.Versions))}
	if value < 0 || value > 1 {
		law.SD = math.Abs(value) / 4 // No share: a quantity that clears its limit.
	}
	for v := range law.Values {
		law.Values[v] = value
	}
	return law
}

// defaultPrediction is DefaultLaw for metrics of predictions and labels.
func defaultPrediction(p *experiment.Plan, m *experiment.Metric) Law {
	value, sd, least, most := defaultErrors, 0.0, 0.0, 1.0
	switch {
	case m.Drift != nil:
		value = 0 // The same outputs.
	case m.Prediction != nil && m.Prediction.Kind == experiment.OutputSize:
		value, sd, most = 1000, 250, maxValue
	case m.Prediction != nil && m.Prediction.Kind.Mean():
		value, sd, least, most = 0.5, 0.125, -maxValue, maxValue
	case m.Prediction != nil:
	case m.Labels.Of == experiment.LogLoss:
		value, sd, most = 0.4, 0.2, maxValue
	case m.Labels.Of == experiment.Brier:
		value, sd = 0.1, 0.1
	case m.Labels.Of == experiment.Calibration:
		value, sd, most = 1, 0.5, maxValue
	default:
		value = defaultAgree
	}
	for _, o := range limitsOf(p) {
		switch {
		case o.Metric != m.Name || m.Drift != nil:
		case o.Max != nil && value > *o.Max/2:
			value = max(least, *o.Max/2)
		case o.Min != nil && value < *o.Min:
			value = min(1.25**o.Min, (*o.Min+most)/2)
		}
	}
	law := Law{Metric: m.Name, Values: make([]float64, len(p.Versions)), SD: sd}
	for v := range law.Values {
		law.Values[v] = value
	}
	return law
}

// lawOf is the law of a metric in a kind of requests.
func (a *Assumptions) lawOf(p *experiment.Plan, m *experiment.Metric, slicesOf []string) Law {
	out := DefaultLaw(p, m)
	for _, l := range a.Laws {
		if l.Metric == m.Name && (l.Slice == "" || slices.Contains(slicesOf, l.Slice)) {
			out = l
		}
	}
	return out
}

func (a *Assumptions) check(p *experiment.Plan) error {
	invalid := func(format string, args ...any) error {
		return experiment.Errorf(experiment.CodeInvalid, format, args...)
	}
	switch {
	case !(a.Rate > 0 && a.Rate <= maxRate):
		return invalid("traffic of %v requests per second: want more than 0 and at most %g", a.Rate, float64(maxRate))
	case a.Units < 0 || a.Units > maxUnits:
		return invalid("%d units: want 0 to %g", a.Units, float64(maxUnits))
	case a.Delay < 0 || a.Delay > maxDelay:
		return invalid("delay of %s: want 0 to ten years", a.Delay)
	case a.Steps < 0 || a.Steps > 10_000:
		return invalid("%d steps: want 1 to 10000", a.Steps)
	}
	for _, l := range a.Laws {
		if err := l.check(p); err != nil {
			return err
		}
	}
	return nil
}

func (l *Law) check(p *experiment.Plan) error {
	m := p.Metric(l.Metric)
	if m == nil {
		return experiment.Errorf(experiment.CodeInvalid, "no metric is called %q", l.Metric).WithHint("the plan has %v", names(p))
	}
	if len(l.Values) != len(p.Versions) {
		return experiment.Errorf(experiment.CodeInvalid, "%s: %d values for %d versions", l.Metric, len(l.Values), len(p.Versions))
	}
	share := (l.SD == 0 || m.Builtin != nil || m.Provider != nil && m.Provider.Counted()) && m.Drift == nil && !m.Windowed() || isArea(m)
	for v, x := range l.Values {
		switch {
		case math.IsNaN(x) || math.Abs(x) > maxValue:
			return experiment.Errorf(experiment.CodeInvalid, "%s of %s is %v: want a finite number", l.Metric, p.Versions[v].Name, x)
		case m.Drift != nil && x < 0:
			return experiment.Errorf(experiment.CodeInvalid, "%s of %s is %v: want 0 or more", l.Metric, p.Versions[v].Name, x)
		case share && (x < 0 || x > 1):
			return experiment.Errorf(experiment.CodeInvalid, "%s of %s is %v: want 0 to 1", l.Metric, p.Versions[v].Name, x).
				WithHint("a metric that is no share needs a standard deviation")
		}
	}
	if !(l.SD >= 0 && l.SD <= maxValue) {
		return experiment.Errorf(experiment.CodeInvalid, "%s: standard deviation %v: want 0 or more", l.Metric, l.SD)
	}
	if !(l.Heard >= 0 && l.Heard <= 1) {
		return experiment.Errorf(experiment.CodeInvalid, "%s: %v of the units are heard of: want 0 to 1", l.Metric, l.Heard)
	}
	return nil
}

func names(p *experiment.Plan) []string {
	out := make([]string, len(p.Metrics))
	for i := range p.Metrics {
		out[i] = p.Metrics[i].Name
	}
	return out
}
