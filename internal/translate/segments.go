// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// Bounds of segments. The group "other" counts: docs/decisions/0012.
const (
	maxSegments     = 8
	maxGroups       = 8
	maxGroupsInAll  = 32
	maxEdge         = 1e15
	whyGroupsAreSet = "the number of tests and the memory they take are fixed before the start"
)

func (t *translator) segments() {
	ss := t.api.Spec.Segments
	if len(ss) > maxSegments {
		t.fail("spec.segments", fmt.Sprintf("%d segments", len(ss)), fmt.Sprintf("want at most %d segments", maxSegments), "")
	}
	t.names("spec.segments", len(ss), func(i int) string { return ss[i].Name })
	groups := 0
	for i, s := range ss {
		out := t.segment(fmt.Sprintf("spec.segments[%d]", i), s)
		groups += len(out.Groups())
		t.plan.Segments = append(t.plan.Segments, out)
	}
	if groups > maxGroupsInAll {
		t.fail("spec.segments", fmt.Sprintf("%d groups", groups), fmt.Sprintf("want at most %d groups in all, each segment's other counted", maxGroupsInAll), whyGroupsAreSet)
	}
}

func (t *translator) segment(path string, s v1alpha1.Segment) experiment.Segment {
	out := experiment.Segment{Name: s.Name, Header: s.Header, Cookie: s.Cookie, JSONPath: s.JSONPath, Stratify: s.Stratify}
	set := 0
	for _, where := range []string{s.Header, s.Cookie, s.JSONPath} {
		if where != "" {
			set++
		}
	}
	if set != 1 {
		t.fail(path, fmt.Sprintf("%d of them", set), "exactly one of header, cookie and jsonPath is required", "for example header: x-tier")
	}
	t.place(path, s.Header, s.Cookie, s.JSONPath)
	switch {
	case (len(s.Values) == 0) == (len(s.Bins) == 0):
		t.fail(path, "", "exactly one of values and bins is required", whyGroupsAreSet+"; for example values: [premium, basic] or bins: [1, 10]")
	case len(s.Bins) > 0:
		out.Bins = t.bins(path+".bins", s.Bins)
	default:
		out.Values = t.values(path+".values", s.Values)
	}
	if n := len(out.Groups()); n > maxGroups {
		t.fail(path, fmt.Sprintf("%d groups", n), fmt.Sprintf("want at most %d groups, other counted", maxGroups), whyGroupsAreSet)
	}
	return out
}

func (t *translator) values(path string, in []string) []string {
	for i, value := range in {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case value == experiment.Other:
			t.fail(at, quote(value), "the group of whatever no value names is called other", "leave it out")
		case value == "" || strings.TrimSpace(value) != value || len(value) > maxName || !printable(value):
			t.fail(at, quote(value), "not a value", fmt.Sprintf("1 to %d printable bytes without blanks at the ends", maxName))
		case slices.Contains(in[:i], value):
			t.fail(at, quote(value), "given twice", "")
		}
	}
	return slices.Clone(in)
}

func (t *translator) bins(path string, in []v1alpha1.Quantity) []float64 {
	out, before := make([]float64, len(in)), len(t.problems)
	for i, q := range in {
		at := fmt.Sprintf("%s[%d]", path, i)
		if q == "" {
			t.fail(at, "", "a number is required", `write 0.5 or "0.5"`)
			continue
		}
		out[i] = t.number(at, q, 0, -maxEdge, maxEdge)
		if i > 0 && len(t.problems) == before && out[i] <= out[i-1] {
			t.fail(at, quote(string(q)), "edges must rise", "for example bins: [1, 10, 100]")
		}
	}
	return out
}

// segmentNamed finds a segment and says so when there is none.
func (t *translator) segmentNamed(path, name string) *experiment.Segment {
	s := t.plan.Segment(name)
	if s != nil || !t.clean("spec.segments") { // It may be the one that is misnamed.
		return s
	}
	names := make([]string, len(t.plan.Segments))
	for i, s := range t.plan.Segments {
		names[i] = s.Name
	}
	hint := "spec.segments defines none"
	if len(names) > 0 {
		hint = nearest(name, names)
	}
	t.fail(path, quote(name), "no such segment", hint)
	return nil
}

// where reads the conditions of a stage, in the order of the segments.
func (t *translator) where(path string, in map[string]v1alpha1.Groups) experiment.Where {
	var out experiment.Where
	for _, name := range slices.Sorted(maps.Keys(in)) {
		at, g := join(path, name), in[name]
		s := t.segmentNamed(at, name)
		if s == nil {
			continue
		}
		if (len(g.In) == 0) == (len(g.Not) == 0) {
			t.fail(at, "", "groups to include or to leave out are required, and not both", "for example where: {tier: premium} or where: {tier: {not: [premium]}}")
			continue
		}
		c := experiment.Groups{Segment: name, In: t.groups(at, "in", s, g.In), Not: t.groups(at, "not", s, g.Not)}
		if len(c.Not) == len(s.Groups()) {
			t.fail(at+".not", "", "no group is left", "")
		}
		out = append(out, c)
	}
	place := func(g experiment.Groups) int {
		return slices.IndexFunc(t.plan.Segments, func(s experiment.Segment) bool { return s.Name == g.Segment })
	}
	slices.SortFunc(out, func(a, b experiment.Groups) int { return cmp.Compare(place(a), place(b)) })
	return out
}

// group finds a group of a segment and says so, with the value as it stands
// there, when there is none; -1 is none.
func (t *translator) group(path, value, name string, s *experiment.Segment) int {
	all := s.Groups()
	i := slices.Index(all, name)
	if i < 0 && t.clean("spec.segments") { // Else it may be the one that is misnamed.
		t.fail(path, value, fmt.Sprintf("segment %s has no such group", s.Name), nearest(name, all))
	}
	return i
}

// groups checks names of a segment's groups and gives them in its order.
func (t *translator) groups(path, word string, s *experiment.Segment, in v1alpha1.Names) []string {
	if t.given(join(path, word)) { // Else the names stand alone.
		path = join(path, word)
	}
	all := s.Groups()
	var out []string
	for i, name := range in {
		at := path
		if item := fmt.Sprintf("%s[%d]", path, i); t.given(item) {
			at = item
		}
		switch {
		case t.group(at, quote(name), name, s) < 0:
		case slices.Contains(out, name):
			t.fail(at, quote(name), "given twice", "")
		default:
			out = append(out, name)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return cmp.Compare(slices.Index(all, a), slices.Index(all, b)) })
	return out
}
