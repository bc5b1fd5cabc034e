// SPDX-License-Identifier: Apache-2.0

package fields

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

// Read tells what the fields ask for, and what Knative and KServe report as
// served. Of other kinds nobody says what they serve.
func (r *Router) Read(objects []router.Object, t router.Traffic) (router.Seen, error) {
	if err := r.open(objects, &t); err != nil {
		return router.Seen{}, err
	}
	asked, why, err := r.asked(objects, &t)
	if err != nil {
		return router.Seen{}, err
	}
	seen := router.Seen{Asked: asked, Settled: why == "", Why: why}
	drift, err := router.Drift(r, objects, t)
	if err != nil {
		return router.Seen{}, err
	}
	if len(drift) > 0 && seen.Settled {
		seen.Settled, seen.Why = false, "not as asked for: "+strings.Join(drift, ", ")
	}
	var waits string
	seen.Serving, waits = r.serving(objects, seen.Asked)
	if waits != "" && seen.Settled {
		seen.Settled, seen.Why = false, waits
	}
	return seen, nil
}

// at is a field's value; nil is nothing. On the way back what is no value is as
// good as nothing, for it is written over.
func (r *Router) at(objects []router.Object, f field, t *router.Traffic) (any, error) {
	v, ok, err := f.path.Field(objects[f.object])
	if err != nil && !f.lost(objects, t) {
		return nil, r.in(f, err)
	}
	if !ok {
		return nil, nil
	}
	if _, what := formOf(f.path, v).read(v); what != "" && !t.WayBack() {
		return nil, r.in(f, invalid("%s is %v: %s", f.path, v, what).WithHint("point the path at the field that holds the share"))
	}
	if _, isMap := v.(map[string]any); isMap {
		return nil, r.in(f, invalid("%s is an object, not a value", f.path))
	}
	if _, isList := v.([]any); isList {
		return nil, r.in(f, invalid("%s is a list, not a value", f.path))
	}
	return v, nil
}

func (r *Router) allThere(objects []router.Object) bool {
	return !slices.ContainsFunc(r.fields, func(f field) bool {
		_, ok, err := f.path.Field(objects[f.object])
		return err != nil || !ok
	})
}

// asked are the shares that the fields ask for. Nil, with why, is that they ask
// for none.
func (r *Router) asked(objects []router.Object, t *router.Traffic) (experiment.Shares, string, error) {
	slots, sum := make([]*big.Rat, len(r.versions)), new(big.Rat)
	for _, f := range r.fields {
		v, err := r.at(objects, f, t)
		if err != nil {
			return nil, "", err
		}
		s := r.absent(f)
		if v != nil {
			var what string
			if s, what = formOf(f.path, v).read(v); what != "" {
				return nil, fmt.Sprintf("%s: %s", f.path, what), nil
			}
		}
		slots[f.version] = s
		sum.Add(sum, s)
	}
	everything := big.NewRat(experiment.Whole, 1)
	if r.inferred >= 0 {
		rest := new(big.Rat).Sub(everything, sum)
		if rest.Sign() < 0 {
			return nil, "the fields say more than 100%", nil
		}
		slots[r.inferred], sum = rest, everything
	}
	if sum.Sign() == 0 {
		return nil, "the fields give no version a share", nil
	}
	weights := make([]int64, len(slots))
	for v, s := range slots {
		// Relative to the sum, in parts fine enough for any quantity.
		part := new(big.Rat).Mul(new(big.Rat).Quo(s, sum), big.NewRat(1_000_000_000, 1))
		weights[v] = new(big.Int).Quo(part.Num(), part.Denom()).Int64()
	}
	return router.SharesOf(weights), "", nil
}

// absent is what a field that is not there means: nothing, but that KServe gives
// a new revision everything.
func (r *Router) absent(f field) *big.Rat {
	if ref := r.refs[f.object]; ref.Kind == "InferenceService" && f.path[len(f.path)-1] == "canaryTrafficPercent" {
		return big.NewRat(experiment.Whole, 1)
	}
	return new(big.Rat)
}
