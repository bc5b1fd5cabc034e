// SPDX-License-Identifier: Apache-2.0

package action

import (
	"bytes"
	"context"
	"encoding/json"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Annotation holds, on objects that must not be changed twice, the key of the
// action that changed them last.
const Annotation = "headgate.dev/action"

// patch patches an object. A merge is the same when it is done again; a JSON
// patch need not be, so it leaves the action's key with the object.
func (r *Runner) patch(ctx context.Context, j *job, a *experiment.PatchAction) (result, error) {
	as, err := r.acting(&j.owner)
	if err != nil {
		return result{}, err
	}
	body, err := yaml.YAMLToJSONStrict([]byte(a.Patch))
	if err != nil {
		return result{}, hopeless(invalid("the patch is no YAML: %w", err))
	}
	p, err := as.find(ctx, a.Object, "")
	if err != nil {
		return result{}, err
	}
	kind := types.MergePatchType
	if a.Type == "json" {
		kind = types.JSONPatchType
		if body, err = as.once(ctx, p, body, j.task.Key); err != nil || body == nil {
			return result{why: "it was done before"}, err
		}
	} else if !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		return result{}, hopeless(invalid("a merge patch is an object, as in spec: {replicas: 3}"))
	}
	_, err = p.resource.Patch(ctx, p.name, kind, body, metav1.PatchOptions{FieldManager: FieldManager})
	return result{}, as.failure(err, "patch", p, "")
}

// once makes a JSON patch one that is done once: it looks at the object's
// annotation before and writes it along, provided that the object is still the
// one that was looked at. Nil is one that was done before.
func (a *actor) once(ctx context.Context, p *place, patch []byte, key string) ([]byte, error) {
	var steps []map[string]any
	if err := json.Unmarshal(patch, &steps); err != nil {
		return nil, hopeless(invalid("a JSON patch is a list, as in [{op: replace, path: /spec/replicas, value: 3}]"))
	}
	o, err := p.resource.Get(ctx, p.name, metav1.GetOptions{})
	if err != nil {
		return nil, a.failure(err, "get", p, "")
	}
	annotations := o.GetAnnotations()
	if annotations[Annotation] == key {
		return nil, nil
	}
	note := map[string]any{"op": "add", "path": "/metadata/annotations/headgate.dev~1action", "value": key}
	if annotations == nil {
		note["path"], note["value"] = "/metadata/annotations", map[string]any{Annotation: key}
	}
	same := map[string]any{"op": "test", "path": "/metadata/resourceVersion", "value": o.GetResourceVersion()}
	return json.Marshal(append([]map[string]any{same}, append(steps, note)...))
}

// delete deletes an object; one that is gone is done.
func (r *Runner) delete(ctx context.Context, j *job, o *experiment.ObjectRef) (result, error) {
	as, err := r.acting(&j.owner)
	if err != nil {
		return result{}, err
	}
	p, err := as.find(ctx, *o, "")
	if err != nil {
		return result{}, err
	}
	background := metav1.DeletePropagationBackground
	err = p.resource.Delete(ctx, p.name, metav1.DeleteOptions{PropagationPolicy: &background})
	if apierrors.IsNotFound(err) {
		return result{why: p.String() + " is gone"}, nil
	}
	return result{}, as.failure(err, "delete", p, "")
}

// scale sets the replicas of an object.
func (r *Runner) scale(ctx context.Context, j *job, a *experiment.ScaleAction) (result, error) {
	as, err := r.acting(&j.owner)
	if err != nil {
		return result{}, err
	}
	p, err := as.find(ctx, a.Object, "")
	if err != nil {
		return result{}, err
	}
	body, err := json.Marshal(map[string]any{"spec": map[string]any{"replicas": a.Replicas}})
	if err != nil {
		return result{}, hopeless(invalid("replicas: %w", err))
	}
	_, err = p.resource.Patch(ctx, p.name, types.MergePatchType, body, metav1.PatchOptions{FieldManager: FieldManager}, "scale")
	return result{}, as.failure(err, "patch", p, "scale")
}
