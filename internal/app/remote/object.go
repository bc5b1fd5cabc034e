// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// object is a client of the cluster in which one Experiment is this process's
// own. Only the loop of its run writes that.
type object struct {
	client.Client
	own *kube.Experiment
	// of is the object that the own one was made of, and this reads it as the API
	// server would give it; nil is none.
	of   *metav1.OwnerReference
	this func(ctx context.Context) (map[string]any, error)
}

// newObject makes the own object of a run.
func newObject(live client.Client, p *experiment.Plan, uid string) *object {
	return &object{Client: live, own: &kube.Experiment{ObjectMeta: metav1.ObjectMeta{
		Namespace: p.Namespace, Name: p.Name, UID: types.UID(uid), Generation: 1,
	}}}
}

// isOf says that the own object was made of another, of its namespace.
func (o *object) isOf(apiVersion, kind, name string, this func(ctx context.Context) (map[string]any, error)) {
	yes := true
	o.of, o.this = &metav1.OwnerReference{APIVersion: apiVersion, Kind: kind, Name: name, UID: o.own.UID, Controller: &yes}, this
	o.own.OwnerReferences = []metav1.OwnerReference{*o.of}
}

// mine reports whether an object is this process's own.
func (o *object) mine(obj client.Object) (*kube.Experiment, bool) {
	e, ok := obj.(*kube.Experiment)
	return e, ok && client.ObjectKeyFromObject(e) == client.ObjectKeyFromObject(o.own)
}

// Get reads an object. In a cluster that does not know the kind there is no other
// experiment.
func (o *object) Get(ctx context.Context, key client.ObjectKey, obj client.Object, options ...client.GetOption) error {
	e, ok := obj.(*kube.Experiment)
	if ok && key == client.ObjectKeyFromObject(o.own) {
		o.own.DeepCopyInto(e)
		return nil
	}
	if u, untyped := obj.(*unstructured.Unstructured); untyped && o.of != nil &&
		u.GetAPIVersion() == o.of.APIVersion && u.GetKind() == o.of.Kind && key == (client.ObjectKey{Namespace: o.own.Namespace, Name: o.of.Name}) {
		var err error
		u.Object, err = o.this(ctx)
		return err
	}
	err := o.Client.Get(ctx, key, obj, options...)
	if ok && meta.IsNoMatchError(err) {
		return apierrors.NewNotFound(schema.GroupResource{Group: kube.GroupVersion().Group, Resource: "experiments"}, key.Name)
	}
	return err
}

// Patch takes over the own object as the caller has changed it, and patches any
// other.
func (o *object) Patch(ctx context.Context, obj client.Object, patch client.Patch, options ...client.PatchOption) error {
	if e, ok := o.mine(obj); ok {
		o.own = e.DeepCopy()
		return nil
	}
	return o.Client.Patch(ctx, obj, patch, options...)
}

// Status writes statuses.
func (o *object) Status() client.SubResourceWriter { return status{o.Client.Status(), o} }

type status struct {
	client.SubResourceWriter
	of *object
}

// Update takes over the own object's status, and updates any other's.
func (s status) Update(ctx context.Context, obj client.Object, options ...client.SubResourceUpdateOption) error {
	if e, ok := s.of.mine(obj); ok {
		e.Status.DeepCopyInto(&s.of.own.Status)
		return nil
	}
	return s.SubResourceWriter.Update(ctx, obj, options...)
}

// wish writes a command into the own object's spec, as a person would into one of
// a cluster.
func (o *object) wish(c experiment.Command) {
	if before := o.own.Spec.Control; before != nil && before.ID == c.ID {
		return
	}
	o.own.Spec.Control = controlOf(c)
	o.own.Generation++
}

func controlOf(c experiment.Command) *v1alpha1.Control {
	return &v1alpha1.Control{ID: c.ID, Verb: string(c.Verb), Version: c.Version, Override: c.Override, Reason: c.Reason, Author: c.Author}
}
