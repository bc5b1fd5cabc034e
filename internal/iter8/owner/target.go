// SPDX-License-Identifier: Apache-2.0

package owner

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	api "github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/internal/iter8"
)

// acquire takes the experiment's target if nobody has it and nobody has waited
// longer. The others are read from the API server: a cache that is behind would
// let two run.
func (t *turn) acquire(ctx context.Context) (bool, error) {
	t.r.target.Lock()
	defer t.r.target.Unlock()
	all, err := t.r.list(ctx)
	if err != nil {
		return false, fmt.Errorf("list the experiments with target %q: %w", t.e.Spec.Target, err)
	}
	for i := range all {
		other := &turn{u: &all[i]}
		other.read()
		if other.key() == t.key() || other.e.Spec.Target != t.e.Spec.Target || other.is(api.Completed) {
			continue
		}
		if other.is(api.TargetAcquired) || other.precedes(t) {
			return false, nil
		}
	}
	t.e.Status = iter8.Acquired(&t.e, t.now)
	return true, t.write(ctx)
}

// list reads all experiments from the API server.
func (r *Reconciler) list(ctx context.Context) ([]unstructured.Unstructured, error) {
	var out []unstructured.Unstructured
	for _, namespace := range r.Namespaces {
		all := &unstructured.UnstructuredList{}
		all.SetGroupVersionKind(Kind)
		if err := r.Live.List(ctx, all, client.InNamespace(namespace)); err != nil {
			return nil, err
		}
		out = append(out, all.Items...)
	}
	return out, nil
}

// precedes reports whether an experiment has waited longer than another. Times
// are whole seconds: names break ties.
func (t *turn) precedes(other *turn) bool {
	mine, its := t.e.Status.InitTime, other.e.Status.InitTime
	switch {
	case mine == nil || its == nil:
		return mine != nil
	case !mine.Time.Equal(its.Time):
		return mine.Time.Before(its.Time)
	}
	return t.key().String() < other.key().String()
}

// Waiting are the experiments that wait for the target of one that has let go of
// it.
func (r *Reconciler) Waiting(ctx context.Context, of *unstructured.Unstructured) []reconcile.Request {
	target, _, _ := unstructured.NestedString(of.Object, "spec", "target")
	all := &unstructured.UnstructuredList{}
	all.SetGroupVersionKind(Kind)
	if err := r.Client.List(ctx, all); err != nil {
		return nil // They look for themselves, now and then.
	}
	var out []reconcile.Request
	for i := range all.Items {
		other := &turn{u: &all.Items[i]}
		other.read()
		if other.e.Spec.Target == target && !other.is(api.TargetAcquired) && !other.is(api.Completed) {
			out = append(out, reconcile.Request{NamespacedName: other.key()})
		}
	}
	return out
}

// Ended reports whether an object says that its experiment has completed.
func Ended(u *unstructured.Unstructured) bool {
	t := &turn{u: u}
	t.read()
	return t.is(api.Completed)
}

// Watched reports whether there is an experiment of a name: what happens to
// native objects of other names is none of its business.
func (r *Reconciler) Watched(ctx context.Context, name types.NamespacedName) bool {
	return r.Client.Get(ctx, client.ObjectKey(name), newObject()) == nil
}
