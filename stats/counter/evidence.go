// SPDX-License-Identifier: Apache-2.0

package counter

import (
	"fmt"
	"math"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
	"github.com/headgate-dev/headgate/stats/internal/root"
	"gonum.org/v1/gonum/integrate/quad"
)

// Segment is an interval of time in which both versions' shares of the traffic
// were constant, such as one step of a canary, and the events of both in it.
type Segment struct {
	// Candidate and Baseline are numbers of events, such as errors.
	Candidate, Baseline int64
	// CandidateShare and BaselineShare are the versions' parts of what events
	// come from, in any unit: best the requests that were seen. Only their
	// ratio matters.
	CandidateShare, BaselineShare float64
}

// LogE is the logarithm of the e-value against "both versions have the same
// rate of events", at any time of looking. Given that an event happens in
// segment j, it is the candidate's with probability
//
//	rho_c e^delta/(rho_b + rho_c e^delta),
//
// where rho are the shares of the segment, summing to 1, and delta is the
// logarithm of the ratio of rates. How often events happen does not matter, so
// the rate may change with the time of day, and shares between segments (Lindon
// and Malek 2022). With a prior N(0, tau²) on delta
//
//	E = integral exp(sum_j [x_cj delta - x_j ln(rho_bj + rho_cj e^delta)]) N(delta; 0, tau²) d delta.
//
// If rates are equal, the probability that it ever reaches 1/alpha is at most
// alpha. tau, from 0.01 to 10, is the size of log ratio that is looked for, 0.5
// by default: it must be fixed before the data, and affects how soon something
// is seen, never whether the promise holds. The ratio must be about the same in
// all segments for power, not for the promise.
//
// What it needs is that events are independent given the shares. A burst of
// retries is one event: count windows with an error, or divide counts by the
// dispersion of QuasiPoisson.
//
// Segments in which a version has no share and no events add nothing; events
// without a share are stats.ErrImpossible. No events is stats.ErrNoData. For
// constant shares stats.SRMLogE does the same with a conjugate prior.
func LogE(segments []Segment, tau float64) (float64, error) {
	l, err := newLikelihood("counter.LogE", segments, tau)
	if err != nil {
		return 0, err
	}
	logE := l.mixture(math.Inf(-1))
	return logE, input.Finite("counter.LogE", "segments", logE)
}

// LogEGreater is the logarithm of the e-value against "the candidate's rate is
// at most the baseline's": evidence of harm. It is LogE with the half-normal
// prior on delta > 0. To allow a margin, "at most 10 % more errors", multiply
// the candidate's share by 1.1.
func LogEGreater(segments []Segment, tau float64) (float64, error) {
	l, err := newLikelihood("counter.LogEGreater", segments, tau)
	if err != nil {
		return 0, err
	}
	logE := math.Ln2 + l.mixture(0)
	return logE, input.Finite("counter.LogEGreater", "segments", logE)
}

// RatioInterval is the confidence sequence at level 1-alpha for candidate rate
// over baseline rate: with that probability it contains the true ratio, if that
// is constant, at every time of looking. It is all ratios whose likelihood is
// at least alpha times the mixture of LogE. Without events of the candidate Low
// is 0; without events of the baseline there is no upper bound, which is
// stats.ErrNoData.
func RatioInterval(segments []Segment, tau, alpha float64) (stats.Interval, error) {
	const fn = "counter.RatioInterval"
	l, err := newLikelihood(fn, segments, tau)
	if err := input.First(err, input.Fraction(fn, "alpha", alpha)); err != nil {
		return stats.Interval{}, err
	}
	if l.baseline == 0 {
		return stats.Interval{}, input.NoData(fn, "the baseline has no events")
	}
	threshold := l.mixture(math.Inf(-1)) + math.Log(alpha)
	excess := func(delta float64) float64 { return l.log(delta) - threshold }
	best := float64(-farthest)
	if l.candidate > 0 {
		best = root.Find(l.slope, -farthest, farthest, precise)
	}
	out := stats.Interval{}
	if l.candidate > 0 && excess(-farthest) < 0 {
		out.Low = math.Exp(root.Find(excess, -farthest, best, precise))
	}
	if excess(farthest) >= 0 {
		return stats.Interval{}, input.NoData(fn, "no upper bound yet")
	}
	out.High = math.Exp(root.Find(excess, best, farthest, precise))
	return out, nil
}

// precise is how near to a delta that is searched for the search stops.
const precise = 1e-13

// farthest is the largest |delta| that is looked at: ratios of 1e260.
const farthest = 600

// likelihood is the probability of which version events came from, as a
// function of delta, in segments that say something about it.
type likelihood struct {
	segments            []Segment // with shares that sum to 1
	candidate, baseline float64   // events
	tau                 float64
}

func newLikelihood(fn string, segments []Segment, tau float64) (*likelihood, error) {
	if !(tau >= 0.01 && tau <= 10) {
		return nil, input.Refuse(fn, "tau", tau, "from 0.01 to 10")
	}
	l := &likelihood{tau: tau}
	var impossible error
	for i, s := range segments {
		if s.Candidate < 0 || s.Baseline < 0 || s.Candidate > 1<<53 || s.Baseline > 1<<53 {
			return nil, input.Refuse(fn, "events", float64(min(s.Candidate, s.Baseline)), "from 0 to 2^53")
		}
		if err := input.First(input.NonNegative(fn, "candidate share", s.CandidateShare), input.NonNegative(fn, "baseline share", s.BaselineShare)); err != nil {
			return nil, err
		}
		if s.CandidateShare == 0 && s.Candidate > 0 || s.BaselineShare == 0 && s.Baseline > 0 {
			impossible = fmt.Errorf("stats: counter.%s: segment %d has events of a version without a share: %w", fn, i, stats.ErrImpossible)
		}
		if s.CandidateShare == 0 || s.BaselineShare == 0 || s.Candidate+s.Baseline == 0 {
			continue
		}
		odds := s.CandidateShare / s.BaselineShare
		if !(odds > 1e-12 && odds < 1e12) {
			return nil, input.Refuse(fn, "candidate share", s.CandidateShare, "within a factor of 1e12 of the baseline's")
		}
		s.CandidateShare, s.BaselineShare = odds/(1+odds), 1/(1+odds)
		l.segments = append(l.segments, s)
		l.candidate += float64(s.Candidate)
		l.baseline += float64(s.Baseline)
	}
	if impossible != nil {
		return nil, impossible
	}
	if len(l.segments) == 0 {
		return nil, input.NoData(fn, "no events")
	}
	return l, nil
}

// log is the logarithm of the likelihood ratio of delta and 0, in the form of
// its sign in which nothing cancels and nothing overflows.
func (l *likelihood) log(delta float64) float64 {
	sum := 0.0
	for _, s := range l.segments {
		n := float64(s.Candidate + s.Baseline)
		if delta > 0 {
			sum += float64(s.Candidate)*delta - n*math.Log1p(s.CandidateShare*math.Expm1(delta))
		} else {
			sum += -float64(s.Baseline)*delta - n*math.Log1p(s.BaselineShare*math.Expm1(-delta))
		}
	}
	return sum
}

// slope is the derivative of log: events of the candidate beyond expectation.
func (l *likelihood) slope(delta float64) float64 {
	sum, _ := l.derivatives(delta)
	return sum
}

func (l *likelihood) derivatives(delta float64) (slope, curvature float64) {
	for _, s := range l.segments {
		n := float64(s.Candidate + s.Baseline)
		odds := s.CandidateShare / s.BaselineShare * math.Exp(delta)
		p, q := odds/(1+odds), 1/(1+odds)
		slope += float64(s.Candidate)*q - float64(s.Baseline)*p
		curvature += n * p * q
	}
	return slope, curvature
}

const (
	// drop is how many nats below its maximum the integrand is left out.
	drop   = 45
	panels = 12
	order  = 16
)

// mixture is the logarithm of the integral of likelihood times prior over delta
// > from. The integrand is log-concave, so it is followed from its mode to both
// sides until it has fallen far enough.
func (l *likelihood) mixture(from float64) float64 {
	h := func(delta float64) float64 { return l.log(delta) - delta*delta/(2*l.tau*l.tau) }
	slope := func(delta float64) float64 { return l.slope(delta) - delta/(l.tau*l.tau) }
	mode := from
	if math.IsInf(from, -1) || slope(from) > 0 {
		mode = root.Find(slope, max(from, -farthest), farthest, precise)
	}
	top := h(mode)
	_, curvature := l.derivatives(mode)
	scale := 1 / math.Max(math.Sqrt(curvature+1/(l.tau*l.tau)), math.Abs(slope(mode)))
	low, high := from, mode+scale
	for step := scale; h(high) > top-drop; step *= 2 {
		high += step
	}
	if mode > from {
		low = mode - scale
		for step := scale; low > from && h(low) > top-drop; step *= 2 {
			low -= step
		}
		low = max(low, from)
	}
	sum, x, w := 0.0, make([]float64, order), make([]float64, order)
	quad.Legendre{}.FixedLocations(x, w, -1, 1)
	// Panels meet at the mode: both sides may differ much in width.
	for _, side := range [...][2]float64{{low, mode}, {mode, high}} {
		half := (side[1] - side[0]) / panels / 2
		for p := range panels {
			centre := side[0] + half*float64(2*p+1)
			for i := range x {
				sum += half * w[i] * math.Exp(h(centre+half*x[i])-top)
			}
		}
	}
	return top + math.Log(sum) - math.Log(l.tau*math.Sqrt(2*math.Pi))
}
