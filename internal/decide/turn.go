// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"slices"

	"github.com/headgate-dev/headgate/internal/assign"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// asked is the shares that are asked for: one vector for all, and one for each
// group of a segment where groups have their own. Then the one for all is their
// plain mean.
type asked struct {
	all    experiment.Shares
	groups []experiment.GroupShares
}

// forAll asks for the same shares everywhere.
func forAll(shares experiment.Shares) asked { return asked{all: shares} }

// byGroup asks for shares of each group. Rounding of the mean goes to the
// baseline, so that a candidate's mean rises only if its share of a group does.
func byGroup(groups []experiment.GroupShares) asked {
	mean := make(experiment.Shares, len(groups[0].Shares))
	mean[0] = experiment.Whole
	for v := 1; v < len(mean); v++ {
		for _, g := range groups {
			mean[v] += g.Shares[v]
		}
		mean[v] /= experiment.Share(len(groups))
		mean[0] -= mean[v]
	}
	return asked{all: mean, groups: groups}
}

// vectors lists the vectors that some requests are divided by.
func (a asked) vectors() []experiment.Shares {
	if a.groups == nil {
		return []experiment.Shares{a.all}
	}
	out := make([]experiment.Shares, len(a.groups))
	for i, g := range a.groups {
		out[i] = g.Shares
	}
	return out
}

// of is the vector of a group.
func (a asked) of(slice string) experiment.Shares {
	for _, g := range a.groups {
		if g.Slice == slice {
			return g.Shares
		}
	}
	return a.all
}

// each changes a copy of every vector.
func (a asked) each(change func(experiment.Shares)) asked {
	if a.groups == nil {
		shares := slices.Clone(a.all)
		change(shares)
		return forAll(shares)
	}
	groups := slices.Clone(a.groups)
	for i := range groups {
		groups[i].Shares = slices.Clone(groups[i].Shares)
		change(groups[i].Shares)
	}
	return byGroup(groups)
}

// without gives a version's share to the baseline, in every group.
func (a asked) without(version int) asked {
	return a.each(func(s experiment.Shares) {
		s[0] += s[version]
		s[version] = 0
	})
}

// gains reports whether a version would have more in some group.
func (a asked) gains(over asked, version int) bool {
	if a.groups == nil {
		return slices.ContainsFunc(over.vectors(), func(s experiment.Shares) bool { return a.all[version] > s[version] })
	}
	return slices.ContainsFunc(a.groups, func(g experiment.GroupShares) bool {
		return g.Shares[version] > over.of(g.Slice)[version]
	})
}

// same reports whether every request is divided as before.
func (a asked) same(o asked) bool {
	if a.groups == nil && o.groups == nil {
		return slices.Equal(a.all, o.all)
	}
	if a.groups == nil {
		a, o = o, a
	}
	return (o.groups == nil || len(o.groups) == len(a.groups)) && !slices.ContainsFunc(a.groups, func(g experiment.GroupShares) bool {
		return !slices.Equal(g.Shares, o.of(g.Slice))
	})
}

// sharesOf reads the shares by group off their tables.
func sharesOf(tables []experiment.GroupTable, n int) []experiment.GroupShares {
	out := make([]experiment.GroupShares, len(tables))
	for i, t := range tables {
		out[i] = experiment.GroupShares{Slice: t.Slice, Shares: t.Slots.Shares(n)}
	}
	return out
}

// look reads what the state asks for.
func (d *deciding) look() {
	n := len(d.plan.Versions)
	d.from = forAll(d.state.Slots.Shares(n))
	if len(d.state.Tables) > 0 {
		d.from.groups = sharesOf(d.state.Tables, n)
	}
	d.to = d.from
}

// allOn gives one version everything.
func (d *deciding) allOn(version int) {
	shares := make(experiment.Shares, len(d.plan.Versions))
	shares[version] = experiment.Whole
	d.to = forAll(shares)
}

// live reports whether a state's stage is in force.
func live(s *experiment.State) bool {
	return s.Condition == experiment.Running || s.Condition == experiment.Paused
}

// turns reports whether requests are treated differently from now on: another
// division, another stage or epoch, or an end of what the stage asks for besides
// its shares. A stage begins a phase of its own even with the shares of the one
// before: evidence belongs to the stage that asked for it.
func (d *deciding) turns() bool {
	b := d.before
	if d.anew || !d.to.same(d.from) || d.state.Stage != b.Stage {
		return true
	}
	if d.state.Default() != b.Default() || d.state.Condition == experiment.Warm && b.Condition != experiment.Warm || d.from.groups != nil && d.to.groups == nil {
		return true // The second: one table for all is enough again.
	}
	if b.Released(d.plan) && !d.state.Released(d.plan) {
		return true // Whatever the route says meanwhile, it is this experiment's again.
	}
	if d.copiesNow() {
		return true
	}
	stage := d.stage()
	stops := live(b) && !live(&d.state) && (stage.Mirror != nil || len(stage.Where) > 0)
	copies := live(&d.state) && stage.Mirror != nil && len(d.state.Removed) != len(b.Removed)
	return stops || copies
}

// copiesNow reports whether a mirror begins to copy, because the actions of onStart
// are done.
func (d *deciding) copiesNow() bool {
	return live(&d.state) && d.stage().Mirror != nil && d.before.Starting() && !d.state.Starting()
}

// turn moves the slots and begins a phase if requests are treated differently,
// and lists what is to be done in the world.
func (d *deciding) turn() []experiment.Intent {
	var kinds []experiment.IntentKind
	if d.turns() {
		d.slots()
		d.state.Phase++
		d.state.PhaseStart = d.now
		d.state.UnknownSince = nil
		kinds = append(kinds, experiment.IntentRoute)
	}
	kinds = append(kinds, d.actions...)
	next := d.state.Transition + 1
	var out []experiment.Intent
	for _, k := range kinds {
		out = append(out, experiment.Intent{Kind: k, Transition: next})
	}
	for _, hook := range d.fires() {
		out = append(out, runs(d.plan, hook, next)...)
	}
	if len(out) == 0 {
		return nil
	}
	d.state.Transition = next
	for _, i := range out {
		if i.Kind != experiment.IntentRoute {
			d.state.Actions = append(d.state.Actions, i)
		}
	}
	return out
}

// slots rebalances the tables to what is asked for. Groups that once had tables
// of their own keep them while these differ, so that no change moves more units
// than it must (D7).
func (d *deciding) slots() {
	s := &d.state
	if d.anew {
		s.Slots, s.Tables = nil, nil
	}
	old := s.Slots
	s.Slots = rebalance(old, d.to.all)
	names := d.to.groups
	if names == nil {
		names = sharesOf(s.Tables, len(d.plan.Versions))
	}
	if len(names) == 0 {
		return
	}
	tables := make([]experiment.GroupTable, len(names))
	for i, g := range names {
		t := old
		for _, had := range s.Tables {
			if had.Slice == g.Slice {
				t = had.Slots
			}
		}
		tables[i] = experiment.GroupTable{Slice: g.Slice, Slots: rebalance(t, d.to.of(g.Slice))}
	}
	s.Tables = tables
	alike := !slices.ContainsFunc(tables, func(t experiment.GroupTable) bool { return !slices.Equal(t.Slots, tables[0].Slots) })
	if d.to.groups == nil && alike {
		s.Slots, s.Tables = tables[0].Slots, nil
	}
}

// rebalance moves as few slots as possible. Most transitions need no search for
// them: one version has everything, or nothing moves.
func rebalance(old experiment.Slots, want experiment.Shares) experiment.Slots {
	if slices.Contains(want, experiment.Whole) {
		return experiment.SlotsOf(want)
	}
	if slices.Equal(old.Shares(len(want)), want) {
		return old
	}
	slots, err := assign.Rebalance(old, want)
	if err != nil {
		// The plan was checked and want comes from it, or was checked when a
		// bandit made it: shares that do not sum are a broken invariant.
		panic("D4: " + err.Error())
	}
	return slots
}
