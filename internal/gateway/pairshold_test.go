// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// TestPairsAreHeldLongEnough: what bounds a pair here fits into the time for
// which its window is held open, with time left to hand it on.
func TestPairsAreHeldLongEnough(t *testing.T) {
	const handedOn = 500 * time.Millisecond // A ledger asks four times a second, and shares commits.
	if bound := copyWaits + answersWithin + evaluateWithin; bound+handedOn > experiment.PairSlack {
		t.Errorf("a pair may take %s besides its answers, the hold has %s", bound+handedOn, experiment.PairSlack)
	}
	for _, timeout := range []time.Duration{0, time.Second, time.Minute} {
		m := experiment.Mirror{Share: experiment.Whole, Timeout: timeout}
		p := experiment.Plan{Lag: 15 * time.Second, Stages: []experiment.Stage{{}, {Mirror: &m}, {Mirror: &experiment.Mirror{Timeout: time.Millisecond}}}}
		// A request at the very end of its window, a baseline and a copy that take
		// all the time that a copy may have.
		if latest := 2*m.CopyTimeout() + copyWaits + answersWithin + evaluateWithin + handedOn; p.PairsHold() < p.Lag+latest {
			t.Errorf("time-out %s: the hold is %s, a pair may come %s after its window", timeout, p.PairsHold(), latest)
		}
	}
	if hold := (&experiment.Plan{Lag: time.Second, Stages: []experiment.Stage{{}}}).PairsHold(); hold != time.Second {
		t.Errorf("without a mirror the hold is %s, want the lag", hold)
	}
}
