// SPDX-License-Identifier: Apache-2.0

package owner

import (
	"context"
	"encoding/json"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/internal/iter8"
)

// Kind is the kind that is watched, as unstructured objects: one that cannot be
// read must not keep all others from being seen.
var Kind = api.GroupVersion().WithKind(api.KindExperiment)

// turn is one reconcile.
type turn struct {
	r   *Reconciler
	u   *unstructured.Unstructured
	now time.Time
	// e is the object as far as it can be read; its status is what will be
	// written, before is what was read.
	e      api.Experiment
	before api.ExperimentStatus
	// wrong says what cannot be read, noted what is wrong with an edit.
	wrong error
	noted string
	// filledIn says that a start action was done that had to fill in the versions.
	filledIn bool
}

// read takes the object apart. What cannot be read of its spec fails it; an odd
// status is begun anew.
func (t *turn) read() {
	t.e = api.Experiment{}
	t.e.Name, t.e.Namespace, t.e.UID = t.u.GetName(), t.u.GetNamespace(), t.u.GetUID()
	t.e.APIVersion, t.e.Kind = t.u.GetAPIVersion(), t.u.GetKind()
	t.e.Annotations, t.e.Labels, t.e.Generation = t.u.GetAnnotations(), t.u.GetLabels(), t.u.GetGeneration()
	t.e.CreationTimestamp = t.u.GetCreationTimestamp()
	t.wrong = into(t.u.Object["spec"], &t.e.Spec)
	if err := into(t.u.Object["status"], &t.e.Status); err != nil {
		t.e.Status = api.ExperimentStatus{}
	}
	name(&t.e)
	t.before = *t.e.Status.DeepCopy()
}

// into decodes a part of an unstructured object.
func into(part, to any) error {
	if part == nil {
		return nil
	}
	text, err := json.Marshal(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, to)
}

func (t *turn) key() types.NamespacedName { return client.ObjectKeyFromObject(t.u) }

// do makes the turn, and says when the next is due. Every step writes what it
// came to before the next begins, so that one who dies in between goes on where
// it was.
func (t *turn) do(ctx context.Context) (time.Duration, error) {
	if t.e.Status.InitTime == nil {
		t.e.Status = iter8.Begin(&t.e, t.now)
		if err := t.write(ctx); err != nil {
			return 0, err
		}
	}
	if t.is(api.Completed) {
		return 0, nil
	}
	if !t.is(api.TargetAcquired) {
		if err := t.readable(); err != nil {
			return 0, t.refuse(ctx, err)
		}
		acquired, err := t.acquire(ctx)
		if err != nil || !acquired {
			return seldom, err
		}
	}
	if !t.prepared() {
		if after, err := t.start(ctx); err != nil || after > 0 {
			return after, err
		}
		if ready, err := t.prepare(ctx); err != nil || !ready {
			return again, err
		}
	}
	return t.run(ctx)
}

// readable is what is wrong before a target is even asked for. What a start action
// has still to fill in is not.
func (t *turn) readable() error {
	if t.wrong == nil && t.e.Spec.VersionInfo == nil {
		_, err := iter8.Start(&t.e)
		return err
	}
	return t.valid()
}

// valid is what is wrong when the experiment begins.
func (t *turn) valid() error {
	if t.wrong != nil {
		return unreadable(t.wrong)
	}
	return iter8.Validate(&t.e)
}

// prepared reports whether the metrics were read that the experiment goes by.
func (t *turn) prepared() bool { return t.e.Status.VersionRecommendedForPromotion != nil }
