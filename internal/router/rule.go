// SPDX-License-Identifier: Apache-2.0

package router

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Split is the target of a rule that carries the shares, instead of a version.
const Split = -1

// Headers are headers that must all have exactly these values, by name in lower
// case.
type Headers map[string]string

// Rule is one step in the order in which a request meets its target: the first
// rule that it matches decides.
type Rule struct {
	// Name tells the rules of one route apart: "override-0", "cohort-1".
	Name string
	// Any are alternatives, of which a request must meet one.
	Any []Headers
	// To is a version or Split.
	To int
	// Mirror says that requests of this rule are copied where the stage mirrors.
	Mirror bool
}

// Rules are what is to be put in front of a route for the traffic, and rest what
// the route itself then does. Testers come first; then, for stages that are
// limited to some requests, those that must not take part; then the
// application's own choice, or the requests that do take part. A version
// without a share has no cohort: whatever applications still say, it gets
// nobody (D3).
func Rules(t *Traffic) (rules []Rule, rest Rule) {
	body := Rule{To: Split, Mirror: t.Mirror != nil}
	if t.Over {
		body.Mirror = false
		return nil, body
	}
	for i, o := range t.Overrides {
		header := Headers{strings.ToLower(o.Header): o.Value}
		if last := len(rules) - 1; last >= 0 && rules[last].To == o.Version {
			rules[last].Any = append(rules[last].Any, header) // A route has few rules.
			continue
		}
		rules = append(rules, Rule{Name: fmt.Sprintf("override-%d", i), Any: []Headers{header}, To: o.Version})
	}
	within := []Headers{{}}
	limited := false
	for i, m := range t.Where {
		var values []Headers
		for _, v := range m.Values {
			values = append(values, Headers{strings.ToLower(m.Header): v})
		}
		if m.Not {
			rules = append(rules, Rule{Name: fmt.Sprintf("outside-%d", i), Any: values, To: t.Default})
			continue
		}
		within, limited = Both(within, values), true
	}
	if t.Cohort != "" {
		body.To = t.Default
		for v, share := range t.Shares {
			if share > 0 {
				choice := []Headers{{strings.ToLower(t.Cohort): t.Versions[v].Name}}
				rules = append(rules, Rule{Name: fmt.Sprintf("cohort-%d", v), Any: Both(within, choice), To: v, Mirror: body.Mirror})
			}
		}
	}
	rest = body
	if limited {
		if rest = (Rule{To: t.Default}); body.To == Split || body.Mirror {
			body.Name, body.Any = "where", within
			rules = append(rules, body)
		}
	}
	// Conditions that exclude each other are met by nobody.
	return slices.DeleteFunc(rules, func(r Rule) bool { return len(r.Any) == 0 }), rest
}

// Both are the alternatives that meet one of a and one of b. Those that cannot
// be met are left out.
func Both(a, b []Headers) []Headers {
	var out []Headers
	for _, x := range a {
		for _, y := range b {
			if m, ok := x.And(y); ok && !slices.ContainsFunc(out, func(h Headers) bool { return maps.Equal(h, m) }) {
				out = append(out, m)
			}
		}
	}
	return out
}

// And is both, and whether both can be met at once.
func (h Headers) And(other Headers) (Headers, bool) {
	out := maps.Clone(h)
	if out == nil {
		out = Headers{}
	}
	for name, value := range other {
		if have, ok := out[name]; ok && have != value {
			return nil, false
		}
		out[name] = value
	}
	return out, true
}

// Prefix begins the names of all rules of Headgate, OwnName those of one
// experiment's rules at its route number k.
const Prefix = "headgate-"

// OwnName is the name of a rule that stands in front of route number k.
func OwnName(experiment string, k int, rule string) string {
	return fmt.Sprintf("%s%s-%d-%s", Prefix, strings.ReplaceAll(experiment, "/", "."), k, rule)
}

// ownTail is what follows the experiment in the names of its rules.
var ownTail = regexp.MustCompile(`^-[0-9]+-((override|outside|cohort)-[0-9]+|where)$`)

// IsOwn reports whether a rule's name is one that OwnName makes for the
// experiment.
func IsOwn(experiment, name string) bool {
	tail, ok := strings.CutPrefix(name, Prefix+strings.ReplaceAll(experiment, "/", "."))
	return ok && ownTail.MatchString(tail)
}
