// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/design"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// Severity says how a finding should be received.
type Severity string

// The severities.
const (
	// Error is a plan that should not start as it is.
	Error Severity = "error"
	// Warning deserves a reason, or a change.
	Warning Severity = "warning"
	// Info is to be known before the result is read.
	Info Severity = "info"
)

// Finding is one thing that is unwise, wrong or to be known about a plan.
type Finding struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	// Path is like spec.stages[1].mirror; Line is the line of the file, from
	// 1, where it is known.
	Path string `json:"path"`
	Line int    `json:"line,omitempty"`
	// Message is about this plan, Why about all such plans, Remedy is what to
	// write instead.
	Message string `json:"message"`
	Why     string `json:"why"`
	Remedy  string `json:"remedy"`
}

// Check finds what is unwise about a plan. Without assumptions (nil) what
// depends on the traffic and on today's metrics is not looked at. Errors come
// first, then by code and place.
func Check(p *experiment.Plan, a *design.Assumptions) []Finding {
	c := &checker{plan: p}
	if p.Strict {
		c.strict()
		Sort(c.out)
		return c.out
	}
	if a == nil {
		a = &design.Assumptions{}
	}
	// Assumptions that cannot be are the business of whoever made them; the
	// plan is looked at without.
	if r, err := design.Of(p, *a); err == nil {
		c.report = &r
	}
	c.people()
	c.watched()
	c.statistics()
	c.exposure()
	c.modelNames()
	c.predictions()
	c.telemetry()
	for i := range p.Stages {
		at := fmt.Sprintf("spec.stages[%d]", i)
		if m := p.Stages[i].Mirror; m != nil {
			c.mirror(at, &p.Stages[i], m)
		}
		if b := p.Stages[i].Bandit; b != nil {
			c.bandit(at, b)
		}
	}
	c.promotion()
	c.money()
	Sort(c.out)
	return c.out
}

// strict finds what is unwise about a plan by Iter8's rules: whoever writes one
// knows that nothing is claimed of it, or should.
func (c *checker) strict() {
	c.people()
	c.add(CodeNoErrorRate, "spec.strict", "method", "strict: true")
}

// Refused is a problem that the validator found, as a finding.
func Refused(path string, line int, message, hint string) Finding {
	f := made(CodeRefused, path, "message", message)
	f.Line = line
	f.Remedy = cmp.Or(hint, f.Remedy)
	return f
}

// Sort puts errors first, then by code and place.
func Sort(findings []Finding) {
	rank := func(f Finding) int { return slices.Index([]Severity{Error, Warning, Info}, f.Severity) }
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path))
	})
}

// checker gathers the findings of one plan.
type checker struct {
	plan   *experiment.Plan
	report *design.Report
	out    []Finding
}

// add reports a finding with the values of its message.
func (c *checker) add(code Code, path string, pairs ...any) {
	c.out = append(c.out, made(code, path, pairs...))
}

// made fills an entry of the catalogue in.
func made(code Code, path string, pairs ...any) Finding {
	i := slices.IndexFunc(catalogue, func(e Entry) bool { return e.Code == code })
	e := catalogue[i] // Every code stands there: a test sees to it.
	replace := make([]string, len(pairs))
	for i := range pairs {
		replace[i] = fmt.Sprint(pairs[i])
		if i%2 == 0 {
			replace[i] = "{" + replace[i] + "}"
		}
	}
	// In one pass: a value may itself hold braces.
	fill := strings.NewReplacer(replace...).Replace
	return Finding{Code: e.Code, Severity: e.Severity, Path: path, Message: fill(e.Text), Why: e.Why, Remedy: fill(e.Remedy)}
}

// live says whether a stage shows a candidate's answers to users.
func live(s *experiment.Stage) bool {
	switch s.Kind() {
	case experiment.KindRamp, experiment.KindSplit, experiment.KindBandit, experiment.KindSwitch:
		return true
	default:
		return false
	}
}

// compares says whether the plan has a candidate that users meet.
func (c *checker) compares() bool {
	return len(c.plan.Versions) > 1 && slices.ContainsFunc(c.plan.Stages, func(s experiment.Stage) bool { return live(&s) })
}

// last is the last stage that shows a candidate to users, with its number, or
// nil.
func (c *checker) last() (int, *experiment.Stage) {
	for i := len(c.plan.Stages) - 1; i >= 0; i-- {
		if live(&c.plan.Stages[i]) {
			return i, &c.plan.Stages[i]
		}
	}
	return 0, nil
}

// matures is how long a metric of outcomes or labels takes to be known; false
// for other metrics.
func (c *checker) matures(metric string) (time.Duration, bool) {
	m := c.plan.Metric(metric)
	if m == nil || m.Matures() == 0 {
		return 0, false
	}
	return m.Matures(), true
}

// judged is a metric that something depends on.
type judged struct {
	role, metric, path string
}

// judgedMetrics are the metrics that decide, with where they are named.
func (c *checker) judgedMetrics() []judged {
	var out []judged
	if r := c.plan.Reward; r != nil {
		out = append(out, judged{"reward", r.Metric, "spec.reward"})
	}
	for i, g := range c.plan.Guardrails {
		out = append(out, judged{"guardrail", g.Metric, fmt.Sprintf("spec.guardrails[%d]", i)})
	}
	for i, o := range c.plan.Objectives {
		out = append(out, judged{"objective", o.Metric, fmt.Sprintf("spec.objectives[%d]", i)})
	}
	for i := range c.plan.Stages {
		for k, o := range c.plan.Stages[i].Require {
			out = append(out, judged{"gate", o.Metric, fmt.Sprintf("spec.stages[%d].require[%d]", i, k)})
		}
	}
	return out
}
