// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"cmp"
	"slices"
)

// Gap is a run of windows that are not whole: from window From up to but
// excluding To a part of what happened is missing, and cannot be had again. What
// is there of them counts; what is not there is never taken for a zero (D2).
type Gap struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
	// Why says what is missing, in at most MaxWhy bytes.
	Why string `json:"why"`
}

const (
	// MaxWhy is the greatest length of a gap's reason, in bytes.
	MaxWhy = 256
	// KeptGaps is how many gaps of a source a phase remembers, the newest;
	// older ones are counted only.
	KeptGaps = 4
)

// MergeGaps gives the gaps inside of the windows from..to, in order and apart:
// where two lie upon each other, the one that begins first is told.
func MergeGaps(gaps []Gap, from, to int64) []Gap {
	gaps = slices.Clone(gaps)
	slices.SortStableFunc(gaps, func(a, b Gap) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(b.To, a.To), cmp.Compare(a.Why, b.Why))
	})
	var out []Gap
	for _, g := range gaps {
		g.From, g.To = max(g.From, from), min(g.To, to)
		if n := len(out) - 1; n >= 0 {
			last := &out[n]
			if g.From = max(g.From, last.To); g.From == last.To && g.Why == last.Why {
				last.To = max(last.To, g.To)
				continue
			}
		}
		if g.From < g.To {
			out = append(out, g)
		}
	}
	return out
}

// MergeSeals puts together what several tell of the same windows: a window is
// sealed once all of them have sealed it, and lacks what one of them lacks. There
// must be one at least; all must be of the same source and phase, and begin with
// the same window.
func MergeSeals(seals ...Seal) Seal {
	all := seals[0]
	all.Cells, all.Gaps = nil, nil
	for i := range seals {
		all.To = min(all.To, seals[i].To)
		all.Cells, all.Gaps = append(all.Cells, seals[i].Cells...), append(all.Gaps, seals[i].Gaps...)
	}
	all.Cells = slices.DeleteFunc(all.Cells, func(c Cell) bool { return c.Window >= all.To })
	all.Gaps = MergeGaps(all.Gaps, all.From, all.To)
	return all
}

// Lacks says whether a window of the seal is not whole.
func (s *Seal) Lacks(window int64) bool {
	return slices.ContainsFunc(s.Gaps, func(g Gap) bool { return g.From <= window && window < g.To })
}

// SourceGaps is what a phase remembers of the windows of one source that are
// not whole.
type SourceGaps struct {
	Source Source `json:"source"`
	// Windows is how many of the folded windows are not whole.
	Windows int64 `json:"windows"`
	// Last are the newest gaps, at most KeptGaps, oldest first.
	Last []Gap `json:"last"`
}

// GapsOf is what is missing of a source in the phase; zero is nothing.
func (p *PhaseTotals) GapsOf(s Source) SourceGaps {
	for i := range p.Gaps {
		if p.Gaps[i].Source == s {
			return p.Gaps[i]
		}
	}
	return SourceGaps{Source: s}
}

// lack remembers the gaps of a seal. What was remembered before is replaced,
// never changed in place, so that earlier copies keep their meaning.
func (p *PhaseTotals) lack(s *Seal) {
	fresh := MergeGaps(s.Gaps, s.From, s.To)
	if len(fresh) == 0 {
		return
	}
	g := p.GapsOf(s.Source)
	g.Last = slices.Clone(g.Last)
	for _, gap := range fresh {
		g.Windows += gap.To - gap.From
		if n := len(g.Last) - 1; n >= 0 && g.Last[n].To == gap.From && g.Last[n].Why == gap.Why {
			g.Last[n].To = gap.To
			continue
		}
		g.Last = append(g.Last, gap)
	}
	g.Last = g.Last[max(0, len(g.Last)-KeptGaps):]
	gaps := slices.DeleteFunc(slices.Clone(p.Gaps), func(o SourceGaps) bool { return o.Source == s.Source })
	p.Gaps = append(gaps, g)
	order := Sources()
	slices.SortFunc(p.Gaps, func(a, b SourceGaps) int {
		return cmp.Compare(slices.Index(order, a.Source), slices.Index(order, b.Source))
	})
}
