// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"strings"

	"github.com/headgate-dev/headgate/internal/design"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// leastExplore is the fewest units per version from which a bandit may learn.
const leastExplore = 100

func (c *checker) bandit(stage string, b *experiment.Bandit) {
	at := stage + ".bandit"
	p := c.plan
	var starved []string
	for v, share := range b.Min {
		if share == 0 {
			starved = append(starved, p.Versions[v].Name)
		}
	}
	if len(starved) > 0 {
		c.add(CodeNoMinimum, at+".min", "versions", strings.Join(starved, ", "))
	}
	if b.Step >= experiment.Whole {
		c.add(CodeNoStep, at+".step")
	}
	if b.Explore < leastExplore {
		c.add(CodeExplore, at+".explore", "units", b.Explore)
	}
	if b.Fallback != 0 {
		c.add(CodeFallback, at+".fallback", "version", p.Versions[b.Fallback].Name)
	}
	if b.Per != "" && len(b.Caps) == 0 {
		c.add(CodeNoCaps, at+".caps", "segment", b.Per)
	}
	if len(p.Guardrails) == 0 {
		c.add(CodeBanditAlone, "spec.guardrails")
	}
	if b.Until.Best > 0 {
		c.add(CodeNoErrorRate, stage+".until.best", "method", "an exit by the probability of being best")
	}
	if p.Reward == nil {
		return
	}
	if p.Reward.Range == nil {
		c.add(CodeNoRange, "spec.reward.range", "metric", p.Reward.Metric)
	}
	w, ok := c.matures(p.Reward.Metric)
	if !ok {
		return
	}
	if b.Every < w {
		c.add(CodeTooEager, at+".every", "every", design.Days(b.Every), "metric", p.Reward.Metric, "window", design.Days(w))
	}
	if o := p.Metric(p.Reward.Metric).Outcomes; o != nil && o.Joined == 0 {
		c.add(CodeNotJoined, "spec.metrics", "metric", p.Reward.Metric)
	}
}
