// SPDX-License-Identifier: Apache-2.0

package bayes

import (
	"math"
	"slices"
	"sort"
	"sync"

	"gonum.org/v1/gonum/integrate/quad"
)

// order is the number of Gauss-Legendre nodes in a panel.
const order = 20

// rule is the Gauss-Legendre rule on [-1, 1], with the matrix that turns values
// at its nodes into coefficients of Legendre polynomials.
type rule struct {
	nodes, weights [order]float64
	analysis       [order][order]float64
}

// legendre is the rule, which is computed once and never changes.
var legendre = sync.OnceValue(func() *rule {
	r := new(rule)
	quad.Legendre{}.FixedLocations(r.nodes[:], r.weights[:], -1, 1)
	slices.Reverse(r.nodes[:]) // It gives them in descending order.
	slices.Reverse(r.weights[:])
	for j, x := range r.nodes {
		before, p := 0.0, 1.0
		for k := range order {
			n := float64(k)
			r.analysis[k][j] = (n + 0.5) * r.weights[j] * p
			before, p = p, ((2*n+1)*x*p-n*before)/(n+1)
		}
	}
	return r
})

// panel is a part of a table: the integral of the density from its left end, as
// coefficients of Legendre polynomials.
type panel struct {
	left, half   float64 // left is a distance from the mode
	total        float64 // probability of the panel
	below, above float64 // probability of everything to its left and right
	integral     [order + 1]float64
}

// table is the distribution function of a curve, to about 1e-13.
type table struct {
	curve  *curve
	panels []panel
}

const (
	// resolved is the size of the last coefficients, as a probability, at
	// which a panel is fine enough.
	resolved = 1e-13
	// maxPanels bounds the halving; 15 to 40 panels are usual.
	maxPanels = 1000
	// maxMassError is what the mass of a density may miss 1 by, and the sum of
	// probabilities too.
	maxMassError = 1e-9
)

// newTable integrates a curve. Panels in which the density is not resolved are
// halved, so that even odd shapes end up with panels that suit them.
func newTable(fn string, c *curve) (*table, error) {
	t := &table{curve: c, panels: make([]panel, 0, 24)}
	edges := c.edges()
	if math.IsInf(edges[0], 0) || math.IsInf(edges[len(edges)-1], 0) {
		return nil, imprecise(fn, "a density leaves the range of numbers")
	}
	for i := 1; i < len(edges); i++ {
		t.split(edges[i-1], (edges[i]-edges[i-1])/2)
	}
	mass := 0.0
	for i := range t.panels {
		t.panels[i].below = mass
		mass += t.panels[i].total
	}
	if !(math.Abs(mass-1) < maxMassError) {
		return nil, imprecise(fn, "a density is not resolved")
	}
	above := 0.0
	for i := len(t.panels) - 1; i >= 0; i-- {
		t.panels[i].above = above
		above += t.panels[i].total
	}
	return t, nil
}

// split appends the panel, or its halves if the curve is not resolved on it.
func (t *table) split(left, half float64) {
	r := legendre()
	var f, c [order]float64
	for j, x := range r.nodes {
		f[j] = t.curve.mass(left+half*(1+x), half)
	}
	for k := range order {
		for j, v := range f {
			c[k] += r.analysis[k][j] * v
		}
	}
	if math.Abs(c[order-1])+math.Abs(c[order-2]) > resolved && len(t.panels) < maxPanels {
		t.split(left, half/2)
		t.split(left+half, half/2)
		return
	}
	p := panel{left: left, half: half, total: 2 * c[0]}
	p.integral[0] = c[0] - c[1]/3
	for k := 1; k <= order; k++ {
		n := float64(2 * k)
		p.integral[k] = c[k-1] / (n - 1)
		if k+1 < order {
			p.integral[k] -= c[k+1] / (n + 3)
		}
	}
	t.panels = append(t.panels, p)
}

// end is where the last panel ends.
func (t *table) end() float64 {
	p := &t.panels[len(t.panels)-1]
	return p.left + 2*p.half
}

// at are the probabilities below and above the distance u from the mode.
func (t *table) at(u float64) (below, above float64) {
	i := sort.Search(len(t.panels), func(i int) bool { return t.panels[i].left > u }) - 1
	if i < 0 {
		return 0, 1
	}
	p := &t.panels[i]
	x := (u-p.left)/p.half - 1
	if x >= 1 {
		return p.below + p.total, p.above
	}
	part, before, poly := 0.0, 0.0, 1.0
	for k, c := range p.integral {
		part += c * poly
		n := float64(k)
		before, poly = poly, ((2*n+1)*x*poly-n*before)*reciprocal[k]
	}
	part = min(max(part, 0), p.total)
	return min(1, p.below+part), min(1, p.above+(p.total-part))
}

// reciprocal are 1/(k+1): a division in the inner loop would double its time.
var reciprocal = func() (r [order + 1]float64) {
	for k := range r {
		r[k] = 1 / float64(k+1)
	}
	return r
}()

// density is that at the distance u from the mode, times half.
func (t *table) density(u, half float64) float64 {
	if u < t.panels[0].left || u > t.end() {
		return 0
	}
	return t.curve.mass(u, half)
}

// quantile is the distance from the mode where p lies below, or above if upper.
func (t *table) quantile(p float64, upper bool) float64 {
	excess := func(u float64) float64 {
		below, above := t.at(u)
		if upper {
			return p - above
		}
		return below - p
	}
	for _, q := range t.panels {
		if end := q.left + 2*q.half; excess(end) >= 0 {
			return root(excess, q.left, end, 1e-14*t.curve.scale)
		}
	}
	return t.end()
}

// root finds where the rising function f crosses zero between a and b, to
// within tol or the resolution of the numbers: false position in the Illinois
// form, with a bisection at every third step for functions that bend.
func root(f func(float64) float64, a, b, tol float64) float64 {
	fa, fb := f(a), f(b)
	if fa >= 0 {
		return a
	}
	if fb <= 0 {
		return b
	}
	side := 0
	for step := range 200 {
		x := b - fb*(b-a)/(fb-fa)
		if step%3 == 2 || !(x > a && x < b) {
			x = a + (b-a)/2
		}
		if b-a <= tol+4e-16*math.Abs(x) {
			return x
		}
		fx := f(x)
		switch {
		case fx == 0:
			return x
		case fx < 0:
			if a, fa = x, fx; side < 0 {
				fb /= 2 // The same end twice: pull the line towards the other.
			}
			side = -1
		default:
			if b, fb = x, fx; side > 0 {
				fa /= 2
			}
			side = 1
		}
	}
	return a + (b-a)/2
}
