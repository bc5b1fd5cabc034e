// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/judge"
	"github.com/headgate-dev/headgate/internal/view"
)

// Notices that only a cluster has.
const (
	// NoticeStalled: the controller cannot go on until a person does something.
	NoticeStalled = "stalled"
	// NoticeAway: no controller has been heard of for a while.
	NoticeAway = "away"
	// NoticeWaiting: the experiment has not begun.
	NoticeWaiting = "waiting"
	// NoticeWish: somebody's wish was not obeyed yet.
	NoticeWish = "wish"
)

// silence is how long a controller that runs an experiment may keep silent: it
// saves what it knows once a minute.
const silence = 3 * time.Minute

// steady is how long a view of which nothing changed is shown again as it is.
const steady = 5 * time.Second

// readers bounds how many experiments are read at once.
const readers = 8

// recorded is what the controller keeps of one experiment.
type recorded struct {
	version string // the object's resourceVersion
	written time.Time
	plan    *experiment.Plan
	record  experiment.Record
	latest  experiment.Decision
	// view is the newest that was made of it, while the experiment had the
	// resourceVersion of.
	view *view.Experiment
	of   string
}

// List gives the views of the namespace's experiments, by namespace and name.
func (c *Client) List(ctx context.Context) ([]view.Experiment, error) {
	all, err := c.Experiments(ctx)
	if err != nil {
		return nil, err
	}
	views, errs := make([]view.Experiment, len(all)), make([]error, len(all))
	var wg sync.WaitGroup
	places := make(chan struct{}, readers)
	for i := range all {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			views[i], errs[i] = c.show(ctx, &all[i])
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return views, nil
}

// View gives the view of one experiment; an empty name means the only one.
func (c *Client) View(ctx context.Context, name string) (view.Experiment, error) {
	e, err := c.Find(ctx, name)
	if err != nil {
		return view.Experiment{}, err
	}
	return c.show(ctx, e)
}

// show makes the view of an experiment: of its record, or where it has none, of
// what the controller says of it.
func (c *Client) show(ctx context.Context, e *kube.Experiment) (view.Experiment, error) {
	now := c.Now().UTC()
	x, err := c.recorded(ctx, e)
	if err == nil {
		c.mu.Lock()
		before, holds := x.view, x.fresh(e, now)
		c.mu.Unlock()
		if holds {
			return *before, nil
		}
	}
	switch {
	case experiment.CodeOf(err) == experiment.CodeNotFound:
		return unbegun(e, now), nil
	case err != nil:
		return view.Experiment{}, err
	}
	judgement, _ := judge.Judge(x.plan, &x.record.Totals, x.record.Monitors, judge.AtState(&x.record.State, now))
	v := view.Of(view.Input{Plan: x.plan, Record: &x.record, Judgement: &judgement, Latest: x.latest, Now: now})
	v.Notices = append(noticesOf(e, x, now), v.Notices...)
	c.mu.Lock()
	defer c.mu.Unlock()
	x.view, x.of = &v, e.ResourceVersion
	return v, nil
}

// fresh reports whether the view of before still holds: whoever watches is shown
// a new one when something is new, or some time has passed.
func (x *recorded) fresh(e *kube.Experiment, now time.Time) bool {
	return x.view != nil && x.of == e.ResourceVersion && now.Sub(x.view.At) < steady
}

// unbegun is the view of an experiment of which there is no record: the spec is
// wrong, or no controller has seen it, or the record is lost.
func unbegun(e *kube.Experiment, now time.Time) view.Experiment {
	v := view.Experiment{
		APIVersion: view.APIVersion, Kind: view.Kind, Name: e.Name, Namespace: e.Namespace,
		Owner: e.Spec.Owner, Hypothesis: e.Spec.Hypothesis, At: now, Elapsed: max(0, now.Sub(e.CreationTimestamp.Time).Seconds()),
		Condition: cmp.Or(e.Status.Condition, "waiting"), Decisions: []view.Decision{},
	}
	why := "no controller has seen it yet"
	if c := meta.FindStatusCondition(e.Status.Conditions, kube.ConditionReady); c != nil {
		why = c.Message
	}
	v.Verdict = view.Verdict{Sentence: "NOT BEGUN  " + why, Reasons: []string{why}}
	v.Health = view.Health{Trouble: []string{"nothing is known of it: it has no record"}}
	v.Notices = append(v.Notices, view.Notice{Kind: NoticeWaiting, Text: why})
	return v
}

// noticesOf says what of an experiment only the cluster knows.
func noticesOf(e *kube.Experiment, x *recorded, now time.Time) []view.Notice {
	var out []view.Notice
	say := func(kind, format string, args ...any) {
		out = append(out, view.Notice{Kind: kind, Text: fmt.Sprintf(format, args...)})
	}
	if c := meta.FindStatusCondition(e.Status.Conditions, kube.ConditionStalled); c != nil && c.Status == metav1.ConditionTrue {
		say(NoticeStalled, "stalled: %s", c.Message)
	}
	if w := e.Spec.Control; w != nil && w.Verb != "" && !obeyed(e, x.record.State.Commands) {
		say(NoticeWish, "%s by %s was not obeyed yet", w.Verb, cmp.Or(w.Author, "somebody"))
	}
	condition := x.record.State.Condition
	live := condition == experiment.Running || condition == experiment.Paused || condition == experiment.Warm
	if since := now.Sub(x.written); live && since > silence {
		say(NoticeAway, "the controller has written nothing for %s: this is how it stood then", since.Round(time.Second))
	}
	return out
}

// obeyed reports whether the wish that stands in an experiment was obeyed or
// refused.
func obeyed(e *kube.Experiment, commands []string) bool {
	c, seen := e.Spec.Control, e.Status.Control
	if c == nil || c.Verb == "" {
		return true
	}
	if c.ID != "" {
		return slices.Contains(commands, c.ID) || seen != nil && seen.ID == c.ID
	}
	// Its id is the controller's to make.
	return seen != nil && seen.Verb == c.Verb && e.Status.ObservedGeneration >= e.Generation
}

// recorded reads what the controller keeps of an experiment; CodeNotFound where
// it keeps nothing. What was read is read again only when it changed.
func (c *Client) recorded(ctx context.Context, e *kube.Experiment) (*recorded, error) {
	key := client.ObjectKeyFromObject(e)
	object, err := c.recordMeta(ctx, key)
	if err != nil {
		return nil, err
	}
	if !metav1.IsControlledBy(object, e) && len(object.OwnerReferences) > 0 {
		return nil, experiment.Errorf(experiment.CodeNotFound, "the record %s belongs to a former experiment", key)
	}
	c.mu.Lock()
	x := c.read[key]
	c.mu.Unlock()
	if x != nil && x.version == object.ResourceVersion {
		return x, nil
	}
	x = &recorded{version: object.ResourceVersion, written: object.CreationTimestamp.Time}
	for _, f := range object.ManagedFields {
		if f.Time != nil && f.Time.After(x.written) {
			x.written = f.Time.Time
		}
	}
	if err := c.fill(ctx, key, x); err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.read[key] = x
	c.mu.Unlock()
	return x, nil
}

func (c *Client) recordMeta(ctx context.Context, key types.NamespacedName) (*metav1.PartialObjectMetadata, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(kube.GroupVersion().WithKind(kube.KindExperimentRecord))
	if err := c.Live.Get(ctx, key, object); err != nil {
		return nil, Failure("get the record of "+key.String(), err)
	}
	return object, nil
}

// fill reads record, plan and latest decision. They come by several calls, and
// are of one moment only if the newest entry is the record's.
func (c *Client) fill(ctx context.Context, key types.NamespacedName, x *recorded) error {
	for range 5 {
		var err error
		if x.record, err = c.records.Load(ctx, key.String()); err != nil {
			return err
		}
		if x.plan, err = c.records.Plan(ctx, key.String()); err != nil {
			return err
		}
		newest := int64(-1)
		for entry, err := range c.records.Journal(ctx, key.String(), max(1, x.record.Entries)-1) {
			if err != nil {
				return err
			}
			newest, x.latest = entry.Seq, entry.Decision
		}
		if newest == x.record.Entries-1 && x.plan.Hash() == x.record.State.Plan {
			return nil
		}
	}
	return experiment.Errorf(experiment.CodeUnavailable, "the record of %s changes faster than it can be read", key)
}

// Entries are the journal's entries that are kept, in order, the first of them
// with the plan that it belongs to. Dropped says how many older ones are not
// kept.
func (c *Client) Entries(ctx context.Context, name string) (entries iter.Seq2[experiment.Entry, error], dropped int64, err error) {
	e, err := c.Find(ctx, name)
	if err != nil {
		return nil, 0, err
	}
	x, err := c.recorded(ctx, e)
	if err != nil {
		return nil, 0, err
	}
	all, err := c.kept(ctx, client.ObjectKeyFromObject(e), x.plan)
	if err != nil {
		return nil, 0, err
	}
	if len(all) > 0 {
		dropped = all[0].Seq
	}
	return func(yield func(experiment.Entry, error) bool) {
		for i := range all {
			if !yield(all[i], nil) {
				return
			}
		}
	}, dropped, nil
}

// kept reads the entries from the first on whose plan is known.
func (c *Client) kept(ctx context.Context, key types.NamespacedName, plan *experiment.Plan) ([]experiment.Entry, error) {
	var all []experiment.Entry
	for entry, err := range c.records.Journal(ctx, key.String(), 0) {
		if err != nil {
			return nil, err
		}
		if len(all) == 0 && entry.Plan == nil {
			if entry.Hash != plan.Hash() {
				continue // Of an earlier plan, which was dropped.
			}
			entry.Plan = plan
		}
		all = append(all, entry)
	}
	return all, nil
}

// Assign is which version a unit gets: the routers of a cluster do not say.
func (c *Client) Assign(ctx context.Context, name, _ string) (view.Assignment, error) {
	e, err := c.Find(ctx, name)
	if err != nil {
		return view.Assignment{}, err
	}
	x, err := c.recorded(ctx, e)
	if err != nil {
		return view.Assignment{}, err
	}
	why := "each request is drawn anew"
	if h := x.plan.Assignment.Cohort; h != "" {
		why = "the application says it, in the header " + h
	}
	return view.Assignment{}, experiment.Errorf(experiment.CodeInvalid, "no unit of %s has a version of its own: the %s carries its traffic, and %s", x.plan.ID(), x.plan.Router.Kind(), why).
		WithHint("Headgate's gateway assigns units: traffic: {gateway: {}}")
}

// Kept is what the controller keeps of an experiment.
type Kept struct {
	// Plan is the one in force; nil where nothing is kept.
	Plan *experiment.Plan
	experiment.Record
}

// Recorded reads what the controller keeps of an experiment; CodeNotFound where
// it keeps nothing.
func (c *Client) Recorded(ctx context.Context, e *kube.Experiment) (Kept, error) {
	x, err := c.recorded(ctx, e)
	if err != nil {
		return Kept{}, err
	}
	return Kept{Plan: x.plan, Record: x.record}, nil
}
