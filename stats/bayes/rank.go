// SPDX-License-Identifier: Apache-2.0

package bayes

import (
	"math"
	"slices"

	"github.com/headgate-dev/headgate/stats"
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
			return Ranking{}, noData(fn, "two degrees of freedom or fewer")
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
		return Ranking{}, &stats.InputError{Func: fn, Arg: "number of versions", Value: float64(len(curves)), Want: "from 1 to 100"}
	}
	r := ranker{means: means, tables: make([]*table, len(curves))}
	for i, c := range curves {
		t, err := newTable(fn, c)
		if err != nil {
			return Ranking{}, err
		}
		r.tables[i] = t
	}
	edges := r.edges(unit)
	for range 4 {
		if out, ok := r.integrate(edges, unit); ok {
			return out, nil
		}
		edges = halved(edges)
	}
	return Ranking{}, imprecise(fn, "the versions lie too far apart for their widths")
}

// ranker holds what the integrals over all versions need.
type ranker struct {
	tables []*table
	means  []float64
}

// mark is an edge of a panel with the width of its owner's panels there.
type mark struct{ at, width float64 }

// edges are the panels of all versions, without those that others resolve.
func (r ranker) edges(unit *curve) []float64 {
	var marks []mark
	low, high := math.Inf(1), math.Inf(-1)
	for _, t := range r.tables {
		for i, p := range t.panels {
			w := 2 * p.half
			if i > 0 {
				w = min(w, 2*t.panels[i-1].half)
			}
			marks = append(marks, mark{p.left, w})
		}
		last := t.panels[len(t.panels)-1]
		end := last.left + 2*last.half
		marks = append(marks, mark{end, 2 * last.half})
		low, high = min(low, marks[len(marks)-1-len(t.panels)].at), max(high, end)
	}
	if unit != nil {
		for _, e := range unit.edges() {
			if e > low && e < high {
				marks = append(marks, mark{e, unit.scale})
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
func (r ranker) integrate(edges []float64, unit *curve) (Ranking, bool) {
	k := len(r.tables)
	out := Ranking{Best: make([]float64, k), Loss: make([]float64, k)}
	masses := make([]float64, k)
	at := newPoint(k)
	g := legendre()
	for e := 1; e < len(edges); e++ {
		half := (edges[e] - edges[e-1]) / 2
		for j, x := range g.nodes {
			u := edges[e-1] + half*(1+x)
			step := half
			if unit != nil {
				step = unit.mass(u-unit.mode, half)
			}
			at.move(r.tables, u, half)
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
		if !(math.Abs(masses[i]-1) < maxMassError) {
			return Ranking{}, false
		}
		sum += out.Best[i]
		if out.Loss[i] < out.Loss[best] {
			best = i
		}
	}
	out.Max = r.means[best] + out.Loss[best]
	return out, math.Abs(sum-1) < maxMassError && !math.IsInf(out.Max, 0)
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

// move evaluates everything at u.
func (p *point) move(tables []*table, u, half float64) {
	k := len(tables)
	p.all[0], p.some[0], p.allEnd[k], p.someEnd[k] = 1, 0, 1, 0
	for i, t := range tables {
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
