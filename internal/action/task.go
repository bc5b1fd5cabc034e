// SPDX-License-Identifier: Apache-2.0

package action

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Owner is the experiment whose actions are done.
type Owner struct {
	// UID tells it from all others that there ever were.
	UID string
	// Namespace is that of objects that name none, and of the service account.
	Namespace string
	// ServiceAccount is who acts in a cluster; empty is "default".
	ServiceAccount string
	// Secrets gives the value of a secret; it is bound to the namespace. Nil
	// refuses all.
	Secrets func(ctx context.Context, s experiment.Secret) (string, error)
	// Wait says why nothing is begun now; what is under way goes on. Empty
	// begins.
	Wait string
	// Routes says what is missing of what holds the shares. Nil is nothing.
	Routes func(ctx context.Context) error
	// This gives the object that the experiment was made for, as texts see it by
	// "this". Nil is none.
	This func(ctx context.Context) (any, error)
}

// Task is one action to be done.
type Task struct {
	Intent experiment.Intent
	Action experiment.Action
	// Key is what it is done once by, and Label its name for people.
	Key, Label string
	// Document is what its texts and its condition can use. It must not change.
	Document map[string]any
}

// Key is what an action is done once by: "<uid>/<transition>/<hook>/<index>".
func Key(uid string, i experiment.Intent) string {
	return fmt.Sprintf("%s/%d/%s/%d", uid, i.Transition, i.Hook, i.Index)
}

// Tasks lists the plan's own actions that the state asks for, in its order.
func Tasks(p *experiment.Plan, s *experiment.State, uid string) []Task {
	var out []Task
	for _, i := range s.Actions {
		a := p.ActionOf(i)
		if a == nil {
			continue
		}
		doc := Document(p, s, i, nil)
		key := Key(uid, i)
		doc["experiment"].(map[string]any)["key"] = key
		out = append(out, Task{Intent: i, Action: *a, Key: key, Label: p.Label(i), Document: doc})
	}
	return out
}

// LocalUID is the UID of an experiment that no cluster gave one: of its name and
// of when it began, so that it outlives the process and differs from that of an
// experiment of the same name in another directory.
func LocalUID(p *experiment.Plan, s *experiment.State) string {
	sum := sha256.Sum256([]byte(p.ID() + " " + s.Started.UTC().Format(time.RFC3339Nano)))
	return hex.EncodeToString(sum[:16])
}
