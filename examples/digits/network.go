// SPDX-License-Identifier: Apache-2.0

package digits

import (
	"math"
	"math/rand/v2"
)

const (
	hidden    = 32
	epochs    = 30
	batch     = 16
	momentum  = 0.9
	firstRate = 0.05 // falls linearly to zero over the training
	netSeed   = 8
)

// weights are the parameters of a network with one hidden layer of rectified
// linear units. The last column of each matrix is the bias.
type weights struct {
	in  [hidden][Pixels + 1]float64
	out [Classes][hidden + 1]float64
}

// network reads an image with one hidden layer; its scores are the softmax of
// the output layer.
type network struct{ weights }

// learnNetwork minimises the cross-entropy by stochastic gradient descent with
// momentum, always over the same examples in the same order.
func learnNetwork(rows Dataset) *network {
	rng := rand.New(rand.NewPCG(netSeed, 0))
	n := &network{}
	n.start(rng)
	velocity, gradient := &weights{}, &weights{}
	order := rng.Perm(len(rows))
	steps := epochs * ((len(rows) + batch - 1) / batch)
	step := 0
	for range epochs {
		rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for begin := 0; begin < len(order); begin += batch {
			chosen := order[begin:min(begin+batch, len(order))]
			*gradient = weights{}
			for _, i := range chosen {
				n.backward(&rows[i], gradient)
			}
			rate := firstRate * (1 - float64(step)/float64(steps)) / float64(len(chosen))
			n.descend(velocity, gradient, rate)
			step++
		}
	}
	return n
}

// start draws the weights of He et al. (2015), "Delving Deep into Rectifiers",
// section 2.2: normal with variance 2 over the number of inputs, biases zero.
func (n *network) start(rng *rand.Rand) {
	for j := range n.in {
		for i := range Pixels {
			n.in[j][i] = rng.NormFloat64() * math.Sqrt(2.0/Pixels)
		}
	}
	for k := range n.out {
		for j := range hidden {
			n.out[k][j] = rng.NormFloat64() * math.Sqrt(2.0/hidden)
		}
	}
}

// forward returns what the hidden units and the classes make of x.
func (n *network) forward(x *Image) (units [hidden]float64, s Scores) {
	for j := range n.in {
		w := &n.in[j]
		sum := w[Pixels]
		for i, v := range x {
			sum += w[i] * (v / MaxPixel)
		}
		units[j] = max(sum, 0)
	}
	for k := range n.out {
		w := &n.out[k]
		sum := w[hidden]
		for j, v := range units {
			sum += w[j] * v
		}
		s[k] = sum
	}
	softmax(&s)
	return units, s
}

// backward adds the gradient of the cross-entropy of one example to g.
func (n *network) backward(row *Row, g *weights) {
	units, s := n.forward(&row.Pixels)
	s[row.Label]-- // The slope of the loss at the output layer.
	var back [hidden]float64
	for k, slope := range s {
		w, gw := &n.out[k], &g.out[k]
		for j, v := range units {
			back[j] += slope * w[j]
			gw[j] += slope * v
		}
		gw[hidden] += slope
	}
	for j, slope := range back {
		if units[j] == 0 {
			continue // A unit that is off passes nothing back.
		}
		gw := &g.in[j]
		for i, v := range row.Pixels {
			gw[i] += slope * (v / MaxPixel)
		}
		gw[Pixels] += slope
	}
}

// descend moves the weights one step against the gradient.
func (n *network) descend(velocity, gradient *weights, rate float64) {
	for j := range n.in {
		step(n.in[j][:], velocity.in[j][:], gradient.in[j][:], rate)
	}
	for k := range n.out {
		step(n.out[k][:], velocity.out[k][:], gradient.out[k][:], rate)
	}
}

func step(w, velocity, gradient []float64, rate float64) {
	for i, g := range gradient {
		velocity[i] = momentum*velocity[i] - rate*g
		w[i] += velocity[i]
	}
}

func (n *network) scores(x *Image) Scores {
	_, s := n.forward(x)
	return s
}
