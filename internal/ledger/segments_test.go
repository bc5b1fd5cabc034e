// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/sqlitefile"
	"github.com/headgate-dev/headgate/stats"
)

// segmentedPlan is testPlan with a segment of three groups and one of four.
func segmentedPlan() *experiment.Plan {
	p := testPlan()
	p.Segments = []experiment.Segment{
		{Name: "tier", Header: "x-tier", Values: []string{"free", "premium"}},
		{Name: "age", Header: "x-age", Bins: []float64{18, 40}},
	}
	return p
}

// The groups of segmentedPlan.
const (
	free, premium, otherTier       = uint64(0), uint64(1), uint64(2)
	young, grown, old, otherAge    = uint64(0) << 8, uint64(1) << 8, uint64(2) << 8, uint64(3) << 8
	firstOfNone, secondOfNoSegment = uint64(3), uint64(1) << 16
)

// openSegmented opens a ledger for segmentedPlan.
func openSegmented(tb testing.TB, path string, now func() time.Time) *Ledger {
	tb.Helper()
	l, err := openAt(context.Background(), path, Options{Key: testKey(tb), Commit: quick, Now: now})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := l.Close(); err != nil {
			tb.Error(err)
		}
	})
	if err := l.Register(segmentedPlan()); err != nil {
		tb.Fatal(err)
	}
	return l
}

func newSegmented(tb testing.TB) *Ledger {
	return openSegmented(tb, where(tb), func() time.Time { return t0.Add(time.Minute) })
}

// sumOfSlices says how the sum of each segment's slices differs from the whole;
// nothing if it does not. Counts are compared exactly, moments to 1e-9.
func sumOfSlices(segments []experiment.Segment, cells []experiment.Cell) string {
	whole := map[experiment.CellKey]experiment.Evidence{}
	parts := make([]map[experiment.CellKey]experiment.Evidence, len(segments))
	for i := range parts {
		parts[i] = map[experiment.CellKey]experiment.Evidence{}
	}
	for _, c := range cells {
		into := whole
		if c.Slice != "" {
			name := experiment.SegmentOf(c.Slice)
			into = parts[slices.IndexFunc(segments, func(s experiment.Segment) bool { return s.Name == name })]
		}
		key := c.CellKey
		key.Slice = ""
		into[key] = into[key].Merge(c.Evidence)
	}
	var diff strings.Builder
	for i, part := range parts {
		if d := cmp.Diff(whole, part, cmpopts.EquateApprox(1e-9, 1e-9)); d != "" {
			fmt.Fprintf(&diff, "%s:\n%s", segments[i].Name, d)
		}
	}
	return diff.String()
}

// bySlice sums the counts of a metric over windows, by version and slice.
func bySlice(cells []experiment.Cell, metric string) map[string]stats.Counts {
	out := map[string]stats.Counts{}
	for _, c := range cells {
		if c.Metric == metric {
			key := fmt.Sprint(c.Version, " ", c.Slice)
			out[key] = out[key].Merge(c.Counts)
		}
	}
	return out
}

func TestUnitsAreInTheGroupsOfTheirFirstExposure(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l := newSegmented(t)
		at := func(d time.Duration) time.Time { return t0.Add(d) }
		for _, e := range []struct {
			unit   string
			at     time.Duration
			groups uint64
		}{
			{"a", 2 * time.Second, premium | old},
			{"a", time.Second, free | grown}, // Came later, was first.
			{"a", 3 * time.Second, otherTier | young},
			{"b", time.Second, premium | grown},
			{"b", time.Second, free | grown}, // At the same moment: whichever comes first.
			{"c", 0, otherTier | otherAge},
		} {
			if !l.Expose(exposure(e.unit, 1, at(e.at)), e.groups) {
				t.Fatalf("exposure of %s was dropped", e.unit)
			}
		}
		cells := mustSeal(t, l, experiment.SourceExposures, 0, at(time.Hour)).Cells
		n := func(n int64) stats.Counts { return stats.Counts{N: n} }
		want := map[string]stats.Counts{"1 ": n(3), "1 tier=free": n(2), "1 tier=other": n(1), "1 age=18..40": n(2), "1 age=other": n(1)}
		if diff := cmp.Diff(want, bySlice(cells, experiment.CellExposures)); diff != "" {
			t.Errorf("units by slice (-want +got):\n%s", diff)
		}
	})
}

// TestGroupsDoNotDependOnTheOrderOfArrival gives the exposures of one unit, a
// token among them, in all orders.
func TestGroupsDoNotDependOnTheOrderOfArrival(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		type met struct {
			at     time.Duration
			groups uint64
			token  bool
		}
		for name, tc := range map[string]struct {
			met  []met
			want string
		}{
			"the exposure of a token knows its groups": {[]met{{0, 0, true}, {0, premium | old, false}, {1, free | young, false}}, "tier=premium"},
			"a first token knows none":                 {[]met{{0, 0, true}, {1, premium | old, false}, {2, free | young, false}}, "tier=other"},
			"a later token does not matter":            {[]met{{2, 0, true}, {1, premium | old, false}, {1, premium | old, false}}, "tier=premium"},
		} {
			t.Run(name, func(t *testing.T) {
				for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
					l := newSegmented(t)
					for _, i := range order {
						m := tc.met[i]
						e := exposure("a", 1, t0.Add(m.at*time.Second))
						if !m.token {
							l.Expose(e, m.groups)
							continue
						}
						mustRecord(t, l, experiment.UnitOutcome{Token: l.options.Key.Seal(&e), Event: "purchase", Value: 1})
					}
					cells := mustSeal(t, l, experiment.SourceOutcomes, 0, t0.Add(time.Hour)).Cells
					got := bySlice(cells, "revenue")
					if got["1 "].N != 1 || got["1 "+tc.want].N != 1 || len(got) != 3 {
						t.Errorf("order %v: slices %v, want %s", order, got, tc.want)
					}
				}
			})
		}
	})
}

func TestExposeRefusesGroupsThatAreNot(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l := newSegmented(t)
		for _, groups := range []uint64{firstOfNone, otherTier | otherAge + 1<<8, secondOfNoSegment, groupsUnknown} {
			if l.Expose(exposure("a", 0, t0), groups) {
				t.Errorf("took groups %#x, which the plan does not have", groups)
			}
		}
		if s := l.Stats(); s.Dropped != 4 {
			t.Errorf("dropped = %d, want 4", s.Dropped)
		}
		plain, _ := newLedger(t, Options{})
		if plain.Expose(exposure("a", 0, t0), 1) || !plain.Expose(exposure("a", 0, t0), 0) {
			t.Error("without segments, there are groups")
		}
	})
}

func TestSilentUnitsAreCounted(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l := newSegmented(t)
		minute := t0.Add(time.Minute)
		for i, groups := range []uint64{free | young, free | old, premium | old, premium | young} {
			l.Expose(exposure(fmt.Sprint(i), 0, t0), groups)
		}
		l.Expose(exposure("moved", 0, t0), free|young)
		l.Expose(exposure("moved", 1, t0.Add(time.Second)), free|young)
		mustRecord(t, l,
			experiment.UnitOutcome{Unit: "0", Event: "purchase", Value: 0, At: minute},                  // of nothing, but heard of
			experiment.UnitOutcome{Unit: "1", Event: "purchase", Value: 5, At: t0.Add(4 * time.Minute)}, // too late for revenue
			experiment.UnitOutcome{Unit: "2", Event: "refund", Value: 1, At: minute},                    // no purchase to refund
			experiment.UnitOutcome{Unit: "moved", Event: "purchase", Value: 1, At: minute},
		)
		cells := mustSeal(t, l, experiment.SourceOutcomes, 0, t0.Add(time.Hour)).Cells
		counts := func(n, x int64) stats.Counts { return stats.Counts{N: n, X: x} }
		want := map[string]map[string]stats.Counts{
			"revenue": {"0 ": counts(4, 3), "0 tier=free": counts(2, 1), "0 tier=premium": counts(2, 2), "0 age=<18": counts(2, 1), "0 age=>=40": counts(2, 2)},
			"refund":  {"0 ": counts(4, 2), "0 tier=free": counts(2, 0), "0 tier=premium": counts(2, 2), "0 age=<18": counts(2, 1), "0 age=>=40": counts(2, 1)},
		}
		got := map[string]map[string]stats.Counts{"revenue": bySlice(cells, "revenue"), "refund": bySlice(cells, "refund")}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("units, and those never heard of (-want +got):\n%s", diff)
		}
		for _, c := range cells {
			if c.Counts.N != c.Units.N {
				t.Errorf("cell %+v counts %d units of %d", c.CellKey, c.Counts.N, c.Units.N)
			}
		}
	})
}

// TestSlicesSumToTheWhole asks for it of many units with values that are hard
// to add, over several windows. (TestLedgerIsTheModel asks for it of every
// history.)
func TestSlicesSumToTheWhole(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l := openSegmented(t, where(t), func() time.Time { return t0.Add(time.Hour) })
		random := rand.New(rand.NewPCG(3, 5))
		for batch := range 3 {
			var outcomes []experiment.UnitOutcome
			for i := range experiment.MaxOutcomes {
				unit := fmt.Sprint(batch, "-", i)
				e := exposure(unit, random.IntN(2), t0.Add(time.Duration(random.IntN(180_000))*time.Millisecond))
				l.Expose(e, random.Uint64N(3)|random.Uint64N(4)<<8)
				outcomes = append(outcomes, experiment.UnitOutcome{
					Token: l.options.Key.Seal(&e), At: e.At.Add(time.Duration(random.IntN(300)) * time.Second),
					Event: []string{"purchase", "refund"}[random.IntN(2)], Value: math.Exp(3*random.NormFloat64()) + 1e6,
				})
			}
			mustRecord(t, l, outcomes...)
		}
		for _, s := range []experiment.Source{experiment.SourceExposures, experiment.SourceOutcomes} {
			cells := mustSeal(t, l, s, 0, t0.Add(time.Hour)).Cells
			if len(cells) < 2*3*(1+3+4) {
				t.Errorf("%s: %d cells, want some of every slice", s, len(cells))
			}
			if diff := sumOfSlices(segmentedPlan().Segments, cells); diff != "" {
				t.Errorf("%s do not sum to the whole (-whole +slices):\n%s", s, diff)
			}
			if !slices.IsSortedFunc(cells, func(a, b experiment.Cell) int { return a.Compare(b.CellKey) }) {
				t.Errorf("%s: cells are not in the order of their keys", s)
			}
		}
	})
}

// TestFilesOfBeforeGoOn opens a file that schema 1 wrote: sealed windows give
// the same cells, open ones go on, and units whose groups nobody wrote down
// are in the group other.
func TestFilesOfBeforeGoOn(t *testing.T) {
	path := where(t)
	before := kind()
	before.Migrations = before.Migrations[:1]
	db, err := sqlitefile.Open(t.Context(), path, before)
	if err != nil {
		t.Fatal(err)
	}
	unit := func(name string) int64 { return int64(exposure(name, 0, t0).Unit) }
	ms := t0.UnixMilli()
	sealed := `[{"epoch":1,"phase":1,"window":0,"version":0,"metric":"revenue","units":{"n":1,"meanY":5,"meanX":1,"m2Y":0,"m2X":0,"cYX":0}}]`
	exec := func(db *sql.DB, query string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(db, `INSERT INTO experiments (id, name) VALUES (7, 'search/ranker')`)
	add := `INSERT INTO exposures (experiment, unit, epoch, phase, window, version, at, moved) VALUES (7, ?1, 1, 1, ?2, ?3, ?4, ?5)`
	exec(db, add, unit("sealed"), 0, 0, ms, 0)
	exec(db, add, unit("open"), 1, 1, ms+60_000, 0)
	exec(db, add, unit("gone"), 1, 1, ms+60_000, 1)
	exec(db, `INSERT INTO outcomes (experiment, unit, epoch, phase, seq, event, value, at) VALUES (7, ?1, 1, 1, 1, 'purchase', 3, ?2)`, unit("open"), ms+70_000)
	exec(db, `INSERT INTO phases (experiment, epoch, phase, exposures, outcomes, pruned) VALUES (7, 1, 1, 1, 1, 0)`)
	exec(db, `INSERT INTO seals (experiment, epoch, phase, source, window, cells) VALUES (7, 1, 1, 'outcomes', 0, ?1)`, sealed)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	now := t0.Add(90 * time.Second)
	l := openSegmented(t, path, func() time.Time { return now })
	if v := query(t, l, `SELECT user_version FROM pragma_user_version`); v != 4 {
		t.Errorf("schema version = %d, want 4", v)
	}
	// Known units stay what they were; a new one has groups.
	l.Expose(exposure("open", 1, t0.Add(80*time.Second)), premium|old)
	l.Expose(exposure("new", 1, t0.Add(80*time.Second)), premium|old)
	wantReceipt(t, mustRecord(t, l,
		experiment.UnitOutcome{Unit: "new", Event: "purchase", Value: 1},
		experiment.UnitOutcome{Unit: "sealed", Event: "purchase", Value: 1, At: t0},
	), experiment.Receipt{Accepted: 1, Late: 1})
	if n, err := l.Moved(t.Context(), "search/ranker", 1, 1); err != nil || n != 1 {
		t.Errorf("moved = %d, %v; want 1", n, err)
	}
	for range 2 { // Asking again gives the same.
		cells := mustSeal(t, l, experiment.SourceOutcomes, 0, t0.Add(time.Hour)).Cells
		if cells[0].Slice != "" || cells[0].Units.MeanY != 5 || cells[1].Window != 1 {
			t.Errorf("sealed window = %+v, want it as it was", cells[0])
		}
		got := bySlice(cells[1:], "revenue")
		n := func(n int64) stats.Counts { return stats.Counts{N: n} }
		want := map[string]stats.Counts{"1 ": n(2), "1 tier=other": n(1), "1 tier=premium": n(1), "1 age=other": n(1), "1 age=>=40": n(1)}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("units by slice (-want +got):\n%s", diff)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlitefile.Open(t.Context(), path, before); experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(err.Error(), "schema version 4") {
		t.Errorf("the program of before opens it: %v", err)
	}
}

func TestGroupsSurviveARestart(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		path := where(t)
		now := func() time.Time { return t0.Add(time.Minute) }
		l := openSegmented(t, path, now)
		l.Expose(exposure("a", 0, t0), premium|old)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = openSegmented(t, path, now)
		l.Expose(exposure("a", 0, t0.Add(time.Second)), free|young)
		got := bySlice(mustSeal(t, l, experiment.SourceExposures, 0, t0.Add(time.Hour)).Cells, experiment.CellExposures)
		if got["0 tier=premium"].N != 1 || got["0 age=>=40"].N != 1 || len(got) != 3 {
			t.Errorf("units by slice = %v, want premium and at least 40", got)
		}
	})
}

func TestRegisterChecksSegments(t *testing.T) {
	l := newSegmented(t)
	for name, tc := range map[string]struct {
		change func(p *experiment.Plan)
		code   experiment.Code
		says   string
	}{
		"the same again":   {func(*experiment.Plan) {}, "", ""},
		"another group":    {func(p *experiment.Plan) { p.Segments[0].Values[0] = "basic" }, experiment.CodeConflict, "segments"},
		"another order":    {func(p *experiment.Plan) { slices.Reverse(p.Segments) }, experiment.CodeConflict, "segments"},
		"no segments":      {func(p *experiment.Plan) { p.Segments = nil }, experiment.CodeConflict, "segments"},
		"too many":         {func(p *experiment.Plan) { p.Name = "x"; p.Segments = make([]experiment.Segment, 9); name9(p.Segments) }, experiment.CodeInvalid, "9 segments"},
		"too many groups":  {func(p *experiment.Plan) { p.Name = "x"; p.Segments[0].Values = make([]string, maxGroups) }, experiment.CodeInvalid, "128 groups"},
		"two of one slice": {func(p *experiment.Plan) { p.Name = "x"; p.Segments[1] = p.Segments[0] }, experiment.CodeInvalid, "two slices tier=free"},
	} {
		t.Run(name, func(t *testing.T) {
			p := segmentedPlan()
			tc.change(p)
			err := l.Register(p)
			if experiment.CodeOf(err) != tc.code || err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Errorf("Register = %v, want %q about %q", err, tc.code, tc.says)
			}
		})
	}
}

func name9(segments []experiment.Segment) {
	for i := range segments {
		segments[i] = experiment.Segment{Name: fmt.Sprint("s", i), Header: "x", Values: []string{"v"}}
	}
}

// TestMovedIsKeptUpToDate asks about moved units between everything that
// changes their number: exposures, a failed commit, pruning, a restart.
func TestMovedIsKeptUpToDate(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		path := where(t)
		now := func() time.Time { return t0.Add(time.Minute) }
		l := openSegmented(t, path, now)
		want := func(want int64) {
			t.Helper()
			for range 2 { // From the file, and from memory.
				if n, err := l.Moved(t.Context(), "search/ranker", 1, 1); err != nil || n != want {
					t.Errorf("moved = %d, %v; want %d", n, err, want)
				}
			}
		}
		move := func(unit string) {
			l.Expose(exposure(unit, 0, t0), free)
			l.Expose(exposure(unit, 1, t0), free)
			l.Expose(exposure(unit, 0, t0.Add(time.Second)), free) // Moving back moves nobody twice.
		}
		want(0)
		move("a")
		move("b")
		want(2)
		// A unit that moves in a commit that fails has not moved.
		l.Expose(exposure("c", 0, t0), free)
		want(2)
		other := exposure("c", 1, t0)
		outcome := experiment.UnitOutcome{Token: l.options.Key.Seal(&other), Event: "purchase"}
		repair := breakTable(t, l, "outcomes")
		_, err := l.Record(t.Context(), "search/ranker", []experiment.UnitOutcome{outcome})
		if experiment.CodeOf(err) != experiment.CodeUnavailable {
			t.Fatalf("Record = %v, want unavailable", err)
		}
		want(2)
		repair()
		mustRecord(t, l, outcome)
		want(3)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = openSegmented(t, path, now)
		want(3)
		hour := t0.Add(time.Hour)
		mustSeal(t, l, experiment.SourceExposures, 0, hour)
		mustSeal(t, l, experiment.SourceOutcomes, 0, hour)
		if err := l.Prune(t.Context(), "search/ranker", 1, 1, 100); err != nil {
			t.Fatal(err)
		}
		want(0)
	})
}
