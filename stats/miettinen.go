// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/input"
	"github.com/headgate-dev/headgate/stats/internal/root"
)

// MiettinenNurminenZ is the score statistic against "candidate - baseline is
// d", for d above -1 and below 1 (Miettinen and Nurminen 1985): the difference
// in standard errors, under the proportions that are likeliest if d is true.
// It holds for rarer hits than other normal approximations. With d = -margin it
// is the test of non-inferiority of Farrington and Manning. Where d is
// incompatible with nothing at all having varied, it is ErrNoData.
func MiettinenNurminenZ(candidate, baseline Counts, d float64) (float64, error) {
	const fn = "MiettinenNurminenZ"
	if err := input.First(checkProportions(fn, candidate, baseline), input.Fraction(fn, "d", (d+1)/2)); err != nil {
		return 0, err
	}
	diff, se := miettinenNurminen(candidate, baseline, d)
	if se == 0 {
		if diff == 0 {
			return 0, input.NoData(fn, "every trial ended alike")
		}
		return 0, input.Refuse(fn, "d", d, "a difference that leaves some variation")
	}
	return min(max(diff/se, -maxZ), maxZ), nil
}

// miettinenNurminen is the estimated difference less d, and its standard error
// if d is true.
func miettinenNurminen(candidate, baseline Counts, d float64) (diff, se float64) {
	nc, nb := float64(candidate.N), float64(baseline.N)
	xc, xb := float64(candidate.X), float64(baseline.X)
	pb := likeliest(xc, nc-xc, xb, nb-xb, d)
	pc := min(max(pb+d, 0), 1)
	v := pc*(1-pc)/nc + pb*(1-pb)/nb
	return xc/nc - xb/nb - d, math.Sqrt(v * (nc + nb) / (nc + nb - 1))
}

// likeliest is the baseline's proportion that makes xc hits and yc misses, xb
// hits and yb misses likeliest if the candidate's is larger by d. The
// likelihood is concave, so its slope is followed to where it vanishes; the
// published closed form takes an arc cosine near 1, which leaves rare hits
// without digits.
func likeliest(xc, yc, xb, yb, d float64) float64 {
	over := func(n, p float64) float64 {
		if n == 0 {
			return 0
		}
		return n / max(p, 0)
	}
	slope := func(p float64) float64 {
		return over(xc, p+d) + over(xb, p) - over(yc, 1-p-d) - over(yb, 1-p)
	}
	low, high := max(0, -d), min(1, 1-d)
	if slope(low) <= 0 {
		return low
	}
	if slope(high) >= 0 {
		return high
	}
	return root.Find(slope, low, high, 0)
}

// MiettinenNurminenInterval is all differences candidate - baseline that
// MiettinenNurminenZ does not reject two-sided at alpha, at one look fixed in
// advance. It lies within -1 and 1, and it exists without any hits too.
func MiettinenNurminenInterval(candidate, baseline Counts, alpha float64) (Interval, error) {
	const fn = "MiettinenNurminenInterval"
	if err := input.First(checkProportions(fn, candidate, baseline), level(fn, alpha)); err != nil {
		return Interval{}, err
	}
	z := -NormalQuantile(alpha / 2)
	estimate := float64(candidate.X)/float64(candidate.N) - float64(baseline.X)/float64(baseline.N)
	end := func(sign, edge float64) float64 {
		excess := func(d float64) float64 {
			diff, se := miettinenNurminen(candidate, baseline, d)
			return sign*diff - z*se
		}
		// At the estimate itself the standard error can be zero, just off it
		// it cannot.
		inner := estimate - sign*1e-13
		if excess(edge) <= 0 || excess(inner) >= 0 {
			return edge
		}
		return root.Find(excess, edge, inner, 1e-15)
	}
	return Interval{Low: end(1, -1), High: end(-1, 1)}, nil
}
