// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"math"
	"slices"
)

// clock says how a reading's time is cut, all in milliseconds.
type clock struct {
	// phase is where counting begins; edges bound the windows, the last one
	// ends at the last edge.
	phase int64
	edges []int64
	// scrape is the longest time between two samples of a series that is seen,
	// hole the time between two beyond which it was not.
	scrape, hole int64
	// whole cuts growth into whole requests.
	whole bool
}

// rise is what a counter grew by from one of its samples to the next.
type rise struct {
	from, to int64
	by       float64
}

// rises walks through a counter's samples. A value below the last is a reset:
// the counter began again at 0. Growth over a hole counts at the hole's end,
// and not at all if the hole began before the phase, for nobody knows then
// whose shares it belongs to.
func (c *clock) rises(samples []sample) (out []rise, holes [][2]int64) {
	for i := 1; i < len(samples); i++ {
		a, b := samples[i-1], samples[i]
		r := rise{from: a.at, to: b.at, by: b.value - a.value}
		if r.by < 0 {
			r.by = b.value
		}
		if b.at-a.at > c.hole {
			holes = append(holes, [2]int64{a.at, b.at})
			if a.at < c.phase {
				continue
			}
			r.from = b.at
		}
		out = append(out, r)
	}
	return out, holes
}

// spread adds rises to the windows that they lie in. A rise across an edge is
// cut in proportion to time; the cut depends on the rise and the edge alone, so
// what one window leaves is what the next one takes, whoever reads them when.
func (c *clock) spread(rises []rise, windows []float64) {
	n := len(windows)
	for _, r := range rises {
		if k, _ := slices.BinarySearch(c.edges, r.to); k >= 1 && k <= n {
			windows[k-1] += r.by
		}
		k, _ := slices.BinarySearch(c.edges, r.from+1)
		for ; k <= n && c.edges[k] < r.to; k++ {
			part := r.by * float64(c.edges[k]-r.from) / float64(r.to-r.from)
			if c.whole {
				part = math.Floor(part)
			}
			if k >= 1 {
				windows[k-1] += part
			}
			if k < n {
				windows[k] -= part
			}
		}
	}
}

// seen are the times at which something was scraped, in order.
type seen []int64

func seenOf(lists ...[]series) seen {
	var out seen
	for _, list := range lists {
		for i := range list {
			for _, s := range list[i].samples {
				out = append(out, s.at)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// within says whether something was scraped from one time up to but excluding
// another.
func (t seen) within(from, to int64) bool {
	k, _ := slices.BinarySearch(t, from)
	return k < len(t) && t[k] < to
}

// covers says whether something was scraped all through the time from..to. It
// looks no further than a hole on either side, so that whoever reads a window
// later, and knows more, says the same.
func (t seen) covers(from, to, hole int64) bool {
	k, found := slices.BinarySearch(t, from)
	if !found && k > 0 && from-t[k-1] <= hole {
		k--
	}
	if k == len(t) || t[k] > from+hole {
		return false
	}
	for ; t[k] < to; k++ {
		if k+1 == len(t) || t[k+1] > to+hole {
			return t[k]+hole >= to
		}
		if t[k+1]-t[k] > hole {
			return false
		}
	}
	return true
}
