// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/headgate-dev/headgate/stats/internal/input"
)

// Sketch is a mergeable histogram of positive numbers, such as latencies in
// seconds, whose quantiles are within 1 % of the true ones (the logarithmic
// buckets of DDSketch; Masson, Rim and Lee 2019). All sketches have the same
// buckets, so that merging loses nothing and its order does not matter. The
// zero value is empty and ready for use. It is not safe for concurrent use,
// and a copy must not be added to while the original is: they share buckets.
//
// Values are clamped to 1e-6 and 1e4, which bounds a sketch to about 1,150
// buckets; it keeps those between its smallest and its largest value.
type Sketch struct {
	n     int64
	first int     // index of counts[0]
	count []int64 // dense, from the first bucket to the last one used
}

const (
	sketchError = 0.01
	sketchMin   = 1e-6
	sketchMax   = 1e4
	// maxSketchCount bounds a decoded bucket to what JSON readers hold exactly.
	maxSketchCount = 1 << 53
)

const (
	// logGamma is the width of a bucket in ln(v), ln(1.01/0.99): values up to
	// a factor of 1.0202 apart share one.
	logGamma = 0.020000666706669543
	// lastBucket is the index of the bucket of sketchMax; that of sketchMin is 0.
	lastBucket = 1152
)

// bucket is the index i with gamma^(i-1) < v/sketchMin <= gamma^i.
func bucket(v float64) int {
	switch {
	case !(v > sketchMin):
		return 0
	case v > sketchMax:
		v = sketchMax
	}
	return int(math.Ceil(math.Log(v/sketchMin) / logGamma))
}

// Add counts one value. It does not allocate once the sketch has seen values
// as small and as large. Zero and negative numbers count as the smallest value
// there is, +Inf as the largest; NaN is not counted.
func (s *Sketch) Add(v float64) {
	if math.IsNaN(v) {
		return
	}
	i := bucket(v)
	s.cover(i, i)
	s.count[i-s.first]++
	s.n++
}

// Merge adds the counts of o, which stays as it is.
func (s *Sketch) Merge(o Sketch) {
	if o.n == 0 {
		return
	}
	s.cover(o.first, o.first+len(o.count)-1)
	for i, c := range o.count {
		s.count[o.first-s.first+i] += c
	}
	s.n += o.n
}

// cover makes room for the buckets from low to high.
func (s *Sketch) cover(low, high int) {
	if len(s.count) == 0 {
		s.first, s.count = low, make([]int64, high-low+1)
		return
	}
	last := s.first + len(s.count) - 1
	if low >= s.first && high <= last {
		return
	}
	low, high = min(low, s.first), max(high, last)
	wider := make([]int64, high-low+1)
	copy(wider[s.first-low:], s.count)
	s.first, s.count = low, wider
}

// Count is the number of values added.
func (s Sketch) Count() int64 { return s.n }

// Quantile is the value at rank floor(q (n-1)) of the n values in ascending
// order, for q from 0 to 1, within 1 % of it. Empty is ErrNoData.
func (s Sketch) Quantile(q float64) (float64, error) {
	const fn = "Sketch.Quantile"
	if !(q >= 0 && q <= 1) {
		return 0, input.Refuse(fn, "q", q, "from 0 to 1")
	}
	if s.n == 0 {
		return 0, input.NoData(fn, "no values")
	}
	left := int64(q * float64(s.n-1))
	last := len(s.count) - 1
	for i, c := range s.count {
		if left -= c; left < 0 || i == last {
			return bucketValue(s.first + i), nil
		}
	}
	return 0, input.NoData(fn, "no values")
}

// bucketValue is the value within 1 % of everything in a bucket.
func bucketValue(i int) float64 {
	if i == 0 {
		return sketchMin
	}
	return sketchMin * math.Exp(float64(i)*logGamma) * (1 - sketchError)
}

// Equal says whether both have counted the same values, to the bucket.
func (s Sketch) Equal(o Sketch) bool {
	return s.n == o.n && slices.Equal(s.buckets(), o.buckets())
}

// buckets lists index and count of the buckets in use, in ascending order.
func (s Sketch) buckets() []int64 {
	out := []int64{}
	for i, c := range s.count {
		if c != 0 {
			out = append(out, int64(s.first+i), c)
		}
	}
	return out
}

// MarshalJSON writes the buckets in use as a flat list of index and count in
// ascending order: equal sketches have equal bytes.
func (s Sketch) MarshalJSON() ([]byte, error) { return json.Marshal(s.buckets()) }

// UnmarshalJSON reads what MarshalJSON wrote and refuses anything else.
func (s *Sketch) UnmarshalJSON(b []byte) error {
	var list []int64
	if err := json.Unmarshal(b, &list); err != nil {
		return fmt.Errorf("stats: read sketch: %w", err)
	}
	if len(list)%2 != 0 {
		return fmt.Errorf("stats: read sketch: %d numbers, want pairs of bucket and count", len(list))
	}
	var out Sketch
	if len(list) > 0 {
		before := int64(-1)
		for i := 0; i < len(list); i += 2 {
			index, count := list[i], list[i+1]
			if index <= before || index > lastBucket {
				return fmt.Errorf("stats: read sketch: bucket %d after %d, want ascending buckets from 0 to %d", index, before, lastBucket)
			}
			if count <= 0 || count > maxSketchCount-out.n {
				return fmt.Errorf("stats: read sketch: bucket %d counts %d, want a positive number and at most 2^53 in all", index, count)
			}
			before, out.n = index, out.n+count
		}
		out.cover(int(list[0]), int(before))
		for i := 0; i < len(list); i += 2 {
			out.count[list[i]-list[0]] = list[i+1]
		}
	}
	*s = out
	return nil
}
