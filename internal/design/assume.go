// SPDX-License-Identifier: Apache-2.0

package design

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Assumptions are what a plan cannot know: what arrives and how the metrics
// stand today. The zero value assumes nothing.
type Assumptions struct {
	// Requests is how many requests arrive per second, 0 if unknown. Without
	// it they follow from Units and PerUnit.
	Requests float64 `json:"requestsPerSecond,omitempty"`
	// Units is how many units are seen for the first time per day, 0 if
	// unknown. Without it they follow from Requests and PerUnit.
	Units float64 `json:"unitsPerDay,omitempty"`
	// PerUnit is how many requests a unit makes while it takes part; 0 is 1.
	PerUnit float64 `json:"requestsPerUnit,omitempty"`
	// Tokens is how many tokens an answer reports on average, 0 if unknown. It
	// tells what versions cost that are paid by token.
	Tokens float64 `json:"tokensPerRequest,omitempty"`
	// Values are how metrics stand in the baseline.
	Values []Value `json:"values,omitempty"`
	// Groups are the shares of the traffic that some groups of segments have.
	// Groups that are not named divide what is left evenly.
	Groups []Group `json:"groups,omitempty"`
}

// Value is how a metric stands today.
type Value struct {
	Metric string `json:"metric"`
	// Mean is in the metric's unit; for latency the share of requests over the
	// limit.
	Mean float64 `json:"mean"`
	// SD is the standard deviation of one unit's part in it; 0 is that of a
	// proportion, or unknown for what is none.
	SD float64 `json:"sd,omitempty"`
}

// Group is the share of the traffic of a group, 0 to 1, named as a slice:
// "tier=premium".
type Group struct {
	Slice string  `json:"slice"`
	Share float64 `json:"share"`
}

// Bounds of what may be assumed. Beyond them times and counts overflow.
const (
	maxRate = 1e9
	maxSize = 1e100
)

// check reports the first assumption that cannot be.
func (a *Assumptions) check(p *experiment.Plan) error {
	for _, x := range []struct {
		name  string
		value float64
	}{{"requests per second", a.Requests}, {"units per day", a.Units}, {"requests per unit", a.PerUnit}, {"tokens per request", a.Tokens}} {
		if !(x.value >= 0 && x.value <= maxRate) {
			return experiment.Errorf(experiment.CodeInvalid, "%v %s: want 0 to %g", x.value, x.name, float64(maxRate))
		}
	}
	for _, v := range a.Values {
		if err := v.check(p); err != nil {
			return err
		}
	}
	sums := map[string]float64{}
	for i, g := range a.Groups {
		name := experiment.SegmentOf(g.Slice)
		s := p.Segment(name)
		sums[name] += g.Share
		switch {
		case s == nil || !slices.Contains(s.Slices(), g.Slice):
			return experiment.Errorf(experiment.CodeInvalid, "no segment of the plan has the group %q", g.Slice).WithHint("%s", groupHint(p, name))
		case !(g.Share >= 0 && g.Share <= 1) || sums[name] > 1+1e-9:
			return experiment.Errorf(experiment.CodeInvalid, "%s has %v of the traffic: the groups of a segment have 0 to 100%% together", g.Slice, g.Share)
		case slices.ContainsFunc(a.Groups[:i], func(o Group) bool { return o.Slice == g.Slice }):
			return experiment.Errorf(experiment.CodeInvalid, "%s is assumed twice", g.Slice)
		}
	}
	return nil
}

// groupHint lists the groups that could have been meant.
func groupHint(p *experiment.Plan, segment string) string {
	if s := p.Segment(segment); s != nil {
		return "its groups are " + strings.Join(s.Slices(), ", ")
	}
	if len(p.Segments) == 0 {
		return "the plan has no segments"
	}
	names := make([]string, len(p.Segments))
	for i := range p.Segments {
		names[i] = p.Segments[i].Name
	}
	return "its segments are " + strings.Join(names, ", ")
}

// share says whether a metric is a share of requests.
func share(m *experiment.Metric) bool {
	return m.Builtin != nil && !m.Windowed() || m.Provider != nil && m.Provider.Counted() || m.Prediction != nil && !m.Prediction.Kind.Mean()
}

func (v Value) check(p *experiment.Plan) error {
	m := p.Metric(v.Metric)
	switch {
	case m == nil:
		return experiment.Errorf(experiment.CodeInvalid, "no metric of the plan is called %q", v.Metric)
	case !(math.Abs(v.Mean) <= maxSize) || !(v.SD >= 0 && v.SD <= maxSize):
		return experiment.Errorf(experiment.CodeInvalid, "the baseline of %s is %v with a deviation of %v: want finite numbers", v.Metric, v.Mean, v.SD)
	case share(m) && !(v.Mean >= 0 && v.Mean <= 1):
		return experiment.Errorf(experiment.CodeInvalid, "the baseline of %s is %v: want a share of requests, 0 to 100%%", v.Metric, v.Mean)
	case v.SD == 0 && !share(m) && proportion(m) && !(v.Mean > 0 && v.Mean < 1):
		return experiment.Errorf(experiment.CodeInvalid, "the baseline of %s is %v, which is no proportion", v.Metric, v.Mean).
			WithHint("say how much it varies from unit to unit: %v±DEVIATION", v.Mean)
	}
	return nil
}

// world is a plan under assumptions, with what follows from both.
type world struct {
	plan *experiment.Plan
	a    Assumptions
	// requests and units arrive per second; 0 is unknown.
	requests, units float64
	notes           []string
}

func newWorld(p *experiment.Plan, a Assumptions) (*world, error) {
	if err := a.check(p); err != nil {
		return nil, err
	}
	w := &world{plan: p, a: a, requests: a.Requests, units: a.Units / day.Seconds()}
	per := a.PerUnit
	if per == 0 || p.Assignment.Unit.Request {
		per = 1
	}
	if w.requests == 0 {
		w.requests = w.units * per
	}
	if w.units == 0 || p.Assignment.Unit.Request {
		w.units = w.requests / per
	}
	if a.PerUnit == 0 && a.Units == 0 && a.Requests > 0 && !p.Assignment.Unit.Request {
		w.note("every unit is taken to make one request; units that make more arrive more slowly")
	}
	if w.units > 0 && !p.Assignment.Unit.Request {
		w.note("new units are taken to keep arriving at the same rate; where the same people come back, they run out")
	}
	return w, nil
}

const day = 24 * time.Hour

// note says once what was assumed without being told.
func (w *world) note(format string, args ...any) {
	if s := fmt.Sprintf(format, args...); !slices.Contains(w.notes, s) {
		w.notes = append(w.notes, s)
	}
}

// value is how a metric stands today; nil if nobody said.
func (w *world) value(metric string) *Value {
	i := slices.IndexFunc(w.a.Values, func(v Value) bool { return v.Metric == metric })
	if i < 0 {
		return nil
	}
	v := w.a.Values[i]
	m := w.plan.Metric(metric)
	if m.Windowed() {
		w.note("windows are the sample of %s and are taken to be independent of each other: windows that are like those before take longer", metric)
		v.SD *= windowCaution
		return &v
	}
	if v.SD > 0 || !proportion(m) {
		return &v
	}
	v.SD = math.Sqrt(v.Mean * (1 - v.Mean))
	if o := m.Outcomes; o != nil && o.Per != "" {
		v.SD /= math.Sqrt(w.perEvent(metric, o.Per))
	}
	return &v
}

// proportion says whether the mean of a metric tells how much it varies at most.
// Of labels only accuracy and the squared error are means over all that is
// labelled: how many predictions the others are of is not known.
func proportion(m *experiment.Metric) bool {
	return !m.Windowed() && (m.Labels == nil || m.Labels.Of == experiment.Accuracy || m.Labels.Of == experiment.Brier)
}

// sampled is the share of the units or requests that tell of a metric: answers
// and predictions are read of a sample. Each is taken to be labelled.
func (w *world) sampled(m *experiment.Metric) float64 {
	switch {
	case m.Output != nil || m.Response != nil:
		return m.Sample().Fraction()
	case m.OfPredictions() && w.plan.Predictions != nil:
		return w.plan.Predictions.Sample.Fraction()
	}
	return 1
}

// assumedOf notes what is taken for granted of a metric's sample.
func (w *world) assumedOf(m *experiment.Metric) {
	switch {
	case m.Provider != nil && m.Provider.Counted():
		w.note("%s is taken to be counted once for each request", m.Name)
	case m.Provider != nil && m.Provider.Units():
		w.note("%s is taken to be told once of every unit, in the window in which it comes", m.Name)
	case m.Labels != nil:
		w.note("every prediction is taken to get its label, %s after its request at the latest", Days(m.Labels.Window))
	case m.Prediction != nil && (m.Prediction.Kind == experiment.FailedExplanations || m.Prediction.Kind == experiment.ExplanationTime):
		w.note("every request is taken to be one for an explanation, which %s is of", m.Name)
	}
}

// perEvent is how many events of a name a unit has, from the metric that counts
// them per unit: fewer events make a ratio of them vary more.
func (w *world) perEvent(metric, event string) float64 {
	for _, m := range w.plan.Metrics {
		if m.Outcomes == nil || m.Outcomes.Event != event || m.Outcomes.Per != "" {
			continue
		}
		for _, v := range w.a.Values {
			if v.Metric == m.Name && v.Mean > 0 {
				return v.Mean
			}
		}
	}
	w.note("every unit is taken to have one %s, of which %s counts", event, metric)
	return 1
}

// group is the share of the traffic of a slice.
func (w *world) group(slice string) float64 {
	s := w.plan.Segment(experiment.SegmentOf(slice))
	left, unnamed := 1.0, 0
	for _, name := range s.Slices() {
		i := slices.IndexFunc(w.a.Groups, func(g Group) bool { return g.Slice == name })
		switch {
		case i < 0:
			unnamed++
		case name == slice:
			return w.a.Groups[i].Share
		default:
			left -= w.a.Groups[i].Share
		}
	}
	share := max(0, left) / float64(unnamed)
	w.note("%s is taken to have %s of the traffic", slice, percent(share))
	return share
}

// matching is the share of the requests that a stage is for. Conditions are
// taken to be independent of each other.
func (w *world) matching(where experiment.Where) float64 {
	f := 1.0
	for _, c := range where {
		sum := 0.0
		for _, g := range w.plan.Segment(c.Segment).Groups() {
			if where := (experiment.Where{c}); where.Match(func(string) string { return g }) {
				sum += w.group(c.Segment + "=" + g)
			}
		}
		f *= min(1, sum)
	}
	return f
}

// percent writes a fraction for a sentence.
func percent(f float64) string { return fmt.Sprintf("%.4g%%", 100*f) }
