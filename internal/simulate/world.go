// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/assign"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// World is what the experiment is run in.
type World struct {
	// Units is the number of units that requests are drawn from, evenly.
	Units int
	// Rate is the number of requests per second over all versions.
	Rate float64
	// Answer draws one request's fate for a version and a unit. It appends to
	// a.Outcomes what will be reported of it.
	Answer func(rng *rand.Rand, version, unit int, a *Answer)
}

// Answer is the fate of one request.
type Answer struct {
	Failed   bool
	Latency  time.Duration
	Outcomes []Outcome
	// Numbers are what metrics of answers read in it, where their sample has it,
	// and by how much it raises the counters of a provider's metrics: Sum is of
	// events, Count of the total.
	Numbers []Number
}

// Number is what a metric reads in an answer.
type Number struct {
	Metric     string
	Sum, Count float64
}

// Outcome is one event that follows an answer after a delay.
type Outcome struct {
	Event string
	Value float64
	After time.Duration
}

// traffic is a world in motion: what the gateway and the ledger would hold.
type traffic struct {
	plan    *experiment.Plan
	world   *World
	rng     *rand.Rand
	metrics []*experiment.Metric // those of outcomes
	hashes  []uint64             // of each unit
	salt    uint64
	answer  Answer
	phases  []*phase
}

// phase is the evidence of one interval of constant shares.
type phase struct {
	epoch, number int
	start         time.Time
	table         *assign.Table
	counts        []window // by window
	units         []unit   // by unit; first is -1 before its first exposure
	byWindow      [][]int  // units by the window of their first exposure
	folded        experiment.Folded
}

// window counts a window's requests per version.
type window struct {
	requests [experiment.MaxVersions]stats.Counts
	slow     [][experiment.MaxVersions]int64      // by metric
	numbers  [][experiment.MaxVersions]stats.Pair // by metric
}

type unit struct {
	first   time.Time
	seen    bool
	version int
	y, x    []float64 // by metric
}

func newTraffic(p *experiment.Plan, w *World, rng *rand.Rand) *traffic {
	t := &traffic{plan: p, world: w, rng: rng, hashes: make([]uint64, w.Units)}
	name := make([]byte, 0, 16)
	for i := range t.hashes {
		name = append(name[:0], "unit-"...)
		name = appendUint(name, rng.Uint64())
		t.hashes[i] = assign.Hash(string(name))
	}
	for i := range p.Metrics {
		if p.Metrics[i].Outcomes != nil {
			t.metrics = append(t.metrics, &p.Metrics[i])
		}
	}
	return t
}

func appendUint(b []byte, n uint64) []byte {
	for range 16 {
		b = append(b, "0123456789abcdef"[n&15])
		n >>= 4
	}
	return b
}

// route begins the phase that a state asks for.
func (t *traffic) route(s *experiment.State) error {
	table, err := assign.NewTable(s.Slots)
	if err != nil {
		return err
	}
	t.salt = assign.Salt(t.plan.ID(), s.Epoch)
	t.phases = append(t.phases, &phase{
		epoch: s.Epoch, number: s.Phase, start: s.PhaseStart, table: table, units: make([]unit, len(t.hashes)),
	})
	return nil
}

// send draws the requests of [from, to) into the newest phase.
func (t *traffic) send(from, to time.Time) {
	p := t.phases[len(t.phases)-1]
	n := (&dice{rng: t.rng}).poisson(t.world.Rate * to.Sub(from).Seconds())
	times := make([]time.Duration, n)
	for i := range times {
		times[i] = time.Duration(t.rng.Int64N(int64(to.Sub(from))))
	}
	slices.Sort(times)
	for _, d := range times {
		t.request(p, from.Add(d), t.rng.IntN(len(t.hashes)))
	}
}

func (t *traffic) request(p *phase, at time.Time, who int) {
	version := p.table.At(assign.Slot(t.hashes[who], t.salt))
	w := int(at.Sub(p.start) / t.plan.Window)
	t.grow(p, w)
	t.answer = Answer{Outcomes: t.answer.Outcomes[:0], Numbers: t.answer.Numbers[:0]}
	t.world.Answer(t.rng, version, who, &t.answer)
	t.count(&p.counts[w], version)
	u := &p.units[who]
	if !u.seen {
		u.seen, u.first, u.version = true, at, version
		u.y, u.x = make([]float64, len(t.metrics)), make([]float64, len(t.metrics))
		p.byWindow[w] = append(p.byWindow[w], who)
	}
	t.join(u, at)
}

// grow makes room for a window.
func (t *traffic) grow(p *phase, w int) {
	for len(p.counts) <= w {
		p.counts = append(p.counts, window{
			slow:    make([][experiment.MaxVersions]int64, len(t.plan.Metrics)),
			numbers: make([][experiment.MaxVersions]stats.Pair, len(t.plan.Metrics)),
		})
		p.byWindow = append(p.byWindow, nil)
	}
}

func (t *traffic) count(w *window, version int) {
	w.requests[version].N++
	if t.answer.Failed {
		w.requests[version].X++
	}
	for i := range t.plan.Metrics {
		if b := t.plan.Metrics[i].Builtin; b != nil && b.Kind == experiment.Latency && t.answer.Latency > b.Limit {
			w.slow[i][version]++
		}
		for _, n := range t.answer.Numbers {
			if n.Metric == t.plan.Metrics[i].Name {
				w.numbers[i][version].Add(n.Sum, n.Count)
			}
		}
	}
}

// join adds the answer's outcomes to the unit, as the ledger would: only those
// within the outcome window of the unit's first exposure count.
func (t *traffic) join(u *unit, at time.Time) {
	for _, o := range t.answer.Outcomes {
		age := at.Add(o.After).Sub(u.first)
		for i, m := range t.metrics {
			if age > m.Outcomes.Window {
				continue
			}
			if o.Event == m.Outcomes.Event {
				u.y[i] += o.Value
			}
			if o.Event == m.Outcomes.Per {
				u.x[i]++
			}
		}
	}
}

// seals gives what sealed since the last call, of all phases and sources.
func (t *traffic) seals(now time.Time) []experiment.Seal {
	var out []experiment.Seal
	for i, p := range t.phases {
		end := now
		if i+1 < len(t.phases) {
			end = t.phases[i+1].start
		}
		windows := int64((end.Sub(p.start) + t.plan.Window - 1) / t.plan.Window)
		t.grow(p, int(windows))
		for _, source := range t.plan.Sources() {
			folded := p.folded.Of(source)
			to := min(windows, experiment.SealedWindows(p.start, now, t.plan.Window, t.plan.Hold(source)))
			if to <= *folded {
				continue
			}
			seal := experiment.Seal{Source: source, Epoch: p.epoch, Phase: p.number, From: *folded, To: to}
			for w := *folded; w < to; w++ {
				seal.Cells = t.cells(seal.Cells, p, source, w)
			}
			*folded = to
			out = append(out, seal)
		}
	}
	return out
}

func (t *traffic) cells(out []experiment.Cell, p *phase, source experiment.Source, w int64) []experiment.Cell {
	for v := range t.plan.Versions {
		key := experiment.CellKey{Epoch: p.epoch, Phase: p.number, Window: w, Version: v}
		add := func(metric string, e experiment.Evidence) {
			key.Metric = metric
			out = append(out, experiment.Cell{CellKey: key, Evidence: e})
		}
		switch source {
		case experiment.SourceGateway:
			c := p.counts[w].requests[v]
			if c.N == 0 {
				continue
			}
			add(experiment.CellRequests, experiment.Evidence{Counts: c})
			for i, m := range t.plan.Metrics {
				if m.Builtin != nil && m.Builtin.Kind == experiment.Latency {
					add(m.Name, experiment.Evidence{Counts: stats.Counts{N: c.N, X: p.counts[w].slow[i][v]}})
				}
				if pair := p.counts[w].numbers[i][v]; pair.N > 0 && m.OfAnswers() {
					add(m.Name, experiment.Evidence{Units: pair, Counts: stats.Counts{N: pair.N}})
				}
			}
		case experiment.SourceMetrics:
			for i, m := range t.plan.Metrics {
				if pair := p.counts[w].numbers[i][v]; m.Provider != nil && pair.N > 0 {
					add(m.Name, ofCounters(&m, pair))
				}
			}
		case experiment.SourceExposures:
			n := int64(0)
			for _, who := range p.byWindow[w] {
				if p.units[who].version == v {
					n++
				}
			}
			if n > 0 {
				add(experiment.CellExposures, experiment.Evidence{Counts: stats.Counts{N: n}})
			}
		case experiment.SourceOutcomes:
			for i, m := range t.metrics {
				if pair := p.fold(w, v, i, m.Outcomes.Per == ""); pair.N > 0 {
					add(m.Name, experiment.Evidence{Units: pair})
				}
			}
		}
	}
	return out
}

// fold sums a metric over a window's units of a version.
func (p *phase) fold(w int64, version, metric int, perUnit bool) stats.Pair {
	var pair stats.Pair
	for _, who := range p.byWindow[w] {
		u := &p.units[who]
		if u.version != version {
			continue
		}
		x := u.x[metric]
		if perUnit {
			x = 1
		}
		pair.Add(u.y[metric], x)
	}
	return pair
}
