// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/iter8/owner"
)

// Iter8 says whether the experiments of iter8.tools are run.
type Iter8 string

// Where it is left open, they are run if the cluster knew the kinds when the
// controller started.
const (
	Iter8Auto Iter8 = "auto"
	Iter8On   Iter8 = "on"
	Iter8Off  Iter8 = "off"
)

// Set is a flag's.
func (i *Iter8) Set(text string) error {
	switch Iter8(text) {
	case Iter8Auto, Iter8On, Iter8Off:
		*i = Iter8(text)
		return nil
	case "true":
		*i = Iter8On
		return nil
	case "false":
		*i = Iter8Off
		return nil
	}
	return errors.New("want auto, on or off")
}

// String is a flag's.
func (i *Iter8) String() string { return string(*i) }

// Type is a flag's.
func (i *Iter8) Type() string { return "auto|on|off" }

// runsIter8 reports whether Iter8's experiments are run.
func runsIter8(m manager.Manager, wish Iter8) (bool, error) {
	if wish == Iter8Off {
		return false, nil
	}
	_, err := m.GetRESTMapper().RESTMapping(owner.Kind.GroupKind(), owner.Kind.Version)
	switch {
	case err == nil:
		return true, nil
	case !meta.IsNoMatchError(err):
		return false, experiment.Errorf(experiment.CodeUnavailable, "ask the cluster for %s: %w", owner.Kind.GroupKind(), err)
	case wish == Iter8On:
		return false, experiment.Errorf(experiment.CodeInvalid, "the cluster does not know %s", owner.Kind.GroupKind()).
			WithHint("install the CRDs: kubectl apply -k config/iter8; or leave --iter8 out")
	}
	return false, nil
}

// addIter8 runs Iter8's experiments beside the native ones, if it is wished and
// the cluster has them.
func addIter8(m manager.Manager, o *Options, records owner.Records) error {
	runs, err := runsIter8(m, o.Iter8)
	if err != nil || !runs {
		return err
	}
	unstructuredToo, err := client.New(m.GetConfig(), client.Options{
		HTTPClient: m.GetHTTPClient(), Scheme: m.GetScheme(), Mapper: m.GetRESTMapper(),
		Cache: &client.CacheOptions{Reader: m.GetCache(), Unstructured: true},
	})
	if err != nil {
		return fmt.Errorf("make a client for Iter8's experiments: %w", err)
	}
	r := owner.New(owner.Options{
		Client: unstructuredToo, Live: m.GetAPIReader(), Records: records, Events: m.GetEventRecorder("iter8"),
		Namespaces: o.Namespaces, Shard: o.Shard, Shards: o.Shards,
	})
	c, err := controller.New("iter8", m, controller.Options{
		Reconciler: r, MaxConcurrentReconciles: 4,
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry),
	})
	if err != nil {
		return err
	}
	return watchIter8(m, c, r)
}

// watchIter8 has an experiment of Iter8's have a turn when it changes, when its
// native one or that one's record does, and when its target becomes free.
func watchIter8(m manager.Manager, c controller.Controller, r *owner.Reconciler) error {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(owner.Kind)
	own := &handler.TypedEnqueueRequestForObject[*unstructured.Unstructured]{}
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	freed := func(ctx context.Context, o *unstructured.Unstructured, q queue) {
		for _, request := range r.Waiting(ctx, o) {
			q.Add(request)
		}
	}
	waiting := handler.TypedFuncs[*unstructured.Unstructured, reconcile.Request]{
		UpdateFunc: func(ctx context.Context, e event.TypedUpdateEvent[*unstructured.Unstructured], q queue) {
			if owner.Ended(e.ObjectNew) && !owner.Ended(e.ObjectOld) {
				freed(ctx, e.ObjectNew, q)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.TypedDeleteEvent[*unstructured.Unstructured], q queue) {
			freed(ctx, e.Object, q)
		},
	}
	native := handler.TypedEnqueueRequestsFromMapFunc(func(_ context.Context, e *kube.Experiment) []reconcile.Request {
		name, ok := owner.Owned(e)
		if !ok {
			return nil
		}
		return []reconcile.Request{{NamespacedName: name}}
	})
	record := &metav1.PartialObjectMetadata{}
	record.SetGroupVersionKind(kube.GroupVersion().WithKind(kube.KindExperimentRecord))
	recorded := handler.TypedEnqueueRequestsFromMapFunc(func(ctx context.Context, o *metav1.PartialObjectMetadata) []reconcile.Request {
		name := types.NamespacedName{Namespace: o.Namespace, Name: o.Name}
		if !r.Watched(ctx, name) {
			return nil
		}
		return []reconcile.Request{{NamespacedName: name}}
	})
	return errors.Join(
		c.Watch(source.Kind(m.GetCache(), u, own)),
		c.Watch(source.Kind(m.GetCache(), u, handler.TypedEventHandler[*unstructured.Unstructured, reconcile.Request](waiting))),
		c.Watch(source.Kind(m.GetCache(), &kube.Experiment{}, native)),
		c.Watch(source.Kind(m.GetCache(), record, recorded)),
	)
}
