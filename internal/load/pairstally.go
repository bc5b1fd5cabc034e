// SPDX-License-Identifier: Apache-2.0

package load

import (
	"math"
	"slices"
	"sync"

	"github.com/headgate-dev/headgate/internal/compare"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// maxClassPairs bounds the pairs of classes that are told apart, whatever
// servers answer.
const maxClassPairs = 512

// pairTally counts what comes of pairs. It is safe for concurrent use.
type pairTally struct {
	mu             sync.Mutex
	plan           *pairPlan
	pairs          int64
	answered       int64
	accepted       int64
	candidateFirst int64
	ends           [2]endTally
	// everybody is one count per metric, and slices the same for every slice.
	everybody []valueTally
	slices    [][]valueTally
	// ratio is of the logarithms of candidate / baseline, gap of candidate -
	// baseline in seconds.
	ratio, gap  stats.Moments
	show        int
	disagreeing int64
	shown       []Disagreement
}

// endTally is what one endpoint did.
type endTally struct {
	answered, failed, oversize, unread int64
	kinds                              tally
	// latency is of the pairs that both answered.
	latency latency
}

// valueTally is what one metric says.
type valueTally struct {
	values      stats.Moments
	ones, zeros int64
	blank       int64
	// classes count pairs of classes, lost those beyond maxClassPairs.
	classes map[string]int64
	lost    int64
}

func newPairTally(p *pairPlan, show int) *pairTally {
	t := &pairTally{plan: p, show: show, everybody: make([]valueTally, len(p.metrics)), slices: make([][]valueTally, len(p.slices))}
	for i := range t.slices {
		t.slices[i] = make([]valueTally, len(p.metrics))
	}
	for i := range t.ends {
		t.ends[i].kinds.statuses = make(map[int]int64)
	}
	return t
}

// add counts a pair. what describes where its answers disagree, and is asked
// only if that is to be shown.
func (t *pairTally) add(p *pairOf, what func() []Disagreeing) {
	differs := t.plan.differs(p.compared)
	if differs && t.wants(p.index) {
		t.keep(Disagreement{index: p.index, Line: p.line, Metrics: what()})
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pairs++
	if p.index%2 == 1 {
		t.candidateFirst++
	}
	if differs {
		t.disagreeing++
	}
	both := !p.read[0].Failed && !p.read[1].Failed
	for i := range t.ends {
		t.ends[i].add(&p.answers[i], &p.read[i], both)
	}
	if both {
		t.answered++
		if p.answers[0].status/100 == 2 && p.answers[1].status/100 == 2 {
			t.accepted++
		}
		if x, y := p.read[0].Took.Seconds(), p.read[1].Took.Seconds(); x > 0 && y > 0 {
			t.ratio.Add(math.Log(y / x))
			t.gap.Add(y - x)
		}
	}
	for i, c := range p.compared {
		t.everybody[i].add(c, true)
		for _, s := range p.groups {
			t.slices[s][i].add(c, false)
		}
	}
}

func (e *endTally) add(r *reply, read *compare.Answer, both bool) {
	switch {
	case r.kind != "":
		e.kinds.failed(r.kind, r.example)
	default:
		e.answered++
		e.kinds.statuses[r.status]++
		if !read.Failed && read.Value == nil {
			e.unread++
		}
	}
	if read.Failed {
		e.failed++
	}
	if r.oversize {
		e.oversize++
	}
	if both {
		e.latency.add(r.took)
	}
}

func (v *valueTally) add(c experiment.Compared, classes bool) {
	if c.Blank {
		v.blank++
		return
	}
	v.values.Add(c.Value)
	switch c.Value {
	case 1:
		v.ones++
	case 0:
		v.zeros++
	}
	if !classes || c.Baseline == "" {
		return
	}
	if v.classes == nil {
		v.classes = make(map[string]int64)
	}
	name := experiment.AgreementClass(c.Baseline, c.Candidate)
	if _, known := v.classes[name]; !known && len(v.classes) >= maxClassPairs {
		v.lost++
		return
	}
	v.classes[name]++
}

// wants says whether a pair is among the first that disagree, as far as is known.
func (t *pairTally) wants(index int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.shown) < t.show || t.show > 0 && index < t.shown[len(t.shown)-1].index
}

// keep keeps a disagreement if it is among the first of the file: answers come
// in any order.
func (t *pairTally) keep(d Disagreement) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, _ := slices.BinarySearchFunc(t.shown, d.index, func(x Disagreement, index int) int { return x.index - index })
	t.shown = slices.Insert(t.shown, at, d)
	t.shown = t.shown[:min(len(t.shown), t.show)]
}
