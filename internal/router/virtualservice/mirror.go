// SPDX-License-Identifier: Apache-2.0

package virtualservice

import (
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

// setMirror makes a route copy what its rule asks for. Copies to versions are
// the experiment's: those that are there already are replaced. Copies to
// anything else stay. The object has one of two forms, mirror and mirrors, which
// exclude each other; the one that it uses is kept where it can hold the copies.
func (r *Router) setMirror(route map[string]any, rule router.Rule, t *router.Traffic) error {
	_, usesList := route["mirrors"]
	others, ours, err := r.mirrors(route)
	if err != nil {
		return err
	}
	entries, err := router.List(route, "route")
	if err != nil {
		return err
	}
	if m := route["mirror"]; m != nil && r.version(m) >= 0 {
		for _, field := range []string{"mirror", "mirrorPercentage", "mirrorPercent", "mirror_percent"} {
			delete(route, field)
		}
	}
	var to []int
	if rule.Mirror && t.Mirror.Share > 0 {
		to = t.Mirror.Versions
	}
	_, taken := route["mirror"]
	switch {
	case len(to) > 0 && taken:
		return experiment.Errorf(experiment.CodeConflict, ".mirror copies to %s, which is no version", describe(map[string]any{"destination": route["mirror"]})).
			WithHint("write .mirrors instead of .mirror and .mirrorPercentage: it holds several destinations")
	case len(to) == 1 && !usesList:
		route["mirror"], route["mirrorPercentage"] = r.listed(entries, to[0]), percentage(t.Mirror.Share)
		return nil
	case len(to) == 0 && ours == 0:
		return nil
	}
	list := others
	for _, v := range to {
		list = append(list, map[string]any{"destination": r.listed(entries, v), "percentage": percentage(t.Mirror.Share)})
	}
	delete(route, "mirrors")
	if len(list) > 0 {
		route["mirrors"] = router.Plain(list)
	}
	return nil
}

// mirrors are the copies to destinations that are no versions, and how many go to
// versions.
func (r *Router) mirrors(route map[string]any) (others []map[string]any, ours int, err error) {
	list, err := router.List(route, "mirrors")
	if err != nil {
		return nil, 0, err
	}
	for _, m := range list {
		if r.version(m["destination"]) < 0 {
			others = append(others, m)
		} else {
			ours++
		}
	}
	return others, ours, nil
}

// percentage is a share as Istio's Percent: a number from 0 to 100.
func percentage(s experiment.Share) map[string]any {
	if s%100 == 0 {
		return map[string]any{"value": int64(s / 100)}
	}
	return map[string]any{"value": float64(s) / 100}
}
