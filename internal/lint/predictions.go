// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"math"
	"time"

	"github.com/headgate-dev/headgate/internal/design"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// largeShift is from where on a population stability index is called a large
// shift; a rule of thumb of credit scoring (Siddiqi 2006).
const largeShift = 0.25

// predictions asks whether what is read from answers can tell what it is to.
func (c *checker) predictions() {
	for i := range c.plan.Metrics {
		if l := c.plan.Metrics[i].Labels; l != nil && l.Joined == 0 {
			c.add(CodeNotLabelled, fmt.Sprintf("spec.metrics[%d].from.labels", i), "metric", c.plan.Metrics[i].Name)
		}
	}
	c.rows()
	for i, o := range c.plan.Objectives {
		c.looseDrift(fmt.Sprintf("spec.objectives[%d].max", i), o)
	}
	for i := range c.plan.Stages {
		for k, o := range c.plan.Stages[i].Require {
			c.looseDrift(fmt.Sprintf("spec.stages[%d].require[%d].max", i, k), o)
		}
	}
}

func (c *checker) looseDrift(at string, o experiment.Objective) {
	m := c.plan.Metric(o.Metric)
	if m.Drift != nil && m.Drift.By == experiment.PSI && o.Max != nil && *o.Max > largeShift {
		c.add(CodeLooseDrift, at, "metric", o.Metric, "max", fmt.Sprintf("%g", *o.Max))
	}
}

// rows finds predictions that are gone before their labels come, at the traffic
// that is assumed.
func (c *checker) rows() {
	if c.report == nil || c.plan.Predictions == nil {
		return
	}
	requests := c.report.Assumed.Requests
	if a := c.report.Assumed; requests == 0 {
		requests = a.Units / day.Seconds() * max(1, a.PerUnit)
	}
	kept := c.plan.Retention.Rows
	if kept == 0 {
		kept = experiment.DefaultRows
	}
	rate := requests * c.plan.Predictions.Sample.Fraction()
	if rate <= 0 {
		return
	}
	lasts := math.Min(float64(kept)/rate, (400 * day).Seconds())
	for i := range c.plan.Metrics {
		m := &c.plan.Metrics[i]
		if m.Labels != nil && lasts < m.Labels.Window.Seconds() {
			c.add(CodeRowsGone, "spec.ledger.retention.rows", "rows", design.Thousands(float64(kept)), "metric", m.Name,
				"time", design.Days(time.Duration(lasts*float64(time.Second))), "window", design.Days(m.Labels.Window))
			return
		}
	}
}
