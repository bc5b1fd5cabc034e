// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
	"github.com/headgate-dev/headgate/internal/router/fields"
	"github.com/headgate-dev/headgate/internal/router/httproute"
	"github.com/headgate-dev/headgate/internal/router/virtualservice"
)

// newRouter makes the router of a plan.
func newRouter(p *experiment.Plan) (router.Router, error) {
	switch kind := p.Router.Kind(); kind {
	case experiment.RouterVirtualService:
		return virtualservice.New(p)
	case experiment.RouterHTTPRoute:
		return httproute.New(p)
	case experiment.RouterFields:
		return fields.New(p)
	default:
		return nil, experiment.Errorf(experiment.CodeInvalid, "spec.traffic.%s: a controller does not carry traffic through it", kind).
			WithHint("name a virtualService, an httpRoute or fields; headgate run -f FILE runs the gateway without a cluster")
	}
}

// ownerOf gives the UID of an experiment, who owns its record.
func ownerOf(c client.Reader) func(ctx context.Context, key types.NamespacedName) (types.UID, error) {
	return func(ctx context.Context, key types.NamespacedName) (types.UID, error) {
		var e kube.Experiment
		if err := c.Get(ctx, key, &e); err != nil {
			return "", experiment.Errorf(experiment.CodeUnavailable, "read the experiment %s: %w", key, err)
		}
		return e.UID, nil
	}
}
