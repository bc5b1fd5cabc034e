// SPDX-License-Identifier: Apache-2.0

package stats_test

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/delayed"
)

// delayedRows are the rows that package stats/delayed computes.
func delayedRows() map[string]computation {
	return map[string]computation{
		"delayed.KM":               row(kaplanMeier),
		"delayed.maturityWeighted": row(maturityWeighted),
	}
}

type kaplanMeierInput struct {
	Events []struct{ T, D, AtRisk float64 }
}

func kaplanMeier(in kaplanMeierInput) (answer, error) {
	var steps []delayed.Step
	for _, e := range in.Events {
		steps = append(steps, delayed.Step{Time: e.T, Events: int64(e.D), AtRisk: int64(e.AtRisk)})
	}
	c, err := delayed.CumulativeIncidence(steps)
	if err != nil {
		return nil, err
	}
	return answer{"F": c[len(c)-1].Value}, nil
}

type maturityWeightedInput struct {
	Ages      []float64 `json:"age_days"`
	N         []int64
	Converted []int64
	Delay     string
}

func maturityWeighted(in maturityWeightedInput) (answer, error) {
	var rate float64
	text := strings.ReplaceAll(strings.ReplaceAll(in.Delay, " ", ""), "rate=.", "rate=0.")
	if _, err := fmt.Sscanf(text, "Exp(rate=%g", &rate); err != nil {
		return nil, nil // Other delays than exponential ones.
	}
	var cohorts []delayed.Cohort
	var all stats.Counts
	for i, age := range in.Ages {
		c := stats.Counts{N: in.N[i], X: in.Converted[i]}
		cohorts, all = append(cohorts, delayed.Cohort{Age: age, Counts: c}), all.Merge(c)
	}
	p, err1 := delayed.Weighted(cohorts, func(age float64) float64 { return -math.Expm1(-rate * age) })
	naive, err2 := all.Proportion()
	return answer{"p_hat": p.Value, "naive": naive.Value}, errors.Join(err1, err2)
}
