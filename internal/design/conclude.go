// SPDX-License-Identifier: Apache-2.0

package design

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Conclusion is something that the plan can or cannot find out, and why.
type Conclusion struct {
	Can     bool   `json:"can"`
	Says    string `json:"says"`
	Because string `json:"because"`
}

// concluding gathers conclusions: what can be said first.
type concluding struct {
	*world
	report *Report
	out    []Conclusion
}

func (c *concluding) can(says, because string, args ...any) {
	c.out = append(c.out, Conclusion{true, says, fmt.Sprintf(because, args...)})
}

func (c *concluding) cannot(says, because string, args ...any) {
	c.out = append(c.out, Conclusion{false, says, fmt.Sprintf(because, args...)})
}

// conclude says what can and what cannot be concluded.
func (w *world) conclude(r *Report) []Conclusion {
	c := &concluding{world: w, report: r}
	c.benefit()
	c.objectives()
	c.guardrails()
	c.kinds()
	c.parts()
	c.basis()
	c.reach()
	c.horizons()
	slices.SortStableFunc(c.out, func(a, b Conclusion) int {
		switch {
		case a.Can == b.Can:
			return 0
		case a.Can:
			return -1
		default:
			return 1
		}
	})
	return c.out
}

// benefit is about the reward.
func (c *concluding) benefit() {
	r, p := c.report.Reward, c.plan
	better := fmt.Sprintf("whether %s is better", candidates(p))
	switch {
	case len(p.Versions) == 1:
		return
	case r == nil:
		c.cannot(better, "no reward is declared; a rollout can only be found safe")
		return
	case r.Stage == "" && c.has(experiment.KindBandit):
		c.cannot(better+" with a bounded error", "a bandit takes no error rate; simulate says how often it picks the best")
		return
	case r.Stage == "":
		c.cannot(better, "no stage decides the reward: it is watched for harm only")
		return
	}
	better = fmt.Sprintf("whether %s is better in %s by %s", candidates(p), r.Metric, effect(p.Reward.MinimumEffect))
	bounded := fmt.Sprintf("; it is said of an identical version with probability at most %s, %s", percent(p.Analysis.Alpha), r.Guarantee)
	if r.Guarantee == experiment.GuaranteeNone {
		bounded = ""
		c.cannot("how often better is said of an identical version", "the method %s bounds no error rate", r.Method)
	}
	switch {
	case r.Method == experiment.Threshold:
		c.cannot(better, "with the very effect the estimate reaches the threshold half of the time, however many units there are")
	case r.Power == nil:
		c.cannot("how surely it is found "+better, "%s", unstated(r.Missing))
	case *r.Power < r.Wanted:
		c.cannot(better, "%s units find it with probability %s; for %s it takes %s%s", Thousands(float64(r.Planned)), percent(*r.Power), percent(r.Wanted), needs(r), bounded)
	default:
		c.can(better, "%s units find it with probability %s%s", Thousands(float64(r.Planned)), surely(*r.Power), bounded)
	}
}

// unstated says on what it depends.
func unstated(missing string) string {
	return "that depends on " + cmp.Or(missing, "more") + ", which was not stated"
}

// surely writes a high probability without pretending to more.
func surely(p float64) string {
	if p > 0.999 {
		return "above 99.9%"
	}
	return percent(p)
}

// needs says how much would do, if any would.
func needs(r *Reward) string {
	if r.Needed == 0 {
		return "more than can be said"
	}
	return Thousands(float64(r.Needed))
}

// effect writes a margin.
func effect(m experiment.Margin) string {
	if m.Relative > 0 {
		return percent(m.Relative) + " of the baseline"
	}
	return fmt.Sprintf("%.4g", m.Absolute)
}

// candidates names them.
func candidates(p *experiment.Plan) string {
	names := make([]string, 0, len(p.Versions))
	for _, v := range p.Versions[min(1, len(p.Versions)-1):] {
		names = append(names, v.Name)
	}
	if n := len(names) - 1; n > 0 {
		return strings.Join(names[:n], ", ") + " or " + names[n]
	}
	return names[0]
}

// has says whether the plan has a stage of some kind.
func (c *concluding) has(kind experiment.StageKind) bool {
	return slices.ContainsFunc(c.plan.Stages, func(s experiment.Stage) bool { return s.Kind() == kind })
}

// objectives says which limits the plan can show to be met.
func (c *concluding) objectives() {
	who := "a candidate"
	if len(c.plan.Versions) == 1 {
		who = c.plan.Versions[0].Name
	}
	for _, l := range c.report.Objectives {
		says := fmt.Sprintf("that %s is within %s", l.Metric, percent(l.Limit))
		if l.Slice != "" {
			says += " in " + l.Slice
		}
		truth := "even without a single one over it"
		if l.Assumed {
			truth = "if it stands at " + percent(l.Rate)
		}
		switch {
		case l.Needed == 0:
			c.cannot(says, "it stands at %s, and no sample shows that to be within its limit", percent(l.Rate))
		case l.Power == nil:
			c.can(says, "it takes about %s requests of %s, %s", Thousands(float64(l.Needed)), who, truth)
		case *l.Power < l.Wanted:
			c.cannot(says, "%s answers %s requests in the expected time, and %s about %s show it; until then it is held",
				who, Thousands(float64(l.Planned)), truth, Thousands(float64(l.Needed)))
		default:
			c.can(says, "%s requests of %s show it with probability %s, %s", Thousands(float64(l.Planned)), who, surely(*l.Power), truth)
		}
	}
}

// guardrails says which guardrails, and which slices, have enough to be judged.
func (c *concluding) guardrails() {
	for _, g := range c.report.Guardrails {
		says, name := "that "+g.Metric+" is not worse", "everybody"
		if g.Slice != "" {
			says, name = says+" in "+g.Slice, "slice "+g.Slice
		}
		switch {
		case g.Power == nil:
			c.cannot(says, "%s", unstated(g.Missing))
		case *g.Power < g.Wanted && g.Needed == 0:
			c.cannot(says, "no sample of %s within reach is enough for its margin", name)
		case *g.Power < g.Wanted:
			c.cannot(says, "%s has too few %s to be judged: %s of %s", name, g.Basis, Thousands(float64(g.Planned)), Thousands(float64(g.Needed)))
		default:
			c.can(says, "%s %s show it with probability %s", Thousands(float64(g.Planned)), g.Basis, surely(*g.Power))
		}
	}
}

// kinds is about what the stage kinds cannot tell.
func (c *concluding) kinds() {
	live := c.has(experiment.KindRamp) || c.has(experiment.KindSplit) || c.has(experiment.KindBandit) || c.has(experiment.KindSwitch)
	switch {
	case c.has(experiment.KindMirror) && !live:
		c.cannot("how users react", "mirror only: nobody sees a candidate's answers, and a mirror promotes nothing")
	case c.has(experiment.KindMirror):
		c.can("how the answers differ before anybody sees one", "the mirror compares both answers to the same requests; it does not tell how users react")
	case !live && len(c.plan.Versions) > 1:
		c.cannot("anything about "+candidates(c.plan), "no stage gives it traffic")
	}
	if len(c.plan.Versions) == 1 {
		c.cannot("whether anything changed", "one version is observed, and compared with nothing but its limits")
	}
	if c.has(experiment.KindSwitch) && !c.has(experiment.KindSplit) && !c.has(experiment.KindRamp) {
		c.cannot("whether the switch changed anything", "before and after are different days, and no two versions serve at the same time")
	}
	if c.has(experiment.KindBandit) {
		c.cannot("the size of an effect as cleanly as a split does", "a bandit's shares follow its data; the reported means are weighted for it, and wider")
	}
}

// parts warns where more than the model differs.
func (c *concluding) parts() {
	for v := 1; v < len(c.plan.Versions); v++ {
		if names := c.plan.DifferingParts(v); len(names) > 1 {
			c.cannot("that an effect of "+c.plan.Versions[v].Name+" is the model's alone", "parts %s differ", strings.Join(names, " and "))
		}
	}
}

// basis is about what the samples are made of.
func (c *concluding) basis() {
	p := c.plan
	for i := range p.Metrics {
		if m := &p.Metrics[i]; m.Windowed() && c.judged(m.Name) {
			c.cannot("the exact certainty about "+m.Name, "a provider tells one number for each window: windows are the sample, and how much they depend on each other is estimated")
		}
	}
	if p.Assignment.Unit.Request {
		c.cannot("how a user who keeps one version behaves", "each request is drawn anew")
		return
	}
	for i := range p.Guardrails {
		if m := p.Metric(p.Guardrails[i].Metric); !m.ByUnit() {
			c.cannot("the exact certainty about "+m.Name, "it is counted in requests, and those of one unit are not independent")
			return
		}
	}
}

// judged says whether anything is decided by a metric.
func (c *concluding) judged(metric string) bool {
	p := c.plan
	limits := slices.Clone(p.Objectives)
	for i := range p.Stages {
		limits = append(limits, p.Stages[i].Require...)
	}
	return p.Reward != nil && p.Reward.Metric == metric ||
		slices.ContainsFunc(p.Guardrails, func(g experiment.Guardrail) bool { return g.Metric == metric }) ||
		slices.ContainsFunc(limits, func(o experiment.Objective) bool { return o.Metric == metric })
}

// reach is about whom the verdict is for.
func (c *concluding) reach() {
	for _, st := range c.report.Stages {
		if st.Where != "" && (st.Kind == experiment.KindSplit || st.Kind == experiment.KindRamp || st.Kind == experiment.KindBandit) {
			c.cannot("for everybody what "+st.Name+" finds", "it is for %s only", st.Where)
		}
	}
}

// horizons warns of stages that end before they have what they wait for.
func (c *concluding) horizons() {
	for _, st := range c.report.Stages {
		if st.Late {
			c.cannot("that "+st.Name+" has all that it waits for", "at this traffic it reaches its horizon of %s first", Days(st.takes.AtMost))
		}
	}
}
