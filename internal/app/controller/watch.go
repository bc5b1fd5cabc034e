// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/headgate-dev/headgate/api/kube"
)

// watches turns changes in the cluster into turns of experiments.
type watches struct {
	manager    manager.Manager
	controller controller.Controller
	routeOf    func(kind schema.GroupKind, name types.NamespacedName) (types.NamespacedName, bool)

	mu    sync.Mutex
	kinds map[schema.GroupVersionKind]bool
}

// experiments watches Experiments. Their status is the controller's own work:
// its changes ask for nothing.
func (w *watches) experiments(context.Context) error {
	changed := predicate.TypedFuncs[*kube.Experiment]{
		UpdateFunc: func(e event.TypedUpdateEvent[*kube.Experiment]) bool {
			return e.ObjectOld.Generation != e.ObjectNew.Generation || e.ObjectOld.DeletionTimestamp.IsZero() != e.ObjectNew.DeletionTimestamp.IsZero()
		},
	}
	return w.controller.Watch(source.Kind(w.manager.GetCache(), &kube.Experiment{}, &handler.TypedEnqueueRequestForObject[*kube.Experiment]{}, changed))
}

// watch watches the routes of a kind, once.
func (w *watches) watch(kind schema.GroupVersionKind) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.kinds[kind] || kind == configMap {
		return nil // ConfigMaps are looked at, turn by turn.
	}
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(kind)
	owner := handler.TypedEnqueueRequestsFromMapFunc(func(_ context.Context, o *unstructured.Unstructured) []reconcile.Request {
		name, ok := w.routeOf(kind.GroupKind(), client.ObjectKeyFromObject(o))
		if !ok {
			return nil
		}
		return []reconcile.Request{{NamespacedName: name}}
	})
	if err := w.controller.Watch(source.Kind(w.manager.GetCache(), u, owner)); err != nil {
		return err
	}
	if w.kinds == nil {
		w.kinds = make(map[schema.GroupVersionKind]bool)
	}
	w.kinds[kind] = true
	return nil
}
