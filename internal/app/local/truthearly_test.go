// SPDX-License-Identifier: Apache-2.0

package local

import (
	"fmt"
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// The row DL-01 (delayed.maturityWeighted) of the statistics' vectors: units by
// age in days, those of them that have converted, and delays Exp(0.15/day). The
// estimate is sum(converted)/sum(n F(age)), F being the share that is seen by an
// age; the naive one is sum(converted)/sum(n).
var (
	lateDays      = []float64{1, 3, 7, 14, 30}
	lateUnits     = []int{1000, 900, 800, 700, 600}
	lateConverted = []int{20, 45, 70, 80, 78}
)

const (
	lateRate  = .15
	lateWant  = 0.133601351
	lateNaive = 0.07325
	// lateDay is how long a day takes here: the API takes exposures and outcomes
	// of the next five minutes, and the oldest are to be 30 days old.
	lateDay = 8 * time.Second
)

// TestTheEarlyReadingIsTheVectors tells by HTTP of the units and the conversions
// of DL-01, in both versions. The view shows early readings as of its own time,
// when some of these units have not yet come; so the ledger that took them is
// asked, as of the time at which they have the vector's ages.
//
// The reading knows no rate; it learns the delays from the conversions, as far as
// the outcome window of 30 days reaches. So it says which share converts within
// the window, the vector's times F(30) = 1 - exp(-4.5), and what it learns of
// delays from 293 conversions by version is off a little.
func TestTheEarlyReadingIsTheVectors(t *testing.T) {
	t.Parallel()
	expected, converted, units := 0.0, 0.0, 0.0
	seen := func(age float64) float64 { return -math.Expm1(-lateRate * age) }
	for i, age := range lateDays {
		expected += float64(lateUnits[i]) * seen(age)
		converted += float64(lateConverted[i])
		units += float64(lateUnits[i])
	}
	near(t, "the arithmetic", converted/expected, lateWant, 1e-9)
	near(t, "the naive arithmetic", converted/units, lateNaive, 1e-9)

	w := newWorld(t, "late", pathKServe, func(int) string { return "" }, func(int) string { return "" }, fmt.Sprintf(`
  assignment: {unit: {header: x-user-id}, by: client, cohort: {header: x-model}}
  metrics: [{name: purchase, from: {outcomes: {event: purchase, window: %ds}}}]
  reward: {metric: purchase, minimumEffect: {relative: 1%%}}
  stages: [{name: ab, split: {v1: 50%%, v2: 50%%}, until: {atMost: 14d}}]
`, int(30*lateDay/time.Second)))
	w.split()
	end := time.Now().Add(30*lateDay + 5*time.Second)
	for _, version := range []string{"v1", "v2"} {
		for i, age := range lateDays {
			at := end.Add(-time.Duration(age * float64(lateDay)))
			var exposures []map[string]any
			var outcomes []told
			for u := range lateUnits[i] {
				unit := fmt.Sprintf("%s-%d-%d", version, i, u)
				exposures = append(exposures, map[string]any{"unit": unit, "version": version, "at": at})
				if u < lateConverted[i] {
					// The quantiles of delays that are not longer than the age.
					q := (float64(u) + .5) / float64(lateConverted[i]) * seen(age)
					delay := -math.Log1p(-q) / lateRate
					outcomes = append(outcomes, told{Unit: unit, Event: "purchase", Time: new(at.Add(time.Duration(delay * float64(lateDay))))})
				}
			}
			var receipt struct{ Accepted int }
			w.post("/v1/exposures", map[string]any{"exposures": exposures}, http.StatusAccepted, &receipt)
			if receipt.Accepted != len(exposures) {
				t.Fatalf("%d of %d exposures were taken", receipt.Accepted, len(exposures))
			}
			w.tell(outcomes, experiment.Receipt{Accepted: len(outcomes)})
		}
	}
	readings, err := w.run.ledger.Early(t.Context(), w.run.ID(), "purchase", end)
	if err != nil || len(readings) != 2 {
		t.Fatalf("readings: %+v, %v", readings, err)
	}
	for _, r := range readings {
		if !r.Known || !r.Weighted || r.Units != 4000 || r.Waiting != 3400 {
			t.Errorf("reading: %+v, want a weighted one of 4000 units, 3400 of them young", r)
		}
		near(t, "the share that will convert", r.Estimate.Value, lateWant*seen(30), .002)
	}
}
