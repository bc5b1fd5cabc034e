// SPDX-License-Identifier: Apache-2.0

package stats_test

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/adaptive"
)

// adaptiveRows are the rows that package stats/adaptive computes.
func adaptiveRows() map[string]computation {
	return map[string]computation{
		"bols":          row(batchedOLS),
		"aipw.adaptive": row(adaptiveMean),
	}
}

type batchedOLSInput struct {
	Batches []struct{ N0, N1, M0, M1, S2 float64 }
}

func batchedOLS(in batchedOLSInput) (answer, error) {
	var batches []adaptive.Batch
	for _, b := range in.Batches {
		batches = append(batches, adaptive.Batch{
			Baseline: int64(b.N0), Candidate: int64(b.N1), BaselineMean: b.M0, CandidateMean: b.M1, Variance: b.S2,
		})
	}
	out, err := adaptive.BatchedOLS(batches)
	return answer{"z_batch": out.Batches, "z": out.Z, "p": out.P}, err
}

type adaptiveMeanInput struct {
	Shares []float64 `json:"e_arm"`
	Pulled []float64
	Y      []float64
	PlugIn string
}

// plainNumber finds numbers that are not part of an index such as t-1.
var plainNumber = regexp.MustCompile(`(?:^|[^\w.-])(\d*\.?\d+)`)

func adaptiveMean(in adaptiveMeanInput) (answer, error) {
	if strings.Contains(in.PlugIn, "constant") || strings.Contains(in.PlugIn, "fixed") {
		return nil, nil // The plug-in of the package is a running mean.
	}
	initial := 0.0 // Words such as "running mean, 0.5 at first" may say another.
	if all := plainNumber.FindAllStringSubmatch(in.PlugIn, -1); all != nil {
		var err error
		if initial, err = strconv.ParseFloat(all[len(all)-1][1], 64); err != nil {
			return nil, err
		}
	}
	periods := make([]adaptive.Period, len(in.Shares))
	for i, e := range in.Shares {
		periods[i] = adaptive.Period{Share: e, Units: 1}
		if in.Pulled[i] != 0 {
			periods[i].Observed = stats.Moments{N: 1, Mean: in.Y[i]}
		}
	}
	out, err := adaptive.WeightedMean(periods, initial)
	return answer{"gamma": out.Scores, "est": out.Value, "se": out.SE, "uniform_est": out.Uniform.Value}, err
}
