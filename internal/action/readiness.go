// SPDX-License-Identifier: Apache-2.0

package action

import (
	"context"
	"errors"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// pollEvery is how often something that is waited for is looked at.
const pollEvery = time.Second

// readiness waits until objects are there and have their conditions, as long as
// its try may take.
func (r *Runner) readiness(ctx context.Context, j *job, a *experiment.ReadinessAction) (result, error) {
	var as *actor
	if len(a.Objects) > 0 {
		var err error
		if as, err = r.acting(&j.owner); err != nil {
			return result{}, err
		}
	}
	return result{}, poll(ctx, func() error {
		if a.Routes && j.owner.Routes != nil {
			if err := j.owner.Routes(ctx); err != nil {
				return err
			}
		}
		for _, o := range a.Objects {
			if err := as.ready(ctx, o); err != nil {
				return err
			}
		}
		return nil
	})
}

// poll asks until there is no error any more, one that no other try mends, or no
// more time. It gives the newest error that is not the deadline's own.
func poll(ctx context.Context, ask func() error) error {
	var newest error
	t := time.NewTicker(pollEvery)
	defer t.Stop()
	for {
		err := ask()
		if _, last := errors.AsType[final](err); last || err == nil {
			return err
		}
		if ctx.Err() == nil || newest == nil {
			newest = err
		}
		select {
		case <-ctx.Done():
			return newest
		case <-t.C:
		}
	}
}

// ready says what is missing of an object.
func (a *actor) ready(ctx context.Context, o experiment.ReadyObject) error {
	p, err := a.find(ctx, o.ObjectRef, "")
	if err != nil {
		return err
	}
	object, err := p.resource.Get(ctx, p.name, metav1.GetOptions{})
	if err != nil {
		return a.failure(err, "get", p, "")
	}
	if o.Condition == "" {
		return nil
	}
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions") // What is no list has no condition.
	for _, c := range conditions {
		c, _ := c.(map[string]any)
		if c["type"] != o.Condition {
			continue
		}
		if c["status"] == string(metav1.ConditionTrue) {
			return nil
		}
		message, _ := c["message"].(string)
		return unavailable("%s: condition %s is %v: %s", p, o.Condition, c["status"], short(message, maxSaid))
	}
	return unavailable("%s has no condition %s yet", p, o.Condition)
}
