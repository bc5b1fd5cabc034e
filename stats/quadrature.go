// SPDX-License-Identifier: Apache-2.0

package stats

import "gonum.org/v1/gonum/integrate/quad"

// integrate visits the nodes and weights of a composite Gauss-Legendre rule on
// [low, high], panel by panel.
func integrate(low, high float64, panels, order int, visit func(x, weight float64)) {
	xs, ws := make([]float64, order), make([]float64, order)
	quad.Legendre{}.FixedLocations(xs, ws, -1, 1)
	half := (high - low) / float64(panels) / 2
	for p := range panels {
		centre := low + half*float64(2*p+1)
		for i, x := range xs {
			visit(centre+half*x, half*ws[i])
		}
	}
}
