// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

const (
	// Before these any-time inference is not asked: it is asymptotic.
	anyTimeUnits, anyTimeHits = 100, 25
	// A ratio of fewer units is refused, or marked.
	leastUnits, enoughUnits = 10, 40
)

// Compare compares two versions by the method that suits what is assumed, and
// says which it was:
//
//   - FixedLook: counts by the score test and interval of Miettinen and
//     Nurminen, by Fisher's exact test if there are fewer than 10 hits or
//     misses; means and ratios by Welch's t-test.
//   - AtLooks: the group-sequential boundary, with its repeated interval.
//   - AnyTime: the normal mixture's confidence sequence.
//
// Not enough data for the method is ErrNoData: fewer than 10 units of a ratio,
// and for AnyTime fewer than 100 units or 25 hits or misses per version.
func Compare[S Sample](candidate, baseline S, a Assumed) (Comparison, error) {
	const fn = "Compare"
	if err := level(fn, a.Alpha); err != nil {
		return Comparison{}, err
	}
	c, err1 := sampled(candidate)
	b, err2 := sampled(baseline)
	if err := input.First(err1, err2); err != nil {
		return Comparison{}, err
	}
	out := Comparison{Guarantee: a.Looked, Level: 1 - a.Alpha}
	var err error
	if out.Effect, err = absolute(fn, c.Measured, b.Measured); err != nil && (!c.counted || a.Looked != FixedLook) {
		return Comparison{}, err
	}
	if err := out.inspect(c, b); err != nil {
		return Comparison{}, err
	}
	var radius float64
	switch a.Looked {
	case FixedLook:
		radius, err = out.atFixedLook(c, b, a.Alpha)
	case AtLooks:
		radius, err = out.atLook(c, b, a)
	case AnyTime:
		radius, err = out.anyTime(c, b, a)
	default:
		err = input.Refuse(fn, "looked", 0, "any-time, at-looks or fixed-look")
	}
	if err != nil {
		return Comparison{}, err
	}
	out.relative(c, b, radius)
	return out, nil
}

// reduced is what Compare needs of a sample.
type reduced struct {
	Measured
	counts  Counts
	counted bool
	ratio   bool
	normal  float64 // units from which on the mean is normal
}

// sampled reduces a sample.
func sampled(s any) (reduced, error) {
	switch s := s.(type) {
	case Counts:
		p, err := s.Proportion()
		return reduced{Measured: Measured{p, s.N}, counts: s, counted: true}, err
	case Moments:
		return fromMoments(s)
	case Shape:
		out, err := fromMoments(s.Moments)
		if skew, errS := s.Skewness(); errS == nil {
			out.normal = UnitsForNormality(skew)
		}
		return out, err
	case Pair:
		r, err := s.Ratio()
		return reduced{Measured: Measured{r, s.N}, ratio: true}, err
	}
	// The constraint admits no other type.
	return reduced{}, input.Refuse("Compare", "sample", 0, "a type of Sample")
}

func fromMoments(m Moments) (reduced, error) {
	v, err := m.Variance()
	if err != nil {
		return reduced{}, err
	}
	return reduced{Measured: Measured{Estimate{m.Mean, math.Sqrt(v / float64(m.N))}, m.N}}, nil
}

// inspect warns of data that the methods are not made for.
func (c *Comparison) inspect(candidate, baseline reduced) error {
	units := min(candidate.Units, baseline.Units)
	if candidate.ratio {
		switch {
		case units < leastUnits:
			return input.NoData("Compare", "fewer than 10 units of a ratio")
		case units < enoughUnits:
			// The smaller version's standard error is the one to distrust.
			c.Effect.DF = float64(units - 1)
			c.warn(FewUnits, true, "A version has fewer than 40 units: the standard error of a ratio is too small.")
		}
	}
	if float64(units) < max(candidate.normal, baseline.normal) {
		c.warn(Skewed, true, "The metric is too skewed for the smaller version's units: its mean is not normal yet. Cap it, or count how often it exceeds a limit.")
	}
	return nil
}

// atFixedLook fills in test and interval, and returns the interval's radius in
// standard errors.
func (c *Comparison) atFixedLook(candidate, baseline reduced, alpha float64) (radius float64, err error) {
	if candidate.counted {
		return c.countsAtFixedLook(candidate.counts, baseline.counts, alpha)
	}
	c.Method = "Welch's t-test"
	if candidate.ratio {
		c.Method = "Welch's t-test of ratios by the delta method"
	}
	var errP error
	c.Interval, err = c.Effect.Interval(alpha)
	c.P, errP = c.Effect.P()
	c.Different = c.P < alpha
	return c.Effect.quantile(alpha / 2), input.First(err, errP)
}

func (c *Comparison) countsAtFixedLook(candidate, baseline Counts, alpha float64) (radius float64, err error) {
	c.Effect.DF = 0
	pc, _ := candidate.Proportion() // Compare has seen that there are trials.
	pb, _ := baseline.Proportion()
	c.Effect.Estimate = Difference(pc, pb)
	if c.Interval, err = MiettinenNurminenInterval(candidate, baseline, alpha); err != nil {
		return 0, err
	}
	if few(candidate, baseline) {
		c.Method = "Fisher's exact test, Miettinen and Nurminen's interval"
		c.warn(FewHits, false, "A version has fewer than 10 hits or misses: the test is exact and its interval is not, so that they can disagree at the edge.")
		c.P, _, err = FisherExact(candidate, baseline)
	} else {
		c.Method = "Miettinen and Nurminen's score test and interval"
		var z float64
		z, err = MiettinenNurminenZ(candidate, baseline, 0)
		c.P = 2 * NormalSF(math.Abs(z))
	}
	c.Different = c.P < alpha
	return -NormalQuantile(alpha / 2), err
}

// atLook is a look of a group-sequential test, symmetric at alpha/2.
func (c *Comparison) atLook(candidate, baseline reduced, a Assumed) (radius float64, err error) {
	c.Method = "group-sequential test with its repeated interval"
	c.Effect.DF = 0
	if candidate.counted {
		if few(candidate.counts, baseline.counts) {
			c.warn(FewHits, true, "A version has fewer than 10 hits or misses: its proportion is not normal yet.")
		}
	} else if !candidate.ratio && min(candidate.Units, baseline.Units) < enoughUnits {
		c.warn(FewUnits, true, "A version has fewer than 40 units: the boundary takes its standard error as known.")
	}
	bounds, err := Boundaries(a.Looks, a.Alpha/2, a.Spend)
	if err != nil {
		return 0, err
	}
	radius = bounds[len(bounds)-1]
	z := math.Abs(c.Effect.Value / c.Effect.SE)
	one, errP := RepeatedP(z, a.Looks, a.Spend)
	c.P, c.Different = 2*one, z >= radius
	c.Interval, err = RepeatedInterval(c.Effect.Estimate, radius)
	return radius, input.First(err, errP)
}

// anyTime is the normal mixture.
func (c *Comparison) anyTime(candidate, baseline reduced, a Assumed) (radius float64, err error) {
	const fn = "Compare"
	c.Method = "asymptotic confidence sequence"
	c.Effect.DF = 0
	if min(candidate.Units, baseline.Units) < anyTimeUnits {
		return 0, input.NoData(fn, "fewer than 100 units in a version")
	}
	for _, v := range []reduced{candidate, baseline} {
		if v.counted && min(v.counts.X, v.counts.N-v.counts.X) < anyTimeHits {
			return 0, input.NoData(fn, "fewer than 25 hits or misses in a version")
		}
	}
	m, err := NewMixture(a.Alpha, a.Planned)
	if err != nil {
		return 0, err
	}
	n := float64(candidate.Units) + float64(baseline.Units)
	var errI error
	if c.LogE, err = m.LogE(c.Effect.Estimate, n); err == nil {
		c.Interval, errI = m.Interval(c.Effect.Estimate, n, a.Alpha)
	}
	c.P, c.Different = math.Exp(min(0, -c.LogE)), c.LogE >= -math.Log(a.Alpha)
	return m.Radius(a.Alpha)(n), input.First(err, errI)
}

// relative adds the relative effect if there is one.
func (c *Comparison) relative(candidate, baseline reduced, radius float64) {
	i, ok := RelativeInterval(candidate.Estimate, baseline.Estimate, radius)
	if !ok {
		c.warn(NoisyBaseline, false, "The baseline is too close to zero, against its noise, for a bounded relative effect.")
		return
	}
	c.Relative = &i
}
