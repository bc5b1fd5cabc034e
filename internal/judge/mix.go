// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"cmp"
	"slices"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// mixes doubts versions whose answers said two things of what the version is
// made of within the epoch: an artifact was replaced while it was measured, or
// its replicas are not the same. A rolling restart is such a mix too, and is
// named: what was measured before it is of another model, and a person retries.
// Answers that say nothing say nothing else.
func (j *judging) mixes() {
	if j.plan.Predictions == nil {
		return
	}
	for v := range j.plan.Versions {
		for _, header := range j.plan.Predictions.Digests {
			var seen stats.Categories
			for _, p := range j.all {
				seen = seen.Merge(p.Get(v, experiment.CellDigest+strings.ToLower(header)).Categories)
			}
			seen = slices.DeleteFunc(slices.Clone(seen), func(c stats.Category) bool { return c.Name == experiment.NoDigest || c.N <= 0 })
			if len(seen) < 2 {
				continue
			}
			slices.SortStableFunc(seen, func(a, b stats.Category) int { return cmp.Compare(b.N, a.N) })
			j.doubt(experiment.Doubt{
				Code: experiment.ReasonVersionMix, Version: v, Value: float64(len(seen)), Limit: 1,
				Header: header, Values: []string{seen[0].Name, seen[1].Name},
			})
		}
	}
}

// restsOn reports whether a verdict is made of what a version's answers were:
// its own, and where it is compared the baseline's.
func (j *judging) restsOn(v *experiment.Verdict, version int) bool {
	if v.Version == version {
		return true
	}
	m := j.plan.Metric(v.Metric)
	compared := v.Role == experiment.RoleReward || v.Role == experiment.RoleGuardrail || m != nil && (m.Pairs != nil || m.Drift != nil)
	return version == 0 && compared
}
