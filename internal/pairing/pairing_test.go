// SPDX-License-Identifier: Apache-2.0

package pairing

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
)

var start = time.Date(2026, 11, 21, 11, 0, 0, 0, time.UTC)

func hash(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	return h.Sum64()
}

// world is a plan whose shadow is copied by others, and the route it serves.
func world(t *testing.T) (*Joiner, *experiment.Route) {
	t.Helper()
	p := &experiment.Plan{
		Name:     "models",
		Versions: []experiment.Version{{Name: "v1", Backend: "http://a"}, {Name: "v2", Backend: "http://b", Model: "ranker-2"}, {Name: "v3", Backend: "http://c"}},
		Metrics: []experiment.Metric{
			{Name: "agree", Pairs: &experiment.PairsMetric{Compare: experiment.CompareClass, Value: ".label"}},
			{Name: "slow", Pairs: &experiment.PairsMetric{Compare: experiment.CompareLatency, Tolerance: .1}},
		},
		Redact: []experiment.Redaction{{Path: "$.label.secret", How: experiment.RedactRemove}},
		Stages: []experiment.Stage{{Name: "shadow", Mirror: &experiment.Mirror{Share: 1000, ByEvents: true, Timeout: time.Second}}},
		Window: time.Minute, Lag: 2 * time.Second,
	}
	j, err := New(p, hash)
	if err != nil {
		t.Fatal(err)
	}
	return j, &experiment.Route{
		Experiment: "models", Epoch: 1, Phase: 2, PhaseStart: start, Window: time.Minute,
		Mirror: &experiment.MirrorRoute{Share: 1000, Versions: []int{1, 2}, ByEvents: true},
	}
}

func event(id, version string, kind experiment.EventKind, at time.Duration, body string) *experiment.Event {
	return &experiment.Event{ID: id, Kind: kind, Names: []string{"unknown", version}, At: start.Add(at), Body: []byte(body)}
}

func TestTwoAnswersToARequestMakeAPair(t *testing.T) {
	synctest.Test(t, twoAnswersToARequestMakeAPair) // Time stands still: no comparison takes too long.
}

func twoAnswersToARequestMakeAPair(t *testing.T) {
	j, route := world(t)
	now := start.Add(90 * time.Second)
	add := func(e *experiment.Event) []Joined { return j.Add(t.Context(), e, route, now) }
	for _, e := range []*experiment.Event{
		event("r-1", "v1", experiment.EventRequest, 70*time.Second, "{}"),
		event("r-1", "ranker-2", experiment.EventResponse, 70*time.Second+250*time.Millisecond, `{"label":"cat"}`),
		event("r-1", "v2", experiment.EventRequest, 70*time.Second+time.Millisecond, "{}"),
		event("r-2", "v1", experiment.EventResponse, 71*time.Second, `{"label":"dog"}`),
	} {
		if pairs := add(e); pairs != nil {
			t.Fatalf("half a pair is one: %+v", pairs)
		}
	}
	got := add(event("r-1", "v1", experiment.EventResponse, 70*time.Second+200*time.Millisecond, `{"label":"dog"}`))
	want := []Joined{{
		Pair: experiment.Pair{
			Experiment: "models", Epoch: 1, Phase: 2, Window: 1, Version: 1, ID: "r-1", Unit: hash("r-1"), At: start.Add(70 * time.Second),
			Compared: []experiment.Compared{{Value: 0, Baseline: "dog", Candidate: "cat"}, {Value: 1}},
		},
		Baseline: &Said{Body: []byte(`{"label":"dog"}`)}, Candidate: &Said{Body: []byte(`{"label":"cat"}`)},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	for range 2 {
		for _, version := range []string{"v1", "v2"} {
			if pairs := add(event("r-1", version, experiment.EventResponse, 72*time.Second, `{"label":"cow"}`)); pairs != nil {
				t.Errorf("told again it is another pair: %+v", pairs)
			}
		}
	}
	if got := add(event("r-1", "v3", experiment.EventResponse, 71*time.Second, `{"label":"dog"}`)); len(got) != 1 || got[0].Version != 2 || got[0].Compared[0].Value != 1 || got[0].Baseline != nil || got[0].Candidate == nil {
		t.Errorf("the second candidate: %+v", got)
	}
	if s := j.Stats(); s.Pairs != 2 || s.Unknown != 0 {
		t.Errorf("%+v", s)
	}
}

func TestWhatBelongsToNothingIsCounted(t *testing.T) {
	j, route := world(t)
	add := func(id, version string, now time.Duration) {
		if pairs := j.Add(t.Context(), event(id, version, experiment.EventResponse, now, "{}"), route, start.Add(now)); pairs != nil {
			t.Errorf("%+v", pairs)
		}
	}
	add("r-1", "v9", 0)
	route.Mirror.Versions = []int{2}
	add("r-1", "v2", 0) // It is removed.
	route.Mirror = nil
	add("r-1", "v1", 0) // Nothing is mirrored any more.
	if s := j.Stats(); s.Unknown != 3 {
		t.Errorf("%+v", s)
	}
	route.Mirror = &experiment.MirrorRoute{Versions: []int{1}}
	add("r-2", "v1", time.Second)
	add("r-3", "v2", time.Second)
	over := time.Second + j.plan.PairsHold() + time.Millisecond
	add("r-4", "v2", over)
	add("r-2", "v2", over) // The other half has gone.
	if diff := cmp.Diff([]int64{1, 1, 0}, j.Stats().Unpaired); diff != "" {
		t.Errorf("unpaired by version (-want +got):\n%s", diff)
	}
}

func TestLongIDsStayApart(t *testing.T) {
	j, route := world(t)
	seen := map[string]bool{}
	for i := range 3 {
		id := strings.Repeat("x", 100) + fmt.Sprint(i)
		j.Add(t.Context(), event(id, "v1", experiment.EventResponse, 0, "{}"), route, start)
		for _, p := range j.Add(t.Context(), event(id, "v2", experiment.EventResponse, 0, "{}"), route, start) {
			seen[p.ID] = len(p.ID) <= experiment.MaxPairID
		}
	}
	if len(seen) != 3 || seen[""] {
		t.Errorf("%v", seen)
	}
}

// TestAnyOrderMakesTheSamePairs shuffles and repeats events: of each request and
// candidate there is one pair, however they come.
func TestAnyOrderMakesTheSamePairs(t *testing.T) {
	synctest.Test(t, anyOrderMakesTheSamePairs) // Time stands still: no comparison takes too long.
}

func anyOrderMakesTheSamePairs(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		j, route := world(t)
		var events []*experiment.Event
		for i := range 20 {
			for v := 1; v <= 3; v++ {
				e := event(fmt.Sprint("r-", i), fmt.Sprint("v", v), experiment.EventResponse, time.Second, fmt.Sprintf(`{"label":%d}`, i%3))
				events = append(events, e, e)
			}
		}
		rng.Shuffle(len(events), func(i, k int) { events[i], events[k] = events[k], events[i] })
		seen := map[string]int{}
		for _, e := range events {
			for _, p := range j.Add(t.Context(), e, route, start.Add(2*time.Second)) {
				if p.Compared[0].Value != 1 || p.Compared[0].Blank {
					t.Fatalf("equal answers do not agree: %+v", p)
				}
				seen[fmt.Sprint(p.ID, p.Version)]++
			}
		}
		for key, n := range seen {
			if n != 1 {
				t.Fatalf("%s makes %d pairs", key, n)
			}
		}
		if len(seen) != 40 {
			t.Fatalf("%d pairs, want 40", len(seen))
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	j, route := world(t)
	body := strings.Repeat("x", 1<<20)
	for i := range 200 {
		j.Add(t.Context(), event(fmt.Sprint(i), "v1", experiment.EventResponse, 0, body), route, start)
	}
	if s := j.Stats(); j.bytes > maxWaitingBytes || s.Crowded != 200-64 {
		t.Errorf("%d bytes wait, %d had no room", j.bytes, s.Crowded)
	}
	for i := range maxWaiting + 10 {
		j.Add(t.Context(), event(fmt.Sprint("small ", i), "v2", experiment.EventResponse, 0, ""), route, start)
	}
	if len(j.waiting) != maxWaiting || j.order.Len() != maxWaiting {
		t.Errorf("%d wait", len(j.waiting))
	}
	j.Add(t.Context(), event("later", "v1", experiment.EventResponse, 0, ""), route, start.Add(time.Hour))
	if len(j.waiting) != 1 || j.bytes != 0 {
		t.Errorf("an hour later %d wait, %d bytes", len(j.waiting), j.bytes)
	}
}
