// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/bandit"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// TestMemoryOfCommands: the last twenty are remembered, so that none of them is
// obeyed again; a state does not grow with what people ask for.
func TestMemoryOfCommands(t *testing.T) {
	p, s := placed(place{kind: experiment.KindSplit, last: true, entered: true, versions: 2})
	for i := range maxCommands + 5 {
		f := experiment.Facts{Commands: []experiment.Command{{ID: fmt.Sprint(i), Verb: []experiment.Verb{experiment.VerbPause, experiment.VerbResume}[i%2]}}}
		s = decideChecked(t, p, s, f, epoch.Add(time.Minute)).after
	}
	if len(s.Commands) != maxCommands || s.Commands[0] != "5" || s.Commands[maxCommands-1] != "24" {
		t.Fatalf("remembers %v", s.Commands)
	}
	for _, id := range s.Commands {
		r := decideChecked(t, p, s, experiment.Facts{Commands: []experiment.Command{{ID: id, Verb: experiment.VerbAbort}}}, epoch.Add(2*time.Minute))
		if r.decision.Act != experiment.ActHold {
			t.Errorf("command %s is obeyed twice: %s", id, r.decision.Act)
		}
	}
}

// TestKeptVectors: decide answers for D1 and D4 itself, whoever makes a vector.
func TestKeptVectors(t *testing.T) {
	u := &bandit.Update{
		Previous: experiment.Shares{6000, 3000, 1000},
		Blocked:  func(v int) bool { return v == 1 },
		Removed:  func(v int) bool { return v == 2 },
	}
	for name, c := range map[string]struct {
		shares experiment.Shares
		good   bool
	}{
		"a blocked version may shrink":         {experiment.Shares{8000, 2000, 0}, true},
		"a blocked version may not gain":       {experiment.Shares{6999, 3001, 0}, false},
		"a removed version may have nothing":   {experiment.Shares{6999, 3000, 1}, false},
		"shares that do not sum are no shares": {experiment.Shares{6000, 3000, 0}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := kept(c.shares, u); (err == nil) != c.good {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestGainsInSomeGroup: a version gains if it does in one group, whatever the
// mean, and whichever side has groups.
func TestGainsInSomeGroup(t *testing.T) {
	grouped := byGroup([]experiment.GroupShares{
		{Slice: "tier=premium", Shares: experiment.Shares{9000, 1000}},
		{Slice: "tier=other", Shares: experiment.Shares{5000, 5000}},
	})
	even := forAll(experiment.Shares{6000, 4000})
	for name, c := range map[string]struct {
		want, have asked
		gains      bool
	}{
		"from groups to one table, premium gains": {even, grouped, true},
		"from one table to groups, others gain":   {grouped, even, true},
		"less for everybody":                      {forAll(experiment.Shares{9500, 500}), grouped, false},
		"the same groups":                         {grouped, grouped, false},
		"groups within what everybody had":        {grouped, forAll(experiment.Shares{0, 10000}), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.want.gains(c.have, 1); got != c.gains {
				t.Errorf("gains: %v", got)
			}
		})
	}
	if !slices.Equal(grouped.all, experiment.Shares{7000, 3000}) {
		t.Errorf("the mean is %s", grouped.all)
	}
}
