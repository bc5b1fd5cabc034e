// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"fmt"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// mirrored is what candidate 1 answers to a copy of a baseline's prediction.
func mirrored(of experiment.Prediction, class string, score float64) experiment.Prediction {
	of.Version, of.Class, of.Mirrored, of.Score = 1, class, true, nil
	if score >= 0 {
		of.Score = &score
	}
	return of
}

// labelsOf lists the labels of one version's predictions of a class.
func labelsOf(t *testing.T, l *Ledger, version int, class string) int64 {
	t.Helper()
	return query(t, l, `SELECT count(*) FROM labels l JOIN predictions p ON p.id = l.prediction WHERE p.version = ?1 AND p.class = ?2`, version, class)
}

// TestALabelIsAboutAllAnswersToItsRequest: by whichever key it comes, it finds
// the answers to the copies of the request too, and those of no other request.
func TestALabelIsAboutAllAnswersToItsRequest(t *testing.T) {
	for name, key := range map[string]func(l *Ledger, p *experiment.Prediction) experiment.UnitOutcome{
		"by token": func(l *Ledger, p *experiment.Prediction) experiment.UnitOutcome {
			return experiment.UnitOutcome{Token: l.options.Key.Seal(&p.Exposure)}
		},
		"by unit": func(*Ledger, *experiment.Prediction) experiment.UnitOutcome { return experiment.UnitOutcome{Unit: "a"} },
		"by request": func(*Ledger, *experiment.Prediction) experiment.UnitOutcome {
			return experiment.UnitOutcome{Request: "r"}
		},
	} {
		for _, request := range []string{"r", ""} {
			if request == "" && name == "by request" {
				continue
			}
			t.Run(fmt.Sprintf("%s with id %q", name, request), func(t *testing.T) {
				eachStore(t, func(t *testing.T) {
					l, c := newShadow(t, nil)
					it := prediction("a", request, 0, t0.Add(time.Second), "cat", -1)
					before, other := prediction("a", "before", 0, t0, "cow", -1), prediction("b", "other", 0, it.At, "cow", -1)
					sameTime := prediction("a", "then", 0, it.At, "yak", -1) // another request in the same millisecond
					predictions := []experiment.Prediction{mirrored(before, "cow", -1), before, mirrored(it, "dog", -1), it, other, mirrored(other, "cow", -1)}
					if request != "" && name == "by request" {
						predictions = append(predictions, sameTime, mirrored(sameTime, "yak", -1))
					}
					mustPredict(t, l, predictions...)
					c.set(t0.Add(time.Minute))
					o := key(l, &it)
					o.Event, o.Label = "truth", "cat"
					wantReceipt(t, mustRecord(t, l, o), experiment.Receipt{Accepted: 1})
					if cat, dog, rest := labelsOf(t, l, 0, "cat"), labelsOf(t, l, 1, "dog"), query(t, l, `SELECT count(*) FROM labels`); cat != 1 || dog != 1 || rest != 2 {
						t.Errorf("the baseline's answer has %d labels, the candidate's %d, all %d: want 1, 1, 2", cat, dog, rest)
					}
					o.Key = "again"
					wantReceipt(t, mustRecord(t, l, o), experiment.Receipt{Duplicates: 1})
					s := mustSeal(t, l, experiment.SourceOutcomes, 0, t0.Add(time.Hour))
					for version, right := range []float64{1, 0} {
						got := evidence(t, s, 0, version, string(experiment.Accuracy), "")
						if got.Units.N != 1 || got.Units.MeanY != right || got.Counts.N-got.Counts.X != 1 {
							t.Errorf("accuracy of version %d: %+v, want %g of one", version, got, right)
						}
					}
				})
			})
		}
	}
}

// TestACopyThatIsAnsweredAfterItsLabelHasIt: whoever told the label was told
// that it was accepted, and does not send it again.
func TestACopyThatIsAnsweredAfterItsLabelHasIt(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, c := newShadow(t, nil)
		it, silent := prediction("a", "r", 0, t0, "cat", -1), prediction("b", "s", 0, t0, "cow", -1)
		sameTime := prediction("a", "then", 0, t0, "yak", -1)
		mustPredict(t, l, it, silent, sameTime)
		c.set(t0.Add(time.Second))
		truth := experiment.UnitOutcome{Request: "r", Event: "truth", Label: "cat"}
		wantReceipt(t, mustRecord(t, l, truth), experiment.Receipt{Accepted: 1})
		mustPredict(t, l, mirrored(it, "dog", -1), mirrored(silent, "cow", -1), mirrored(sameTime, "yak", -1))
		wantReceipt(t, mustRecord(t, l, truth), experiment.Receipt{Duplicates: 1})
		if dog, all := labelsOf(t, l, 1, "dog"), query(t, l, `SELECT count(*) FROM labels`); dog != 1 || all != 2 {
			t.Errorf("the copy has %d labels, all %d: want 1, 2", dog, all)
		}
		// A copy and the label of its original may share a commit.
		b := experiment.Batch{Gateway: "g", Sequence: 1, Predictions: []experiment.Prediction{mirrored(silent, "ox", -1)}}
		if fresh, err := l.Add(t.Context(), &b); err != nil || !fresh {
			t.Fatalf("added %t, %v", fresh, err)
		}
		truth = experiment.UnitOutcome{Token: l.options.Key.Seal(&silent.Exposure), Event: "truth", Label: "cow"}
		wantReceipt(t, mustRecord(t, l, truth), experiment.Receipt{Accepted: 1})
		if n := labelsOf(t, l, 1, "cow"); n != 1 {
			t.Errorf("the first copy of the silent has %d labels", n)
		}
	})
}

// TestCopiesAreNoExposures, and go where rows of requests go.
func TestCopiesAreNoExposures(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		l, _ := newShadow(t, nil)
		var of []experiment.Prediction
		for i := range 4 {
			p := prediction(fmt.Sprint("u", i), fmt.Sprint("r", i), 0, t0, "cat", .5)
			l.Expose(p.Exposure, 0)
			of = append(of, p)
			mustPredict(t, l, p, mirrored(p, "dog", .25))
		}
		baseline := mirrored(of[0], "cat", -1)
		baseline.Version = 0
		if l.Predict(&baseline) {
			t.Error("a copy to the baseline is taken")
		}
		if n := query(t, l, `SELECT count(*) FROM predictions`); n != 8 {
			t.Fatalf("%d rows, want 8", n)
		}
		s := mustSeal(t, l, experiment.SourceExposures, 0, t0.Add(time.Hour))
		for _, c := range s.Cells {
			if c.Version != 0 {
				t.Errorf("a shadow is exposed: %+v", c)
			}
		}
		rows, err := l.DeleteUnit(t.Context(), "search/ranker", "u0")
		if err != nil || rows != 3 {
			t.Errorf("forgot %d rows, %v: want the exposure and both predictions", rows, err)
		}
		mustSeal(t, l, experiment.SourceOutcomes, 0, t0.Add(time.Hour))
		if err := l.Prune(t.Context(), "search/ranker", 1, 1, 1000); err != nil {
			t.Fatal(err)
		}
	})
}

// BenchmarkCopies takes in predictions and those of their copies, which look for
// labels of the former.
func BenchmarkCopies(b *testing.B) {
	for _, copied := range []bool{false, true} {
		b.Run(map[bool]string{false: "none", true: "all"}[copied], func(b *testing.B) {
			l, c := newShadow(b, nil)
			c.set(t0.Add(time.Second))
			n := 0
			take := func(p experiment.Prediction) {
				for !l.Predict(&p) {
					mustFlush(b, l)
				}
				n++
			}
			for b.Loop() {
				id := fmt.Sprint(n)
				p := prediction(id, id, 0, t0, "cat", .5)
				take(p)
				if copied {
					take(mirrored(p, "dog", .25))
				}
			}
			mustFlush(b, l)
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
