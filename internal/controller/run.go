// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/judge"
	"github.com/headgate-dev/headgate/internal/router"
)

// run is what the controller remembers of an experiment between two turns. All
// of it can be had again from the cluster.
type run struct {
	uid types.UID
	// plan is the one in force, of generation; router and evidence are made for
	// it.
	plan       *experiment.Plan
	generation int64
	// spec is what that plan was read from, without wishes; empty where it came
	// from the record.
	spec     string
	router   router.Router
	evidence Evidence
	// record is the newest, which is ahead of the stored one between saves.
	record experiment.Record
	loaded bool
	saved  time.Time
	memo   *judge.Memo

	judgement experiment.Judgement
	latest    experiment.Decision
	// due is when the rules should be asked next.
	due time.Time
	// claimed and rehearsed say that the route is this experiment's alone and
	// that the way back was tried without doing it.
	claimed, rehearsed bool
	// noWayBack says why the way back would not work, deaf why no source can be
	// opened; empty where all is well.
	noWayBack, deaf string
	// watched says that changes of the route ask for a turn.
	watched bool
	// asked is what the route was last made to say; drifts are the times at which
	// somebody else was found to have changed it, and drifted says who and what,
	// the last time.
	asked string
	// written are the versions of the route's objects as they were last written,
	// by their place; found is the change of somebody else's that was counted
	// last.
	written map[int]string
	found   string
	drifts  []time.Time
	drifted string
	// hindered is what was last in the way of an action; unchecked what was when
	// it was tried to check what is kept warm.
	hindered  string
	unchecked error
	tried     time.Time
	// served is since when the route says what the newest phases ask for.
	served []served
	// unsafe is since when all traffic should be back on the baseline and is
	// not.
	unsafe time.Time
	// stalls counts the turns in a row that ended stalled.
	stalls int
	// shown is when the status was last written, and held what it said was waited
	// for, by the reasons' codes.
	shown time.Time
	held  string
}

func newRun(uid types.UID) *run { return &run{uid: uid, memo: judge.NewMemo()} }

func (x *run) close() {
	if x.evidence != nil {
		x.evidence.Close()
		x.evidence = nil
	}
}

// adopt takes a plan and drops what was made for the one before.
func (x *run) adopt(p *experiment.Plan) {
	if x.plan != nil && x.plan.Hash() == p.Hash() {
		return
	}
	x.close()
	x.plan, x.router, x.asked, x.written = p, nil, "", nil
	x.claimed, x.rehearsed, x.watched = false, false, false
}

// tick is how long the rules wait to be asked again: four times a window, but
// neither so often that it costs nor so seldom that it is late.
func tick(window time.Duration) time.Duration {
	return min(max(window/4, 250*time.Millisecond), 15*time.Second)
}
