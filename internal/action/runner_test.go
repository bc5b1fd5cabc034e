// SPDX-License-Identifier: Apache-2.0

package action

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/headgate-dev/headgate/internal/experiment"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// intent is the nth action of the end of an experiment.
func intent(n int) experiment.Intent {
	return experiment.Intent{Kind: experiment.IntentRun, Transition: 4, Hook: experiment.OnFinish, Index: n}
}

// task is one to be done, whose document knows little.
func task(n int, a experiment.Action) Task {
	i := intent(n)
	return Task{Intent: i, Action: a, Key: Key("u1", i), Label: "onFinish/" + a.Name, Document: map[string]any{
		"name": "v2", "experiment": map[string]any{"id": "search/ranker", "name": "ranker", "outcome": "promoted", "hook": "onFinish", "shares": map[string]any{"v1": 0, "v2": 100}},
	}}
}

// script is a Runner whose tries come to what is written, by the tasks' labels.
type script struct {
	*Runner
	mu    sync.Mutex
	calls []string
}

// errNever is a try that does not end before it is stopped.
var errNever = errors.New("never")

func scripted(t *testing.T, outcomes map[string][]error) *script {
	t.Helper()
	s := &script{Runner: New(Options{})}
	s.perform = func(ctx context.Context, j *job) (result, error) {
		s.mu.Lock()
		s.calls = append(s.calls, j.task.Key)
		n := 0
		for _, key := range s.calls[:len(s.calls)-1] {
			if key == j.task.Key {
				n++
			}
		}
		s.mu.Unlock()
		of := outcomes[j.task.Label]
		err := of[min(n, len(of)-1)]
		if errors.Is(err, errNever) {
			<-ctx.Done()
			return result{}, ctx.Err()
		}
		return result{why: "as written"}, err
	}
	t.Cleanup(s.Close)
	return s
}

// state waits until nothing moves, and says how the tasks stand.
func (s *script) state(t *testing.T, tasks ...Task) []string {
	t.Helper()
	synctest.Wait()
	var out []string
	for _, f := range s.Progress(t.Context(), Owner{UID: "u1"}, tasks) {
		text := f.Why
		if f.Done {
			text = "done: " + text
		}
		if f.Failed {
			text = "failed: " + text
		}
		out = append(out, text)
	}
	return out
}

func want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func named2(n int, name string, retries int) Task {
	return task(n, experiment.Action{Name: name, Retries: retries, Timeout: 10 * time.Second})
}

func TestActionsOfAnOwnerAreDoneOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scripted(t, map[string][]error{"onFinish/a": {nil}, "onFinish/b": {nil}})
		a, b := named2(0, "a", 0), named2(1, "b", 0)
		want(t, s.state(t, a, b), "try 1 of 1 is under way", "it waits for onFinish/a")
		want(t, s.state(t, a, b), "done: as written", "it waits for onFinish/a")
		want(t, s.state(t, b), "try 1 of 1 is under way")
		want(t, s.state(t, b), "done: as written")
		want(t, s.state(t))
		want(t, s.calls, a.Key, b.Key)
		if len(s.lanes) != 0 {
			t.Errorf("%d owners are remembered", len(s.lanes))
		}
	})
}

func TestATryThatFailedIsMadeAgainAfterALongerPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := unavailable("it is down").WithHint("start it")
		s := scripted(t, map[string][]error{"onFinish/a": {down}})
		a := named2(0, "a", 2)
		start := time.Now()
		s.state(t, a)
		want(t, s.state(t, a), "try 2 of 3 in 1s: it is down; start it")
		time.Sleep(time.Second)
		want(t, s.state(t, a), "try 3 of 3 in 2s: it is down; start it")
		time.Sleep(2 * time.Second)
		want(t, s.state(t, a), "failed: tried 3 times: it is down; start it")
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("it took %s", took)
		}
		if s.state(t, a); len(s.calls) != 3 {
			t.Errorf("%d tries", len(s.calls))
		}
	})
}

func TestAPauseIsNoLongerThanHalfAMinuteUnlessAServerAsks(t *testing.T) {
	for name, c := range map[string]struct {
		try  int
		err  error
		want time.Duration
	}{
		"the first":                 {1, errNever, time.Second},
		"the fourth":                {4, errNever, 8 * time.Second},
		"the tenth":                 {10, errNever, longestPause},
		"a server asks for more":    {1, later{errNever, 20 * time.Second}, 20 * time.Second},
		"a server asks for a day":   {1, later{errNever, 24 * time.Hour}, maxAfter},
		"a server asks for nothing": {2, later{errNever, 0}, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j, start := &job{try: c.try}, time.Now()
				if !j.pause(t.Context(), c.err) || time.Since(start) != c.want {
					t.Errorf("waited %s, want %s", time.Since(start), c.want)
				}
			})
		})
	}
}

func TestAHopelessTryIsTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scripted(t, map[string][]error{"onFinish/a": {hopeless(invalid("it is wrong"))}})
		a := named2(0, "a", 5)
		s.state(t, a)
		want(t, s.state(t, a), "failed: it is wrong")
	})
}

func TestATryEndsAtItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scripted(t, map[string][]error{"onFinish/a": {errNever}})
		a := named2(0, "a", 0)
		s.state(t, a)
		time.Sleep(10 * time.Second)
		want(t, s.state(t, a), "failed: not done within 10s: context deadline exceeded")
	})
}

func TestWhatIsNotListedIsCalledOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scripted(t, map[string][]error{"onFinish/a": {errNever}, "onFinish/b": {nil}})
		var causes []error
		perform := s.perform
		s.perform = func(ctx context.Context, j *job) (result, error) {
			res, err := perform(ctx, j)
			causes = append(causes, context.Cause(ctx))
			return res, err
		}
		a, b := named2(0, "a", 3), named2(1, "b", 0)
		s.state(t, a)
		synctest.Wait()
		facts := s.Progress(t.Context(), Owner{UID: "u1"}, []Task{b})
		if facts[0].Why != "it waits until onFinish/a has stopped" {
			t.Errorf("%q", facts[0].Why)
		}
		s.state(t, b)
		want(t, s.state(t, b), "done: as written")
		if len(causes) == 0 || !errors.Is(causes[0], errCalledOff) {
			t.Errorf("it stopped because of %v", causes)
		}
		want(t, s.calls, a.Key, b.Key)
	})
}

func TestAForgottenOwnerLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scripted(t, map[string][]error{"onFinish/a": {unavailable("it is down")}})
		s.state(t, named2(0, "a", 9))
		synctest.Wait()
		s.Forget("u1")
		synctest.Wait()
		if len(s.lanes) != 0 || len(s.calls) != 1 {
			t.Errorf("%d owners, %d tries", len(s.lanes), len(s.calls))
		}
	})
}

func TestNothingBeginsWhileItsOwnerWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scripted(t, map[string][]error{"onFinish/a": {nil}})
		a := []Task{named2(0, "a", 0)}
		facts := s.Progress(t.Context(), Owner{UID: "u1", Wait: "the route is not written yet"}, a)
		synctest.Wait()
		if facts[0].Why != "the route is not written yet" || len(s.calls) > 0 {
			t.Errorf("%+v, %v", facts, s.calls)
		}
	})
}

func TestAConditionThatDoesNotHoldIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for condition, outcome := range map[string]string{
			`.experiment.outcome == "promoted"`:    "done: as written",
			`.experiment.outcome == "rolled-back"`: "done: its condition does not hold",
			`.experiment.nothing`:                  "done: its condition does not hold",
			`.experiment.outcome`:                  "done: its condition does not hold",
			`.experiment.shares.v2 > 50`:           "done: as written",
			`error("x")`:                           "failed: its condition: the expression fails",
			`.[`:                                   "failed: its condition: not a jq expression: it ends too early",
		} {
			s := scripted(t, map[string][]error{"onFinish/a": {nil}})
			a := named2(0, "a", 3)
			a.Action.If = condition
			s.state(t, a)
			want(t, s.state(t, a), outcome)
		}
	})
}

func TestWhatTheExperimentWasMadeForIsReadBeforeATry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		defer r.Close()
		var seen any
		r.perform = func(_ context.Context, j *job) (result, error) {
			seen = j.task.Document["this"]
			return result{}, nil
		}
		asked := 0
		owner := Owner{UID: "u1", This: func(context.Context) (any, error) {
			if asked++; asked == 1 {
				return nil, unavailable("it cannot be read now")
			}
			return map[string]any{"spec": map[string]any{"replicas": int64(3)}}, nil
		}}
		a := []Task{named2(0, "a", 1)}
		r.Progress(t.Context(), owner, a)
		synctest.Wait()
		if why := r.Progress(t.Context(), owner, a)[0].Why; !strings.Contains(why, "it cannot be read now") {
			t.Errorf("%q", why)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if f := r.Progress(t.Context(), owner, a)[0]; !f.Done {
			t.Errorf("%+v", f)
		}
		if diff := cmp.Diff(map[string]any{"spec": map[string]any{"replicas": 3}}, seen); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if a[0].Document["this"] != nil {
			t.Error("the document that was given was changed")
		}
	})
}

func TestTriesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scripted(t, map[string][]error{"onFinish/a": {errNever}})
		s.places = make(chan struct{}, 2)
		for _, uid := range []string{"u1", "u2", "u3"} {
			s.Progress(t.Context(), Owner{UID: uid}, []Task{named2(0, "a", 0)})
		}
		synctest.Wait()
		if len(s.calls) != 2 {
			t.Errorf("%d tries at once", len(s.calls))
		}
	})
}

func TestWhoeverWaitsIsToldOfAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		r := New(Options{Ended: func(uid string) { told = append(told, uid) }})
		defer r.Close()
		r.perform = func(context.Context, *job) (result, error) { return result{}, nil }
		r.Progress(t.Context(), Owner{UID: "u1"}, []Task{named2(0, "a", 0)})
		synctest.Wait()
		want(t, told, "u1")
	})
}

func TestAClosedRunnerBeginsNothing(t *testing.T) {
	r := New(Options{})
	r.Close()
	if f := r.Progress(t.Context(), Owner{UID: "u1"}, []Task{named2(0, "a", 0)})[0]; f.Done || f.Failed {
		t.Errorf("%+v", f)
	}
}

func TestAnActionOfNoKindFails(t *testing.T) {
	r := New(Options{})
	defer r.Close()
	if _, err := r.once(t.Context(), &job{}); err == nil || !strings.Contains(err.Error(), "nothing to do") {
		t.Error(err)
	}
}

// run does one try of an action for an owner.
func run(t *testing.T, r *Runner, owner Owner, a experiment.Action) (result, error) {
	t.Helper()
	return r.once(t.Context(), &job{owner: owner, task: task(0, a), try: 1})
}

// fate says what becomes of an error: "again", "last" or "" for none.
func fate(err error) string {
	if err == nil {
		return ""
	}
	if _, last := errors.AsType[final](err); last {
		return "last"
	}
	return "again"
}
