// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"cmp"
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
	"github.com/headgate-dev/headgate/internal/router/routers"
)

// killTimeout bounds each half of a kill.
const killTimeout = 30 * time.Second

// Killed is what became of a kill: its two halves, each with its error.
type Killed struct {
	// Experiment is its namespace and name, Baseline the version that has the
	// traffic.
	Experiment string
	Baseline   string
	// Routes are the objects that were written; none where they said so already.
	Routes []string
	// Route is why the traffic was not taken back, or nil.
	Route error
	// Mark is why the experiment was not marked for the controller, or nil.
	Mark error
	// ID is the mark's.
	ID string
}

// Kill takes all traffic back to the baseline and marks the experiment, at the
// same time and each whatever becomes of the other. The error is of a name that
// means nothing; all else stands in what is returned.
func (c *Client) Kill(ctx context.Context, name string, cmd experiment.Command) (Killed, error) {
	key, err := c.keyOf(ctx, name)
	if err != nil {
		return Killed{}, err
	}
	cmd.ID = cmp.Or(cmd.ID, rand.Text())
	out := Killed{Experiment: key.String(), ID: cmd.ID}
	ctx, cancel := context.WithTimeout(ctx, killTimeout)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { out.Mark = c.mark(ctx, key, cmd) })
	wg.Go(func() { out.Baseline, out.Routes, out.Route = c.routeBack(ctx, key) })
	wg.Wait()
	return out, nil
}

// Answer waits for the controller to obey a kill.
func (c *Client) Answer(ctx context.Context, k Killed) (experiment.Decision, error) {
	namespace, name, _ := strings.Cut(k.Experiment, "/")
	cmd := experiment.Command{ID: k.ID, Verb: experiment.VerbKill}
	return c.answer(ctx, types.NamespacedName{Namespace: namespace, Name: name}, cmd, c.Wait)
}

// keyOf is the full name; a name that is given whole is not looked up.
func (c *Client) keyOf(ctx context.Context, name string) (types.NamespacedName, error) {
	if namespace, rest, ok := strings.Cut(name, "/"); ok {
		return types.NamespacedName{Namespace: namespace, Name: rest}, nil
	}
	if name != "" && c.Namespace != "" {
		return types.NamespacedName{Namespace: c.Namespace, Name: name}, nil
	}
	e, err := c.Find(ctx, name)
	if err != nil {
		return types.NamespacedName{}, err
	}
	return types.NamespacedName{Namespace: e.Namespace, Name: e.Name}, nil
}

// mark writes the kill without looking at what is there, and tries again while
// the cluster is only busy.
func (c *Client) mark(ctx context.Context, key types.NamespacedName, cmd experiment.Command) error {
	for try := 1; ; try++ {
		err := c.patchControl(ctx, key, "", cmd)
		code := experiment.CodeOf(err)
		if code != experiment.CodeConflict && code != experiment.CodeUnavailable || try == wishTries {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(lookEvery):
		}
	}
}

// routeBack gives the baseline everything, under the caller's rights.
func (c *Client) routeBack(ctx context.Context, key types.NamespacedName) (baseline string, written []string, err error) {
	plan, err := c.wayBack(ctx, key)
	if err != nil {
		return "", nil, err
	}
	if len(plan.Versions) == 0 {
		return "", nil, experiment.Errorf(experiment.CodeInvalid, "%s names no version", key)
	}
	r, err := routers.New(plan)
	if err != nil {
		return "", nil, err
	}
	result, err := c.Routes.Apply(ctx, r, router.KilledTraffic(plan))
	for _, w := range result.Written {
		written = append(written, w.Target.String())
	}
	return plan.Versions[0].Name, written, err
}
