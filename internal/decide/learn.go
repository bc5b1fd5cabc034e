// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/bandit"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// bandit explores with even shares, then gives new ones on its cadence, and
// leaves when it is sure enough or at its horizon.
func (d *deciding) bandit(stage *experiment.Stage) bool {
	b := stage.Bandit
	if len(d.shared) > 0 {
		return d.banditEnds(b, d.shared) // Only at the horizon; before it, sharedCause holds.
	}
	// A person who stopped the learning after a fallback keeps the shares of it.
	if d.state.Updates == 0 && (d.state.Updated.IsZero() || !d.state.Still) {
		if want := d.even(b); !want.same(d.from) {
			return d.explore(want)
		}
	}
	over := d.banditOver(b)
	var open []experiment.Reason
	if winner, chance, ok := d.surest(b); ok {
		if d.crown(b, winner, chance); d.act != experiment.ActHold || over {
			return true
		}
		open = d.reasons // Until the gates are had, it goes on learning.
	}
	if over {
		return d.banditEnds(b, nil)
	}
	d.waiting = false
	d.update(b)
	if d.act == experiment.ActHold {
		d.reasons = append(open, d.reasons...)
	}
	return true
}

// still reports whether the plan or a person keeps the bandit from learning.
func (d *deciding) still(b *experiment.Bandit) bool { return b.Still || d.state.Still }

// banditOver reports whether a bandit reached its horizon.
func (d *deciding) banditOver(b *experiment.Bandit) bool {
	u := &b.Until
	return d.now.Sub(d.state.StageStart) >= u.AtMost || u.Units > 0 && d.facts.Judgement.Units >= u.Units
}

// explore asks for even shares: at the beginning, and after a fallback from
// which nothing had been learned yet.
func (d *deciding) explore(want asked) bool {
	if d.unready(want) {
		return true
	}
	if d.state.Updated.IsZero() {
		return d.begin(want)
	}
	d.to = want
	return d.because(experiment.ActShift, experiment.Because(experiment.ReasonShares, "update", 0, "shares", want.String()))
}

// crown leaves with the version that is the best with enough certainty.
func (d *deciding) crown(b *experiment.Bandit, winner int, chance float64) bool {
	why := experiment.Because(experiment.ReasonBest, "version", d.name(winner), "metric", d.plan.Reward.Metric, "chance", percent(chance))
	if winner > 0 {
		return d.goOn(winner, why)
	}
	return d.end(experiment.ActStop, experiment.NoDifference, 0, why,
		experiment.Because(experiment.ReasonOtherwise, "otherwise", "keep "+d.name(0)))
}

// surest is the version that is the best with the certainty that the plan asks
// for, in every group where groups have their own shares, and the least chance
// of it. A bandit that keeps still chooses nobody.
func (d *deciding) surest(b *experiment.Bandit) (winner int, chance float64, ok bool) {
	if b.Until.Best <= 0 || d.still(b) || d.now.Sub(d.state.StageStart) < b.Until.AtLeast {
		return 0, 0, false
	}
	winner, chance = -1, 1
	for _, slice := range d.groupsOf(b) {
		arms := d.arms(slice)
		if unseen(slice, arms) {
			continue
		}
		if least, have := d.least(arms); least >= 0 && have < b.Explore {
			return 0, 0, false
		}
		best := slices.MaxFunc(arms, func(a, b experiment.Arm) int { return cmp.Compare(a.Best, b.Best) })
		if best.Best < b.Until.Best || winner >= 0 && winner != best.Version {
			return 0, 0, false
		}
		winner, chance = best.Version, min(chance, best.Best)
	}
	return winner, chance, winner >= 0
}

// unseen reports whether a group is a catch-all in which nobody was ever seen.
func unseen(slice string, arms []experiment.Arm) bool {
	return strings.HasSuffix(slice, "="+experiment.Other) &&
		!slices.ContainsFunc(arms, func(a experiment.Arm) bool { return a.N+a.Pending > 0 })
}

// banditEnds applies the otherwise rule at the horizon. first are the reasons
// that go before.
func (d *deciding) banditEnds(b *experiment.Bandit, first []experiment.Reason) bool {
	outcome, why := d.undecidedAtHorizon(d.remaining())
	if len(first) > 0 {
		outcome = experiment.Inconclusive
	}
	why = append(slices.Clone(first), why...)
	if len(why) == 0 {
		why = []experiment.Reason{experiment.Because(experiment.ReasonHorizon, "stage", d.stage().Name, "missing", "no version is known to be the best")}
	}
	return d.withoutWinner(b.Otherwise, outcome, why)
}

// update gives new shares when they are due, in every group of which enough is
// known. An update that moves no slot counts and begins no phase.
func (d *deciding) update(b *experiment.Bandit) bool {
	if d.still(b) {
		return d.wait(experiment.Because(experiment.ReasonStill))
	}
	due, exploring := d.explored(b)
	if len(due) == 0 {
		return d.wait(exploring)
	}
	if left := b.Every - d.now.Sub(d.state.Updated); !d.state.Updated.IsZero() && left > 0 {
		return d.wait(experiment.Because(experiment.ReasonLearning, "left", left.Round(time.Millisecond)))
	}
	want, err := d.vectors(b, due)
	if err != nil {
		d.waiting = true
		return d.wait(experiment.Because(experiment.ReasonSourceDown, "source", "what the bandit learned", "why", err.Error()))
	}
	d.state.Updates++
	d.state.Updated = d.now
	if want.same(d.from) {
		return d.wait(experiment.Because(experiment.ReasonLearning, "left", b.Every))
	}
	d.to = want
	return d.because(experiment.ActShift, experiment.Because(experiment.ReasonShares,
		"update", d.state.Updates, "shares", want.String()))
}

// explored lists the groups in which every version has what exploring asks for,
// and says what the first of the others lacks.
func (d *deciding) explored(b *experiment.Bandit) (due []string, lacks experiment.Reason) {
	for _, slice := range d.groupsOf(b) {
		version, have := d.least(d.arms(slice))
		if have >= b.Explore {
			due = append(due, slice)
		} else if lacks.Code == "" {
			lacks = experiment.Because(experiment.ReasonExploring,
				"version", inSlice(d.name(version), slice), "have", have, "want", b.Explore)
		}
	}
	return due, lacks
}

// groupsOf lists the groups that have shares of their own; one without a name
// where nobody has.
func (d *deciding) groupsOf(b *experiment.Bandit) []string {
	if s := d.plan.Segment(b.Per); s != nil {
		return s.Slices()
	}
	return []string{""}
}

// arms lists what is known of a group, with an arm for every version that is
// still there.
func (d *deciding) arms(slice string) []experiment.Arm {
	out := make([]experiment.Arm, 0, len(d.plan.Versions))
	for v := range d.plan.Versions {
		if d.state.IsRemoved(v) {
			continue
		}
		arm := experiment.Arm{Version: v, Slice: slice}
		for _, a := range d.facts.Judgement.Arms {
			if a.Version == v && a.Slice == slice {
				arm = a
			}
		}
		out = append(out, arm)
	}
	return out
}

// least is the version with the fewest matured units.
func (d *deciding) least(arms []experiment.Arm) (version int, n int64) {
	version = -1
	for _, a := range arms {
		if version < 0 || a.N < n {
			version, n = a.Version, a.N
		}
	}
	return version, n
}

// vectors asks the bandit for new shares of the groups that are due; the others
// keep theirs. A version known to do harm gains nothing, also not when others
// shrink (D1), nor does one that is not ready.
func (d *deciding) vectors(b *experiment.Bandit, due []string) (asked, error) {
	u := bandit.Update{
		Number: d.state.Updates + 1, Goal: d.plan.Metric(d.plan.Reward.Metric).Goal, Range: d.plan.Reward.Range,
		Blocked: func(v int) bool { return !d.ready(v) || v > 0 && d.harmed(v) != "" },
		Removed: d.state.IsRemoved,
	}
	return d.byBandit(b, func(slice string) (experiment.Shares, error) {
		if !slices.Contains(due, slice) {
			return d.from.of(slice), nil
		}
		u.Previous, u.Cap = d.from.of(slice), capOf(b, slice)
		shares, err := bandit.Vector(b, d.arms(slice), u)
		if err == nil {
			err = kept(shares, &u)
		}
		return shares, err
	})
}

// byBandit asks for a vector of each group, or for one of all.
func (d *deciding) byBandit(b *experiment.Bandit, vector func(slice string) (experiment.Shares, error)) (asked, error) {
	var groups []experiment.GroupShares
	for _, slice := range d.groupsOf(b) {
		shares, err := vector(slice)
		if err != nil || slice == "" {
			return forAll(shares), err
		}
		groups = append(groups, experiment.GroupShares{Slice: slice, Shares: shares})
	}
	return byGroup(groups), nil
}

// even gives the shares of exploring: even ones within the limits. A removed
// version's are the baseline's.
func (d *deciding) even(b *experiment.Bandit) asked {
	plain := *b
	plain.Policy, plain.Epsilon, plain.Decay, plain.Step = experiment.EpsilonGreedy, 1, 0, 0
	n := len(d.plan.Versions)
	arms := make([]experiment.Arm, n)
	for v := range arms {
		arms[v].Version = v
	}
	want, err := d.byBandit(b, func(slice string) (experiment.Shares, error) {
		return bandit.Vector(&plain, arms, bandit.Update{Number: 1, Previous: experiment.Baseline(n), Cap: capOf(b, slice)})
	})
	if err != nil {
		// The plan was checked, and nothing else is in it.
		panic("D4: " + err.Error())
	}
	for _, r := range d.state.Removed {
		want = want.without(r.Version)
	}
	return want
}

// kept checks the two promises of a vector that decide answers for itself.
func kept(shares experiment.Shares, u *bandit.Update) error {
	if err := shares.Check(); err != nil {
		return err
	}
	for v := 1; v < len(shares); v++ {
		if u.Removed(v) && shares[v] > 0 || u.Blocked(v) && shares[v] > u.Previous[v] {
			return fmt.Errorf("version %d would gain share that it may not have", v)
		}
	}
	return nil
}

// capOf is what all candidates together may have of a group.
func capOf(b *experiment.Bandit, slice string) experiment.Share {
	for _, c := range b.Caps {
		if slice == b.Per+"="+c.Group {
			return c.Max
		}
	}
	return experiment.Whole
}

// String writes the shares, by group where groups have their own.
func (a asked) String() string {
	if a.groups == nil {
		return a.all.String()
	}
	parts := make([]string, len(a.groups))
	for i, g := range a.groups {
		parts[i] = g.Slice + " " + g.Shares.String()
	}
	return strings.Join(parts, ", ")
}

// fallBack gives all it may have to the version that the plan named for evidence that
// stays untrustworthy. It rests on no evidence but on the plan's word, made
// before the start; a version that left, does harm or does not answer has its
// place taken by the baseline, and so has any where the baseline has everything
// already.
func (d *deciding) fallBack(long experiment.Reason) {
	version := d.stage().Bandit.Fallback
	rollback := d.plan.OnUnknown.Do == experiment.PolicyRollback
	unfit := d.state.IsRemoved(version) || !d.ready(version) || d.harmed(version) != ""
	if rollback || unfit || d.from.all[0] == experiment.Whole {
		version = 0
	}
	why := append([]experiment.Reason{
		experiment.Because(experiment.ReasonFallback, "version", d.name(version)), long,
	}, d.reasons...)
	if rollback {
		d.rollback(why...)
		return
	}
	want := d.given(version)
	if want.same(d.from) {
		d.reasons = append(d.reasons, long)
		return
	}
	d.to = want
	d.state.Updated = d.now
	d.because(experiment.ActShift, why...)
}

// given is everything for one version, but what a candidate may not have of a
// group: a cap holds whatever is known.
func (d *deciding) given(version int) asked {
	b, n := d.stage().Bandit, len(d.plan.Versions)
	want, _ := d.byBandit(b, func(slice string) (experiment.Shares, error) {
		shares := experiment.Baseline(n)
		if version > 0 {
			shares[version] = capOf(b, slice)
			shares[0] -= shares[version]
		}
		return shares, nil
	})
	return want
}
