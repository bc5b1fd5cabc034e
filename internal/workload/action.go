// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Key is what an action is done once by: the experiment and its transition.
type Key struct {
	UID        types.UID
	Transition int
}

// String writes the key as annotations hold it.
func (k Key) String() string { return fmt.Sprintf("%s/%d", k.UID, k.Transition) }

// Progress is how an action stands.
type Progress struct {
	Done bool
	// Why says what is missing, or what was left as it is.
	Why string
}

// Copy makes one Deployment's pods a copy of another's and says whether all of
// its replicas are. It writes once for a key: a template that somebody changes
// back is not written again, but waited for.
func (c *Cluster) Copy(ctx context.Context, key Key, namespace, from, to string) (Progress, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*requestTimeout)
	defer cancel()
	source, err := c.get(ctx, types.NamespacedName{Namespace: namespace, Name: from})
	if err != nil {
		return Progress{}, err
	}
	target, err := c.get(ctx, types.NamespacedName{Namespace: namespace, Name: to})
	if err != nil {
		return Progress{}, err
	}
	want, err := source.template()
	if err != nil {
		return Progress{}, err
	}
	have, err := target.template()
	if err != nil {
		return Progress{}, err
	}
	var before copied
	written := target.note(AnnotationCopied, &before) && before.Key == key.String()
	switch {
	case !written:
		if err := overwrite(target, key, want, have, max(target.replicas(), source.replicas())); err != nil {
			return Progress{}, err
		}
		if err := c.update(ctx, target); err != nil {
			return Progress{}, err
		}
		return Progress{Why: "it was written just now"}, nil
	case !have.equal(want):
		return Progress{Why: fmt.Sprintf("the pod templates of Deployments %s and %s differ, though one was copied over the other: "+
			"whoever changed one of them (a GitOps tool?) has to make them the same, or the experiment be aborted", to, from)}, nil
	}
	why := target.rolledOut()
	return Progress{Done: why == "", Why: why}, nil
}

// overwrite makes a Deployment a copy, and notes what it was: nothing else where
// it is the same already, but for what this experiment noted before.
func overwrite(target deployment, key Key, want, have template, replicas int64) error {
	hash, err := want.hash()
	if err != nil {
		return err
	}
	var note any
	var earlier copied
	switch {
	case !have.equal(want):
		note = replaced{Template: have}
	case target.note(AnnotationCopied, &earlier) && of(earlier.Key, key.UID):
		note = target.kept()
	}
	if err := target.annotate(AnnotationReplaced, note); err != nil {
		return err
	}
	if err := target.annotate(AnnotationCopied, copied{Key: key.String(), Template: hash}); err != nil {
		return err
	}
	if err := target.setReplicas(replicas); err != nil {
		return experiment.Errorf(experiment.CodeInvalid, "Deployment %s: spec.replicas: %w", target.GetName(), err)
	}
	if err := target.setTemplate(want); err != nil {
		return experiment.Errorf(experiment.CodeInvalid, "Deployment %s: spec.template: %w", target.GetName(), err)
	}
	return nil
}

// Retire scales a Deployment to no replicas, or deletes it. One that was made
// after since, when this was asked for, is another and is left alone.
func (c *Cluster) Retire(ctx context.Context, key Key, namespace, name string, how experiment.Loser, since time.Time) (Progress, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*requestTimeout)
	defer cancel()
	at := types.NamespacedName{Namespace: namespace, Name: name}
	d, err := c.get(ctx, at)
	switch {
	case experiment.CodeOf(err) == experiment.CodeNotFound:
		return Progress{Done: true, Why: "it is gone"}, nil
	case err != nil:
		return Progress{}, err
	case d.GetCreationTimestamp().After(since):
		return Progress{Done: true, Why: "it was made anew meanwhile, and is left as it is"}, nil
	}
	if how == experiment.LoserDelete {
		uid, version := d.GetUID(), d.GetResourceVersion()
		err := c.writes.Delete(ctx, d.Unstructured, client.Preconditions{UID: &uid, ResourceVersion: &version}, client.PropagationPolicy("Background"))
		return Progress{Done: err == nil}, failure(err, "delete", at)
	}
	var before retired
	if d.note(AnnotationRetired, &before) && before.Key == key.String() {
		return Progress{Done: true}, nil
	}
	if err := d.annotate(AnnotationRetired, retired{Key: key.String(), Replicas: d.replicas()}); err != nil {
		return Progress{}, err
	}
	if err := d.setReplicas(0); err != nil {
		return Progress{}, experiment.Errorf(experiment.CodeInvalid, "Deployment %s: spec.replicas: %w", name, err)
	}
	err = c.update(ctx, d)
	return Progress{Done: err == nil}, err
}

// Restore puts a Deployment back where it was before this experiment copied over
// it or scaled it down. What somebody changed since is left as it is.
func (c *Cluster) Restore(ctx context.Context, uid types.UID, namespace, name string) (Progress, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*requestTimeout)
	defer cancel()
	d, err := c.get(ctx, types.NamespacedName{Namespace: namespace, Name: name})
	if experiment.CodeOf(err) == experiment.CodeNotFound {
		return Progress{Done: true, Why: "it is gone, and nothing of it is left to bring back"}, nil
	}
	if err != nil {
		return Progress{}, err
	}
	left, changed, err := restore(d, uid)
	if err != nil {
		return Progress{}, err
	}
	if changed {
		if err := c.update(ctx, d); err != nil {
			return Progress{}, err
		}
	}
	return Progress{Done: true, Why: left}, nil
}

// restore undoes what the annotations tell of; left says what it did not undo.
func restore(d deployment, uid types.UID) (left string, changed bool, err error) {
	var scaled retired
	if d.note(AnnotationRetired, &scaled) && of(scaled.Key, uid) {
		changed = true
		if d.replicas() == 0 {
			if err := d.setReplicas(scaled.Replicas); err != nil {
				return "", false, experiment.Errorf(experiment.CodeInvalid, "Deployment %s: spec.replicas: %w", d.GetName(), err)
			}
		}
	}
	var over copied
	if d.note(AnnotationCopied, &over) && of(over.Key, uid) {
		changed = true
		if left, err = unwrite(d, over); err != nil {
			return "", false, err
		}
	}
	for _, name := range []string{AnnotationRetired, AnnotationCopied, AnnotationReplaced, AnnotationServed} {
		if changed {
			if err := d.annotate(name, nil); err != nil {
				return "", false, err
			}
		}
	}
	return left, changed, nil
}

// unwrite puts back what a copy replaced, if the copy is what stands there. The
// replicas stay: the traffic comes back.
func unwrite(d deployment, over copied) (left string, err error) {
	have, err := d.template()
	if err != nil {
		return "", err
	}
	hash, err := have.hash()
	if err != nil {
		return "", err
	}
	var was replaced
	switch {
	case !d.note(AnnotationReplaced, &was): // It was the same before.
		return "", nil
	case hash != over.Template:
		return "its pod template was changed since it was copied, and is left as it is", nil
	}
	if err := d.setTemplate(was.Template); err != nil {
		return "", experiment.Errorf(experiment.CodeInvalid, "Deployment %s: spec.template: %w", d.GetName(), err)
	}
	return "", nil
}

// of reports whether a key is of an experiment.
func of(key string, uid types.UID) bool {
	return len(key) > len(uid) && key[:len(uid)] == string(uid) && key[len(uid)] == '/'
}
