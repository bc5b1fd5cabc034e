// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/input"
	"github.com/headgate-dev/headgate/stats/internal/root"
)

// Shapes of the classical boundaries of Wang and Tsiatis (1987), which fall
// with the share t of the information as t^(shape-1/2).
const (
	// ShapePocock is a constant boundary (Pocock 1977).
	ShapePocock = 0.5
	// ShapeOBrienFleming is one that asks for a constant score: c sqrt(K/k) at
	// look k of K (O'Brien and Fleming 1979).
	ShapeOBrienFleming = 0
)

// ClassicalBoundaries are the boundaries of looks at equal steps of information
// in the classical shape, whose overall error rate is alpha: one-sided, or for
// the absolute value of the statistic if both. The number of looks and their
// spacing must be kept to; Boundaries is for looks that come as they come.
func ClassicalBoundaries(looks int, alpha, shape float64, both bool) ([]float64, error) {
	const fn = "ClassicalBoundaries"
	if looks < 1 || looks > MaxLooks {
		return nil, input.Refuse(fn, "looks", float64(looks), "from 1 to 250")
	}
	if !(shape >= 0 && shape <= 1) {
		return nil, input.Refuse(fn, "shape", shape, "from 0 to 1")
	}
	if err := level(fn, alpha); err != nil {
		return nil, err
	}
	if !both && alpha >= 0.5 {
		return nil, input.Refuse(fn, "alpha", alpha, "below 0.5 for one side")
	}
	schedule, bounds := EvenLooks(looks), make([]float64, looks)
	at := func(c float64) []float64 {
		for i := range bounds {
			bounds[i] = c * math.Pow(schedule[i].Spent, shape-0.5)
		}
		return bounds
	}
	var failed error
	excess := func(c float64) float64 {
		ps, err := crossing(fn, at(c), schedule, 0, both)
		if err != nil {
			failed = err
		}
		return total(ps) - alpha
	}
	if excess(maxBound) > 0 {
		return nil, input.Refuse(fn, "alpha", alpha, "a probability that a boundary can have")
	}
	c := root.Find(excess, 0, maxBound, 1e-11)
	return at(c), failed
}

// EvenLooks are k looks at equal steps of information and of alpha's time; an
// empty schedule if k is not positive.
func EvenLooks(k int) []Look {
	looks := make([]Look, max(0, k))
	for i := range looks {
		t := float64(i+1) / float64(k)
		looks[i] = Look{Spent: t, Information: t}
	}
	return looks
}

// total is the sum of probabilities.
func total(ps []float64) float64 {
	sum := 0.0
	for _, p := range ps {
		sum += p
	}
	return sum
}

// BoundaryInflation is Inflation for given one-sided boundaries: the factor by
// which the largest sample exceeds that of a fixed one-sided test at alpha
// with the same power.
func BoundaryInflation(bounds []float64, looks []Look, alpha, power float64) (float64, error) {
	const fn = "BoundaryInflation"
	if err := levels(fn, alpha, power); err != nil {
		return 0, err
	}
	fixed := NormalQuantile(power) - NormalQuantile(alpha)
	if !(fixed > 0) { // A power a hair above alpha takes no sample to compare with.
		return 0, input.Refuse(fn, "power", power, "one that is clearly above alpha")
	}
	drift, err := driftFor(fn, bounds, looks, power, fixed+10)
	if err != nil {
		return 0, err
	}
	return (drift / fixed) * (drift / fixed), nil
}

// driftFor finds the drift of 0 or more at which the boundaries are crossed
// with the given power.
func driftFor(fn string, bounds []float64, looks []Look, power, high float64) (float64, error) {
	if _, err := crossing(fn, bounds, looks, 0, false); err != nil {
		return 0, err
	}
	lacking := func(drift float64) float64 {
		ps, _ := crossing(fn, bounds, looks, drift, false) // Checked above; drift is finite.
		return total(ps) - power
	}
	if lacking(high) < 0 || lacking(0) > 0 {
		return 0, input.Refuse(fn, "power", power, "one that the boundaries can reach, and do not reach without an effect")
	}
	return root.Find(lacking, 0, high, 1e-10), nil
}

// ExpectedSample is the expected share of the largest sample that a
// group-sequential test with one-sided boundaries takes until it crosses one
// or ends, when the expectation of its statistic at the last look is drift.
// Times BoundaryInflation it is the average sample number relative to a fixed
// test.
func ExpectedSample(bounds []float64, looks []Look, drift float64) (float64, error) {
	const fn = "ExpectedSample"
	ps, err := crossing(fn, bounds, looks, drift, false)
	if err != nil {
		return 0, err
	}
	times := informationTimes(looks)
	expected, going := 0.0, 1.0
	for k, p := range ps {
		expected += p * times[k]
		going -= p
	}
	return min(1, expected+max(0, going)), nil
}

// ConditionalPower is the probability that a statistic that is z at the share t
// of the information, 0 < t < 1, ends at or above c, when its expectation at
// the end is drift: that of the plan, or z/sqrt(t) for the trend so far. A low
// value is a reason to stop, never a right to claim anything.
func ConditionalPower(z, t, c, drift float64) (float64, error) {
	const fn = "ConditionalPower"
	if err := input.First(input.Finite(fn, "z", z), input.Fraction(fn, "t", t), input.Finite(fn, "c", c), input.Finite(fn, "drift", drift)); err != nil {
		return 0, err
	}
	return probit(fn, (z*math.Sqrt(t)+drift*(1-t)-c)/math.Sqrt(1-t))
}

// PredictivePower is ConditionalPower averaged over what the data so far leave
// possible for the drift, without a prior opinion.
func PredictivePower(z, t, c float64) (float64, error) {
	const fn = "PredictivePower"
	if err := input.First(input.Finite(fn, "z", z), input.Fraction(fn, "t", t), input.Finite(fn, "c", c)); err != nil {
		return 0, err
	}
	return probit(fn, (z-c*math.Sqrt(t))/math.Sqrt(1-t))
}

// probit is the normal distribution function unless its argument overflowed.
func probit(fn string, x float64) (float64, error) {
	if math.IsNaN(x) {
		return 0, input.Refuse(fn, "z", x, "a number that does not overflow")
	}
	return NormalCDF(x), nil
}
