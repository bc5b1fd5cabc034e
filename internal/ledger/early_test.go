// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/delayed"
)

// TestEarlyReadingIsTheVectors: row DL-01 of the statistics' vectors, made of
// the cohorts that it gives and its delays.
func TestEarlyReadingIsTheVectors(t *testing.T) {
	var cohorts []delayed.Cohort
	for i, age := range []float64{1, 3, 7, 14, 30} {
		cohorts = append(cohorts, delayed.Cohort{Age: age, Counts: stats.Counts{N: []int64{1000, 900, 800, 700, 600}[i], X: []int64{20, 45, 70, 80, 78}[i]}})
	}
	r := earlyReading(0, cohorts, 30, func(age float64) float64 { return -math.Expm1(-.15 * age) })
	if !r.Known || !r.Weighted || math.Abs(r.Estimate.Value-0.133601351) > 1e-9 || r.Units != 4000 || r.Waiting != 3400 {
		t.Errorf("reading = %+v, want 0.133601351 of 4000 units, 3400 of them young", r)
	}
	// Without delays, the mature units alone.
	if r := earlyReading(0, cohorts, 30, nil); !r.Known || r.Weighted || r.Estimate.Value != .13 {
		t.Errorf("reading = %+v, want 78 of 600", r)
	}
}

// earlyWorld exposes units evenly over four minutes of which a share buys after
// an exponential delay, and tells the ledger what has happened by the end.
func earlyWorld(t *testing.T, share [2]float64, mean [2]time.Duration) []EarlyReading {
	t.Helper()
	l, c := newLedger(t, Options{})
	end := t0.Add(5 * time.Minute)
	c.set(end)
	r := rand.New(rand.NewPCG(3, 9))
	var bought []experiment.UnitOutcome
	for i := range 8000 {
		unit, version := fmt.Sprint(i), i%2
		at := t0.Add(time.Duration(r.Int64N(int64(5 * time.Minute))))
		l.Expose(exposure(unit, version, at), 0)
		delay := time.Duration(r.ExpFloat64() * float64(mean[version]))
		if r.Float64() < share[version] && !at.Add(delay).After(end) {
			bought = append(bought, experiment.UnitOutcome{Unit: unit, Event: "purchase", Value: 1, At: at.Add(delay)})
		}
	}
	for len(bought) > 0 {
		n := min(len(bought), experiment.MaxOutcomes)
		wantReceipt(t, mustRecord(t, l, bought[:n]...), experiment.Receipt{Accepted: n})
		bought = bought[n:]
	}
	got, err := l.Early(t.Context(), "search/ranker", "revenue", end)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestEarlyReadings(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		t.Run("young units count by their age", func(t *testing.T) {
			got := earlyWorld(t, [2]float64{.3, .4}, [2]time.Duration{40 * time.Second, 40 * time.Second})
			inWindow := -math.Expm1(-180. / 40) // Later ones do not count.
			for v, share := range []float64{.3, .4} {
				r := got[v]
				if !r.Known || !r.Weighted || r.Units != 4000 || r.Waiting < 2000 || math.Abs(r.Estimate.Value-share*inWindow) > 4*r.Estimate.SE {
					t.Errorf("version %d = %+v, want %g", v, r, share*inWindow)
				}
			}
		})
		t.Run("delays that differ leave the mature units", func(t *testing.T) {
			got := earlyWorld(t, [2]float64{.3, .3}, [2]time.Duration{10 * time.Second, 90 * time.Second})
			for v, want := range []float64{.3, .3 * -math.Expm1(-2)} {
				r := got[v]
				if !r.Known || r.Weighted || math.Abs(r.Estimate.Value-want) > 4*r.Estimate.SE {
					t.Errorf("version %d = %+v, want %g of mature units", v, r, want)
				}
			}
		})
		t.Run("sealed windows stay in it", func(t *testing.T) {
			l, _ := newLedger(t, Options{})
			for i := range 100 {
				l.Expose(exposure(fmt.Sprint(i), 0, t0), 0)
				if i < 20 {
					mustRecord(t, l, experiment.UnitOutcome{Unit: fmt.Sprint(i), Event: "purchase", Value: 1, At: t0.Add(time.Second)})
				}
			}
			later := t0.Add(time.Hour)
			mustSeal(t, l, experiment.SourceOutcomes, 0, later)
			got, err := l.Early(t.Context(), "search/ranker", "revenue", later)
			if err != nil || got[0].Units != 100 || got[0].Estimate.Value != .2 || got[1].Known {
				t.Errorf("readings = %+v, %v; want 20 of 100, and nothing of the candidate", got, err)
			}
		})
		t.Run("other metrics are refused", func(t *testing.T) {
			l, _ := newLedger(t, Options{})
			if _, err := l.Early(t.Context(), "search/ranker", "refund", t0); experiment.CodeOf(err) != experiment.CodeInvalid {
				t.Errorf("error = %v", err)
			}
			if _, err := l.Early(t.Context(), "search/ranker", "revenue", t0); experiment.CodeOf(err) != experiment.CodeNotFound {
				t.Errorf("error = %v", err)
			}
		})
	})
}
