// SPDX-License-Identifier: Apache-2.0

package virtualservice

import (
	"fmt"
	"slices"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

// Read tells what the routes ask for. Istio reports no shares, and of acceptance
// only errors, where its analysis is on: whether the traffic moves shows in the
// requests that the versions get.
func (r *Router) Read(objects []router.Object, t router.Traffic) (router.Seen, error) {
	in, err := r.open(objects, &t)
	if err != nil {
		return router.Seen{}, err
	}
	routes, bases, err := r.routes(in, &t)
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
	all, _ := router.List(in, "spec", "http")
	for k, i := range bases {
		asked, why, err := r.asked(all, routes[i], k, &t, len(drift) == 0)
		if err != nil {
			return router.Seen{}, experiment.Errorf(experiment.CodeInvalid, "%s: %w", r.where(routes[i], i), err)
		}
		if k == 0 || !slices.Equal(asked, t.Shares) {
			seen.Asked = asked
		}
		if why != "" {
			seen.Settled, seen.Why = false, r.where(routes[i], i)+": "+why
		}
	}
	if len(drift) > 0 {
		seen.Settled = false
		if seen.Why == "" {
			seen.Why = "not as asked for: " + strings.Join(drift, ", ")
		}
	}
	if why := complaint(in); why != "" && seen.Settled {
		seen.Settled, seen.Why = false, why
	}
	return seen, nil
}

// asked are the shares that route number k asks for.
func (r *Router) asked(all []map[string]any, base map[string]any, k int, t *router.Traffic, exact bool) (experiment.Shares, string, error) {
	if exact {
		return slices.Clone(t.Shares), "", nil
	}
	if t.Cohort != "" {
		return nil, "the application's cohorts are not routed as asked for", nil
	}
	carrier := base
	if i := slices.IndexFunc(all, func(route map[string]any) bool {
		return router.Text(route, "name") == router.OwnName(r.id, k, "where")
	}); i >= 0 {
		carrier = all[i]
	}
	entries, err := router.List(carrier, "route")
	if err != nil {
		return nil, "", err
	}
	weights, _, _, err := r.weigh(entries)
	if err != nil {
		return nil, "", err
	}
	shares := router.SharesOf(weights)
	if shares == nil {
		return nil, "no version has a weight", nil
	}
	return shares, "", nil
}

// complaint is the first error that Istio's analysis reports of the object as it
// is now.
func complaint(in router.Object) string {
	generation, _ := router.Int(router.At(in, "metadata", "generation"))
	observed, ok := router.Int(router.At(in, "status", "observedGeneration"))
	if ok && observed != generation {
		return "" // Of an older object.
	}
	list, err := router.List(in, "status", "validationMessages")
	if err != nil {
		return ""
	}
	for _, m := range list {
		if strings.EqualFold(router.Text(m, "level"), "ERROR") {
			return fmt.Sprintf("Istio reports %s %s", router.Text(m, "type", "code"), router.Text(m, "documentationUrl"))
		}
	}
	return ""
}
