// SPDX-License-Identifier: Apache-2.0

package bandit

import (
	"fmt"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// weights are what the policy would give each arm if there were no limits;
// their sum is above 0 and means nothing.
func weights(b *experiment.Bandit, arms []experiment.Arm, u *Update) ([]float64, error) {
	switch b.Policy {
	case experiment.EpsilonGreedy:
		return EpsilonGreedy(values(arms, u.Goal), b.Epsilon/(1+b.Decay*float64(u.Number))), nil
	case experiment.UCB1, experiment.KLUCB:
		return indexWeights(b.Policy, arms, u), nil
	case experiment.Thompson:
		return Best(arms, u.Goal)
	case experiment.TopTwo:
		best, err := Best(arms, u.Goal)
		if err != nil {
			return nil, err
		}
		return TopTwo(best, topTwoBeta), nil
	}
	return nil, fmt.Errorf("policy is %q: want %s, %s, %s, %s or %s", b.Policy,
		experiment.EpsilonGreedy, experiment.UCB1, experiment.KLUCB, experiment.Thompson, experiment.TopTwo)
}

// EpsilonGreedy are the shares, from 0 to 1, of a policy that spreads epsilon
// over all versions and gives the rest to the one with the largest value, or in
// equal parts to those that tie.
func EpsilonGreedy(values []float64, epsilon float64) []float64 {
	best, ties := 0, 0
	for i, v := range values {
		switch {
		case v > values[best]:
			best, ties = i, 1
		case v == values[best]:
			ties++
		}
	}
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = epsilon / float64(len(values))
		if v == values[best] {
			out[i] += (1 - epsilon) / float64(ties)
		}
	}
	return out
}

// topTwoBeta is how often top-two sampling plays the first of the two. A half
// is at most twice as slow as the best choice (Russo 2020, section 5).
const topTwoBeta = 0.5

// TopTwo are the shares of top-two sampling, given the probability of each
// version of being best: draw one version by it and play it with probability
// beta; else draw until another comes and play that. In closed form (Russo
// 2020):
//
//	psi_i = a_i (beta + (1-beta) sum_{j != i} a_j/(1-a_j)).
//
// A version that is the best for certain has beta, and the others the rest in
// equal parts. A single version has everything.
func TopTwo(best []float64, beta float64) []float64 {
	k := len(best)
	out := make([]float64, k)
	if k == 1 {
		out[0] = 1
		return out
	}
	for j, a := range best {
		out[j] += a * beta
		others := 0.0 // 1 - a, with the digits that the difference has lost.
		for i, o := range best {
			if i != j {
				others += o
			}
		}
		for i, o := range best {
			switch {
			case i == j:
			case others > 0:
				out[i] += (1 - beta) * a * (o / others)
			default:
				out[i] += (1 - beta) * a / float64(k-1)
			}
		}
	}
	return out
}
