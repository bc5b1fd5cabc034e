// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"cmp"
	"context"
	"flag"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// model is the ledger as one would write it without a file: it keeps
// everything in lists and looks through all of it every time.
type model struct {
	plan   *experiment.Plan
	units  []*modelUnit
	keys   map[string]time.Time
	sealed map[experiment.Source]map[int]int64
	cells  map[experiment.Source][]experiment.Cell
	starts []time.Time // of the phases

	pairs       []experiment.Pair
	predictions []*modelPrediction
}

type modelUnit struct {
	phase    int
	unit     uint64
	first    experiment.Exposure
	groups   [2]string // empty where nobody told
	moved    bool
	outcomes []experiment.UnitOutcome
}

func newModel(starts []time.Time) *model {
	return &model{
		plan: modelPlan(), keys: map[string]time.Time{}, starts: starts,
		sealed: map[experiment.Source]map[int]int64{experiment.SourceExposures: {}, experiment.SourceOutcomes: {}, experiment.SourcePairs: {}},
		cells:  map[experiment.Source][]experiment.Cell{},
	}
}

// groupsOf names the groups of an exposure.
func (m *model) groupsOf(groups uint64) (names [2]string) {
	for i := range names {
		names[i] = m.plan.Segments[i].Slices()[groups>>(8*i)&0xff]
	}
	return names
}

func (m *model) expose(e experiment.Exposure, groups [2]string) *modelUnit {
	horizon := m.sealed[experiment.SourceOutcomes][e.Phase]
	for _, u := range m.units {
		if u.phase != e.Phase || u.unit != e.Unit {
			continue
		}
		if e.Version != u.first.Version {
			u.moved = true
		}
		order := cmp.Or(e.At.Compare(u.first.At), cmp.Compare(e.Version, u.first.Version))
		if order == 0 && groups != u.groups {
			order = m.compareGroups(groups, u.groups)
		}
		if order < 0 && e.Window >= horizon && u.first.Window >= horizon {
			u.first, u.groups = e, groups
		}
		return u
	}
	if e.Window < horizon {
		return nil
	}
	u := &modelUnit{phase: e.Phase, unit: e.Unit, first: e, groups: groups}
	m.units = append(m.units, u)
	return u
}

// compareGroups orders the groups of exposures that are equal otherwise: those
// that are known first, then by the later segment and by the plan's order.
func (m *model) compareGroups(a, b [2]string) int {
	rank := func(names [2]string, i int) int {
		if names[i] == "" {
			return math.MaxInt
		}
		return slices.Index(m.plan.Segments[i].Slices(), names[i])
	}
	return cmp.Or(cmp.Compare(rank(a, 1), rank(b, 1)), cmp.Compare(rank(a, 0), rank(b, 0)))
}

// draft is an outcome before it is sent; exposure stands for its token.
type draft struct {
	experiment.UnitOutcome
	exposure *experiment.Exposure
}

func (m *model) record(key *experiment.Key, batch []draft, now time.Time) (r experiment.Receipt) {
	for _, d := range batch {
		if until, ok := m.keys[d.Key]; ok && d.Key != "" && now.Before(until) {
			r.Duplicates++
			continue
		}
		if d.Event != "purchase" && d.Event != "refund" && d.Event != "truth" {
			r.Unmatched++
			continue
		}
		if d.At.IsZero() {
			d.At = now
		}
		if d.Event == "truth" {
			one := m.label(key, &d)
			if one.Accepted == 1 && d.Key != "" {
				m.keys[d.Key] = now.Add(5*time.Minute + 24*time.Hour)
			}
			r.Accepted, r.Duplicates = r.Accepted+one.Accepted, r.Duplicates+one.Duplicates
			r.Late, r.Unmatched = r.Late+one.Late, r.Unmatched+one.Unmatched
			continue
		}
		var u *modelUnit
		if d.exposure != nil {
			u = m.expose(*d.exposure, [2]string{})
		} else {
			hash := key.HashUnit(d.Unit)
			for _, c := range m.units {
				if c.unit == hash && !c.first.At.After(d.At) && (u == nil || cmp.Or(c.first.At.Compare(u.first.At), cmp.Compare(c.phase, u.phase)) > 0) {
					u = c
				}
			}
			if u == nil {
				r.Unmatched++
				continue
			}
		}
		if u == nil || u.first.Window < m.sealed[experiment.SourceOutcomes][u.phase] {
			r.Late++
			continue
		}
		u.outcomes = append(u.outcomes, d.UnitOutcome)
		u.outcomes[len(u.outcomes)-1].At = d.At
		if d.Key != "" {
			m.keys[d.Key] = now.Add(5*time.Minute + 24*time.Hour)
		}
		r.Accepted++
	}
	return r
}

// seal gives the cells from a window on, once computed never again.
func (m *model) seal(s experiment.Source, phase int, from int64, now time.Time) experiment.Seal {
	hold := 10 * time.Second
	switch s {
	case experiment.SourceOutcomes:
		hold += 5 * time.Minute
	case experiment.SourcePairs:
		hold += 2*5*time.Second + experiment.PairSlack
	}
	to := int64(0)
	for !m.starts[phase].Add(time.Duration(to+1)*time.Minute + hold).After(now) {
		to++
	}
	for w := m.sealed[s][phase]; w < to; w++ {
		for v := range m.plan.Versions {
			m.cells[s] = append(m.cells[s], m.window(s, phase, w, v, "", func(*modelUnit) bool { return true })...)
			for i := range m.plan.Segments {
				names := m.plan.Segments[i].Slices()
				for _, name := range names {
					m.cells[s] = append(m.cells[s], m.window(s, phase, w, v, name, func(u *modelUnit) bool {
						return u.groups[i] == name || u.groups[i] == "" && name == names[len(names)-1]
					})...)
				}
			}
		}
		m.sealed[s][phase] = w + 1
	}
	seal := experiment.Seal{Source: s, Epoch: 1, Phase: phase, From: from, To: max(from, to)}
	for _, c := range m.cells[s] {
		if c.Phase == phase && c.Window >= from && c.Window < to {
			seal.Cells = append(seal.Cells, c)
		}
	}
	return seal
}

func (m *model) window(s experiment.Source, phase int, window int64, version int, slice string, member func(*modelUnit) bool) (cells []experiment.Cell) {
	var units []*modelUnit
	for _, u := range m.units {
		if u.phase == phase && u.first.Window == window && u.first.Version == version && member(u) {
			units = append(units, u)
		}
	}
	slices.SortFunc(units, func(a, b *modelUnit) int { return cmp.Compare(int64(a.unit), int64(b.unit)) })
	key := experiment.CellKey{Epoch: 1, Phase: phase, Window: window, Version: version, Metric: experiment.CellExposures, Slice: slice}
	if s == experiment.SourceExposures {
		if len(units) > 0 {
			cells = append(cells, experiment.Cell{CellKey: key, Evidence: experiment.Evidence{Counts: stats.Counts{N: int64(len(units))}}})
		}
		return cells
	}
	if s == experiment.SourcePairs {
		return m.pairCells(key)
	}
	cells = m.labelCells(key)
	var refund, revenue stats.Pair
	var noPurchase, noMoney int64
	for _, u := range units {
		if u.moved {
			continue
		}
		slices.SortFunc(u.outcomes, func(a, b experiment.UnitOutcome) int {
			return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Value, b.Value))
		})
		var money, refunded, bought float64
		spent := false
		for _, o := range u.outcomes {
			age := o.At.Sub(u.first.At)
			switch {
			case age < 0 || age > 5*time.Minute:
			case o.Event == "refund":
				refunded += o.Value
			default:
				bought++
				if age <= 3*time.Minute {
					money += o.Value
					spent = true
				}
			}
		}
		revenue.Add(money, 1)
		refund.Add(refunded, bought)
		if bought == 0 {
			noPurchase++
		}
		if !spent {
			noMoney++
		}
	}
	if revenue.N > 0 {
		key.Metric = "refund"
		cells = append(cells, experiment.Cell{CellKey: key, Evidence: experiment.Evidence{Units: refund, Counts: stats.Counts{N: refund.N, X: noPurchase}}})
		key.Metric = "revenue"
		cells = append(cells, experiment.Cell{CellKey: key, Evidence: experiment.Evidence{Units: revenue, Counts: stats.Counts{N: revenue.N, X: noMoney}}})
	}
	return cells
}

// fewerChecks makes rapid check less than its 100 histories: each is dozens of
// commits, which wait for the disk or a server. -rapid.checks sets another
// number.
func fewerChecks(t *testing.T) {
	t.Helper()
	const fewer = "rapid.checks"
	f := flag.Lookup(fewer)
	if f == nil || f.Value.String() != f.DefValue {
		return
	}
	n := "40"
	if onPostgres(t) {
		n = "20"
	}
	if err := flag.Set(fewer, n); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := flag.Set(fewer, f.DefValue); err != nil {
			t.Error(err)
		}
	})
}

// TestLedgerIsTheModel drives a ledger and the model through the same random
// history, restarts of the ledger among it, and compares every answer.
func TestLedgerIsTheModel(t *testing.T) {
	eachStore(t, func(t *testing.T) {
		fewerChecks(t)
		rapid.Check(t, func(rt *rapid.T) {
			starts := []time.Time{t0, t0.Add(4 * time.Minute)}
			c := &clock{now: t0.Add(30 * time.Second)}
			path := where(t)
			key := testKey(t)
			ctx := context.Background()
			var l *Ledger
			start := func() {
				var err error
				if l, err = openAt(ctx, path, Options{Key: key, Now: c.Now, Commit: time.Nanosecond}); err != nil {
					rt.Fatal(err)
				}
				if err := l.Register(modelPlan()); err != nil {
					rt.Fatal(err)
				}
			}
			start()
			defer func() { _ = l.Close() }()
			m := newModel(starts)

			unit := rapid.IntRange(0, 4)
			moment := func(rt *rapid.T, from time.Time) time.Time {
				span := max(c.Now().Sub(from), 0)
				return from.Add(time.Duration(rapid.Int64Range(0, int64(span/time.Second)).Draw(rt, "second")) * time.Second)
			}
			exposed := func(rt *rapid.T) experiment.Exposure {
				phase := rapid.IntRange(0, 1).Draw(rt, "phase")
				if c.Now().Before(starts[phase]) {
					phase = 0
				}
				n := unit.Draw(rt, "unit")
				version := n % 2
				if rapid.IntRange(0, 9).Draw(rt, "moves") == 0 {
					version = 1 - version
				}
				at := moment(rt, starts[phase])
				return experiment.Exposure{
					Experiment: "search/ranker", Epoch: 1, Phase: phase, Version: version, Propensity: 5000,
					Window: int64(at.Sub(starts[phase]) / time.Minute), Unit: key.HashUnit(strconv.Itoa(n)), At: at,
				}
			}
			source := rapid.SampledFrom([]experiment.Source{experiment.SourceExposures, experiment.SourceOutcomes, experiment.SourceOutcomes, experiment.SourcePairs})
			groupsOf := func(rt *rapid.T) uint64 {
				return uint64(rapid.IntRange(0, 2).Draw(rt, "tier") | rapid.IntRange(0, 3).Draw(rt, "age")<<8)
			}
			sequence := uint64(0)
			rt.Repeat(map[string]func(*rapid.T){
				"expose": func(rt *rapid.T) {
					for range rapid.IntRange(1, 4).Draw(rt, "exposures") {
						e := exposed(rt)
						groups := groupsOf(rt)
						if !l.Expose(e, groups) {
							rt.Fatal("exposure was dropped")
						}
						m.expose(e, m.groupsOf(groups))
					}
				},
				"record": func(rt *rapid.T) {
					var drafts []draft
					var batch []experiment.UnitOutcome
					for range rapid.IntRange(1, 5).Draw(rt, "outcomes") {
						var d draft
						d.Event = rapid.SampledFrom([]string{"purchase", "purchase", "refund", "click"}).Draw(rt, "event")
						d.Value = rapid.SampledFrom([]float64{1, 0.1, 2.7, -0.3, 1e6}).Draw(rt, "value")
						d.Key = rapid.SampledFrom([]string{"", "", "", "a", "b", "c"}).Draw(rt, "key")
						if rapid.Bool().Draw(rt, "dated") {
							d.At = moment(rt, t0)
						}
						if rapid.Bool().Draw(rt, "token") {
							e := exposed(rt)
							d.exposure, d.Token = &e, key.Seal(&e)
						} else {
							d.Unit = strconv.Itoa(unit.Draw(rt, "unit"))
						}
						if rapid.IntRange(0, 2).Draw(rt, "truth") == 0 {
							m.drawTruth(rt, &d, key)
						}
						drafts = append(drafts, d)
						batch = append(batch, d.UnitOutcome)
					}
					got, err := l.Record(ctx, "search/ranker", batch)
					if err != nil {
						rt.Fatal(err)
					}
					if want := m.record(key, drafts, c.Now()); got != want {
						rt.Fatalf("receipt = %+v, want %+v", got, want)
					}
				},
				"rows": func(rt *rapid.T) {
					var b experiment.Batch
					for range rapid.IntRange(1, 4).Draw(rt, "pairs") {
						b.Pairs = append(b.Pairs, drawPair(rt, exposed(rt), groupsOf(rt)))
					}
					for range rapid.IntRange(1, 4).Draw(rt, "predictions") {
						p := experiment.Prediction{Exposure: exposed(rt), Groups: groupsOf(rt), Class: rapid.SampledFrom([]string{"cat", "dog"}).Draw(rt, "class")}
						// Only a shadow answers the request of another version.
						p.Request = key.HashUnit(requestName(10*p.Version + rapid.IntRange(0, 9).Draw(rt, "request")))
						b.Predictions = append(b.Predictions, p)
					}
					b.Predictions = append(b.Predictions, m.drawCopies(rt)...)
					if rapid.Bool().Draw(rt, "as a batch") {
						sequence++
						b.Gateway, b.Sequence = "g", sequence
						for i := range 2 { // The second time it has no effect.
							if fresh, err := l.Add(ctx, &b); err != nil || fresh != (i == 0) {
								rt.Fatalf("batch: fresh = %t, %v", fresh, err)
							}
						}
					}
					for i := range b.Pairs {
						if b.Gateway == "" && !l.Pair(&b.Pairs[i]) {
							rt.Fatal("pair was dropped")
						}
						m.pair(b.Pairs[i])
					}
					for i := range b.Predictions {
						if b.Gateway == "" && !l.Predict(&b.Predictions[i]) {
							rt.Fatal("prediction was dropped")
						}
						m.predict(b.Predictions[i])
					}
				},
				"wait": func(rt *rapid.T) {
					c.set(c.Now().Add(time.Duration(rapid.IntRange(1, 240).Draw(rt, "seconds")) * time.Second))
				},
				"seal": func(rt *rapid.T) {
					s, phase := source.Draw(rt, "source"), rapid.IntRange(0, 1).Draw(rt, "phase")
					from := rapid.Int64Range(0, m.sealed[s][phase]).Draw(rt, "from")
					got, err := l.Seal(ctx, s, "search/ranker", 1, phase, starts[phase], from, c.Now())
					if err != nil {
						rt.Fatal(err)
					}
					want := m.seal(s, phase, from, c.Now())
					slices.SortFunc(want.Cells, func(a, b experiment.Cell) int { return a.Compare(b.CellKey) })
					if diff := gocmp.Diff(want, got); diff != "" {
						rt.Fatalf("seal (-model +ledger):\n%s", diff)
					}
					if diff := sumOfSlices(m.plan.Segments, withoutAgreement(got.Cells)); diff != "" {
						rt.Fatalf("slices do not sum to the whole (-whole +slices):\n%s", diff)
					}
				},
				"restart": func(rt *rapid.T) {
					if err := l.Close(); err != nil {
						rt.Fatal(err)
					}
					start()
				},
				"": func(rt *rapid.T) {
					for phase := range starts {
						want := int64(0)
						for _, u := range m.units {
							if u.phase == phase && u.moved {
								want++
							}
						}
						if got, err := l.Moved(ctx, "search/ranker", 1, phase); err != nil || got != want {
							rt.Fatalf("moved in phase %d = %d, %v; want %d", phase, got, err, want)
						}
					}
				},
			})
		})
	})
}
