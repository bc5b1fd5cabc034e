// SPDX-License-Identifier: Apache-2.0

package multiple

import (
	"math"
	"slices"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
	"github.com/headgate-dev/headgate/stats/internal/root"
)

// Dunnett is a family of comparisons of candidates with one baseline (Dunnett
// 1955). The baseline's luck is in every one of them, so they are positively
// correlated, and the largest of them needs a smaller critical value than
// Bonferroni's. With n_0 units in the baseline and n_i in candidate i the
// correlation of two comparisons is
//
//	rho_ij = lambda_i lambda_j,   lambda_i = sqrt(n_i/(n_0+n_i)).
//
// A baseline of sqrt(k) times the units of each of k candidates is the most
// efficient.
//
// Instead of units, which assume equal variances, one may give the precision
// 1/SE² of each version's own estimate; only ratios matter. The normal
// distribution of the estimates is assumed; DF is for small samples.
type Dunnett struct {
	// Baseline is the number of units in the baseline, above 0.
	Baseline float64
	// Candidates is the same for each candidate: from 1 to 20 of them, each
	// from 1e-6 to 1e6 times the baseline.
	Candidates []float64
	// DF is the degrees of freedom of the variance that all comparisons share:
	// with s² pooled over versions, units less versions. 0 means that the
	// variances are known, as good as true from a few hundred units on. Else
	// it is 1 or more.
	DF float64
	// TwoSided says that differences in both directions count.
	TwoSided bool
}

// Critical is the value that a standardised difference must exceed: if no
// candidate differs from the baseline, the probability that any of them does is
// alpha, from 1e-12 on. The accuracy is about 1e-9. With DF = 1 and alpha below
// 1e-6 it would be beyond all use, and is refused.
func (d Dunnett) Critical(alpha float64) (float64, error) {
	const fn = "multiple.Dunnett.Critical"
	f, err := d.family(fn)
	if err != nil {
		return 0, err
	}
	if !(alpha >= 1e-12 && alpha < 1) {
		return 0, input.Refuse(fn, "alpha", alpha, "from 1e-12 to below 1")
	}
	excess := func(c float64) float64 {
		return math.Log(max(f.exceed(c), math.SmallestNonzeroFloat64)) - math.Log(alpha)
	}
	low, high := -1.0, 1.0
	if d.TwoSided {
		low = 0
	}
	for excess(low) < 0 {
		if low *= 2; low < -reach {
			return 0, input.Refuse(fn, "alpha", alpha, "a level that a critical value exists for")
		}
	}
	for excess(high) > 0 {
		if low, high = high, 2*high; high > 1e6 {
			return 0, input.Refuse(fn, "alpha", alpha, "a level with a critical value below 1e6")
		}
	}
	return root.Find(excess, low, high, 1e-12*max(1, low)), nil
}

// P is the adjusted p-value of one standardised difference t: the probability
// that the largest of the family would be that large if no candidate differed
// from the baseline. Large t is evidence; two-sided, large |t| is.
func (d Dunnett) P(t float64) (float64, error) {
	const fn = "multiple.Dunnett.P"
	f, err := d.family(fn)
	if err != nil {
		return 0, err
	}
	if err := input.Finite(fn, "t", t); err != nil {
		return 0, err
	}
	return f.exceed(d.size(t)), nil
}

// Adjust gives step-down adjusted p-values for one standardised difference per
// candidate, in their order: as strict as P for the largest, and less so for
// each following one, whose family is only those not larger than it. The
// promise is the same as Holm's, with more power.
func (d Dunnett) Adjust(t []float64) ([]float64, error) {
	const fn = "multiple.Dunnett.Adjust"
	if _, err := d.family(fn); err != nil {
		return nil, err
	}
	if len(t) != len(d.Candidates) {
		return nil, input.Refuse(fn, "number of differences", float64(len(t)), "one for each candidate")
	}
	size := make([]float64, len(t))
	for i, v := range t {
		if err := input.Finite(fn, "t", v); err != nil {
			return nil, err
		}
		size[i] = d.size(v)
	}
	order := ascending(size)
	slices.Reverse(order)
	out, least := make([]float64, len(t)), 0.0
	for i, at := range order {
		rest := d
		rest.Candidates = nil
		for _, k := range order[i:] {
			rest.Candidates = append(rest.Candidates, d.Candidates[k])
		}
		f, err := rest.family(fn)
		if err != nil {
			return nil, err
		}
		least = max(least, f.exceed(size[at]))
		out[at] = least
	}
	return out, nil
}

// size is what of a difference counts as evidence.
func (d Dunnett) size(t float64) float64 {
	if d.TwoSided {
		return math.Abs(t)
	}
	return t
}

// maxCandidates bounds the work.
const maxCandidates = 20

// family checks the fields and prepares the integration.
func (d Dunnett) family(fn string) (*family, error) {
	if err := input.Positive(fn, "baseline", d.Baseline); err != nil {
		return nil, err
	}
	if len(d.Candidates) < 1 || len(d.Candidates) > maxCandidates {
		return nil, input.Refuse(fn, "number of candidates", float64(len(d.Candidates)), "from 1 to 20")
	}
	if d.DF != 0 && !(d.DF >= 1 && d.DF <= 1e12) {
		return nil, input.Refuse(fn, "degrees of freedom", d.DF, "0 for known variances, or from 1 to 1e12")
	}
	f := &family{df: d.DF, twoSided: d.TwoSided}
	for _, n := range d.Candidates {
		r := n / d.Baseline
		if !(r >= 1e-6 && r <= 1e6) {
			return nil, input.Refuse(fn, "candidate", n, "from 1e-6 to 1e6 times the baseline")
		}
		c := comparison{loading: math.Sqrt(r / (1 + r)), rest: math.Sqrt(1 / (1 + r)), count: 1}
		// Candidates of equal size share one factor.
		if at := slices.IndexFunc(f.comparisons, func(o comparison) bool { return o.loading == c.loading }); at >= 0 {
			f.comparisons[at].count++
			continue
		}
		f.comparisons = append(f.comparisons, c)
	}
	f.prepare()
	return f, nil
}

// tail is the probability that a comparison exceeds c, given that the baseline
// adds x to it.
func (f *family) tail(k comparison, c, x float64) float64 {
	out := stats.NormalSF((c - k.loading*x) / k.rest)
	if f.twoSided {
		out += stats.NormalSF((c + k.loading*x) / k.rest)
	}
	return min(1, out)
}
