// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"sync"

	"github.com/headgate-dev/headgate/internal/app/desk"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

// guard knows whether a person took the traffic back, whatever the loop wants.
// The mark in the experiment's directory says it, so that a command line that
// could not reach this process is obeyed too.
type guard struct {
	dir string

	mu sync.Mutex
	// killing counts the kills that are on their way to the loop.
	killing int
}

// kill marks the experiment; told says that the loop knows.
func (g *guard) kill(c experiment.Command) (told func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := desk.WriteKill(g.dir, c); err != nil {
		return nil, err
	}
	g.killing++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.killing--
	}, nil
}

// lift takes the mark away, unless somebody kills just now.
func (g *guard) lift() (lifted bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.killing > 0 {
		return false, nil
	}
	return true, desk.LiftKill(g.dir)
}

// guarded is a router that renders nothing but the way back once somebody has
// killed. What a turn that was under way had rendered before, and writes later,
// fails by compare-and-swap, or is taken back by the next turn, which follows at
// once.
type guarded struct {
	router.Router
	guard *guard
}

// Render gives the objects with the traffic in them.
func (r guarded) Render(objects []router.Object, t router.Traffic) ([]router.Object, error) {
	if _, marked, _ := desk.ReadKill(r.guard.dir); marked && !t.WayBack() {
		return nil, experiment.Errorf(experiment.CodeConflict, "%s was killed: its baseline has all traffic", t.Experiment)
	}
	return r.Router.Render(objects, t)
}
