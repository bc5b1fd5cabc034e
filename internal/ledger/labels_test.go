// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// prediction is what a version says of a unit's request; a negative score is
// none.
func prediction(unit, request string, version int, at time.Time, class string, score float64) experiment.Prediction {
	p := experiment.Prediction{Exposure: exposure(unit, version, at), Class: class}
	if request != "" {
		p.Request = exposure(request, 0, at).Unit
	}
	if score >= 0 {
		p.Score = &score
	}
	return p
}

func mustPredict(tb testing.TB, l *Ledger, predictions ...experiment.Prediction) {
	tb.Helper()
	for i := range predictions {
		if !l.Predict(&predictions[i]) {
			tb.Fatalf("prediction %+v was dropped", predictions[i])
		}
	}
}

func TestLabelsFindTheirPredictions(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, c := newShadow(t, nil)
		first, second := prediction("a", "r1", 0, t0, "cat", -1), prediction("a", "r2", 0, t0.Add(10*time.Second), "dog", -1)
		shadowed := prediction("b", "r1", 1, t0.Add(time.Second), "dog", -1) // the same request, another version
		mustPredict(t, l, first, second, shadowed)
		c.set(t0.Add(time.Minute))
		truth := func(o experiment.UnitOutcome) experiment.UnitOutcome { o.Event = "truth"; return o }
		record := func(what string, want experiment.Receipt, o ...experiment.UnitOutcome) {
			t.Helper()
			for i := range o {
				o[i] = truth(o[i])
			}
			if got := mustRecord(t, l, o...); got != want {
				t.Errorf("%s: receipt = %+v, want %+v", what, got, want)
			}
		}
		labels := func(class string) int64 {
			return query(t, l, `SELECT count(*) FROM labels l JOIN predictions p ON p.id = l.prediction WHERE p.class = ?1`, class)
		}
		accepted, duplicate, unmatched := experiment.Receipt{Accepted: 1}, experiment.Receipt{Duplicates: 1}, experiment.Receipt{Unmatched: 1}
		record("the unit before any prediction", unmatched, experiment.UnitOutcome{Unit: "a", Label: "cat", At: t0.Add(-time.Second)})
		record("another unit", unmatched, experiment.UnitOutcome{Unit: "c", Label: "cat"})
		record("the unit, as of the first", accepted, experiment.UnitOutcome{Unit: "a", Label: "cat", At: t0.Add(9 * time.Second)})
		if labels("cat") != 1 || labels("dog") != 0 {
			t.Errorf("labels of cat = %d, of dog = %d: want the older prediction's", labels("cat"), labels("dog"))
		}
		record("the same again", duplicate, experiment.UnitOutcome{Token: l.options.Key.Seal(&first.Exposure), Label: "cat"})
		record("another", duplicate, experiment.UnitOutcome{Token: l.options.Key.Seal(&first.Exposure), Label: "dog"})
		if n := l.Stats().ConflictingLabels; n != 1 {
			t.Errorf("conflicting labels = %d, want 1", n)
		}
		record("the request: of one version it is new", accepted, experiment.UnitOutcome{Request: "r1", Label: "cat"})
		record("the request again", duplicate, experiment.UnitOutcome{Request: "r1", Label: "cat"})
		record("twice in one batch, with a key", experiment.Receipt{Accepted: 1, Duplicates: 1},
			experiment.UnitOutcome{Unit: "a", Label: "dog", Key: "k"}, experiment.UnitOutcome{Unit: "a", Label: "dog", Key: "k"})
		record("a request that is not known", unmatched, experiment.UnitOutcome{Request: "r9", Label: "cat", Key: "late"})
		mustPredict(t, l, prediction("d", "r9", 0, t0.Add(time.Minute), "cat", -1))
		record("sent again once it is", accepted, experiment.UnitOutcome{Request: "r9", Label: "cat", Key: "late"})
		if got := labels("dog"); got != 2 {
			t.Errorf("labels of dog = %d, want 2", got)
		}
		mustPredict(t, l, prediction("e", "r10", 0, t0, "cat", -1))
		mustSeal(t, l, experiment.SourceOutcomes, 0, t0.Add(time.Hour))
		record("after the window was sealed", experiment.Receipt{Late: 1}, experiment.UnitOutcome{Request: "r10", Label: "cat"})
		record("the same again, after that", duplicate, experiment.UnitOutcome{Request: "r9", Label: "cat"})
	})
}

func TestLabelsBecomeCells(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, c := newShadow(t, nil)
		at := t0.Add(time.Second)
		add := func(unit, request, class string, score float64, groups uint64) {
			p := prediction(unit, request, 1, at, class, score)
			p.Groups = groups
			mustPredict(t, l, p)
		}
		add("a", "1", "cat", .9, premium) // is a cat
		add("a", "2", "cat", .8, premium) // is a dog
		add("b", "3", "dog", .2, 0)       // is a cat
		add("c", "4", "", .7, 0)          // is a cat, by its score
		add("d", "5", "dog", -1, 0)       // is a dog, has no score
		add("e", "6", "cat", .5, 0)       // nobody says
		add("f", "7", "cat", 1, premium)  // is told too late
		add("g", "8", "", -1, 0)          // is a cat, says nothing
		add("moved", "9", "cat", .5, 0)   // left the analysis
		add("h", "10", "1", 0, 0)         // is 1: a number
		l.Expose(exposure("moved", 0, at), 0)
		l.Expose(exposure("moved", 1, at.Add(time.Second)), 0)
		c.set(t0.Add(5 * time.Minute))
		var batch []experiment.UnitOutcome
		for request, label := range map[string]string{"1": "cat", "2": "dog", "3": "cat", "4": "cat", "5": "dog", "8": "cat", "9": "cat"} {
			batch = append(batch, experiment.UnitOutcome{Request: request, Event: "truth", Label: label, At: at.Add(time.Minute)})
		}
		batch = append(batch,
			experiment.UnitOutcome{Request: "7", Event: "truth", Label: "cat", At: at.Add(4*time.Minute + time.Millisecond)},
			experiment.UnitOutcome{Request: "10", Event: "truth", Value: 1, At: at})
		wantReceipt(t, mustRecord(t, l, batch...), experiment.Receipt{Accepted: 9})
		if s := mustSeal(t, l, experiment.SourceOutcomes, 0, t0.Add(6*time.Minute+10*time.Second-1)); s.To != 0 {
			t.Errorf("sealed up to %d before labels are mature", s.To)
		}
		s := mustSeal(t, l, experiment.SourceOutcomes, 0, t0.Add(6*time.Minute+10*time.Second))

		type cell struct {
			Units, N, Missing int64
			Y, X              float64
		}
		want := map[experiment.LabelStat]cell{
			// a: 1 of 2, b: 0, c: 1, d: 1, h: 1.
			experiment.Accuracy:    {5, 9, 3, 4, 6},
			experiment.Precision:   {5, 9, 3, 2, 3}, // says cat: 1, 2, 4
			experiment.Recall:      {5, 9, 3, 2, 3}, // is a cat: 1, 3, 4
			experiment.F1:          {5, 9, 3, 4, 6},
			experiment.Brier:       {4, 9, 4, .01 + .64 + .64 + .09, 5}, // d has no score
			experiment.Calibration: {4, 9, 4, .9 + .8 + .2 + .7, 3},
			experiment.LogLoss:     {4, 9, 4, -math.Log(.9) - math.Log(.2) - math.Log(.2) - math.Log(.7) - math.Log(1-1e-15), 5},
		}
		for of, w := range want {
			e := evidence(t, s, 0, 1, string(of), "")
			n := float64(e.Units.N)
			got := cell{e.Units.N, e.Counts.N, e.Counts.X, e.Units.MeanY * n, e.Units.MeanX * n}
			if diff := cmp.Diff(w, got, cmpopts.EquateApprox(1e-12, 1e-12)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", of, diff)
			}
		}
		auc := evidence(t, s, 0, 1, string(experiment.AUC), "")
		wantScores := stats.Scores{{Score: 0, Negative: 1}, {Score: .2, Positive: 1}, {Score: .7, Positive: 1}, {Score: .8, Negative: 1}, {Score: .9, Positive: 1}}
		if diff := cmp.Diff(wantScores, auc.Scores); diff != "" || auc.Counts != (stats.Counts{N: 9, X: 4}) {
			t.Errorf("AUC of %+v (-want +got):\n%s", auc.Counts, diff)
		}
		if got := evidence(t, s, 0, 1, "accuracy", "tier=premium"); got.Units.N != 1 || got.Counts != (stats.Counts{N: 3, X: 1}) || got.Units.MeanY != 1 || got.Units.MeanX != 2 {
			t.Errorf("accuracy of premium = %+v, want 1 right of 2 labelled of 3", got)
		}
		for _, c := range s.Cells {
			if c.Metric == "auc" && c.Slice != "" {
				t.Errorf("there is a cell %+v", c.CellKey)
			}
		}
	})
}

// TestOneEventServesBoth: purchases are revenue, and the truth about a
// prediction.
func TestOneEventServesBoth(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, c := newShadow(t, func(p *experiment.Plan) {
			p.Metrics = append(p.Metrics, experiment.Metric{Name: "hit", Labels: &experiment.LabelsMetric{Event: "purchase", Of: experiment.Accuracy, Window: time.Minute}})
		})
		l.Expose(exposure("a", 0, t0), 0)
		l.Expose(exposure("b", 0, t0), 0)
		mustPredict(t, l, prediction("a", "r", 0, t0, "12.5", -1))
		c.set(t0.Add(time.Second))
		wantReceipt(t, mustRecord(t, l,
			experiment.UnitOutcome{Unit: "a", Event: "purchase", Value: 12.5},
			experiment.UnitOutcome{Unit: "b", Event: "purchase", Value: 1},       // has no prediction
			experiment.UnitOutcome{Request: "r", Event: "purchase", Value: 12.5}, // finds the prediction only
			experiment.UnitOutcome{Request: "x", Event: "purchase", Value: 12.5}, // finds nothing
		), experiment.Receipt{Accepted: 2, Duplicates: 1, Unmatched: 1})
		s := mustSeal(t, l, experiment.SourceOutcomes, 0, t0.Add(time.Hour))
		if got := evidence(t, s, 0, 0, "revenue", ""); got.Units.N != 2 || got.Units.MeanY != 6.75 {
			t.Errorf("revenue = %+v, want 13.5 of 2 units", got.Units)
		}
		if got := evidence(t, s, 0, 0, "hit", ""); got.Units.N != 1 || got.Units.MeanY != 1 {
			t.Errorf("hits = %+v, want one", got.Units)
		}
	})
}

// TestTruthOf: numbers are written as decimals, and long classes are cut like
// those of predictions.
func TestTruthOf(t *testing.T) {
	for want, o := range map[string]experiment.UnitOutcome{
		"cat": {Label: "cat", Value: 1}, "1": {Value: 1}, "0": {Value: math.Copysign(0, -1)}, "-2.5": {Value: -2.5}, "1000000": {Value: 1e6},
		strings.Repeat("x", 64): {Label: strings.Repeat("x", 65)},
	} {
		if got := truthOf(&o); got != want {
			t.Errorf("truth of %+v = %q, want %q", o, got, want)
		}
	}
}
