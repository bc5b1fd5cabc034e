// SPDX-License-Identifier: Apache-2.0

package multiple

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

// Discoveries are the hypotheses that a family of e-values rejects.
type Discoveries struct {
	// Rejected says for each hypothesis, in the order of the input, whether it
	// is rejected, and Count how many are.
	Rejected []bool
	Count    int
	// LogThreshold is what a log e-value had to reach: ln(m/(Count alpha)). With
	// nothing rejected it is ln(m/alpha), what one alone would have needed.
	LogThreshold float64
}

// EBenjaminiHochberg rejects hypotheses by their e-values, given as logarithms,
// so that at most a share alpha of the rejected is true on average: the k
// largest, for the largest k whose k-th e-value reaches m/(k alpha) (Wang and
// Ramdas 2022, e-BH). Nothing is assumed about how the e-values depend on each
// other, and each may have been stopped whenever it suited, so it serves
// rollouts that overlap and are watched continuously.
//
// -Inf is an e-value of 0. No e-values is stats.ErrNoData.
func EBenjaminiHochberg(logE []float64, alpha float64) (Discoveries, error) {
	const fn = "multiple.EBenjaminiHochberg"
	if err := input.Fraction(fn, "alpha", alpha); err != nil {
		return Discoveries{}, err
	}
	if len(logE) == 0 {
		return Discoveries{}, input.NoData(fn, "no e-values")
	}
	for _, v := range logE {
		if math.IsNaN(v) || math.IsInf(v, 1) {
			return Discoveries{}, input.Refuse(fn, "logE", v, "a logarithm below infinity")
		}
	}
	// An e-value that lies exactly on the threshold counts, also after rounding.
	const rounding = 1e-12
	needed := func(k int) float64 { return math.Log(float64(len(logE))/float64(k)) - math.Log(alpha) }
	out := Discoveries{Rejected: make([]bool, len(logE)), LogThreshold: needed(1)}
	order := ascending(logE)
	for k := len(order); k > 0; k-- {
		if logE[order[len(order)-k]] < needed(k)-rounding {
			continue
		}
		for _, at := range order[len(order)-k:] {
			out.Rejected[at] = true
		}
		out.Count, out.LogThreshold = k, needed(k)
		break
	}
	return out, nil
}
