// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/translate"
)

// metricsTimeout bounds the reading of all reusable metrics of an experiment.
const metricsTimeout = 2 * time.Second

// library reads reusable metrics from the API server, in whatever namespace its
// reader may read them.
type library struct{ reader client.Reader }

// lack is why a reusable metric could not be had.
type lack struct {
	message, hint string
	passing       bool
}

// plan reads an experiment, written as JSON, with the reusable metrics that it
// refers to. An error is a refusal, unless the validator itself failed.
func (l library) plan(ctx context.Context, written []byte, namespace string, metrics []v1alpha1.Metric) (*experiment.Plan, error) {
	documents, lacks := l.read(ctx, refs(namespace, metrics))
	p, err := translate.Plan(written, documents...)
	if err == nil {
		return p, nil
	}
	where := map[string]lack{}
	for i, m := range metrics {
		if m.Ref == nil {
			continue
		}
		if why, ok := lacks[keyOf(namespace, m.Ref)]; ok {
			where[fmt.Sprintf("spec.metrics[%d].ref.name", i)] = why
		}
	}
	return nil, asObject(err, func(p *translate.Problem) (lacking, passing bool) {
		why, ok := where[p.Path]
		if ok {
			p.Message, p.Hint = cmp.Or(why.message, p.Message), why.hint
		}
		return ok, why.passing
	})
}

// keyOf is where the object is that an experiment of a namespace refers to.
func keyOf(namespace string, r *v1alpha1.MetricRef) types.NamespacedName {
	return types.NamespacedName{Namespace: cmp.Or(r.Namespace, namespace), Name: r.Name}
}

// refs are the reusable metrics that metrics refer to, each once.
func refs(namespace string, metrics []v1alpha1.Metric) []types.NamespacedName {
	var keys []types.NamespacedName
	for _, m := range metrics {
		if m.Ref != nil && m.Ref.Name != "" && !slices.Contains(keys, keyOf(namespace, m.Ref)) {
			keys = append(keys, keyOf(namespace, m.Ref))
		}
	}
	return keys
}

// read gives the documents of those that are there, and why the others are not.
func (l library) read(ctx context.Context, keys []types.NamespacedName) ([][]byte, map[types.NamespacedName]lack) {
	ctx, cancel := context.WithTimeout(ctx, metricsTimeout)
	defer cancel()
	var documents [][]byte
	lacks := map[types.NamespacedName]lack{}
	for _, key := range keys {
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(kube.GroupVersion().WithKind(kube.KindMetric))
		err := l.reader.Get(ctx, key, u)
		if err == nil {
			u.SetManagedFields(nil)
			var document []byte
			if document, err = u.MarshalJSON(); err == nil {
				documents = append(documents, document)
				continue
			}
		}
		lacks[key] = lackOf(key, err)
	}
	return documents, lacks
}

// lackOf says why a reusable metric could not be had, and what to do.
func lackOf(key types.NamespacedName, err error) lack {
	switch {
	case apierrors.IsNotFound(err) && !meta.IsNoMatchError(err):
		return lack{hint: fmt.Sprintf("apply it to the cluster: kind: Metric, metadata: {name: %s, namespace: %s}; then the experiment goes on by itself", key.Name, key.Namespace)}
	case meta.IsNoMatchError(err):
		return lack{message: "the cluster does not know the kind Metric", hint: "install the CRDs of Headgate"}
	case apierrors.IsForbidden(err):
		return lack{
			message: "the controller may not read it",
			hint:    fmt.Sprintf(`allow it in a Role in namespace %s: {apiGroups: ["%s"], resources: ["metrics"], verbs: ["get"]}`, key.Namespace, kube.GroupVersion().Group),
		}
	}
	return lack{message: "it cannot be read: " + strings.Join(strings.Fields(err.Error()), " "), hint: "it is tried again", passing: true}
}
