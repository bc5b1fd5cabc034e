// SPDX-License-Identifier: Apache-2.0

package desk

import (
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Commands are people's wishes on their way to the loop of one experiment.
type Commands struct {
	mu      sync.Mutex
	waiting []waiting
	wake    chan struct{}
}

type waiting struct {
	experiment.Command
	answer chan experiment.Decision
}

// NewCommands makes an empty queue.
func NewCommands() *Commands { return &Commands{wake: make(chan struct{}, 1)} }

// Wake receives after a wish has come, or somebody called Rouse; it holds at most one signal.
func (c *Commands) Wake() <-chan struct{} { return c.wake }

// Add queues a wish, whose answer comes once.
func (c *Commands) Add(cmd experiment.Command) <-chan experiment.Decision {
	w := waiting{Command: cmd, answer: make(chan experiment.Decision, 1)}
	c.mu.Lock()
	c.waiting = append(c.waiting, w)
	c.mu.Unlock()
	c.Rouse()
	return w.answer
}

// Rouse wakes the loop, where something else than a wish is news. It never waits.
func (c *Commands) Rouse() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Pending are the wishes that wait, oldest first.
func (c *Commands) Pending() []experiment.Command {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]experiment.Command, len(c.waiting))
	for i, w := range c.waiting {
		out[i] = w.Command
	}
	return out
}

// Kills are the kills that a state which has obeyed some commands has not obeyed.
func (c *Commands) Kills(obeyed []string) []experiment.Command {
	return slices.DeleteFunc(c.Pending(), func(w experiment.Command) bool {
		return w.Verb != experiment.VerbKill || slices.Contains(obeyed, w.ID)
	})
}

// Answered removes the wishes that were obeyed or refused, and tells whoever
// waits the decision that did.
func (c *Commands) Answered(obeyed []string, d experiment.Decision) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = slices.DeleteFunc(c.waiting, func(w waiting) bool {
		if !slices.Contains(obeyed, w.ID) {
			return false
		}
		w.answer <- d
		return true
	})
}

// Do hands a wish to the loop of a plan and waits for its decision, until the
// context ends. A kill is done before that, by kill, so that it works while the
// loop is stuck; it is an answer of its own.
func (c *Commands) Do(ctx context.Context, p *experiment.Plan, cmd experiment.Command, kill func(experiment.Command) error) (experiment.Decision, error) {
	if cmd.ID == "" {
		cmd.ID = rand.Text()
	}
	if cmd.Verb == experiment.VerbKill {
		if err := kill(cmd); err != nil {
			return experiment.Decision{}, err
		}
	}
	answer := c.Add(cmd)
	select {
	case d := <-answer:
		return d, nil
	case <-ctx.Done():
		if cmd.Verb == experiment.VerbKill {
			shares := experiment.Baseline(len(p.Versions))
			return experiment.Decision{At: Moment(), Act: experiment.ActRollback, From: shares, To: shares, Reasons: []experiment.Reason{
				experiment.Because(experiment.ReasonKilled, "author", cmd.Author, "reason", cmd.Reason),
			}}, nil // The traffic is back; the loop will say so when it can.
		}
		return experiment.Decision{}, experiment.Errorf(experiment.CodeUnavailable, "%s of %s was not obeyed in time", cmd.Verb, p.ID()).
			WithHint("the engine may be stuck; headgate kill works all the same")
	}
}

// Moment is now, as precise as the journal writes it.
func Moment() time.Time { return Precise(time.Now()) }

// Precise is a time as precise as the journal writes it.
func Precise(at time.Time) time.Time { return at.UTC().Truncate(time.Millisecond) }
