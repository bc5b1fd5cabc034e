// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"math"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// How much more it takes is told by asking the test itself: with k times the
// data at the present estimate, so that its standard error is 1/sqrt(k) of what
// it is, when would it decide? The answer is n(k-1) for the least such k, found
// by bisection to one percent. It is 0, for "cannot be said", where the estimate
// lies on the wrong side, so that more of the same would not help, where there
// is no estimate, and beyond a million times the data. All of it is taken for
// one phase, the newest, so evidence already earned in others is left out and
// the answer is rather too large; chance may make it too large or too small.

// mostMore is the largest multiple of the data that is asked about.
const mostMore = 1 << 20

// further is n(k-1) for the least k for which decided.
func further(n float64, decided func(k float64) bool) int64 {
	high := 2.0
	for !decided(high) {
		if high *= 2; high > mostMore {
			return 0
		}
	}
	low := max(1, high/2)
	for high-low > .01*(high-1) {
		if mid := (low + high) / 2; decided(mid) {
			high = mid
		} else {
			low = mid
		}
	}
	return int64(math.Ceil(n * (high - 1)))
}

// phaseCost is what the union bound over phases adds to a threshold in phase
// number i.
func (j *judging) phaseCost(i int) float64 {
	if j.plan.Assignment.Unit.Request {
		return 0
	}
	return -math.Log(experiment.PhaseWeight(i))
}

// halved is what it adds to a threshold that only half of the evidence tells.
const halved = math.Ln2

// needNormal is how many more units it takes until the mixture says that a
// quantity is positive.
func (j *judging) needNormal(s subject, d stats.Estimate, c pooled) int64 {
	mix, err := stats.NewMixture(j.benefitAlpha, j.planned(s.metric))
	if err != nil || !(d.Value > 0) || d.SE == 0 {
		return 0
	}
	threshold := j.phaseCost(c.newest) - math.Log(j.benefitAlpha)
	if counted(s.metric) {
		threshold += halved
	}
	return further(c.n(), func(k float64) bool {
		e, err := mix.LogEGreater(stats.Estimate{Value: d.Value, SE: d.SE / math.Sqrt(k)}, k*c.n())
		return err == nil && e >= threshold
	})
}

// needNotWorse is how many more units or requests, of both versions, it takes
// until a guardrail is known to hold.
func (j *judging) needNotWorse(s subject, c pooled, ok bool, margin experiment.Margin) int64 {
	switch {
	case !counted(s.metric):
		return j.needNormal(s, c.spared(s.metric.Goal, margin), c)
	case margin.Absolute == 0:
		return j.needRatio(s, c, margin.Relative)
	case ok:
		return j.needNormal(s, c.spared(s.metric.Goal, margin), c)
	}
	return j.needExact(s, c, margin.Absolute)
}

// needRatio uses what the two-version e-process tends to: with x hits, of which
// a share p is of the version that should have q of them, log E is about
//
//	k x KL(p, q) - ln(1 + k x p(1-p) tau²)/2.
func (j *judging) needRatio(s subject, c pooled, margin float64) int64 {
	cand, base := j.counts(s.version, s.metric, s.slice, s.scope), j.counts(0, s.metric, s.slice, s.scope)
	allowed := 1 - s.metric.Goal.Sign()*margin
	more := s.metric.Goal.Sign() > 0 // Of the candidate's hits.
	x, expected := float64(cand.X+base.X), allowed*float64(cand.N)/(allowed*float64(cand.N)+float64(base.N))
	p := float64(cand.X) / x
	if !(allowed > 0 && x > 0 && expected > 0 && expected < 1) || (p > expected) != more {
		return 0
	}
	kl := plogp(p, expected) + plogp(1-p, 1-expected)
	threshold := j.phaseCost(c.newest) - math.Log(j.benefitAlpha)
	return further(float64(cand.N+base.N), func(k float64) bool {
		return k*x*kl-math.Log1p(k*x*p*(1-p)*logRatio*logRatio)/2 >= threshold
	})
}

// plogp is p ln(p/q), which is 0 at 0.
func plogp(p, q float64) float64 {
	if p == 0 {
		return 0
	}
	return p * math.Log(p/q)
}

// needExact is needNotWorse where hits are too few for the normal mixture.
func (j *judging) needExact(s subject, c pooled, margin float64) int64 {
	cand, base := j.counts(s.version, s.metric, s.slice, s.scope), j.counts(0, s.metric, s.slice, s.scope)
	if s.metric.Goal.Sign() < 0 {
		cand, base = base, cand
	}
	threshold := j.phaseCost(c.newest) - math.Log(j.benefitAlpha) + halved
	return further(float64(cand.N+base.N), func(k float64) bool {
		e, err := stats.BernoulliDifferenceLogE(times(cand, k), times(base, k), -margin, j.benefitAlpha, j.plannedRequests)
		return err == nil && e >= threshold
	})
}

// times is k times the trials at the same rate, as near as whole hits allow.
func times(c stats.Counts, k float64) stats.Counts {
	n := int64(math.Round(k * float64(c.N)))
	return stats.Counts{N: n, X: min(n, int64(math.Round(k*float64(c.X))))}
}

// needCounts is how many more requests it takes until a version is known to
// meet a limit.
func needCounts(c stats.Counts, o experiment.Objective, alpha, planned float64) int64 {
	limit, ok := metSide(float64(c.X)/float64(c.N), o)
	if !ok || limit <= 0 || limit >= 1 {
		return 0
	}
	return further(float64(c.N), func(k float64) bool {
		e, err := stats.BernoulliLogE(times(c, k), limit, alpha, planned)
		return err == nil && e >= -math.Log(alpha)
	})
}

// needLimit is the same for means.
func needLimit(est stats.Estimate, n float64, o experiment.Objective, alpha, planned float64) int64 {
	limit, ok := metSide(est.Value, o)
	mix, err := stats.NewMixture(alpha, planned)
	if !ok || err != nil {
		return 0
	}
	return further(n, func(k float64) bool {
		e, err := mix.LogE(stats.Estimate{Value: est.Value - limit, SE: est.SE / math.Sqrt(k)}, k*n)
		return err == nil && e >= -math.Log(alpha)
	})
}

// metSide is the limit, if the value lies on its good side.
func metSide(value float64, o experiment.Objective) (limit float64, ok bool) {
	switch {
	case o.Max != nil:
		return *o.Max, value < *o.Max
	case o.Min != nil:
		return *o.Min, value > *o.Min
	}
	return 0, false
}

// needBetter is how many more units of all versions a decision about the reward
// takes. Where the plan counts units, it is those that are left until the
// horizon, which the method anytime may not need. Otherwise it is what the
// method's last test would take.
func (j *judging) needBetter(split *experiment.Split, m *experiment.Metric, c pooled, ok bool) int64 {
	left := max(0, split.Until.Units-j.out.Units)
	method := j.plan.Analysis.Method
	if left > 0 && method != experiment.Anytime && method != experiment.Bayesian {
		return left
	}
	d := c.good(m.Goal)
	if !ok || !(d.Value > 0) || d.SE == 0 {
		return left
	}
	var need int64
	switch method {
	case experiment.Anytime:
		s := subject{metric: m}
		need = j.needNormal(s, d, c)
	case experiment.Fixed, experiment.Threshold:
		// Only the horizon decides; and of a hidden difference nothing is told.
		return left
	case experiment.Bayesian:
		need = needAtOnce(c.n(), d, j.plan.Analysis.Alpha)
	default:
		need = needAtOnce(c.n(), d, j.benefitAlpha)
	}
	// c has one candidate; all versions grow together.
	need = int64(math.Ceil(float64(need) * float64(j.out.Units) / c.n()))
	if left > 0 && (need == 0 || need > left) {
		return left
	}
	return need
}

// needAtOnce is n(k-1) for z sqrt(k) = z_{1-alpha}, a fixed test.
func needAtOnce(n float64, d stats.Estimate, alpha float64) int64 {
	root := stats.NormalQuantile(1-alpha) * d.SE / d.Value
	if more := n * (root*root - 1); more > 0 && more < mostMore*n {
		return int64(math.Ceil(more))
	}
	return 0
}
