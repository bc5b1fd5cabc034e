// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"cmp"
	"slices"
)

// MaxLoadBuckets bounds what is remembered of a version's latency.
const MaxLoadBuckets = 128

// MergeLoaded adds what a load brought to what earlier ones did, by version in
// rising order. It changes neither.
func MergeLoaded(had, more []Loaded) []Loaded {
	out := slices.Clone(had)
	for _, l := range more {
		i := slices.IndexFunc(out, func(o Loaded) bool { return o.Version == l.Version })
		if i < 0 {
			i = len(out)
			out = append(out, Loaded{Version: l.Version})
		}
		o := &out[i]
		o.Requests += l.Requests
		o.Errors += l.Errors
		o.Seconds += l.Seconds
		o.Longest = max(o.Longest, l.Longest)
		o.Buckets = mergeBuckets(o.Buckets, l.Buckets)
	}
	slices.SortStableFunc(out, func(a, b Loaded) int { return cmp.Compare(a.Version, b.Version) })
	return out
}

// mergeBuckets adds counts of equal buckets. Where there are too many, neighbours
// become one.
func mergeBuckets(a, b []LoadBucket) []LoadBucket {
	all := slices.Concat(a, b)
	slices.SortStableFunc(all, func(x, y LoadBucket) int {
		return cmp.Or(cmp.Compare(x.Upto, y.Upto), cmp.Compare(x.Over, y.Over))
	})
	var out []LoadBucket
	for _, x := range all {
		if n := len(out) - 1; n >= 0 && out[n].Over == x.Over && out[n].Upto == x.Upto {
			out[n].Count += x.Count
			continue
		}
		out = append(out, x)
	}
	for len(out) > MaxLoadBuckets {
		var wide []LoadBucket
		for pair := range slices.Chunk(out, 2) {
			w := pair[0]
			for _, x := range pair[1:] {
				w.Over, w.Upto, w.Count = min(w.Over, x.Over), max(w.Upto, x.Upto), w.Count+x.Count
			}
			wide = append(wide, w)
		}
		out = wide
	}
	return out
}

// Figure is the figure of a load of a version, and nil while there is none of it.
func (q *LoadQuery) Figure(loads []Loaded, version int) *float64 {
	i := slices.IndexFunc(loads, func(l Loaded) bool { return l.Version == version })
	if i < 0 || loads[i].Requests <= 0 {
		return nil
	}
	l := &loads[i]
	answers := int64(0)
	for _, b := range l.Buckets {
		answers += b.Count
	}
	var v float64
	switch {
	case q.Of == LoadRequests:
		v = float64(l.Requests)
	case q.Of == LoadErrors:
		v = float64(l.Errors)
	case q.Of == LoadErrorRate:
		v = float64(l.Errors) / float64(l.Requests)
	case answers == 0:
		return nil // Nobody answered, so no answer took any time.
	case q.Of == LoadMean:
		v = 1000 * l.Seconds / float64(answers)
	default:
		v = 1000 * l.quantile(q.Quantile, answers)
	}
	return &v
}

// quantile is the time, in seconds, that a part of the answers took at most: by
// linear interpolation inside of the bucket that it falls into, and never longer
// than the longest answer, which an interpolation alone would not know.
func (l *Loaded) quantile(q float64, answers int64) float64 {
	rank, before := q*float64(answers), 0.0
	for _, b := range l.Buckets {
		n := float64(b.Count)
		if n > 0 && before+n >= rank {
			at := b.Over + (b.Upto-b.Over)*max(0, rank-before)/n
			return min(at, l.Longest)
		}
		before += n
	}
	return l.Longest
}
