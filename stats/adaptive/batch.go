// SPDX-License-Identifier: Apache-2.0

package adaptive

import (
	"math"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
)

// Batch is a period of constant shares between two versions.
type Batch struct {
	// Baseline and Candidate are how many units met each, and their means.
	Baseline      int64   `json:"baseline"`
	Candidate     int64   `json:"candidate"`
	BaselineMean  float64 `json:"baselineMean"`
	CandidateMean float64 `json:"candidateMean"`
	// Variance is that of a unit, taken to be the same in both.
	Variance float64 `json:"variance"`
}

// NewBatch makes a batch of moments, with the pooled variance
// (M2 + M2)/(n + n - 2). A batch in which a version has no unit is fine; it
// carries no information. Fewer than three units are ErrNoData.
func NewBatch(baseline, candidate stats.Moments) (Batch, error) {
	const fn = "adaptive.NewBatch"
	for _, m := range []struct {
		arg string
		v   stats.Moments
	}{{"baseline", baseline}, {"candidate", candidate}} {
		if err := series(fn, m.arg, m.v); err != nil {
			return Batch{}, err
		}
	}
	n := float64(baseline.N) + float64(candidate.N) - 2
	if n < 1 {
		return Batch{}, input.NoData(fn, "fewer than three units")
	}
	out := Batch{
		Baseline: baseline.N, Candidate: candidate.N,
		BaselineMean: baseline.Mean, CandidateMean: candidate.Mean,
		Variance: baseline.M2/n + candidate.M2/n,
	}
	return out, input.Finite(fn, "variance", out.Variance)
}

func (b Batch) check(fn string) error {
	if b.Baseline < 0 || b.Candidate < 0 {
		return input.Refuse(fn, "units", float64(min(b.Baseline, b.Candidate)), "0 or more")
	}
	if err := input.NonNegative(fn, "variance", b.Variance); err != nil {
		return err
	}
	if err := input.Finite(fn, "baseline's mean", b.BaselineMean); err != nil {
		return err
	}
	return input.Finite(fn, "candidate's mean", b.CandidateMean)
}

// Batched is what BatchedOLS finds.
type Batched struct {
	// Z is standard normal if the versions are equal, and P its two-sided
	// p-value.
	Z float64 `json:"z"`
	P float64 `json:"p"`
	// Batches are the z statistics of the batches in which both versions have
	// units.
	Batches []float64 `json:"batches"`
	// Effect estimates candidate - baseline, if it is the same in all batches:
	// the value at which Z would be 0, so that Z = Value/SE.
	Effect stats.Estimate `json:"effect"`
	// BiasedRaw is the difference of the plain means. It is biased; show it, do
	// not decide by it.
	BiasedRaw float64 `json:"biasedRaw"`
}

// BatchedOLS tests "both versions are equal" on batches whose shares may have
// been chosen by the batches before (Zhang, Janson and Murphy 2020). In each,
//
//	z_b = sqrt(n0 n1/(n0 + n1)) (mean1 - mean0)/sigma_b
//
// is normal whatever the shares, so that Z = sum z_b/sqrt(B) is. It needs
// about 30 units of each version per batch. The baseline's rate may drift from
// batch to batch. No batch with both versions, or one without variance, is
// ErrNoData.
func BatchedOLS(batches []Batch) (Batched, error) {
	const fn = "adaptive.BatchedOLS"
	var out Batched
	var baseline, candidate stats.Moments
	weights := 0.0
	for _, b := range batches {
		if err := b.check(fn); err != nil {
			return Batched{}, err
		}
		baseline = baseline.Merge(stats.Moments{N: b.Baseline, Mean: b.BaselineMean})
		candidate = candidate.Merge(stats.Moments{N: b.Candidate, Mean: b.CandidateMean})
		if b.Baseline == 0 || b.Candidate == 0 {
			continue
		}
		if b.Variance == 0 {
			return Batched{}, input.NoData(fn, "a batch has no variance")
		}
		n0, n1 := float64(b.Baseline), float64(b.Candidate)
		w := math.Sqrt(n0/(n0+n1)*n1) / math.Sqrt(b.Variance)
		z := w * (b.CandidateMean - b.BaselineMean)
		out.Batches = append(out.Batches, z)
		out.Z += z
		weights += w
	}
	if len(out.Batches) == 0 {
		return Batched{}, input.NoData(fn, "no batch has both versions")
	}
	root := math.Sqrt(float64(len(out.Batches)))
	out.Effect = stats.Estimate{Value: out.Z / weights, SE: root / weights}
	out.Z /= root
	out.P = 2 * stats.NormalSF(math.Abs(out.Z))
	out.BiasedRaw = candidate.Mean - baseline.Mean
	for _, v := range []float64{out.Z, out.Effect.Value, out.Effect.SE, out.BiasedRaw} {
		if err := input.Finite(fn, "effect", v); err != nil {
			return Batched{}, err
		}
	}
	return out, nil
}
