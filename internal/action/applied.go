// SPDX-License-Identifier: Apache-2.0

package action

import (
	"context"
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// lastApplied is where kubectl apply keeps what was applied last.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// supersede takes away what kubectl applied before and the manifest does not say
// any more: a server-side apply leaves that alone, since it was never its own.
// Without this a service whose shares somebody applied would keep them when it is
// promoted by a manifest without. live is the object as it is now.
func (a *actor) supersede(ctx context.Context, p *place, manifest, live *unstructured.Unstructured) error {
	if live == nil || live.GetAnnotations()[lastApplied] == "" {
		return nil
	}
	var before map[string]any
	if err := json.Unmarshal([]byte(live.GetAnnotations()[lastApplied]), &before); err != nil {
		return nil // It is no note of kubectl's.
	}
	now, err := json.Marshal(manifest.Object)
	if err != nil {
		return hopeless(invalid("write %s as JSON: %w", p, err))
	}
	patch := dropped(content(before), content(manifest.Object), content(live.Object))
	if len(patch) == 0 {
		return nil
	}
	// kubectl is told, or it would look for what is gone.
	metadata, _ := patch["metadata"].(map[string]any)
	if metadata == nil {
		metadata = map[string]any{}
		patch["metadata"] = metadata
	}
	annotations, _ := metadata["annotations"].(map[string]any)
	if annotations == nil {
		annotations = map[string]any{}
		metadata["annotations"] = annotations
	}
	annotations[lastApplied] = string(now)
	body, err := json.Marshal(patch)
	if err != nil {
		return hopeless(invalid("write the patch of %s as JSON: %w", p, err))
	}
	_, err = p.resource.Patch(ctx, p.name, types.MergePatchType, body, metav1.PatchOptions{FieldManager: FieldManager})
	return a.failure(err, "patch", p, "")
}

// content is what people say of an object: not its status, and of its metadata
// labels and annotations alone, without kubectl's note.
func content(o map[string]any) map[string]any {
	out := map[string]any{}
	for key, value := range o {
		if key != "status" && key != "metadata" {
			out[key] = value
		}
	}
	metadata, _ := o["metadata"].(map[string]any)
	kept := map[string]any{}
	for _, key := range []string{"labels", "annotations"} {
		values := map[string]any{}
		from, _ := metadata[key].(map[string]any)
		for k, v := range from {
			if k != lastApplied {
				values[k] = v
			}
		}
		kept[key] = values
	}
	out["metadata"] = kept
	return out
}

// dropped is the merge patch that takes away what was said before, is there, and
// is not said any more. Lists are wholes.
func dropped(before, now, live map[string]any) map[string]any {
	out := map[string]any{}
	for key, old := range before {
		there, is := live[key]
		said, still := now[key]
		switch {
		case !is:
		case !still:
			out[key] = nil
		default:
			x, y, z := mapOf(old), mapOf(said), mapOf(there)
			if x == nil || y == nil || z == nil {
				continue
			}
			if inner := dropped(x, y, z); len(inner) > 0 {
				out[key] = inner
			}
		}
	}
	return out
}

func mapOf(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}
