// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/input"
	"github.com/headgate-dev/headgate/stats/internal/root"
)

// maxTrials bounds the exact binomial sums, whose length grows with sqrt(n).
const maxTrials = 1 << 40

// BinomialTestGreater is the exact one-sided binomial test: the probability of
// x or more hits in n trials of probability p, accurate to about 1e-10 in
// relative terms however small it is. It is what a simulated error rate is
// accepted or refused by. n may be up to 2^40.
func BinomialTestGreater(x, n int64, p float64) (pvalue float64, err error) {
	const fn = "BinomialTestGreater"
	if err := input.First((Counts{N: n, X: x}).check(fn), trials(fn, n), input.Fraction(fn, "p", p)); err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, input.NoData(fn, "no trials")
	}
	if float64(x) > float64(n)*p {
		return min(1, binomialTail(float64(x), float64(n), p, 1-p)), nil
	}
	// The complement is the upper tail of the misses, from n-x+1 on.
	if x == 0 {
		return 1, nil
	}
	return max(0, 1-binomialTail(float64(n-x+1), float64(n), 1-p, p)), nil
}

// binomialTail is P(X >= x) for x beyond the mean, as the probability of x
// times a series of falling terms.
func binomialTail(x, n, p, q float64) float64 {
	sum, term := 1.0, 1.0
	for k := x; k < n && term > 1e-17*sum; k++ {
		term *= (n - k) / (k + 1) * (p / q)
		sum += term
	}
	return binomialProbability(x, n, p, q) * sum
}

// binomialProbability is P(X = x) by Loader's saddle-point form (2000), in
// which no large numbers cancel.
func binomialProbability(x, n, p, q float64) float64 {
	switch x {
	case 0:
		return math.Exp(n * math.Log(q))
	case n:
		return math.Exp(n * math.Log(p))
	}
	y := n - x
	log := stirling(n) - stirling(x) - stirling(y) - deviance(x, n*p) - deviance(y, n*q)
	return math.Exp(log) * math.Sqrt(n/(2*math.Pi*x*y))
}

// deviance is x ln(x/m) + m - x.
func deviance(x, m float64) float64 {
	d := x - m
	return x*math.Log1p(d/m) - d
}

// ClopperPearson is the exact confidence interval for a proportion at one look
// chosen in advance, with confidence conf, such as 0.95, at least. Without
// trials it is ErrNoData.
func ClopperPearson(c Counts, conf float64) (Interval, error) {
	const fn = "ClopperPearson"
	if err := input.First(c.check(fn), trials(fn, c.N), input.Fraction(fn, "conf", conf)); err != nil {
		return Interval{}, err
	}
	if c.N == 0 {
		return Interval{}, input.NoData(fn, "no trials")
	}
	tail := (1 - conf) / 2
	x, y := float64(c.X), float64(c.N-c.X)
	return Interval{
		Low:  logistic(clopperPearson(x, y, tail)),
		High: logistic(-clopperPearson(y, x, tail)),
	}, nil
}

// clopperPearson is the lower end for x hits and y misses as a logit; by
// symmetry the upper end is minus the lower one of the misses. x or more hits
// have the probability I_p(x, y+1).
func clopperPearson(x, y, tail float64) float64 {
	if x == 0 {
		return math.Inf(-1)
	}
	target := math.Log(tail)
	excess := func(logit float64) float64 {
		return logIncBeta(x, y+1, logistic(logit), logistic(-logit)) - target
	}
	const edge = 660 // p = 1e-287
	if excess(-edge) >= 0 {
		return math.Inf(-1)
	}
	return root.Find(excess, -edge, edge, 1e-13)
}

// trials refuses more trials than exact sums are made for.
func trials(fn string, n int64) error {
	if n > maxTrials {
		return input.Refuse(fn, "trials", float64(n), "at most 2^40")
	}
	return nil
}
