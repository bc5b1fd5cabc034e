// SPDX-License-Identifier: Apache-2.0

package action

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/jq"
)

// Why something stops that was under way.
var (
	errCalledOff = errors.New("it was called off")
	errClosed    = errors.New("the process ends")
)

// The pauses between tries double from the first to the longest. maxAfter bounds
// what a server may ask for.
const (
	firstPause   = time.Second
	longestPause = 30 * time.Second
	maxAfter     = time.Minute
)

// result is what an action came to.
type result struct {
	// why says what was done, where there is more to say than that.
	why    string
	loaded []experiment.Loaded
}

// final is a failure that no other try mends.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// hopeless marks an error as one that no other try mends.
func hopeless(err error) error {
	if err == nil {
		return nil
	}
	return final{err}
}

// later is a failure whose next try a server wants no sooner.
type later struct {
	error
	after time.Duration
}

func (l later) Unwrap() error { return l.error }

// do tries a job until it is done or failed for good; not ended is one that was
// called off, or that the process leaves.
func (r *Runner) do(ctx context.Context, j *job) (fact experiment.ActionFact, ended bool) {
	fact.Intent = j.task.Intent
	for {
		res, err := r.attempt(ctx, j)
		switch {
		case err == nil:
			fact.Done, fact.Why, fact.Loaded = true, res.why, res.loaded
			return fact, true
		case ctx.Err() != nil:
			return fact, false
		}
		if _, last := errors.AsType[final](err); last || j.try > j.task.Action.Retries {
			fact.Failed, fact.Why = true, j.sentence(err)
			return fact, true
		}
		if !j.pause(ctx, err) {
			return fact, false
		}
	}
}

// attempt is one try, when there is a place for it.
func (r *Runner) attempt(ctx context.Context, j *job) (result, error) {
	select {
	case r.places <- struct{}{}:
		defer func() { <-r.places }()
	case <-ctx.Done():
		return result{}, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, j.timeout())
	defer cancel()
	if j.owner.This != nil && j.task.Document["this"] == nil {
		this, err := j.owner.This(ctx)
		if err != nil {
			return result{}, fmt.Errorf("read what the experiment was made for: %w", err)
		}
		doc := make(map[string]any, len(j.task.Document)+1)
		for k, v := range j.task.Document {
			doc[k] = v
		}
		doc["this"] = plain(this)
		j.task.Document = doc
	}
	holds, err := condition(ctx, j.task.Action.If, j.task.Document)
	switch {
	case err != nil:
		return result{}, err
	case !holds:
		return result{why: "its condition does not hold"}, nil
	}
	res, err := r.perform(ctx, j)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("not done within %s: %w", j.timeout(), err)
	}
	return res, err
}

// timeout bounds one try. Load has the time that it takes by the plan besides,
// and a Job that to be noticed.
func (j *job) timeout() time.Duration {
	a := &j.task.Action
	t := cmp.Or(a.Timeout, experiment.DefaultActionTimeout)
	if a.Load != nil {
		t += planned(a.Load)
	}
	if a.Exec != nil {
		t += jobGrace
	}
	return t
}

// condition asks whether an expression gives true.
func condition(ctx context.Context, expression string, doc map[string]any) (bool, error) {
	if expression == "" {
		return true, nil
	}
	code, err := jq.Compile(expression)
	if err != nil {
		return false, hopeless(invalid("its condition: %w", err))
	}
	values, err := code.Values(ctx, doc, 2)
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case err != nil:
		return false, hopeless(invalid("its condition: %w", err))
	}
	return len(values) == 1 && values[0] == true, nil
}

// pause waits for the next try; false says that there is none.
func (j *job) pause(ctx context.Context, err error) bool {
	wait := min(firstPause<<min(j.try-1, 10), longestPause)
	if l, ok := errors.AsType[later](err); ok {
		wait = max(wait, min(l.after, maxAfter))
	}
	j.mu.Lock()
	j.try++
	j.last, j.next = sentence(err), time.Now().Add(wait)
	j.mu.Unlock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	}
	j.mu.Lock()
	j.next = time.Time{}
	j.mu.Unlock()
	return true
}

// why says how a job stands.
func (j *job) why(a *experiment.Action) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	try := fmt.Sprintf("try %d of %d", j.try, a.Retries+1)
	switch {
	case j.last == "":
		return try + " is under way"
	case j.next.IsZero():
		return try + " is under way: the one before failed: " + j.last
	}
	return fmt.Sprintf("%s in %s: %s", try, max(0, time.Until(j.next)).Round(time.Second), j.last)
}

func (j *job) calledOff() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.off
}

// sentence says why a job failed for good.
func (j *job) sentence(err error) string {
	if j.try == 1 {
		return sentence(err)
	}
	return fmt.Sprintf("tried %d times: %s", j.try, sentence(err))
}

// maxWhy bounds a sentence.
const maxWhy = 600

// sentence is an error with what to do about it.
func sentence(err error) string {
	text := err.Error()
	if hint := experiment.HintOf(err); hint != "" {
		text += "; " + hint
	}
	return short(text, maxWhy)
}

// once does one try of a job, by the kind of its action.
func (r *Runner) once(ctx context.Context, j *job) (result, error) {
	a := &j.task.Action
	switch {
	case a.Patch != nil:
		return with(ctx, j, a.Patch, r.patch)
	case a.Apply != nil:
		return with(ctx, j, a.Apply, r.apply)
	case a.Delete != nil:
		return with(ctx, j, a.Delete, r.delete)
	case a.Scale != nil:
		return with(ctx, j, a.Scale, r.scale)
	case a.Webhook != nil:
		return with(ctx, j, a.Webhook, r.webhook)
	case a.Slack != nil:
		return with(ctx, j, a.Slack, r.tellSlack)
	case a.Exec != nil && a.Exec.Literal:
		return r.exec(ctx, j, a.Exec)
	case a.Exec != nil:
		return with(ctx, j, a.Exec, r.exec)
	case a.Readiness != nil:
		return with(ctx, j, a.Readiness, r.readiness)
	case a.Git != nil:
		return with(ctx, j, a.Git, r.git)
	case a.Load != nil:
		return with(ctx, j, a.Load, r.load)
	}
	return result{}, hopeless(invalid("the action says nothing to do"))
}

// with fills the texts of an action in and does it.
func with[T any](ctx context.Context, j *job, kind *T, do func(context.Context, *job, *T) (result, error)) (result, error) {
	filled, err := fillAll(ctx, kind, j.task.Document)
	if err != nil {
		return result{}, hopeless(err)
	}
	return do(ctx, j, filled)
}

// again gives an error the fate of another.
func again(fate error, err error) error {
	if l, ok := errors.AsType[later](fate); ok {
		return later{err, l.after}
	}
	if _, ok := errors.AsType[final](fate); ok {
		return hopeless(err)
	}
	return err
}
