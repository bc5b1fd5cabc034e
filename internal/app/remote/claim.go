// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/headgate-dev/headgate/internal/experiment"
	routes "github.com/headgate-dev/headgate/internal/router/kube"
)

// A claim of a route holds claimFor and is renewed every claimEvery: nobody in
// the cluster can tell whether a laptop still runs.
const (
	claimFor   = time.Minute
	claimEvery = 15 * time.Second
)

// holder is who the experiment is, for the claims of its route.
func (r *Run) holder() routes.Holder {
	return routes.Holder{
		UID: r.kept.UID, For: claimFor,
		Key: types.NamespacedName{Namespace: r.plan.Namespace, Name: r.plan.Name},
	}
}

// claim takes the route for this experiment alone. A person who may not write
// Leases goes on without.
func (r *Run) claim(ctx context.Context) error {
	err := r.cluster.routes.Claim(ctx, r.router, r.holder(), r.object.alive)
	if !mayNotClaim(err) {
		return err
	}
	r.unclaimed = experiment.HintOf(err)
	r.cluster.routes = routes.New(r.cluster.live, r.cluster.live, routes.Options{Unclaimed: true})
	return nil
}

// renew keeps the claim. Only somebody else's is an error: that one writes the
// route now, and two must not.
func (r *Run) renew(ctx context.Context, now time.Time) error {
	if r.unclaimed != "" || now.Sub(r.renewed) < claimEvery {
		return nil
	}
	err := r.cluster.routes.Claim(ctx, r.router, r.holder(), r.object.alive)
	switch {
	case err == nil:
		r.renewed = now
	case experiment.CodeOf(err) == experiment.CodeConflict:
		return experiment.Errorf(experiment.CodeConflict, "the route of %s was taken over: %w", r.plan.ID(), err).
			WithHint("nothing was written since; this process did not renew its claim for more than %s", claimFor)
	}
	return nil
}

// release gives the claim back, for an experiment that is over.
func (r *Run) release(ctx context.Context) {
	if r.unclaimed != "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	if err := r.cluster.routes.Release(ctx, r.router, r.holder()); err != nil {
		r.log.Warn("the claim of the route could not be given back; it ends by itself", "experiment", r.plan.ID(), "error", err)
	}
}
