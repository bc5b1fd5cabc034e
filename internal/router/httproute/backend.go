// SPDX-License-Identifier: Apache-2.0

package httproute

import (
	"strconv"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

// plainFields are what a reference says that the plan can say as well.
var plainFields = []string{"group", "kind", "name", "namespace", "port"}

// version is the version that a reference leads to; -1 is none, or not exactly
// one.
func (r *Router) version(ref any) int {
	if k := router.Text(ref, "kind"); k != "" && k != "Service" || router.Text(ref, "group") != "" {
		return -1
	}
	port, _ := router.Int(router.At(ref, "port"))
	s := router.Service{Namespace: router.Text(ref, "namespace"), Name: router.Text(ref, "name"), Port: port}
	if s.Namespace == "" {
		s.Namespace = r.namespace
	}
	found := -1
	for v, b := range r.backends {
		if same(b, s) {
			if found >= 0 {
				return -1
			}
			found = v
		}
	}
	return found
}

// ref is a reference to a version as the rule has it, or else as the plan says,
// with the defaults of the Gateway API written out, so that what the cluster
// gives back is what was written. It has no weight and no filters.
func (r *Router) ref(refs []map[string]any, v int, t *router.Traffic) (map[string]any, error) {
	port := r.backends[v].Port
	for _, ref := range refs {
		if r.version(ref) == v {
			out := map[string]any{"group": "", "kind": "Service"}
			for _, f := range plainFields {
				if x, ok := ref[f]; ok {
					out[f] = x
				}
			}
			return out, nil
		}
		if p, ok := router.Int(ref["port"]); ok && port == 0 && t.WayBack() {
			port = p // The best guess: the way back must not wait for a better one.
		}
	}
	if port == 0 {
		return nil, experiment.Errorf(experiment.CodeInvalid, "version %s is not in it, and its backend %q has no port to add it with", r.versions[v].Name, r.versions[v].Backend).
			WithHint("write the port in spec.versions: SERVICE:PORT")
	}
	out := map[string]any{"group": "", "kind": "Service", "name": r.backends[v].Name, "port": port}
	if ns := r.backends[v].Namespace; ns != r.namespace {
		out["namespace"] = ns
	}
	return out, nil
}

// weigh reads the weights by version. Elsewhere is the index of the first
// reference that leads to no version, or -1; twice says that a version is listed
// more than once.
func (r *Router) weigh(refs []map[string]any) (weights []int64, elsewhere int, twice bool, err error) {
	weights, elsewhere = make([]int64, len(r.versions)), -1
	seen := make([]bool, len(r.versions))
	for i, ref := range refs {
		w, ok := router.Int(ref["weight"])
		switch {
		case ref["weight"] == nil:
			w = 1
		case !ok || w < 0:
			return nil, -1, false, experiment.Errorf(experiment.CodeInvalid, ".backendRefs[%d].weight is %v: want a whole number", i, ref["weight"])
		}
		v := r.version(ref)
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

// setBackends makes a rule carry shares. The order of the references stays;
// versions with a share that are not listed are added at the end, those without
// one are taken out.
func (r *Router) setBackends(rule map[string]any, shares experiment.Shares, t *router.Traffic) error {
	refs, err := router.List(rule, "backendRefs")
	if err != nil {
		return err
	}
	if len(refs) == 0 {
		if t.WayBack() {
			return nil
		}
		return experiment.Errorf(experiment.CodeInvalid, "it has no backendRefs, so it can carry no split").
			WithHint("name rules that lead to the versions' Services")
	}
	have, elsewhere, twice, err := r.weigh(refs)
	if err != nil && !t.WayBack() {
		return err
	}
	if elsewhere >= 0 && !t.WayBack() {
		return experiment.Errorf(experiment.CodeInvalid, ".backendRefs[%d] leads to %s, which is no version", elsewhere, describe(refs[elsewhere])).
			WithHint("name the rules that carry the split in spec.traffic.httpRoute.rules, and list nothing but versions there")
	}
	want, exact := router.Weights(shares), err == nil && !twice && router.Exact(have, shares)
	if elsewhere >= 0 {
		want = amongOthers(have)
	}
	out, done, err := r.shared(rule, refs, want, exact, t)
	if err != nil {
		return err
	}
	for v, w := range want {
		if w > 0 && !done[v] {
			ref, err := r.ref(refs, v, t)
			if err != nil {
				return err
			}
			ref["weight"] = w
			out = append(out, ref)
		}
	}
	rule["backendRefs"] = router.Plain(out)
	return nil
}

// shared are a rule's references with their weights, without those that have no
// share; done says which versions were listed. Exact leaves weights as they are.
func (r *Router) shared(rule map[string]any, refs []map[string]any, want []int64, exact bool, t *router.Traffic) (out []map[string]any, done []bool, err error) {
	done = make([]bool, len(want))
	for _, ref := range refs {
		v := r.version(ref)
		if v < 0 {
			out = append(out, ref)
			continue
		}
		if done[v] {
			continue
		}
		done[v] = true
		if want[v] == 0 {
			kept, err := r.kept(rule, ref, v, t)
			if err != nil {
				return nil, nil, err
			}
			if !kept {
				continue
			}
		}
		if !exact || want[v] == 0 {
			ref["weight"] = want[v]
		}
		out = append(out, ref)
	}
	return out, done, nil
}

// kept reports whether a reference without a share stays, with weight 0, because
// the plan could not put it back as it was. Once the experiment has ended none
// stays: a leak would outlast it. Where sessions persist none may stay either,
// for a session outweighs a weight, so there the reference must be one that can
// be put back.
func (r *Router) kept(rule, ref map[string]any, v int, t *router.Traffic) (bool, error) {
	special := len(ref) > 0 && r.backends[v].Port == 0
	for f := range ref {
		plain := f == "weight"
		for _, p := range plainFields {
			plain = plain || f == p
		}
		special = special || !plain
	}
	if t.Over || !special {
		return false, nil
	}
	if rule["sessionPersistence"] != nil {
		return false, experiment.Errorf(experiment.CodeInvalid, "sessions persist here, so %s must be taken out while it has no share, and what it says besides its Service would be lost", describe(ref)).
			WithHint("remove its filters and write its port in spec.versions, or remove sessionPersistence")
	}
	return true, nil
}

// amongOthers gives the baseline, on the way back, what the versions have beside
// references that are none of the experiment's business.
func amongOthers(have []int64) []int64 {
	want := make([]int64, len(have))
	for _, w := range have {
		want[0] += w
	}
	want[0] = max(want[0], 1)
	return want
}

// describe names a reference for people.
func describe(ref map[string]any) string {
	out := router.Text(ref, "name")
	if ns := router.Text(ref, "namespace"); ns != "" {
		out = ns + "/" + out
	}
	if port, ok := router.Int(ref["port"]); ok {
		out += ":" + strconv.FormatInt(port, 10)
	}
	if k := router.Text(ref, "kind"); k != "" && k != "Service" {
		return k + " " + strconv.Quote(out)
	}
	return strconv.Quote(out)
}

// setMirror makes a rule copy what it is asked for. Copies to versions are the
// experiment's: those that are there already are replaced. Copies to anything
// else, and all other filters, stay.
func (r *Router) setMirror(route map[string]any, rule router.Rule, t *router.Traffic) error {
	filters, err := router.List(route, "filters")
	if err != nil {
		return err
	}
	refs, err := router.List(route, "backendRefs")
	if err != nil {
		return err
	}
	var out []map[string]any
	for _, f := range filters {
		if router.Text(f, "type") != "RequestMirror" || r.version(router.At(f, "requestMirror", "backendRef")) < 0 {
			out = append(out, f)
		}
	}
	if rule.Mirror && t.Mirror.Share > 0 {
		for _, v := range t.Mirror.Versions {
			ref, err := r.ref(refs, v, t)
			if err != nil {
				return err
			}
			out = append(out, map[string]any{"type": "RequestMirror", "requestMirror": mirror(ref, t.Mirror.Share)})
		}
	}
	if len(out) == len(filters) && len(out) == 0 {
		return nil
	}
	delete(route, "filters")
	if len(out) > 0 {
		route["filters"] = router.Plain(out)
	}
	return nil
}

// mirror is a mirror filter's body. Copies of everything say no share, so that
// implementations without shares take them too.
func mirror(ref map[string]any, s experiment.Share) map[string]any {
	out := map[string]any{"backendRef": ref}
	switch {
	case s == experiment.Whole:
	case s%100 == 0:
		out["percent"] = int64(s / 100)
	default:
		out["fraction"] = map[string]any{"numerator": int64(s), "denominator": int64(experiment.Whole)}
	}
	return out
}
