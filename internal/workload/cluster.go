// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"context"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// FieldManager is the name under which Deployments are changed.
const FieldManager = "headgate-workload"

// requestTimeout bounds each request: an experiment's turn has other things to
// do.
const requestTimeout = 5 * time.Second

// Cluster reads and changes Deployments.
type Cluster struct {
	cached client.Reader
	live   client.Reader
	writes client.Writer
}

// New makes a Cluster: cached is asked again and again, and may be late; live
// asks the API server.
func New(cached, live client.Reader, writes client.Writer) *Cluster {
	return &Cluster{cached: cached, live: live, writes: writes}
}

// Ready says of each version whether its Deployment has a replica that is
// available, as its controller last saw the newest spec. A version that names no
// Deployment is ready; one whose Deployment is absent, or cannot be read, is not,
// and the first such error says why. Nil is a plan in which nobody names one.
func (c *Cluster) Ready(ctx context.Context, namespace string, versions []experiment.Version) ([]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var ready []bool
	var failed error
	for i, v := range versions {
		if v.Workload == "" {
			continue
		}
		if ready == nil {
			ready = make([]bool, len(versions))
			for k := range ready {
				ready[k] = versions[k].Workload == ""
			}
		}
		d, err := c.cachedDeployment(ctx, types.NamespacedName{Namespace: namespace, Name: v.Workload})
		if err != nil {
			if failed == nil {
				failed = err
			}
			continue
		}
		ready[i] = d.Status.AvailableReplicas >= 1 && d.Status.ObservedGeneration >= d.Generation
	}
	return ready, failed
}

func (c *Cluster) cachedDeployment(ctx context.Context, key types.NamespacedName) (*appsv1.Deployment, error) {
	var d appsv1.Deployment
	if err := c.cached.Get(ctx, key, &d); err != nil {
		return nil, failure(err, "get", key)
	}
	return &d, nil
}

// get reads a Deployment from the API server, with all its fields.
func (c *Cluster) get(ctx context.Context, key types.NamespacedName) (deployment, error) {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind("Deployment"))
	if err := c.live.Get(ctx, key, u); err != nil {
		return deployment{}, failure(err, "get", key)
	}
	return deployment{u}, nil
}

// update writes a Deployment that was read before; a conflict is somebody else's
// write in between.
func (c *Cluster) update(ctx context.Context, d deployment) error {
	return failure(c.writes.Update(ctx, d.Unstructured, client.FieldOwner(FieldManager)), "update", client.ObjectKeyFromObject(d))
}

// failure gives a failed request its class and says what to do.
func failure(err error, verb string, key types.NamespacedName) error {
	if err == nil {
		return nil
	}
	fail := func(code experiment.Code) *experiment.Error {
		return experiment.Errorf(code, "%s Deployment %s: %w", verb, key, err)
	}
	switch {
	case apierrors.IsNotFound(err):
		return fail(experiment.CodeNotFound).WithHint("create Deployment %s, or correct spec.versions[].workload", key)
	case apierrors.IsConflict(err):
		return fail(experiment.CodeConflict).WithHint("somebody else wrote it meanwhile; it is read again")
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "cannot "+verb+" resource"):
		return fail(experiment.CodeInvalid).WithHint(`allow it in a Role in namespace %s: {apiGroups: ["apps"], resources: ["deployments"], verbs: [%q]}`, key.Namespace, verb)
	case apierrors.IsInvalid(err), apierrors.IsForbidden(err), apierrors.IsBadRequest(err):
		return fail(experiment.CodeInvalid).WithHint("the cluster refuses this change; correct the Deployment or what refuses it")
	}
	return fail(experiment.CodeUnavailable)
}
