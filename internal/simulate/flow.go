// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"math"
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// tally is what a version did in a group in some windows.
type tally struct {
	units, requests, failed, copies int64
	metrics                         []measured // by metric
}

// measured is a metric's part in a tally.
type measured struct {
	slow   int64 // of requests, or answers that are as a metric counts
	read   int64 // answers or predictions that a metric looks at
	pair   stats.Pair
	silent int64 // units never heard of
	// What distributions are made of.
	classes stats.Categories
	scores  stats.Scores
}

// batch is the evidence of the windows from up to but excluding to of a phase.
type batch struct {
	from, to int64
	tallies  []tally // by row and version
}

// span is one phase.
type span struct {
	epoch, number int
	start         int64 // in windows since the beginning
	shares        []experiment.Shares
	matched       []bool // by kind
	mirror        *experiment.MirrorRoute
	// total and unseen are the population's units, by kind and version: all,
	// and those that have not asked in this phase.
	total, unseen [][experiment.MaxVersions]int64
	batches       []*batch
	sealed        [5]int // batches, by source
	windows       int64  // that it has lasted
}

// flow is a Fast world in motion: one run. It is reused for the next one.
type flow struct {
	w      *Fast
	dice   *dice
	seed   uint64
	people []int64 // the population by kind
	spans  []*span
	spare  []*batch
	cells  []experiment.Cell
	sum    sums
	// ledger says that exposures come from it, compared that pairs are joined.
	ledger, compared bool
	one              tally // of the version and kind that is being drawn
}

// sums are what a run has come to for its users.
type sums struct {
	worse  int64
	regret float64
	cost   float64
}

func newFlow(w *Fast) *flow {
	sources := w.plan.Sources()
	return &flow{
		w: w, dice: newDice(), one: tally{metrics: make([]measured, len(w.plan.Metrics))},
		ledger: slices.Contains(sources, experiment.SourceExposures), compared: slices.Contains(sources, experiment.SourcePairs),
	}
}

// Streams of numbers that belong to no window.
const (
	streamPeople = 1 << 62
	streamPhase  = 1 << 61
)

// begin makes ready for a run.
func (f *flow) begin(seed uint64) {
	for _, s := range f.spans {
		f.spare = append(f.spare, s.batches...)
	}
	f.seed, f.spans, f.sum = seed, f.spans[:0], sums{}
	f.people = f.people[:0]
	if f.w.units == 0 {
		return
	}
	f.dice.seed(seed, streamPeople, 0)
	left, share := f.w.units, 1.0
	for i := range f.w.kinds {
		n := f.dice.binomial(left, f.w.kinds[i].share/share)
		f.people = append(f.people, n)
		left, share = left-n, share-f.w.kinds[i].share
	}
}

// phase begins a phase at a time in windows. The route says who matches, what
// shares they have, and what is mirrored.
func (f *flow) phase(r *experiment.Route, at int64) {
	n := len(f.w.plan.Versions)
	s := &span{epoch: r.Epoch, number: r.Phase, start: at, mirror: r.Mirror}
	all := r.Slots.Shares(n)
	for i := range f.w.kinds {
		k := &f.w.kinds[i]
		shares, matched := all, f.w.matches(r.Where, k)
		for _, t := range r.Tables {
			if slices.Contains(k.slices, t.Slice) {
				shares = t.Slots.Shares(n)
			}
		}
		if !matched {
			shares = experiment.Baseline(n)
		}
		s.shares, s.matched = append(s.shares, shares), append(s.matched, matched)
		if f.w.units > 0 {
			f.dice.seed(f.seed, streamPhase|uint64(at), uint64(i))
			units := f.split(f.people[i], shares)
			s.total, s.unseen = append(s.total, units), append(s.unseen, units)
		}
	}
	f.spans = append(f.spans, s)
}

// split divides units by shares.
func (f *flow) split(n int64, shares experiment.Shares) (out [experiment.MaxVersions]int64) {
	left := experiment.Share(experiment.Whole)
	for v, share := range shares {
		if share == left {
			out[v] = n
			break
		}
		out[v] = f.dice.binomial(n, float64(share)/float64(left))
		n, left = n-out[v], left-share
	}
	return out
}

// draw draws the windows up to a time into the newest phase, batch windows at
// once. Batches also end where the lag and the outcome windows will cut them, so
// that what is sealed at the end of a step is exactly what is sealed outside.
func (f *flow) draw(until, batch int64) {
	s := f.spans[len(f.spans)-1]
	end := until - s.start
	for from := s.windows; from < end; {
		to := min(end, from+batch)
		if batch > 1 {
			length := end - s.windows
			for _, hold := range [4]int64{f.w.lag, f.w.outcome, f.w.pairs, f.w.metrics} {
				if cut := s.windows + (length-hold%length)%length; from < cut && cut < to {
					to = cut
				}
			}
		}
		s.batches = append(s.batches, f.batch(s, from, to))
		from = to
	}
	s.windows = end
}

// batch draws some windows.
func (f *flow) batch(s *span, from, to int64) *batch {
	b := f.empty(from, to)
	n := len(f.w.plan.Versions)
	seconds := float64(to-from) * f.w.plan.Window.Seconds()
	for i := range f.w.kinds {
		k := &f.w.kinds[i]
		f.dice.seed(f.seed, uint64(s.start+from), uint64(i))
		var units [experiment.MaxVersions]int64
		mean := f.w.rate * seconds * k.share
		if f.w.units == 0 {
			units = f.split(f.dice.poisson(mean), s.shares[i])
		}
		met, asked := int64(0), int64(0)
		for v := range n {
			f.one.units = units[v]
			f.one.requests = units[v]
			if f.w.units > 0 {
				f.meet(s, i, v, f.w.rate*seconds/float64(f.w.units))
			}
			met, asked = met+f.one.units, asked+f.one.requests
			f.act(k, v, s.matched[i])
			if s.matched[i] {
				f.add(b, k, v)
			}
		}
		if s.mirror != nil && s.matched[i] {
			f.mirror(b, s.mirror, k, met, asked, seconds*k.share)
		}
	}
	f.telemetry(b, s)
	return b
}

// meet draws which of a population's units ask for the first time in the phase,
// and how many requests there are. mean is the requests per unit.
func (f *flow) meet(s *span, kind, version int, mean float64) {
	unseen := &s.unseen[kind][version]
	old := s.total[kind][version] - *unseen
	asks := -math.Expm1(-mean)
	f.one.units = f.dice.binomial(*unseen, asks)
	*unseen -= f.one.units
	more := float64(old) * mean
	if asks > 0 {
		more += float64(f.one.units) * (mean/asks - 1)
	}
	f.one.requests = f.one.units + f.dice.poisson(more)
}

// empty is a batch with nothing in it.
func (f *flow) empty(from, to int64) *batch {
	n := len(f.spare)
	if n == 0 {
		b := &batch{from: from, to: to, tallies: make([]tally, len(f.w.slices)*len(f.w.plan.Versions))}
		metrics := make([]measured, len(b.tallies)*len(f.w.plan.Metrics))
		for i := range b.tallies {
			b.tallies[i].metrics, metrics = metrics[:len(f.w.plan.Metrics):len(f.w.plan.Metrics)], metrics[len(f.w.plan.Metrics):]
		}
		return b
	}
	b := f.spare[n-1]
	f.spare = f.spare[:n-1]
	b.from, b.to = from, to
	for i := range b.tallies {
		clear(b.tallies[i].metrics)
		b.tallies[i] = tally{metrics: b.tallies[i].metrics}
	}
	return b
}

// act draws how requests and units fare, and what that comes to for users.
func (f *flow) act(k *kind, version int, evidence bool) {
	f.account(k, version, f.one.units, f.one.requests)
	if !evidence {
		return
	}
	f.one.failed = 0
	for _, i := range f.w.order {
		m, law := &f.w.plan.Metrics[i], &k.laws[i]
		f.one.metrics[i] = measured{}
		switch {
		case m.Outcomes != nil:
			f.one.metrics[i] = f.outcomes(i, law, version, m.Outcomes.Per != "")
		case m.Labels != nil:
			f.one.metrics[i] = f.labelled(i, law, version)
		case m.Prediction != nil || m.Drift != nil:
			f.one.metrics[i] = f.predicted(i, law, version)
		case m.OfAnswers():
			// Those of failed requests are too few to tell.
			read := f.dice.binomial(f.one.requests, m.Sample().Fraction())
			f.one.metrics[i].pair = f.pair(read, read, law.values[version], law.sd, false)
		case m.Provider != nil && m.Provider.Counted():
			f.one.metrics[i] = measured{read: f.one.requests, slow: f.dice.binomial(f.one.requests, law.values[version])}
		case unitsTold(m):
			heard := f.dice.binomial(f.one.units, law.heard)
			f.one.metrics[i].pair = f.pair(heard, heard, law.values[version], law.sd, false)
		case m.Telemetry(): // Drawn by the window.
		case m.Builtin != nil && m.Builtin.Kind == experiment.ErrorRate:
			f.one.failed = f.dice.binomial(f.one.requests, law.values[version])
		case m.Builtin != nil:
			f.one.metrics[i].slow = f.dice.binomial(f.one.requests, law.values[version])
		}
	}
}

// account adds up what users met and what it cost.
func (f *flow) account(k *kind, version int, units, requests int64) {
	f.sum.cost += float64(requests) * f.w.plan.Versions[version].Cost.PerRequest
	if !f.w.truth.Best[version] {
		f.sum.worse += units
	}
	f.sum.regret += float64(units) * f.w.lost(k, version)
}

// outcomes draws a metric of the units that are being drawn: of n units heard of,
// how many have a one, or their mean and spread.
func (f *flow) outcomes(metric int, law *drawn, version int, ratio bool) measured {
	n, value := f.one.units, law.values[version]
	var heard int64
	if base := f.w.per[metric]; base >= 0 {
		p := &f.one.metrics[base].pair
		heard = int64(math.Round(p.MeanY * float64(p.N)))
		value *= law.late
	} else {
		heard = f.dice.binomial(n, law.heard)
	}
	return measured{pair: f.pair(n, heard, value, law.sd, ratio), silent: n - heard}
}

// pair is the moments of n units, of which some were heard of. In a ratio what
// is heard is the denominator.
func (f *flow) pair(n, heard int64, value, sd float64, ratio bool) stats.Pair {
	p := stats.Pair{N: n, MeanX: 1}
	if n == 0 {
		return stats.Pair{}
	}
	mean, spread := 0.0, 0.0
	if h := float64(heard); heard > 0 && sd == 0 {
		mean = float64(f.dice.binomial(heard, value)) / h
		spread = h * mean * (1 - mean)
	} else if heard > 0 {
		mean = value + sd/math.Sqrt(h)*f.dice.rng.NormFloat64()
		spread = sd * sd * f.dice.chiSquared(h-1)
	}
	part := float64(heard) / float64(n)
	between := float64(heard) * (1 - part)
	p.MeanY, p.M2Y = mean*part, spread+mean*mean*between
	if ratio {
		p.MeanX, p.M2X, p.CYX = part, between, mean*between
	}
	return p
}

// add counts what was drawn for everybody and in the groups.
func (f *flow) add(b *batch, k *kind, version int) {
	n := len(f.w.plan.Versions)
	for _, row := range k.rows {
		t := &b.tallies[row*n+version]
		t.units += f.one.units
		t.requests += f.one.requests
		t.failed += f.one.failed
		for i := range t.metrics {
			t.metrics[i].merge(&f.one.metrics[i])
		}
	}
}
