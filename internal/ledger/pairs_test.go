// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// shadowPlan compares two things in pairs and judges predictions by labels. Its
// pairs seal 27 s after a window's end, its labels 5 min 10 s.
func shadowPlan() *experiment.Plan {
	p := segmentedPlan()
	label := func(name string, of experiment.LabelStat) experiment.Metric {
		return experiment.Metric{Name: name, Labels: &experiment.LabelsMetric{Event: "truth", Of: of, Positive: "cat", Threshold: .5, Window: 4 * time.Minute}}
	}
	p.Metrics = append(p.Metrics,
		experiment.Metric{Name: "same-class", Pairs: &experiment.PairsMetric{Compare: experiment.CompareClass}},
		experiment.Metric{Name: "overlap", Pairs: &experiment.PairsMetric{Compare: experiment.CompareRanking}},
	)
	for _, of := range []experiment.LabelStat{
		experiment.Accuracy, experiment.Precision, experiment.Recall, experiment.F1,
		experiment.AUC, experiment.LogLoss, experiment.Brier, experiment.Calibration,
	} {
		p.Metrics = append(p.Metrics, label(string(of), of))
	}
	p.Stages = []experiment.Stage{{Name: "shadow", Mirror: &experiment.Mirror{Share: experiment.Whole, Timeout: 5 * time.Second}}}
	p.Stale = 2 * time.Minute
	return p
}

func openShadow(tb testing.TB, path string, change func(*experiment.Plan), now func() time.Time) *Ledger {
	tb.Helper()
	p := shadowPlan()
	if change != nil {
		change(p)
	}
	l, err := openAt(tb.Context(), path, Options{Key: testKey(tb), Now: now, Commit: quick, Queue: 1 << 17})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := l.Close(); err != nil {
			tb.Error(err)
		}
	})
	if err := l.Register(p); err != nil {
		tb.Fatal(err)
	}
	return l
}

func newShadow(tb testing.TB, change func(*experiment.Plan)) (*Ledger, *clock) {
	tb.Helper()
	c := &clock{now: t0}
	return openShadow(tb, where(tb), change, c.Now), c
}

// pair is a copy of a request that candidate 1 answered as the classes say;
// empty classes are blank.
func pair(id, unit string, at time.Time, baseline, candidate string, overlap float64) experiment.Pair {
	e := exposure(unit, 1, at)
	p := experiment.Pair{
		Experiment: e.Experiment, Epoch: 1, Phase: 1, Window: e.Window, Version: 1, ID: id, At: at, Groups: premium | old,
		Compared: []experiment.Compared{{Baseline: baseline, Candidate: candidate}, {Value: overlap}},
	}
	if unit != "" {
		p.Unit = e.Unit
	}
	switch {
	case baseline == "":
		p.Compared[0].Blank = true
	case baseline == candidate:
		p.Compared[0].Value = 1
	}
	return p
}

func mustPair(tb testing.TB, l *Ledger, pairs ...experiment.Pair) {
	tb.Helper()
	for i := range pairs {
		if !l.Pair(&pairs[i]) {
			tb.Fatalf("pair %+v was dropped", pairs[i])
		}
	}
}

// mustFlush waits until what is queued is written.
func mustFlush(tb testing.TB, l *Ledger) {
	tb.Helper()
	query(tb, l, `SELECT 1`)
}

// evidence finds one cell's.
func evidence(tb testing.TB, s experiment.Seal, window int64, version int, metric, slice string) experiment.Evidence {
	tb.Helper()
	for _, c := range s.Cells {
		if c.Window == window && c.Version == version && c.Metric == metric && c.Slice == slice {
			return c.Evidence
		}
	}
	tb.Fatalf("no cell %s %q of version %d in window %d", metric, slice, version, window)
	return experiment.Evidence{}
}

func TestPairsBecomeCells(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, c := newShadow(t, nil)
		at := t0.Add(time.Second)
		failed := pair("6", "c", at, "", "", 0)
		failed.Failed, failed.Compared = true, nil
		elsewhere := pair("7", "d", at, "cat", "cat", 1)
		elsewhere.Groups = 0
		mustPair(t, l,
			pair("1", "a", at, "cat", "cat", 1), pair("2", "a", at, "cat", "dog", 0.5), // one unit
			pair("3", "", at, "dog", "dog", 0), pair("4", "", at, "cat", "dog", 1), // nobody's: each alone
			pair("5", "b", at, "", "", 0.25), // no class to compare
			failed, elsewhere,
			pair("1", "a", at, "cat", "dog", 0), // known
		)
		mustFlush(t, l)
		if s := l.Stats(); s.Pairs != 7 || s.DuplicatePairs != 1 {
			t.Errorf("stats = %+v, want 7 pairs and a duplicate", s)
		}
		c.set(t0.Add(87 * time.Second))
		if s := mustSeal(t, l, experiment.SourcePairs, 0, t0.Add(87*time.Second-1)); s.To != 0 {
			t.Errorf("pairs sealed up to %d before a copy's time is over", s.To)
		}
		s := mustSeal(t, l, experiment.SourcePairs, 0, c.Now())
		if s.To != 1 {
			t.Fatalf("sealed up to %d, want 1", s.To)
		}
		all := func(metric string) experiment.Evidence { return evidence(t, s, 0, 1, metric, "") }
		if got, want := all(experiment.CellMirrored).Counts, (stats.Counts{N: 7, X: 1}); got != want {
			t.Errorf("mirrored = %+v, want %+v", got, want)
		}
		pairOf := func(sums ...[2]float64) (p stats.Pair) {
			for _, s := range sums {
				p.Add(s[0], s[1])
			}
			return p
		}
		inExactly := cmp.Comparer(func(a, b float64) bool { return a == b || a-b < 1e-15 && b-a < 1e-15 })
		// Units a, d and twice nobody's; b has no class.
		if diff := cmp.Diff(pairOf([2]float64{1, 2}, [2]float64{1, 1}, [2]float64{0, 1}, [2]float64{1, 1}), all("same-class").Units, inExactly); diff != "" {
			t.Errorf("same-class (-want +got):\n%s", diff)
		}
		if got, want := all("same-class").Counts, (stats.Counts{N: 6, X: 1}); got != want {
			t.Errorf("same-class = %+v, want %+v", got, want)
		}
		if got := all("overlap"); got.Units.N != 5 || got.Counts != (stats.Counts{N: 6}) {
			t.Errorf("overlap = %+v, want 6 pairs of 5", got)
		}
		want := stats.CategoriesOf(map[string]int64{
			experiment.AgreementClass("cat", "cat"): 2, experiment.AgreementClass("cat", "dog"): 2, experiment.AgreementClass("dog", "dog"): 1,
		})
		if diff := cmp.Diff(want, all(experiment.CellAgreement+"same-class").Categories); diff != "" {
			t.Errorf("agreement (-want +got):\n%s", diff)
		}
		if got := evidence(t, s, 0, 1, "overlap", "tier=premium"); got.Counts.N != 5 || got.Units.N != 4 {
			t.Errorf("overlap of premium = %+v, want 5 pairs of 4", got)
		}
		for _, cell := range s.Cells {
			if cell.Metric == experiment.CellAgreement+"same-class" && cell.Slice != "" || cell.Metric == experiment.CellAgreement+"overlap" {
				t.Errorf("there is a cell %+v", cell.CellKey)
			}
		}
		if !slices.IsSortedFunc(s.Cells, func(a, b experiment.Cell) int { return a.Compare(b.CellKey) }) {
			t.Error("cells are not in the order of their keys")
		}
		// A sealed window stays as it is.
		mustPair(t, l, pair("8", "e", at, "cat", "cat", 1))
		mustFlush(t, l)
		if l.Stats().LatePairs != 1 {
			t.Errorf("stats = %+v, want a late pair", l.Stats())
		}
		if diff := cmp.Diff(s, mustSeal(t, l, experiment.SourcePairs, 0, c.Now().Add(time.Second))); diff != "" {
			t.Errorf("sealed again (-first +second):\n%s", diff)
		}
	})
}

func TestPairsThatMakeNoSenseAreDropped(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, _ := newShadow(t, nil)
		good := pair("1", "a", t0, "cat", "cat", 1)
		for name, change := range map[string]func(*experiment.Pair){
			"of the baseline":    func(p *experiment.Pair) { p.Version = 0 },
			"of no version":      func(p *experiment.Pair) { p.Version = 2 },
			"of nobody's plan":   func(p *experiment.Pair) { p.Experiment = "x" },
			"without id":         func(p *experiment.Pair) { p.ID = "" },
			"with too few words": func(p *experiment.Pair) { p.Compared = p.Compared[:1] },
			"of unknown groups":  func(p *experiment.Pair) { p.Groups = 99 },
			"a long class":       func(p *experiment.Pair) { p.Compared[0].Baseline = fmt.Sprintf("%065d", 1) },
		} {
			p := good
			p.Compared = slices.Clone(good.Compared)
			if change(&p); l.Pair(&p) {
				t.Errorf("a pair %s was taken", name)
			}
		}
		if s := l.Stats(); s.DroppedPairs != 7 {
			t.Errorf("dropped = %d, want 7", s.DroppedPairs)
		}
	})
}

// TestOrderOfPairsDoesNotMatter hands the same pairs in, in another order and
// by other ways, and wants the same cells to the last bit.
func TestOrderOfPairsDoesNotMatter(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 5))
		var pairs []experiment.Pair
		classes := []string{"", "cat", "dog", "fox"}
		for i := range 400 {
			p := pair(fmt.Sprint(i), []string{"", "a", "b", "c", "d"}[r.IntN(5)], t0.Add(time.Duration(r.IntN(100))*time.Second), classes[r.IntN(4)], classes[r.IntN(4)], r.Float64())
			p.Groups = uint64(r.IntN(3) | r.IntN(4)<<8)
			pairs = append(pairs, p)
		}
		var first experiment.Seal
		for round := range 3 {
			l, _ := newShadow(t, nil)
			for i, n := range r.Perm(len(pairs)) {
				if round == 2 && i%2 == 0 {
					mustAdd(t, l, &experiment.Batch{Gateway: "g", Sequence: uint64(i + 1), Pairs: pairs[n : n+1]})
				} else {
					mustPair(t, l, pairs[n])
				}
			}
			s := mustSeal(t, l, experiment.SourcePairs, 0, t0.Add(time.Hour))
			if round == 0 {
				first = s
			}
			if diff := cmp.Diff(first, s); diff != "" {
				t.Errorf("round %d (-first +other):\n%s", round, diff)
			}
			if diff := sumOfSlices(shadowPlan().Segments, withoutAgreement(s.Cells)); diff != "" {
				t.Errorf("slices do not sum to the whole:\n%s", diff)
			}
		}
	})
}

// withoutAgreement keeps the cells whose slices sum to the whole. Those by
// request do so in their counts: a unit's requests may be in several groups.
func withoutAgreement(cells []experiment.Cell) (out []experiment.Cell) {
	for _, c := range cells {
		switch {
		case c.Categories != nil:
			continue
		case slices.Contains([]string{"same", "same-class", "overlap", "right"}, c.Metric):
			c.Units = stats.Pair{}
		}
		out = append(out, c)
	}
	return out
}

func mustAdd(tb testing.TB, l *Ledger, b *experiment.Batch) {
	tb.Helper()
	if fresh, err := l.Add(tb.Context(), b); err != nil || !fresh {
		tb.Fatalf("batch %d of %s: fresh = %t, %v", b.Sequence, b.Gateway, fresh, err)
	}
}
