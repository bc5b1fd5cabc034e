// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"sync"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// telling is what one answer says, laid out to be counted.
type telling struct {
	tells []tell
	// classes and scores are those of all its predictions.
	classes stats.Categories
	scores  stats.Scores
	// digests are the values of the route's digests, in their order; nil is
	// that they are counted elsewhere.
	digests []string
}

// tell is what an answer says to one metric of predictions: a hit or none, or
// else, of a mean, a value or none.
type tell struct {
	metric            int
	hit, mean, valued bool
	value             float64
}

func (h *heard) tell(t *tell) {
	h.counts.N++
	switch {
	case t.mean && t.valued:
		h.units.Add(t.value, 1)
	case t.mean, t.hit:
		h.counts.X++
	}
}

// told is what the answers of one version say in one window.
type told struct {
	// metrics are a row for everybody and then one for each slice.
	metrics []heard
	classes map[string]int64
	scores  stats.Scores
	digests []map[string]int64
}

// addSaid records what an answer of the window says: for everybody and for its
// group of every segment at once. It is false if the window is sealed or gone.
func (l *phaseLog) addSaid(w *window, version int, groups uint64, s *telling) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || w.gone {
		return false
	}
	t := &w.tallies[version]
	if t.told == nil {
		t.told = &told{
			metrics: make([]heard, (1+len(l.slices))*len(l.predictions.Metrics)),
			digests: make([]map[string]int64, len(l.predictions.Digests)),
		}
	}
	for i := range s.tells {
		one := &s.tells[i]
		t.told.metrics[one.metric].tell(one)
		for s, first := range l.first {
			t.told.metrics[(1+first+groupOf(groups, s))*len(l.predictions.Metrics)+one.metric].tell(one)
		}
	}
	if l.predictions.Classes {
		addNames(&t.told.classes, s.classes, stats.MaxCategories)
	}
	if l.predictions.Scores {
		addScores(&t.told.scores, s.scores)
	}
	for i, value := range s.digests {
		addName(&t.told.digests[i], value, 1, maxDigestValues)
	}
	return true
}

// addCopied is addSaid for an answer to a copy. Windows do not wait for those, so
// that what comes when its own is sealed goes into the first that is open.
func (l *phaseLog) addCopied(w *window, at time.Time, version int, groups uint64, s *telling) bool {
	if l.addSaid(w, version, groups, s) {
		return true
	}
	w = l.hold(at)
	defer w.end()
	return l.addSaid(w, version, groups, s)
}

// addNames counts by name, at most so many apart.
func addNames(to *map[string]int64, names stats.Categories, most int) {
	for i := range names {
		addName(to, names[i].Name, names[i].N, most)
	}
}

// addName counts one name; what is new when there are almost too many is the
// other category.
func addName(to *map[string]int64, name string, n int64, most int) {
	if *to == nil {
		*to = make(map[string]int64)
	}
	if _, known := (*to)[name]; !known && len(*to) >= most-1 {
		name = stats.OtherCategory
	}
	(*to)[name] += n
}

// addScores adds scores in place where there are few.
func addScores(to *stats.Scores, scores stats.Scores) {
	if len(scores) == 1 && scores[0].Negative == 1 {
		to.Add(scores[0].Score, false)
		return
	}
	*to = to.Merge(scores)
}

// appendTold appends the cells of predictions of one version in one slice, row 0
// being everybody: there alone are those of distributions.
func (l *phaseLog) appendTold(cells []experiment.Cell, key experiment.CellKey, t *told, row int) []experiment.Cell {
	if t == nil {
		return cells
	}
	p := l.predictions
	add := func(metric string, e experiment.Evidence) {
		key.Metric = metric
		cells = append(cells, experiment.Cell{CellKey: key, Evidence: e})
	}
	for i := range p.Metrics {
		if h := &t.metrics[row*len(p.Metrics)+i]; h.counts.N > 0 {
			add(p.Metrics[i].Metric, experiment.Evidence{Counts: h.counts, Units: h.units})
		}
	}
	if row > 0 {
		return cells
	}
	if len(t.classes) > 0 {
		add(experiment.CellClasses, experiment.Evidence{Categories: stats.CategoriesOf(t.classes)})
	}
	if len(t.scores) > 0 {
		add(experiment.CellScores, experiment.Evidence{Scores: t.scores})
	}
	for i, values := range t.digests {
		if len(values) > 0 {
			add(p.digestCells[i], experiment.Evidence{Categories: stats.CategoriesOf(values)})
		}
	}
	return cells
}

// outputs are what all answers of one version in a phase say, for people to
// look at: whether windows are folded or not does not matter.
type outputs struct {
	mu      sync.Mutex
	classes map[string]int64
	scores  stats.Scores
	// sum is that of the scores as they came.
	sum float64
}

func (o *outputs) add(s *telling, sum float64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	addNames(&o.classes, s.classes, stats.MaxCategories)
	addScores(&o.scores, s.scores)
	o.sum += sum
}

// look gives copies.
func (o *outputs) look() (classes stats.Categories, scores stats.Scores, sum float64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return stats.CategoriesOf(o.classes), append(stats.Scores(nil), o.scores...), o.sum
}
