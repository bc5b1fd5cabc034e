// SPDX-License-Identifier: Apache-2.0

package adaptive

import (
	"cmp"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
)

// Stratified are means of versions on one mix of periods.
type Stratified struct {
	// Means are the versions' means over the periods that were used, each
	// weighted by its share of all units.
	Means []stats.Estimate `json:"means"`
	// Dropped is the share of units in periods in which some version has fewer
	// than two, and which were therefore left out.
	Dropped float64 `json:"dropped"`
	// BiasedRaw are the plain means. Where rates drift while shares move they
	// are biased; show them, do not decide by them.
	BiasedRaw []stats.Estimate `json:"biasedRaw"`
}

// Stratify compares versions on the same mix of periods: with W_p the share of
// all units that fall into period p,
//
//	mean_k = sum_p W_p mean_kp, SE_k^2 = sum_p W_p^2 s_kp^2/n_kp.
//
// periods[p][k] are the moments of version k in period p; every period has all
// versions. The means of versions are independent, so stats.Difference
// compares them. No period with two units of every version is ErrNoData.
func Stratify(periods [][]stats.Moments) (Stratified, error) {
	const fn = "adaptive.Stratify"
	if len(periods) == 0 || len(periods[0]) == 0 {
		return Stratified{}, input.NoData(fn, "no periods")
	}
	versions := len(periods[0])
	used, dropped := 0.0, 0.0
	totals := make([]float64, len(periods)) // 0 for periods that are not used.
	merged := make([]stats.Moments, versions)
	for p, period := range periods {
		if len(period) != versions {
			return Stratified{}, input.Refuse(fn, "number of versions", float64(len(period)), "the same in every period")
		}
		units, complete := 0.0, true
		for k, m := range period {
			if err := series(fn, "period", m); err != nil {
				return Stratified{}, err
			}
			units += float64(m.N)
			complete = complete && m.N >= 2
			merged[k] = merged[k].Merge(m)
		}
		if complete {
			totals[p] = units
			used += units
		} else {
			dropped += units
		}
	}
	if used == 0 {
		return Stratified{}, input.NoData(fn, "no period has two units of every version")
	}
	out := Stratified{Dropped: dropped / (used + dropped)}
	for k := range versions {
		value, variance := 0.0, 0.0
		for p, period := range periods {
			if totals[p] == 0 {
				continue
			}
			w, n := totals[p]/used, float64(period[k].N)
			value += w * period[k].Mean
			variance += w * w * (period[k].M2 / (n - 1) / n)
		}
		mean, err1 := estimate(fn, value, variance)
		plain, err2 := raw(fn, merged[k])
		if err := cmp.Or(err1, err2); err != nil {
			return Stratified{}, err
		}
		out.Means, out.BiasedRaw = append(out.Means, mean), append(out.BiasedRaw, plain)
	}
	return out, nil
}
