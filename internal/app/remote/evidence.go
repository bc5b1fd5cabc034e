// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/controller"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/source/sources"
)

// evidence opens what the plan is judged by, with the secrets that this person
// has.
func (r *Run) evidence(o *Options) func(context.Context, *kube.Experiment, *experiment.Plan) (controller.Evidence, error) {
	return func(ctx context.Context, _ *kube.Experiment, p *experiment.Plan) (controller.Evidence, error) {
		return sources.Open(ctx, p, sources.Options{Fallback: o.Prometheus, Secrets: r.secret})
	}
}

// secret reads a secret of the user's.
func (r *Run) secret(ctx context.Context, s experiment.Secret) (string, error) {
	return r.cluster.secret(ctx, r.plan.Namespace, s)
}
