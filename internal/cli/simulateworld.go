// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/simulate"
)

// worldFlags are what a simulated world is like, as people write it.
type worldFlags struct {
	traffic    string
	population int64
	delay      time.Duration
	baselines  []string
	effects    []string
	errors     []string
	slow       []string
	groups     []string
	heard      []string
	steps      int
}

func (x *worldFlags) define(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&x.traffic, "traffic", "20/s", "how many requests arrive: 50/s, 3000/min, 90000/h or 2000000/d")
	f.Int64Var(&x.population, "population", 0, "how many units the requests come from; 0 is another for each")
	f.DurationVar(&x.delay, "delay", 0, "after how long outcomes come, on average")
	f.StringArrayVar(&x.baselines, "baseline", nil, "how a metric stands in the baseline, [METRIC=]MEAN[±DEVIATION]; the reward if no metric is named (default 10%); may be repeated")
	f.StringArrayVar(&x.effects, "effect", nil, "by how much a metric improves, [METRIC,VERSION,SEGMENT=GROUP=]2%, +1pt or +0.5; the reward of every candidate if nothing is named; may be repeated")
	f.StringArrayVar(&x.errors, "errors", nil, "the share of failed requests, [VERSION=]SHARE; may be repeated")
	f.StringArrayVar(&x.slow, "slow", nil, "the share of requests over the latency limits, [VERSION=]SHARE; may be repeated")
	f.StringArrayVar(&x.heard, "heard", nil, "the share of units that a metric hears of, [METRIC=]SHARE; may be repeated")
	f.StringArrayVar(&x.groups, "group", nil, "a group's share of the traffic, SEGMENT=GROUP:SHARE; may be repeated")
	f.IntVar(&x.steps, "steps", simulate.DefaultSteps, "how often to look in the expected time of a stage, at most once a window")
}

// world is assumptions in the making.
type world struct {
	plan *experiment.Plan
	laws []simulate.Law // of everybody, by metric
	// groups are laws of groups.
	groups []simulate.Law
}

func (x *worldFlags) assumptions(p *experiment.Plan) (simulate.Assumptions, error) {
	a := simulate.Assumptions{Units: x.population, Delay: x.delay, Steps: x.steps}
	var err error
	if a.Rate, err = parseTraffic(x.traffic); err != nil {
		return a, err
	}
	if x.steps < 1 {
		return a, usageError{fmt.Errorf("--steps: %d looks: want 1 or more", x.steps)}
	}
	for _, text := range x.groups {
		slice, share, ok := strings.Cut(text, ":")
		f, good := parseNumber(share)
		if !ok || !good {
			return a, usageError{fmt.Errorf("--group: %q is not a group with its share: want for example tier=premium:10%%", text)}
		}
		a.Groups = append(a.Groups, simulate.GroupShare{Slice: slice, Share: f})
	}
	w := &world{plan: p}
	for i := range p.Metrics {
		w.laws = append(w.laws, simulate.DefaultLaw(p, &p.Metrics[i]))
	}
	if err := w.apply(x); err != nil {
		return a, err
	}
	a.Laws = append(w.laws, w.groups...)
	return a, nil
}

// apply reads the flags in an order in which each stands on what it needs.
func (w *world) apply(x *worldFlags) error {
	for _, text := range x.baselines {
		v, err := parseBaseline(text, w.plan)
		if err != nil {
			return err
		}
		l, err := w.law("--baseline", v.Metric)
		if err != nil {
			return err
		}
		l.SD = v.SD
		for i := range l.Values {
			l.Values[i] = v.Mean
		}
	}
	for _, k := range []struct {
		flag  string
		texts []string
		kind  experiment.BuiltinKind
	}{{"--errors", x.errors, experiment.ErrorRate}, {"--slow", x.slow, experiment.Latency}} {
		for _, text := range k.texts {
			if err := w.builtin(k.flag, text, k.kind); err != nil {
				return err
			}
		}
	}
	for _, text := range x.heard {
		if err := w.heard(text); err != nil {
			return err
		}
	}
	effects := make([]effect, len(x.effects))
	said := false
	for i, text := range x.effects {
		var err error
		if effects[i], err = w.effect(text); err != nil {
			return err
		}
		said = said || w.plan.Reward != nil && effects[i].metric == w.plan.Reward.Metric && effects[i].slice == ""
	}
	if w.plan.Reward != nil && !said {
		effects = append([]effect{{metric: w.plan.Reward.Metric, version: -1, Effect: simulate.MinimumEffect(w.plan)}}, effects...)
	}
	// Those of everybody come first: a group's law begins as everybody's.
	slices.SortStableFunc(effects, func(a, b effect) int { return min(1, len(a.slice)) - min(1, len(b.slice)) })
	for _, e := range effects {
		if err := w.change(e); err != nil {
			return err
		}
	}
	return nil
}

// law is the law of a metric over everybody.
func (w *world) law(flag, metric string) (*simulate.Law, error) {
	i := slices.IndexFunc(w.laws, func(l simulate.Law) bool { return l.Metric == metric })
	if i < 0 {
		known := make([]string, len(w.laws))
		for i := range w.laws {
			known[i] = w.laws[i].Metric
		}
		return nil, usageError{fmt.Errorf("%s: no metric is called %q: want one of %s", flag, metric, strings.Join(known, ", "))}
	}
	return &w.laws[i], nil
}

func (w *world) version(name string) int {
	return slices.IndexFunc(w.plan.Versions, func(v experiment.Version) bool { return v.Name == name })
}

// builtin sets a metric of requests in one version or all.
func (w *world) builtin(flag, text string, kind experiment.BuiltinKind) error {
	name, share, named := strings.Cut(text, "=")
	version := -1
	if named {
		if version = w.version(name); version < 0 {
			return usageError{fmt.Errorf("%s: no version is called %q", flag, name)}
		}
	} else {
		share = text
	}
	f, ok := parseNumber(share)
	if !ok || f < 0 || f > 1 {
		return usageError{fmt.Errorf("%s: %q is no share of requests: want for example 2%% or %s=2%%", flag, text, w.plan.Versions[len(w.plan.Versions)-1].Name)}
	}
	found := false
	for i := range w.plan.Metrics {
		if b := w.plan.Metrics[i].Builtin; b == nil || b.Kind != kind {
			continue
		}
		found = true
		for v := range w.laws[i].Values {
			if version < 0 || version == v {
				w.laws[i].Values[v] = f
			}
		}
	}
	if !found {
		return usageError{fmt.Errorf("%s: the experiment has no metric of the kind %s, so nothing would come of it", flag, kind)}
	}
	return nil
}

// heard sets the share of units that a metric hears of.
func (w *world) heard(text string) error {
	metric, share, named := strings.Cut(text, "=")
	if !named {
		share = text
		if w.plan.Reward == nil {
			return usageError{fmt.Errorf("--heard: %q names no metric, and the experiment has no reward: want METRIC=SHARE", text)}
		}
		metric = w.plan.Reward.Metric
	}
	l, err := w.law("--heard", metric)
	if err != nil {
		return err
	}
	f, ok := parseNumber(share)
	if !ok || f <= 0 || f > 1 {
		return usageError{fmt.Errorf("--heard: %q is no share of units: want for example 95%%", text)}
	}
	l.Heard = f
	return nil
}

// effect is a change of a metric in one candidate, or in all (-1), for everybody
// or a group.
type effect struct {
	simulate.Effect
	metric, slice string
	version       int
}

// effect reads "2%", "v2=+1pt", "refund=-5%" or "refund,v2,tier=premium=-5%".
func (w *world) effect(text string) (effect, error) {
	e := effect{version: -1}
	if w.plan.Reward != nil {
		e.metric = w.plan.Reward.Metric
	}
	size := text
	if i := strings.LastIndex(text, "="); i >= 0 {
		size = text[i+1:]
		for part := range strings.SplitSeq(text[:i], ",") {
			part = strings.TrimSpace(part)
			switch v := w.version(part); {
			case strings.Contains(part, "="):
				e.slice = part
			case w.plan.Metric(part) != nil:
				e.metric = part
			case v > 0:
				e.version = v
			case v == 0:
				return e, usageError{fmt.Errorf("--effect: %s is the baseline, which others are compared with: set it by --baseline", part)}
			default:
				return e, usageError{fmt.Errorf("--effect: %q is neither a metric nor a version nor a group such as tier=premium", part)}
			}
		}
	}
	if e.metric == "" {
		return e, usageError{fmt.Errorf("--effect: %q names no metric, and the experiment has no reward: want METRIC=EFFECT", text)}
	}
	var ok bool
	if e.Effect, ok = parseEffect(size); !ok {
		return e, usageError{fmt.Errorf("--effect: %q is no effect: want for example 2%% of the baseline, +1pt (percentage points) or +0.5", text)}
	}
	return e, nil
}

// parseEffect reads "2%" as relative, "+1pt" as percentage points, a bare number
// as the metric's unit.
func parseEffect(text string) (simulate.Effect, bool) {
	text = strings.TrimSpace(text)
	for _, suffix := range []string{"points", "point", "pts", "pt"} {
		if number, ok := strings.CutSuffix(text, suffix); ok {
			f, good := parseNumber(strings.TrimSpace(number))
			return simulate.Effect{Absolute: f / 100}, good && !strings.Contains(number, "%")
		}
	}
	f, ok := parseNumber(text)
	if strings.HasSuffix(text, "%") {
		return simulate.Effect{Relative: f}, ok
	}
	return simulate.Effect{Absolute: f}, ok
}

// change applies an effect to a law.
func (w *world) change(e effect) error {
	l, err := w.law("--effect", e.metric)
	if err != nil {
		return err
	}
	if e.slice != "" {
		i := slices.IndexFunc(w.groups, func(g simulate.Law) bool { return g.Metric == e.metric && g.Slice == e.slice })
		if i < 0 {
			group := *l
			group.Slice, group.Values = e.slice, slices.Clone(l.Values)
			w.groups = append(w.groups, group)
			i = len(w.groups) - 1
		}
		l = &w.groups[i]
	}
	goal := w.plan.Metric(e.metric).Goal
	for v := 1; v < len(l.Values); v++ {
		if e.version < 0 || e.version == v {
			l.Values[v] = e.Of(l.Values[0], goal)
		}
	}
	return nil
}
