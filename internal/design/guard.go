// SPDX-License-Identifier: Apache-2.0

package design

import (
	"math"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// Guard is what the plan can find out about a guardrail, of everybody or of a
// group: whether a candidate that is as good as the baseline is known to be not
// worse. Until it is, nothing is promoted.
type Guard struct {
	Metric string `json:"metric"`
	Slice  string `json:"slice,omitempty"`
	Stage  string `json:"stage,omitempty"`
	// Basis is what the sample is made of.
	Basis experiment.Basis `json:"basis"`
	// Margin is in the metric's unit; 0 where the baseline is unknown.
	Margin float64 `json:"margin,omitempty"`
	// Wanted is the power that is planned for, which is higher than the
	// reward's: all guardrails have to pass together.
	Wanted float64 `json:"wantedPower"`
	// Needed is the sample over all versions that gives it, Planned what the
	// plan will have, Power what that gives; 0 and nil where unknown.
	Needed  int64    `json:"needed,omitempty"`
	Planned int64    `json:"planned,omitempty"`
	Power   *float64 `json:"power,omitempty"`
	Missing string   `json:"missing,omitempty"`
}

// Limit is what the plan can find out about an objective on requests: whether a
// candidate, or the one version that is observed, is known to meet it if it
// stands as assumed. Until it is, nothing is promoted.
type Limit struct {
	Metric string `json:"metric"`
	// Slice is the group that it is about; empty is everybody.
	Slice string  `json:"slice,omitempty"`
	Limit float64 `json:"limit"`
	// Rate is the assumed truth; 0, the best there is, where nobody said.
	Rate    float64  `json:"rate"`
	Assumed bool     `json:"assumed"`
	Wanted  float64  `json:"wantedPower"`
	Needed  int64    `json:"needed,omitempty"`
	Planned int64    `json:"planned,omitempty"`
	Power   *float64 `json:"power,omitempty"`
}

// comparing is the stage in which guardrails are judged best: the last in which
// both versions have traffic, with its last such shares.
func (w *world) comparing(stages []Stage) (*Stage, *flow) {
	for i := len(stages) - 1; i >= 0; i-- {
		st := &stages[i]
		if st.Kind == experiment.KindWarm || st.Kind == experiment.KindBandit {
			continue // A bandit's shares are not known before it runs.
		}
		for k := len(st.flow) - 1; k >= 0; k-- {
			if f := &st.flow[k]; f.shares[0] > 0 && smallest(f.shares) > 0 {
				return st, f
			}
		}
	}
	return nil, nil
}

// guards goes through the guardrails and their slices.
func (w *world) guards(stages []Stage) ([]Guard, error) {
	var out []Guard
	st, f := w.comparing(stages)
	_, power, err := stats.MetricLevels(w.plan.CandidateAlpha(), wanted(w.plan), 1, len(w.plan.Guardrails))
	if err != nil {
		return nil, err
	}
	for i := range w.plan.Guardrails {
		g := &w.plan.Guardrails[i]
		for _, slice := range append([]string{""}, w.plan.SlicesOf(g)...) {
			guard := Guard{Metric: g.Metric, Slice: slice, Wanted: power, Basis: w.plan.Metric(g.Metric).Basis()}
			if st == nil {
				guard.Missing = "a stage in which both versions have a known share"
			} else if err := w.guard(&guard, g, stages, st, f); err != nil {
				return nil, err
			}
			out = append(out, guard)
		}
	}
	return out, nil
}

func (w *world) guard(out *Guard, g *experiment.Guardrail, stages []Stage, st *Stage, f *flow) error {
	out.Stage = st.Name
	v := w.value(g.Metric)
	switch {
	case v != nil && v.SD == 0 && !proportion(w.plan.Metric(g.Metric)):
		out.Missing = "how much " + g.Metric + " varies " + varies(w.plan.Metric(g.Metric))
		return nil
	case v == nil || v.SD == 0:
		out.Missing = "how " + g.Metric + " stands today"
		return nil
	}
	out.Margin = g.NoWorseThan.Of(v.Mean)
	if out.Margin == 0 {
		out.Missing = "a baseline of " + g.Metric + " above 0, of which the margin is a part"
		return nil
	}
	power := w.notWorse(g, v, sampleShares(w.plan.Metric(g.Metric), f.shares), phaseOf(stages, st.Name))
	n, err := sampleFor(out.Wanted, power)
	if err != nil {
		return err
	}
	out.Needed = n
	planned := w.comparable(st, f, out.Basis)
	m := w.plan.Metric(g.Metric)
	w.assumedOf(m)
	planned *= w.sampled(m)
	if out.Slice != "" {
		planned *= w.group(out.Slice)
	}
	if planned < 1 {
		out.Missing = "the traffic"
		return nil
	}
	out.Planned = whole(planned)
	p, err := power(planned)
	if err != nil {
		return err
	}
	out.Power = &p
	return nil
}

// comparable is the sample that a stretch will have brought, over all versions.
func (w *world) comparable(st *Stage, f *flow, basis experiment.Basis) float64 {
	s := w.stageOf(st)
	if s.Split != nil && basis == experiment.BasisUnits {
		if looks := w.looks(s); len(looks) > 0 {
			return looks[len(looks)-1].Information
		}
		return 0
	}
	takes := f.takes
	if s.Split != nil {
		takes = s.Split.Until.AtMost
	}
	if takes == Unknown {
		return 0
	}
	if basis == experiment.BasisUnits {
		// The last step of a ramp is held until its guardrails are known, at
		// most to the stage's horizon.
		return w.units * w.matching(s.Where) * max(0, st.takes.AtMost-w.maturity()).Seconds()
	}
	if basis == experiment.BasisWindows {
		return w.windowsPerSecond(len(f.shares)) * takes.Seconds()
	}
	return w.requests * w.matching(s.Where) * takes.Seconds()
}

// notWorse is the least probability that a version as good as the baseline is
// known to be not worse by n units or requests over all versions: by the
// always-valid test that judge uses, at one look.
func (w *world) notWorse(g *experiment.Guardrail, v *Value, shares experiment.Shares, phase int) func(n float64) (float64, error) {
	p := w.plan
	m := p.Metric(g.Metric)
	alpha, tuned := p.CandidateAlpha(), w.tuned(m)
	margin, keep := g.NoWorseThan.Of(v.Mean), 1.0
	if g.NoWorseThan.Relative > 0 {
		keep = 1 - m.Goal.Sign()*g.NoWorseThan.Relative // The margin moves with the baseline.
	}
	b, c := shares[0].Fraction(), smallest(shares).Fraction()
	return func(n float64) (float64, error) {
		mix, err := stats.NewMixture(alpha, tuned)
		if err != nil {
			return 0, err
		}
		inTest := n * (b + c)
		lower, err := mix.Lower(stats.Estimate{SE: 1}, inTest, alpha*weight(p, phase))
		if err != nil {
			return 0, err
		}
		se := v.SD * math.Sqrt(1/(n*c)+keep*keep/(n*b))
		return stats.PowerDifference(margin, se, -lower)
	}
}

// maxSample is more than any experiment will see.
const maxSample = int64(1e15)

// sampleFor is the smallest sample that gives a power, 0 if none within reach
// does.
func sampleFor(want float64, power func(n float64) (float64, error)) (int64, error) {
	n, err := fewest(maxSample, func(n int64) (bool, error) {
		if n == 0 {
			return false, nil
		}
		p, err := power(float64(n))
		return p >= want, err
	})
	if n > maxSample {
		n = 0
	}
	return n, err
}

// limits goes through the objectives on requests.
func (w *world) limits(stages []Stage) ([]Limit, error) {
	var out []Limit
	planned := w.judgedRequests(stages)
	for _, o := range w.plan.Objectives {
		m := w.plan.Metric(o.Metric)
		if m.Drift != nil {
			w.note("how many answers show that %s is within its limit is not foretold: it depends on how many classes or scores there are", m.Name)
		}
		if m.Basis() == experiment.BasisWindows {
			w.note("how many windows show that %s is within its limit is not foretold; there are at least %d of each version", m.Name, experiment.LeastWindows)
			continue
		}
		if m.ByUnit() || m.WholeSample() || o.Max == nil {
			continue
		}
		w.assumedOf(m)
		for _, slice := range append([]string{""}, w.plan.LimitSlices(&o)...) {
			l := Limit{Metric: o.Metric, Slice: slice, Limit: *o.Max, Wanted: wanted(w.plan), Planned: int64(planned * w.sampled(m) * w.part(slice))}
			if v := w.value(o.Metric); v != nil {
				l.Rate, l.Assumed = v.Mean, true
			}
			if err := w.limit(&l); err != nil {
				return nil, err
			}
			out = append(out, l)
		}
	}
	return out, nil
}

// part is the share of the traffic of a slice, all of it for everybody.
func (w *world) part(slice string) float64 {
	if slice == "" {
		return 1
	}
	return w.group(slice)
}

// maxRequests bounds the search; exact intervals of more are slow and say what
// the limit's own distance says.
const maxRequests = int64(1 << 30)

func (w *world) limit(l *Limit) error {
	if l.Rate < l.Limit {
		n, err := fewest(maxRequests, func(n int64) (bool, error) {
			p, err := w.met(l, n)
			return p >= l.Wanted, err
		})
		if err != nil {
			return err
		}
		if n <= maxRequests {
			l.Needed = n
		}
	}
	if l.Planned < 1 {
		return nil
	}
	p, err := w.met(l, min(l.Planned, maxRequests))
	l.Power = &p
	return err
}

// met is the probability that n requests are known to meet the limit.
func (w *world) met(l *Limit, n int64) (float64, error) {
	if n == 0 {
		return 0, nil
	}
	over, err := fewest(n, func(x int64) (bool, error) {
		i, err := stats.BernoulliInterval(stats.Counts{N: n, X: x}, w.plan.TestAlpha(), w.plan.PlannedRequests())
		return i.High > l.Limit, err
	})
	switch {
	case err != nil || over == 0:
		return 0, err
	case l.Rate == 0 || over > n:
		return 1, nil
	case l.Rate >= 1:
		return 0, nil
	}
	p, err := stats.BinomialTestGreater(over, n, l.Rate)
	return 1 - p, err
}
