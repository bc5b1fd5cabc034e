// SPDX-License-Identifier: Apache-2.0

package stats

import "github.com/headgate-dev/headgate/stats/internal/input"

// Triple are the centred moments of a numerator Y, a denominator X and a
// covariate Z per unit: all that adjusting a ratio of sums takes. The zero
// value is no units.
type Triple struct {
	// N is the number of units.
	N int64 `json:"n"`
	// MeanY, MeanX and MeanZ are the means per unit.
	MeanY float64 `json:"meanY"`
	MeanX float64 `json:"meanX"`
	MeanZ float64 `json:"meanZ"`
	// M2Y, M2X and M2Z are sums of squared deviations from the means, and CYX,
	// CYZ and CXZ are sums of their products.
	M2Y float64 `json:"m2Y"`
	M2X float64 `json:"m2X"`
	M2Z float64 `json:"m2Z"`
	CYX float64 `json:"cYX"`
	CYZ float64 `json:"cYZ"`
	CXZ float64 `json:"cXZ"`
}

// Add takes in one unit: its numerator, denominator and covariate. It does not
// allocate. A number that is not finite spoils the moments, which Linear then
// refuses.
func (t *Triple) Add(y, x, z float64) {
	*t = t.Merge(Triple{N: 1, MeanY: y, MeanX: x, MeanZ: z})
}

// Merge combines two disjoint sets of units.
func (t Triple) Merge(o Triple) Triple {
	switch {
	case t.N == 0:
		return o
	case o.N == 0:
		return t
	}
	n := t.N + o.N
	w := float64(o.N) / float64(n)
	between := w * float64(t.N)
	dy, dx, dz := o.MeanY-t.MeanY, o.MeanX-t.MeanX, o.MeanZ-t.MeanZ
	return Triple{
		N:     n,
		MeanY: t.MeanY + dy*w, MeanX: t.MeanX + dx*w, MeanZ: t.MeanZ + dz*w,
		M2Y: t.M2Y + o.M2Y + dy*dy*between,
		M2X: t.M2X + o.M2X + dx*dx*between,
		M2Z: t.M2Z + o.M2Z + dz*dz*between,
		CYX: t.CYX + o.CYX + dy*dx*between,
		CYZ: t.CYZ + o.CYZ + dy*dz*between,
		CXZ: t.CXZ + o.CXZ + dx*dz*between,
	}
}

// Pair are the moments without the covariate.
func (t Triple) Pair() Pair {
	return Pair{N: t.N, MeanY: t.MeanY, MeanX: t.MeanX, M2Y: t.M2Y, M2X: t.M2X, CYX: t.CYX}
}

// Linear replaces every unit by its part in the ratio R of sums, R + (Y - R X)/meanX,
// beside its covariate. The mean of that is R and its standard error is that of
// Pair.Ratio, so that Cuped of two of them adjusts a ratio metric. It needs two
// units and a denominator that is not zero (ErrNoData).
func (t Triple) Linear() (Pair, error) {
	const fn = "Triple.Linear"
	if err := input.First(
		t.Pair().check(fn), input.Finite(fn, "meanZ", t.MeanZ), moment(fn, "m2Z", t.M2Z),
		input.Finite(fn, "cYZ", t.CYZ), input.Finite(fn, "cXZ", t.CXZ),
	); err != nil {
		return Pair{}, err
	}
	if t.MeanX == 0 {
		return Pair{}, input.NoData(fn, "the denominator is zero")
	}
	r := t.MeanY / t.MeanX
	residual := max(0, t.M2Y-2*r*t.CYX+r*r*t.M2X)
	out := Pair{
		N: t.N, MeanY: r, MeanX: t.MeanZ,
		M2Y: residual / t.MeanX / t.MeanX, M2X: t.M2Z,
		CYX: (t.CYZ - r*t.CXZ) / t.MeanX,
	}
	return out, out.check(fn)
}
