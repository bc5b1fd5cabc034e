// SPDX-License-Identifier: Apache-2.0

package owner

import (
	"context"
	"time"

	api "github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/iter8"
)

// startAnnotation says how a native experiment has to do with a start action that
// had to fill in the versions: it does that alone, and makes way for another of
// its name, or it is that other. One without does its start actions itself.
const (
	startAnnotation = "headgate.dev/iter8-start"
	startAlone      = "alone"
	startDone       = "done"
)

// isAlone reports whether a native experiment is this one's and does its start
// action alone.
func (t *turn) isAlone(native *kube.Experiment) bool {
	owner := ownerOf(native)
	return owner != nil && owner.UID == t.e.UID && native.Annotations[startAnnotation] == startAlone
}

// start has the start action done where that has to fill in the versions: by a
// native experiment of the same name that does nothing else, so that texts that
// say the name find this experiment. It gives the time to the next look; none is
// that this one may be prepared: there was nothing of the kind to do, or it is
// done.
func (t *turn) start(ctx context.Context) (time.Duration, error) {
	have, err := t.r.nativeOf(ctx, t.key())
	if err != nil {
		return again, err
	}
	if owner := ownerOf(have); !t.isAlone(have) && (t.e.Spec.VersionInfo != nil || owner != nil && owner.UID == t.e.UID) {
		return 0, nil // It has versions, or once had: its native one is there.
	}
	if have == nil { // It is not there yet, or not any more.
		if after, err := t.latest(ctx); err != nil || after > 0 {
			return after, err
		}
		if t.e.Spec.VersionInfo != nil {
			return soon, nil
		}
	}
	want, wrong := t.alone()
	native, err := t.native(ctx, have, want, wrong)
	if err != nil || native == nil {
		return again, err
	}
	rec, err := t.record(ctx, native)
	if err != nil {
		return again, err
	}
	status, done := iter8.Starting(&t.e, rec, t.now)
	if done {
		t.filledIn = true
		return t.latest(ctx)
	}
	t.e.Status = status
	return seldom, t.show(ctx, native, rec)
}

// alone is the native experiment that does the start action and nothing else.
func (t *turn) alone() (*kube.Experiment, error) {
	if t.wrong != nil {
		return nil, unreadable(t.wrong)
	}
	made, err := iter8.Start(&t.e)
	if err != nil {
		return nil, err
	}
	return t.owned(made, startAlone), nil
}

// latest reads the experiment from the API server: a cache may still have it
// without the versions that were filled in, or as it was before its start. It
// gives the time to the next look where there is no start to be made of it now.
func (t *turn) latest(ctx context.Context) (time.Duration, error) {
	u := newObject()
	if err := t.r.Live.Get(ctx, t.key(), u); err != nil {
		return again, err
	}
	if u.GetUID() != t.u.GetUID() || !u.GetDeletionTimestamp().IsZero() {
		return again, nil // It is gone, and the turn of that comes.
	}
	t.u = u
	if t.read(); t.prepared() || t.is(api.Completed) {
		return soon, nil
	}
	return 0, nil
}

// started reports whether the start action was done before the native experiment
// that does the rest, of which have is what there is. Until that one is made, the
// stage says so: nothing else gets an experiment to it that has none.
func (t *turn) started(have *kube.Experiment) bool {
	if have != nil {
		return have.Annotations[startAnnotation] == startDone
	}
	return t.e.Status.Stage != nil && *t.e.Status.Stage == api.StageRunning
}
