// SPDX-License-Identifier: Apache-2.0

package local

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// TestWhatAnEarlierProcessLost is what it had not folded, as long as it may have
// been at it, and not the time in which nobody served.
func TestWhatAnEarlierProcessLost(t *testing.T) {
	start := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	p := &experiment.Plan{Window: time.Minute, Lag: 15 * time.Second}
	for name, tc := range map[string]struct {
		folded int64
		began  time.Duration
		want   experiment.Gap
	}{
		"begun at once":            {3, 3*time.Minute + 50*time.Second, experiment.Gap{From: 3, To: 4}},
		"begun a little later":     {3, 5*time.Minute + 50*time.Second, experiment.Gap{From: 3, To: 6}},
		"begun on the next day":    {3, 24 * time.Hour, experiment.Gap{From: 3, To: 6}},
		"before anything was made": {0, time.Second, experiment.Gap{From: 0, To: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			phase := &experiment.PhaseTotals{Start: start, Folded: experiment.Folded{Gateway: tc.folded}}
			got := lostWith(p, phase, start.Add(tc.began))
			tc.want.Why = got[0].Why
			if diff := cmp.Diff([]experiment.Gap{tc.want}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
