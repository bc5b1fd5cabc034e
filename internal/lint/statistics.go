// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"

	"github.com/headgate-dev/headgate/internal/design"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// Bounds of what is still sensible.
const (
	mostAlpha    = 0.10  // above it, one success in ten is none
	leastUnits   = 100   // units per version, below which a look says nothing
	tinyRelative = 0.001 // an effect for which even large sites wait years
	mostDays     = 365
	leastShare   = 1000 // slots: below 10 % a comparison takes several times the sample
	manyTests    = 50
)

// statistics asks whether the question can be answered.
func (c *checker) statistics() {
	a := c.plan.Analysis
	if a.Alpha > mostAlpha && a.Method != experiment.Threshold {
		c.add(CodeAlpha, "spec.analysis.alpha", "what", "alpha", "value", percent(a.Alpha))
	}
	if a.HarmAlpha > mostAlpha {
		c.add(CodeAlpha, "spec.analysis.harmAlpha", "what", "harmAlpha", "value", percent(a.HarmAlpha))
	}
	if tests := a.HarmAlpha / c.plan.TestAlpha(); tests > manyTests {
		c.add(CodeManyTests, "spec.guardrails", "tests", fmt.Sprintf("%.0f", tests), "alpha", percent(c.plan.TestAlpha()))
	}
	for i := range c.plan.Stages {
		if s := &c.plan.Stages[i]; s.Split != nil {
			c.split(fmt.Sprintf("spec.stages[%d]", i), s)
		}
	}
	if c.report != nil {
		c.sample()
		c.limits()
	}
}

// split is about one split's rule.
func (c *checker) split(at string, s *experiment.Stage) {
	a, u := c.plan.Analysis, s.Split.Until
	switch a.Method {
	case experiment.Bayesian, experiment.Threshold:
		c.add(CodeNoErrorRate, "spec.analysis.method", "method", a.Method)
		if a.Method == experiment.Bayesian && u.Decided && 2*u.AtLeast < u.AtMost {
			c.add(CodePeeking, at+".until", "stage", s.Name, "least", design.Days(u.AtLeast))
		}
	}
	least := u.AtMost
	if u.Decided {
		least = u.AtLeast
	}
	if least < 7*day && !c.plan.Assignment.Unit.Request {
		c.add(CodeShort, at+".until", "stage", s.Name, "time", design.Days(least))
	}
	small := s.Split.Shares[0]
	for _, share := range s.Split.Shares[1:] {
		small = min(small, share)
	}
	if small < leastShare {
		c.add(CodeUneven, at+".split", "stage", s.Name, "share", small.Percent())
	}
	units := float64(u.Units)
	if r := c.report; units == 0 && r != nil && r.Reward != nil && r.Reward.Stage == s.Name {
		units = float64(r.Reward.Planned)
	}
	if a.Method == experiment.Sequential && units > 0 {
		if each := units * small.Fraction() / float64(max(1, a.Looks)); each < leastUnits {
			c.add(CodeLooks, "spec.analysis.looks", "looks", a.Looks, "units", fmt.Sprintf("%.0f", each), "stage", s.Name)
		}
	}
	if s.Split.Otherwise == experiment.PromoteCandidate {
		c.add(CodePromotesAnyway, at+".otherwise", "stage", s.Name)
	}
}

// sample is about what the traffic brings.
func (c *checker) sample() {
	for i := range c.plan.Stages {
		if st := &c.report.Stages[i]; st.Late {
			c.add(CodeNeverReached, fmt.Sprintf("spec.stages[%d]", i), "stage", st.Name, "time", design.Days(c.plan.Stages[i].AtMost()))
		}
	}
	r := c.report.Reward
	if r == nil {
		return
	}
	at := "spec.reward.minimumEffect"
	switch {
	case r.Duration != nil && r.Duration.Days > mostDays, r.Needed > 0 && r.Duration == nil && c.report.Assumed.Requests+c.report.Assumed.Units > 0:
		years := "centuries"
		if r.Duration != nil {
			years = fmt.Sprintf("%.1f years", float64(r.Duration.Days)/365)
		}
		c.add(CodeYears, at, "effect", percent(r.Relative), "metric", r.Metric, "units", design.Thousands(float64(r.Needed)), "time", years)
	case r.Power != nil && *r.Power < r.Wanted && r.Method != experiment.Threshold:
		c.add(CodeUnderpowered, at, "power", percent(*r.Power), "wanted", percent(r.Wanted), "have", design.Thousands(float64(r.Planned)), "need", design.Thousands(float64(r.Needed)))
	case r.Power == nil && c.plan.Reward.MinimumEffect.Relative > 0 && c.plan.Reward.MinimumEffect.Relative < tinyRelative:
		c.add(CodeTiny, at, "effect", percent(c.plan.Reward.MinimumEffect.Relative))
	}
}

// limits is about guardrails and objectives that stay open.
func (c *checker) limits() {
	index := func(metric string) int {
		for i, g := range c.plan.Guardrails {
			if g.Metric == metric {
				return i
			}
		}
		return 0
	}
	for _, g := range c.report.Guardrails {
		if g.Power == nil || *g.Power >= g.Wanted {
			continue
		}
		who, need := "everybody", "more than can be had"
		if g.Slice != "" {
			who = g.Slice
		}
		if g.Needed > 0 {
			need = design.Thousands(float64(g.Needed))
		}
		c.add(CodeTooFew, fmt.Sprintf("spec.guardrails[%d]", index(g.Metric)), "metric", g.Metric, "who", who, "basis", g.Basis,
			"have", design.Thousands(float64(g.Planned)), "need", need)
	}
	for _, l := range c.report.Objectives {
		i := 0
		for k, o := range c.plan.Objectives {
			if o.Metric == l.Metric {
				i = k
			}
		}
		at, name := fmt.Sprintf("spec.objectives[%d]", i), l.Metric
		if l.Slice != "" {
			name += " in " + l.Slice
		}
		switch {
		case l.Slice == "" && l.Assumed && l.Rate >= l.Limit:
			c.add(CodeAlreadyOver, at, "metric", name, "rate", percent(l.Rate), "limit", percent(l.Limit))
		case l.Power != nil && *l.Power < l.Wanted && l.Needed > 0:
			c.add(CodeUnshown, at, "metric", name, "have", design.Thousands(float64(l.Planned)), "need", design.Thousands(float64(l.Needed)))
		}
	}
}

// percent writes a fraction for a message.
func percent(f float64) string { return fmt.Sprintf("%.4g%%", 100*f) }
