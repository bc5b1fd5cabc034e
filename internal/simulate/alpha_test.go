// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"testing"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// sure is the probability with which a correct rule fails a test here by chance,
// at most. The seeds are fixed: it either does for ever or never.
const sure = 1e-6

// methods are the ways to decide; those with a guarantee keep to alpha (D9).
func methods() map[experiment.Method]bool {
	return map[experiment.Method]bool{
		experiment.Sequential: true, experiment.Anytime: true, experiment.Fixed: true,
		experiment.Bayesian: false, experiment.Threshold: false,
	}
}

// TestIdenticalVersionsAreSeldomPromoted is D9, quickly: make e2e plays 10,000
// runs of each method. Methods without a guarantee and the rivals' rules lie above
// alpha, or they are not what they are meant to be.
func TestIdenticalVersionsAreSeldomPromoted(t *testing.T) {
	const runs = 300
	for m, guaranteed := range methods() {
		t.Run(string(m), func(t *testing.T) {
			p := looksPlan(m)
			r := many(t, p, assume(p, Effect{}), Options{Runs: runs, Seed: 9, Rivals: m == experiment.Fixed})
			check := func(rule string, h *Tally, guaranteed bool) {
				pvalue, err := stats.BinomialTestGreater(int64(h.Promoted), runs, p.Analysis.Alpha)
				if err != nil {
					t.Fatal(err)
				}
				f := h.Rates.FalsePromotions
				t.Logf("%s: %d of %d promoted, %.1f%% [%.1f, %.1f]", rule, h.Promoted, h.Runs, 100*f.Value, 100*f.Low, 100*f.High)
				if guaranteed && pvalue < sure {
					t.Errorf("%s promotes more than alpha allows, p = %.2g", rule, pvalue)
				}
				if !guaranteed && pvalue > sure {
					t.Errorf("alpha explains what %s promotes, p = %.2g: is it still its rule?", rule, pvalue)
				}
			}
			check(string(m), &r.Headgate, guaranteed)
			if r.Iter8 != nil {
				check("iter8", r.Iter8, false)
				check("argo", r.Argo, false)
				// Flagger's lies too close to alpha for so few runs.
				t.Logf("flagger: %d of %d promoted", r.Flagger.Promoted, runs)
			}
		})
	}
}

// TestWorldsAgree: the same experiment ends alike in the world of requests and in
// that of counts, where its power is far from 0 and 1.
func TestWorldsAgree(t *testing.T) {
	const runs = 80
	p := planOf()
	p.Stages = p.Stages[1:] // What a unit does in several phases, only one world knows.
	slow := *shop()
	slow.Units = 30_000
	slow.Answer = shopWith(.3, .345)
	promoted := int64(0)
	for seed := range uint64(runs) {
		r, err := Run(p, &slow, seed, false)
		if err != nil {
			t.Fatal(err)
		}
		if r.Outcome == experiment.Promoted {
			promoted++
		}
	}
	a := Assumptions{Rate: slow.Rate, Units: int64(slow.Units), Steps: 10_000, Laws: []Law{
		{Metric: "purchase", Values: []float64{.3, .345}},
		{Metric: "errors", Values: []float64{.02, .02}},
		{Metric: "p95", Values: []float64{.00004, .00004}},
		{Metric: "refund", Values: []float64{0, 0}},
	}}
	fast := int64(many(t, p, a, Options{Runs: runs}).Headgate.Promoted)
	_, mid, err := stats.FisherExact(stats.Counts{N: runs, X: promoted}, stats.Counts{N: runs, X: fast})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d promoted with requests, %d with counts, mid-p %.3f", promoted, runs, fast, mid)
	if mid < .001 {
		t.Errorf("of %d experiments %d are promoted in the world of requests, %d in that of counts", runs, promoted, fast)
	}
	if promoted < runs/6 || promoted > runs*5/6 {
		t.Errorf("%d of %d promoted: the test has no teeth", promoted, runs)
	}
}
