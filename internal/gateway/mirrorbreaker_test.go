// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

func TestBreaker(t *testing.T) {
	const answered, timeout, failed = copyAnswered, copyTimeout, copyFailed
	hung := slices.Repeat([]copyResult{timeout}, mostTimeouts)
	for name, tc := range map[string]struct {
		ends  []copyResult
		hangs bool
		most  int // of 32
	}{
		"sends few at first":                  {nil, false, mostTimeouts},
		"sends more with each answer":         {[]copyResult{answered, timeout, answered}, false, mostTimeouts + 2},
		"sends less with each time-out":       {slices.Concat(slices.Repeat([]copyResult{answered}, 1000), hung[5:]), false, 29},
		"sends as many as may be":             {slices.Repeat([]copyResult{answered}, 1000), false, 32},
		"bears some time-outs":                {hung[1:], false, 1},
		"opens when nothing else comes":       {hung, true, 1},
		"forgets time-outs with an answer":    {slices.Concat(hung[1:], []copyResult{answered}, hung[1:]), false, 2},
		"trusts less after it opened":         {slices.Concat([]copyResult{answered, answered}, hung, []copyResult{answered}), false, mostTimeouts + 1},
		"takes failures for no answers":       {slices.Concat(hung[1:], []copyResult{failed, copyFlooded, timeout}), true, 1},
		"takes failures for no time-outs":     {slices.Repeat([]copyResult{failed, copyFlooded, copyCrowded, copyUnfit, copyUnserved}, 99), false, mostTimeouts},
		"closes with an answer that is late":  {append(slices.Clone(hung), timeout, failed, answered), false, mostTimeouts + 1},
		"stays open with what else was under": {append(slices.Clone(hung), timeout, failed, copyFlooded), true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var b breaker
			for _, r := range tc.ends {
				b.ended(r, false, epochStart)
			}
			if b.hangs() != tc.hangs || b.pauses(epochStart) != tc.hangs || b.most(32) != tc.most {
				t.Errorf("hangs %t, sends %d of 32, want %t, %d", b.hangs(), b.most(32), tc.hangs, tc.most)
			}
		})
	}
}

// TestBreakerTriesOneCopyAtATime has tries fail in each way that is no answer,
// after a second each: pauses double all the same, and an answer ends them.
func TestBreakerTriesOneCopyAtATime(t *testing.T) {
	var b breaker
	now := epochStart
	hang := func() {
		for range mostTimeouts {
			b.ended(copyTimeout, false, now)
		}
	}
	hang()
	for i, want := range []time.Duration{1, 2, 4, 8, 10, 10, 10} {
		last := now.Add(want*time.Second - 1)
		if sends, _ := b.take(last); sends {
			t.Fatalf("try %d is sent before %d s", i, want)
		}
		now = last.Add(1)
		if b.pauses(now) {
			t.Fatalf("try %d is not sent after %d s", i, want)
		}
		if sends, try := b.take(now); !sends || !try {
			t.Fatalf("try %d: %t, %t", i, sends, try)
		}
		if sends, _ := b.take(now.Add(time.Hour)); sends || !b.pauses(now.Add(time.Hour)) {
			t.Fatalf("another is sent beside try %d", i)
		}
		b.ended(copyTimeout, false, now) // Of one that was under way before.
		if sends, _ := b.take(now); sends {
			t.Fatalf("another is sent beside try %d, because an earlier one ended", i)
		}
		now = now.Add(time.Second)
		b.ended([]copyResult{copyTimeout, copyFailed, copyFlooded, copyCrowded}[i%4], true, now)
	}
	b.ended(copyAnswered, true, now)
	if sends, try := b.take(now); !sends || try || b.hangs() {
		t.Errorf("after an answer: %t, %t, hangs %t", sends, try, b.hangs())
	}
	hang()
	if _, try := b.take(now.Add(firstPause)); !try {
		t.Error("the pauses of an earlier time go on")
	}
}

// hanging is what a candidate's series says.
func (b *bubble) hanging(t *testing.T, version string) float64 {
	t.Helper()
	return metric(t, b.reg, "headgate_gateway_shadow_hanging", "version", version)
}

// TestShadowThatHangsIsSpared has a shadow answer, hang for minutes and answer
// again, under 20 requests a second.
func TestShadowThatHangsIsSpared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hangs atomic.Bool
		var came, now, most atomic.Int64
		b, pairs, end := shaded(t, fine, func(w http.ResponseWriter, r *http.Request) {
			came.Add(1)
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			if hangs.Load() {
				stuck(w, r)
				return
			}
			fine(w, r)
		}, func(r *experiment.Route) { r.Mirror.Timeout, r.Mirror.Rate = time.Second, 1000 })
		defer end()
		copies := func(r copyResult) int {
			return int(metric(t, b.reg, "headgate_gateway_copies_total", "result", r.String()))
		}
		sent := 0
		load := func(long time.Duration) {
			for range long / (100 * time.Millisecond) {
				b.send(t, 2)
				sent += 2
				time.Sleep(100 * time.Millisecond)
			}
			synctest.Wait()
		}
		load(2 * time.Second)
		if came.Load() != 40 || copies(copyAnswered) != 40 || b.hanging(t, "v2") != 0 {
			t.Fatalf("%d copies came, %d answered, hanging %v", came.Load(), copies(copyAnswered), b.hanging(t, "v2"))
		}

		hangs.Store(true)
		load(3 * time.Second)
		if n := came.Load() - 40; n < mostTimeouts || n > defaultCopies || b.hanging(t, "v2") != 1 {
			t.Errorf("%d copies came in 3 s of a shadow that hangs, hanging %v", n, b.hanging(t, "v2"))
		}
		before := came.Load()
		most.Store(0)
		load(220 * time.Second)
		// A pause of ten seconds, and a second until it times out.
		if n := came.Load() - before; n < 20 || n > 24 || most.Load() != 1 {
			t.Errorf("%d copies came in 220 s, %d at a time, want one each 11 s", n, most.Load())
		}
		unanswered := pairs()[40:]
		if n := copies(copyTimeout); n != int(came.Load())-40-int(now.Load()) || len(unanswered) != n || slices.ContainsFunc(unanswered, func(p experiment.Pair) bool { return !p.Failed }) {
			t.Errorf("%d copies came, %d timed out, %d made pairs", came.Load()-40, n, len(unanswered))
		}

		hangs.Store(false)
		load(12 * time.Second)
		if b.hanging(t, "v2") != 0 {
			t.Fatal("it answers, and is spared all the same")
		}
		before = came.Load()
		load(time.Second)
		if n := came.Load() - before; n != 20 {
			t.Errorf("%d of 20 requests are copied to a shadow that answers again", n)
		}
		if got := copies(copyHanging) + copies(copyAnswered) + copies(copyTimeout) + copies(copyLate); got != sent {
			t.Errorf("of %d requests %d are counted: %d answered, %d timed out, %d late, %d spared", sent, got, copies(copyAnswered), copies(copyTimeout), copies(copyLate), copies(copyHanging))
		}
		if n := b.shadows.kept.held.Load() + b.shadows.heard.held.Load(); n != 0 {
			t.Errorf("%d bytes are held", n)
		}
	})
}

// TestOnlyTheShadowThatHangsIsSpared mirrors to one that hangs and one that
// answers, in lanes of their own and in one that both share.
func TestOnlyTheShadowThatHangsIsSpared(t *testing.T) {
	for _, limit := range []int{0, 1} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, pairs, end := shaded(t, fine, stuck, func(r *experiment.Route) {
					r.Versions = append(r.Versions, experiment.Version{Name: "v3", Backend: "http://other"})
					r.Slots, r.Mirror.Versions, r.Mirror.Concurrency = experiment.SlotsOf(experiment.Baseline(3)), []int{1, 2}, limit
					r.Mirror.Timeout = 100 * time.Millisecond
				})
				defer end()
				defer b.serve("other", fine)()
				for range 20 {
					b.send(t, 1)
					time.Sleep(150 * time.Millisecond)
				}
				synctest.Wait()
				var answered int
				for _, p := range pairs() {
					if !p.Failed && p.Version == 2 {
						answered++
					}
				}
				spared := metric(t, b.reg, "headgate_gateway_copies_total", "version", "v2", "result", "dropped_hanging")
				if answered != 20 || spared < 10 || b.hanging(t, "v2") != 1 || b.hanging(t, "v3") != 0 || !slices.Equal(b.Hanging(b.route.Experiment), []string{"v2"}) || b.Hanging("another") != nil {
					t.Errorf("%d of 20 pairs of the one that answers, %v copies spared, hanging %v and %v", answered, spared, b.hanging(t, "v2"), b.hanging(t, "v3"))
				}
			})
		})
	}
}

// TestAnotherMirrorTriesAnew: what is known of a shadow ends with its phase.
func TestAnotherMirrorTriesAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _, end := shaded(t, fine, stuck, func(r *experiment.Route) { r.Mirror.Timeout = time.Second })
		defer end()
		b.send(t, mostTimeouts)
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		if b.hanging(t, "v2") != 1 {
			t.Fatal("it does not hang")
		}
		next := b.route
		next.Phase++
		next.PhaseStart = time.Now()
		swap(t, b.Gateway, next)
		if b.hanging(t, "v2") != 0 {
			t.Error("it hangs before it was sent anything")
		}
	})
}

// TestShadowThatHangsCostsFewConnections counts what a shadow that hangs costs
// over real sockets: as many as it takes to see that it hangs.
func TestShadowThatHangsCostsFewConnections(t *testing.T) {
	var dialled atomic.Int64
	m := newMirrored(t, func(r *experiment.Route) { r.Mirror.Timeout = 100 * time.Millisecond }, named(t, "one"), talker(t, func(c net.Conn) {
		dialled.Add(1)
		hear1(c)
		block(c)
	}))
	start := time.Now()
	for range 100 {
		m.ask(t, "POST", "/", "{}")
	}
	m.over()
	tried := int(time.Since(start) / firstPause) // At most, where 100 requests take so long.
	sent := m.copies(t, copyTimeout)
	if n := int(dialled.Load()); n > sent || sent < mostTimeouts || sent > mostTimeouts+tried {
		t.Errorf("of 100 copies to a shadow that hangs %d were sent over %d connections, want %d and at most %d tries", sent, n, mostTimeouts, tried)
	}
}
