// SPDX-License-Identifier: Apache-2.0

package view

import (
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// Predictions is what answers say, by version; there where the plan reads them.
type Predictions struct {
	Versions []Predicted `json:"versions"`
	// Drifts are how far candidates lie from the baseline.
	Drifts []Drift `json:"drifts,omitempty"`
	// Labels are how far the truth has come.
	Labels []Labels `json:"labels,omitempty"`
}

// Predicted is what one version's answers say.
type Predicted struct {
	Version string `json:"version"`
	// Classes are the most frequent ones, MaxClasses at most, then OtherClasses;
	// N is all of them.
	N       int64        `json:"n,omitempty"`
	Classes []ClassShare `json:"classes,omitempty"`
	// Scores are quantiles of the scores.
	Scores *ScoreShape `json:"scores,omitempty"`
	// Numbers are the plan's metrics of predictions.
	Numbers []PredictionNumber `json:"numbers,omitempty"`
	// Tokens is how many answers report in all.
	Tokens float64 `json:"tokens,omitempty"`
	// Digests are what the version says that it is made of.
	Digests []Digest `json:"digests,omitempty"`
}

// ClassShare is how often a class was predicted.
type ClassShare struct {
	Class string  `json:"class"`
	N     int64   `json:"n"`
	Share float64 `json:"share"`
}

// ScoreShape is a distribution of scores, to the grid that they are counted on.
type ScoreShape struct {
	N   int64   `json:"n"`
	P5  float64 `json:"p5"`
	P25 float64 `json:"p25"`
	P50 float64 `json:"p50"`
	P75 float64 `json:"p75"`
	P95 float64 `json:"p95"`
}

// PredictionNumber is a metric of predictions in one version.
type PredictionNumber struct {
	Metric string `json:"metric"`
	Kind   string `json:"kind"`
	Estimate
	// Unit is the values' as in findings; N how many answers were read.
	Unit string `json:"unit,omitempty"`
	N    int64  `json:"n"`
}

// Digest is one header of a version's answers. More than one value is a mix.
type Digest struct {
	Header string        `json:"header"`
	Values []DigestValue `json:"values"`
	// Absent is how many answers did not have it.
	Absent int64 `json:"absent,omitempty"`
	Mixed  bool  `json:"mixed,omitempty"`
}

// DigestValue is how many answers had a value.
type DigestValue struct {
	Value string `json:"value"`
	N     int64  `json:"n"`
}

// Drift is how far a candidate's outputs lie from the baseline's.
type Drift struct {
	Version string `json:"version"`
	Metric  string `json:"metric"`
	// Of is class or score, By psi, js or ks.
	Of       string         `json:"of"`
	By       string         `json:"by"`
	Value    float64        `json:"value"`
	Interval stats.Interval `json:"interval"`
	Level    float64        `json:"level"`
	N        int64          `json:"n"`
	// NBaseline is the baseline's predictions.
	NBaseline int64 `json:"nBaseline"`
}

// predictionsOf is nil where the plan reads no predictions.
func predictionsOf(in *Input) *Predictions {
	if in.Plan.Predictions == nil {
		return nil
	}
	totals := ofEpoch(in)
	out := &Predictions{Labels: labelsOf(in, totals)}
	for v := range in.Plan.Versions {
		out.Versions = append(out.Versions, predictedOf(in, totals, v))
	}
	for _, d := range in.Judgement.Drifts {
		m := in.Plan.Metric(d.Metric)
		if m == nil || m.Drift == nil || d.Version >= len(in.Plan.Versions) {
			continue
		}
		out.Drifts = append(out.Drifts, Drift{
			Version: in.Plan.Versions[d.Version].Name, Metric: d.Metric, Of: string(m.Drift.Of), By: string(m.Drift.By),
			Value: d.Value, Interval: d.Interval, Level: d.Level, N: d.N, NBaseline: d.NBaseline,
		})
	}
	return out
}

func predictedOf(in *Input, totals *experiment.Totals, v int) Predicted {
	out := Predicted{Version: in.Plan.Versions[v].Name}
	out.N, out.Classes = classesOf(totals.Get(v, experiment.CellClasses).Categories)
	out.Scores = shapeOf(totals.Get(v, experiment.CellScores).Scores)
	if t := totals.Get(v, experiment.CellTokens).Units; t.N > 0 {
		out.Tokens = t.MeanY * float64(t.N)
	}
	for i := range in.Plan.Metrics {
		m := &in.Plan.Metrics[i]
		if m.Prediction == nil {
			continue
		}
		e := totals.Get(v, m.Cell())
		number := PredictionNumber{Metric: m.Name, Kind: string(m.Prediction.Kind), Unit: m.Unit(), N: e.Counts.N}
		estimate, err := e.Counts.Proportion()
		if m.Prediction.Kind.Mean() {
			number.N = e.Units.N
			estimate, err = e.Units.Ratio()
		}
		if err == nil {
			number.Estimate = *Around(estimate.Value, estimate.SE)
			out.Numbers = append(out.Numbers, number)
		}
	}
	for _, header := range in.Plan.Predictions.Digests {
		seen := totals.Get(v, experiment.CellDigest+strings.ToLower(header)).Categories
		if len(seen) > 0 {
			out.Digests = append(out.Digests, digestOf(header, seen))
		}
	}
	return out
}

func classesOf(seen stats.Categories) (int64, []ClassShare) {
	n := seen.Total()
	if n <= 0 {
		return 0, nil
	}
	often := map[string]int64{}
	for _, c := range seen {
		often[c.Name] = c.N
	}
	var out []ClassShare
	rest := n
	delete(often, stats.OtherCategory)
	names := byCount(often)
	for _, name := range names[:min(len(names), MaxClasses)] {
		out = append(out, ClassShare{Class: name, N: often[name], Share: float64(often[name]) / float64(n)})
		rest -= often[name]
	}
	if rest > 0 {
		out = append(out, ClassShare{Class: OtherClasses, N: rest, Share: float64(rest) / float64(n)})
	}
	return n, out
}

func shapeOf(s stats.Scores) *ScoreShape {
	negative, positive := s.Total()
	out := &ScoreShape{N: negative + positive}
	for _, q := range []struct {
		share float64
		into  *float64
	}{{.05, &out.P5}, {.25, &out.P25}, {.5, &out.P50}, {.75, &out.P75}, {.95, &out.P95}} {
		v, err := s.Quantile(q.share)
		if err != nil {
			return nil
		}
		*q.into = v
	}
	return out
}

func digestOf(header string, seen stats.Categories) Digest {
	out := Digest{Header: header, Absent: seen.Of(experiment.NoDigest), Values: []DigestValue{}}
	often := map[string]int64{}
	for _, c := range seen {
		if c.Name != experiment.NoDigest {
			often[c.Name] = c.N
		}
	}
	names := byCount(often)
	out.Mixed = len(names) > 1
	for _, name := range names[:min(len(names), MaxClasses)] {
		out.Values = append(out.Values, DigestValue{Value: name, N: often[name]})
	}
	return out
}
