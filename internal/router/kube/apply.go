// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

// backTries is how often the way back reads and writes again when others keep
// writing the same object.
const backTries = 8

// Result is what became of a change.
type Result struct {
	// Objects are the router's objects as they now stand, in the order of its
	// Refs; nil for one that is absent, which only the way back passes over.
	Objects []router.Object
	// Written are those of them that were written, in the order of writing;
	// empty where they said already what was asked for.
	Written []Written
}

// Written is one write that the cluster took.
type Written struct {
	// Object is its index in the router's Refs.
	Object          int
	Target          Target
	Generation      int64
	ResourceVersion string
}

// mode is how a change is made.
type mode struct {
	// back reads live, goes on past what is in the way and tries again.
	back bool
	// dry changes nothing, and asks also where nothing is to be changed.
	dry bool
}

// Apply makes a router's objects carry the traffic, as the package comment
// says. With an error, Result still holds what was written before.
func (c *Cluster) Apply(ctx context.Context, r router.Router, t router.Traffic) (Result, error) {
	return c.change(ctx, r, t, mode{back: t.WayBack()})
}

// Rehearse asks the API server to make the change (KilledTraffic, before a
// candidate has any traffic) under the caller's rights, with all that admission
// has to say, and to keep nothing of it. It returns what would stop it.
func (c *Cluster) Rehearse(ctx context.Context, r router.Router, t router.Traffic) error {
	_, err := c.change(ctx, r, t, mode{back: true, dry: true})
	return err
}

func (c *Cluster) change(ctx context.Context, r router.Router, t router.Traffic, m mode) (Result, error) {
	refs := r.Refs()
	targets := make([]Target, len(refs))
	var problems []error
	for i, ref := range refs {
		var err error
		if targets[i], err = c.Resolve(ctx, ref); err != nil {
			problems = append(problems, err)
		}
	}
	if len(problems) > 0 && (!m.back || len(problems) == len(refs)) {
		return Result{}, problems[0]
	}
	render := func(objects []router.Object) ([]router.Object, error) { return r.Render(objects, t) }
	res, err := c.changeTo(ctx, r, targets, render, m)
	if err != nil {
		problems = append(problems, err)
	}
	return res, errors.Join(problems...)
}

// changeTo makes objects what render makes of them. On the way back it begins
// anew after a conflict, with what the objects say then.
func (c *Cluster) changeTo(ctx context.Context, r router.Router, targets []Target, render func([]router.Object) ([]router.Object, error), m mode) (Result, error) {
	tries := 1
	if m.back {
		tries = backTries
	}
	var all []Written
	for {
		res, err := c.attempt(ctx, r, targets, render, m)
		all = append(all, res.Written...)
		res.Written = all
		if tries--; tries == 0 || !contested(err) || ctx.Err() != nil {
			return res, err
		}
	}
}

func (c *Cluster) attempt(ctx context.Context, r router.Router, targets []Target, render func([]router.Object) ([]router.Object, error), m mode) (Result, error) {
	objects, problems := c.gather(ctx, targets, m)
	if len(problems) > 0 && !m.back {
		return Result{}, problems[0]
	}
	rendered, err := render(objects)
	if err != nil {
		// An object that is absent explains the error best.
		return Result{Objects: objects}, errors.Join(append(problems, err)...)
	}
	if len(rendered) != len(objects) {
		return Result{Objects: objects}, experiment.Errorf(experiment.CodeInternal, "the router rendered %d objects of %d", len(rendered), len(objects))
	}
	res := Result{Objects: slices.Clone(objects)}
	for _, i := range order(r, objects, rendered) {
		if objects[i] == nil {
			continue
		}
		w, after, err := c.write(ctx, targets[i], objects[i], rendered[i], r.Owned(i), m)
		if err != nil {
			problems = append(problems, err)
			if !m.back {
				break
			}
			continue
		}
		if w != nil {
			w.Object, res.Objects[i] = i, after
			res.Written = append(res.Written, *w)
		}
	}
	if len(problems) == 0 && len(res.Written) > 0 {
		problems = append(problems, c.kept(r, targets, res, render)...)
	}
	return res, errors.Join(problems...)
}

// gather reads the objects, with nil for one that it cannot: one that is absent
// carries no traffic, and any other is still to be told by its error.
func (c *Cluster) gather(ctx context.Context, targets []Target, m mode) ([]router.Object, []error) {
	from := c.cached
	if m.back {
		from = c.live
	}
	objects := make([]router.Object, len(targets))
	var problems []error
	for i, t := range targets {
		if t.Kind.Empty() { // Not resolved, and told already.
			continue
		}
		var err error
		if objects[i], err = c.fetch(ctx, from, t); err != nil {
			problems = append(problems, err)
		}
	}
	return objects, problems
}

// order gives the indices of the objects, those that gain first.
func order(r router.Router, before, after []router.Object) []int {
	out := make([]int, len(before))
	rises := make([]float64, len(before))
	for i := range before {
		out[i], rises[i] = i, rise(before[i], after[i], r.Owned(i))
	}
	slices.SortStableFunc(out, func(a, b int) int { return cmp.Compare(rises[b], rises[a]) })
	return out
}

// write makes one object what it should be; nil where it is already.
func (c *Cluster) write(ctx context.Context, t Target, before, after router.Object, owned []string, m mode) (*Written, router.Object, error) {
	changes, err := edits(before, after, owned)
	if err != nil {
		return nil, nil, err
	}
	if len(changes) == 0 {
		if !m.dry {
			return nil, nil, nil
		}
		changes = sameAgain(before, owned)
	}
	patch, err := encode(before, owned, changes)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(t.Kind)
	u.SetNamespace(t.Key.Namespace)
	u.SetName(t.Key.Name)
	options := []client.PatchOption{client.FieldOwner(FieldManager)}
	if m.dry {
		options = append(options, client.DryRunAll)
	}
	if err := c.live.Patch(ctx, u, client.RawPatch(types.JSONPatchType, patch), options...); err != nil {
		if notServed(err) {
			c.forget(t.Kind.GroupKind())
		}
		return nil, nil, failure(err, call{verb: "patch", gvr: t.Resource, kind: t.Kind.Kind, key: t.Key})
	}
	return &Written{Target: t, Generation: u.GetGeneration(), ResourceVersion: u.GetResourceVersion()}, router.Object(u.Object), nil
}

// sameAgain writes what is there already, for a rehearsal with nothing to
// change: rights and admission are asked all the same.
func sameAgain(before router.Object, owned []string) []edit {
	var out []edit
	for _, pointer := range outermost(owned) {
		at := split(pointer)
		if v, ok := lookup(map[string]any(before), at); ok {
			out = append(out, edit{op: "replace", at: at, value: v})
		}
	}
	return out
}

// kept looks for what the cluster did not keep of what was written, or changed
// on its way: writing it again and again would not help.
func (c *Cluster) kept(r router.Router, targets []Target, res Result, render func([]router.Object) ([]router.Object, error)) []error {
	want, err := render(res.Objects)
	if err != nil {
		return []error{err}
	}
	var problems []error
	for _, w := range res.Written {
		left, err := edits(res.Objects[w.Object], want[w.Object], r.Owned(w.Object))
		if err != nil {
			problems = append(problems, err)
		} else if len(left) > 0 {
			at := make([]string, len(left))
			for i, e := range left {
				at[i] = join(e.at)
			}
			problems = append(problems, experiment.Errorf(experiment.CodeInvalid, "the cluster keeps something else than what was written to %s at %s", targets[w.Object], strings.Join(at, ", ")).
				WithHint("a mutating webhook changes it, or the installed CRD is too old to know a field of it"))
		}
	}
	return problems
}
