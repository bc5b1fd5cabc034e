// SPDX-License-Identifier: Apache-2.0

package experiment

import "slices"

// Continues reports whether a plan can take the place of another while it runs,
// with all evidence: they differ at most in what no evidence rests on (owners,
// words, budgets, actions, what follows a promotion, how long to wait, where
// providers are, how the cluster treats the route). A strict plan has none: its
// next iteration goes by what is written then, as long as it is of the same
// versions.
func (p *Plan) Continues(old *Plan) bool {
	if p.Strict && old.Strict {
		return p.ID() == old.ID() && slices.EqualFunc(p.Versions, old.Versions, func(a, b Version) bool { return a.Name == b.Name })
	}
	return p.evidential() == old.evidential()
}

// evidential is the hash of what evidence rests on.
func (p *Plan) evidential() string {
	q := *p
	q.Owner, q.Hypothesis, q.Listen = "", "", ""
	q.Budget, q.Promote, q.OnUnknown, q.Stale = nil, Promotion{}, OnUnknown{}, 0
	q.Retention, q.Providers = Retention{}, nil
	q.Router.Drift, q.Router.OnDelete = "", ""
	q.Actions, q.Versions = nil, slices.Clone(p.Versions)
	for i := range q.Versions {
		q.Versions[i].Variables = nil // Texts of metrics that name them hold their values.
	}
	q.Stages = make([]Stage, len(p.Stages))
	for i, s := range p.Stages {
		s.Approval = ""
		q.Stages[i] = s
	}
	return hashJSON(&q)
}

// RouteFact is what the cluster says of the shares that were asked for.
type RouteFact struct {
	// Unsettled says why they are not in effect yet; empty where they are, or
	// where nobody can tell.
	Unsettled string `json:"unsettled,omitempty"`
	// Drifted says what was found instead of them, where the plan holds on that.
	Drifted string `json:"drifted,omitempty"`
}
