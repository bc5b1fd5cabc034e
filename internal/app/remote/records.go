// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/record/sqlite"
)

// records are those of one plan, which does not change while it runs.
type records struct {
	*sqlite.Store
	plan *experiment.Plan
}

// Plan gives the plan that the record belongs to.
func (r records) Plan(context.Context, string) (*experiment.Plan, error) { return r.plan, nil }

// fits refuses a record of another plan.
func (r records) fits(ctx context.Context) error {
	rec, err := r.Load(ctx, r.plan.ID())
	switch {
	case experiment.CodeOf(err) == experiment.CodeNotFound:
		return nil
	case err != nil:
		return err
	case rec.State.Plan != r.plan.Hash():
		return experiment.Errorf(experiment.CodeConflict, "the data directory holds another plan of %s", r.plan.ID()).
			WithHint("a running experiment does not change its plan: choose another directory or another name")
	}
	return nil
}

// lastPlan reads the newest plan of a record's journal.
func lastPlan(ctx context.Context, store *sqlite.Store, id string) (*experiment.Plan, error) {
	var plan *experiment.Plan
	for entry, err := range store.Journal(ctx, id, 0) {
		if err != nil {
			return nil, err
		}
		if entry.Plan != nil {
			plan = entry.Plan
		}
	}
	if plan == nil {
		return nil, experiment.Errorf(experiment.CodeNotFound, "the journal of %s has no plan", id)
	}
	return plan, nil
}
