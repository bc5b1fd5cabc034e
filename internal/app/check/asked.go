// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/source/sources"
)

// askTheProvider is what to do where a provider answers and tells nothing.
const askTheProvider = "ask the provider the same by hand: the question must find that version, and the answer have what the metric reads"

// windows asks the plan's providers of other kinds than Prometheus for the newest
// whole window of every metric and version that has traffic.
func (k *checker) windows(ctx context.Context, p *experiment.Plan, shares experiment.Shares) {
	silent := map[string]bool{} // providers that did not answer
	heard := map[string]bool{}
	for i := range p.Metrics {
		m := &p.Metrics[i]
		if m.Provider == nil || m.Provider.HTTP == nil && m.Provider.SQL == nil || silent[m.Provider.Provider] {
			continue
		}
		name := m.Provider.Provider
		seal, err := k.window(ctx, p, m, shares)
		switch code := experiment.CodeOf(err); {
		case code == experiment.CodeUnavailable || code == experiment.CodeUnauthorized:
			k.say(CodeProvider, Warning, experiment.HintOf(err), "from here, provider %s: %v", name, err)
			silent[name] = true // Other metrics would fail likewise.
			continue
		case err != nil:
			k.failed(CodeSeries, Failed, err)
			continue
		case !heard[name]:
			heard[name] = true
			k.say(CodeProvider, OK, "", "the provider %s answers", name)
		}
		for _, c := range seal.Cells {
			if c.Counts.N > 0 {
				k.say(CodeSeries, OK, "", "%s tells of %s: %d in the newest window", m.Name, p.Versions[c.Version].Name, c.Counts.N)
				continue
			}
			k.say(CodeSeries, OK, "", "%s tells of %s", m.Name, p.Versions[c.Version].Name)
		}
		for _, g := range seal.Gaps {
			k.say(CodeSeries, Warning, askTheProvider, "%s in the newest window", g.Why)
		}
	}
}

// window reads the newest whole window of one metric, as the controller would.
func (k *checker) window(ctx context.Context, p *experiment.Plan, m *experiment.Metric, shares experiment.Shares) (experiment.Seal, error) {
	one := k.only(p, m.Provider.Provider, *m)
	one.Router, one.Window = experiment.Router{}, max(p.Window, time.Second) // No pack is read beside.
	set, err := sources.Open(ctx, one, k.reaching(p))
	if err != nil {
		return experiment.Seal{}, err
	}
	defer set.Close()
	now := k.Client.Now()
	begin := now.Add(-one.MetricsHold() - one.Window).Truncate(time.Second)
	totals := &experiment.Totals{Phases: []experiment.PhaseTotals{{Epoch: 1, Phase: 1, Stage: -1, Start: begin, Shares: shares}}}
	return set.Seal(ctx, engine.Wanted{Source: experiment.SourceMetrics, Totals: totals, Phase: &totals.Phases[0]}, now)
}

// points asks for the numbers that a strict plan is told, as of now. What its own
// load brings and what is made up needs no provider.
func (k *checker) points(ctx context.Context, p *experiment.Plan, at experiment.Moment) {
	asked := map[string][]experiment.Metric{}
	for i := range p.Metrics {
		if m := p.Metrics[i].Provider; m != nil && m.Load == nil && m.Mock == nil {
			asked[m.Provider] = append(asked[m.Provider], p.Metrics[i])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		k.point(ctx, p, name, asked[name], at)
	}
}

// point asks one provider of a strict plan.
func (k *checker) point(ctx context.Context, p *experiment.Plan, name string, metrics []experiment.Metric, at experiment.Moment) {
	one, o := k.only(p, name, metrics...), k.reaching(p)
	if x := p.Provider(name); x == nil || x.Prometheus != nil && len(x.Prometheus.Targets) == 0 {
		known, err := k.providerOf(p, name)
		if err != nil {
			k.unknownAddress(err)
			return
		}
		o.Fallback, one.Providers = &known, nil
		if x != nil {
			one.Providers = []experiment.Provider{{Name: name, Prometheus: &known}}
		}
	}
	set, err := sources.Open(ctx, one, o)
	if err != nil {
		k.failed(CodeProvider, Failed, err)
		return
	}
	defer set.Close()
	readings := set.Points(ctx, at)
	title := "the provider " + name
	if name == experiment.DefaultProvider {
		title = "the provider"
	}
	if !slices.ContainsFunc(readings, func(r experiment.Reading) bool { return r.Failed == "" }) {
		k.say(CodeProvider, Warning, "", "from here, %s tells nothing: %s of %s: %s", title, readings[0].Metric, p.Versions[readings[0].Version].Name, readings[0].Failed)
		return
	}
	k.say(CodeProvider, OK, "", "%s answers", title)
	for _, r := range readings {
		version := p.Versions[r.Version].Name
		switch {
		case r.Failed != "":
			k.say(CodeSeries, Warning, askTheProvider, "%s of %s: %s", r.Metric, version, r.Failed)
		case r.Value == nil:
			k.say(CodeSeries, Warning, askTheProvider, "%s tells no number of %s", r.Metric, version)
		default:
			k.say(CodeSeries, OK, "", "%s of %s is %.4g", r.Metric, version, *r.Value)
		}
	}
}

// only is a plan of some metrics of one provider, so that each is asked alone.
func (k *checker) only(p *experiment.Plan, provider string, metrics ...experiment.Metric) *experiment.Plan {
	one := *p
	one.Metrics, one.Providers = metrics, nil
	if x := p.Provider(provider); x != nil {
		one.Providers = []experiment.Provider{*x}
	}
	return &one
}

// reaching is how providers are reached: as the controller does, with secrets
// under the caller's rights.
func (k *checker) reaching(p *experiment.Plan) sources.Options {
	return sources.Options{Cluster: true, Secrets: func(ctx context.Context, ref experiment.Secret) (string, error) {
		return k.secret(ctx, p.Namespace, ref)
	}}
}

// momentOf is as of when a strict plan is told its numbers now. Before the first
// iteration a minute is as good as any time.
func momentOf(s *experiment.State, now time.Time) experiment.Moment {
	at := experiment.Moment{Now: now, Elapsed: 60}
	if s != nil && s.Iteration != nil && !s.Iteration.First.IsZero() {
		at.Elapsed = max(1, int64(now.Sub(s.Iteration.First)/time.Second))
	}
	return at
}
