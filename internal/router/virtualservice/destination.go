// SPDX-License-Identifier: Apache-2.0

package virtualservice

import (
	"strconv"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

func itoa(i int) string { return strconv.Itoa(i) }

// host is a host as the mesh completes it: a name without dots is a Service in
// the object's namespace. Cluster domains other than the usual one are written
// out by their users.
func (r *Router) host(name string) string {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if !strings.Contains(name, ".") {
		return name + "." + r.namespace + ".svc.cluster.local"
	}
	return name
}

// same reports whether two destinations cannot be told apart: a port that is not
// given is any.
func (r *Router) same(a, b router.Destination) bool {
	return r.host(a.Host) == r.host(b.Host) && a.Subset == b.Subset && (a.Port == b.Port || a.Port == 0 || b.Port == 0)
}

// version is the version that a destination leads to; -1 is none, or not exactly
// one.
func (r *Router) version(destination any) int {
	port, _ := router.Int(router.At(destination, "port", "number"))
	d := router.Destination{Host: router.Text(destination, "host"), Port: port, Subset: router.Text(destination, "subset")}
	found := -1
	for v, b := range r.backends {
		if !r.same(b, d) {
			continue
		}
		if found >= 0 {
			return -1
		}
		found = v
	}
	return found
}

// listed is a version's destination as a route writes it, or else as the plan
// does.
func (r *Router) listed(entries []map[string]any, v int) any {
	for _, e := range entries {
		if r.version(e["destination"]) == v {
			return router.Copy(e["destination"])
		}
	}
	return r.destination(v)
}

// destination is a version's destination as the plan writes it.
func (r *Router) destination(v int) map[string]any {
	b := r.backends[v]
	out := map[string]any{"host": b.Host}
	if b.Subset != "" {
		out["subset"] = b.Subset
	}
	if b.Port > 0 {
		out["port"] = map[string]any{"number": b.Port}
	}
	return out
}

// weigh reads the weights of a route's destinations by version. Elsewhere is the
// index of the first destination that is no version, or -1; twice says that a
// version is listed more than once.
func (r *Router) weigh(entries []map[string]any) (weights []int64, elsewhere int, twice bool, err error) {
	weights, elsewhere = make([]int64, len(r.versions)), -1
	seen := make([]bool, len(r.versions))
	for i, e := range entries {
		w, ok := router.Int(e["weight"])
		if !ok && e["weight"] != nil || w < 0 {
			return nil, -1, false, experiment.Errorf(experiment.CodeInvalid, ".route[%d].weight is %v: want a whole number", i, e["weight"])
		}
		if len(entries) == 1 {
			w = 100 // A destination alone gets everything whatever its weight.
		}
		v := r.version(e["destination"])
		if v < 0 {
			if elsewhere < 0 {
				elsewhere = i
			}
			continue
		}
		weights[v] += w
		twice, seen[v] = twice || seen[v], true
	}
	return weights, elsewhere, twice, nil
}

// setWeights makes a route carry shares. The order of the destinations stays;
// versions with a share that are not listed are added at the end.
func (r *Router) setWeights(route map[string]any, shares experiment.Shares, t *router.Traffic) error {
	entries, err := router.List(route, "route")
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		if t.WayBack() {
			return nil
		}
		return experiment.Errorf(experiment.CodeInvalid, "it has no destinations, so it can carry no split").
			WithHint("name routes with .route, not redirects, direct answers or delegations")
	}
	have, elsewhere, twice, err := r.weigh(entries)
	if err != nil && !t.WayBack() {
		return err
	}
	if err == nil && elsewhere >= 0 && !t.WayBack() {
		return experiment.Errorf(experiment.CodeInvalid, ".route[%d] leads to %s, which is no version", elsewhere, describe(entries[elsewhere])).
			WithHint("name the routes that carry the split in spec.traffic.virtualService.routes, and list nothing but versions there")
	}
	if err == nil && !twice && router.Exact(have, shares) {
		return nil
	}
	want := router.Weights(shares)
	if elsewhere >= 0 {
		want = r.amongOthers(have)
	}
	listed := make([]bool, len(want))
	for _, e := range entries {
		v := r.version(e["destination"])
		switch {
		case v < 0:
		case listed[v]:
			e["weight"] = int64(0)
		default:
			e["weight"], listed[v] = want[v], true
		}
	}
	for v, w := range want {
		if w > 0 && !listed[v] {
			entries = append(entries, map[string]any{"destination": r.destination(v), "weight": w})
		}
	}
	route["route"] = router.Plain(entries)
	return nil
}

// amongOthers gives the baseline, on the way back, what the versions have beside
// destinations that are none of the experiment's business.
func (r *Router) amongOthers(have []int64) []int64 {
	want := make([]int64, len(r.versions))
	for _, w := range have {
		want[0] += w
	}
	want[0] = max(want[0], 1)
	return want
}

// describe names a destination for people.
func describe(entry map[string]any) string {
	d := entry["destination"]
	out := router.Text(d, "host")
	if port, ok := router.Int(router.At(d, "port", "number")); ok {
		out += ":" + strconv.FormatInt(port, 10)
	}
	if subset := router.Text(d, "subset"); subset != "" {
		out += "/" + subset
	}
	return strconv.Quote(out)
}
