// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
)

// TestARetryShowsItsOwnEvidence: what an earlier epoch counted is not what the
// verdicts of this one rest on.
func TestARetryShowsItsOwnEvidence(t *testing.T) {
	in := even(ranker("v1", "v2"))
	rec := *in.Record
	rec.State.Epoch, rec.State.Phase = 2, 3
	rec.Totals.Phases = append(rec.Totals.Phases, experiment.PhaseTotals{Epoch: 2, Phase: 3, Start: in.Now, Shares: experiment.Shares{5000, 5000}})
	in.Record, in.Now, in.Judgement = &rec, in.Now.Add(time.Second), &experiment.Judgement{}
	v := view.Of(in)
	for _, x := range v.Versions {
		if x.Units != 0 || x.Requests != 0 || x.ErrorRate != nil || x.P99 != nil || x.Reward != nil {
			t.Errorf("%s shows what the epoch before counted: %+v", x.Name, x)
		}
	}
	if len(v.Health.Joined) != 0 {
		t.Errorf("joined: %+v", v.Health.Joined)
	}
}
