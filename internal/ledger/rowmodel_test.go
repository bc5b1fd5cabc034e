// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"pgregory.net/rapid"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// modelPlan is segmentedPlan with a metric of pairs and one of labels.
func modelPlan() *experiment.Plan {
	p := segmentedPlan()
	p.Metrics = append(p.Metrics,
		experiment.Metric{Name: "same", Pairs: &experiment.PairsMetric{Compare: experiment.CompareClass}},
		experiment.Metric{Name: "right", Labels: &experiment.LabelsMetric{Event: "truth", Of: experiment.Accuracy, Window: 2 * time.Minute}},
	)
	p.Stages = []experiment.Stage{{Mirror: &experiment.Mirror{Share: experiment.Whole, Timeout: 5 * time.Second}}}
	return p
}

// modelPrediction is a prediction and its label, empty where it has none.
type modelPrediction struct {
	experiment.Prediction
	label string
	told  time.Time
}

func (m *model) pair(p experiment.Pair) {
	known := slices.ContainsFunc(m.pairs, func(q experiment.Pair) bool { return q.Version == p.Version && q.ID == p.ID })
	if !known && p.Window >= m.sealed[experiment.SourcePairs][p.Phase] {
		m.pairs = append(m.pairs, p)
	}
}

func (m *model) predict(p experiment.Prediction) {
	if p.Window < m.sealed[experiment.SourceOutcomes][p.Phase] {
		return
	}
	row := &modelPrediction{Prediction: p}
	for _, o := range m.predictions {
		if p.Mirrored && o.Version == 0 && sameRequest(o, row) && o.label != "" {
			row.label, row.told = o.label, o.told
		}
	}
	m.predictions = append(m.predictions, row)
}

// sameRequest says whether one is the answer to a copy of the other's request.
func sameRequest(a, b *modelPrediction) bool {
	return a.Unit == b.Unit && a.At.Equal(b.At) && a.Phase == b.Phase && a.Request == b.Request
}

// ofOneRequest is a prediction and, of each other version, the first that answers
// the same request.
func (m *model) ofOneRequest(p *modelPrediction, order func(a, b *modelPrediction) int) []*modelPrediction {
	out := []*modelPrediction{p}
	for _, o := range slices.SortedStableFunc(slices.Values(m.predictions), order) {
		if sameRequest(o, p) && !slices.ContainsFunc(out, func(x *modelPrediction) bool { return x.Version == o.Version }) {
			out = append(out, o)
		}
	}
	return out
}

// drawCopies makes answers to copies of some requests of which the baseline's
// answer is known.
func (m *model) drawCopies(rt *rapid.T) (copies []experiment.Prediction) {
	var originals []*modelPrediction
	for _, p := range m.predictions {
		// Of requests that nothing tells apart nobody knows whose a copy is.
		alike := slices.ContainsFunc(m.predictions, func(o *modelPrediction) bool { return o != p && sameRequest(o, p) })
		if p.Version == 0 && !alike {
			originals = append(originals, p)
		}
	}
	if len(originals) == 0 || rapid.Bool().Draw(rt, "no copies") {
		return nil
	}
	p := originals[rapid.IntRange(0, len(originals)-1).Draw(rt, "original")].Prediction
	p.Version, p.Mirrored, p.Class = 1, true, rapid.SampledFrom([]string{"cat", "dog"}).Draw(rt, "class of the copy")
	return []experiment.Prediction{p}
}

// label gives predictions their label and says what became of it.
func (m *model) label(key *experiment.Key, d *draft) (r experiment.Receipt) {
	var found []*modelPrediction
	for _, p := range m.predictions {
		switch {
		case d.exposure != nil:
			if e := d.exposure; p.Unit == e.Unit && p.At.Equal(e.At) && p.Phase == e.Phase && p.Version == e.Version {
				found = append(found, p)
			}
		case d.Request != "":
			if p.Request == key.HashUnit(d.Request) {
				found = append(found, p)
			}
		case p.Unit == key.HashUnit(d.Unit) && !p.At.After(d.At):
			found = append(found, p)
		}
	}
	order := func(a, b *modelPrediction) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.Phase, a.Phase), cmp.Compare(int64(a.Request), int64(b.Request)), cmp.Compare(a.Class, b.Class))
	}
	slices.SortStableFunc(found, order)
	if d.Request == "" && len(found) > 0 {
		found = m.ofOneRequest(found[0], order)
	}
	best := 0
	for _, p := range found {
		switch {
		case p.label != "":
			best = max(best, 2)
		case p.Window < m.sealed[experiment.SourceOutcomes][p.Phase]:
			best = max(best, 1)
		default:
			best = 3
			p.label, p.told = d.Label, d.At
		}
	}
	switch best {
	case 3:
		r.Accepted++
	case 2:
		r.Duplicates++
	case 1:
		r.Late++
	default:
		r.Unmatched++
	}
	return r
}

// in reports whether a request's groups are in a slice; empty is everybody.
func (m *model) in(groups uint64, slice string) bool {
	names := m.groupsOf(groups)
	return slice == "" || slices.Contains(names[:], slice)
}

// byUnit makes observations of rows, which are in the order of their units.
func byUnit[T any](rows []T, unit func(T) uint64, value func(T) (float64, bool)) (out stats.Pair) {
	for begin := 0; begin < len(rows); {
		end := begin + 1
		for end < len(rows) && unit(rows[end]) == unit(rows[begin]) && unit(rows[begin]) != 0 {
			end++
		}
		y, x := 0., 0.
		for _, r := range rows[begin:end] {
			if v, ok := value(r); ok {
				y, x = y+v, x+1
			}
		}
		if x > 0 {
			out.Add(y, x)
		}
		begin = end
	}
	return out
}

// pairCells are the cells of pairs of a window.
func (m *model) pairCells(key experiment.CellKey) (cells []experiment.Cell) {
	var rows []experiment.Pair
	for _, p := range m.pairs {
		if p.Phase == key.Phase && p.Window == key.Window && p.Version == key.Version && m.in(p.Groups, key.Slice) {
			rows = append(rows, p)
		}
	}
	slices.SortFunc(rows, func(a, b experiment.Pair) int {
		return cmp.Or(cmp.Compare(int64(a.Unit), int64(b.Unit)), cmp.Compare(a.ID, b.ID))
	})
	var mirrored, same stats.Counts
	classes := map[string]int64{}
	for _, p := range rows {
		mirrored.N++
		if p.Failed {
			mirrored.X++
			continue
		}
		same.N++
		if c := p.Compared[0]; c.Blank {
			same.X++
		} else {
			classes[experiment.AgreementClass(c.Baseline, c.Candidate)]++
		}
	}
	add := func(metric string, e experiment.Evidence) {
		key.Metric = metric
		cells = append(cells, experiment.Cell{CellKey: key, Evidence: e})
	}
	if mirrored.N > 0 {
		add(experiment.CellMirrored, experiment.Evidence{Counts: mirrored})
	}
	if same.N > 0 {
		units := byUnit(rows, func(p experiment.Pair) uint64 { return p.Unit }, func(p experiment.Pair) (float64, bool) {
			return valueOf(p)
		})
		add("same", experiment.Evidence{Counts: same, Units: units})
	}
	if len(classes) > 0 && key.Slice == "" {
		add(experiment.CellAgreement+"same", experiment.Evidence{Categories: stats.CategoriesOf(classes)})
	}
	return cells
}

func valueOf(p experiment.Pair) (float64, bool) {
	if p.Failed || p.Compared[0].Blank {
		return 0, false
	}
	return p.Compared[0].Value, true
}

// labelCells are the cells of labels of a window.
func (m *model) labelCells(key experiment.CellKey) []experiment.Cell {
	var rows []*modelPrediction
	for _, p := range m.predictions {
		moved := slices.ContainsFunc(m.units, func(u *modelUnit) bool { return u.moved && u.phase == p.Phase && u.unit == p.Unit })
		if p.Phase == key.Phase && p.Window == key.Window && p.Version == key.Version && !moved && m.in(p.Groups, key.Slice) {
			rows = append(rows, p)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	slices.SortStableFunc(rows, func(a, b *modelPrediction) int { return cmp.Compare(int64(a.Unit), int64(b.Unit)) })
	counts := stats.Counts{N: int64(len(rows))}
	right := func(p *modelPrediction) (float64, bool) {
		age := p.told.Sub(p.At)
		return number(p.Class == p.label), p.label != "" && age >= 0 && age <= 2*time.Minute
	}
	for _, p := range rows {
		if _, ok := right(p); !ok {
			counts.X++
		}
	}
	key.Metric = "right"
	units := byUnit(rows, func(p *modelPrediction) uint64 { return p.Unit }, right)
	return []experiment.Cell{{CellKey: key, Evidence: experiment.Evidence{Counts: counts, Units: units}}}
}

// drawPair makes a pair of one of few ids.
func drawPair(rt *rapid.T, e experiment.Exposure, groups uint64) experiment.Pair {
	p := experiment.Pair{
		Experiment: e.Experiment, Epoch: e.Epoch, Phase: e.Phase, Window: e.Window, Version: 1, At: e.At, Groups: groups,
		ID: strconv.Itoa(rapid.IntRange(0, 30).Draw(rt, "id")), Failed: rapid.IntRange(0, 4).Draw(rt, "fails") == 0,
	}
	if rapid.Bool().Draw(rt, "of a unit") {
		p.Unit = e.Unit
	}
	if p.Failed {
		return p
	}
	class := rapid.SampledFrom([]string{"", "cat", "dog"})
	c := experiment.Compared{Baseline: class.Draw(rt, "baseline"), Candidate: class.Draw(rt, "candidate")}
	if c.Baseline == "" || c.Candidate == "" {
		c = experiment.Compared{Blank: true}
	} else {
		c.Value = rapid.SampledFrom([]float64{0, .1, .7, 1}).Draw(rt, "same")
	}
	p.Compared = []experiment.Compared{c}
	return p
}

// drawTruth makes a label, most often of a prediction that there is.
func (m *model) drawTruth(rt *rapid.T, d *draft, key *experiment.Key) {
	d.Event, d.Label = "truth", rapid.SampledFrom([]string{"cat", "dog"}).Draw(rt, "label")
	if len(m.predictions) > 0 && rapid.Bool().Draw(rt, "by token") {
		e := m.predictions[rapid.IntRange(0, len(m.predictions)-1).Draw(rt, "prediction")].Exposure
		d.exposure, d.Token = &e, key.Seal(&e)
		d.Unit, d.Request = "", ""
		return
	}
	if rapid.Bool().Draw(rt, "by request") {
		d.exposure, d.Token, d.Unit = nil, "", ""
		d.Request = requestName(rapid.IntRange(0, 29).Draw(rt, "request"))
	}
}

func requestName(n int) string { return "request-" + strconv.Itoa(n) }
