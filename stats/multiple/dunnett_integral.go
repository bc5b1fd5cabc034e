// SPDX-License-Identifier: Apache-2.0

package multiple

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/integrate/quad"
)

// comparison is a group of candidates of equal size: each comparison of theirs
// is loading X + rest Y_i with X shared by all and all of them standard normal.
type comparison struct {
	loading, rest float64
	count         int
}

// family computes P(max T_i > c) as
//
//	integral g(s) integral phi(x) (1 - prod_i [1 - tail_i(c s, x)]) dx ds,
//
// where g is the density of s/sigma, that is of sqrt(chi²_df/df). It integrates
// the exceedance, not the complement of the distribution function, so that
// small probabilities keep their digits.
type family struct {
	comparisons []comparison
	df          float64
	twoSided    bool

	nodes, weights []float64 // Gauss-Legendre on (-1, 1)
	edges          []float64 // panels for x that suit every c
	narrow         []comparison
}

const (
	// reach is how far the normal density is followed: 1e-23 lies beyond.
	reach = 10
	// panelNodes resolve a panel of panelWidth on which the integrand turns from
	// one side of a step to the other.
	panelNodes, panelWidth = 16, 2
	// narrowStep is the width, in x, of a candidate's step from 0 to 1 below
	// which panels are laid around it. It is rest/loading.
	narrowStep = 0.7
	// nats is the logarithm of the probability of chi² that is left out.
	nats = 40
)

// prepare lays out nodes and panels.
func (f *family) prepare() {
	f.nodes, f.weights = make([]float64, panelNodes), make([]float64, panelNodes)
	quad.Legendre{}.FixedLocations(f.nodes, f.weights, -1, 1)
	first := -float64(reach)
	if f.twoSided {
		first = 0 // The integrand is even.
	}
	for x := first; x <= reach; x += panelWidth {
		f.edges = append(f.edges, x)
	}
	for _, k := range f.comparisons {
		if k.rest < narrowStep*k.loading {
			f.narrow = append(f.narrow, k)
		}
	}
}

// exceed is P(max T_i > c), or P(max |T_i| > c).
func (f *family) exceed(c float64) float64 {
	if f.df == 0 {
		return min(1, f.given(c))
	}
	sum, mass := 0.0, 0.0
	f.integrate(f.spreadEdges(c), func(s, w float64) {
		// The density up to a constant, which mass corrects.
		w *= math.Exp((f.df-1)*math.Log(s) - f.df*(s*s-1)/2)
		mass += w
		sum += w * f.given(c*s)
	})
	return min(1, sum/mass)
}

// given is the probability for a known variance.
func (f *family) given(c float64) float64 {
	sum := 0.0
	f.integrate(f.panels(c), func(x, w float64) {
		none := 0.0 // ln of the probability that no comparison exceeds c
		for _, k := range f.comparisons {
			none += float64(k.count) * math.Log1p(-f.tail(k, c, x))
		}
		sum -= w * math.Exp(-x*x/2) * math.Expm1(none)
	})
	if f.twoSided {
		sum *= 2
	}
	return sum / math.Sqrt(2*math.Pi)
}

// panels are the edges for x, refined around the places c/loading at which a
// large candidate's comparison turns from hardly ever to nearly always above c.
func (f *family) panels(c float64) []float64 {
	if len(f.narrow) == 0 {
		return f.edges
	}
	out := slices.Clone(f.edges)
	for _, k := range f.narrow {
		for _, sd := range [...]float64{-8, -2.5, 0, 2.5, 8} {
			if at := (c + sd*k.rest) / k.loading; at > f.edges[0] && at < reach {
				out = append(out, at)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// spreadEdges are the panels for s. The bounds for the tails of chi² are those
// of Laurent and Massart (2000). With few degrees of freedom small s are not
// rare, and for large c nothing but small s counts, so panels halve towards 0.
func (f *family) spreadEdges(c float64) []float64 {
	v := nats / f.df
	high := math.Sqrt(1 + 2*math.Sqrt(v) + 2*v)
	low := math.Sqrt(max(0, 1-2*math.Sqrt(v)))
	const panels = 6
	var out []float64
	if low == 0 {
		first := high / panels
		for e := first / 2; e > 0.05/max(1, math.Abs(c)); e /= 2 {
			out = append(out, e)
		}
		out = append(out, 0)
		slices.Reverse(out)
		low = first
	}
	for i := range panels + 1 {
		out = append(out, low+(high-low)*float64(i)/panels)
	}
	return out
}

// integrate calls visit with the abscissas and weights of all panels.
func (f *family) integrate(edges []float64, visit func(x, w float64)) {
	for i := 1; i < len(edges); i++ {
		centre, half := (edges[i]+edges[i-1])/2, (edges[i]-edges[i-1])/2
		for j, n := range f.nodes {
			visit(centre+half*n, half*f.weights[j])
		}
	}
}
