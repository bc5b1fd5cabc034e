// SPDX-License-Identifier: Apache-2.0

package experiment

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/stats"
)

func cell(window int64, version int, metric string, n int64) Cell {
	return Cell{CellKey{Epoch: 1, Phase: 1, Window: window, Version: version, Metric: metric}, Evidence{Counts: stats.Counts{N: n}}}
}

func onePhase() Totals {
	return Totals{Phases: []PhaseTotals{{Epoch: 1, Phase: 1, Shares: Shares{5000, 5000}}}}
}

func TestKeysAreOrderedByEveryField(t *testing.T) {
	keys := []CellKey{
		{},
		{Slice: "a"},
		{Metric: "a"},
		{Version: 1},
		{Window: 1},
		{Phase: 1},
		{Epoch: 1},
		{Epoch: 1, Slice: "a"},
	}
	for i, a := range keys {
		for j, b := range keys {
			if got := a.Compare(b); (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("%+v and %+v compare as %d", a, b, got)
			}
		}
	}
}

func TestFoldKeepsOrderAndMerges(t *testing.T) {
	totals := onePhase()
	for _, s := range []Seal{
		{Source: SourceGateway, Epoch: 1, Phase: 1, From: 0, To: 2, Cells: []Cell{cell(1, 1, "b", 1), cell(0, 1, "b", 2), cell(0, 0, "b", 4), cell(0, 1, "a", 8)}},
		{Source: SourceExposures, Epoch: 1, Phase: 1, From: 0, To: 1, Cells: []Cell{cell(0, 0, CellExposures, 16)}},
		{Source: SourceGateway, Epoch: 1, Phase: 1, From: 2, To: 2},
		{Source: SourceGateway, Epoch: 1, Phase: 1, From: 2, To: 5, Cells: []Cell{cell(4, 1, "b", 32)}},
	} {
		if err := totals.Fold(s); err != nil {
			t.Fatal(err)
		}
	}
	p := totals.Phases[0]
	want := PhaseTotals{
		Epoch: 1, Phase: 1, Shares: Shares{5000, 5000}, Folded: Folded{Gateway: 5, Exposures: 1},
		Cells: []Total{
			{Version: 1, Metric: "a", Evidence: Evidence{Counts: stats.Counts{N: 8}}},
			{Version: 0, Metric: "b", Evidence: Evidence{Counts: stats.Counts{N: 4}}},
			{Version: 1, Metric: "b", Evidence: Evidence{Counts: stats.Counts{N: 35}}},
			{Version: 0, Metric: CellExposures, Evidence: Evidence{Counts: stats.Counts{N: 16}}},
		},
	}
	if d := cmp.Diff(want, p); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got := totals.Get(1, "b").Counts.N; got != 35 {
		t.Errorf("found %d", got)
	}
	if got := totals.Get(7, "b").Counts.N + totals.Get(0, "zzz").Counts.N; got != 0 {
		t.Errorf("found %d where nothing is", got)
	}
}

// TestFoldDoesNotDependOnTheOrderOfCells is D6: floating-point sums would.
func TestFoldDoesNotDependOnTheOrderOfCells(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var cells []Cell
	for w := range int64(40) {
		c := cell(w, 0, "m", 0)
		for range 10 {
			c.Units.Add(rng.ExpFloat64()*1e6, rng.Float64())
		}
		cells = append(cells, c)
	}
	fold := func() string {
		totals := onePhase()
		if err := totals.Fold(Seal{Source: SourceOutcomes, Epoch: 1, Phase: 1, To: 40, Cells: cells}); err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(totals)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	want := fold()
	for range 20 {
		rng.Shuffle(len(cells), func(i, j int) { cells[i], cells[j] = cells[j], cells[i] })
		order := slices.Clone(cells)
		if got := fold(); got != want {
			t.Fatalf("another order gives\n%s\nwant\n%s", got, want)
		}
		if !slices.EqualFunc(order, cells, func(a, b Cell) bool { return a.CellKey == b.CellKey }) {
			t.Fatal("folding sorted the caller's cells")
		}
	}
}

func TestFoldRefusesAndLeavesTheTotals(t *testing.T) {
	totals := onePhase()
	if err := totals.Fold(Seal{Source: SourceGateway, Epoch: 1, Phase: 1, To: 3, Cells: []Cell{cell(0, 0, "m", 1)}}); err != nil {
		t.Fatal(err)
	}
	want := totals.Clone()
	for name, c := range map[string]struct {
		seal Seal
		code Code
	}{
		"a hole":        {Seal{Source: SourceGateway, Epoch: 1, Phase: 1, From: 4, To: 5}, CodeConflict},
		"an overlap":    {Seal{Source: SourceGateway, Epoch: 1, Phase: 1, From: 2, To: 5}, CodeConflict},
		"backwards":     {Seal{Source: SourceGateway, Epoch: 1, Phase: 1, From: 3, To: 2}, CodeConflict},
		"another phase": {Seal{Source: SourceGateway, Epoch: 1, Phase: 2, From: 0, To: 1}, CodeInternal},
		"another epoch": {Seal{Source: SourceGateway, Epoch: 2, Phase: 1, From: 0, To: 1}, CodeInternal},
	} {
		c.seal.Cells = []Cell{cell(3, 0, "m", 100)}
		if err := totals.Fold(c.seal); CodeOf(err) != c.code {
			t.Errorf("%s: got %v, want class %s", name, err, c.code)
		}
		if d := cmp.Diff(want, totals); d != "" {
			t.Errorf("%s changed the totals:\n%s", name, d)
		}
	}
}

func TestCloneIsDeepEnough(t *testing.T) {
	totals := onePhase()
	seal := Seal{Source: SourceGateway, Epoch: 1, Phase: 1, To: 1, Cells: []Cell{cell(0, 0, "m", 1), cell(0, 1, "m", 1)}}
	seal.Cells[0].Sketch = new(stats.Sketch)
	seal.Cells[0].Sketch.Add(.1)
	if err := totals.Fold(seal); err != nil {
		t.Fatal(err)
	}
	before, err := json.Marshal(totals)
	if err != nil {
		t.Fatal(err)
	}
	other := totals.Clone()
	for w := range int64(5) {
		seal.From, seal.To = w+1, w+2
		if err := other.Fold(seal); err != nil {
			t.Fatal(err)
		}
	}
	if after, _ := json.Marshal(totals); string(after) != string(before) {
		t.Errorf("folding into a clone changed the totals: %s", cmp.Diff(string(before), string(after)))
	}
	if seal.Cells[0].Sketch.Count() != 1 {
		t.Error("folding changed the seal")
	}
}

func TestMergeLeavesEarlierCopies(t *testing.T) {
	of := func(values ...float64) Evidence {
		e := Evidence{Counts: stats.Counts{N: int64(len(values))}, Sketch: new(stats.Sketch)}
		for _, v := range values {
			e.Sketch.Add(v)
			e.Units.Add(v, 1)
		}
		return e
	}
	a, b := of(.1, .2), of(.3)
	first := a.Merge(b)
	second := first.Merge(of(.4, .5))
	for name, c := range map[string]struct {
		e    Evidence
		want Evidence
	}{
		"a": {a, of(.1, .2)}, "b": {b, of(.3)}, "first": {first, of(.1, .2, .3)}, "second": {second, of(.1, .2, .3, .4, .5)},
		"nothing and a":       {Evidence{}.Merge(a), of(.1, .2)},
		"a and nothing":       {a.Merge(Evidence{}), of(.1, .2)},
		"nothing and nothing": {Evidence{}.Merge(Evidence{}), Evidence{}},
	} {
		if c.e.Counts != c.want.Counts || c.e.Units.N != c.want.Units.N {
			t.Errorf("%s: %+v", name, c.e)
		}
		if (c.e.Sketch == nil) != (c.want.Sketch == nil) || c.e.Sketch != nil && !c.e.Sketch.Equal(*c.want.Sketch) {
			t.Errorf("%s: sketch of %v", name, c.e.Sketch)
		}
	}
}

func TestSealedWindows(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		after, window, hold time.Duration
		want                int64
	}{
		{0, time.Minute, 0, 0},
		{time.Minute - 1, time.Minute, 0, 0},
		{time.Minute, time.Minute, 0, 1},
		{70*time.Second - 1, time.Minute, 10 * time.Second, 0},
		{70 * time.Second, time.Minute, 10 * time.Second, 1},
		{time.Hour, time.Minute, 0, 60},
		{time.Hour, time.Minute, 2 * time.Hour, 0},
		{-time.Hour, time.Minute, 0, 0},
		{time.Hour, 0, 0, 0},
	} {
		if got := SealedWindows(start, start.Add(c.after), c.window, c.hold); got != c.want {
			t.Errorf("%s after the start, windows of %s held for %s: %d sealed, want %d", c.after, c.window, c.hold, got, c.want)
		}
	}
}
