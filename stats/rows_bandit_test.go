// SPDX-License-Identifier: Apache-2.0

package stats_test

import (
	"math"

	"github.com/headgate-dev/headgate/internal/bandit"
)

// banditRows are the rows that package internal/bandit computes.
func banditRows() map[string]computation {
	return map[string]computation{
		"ucb1":          row(ucb1),
		"klBern":        row(klBernoulli),
		"klucb":         row(klucb),
		"laiRobbins":    row(laiRobbins),
		"topTwoTS.prob": row(topTwo),
		"alloc.minMax":  row(minMax),
		"egreedy.prob":  row(epsilonGreedy),
	}
}

type ucb1Input struct {
	N, Mean      []float64
	Total, Alpha float64
}

func ucb1(in ucb1Input) (answer, error) {
	if in.Alpha != 1 {
		return nil, nil // The factor of the package is Auer's, 1.
	}
	index := make([]float64, len(in.N))
	for i, n := range in.N {
		index[i] = bandit.UCB1(in.Mean[i], n, math.Log(in.Total))
	}
	return answer{"index": index}, nil
}

type klBernoulliInput struct{ PQ [][2]float64 }

func klBernoulli(in klBernoulliInput) (answer, error) {
	kl := make([]float64, len(in.PQ))
	for i, pq := range in.PQ {
		kl[i] = bandit.KL(pq[0], pq[1])
	}
	return answer{"kl": kl}, nil
}

type klucbInput struct{ Mean, N, T, C float64 }

func klucb(in klucbInput) (answer, error) {
	budget := math.Log(in.T)
	if in.C != 0 {
		budget += in.C * math.Log(math.Log(in.T))
	}
	return answer{"index": bandit.KLUCB(in.Mean, budget/in.N)}, nil
}

type laiRobbinsInput struct{ Means []float64 }

func laiRobbins(in laiRobbinsInput) (answer, error) {
	return answer{"C": bandit.LaiRobbins(in.Means)}, nil
}

type topTwoInput struct {
	PBest []float64
	Beta  float64
}

func topTwo(in topTwoInput) (answer, error) {
	return answer{"alloc": bandit.TopTwo(in.PBest, in.Beta)}, nil
}

type minMaxInput struct{ W, Min, Max []float64 }

func minMax(in minMaxInput) (answer, error) {
	return answer{"p": bandit.Fit(1, in.W, in.Min, in.Max)}, nil
}

type epsilonGreedyInput struct {
	Mean []float64
	Eps  float64
}

func epsilonGreedy(in epsilonGreedyInput) (answer, error) {
	return answer{"p": bandit.EpsilonGreedy(in.Mean, in.Eps)}, nil
}
