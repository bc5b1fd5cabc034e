// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router/pack"
	"github.com/headgate-dev/headgate/internal/source/prometheus"
)

func sortedNames(list corev1.ResourceList) []corev1.ResourceName {
	return slices.Sorted(maps.Keys(list))
}

// evidence asks the plan's providers for the newest whole window of every metric
// and version that has traffic, or of a strict plan for its numbers as of now.
func (k *checker) evidence(ctx context.Context, p *experiment.Plan, s *experiment.State) {
	shares := experiment.Baseline(len(p.Versions))
	if s != nil {
		shares = s.Slots.Shares(len(p.Versions))
	}
	if p.Strict {
		k.points(ctx, p, momentOf(s, k.Client.Now()))
		return
	}
	reads := map[string][]pack.Read{}
	if kind := p.Router.Kind(); kind != experiment.RouterGateway && kind != experiment.RouterNone {
		kit, err := pack.For(p, p.Router.Pack, pack.Options{})
		var list []pack.Read
		if err == nil {
			list, err = kit.Reads(p)
		}
		if err != nil {
			k.failed(CodeSeries, Failed, err)
			return
		}
		reads[p.Pack()] = list
	}
	asked := map[string]bool{}
	for i := range p.Metrics {
		if m := p.Metrics[i].Provider; m != nil && m.Prometheus != nil && !asked[m.Provider] {
			asked[m.Provider] = true
			reads[m.Provider] = append(reads[m.Provider], prometheus.MetricReads(p, m.Provider)...)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(reads)) {
		k.provider(ctx, p, name, reads[name], shares)
	}
	k.windows(ctx, p, shares)
}

// unknownAddress says that nobody knows from here where a provider is.
func (k *checker) unknownAddress(err error) {
	k.say(CodeProvider, Warning, "name its address with --prometheus URL", "%v: the controller has its own", err)
}

// provider asks one Prometheus.
func (k *checker) provider(ctx context.Context, p *experiment.Plan, name string, reads []pack.Read, shares experiment.Shares) {
	at, err := k.providerOf(p, name)
	if err != nil {
		k.unknownAddress(err)
		return
	}
	source, err := prometheus.New(prometheus.Options{Provider: at, Secrets: func(ctx context.Context, ref experiment.Secret) (string, error) {
		return k.secret(ctx, p.Namespace, ref)
	}})
	if err != nil {
		k.failed(CodeProvider, Failed, err)
		return
	}
	defer source.Close()
	heard := false
	for _, read := range reads {
		for v := range p.Versions {
			if shares[v] == 0 {
				continue
			}
			seal, err := source.Seal(ctx, queryOf(p, at.Scrape, source.Hold(), read, v, k.Client.Now()), k.Client.Now())
			if code := experiment.CodeOf(err); code == experiment.CodeUnavailable || code == experiment.CodeUnauthorized {
				k.say(CodeProvider, Warning, experiment.HintOf(err), "from here, %v", err)
				return // The others would fail likewise.
			}
			if !heard {
				heard = true
				k.say(CodeProvider, OK, "", "the provider at %s answers", at.URL)
			}
			k.series(p, v, read, seal, err)
		}
	}
}

// series says what one metric tells of one version.
func (k *checker) series(p *experiment.Plan, v int, read pack.Read, seal experiment.Seal, err error) {
	switch {
	case err != nil:
		k.failed(CodeSeries, Failed, err)
	case len(seal.Gaps) > 0 && strings.Contains(seal.Gaps[0].Why, "has no series"):
		k.say(CodeSeries, Failed, "the selector is "+selectorOf(read, v), "%s", seal.Gaps[0].Why)
	case len(seal.Gaps) > 0:
		k.say(CodeSeries, Warning, "", "%s", seal.Gaps[0].Why)
	case len(seal.Cells) > 0 && seal.Cells[0].Counts.N > 0:
		k.say(CodeSeries, OK, "", "%s tells of %s: %d in the newest window", read.Cell, p.Versions[v].Name, seal.Cells[0].Counts.N)
	default:
		k.say(CodeSeries, OK, "", "%s tells of %s", read.Cell, p.Versions[v].Name)
	}
}

// selectorOf is the first text that a read asks for of a version.
func selectorOf(read pack.Read, v int) string {
	for _, list := range [][]string{read.Query.Total, read.Query.Buckets, read.Query.Count, read.Query.Query} {
		if len(list) > 0 {
			return list[v]
		}
	}
	return ""
}

// queryOf asks for the newest whole window of one metric and one version.
func queryOf(p *experiment.Plan, scrape, hold time.Duration, read pack.Read, v int, now time.Time) prometheus.Query {
	one := func(list []string) []string {
		if len(list) == 0 {
			return nil
		}
		return list[v : v+1]
	}
	q := read.Query
	q.Events, q.Total, q.Sum, q.Count, q.Buckets, q.Query = one(q.Events), one(q.Total), one(q.Sum), one(q.Count), one(q.Buckets), one(q.Query)
	window := max(p.Window, 2*scrape)
	read.Query = q
	return prometheus.Query{
		Source: experiment.SourceMetrics, Start: now.Add(-hold - 2*window), Window: window, From: 1,
		Names: []string{p.Versions[v].Name}, Asked: []bool{true}, Mirrored: []bool{false}, Reads: []pack.Read{read},
	}
}

// providerOf is how a Prometheus is reached from here.
func (k *checker) providerOf(p *experiment.Plan, name string) (experiment.PrometheusProvider, error) {
	at := experiment.PrometheusProvider{Scrape: experiment.DefaultScrape}
	if x := p.Provider(name); x != nil && x.Prometheus != nil {
		at = *x.Prometheus
	} else if k.Prometheus == "" {
		return at, fmt.Errorf("%s: %w", p.ID(), errNoProvider)
	}
	servers := 0
	for i := range p.Providers {
		if p.Providers[i].Prometheus != nil {
			servers++
		}
	}
	if k.Prometheus != "" && servers < 2 {
		at.URL = k.Prometheus
	}
	return at, nil
}

// secret reads a key of a Secret in the experiment's namespace, under the
// caller's rights.
func (k *checker) secret(ctx context.Context, namespace string, ref experiment.Secret) (string, error) {
	if ref.Name == "" {
		return "", experiment.Errorf(experiment.CodeInvalid, "in a cluster a secret is a key of a Secret object").WithHint("write {name: NAME, key: KEY}")
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var object corev1.Secret
	if err := k.Client.Live.Get(ctx, types.NamespacedName{Namespace: namespace, Name: ref.Name}, &object); err != nil {
		return "", experiment.Errorf(experiment.CodeUnauthorized, "read secret %s/%s: %w", namespace, ref.Name, err).WithHint("only who may read the secret can ask the provider")
	}
	value, ok := object.Data[ref.Key]
	if !ok {
		return "", experiment.Errorf(experiment.CodeInvalid, "secret %s/%s has no key %q", namespace, ref.Name, ref.Key)
	}
	return strings.TrimSpace(string(value)), nil
}
