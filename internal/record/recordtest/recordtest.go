// SPDX-License-Identifier: Apache-2.0

// Package recordtest is what every store of records promises, as tests: a
// record is written by compare-and-swap together with its journal entries or
// not at all, and comes back as it was.
package recordtest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// Store is what is tested.
type Store interface {
	Load(ctx context.Context, id string) (experiment.Record, error)
	Save(ctx context.Context, id string, rec experiment.Record, entries ...experiment.Entry) (experiment.Record, error)
	Journal(ctx context.Context, id string, from int64) iter.Seq2[experiment.Entry, error]
	List(ctx context.Context) ([]string, error)
	Close() error
}

// Run tests a store. Each call of open gives a store over what dir names;
// opening the same dir again gives the same records.
func Run(t *testing.T, open func(t *testing.T, dir string) Store) {
	for _, tc := range []struct {
		name string
		test func(*testing.T, func(*testing.T, string) Store)
	}{
		{"a record comes back as it was, also after reopening", roundTrip},
		{"what was never saved is not found", neverSaved},
		{"an old revision is a conflict and changes nothing", oldRevision},
		{"a gap or a rewrite of the journal is refused", badEntries},
		{"one of eight writers wins each round", writersRace},
		{"the journal is read in order, from anywhere, as far as wanted", journalOrder},
		{"a context that has ended ends the call", contextEnds},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.test(t, open) })
	}
}

// Sample is a record with something in every part of it.
func Sample(step int) experiment.Record {
	at := time.Date(2026, 3, 1, 12, 0, step, 123456789, time.UTC)
	shares := experiment.Shares{9000, 1000}
	return experiment.Record{
		State: experiment.State{
			Plan: "hash", Condition: experiment.Running, Step: step, Epoch: 1, Phase: step,
			Slots: experiment.SlotsOf(shares), Started: at, PhaseStart: at, UnknownSince: &at, Commands: []string{"c1"},
			Decisions: []experiment.Decision{{At: at, Act: experiment.ActHold, Reasons: []experiment.Reason{experiment.Because(experiment.ReasonNeedTime, "left", "2m")}, From: shares, To: shares}},
		},
		Totals: experiment.Totals{Phases: []experiment.PhaseTotals{{
			Epoch: 1, Start: at, Shares: shares, Folded: experiment.Folded{Gateway: 3},
			Cells: []experiment.Total{{Metric: "revenue", Evidence: experiment.Evidence{Units: stats.Pair{N: 3, MeanY: 0.1 + 0.2, MeanX: 1, M2Y: 1e-300}}}},
		}}},
		Monitors: experiment.Monitors{Harm: []experiment.HarmMonitor{{Version: 1, Role: experiment.RoleReward, Metric: "revenue", Worse: 1.0 / 3}}},
		Holds:    int64(step),
	}
}

// Line is a journal entry with a number.
func Line(seq int64) experiment.Entry {
	rec := Sample(int(seq))
	return experiment.Entry{
		Seq: seq, Engine: "test", Hash: "hash", Now: rec.State.Started, Before: "a", After: "b",
		State: rec.State, Totals: rec.Totals, Monitors: rec.Monitors, Decision: rec.State.Decisions[0],
	}
}

// Journal collects entries, up to the first error.
func Journal(ctx context.Context, s Store, id string, from int64) (entries []experiment.Entry, err error) {
	for e, err := range s.Journal(ctx, id, from) {
		if err != nil {
			return entries, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func wantCode(t *testing.T, doing string, err error, want experiment.Code) {
	t.Helper()
	if got := experiment.CodeOf(err); got != want {
		t.Errorf("%s: error = %v (%q), want %q", doing, err, got, want)
	}
}

func wantSame[T any](t *testing.T, what string, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func mustSave(t *testing.T, s Store, id string, rec experiment.Record, entries ...experiment.Entry) experiment.Record {
	t.Helper()
	saved, err := s.Save(t.Context(), id, rec, entries...)
	if err != nil {
		t.Fatal(err)
	}
	return saved
}

func roundTrip(t *testing.T, open func(*testing.T, string) Store) {
	dir := t.TempDir()
	s := open(t, dir)
	saved := mustSave(t, s, "search/ranker", Sample(0), Line(0), Line(1))
	want := Sample(0)
	want.Revision, want.Entries = 1, 2
	wantSame(t, "saved", want, saved)
	next := Sample(1)
	next.Revision, next.Entries = saved.Revision, saved.Entries
	want = mustSave(t, s, "search/ranker", next, Line(2))
	mustSave(t, s, "a", Sample(0))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	defer s.Close()
	got, err := s.Load(t.Context(), "search/ranker")
	wantCode(t, "load", err, "")
	wantSame(t, "loaded", want, got)
	if got.Revision != 2 || got.Entries != 3 {
		t.Errorf("revision %d with %d entries, want 2 with 3", got.Revision, got.Entries)
	}
	entries, err := Journal(t.Context(), s, "search/ranker", 0)
	wantCode(t, "journal", err, "")
	wantSame(t, "journal", []experiment.Entry{Line(0), Line(1), Line(2)}, entries)
	ids, err := s.List(t.Context())
	wantCode(t, "list", err, "")
	wantSame(t, "list", []string{"a", "search/ranker"}, ids)
}

func neverSaved(t *testing.T, open func(*testing.T, string) Store) {
	s := open(t, t.TempDir())
	defer s.Close()
	_, err := s.Load(t.Context(), "none")
	wantCode(t, "load", err, experiment.CodeNotFound)
	_, err = Journal(t.Context(), s, "none", 0)
	wantCode(t, "journal", err, experiment.CodeNotFound)
	if ids, err := s.List(t.Context()); err != nil || len(ids) > 0 {
		t.Errorf("list = %v, %v; want none", ids, err)
	}
	_, err = s.Save(t.Context(), "", Sample(0))
	wantCode(t, "save without an id", err, experiment.CodeInvalid)
}

func oldRevision(t *testing.T, open func(*testing.T, string) Store) {
	s := open(t, t.TempDir())
	defer s.Close()
	ahead := Sample(0)
	ahead.Revision = 1
	_, err := s.Save(t.Context(), "x", ahead)
	wantCode(t, "save what was never created", err, experiment.CodeConflict)
	first := mustSave(t, s, "x", Sample(0), Line(0))
	_, err = s.Save(t.Context(), "x", Sample(5), Line(0))
	wantCode(t, "create again", err, experiment.CodeConflict)
	second := mustSave(t, s, "x", first)
	_, err = s.Save(t.Context(), "x", first, Line(1))
	wantCode(t, "save an old revision", err, experiment.CodeConflict)
	got, err := s.Load(t.Context(), "x")
	wantCode(t, "load", err, "")
	wantSame(t, "after conflicts", second, got)
	if entries, err := Journal(t.Context(), s, "x", 0); err != nil || len(entries) != 1 {
		t.Errorf("%d entries after conflicts, %v; want 1", len(entries), err)
	}
}

func badEntries(t *testing.T, open func(*testing.T, string) Store) {
	s := open(t, t.TempDir())
	defer s.Close()
	rec := mustSave(t, s, "x", Sample(0), Line(0), Line(1))
	for name, entries := range map[string][]experiment.Entry{
		"gap":         {Line(3)},
		"rewrite":     {Line(1)},
		"gap between": {Line(2), Line(4)},
		"order":       {Line(3), Line(2)},
		"twice":       {Line(2), Line(2)},
	} {
		_, err := s.Save(t.Context(), "x", rec, entries...)
		wantCode(t, name, err, experiment.CodeInvalid)
	}
	lie := rec
	lie.Entries = 1
	_, err := s.Save(t.Context(), "x", lie, Line(1))
	wantCode(t, "fewer entries than there are", err, experiment.CodeInvalid)
	if entries, err := Journal(t.Context(), s, "x", 0); err != nil || len(entries) != 2 {
		t.Errorf("%d entries, %v; want 2", len(entries), err)
	}
}

func writersRace(t *testing.T, open func(*testing.T, string) Store) {
	s := open(t, t.TempDir())
	defer s.Close()
	rec := experiment.Record{}
	for round := range 5 {
		var wg sync.WaitGroup
		var mu sync.Mutex
		var won []experiment.Record
		for writer := range 8 {
			wg.Go(func() {
				mine := Sample(writer)
				mine.Revision, mine.Entries = rec.Revision, rec.Entries
				e := Line(rec.Entries)
				e.Engine = strings.Repeat("w", writer+1)
				saved, err := s.Save(t.Context(), "x", mine, e)
				if err != nil {
					wantCode(t, "lost", err, experiment.CodeConflict)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				won = append(won, saved)
			})
		}
		wg.Wait()
		if len(won) != 1 {
			t.Fatalf("round %d: %d writers won, want 1", round, len(won))
		}
		got, err := s.Load(t.Context(), "x")
		wantCode(t, "load", err, "")
		wantSame(t, "the winner's record", won[0], got)
		entries, err := Journal(t.Context(), s, "x", rec.Entries)
		wantCode(t, "journal", err, "")
		if len(entries) != 1 || len(entries[0].Engine) != got.State.Step+1 {
			t.Errorf("round %d: the journal's newest entries are not the winner's alone", round)
		}
		rec = got
	}
}

func journalOrder(t *testing.T, open func(*testing.T, string) Store) {
	s := open(t, t.TempDir())
	defer s.Close()
	var lines []experiment.Entry
	for i := range int64(100) {
		lines = append(lines, Line(i))
	}
	mustSave(t, s, "x", Sample(0), lines...)
	for _, from := range []int64{0, 1, 31, 32, 33, 64, 99, 100, 1000} {
		entries, err := Journal(t.Context(), s, "x", from)
		wantCode(t, "journal", err, "")
		var got, want []int64
		for _, e := range entries {
			got = append(got, e.Seq)
		}
		for i := from; i < 100; i++ {
			want = append(want, i)
		}
		if !slices.Equal(got, want) {
			t.Errorf("from %d: %v", from, got)
		}
	}
	n := 0
	for e, err := range s.Journal(t.Context(), "x", 0) {
		if err != nil {
			t.Fatal(err)
		}
		// Writing while reading must not wait for the reader.
		if n++; e.Seq == 2 {
			mustSave(t, s, "y", Sample(0))
			break
		}
	}
	if n != 3 {
		t.Errorf("read %d entries, wanted 3", n)
	}
}

func contextEnds(t *testing.T, open func(*testing.T, string) Store) {
	s := open(t, t.TempDir())
	defer s.Close()
	mustSave(t, s, "x", Sample(0), Line(0))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Load(ctx, "x")
	wantCode(t, "load", err, experiment.CodeUnavailable)
	_, err = s.Save(ctx, "y", Sample(0))
	wantCode(t, "save", err, experiment.CodeUnavailable)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v does not say that the context ended", err)
	}
	_, err = Journal(ctx, s, "x", 0)
	wantCode(t, "journal", err, experiment.CodeUnavailable)
}
