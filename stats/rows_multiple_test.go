// SPDX-License-Identifier: Apache-2.0

package stats_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/multiple"
)

// multipleRows are the rows that package stats/multiple computes.
func multipleRows() map[string]computation {
	return map[string]computation{
		"adjust.BH":              row(adjusted(multiple.BenjaminiHochberg)),
		"adjust.holm":            row(adjusted(multiple.Holm)),
		"adjust.hochberg":        row(adjusted(multiple.Hochberg)),
		"eBH":                    row(eBH),
		"preferentialBonferroni": row(preferentialBonferroni),
		"dunnett.crit":           row(dunnettEqual),
		"dunnett.crit.unequal":   row(dunnettUnequal),
		"cochranQ":               row(cochranQ),
		"slice.ebShrink":         row(sliceShrink),
	}
}

type pvalueList struct{ P []float64 }

func adjusted(adjust func([]float64) ([]float64, error)) func(pvalueList) (answer, error) {
	return func(in pvalueList) (answer, error) {
		adj, err := adjust(in.P)
		rejected := 0
		for _, p := range adj {
			if p <= 0.05 {
				rejected++
			}
		}
		return answer{"adj": adj, "adj_first9": adj[:min(9, len(adj))], "rejected_at_05": rejected}, err
	}
}

func eBH(in struct {
	E, LogE []float64
	Alpha   float64
},
) (answer, error) {
	logE := in.LogE
	for _, e := range in.E {
		logE = append(logE, math.Log(e))
	}
	d, err := multiple.EBenjaminiHochberg(logE, in.Alpha)
	return answer{"rejected": d.Count, "threshold": math.Exp(d.LogThreshold)}, err
}

func preferentialBonferroni(in struct {
	Alpha, Gamma      float64
	Variants, Metrics int
},
) (answer, error) {
	l, err := multiple.PreferentialBonferroni(in.Alpha, in.Gamma, in.Variants, in.Metrics)
	return answer{"primary_alpha": l.Primary, "other_alpha": l.Other}, err
}

// degrees reads a number or the word for infinity, which is 0 here.
func degrees(raw json.RawMessage) (float64, error) {
	text := strings.Trim(string(raw), `"`)
	if text == "" || strings.EqualFold(text, "inf") || strings.EqualFold(text, "+inf") {
		return 0, nil
	}
	df, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("read df: %w", err)
	}
	return df, nil
}

func dunnettEqual(in struct {
	K, Sides   int
	DF         json.RawMessage
	Alpha, Rho float64
},
) (answer, error) {
	df, err := degrees(in.DF)
	if err != nil {
		return nil, err
	}
	d := multiple.Dunnett{Baseline: (1 - in.Rho) / in.Rho, DF: df, TwoSided: in.Sides == 2}
	for range in.K {
		d.Candidates = append(d.Candidates, 1)
	}
	c, err := d.Critical(in.Alpha)
	return answer{"c": c}, err
}

func dunnettUnequal(in struct {
	N0    float64
	N     []float64
	Alpha float64
	Sides int
	DF    json.RawMessage
},
) (answer, error) {
	df, err := degrees(in.DF)
	if err != nil {
		return nil, err
	}
	c, err := multiple.Dunnett{Baseline: in.N0, Candidates: in.N, DF: df, TwoSided: in.Sides == 2}.Critical(in.Alpha)
	return answer{"c": c}, err
}

type sliceEffects struct{ Effect, SE []float64 }

func (s sliceEffects) estimates() ([]stats.Estimate, error) {
	if len(s.Effect) != len(s.SE) {
		return nil, fmt.Errorf("%d effects and %d standard errors", len(s.Effect), len(s.SE))
	}
	out := make([]stats.Estimate, len(s.Effect))
	for i := range out {
		out[i] = stats.Estimate{Value: s.Effect[i], SE: s.SE[i]}
	}
	return out, nil
}

func cochranQ(in sliceEffects) (answer, error) {
	effects, err := in.estimates()
	if err != nil {
		return nil, err
	}
	h, err := multiple.Compare(effects)
	return answer{"pooled": h.Pooled.Value, "Q": h.Q, "df": h.DF, "p": h.P, "I2": h.I2}, err
}

func sliceShrink(in sliceEffects) (answer, error) {
	effects, err := in.estimates()
	if err != nil {
		return nil, err
	}
	h, err := multiple.Compare(effects)
	if err != nil {
		return nil, err
	}
	shrunk, err := h.Shrink(effects)
	values := make([]float64, len(shrunk))
	for i, e := range shrunk {
		values[i] = e.Value
	}
	return answer{"tau2": h.Tau2, "shrunk": values}, err
}
