// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router/httproute"
)

// suits reports what the plan wants and the implementation behind its route says
// that it cannot do. What cannot be read says nothing: a route without a Gateway,
// or one that the controller may not look at.
func (t *turn) suits(ctx context.Context) error {
	if t.run.plan.Router.Kind() != experiment.RouterHTTPRoute {
		return nil
	}
	objects, err := t.r.Routes.Objects(ctx, t.run.router)
	if err != nil {
		return err
	}
	for _, route := range objects {
		for _, ref := range httproute.Gateways(route) {
			gateway, err := t.r.Routes.Object(ctx, ref)
			if err != nil {
				continue
			}
			class, err := t.r.Routes.Object(ctx, httproute.Class(gateway))
			if err != nil {
				continue
			}
			if err := httproute.Lacks(t.run.plan, class); err != nil {
				return err
			}
		}
	}
	return nil
}
