// SPDX-License-Identifier: Apache-2.0

package counter

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/stats"
)

// Every exported function is fuzzed with the numbers that break arithmetic. It
// must return finite results, or an error of one of the documented kinds.

var strange = []float64{
	0, math.Copysign(0, -1), 1, -1, 0.05, 0.5, 1 - 1e-16, 1e-300, 5e-324, 1e300, math.MaxFloat64, -math.MaxFloat64,
	math.NaN(), math.Inf(1), math.Inf(-1),
}

var strangeCounts = []int64{0, 1, 2, -1, 100, 1 << 39, 1 << 53, math.MaxInt64, math.MinInt64}

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

func probability(t *testing.T, what string, err error, p float64) {
	t.Helper()
	sound(t, what, err, p)
	if err == nil && !(p >= 0 && p <= 1) {
		t.Errorf("%s returns %v, not a probability", what, p)
	}
}

func soundEstimate(t *testing.T, what string, e Estimate, err error, conf float64) {
	t.Helper()
	sound(t, what, err, e.Value, e.SE, e.DF)
	if err != nil {
		return
	}
	p, err := e.P()
	probability(t, what+" P", err, p)
	i, err := e.Interval(conf)
	sound(t, what+" Interval", err, i.Low, i.High)
	if err == nil && !i.Contains(e.Value) {
		t.Errorf("%s: %+v misses %g", what, i, e.Value)
	}
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

func FuzzSeries(f *testing.F) {
	f.Add(packed(1, 2, 3, 1, 5), int64(0), int64(20), int64(60), 4, int64(45), int64(0), int64(0))
	f.Add(packed(strange...), int64(0), int64(20), int64(60), 4, int64(45), int64(-5), int64(500))
	f.Add(packed(1e308, 0, 1e308, 0, 1e308), int64(1), int64(1), int64(1000), 1, int64(1000), int64(0), int64(0))
	for i, n := range strangeCounts {
		f.Add(packed(1, 2, 3), n, int64(1), strangeCounts[(i+3)%len(strangeCounts)], 3, int64(1), n, int64(0))
		f.Add(packed(1, 2, 3), int64(0), n, int64(1<<50), 100_000, n, int64(0), n)
		f.Add(packed(), int64(0), int64(1), n, 2, n, n, n)
	}
	f.Fuzz(func(t *testing.T, raw []byte, start, step, width int64, count int, gap, born, gone int64) {
		values := floats(raw)
		total, _, err := Increase(values)
		sound(t, "Increase", err, total)
		var s Series
		for i, v := range values {
			s.Samples = append(s.Samples, Sample{At: time.Unix(0, start+int64(i)*step), Value: v})
		}
		if born != 0 {
			s.Born = time.Unix(0, born)
		}
		if gone != 0 {
			s.Gone = time.Unix(0, gone)
		}
		frame := Frame{Start: time.Unix(0, start), Width: time.Duration(width), Count: count, MaxGap: time.Duration(gap)}
		windows, err := s.Windows(frame)
		sound(t, "Windows", err)
		for _, w := range windows {
			if sound(t, "window", nil, w.Increase); w.Increase < 0 || w.Resets < 0 || !w.Start.Before(w.End) {
				t.Fatalf("%+v", w)
			}
		}
		sum, err := Sum(windows, windows)
		sound(t, "Sum", err)
		o, missing, err := Observe(windows, windows)
		sound(t, "Observe", err)
		if len(o)+missing != len(windows) || len(sum) != len(windows) && err == nil && len(sum) != 0 {
			t.Fatalf("%d windows: %d observed, %d missing, %d summed", len(windows), len(o), missing, len(sum))
		}
	})
}

func FuzzWindows(f *testing.F) {
	f.Add(packed(1, 10, 2, 10, 3, 10, 4, 10), 0.5, 0.95)
	f.Add(packed(1e300, 1e-300, 1e-300, 1e300, 1, 1, 1, 1), 0.0, 0.95)
	for i, a := range strange {
		f.Add(packed(a, 1, 2, 1, 3, 1, 4, 1, 5, 1, 6, 1, 7, 1, 8, 1), strange[(i+3)%len(strange)], a)
		f.Add(packed(1, a, a, 1, 3, a, 4, 1), 0.5, 1-1e-12)
		f.Add(packed(a, a, a, a, a, a, a, a), 0.5, 0.5)
	}
	f.Fuzz(func(t *testing.T, raw []byte, offset, conf float64) {
		v := floats(raw)
		var o []Observation
		for i := 0; i+1 < len(v); i += 2 {
			o = append(o, Observation{Amount: v[i], Exposure: v[i+1]})
		}
		half := len(o) / 2
		c, b := o[:half], o[half:2*half]
		mean, err := RatioOfSums(c)
		soundEstimate(t, "RatioOfSums", mean, err, conf)
		other, err := RatioOfSums(b)
		soundEstimate(t, "RatioOfSums", other, err, conf)
		d, err := Difference(mean, other)
		soundEstimate(t, "Difference", d, err, conf)
		p, err := PairedLogRatio(c, b, offset)
		soundEstimate(t, "PairedLogRatio", p.LogRatio, err, conf)
		sound(t, "PairedLogRatio", err, p.Autocorrelation)
		q, err := QuasiPoisson(c, b)
		soundEstimate(t, "QuasiPoisson", q.LogRatio, err, conf)
		sound(t, "QuasiPoisson", err, q.PoissonSE, q.Dispersion)
	})
}

func FuzzEstimate(f *testing.F) {
	f.Add(1.0, 1.0, 5.0, 2.0, 1.0, 3.0, 0.95)
	for i, a := range strange {
		at := func(k int) float64 { return strange[(i*k+k)%len(strange)] }
		f.Add(a, at(2), at(3), at(4), at(5), at(6), at(7))
		f.Add(1.0, 1.0, a, 1.0, 1.0, a, 1-1e-15)
		f.Add(1.0, 1.0, 1e-3, 1.0, 1.0, 1.0, a)
	}
	f.Fuzz(func(t *testing.T, a, seA, dfA, b, seB, dfB, conf float64) {
		x := Estimate{stats.Estimate{Value: a, SE: seA}, dfA}
		p, err := x.P()
		probability(t, "P", err, p)
		i, err := x.Interval(conf)
		sound(t, "Interval", err, i.Low, i.High)
		if err == nil && !i.Contains(a) {
			t.Errorf("%+v misses %g", i, a)
		}
		d, err := Difference(x, Estimate{stats.Estimate{Value: b, SE: seB}, dfB})
		soundEstimate(t, "Difference", d, err, conf)
	})
}

func FuzzRates(f *testing.F) {
	for i, n := range strangeCounts {
		for j, a := range strange {
			f.Add(n, strangeCounts[(i+j)%len(strangeCounts)], a, strange[(i+2*j)%len(strange)], 0.95)
			f.Add(n, int64(j), 1.0, 2.0, a)
		}
	}
	f.Add(int64(1<<30), int64(1<<30), 1.0, 1e11, 0.95)
	f.Fuzz(func(t *testing.T, x, y int64, ex, ey, conf float64) {
		if x > 1<<32 && x <= 1<<39 {
			x >>= 8 // The work grows with the square root.
		}
		if y > 1<<32 && y <= 1<<39 {
			y >>= 8
		}
		c, b := Events{x, ex}, Events{y, ey}
		p, err := RateRatioP(c, b)
		probability(t, "RateRatioP", err, p)
		l, err := LogRateRatio(c, b)
		sound(t, "LogRateRatio", err, l.Value, l.SE)
		i, err := RateRatioInterval(c, b, conf)
		sound(t, "RateRatioInterval", err, i.Low, i.High)
		if err == nil && !(i.Low <= i.High) {
			t.Errorf("RateRatioInterval %+v", i)
		}
	})
}

func FuzzEvidence(f *testing.F) {
	for i, n := range strangeCounts {
		for j, a := range strange {
			f.Add(n, int64(j), a, 1.0, int64(3), n, 1.0, 9.0, 0.5, 0.05)
			f.Add(n, strangeCounts[(i+j)%len(strangeCounts)], 1.0, 9.0, int64(0), int64(0), a, a, strange[(i+2*j)%len(strange)], a)
		}
	}
	f.Add(int64(1<<53), int64(0), 1e-11, 1.0, int64(0), int64(1<<53), 1.0, 1e-11, 10.0, 1e-300)
	f.Add(int64(1<<53), int64(1), 1.0, 1.0, int64(1), int64(1), 1.0, 1.0, 0.01, 0.5)
	f.Fuzz(func(t *testing.T, x1, y1 int64, c1, b1 float64, x2, y2 int64, c2, b2, tau, alpha float64) {
		segments := []Segment{{x1, y1, c1, b1}, {x2, y2, c2, b2}}
		e, err := LogE(segments, tau)
		sound(t, "LogE", err, e)
		g, err := LogEGreater(segments, tau)
		sound(t, "LogEGreater", err, g)
		if err == nil && g > e+math.Ln2+1e-6*(1+math.Abs(e)) {
			t.Errorf("one-sided %g exceeds twice two-sided %g", g, e)
		}
		i, err := RatioInterval(segments, tau, alpha)
		sound(t, "RatioInterval", err, i.Low, i.High)
		if err == nil && !(i.Low >= 0 && i.Low <= i.High) {
			t.Errorf("RatioInterval %+v", i)
		}
	})
}
