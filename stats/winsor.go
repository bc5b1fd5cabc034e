// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"slices"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

// PooledCap is the q-quantile of the values of all versions together, between
// neighbouring values by linear interpolation, as a cap for extreme values. The
// versions must share one cap, or the cap itself makes them different. 0.999
// is a good q. It must not be computed again for each look: a cap that is
// planned before the data is best. No values are ErrNoData.
func PooledCap(q float64, versions ...[]float64) (float64, error) {
	const fn = "PooledCap"
	if !(q > 0 && q <= 1) {
		return 0, input.Refuse(fn, "q", q, "above 0 and at most 1")
	}
	all := slices.Concat(versions...)
	if len(all) == 0 {
		return 0, input.NoData(fn, "no values")
	}
	for _, x := range all {
		if err := input.Finite(fn, "value", x); err != nil {
			return 0, err
		}
	}
	slices.Sort(all)
	h := q * float64(len(all)-1)
	i := min(int(h), len(all)-1)
	w, next := h-float64(i), all[min(i+1, len(all)-1)]
	return all[i]*(1-w) + next*w, nil
}

// Winsorised are the moments of values capped from above, beside those of the
// values as they came, so that both can be shown. Set Cap before the first
// Add; only those with the same cap may be merged.
type Winsorised struct {
	// Cap is the largest value that counts in full.
	Cap float64 `json:"cap"`
	// Capped are the moments with the cap, and Raw those without.
	Capped Moments `json:"capped"`
	Raw    Moments `json:"raw"`
	// Above is how many values exceeded the cap.
	Above int64 `json:"above"`
}

// Add takes in one observation. It does not allocate.
func (w *Winsorised) Add(x float64) {
	w.Raw.Add(x)
	if x > w.Cap {
		w.Above++
		x = w.Cap
	}
	w.Capped.Add(x)
}

// Merge combines two disjoint series with the same cap.
func (w Winsorised) Merge(o Winsorised) (Winsorised, error) {
	switch {
	case w.Raw.N == 0:
		return o, nil
	case o.Raw.N == 0:
		return w, nil
	case !(w.Cap == o.Cap):
		return Winsorised{}, input.Refuse("Winsorised.Merge", "cap", o.Cap, "the cap of the other")
	}
	return Winsorised{Cap: w.Cap, Capped: w.Capped.Merge(o.Capped), Raw: w.Raw.Merge(o.Raw), Above: w.Above + o.Above}, nil
}

// Share is the share of values above the cap, or 0 without any.
func (w Winsorised) Share() float64 {
	return float64(w.Above) / math.Max(1, float64(w.Raw.N))
}
