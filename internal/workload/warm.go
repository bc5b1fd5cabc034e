// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Warm says why a version that lost its traffic could not take it back with as
// many ready replicas as it served with; empty where it could. What it served
// with is noted in its Deployment when this is first asked for a key; an
// autoscaler that shrinks it later does not change that.
func (c *Cluster) Warm(ctx context.Context, key Key, namespace, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	at := types.NamespacedName{Namespace: namespace, Name: name}
	d, err := c.cachedDeployment(ctx, at)
	if err != nil {
		if experiment.CodeOf(err) == experiment.CodeNotFound {
			return fmt.Sprintf("Deployment %s is gone: nothing can take the traffic back", at), nil
		}
		return "", err
	}
	var had served
	if json.Unmarshal([]byte(d.Annotations[AnnotationServed]), &had) != nil || had.Key != key.String() {
		return "", c.note(ctx, key, d)
	}
	if ready := int64(d.Status.ReadyReplicas); ready < had.Ready {
		return fmt.Sprintf("Deployment %s has %d ready replicas, and served with %d", at, ready, had.Ready), nil
	}
	return "", nil
}

// note writes how many replicas are ready. It patches what nobody else owns, so
// it takes no part in others' conflicts.
func (c *Cluster) note(ctx context.Context, key Key, d *appsv1.Deployment) error {
	text, err := json.Marshal(served{Key: key.String(), Ready: int64(d.Status.ReadyReplicas)})
	if err != nil {
		return experiment.Errorf(experiment.CodeInternal, "write annotation %s: %w", AnnotationServed, err)
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{AnnotationServed: string(text)}}})
	if err != nil {
		return experiment.Errorf(experiment.CodeInternal, "write a patch: %w", err)
	}
	to := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: d.Namespace, Name: d.Name}}
	err = c.writes.Patch(ctx, to, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(FieldManager))
	return failure(err, "patch", client.ObjectKeyFromObject(to))
}
