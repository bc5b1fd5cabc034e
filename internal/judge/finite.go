// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"math"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// unspeakable is the size beyond which a number is none: its square and sums of
// that could not be stored.
const unspeakable = 1e150

func finite(numbers ...float64) bool {
	for _, x := range numbers {
		if !(math.Abs(x) <= unspeakable) {
			return false
		}
	}
	return true
}

// finite takes out what no arithmetic tells. Sums and counts of answers are in
// the hands of whoever answers, and a ratio of two numbers that can be stored may
// be one that cannot: then nothing is known of the metric, but harm that was
// known before stays said.
func (j *judging) finite() {
	for i := range j.out.Verdicts {
		if v := &j.out.Verdicts[i]; !spoken(v) {
			v.Estimate, v.Interval, v.Limit, v.LogE, v.Chance, v.Need, v.Equivalent = nil, nil, nil, 0, 0, 0, false
			if v.Status != experiment.Worse && v.Status != experiment.Violated {
				v.Status = experiment.Undecided
			}
		}
	}
	for i := range j.out.Arms {
		if a := &j.out.Arms[i]; !finite(a.Mean, a.SE, a.Adaptive, a.AdaptiveSE, a.Best) {
			j.doubt(experiment.Doubt{Code: experiment.ReasonRewardRange, Metric: j.plan.Reward.Metric, Version: a.Version, Slice: a.Slice, Value: unspeakable, Limit: unspeakable})
			*a = experiment.Arm{Version: a.Version, Slice: a.Slice}
		}
	}
	for i := range j.out.Doubts {
		if d := &j.out.Doubts[i]; !finite(d.Value) {
			d.Value = unspeakable // What is doubted is told; how far off it is, is not.
		}
	}
	for i := range j.monitors.Harm {
		h := &j.monitors.Harm[i]
		h.Worse, h.Better = stored(h.Worse), stored(h.Better)
	}
}

// spoken reports whether every number of a verdict is one.
func spoken(v *experiment.Verdict) bool {
	for _, p := range []*float64{v.Estimate, v.Limit} {
		if p != nil && !finite(*p) {
			return false
		}
	}
	return finite(v.LogE, v.Chance) && (v.Interval == nil || finite(v.Interval.Low, v.Interval.High))
}

// stored keeps evidence a number that can be written; what is none is no
// evidence.
func stored(logE float64) float64 {
	if math.IsNaN(logE) {
		return 0
	}
	return min(logE, unspeakable)
}
