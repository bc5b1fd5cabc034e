// SPDX-License-Identifier: Apache-2.0

package owner

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/jsonpath"

	api "github.com/headgate-dev/headgate/api/iter8"
)

// weights reads what the cluster holds: the versions that have a reference, the
// baseline first, and then the one without, if there is one alone.
func (r *Reconciler) weights(ctx context.Context, e *api.Experiment) ([]api.WeightData, error) {
	info := e.Spec.VersionInfo
	versions := append([]api.VersionDetail{info.Baseline}, info.Candidates...)
	var out []api.WeightData
	var without []string
	left := int32(100)
	for _, v := range versions {
		if v.WeightObjRef == nil {
			without = append(without, v.Name)
			continue
		}
		n, err := r.weight(ctx, v.WeightObjRef, e.Namespace)
		if err != nil {
			return nil, err
		}
		out = append(out, api.WeightData{Name: v.Name, Value: n})
		left -= n
	}
	switch {
	case len(without) == 1:
		out = append(out, api.WeightData{Name: without[0], Value: left})
	case len(without) > 1 && e.Spec.Strategy.DeploymentPattern != api.FixedSplit:
		return nil, badRef("%d versions have none", len(without))
	}
	return out, nil
}

func badRef(format string, args ...any) error {
	return invalid("Specification of version weightObjectRef invalid: "+format, args...)
}

// weight reads the field that a reference names.
func (r *Reconciler) weight(ctx context.Context, ref *corev1.ObjectReference, namespace string) (int32, error) {
	u := &unstructured.Unstructured{}
	u.SetAPIVersion(ref.APIVersion)
	u.SetKind(ref.Kind)
	key := types.NamespacedName{Namespace: cmp.Or(ref.Namespace, namespace), Name: ref.Name}
	switch err := r.Live.Get(ctx, key, u); {
	case apierrors.IsNotFound(err) || meta.IsNoMatchError(err):
		return 0, badRef("there is no %s %s", ref.Kind, key)
	case err != nil:
		return 0, fmt.Errorf("read %s %s: %w", ref.Kind, key, err)
	}
	path := jsonpath.New("weight")
	if err := path.Parse("{" + ref.FieldPath + "}"); err != nil {
		return 0, badRef("fieldPath %q: %v", ref.FieldPath, err)
	}
	var found strings.Builder
	if err := path.Execute(&found, u.Object); err != nil {
		return 0, badRef("fieldPath %q of %s %s: %v", ref.FieldPath, ref.Kind, key, err)
	}
	n, err := strconv.ParseInt(found.String(), 10, 32)
	if err != nil {
		return 0, badRef("fieldPath %q of %s %s is %q, want a whole number", ref.FieldPath, ref.Kind, key, found.String())
	}
	return int32(n), nil
}
