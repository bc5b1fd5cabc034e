// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// TestAPhaseThatIsToldLateLacksItsFirstWindows: nobody knows what was answered
// before.
func TestAPhaseThatIsToldLateLacksItsFirstWindows(t *testing.T) {
	for name, tc := range map[string]struct {
		window, late time.Duration
		lacks        int64
	}{
		"before it begins":          {time.Minute, -time.Second, 0},
		"at once":                   {time.Minute, 0, 0},
		"promptly":                  {time.Minute, promptly, 0},
		"not so promptly":           {time.Minute, promptly + time.Millisecond, 1},
		"promptly for short ones":   {8 * time.Second, 2 * time.Second, 0},
		"late for a short window":   {8 * time.Second, 2*time.Second + time.Millisecond, 1},
		"in its third window":       {time.Minute, 2*time.Minute + time.Second, 3},
		"with its third window":     {time.Minute, 2 * time.Minute, 3},
		"for long, as after a stop": {time.Minute, 24 * time.Hour, 24*60 + 1},
	} {
		t.Run(name, func(t *testing.T) {
			l := newListener(t, func(p *experiment.Plan) { p.Window = tc.window })
			l.at(tc.late).begin(earPhase(1, 2, 0, 0))
			l.said("v1", "first", prediction("ok", .5))
			first := max(0, int64(tc.late/tc.window))
			whole := max(first, tc.lacks)
			l.at(time.Duration(whole) * tc.window)
			l.said("v1", "whole", prediction("ok", .5))
			l.at(time.Duration(whole+1)*tc.window + 10*time.Second)
			to, gaps, cells := l.told(1, 2)
			var want []experiment.Gap
			if tc.lacks > 0 {
				want = []experiment.Gap{{From: 0, To: tc.lacks, Why: whyDeaf}}
			}
			if diff := gocmp.Diff(want, gaps); diff != "" || to <= whole {
				t.Errorf("up to %d, gaps (-want +got):\n%s", to, diff)
			}
			counted := map[int64]int64{}
			for _, c := range cells {
				counted[c.Window] += c.Categories.Of("ok")
			}
			if n := counted[whole]; whole > first && n != 1 || whole == first && n != 2 || len(counted) != 1 {
				t.Errorf("answers by window: %v, want those of window %d", counted, whole)
			}
		})
	}
}

// TestPhasesFollowEachOther: each has windows of its own, and none goes back.
func TestPhasesFollowEachOther(t *testing.T) {
	l := newListener(t, nil)
	l.begin(earPhase(1, 2, 0, 0))
	l.at(80 * time.Second)
	l.said("v1", "a", prediction("old", .5))
	l.begin(earPhase(1, 3, 0, 80*time.Second))
	l.at(90 * time.Second)
	l.said("v1", "b", prediction("new", .5))
	for name, again := range map[string]experiment.Phase{
		"the one before":           earPhase(1, 2, 0, 0),
		"one that nobody heard of": earPhase(1, 1, 0, -time.Hour),
		"an earlier epoch":         earPhase(1, 0, 0, -time.Hour),
		"the same":                 earPhase(1, 3, 0, 80*time.Second),
	} {
		if err := l.Begin(again); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	l.said("v1", "c", prediction("new", .5))
	for name, other := range map[string]experiment.Phase{
		"from its beginning": earPhase(1, 0, 0, time.Hour),
		"with the same name": earPhase(1, 3, 0, time.Hour),
	} {
		err := l.Begin(other)
		if experiment.CodeOf(err) != experiment.CodeInvalid || experiment.HintOf(err) == "" {
			t.Errorf("a later experiment, %s: %v, hint %q", name, err, experiment.HintOf(err))
		}
	}
	l.at(100 * time.Second)
	l.begin(earPhase(2, 0, 1, 100*time.Second))
	l.said("v2", "d", prediction("newest", .5))
	l.at(10 * time.Minute)
	type class struct {
		phase  int
		window int64
		name   string
	}
	got := map[class]int64{}
	for _, p := range []experiment.Phase{{Epoch: 1, Phase: 2}, {Epoch: 1, Phase: 3}, {Epoch: 2}} {
		to, gaps, cells := l.told(p.Epoch, p.Phase)
		if to == 0 || len(gaps) > 0 {
			t.Errorf("phase %d.%d is sealed up to %d, gaps %v", p.Epoch, p.Phase, to, gaps)
		}
		for _, c := range cells {
			for _, k := range c.Categories {
				got[class{10*c.Epoch + c.Phase, c.Window, k.Name}] += k.N
			}
		}
	}
	want := map[class]int64{{12, 1, "old"}: 1, {13, 0, "new"}: 2, {20, 0, "newest"}: 1}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("classes (-want +got):\n%s", diff)
	}
	if last := l.rows[len(l.rows)-1]; !last.Mirrored || last.Epoch != 2 {
		t.Errorf("the last row is %+v", last)
	}
}

func TestPhasesThatNoPlanHas(t *testing.T) {
	l := newListener(t, nil)
	for name, p := range map[string]experiment.Phase{
		"nothing":          {},
		"no start":         {Epoch: 1},
		"no epoch":         earPhase(0, 1, 0, 0),
		"a negative phase": earPhase(1, -1, 0, 0),
		"a negative stage": earPhase(1, 1, -1, 0),
		"a stage too many": earPhase(1, 1, 2, 0),
	} {
		if err := l.Begin(p); experiment.CodeOf(err) != experiment.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if why := l.Hear(&experiment.Event{ID: "r", Kind: experiment.EventResponse, Names: []string{"v1"}}); why != HeardEarly {
		t.Errorf("a phase began: %q", why)
	}
	// A plan that was changed has it.
	changed := heardPlan()
	changed.Stages = append(changed.Stages, changed.Stages[0])
	l.Adopt(changed)
	l.begin(earPhase(1, 1, 2, 0))
}

// TestAnEarThatCannotReadThePlan says so when a phase begins.
func TestAnEarThatCannotReadThePlan(t *testing.T) {
	l := newListener(t, func(p *experiment.Plan) { p.Predictions.Class = ".[" })
	if err := l.Begin(earPhase(1, 1, 0, 0)); experiment.CodeOf(err) != experiment.CodeInvalid {
		t.Errorf("%v", err)
	}
	if why := l.Hear(&experiment.Event{ID: "r", Kind: experiment.EventResponse, Names: []string{"v1"}}); why != HeardEarly {
		t.Errorf("a phase began: %q", why)
	}
}

// TestTheEndTellsWhatIsUnderWay: its cells, and that they are not whole, since
// requests go on where nobody hears of them.
func TestTheEndTellsWhatIsUnderWay(t *testing.T) {
	l := newListener(t, nil)
	l.begin(earPhase(1, 2, 0, 0))
	l.said("v1", "a", prediction("ok", .5))
	l.at(65 * time.Second)
	l.begin(earPhase(1, 3, 0, 65*time.Second))
	l.at(70 * time.Second)
	l.told(1, 2)
	l.at(65*time.Second + 125*time.Second) // Window 2, and window 1 is not ripe.
	l.said("v1", "b", prediction("ok", .5))
	l.Finish()
	if to, gaps, cells := l.told(1, 2); to < 1 || len(gaps) > 0 || len(cells) != 3 {
		t.Errorf("the phase before is sealed up to %d, gaps %v, %d cells", to, gaps, len(cells))
	}
	to, gaps, cells := l.told(1, 3)
	if diff := gocmp.Diff([]experiment.Gap{{From: 1, To: 3, Why: whyDeaf}}, gaps); diff != "" || to != 3 {
		t.Errorf("up to %d, gaps (-want +got):\n%s", to, diff)
	}
	if len(cells) != 3 || cells[0].Window != 2 || len(l.rows) != 2 || !l.last {
		t.Errorf("cells %+v, %d rows, over %t", cells, len(l.rows), l.last)
	}
}

// TestAnEarThatHeardNothingEnds with a batch that says so.
func TestAnEarThatHeardNothingEnds(t *testing.T) {
	l := newListener(t, nil)
	l.take()
	if l.taken != 0 {
		t.Errorf("%d batches of nothing", l.taken)
	}
	l.Finish()
	l.take()
	if !l.last || len(l.seals)+len(l.rows) > 0 {
		t.Errorf("over %t, seals %+v, rows %+v", l.last, l.seals, l.rows)
	}
}

// TestOldWindowsOfAnEarGo where nobody takes them, and are told as gone.
func TestOldWindowsOfAnEarGo(t *testing.T) {
	l := newListener(t, nil)
	l.begin(earPhase(1, 2, 0, 0))
	l.said("v1", "a", prediction("ok", .5))
	l.at(70*time.Minute + 10*time.Second)
	l.Prune()
	to, gaps, cells := l.told(1, 2)
	if diff := gocmp.Diff([]experiment.Gap{{From: 0, To: 10, Why: whyUnread}}, gaps); diff != "" || to != 70 || len(cells) > 0 {
		t.Errorf("up to %d, cells %v, gaps (-want +got):\n%s", to, cells, diff)
	}
}

// TestManyTellAtOnce while others ask and tell of plans and phases.
func TestManyTellAtOnce(t *testing.T) {
	l := newListener(t, nil)
	l.begin(earPhase(1, 2, 0, 0))
	const loggers, each = 8, 200
	var wg sync.WaitGroup
	for i := range loggers {
		wg.Go(func() {
			for n := range each {
				l.said([]string{"v1", "v2"}[n%2], fmt.Sprintf("%d-%d", i, n), prediction("ok", .5))
			}
		})
	}
	wg.Go(func() {
		for range each {
			if err := l.Begin(earPhase(1, 2, 0, 0)); err != nil {
				t.Error(err)
			}
			l.Adopt(heardPlan())
			l.Prune()
		}
	})
	wg.Go(func() {
		for range each {
			l.take()
		}
	})
	wg.Wait()
	l.at(2 * time.Minute)
	_, _, cells := l.told(1, 2)
	got := map[int]int64{}
	for _, c := range cells {
		got[c.Version] += c.Categories.Of("ok")
	}
	if diff := gocmp.Diff(map[int]int64{0: loggers * each / 2, 1: loggers * each / 2}, got); diff != "" || len(l.rows) != loggers*each {
		t.Errorf("%d rows, answers by version (-want +got):\n%s", len(l.rows), diff)
	}
	slices.SortFunc(l.rows, func(a, b experiment.Prediction) int { return cmp.Compare(a.Request, b.Request) })
	if n := len(slices.CompactFunc(l.rows, func(a, b experiment.Prediction) bool { return a.Request == b.Request })); n != loggers*each {
		t.Errorf("the rows are of %d requests", n)
	}
}
