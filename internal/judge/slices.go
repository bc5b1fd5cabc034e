// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"github.com/headgate-dev/headgate/internal/experiment"
)

// stratifiedSlices are the groups in which the difference for everybody is
// taken: those of the first segment that asks for it.
func stratifiedSlices(p *experiment.Plan) []string {
	for i := range p.Segments {
		if p.Segments[i].Stratify {
			return p.Segments[i].Slices()
		}
	}
	return nil
}

// groupsOf names the groups in which a phase is to be compared; none where it
// is compared as a whole. own says that the groups had shares of their own.
func (j *judging) groupsOf(p *experiment.PhaseTotals, slice string) (groups []string, own bool) {
	switch {
	case slice != "":
		return nil, false
	case len(p.Groups) == 0:
		return j.stratify, false
	}
	for _, g := range p.Groups {
		groups = append(groups, g.Slice)
	}
	return groups, true
}

// groupsFor is groupsOf for a metric: what a provider tells is of everybody.
func (j *judging) groupsFor(p *experiment.PhaseTotals, m *experiment.Metric, slice string) (groups []string, own bool) {
	if m.Telemetry() {
		return nil, false
	}
	return j.groupsOf(p, slice)
}

// strata splits what a candidate and the baseline show in a phase into groups.
//
// A group of which either version has less than the burn-in cannot stand
// alone. Where all groups had the same shares, such groups are taken together,
// and with the last that can stand alone if even together they are too small.
// Where groups had shares of their own that would bring back what stratifying
// is to avoid, so they are left out: nothing is known of a candidate in a group
// that it has no share of.
func (j *judging) strata(p *experiment.PhaseTotals, m *experiment.Metric, version int, slice string) []stratum {
	whole := stratum{candidate: p.GetSlice(version, m.Cell(), slice), baseline: p.GetSlice(0, m.Cell(), slice)}
	groups, own := j.groupsFor(p, m, slice)
	if len(groups) == 0 {
		return []stratum{whole}
	}
	var out []stratum
	var rest stratum
	for _, g := range groups {
		s := stratum{candidate: p.GetSlice(version, m.Cell(), g), baseline: p.GetSlice(0, m.Cell(), g)}
		if s.stands(m) {
			out = append(out, s)
		} else {
			rest = rest.merge(s)
		}
	}
	switch {
	case own:
		return out
	case len(out) == 0:
		return []stratum{whole}
	case rest.stands(m):
		return append(out, rest)
	}
	last := len(out) - 1
	out[last] = out[last].merge(rest)
	return out
}

// stands reports whether a group has enough to be compared alone.
func (s stratum) stands(m *experiment.Metric) bool {
	a, ok := s.arms(m)
	return ok && min(a.nCandidate, a.nBaseline) >= leastOf(m)
}

// guardrails judges the plan's guardrails for one candidate, for everybody and
// in every slice that the plan names. Of pairs there is no guardrail.
func (j *judging) guardrails(version int) {
	for i := range j.plan.Guardrails {
		g := &j.plan.Guardrails[i]
		m := j.plan.Metric(g.Metric)
		if m.Pairs != nil {
			continue
		}
		for _, slice := range append([]string{""}, j.plan.SlicesOf(g)...) {
			s := subject{version: version, role: experiment.RoleGuardrail, metric: m, slice: slice, scope: allStages}
			j.out.Verdicts = append(j.out.Verdicts, j.guardrail(s, g.NoWorseThan))
		}
	}
}
