// SPDX-License-Identifier: Apache-2.0

package bandit

import (
	"math"
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// UCB1 is the index of Auer, Cesa-Bianchi and Fischer (2002) for rewards from 0
// to 1: the mean of n > 0 pulls plus sqrt(2 ln/n), where ln is the logarithm of
// the pulls of all versions.
func UCB1(mean, n, ln float64) float64 { return mean + math.Sqrt(2*ln/n) }

// KL is the divergence of a coin with rate q from one with rate p, both from 0
// to 1, in nats: p ln(p/q) + (1-p) ln((1-p)/(1-q)). It is +Inf where q rules
// out what p may give.
func KL(p, q float64) float64 { return max(0, surprise(p, q, q-p)+surprise(1-p, 1-q, p-q)) }

// surprise is p ln(p/q), with d = q-p. For q near p it goes by the logarithm of
// 1+x, because the two terms of a divergence cancel there, and only if both see
// the same d.
func surprise(p, q, d float64) float64 {
	switch {
	case p == 0:
		return 0
	case math.Abs(d) < p/2:
		return -p * math.Log1p(d/p)
	default:
		return p * math.Log(p/q)
	}
}

// KLUCB is the index of Garivier and Cappé (2011) for rewards from 0 to 1: the
// largest q with KL(mean, q) <= budget, where budget is ln(total)/n, or with a
// term c ln(ln(total))/n added in theory (here c = 0, as they advise).
//
// By Newton's method, which on a convex function and from above comes down
// without overshooting. It starts at the lesser of two bounds: Pinsker's
// KL >= 2(q-p)^2, and KL >= p ln p + (1-p) ln((1-p)/(1-q)).
func KLUCB(mean, budget float64) float64 {
	p := mean
	if p >= 1 {
		return 1
	}
	entropy := 0.0
	if p > 0 {
		entropy = -p * math.Log(p)
	}
	q := min(p+math.Sqrt(budget/2), 1-(1-p)*math.Exp(-(budget+entropy)/(1-p)))
	for range 64 {
		if q <= p || q >= 1 {
			break
		}
		next := q - (KL(p, q)-budget)*q*(1-q)/(q-p)
		if !(next < q) {
			break
		}
		q = next
	}
	return min(max(q, p), 1)
}

// LaiRobbins is the constant C of the least regret that any good policy has in
// the long run between coins with these rates: C ln(T) after T pulls, with
// C = sum (best - rate)/KL(rate, best) over the rates below the best (Lai and
// Robbins 1985).
func LaiRobbins(rates []float64) float64 {
	best, c := math.Inf(-1), 0.0
	for _, r := range rates {
		best = max(best, r)
	}
	for _, r := range rates {
		if r < best {
			c += (best - r) / KL(r, best)
		}
	}
	return c
}

// index is an upper bound of a version's value after n pulls; it falls in n.
type index func(value, n float64) float64

// indexWeights are the proportions of the fictitious pulls.
func indexWeights(policy experiment.BanditPolicy, arms []experiment.Arm, u *Update) []float64 {
	n := make([]float64, len(arms))
	total := 0.0
	for i, a := range arms {
		n[i] = float64(a.N) + float64(a.Pending)
		total += n[i]
	}
	batch := max(1, math.Round(total/float64(max(1, u.Number))))
	x, ix := indexOf(policy, arms, u, math.Log(max(1, total)))
	return handOut(ix, x, n, batch)
}

// indexOf gives the policy's index, with ln the logarithm of all pulls, and
// the arms' values on its scale.
//
// Rewards of a known range, which is 0 to 1 for binary ones, are scaled to 0
// to 1. Without a range neither index is defined, and a unit's standard
// deviation, seen through the standard errors, stands in. UCB1 then takes twice
// that for the width of the range, since no range can be narrower (Popoviciu).
// KL-UCB takes rewards for normal with that deviation, for which its index is
// value + sd sqrt(2 ln/n). Both explore too little if the reward has a
// tail that was not seen yet; a declared range is better.
func indexOf(policy experiment.BanditPolicy, arms []experiment.Arm, u *Update, ln float64) ([]float64, index) {
	x := values(arms, u.Goal)
	if u.Range == nil && !allBinary(arms) {
		width := unitSD(arms)
		if policy == experiment.UCB1 {
			width *= 2
		}
		return x, func(v, n float64) float64 { return v + width*math.Sqrt(2*ln/n) }
	}
	low, width := 0.0, 1.0
	if u.Range != nil {
		low, width = u.Range.Low, u.Range.High-u.Range.Low
	}
	if u.Goal.Sign() < 0 {
		low = -(low + width) // The values are turned round, and so is the range.
	}
	known := slices.ContainsFunc(arms, func(a experiment.Arm) bool { return a.N > 0 })
	for i := range x {
		x[i] = min(max((x[i]-low)/width, 0), 1)
		if !known { // Anything goes, as long as it does not depend on the unit.
			x[i] = 0.5
		}
	}
	if policy == experiment.UCB1 {
		return x, func(v, n float64) float64 { return UCB1(v, n, ln) }
	}
	return x, func(v, n float64) float64 { return KLUCB(v, ln/n) }
}

// finest is how many pieces a batch is handed out in when it has more units
// than that; each is then worth 2.4 slots.
const finest = 1 << 12

// handOut gives m pulls, one by one, each to the version with the largest
// index, and says how many each one got. n are the pulls so far. Versions that
// tie get a pull each, and share the last ones.
func handOut(ix index, x, n []float64, m float64) []float64 {
	got := make([]float64, len(x))
	at := make([]float64, len(x))
	look := func(i int) {
		at[i] = math.Inf(1) // A version never pulled comes before all others.
		if pulls := n[i] + got[i]; pulls > 0 {
			at[i] = ix(x[i], pulls)
		}
	}
	for i := range x {
		look(i)
	}
	piece := max(1, m/finest)
	for left := m; left > 0; {
		top, ties := math.Inf(-1), 0.0
		for _, a := range at {
			switch {
			case a > top:
				top, ties = a, 1
			case a == top:
				ties++
			}
		}
		each := min(piece, left/ties)
		for i, a := range at {
			if a == top {
				got[i] += each
				look(i)
			}
		}
		left -= each * ties
		if left < piece*1e-6 { // What rounding left of fractions is no pull.
			break
		}
	}
	return got
}
