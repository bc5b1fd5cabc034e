// SPDX-License-Identifier: Apache-2.0

package stats

// Guarantee says when the statements of a Comparison may be relied on.
type Guarantee string

const (
	// AnyTime statements hold at all looks together, whatever made one look.
	AnyTime Guarantee = "any-time"
	// AtLooks statements hold at looks that the data did not choose.
	AtLooks Guarantee = "at-looks"
	// FixedLook statements hold at one look that was fixed in advance.
	FixedLook Guarantee = "fixed-look"
	// NoGuarantee marks statements whose error rate is unknown, because the data
	// do not meet what the method assumes; a warning says why.
	NoGuarantee Guarantee = "none"
)

// WarningCode names a kind of warning for programs.
type WarningCode string

// The warnings of this package.
const (
	// FewHits: a proportion is not normal yet. At a fixed look an exact test takes
	// the place of the approximate one.
	FewHits WarningCode = "few-hits"
	// FewUnits: a standard error is less reliable than the method takes it for.
	FewUnits WarningCode = "few-units"
	// Skewed: the mean is not normal yet.
	Skewed WarningCode = "skewed"
	// NoisyBaseline: there is no bounded interval for the relative effect.
	NoisyBaseline WarningCode = "noisy-baseline"
)

// Warning is something to know before believing a result.
type Warning struct {
	Code WarningCode `json:"code"`
	// Text is a sentence for people.
	Text string `json:"text"`
}

// Assumed is what the caller vouches for. How the data are made is stated by
// their type; see Sample.
type Assumed struct {
	// Alpha is the two-sided error rate asked for, above 0 and below 1.
	Alpha float64
	// Looked is how the data are looked at: AnyTime, AtLooks or FixedLook.
	Looked Guarantee
	// Planned is the sample size of both versions at which AnyTime inference
	// shall be sharpest, fixed before the data.
	Planned float64
	// Looks are the looks so far including this one, and Spend how they spend
	// alpha, both for AtLooks.
	Looks []Look
	Spend Spending
}

// Comparison is what can be said about candidate - baseline, and how.
type Comparison struct {
	// Method names the test and the interval that were chosen.
	Method string `json:"method"`
	// Guarantee says when Interval and P may be relied on.
	Guarantee Guarantee `json:"guarantee"`
	// Effect is candidate - baseline.
	Effect Contrast `json:"effect"`
	// Interval is the confidence interval of the effect at Level, 1-alpha.
	Interval Interval `json:"interval"`
	Level    float64  `json:"level"`
	// Relative is Fieller's interval of the same width for the effect relative
	// to the baseline; nil where it is unbounded.
	Relative *Interval `json:"relative,omitempty"`
	// P is the two-sided p-value against no effect that goes with Interval: of
	// the test at its look, the repeated one at looks, and 1/e-value at any time.
	P float64 `json:"p"`
	// LogE is the logarithm of the e-value, for AnyTime, else 0.
	LogE float64 `json:"logE,omitempty"`
	// Different says that the test rejects "no effect" at alpha.
	Different bool `json:"different"`
	// Warnings are what to know before believing any of it.
	Warnings []Warning `json:"warnings,omitempty"`
}

// warn adds a warning, and takes the guarantee away if it voids it.
func (c *Comparison) warn(code WarningCode, voids bool, text string) {
	c.Warnings = append(c.Warnings, Warning{Code: code, Text: text})
	if voids {
		c.Guarantee = NoGuarantee
	}
}

// Sample is the data of one version. Its type is an assumption:
//
//   - Counts: independent trials that hit or miss;
//   - Moments: one number per randomised unit, compared by its mean;
//   - Shape: the same, with its skewness checked;
//   - Pair: a numerator and a denominator per randomised unit, compared by the
//     ratio of their sums.
type Sample interface {
	Counts | Moments | Shape | Pair
}
