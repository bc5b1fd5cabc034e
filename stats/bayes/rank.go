// SPDX-License-Identifier: Apache-2.0

package bayes

import (
	"math"
	"slices"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

// MaxVersions is the largest number of versions that one ranking may have.
const MaxVersions = 100

// Ranking compares versions whose true values are independent a posteriori.
// Larger is better.
type Ranking struct {
	// Best is, for each version, the probability that its true value is the
	// largest. The sum is 1.
	Best []float64 `json:"best"`
	// Loss is, for each version, the expectation of what is lost by choosing
	// it: the largest true value minus its own, 0 or more, in the unit of the
	// metric.
	Loss []float64 `json:"loss"`
	// Max is the expectation of the largest true value.
	Max float64 `json:"max"`
}

// RankBetas compares the proportions of 1 to 100 versions; a metric that
// should fall is compared with A and B swapped. P(best) is
//
//	p_k = integral of f_k prod_{j != k} F_j,
//
// and the expected loss of version i is
//
//	E[max_{j != i} theta_j - theta_i]^+ = integral of F_i (1 - prod_{j != i} F_j),
//
// in which nothing cancels, unlike in E[max] - E[theta_i] and in the closed
// form for two versions (Stucchio 2015), with which it agrees.
func RankBetas(arms []Beta) (Ranking, error) {
	const fn = "bayes.RankBetas"
	curves := make([]*curve, len(arms))
	means := make([]float64, len(arms))
	for i, b := range arms {
		if err := b.check(fn); err != nil {
			return Ranking{}, err
		}
		curves[i], means[i] = betaCurve(b.A, b.B), b.Mean()
	}
	// What a step of the logit is worth as a step of the proportion is the
	// density of the uniform distribution on that axis.
	return rank(fn, curves, means, betaCurve(1, 1))
}

// RankNormals compares 1 to 100 versions whose values are normal a posteriori,
// by the formulas of RankBetas.
func RankNormals(arms []Normal) (Ranking, error) {
	const fn = "bayes.RankNormals"
	curves := make([]*curve, len(arms))
	means := make([]float64, len(arms))
	for i, n := range arms {
		if err := n.check(fn); err != nil {
			return Ranking{}, err
		}
		curves[i], means[i] = normalCurve(n.Mean, n.SD), n.Mean
	}
	return rank(fn, curves, means, nil)
}

// RankStudents compares 1 to 100 versions whose means follow Student's t a
// posteriori, by the formulas of RankBetas. Two degrees of freedom or fewer
// are ErrNoData: expectations then hang on the tails.
func RankStudents(arms []Student) (Ranking, error) {
	const fn = "bayes.RankStudents"
	curves := make([]*curve, len(arms))
	means := make([]float64, len(arms))
	for i, s := range arms {
		if err := s.check(fn); err != nil {
			return Ranking{}, err
		}
		if s.DF <= 2 {
			return Ranking{}, input.NoData(fn, "two degrees of freedom or fewer")
		}
		curves[i], means[i] = studentCurve(s.Location, s.Scale, s.DF), s.Location
	}
	return rank(fn, curves, means, nil)
}

// rank computes a Ranking on panels that are halved until the probabilities
// add up. unit says what a step on the axis is worth in the unit of the
// metric; nil is 1.
func rank(fn string, curves []*curve, means []float64, unit *curve) (Ranking, error) {
	if len(curves) == 0 || len(curves) > MaxVersions {
		return Ranking{}, input.Refuse(fn, "number of versions", float64(len(curves)), "from 1 to 100")
	}
	r := ranker{means: means, unit: unit, tables: make([]*table, len(curves)), shifts: make([]float64, len(curves))}
	origin := curves[0]
	for i, c := range curves {
		t, err := newTable(fn, c)
		if err != nil {
			return Ranking{}, err
		}
		r.tables[i] = t
		if c.scale < origin.scale {
			origin = c
		}
	}
	for i, c := range curves {
		r.shifts[i] = origin.mode - c.mode
	}
	r.origin = origin.mode
	edges := r.edges()
	for range 4 {
		if out, ok := r.integrate(edges); ok {
			return out, nil
		}
		edges = halved(edges)
	}
	return Ranking{}, imprecise(fn, "the versions lie too far apart for their widths")
}

// ranker holds what the integrals over all versions need. Positions are
// distances from the mode of the narrowest version, the origin, so that they
// have the digits that it needs.
type ranker struct {
	means  []float64
	tables []*table
	shifts []float64 // the origin as a distance from each version's mode
	origin float64
	unit   *curve
}

// mark is an edge of a panel with the width of its owner's narrower panel there.
type mark struct{ at, width float64 }

// marks are a table's edges on another axis: place says where, and keeps order.
func (t *table) marks(place func(u float64) float64) []mark {
	out := make([]mark, 0, len(t.panels)+1)
	for _, p := range t.panels {
		out = append(out, mark{at: place(p.left), width: math.Inf(1)})
	}
	out = append(out, mark{at: place(t.end()), width: math.Inf(1)})
	for i := 1; i < len(out); i++ {
		w := out[i].at - out[i-1].at
		out[i-1].width, out[i].width = min(out[i-1].width, w), w
	}
	return out
}

// edges are the panels of all versions, without those that others resolve.
func (r ranker) edges() []float64 {
	var marks []mark
	low, high := math.Inf(1), math.Inf(-1)
	for i, t := range r.tables {
		own := t.marks(func(u float64) float64 { return u - r.shifts[i] })
		low, high = min(low, own[0].at), max(high, own[len(own)-1].at)
		marks = append(marks, own...)
	}
	if r.unit != nil {
		for _, u := range r.unit.edges() {
			if e := u + r.unit.mode - r.origin; e > low && e < high {
				marks = append(marks, mark{e, r.unit.scale})
			}
		}
	}
	return thinned(marks)
}

// thinned sorts marks and drops those within half a panel of the one before,
// so that ten similar versions need little more than one.
func thinned(marks []mark) []float64 {
	slices.SortFunc(marks, func(a, b mark) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return 0
	})
	out := make([]float64, 0, len(marks))
	for i, m := range marks {
		end := i == len(marks)-1
		if n := len(out); n > 0 && !end && m.at-out[n-1] < 0.5*m.width {
			continue
		}
		out = append(out, m.at)
	}
	return out
}

// halved puts an edge in the middle of every panel.
func halved(edges []float64) []float64 {
	out := make([]float64, 0, 2*len(edges))
	for i, e := range edges {
		if i > 0 {
			out = append(out, edges[i-1]+(e-edges[i-1])/2)
		}
		out = append(out, e)
	}
	return out
}

// integrate computes the ranking on these panels, and says whether they
// resolve it.
func (r ranker) integrate(edges []float64) (Ranking, bool) {
	k := len(r.tables)
	out := Ranking{Best: make([]float64, k), Loss: make([]float64, k)}
	masses := make([]float64, k)
	at := newPoint(k)
	g := legendre()
	for e := 1; e < len(edges); e++ {
		half := (edges[e] - edges[e-1]) / 2
		for j, x := range g.nodes {
			offset := half * (1 + x)
			step := half
			if r.unit != nil {
				step = r.unit.mass(edges[e-1]+r.origin-r.unit.mode+offset, half)
			}
			at.move(r, edges[e-1], offset, half)
			for i := range k {
				alone, any := at.others(i)
				f := g.weights[j] * at.f[i]
				masses[i] += f
				out.Best[i] += f * alone
				out.Loss[i] += g.weights[j] * step * at.below[i] * any
			}
		}
	}
	sum, best := 0.0, 0
	for i := range k {
		if !(math.Abs(masses[i]-1) < maxMassError) || !(r.means[i]+out.Loss[i] <= math.MaxFloat64) {
			return Ranking{}, false
		}
		sum += out.Best[i]
		if out.Loss[i] < out.Loss[best] {
			best = i
		}
	}
	out.Max = r.means[best] + out.Loss[best]
	return out, math.Abs(sum-1) < maxMassError
}

// point is what the versions' distributions are at one node.
type point struct {
	f            []float64 // densities times half the panel
	below, above []float64 // distribution and survival functions
	// all[i] is the probability that every version before i lies below the
	// node, and some[i] that at least one does not; the same from the end.
	all, some       []float64
	allEnd, someEnd []float64
}

func newPoint(k int) *point {
	s := make([]float64, 7*k+4)
	take := func(n int) []float64 {
		out := s[:n:n]
		s = s[n:]
		return out
	}
	return &point{
		f: take(k), below: take(k), above: take(k),
		all: take(k + 1), some: take(k + 1), allEnd: take(k + 1), someEnd: take(k + 1),
	}
}

// move evaluates everything at edge + offset, which are kept apart because
// their sum may not have the digits that a narrow version needs.
func (p *point) move(r ranker, edge, offset, half float64) {
	k := len(r.tables)
	p.all[0], p.some[0], p.allEnd[k], p.someEnd[k] = 1, 0, 1, 0
	for i, t := range r.tables {
		u := edge + r.shifts[i] + offset
		p.below[i], p.above[i] = t.at(u)
		p.f[i] = t.density(u, half)
		p.all[i+1] = p.all[i] * p.below[i]
		p.some[i+1] = p.some[i] + p.all[i]*p.above[i]
	}
	for i := k - 1; i >= 0; i-- {
		p.allEnd[i] = p.allEnd[i+1] * p.below[i]
		p.someEnd[i] = p.someEnd[i+1] + p.allEnd[i+1]*p.above[i]
	}
}

// others are the probabilities that all versions but i lie below the node, and
// that at least one of them does not.
func (p *point) others(i int) (all, some float64) {
	return p.all[i] * p.allEnd[i+1], p.some[i] + p.all[i]*p.someEnd[i+1]
}
