// SPDX-License-Identifier: Apache-2.0

package httproute

import (
	"fmt"
	"slices"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

// Read tells what the rules ask for, and whether every parent has accepted the
// route and resolved its references, as of its newest generation. The Gateway
// API reports no shares: whether the traffic moves shows in the requests that the
// versions get.
func (r *Router) Read(objects []router.Object, t router.Traffic) (router.Seen, error) {
	in, err := r.open(objects, &t)
	if err != nil {
		return router.Seen{}, err
	}
	rules, bases, err := r.rules(in, &t)
	if err != nil {
		return router.Seen{}, err
	}
	drift, err := router.Drift(r, objects, t)
	if err != nil {
		return router.Seen{}, err
	}
	seen := router.Seen{Settled: true}
	if len(bases) == 0 {
		seen.Asked = t.Shares // The way back from an object that leads to no version.
	}
	all, _ := router.List(in, "spec", "rules")
	for k, i := range bases {
		asked, why, err := r.asked(all, rules[i], k, &t, len(drift) == 0)
		if err != nil {
			return router.Seen{}, experiment.Errorf(experiment.CodeInvalid, "%s: %w", r.where(rules[i], i), err)
		}
		if k == 0 || !slices.Equal(asked, t.Shares) {
			seen.Asked = asked
		}
		if why != "" {
			seen.Settled, seen.Why = false, r.where(rules[i], i)+": "+why
		}
	}
	if len(drift) > 0 {
		seen.Settled = false
		if seen.Why == "" {
			seen.Why = "not as asked for: " + strings.Join(drift, ", ")
		}
	}
	if why := r.missing(in); why != "" && seen.Settled {
		seen.Settled, seen.Why = false, why
	}
	return seen, nil
}

// asked are the shares that rule number k asks for.
func (r *Router) asked(all []map[string]any, base map[string]any, k int, t *router.Traffic, exact bool) (experiment.Shares, string, error) {
	if exact {
		return slices.Clone(t.Shares), "", nil
	}
	if t.Cohort != "" {
		return nil, "the application's cohorts are not routed as asked for", nil
	}
	carrier := base
	if i := slices.IndexFunc(all, func(rule map[string]any) bool {
		return router.Text(rule, "name") == router.OwnName(r.id, k, "where")
	}); i >= 0 {
		carrier = all[i]
	}
	refs, err := router.List(carrier, "backendRefs")
	if err != nil {
		return nil, "", err
	}
	weights, _, _, err := r.weigh(refs)
	if err != nil {
		return nil, "", err
	}
	shares := router.SharesOf(weights)
	if shares == nil {
		return nil, "no version has a weight", nil
	}
	return shares, "", nil
}

// missing says what the parents have not yet done with the route.
func (r *Router) missing(in router.Object) string {
	parents, err := router.List(in, "spec", "parentRefs")
	if err != nil || len(parents) == 0 {
		return fmt.Sprintf("%s %s has no parents in .spec.parentRefs", kind, r.object.Name)
	}
	statuses, err := router.List(in, "status", "parents")
	if err != nil {
		return "status.parents cannot be read"
	}
	for _, parent := range parents {
		told := false
		for _, s := range statuses {
			if !r.isParent(parent, router.Map(s["parentRef"])) {
				continue
			}
			told = true
			if why := unmet(in, s); why != "" {
				return fmt.Sprintf("parent %s: %s", router.Text(parent, "name"), why)
			}
		}
		if !told {
			return fmt.Sprintf("parent %s has not yet said anything of the route", router.Text(parent, "name"))
		}
	}
	return ""
}

// isParent reports whether two references name the same parent.
func (r *Router) isParent(a, b map[string]any) bool {
	value := func(ref map[string]any, field, usual string) string {
		text, ok := ref[field].(string)
		if !ok || text == "" && field != "group" { // The core group is written as an empty one.
			return usual
		}
		return text
	}
	for field, usual := range map[string]string{
		"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": r.namespace, "name": "", "sectionName": "",
	} {
		if value(a, field, usual) != value(b, field, usual) {
			return false
		}
	}
	p, _ := router.Int(a["port"])
	q, _ := router.Int(b["port"])
	return p == q
}

// unmet is the first condition that a parent's status does not meet.
func unmet(in router.Object, status map[string]any) string {
	generation, _ := router.Int(router.At(in, "metadata", "generation"))
	list, err := router.List(status, "conditions")
	if err != nil {
		return "its conditions cannot be read"
	}
	for _, want := range []string{"Accepted", "ResolvedRefs"} {
		i := slices.IndexFunc(list, func(c map[string]any) bool { return router.Text(c, "type") == want })
		if i < 0 {
			return "no condition " + want
		}
		c := list[i]
		observed, _ := router.Int(c["observedGeneration"])
		switch {
		case observed != generation:
			return fmt.Sprintf("%s is of generation %d, the route is at %d", want, observed, generation)
		case router.Text(c, "status") != "True":
			return fmt.Sprintf("%s is %s, %s: %s", want, router.Text(c, "status"), router.Text(c, "reason"), router.Text(c, "message"))
		}
	}
	if i := slices.IndexFunc(list, func(c map[string]any) bool {
		return router.Text(c, "type") == "PartiallyInvalid" && router.Text(c, "status") == "True"
	}); i >= 0 {
		return "PartiallyInvalid: " + router.Text(list[i], "message")
	}
	return ""
}
