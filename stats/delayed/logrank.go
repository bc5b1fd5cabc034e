// SPDX-License-Identifier: Apache-2.0

package delayed

import (
	"math"
	"slices"

	"github.com/headgate-dev/headgate/stats/internal/input"
	"gonum.org/v1/gonum/mathext"
)

// MaxVersions is the largest number of versions that one log-rank test may
// have.
const MaxVersions = 100

// LogRank is the log-rank test (Mantel 1966) that outcomes come equally soon
// and often in all versions, at equal age: chi-squared with versions - 1
// degrees of freedom, at one look fixed in advance. It needs about 10 outcomes
// per version. Without outcomes, or with versions that were never watched at
// the same age, it is ErrNoData.
func LogRank(versions [][]Observation) (chi2, p float64, err error) {
	const fn = "delayed.LogRank"
	groups := make([][]spell, len(versions))
	for g, os := range versions {
		for _, o := range os {
			if err := duration(fn, "time", o.Time); err != nil {
				return 0, 0, err
			}
			groups[g] = append(groups[g], spell{from: math.Inf(-1), to: o.Time, event: o.Event})
		}
	}
	return logRank(fn, groups)
}

// Delay is one outcome: how long after the exposure it came, and how old its
// unit is by now, within which it must have come to be seen.
type Delay struct {
	Delay float64 `json:"delay"`
	Age   float64 `json:"age"`
}

// DelaysDiffer tests whether the delays of outcomes differ between versions,
// however many outcomes each has and however old its units are; LogRank would
// alarm on any of these. Short delays are seen first, so delays are compared in
// reverse: of the outcomes that took at most t, in units old enough to show
// one of t, how many took t (Lagakos, Barraj and De Gruttola 1988)? In that
// time it is a log-rank test, with the conditions of LogRank. Below p = 0.01,
// Weighted with common delays is unfair: use Matured.
func DelaysDiffer(versions [][]Delay) (chi2, p float64, err error) {
	const fn = "delayed.DelaysDiffer"
	groups := make([][]spell, len(versions))
	for g, ds := range versions {
		for _, d := range ds {
			if err := duration(fn, "age", d.Age); err != nil {
				return 0, 0, err
			}
			if !(d.Delay >= 0 && d.Delay <= d.Age) {
				return 0, 0, input.Refuse(fn, "delay", d.Delay, "from 0 to the age")
			}
			groups[g] = append(groups[g], spell{from: -d.Age, to: -d.Delay, event: true})
		}
	}
	return logRank(fn, groups)
}

// spell is the time, ends included, in which a unit was watched, and whether
// it ended with an event.
type spell struct {
	from, to float64
	event    bool
}

// logRank compares events with what their times lead to expect, version by
// version. The sum over versions is zero, so the last one is left out.
func logRank(fn string, groups [][]spell) (chi2, p float64, err error) {
	k := len(groups)
	if k < 2 || k > MaxVersions {
		return 0, 0, input.Refuse(fn, "number of versions", float64(k), "from 2 to 100")
	}
	excess, cov := scores(groups)
	l, ok := cholesky(cov, k-1)
	if !ok {
		return 0, 0, input.NoData(fn, "no events while the versions were watched together")
	}
	// chi2 = excess' cov^-1 excess = |L^-1 excess|^2.
	for i := range k - 1 {
		v := excess[i]
		for j := range i {
			v -= l[i][j] * excess[j]
		}
		excess[i] = v / l[i][i]
		chi2 += excess[i] * excess[i]
	}
	return chi2, mathext.GammaIncRegComp(float64(k-1)/2, chi2/2), nil
}

// scores are the events of each version above what was expected, and the
// covariance of these numbers, which is that of drawing without replacement.
func scores(groups [][]spell) (excess []float64, cov [][]float64) {
	k := len(groups)
	excess, cov = make([]float64, k), make([][]float64, k)
	from, to, events := make([][]float64, k), make([][]float64, k), make([][]float64, k)
	var times []float64
	for g, spells := range groups {
		cov[g] = make([]float64, k)
		for _, s := range spells {
			from[g], to[g] = append(from[g], s.from), append(to[g], s.to)
			if s.event {
				events[g], times = append(events[g], s.to), append(times, s.to)
			}
		}
		slices.Sort(from[g])
		slices.Sort(to[g])
		slices.Sort(events[g])
	}
	slices.Sort(times)
	begun, ended, happened := make([]int, k), make([]int, k), make([]int, k)
	n, d := make([]float64, k), make([]float64, k)
	for _, t := range slices.Compact(times) {
		total, now := 0.0, 0.0
		for g := range k {
			begun[g] = pass(from[g], begun[g], func(v float64) bool { return v <= t })
			ended[g] = pass(to[g], ended[g], func(v float64) bool { return v < t })
			before := happened[g]
			happened[g] = pass(events[g], before, func(v float64) bool { return v <= t })
			n[g], d[g] = float64(begun[g]-ended[g]), float64(happened[g]-before)
			total += n[g]
			now += d[g]
		}
		spread := 0.0
		if total > 1 {
			spread = now * (total - now) / (total - 1)
		}
		for g := range k {
			share := n[g] / total
			excess[g] += d[g] - now*share
			cov[g][g] += spread * share
			for h := range k {
				cov[g][h] -= spread * share * (n[h] / total)
			}
		}
	}
	return excess, cov
}

// pass is the first index from i on at which sorted values are not over.
func pass(sorted []float64, i int, over func(float64) bool) int {
	for i < len(sorted) && over(sorted[i]) {
		i++
	}
	return i
}

// cholesky factorises the leading n by n part of a covariance, and says
// whether it is positive definite by more than rounding.
func cholesky(cov [][]float64, n int) ([][]float64, bool) {
	l := make([][]float64, n)
	for i := range n {
		l[i] = make([]float64, n)
		for j := range i + 1 {
			v := cov[i][j]
			for m := range j {
				v -= l[i][m] * l[j][m]
			}
			if i != j {
				l[i][j] = v / l[j][j]
				continue
			}
			if !(v > 1e-12*cov[i][i]) {
				return nil, false
			}
			l[i][i] = math.Sqrt(v)
		}
	}
	return l, true
}
