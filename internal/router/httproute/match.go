// SPDX-License-Identifier: Apache-2.0

package httproute

import (
	"maps"
	"slices"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

// rendered is rule i, number k of those that carry the split, with the traffic in
// it and our rules in front: where rules match equally much the first one wins. Ours are made of
// the rendered rule, which stays the same when rendered again.
func (r *Router) rendered(rules []map[string]any, bases []int, i int, added []router.Rule, rest router.Rule, k int, t *router.Traffic) ([]map[string]any, error) {
	base := rules[i]
	matches, err := r.matches(base, added)
	if err != nil {
		return nil, err
	}
	if err := r.target(base, rest, t); err != nil {
		return nil, err
	}
	var out []map[string]any
	for j, rule := range added {
		if len(matches[j]) == 0 {
			continue // The base takes no request that the rule is for.
		}
		if err := r.uncontested(rules, bases, i, matches[j]); err != nil {
			return nil, err
		}
		own := router.Copy(base)
		own["name"], own["matches"] = router.OwnName(r.id, k, rule.Name), router.Plain(matches[j])
		if err := r.target(own, rule, t); err != nil {
			return nil, err
		}
		out = append(out, own)
	}
	return append(out, base), nil
}

// target makes a rule of the object do what a rule of the traffic says.
func (r *Router) target(route map[string]any, rule router.Rule, t *router.Traffic) error {
	if err := r.setMirror(route, rule, t); err != nil && !t.WayBack() {
		return err
	}
	if rule.To == router.Split {
		return r.setBackends(route, t.Shares, t)
	}
	if rule.Name == "" {
		shares := make(experiment.Shares, len(r.versions))
		shares[rule.To] = experiment.Whole
		return r.setBackends(route, shares, t)
	}
	// A rule of ours for one version lists that one alone, with its filters.
	refs, err := router.List(route, "backendRefs")
	if err != nil {
		return err
	}
	only := map[string]any(nil)
	if at := slices.IndexFunc(refs, func(ref map[string]any) bool { return r.version(ref) == rule.To }); at >= 0 {
		only = refs[at]
	} else if only, err = r.ref(refs, rule.To, t); err != nil {
		return err
	}
	only["weight"] = int64(1)
	route["backendRefs"] = []any{only}
	return nil
}

// matches are the matches that each of our rules has in front of a base. For each
// match of the base, rule j has its own headers added; and where a later rule
// adds more headers, and so would win over rule j, rule j has those added too.
func (r *Router) matches(base map[string]any, rules []router.Rule) ([][]map[string]any, error) {
	list, err := router.List(base, "matches")
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		list = []map[string]any{{}}
	}
	out := make([][]map[string]any, len(rules))
	for _, match := range list {
		alternatives := make([][]router.Headers, len(rules))
		for j := len(rules) - 1; j >= 0; j-- {
			own, err := beyond(match, rules[j].Any)
			if err != nil {
				return nil, err
			}
			alternatives[j] = own
			for _, later := range alternatives[j+1:] {
				for _, c := range later {
					for _, a := range own {
						if len(c) > len(a) {
							alternatives[j] = append(alternatives[j], router.Both([]router.Headers{a}, []router.Headers{c})...)
						}
					}
				}
			}
			alternatives[j] = unique(alternatives[j])
			if len(alternatives[j]) > maxMatches {
				return nil, experiment.Errorf(experiment.CodeInvalid, "more than %d matches are needed to tell requests apart, which is what the Gateway API takes", maxMatches).
					WithHint("use fewer overrides, cohorts and values in where")
			}
		}
		for j := range rules {
			for _, a := range alternatives[j] {
				out[j] = append(out[j], with(match, a))
			}
		}
	}
	return out, nil
}

func unique(list []router.Headers) []router.Headers {
	var out []router.Headers
	for _, h := range list {
		if !slices.ContainsFunc(out, func(o router.Headers) bool { return maps.Equal(o, h) }) {
			out = append(out, h)
		}
	}
	return out
}

// beyond are the alternatives that a match leaves possible, without the headers
// that it asks for itself.
func beyond(match map[string]any, alternatives []router.Headers) ([]router.Headers, error) {
	asked, err := router.List(match, "headers")
	if err != nil {
		return nil, err
	}
	var out []router.Headers
next:
	for _, a := range alternatives {
		left := maps.Clone(a)
		for _, h := range asked {
			name := strings.ToLower(router.Text(h, "name"))
			value, ok := a[name]
			if !ok {
				continue
			}
			if form := router.Text(h, "type"); form != "" && form != "Exact" {
				return nil, experiment.Errorf(experiment.CodeInvalid, "it matches header %s by %s, which is not known here, so that nothing can be added to it", name, form).
					WithHint("choose another header, or match this one by its exact value")
			}
			if router.Text(h, "value") != value {
				continue next
			}
			delete(left, name)
		}
		out = append(out, left)
	}
	return unique(out), nil
}

// with is a match with headers added, and with the defaults of the Gateway API
// written out, so that what the cluster gives back is what was written.
func with(match map[string]any, headers router.Headers) map[string]any {
	out := router.Copy(match)
	if out["path"] == nil {
		out["path"] = map[string]any{"type": "PathPrefix", "value": "/"}
	}
	list, _ := router.List(out, "headers")
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		list = append(list, map[string]any{"type": "Exact", "name": name, "value": headers[name]})
	}
	if len(list) > 0 {
		out["headers"] = router.Plain(list)
	}
	return out
}

// uncontested reports a rule of somebody else that wins over the base now, but
// would lose to matches of ours: adding headers must not take requests from it.
func (r *Router) uncontested(rules []map[string]any, bases []int, base int, ours []map[string]any) error {
	own, err := router.List(rules[base], "matches")
	if err != nil {
		return err
	}
	if len(own) == 0 {
		own = []map[string]any{{}}
	}
	for i, rule := range rules {
		if slices.Contains(bases, i) {
			continue
		}
		theirs, err := router.List(rule, "matches")
		if err != nil {
			return err
		}
		for _, f := range theirs {
			for _, o := range ours {
				if !overlap(o, f) || !wins(o, base, f, i) {
					continue
				}
				if !slices.ContainsFunc(own, func(m map[string]any) bool { return extends(o, m) && wins(m, base, f, i) }) {
					return experiment.Errorf(experiment.CodeConflict, "a rule added in front of it would take requests from %s, which matches fewer headers", r.where(rule, i)).
						WithHint("give that rule a longer path or a method, or move it to an HTTPRoute of its own")
				}
			}
		}
	}
	return nil
}

// extends reports whether match o is match m with headers added.
func extends(o, m map[string]any) bool {
	if !samePath(o, m) || router.Text(o, "method") != router.Text(m, "method") || !router.Equal(o["queryParams"], m["queryParams"]) {
		return false
	}
	have, _ := router.List(o, "headers")
	want, _ := router.List(m, "headers")
	return !slices.ContainsFunc(want, func(w map[string]any) bool {
		return !slices.ContainsFunc(have, func(h map[string]any) bool { return router.Equal(h, w) })
	})
}

func samePath(a, b map[string]any) bool { return path(a) == path(b) }

// path is a match's path, by type and value.
func path(m map[string]any) [2]string {
	out := [2]string{router.Text(m, "path", "type"), router.Text(m, "path", "value")}
	if out[0] == "" {
		out[0] = "PathPrefix"
	}
	if out[1] == "" {
		out[1] = "/"
	}
	return out
}

// overlap reports whether requests can meet both matches and nothing but what is
// beyond the path decides between them. Where paths differ the longer one wins,
// with our headers as without.
func overlap(a, b map[string]any) bool {
	if !samePath(a, b) {
		return false
	}
	if x, y := router.Text(a, "method"), router.Text(b, "method"); x != "" && y != "" && x != y {
		return false
	}
	theirs, _ := router.List(b, "headers")
	mine, _ := router.List(a, "headers")
	for _, h := range mine {
		for _, o := range theirs {
			if strings.EqualFold(router.Text(h, "name"), router.Text(o, "name")) && exact(h) && exact(o) && router.Text(h, "value") != router.Text(o, "value") {
				return false
			}
		}
	}
	return true
}

func exact(header map[string]any) bool {
	form := router.Text(header, "type")
	return form == "" || form == "Exact"
}

// wins reports whether match a of rule i wins over match b of rule k, which have
// the same path.
func wins(a map[string]any, i int, b map[string]any, k int) bool {
	rank := func(m map[string]any, index int) []int {
		method := 0
		if router.Text(m, "method") != "" {
			method = 1
		}
		headers, _ := router.List(m, "headers")
		query, _ := router.List(m, "queryParams")
		return []int{method, len(headers), len(query), -index}
	}
	return slices.Compare(rank(a, i), rank(b, k)) > 0
}
