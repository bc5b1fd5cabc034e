// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"slices"
	"strconv"
	"strings"
)

// Other is the group of whatever a segment does not name, a value that is
// absent included.
const Other = "other"

// Segment is a named way to tell requests apart. Its groups are fixed by the
// plan, so that neither memory nor the number of tests grows with what clients
// send: docs/decisions/0012.
type Segment struct {
	Name string `json:"name"`
	// Header, Cookie and JSONPath say where the value stands in a request;
	// exactly one is set.
	Header   string `json:"header,omitempty"`
	Cookie   string `json:"cookie,omitempty"`
	JSONPath string `json:"jsonPath,omitempty"`
	// Values names the groups by their values, Bins by the ascending edges
	// between numbers; exactly one is set. A number on an edge belongs to the
	// group above it.
	Values []string  `json:"values,omitempty"`
	Bins   []float64 `json:"bins,omitempty"`
	// Stratify weighs the groups alike in both versions when the reward is
	// compared, and watches each group's own sample ratio.
	Stratify bool `json:"stratify,omitempty"`
}

// Groups lists the segment's groups; the last is Other.
func (s *Segment) Groups() []string {
	if len(s.Bins) == 0 {
		return append(slices.Clone(s.Values), Other)
	}
	edge := func(i int) string { return strconv.FormatFloat(s.Bins[i], 'g', -1, 64) }
	out := []string{"<" + edge(0)}
	for i := 1; i < len(s.Bins); i++ {
		out = append(out, edge(i-1)+".."+edge(i))
	}
	return append(out, ">="+edge(len(s.Bins)-1), Other)
}

// Group is the index in Groups of a request's value.
func (s *Segment) Group(value string) int {
	if len(s.Bins) == 0 {
		if i := slices.Index(s.Values, value); i >= 0 {
			return i
		}
		return len(s.Values)
	}
	f, err := strconv.ParseFloat(value, 64)
	if err != nil || f != f {
		return len(s.Bins) + 1
	}
	i := 0
	for i < len(s.Bins) && f >= s.Bins[i] {
		i++
	}
	return i
}

// Slice names a group of a segment in cells and verdicts: "tier=premium".
func (s *Segment) Slice(group int) string { return s.Name + "=" + s.Groups()[group] }

// Slices lists the names of all groups.
func (s *Segment) Slices() []string {
	out := s.Groups()
	for i := range out {
		out[i] = s.Name + "=" + out[i]
	}
	return out
}

// SegmentOf is the segment's name in a slice's name.
func SegmentOf(slice string) string {
	name, _, _ := strings.Cut(slice, "=")
	return name
}

// Segment returns the segment of that name, or nil.
func (p *Plan) Segment(name string) *Segment {
	i := slices.IndexFunc(p.Segments, func(s Segment) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &p.Segments[i]
}

// Groups asks for some groups of a segment; exactly one of In and Not is set.
type Groups struct {
	Segment string   `json:"segment"`
	In      []string `json:"in,omitempty"`
	Not     []string `json:"not,omitempty"`
}

// Where is the conditions that a request must all meet. Empty is every
// request.
type Where []Groups

// Match reports whether a request meets every condition. group tells a
// segment's group of the request by the segment's name.
func (w Where) Match(group func(segment string) string) bool {
	for _, c := range w {
		g := group(c.Segment)
		if len(c.In) > 0 && !slices.Contains(c.In, g) || slices.Contains(c.Not, g) {
			return false
		}
	}
	return true
}

// String writes the conditions as people read them: "tier not premium".
func (w Where) String() string {
	parts := make([]string, len(w))
	for i, c := range w {
		if len(c.In) > 0 {
			parts[i] = c.Segment + " " + strings.Join(c.In, " or ")
		} else {
			parts[i] = c.Segment + " not " + strings.Join(c.Not, " or ")
		}
	}
	return strings.Join(parts, ", ")
}
