// SPDX-License-Identifier: Apache-2.0

package owner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	api "github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/internal/iter8"
)

// prepare reads what the experiment is begun with, the metrics and the weights,
// and keeps it in the status; in the same write, where a start action has filled
// in the versions, that it has. It reports whether the experiment may begin.
func (t *turn) prepare(ctx context.Context) (bool, error) {
	err := t.valid()
	var metrics []api.MetricInfo
	if err == nil {
		metrics, err = t.r.metrics(ctx, &t.e)
	}
	if err == nil {
		t.e.Status.Metrics = metrics
		_, err = t.wanted(t.filledIn)
	}
	var weights []api.WeightData
	if err == nil {
		weights, err = t.r.weights(ctx, &t.e)
	}
	if _, unfit := errors.AsType[*iter8.Problem](err); unfit {
		return false, t.refuse(ctx, err)
	}
	if err != nil {
		t.hinder(sentence(err))
		return false, t.write(ctx)
	}
	if t.filledIn {
		t.e.Status = iter8.Started(&t.e, t.now)
	}
	t.e.Status.CurrentWeightDistribution = weights
	t.e.Status.VersionRecommendedForPromotion = &t.e.Spec.VersionInfo.Baseline.Name
	return true, t.write(ctx)
}

// metrics reads the metrics that an experiment names, and those that these name.
// One that is not there, or is none, is a Problem; any other error may pass.
func (r *Reconciler) metrics(ctx context.Context, e *api.Experiment) ([]api.MetricInfo, error) {
	var passing error
	out, err := iter8.Gather(e, func(ref iter8.Ref) (*api.Metric, error) {
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(api.GroupVersion().WithKind(api.KindMetric))
		switch err := r.Live.Get(ctx, types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name}, u); {
		case apierrors.IsNotFound(err) || meta.IsNoMatchError(err):
			return nil, nil
		case err != nil:
			passing = fmt.Errorf("read the metric %s: %w", ref, err)
			return nil, passing
		}
		m := &api.Metric{}
		return m, into(u.Object["spec"], &m.Spec)
	})
	return out, cmp.Or(passing, err)
}

// name gives the metrics in the status the names that they have: a schema of the
// cluster's may drop what an object inside of an object is called.
func name(e *api.Experiment) {
	for i := range e.Status.Metrics {
		info := &e.Status.Metrics[i]
		info.MetricObj.Namespace, info.MetricObj.Name = e.Namespace, info.Name
		if namespace, name, ok := strings.Cut(info.Name, "/"); ok {
			info.MetricObj.Namespace, info.MetricObj.Name = namespace, name
		}
	}
}
