// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/design"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// promotion asks what the way back is worth afterwards, and what an effect is
// an effect of.
func (c *checker) promotion() {
	p := c.plan
	for v := 1; v < len(p.Versions); v++ {
		if parts := p.DifferingParts(v); len(parts) > 1 {
			c.add(CodeParts, fmt.Sprintf("spec.versions[%d].parts", v), "version", p.Versions[v].Name, "parts", strings.Join(parts, ", "))
		}
	}
	if !c.compares() {
		return
	}
	k, retires := p.Promote.KeepWarm, p.Promote.Loser == experiment.LoserDelete || p.Promote.Loser == experiment.LoserScaleDown
	metric, window := c.slowest()
	switch {
	case k == nil && p.Promote.Loser == experiment.LoserDelete:
		c.add(CodeDeleted, "spec.promote.loser", "version", p.Versions[0].Name)
	case k == nil && p.Promote.Loser == experiment.LoserScaleDown:
		c.add(CodeGoneCold, "spec.promote", "what", "is scaled down at the promotion")
	case k == nil && metric != "":
		c.add(CodeGoneCold, "spec.promote", "what", fmt.Sprintf("may go cold, while %s takes another %s to be known", metric, design.Days(window)))
	case k != nil && metric != "" && !covers(k, p, metric, window):
		code := CodeShortWarm
		if retires {
			code = CodeRetiredEarly
		}
		c.add(code, "spec.promote.keepWarm", "metric", metric, "window", design.Days(window), "time", design.Days(k.AtLeast), "fate", p.Promote.Loser)
	}
	if k == nil && p.Promote.How == experiment.PromoteCopy {
		c.add(CodeCopied, "spec.promote.how", "version", p.Versions[0].Name)
	}
}

// slowest is the judged metric with the longest outcome window.
func (c *checker) slowest() (string, time.Duration) {
	name, longest := "", time.Duration(0)
	for _, j := range c.judgedMetrics() {
		if w, ok := c.matures(j.metric); ok && w > longest {
			name, longest = j.metric, w
		}
	}
	return name, longest
}

// covers says whether the old version stays until a metric has matured.
func covers(k *experiment.KeepWarm, p *experiment.Plan, metric string, window time.Duration) bool {
	if k.AtLeast >= window || slices.Contains(k.Matured, metric) {
		return true
	}
	// Another metric that takes as long will do.
	return slices.ContainsFunc(k.Matured, func(name string) bool {
		m := p.Metric(name)
		return m != nil && m.Matures() >= window
	})
}

// money asks what bounds the cost.
func (c *checker) money() {
	p := c.plan
	costs := slices.ContainsFunc(p.Versions, func(v experiment.Version) bool { return v.Cost != experiment.Cost{} })
	if costs && len(p.Versions) > 1 && (p.Budget == nil || p.Budget.Cost == 0) {
		c.add(CodeNoBudget, "spec.budget")
	}
	if p.Budget == nil || c.report == nil {
		return
	}
	t := c.report.Total
	if b := p.Budget.Cost; b > 0 && t.Cost != nil && t.Cost.Total > b {
		c.add(CodeOverBudget, "spec.budget.cost", "what", fmt.Sprintf("it is expected to cost %.2f, and the budget is %.2f", t.Cost.Total, b))
	}
	if b := p.Budget.Units; b > 0 && t.Exposed != nil && *t.Exposed > b {
		c.add(CodeOverBudget, "spec.budget.units", "what",
			fmt.Sprintf("%s units are expected to meet a candidate, and the budget is %s", design.Thousands(float64(*t.Exposed)), design.Thousands(float64(b))))
	}
	if b := p.Budget.Duration; b > 0 && t.Takes.Expected > b {
		c.add(CodeOverBudget, "spec.budget.duration", "what", fmt.Sprintf("it is expected to take %s, and the budget is %s", design.Days(t.Takes.Expected), design.Days(b)))
	}
}
