// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"slices"
	"sync"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/counter"
)

// Memo remembers, from one judgement of an experiment to the next, what was
// long to compute and has not changed: group-sequential boundaries, of which
// each goes on from the last, and e-values of counts in phases that are over.
// What it remembers is used only for the very same input, so it never changes a
// result, whatever it was used for before. It grows with the phases and tests of
// an experiment and may be thrown away at any time. A nil Memo remembers
// nothing. It may be used by several goroutines.
type Memo struct {
	mu      sync.Mutex
	spent   map[int][]spending
	entries map[ratioKey]ratioEntry
}

// maxEntries bounds the e-values remembered; beyond it the memo begins anew.
const maxEntries = 1 << 15

// NewMemo makes an empty memo, for one experiment.
func NewMemo() *Memo {
	return &Memo{spent: map[int][]spending{}, entries: map[ratioKey]ratioEntry{}}
}

// spending is a test that has spent its looks.
type spending struct {
	alpha  float64
	looks  []stats.Look
	test   stats.Spender
	bounds float64
}

// keep is how many looks back can be gone on from: the newest, which is the
// next one's, and the one before, because who judges twice without storing what
// came of it asks for the same look again.
const keep = 2

// bound is the boundary of the last of a version's looks.
func (m *Memo) bound(version int, alpha float64, looks []stats.Look) (float64, error) {
	begun := m.begun(version, alpha, looks)
	for i := len(begun.looks); i < len(looks); i++ {
		if i == 0 {
			test, err := stats.NewSpender(alpha, stats.OBrienFleming)
			if err != nil {
				return 0, err
			}
			begun.test = test
		}
		next, bound, err := begun.test.Next(looks[i])
		if err != nil {
			return 0, err
		}
		begun = spending{alpha: alpha, looks: looks[: i+1 : i+1], test: next, bounds: bound}
	}
	m.remember(version, begun)
	return begun.bounds, nil
}

// begun is the test that has spent most of the looks, or none.
func (m *Memo) begun(version int, alpha float64, looks []stats.Look) spending {
	var best spending
	if m == nil {
		return best
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.spent[version] {
		n := len(s.looks)
		if s.alpha == alpha && n > len(best.looks) && n <= len(looks) && slices.Equal(s.looks, looks[:n]) {
			best = s
		}
	}
	return best
}

func (m *Memo) remember(version int, s spending) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	known := slices.DeleteFunc(slices.Clone(m.spent[version]), func(o spending) bool { return slices.Equal(o.looks, s.looks) })
	known = append(known, s)
	m.spent[version] = known[max(0, len(known)-keep):]
}

// ratioKey names an e-value of counts.
type ratioKey struct {
	epoch, phase, version int
	metric, slice         string
	allowed               float64
	more                  bool
}

type ratioEntry struct {
	segments []counter.Segment
	logE     float64
}

// ratio is ratioLogE of the segments.
func (m *Memo) ratio(key ratioKey, segments []counter.Segment) float64 {
	if m == nil {
		return ratioLogE(segments)
	}
	m.mu.Lock()
	known, ok := m.entries[key]
	m.mu.Unlock()
	if ok && slices.Equal(known.segments, segments) {
		return known.logE
	}
	e := ratioLogE(segments)
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.entries) >= maxEntries {
		clear(m.entries)
	}
	m.entries[key] = ratioEntry{segments: segments, logE: e}
	return e
}
