// SPDX-License-Identifier: Apache-2.0

package virtualservice

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

// rendered is route number k with the traffic in it, and our rules in front. They
// are made of the rendered route, which stays the same when rendered again.
func (r *Router) rendered(route map[string]any, rules []router.Rule, rest router.Rule, k int, t *router.Traffic) ([]map[string]any, error) {
	if err := r.target(route, rest, t); err != nil {
		return nil, err
	}
	var out []map[string]any
	for _, rule := range rules {
		match, err := both(route["match"], rule.Any)
		if err != nil {
			return nil, err
		}
		if len(match) == 0 {
			continue // The route takes no request that the rule is for.
		}
		own := router.Copy(route)
		own["name"], own["match"] = router.OwnName(r.id, k, rule.Name), match
		if err := r.target(own, rule, t); err != nil {
			return nil, err
		}
		out = append(out, own)
	}
	return append(out, route), nil
}

// target makes a route do what a rule says.
func (r *Router) target(route map[string]any, rule router.Rule, t *router.Traffic) error {
	if err := r.setMirror(route, rule, t); err != nil {
		return err
	}
	shares := t.Shares
	if rule.To != router.Split {
		shares = make(experiment.Shares, len(r.versions))
		shares[rule.To] = experiment.Whole
	}
	if err := r.setWeights(route, shares, t); err != nil || rule.To == router.Split || rule.Name == "" {
		return err
	}
	// A rule of ours for one version lists that one alone.
	entries, err := router.List(route, "route")
	if err != nil {
		return err
	}
	only := slices.IndexFunc(entries, func(e map[string]any) bool { return r.version(e["destination"]) == rule.To })
	entries[only]["weight"] = int64(100)
	route["route"] = router.Plain(entries[only : only+1])
	return nil
}

// notHeaders are the names that Istio reads as something else than headers.
var notHeaders = []string{"uri", "scheme", "method", "authority"}

// both adds headers to a route's match: one alternative for each pair. Pairs
// that no request can meet are left out.
func both(match any, alternatives []router.Headers) ([]any, error) {
	entries, err := router.List(map[string]any{"match": match}, "match")
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		entries = []map[string]any{{}}
	}
	var out []any
	for _, e := range entries {
		for _, headers := range alternatives {
			m, err := and(e, headers)
			if err != nil {
				return nil, err
			}
			if m != nil && !slices.ContainsFunc(out, func(o any) bool { return router.Equal(o, m) }) {
				out = append(out, m)
			}
		}
	}
	return out, nil
}

// and is one match with headers added; nil where no request can meet it.
func and(match map[string]any, headers router.Headers) (map[string]any, error) {
	out := router.Copy(match)
	have := router.Map(out["headers"])
	if have == nil {
		have = map[string]any{}
		out["headers"] = have
	}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		value := headers[name]
		if slices.Contains(notHeaders, name) {
			return nil, experiment.Errorf(experiment.CodeInvalid, "header %q is not read as a header by Istio", name).
				WithHint("choose another header for cohorts, overrides and segments")
		}
		if forbidden, there := find(router.Map(out["withoutHeaders"]), name); there {
			if ok, err := meets(forbidden, value); err != nil || ok {
				return nil, err
			}
		}
		old, there := find(have, name)
		if there {
			if ok, err := meets(old, value); err != nil || !ok {
				return nil, err
			}
			maps.DeleteFunc(have, func(k string, _ any) bool { return strings.EqualFold(k, name) })
		}
		have[name] = map[string]any{"exact": value}
	}
	return out, nil
}

// find is the condition on a header, whatever the case of its name.
func find(conditions map[string]any, name string) (any, bool) {
	for k, v := range conditions {
		if strings.EqualFold(k, name) {
			return v, true
		}
	}
	return nil, false
}

// meets reports whether a header's value meets Istio's StringMatch. An empty one
// asks for no more than the header's presence.
func meets(condition any, value string) (bool, error) {
	m := router.Map(condition)
	for form, v := range m {
		text, _ := v.(string)
		switch form {
		case "exact":
			return value == text, nil
		case "prefix":
			return strings.HasPrefix(value, text), nil
		case "regex":
			re, err := regexp.Compile("^(?:" + text + ")$")
			if err != nil {
				return false, experiment.Errorf(experiment.CodeInvalid, "a header's regex %q cannot be read: %w", text, err)
			}
			return re.MatchString(value), nil
		default:
			return false, experiment.Errorf(experiment.CodeInvalid, "a header is matched by %q, which is not known here", form)
		}
	}
	return true, nil
}
