// SPDX-License-Identifier: Apache-2.0

package paired

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/internal/input"
)

// strange are seeds for floating-point arguments.
var strange = []float64{
	0, 1, -1, 0.5, 0.95, 1e-300, 5e-324, 1e9, 1e300, math.MaxFloat64, -math.MaxFloat64, math.NaN(), math.Inf(1), math.Inf(-1),
}

// sound fails unless err is documented or all results are finite.
func sound(t *testing.T, what string, err error, results ...float64) {
	t.Helper()
	if err != nil {
		if _, ok := errors.AsType[*stats.InputError](err); !ok && !errors.Is(err, stats.ErrNoData) && !errors.Is(err, stats.ErrImpossible) {
			t.Errorf("%s: undocumented error %v", what, err)
		}
		return
	}
	for _, r := range results {
		if math.IsNaN(r) || math.IsInf(r, 0) {
			t.Errorf("%s returns %v", what, results)
		}
	}
}

// probability fails unless every result is one.
func probability(t *testing.T, what string, err error, results ...float64) {
	t.Helper()
	sound(t, what, err, results...)
	for _, r := range results {
		if err == nil && !(r >= 0 && r <= 1) {
			t.Errorf("%s returns %v, not a probability", what, results)
		}
	}
}

func FuzzDiscordance(f *testing.F) {
	counts := []int64{0, 1, 2, -1, 50, 1 << 41, math.MaxInt64, math.MinInt64}
	for i, n := range counts {
		for j, b := range counts {
			f.Add(n, b, counts[(i+j)%len(counts)], strange[(i+2*j)%len(strange)])
		}
	}
	f.Add(int64(100), int64(12), int64(30), 0.95)
	f.Fuzz(func(t *testing.T, n, b, c int64, x float64) {
		d := Discordance{N: n, Candidate: b, Baseline: c}
		chi2, p, err := d.McNemar(b%2 == 0)
		sound(t, "McNemar", err, chi2)
		probability(t, "McNemar", err, p)
		p, midP, err := d.Exact()
		probability(t, "Exact", err, p, midP)
		logE, err := d.LogE(x)
		sound(t, "LogE", err, logE)
		e, err := d.Difference()
		sound(t, "Difference", err, e.Value, e.SE)
		i, err := d.Interval(x)
		sound(t, "Interval", err, i.Low, i.High)
		th, err := PSIThreshold(n, b, int(c%1000), x)
		sound(t, "PSIThreshold", err, th)
		k, agreement, err := Kappa([][]int64{{n, b}, {c, n}})
		sound(t, "Kappa", err, k, agreement)
	})
}

func FuzzMean(f *testing.F) {
	for i, a := range strange {
		for j, b := range strange {
			f.Add(a, b, strange[(i+j)%len(strange)], strange[(2*i+3*j)%len(strange)], strange[(5*i+j)%len(strange)])
		}
	}
	f.Fuzz(func(t *testing.T, value, se, df, low, high float64) {
		m := Mean{Estimate: stats.Estimate{Value: value, SE: se}, DF: df}
		v, p, err := m.Test()
		sound(t, "Test", err, v)
		probability(t, "Test", err, p)
		i, err := m.Interval(low)
		sound(t, "Interval", err, i.Low, i.High)
		e, err := m.Equivalence(stats.Interval{Low: low, High: high})
		sound(t, "Equivalence", err, e.TLow, e.THigh)
		probability(t, "Equivalence", err, e.P)
		probability(t, "KolmogorovQ", finite("", "", value), KolmogorovQ(value))
	})
}

// numbersIn reads a list of numbers from bytes.
func numbersIn(data []byte) []float64 {
	var out []float64
	for ; len(data) >= 8 && len(out) < 64; data = data[8:] {
		out = append(out, math.Float64frombits(binary.LittleEndian.Uint64(data)))
	}
	return out
}

func bytesOf(xs ...float64) []byte {
	var out []byte
	for _, x := range xs {
		out = binary.LittleEndian.AppendUint64(out, math.Float64bits(x))
	}
	return out
}

func FuzzLists(f *testing.F) {
	f.Add(bytesOf(1, 2, 3, 4), bytesOf(2, 1, 0, 3))
	f.Add(bytesOf(0, 0), bytesOf(1))
	f.Add([]byte{}, bytesOf(1))
	f.Add(bytesOf(1, 1, 1, 2), bytesOf(-1, -1, 5, 5))
	for i, s := range strange {
		f.Add(bytesOf(s, 1, s, 2), bytesOf(1, strange[(3*i+1)%len(strange)], s, 0))
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		x, y := numbersIn(first), numbersIn(second)
		if w, err := SignedRanks(x); err != nil {
			sound(t, "SignedRanks", err)
		} else {
			greater, both, err := w.Exact()
			probability(t, "Wilcoxon.Exact", err, greater, both)
			p, err := w.Normal(len(y)%2 == 0)
			probability(t, "Wilcoxon.Normal", err, p)
		}
		centre, err := HodgesLehmann(x)
		sound(t, "HodgesLehmann", err, centre)
		if k, err := KolmogorovSmirnov(x, y); err != nil {
			sound(t, "KolmogorovSmirnov", err)
		} else {
			exact, err1 := k.Exact()
			asymptotic, err2 := k.Asymptotic()
			probability(t, "KolmogorovSmirnov", input.First(err1, err2), k.D, exact, asymptotic)
		}
		psi, err := PSI(x, y)
		sound(t, "PSI", err, psi)
		bits, err := JensenShannon(x, y)
		probability(t, "JensenShannon", err, bits)
		tv, err := TotalVariation(x, y)
		probability(t, "TotalVariation", err, tv)
		positive := make([]bool, len(x))
		for i, v := range x {
			positive[i] = v > 1
		}
		a, err := CompareAUC(positive, x, y)
		probability(t, "CompareAUC", err, a.Candidate.Value, a.Baseline.Value)
		sound(t, "CompareAUC", err, a.Candidate.SE, a.Baseline.SE, a.Covariance, a.Difference.SE)
		if err == nil {
			z, p, err := a.Test()
			sound(t, "AUCs.Test", err, z)
			probability(t, "AUCs.Test", err, p)
		}
	})
}
