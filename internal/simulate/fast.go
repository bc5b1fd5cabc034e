// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"math"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Fast is a world of counts for one plan. It does not change once it is made:
// many runs may be played in it at once.
type Fast struct {
	plan  *experiment.Plan
	rate  float64 // requests per second
	units int64   // the population, 0 for none
	steps int

	segments []int    // those that matter
	slices   []string // of each row of evidence; the first is everybody
	kinds    []kind
	per      []int // by metric: the metric that counts what it is a ratio per
	order    []int // in which metrics are drawn

	// In windows, rounded up: until a source seals.
	lag, outcome, pairs, metrics int64
	limit                        int64 // of a run, in windows
	truth                        Truth
	reward                       int // the reward's metric, -1 for none
	best                         int // the first version of the best
}

// strict is why a strict plan is not played.
func strict(p *experiment.Plan) error {
	if !p.Strict {
		return nil
	}
	return experiment.Errorf(experiment.CodeInvalid, "%s is strict: it compares point values and claims no error rate, so there is none to simulate", p.ID()).
		WithHint("simulate a split: beside its own, the report says how often Iter8's rules go wrong on the same traffic")
}

// NewFast lays out a world. The error is of CodeInvalid and names what cannot
// be assumed.
func NewFast(p *experiment.Plan, a Assumptions) (*Fast, error) {
	if err := strict(p); err != nil {
		return nil, err
	}
	if err := a.check(p); err != nil {
		return nil, err
	}
	w := &Fast{plan: p, rate: a.Rate, units: a.Units, steps: a.Steps}
	if p.Assignment.Unit.Request {
		w.units = 0
	}
	if w.steps == 0 {
		w.steps = DefaultSteps
	}
	if err := w.layKinds(&a); err != nil {
		return nil, err
	}
	w.layOrder()
	w.lag, w.outcome, w.pairs = w.windows(p.Lag), w.windows(p.Hold(experiment.SourceOutcomes)), w.windows(p.Hold(experiment.SourcePairs))
	w.metrics = w.windows(p.Hold(experiment.SourceMetrics))
	w.limit = w.windows(w.longest())
	w.truth = w.findTruth()
	w.best, w.reward = slices.Index(w.truth.Best, true), -1
	if p.Reward != nil {
		w.reward = slices.IndexFunc(p.Metrics, func(m experiment.Metric) bool { return m.Name == p.Reward.Metric })
	}
	return w, nil
}

// windows is a time in windows, rounded up.
func (w *Fast) windows(d time.Duration) int64 {
	return int64((d + w.plan.Window - 1) / w.plan.Window)
}

// longest is how long an experiment may last before the simulation gives it up:
// every stage to its horizon, every wait for outcomes, and once the time that
// evidence may stay unknown.
func (w *Fast) longest() time.Duration {
	p := w.plan
	settled := p.OutcomeWindow() + p.Lag + 2*p.Window
	for _, source := range p.Sources() {
		settled = max(settled, p.Hold(source)+2*p.Window)
	}
	total := settled + p.OnUnknown.After
	for i := range p.Stages {
		total += p.Stages[i].AtMost() + settled
	}
	if k := p.Promote.KeepWarm; k != nil {
		total += k.AtLeast + settled
	}
	return total
}

// matched is the share of the requests that a stage is about.
func (w *Fast) matched(s *experiment.Stage) float64 {
	sum := 0.0
	for i := range w.kinds {
		if w.matches(s.Where, &w.kinds[i]) {
			sum += w.kinds[i].share
		}
	}
	return sum
}

func (w *Fast) matches(where experiment.Where, k *kind) bool {
	return where.Match(func(segment string) string {
		for i, s := range w.segments {
			if w.plan.Segments[s].Name == segment {
				return w.plan.Segments[s].Groups()[k.groups[i]]
			}
		}
		return ""
	})
}

// expected is how long a stage, or one step of a ramp, is expected to last if
// nothing ends it early.
func (w *Fast) expected(s *experiment.Stage, step int) time.Duration {
	rate := w.rate * w.matched(s)
	reach := func(n int64, rate float64, otherwise time.Duration) time.Duration {
		if n == 0 || rate <= 0 {
			return otherwise
		}
		return time.Duration(min(float64(n)/rate*float64(time.Second), float64(otherwise)))
	}
	switch {
	case s.Ramp != nil:
		h := s.Ramp.Hold
		least := max(h.For, h.Settle, time.Duration(h.Windows)*w.plan.Window)
		if s.Ramp.Steps[step] == 0 {
			return least // Nobody asks for requests that nobody sends.
		}
		return max(least, reach(h.Requests, rate*s.Ramp.Steps[step].Fraction(), s.Ramp.AtMost))
	case s.Split != nil:
		return max(s.Split.Until.AtLeast, w.reachUnits(s.Split.Until, rate))
	case s.Bandit != nil:
		return max(s.Bandit.Until.AtLeast, w.reachUnits(s.Bandit.Until, rate))
	case s.Mirror != nil:
		return max(s.Mirror.Until.AtLeast, reach(s.Mirror.Until.Pairs, rate*s.Mirror.Share.Fraction(), s.Mirror.Until.AtMost))
	default:
		return s.AtMost()
	}
}

// reachUnits is how long a stage waits for its units.
func (w *Fast) reachUnits(u experiment.Until, rate float64) time.Duration {
	n := float64(u.Units)
	if u.Units == 0 || rate <= 0 {
		return u.AtMost
	}
	seconds := n / rate
	if w.units > 0 {
		all := float64(w.units) * rate / w.rate
		seconds = math.Inf(1)
		if n < all {
			seconds = -math.Log1p(-n/all) * float64(w.units) / w.rate
		}
	}
	return time.Duration(min(seconds*float64(time.Second), float64(u.AtMost)))
}

// pace is how many windows pass until the engine is asked again, and how many
// are drawn at once. A ramp that counts clean windows is drawn window by window.
func (w *Fast) pace(s *experiment.State) (step, batch int64) {
	stage := &w.plan.Stages[s.Stage]
	expected := w.expected(stage, min(s.Step, stage.Steps()-1))
	if s.Condition == experiment.Warm && w.plan.Promote.KeepWarm != nil {
		expected = max(w.plan.Promote.KeepWarm.AtLeast, w.plan.OutcomeWindow())
		stage = &experiment.Stage{}
	}
	step = int64(expected / w.plan.Window / time.Duration(w.steps))
	if b := stage.Bandit; b != nil {
		step = min(step, int64(b.Every/w.plan.Window))
	}
	step = max(1, step)
	if r := stage.Ramp; r != nil && (r.Hold.Windows > 0 || r.Hold.Settle > 0) {
		return step, 1
	}
	return step, step
}

// Truth is what is true in a world, as far as the end of an experiment can be
// right or wrong.
type Truth struct {
	// Rewards is the mean reward in each version over all requests; nil where
	// the plan has none.
	Rewards []float64 `json:"rewards,omitempty"`
	// Best marks the versions that nobody should be kept from: the best reward
	// among those that break no limit. Without a reward all that break none.
	Best []bool `json:"best"`
	// Harmful marks the candidates that break an objective, gate or guardrail.
	Harmful []bool `json:"harmful"`
}

// Improves says whether a candidate should be promoted.
func (t *Truth) Improves() bool {
	return slices.Contains(t.Best[1:], true) && (t.Rewards == nil || !t.Best[0])
}

// Right says whether a version is a right end for an experiment.
func (t *Truth) Right(version int) bool {
	return t.Best[version] && (version == 0 || t.Improves())
}

// same is how close two means are that count as equal.
const same = 1e-12

func (w *Fast) findTruth() Truth {
	p := w.plan
	n := len(p.Versions)
	t := Truth{Best: make([]bool, n), Harmful: make([]bool, n)}
	for v := 1; v < n; v++ {
		t.Harmful[v] = w.harmful(v)
	}
	if p.Reward == nil {
		for v := range t.Best {
			t.Best[v] = !t.Harmful[v]
		}
		return t
	}
	m := p.Metric(p.Reward.Metric)
	best := math.Inf(-1)
	for v := range n {
		t.Rewards = append(t.Rewards, w.mean(m, v, ""))
		if !t.Harmful[v] {
			best = max(best, m.Goal.Sign()*t.Rewards[v])
		}
	}
	for v := range n {
		t.Best[v] = !t.Harmful[v] && m.Goal.Sign()*t.Rewards[v] >= best-same*math.Abs(best)
	}
	return t
}

// mean is a metric's true mean in a version, over everybody or a group.
func (w *Fast) mean(m *experiment.Metric, version int, slice string) float64 {
	i := slices.IndexFunc(w.plan.Metrics, func(x experiment.Metric) bool { return x.Name == m.Name })
	sum, share := 0.0, 0.0
	for k := range w.kinds {
		if x := &w.kinds[k]; slice == "" || slices.Contains(x.slices, slice) {
			sum += x.share * x.laws[i].values[version]
			share += x.share
		}
	}
	if share == 0 {
		return 0
	}
	return sum / share
}

// peopled reports whether anybody is in a group.
func (w *Fast) peopled(slice string) bool {
	return slice == "" || slices.ContainsFunc(w.kinds, func(k kind) bool { return k.share > 0 && slices.Contains(k.slices, slice) })
}

// harmful says whether a candidate breaks a limit in truth.
func (w *Fast) harmful(version int) bool {
	p := w.plan
	for _, o := range limitsOf(p) {
		for _, slice := range append([]string{""}, p.LimitSlices(&o)...) {
			x := w.mean(p.Metric(o.Metric), version, slice)
			if w.peopled(slice) && (o.Max != nil && x > *o.Max || o.Min != nil && x < *o.Min) {
				return true
			}
		}
	}
	for i := range p.Guardrails {
		g := &p.Guardrails[i]
		m := p.Metric(g.Metric)
		for _, slice := range append([]string{""}, p.SlicesOf(g)...) {
			base := w.mean(m, 0, slice)
			if m.Goal.Sign()*(base-w.mean(m, version, slice)) > g.NoWorseThan.Of(base)+same {
				return true
			}
		}
	}
	return false
}

// Truth is what is true in this world.
func (w *Fast) Truth() Truth { return w.truth }

// lost is the reward that a unit of a kind loses by not meeting the version that
// is best for all. Where another is better for the kind, it is less than nothing.
func (w *Fast) lost(k *kind, version int) float64 {
	if w.reward < 0 {
		return 0
	}
	law := &k.laws[w.reward]
	part := law.heard
	if base := w.per[w.reward]; base >= 0 {
		part = k.laws[base].heard * k.laws[base].values[version] * law.late
	}
	return w.plan.Metrics[w.reward].Goal.Sign() * (law.values[w.best] - law.values[version]) * part
}
