// SPDX-License-Identifier: Apache-2.0

package pack

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Read is what one cell of the evidence is read by.
type Read struct {
	// Cell is the name of the cells: experiment.CellRequests or a metric's.
	Cell  string                     `json:"cell"`
	Query experiment.PrometheusQuery `json:"query"`
	// Kind is the built-in metric that it is, where one number is asked for as of
	// each window's end; empty for metrics of the plan's own.
	Kind experiment.BuiltinKind `json:"kind,omitempty"`
	// Scale turns a sum into the metric's unit; 0 is 1.
	Scale float64 `json:"scale,omitempty"`
}

// Pack is how one serving stack tells of a plan's versions. Every list has one
// selector for each version, in the plan's order.
type Pack struct {
	// Name is what spec and documents call the pack.
	Name string
	// Sees says in one line who counts, and what that misses.
	Sees string
	// Total selects the counters of requests, Events those of failed ones.
	// Several selectors of Events are joined by " or ": a series counts once.
	Total, Events []string
	// Buckets, Sum and Count select the histogram of the time to answer.
	Buckets, Sum, Count []string
	// Unit is one of the histogram's units: a second or a millisecond.
	Unit time.Duration
	// Bounds are the upper bounds of the stack's own buckets, in Unit, without
	// the infinite one. Fixed says that nobody can set others.
	Bounds []float64
	Fixed  bool
	// Ready and Restarts are PromQL that gives one number as of a moment: the
	// ready replicas of the version's Deployment, and the restarts of its
	// containers within the last window. They are empty for versions
	// without a workload, and need kube-state-metrics.
	Ready, Restarts []string
}

// Options are what a pack cannot know from the plan.
type Options struct {
	// Order is the place of each version among the route's backendRefs, which
	// Envoy Gateway names its clusters by; nil is the versions' own order.
	Order []int
}

// builder makes a pack for a plan that fits it.
type builder func(p *experiment.Plan, o Options) (Pack, error)

// builders lists the packs by name.
func builders() map[string]builder {
	return map[string]builder{
		"istio":          istio("istio", "destination"),
		"istio-source":   istio("istio-source", "source"),
		"istio-waypoint": istio("istio-waypoint", "waypoint"),
		"traefik":        traefik,
		"envoy-gateway":  envoyGateway,
		"contour":        contour,
		"headgate":       headgate,
	}
}

// Names lists the packs.
func Names() []string {
	names := make([]string, 0, len(builders()))
	for name := range builders() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// For makes the pack of that name for a plan. The empty name is the stack that
// the plan's router belongs to, where there is only one: istio for a
// VirtualService, headgate for Headgate's gateway. An error says what of the
// plan the pack cannot tell versions apart by.
func For(p *experiment.Plan, name string, o Options) (Pack, error) {
	if name == "" {
		switch p.Router.Kind() {
		case experiment.RouterVirtualService:
			name = "istio"
		case experiment.RouterGateway:
			name = "headgate"
		default:
			return Pack{}, experiment.Errorf(experiment.CodeInvalid, "the %s router does not say whose metrics to read", p.Router.Kind()).
				WithHint("name the pack: %s", strings.Join(Names(), ", "))
		}
	}
	build, ok := builders()[name]
	if !ok {
		return Pack{}, experiment.Errorf(experiment.CodeInvalid, "no metric pack is called %q", name).
			WithHint("packs are %s", strings.Join(Names(), ", "))
	}
	if o.Order != nil && len(o.Order) != len(p.Versions) {
		return Pack{}, experiment.Errorf(experiment.CodeInvalid, "metric pack %s: %d places for %d versions", name, len(o.Order), len(p.Versions))
	}
	k, err := build(p, o)
	if err != nil {
		return Pack{}, err
	}
	if err := k.distinct(p); err != nil {
		return Pack{}, err
	}
	k.Ready, k.Restarts = workloads(p)
	return k, nil
}

// distinct refuses selectors that do not tell two versions apart.
func (k *Pack) distinct(p *experiment.Plan) error {
	for i, a := range k.Total {
		for j, b := range k.Total[:i] {
			if a == b {
				return experiment.Errorf(experiment.CodeInvalid, "metric pack %s: versions %s and %s have the same series", k.Name, p.Versions[j].Name, p.Versions[i].Name).
					WithHint("name each version's Deployment in versions[].workload, or give each a host or Service of its own")
			}
		}
	}
	return nil
}

// Requests counts requests and failed ones.
func (k *Pack) Requests() experiment.PrometheusQuery {
	return experiment.PrometheusQuery{Events: k.Events, Total: k.Total}
}

// MeanLatency is the mean time to answer, in Unit.
func (k *Pack) MeanLatency() experiment.PrometheusQuery {
	return experiment.PrometheusQuery{Sum: k.Sum, Count: k.Count}
}

// Exceedance counts requests and those that took longer than a limit. Where
// the stack's bounds are fixed, a limit that is none of them is refused; where
// people can set them, whoever reads the series finds out.
func (k *Pack) Exceedance(limit time.Duration) (experiment.PrometheusQuery, error) {
	bound := float64(limit) / float64(k.Unit)
	if k.Fixed && !slices.Contains(k.Bounds, bound) {
		return experiment.PrometheusQuery{}, k.noBound(limit, bound)
	}
	return experiment.PrometheusQuery{Buckets: k.Buckets, Limit: bound}, nil
}

func (k *Pack) noBound(limit time.Duration, bound float64) error {
	var near []string
	for _, b := range Nearest(k.Bounds, bound) {
		near = append(near, time.Duration(math.Round(b*float64(k.Unit))).String())
	}
	return experiment.Errorf(experiment.CodeInvalid, "metric pack %s: no bucket ends at %v", k.Name, limit).
		WithHint("requests can be counted above %s", strings.Join(near, " or "))
}

// Nearest gives the bounds next to a limit: the one below and the one above, as
// far as there are.
func Nearest(bounds []float64, limit float64) []float64 {
	sorted := slices.Clone(bounds)
	slices.Sort(sorted)
	i, _ := slices.BinarySearchFunc(sorted, limit, cmp.Compare[float64])
	return sorted[max(0, i-1):min(len(sorted), i+1)]
}

// Reads lists what the plan's built-in metrics and the cells that exist in every
// experiment are read by.
func (k *Pack) Reads(p *experiment.Plan) ([]Read, error) {
	reads := []Read{{Cell: experiment.CellRequests, Query: k.Requests()}}
	for i := range p.Metrics {
		m := &p.Metrics[i]
		if m.Builtin == nil || m.Builtin.Kind == experiment.ErrorRate {
			continue // It is read from the requests.
		}
		read, err := k.builtin(m, p.Window)
		if err != nil {
			return nil, fmt.Errorf("metric %s: %w", m.Name, err)
		}
		reads = append(reads, read)
	}
	return reads, nil
}

// builtin is what a built-in metric is read by.
func (k *Pack) builtin(m *experiment.Metric, window time.Duration) (Read, error) {
	read := Read{Cell: m.Name, Kind: m.Builtin.Kind}
	var err error
	switch m.Builtin.Kind {
	case experiment.Latency:
		read.Query, err = k.Exceedance(m.Builtin.Limit)
	case experiment.MeanLatency:
		read.Query, read.Scale = k.MeanLatency(), k.Unit.Seconds()
	case experiment.RequestRate:
		read.Query.Query = each(len(k.Total), func(v int) string { return "sum(rate(" + k.Total[v] + over(window) + "))" })
	case experiment.ReadyReplicas:
		read.Query.Query = k.Ready
	case experiment.Restarts:
		read.Query.Query = k.Restarts
	default:
		err = experiment.Errorf(experiment.CodeInvalid, "metric pack %s does not tell %s", k.Name, m.Builtin.Kind)
	}
	return read, err
}

// over is a range as long as a window.
func over(window time.Duration) string {
	return "[" + strconv.FormatInt(max(window, time.Second).Milliseconds(), 10) + "ms]"
}

// each makes one text for each of n versions.
func each(n int, text func(v int) string) []string {
	out := make([]string, n)
	for v := range out {
		out[v] = text(v)
	}
	return out
}
