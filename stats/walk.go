// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"slices"

	"github.com/headgate-dev/headgate/stats/internal/root"
	"gonum.org/v1/gonum/integrate/quad"
)

// walk follows the score S_k = Z_k sqrt(t_k), a Gaussian random walk with
// independent increments N(drift dt, dt), through the looks, as the density of
// those paths that have not crossed a boundary yet.
type walk struct {
	times []float64
	drift float64

	last   int       // the last look advanced to
	nodes  []float64 // quadrature nodes over its continuation region
	masses []float64 // density times quadrature weight at the nodes
	begun  bool
}

// reach is how many standard deviations of a normal distribution are followed:
// 1e-17 lies outside.
const reach = 8.5

// repeats says that look k brings no new information.
func (w *walk) repeats(k int) bool {
	return w.begun && w.times[k] <= w.times[w.last]*(1+sameInformation)
}

// above is the probability of continuing up to look k and then being at s or
// above.
func (w *walk) above(k int, s float64) float64 {
	if !w.begun {
		sd := math.Sqrt(w.times[k])
		return NormalSF((s - w.drift*w.times[k]) / sd)
	}
	dt := w.times[k] - w.times[w.last]
	sd, s := math.Sqrt(dt), s-w.drift*dt
	sum := 0.0
	for i := len(w.nodes) - 1; i >= 0; i-- {
		z := (s - w.nodes[i]) / sd
		if z > 30 {
			break // The nodes ascend: all others are farther below.
		}
		sum += w.masses[i] * NormalSF(z)
	}
	return sum
}

// solve finds the boundary z at look k that is crossed with probability p.
func (w *walk) solve(k int, p float64) float64 {
	scale := math.Sqrt(w.times[k])
	if p <= 0 || w.above(k, maxBound*scale) >= p {
		return maxBound
	}
	if w.above(k, -maxBound*scale) <= p {
		return -maxBound
	}
	// Logarithms make the tail nearly a parabola, which interpolates well.
	target := math.Log(p)
	return root.Find(func(z float64) float64 {
		return math.Log(max(w.above(k, z*scale), 1e-300)) - target
	}, -maxBound, maxBound, 1e-12)
}

// advance goes on to look k with continuation region (low, high) in units of
// Z, and returns the probability of leaving it there.
func (w *walk) advance(k int, low, high float64) float64 {
	t := w.times[k]
	sd := math.Sqrt(t)
	out := w.above(k, high*sd)
	if !math.IsInf(low, -1) {
		out += w.total(k) - w.above(k, low*sd)
	}
	centre := w.drift * t
	a, b := max(low*sd, centre-reach*sd), min(high*sd, centre+reach*sd)
	w.spread(k, a, b)
	w.last, w.begun = k, true
	return out
}

// total is the probability of continuing up to look k.
func (w *walk) total(k int) float64 {
	if !w.begun {
		return 1
	}
	sum := 0.0
	for _, m := range w.masses {
		sum += m
	}
	return sum
}

// spread sets nodes and masses to the density at look k on [a, b].
func (w *walk) spread(k int, a, b float64) {
	n := 0
	if b > a && k+1 < len(w.times) {
		n = w.resolution(k, b-a)
	}
	nodes, masses := make([]float64, n), make([]float64, n)
	if n > 0 {
		// The nodes come in descending order; everything here wants them ascending.
		quad.Legendre{}.FixedLocations(nodes, masses, a, b)
		slices.Reverse(nodes)
		slices.Reverse(masses)
	}
	first := 0
	for i, y := range nodes {
		if !w.begun {
			masses[i] *= gauss(y-w.drift*w.times[k], w.times[k])
			continue
		}
		dt := w.times[k] - w.times[w.last]
		var density float64
		density, first = w.convolve(y-w.drift*dt, dt, first)
		masses[i] *= density
	}
	w.nodes, w.masses = nodes, masses
}

// convolve is the density of the walk after an increment of variance dt, at y.
// Nodes farther than reach standard deviations away are skipped; first is the
// lowest node that is near enough, here and for any larger y.
func (w *walk) convolve(y, dt float64, first int) (density float64, next int) {
	far := reach * math.Sqrt(dt)
	for first < len(w.nodes) && w.nodes[first] < y-far {
		first++
	}
	c := -0.5 / dt
	for i := first; i < len(w.nodes) && w.nodes[i] <= y+far; i++ {
		d := y - w.nodes[i]
		density += w.masses[i] * math.Exp(c*d*d)
	}
	return density / math.Sqrt(2*math.Pi*dt), first
}

// resolution is the number of nodes that resolves the density at look k and
// the step to the next that is not a repetition, over a region of this width.
// Gauss-Legendre nodes lie widest in the middle, pi/2 apart on average; 0.7
// standard deviations apart leaves an error below 1e-12.
func (w *walk) resolution(k int, width float64) int {
	step := w.times[k]
	if w.begun {
		step -= w.times[w.last]
	}
	for next := k + 1; next < len(w.times); next++ {
		if w.times[next] > w.times[k]*(1+sameInformation) {
			step = min(step, w.times[next]-w.times[k])
			break
		}
	}
	n := math.Ceil(math.Pi / 2 / 0.7 * width / math.Sqrt(step))
	return int(min(max(n, 64), 20000))
}

// gauss is the density of N(0, variance) at d.
func gauss(d, variance float64) float64 {
	return math.Exp(-0.5*d*d/variance) / math.Sqrt(2*math.Pi*variance)
}
