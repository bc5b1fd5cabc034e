// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"

	"github.com/headgate-dev/headgate/stats/internal/input"
	"github.com/headgate-dev/headgate/stats/internal/root"
)

// SampleSizeT is the number of units per version that Welch's test, two-sided
// at alpha, needs to find effect with the given power between two series with
// standard deviation sd: SampleSizeDifference with the distribution of the
// statistic itself, Student's noncentral t, which matters below about 100
// units. It is at least 2 and not rounded. The sign of effect does not matter.
func SampleSizeT(sd, effect, alpha, power float64) (float64, error) {
	const fn = "SampleSizeT"
	effect = math.Abs(effect)
	if err := input.First(input.Positive(fn, "sd", sd), input.Positive(fn, "effect", effect), level(fn, alpha), levels(fn, alpha, power)); err != nil {
		return 0, err
	}
	d := effect / sd
	normal := (NormalQuantile(power) - NormalQuantile(alpha/2)) / d
	normal *= 2 * normal
	if err := input.Positive(fn, "effect", normal); err != nil {
		return 0, err
	}
	if normal > 1e6 {
		return normal, nil // The correction is below a millionth.
	}
	lacking := func(n float64) float64 {
		df := 2 * (n - 1)
		return noncentralSF(-StudentQuantile(alpha/2, df), df, d*math.Sqrt(n/2)) - power
	}
	if lacking(2) >= 0 {
		return 2, nil
	}
	high := normal + 3
	for lacking(high) < 0 {
		high *= 2
	}
	return root.Find(lacking, 2, high, 1e-9), nil
}
