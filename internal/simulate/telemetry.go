// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"math"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// What is assumed of what a provider tells:
//
//   - Counters count requests, of which a share are events.
//   - Units are told of once, in the window in which they are first seen, and those
//     that are not heard of are not among them.
//   - Of other metrics each window of a version with traffic has one number, its
//     mean and noise. Windows are independent of each other, which real ones
//     seldom are: what depends on its neighbours takes longer.

// unitsTold reports whether a provider tells of units.
func unitsTold(m *experiment.Metric) bool { return m.Provider != nil && m.Provider.Units() }

// streamWindows is the stream of numbers that belong to windows as such.
const streamWindows = 1 << 32

// windowNoise is the standard deviation that windows are given, as a part of
// their mean, where nobody says.
const windowNoise = 0.1

// What is assumed of metrics of windows that nobody speaks for.
const (
	defaultMeanLatency = 0.05 // seconds
	defaultReplicas    = 3
	defaultRequestRate = 100
	defaultNumber      = 1
)

// defaultTelemetry is DefaultLaw for metrics of a provider.
func defaultTelemetry(p *experiment.Plan, m *experiment.Metric) Law {
	value := defaultErrors
	switch {
	case m.Builtin != nil && m.Builtin.Kind == experiment.MeanLatency:
		value = defaultMeanLatency
	case m.Builtin != nil && m.Builtin.Kind == experiment.ReadyReplicas:
		value = defaultReplicas
	case m.Builtin != nil && m.Builtin.Kind == experiment.RequestRate:
		value = defaultRequestRate
	case m.Windowed():
		value = defaultNumber
	}
	for _, o := range limitsOf(p) {
		switch {
		case o.Metric != m.Name:
		case o.Max != nil && value > *o.Max/2:
			value = *o.Max - math.Abs(*o.Max)/2
		case o.Min != nil && value < *o.Min:
			value = *o.Min + math.Abs(*o.Min)/2
			if !m.Windowed() {
				value = min(value, (1+*o.Min)/2)
			}
		}
	}
	law := Law{Metric: m.Name, Values: make([]float64, len(p.Versions))}
	if m.Windowed() {
		law.SD = windowNoise * math.Abs(value)
	}
	for v := range law.Values {
		law.Values[v] = value
	}
	return law
}

// telemetry draws what is told of windows, of the versions that had traffic. It
// is of everybody: the first row.
func (f *flow) telemetry(b *batch, s *span) {
	windows := b.to - b.from
	for i := range f.w.plan.Metrics {
		m := &f.w.plan.Metrics[i]
		if !m.Telemetry() || m.Provider != nil && !m.Provider.Windowed() {
			continue
		}
		f.dice.seed(f.seed, uint64(s.start+b.from), streamWindows|uint64(i))
		for v := range f.w.plan.Versions {
			t := &b.tallies[v]
			if t.requests == 0 {
				continue
			}
			mean, sd := f.w.mean(m, v, ""), f.w.kinds[0].laws[i].sd
			if !m.Windowed() {
				t.metrics[i] = measured{read: windows, slow: f.dice.binomial(windows, mean)}
				continue
			}
			n := float64(windows)
			t.metrics[i] = measured{pair: stats.Pair{
				N: windows, MeanX: 1, MeanY: mean + sd/math.Sqrt(n)*f.dice.rng.NormFloat64(), M2Y: sd * sd * f.dice.chiSquared(n-1),
			}}
		}
	}
}

// packCells writes what the pack of a router of a cluster tells beside requests:
// what its windows are like, and what the ledger is not asked for.
func (f *flow) packCells(t *tally, slice string, add func(string, experiment.Evidence)) {
	if f.w.plan.Router.Kind() == experiment.RouterGateway || slice != "" {
		return
	}
	if !f.ledger && t.units > 0 {
		add(experiment.CellExposures, experiment.Evidence{Counts: stats.Counts{N: t.units}})
	}
	if !f.compared && t.copies > 0 {
		add(experiment.CellMirrored, experiment.Evidence{Counts: stats.Counts{N: t.copies}})
	}
	for i := range f.w.plan.Metrics {
		if m := &f.w.plan.Metrics[i]; m.Builtin != nil && m.Builtin.Kind.OfCluster() {
			addWindows(m, &t.metrics[i], add)
		}
	}
}

// providerCells writes what providers tell.
func (f *flow) providerCells(t *tally, slice string, add func(string, experiment.Evidence)) {
	if slice != "" {
		return
	}
	for i := range f.w.plan.Metrics {
		if m := &f.w.plan.Metrics[i]; m.Provider != nil {
			addWindows(m, &t.metrics[i], add)
		}
	}
}

func addWindows(m *experiment.Metric, x *measured, add func(string, experiment.Evidence)) {
	switch {
	case unitsTold(m):
		if x.pair.N > 0 {
			add(m.Cell(), experiment.Evidence{Units: x.pair, Counts: stats.Counts{N: x.pair.N}})
		}
	case m.Windowed() && x.pair.N > 0:
		add(m.Cell(), experiment.Evidence{Units: x.pair, Batches: stats.BatchOf(x.pair)})
	case !m.Windowed() && x.read > 0:
		add(m.Cell(), experiment.Evidence{Counts: stats.Counts{N: x.read, X: x.slow}})
	}
}

// ofCounters is what a provider tells of one window's counters or units.
func ofCounters(m *experiment.Metric, pair stats.Pair) experiment.Evidence {
	sum, count := pair.MeanY*float64(pair.N), pair.MeanX*float64(pair.N)
	switch {
	case m.Windowed():
		return experiment.WindowEvidence(sum, count)
	case unitsTold(m):
		return experiment.Evidence{Units: pair, Counts: stats.Counts{N: pair.N}}
	}
	return experiment.Evidence{Counts: stats.Counts{N: int64(math.Round(count)), X: int64(math.Round(sum))}}
}
