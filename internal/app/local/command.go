// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// pendingCommand is a person's wish on its way to the loop.
type pendingCommand struct {
	experiment.Command
	answer chan experiment.Decision
}

// Do obeys a person. A kill takes effect before the loop hears of it, so that
// it works while the loop is stuck, and is remembered in a file before it takes
// effect, so that it survives whatever comes. Everything else waits for the
// loop, until the context ends.
func (r *Run) Do(ctx context.Context, c experiment.Command) (experiment.Decision, error) {
	if c.ID == "" {
		c.ID = rand.Text()
	}
	if c.Verb == experiment.VerbKill {
		if err := WriteKill(r.dir, c); err != nil {
			return experiment.Decision{}, err
		}
		if err := r.killRoute(); err != nil {
			return experiment.Decision{}, err
		}
	}
	p := pendingCommand{Command: c, answer: make(chan experiment.Decision, 1)}
	r.mu.Lock()
	r.commands = append(r.commands, p)
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
	select {
	case d := <-p.answer:
		return d, nil
	case <-ctx.Done():
		if c.Verb == experiment.VerbKill {
			shares := experiment.Baseline(len(r.plan.Versions))
			return experiment.Decision{At: moment(), Act: experiment.ActRollback, From: shares, To: shares, Reasons: []experiment.Reason{
				experiment.Because(experiment.ReasonKilled, "author", c.Author, "reason", c.Reason),
			}}, nil // The traffic is back; the loop will say so when it can.
		}
		return experiment.Decision{}, experiment.Errorf(experiment.CodeUnavailable, "%s of %s was not obeyed in time", c.Verb, r.plan.ID()).
			WithHint("the engine may be stuck; headgate kill works all the same")
	}
}

// pending gives the commands that wait, oldest first.
func (r *Run) pending() []pendingCommand {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.commands)
}

// answered removes commands that the state has obeyed or refused, and tells
// whoever waits.
func (r *Run) answered(s *experiment.State, d experiment.Decision) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.commands = slices.DeleteFunc(r.commands, func(p pendingCommand) bool {
		if !slices.Contains(s.Commands, p.ID) {
			return false
		}
		p.answer <- d
		return true
	})
}

// killRoute gives the baseline everything, now.
func (r *Run) killRoute() error {
	r.swap.Lock()
	defer r.swap.Unlock()
	if r.killed {
		return nil
	}
	if err := r.serveRoute(r.served.Killed(moment())); err != nil {
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
	if err := os.Remove(filepath.Join(r.dir, killFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return experiment.Errorf(experiment.CodeUnavailable, "lift the kill: %w", err)
	}
	r.killed = false
	return nil
}

// killFile marks an experiment as killed, for this process and the next.
const killFile = "killed.json"

// WriteKill marks the experiment in a directory as killed. A process that runs
// it must be told too; one that is started later finds the mark. A mark that is
// there stays as it is.
func WriteKill(dir string, c experiment.Command) error {
	name := filepath.Join(dir, killFile)
	if _, err := os.Stat(name); err == nil {
		return nil
	}
	if c.ID == "" {
		c.ID = rand.Text()
	}
	text, err := json.Marshal(c)
	if err != nil {
		return experiment.Errorf(experiment.CodeInternal, "mark the kill: %w", err)
	}
	f, err := os.CreateTemp(dir, ".killed-")
	if err != nil {
		return experiment.Errorf(experiment.CodeUnavailable, "mark the kill: %w", err)
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return experiment.Errorf(experiment.CodeUnavailable, "mark the kill: %w", err)
	}
	return nil
}

// readKill finds the mark of a kill.
func readKill(dir string) (experiment.Command, bool, error) {
	text, err := os.ReadFile(filepath.Join(dir, killFile))
	if errors.Is(err, fs.ErrNotExist) {
		return experiment.Command{}, false, nil
	}
	c := experiment.Command{Verb: experiment.VerbKill}
	if err != nil {
		return c, true, experiment.Errorf(experiment.CodeUnavailable, "read the mark of a kill: %w", err)
	}
	if json.Unmarshal(text, &c) != nil || c.ID == "" {
		// A mark that cannot be read is a mark: the way back needs no reason.
		c = experiment.Command{ID: "unreadable-kill", Verb: experiment.VerbKill, Reason: "the mark of the kill cannot be read"}
	}
	c.Verb = experiment.VerbKill
	return c, true, nil
}
