// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// leastLabels is how many cases of each label an area under the ROC curve is
// judged from on: below that its standard error means little.
const leastLabels = 30

// counted reports whether a metric counts requests, rather than being a ratio
// over units, pairs or answers, or made of a distribution.
func counted(m *experiment.Metric) bool { return !m.ByUnit() && !m.WholeSample() }

// measured is a metric's value and the sample that it rests on.
//
// Areas under the ROC curve take the predictions of one unit for independent,
// because scores are counted, not kept by unit. Where units make many
// predictions that are alike, the standard error is too small; versions are
// compared as independent samples, which units that have one version are. The
// cases of a mirror are the same for both: versions that err on the same ones, as
// models of one task do, differ with less error than is said. What is missing is
// the covariance, which takes both scores of a case; cells do not keep cases.
func measured(m *experiment.Metric, e experiment.Evidence) (est stats.Estimate, n int64, err error) {
	switch {
	case m.WholeSample():
		negative, positive := e.Scores.Total()
		if est, err = e.Scores.AUC(); err == nil && min(negative, positive) < leastLabels {
			err = stats.ErrNoData
		}
		return est, negative + positive, err
	case m.Windowed():
		return windows(e)
	case m.ByUnit():
		est, err = e.Units.Ratio()
		return est, e.Units.N, err
	default:
		est, err = e.Counts.Proportion()
		return est, e.Counts.N, err
	}
}

// leastOf is the sample of each version below which a metric says nothing.
func leastOf(m *experiment.Metric) int64 {
	if m.Windowed() {
		return experiment.LeastWindows
	}
	return burnIn
}

// windows is a metric's value where windows are the sample, from the least number
// of batches on; before it the value stands, with an error.
func windows(e experiment.Evidence) (stats.Estimate, int64, error) {
	est, err := e.Batches.Ratio()
	if err == nil && len(e.Batches.List) < experiment.LeastWindows {
		err = stats.ErrNoData
	}
	return est, e.Units.N, err
}

// known reports whether an arm's spread is: a gauge that has not moved for a
// while has none.
func (a arms) known(m *experiment.Metric) bool {
	if !m.Windowed() {
		return a.candidate.SE > 0 && a.baseline.SE > 0
	}
	steady := func(se float64, n int64) bool { return se > 0 || n >= experiment.SteadyWindows }
	return max(a.candidate.SE, a.baseline.SE) > 0 && steady(a.candidate.SE, a.nCandidate) && steady(a.baseline.SE, a.nBaseline)
}

// normalInterval is a confidence sequence by the normal mixture, from the burn-in
// on.
func normalInterval(est stats.Estimate, n int64, alpha, planned float64) (stats.Interval, error) {
	if n < burnIn {
		return stats.Interval{}, stats.ErrNoData
	}
	mix, err := stats.NewMixture(alpha, planned)
	if err != nil {
		return stats.Interval{}, err
	}
	return mix.Interval(est, float64(n), alpha)
}
