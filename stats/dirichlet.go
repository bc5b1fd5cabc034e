// SPDX-License-Identifier: Apache-2.0

package stats

import "math"

// The Dirichlet-multinomial Bayes factor of counts n_i against fixed
// probabilities theta_i, with prior Dirichlet(alpha_i), is
//
//	ln B(alpha+n) - ln B(alpha) - sum n_i ln theta_i,
//	ln B(a) = sum ln Gamma(a_i) - ln Gamma(sum a_i).
//
// It is a martingale under theta, which makes it an e-value at any time. Its
// terms are of the order of n ln n and their sum of the order of 1, so it is
// computed cell by cell in the form in which Stirling's large terms are gone
// and what remains depends on deviations from what theta leads to expect.

// dirichletCell is the share of one cell in the Bayes factor: n counts with
// probability theta and prior alpha. before is the sum of all alpha, and after
// that of all alpha + n. deviation is alpha + n - after*theta; the caller
// computes it, because deviations must add up to 0 over the cells.
func dirichletCell(n, deviation, theta, alpha, before, after float64) float64 {
	a := alpha + n
	expected := after * theta
	var l float64
	if math.Abs(deviation) < expected/2 {
		l = math.Log1p(deviation / expected)
	} else {
		l = math.Log(a / expected)
	}
	return n*l + (alpha-0.5)*(l-math.Log(alpha/(before*theta))) + stirling(a) - stirling(alpha)
}

// dirichletRest completes the sum over k cells.
func dirichletRest(k int, before, after float64) float64 {
	return stirling(before) - stirling(after) - float64(k-1)/2*math.Log(after/before)
}

// dirichletLogE adds it all up. All theta and alpha must be positive.
func dirichletLogE(n, theta, alpha []float64) float64 {
	before, total, largest := 0.0, 0.0, 0
	for i := range n {
		before += alpha[i]
		total += n[i]
		if theta[i] > theta[largest] {
			largest = i
		}
	}
	after := before + total
	out, others := dirichletRest(len(n), before, after), 0.0
	for i := range n {
		if i == largest {
			continue
		}
		d := alpha[i] + n[i] - after*theta[i]
		others += d
		out += dirichletCell(n[i], d, theta[i], alpha[i], before, after)
	}
	return out + dirichletCell(n[largest], -others, theta[largest], alpha[largest], before, after)
}
