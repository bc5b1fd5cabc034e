// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"database/sql"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// truthID names the one label that a prediction has by an event.
type truthID struct {
	prediction int64
	event      string
}

// truthOf is the true class that an outcome tells. Classes are kept in MaxClass
// bytes, so that longer ones are compared as far as that.
func truthOf(o *experiment.UnitOutcome) string {
	label := o.Label
	if label == "" {
		label = strconv.FormatFloat(o.Value+0, 'f', -1, 64) // -0 is 0.
	}
	return storable(label[:min(len(label), experiment.MaxClass)])
}

// storable is a text from outside as every store takes it: PostgreSQL refuses
// NUL and what is not UTF-8, perhaps because it was cut.
func storable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

// judged is a prediction that a label is about.
type judged struct {
	id, window int64
	phaseKey
	version     int
	at, request int64
	label       sql.NullString
}

// answersAs says whether two predictions of one unit are of the same request.
func (p *judged) answersAs(o *judged) bool {
	return p.phaseKey == o.phaseKey && p.at == o.at && p.request == o.request
}

// labels is the question for the predictions that an outcome is about.
func (a *admitted) labels(j *join) labelQuery {
	q := labelQuery{phaseKey: phaseKey{experiment: j.id}, event: a.event}
	switch e := a.exposure; {
	case e != nil:
		q.of, q.unit, q.at, q.epoch, q.phase, q.version = labelByToken, int64(e.Unit), e.At.UnixMilli(), e.Epoch, e.Phase, e.Version
	case a.request != 0:
		q.of, q.request = labelByRequest, int64(a.request)
	default:
		q.unit, q.at = int64(a.unit), a.at
	}
	return q
}

// askLabels makes sure that the predictions of a batch's labels are known, those
// too that wait to be written.
func (w *writer) askLabels(j *join, batch []admitted) error {
	if len(j.truths) == 0 {
		return nil
	}
	if err := w.flushPredictions(); err != nil {
		return err
	}
	for i := range batch {
		if a := &batch[i]; j.truths[a.event] {
			w.wantLabel(a.labels(j))
		}
	}
	return w.ask()
}

// recordLabel stores the truth about the predictions that an outcome is about:
// the one of its token, the newest of its unit up to its time, or all of its
// request; and with each those that shadows made of the same request. A
// prediction takes one label of each event.
func (w *writer) recordLabel(j *join, a *admitted) (result, error) {
	found := w.found[a.labels(j)]
	best := unmatched
	for i := range found {
		r, err := w.labelOne(a, &found[i])
		if err != nil {
			return 0, err
		}
		best = min(best, r)
	}
	return best, nil
}

func (w *writer) labelOne(a *admitted, p *judged) (result, error) {
	h, err := w.horizon(p.phaseKey)
	if err != nil {
		return 0, err
	}
	id := truthID{p.id, a.event}
	known, has := p.label.String, p.label.Valid
	if text, fresh := w.truths[id]; fresh {
		known, has = text, true
	}
	switch {
	case has && known != a.truth:
		w.tally.conflicts++
		return duplicate, nil
	case has:
		return duplicate, nil
	case p.window < h.outcomes:
		return late, nil
	}
	w.truths[id] = a.truth
	w.write.labels.add(p.id, a.event, a.truth, a.at)
	return accepted, nil
}

// labelled is a prediction with what was told of it so far.
type labelled struct {
	id     int64
	at     int64
	groups uint64
	class  string
	score  sql.NullFloat64
	// truths are by metric.
	truths []sql.NullString
}

// foldLabels makes the cells of labels: of predictions in the windows that are
// sealed, but for those of units that moved.
func (w *writer) foldLabels(s sealing) ([]experiment.Cell, error) {
	if len(s.join.labels) == 0 {
		return nil, nil
	}
	rows, err := w.store.query(w.ctx, sqlJoinLabels, s.experiment, s.epoch, s.phase, s.from, s.to)
	if err != nil {
		return nil, fmt.Errorf("join labels: %w", err)
	}
	defer rows.Close()
	f := newLabelFolder(s)
	for rows.Next() {
		var k clusterKey
		var p labelled
		var groups, at int64
		var event, label string
		if err := rows.Scan(&p.id, &k.window, &k.version, &k.unit, &p.at, &groups, &p.class, &p.score, &event, &label, &at); err != nil {
			return nil, fmt.Errorf("join labels: %w", err)
		}
		if err := s.checkVersion(k.version); err != nil {
			return nil, err
		}
		p.groups = uint64(groups)
		f.add(k, p, event, label, at)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("join labels: %w", err)
	}
	return f.finish(), nil
}

// labelFolder turns predictions, one line for each label or none, into cells.
type labelFolder struct {
	grouping *grouping
	metrics  []labelMetric
	begun    bool
	now      labelled
}

func newLabelFolder(s sealing) *labelFolder {
	f := &labelFolder{metrics: s.join.labels}
	names := make([]string, len(f.metrics))
	for i := range f.metrics {
		names[i] = f.metrics[i].name
	}
	f.grouping = newGrouping(s, names)
	return f
}

func (f *labelFolder) add(k clusterKey, p labelled, event, label string, at int64) {
	if !f.begun || p.id != f.now.id {
		f.endPrediction()
		f.grouping.begin(k)
		p.truths = f.now.truths
		f.begun, f.now = true, p
	}
	for i := range f.metrics {
		m := &f.metrics[i]
		if event == m.event && at >= p.at && at-p.at <= m.windowMS {
			f.now.truths[i] = sql.NullString{String: label, Valid: true}
		}
	}
}

func (f *labelFolder) endPrediction() {
	if !f.begun {
		f.now.truths = make([]sql.NullString, len(f.metrics))
		return
	}
	g := f.grouping
	for i := range f.metrics {
		m := &f.metrics[i]
		truth := f.now.truths[i]
		y, x, ok := m.judge(&f.now, truth.String)
		ok = ok && truth.Valid
		missing := int64(0)
		if !ok {
			missing = 1
		}
		if m.of == experiment.AUC {
			e := g.everybody(i)
			e.counts.N++
			e.counts.X += missing
			if ok {
				e.scores.Add(f.now.score.Float64, truth.String == m.positive)
			}
			continue
		}
		g.count(i, f.now.groups, missing)
		if ok {
			g.observe(i, f.now.groups, y, x)
		}
	}
	clear(f.now.truths)
}

func (f *labelFolder) finish() []experiment.Cell {
	if !f.begun {
		return nil
	}
	f.endPrediction()
	return f.grouping.finish()
}

// leastScore is how far log-loss keeps scores from 0 and 1.
const leastScore = 1e-15

// judge is what a prediction adds to the metric's ratio once the truth is known,
// as experiment.LabelStat has it; false where the prediction lacks what that
// takes.
func (m *labelMetric) judge(p *labelled, truth string) (y, x float64, ok bool) {
	if m.of.Scored() && !p.score.Valid || p.class == "" && !p.score.Valid {
		return 0, 0, false
	}
	score, isPositive := p.score.Float64, truth == m.positive
	says := p.class == m.positive
	if p.class == "" {
		says = score >= m.threshold
	}
	switch m.of {
	case experiment.Accuracy:
		if p.class != "" {
			return number(p.class == truth), 1, true
		}
		return number(says == isPositive), 1, true
	case experiment.Precision:
		return number(says && isPositive), number(says), true
	case experiment.Recall:
		return number(says && isPositive), number(isPositive), true
	case experiment.F1:
		return 2 * number(says && isPositive), number(says) + number(isPositive), true
	case experiment.LogLoss:
		likely := min(max(score, leastScore), 1-leastScore)
		if !isPositive {
			likely = 1 - likely
		}
		return -math.Log(likely), 1, true
	case experiment.Brier:
		miss := score - number(isPositive)
		return miss * miss, 1, true
	case experiment.Calibration:
		return score, number(isPositive), true
	default: // AUC is no ratio.
		return 0, 0, true
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
