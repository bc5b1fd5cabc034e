// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"

	"github.com/headgate-dev/headgate/internal/app/desk"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// Do obeys a person. A kill takes effect before the loop hears of it, so that
// it works while the loop is stuck, and is remembered in a file before it takes
// effect, so that it survives whatever comes. Everything else waits for the
// loop, until the context ends.
func (r *Run) Do(ctx context.Context, c experiment.Command) (experiment.Decision, error) {
	return r.commands.Do(ctx, r.plan, c, func(c experiment.Command) error {
		if err := desk.WriteKill(r.dir, c); err != nil {
			return err
		}
		return r.killRoute()
	})
}

// killRoute gives the baseline everything, now.
func (r *Run) killRoute() error {
	r.swap.Lock()
	defer r.swap.Unlock()
	if r.killed {
		return nil
	}
	if err := r.serveRoute(r.served.Killed(r.moment())); err != nil {
		return err
	}
	r.killed = true
	return nil
}

// route serves what the state asks for, unless a person took the traffic back.
func (r *Run) route() error {
	r.swap.Lock()
	defer r.swap.Unlock()
	if r.killed {
		return nil
	}
	return r.serveRoute(experiment.RouteOf(r.plan, &r.record.State))
}

// serveRoute swaps a route into the gateway; r.swap is held.
func (r *Run) serveRoute(route experiment.Route) error {
	r.sequence++
	if err := r.gateway.Swap(&experiment.Snapshot{Sequence: r.sequence, Routes: []experiment.Route{route}}); err != nil {
		return err
	}
	r.served = route
	return nil
}

// unkill ends a kill that the state knows to be over.
func (r *Run) unkill() error {
	r.swap.Lock()
	defer r.swap.Unlock()
	if !r.killed {
		return nil
	}
	if err := desk.LiftKill(r.dir); err != nil {
		return err
	}
	r.killed = false
	return nil
}
