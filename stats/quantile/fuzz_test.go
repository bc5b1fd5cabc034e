// SPDX-License-Identifier: Apache-2.0

package quantile

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"github.com/headgate-dev/headgate/stats"
)

// Every exported function is fuzzed with the numbers that break arithmetic. It
// must return finite results, or an error of one of the documented kinds.

var strange = []float64{
	0, math.Copysign(0, -1), 1, -1, 0.05, 0.5, 1 - 1e-16, 1e-300, 5e-324, 1e300, math.MaxFloat64, -math.MaxFloat64,
	math.NaN(), math.Inf(1), math.Inf(-1),
}

var strangeCounts = []int64{0, 1, 2, -1, 100, 1 << 40, math.MaxInt64, math.MinInt64}

func sound(t *testing.T, what string, err error, results ...float64) {
	t.Helper()
	if err != nil {
		if _, ok := errors.AsType[*stats.InputError](err); !ok && !errors.Is(err, stats.ErrNoData) && !errors.Is(err, ErrBeyond) {
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

func soundReading(t *testing.T, what string, r Reading, err error) {
	t.Helper()
	sound(t, what, err, r.Value, r.Interval.Low, r.Interval.High, r.Resolution, r.Ranks.Coverage)
	if err != nil {
		return
	}
	if !r.Interval.Contains(r.Value) || r.Ranks.Low < 1 || r.Ranks.High > r.N || r.Resolution < 0 {
		t.Errorf("%s: %+v", what, r)
	}
	e, err := r.Estimate()
	sound(t, what+" estimate", err, e.Value, e.SE)
}

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

func FuzzRanksFor(f *testing.F) {
	for i, n := range strangeCounts {
		for j, a := range strange {
			f.Add(n, a, strange[(i+j)%len(strange)], strange[(2*i+j)%len(strange)])
			f.Add(n, 0.5, 0.95, a)
		}
	}
	f.Add(int64(1<<30), 1e-9, 1e-9, 1e9)
	f.Add(int64(1<<30), 1-1e-9, 1-1e-9, 1.0)
	f.Fuzz(func(t *testing.T, n int64, q, conf, inflation float64) {
		if n > 1<<34 && n <= 1<<40 {
			n >>= 6 // The work grows with sqrt(n).
		}
		r, err := RanksFor(n, q, conf, inflation)
		sound(t, "RanksFor", err, r.Coverage)
		if err == nil && (r.Low < 0 || r.High <= r.Low || r.High > n+1 || r.Coverage < 0 || r.Coverage > 1) {
			t.Errorf("RanksFor(%d, %g, %g, %g) = %+v", n, q, conf, inflation, r)
		}
	})
}

func FuzzSources(f *testing.F) {
	f.Add(packed(), 0.5, 0.95, 1.0)
	f.Add(packed(1, 2, 3, 4, 5, 6, 7, 8, 9), 0.5, 0.95, 1.0)
	f.Add(packed(1, 1, 1, 1), 0.5, 0.1, 1.0)
	f.Add(packed(-1e308, 0, 0, 1e308), 0.5, 0.2, 1.0)
	for _, a := range strange {
		f.Add(packed(a, a, a, a, a, a, a, a), 0.5, 0.9, 1.0)
		f.Add(packed(1, 2, 3), a, a, a)
	}
	f.Fuzz(func(t *testing.T, raw []byte, q, conf, inflation float64) {
		values := floats(raw)
		r, err := FromSorted(values, q, conf, inflation)
		sound(t, "FromSorted", err, r.Value, r.Interval.Low, r.Interval.High)
		if err == nil {
			soundReading(t, "FromSorted", r, nil)
		}
		var s stats.Sketch
		for _, v := range values {
			s.Add(v)
		}
		r, err = FromSketch(s, q, conf, inflation)
		soundReading(t, "FromSketch", r, err)
	})
}

func FuzzHistogram(f *testing.F) {
	f.Add(packed(0.1, 0.5, 1), int64(10), int64(20), int64(30), int64(40), 0.5, 0.25)
	for i, a := range strange {
		n := strangeCounts[i%len(strangeCounts)]
		f.Add(packed(a, 1, 2), int64(1), int64(20), int64(30), n, 0.5, a)
		f.Add(packed(-1, a, 2), n, int64(100), int64(100), int64(100), a, 1.0)
		f.Add(packed(1, 2, a), int64(0), int64(0), n, n, 0.5, 1.0)
	}
	f.Add(packed(-1e300, 0, 1e300), int64(0), int64(50), int64(100), int64(100), 0.5, 1.0)
	f.Fuzz(func(t *testing.T, raw []byte, a, b, c, n int64, q, limit float64) {
		h := Histogram{Upper: floats(raw), Cumulative: []int64{a, b, c, n}}
		if h.N() > 1<<34 && h.N() <= 1<<40 {
			h.Cumulative = []int64{a >> 8, b >> 8, c >> 8, n >> 8}
		}
		v, err := h.Interpolated(q)
		sound(t, "Interpolated", err, v)
		w, err := h.Reading(q, 0.9, 1)
		soundReading(t, "Reading", w.Reading, err)
		sound(t, "Reading", err, w.Interpolated.Low, w.Interpolated.High)
		least, most, err := h.Above(limit)
		sound(t, "Above", err)
		if err == nil && (least.Valid() != nil || most.Valid() != nil || least.X > most.X) {
			t.Errorf("Above: %+v to %+v", least, most)
		}
		d, err := KS(h, Histogram{Upper: h.Upper, Cumulative: []int64{0, 0, 1, 2}})
		sound(t, "KS", err, d)
		if d < 0 || d > 1 {
			t.Errorf("KS %g", d)
		}
		m, err := h.Merge(h)
		sound(t, "Merge", err)
		if err == nil && m.N() != 2*h.N() {
			t.Errorf("merged %d of %d", m.N(), h.N())
		}
	})
}

func FuzzEstimates(f *testing.F) {
	for i, a := range strange {
		at := func(k int) float64 { return strange[(i*k+k)%len(strange)] }
		f.Add(strangeCounts[i%len(strangeCounts)], a, at(2), at(3), at(4), at(5), 0.5)
		f.Add(int64(10), 1.0, 2.0, 3.0, 4.0, 1.0, a)
	}
	f.Fuzz(func(t *testing.T, n int64, my, mx, m2y, m2x, cyx, q float64) {
		v, err := ClusterFactor(stats.Pair{N: n, MeanY: my, MeanX: mx, M2Y: m2y, M2X: m2x, CYX: cyx}, q)
		sound(t, "ClusterFactor", err, v)
		if err == nil && v < 0 {
			t.Errorf("factor %g", v)
		}
		e, err := Estimated(my, stats.Interval{Low: mx, High: m2y}, m2x)
		sound(t, "Estimated", err, e.Value, e.SE)
	})
}
