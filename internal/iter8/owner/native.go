// SPDX-License-Identifier: Apache-2.0

package owner

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/iter8"
)

// fromAnnotation holds the hash of what was mapped down: what the API server
// fills in, or somebody adds, is no change of the Iter8 experiment.
const fromAnnotation = "headgate.dev/iter8-spec"

// AnnotationOnDelete, of the value restore, gives all traffic back to the baseline
// when a running experiment is deleted; else the weights stay as they are.
const AnnotationOnDelete = "headgate.dev/on-delete"

const (
	onDeleteRestore = string(experiment.OnDeleteRestore)
	onDeleteLeave   = string(experiment.OnDeleteLeave)
)

// native gives the native experiment, made or changed to say what the Iter8 one
// does: have becomes want, unless something is wrong with that. It is nil where
// another experiment has its name, or where it was deleted while it ran: then the
// experiment has failed.
func (t *turn) native(ctx context.Context, have, want *kube.Experiment, wrong error) (*kube.Experiment, error) {
	switch owner := ownerOf(have); {
	case have == nil && t.e.Status.StartTime != nil:
		return nil, t.refuse(ctx, invalid("The native Experiment was deleted while it ran; the weights are what they were last"))
	case have == nil && wrong != nil:
		return nil, t.refuse(ctx, wrong)
	case have == nil:
		return want, t.create(ctx, want)
	case owner == nil:
		return nil, t.refuse(ctx, invalid("There is a native Experiment %s already, which is none of this one's; delete it or give this one another name", t.key()))
	case owner.UID != t.e.UID: // Of a former experiment of this name.
		return nil, t.r.remove(ctx, have)
	case wrong != nil: // The plan in force goes on.
		t.noted = sentence(wrong)
		return have, nil
	case have.Annotations[fromAnnotation] == want.Annotations[fromAnnotation] || over(have):
		return have, nil
	}
	want.Spec.Control = have.Spec.Control // A person's wish is not Iter8's.
	have = have.DeepCopy()
	have.Spec = want.Spec
	if have.Annotations == nil {
		have.Annotations = map[string]string{}
	}
	have.Annotations[fromAnnotation] = want.Annotations[fromAnnotation]
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return have, t.r.Client.Update(ctx, have)
}

// over reports whether a native experiment has ended: an edit comes too late.
func over(native *kube.Experiment) bool {
	return slices.ContainsFunc(native.Status.Conditions, func(c metav1.Condition) bool {
		return c.Type == kube.ConditionCompleted && c.Status == metav1.ConditionTrue
	})
}

// wanted is the native experiment as it should be; started says that its start
// action was done before it.
func (t *turn) wanted(started bool) (*kube.Experiment, error) {
	if t.wrong != nil {
		return nil, unreadable(t.wrong)
	}
	made, err := iter8.Native(&t.e, iter8.MetricsOf(t.e.Status.Metrics))
	if err != nil {
		return nil, err
	}
	if !started {
		return t.owned(made, ""), nil
	}
	iter8.WithoutStart(made)
	return t.owned(made, startDone), nil
}

// unreadable is what is wrong with an experiment that cannot be read.
func unreadable(err error) error { return invalid("The experiment cannot be read: %v", err) }

// owned is the object of a native experiment that this one owns. start is its
// startAnnotation.
func (t *turn) owned(made *v1alpha1.Experiment, start string) *kube.Experiment {
	switch { // Iter8 left the weights as they were.
	case made.Spec.Traffic.None != nil: // There are none.
	case t.e.Annotations[AnnotationOnDelete] == onDeleteRestore:
		made.Spec.OnDelete = onDeleteRestore
	default:
		made.Spec.OnDelete = onDeleteLeave
	}
	yes := true
	out := &kube.Experiment{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: t.e.Namespace, Name: t.e.Name,
			Annotations: map[string]string{fromAnnotation: hashOf(&made.Spec)},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: api.APIVersion, Kind: api.KindExperiment, Name: t.e.Name, UID: t.e.UID, Controller: &yes, BlockOwnerDeletion: &yes,
			}},
		},
		Spec: made.Spec,
	}
	if start != "" {
		out.Annotations[startAnnotation] = start
	}
	return out
}

func hashOf(spec *v1alpha1.Spec) string {
	text, err := json.Marshal(spec)
	if err != nil {
		return "" // It holds nothing that cannot be written.
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// create makes the native experiment. What the API server finds wrong with it is
// wrong with the Iter8 one.
func (t *turn) create(ctx context.Context, want *kube.Experiment) error {
	limited, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	switch err := t.r.Client.Create(limited, want); {
	case apierrors.IsInvalid(err):
		return t.refuse(ctx, invalid("%s", sentence(err)))
	case apierrors.IsAlreadyExists(err): // The cache is behind.
		return apierrors.NewConflict(kube.GroupVersion().WithResource("experiments").GroupResource(), want.Name, err)
	default:
		return err
	}
}

// nativeOf is the native experiment of a name, or nil. One that a cache does not
// have may be new.
func (r *Reconciler) nativeOf(ctx context.Context, name types.NamespacedName) (*kube.Experiment, error) {
	var out kube.Experiment
	err := r.Client.Get(ctx, name, &out)
	if apierrors.IsNotFound(err) {
		err = r.Live.Get(ctx, name, &out)
	}
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read the native experiment %s: %w", name, err)
	}
	return &out, nil
}

// ownerOf is the Iter8 experiment that a native one belongs to, or nil.
func ownerOf(native *kube.Experiment) *metav1.OwnerReference {
	if native == nil {
		return nil
	}
	for i := range native.OwnerReferences {
		if o := &native.OwnerReferences[i]; o.APIVersion == api.APIVersion && o.Kind == api.KindExperiment && o.Controller != nil && *o.Controller {
			return o
		}
	}
	return nil
}

// Owned names the Iter8 experiment that a native one belongs to.
func Owned(native *kube.Experiment) (types.NamespacedName, bool) {
	owner := ownerOf(native)
	if owner == nil {
		return types.NamespacedName{}, false
	}
	return types.NamespacedName{Namespace: native.Namespace, Name: owner.Name}, true
}

// removeOrphan deletes the native experiment of one that is gone. Where garbage
// is collected, this is only sooner.
func (r *Reconciler) removeOrphan(ctx context.Context, name types.NamespacedName) error {
	native, err := r.nativeOf(ctx, name)
	if err != nil || ownerOf(native) == nil {
		return err
	}
	switch err := r.Live.Get(ctx, name, newObject()); {
	case err == nil:
		return nil // It is there again: its own turn comes.
	case !apierrors.IsNotFound(err):
		return err
	}
	return r.remove(ctx, native)
}

// removeNative deletes the native experiment that belongs to a deleted one.
func (r *Reconciler) removeNative(ctx context.Context, name types.NamespacedName, uid types.UID) error {
	native, err := r.nativeOf(ctx, name)
	if owner := ownerOf(native); err != nil || owner == nil || owner.UID != uid {
		return err
	}
	return r.remove(ctx, native)
}

// remove deletes a native experiment; its own finalizer sees to the route.
func (r *Reconciler) remove(ctx context.Context, native *kube.Experiment) error {
	if !native.DeletionTimestamp.IsZero() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return client.IgnoreNotFound(r.Client.Delete(ctx, native, client.Preconditions{UID: &native.UID}))
}
