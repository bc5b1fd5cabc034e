// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

// maxBatches is how many batches are kept: a full list is halved, so that there
// are 24 to 48 of them however many observations there were. Even, so that
// neighbours pair up.
const maxBatches = 48

// Batches are observations in the order of time, gathered in batches of
// neighbours, for a mean or a ratio of sums whose observations may depend on
// those before: one number for each window of a telemetry system. The zero value
// is no observations.
type Batches struct {
	// Size is how many observations a batch holds; the last one, and those where
	// two series were joined, may hold fewer.
	Size int64 `json:"size"`
	// List is in the order of time.
	List []Batch `json:"list"`
}

// Batch is the observations of neighbours: how many, and their mean numerator
// and denominator.
type Batch struct {
	N     int64   `json:"n"`
	MeanY float64 `json:"y"`
	MeanX float64 `json:"x"`
}

func (b Batch) merge(o Batch) Batch {
	n := b.N + o.N
	w := float64(o.N) / float64(n)
	return Batch{N: n, MeanY: b.MeanY + w*(o.MeanY-b.MeanY), MeanX: b.MeanX + w*(o.MeanX-b.MeanX)}
}

// BatchOf is a batch of its own, of the observations that a pair sums up.
func BatchOf(p Pair) Batches {
	if p.N <= 0 {
		return Batches{}
	}
	return Batches{Size: p.N, List: []Batch{{N: p.N, MeanY: p.MeanY, MeanX: p.MeanX}}}
}

// N is the number of observations.
func (b Batches) N() int64 {
	n := int64(0)
	for _, x := range b.List {
		n += x.N
	}
	return n
}

// Merge appends the observations of a later time. Neither is changed.
func (b Batches) Merge(o Batches) Batches {
	switch {
	case len(o.List) == 0:
		return b
	case len(b.List) == 0:
		return o
	}
	out := Batches{Size: max(b.Size, o.Size), List: make([]Batch, 0, maxBatches)}
	if out.Size == b.Size {
		out.List = append(out.List, b.List...) // They are packed already.
	} else {
		out.pack(b.List)
	}
	out.pack(o.List)
	return out
}

// pack appends batches, each into the last one where it fits.
func (b *Batches) pack(list []Batch) {
	for _, x := range list {
		if last := len(b.List) - 1; last >= 0 && b.List[last].N+x.N <= b.Size {
			b.List[last] = b.List[last].merge(x)
			continue
		}
		if len(b.List) == maxBatches {
			b.halve()
		}
		b.List = append(b.List, x)
	}
}

// halve joins neighbours.
func (b *Batches) halve() {
	half := b.List[:0]
	for i := 0; i+1 < len(b.List); i += 2 {
		half = append(half, b.List[i].merge(b.List[i+1]))
	}
	b.List, b.Size = half, 2*b.Size
}

// Bounds of what is believed of the dependence of neighbours.
const (
	mostCorrelation = 0.9
	// batchTail is the one-sided probability at which the few degrees of freedom
	// of a list of batches are made up for.
	batchTail = 1e-3
)

// Ratio estimates the ratio of sums, sum(Y)/sum(X), with a standard error that
// holds where neighbours are alike: the spread of the batches' residuals
// (batch means, as clusters of any size),
//
//	SE² = B/(B-1) Σ r_b² (1+ρ)/(1-ρ) / (Σ X)²,  r_b = Y_b - R X_b,
//
// where ρ is the correlation of neighbouring batches: corrected for its bias,
// -(1+4ρ)/B (Kendall 1954), raised by its own standard error, 1/sqrt(B), because
// an estimate that happens to be too low makes a test too bold, and from 0 to
// 0.9. As the series grows batches grow, and of what a series of short memory
// depends on less and less goes from one to the next. The error is then widened
// by the ratio of Student's quantile with B-1 degrees of freedom to the normal
// one at 0.001, because few batches tell their spread badly: it may be used as a
// normal error. All of this is approximate. It needs two batches and a
// denominator that is not zero (ErrNoData).
func (b Batches) Ratio() (Estimate, error) {
	const fn = "Batches.Ratio"
	size := float64(len(b.List))
	if size < 2 {
		return Estimate{}, input.NoData(fn, "fewer than two batches")
	}
	var all Batch
	for i, x := range b.List {
		if i == 0 {
			all = x
			continue
		}
		all = all.merge(x)
	}
	if all.MeanX == 0 {
		return Estimate{}, input.NoData(fn, "the denominator is zero")
	}
	r := all.MeanY / all.MeanX
	squares, neighbours, before := 0.0, 0.0, 0.0
	for i, x := range b.List {
		residual := float64(x.N) * (x.MeanY - r*x.MeanX)
		squares += residual * residual
		if i > 0 {
			neighbours += residual * before
		}
		before = residual
	}
	sum := float64(all.N) * math.Abs(all.MeanX)
	se := math.Sqrt(size/(size-1)*squares*memory(neighbours, squares, size)) / sum * studentise(size-1)
	return result(fn, Estimate{Value: r, SE: se})
}

// memory is (1+ρ)/(1-ρ).
func memory(neighbours, squares, size float64) float64 {
	if squares == 0 {
		return 1
	}
	rho := mostCorrelation
	if size > 4 {
		rho = (neighbours/squares+1/size)/(1-4/size) + 1/math.Sqrt(size)
	}
	rho = min(max(rho, 0), mostCorrelation)
	return (1 + rho) / (1 - rho)
}

// studentise is Student's quantile over the normal one at batchTail, by the
// expansion of Fisher and Cornish (Abramowitz and Stegun 26.7.5).
func studentise(df float64) float64 {
	z := NormalQuantile(1 - batchTail)
	z2 := z * z
	return 1 + (z2+1)/(4*df) + ((5*z2+16)*z2+3)/(96*df*df) + (((3*z2+19)*z2+17)*z2-15)/(384*df*df*df)
}
