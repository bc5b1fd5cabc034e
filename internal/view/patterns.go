// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Mirror is how far a shadow has come.
type Mirror struct {
	// Share is the part of the requests that is copied to each candidate.
	Share float64 `json:"share"`
	// Pairs is that of the candidate with the fewest; Want is 0 where the time
	// alone ends the stage.
	Pairs  int64    `json:"pairs"`
	Want   int64    `json:"want,omitempty"`
	Copies []Copies `json:"copies"`
	// Cost is what the copies cost so far; Cap ends the stage.
	Cost float64 `json:"cost,omitempty"`
	Cap  float64 `json:"costCap,omitempty"`
}

// Copies counts the requests that were copied to a candidate.
type Copies struct {
	Version string `json:"version"`
	Sent    int64  `json:"sent"`
	// Failed copies failed or came too late: they make no pair.
	Failed int64 `json:"failed"`
	// Hanging says that it answered none of the last in time, and is sent one now
	// and then.
	Hanging bool `json:"hanging,omitempty"`
}

func mirrorOf(in *Input) *Mirror {
	m := in.Plan.Stages[in.Record.State.Stage].Mirror
	if m == nil || !live(in) {
		return nil
	}
	out := &Mirror{
		Share: m.Share.Fraction(), Pairs: pairs(in), Want: m.Until.Pairs,
		Cost: in.Judgement.Spent.Mirror, Cap: m.Cost, Copies: []Copies{},
	}
	for v := 1; v < len(in.Plan.Versions); v++ {
		if in.Record.State.IsRemoved(v) {
			continue
		}
		c := Copies{Version: in.Plan.Versions[v].Name, Hanging: slices.Contains(in.Hanging, in.Plan.Versions[v].Name)}
		stagePhases(in, func(p *experiment.PhaseTotals) {
			n := p.Get(v, experiment.CellMirrored).Counts
			c.Sent, c.Failed = c.Sent+n.N, c.Failed+n.X
		})
		out.Copies = append(out.Copies, c)
	}
	return out
}

// Warm is a promotion that can still be undone: the old version stays warm.
type Warm struct {
	Winner   string `json:"winner"`
	Baseline string `json:"baseline"`
	// Since is when the winner was promoted; Until the earliest end, absent
	// where only a person ends it.
	Since time.Time  `json:"since"`
	Until *time.Time `json:"until,omitempty"`
	// Holdback is the share that stays on the baseline.
	Holdback float64 `json:"holdback,omitempty"`
	// Waits are what must be had before the old version may go.
	Waits []WarmWait `json:"waits"`
	// Then is what becomes of the old version: keep, scaleDown or delete.
	Then string `json:"then"`
}

// WarmWait is one thing that keeps the old version warm.
type WarmWait struct {
	What  string     `json:"what"`
	Until *time.Time `json:"until,omitempty"`
	Done  bool       `json:"done"`
}

func warmApproval(p *experiment.Plan) string {
	if p.Promote.KeepWarm == nil {
		return ""
	}
	return p.Promote.KeepWarm.Approval
}

func warmOf(in *Input) *Warm {
	s, k := &in.Record.State, in.Plan.Promote.KeepWarm
	if s.Condition != experiment.Warm || k == nil {
		return nil
	}
	out := &Warm{
		Winner: in.Plan.Versions[s.Winner].Name, Baseline: in.Plan.Versions[0].Name,
		Since: promotedAt(s), Holdback: k.Holdback.Fraction(), Waits: []WarmWait{}, Then: string(in.Plan.Promote.Loser),
	}
	if out.Then == "" {
		out.Then = string(experiment.LoserKeep)
	}
	wait := func(what string, d time.Duration) {
		end := out.Since.Add(d)
		out.Waits = append(out.Waits, WarmWait{What: what, Until: &end, Done: !in.Now.Before(end)})
		if out.Until == nil || end.After(*out.Until) {
			out.Until = &end
		}
	}
	if k.AtLeast > 0 {
		wait("the least time", k.AtLeast)
	}
	for _, name := range k.Matured {
		if m := in.Plan.Metric(name); m != nil && m.Matures() > 0 {
			wait("outcomes of "+name, m.Matures()+in.Plan.Lag+in.Plan.Window)
		}
	}
	if k.Approval != "" {
		out.Waits = append(out.Waits, WarmWait{What: "the approval of " + k.Approval, Done: s.Approved})
	}
	return out
}

// promotedAt is when the winner got the traffic.
func promotedAt(s *experiment.State) time.Time {
	for _, d := range slices.Backward(s.Decisions) {
		if d.Act == experiment.ActPromote {
			return d.At
		}
	}
	return s.PhaseStart
}

func warmProgress(in *Input) float64 {
	w := warmOf(in)
	if w == nil || w.Until == nil {
		return 1
	}
	return fraction(in.Now.Sub(w.Since), w.Until.Sub(w.Since))
}

func warmSentence(in *Input, why string) string {
	s := &in.Record.State
	head := "PROMOTED, KEPT WARM"
	if overrideOf(in) != "" {
		head = "PROMOTED BY OVERRIDE, KEPT WARM"
	}
	if hasReason(in, experiment.ReasonNeedApproval) {
		head += ", APPROVAL AWAITED"
	}
	share := s.Slots.Shares(len(in.Plan.Versions))[s.Winner]
	return fmt.Sprintf("%s  %s has %s of the traffic, %s can take it back: %s", head, in.Plan.Versions[s.Winner].Name, share.Percent(), in.Plan.Versions[0].Name, why)
}

// Spent is what the experiment has used up, beside its budget.
type Spent struct {
	// Cost is over all versions, in the plan's currency.
	Cost float64 `json:"cost,omitempty"`
	// Stages are what each stage has cost and may yet.
	Stages []StageCost `json:"stages,omitempty"`
	// Units is how many were ever exposed to a candidate.
	Units   int64   `json:"units,omitempty"`
	Elapsed float64 `json:"elapsedSeconds"`
	// Budget is what the plan allows; absent where it allows everything.
	Budget *Budget `json:"budget,omitempty"`
	// Over names what is exceeded.
	Over []string `json:"over,omitempty"`
}

// Budget is the plan's, 0 being no bound.
type Budget struct {
	Cost     float64 `json:"cost,omitempty"`
	Units    int64   `json:"units,omitempty"`
	Duration float64 `json:"durationSeconds,omitempty"`
	// Exceeded is what is done then: hold or rollback.
	Exceeded string `json:"onExceeded"`
}

// spentOf is nil where neither a cost nor a budget is known.
func spentOf(in *Input) *Spent {
	b, used := in.Plan.Budget, in.Judgement.Spent
	if b == nil && used.Cost == 0 {
		return nil
	}
	out := &Spent{Cost: used.Cost, Stages: stageCosts(in), Units: used.Units, Elapsed: in.Now.Sub(in.Record.State.Started).Seconds()}
	if b == nil {
		return out
	}
	out.Budget = &Budget{Cost: b.Cost, Units: b.Units, Duration: b.Duration.Seconds(), Exceeded: string(b.OnExceeded)}
	for _, over := range []struct {
		what  string
		found bool
	}{
		{"cost", b.Cost > 0 && out.Cost > b.Cost},
		{"units", b.Units > 0 && out.Units > b.Units},
		{"time", b.Duration > 0 && out.Elapsed > out.Budget.Duration && live(in)},
	} {
		if over.found {
			out.Over = append(out.Over, over.what)
		}
	}
	return out
}
