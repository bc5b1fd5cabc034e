// SPDX-License-Identifier: Apache-2.0

package counter

import (
	"fmt"
	"math"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
)

// RatioOfSums estimates a mean from sum and count, or any ratio of two
// counters, with windows as clusters: sum(Amount)/sum(Exposure), with the
// delta-method error of stats.Pair over windows and windows-1 degrees of
// freedom. It needs no variance within windows, and what makes requests of one
// window alike is in it. Fewer than two windows, or no exposure, is
// stats.ErrNoData; below about 40 windows it is approximate and below 10 not to
// be relied on.
func RatioOfSums(windows []Observation) (Estimate, error) {
	const fn = "counter.RatioOfSums"
	var p stats.Pair
	for _, w := range windows {
		if err := input.First(input.Finite(fn, "amount", w.Amount), input.NonNegative(fn, "exposure", w.Exposure)); err != nil {
			return Estimate{}, err
		}
		p.Add(w.Amount, w.Exposure)
	}
	e, err := p.Ratio()
	if err != nil {
		return Estimate{}, fmt.Errorf("stats: counter.%s: %w", fn, err)
	}
	return Estimate{Estimate: e, DF: float64(len(windows) - 1)}, nil
}

// Paired is the comparison of two versions window by window.
type Paired struct {
	// LogRatio is the mean over windows of ln(candidate rate/baseline rate).
	// exp of it is the ratio of rates.
	LogRatio Estimate `json:"logRatio"`
	// Autocorrelation is that of neighbouring windows' log ratios.
	Autocorrelation float64 `json:"autocorrelation"`
	// Lag is how many neighbours the standard error takes into account, 0 if
	// windows are taken as independent.
	Lag int `json:"lag"`
}

// PairedLogRatio compares two versions by the windows that they share, given in
// order of time (see Align): d_w = ln((A_c+offset)/E_c) - ln((A_b+offset)/E_b),
// and a paired t-test on d_w with windows-1 degrees of freedom. What hits both
// versions in a window, such as a busy minute or a slow database, cancels.
//
// offset is 0 for amounts that are never 0, such as sums of latencies, and 0.5
// for counts of events. With counts of fewer than about ten events per window
// offset biases the ratio; make windows wider, or use LogE.
//
// If neighbouring windows are positively correlated beyond chance (one-sided 5
// %), the standard error is that of Newey and West (1987, 1994) with Bartlett
// weights and lag floor(4 (W/100)^(2/9)), after taking out the correlation of
// neighbours ("prewhitening"), and never smaller than without. It remains
// somewhat too small: at an autocorrelation of 0.5 and 100 windows a 5 % test
// errs in about 8 %, instead of 27 %, and more with fewer windows. Take 20
// windows at least, and wider ones rather than correlated ones.
//
// A window without exposure, or without amount and offset, is stats.ErrNoData.
func PairedLogRatio(candidate, baseline []Observation, offset float64) (Paired, error) {
	const fn = "counter.PairedLogRatio"
	if len(candidate) != len(baseline) {
		return Paired{}, input.Refuse(fn, "number of baseline windows", float64(len(baseline)), "one for each window of the candidate")
	}
	if err := input.NonNegative(fn, "offset", offset); err != nil {
		return Paired{}, err
	}
	var m stats.Moments
	d := make([]float64, len(candidate))
	for i := range d {
		c, err := logRate(fn, candidate[i], offset)
		if err != nil {
			return Paired{}, err
		}
		b, err := logRate(fn, baseline[i], offset)
		if err != nil {
			return Paired{}, err
		}
		d[i] = c - b
		m.Add(d[i])
	}
	v, err := m.Variance()
	if err != nil {
		return Paired{}, fmt.Errorf("stats: counter.%s: %w", fn, err)
	}
	out := Paired{LogRatio: Estimate{
		Estimate: stats.Estimate{Value: m.Mean, SE: math.Sqrt(v / float64(m.N))},
		DF:       float64(m.N - 1),
	}}
	for i := range d {
		d[i] -= m.Mean
	}
	out.correlate(d)
	return out, nil
}

// correlate widens the standard error if the deviations d are autocorrelated.
func (p *Paired) correlate(d []float64) {
	own := autocovariance(d, 0)
	if own == 0 {
		return
	}
	n := float64(len(d))
	p.Autocorrelation = autocovariance(d, 1) / own
	const oneSided = 1.6448536269514722
	lag := int(4 * math.Pow(n/100, 2./9))
	if p.Autocorrelation*math.Sqrt(n) <= oneSided || lag < 1 {
		return
	}
	// What is left when each deviation's share of the one before is taken out is
	// hardly correlated, and Newey and West's sum is good at that.
	rho := min(p.Autocorrelation, mostCorrelated)
	rest := make([]float64, len(d)-1)
	for i := range rest {
		rest[i] = d[i+1] - rho*d[i]
	}
	lag = min(lag, len(rest)-1)
	long := autocovariance(rest, 0)
	for k := 1; k <= lag; k++ {
		weight := 1 - float64(k)/float64(lag+1)
		long += 2 * weight * autocovariance(rest, k)
	}
	factor := long / own * n / (n - 1) / ((1 - rho) * (1 - rho))
	p.Lag = lag
	p.LogRatio.SE *= math.Sqrt(max(1, factor))
}

// mostCorrelated bounds the autocorrelation that is taken out, beyond which the
// correction would explode (Andrews and Monahan 1992).
const mostCorrelated = 0.97

// autocovariance is the mean product of deviations lag apart, up to a constant.
func autocovariance(d []float64, lag int) float64 {
	sum := 0.0
	for i := lag; i < len(d); i++ {
		sum += d[i] * d[i-lag]
	}
	return sum
}

// logRate is the logarithm of an observation's rate.
func logRate(fn string, o Observation, offset float64) (float64, error) {
	if err := input.First(input.NonNegative(fn, "amount", o.Amount), input.NonNegative(fn, "exposure", o.Exposure)); err != nil {
		return 0, err
	}
	if o.Exposure == 0 {
		return 0, input.NoData(fn, "a window without exposure")
	}
	if o.Amount+offset == 0 {
		return 0, input.NoData(fn, "a window without amount")
	}
	l := math.Log(o.Amount+offset) - math.Log(o.Exposure)
	return l, input.Finite(fn, "amount", l)
}

// Dispersed is the comparison of two rates whose windows scatter.
type Dispersed struct {
	// LogRatio is ln(candidate rate/baseline rate) with the standard error
	// PoissonSE sqrt(max(1, Dispersion)) and windows-2 degrees of freedom.
	LogRatio Estimate `json:"logRatio"`
	// PoissonSE is the standard error that independent events would have.
	PoissonSE float64 `json:"poissonSE"`
	// Dispersion is Pearson's chi-squared over its degrees of freedom, 1 for
	// independent events.
	Dispersion float64 `json:"dispersion"`
}

// QuasiPoisson compares two rates of events, counted in windows that need not
// be shared, by the quasi-Poisson model with one rate per version (McCullagh
// and Nelder 1989, section 9.2):
//
//	phi = sum (y_w - r e_w)²/(r e_w) / (windows - 2),   r = sum y/sum e,
//	SE  = sqrt(max(1, phi) (1/sum y_c + 1/sum y_b)).
//
// A dispersion below 1 is taken for luck: errors never shrink. Bad minutes that
// hit both versions count as scatter, which makes it very cautious;
// PairedLogRatio then sees more. In bursts of five and 30 windows a 5 % test errs
// in about 6 %. Two versions of one window, or a version
// without events, are stats.ErrNoData; some 20 windows are needed for phi.
func QuasiPoisson(candidate, baseline []Observation) (Dispersed, error) {
	const fn = "counter.QuasiPoisson"
	df := float64(len(candidate) + len(baseline) - 2)
	if df < 1 {
		return Dispersed{}, input.NoData(fn, "fewer than three windows")
	}
	chi2, logRate, inverse := 0.0, [2]float64{}, 0.0
	for i, windows := range [][]Observation{candidate, baseline} {
		y, e := 0.0, 0.0
		for _, w := range windows {
			if err := input.First(input.NonNegative(fn, "amount", w.Amount), input.NonNegative(fn, "exposure", w.Exposure)); err != nil {
				return Dispersed{}, err
			}
			if w.Amount > 0 && w.Exposure == 0 {
				return Dispersed{}, input.Refuse(fn, "exposure", 0, "more than 0 where there are events")
			}
			y, e = y+w.Amount, e+w.Exposure
		}
		if y == 0 {
			return Dispersed{}, input.NoData(fn, "a version without events")
		}
		inverse += 1 / y
		logRate[i] = math.Log(y) - math.Log(e)
		for _, w := range windows {
			if w.Exposure == 0 {
				continue // Nothing expected, nothing seen.
			}
			expected := y * (w.Exposure / e)
			r := (w.Amount - expected) / math.Sqrt(expected)
			chi2 += r * r
		}
	}
	out := Dispersed{PoissonSE: math.Sqrt(inverse), Dispersion: chi2 / df}
	out.LogRatio = Estimate{
		Estimate: stats.Estimate{Value: logRate[0] - logRate[1], SE: out.PoissonSE * math.Sqrt(max(1, out.Dispersion))},
		DF:       df,
	}
	return out, input.First(input.Finite(fn, "log ratio", out.LogRatio.Value), input.Finite(fn, "standard error", out.LogRatio.SE), input.Finite(fn, "dispersion", out.Dispersion))
}
