// SPDX-License-Identifier: Apache-2.0

package bandit

import (
	"errors"
	"fmt"
	"math"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats/bayes"
)

// Best is for each arm, in their order, the probability that its true reward
// is the best of all: the largest, or with the goal Decrease the smallest. It
// is computed by quadrature (package stats/bayes) and says nothing of how
// often somebody errs who acts on it.
//
// If all arms are binary, a rate is believed to follow Beta(1 + x, 1 + N - x)
// with x = N Mean. Otherwise a mean is believed to be normal around Mean with
// SE. An arm without a standard error, because it has fewer than two units or
// all of its rewards were equal so far, is as uncertain as one unit is worth,
// divided by the square root of its units; one unit is worth the largest
// standard deviation seen among the arms (a unit-information prior, Kass and
// Wasserman 1995). An arm of which nothing is known stands beside the best.
//
// Errors are malformed arms: none at all, numbers outside their domain, arms
// of different groups.
func Best(arms []experiment.Arm, goal experiment.Goal) ([]float64, error) {
	if len(arms) == 0 || len(arms) > bayes.MaxVersions {
		return nil, fmt.Errorf("probability of being best: %d arms: want 1 to %d", len(arms), bayes.MaxVersions)
	}
	if err := checkArms(arms); err != nil {
		return nil, fmt.Errorf("probability of being best: %w", err)
	}
	r, err := rank(arms, goal)
	if errors.Is(err, bayes.ErrPrecision) {
		// Arms so far apart for their widths that no quadrature sees them
		// both: the better mean is the best for certain.
		return EpsilonGreedy(values(arms, goal), 0), nil
	}
	if err != nil {
		return nil, fmt.Errorf("probability of being best: %w", err)
	}
	return r.Best, nil
}

// rank hands the arms' posteriors to the quadrature.
func rank(arms []experiment.Arm, goal experiment.Goal) (bayes.Ranking, error) {
	if allBinary(arms) {
		betas := make([]bayes.Beta, len(arms))
		for i, a := range arms {
			betas[i] = posterior(a)
			if goal.Sign() < 0 {
				betas[i].A, betas[i].B = betas[i].B, betas[i].A
			}
		}
		return bayes.RankBetas(betas)
	}
	means, unit := values(arms, goal), unitSD(arms)
	normals := make([]bayes.Normal, len(arms))
	for i, a := range arms {
		normals[i] = bayes.Normal{Mean: means[i], SD: a.SE}
		if a.N < 2 || a.SE == 0 {
			normals[i].SD = max(unit/math.Sqrt(float64(max(1, a.N))), math.SmallestNonzeroFloat64)
		}
	}
	return bayes.RankNormals(normals)
}

// posterior is what is believed of a binary arm's rate, after a uniform prior.
// A mean that is stratified by period is less certain than its units' number
// says; its standard error tells how many units of one period it is worth.
func posterior(a experiment.Arm) bayes.Beta {
	prior := bayes.Uniform()
	if a.N == 0 {
		return prior
	}
	n := float64(a.N)
	if spread := a.Mean * (1 - a.Mean); a.SE > 0 && spread > 0 {
		n = min(n, spread/(a.SE*a.SE)+1)
	}
	x := a.Mean * n
	return bayes.Beta{A: prior.A + x, B: prior.B + (n - x)}
}

func allBinary(arms []experiment.Arm) bool {
	for _, a := range arms {
		if !a.Binary {
			return false
		}
	}
	return true
}

// values are the arms' means, turned so that larger is better. An arm of which
// nothing is known is taken for as good as the best: optimism costs a few
// units, and pessimism would never find out.
func values(arms []experiment.Arm, goal experiment.Goal) []float64 {
	out := make([]float64, len(arms))
	best, known := 0.0, false
	for i, a := range arms {
		if a.N == 0 {
			continue
		}
		out[i] = goal.Sign() * a.Mean
		if !known || out[i] > best {
			best, known = out[i], true
		}
	}
	for i, a := range arms {
		if a.N == 0 {
			out[i] = best
		}
	}
	return out
}

// unitSD is the largest standard deviation of a single unit's reward among the
// arms. Where no arm has any spread it is that of the means, and 1 where these
// are equal too, because then any will do.
func unitSD(arms []experiment.Arm) float64 {
	sd := 0.0
	low, high := math.Inf(1), math.Inf(-1)
	for _, a := range arms {
		if a.N == 0 {
			continue
		}
		low, high = min(low, a.Mean), max(high, a.Mean)
		if a.N > 1 {
			sd = max(sd, a.SE*math.Sqrt(float64(a.N)))
		}
	}
	const most = math.MaxFloat64 / 4 // Twice of it is still a number.
	switch {
	case sd > 0:
		return min(sd, most)
	case high > low:
		return min(high-low, most)
	}
	return 1
}
