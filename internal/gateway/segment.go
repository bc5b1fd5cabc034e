// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"slices"

	"github.com/tidwall/gjson"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// segment is a segment laid out for finding a request's group.
type segment struct {
	*experiment.Segment
	place
	other int // the index of experiment.Other
}

// segments are all segments of a route.
//
// The groups of one request are a number: byte i is the index of its group in
// the i-th segment.
type segments []segment

// groupOf is the group of the i-th segment in the groups of a request.
func groupOf(groups uint64, i int) int { return int(groups >> (8 * i) & 0xff) }

// newSegments lays segments out and refuses what cannot be told apart.
func newSegments(from []experiment.Segment) (segments, error) {
	if len(from) > maxSegments {
		return nil, fmt.Errorf("%d segments: want at most %d", len(from), maxSegments)
	}
	all := make(segments, len(from))
	total := 0
	names := make(map[string]bool)
	for i := range from {
		s := &from[i]
		set := 0
		for _, on := range []bool{s.Header != "", s.Cookie != "", s.JSONPath != ""} {
			if on {
				set++
			}
		}
		if set != 1 {
			return nil, fmt.Errorf("segment %s has %d of header, cookie and jsonPath: want exactly one", s.Name, set)
		}
		p, err := newPlace(s.Header, s.Cookie, s.JSONPath)
		if err != nil {
			return nil, fmt.Errorf("segment %s: %w", s.Name, err)
		}
		groups := s.Slices()
		for _, name := range groups {
			if names[name] {
				return nil, fmt.Errorf("segment %s: there are two slices %s", s.Name, name)
			}
			names[name] = true
		}
		if total += len(groups); total > maxGroups {
			return nil, fmt.Errorf("segments have more than %d groups in all", maxGroups)
		}
		all[i] = segment{Segment: s, place: p, other: len(groups) - 1}
	}
	return all, nil
}

// groups are the groups of a request in all segments. Absence is why the
// request cannot be served, never why a group is not known: that is a group.
func (s segments) groups(in *lookup) (uint64, *absence) {
	var all uint64
	for i := range s {
		group, missing := s[i].group(in)
		if missing != nil {
			return 0, missing
		}
		all |= uint64(group) << (8 * i)
	}
	return all, nil
}

// group is the group of a request. It does not allocate for values in headers
// and cookies, but where a number is wanted and something else is there.
func (s *segment) group(in *lookup) (int, *absence) {
	var value string
	switch {
	case s.header != "":
		value = in.exchange.header(s.header)
	case s.cookie != "":
		value = in.exchange.cookie(s.cookie)
	default:
		v, missing := in.json(s.jsonPath)
		if missing != nil {
			if missing.refusal != nil {
				return 0, missing
			}
			return s.other, nil
		}
		switch v.Type {
		case gjson.String:
			value = v.Str
		case gjson.Number, gjson.True, gjson.False:
			value = v.Raw
		}
	}
	return s.groupOfValue(value), nil
}

// groupOfValue is the group of a value, which may be none or too long.
func (s *segment) groupOfValue(value string) int {
	if value == "" || len(value) > maxGroupValue {
		return s.other
	}
	return s.Group(value)
}

// condition is one condition of a where, on one segment; bit i of allowed is
// its group i.
type condition struct {
	segment int
	allowed uint64
}

// newConditions lays out a where whose segments are known to exist.
func newConditions(where experiment.Where, all segments) ([]condition, error) {
	out := make([]condition, 0, len(where))
	for _, w := range where {
		c := condition{segment: slices.IndexFunc(all, func(s segment) bool { return s.Name == w.Segment })}
		groups := all[c.segment].Groups()
		for _, named := range slices.Concat(w.In, w.Not) {
			if !slices.Contains(groups, named) {
				return nil, fmt.Errorf("where names group %q, which segment %s does not have", named, w.Segment)
			}
		}
		for i, group := range groups {
			if (experiment.Where{w}).Match(func(string) string { return group }) {
				c.allowed |= 1 << i
			}
		}
		out = append(out, c)
	}
	return out, nil
}

// sliceLayout names the slices of all segments one after the other, and says
// where each segment's begin.
func sliceLayout(from []experiment.Segment) (names []string, first []int) {
	for i := range from {
		first = append(first, len(names))
		names = append(names, from[i].Slices()...)
	}
	return names, first
}

func sameSegment(a, b experiment.Segment) bool {
	return a.Name == b.Name && a.Header == b.Header && a.Cookie == b.Cookie && a.JSONPath == b.JSONPath &&
		slices.Equal(a.Values, b.Values) && slices.Equal(a.Bins, b.Bins)
}

func sameGroups(a, b experiment.Groups) bool {
	return a.Segment == b.Segment && slices.Equal(a.In, b.In) && slices.Equal(a.Not, b.Not)
}

func sameTable(a, b experiment.GroupTable) bool {
	return a.Slice == b.Slice && slices.Equal(a.Slots, b.Slots)
}
