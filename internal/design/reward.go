// SPDX-License-Identifier: Apache-2.0

package design

import (
	"math"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// DefaultPower is planned for where a plan does not say.
const DefaultPower = 0.8

// Reward is what the plan can find out about its reward.
type Reward struct {
	Metric string `json:"metric"`
	// Stage is the split that decides; empty if none does.
	Stage string `json:"stage,omitempty"`
	// Method is the plan's, Guarantee when its error rate holds.
	Method    experiment.Method    `json:"method"`
	Guarantee experiment.Guarantee `json:"guarantee"`
	// Alpha is the error of one candidate, Wanted the power that is planned
	// for, Looks the number of looks; 0 where it may be looked at any time.
	Alpha  float64 `json:"alpha"`
	Wanted float64 `json:"wantedPower"`
	Looks  int     `json:"looks,omitempty"`
	// Baseline is the metric today, Effect the smallest difference that
	// matters in its unit, Relative the same to the baseline.
	// Proportion says that the metric is one, so that it reads as a percentage.
	Baseline   *float64 `json:"baseline,omitempty"`
	Proportion bool     `json:"proportion,omitempty"`
	Effect     float64  `json:"effect,omitempty"`
	Relative   float64  `json:"relative,omitempty"`
	// Needed is the units over all versions that find Effect with the power
	// that is planned for, PerVersion the same by version; Inflation how many
	// times more than one look at the end would take. 0 where it cannot be
	// said, or where no sample suffices.
	Needed     int64   `json:"needed,omitempty"`
	PerVersion []int64 `json:"perVersion,omitempty"`
	Inflation  float64 `json:"inflation,omitempty"`
	// Duration is how long Needed takes to arrive.
	Duration *Duration `json:"duration,omitempty"`
	// Planned is the units that the plan will have judged by its horizon, and
	// Power what they find Effect with; AtLeast says that it is more, because
	// the test may be looked at more often.
	Planned int64    `json:"planned,omitempty"`
	Power   *float64 `json:"power,omitempty"`
	AtLeast bool     `json:"atLeast,omitempty"`
	// Detectable is the smallest effect that the plan finds with the power
	// that is planned for, DetectableRelative the same to the baseline.
	Detectable         float64 `json:"detectable,omitempty"`
	DetectableRelative float64 `json:"detectableRelative,omitempty"`
	// Missing says which assumption would tell more.
	Missing string `json:"missing,omitempty"`
}

// Duration is how long a sample takes to arrive.
type Duration struct {
	Days int `json:"days"`
	// WholeWeeks is the same rounded up to weeks, because weekdays differ, and
	// Matured until the outcomes of those weeks are known.
	WholeWeeks int `json:"wholeWeeks"`
	Matured    int `json:"matured"`
}

// deciding is the last split of a plan: the stage whose verdict promotes.
func deciding(p *experiment.Plan) *experiment.Stage {
	for i := len(p.Stages) - 1; i >= 0; i-- {
		if p.Stages[i].Split != nil {
			return &p.Stages[i]
		}
	}
	return nil
}

// reward says what can be found out about the reward; nil without one.
func (w *world) reward() (*Reward, error) {
	p := w.plan
	if p.Reward == nil || len(p.Versions) < 2 {
		return nil, nil
	}
	out := &Reward{
		Metric: p.Reward.Metric, Method: p.Analysis.Method, Guarantee: guarantee(p.Analysis.Method),
		Alpha: errorOf(p), Wanted: wanted(p),
	}
	if p.Analysis.Method == experiment.Sequential {
		out.Looks = p.Analysis.Looks
	}
	s := deciding(p)
	if s == nil {
		out.Guarantee, out.Looks = experiment.GuaranteeNone, 0
		return out, nil
	}
	out.Stage = s.Name
	v := w.value(p.Reward.Metric)
	switch {
	case v == nil:
		out.Missing = "how " + p.Reward.Metric + " stands today"
		return out, nil
	case v.SD == 0:
		out.Missing = "how much " + p.Reward.Metric + " varies " + varies(p.Metric(p.Reward.Metric))
		return out, nil
	}
	w.assumedOf(p.Metric(p.Reward.Metric))
	out.Baseline, out.Effect = &v.Mean, p.Reward.MinimumEffect.Of(v.Mean)
	out.Relative, out.Proportion = relative(out.Effect, v.Mean), w.isProportion(v.Metric)
	t, ok := w.truth(v, out.Effect)
	if !ok || out.Effect == 0 {
		out.Missing = "a baseline that leaves room for the smallest effect"
		return out, nil
	}
	if err := w.needs(out, s, t); err != nil {
		return nil, err
	}
	return out, w.asWritten(out, s, v, t)
}

func relative(effect, mean float64) float64 {
	if mean == 0 {
		return 0
	}
	return effect / math.Abs(mean)
}

func wanted(p *experiment.Plan) float64 {
	if p.Analysis.Power > 0 {
		return p.Analysis.Power
	}
	return DefaultPower
}

// guarantee is when a method's error rate holds.
func guarantee(m experiment.Method) experiment.Guarantee {
	switch m {
	case experiment.Anytime:
		return experiment.GuaranteeAnytime
	case experiment.Fixed:
		return experiment.GuaranteeHorizon
	case experiment.Bayesian, experiment.Threshold:
		return experiment.GuaranteeNone
	default:
		return experiment.GuaranteeLooks
	}
}

// truth is the versions' reward if the candidate is better by effect; false if
// no proportion can be that.
func (w *world) truth(v *Value, effect float64) (Truth, bool) {
	t := Truth{Baseline: v.Mean, SDBaseline: v.SD, SDCandidate: v.SD}
	t.Candidate = v.Mean + w.plan.Metric(v.Metric).Goal.Sign()*effect
	if w.isProportion(v.Metric) {
		if t.Candidate <= 0 || t.Candidate >= 1 {
			return t, false
		}
		t.SDCandidate *= math.Sqrt(t.Candidate * (1 - t.Candidate) / (v.Mean * (1 - v.Mean)))
	}
	return t, true
}

// isProportion says whether a metric was stated without a deviation.
func (w *world) isProportion(metric string) bool {
	for _, v := range w.a.Values {
		if v.Metric == metric {
			return v.SD == 0 && proportion(w.plan.Metric(metric))
		}
	}
	return false
}

// needs says which sample finds the smallest effect, and how long it takes.
func (w *world) needs(out *Reward, s *experiment.Stage, t Truth) error {
	shares := sampleShares(w.plan.Metric(out.Metric), s.Split.Shares)
	n, err := needed(w.plan, shares, t, out.Effect, out.Wanted)
	if err != nil || n == 0 || n > 1e15 {
		return err
	}
	out.Needed = int64(math.Ceil(n))
	for _, share := range shares {
		out.PerVersion = append(out.PerVersion, int64(math.Ceil(n*share.Fraction())))
	}
	z := (stats.NormalQuantile(out.Wanted) - stats.NormalQuantile(out.Alpha)) * t.sd() / out.Effect
	out.Inflation = n / (z * z * perUnit(shares))
	if w.rewarded() > 0 {
		traffic := stats.Traffic{PerDay: w.rewarded() * day.Seconds(), Exposure: w.matching(s.Where), Maturation: w.maturity().Hours() / 24}
		// Centuries are no duration; the sample alone says enough.
		if days, weeks, matured, err := traffic.Duration(n); err == nil {
			out.Duration = &Duration{days, weeks, matured}
		}
	}
	return nil
}

// asWritten says what the plan's own sample finds.
func (w *world) asWritten(out *Reward, s *experiment.Stage, v *Value, t Truth) error {
	looks := w.looks(s)
	if len(looks) == 0 {
		if w.rewarded() == 0 {
			out.Missing = "the traffic"
			return nil
		}
		out.Power = new(float64) // No unit is judged by the horizon.
		return nil
	}
	n := looks[len(looks)-1].Information
	out.Planned = int64(n)
	shares := sampleShares(w.plan.Metric(out.Metric), s.Split.Shares)
	test := testOf(w.plan, shares, w.tunedReward(), out.Effect)
	power, err := test.power(w.plan, looks, out.Effect, t.se(n, shares))
	if err != nil {
		return err
	}
	out.Power = &power
	out.AtLeast = test.method == experiment.Anytime || test.method == experiment.Bayesian && s.Split.Until.Decided
	out.Detectable, err = test.detectable(w.plan, looks, shares, out.Wanted, func(effect float64) (Truth, bool) { return w.truth(v, effect) })
	out.DetectableRelative = relative(out.Detectable, v.Mean)
	return err
}

// rewarded is how many units per second tell of the reward: metrics of answers
// and predictions look at a sample.
func (w *world) rewarded() float64 {
	r := w.plan.Reward
	if r == nil {
		return w.units
	}
	m := w.plan.Metric(r.Metric)
	if m.Windowed() {
		return w.windowsPerSecond(len(w.plan.Versions))
	}
	return w.units * w.sampled(m)
}

// tunedReward is what intervals of the reward are tuned to.
func (w *world) tunedReward() float64 {
	if m := w.plan.Metric(w.plan.Reward.Metric); m.Windowed() {
		return w.tuned(m)
	}
	return w.plan.PlannedUnits()
}

// looks are the looks at a split with the units that are judged by then, as
// judge spaces them: over the planned units, or over the time to the horizon,
// which ends them either way. None where the traffic would have to be known.
func (w *world) looks(s *experiment.Stage) []stats.Look {
	u, rate := s.Split.Until, w.rewarded()*w.matching(s.Where)
	arrived := func(t time.Duration) float64 { return rate * max(0, (t-w.maturity()).Seconds()) }
	n := float64(u.Units)
	switch {
	case n == 0 || rate > 0 && arrived(u.AtMost) < n:
		n = arrived(u.AtMost)
	}
	if n < 1 {
		return nil
	}
	looks := evenly(w.plan, n)
	if w.plan.Analysis.Method != experiment.Sequential {
		return looks
	}
	var out []stats.Look
	for i := range looks {
		f := looks[i].Spent
		information := f * float64(u.Units)
		if u.Units == 0 {
			information = arrived(time.Duration(f * float64(u.AtMost)))
		}
		if information >= 1 && information < n {
			out = append(out, stats.Look{Spent: f, Information: information})
		}
	}
	return append(out, stats.Look{Spent: 1, Information: n})
}

// early is the share of a split's sample that its test takes on average if the
// smallest effect is the truth; false where that cannot be said.
func (w *world) early(s *experiment.Stage) (float64, bool) {
	v, looks := w.value(w.plan.Reward.Metric), w.looks(s)
	if v == nil || v.SD == 0 || len(looks) == 0 {
		return 0, false
	}
	effect := w.plan.Reward.MinimumEffect.Of(v.Mean)
	t, ok := w.truth(v, effect)
	if !ok || effect == 0 {
		return 0, false
	}
	shares := sampleShares(w.plan.Metric(w.plan.Reward.Metric), s.Split.Shares)
	test := testOf(w.plan, shares, w.tunedReward(), effect)
	f, err := test.expected(w.plan, looks, effect, t.se(looks[len(looks)-1].Information, shares))
	return f, err == nil
}
