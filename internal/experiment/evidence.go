// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/stats"
)

// Names of the cells that exist in every experiment. Metrics may not use them.
const (
	// CellExposures counts units (requests, where requests are assigned) by
	// their first exposure in the phase: Counts.N.
	CellExposures = "exposures"
	// CellMirrored counts the copies that a mirror sent (Counts.N) and those
	// that failed or came too late (Counts.X), by candidate.
	CellMirrored = "mirrored"
	// CellRequests counts answered requests (Counts.N) and failed ones
	// (Counts.X), with the latency sketch in seconds.
	CellRequests = "requests"
	// CellClasses counts predicted classes (Categories), CellScores predicted
	// scores (Scores, all negative), where the plan measures drift.
	CellClasses = "classes"
	CellScores  = "scores"
	// CellTokens sums up the tokens that answers report (Units, by answer),
	// where a version costs by token.
	CellTokens = "tokens"
	// CellDigest begins the name of the cells that count the values of one of
	// Predictions.Digests (Categories): the header's name in lower case follows.
	CellDigest = "digest:"
	// CellAgreement begins the name of the cells that count pairs of classes
	// (Categories, by AgreementClass), by candidate: the metric's name follows.
	CellAgreement = "agreement:"
)

// CellKey says what a cell is about. Frozen: docs/decisions/0004.
type CellKey struct {
	Epoch int `json:"epoch"`
	Phase int `json:"phase"`
	// Window counts from 0 at the start of the phase; it is an interval of
	// exposure time.
	Window int64 `json:"window"`
	// Version is the index into the plan's versions.
	Version int    `json:"version"`
	Metric  string `json:"metric"`
	Slice   string `json:"slice,omitempty"`
}

// Compare orders keys; everything that folds does so in this order, because
// floating-point sums depend on it (D6).
func (k CellKey) Compare(o CellKey) int {
	return cmp.Or(
		cmp.Compare(k.Epoch, o.Epoch),
		cmp.Compare(k.Phase, o.Phase),
		cmp.Compare(k.Window, o.Window),
		cmp.Compare(k.Version, o.Version),
		cmp.Compare(k.Metric, o.Metric),
		cmp.Compare(k.Slice, o.Slice),
	)
}

// Evidence is a set of sufficient statistics: request metrics fill Counts (and
// a sketch, for latency), unit and pair metrics fill Units. Unit metrics also
// count their units (Counts.N) and those never heard of (Counts.X).
type Evidence struct {
	Counts stats.Counts `json:"counts,omitzero"`
	Units  stats.Pair   `json:"units,omitzero"`
	// Batches are the same observations in the order of time, of metrics whose
	// sample is windows (Metric.Windowed): neighbours may depend on each other.
	Batches stats.Batches `json:"batches,omitzero"`
	Sketch  *stats.Sketch `json:"sketch,omitempty"`
	// Categories count by name. Scores count by score and label, for AUC and
	// drift.
	Categories stats.Categories `json:"categories,omitempty"`
	Scores     stats.Scores     `json:"scores,omitempty"`
}

// AgreementClass names a pair of classes in CellAgreement.
func AgreementClass(baseline, candidate string) string { return baseline + "\x1f" + candidate }

// AgreementOf takes the name of a pair of classes apart.
func AgreementOf(name string) (baseline, candidate string) {
	baseline, candidate, _ = strings.Cut(name, "\x1f")
	return baseline, candidate
}

// Merge adds o to e. The sketch of e is replaced, never changed in place, so
// that earlier copies keep their meaning.
func (e Evidence) Merge(o Evidence) Evidence {
	e.Counts = e.Counts.Merge(o.Counts)
	e.Units = e.Units.Merge(o.Units)
	e.Batches = e.Batches.Merge(o.Batches)
	e.Categories = e.Categories.Merge(o.Categories)
	e.Scores = e.Scores.Merge(o.Scores)
	switch {
	case o.Sketch == nil:
	case e.Sketch == nil:
		e.Sketch = o.Sketch
	default:
		var s stats.Sketch
		s.Merge(*e.Sketch)
		s.Merge(*o.Sketch)
		e.Sketch = &s
	}
	return e
}

// Cell is the evidence of one window, version, metric and slice. It is open
// until its window has matured and then sealed for ever.
type Cell struct {
	CellKey
	Evidence
}

// Source names where cells come from. Each source seals its windows at its own
// pace, in window order.
type Source string

// The sources of this engine. The ledger is two of them, because exposures are
// known long before their outcomes.
const (
	// SourceGateway counts requests; a window seals when it has ended Lag ago
	// and none of its requests is in flight.
	SourceGateway Source = "gateway"
	// SourceExposures counts units; a window seals Lag after its end.
	SourceExposures Source = "exposures"
	// SourceOutcomes joins outcomes to units; a window seals an outcome window
	// and Lag after its end.
	SourceOutcomes Source = "outcomes"
	// SourcePairs joins the answers to mirrored requests; a window seals
	// PairsHold after its end.
	SourcePairs Source = "pairs"
	// SourceMetrics reads providers; a window seals MetricsHold after its end.
	SourceMetrics Source = "metrics"
)

// Sources lists all sources, in the order they are folded.
func Sources() []Source {
	return []Source{SourceGateway, SourceExposures, SourceOutcomes, SourcePairs, SourceMetrics}
}

// Sources lists the sources that the plan reads. Headgate's own gateway tells the
// ledger of units; where another router carries the traffic, its pack counts
// exposures, and the ledger is asked for what wants it alone. A strict plan has no
// windows.
func (p *Plan) Sources() []Source {
	if p.Strict {
		return nil // It is told point values, not windows.
	}
	own := p.Router.Kind() == RouterGateway
	asks := func(what func(m *Metric) bool) bool {
		return slices.ContainsFunc(p.Metrics, func(m Metric) bool { return what(&m) })
	}
	sources := []Source{SourceGateway}
	labels := asks(func(m *Metric) bool { return m.Labels != nil })
	switch {
	case own || asks(func(m *Metric) bool { return m.Outcomes != nil }) || labels && !p.Hears():
		sources = append(sources, SourceExposures, SourceOutcomes)
	case labels: // What loggers tell has no units, and is nobody's exposure.
		sources = append(sources, SourceOutcomes)
	}
	mirrors := slices.ContainsFunc(p.Stages, func(s Stage) bool { return s.Mirror != nil })
	if mirrors && (own || asks(func(m *Metric) bool { return m.Pairs != nil })) {
		sources = append(sources, SourcePairs)
	}
	if asks(func(m *Metric) bool { return m.Provider != nil }) {
		sources = append(sources, SourceMetrics)
	}
	return sources
}

// Seal is a run of sealed windows from one source: all cells of a phase from
// window From up to but excluding To.
type Seal struct {
	// Experiment is whose windows they are, where that is not plain from where
	// the seal stands: in a Batch.
	Experiment string `json:"experiment,omitempty"`
	Source     Source `json:"source"`
	Epoch      int    `json:"epoch"`
	Phase      int    `json:"phase"`
	// From and To bound the windows.
	From  int64  `json:"from"`
	To    int64  `json:"to"`
	Cells []Cell `json:"cells,omitempty"`
	// Gaps say which of the windows are not whole, and why. All others are.
	Gaps []Gap `json:"gaps,omitempty"`
}

// SealedWindows is the number of windows of a phase that began at start and
// are sealed at now, when sealing takes hold after a window's end.
func SealedWindows(start, now time.Time, window, hold time.Duration) int64 {
	d := now.Sub(start) - hold
	if d <= 0 || window <= 0 {
		return 0
	}
	return int64(d / window)
}

// Totals is the evidence folded so far, by phase, oldest first.
type Totals struct {
	Phases []PhaseTotals `json:"phases,omitempty"`
}

// PhaseTotals is the folded evidence of one interval of constant shares.
type PhaseTotals struct {
	Epoch  int       `json:"epoch"`
	Phase  int       `json:"phase"`
	Stage  int       `json:"stage"`
	Step   int       `json:"step"`
	Start  time.Time `json:"start"`
	Shares Shares    `json:"shares"`
	// Groups are the shares by group, where groups have their own.
	Groups []GroupShares `json:"groups,omitempty"`
	// Folded is the number of windows folded from each source.
	Folded Folded `json:"folded"`
	// Clean is the number of consecutive clean windows up to the newest.
	Clean int `json:"clean"`
	// Gaps are what is missing of the folded windows, by source in the order of
	// Sources; a source of which nothing is missing is not there.
	Gaps []SourceGaps `json:"gaps,omitempty"`
	// Cells is ordered by metric, slice, version.
	Cells []Total `json:"cells,omitempty"`
}

// Total is one version's folded evidence for a metric in a phase.
type Total struct {
	Version int    `json:"version"`
	Metric  string `json:"metric"`
	Slice   string `json:"slice,omitempty"`
	Evidence
}

func (t Total) compare(o Total) int {
	return cmp.Or(
		cmp.Compare(t.Metric, o.Metric),
		cmp.Compare(t.Slice, o.Slice),
		cmp.Compare(t.Version, o.Version),
	)
}

// Get returns the phase's evidence for a version and metric over everybody; the
// zero Evidence if there is none.
func (p *PhaseTotals) Get(version int, metric string) Evidence {
	return p.GetSlice(version, metric, "")
}

// GetSlice is the same for one slice; the empty slice is everybody.
func (p *PhaseTotals) GetSlice(version int, metric, slice string) Evidence {
	i, ok := slices.BinarySearchFunc(p.Cells, Total{Version: version, Metric: metric, Slice: slice}, Total.compare)
	if !ok {
		return Evidence{}
	}
	return p.Cells[i].Evidence
}

// add merges evidence into the phase, keeping the order.
func (p *PhaseTotals) add(t Total) {
	i, ok := slices.BinarySearchFunc(p.Cells, t, Total.compare)
	if ok {
		p.Cells[i].Evidence = p.Cells[i].Merge(t.Evidence)
		return
	}
	p.Cells = slices.Insert(p.Cells, i, t)
}

// Folded counts windows by source.
type Folded struct {
	Gateway   int64 `json:"gateway"`
	Exposures int64 `json:"exposures"`
	Outcomes  int64 `json:"outcomes"`
	Pairs     int64 `json:"pairs,omitempty"`
	Metrics   int64 `json:"metrics,omitempty"`
}

// Of is the count of one source, to be read or set.
func (f *Folded) Of(s Source) *int64 {
	switch s {
	case SourceExposures:
		return &f.Exposures
	case SourceOutcomes:
		return &f.Outcomes
	case SourcePairs:
		return &f.Pairs
	case SourceMetrics:
		return &f.Metrics
	default:
		return &f.Gateway
	}
}

// Get returns a version's evidence for a metric merged over all phases.
func (t *Totals) Get(version int, metric string) Evidence {
	var e Evidence
	for i := range t.Phases {
		e = e.Merge(t.Phases[i].Get(version, metric))
	}
	return e
}

// Phase returns the totals of a phase, or nil.
func (t *Totals) Phase(epoch, phase int) *PhaseTotals {
	for i := range t.Phases {
		if t.Phases[i].Epoch == epoch && t.Phases[i].Phase == phase {
			return &t.Phases[i]
		}
	}
	return nil
}

// Clone copies the totals deeply enough that folding into the copy leaves the
// original as it was.
func (t Totals) Clone() Totals {
	t.Phases = slices.Clone(t.Phases)
	for i := range t.Phases {
		t.Phases[i].Cells = slices.Clone(t.Phases[i].Cells)
	}
	return t
}

// Fold adds sealed windows to their phase's totals. A seal that does not begin
// where the last one ended is refused: windows are folded once, in order, and
// a hole is a gap that must be said (Seal.Gaps), never a zero.
func (t *Totals) Fold(s Seal) error {
	p := t.Phase(s.Epoch, s.Phase)
	if p == nil {
		return Errorf(CodeInternal, "fold %s windows: no phase %d.%d", s.Source, s.Epoch, s.Phase)
	}
	folded := p.Folded.Of(s.Source)
	if s.From != *folded || s.To < s.From {
		return Errorf(CodeConflict, "fold %s windows %d-%d of phase %d.%d: %d are folded", s.Source, s.From, s.To, s.Epoch, s.Phase, *folded)
	}
	cells := slices.SortedFunc(slices.Values(s.Cells), func(a, b Cell) int { return a.Compare(b.CellKey) })
	for _, c := range cells {
		if ofWindows(s.Source, &c) && c.Batches.N() == 0 {
			c.Batches = stats.BatchOf(c.Units)
		}
		p.add(Total{Version: c.Version, Metric: c.Metric, Slice: c.Slice, Evidence: c.Evidence})
	}
	p.lack(&s)
	*folded = s.To
	return nil
}

// ofWindows reports whether a cell sums up a window of which a provider told one
// number. What gateways read in answers is counted too.
func ofWindows(source Source, c *Cell) bool {
	told := source == SourceMetrics || source == SourceGateway && c.Metric != CellTokens
	return told && c.Units.N > 0 && c.Counts.N == 0
}

// Since gives the phases that changed since the marks were made, and new marks.
// The phases share their cells with t: neither may be folded into in place.
func (t *Totals) Since(marks []PhaseMark) (Totals, []PhaseMark) {
	var changed Totals
	now := make([]PhaseMark, len(t.Phases))
	for i := range t.Phases {
		p := &t.Phases[i]
		now[i] = PhaseMark{Folded: p.Folded, Clean: p.Clean}
		if i >= len(marks) || marks[i] != now[i] {
			changed.Phases = append(changed.Phases, *p)
		}
	}
	return changed, now
}

// Apply puts changed phases in the place of what was known of them; new phases
// come at the end.
func (t *Totals) Apply(changed Totals) {
	for _, p := range changed.Phases {
		if old := t.Phase(p.Epoch, p.Phase); old != nil {
			*old = p
		} else {
			t.Phases = append(t.Phases, p)
		}
	}
}
