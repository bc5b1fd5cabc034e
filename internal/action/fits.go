// SPDX-License-Identifier: Apache-2.0

package action

import (
	"fmt"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Fits refuses a plan that has an action which can never be done here: one of
// objects without a cluster, a command where none is allowed.
func (r *Runner) Fits(p *experiment.Plan) error {
	for _, hook := range experiment.Hooks() {
		for i, a := range p.Actions.Of(hook) {
			at := fmt.Sprintf("spec.actions.%s[%d].%s", hook, i, a.Kind())
			switch {
			case r.options.Cluster == nil && needsCluster(&a):
				return invalid("%s: %w", at, noCluster()).WithHint("%s", noCluster().Hint)
			case a.Exec != nil && !r.options.AllowExec:
				return invalid("%s: commands are not allowed here", at).WithHint("allow them: --allow-exec")
			}
		}
	}
	return nil
}

// needsCluster says whether an action is of objects.
func needsCluster(a *experiment.Action) bool {
	return a.Patch != nil || a.Apply != nil || a.Delete != nil || a.Scale != nil || a.Readiness != nil && len(a.Readiness.Objects) > 0
}
