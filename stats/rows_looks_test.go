// SPDX-License-Identifier: Apache-2.0

package stats_test

import (
	"fmt"
	"math"
	"strings"

	"github.com/headgate-dev/headgate/stats"
)

// looksRows are the rows of group-sequential tests.
func looksRows() map[string]computation {
	return map[string]computation{
		"gs.ldOBF":            row(func(in schedule) (answer, error) { return in.boundaries(stats.OBrienFleming) }),
		"gs.ldPocock":         row(func(in schedule) (answer, error) { return in.boundaries(stats.Pocock) }),
		"gs.kimDeMets":        row(func(in schedule) (answer, error) { return in.boundaries(stats.KimDeMets(in.Rho)) }),
		"gs.pocock":           row(pocockConstant),
		"gs.obrienFleming":    row(obrienFleming),
		"gs.crossProb":        row(crossProbability),
		"gs.inflation":        row(inflation),
		"gs.asn":              row(averageSampleNumber),
		"gs.conditionalPower": row(conditionalPower),
		"gs.predictivePower":  row(predictivePower),
	}
}

// schedule are looks and what they may spend.
type schedule struct {
	T            []float64
	K            int
	Alpha, Sides float64
	Rho, Power   float64
	Design       string
}

// oneSided is the level of one side.
func (in schedule) oneSided() float64 { return in.Alpha / max(in.Sides, 1) }

func (in schedule) boundaries(spend stats.Spending) (answer, error) {
	looks, spent := make([]stats.Look, len(in.T)), make([]float64, len(in.T))
	for i, t := range in.T {
		looks[i] = stats.Look{Spent: t, Information: t}
		spent[i] = spend(in.oneSided(), t)
	}
	z, err := stats.Boundaries(looks, in.oneSided(), spend)
	return answer{"z": z, "spent": spent}, err
}

func pocockConstant(in schedule) (answer, error) {
	z, err := stats.ClassicalBoundaries(in.K, in.Alpha, stats.ShapePocock, in.Sides == 2)
	if err != nil {
		return nil, err
	}
	return answer{"c": z[0]}, nil
}

func obrienFleming(in schedule) (answer, error) {
	z, err := stats.ClassicalBoundaries(in.K, in.Alpha, stats.ShapeOBrienFleming, in.Sides == 2)
	return answer{"z": z}, err
}

func crossProbability(in struct {
	K        int
	Z, Theta float64
},
) (answer, error) {
	bounds := make([]float64, in.K)
	for i := range bounds {
		bounds[i] = in.Z
	}
	ps, err := stats.TwoSidedCrossingProbability(bounds, stats.EvenLooks(in.K), in.Theta)
	sum := 0.0
	for _, p := range ps {
		sum += p
	}
	return answer{"typeI": sum}, err
}

// design is the schedule's one-sided boundaries.
func (in schedule) design() ([]float64, error) {
	looks := stats.EvenLooks(in.K)
	switch in.Design {
	case "ldOBF":
		return stats.Boundaries(looks, in.oneSided(), stats.OBrienFleming)
	case "ldPocock":
		return stats.Boundaries(looks, in.oneSided(), stats.Pocock)
	case "pocock":
		return stats.ClassicalBoundaries(in.K, in.Alpha, stats.ShapePocock, in.Sides == 2)
	case "obf":
		return stats.ClassicalBoundaries(in.K, in.Alpha, stats.ShapeOBrienFleming, in.Sides == 2)
	}
	return nil, fmt.Errorf("no design %q", in.Design)
}

func inflation(in schedule) (answer, error) {
	bounds, err := in.design()
	if err != nil {
		return nil, err
	}
	r, err := stats.BoundaryInflation(bounds, stats.EvenLooks(in.K), in.oneSided(), in.Power)
	return answer{"R": r}, err
}

func averageSampleNumber(in struct {
	schedule
	Theta string
},
) (answer, error) {
	looks := stats.EvenLooks(in.K)
	bounds, err := in.design()
	if err != nil {
		return nil, err
	}
	r, err := stats.BoundaryInflation(bounds, looks, in.oneSided(), in.Power)
	if err != nil {
		return nil, err
	}
	share := map[string]float64{"H0": 0, "H1": 1}
	at, known := share[strings.TrimSpace(in.Theta)]
	if !known {
		return nil, nil
	}
	// The fixed test's drift, stretched to the largest sample.
	fixed := stats.NormalQuantile(in.Power) - stats.NormalQuantile(in.oneSided())
	sample, err := stats.ExpectedSample(bounds, looks, at*fixed*math.Sqrt(r))
	return answer{"ASN_over_fixed": r * sample}, err
}

func conditionalPower(in struct{ Z, T, C, Drift float64 }) (answer, error) {
	cp, err := stats.ConditionalPower(in.Z, in.T, in.C, in.Drift)
	return answer{"cp": cp}, err
}

func predictivePower(in struct{ Z, T, C float64 }) (answer, error) {
	pp, err := stats.PredictivePower(in.Z, in.T, in.C)
	return answer{"pp": pp}, err
}
