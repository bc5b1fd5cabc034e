// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// lookEvery is how often the answer to a wish is looked for.
const lookEvery = 250 * time.Millisecond

// wishTries is how often a wish is written again after somebody else wrote.
const wishTries = 5

// Do writes a person's wish and waits for the decision that obeys or refuses
// it; CodeUnavailable where no controller answers in time: the wish then stands
// and is obeyed later. A kill is for Kill.
func (c *Client) Do(ctx context.Context, name string, cmd experiment.Command) (experiment.Decision, error) {
	cmd.ID = cmp.Or(cmd.ID, rand.Text())
	key, err := c.wish(ctx, name, cmd)
	if err != nil {
		return experiment.Decision{}, err
	}
	return c.answer(ctx, key, cmd, c.Wait)
}

// wish writes spec.control, unless that would take away a kill that nobody
// obeyed yet (D8).
func (c *Client) wish(ctx context.Context, name string, cmd experiment.Command) (types.NamespacedName, error) {
	var key types.NamespacedName
	for try := 1; ; try++ {
		e, err := c.Find(ctx, name)
		if err != nil {
			return key, err
		}
		key = client.ObjectKeyFromObject(e)
		if w := e.Spec.Control; w != nil && w.Verb == string(experiment.VerbKill) && cmd.Verb != experiment.VerbKill {
			done, err := c.killObeyed(ctx, e)
			if err != nil {
				return key, err
			}
			if !done {
				return key, experiment.Errorf(experiment.CodeConflict, "%s was killed by %s, and no controller has obeyed that yet: %s would take the kill away", key, cmp.Or(w.Author, "somebody"), cmd.Verb).
					WithHint("start the controller; once it has obeyed the kill, say it again")
			}
		}
		err = c.patchControl(ctx, key, e.ResourceVersion, cmd)
		if experiment.CodeOf(err) != experiment.CodeConflict || try == wishTries {
			return key, err
		}
	}
}

// killObeyed reports whether the kill that stands in an experiment was obeyed.
func (c *Client) killObeyed(ctx context.Context, e *kube.Experiment) (bool, error) {
	x, err := c.recorded(ctx, e)
	if experiment.CodeOf(err) == experiment.CodeNotFound {
		return obeyed(e, nil), nil
	}
	if err != nil {
		return false, err
	}
	return obeyed(e, x.record.State.Commands), nil
}

// patchControl writes spec.control and nothing else. With a version the write is
// refused where somebody else wrote since; without, it wins.
func (c *Client) patchControl(ctx context.Context, key types.NamespacedName, version string, cmd experiment.Command) error {
	patch, err := controlPatch(version, cmd)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	e := &kube.Experiment{}
	e.Namespace, e.Name = key.Namespace, key.Name
	err = c.Live.Patch(ctx, e, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(fieldManager))
	return Failure("write spec.control of "+key.String(), err)
}

// controlPatch is a merge patch that leaves nothing of an earlier wish.
func controlPatch(version string, cmd experiment.Command) ([]byte, error) {
	control := map[string]any{
		"id": cmd.ID, "verb": string(cmd.Verb), "author": cmd.Author,
		"version": nil, "override": nil, "reason": nil,
	}
	if cmd.Version != "" {
		control["version"] = cmd.Version
	}
	if cmd.Override {
		control["override"] = true
	}
	if cmd.Reason != "" {
		control["reason"] = cmd.Reason
	}
	patch := map[string]any{"spec": map[string]any{"control": control}}
	if version != "" {
		patch["metadata"] = map[string]any{"resourceVersion": version}
	}
	text, err := json.Marshal(patch)
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeInternal, "write the wish: %w", err)
	}
	return text, nil
}

// answer waits for the decision that a wish led to.
func (c *Client) answer(ctx context.Context, key types.NamespacedName, cmd experiment.Command, wait time.Duration) (experiment.Decision, error) {
	over := time.NewTimer(wait)
	defer over.Stop()
	for {
		d, found, err := c.decided(ctx, key, cmd.ID)
		if found || err != nil && experiment.CodeOf(err) != experiment.CodeUnavailable {
			return d, err
		}
		select {
		case <-ctx.Done():
			return experiment.Decision{}, ctx.Err()
		case <-over.C:
			return experiment.Decision{}, c.unanswered(ctx, key, cmd, wait)
		case <-time.After(lookEvery):
		}
	}
}

// unanswered says why a wish has no answer, as far as the cluster knows.
func (c *Client) unanswered(ctx context.Context, key types.NamespacedName, cmd experiment.Command, wait time.Duration) error {
	e, err := c.Find(ctx, key.String())
	if err != nil {
		return err
	}
	out := experiment.Errorf(experiment.CodeUnavailable, "no controller has obeyed %s of %s within %s; it stands in spec.control and will be", cmd.Verb, key, wait)
	for _, condition := range e.Status.Conditions {
		if condition.Type == kube.ConditionStalled {
			return out.WithHint("the experiment is stalled: %s", condition.Message)
		}
	}
	return out.WithHint("is headgate controller running? headgate kill takes the traffic back without it")
}

// decided finds the decision of the first entry whose state knows a command.
func (c *Client) decided(ctx context.Context, key types.NamespacedName, id string) (experiment.Decision, bool, error) {
	e, err := c.Find(ctx, key.String())
	if err != nil {
		return experiment.Decision{}, false, err
	}
	x, err := c.recorded(ctx, e)
	if experiment.CodeOf(err) == experiment.CodeNotFound {
		return experiment.Decision{}, false, nil // It has not begun.
	}
	if err != nil || !slices.Contains(x.record.State.Commands, id) {
		return experiment.Decision{}, false, err
	}
	for entry, err := range c.records.Journal(ctx, key.String(), 0) {
		if err != nil {
			return experiment.Decision{}, false, err
		}
		if slices.Contains(entry.State.Commands, id) {
			return entry.Decision, true, nil
		}
	}
	return x.latest, true, nil // Its entry is no longer kept.
}
