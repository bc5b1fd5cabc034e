// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"fmt"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// The groups of a unit are a number: byte i is the index of its group in the
// plan's i-th segment. Bytes beyond the segments are zero.

const (
	// maxSegments is what a number has bytes for.
	maxSegments = 8
	// maxGroups bounds the groups of a segment, so that its byte leaves the
	// number's sign alone.
	maxGroups = 0x7f
)

// groupsUnknown are the groups of units that nobody told about. No segment has
// so many groups.
const groupsUnknown = ^uint64(0)

// segments are the segments of a plan, as far as the ledger needs them.
type segments struct {
	// slices names the groups of all segments, one segment after the other.
	slices []string
	// first is where each segment's groups begin in slices, and after the last
	// where they end.
	first []int
}

func newSegments(from []experiment.Segment) segments {
	s := segments{first: []int{0}}
	for i := range from {
		s.slices = append(s.slices, from[i].Slices()...)
		s.first = append(s.first, len(s.slices))
	}
	return s
}

// check reports segments that do not fit into a number, or whose slices cannot
// be told apart.
func (s *segments) check() error {
	if n := s.count(); n > maxSegments {
		return fmt.Errorf("%d segments: want at most %d", n, maxSegments)
	}
	for i := range s.count() {
		if n := s.first[i+1] - s.first[i]; n > maxGroups {
			return fmt.Errorf("segment %s has %d groups: want at most %d", experiment.SegmentOf(s.slices[s.first[i]]), n, maxGroups)
		}
	}
	taken := make(map[string]bool)
	for _, name := range s.slices {
		if taken[name] {
			return fmt.Errorf("there are two slices %s", name)
		}
		taken[name] = true
	}
	return nil
}

func (s *segments) count() int { return len(s.first) - 1 }

// rows is how many cells a version has of a metric: one of everybody, and one
// of each slice.
func (s *segments) rows() int { return 1 + len(s.slices) }

// name is the slice that a row is of; the first is everybody.
func (s *segments) name(row int) string {
	if row == 0 {
		return ""
	}
	return s.slices[row-1]
}

// has says whether the segments have such groups.
func (s *segments) has(groups uint64) bool {
	n := s.count()
	for i := range n {
		if s.first[i]+int(groups>>(8*i)&0xff) >= s.first[i+1] {
			return false
		}
	}
	return n == maxSegments || groups>>(8*n) == 0
}

// row is the row of a unit's group in the i-th segment. A group that the
// segment does not have, such as one that is not known, is the last: other.
func (s *segments) row(groups uint64, i int) int {
	return 1 + min(s.first[i]+int(groups>>(8*i)&0xff), s.first[i+1]-1)
}

// unknown are the groups of a unit that nobody told about. Without segments
// everything is known.
func (s *segments) unknown() uint64 {
	if s.count() == 0 {
		return 0
	}
	return groupsUnknown
}
