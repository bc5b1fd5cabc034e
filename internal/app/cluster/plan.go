// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/translate"
)

// PlanOf reads an experiment's spec, with the reusable metrics that it refers
// to.
func (c *Client) PlanOf(ctx context.Context, obj *kube.Experiment) (*experiment.Plan, error) {
	written, err := obj.Text()
	if err != nil {
		return nil, err
	}
	var more [][]byte
	for _, namespace := range metricNamespaces(obj) {
		found, err := c.metrics(ctx, namespace)
		if err != nil {
			return nil, err
		}
		more = append(more, found...)
	}
	return translate.Plan(written, more...)
}

// metricNamespaces are those of the Metric objects that a spec refers to.
func metricNamespaces(obj *kube.Experiment) []string {
	var out []string
	for _, m := range obj.Spec.Metrics {
		if m.Ref == nil {
			continue
		}
		namespace := m.Ref.Namespace
		if namespace == "" {
			namespace = obj.Namespace
		}
		if !slices.Contains(out, namespace) {
			out = append(out, namespace)
		}
	}
	return out
}

func (c *Client) metrics(ctx context.Context, namespace string) ([][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var list kube.MetricList
	if err := c.Live.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return nil, Failure("list metrics of "+namespace, err)
	}
	var out [][]byte
	for i := range list.Items {
		m := &list.Items[i]
		m.APIVersion, m.Kind, m.ManagedFields = kube.GroupVersion().String(), kube.KindMetric, nil
		text, err := json.Marshal(m)
		if err != nil {
			return nil, experiment.Errorf(experiment.CodeInternal, "write a metric as JSON: %w", err)
		}
		out = append(out, text)
	}
	return out, nil
}

// wayBack is a plan that is good enough to take the traffic back by: the
// record's, else the spec's, else what the spec says of versions and route
// alone, whatever is wrong with the rest of it.
func (c *Client) wayBack(ctx context.Context, key types.NamespacedName) (*experiment.Plan, error) {
	plan, err := c.records.Plan(ctx, key.String())
	if err == nil {
		return plan, nil
	}
	obj, err := c.Find(ctx, key.String())
	if err != nil {
		return nil, err
	}
	if plan, err = c.PlanOf(ctx, obj); err == nil {
		return plan, nil
	}
	return bones(obj), nil // Whether it is enough is for its router to say.
}

// bones is what a spec says of versions and route. Nobody has validated it; its
// router looks at all that it uses.
func bones(obj *kube.Experiment) *experiment.Plan {
	p := &experiment.Plan{Namespace: obj.Namespace, Name: obj.Name}
	for _, v := range obj.Spec.Versions {
		p.Versions = append(p.Versions, experiment.Version{Name: v.Name, Backend: v.Backend, Workload: v.Workload})
	}
	in := &obj.Spec.Traffic
	if g := in.Gateway; g != nil {
		p.Router.Map = g.Name
	}
	if r := in.VirtualService; r != nil {
		p.Router.VirtualService = &experiment.RouteObject{Namespace: cmp.Or(r.Namespace, obj.Namespace), Name: r.Name, Routes: r.Routes}
	}
	if r := in.HTTPRoute; r != nil {
		p.Router.HTTPRoute = &experiment.RouteObject{Namespace: cmp.Or(r.Namespace, obj.Namespace), Name: r.Name, Routes: r.Rules}
	}
	for _, f := range in.Fields {
		v := slices.IndexFunc(obj.Spec.Versions, func(v v1alpha1.Version) bool { return v.Name == f.Version })
		if v < 0 {
			continue // Of a version that is not there.
		}
		p.Router.Fields = append(p.Router.Fields, experiment.ShareField{
			Version: v, APIVersion: f.APIVersion, Kind: f.Kind, Namespace: cmp.Or(f.Namespace, obj.Namespace), Name: f.Name, Path: f.Path,
		})
	}
	return p
}
