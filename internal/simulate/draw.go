// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"math"
	"math/rand/v2"
)

// dice draws from the distributions that counts are made of. All are exact: none
// is a normal number rounded.
type dice struct {
	pcg *rand.PCG
	rng *rand.Rand
}

func newDice() *dice {
	pcg := rand.NewPCG(0, 0)
	return &dice{pcg: pcg, rng: rand.New(pcg)}
}

// seed begins the sequence that belongs to three numbers. Neighbouring numbers
// give sequences that have nothing in common.
func (d *dice) seed(a, b, c uint64) {
	d.pcg.Seed(mix(a^mix(b)), mix(b^mix(c)+a))
}

// mix is the finaliser of SplitMix64 (Steele, Lea and Flood 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// smallMean is the mean below which counting up from zero is quicker than
// rejecting.
const smallMean = 10

// poisson draws a Poisson number.
func (d *dice) poisson(mean float64) int64 {
	if mean < smallMean {
		limit, product, n := math.Exp(-mean), d.rng.Float64(), int64(0)
		for product > limit {
			product *= d.rng.Float64()
			n++
		}
		return n
	}
	return d.poissonRejected(mean)
}

// poissonRejected is algorithm PTRS of Hörmann, The transformed rejection method
// for generating Poisson random variables (1993), for means from 10 on.
func (d *dice) poissonRejected(mean float64) int64 {
	b := 0.931 + 2.53*math.Sqrt(mean)
	a := -0.059 + 0.02483*b
	inverse := 1.1239 + 1.1328/(b-3.4)
	quick := 0.9277 - 3.6224/(b-2)
	for {
		u, v := d.rng.Float64()-0.5, d.rng.Float64()
		us := 0.5 - math.Abs(u)
		k := math.Floor((2*a/us+b)*u + mean + 0.43)
		if us >= 0.07 && v <= quick {
			return int64(k)
		}
		if k < 0 || us < 0.013 && v > us {
			continue
		}
		// The probability of k by Stirling's series, in which nothing large
		// cancels: -k ln(k/m) + k - m.
		log := -excess(k, mean) - 0.5*math.Log(2*math.Pi*max(k, 1)) - tail(k)
		if k == 0 {
			log = -mean
		}
		if math.Log(v*inverse/(a/(us*us)+b)) <= log {
			return int64(k)
		}
	}
}

// excess is x ln(x/m) + m - x, which is small where x is close to m.
func excess(x, m float64) float64 {
	if x == 0 {
		return m
	}
	d := x - m
	return x*math.Log1p(d/m) - d
}

// tail is ln(x!) minus Stirling's formula, sqrt(2 pi x) (x/e)^x.
func tail(x float64) float64 {
	if x < 16 {
		if x == 0 {
			return 0
		}
		g, _ := math.Lgamma(x + 1)
		return g - (0.5*math.Log(2*math.Pi*x) + x*math.Log(x) - x)
	}
	r := 1 / x
	return r * (1./12 - r*r*(1./360-r*r*(1./1260-r*r/1680)))
}

// binomial draws the hits in n trials of probability p; n is at most 2^53.
func (d *dice) binomial(n int64, p float64) int64 {
	switch {
	case n <= 0 || p <= 0:
		return 0
	case p >= 1:
		return n
	case p > 0.5:
		return n - d.binomial(n, 1-p)
	case float64(n)*p < smallMean:
		return d.binomialInverted(n, p)
	default:
		return d.binomialRejected(n, p)
	}
}

// binomialInverted counts up from zero until the probability drawn is used up.
func (d *dice) binomialInverted(n int64, p float64) int64 {
	odds := p / (1 - p)
	whole := float64(n+1) * odds
	term := math.Exp(float64(n) * math.Log1p(-p))
	u, x := d.rng.Float64(), int64(0)
	for u > term && x < n {
		u -= term
		x++
		term *= whole/float64(x) - odds
	}
	return x
}

// binomialRejected is algorithm BTRS of Hörmann, The generation of binomial
// random variates (1993), for p <= 1/2 and n p >= 10. It takes about 1.15 pairs
// of numbers, whatever n is.
func (d *dice) binomialRejected(n int64, p float64) int64 {
	size, q := float64(n), 1-p
	spread := math.Sqrt(size * p * q)
	b := 1.15 + 2.53*spread
	a := -0.0873 + 0.0248*b + 0.01*p
	centre := size*p + 0.5
	quick := 0.92 - 4.2/b
	for {
		u, v := d.rng.Float64()-0.5, d.rng.Float64()
		us := 0.5 - math.Abs(u)
		k := math.Floor((2*a/us+b)*u + centre)
		if us >= 0.07 && v <= quick {
			return int64(k)
		}
		if k < 0 || k > size {
			continue
		}
		alpha := (2.83 + 5.1/b) * spread
		mode := math.Floor((size + 1) * p)
		log := logBinomial(k, size, p, q) - logBinomial(mode, size, p, q)
		if math.Log(v*alpha/(a/(us*us)+b)) <= log {
			return int64(k)
		}
	}
}

// logBinomial is the logarithm of the probability of x hits, by Loader's saddle
// point form (2000).
func logBinomial(x, n, p, q float64) float64 {
	switch x {
	case 0:
		return n * math.Log(q)
	case n:
		return n * math.Log(p)
	}
	y := n - x
	return tail(n) - tail(x) - tail(y) - excess(x, n*p) - excess(y, n*q) + 0.5*math.Log(n/(2*math.Pi*x*y))
}

// chiSquared draws the sum of n squared standard normal numbers: twice a gamma
// number, by Marsaglia and Tsang (2000).
func (d *dice) chiSquared(n float64) float64 {
	if n <= 0 {
		return 0
	}
	shape, scale := n/2, 2.0
	if shape < 1 {
		scale *= math.Pow(1-d.rng.Float64(), 1/shape)
		shape++
	}
	low := shape - 1./3
	c := 1 / math.Sqrt(9*low)
	for {
		x := d.rng.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		if math.Log(1-d.rng.Float64()) < 0.5*x*x+low*(1-v+math.Log(v)) {
			return scale * low * v
		}
	}
}
