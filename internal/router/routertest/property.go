// SPDX-License-Identifier: Apache-2.0

package routertest

import (
	"fmt"
	"io/fs"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

// Properties renders random traffic, one after the other, into the objects of
// the cases that the router takes. After each of them the way back must lead to
// the baseline alone and leave no rule of ours. Each, if not nil, looks at what
// was rendered.
func Properties(t *testing.T, dir fs.FS, make Make, each func(t *rapid.T, objects []router.Object, traffic router.Traffic)) {
	t.Helper()
	var cases []Case
	for _, c := range Load(t, dir) {
		// The cases of an object that is refused at once have nothing to keep.
		if r, err := make(&c.Plan); err == nil && len(c.Objects) > 0 {
			if _, err := r.Render(c.Objects, router.KilledTraffic(&c.Plan)); err == nil {
				cases = append(cases, c)
			}
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		c := rapid.SampledFrom(cases).Draw(rt, "case")
		r, err := make(&c.Plan)
		if err != nil {
			rt.Fatal(err)
		}
		objects := c.Objects
		for range rapid.IntRange(1, 4).Draw(rt, "steps") {
			traffic := drawn(rt, &c.Plan, r.Capabilities())
			got, err := Rendered(r, objects, traffic)
			if err != nil {
				rt.Fatalf("%s, %+v: %v", c.Name, traffic, err)
			}
			if got.Err != nil {
				continue
			}
			objects = got.Objects
			if each != nil {
				each(rt, objects, traffic)
			}
			if err := wayBack(r, objects, &c.Plan); err != nil {
				rt.Fatalf("%s, after %+v: %v", c.Name, traffic, err)
			}
		}
	})
}

// wayBack kills and reports what is left.
func wayBack(r router.Router, objects []router.Object, p *experiment.Plan) error {
	killed, err := Rendered(r, objects, router.KilledTraffic(p))
	switch {
	case err != nil:
		return err
	case killed.Err != nil:
		return fmt.Errorf("the way back is refused: %w", killed.Err)
	case !slices.Equal(killed.Seen.Asked, experiment.Baseline(len(p.Versions))):
		return fmt.Errorf("killed, read %s", killed.Seen.Asked)
	}
	for i, o := range killed.Objects {
		if name := ownName(map[string]any(o), p.ID()); name != "" {
			return fmt.Errorf("object %d still has the rule %s", i, name)
		}
	}
	return nil
}

// ownName is the first name below v that is one of our rules'.
func ownName(v any, id string) string {
	switch x := v.(type) {
	case map[string]any:
		if name := router.Text(x, "name"); router.IsOwn(id, name) {
			return name
		}
		for _, e := range x {
			if name := ownName(e, id); name != "" {
				return name
			}
		}
	case []any:
		for _, e := range x {
			if name := ownName(e, id); name != "" {
				return name
			}
		}
	}
	return ""
}

// HeaderNames and HeaderValues are what random traffic and requests choose from:
// few, so that they meet.
func HeaderNames() []string  { return []string{"x-tier", "x-team", "x-model", "x-test"} }
func HeaderValues() []string { return []string{"a", "b", "v1", "v2"} }

// drawn is any traffic that a plan with these capabilities may have.
func drawn(t *rapid.T, p *experiment.Plan, can []experiment.Capability) router.Traffic {
	n := len(p.Versions)
	unit := experiment.Share(100)
	if slices.Contains(can, experiment.CapFineShares) && rapid.Bool().Draw(t, "fine") {
		unit = 1
	}
	out := router.Traffic{Experiment: p.ID(), Versions: p.Versions, Shares: make(experiment.Shares, n)}
	left := experiment.Whole / int(unit)
	for v := n - 1; v > 0; v-- {
		share := rapid.OneOf(rapid.Just(0), rapid.IntRange(0, left), rapid.Just(left)).Draw(t, "share")
		out.Shares[v], left = experiment.Share(share)*unit, left-share
	}
	out.Shares[0] = experiment.Share(left) * unit
	if out.Default = rapid.SampledFrom([]int{0, 0, 0, n - 1}).Draw(t, "default"); rapid.IntRange(0, 5).Draw(t, "over") == 0 {
		out.Over = true
		return out
	}
	has := func(c experiment.Capability, label string) bool {
		return slices.Contains(can, c) && rapid.Bool().Draw(t, label)
	}
	header := rapid.SampledFrom(HeaderNames())
	if has(experiment.CapOverrides, "overridden") {
		for range rapid.IntRange(1, 2).Draw(t, "overrides") {
			out.Overrides = append(out.Overrides, experiment.Override{
				Header: header.Draw(t, "header"), Value: rapid.SampledFrom(HeaderValues()).Draw(t, "value"), Version: rapid.IntRange(0, n-1).Draw(t, "to"),
			})
		}
	}
	if has(experiment.CapWhere, "limited") {
		for range rapid.IntRange(1, 2).Draw(t, "conditions") {
			out.Where = append(out.Where, router.HeaderMatch{
				Header: header.Draw(t, "header"), Values: rapid.SliceOfNDistinct(rapid.SampledFrom(HeaderValues()), 1, 2, rapid.ID).Draw(t, "values"), Not: rapid.Bool().Draw(t, "not"),
			})
		}
	}
	if has(experiment.CapCohort, "chosen") {
		out.Cohort = "x-model"
	}
	if has(experiment.CapCopies, "mirrored") {
		out.Mirror = &router.Mirror{Share: experiment.Share(rapid.IntRange(1, experiment.Whole).Draw(t, "copies"))}
		for v := 1; v < n; v++ {
			out.Mirror.Versions = append(out.Mirror.Versions, v)
		}
	}
	return out
}

// Meant says what traffic means for a request with some headers, without any
// rules: the shares of the versions that may answer it.
func Meant(t router.Traffic, headers map[string]string) experiment.Shares {
	only := func(v int) experiment.Shares {
		out := make(experiment.Shares, len(t.Shares))
		out[v] = experiment.Whole
		return out
	}
	if t.Over {
		return t.Shares
	}
	for _, o := range t.Overrides {
		if headers[o.Header] == o.Value {
			return only(o.Version)
		}
	}
	for _, m := range t.Where {
		value, ok := headers[m.Header]
		if (ok && slices.Contains(m.Values, value)) == m.Not {
			return only(t.Default)
		}
	}
	if t.Cohort == "" {
		return t.Shares
	}
	for v, version := range t.Versions {
		if headers[t.Cohort] == version.Name && t.Shares[v] > 0 {
			return only(v)
		}
	}
	return only(t.Default)
}

// Requests draws the headers of one request.
func Requests(t *rapid.T) map[string]string {
	out := map[string]string{}
	for _, name := range HeaderNames() {
		if rapid.Bool().Draw(t, "has "+name) {
			out[name] = rapid.SampledFrom(HeaderValues()).Draw(t, name)
		}
	}
	return out
}
