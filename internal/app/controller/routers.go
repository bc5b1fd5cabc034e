// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/experiment"
)

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
