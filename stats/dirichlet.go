// SPDX-License-Identifier: Apache-2.0

package stats

import "math"

// The Dirichlet-multinomial Bayes factor of counts n_i against fixed
// probabilities theta_i, with prior Dirichlet(alpha_i), is
//
//	ln B(alpha+n) - ln B(alpha) - sum n_i ln theta_i,
//	ln B(a) = sum ln Gamma(a_i) - ln Gamma(sum a_i).
//
// It is a martingale under theta, which makes it an e-value at any time. The
// terms are of the order of n ln n and their sum of the order of 1, so it is
// computed cell by cell in the form in which Stirling's large terms are gone.

// dirichletCell is the share of one cell in the Bayes factor. sum is the total
// of alpha and before that of the counts too: after = before + sum n_i.
func dirichletCell(n, theta, alpha, before, after float64) float64 {
	a := alpha + n
	out := (alpha-0.5)*(math.Log(a/alpha)-math.Log(after/before)) + stirling(a) - stirling(alpha)
	if n > 0 {
		out += n * math.Log(a/(after*theta))
	}
	return out
}

// dirichletRest completes the sum over k cells.
func dirichletRest(k int, before, after float64) float64 {
	return stirling(before) - stirling(after) - float64(k-1)/2*math.Log(after/before)
}

// dirichletLogE adds it all up. All theta and alpha must be positive.
func dirichletLogE(n, theta, alpha []float64) float64 {
	before, total := 0.0, 0.0
	for i := range alpha {
		before += alpha[i]
		total += n[i]
	}
	after := before + total
	out := dirichletRest(len(n), before, after)
	for i := range n {
		out += dirichletCell(n[i], theta[i], alpha[i], before, after)
	}
	return out
}
