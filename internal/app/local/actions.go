// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"

	"github.com/headgate-dev/headgate/internal/action"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// actions does what a plan asks for besides its traffic.
type actions struct {
	runner *action.Runner
	// ended receives after one ended; it holds at most one signal.
	ended chan struct{}
}

// newActions makes what does a plan's actions without a cluster, and refuses a
// plan that asks for one, or for commands where none are allowed.
func newActions(p *experiment.Plan, allowExec bool) (*actions, error) {
	a := &actions{ended: make(chan struct{}, 1)}
	a.runner = action.New(action.Options{Laptop: true, AllowExec: allowExec, Ended: func(string) {
		select {
		case a.ended <- struct{}{}:
		default:
		}
	}})
	if err := a.runner.Fits(p); err != nil {
		a.runner.Close()
		return nil, err
	}
	return a, nil
}

// acts goes on with the actions that the state asks for, calls off those that it
// does not ask for any more, and says how they stand.
func (r *Run) acts(ctx context.Context) []experiment.ActionFact {
	if !r.record.State.Asks(experiment.IntentRun) && !r.acting {
		return nil
	}
	uid := action.LocalUID(r.plan, &r.record.State)
	owner := action.Owner{UID: uid, Namespace: r.plan.Namespace, Secrets: readSecret}
	tasks := action.Tasks(r.plan, &r.record.State, uid)
	r.acting = len(tasks) > 0
	return r.actions.runner.Progress(ctx, owner, tasks)
}
