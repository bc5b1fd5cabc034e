// SPDX-License-Identifier: Apache-2.0

package counter

import (
	"math"
	"time"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

// Sample is what a counter showed at a time.
type Sample struct {
	At    time.Time
	Value float64
}

// Series are the samples of one counter of one process, in order of time.
type Series struct {
	Samples []Sample
	// Born is when the counter began at 0, and Gone when it ended, as far as
	// they are known, such as from the start of a pod: before and after, the
	// series adds nothing and lacks nothing. The zero time means unknown. What
	// is counted between the last sample and the end is never seen.
	Born, Gone time.Time
}

// Window is what was counted in an interval of time.
type Window struct {
	// Start is excluded and End included, as a sample at a bound has counted
	// what came before it.
	Start, End time.Time
	// Increase is how much the counter rose, summed over resets. It has no
	// meaning if Complete is false.
	Increase float64
	// Resets is how often the counter fell, and so was restarted.
	Resets int
	// Complete says that samples cover the window without a gap.
	Complete bool
}

// Frame is a row of equal windows.
type Frame struct {
	Start time.Time
	Width time.Duration
	// Count is the number of windows, from 1 to 100,000.
	Count int
	// MaxGap is the longest time between two samples that is not a gap: two or
	// three scrape intervals. It must not exceed Width, or windows without any
	// sample would count as covered.
	MaxGap time.Duration
}

func (f Frame) check(fn string) error {
	const most = 100_000
	switch {
	case f.Width <= 0:
		return input.Refuse(fn, "width of windows in seconds", f.Width.Seconds(), "more than 0")
	case f.MaxGap <= 0 || f.MaxGap > f.Width:
		return input.Refuse(fn, "longest gap in seconds", f.MaxGap.Seconds(), "more than 0 and at most the width of a window")
	case f.Count < 1 || f.Count > most:
		return input.Refuse(fn, "number of windows", float64(f.Count), "from 1 to 100000")
	case f.Width > math.MaxInt64/time.Duration(f.Count):
		return input.Refuse(fn, "width of windows in seconds", f.Width.Seconds(), "windows that span less than 292 years")
	}
	return nil
}

// Increase is how much a counter rose from the first of its values to the last,
// and how often it was reset: it falls only when its process restarts, and then
// begins at 0, so that what it shows after a fall is an increase. What was
// counted between the last value before a restart and the restart is lost.
// Fewer than two values are stats.ErrNoData.
func Increase(values []float64) (total float64, resets int, err error) {
	const fn = "counter.Increase"
	for _, v := range values {
		if err := input.NonNegative(fn, "value", v); err != nil {
			return 0, 0, err
		}
	}
	if len(values) < 2 {
		return 0, 0, input.NoData(fn, "fewer than two values")
	}
	for i := 1; i < len(values); i++ {
		d, reset := delta(values[i-1], values[i])
		total += d
		if reset {
			resets++
		}
	}
	return total, resets, input.Finite(fn, "increase", total)
}

// delta is the increase between two samples.
func delta(before, after float64) (increase float64, reset bool) {
	if after < before {
		return after, true
	}
	return after - before, false
}

// Windows cuts a series into windows. An increase between two samples belongs
// to the window of the later one: nothing is extrapolated or divided, so a
// window's edges are as sharp as the scrape interval, and no event is counted
// twice or lost between windows. Counters of one process are scraped together,
// so their edges move together and ratios stay true. A window is complete if no two samples around
// or in it, and neither of its ends, are further apart than MaxGap.
func (s Series) Windows(f Frame) ([]Window, error) {
	const fn = "counter.Series.Windows"
	samples, err := s.samples(fn)
	if err := input.First(err, f.check(fn)); err != nil {
		return nil, err
	}
	out := make([]Window, f.Count)
	for i := range out {
		out[i].Start = f.Start.Add(time.Duration(i) * f.Width)
		out[i].End = out[i].Start.Add(f.Width)
		out[i].Complete = true
	}
	for i := 1; i < len(samples); i++ {
		before, after := samples[i-1], samples[i]
		if after.At.Sub(before.At) > f.MaxGap {
			f.spoil(out, before.At, after.At)
		}
		if at := f.holding(after.At); at >= 0 {
			d, reset := delta(before.Value, after.Value)
			out[at].Increase += d
			if reset {
				out[at].Resets++
			}
		}
	}
	s.spoilEnds(f, out, samples)
	for _, w := range out {
		if err := input.Finite(fn, "increase", w.Increase); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// samples are the samples in the life of the series, after a check, and with
// its birth, if that is known, as the first.
func (s Series) samples(fn string) ([]Sample, error) {
	if !s.Born.IsZero() && !s.Gone.IsZero() && s.Gone.Before(s.Born) {
		return nil, input.Refuse(fn, "life in seconds", s.Gone.Sub(s.Born).Seconds(), "a series that ends after it began")
	}
	var out []Sample
	if !s.Born.IsZero() {
		out = append(out, Sample{At: s.Born})
	}
	for i, sample := range s.Samples {
		if err := input.NonNegative(fn, "sample", sample.Value); err != nil {
			return nil, err
		}
		if i > 0 && !sample.At.After(s.Samples[i-1].At) {
			return nil, input.Refuse(fn, "time between samples in seconds", sample.At.Sub(s.Samples[i-1].At).Seconds(), "samples in order of time")
		}
		if i == 0 && !s.Born.IsZero() && sample.At.Before(s.Born) {
			return nil, input.Refuse(fn, "first sample, in seconds after the birth", sample.At.Sub(s.Born).Seconds(), "0 or more")
		}
		if len(out) > 0 && sample.At.Equal(out[len(out)-1].At) {
			out = out[:0] // A sample at birth says the same.
		}
		out = append(out, sample)
	}
	return out, nil
}

// spoilEnds marks what lies before the first and after the last sample.
func (s Series) spoilEnds(f Frame, out []Window, samples []Sample) {
	end := f.Start.Add(time.Duration(f.Count) * f.Width)
	missing := end
	if !s.Gone.IsZero() && s.Gone.Before(end) {
		missing = s.Gone
	}
	if len(samples) == 0 {
		f.spoil(out, f.Start, missing)
		return
	}
	first, last := samples[0].At, samples[len(samples)-1].At
	if s.Born.IsZero() && first.After(f.Start) {
		// The counter's value before its first sample is not known.
		f.spoil(out, f.Start, first)
	}
	// The last sample speaks for a scrape interval or two after it.
	if known := last.Add(f.MaxGap); known.Before(missing) {
		f.spoil(out, last, missing)
	}
}

// spoil marks the windows that share time with the open interval from a to b.
func (f Frame) spoil(out []Window, a, b time.Time) {
	from, to := a.Sub(f.Start), b.Sub(f.Start)
	if to <= 0 {
		return
	}
	last := min((to-1)/f.Width, time.Duration(len(out)-1))
	for i := max(0, from) / f.Width; i <= last; i++ {
		out[i].Complete = false
	}
}

// holding is the index of the window that holds a time, or -1.
func (f Frame) holding(at time.Time) int {
	since := at.Sub(f.Start)
	if since <= 0 {
		return -1
	}
	if i := (since - 1) / f.Width; i < time.Duration(f.Count) {
		return int(i)
	}
	return -1
}

// Sum adds the windows of several series, such as the replicas of a version,
// window by window. A window is complete if it is in all of them. All series
// must have been cut by the same frame.
func Sum(series ...[]Window) ([]Window, error) {
	const fn = "counter.Sum"
	if len(series) == 0 {
		return nil, input.NoData(fn, "no series")
	}
	out := make([]Window, len(series[0]))
	copy(out, series[0])
	for _, windows := range series[1:] {
		if len(windows) != len(out) {
			return nil, input.Refuse(fn, "number of windows", float64(len(windows)), "the same in all series")
		}
		for i, w := range windows {
			if !w.Start.Equal(out[i].Start) || !w.End.Equal(out[i].End) {
				return nil, input.Refuse(fn, "window", float64(i), "the same start and end in all series")
			}
			out[i].Increase += w.Increase
			out[i].Resets += w.Resets
			out[i].Complete = out[i].Complete && w.Complete
			if err := input.NonNegative(fn, "increase", out[i].Increase); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}
