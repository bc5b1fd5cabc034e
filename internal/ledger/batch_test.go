// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// requests is a gateway's seal: in window w it had w+1 requests, times scale.
func requests(from, to, scale int64) experiment.Seal {
	s := experiment.Seal{Experiment: "search/ranker", Source: experiment.SourceGateway, Epoch: 1, Phase: 1, From: from, To: to}
	for w := from; w < to; w++ {
		s.Cells = append(s.Cells, experiment.Cell{
			CellKey:  experiment.CellKey{Epoch: 1, Phase: 1, Window: w, Metric: experiment.CellRequests},
			Evidence: experiment.Evidence{Counts: stats.Counts{N: (w + 1) * scale, X: w}},
		})
	}
	return s
}

func TestBatchesAreStoredOnce(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		path := where(t)
		c := &clock{now: t0.Add(time.Minute)}
		l := openShadow(t, path, nil, c.Now)
		stranger := exposure("s", 0, t0)
		stranger.Experiment = "other"
		batch := &experiment.Batch{
			Gateway: "g", Sequence: 1,
			Exposures:   []experiment.GroupedExposure{{Exposure: exposure("a", 1, t0), Groups: premium}, {Exposure: stranger}},
			Pairs:       []experiment.Pair{pair("1", "a", t0, "cat", "cat", 1), {}},
			Predictions: []experiment.Prediction{prediction("a", "r", 1, t0, "cat", -1), {}},
			Seals:       []experiment.Seal{requests(0, 1, 1), {Source: experiment.SourcePairs, Cells: make([]experiment.Cell, 3)}},
		}
		add := func(sequence uint64, want bool) {
			t.Helper()
			b := *batch
			b.Sequence = sequence
			if fresh, err := l.Add(t.Context(), &b); err != nil || fresh != want {
				t.Errorf("batch %d: fresh = %t, %v; want %t", sequence, fresh, err, want)
			}
		}
		add(1, true)
		add(1, false)
		s := l.Stats()
		if s.Batches != 1 || s.RepeatedBatches != 1 || s.Dropped != 1 || s.DroppedPairs != 1 || s.DroppedPredictions != 1 || s.LateCells != 3 || s.Predictions != 1 || s.Pairs != 1 {
			t.Errorf("stats = %+v, want one of each, and one of each dropped", s)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = openShadow(t, path, nil, c.Now)
		add(1, false) // also by another process
		batch.Exposures, batch.Pairs, batch.Predictions, batch.Seals = nil, nil, nil, nil
		add(5, true)
		add(4, false)
		if n := l.Stats().MissingBatches; n != 3 {
			t.Errorf("missing batches = %d, want 3", n)
		}
		for _, table := range []string{"exposures", "pairs", "predictions"} {
			if n := query(t, l, `SELECT count(*) FROM `+table); n != 1 {
				t.Errorf("%d %s, want 1", n, table)
			}
		}
		wantReceipt(t, mustRecord(t, l, experiment.UnitOutcome{Request: "r", Event: "truth", Label: "cat"}), experiment.Receipt{Accepted: 1})
		// Long silence: who has served a phase is known, others are forgotten.
		idle, next := *batch, *batch
		idle.Gateway, next.Gateway = "idle", "next"
		for _, one := range []*experiment.Batch{&idle, &next} {
			if fresh, err := l.Add(t.Context(), one); err != nil || !fresh {
				t.Fatal(fresh, err)
			}
			c.set(c.Now().Add(2 * forgetGateway))
		}
		add(5, false)
		if n := query(t, l, `SELECT count(*) FROM gateways WHERE gateway = 'idle'`); n != 0 {
			t.Error("a gateway that has served nothing is kept for ever")
		}
		for _, b := range []experiment.Batch{{Sequence: 1}, {Gateway: "g"}, {Gateway: "g", Sequence: 1 << 63}} {
			if _, err := l.Add(t.Context(), &b); experiment.CodeOf(err) != experiment.CodeInvalid {
				t.Errorf("batch %q %d: %v, want it refused", b.Gateway, b.Sequence, err)
			}
		}
	})
}

func TestWindowsOfGatewaysAreMerged(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, c := newShadow(t, nil)
		sequence := map[string]uint64{}
		add := func(gateway string, seals ...experiment.Seal) {
			t.Helper()
			sequence[gateway]++
			mustAdd(t, l, &experiment.Batch{Gateway: gateway, Sequence: sequence[gateway], Seals: seals})
		}
		seal := func(from, want int64) experiment.Seal {
			t.Helper()
			s, err := l.Seal(t.Context(), experiment.SourceGateway, "search/ranker", 1, 1, t0, from, c.Now())
			if err != nil {
				t.Fatal(err)
			}
			if s.To != want {
				t.Errorf("%s: sealed up to %d, want %d", c.Now().Sub(t0), s.To, want)
			}
			return s
		}
		wantCounts := func(s experiment.Seal, window, n, x int64) {
			t.Helper()
			if got := evidence(t, s, window, 0, experiment.CellRequests, "").Counts; got != (stats.Counts{N: n, X: x}) {
				t.Errorf("window %d = %+v, want %d, %d", window, got, n, x)
			}
		}
		seal(0, 0) // Nobody has said anything.
		c.set(t0.Add(time.Minute))
		// b is known by its rows before it has sealed anything.
		mustAdd(t, l, &experiment.Batch{Gateway: "b", Sequence: 1, Exposures: []experiment.GroupedExposure{{Exposure: exposure("u", 0, t0)}}})
		sequence["b"] = 1
		add("a", requests(0, 2, 1))
		seal(0, 0)
		add("b", requests(0, 1, 10))
		first := seal(0, 1)
		wantCounts(first, 0, 11, 0)
		// It does not matter who came first, and asking again gives the same.
		if diff := cmp.Diff(first, seal(0, 1)); diff != "" {
			t.Errorf("sealed again (-first +second):\n%s", diff)
		}
		// b falls silent: after Stale the windows are sealed without it.
		c.set(t0.Add(2 * time.Minute))
		add("a", requests(2, 3, 1))
		seal(1, 1)
		c.set(t0.Add(3*time.Minute + time.Second))
		add("a", requests(3, 4, 1))
		alone := seal(1, 4)
		wantCounts(alone, 2, 3, 2)
		seal(1, 4)
		if n := l.Stats().SilentGateways; n != 1 {
			t.Errorf("silent gateways = %d, want 1", n)
		}
		// What it sends of these windows is late; then it is waited for again. The
		// window that it skipped is counted.
		add("b", requests(1, 2, 10))
		add("a", requests(4, 6, 1))
		seal(4, 4)
		add("b", requests(4, 6, 10))
		wantCounts(seal(4, 6), 5, 66, 10)
		if s := l.Stats(); s.LateCells != 1 || s.MissingWindows != 2 {
			t.Errorf("late cells = %d, missing windows = %d, want 1 and 2", s.LateCells, s.MissingWindows)
		}
		// A gateway of the next phase only is not waited for; one of this phase that
		// has gone on to the next still is.
		next := requests(0, 1, 1)
		next.Phase = 2
		next.Cells[0].Phase = 2
		add("c", next)
		add("a", requests(6, 7, 1), next)
		seal(6, 6)
		add("b", requests(6, 7, 1))
		seal(6, 7)
		// All are gone: what all of them have sealed is final, and no more.
		add("a", requests(7, 9, 1))
		add("b", requests(7, 8, 1))
		c.set(t0.Add(time.Hour))
		seal(7, 8)
		if n := query(t, l, `SELECT count(*) FROM gateway_cells WHERE "window" < 8 AND phase = 1`); n != 0 {
			t.Errorf("%d cells are kept beside the sealed ones", n)
		}
	})
}

// TestRowsAreRetired: the oldest sealed rows go first, others only where there
// are twice too many.
func TestRowsAreRetired(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, c := newShadow(t, func(p *experiment.Plan) { p.Retention = experiment.Retention{Rows: 10, For: time.Hour} })
		fill := func(first, n int, at time.Time) {
			t.Helper()
			for i := range n {
				mustPair(t, l, pair(fmt.Sprint(first+i), "u", at, "cat", "cat", 1))
				mustPredict(t, l, prediction(fmt.Sprint(first+i), fmt.Sprint(first+i), 0, at, "cat", -1))
			}
			mustFlush(t, l)
		}
		rows := func(table string) int64 { return query(t, l, `SELECT count(*) FROM `+table) }
		want := func(pairs, predictions, retired, lost int64) {
			t.Helper()
			if p, q, s := rows("pairs"), rows("predictions"), l.Stats(); p != pairs || q != predictions || s.Retired != retired || s.Lost != lost {
				t.Errorf("%d pairs, %d predictions, %d retired, %d lost; want %d, %d, %d, %d", p, q, s.Retired, s.Lost, pairs, predictions, retired, lost)
			}
		}
		fill(0, 15, t0)
		want(15, 15, 0, 0) // Too many, but not sealed.
		fill(15, 10, t0.Add(time.Minute))
		want(20, 20, 0, 10) // Twice too many.
		c.set(t0.Add(2 * time.Minute))
		s := mustSeal(t, l, experiment.SourcePairs, 0, c.Now())
		if got := evidence(t, s, 0, 1, "overlap", "").Counts.N; got != 10 {
			t.Errorf("pairs of the first window = %d, want the 10 that were left", got)
		}
		want(10, 20, 10, 10) // The pairs of the first window were sealed.
		wantReceipt(t, mustRecord(t, l, experiment.UnitOutcome{Request: "14", Event: "truth", Label: "cat"}), experiment.Receipt{Accepted: 1})
		mustSeal(t, l, experiment.SourceOutcomes, 0, t0.Add(6*time.Minute+10*time.Second))
		want(10, 10, 20, 10)
		if n := rows("labels"); n != 0 {
			t.Errorf("%d labels are left of predictions that are gone", n)
		}
		// Age: sealed rows after an hour, others after two.
		for _, step := range []struct {
			after                          time.Duration
			source                         experiment.Source
			pairs, predictions, gone, lost int64
		}{
			{time.Hour, experiment.SourceExposures, 10, 10, 20, 10},
			{time.Hour + 2*time.Minute, experiment.SourcePairs, 0, 10, 30, 10},
			{2*time.Hour + 2*time.Minute, experiment.SourceExposures, 0, 0, 30, 20},
		} {
			c.set(t0.Add(step.after))
			mustSeal(t, l, step.source, 1, t0.Add(step.after))
			want(step.pairs, step.predictions, step.gone, step.lost)
		}
	})
}

func TestUnitsAreDeleted(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, c := newShadow(t, nil)
		for _, unit := range []string{"a", "b"} {
			l.Expose(exposure(unit, 1, t0), 0)
			mustPair(t, l, pair(unit, unit, t0, "cat", "cat", 1))
			mustPredict(t, l, prediction(unit, unit, 1, t0, "cat", -1))
		}
		c.set(t0.Add(time.Second))
		for _, unit := range []string{"a", "b"} {
			wantReceipt(t, mustRecord(t, l,
				experiment.UnitOutcome{Unit: unit, Event: "purchase", Value: 1}, experiment.UnitOutcome{Unit: unit, Event: "truth", Label: "cat"},
			), experiment.Receipt{Accepted: 2})
		}
		sealed := mustSeal(t, l, experiment.SourceExposures, 0, t0.Add(2*time.Minute))
		for _, want := range []int64{5, 0} {
			if n, err := l.DeleteUnit(t.Context(), "search/ranker", "a"); err != nil || n != want {
				t.Errorf("deleted %d rows, %v; want %d", n, err, want)
			}
		}
		for _, table := range []string{"exposures", "outcomes", "pairs", "predictions", "labels"} {
			if n := query(t, l, `SELECT count(*) FROM `+table); n != 1 {
				t.Errorf("%d %s are left, want the other unit's", n, table)
			}
		}
		if diff := cmp.Diff(sealed, mustSeal(t, l, experiment.SourceExposures, 0, t0.Add(2*time.Minute))); diff != "" {
			t.Errorf("a sealed window changed:\n%s", diff)
		}
		s := mustSeal(t, l, experiment.SourceOutcomes, 0, t0.Add(time.Hour))
		if got := evidence(t, s, 0, 1, "revenue", "").Units.N; got != 1 {
			t.Errorf("units of the open window = %d, want 1", got)
		}
		wantReceipt(t, mustRecord(t, l, experiment.UnitOutcome{Unit: "a", Event: "purchase", Value: 1}), experiment.Receipt{Unmatched: 1})
	})
}

// TestPruneForgetsRows: what is kept by request goes with its phase, once pairs
// are sealed too.
func TestPruneForgetsRows(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, _ := newShadow(t, nil)
		for i := range 3000 { // more than one batch
			mustPair(t, l, pair(fmt.Sprint(i), "u", t0, "cat", "cat", 1))
			mustPredict(t, l, prediction("u", fmt.Sprint(i), 1, t0, "cat", -1))
		}
		mustFlush(t, l)
		wantReceipt(t, mustRecord(t, l, experiment.UnitOutcome{Request: "7", Event: "truth", Label: "cat", At: t0}), experiment.Receipt{Accepted: 1})
		later := t0.Add(time.Hour)
		mustSeal(t, l, experiment.SourceExposures, 0, later)
		mustSeal(t, l, experiment.SourceOutcomes, 0, later)
		prune := func() {
			t.Helper()
			if err := l.Prune(t.Context(), "search/ranker", 1, 1, 100); err != nil {
				t.Fatal(err)
			}
		}
		prune()
		if n := query(t, l, `SELECT count(*) FROM pairs`); n != 3000 {
			t.Errorf("%d pairs are left of windows that are not sealed, want 3000", n)
		}
		mustSeal(t, l, experiment.SourcePairs, 0, later)
		prune()
		for _, table := range []string{"pairs", "predictions", "labels", "seals"} {
			if n := query(t, l, `SELECT count(*) FROM `+table+` WHERE 1 = 1`); n != 0 {
				t.Errorf("%d %s are left", n, table)
			}
		}
		mustPair(t, l, pair("new", "u", later, "cat", "cat", 1))
		mustFlush(t, l)
		if n := l.Stats().LatePairs; n != 1 {
			t.Errorf("late pairs = %d: a phase that is over takes none", n)
		}
	})
}
