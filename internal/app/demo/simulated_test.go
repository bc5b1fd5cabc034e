// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/simulate"
	"github.com/headgate-dev/headgate/stats"
)

// compressed plays the demo of a candidate once per seed from 0 to n-1.
func compressed(t *testing.T, c Candidate, n int) []simulate.Result {
	t.Helper()
	plan, err := planFor("http://127.0.0.1:1", "http://127.0.0.1:2")
	if err != nil {
		t.Fatal(err)
	}
	w, err := Train(c)
	if err != nil {
		t.Fatal(err)
	}
	power, err := w.Power(plan, c)
	if err != nil {
		t.Fatal(err)
	}
	acc := w.Accuracy()
	t.Logf("%s: v1 reads %.1f%% of the test rows right, v2 %.1f%%; designed power %.6f", c.Name, 100*acc[0], 100*acc[1], power)
	if c.Name != "same" && power < 0.999 {
		t.Errorf("designed power is %v, want at least .999", power)
	}
	world := w.Simulated(c)
	results := make([]simulate.Result, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	for k := range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := k; i < n; i += runtime.GOMAXPROCS(0) {
				results[i], errs[i] = simulate.Run(plan, world, uint64(i), false)
			}
		})
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			t.Fatalf("seed %d: %v", i, err)
		}
	}
	return results
}

// summary counts how experiments ended and why.
func summary(results []simulate.Result) string {
	count := map[string]int{}
	var keys []string
	for _, r := range results {
		k := fmt.Sprintf("%s %s %s", r.Outcome, r.Reason.Code, r.Reason.Param("metric"))
		if count[k]++; count[k] == 1 {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	out := ""
	for _, k := range keys {
		out += fmt.Sprintf("  %d × %s\n", count[k], k)
	}
	return out
}

// reasonFor is the reason that each candidate's experiment should end with.
var reasonFor = map[string]struct {
	code   experiment.ReasonCode
	metric string
}{
	"better":  {experiment.ReasonBetter, "accuracy"},
	"worse":   {experiment.ReasonRewardWorse, "accuracy"},
	"slow":    {experiment.ReasonObjective, "p99"},
	"failing": {experiment.ReasonObjective, "error-rate"},
}

// TestCandidatesEndRight plays every candidate with 200 seeds, none skipped,
// in compressed time through the same engine. At a power of .999, fewer than
// 197 right ends have probability 5e-5; the powers here are far higher.
func TestCandidatesEndRight(t *testing.T) {
	for _, c := range Candidates() {
		if c.Name == "same" {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			results := compressed(t, c, 200)
			right := 0
			for _, r := range results {
				want := reasonFor[c.Name]
				if slices.Contains(c.Ends, r.Outcome) && r.Reason.Code == want.code && r.Reason.Param("metric") == want.metric {
					right++
				}
			}
			t.Logf("%d of %d ended right:\n%s", right, len(results), summary(results))
			if right < 197 {
				t.Errorf("%d of 200 ended right, want at least 197", right)
			}
		})
	}
}

// TestSameIsSeldomPromoted is D9: over 2,000 seeds of two identical models,
// the number of promotions passes an exact one-sided binomial test of a rate
// of at most alpha, at level 1e-6.
func TestSameIsSeldomPromoted(t *testing.T) {
	c, err := CandidateOf("same")
	if err != nil {
		t.Fatal(err)
	}
	results := compressed(t, c, 2000)
	promoted := int64(0)
	for _, r := range results {
		if r.Outcome == experiment.Promoted {
			promoted++
		}
	}
	p, err := stats.BinomialTestGreater(promoted, int64(len(results)), 0.05)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d promoted, p = %.3g:\n%s", promoted, len(results), p, summary(results))
	if p < 1e-6 {
		t.Errorf("%d of %d identical candidates were promoted: more than alpha = .05 allows", promoted, len(results))
	}
}

// TestSimulatedJournalReplays replays the journal of a compressed demo of each
// candidate (D6).
func TestSimulatedJournalReplays(t *testing.T) {
	plan, err := planFor("http://127.0.0.1:1", "http://127.0.0.1:2")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range Candidates() {
		w, err := Train(c)
		if err != nil {
			t.Fatal(err)
		}
		r, err := simulate.Run(plan, w.Simulated(c), 7, true)
		if err != nil {
			t.Fatal(err)
		}
		n, err := engine.Replay(func(yield func(experiment.Entry, error) bool) {
			for _, e := range r.Entries {
				if !yield(e, nil) {
					return
				}
			}
		})
		if err != nil || n != int64(len(r.Entries)) {
			t.Errorf("%s: %d of %d entries replayed: %v", c.Name, n, len(r.Entries), err)
		}
	}
}
