// SPDX-License-Identifier: Apache-2.0

package delayed

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/headgate-dev/headgate/stats"
)

// improbable is how unlikely a simulated count must be under a claim for the
// claim to be refused. Seeds are fixed, so that a failure means that the code
// changed, and at 1e-6 that it is wrong.
const improbable = 1e-6

// acceptAtMost refuses a claim "the probability is at most p" after x in n.
func acceptAtMost(t *testing.T, what string, x, n int64, p float64) {
	t.Helper()
	v, err := stats.BinomialTestGreater(x, n, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d of %d (%.4f), claimed at most %g", what, x, n, float64(x)/float64(n), p)
	if v < improbable {
		t.Errorf("%s: %d of %d is improbable (%.2g) if the rate is at most %g", what, x, n, v, p)
	}
}

// acceptAtLeast is the same for "at least p".
func acceptAtLeast(t *testing.T, what string, x, n int64, p float64) {
	t.Helper()
	acceptAtMost(t, "not "+what, n-x, n, 1-p)
}

// outcomes draws units exposed evenly over a time, of whom a share will have
// an outcome after an exponential delay with the given mean; it returns what is
// seen at the end.
func outcomes(r *rand.Rand, n int, time, share, mean float64) (seen []Observation, delays []Delay) {
	for range n {
		age := time * r.Float64()
		delay := math.Inf(1)
		if r.Float64() < share {
			delay = mean * r.ExpFloat64()
		}
		if delay <= age {
			delays = append(delays, Delay{Delay: delay, Age: age})
		}
		seen = append(seen, Observation{Time: min(delay, age), Event: delay <= age})
	}
	return seen, delays
}

func TestYoungUnitsAreWeightedRight(t *testing.T) {
	const runs, share, mean = 1500, 0.2, 6.0
	r := rand.New(rand.NewPCG(31, 1))
	delay := func(age float64) float64 { return -math.Expm1(-age / mean) }
	var covered, naiveCovered int64
	for range runs {
		cohorts := make([]Cohort, 10)
		var all stats.Counts
		for i := range cohorts {
			age := 1 + 2*float64(i)
			c := stats.Counts{N: 80}
			for range c.N {
				if r.Float64() < share*delay(age) {
					c.X++
				}
			}
			cohorts[i] = Cohort{Age: age, Counts: c}
			all = all.Merge(c)
		}
		e, err1 := Weighted(cohorts, delay)
		naive, err2 := all.Proportion()
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		covered += one(math.Abs(e.Value-share) < 1.96*e.SE)
		naiveCovered += one(math.Abs(naive.Value-share) < 1.96*naive.SE)
	}
	acceptAtLeast(t, "truths in the interval", covered, runs, 0.94)
	acceptAtMost(t, "truths in the naive interval", naiveCovered, runs, 0.2)
}

func one(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

func TestIncidenceFindsWhatTheYoungHide(t *testing.T) {
	const runs, share, mean, at = 800, 0.4, 5.0, 8.0
	r := rand.New(rand.NewPCG(32, 1))
	truth := share * -math.Expm1(-at/mean)
	var covered int64
	for range runs {
		seen, _ := outcomes(r, 300, 20, share, mean)
		steps, err := RiskTable(seen)
		if err != nil {
			t.Fatal(err)
		}
		c, err := CumulativeIncidence(steps)
		if err != nil {
			t.Fatal(err)
		}
		var p Point
		for _, q := range c {
			if q.Time <= at {
				p = q
			}
		}
		covered += one(math.Abs(p.Value-truth) < 1.96*p.SE)
	}
	acceptAtLeast(t, "truths in the interval", covered, runs, 0.93)
}

// alarms counts p-values of at most 5 % between two versions that differ in
// share, mean delay and age.
func alarms(t *testing.T, r *rand.Rand, runs int, shares, means, times [2]float64) (rank, delays int64) {
	t.Helper()
	for range runs {
		var seen [2][]Observation
		var late [2][]Delay
		for g := range 2 {
			seen[g], late[g] = outcomes(r, 300, times[g], shares[g], means[g])
		}
		_, p, err1 := LogRank(seen[:])
		_, q, err2 := DelaysDiffer(late[:])
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		rank += one(p <= 0.05)
		delays += one(q <= 0.05)
	}
	return rank, delays
}

func TestDelaysAreComparedWhateverTheirNumber(t *testing.T) {
	const runs = 1500
	r := rand.New(rand.NewPCG(33, 1))
	both := func(v float64) [2]float64 { return [2]float64{v, v} }

	rank, delays := alarms(t, r, runs, both(0.3), both(4), both(10))
	acceptAtMost(t, "log-rank alarms on identical versions", rank, runs, 0.055)
	acceptAtMost(t, "delay alarms on identical versions", delays, runs, 0.055)

	// More outcomes and younger units, but the same delays.
	rank, delays = alarms(t, r, runs, [2]float64{0.3, 0.6}, both(4), [2]float64{20, 5})
	acceptAtMost(t, "delay alarms on equal delays", delays, runs, 0.055)
	acceptAtLeast(t, "log-rank alarms on unequal shares", rank, runs, 0.9)

	_, delays = alarms(t, r, runs/3, both(0.6), [2]float64{2, 6}, both(20))
	acceptAtLeast(t, "delay alarms on unequal delays", delays, runs/3, 0.95)
}
