// SPDX-License-Identifier: Apache-2.0

package multiple

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"github.com/headgate-dev/headgate/stats"
)

// Every exported function is fuzzed with the numbers that break arithmetic. It
// must return finite results, or an error of one of the two documented kinds.

var strange = []float64{
	0, math.Copysign(0, -1), 1, -1, 0.05, 0.5, 1 - 1e-16, 1e-300, 5e-324, 1e300, math.MaxFloat64, -math.MaxFloat64,
	math.NaN(), math.Inf(1), math.Inf(-1),
}

func sound(t *testing.T, what string, err error, results ...float64) {
	t.Helper()
	if err != nil {
		if _, ok := errors.AsType[*stats.InputError](err); !ok && !errors.Is(err, stats.ErrNoData) {
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

func probability(t *testing.T, what string, err error, results ...float64) {
	t.Helper()
	sound(t, what, err, results...)
	for _, r := range results {
		if err == nil && !(r >= 0 && r <= 1) {
			t.Errorf("%s returns %v, not a probability", what, results)
		}
	}
}

// floats reads a fuzzer's bytes as numbers, eight bytes each, and packed is its
// inverse.
func floats(b []byte) []float64 {
	var out []float64
	for ; len(b) >= 8; b = b[8:] {
		out = append(out, math.Float64frombits(binary.LittleEndian.Uint64(b)))
	}
	return out
}

func packed(v ...float64) []byte {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
	}
	return b
}

func FuzzAdjust(f *testing.F) {
	f.Add(packed(), 0.05)
	f.Add(packed(strange...), 0.05)
	for _, a := range strange {
		f.Add(packed(a, 0.2, 1e-9, 0), a)
	}
	f.Fuzz(func(t *testing.T, raw []byte, alpha float64) {
		v := floats(raw)
		for what, adjust := range map[string]func([]float64) ([]float64, error){
			"Holm": Holm, "Hochberg": Hochberg, "BenjaminiHochberg": BenjaminiHochberg,
		} {
			p, err := adjust(v)
			probability(t, what, err, p...)
		}
		p, err := IntersectionUnion(v)
		probability(t, "IntersectionUnion", err, p)
		d, err := EBenjaminiHochberg(v, alpha)
		sound(t, "EBenjaminiHochberg", err, d.LogThreshold)
		l, err := PreferentialBonferroni(alpha, 0.5, len(v), len(v))
		probability(t, "PreferentialBonferroni", err, l.Primary, l.Other)
	})
}

func FuzzDunnett(f *testing.F) {
	f.Add(1.0, packed(1, 2), 0.0, 0.05, 2.0, true)
	f.Add(1e-6, packed(1, 1), 1.0, 1e-5, 40.0, false)
	for _, a := range strange {
		f.Add(a, packed(a, 1), 0.0, 0.05, a, true)
		f.Add(1.0, packed(1e6, 1e-6), 0.0, a, a, false)
		f.Add(1.0, packed(1), a, 0.3, 1.0, false)
	}
	f.Fuzz(func(t *testing.T, baseline float64, raw []byte, df, alpha, x float64, twoSided bool) {
		v := floats(raw)
		if len(v) > 3 {
			v = v[:3] // The work grows with their number.
		}
		d := Dunnett{Baseline: baseline, Candidates: v, DF: df, TwoSided: twoSided}
		c, err := d.Critical(alpha)
		sound(t, "Critical", err, c)
		p, err := d.P(x)
		probability(t, "P", err, p)
		adjusted, err := d.Adjust(make([]float64, len(v)))
		probability(t, "Adjust", err, adjusted...)
	})
}

func FuzzSlices(f *testing.F) {
	f.Add(packed(strange...))
	f.Add(packed(1, 1, 2, 1))
	f.Add(packed(1e300, 1e-300, -1e300, 1e-300))
	f.Add(packed(1, 5e-324, 2, 1e300))
	for i, a := range strange {
		f.Add(packed(1, 1, a, strange[(i+5)%len(strange)], 3, 0.1))
		f.Add(packed(1, a, 2, 1))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		v := floats(raw)
		var effects []stats.Estimate
		for i := 0; i+1 < len(v); i += 2 {
			effects = append(effects, stats.Estimate{Value: v[i], SE: v[i+1]})
		}
		h, err := Compare(effects)
		sound(t, "Compare", err, h.Pooled.Value, h.Pooled.SE, h.Q, h.Tau2)
		probability(t, "Compare", err, h.P, h.I2)
		if err != nil && len(v) > 3 {
			h = Heterogeneity{Pooled: stats.Estimate{Value: v[0], SE: v[1]}, Tau2: v[2]}
		}
		shrunk, err := h.Shrink(effects)
		for _, e := range shrunk {
			sound(t, "Shrink", err, e.Value, e.SE)
		}
		sound(t, "Shrink", err)
		g, err := GailSimon(effects)
		sound(t, "GailSimon", err, g.Above, g.Below)
		probability(t, "GailSimon", err, g.P)
	})
}
