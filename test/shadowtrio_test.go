// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// The arms of a round.
const (
	without, withoutAgain, withShadow = 0, 1, 2
)

// trio is what the three arms measured, by round.
type trio [3][]float64

func (x *trio) rounds() int { return len(x[0]) }

func (x *trio) add(round [3]float64) {
	for arm, v := range round {
		x[arm] = append(x[arm], v)
	}
}

// effect is the shadow's arm over either of the others in the same round, since
// a machine has slow minutes: the median of all such ratios. Where a shadow does
// nothing each ratio is as likely above one as below, however skewed what is
// measured is; that would not hold for a ratio to the mean of both.
func (x *trio) effect() estimate {
	return estimated(x.rounds(), func(i int) []float64 {
		return []float64{x[withShadow][i] / x[without][i], x[withShadow][i] / x[withoutAgain][i]}
	})
}

// control is what no shadow at all does.
func (x *trio) control() estimate {
	return estimated(x.rounds(), func(i int) []float64 { return []float64{x[withoutAgain][i] / x[without][i]} })
}

// estimate is a median with the middle 95 % of what resampling gives.
type estimate struct{ middle, low, high float64 }

func (e estimate) String() string { return fmt.Sprintf("%.2f (%.2f to %.2f)", e.middle, e.low, e.high) }

func (e estimate) within(low, high float64) bool { return low <= e.low && e.high <= high }

// spread is how many times its lower end the upper one is.
func (e estimate) spread() float64 { return e.high / e.low }

// estimated is the median of the values of all rounds; rounds are drawn again
// whole (percentile bootstrap).
func estimated(rounds int, of func(round int) []float64) estimate {
	r := rand.New(rand.NewPCG(3, 4))
	over := func(pick func(i int) int) float64 {
		var all []float64
		for i := range rounds {
			all = append(all, of(pick(i))...)
		}
		return middle(all)
	}
	const times = 2000
	again := make([]float64, times)
	for i := range again {
		again[i] = over(func(int) int { return r.IntN(rounds) })
	}
	slices.Sort(again)
	return estimate{over(func(i int) int { return i }), again[times/40], again[times-1-times/40]}
}

// middle is the median.
func middle(x []float64) float64 {
	sorted := slices.Sorted(slices.Values(x))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func TestShadowsThatDoNothingHaveNoEffect(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var same, slower trio
	for range 400 {
		minute := 1 + 9*r.Float64()
		block := func() float64 { return minute * (1 + r.ExpFloat64()*r.ExpFloat64()) } // Skewed, as stalls are.
		same.add([3]float64{block(), block(), block()})
		slower.add([3]float64{block(), block(), 1.3 * block()})
	}
	if e := same.effect(); !e.within(1/1.15, 1.15) || e.low > 1 || e.high < 1 {
		t.Errorf("without an effect %s", e)
	}
	if e := slower.effect(); e.low < 1.15 || e.low > 1.3 || e.high < 1.3 {
		t.Errorf("with one of 1.3 times %s", e)
	}
	if e := slower.control(); !e.within(1/1.2, 1.2) {
		t.Errorf("without again %s", e)
	}
}
