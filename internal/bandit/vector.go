// SPDX-License-Identifier: Apache-2.0

package bandit

import (
	"fmt"
	"math"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Update is what a new vector depends on besides the bandit's plan and what is
// known of the versions.
type Update struct {
	// Number is which update of the stage this is, from 1.
	Number int
	// Previous are the shares in force, one for each version of the plan,
	// removed ones included.
	Previous experiment.Shares
	// Goal is the reward's.
	Goal experiment.Goal
	// Range bounds a unit's reward; nil if nothing is known, or if rewards are
	// 0 and 1. Means outside it are taken for its ends.
	Range *experiment.Range
	// Blocked names versions that may not gain, and Removed those that may
	// have nothing; nil is none. The baseline is never removed.
	Blocked func(version int) bool
	Removed func(version int) bool
	// Cap is what all candidates together may have; Whole is no limit.
	Cap experiment.Share
}

// Vector gives each version of the plan its share, by the bandit's policy and
// within its limits, as the package comment says. arms has one Arm for each
// version that is not removed, in any order and all of one group; arms of
// removed versions are left out of account.
//
// In b, no Min is 0 for each version, no Max is the whole, and a Step of 0 is
// no limit of the step. Every, Explore, Per, Pool, Caps, Fallback, Still and
// what ends the stage are not read: when to ask for a vector, and for whom, is
// the caller's matter.
//
// Errors are malformed input: a version without an arm or with two, arms of
// different groups, numbers outside their domain, shares that do not add up.
func Vector(b *experiment.Bandit, arms []experiment.Arm, u Update) (experiment.Shares, error) {
	if err := u.check(b); err != nil {
		return nil, fmt.Errorf("new shares: %w", err)
	}
	live, err := u.live(arms)
	if err != nil {
		return nil, fmt.Errorf("new shares: %w", err)
	}
	w, err := weights(b, live, &u)
	if err != nil {
		return nil, fmt.Errorf("new shares: %w", err)
	}
	settle(w)
	low, high := bounds(b, &u)
	all := make([]float64, len(u.Previous))
	for i, a := range live {
		all[a.Version] = w[i]
	}
	return slots(Fit(experiment.Whole, all, low, high), high), nil
}

// settle makes weights sum to 1 and drops the digits past 2^-30, below which
// quadrature is noise: versions of which the same is known get the same.
func settle(w []float64) {
	sum := 0.0
	for _, v := range w {
		sum += v
	}
	for i, v := range w {
		w[i] = math.Round(v/sum*(1<<30)) / (1 << 30)
	}
}

func (u *Update) blocked(v int) bool { return u.Blocked != nil && u.Blocked(v) }

func (u *Update) removed(v int) bool { return v > 0 && u.Removed != nil && u.Removed(v) }

// check refuses updates and plans whose numbers are outside their domain.
func (u *Update) check(b *experiment.Bandit) error {
	n := len(u.Previous)
	if n == 0 {
		return fmt.Errorf("previous shares: none given, want one for each version")
	}
	if u.Number < 0 {
		return fmt.Errorf("update number is %d: want 1 or more", u.Number)
	}
	sum := experiment.Share(0)
	for v, s := range u.Previous {
		if s < 0 || s > experiment.Whole {
			return fmt.Errorf("previous share of version %d is %d: want 0 to %d slots", v, s, experiment.Whole)
		}
		sum += s
	}
	if sum != experiment.Whole {
		return fmt.Errorf("previous shares sum to %s: want 100%%", sum.Percent())
	}
	for _, l := range []struct {
		name   string
		shares experiment.Shares
	}{{"min", b.Min}, {"max", b.Max}} {
		if len(l.shares) != 0 && len(l.shares) != n {
			return fmt.Errorf("%s has %d shares: want one for each of %d versions", l.name, len(l.shares), n)
		}
		for v, s := range l.shares {
			if s < 0 || s > experiment.Whole {
				return fmt.Errorf("%s of version %d is %d: want 0 to %d slots", l.name, v, s, experiment.Whole)
			}
		}
	}
	switch {
	case b.Step < 0 || b.Step > experiment.Whole:
		return fmt.Errorf("step is %d: want 0 to %d slots", b.Step, experiment.Whole)
	case u.Cap < 0 || u.Cap > experiment.Whole:
		return fmt.Errorf("cap is %d: want 0 to %d slots", u.Cap, experiment.Whole)
	case !(b.Epsilon >= 0 && b.Epsilon <= 1):
		return fmt.Errorf("epsilon is %v: want 0 to 1", b.Epsilon)
	case !(b.Decay >= 0) || math.IsInf(b.Decay, 0):
		return fmt.Errorf("decay is %v: want a finite number of 0 or more", b.Decay)
	}
	if r := u.Range; r != nil && (!(r.High > r.Low) || math.IsInf(r.High-r.Low, 0)) {
		return fmt.Errorf("range is %v to %v: want two finite numbers, the lower first", r.Low, r.High)
	}
	return nil
}

// live are the arms of the versions that are not removed, in version order.
func (u *Update) live(arms []experiment.Arm) ([]experiment.Arm, error) {
	if err := checkArms(arms); err != nil {
		return nil, err
	}
	of := make([]int, len(u.Previous)) // one more than the arm's place; 0 is none
	for i, a := range arms {
		switch {
		case a.Version < 0 || a.Version >= len(of):
			return nil, fmt.Errorf("arm %d is of version %d: want 0 to %d", i, a.Version, len(of)-1)
		case of[a.Version] != 0:
			return nil, fmt.Errorf("version %d has two arms: want one", a.Version)
		}
		of[a.Version] = i + 1
	}
	out := make([]experiment.Arm, 0, len(arms))
	for v, i := range of {
		switch {
		case u.removed(v):
		case i == 0:
			return nil, fmt.Errorf("version %d has no arm: want one for each version that is not removed", v)
		default:
			out = append(out, arms[i-1])
		}
	}
	return out, nil
}

// mostUnits bounds the units of an arm: up to it, adding one changes a float.
const mostUnits = 1 << 50

// checkArms refuses arms that cannot be, and arms of different groups.
func checkArms(arms []experiment.Arm) error {
	for _, a := range arms {
		switch {
		case a.N < 0 || a.N > mostUnits:
			return fmt.Errorf("version %d has %d units: want 0 to 2^50", a.Version, a.N)
		case a.Pending < 0 || a.Pending > mostUnits:
			return fmt.Errorf("version %d has %d pending units: want 0 to 2^50", a.Version, a.Pending)
		case a.N > 0 && (math.IsNaN(a.Mean) || math.IsInf(a.Mean, 0)):
			return fmt.Errorf("the mean of version %d is %v: want a finite number", a.Version, a.Mean)
		case a.N > 0 && a.Binary && (a.Mean < 0 || a.Mean > 1):
			return fmt.Errorf("the mean of version %d is %v: want 0 to 1, since its rewards are 0 or 1", a.Version, a.Mean)
		case a.N > 0 && (!(a.SE >= 0) || math.IsInf(a.SE, 0)):
			return fmt.Errorf("the standard error of version %d is %v: want a finite number of 0 or more", a.Version, a.SE)
		case a.Slice != arms[0].Slice:
			return fmt.Errorf("version %d is of group %q and version %d of %q: want one group", a.Version, a.Slice, arms[0].Version, arms[0].Slice)
		}
	}
	return nil
}
