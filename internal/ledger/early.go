// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/delayed"
)

// EarlyReading is what a version's share of units with an outcome will come to,
// as far as can be said before all of them are mature. It is for display: it
// carries no guarantee, and nothing may be decided by it.
type EarlyReading struct {
	Version int
	// Units of the phase, and those of them that are too young for their outcome
	// to be known.
	Units, Waiting int64
	// Known says that there is an Estimate. Weighted says that young units are
	// in it, by the share of outcomes that come by their age; else it is of the
	// others alone.
	Known, Weighted bool
	Estimate        stats.Estimate
}

const (
	// earlySteps is how many ages are told apart within an outcome window.
	earlySteps = 256
	// earlyDoubt is the p-value below which delays are taken to differ between
	// versions, so that common ones would be unfair.
	earlyDoubt = 0.01
)

// Early reads the newest phase of an experiment by a metric of outcomes without
// Per, version by version: the share of units that will have an outcome within
// the metric's window. Delays are learnt from the units of all versions whose
// windows are not sealed, young ones as far as they were watched (Kaplan and
// Meier). Where delays differ between versions, or nothing tells, only mature
// units are read. CodeInvalid for another metric, CodeNotFound where the
// experiment is not registered or has no unit.
func (l *Ledger) Early(ctx context.Context, id, metric string, now time.Time) ([]EarlyReading, error) {
	j, err := l.lookup(id)
	if err != nil {
		return nil, err
	}
	var m *joinMetric
	for i := range j.metrics {
		if j.metrics[i].name == metric && j.metrics[i].per == "" {
			m = &j.metrics[i]
		}
	}
	if m == nil {
		return nil, experiment.Errorf(experiment.CodeInvalid, "read %s early: %s has no metric %q of outcomes by unit", metric, id, metric)
	}
	e := newEarly(j.versions, m.windowMS)
	err = l.do(ctx, &job{solo: true, run: func(w *writer) error { return w.early(j, m, e, now) }})
	if err != nil {
		return nil, err // Not e: the writer may still be at it.
	}
	return e.readings(), nil
}

// early is the units of a phase by age and delay, both in steps: it is as if one
// looked at each unit only when its age is a whole number of steps.
type early struct {
	window int64 // ms
	// units and events are by version and age; delays by version.
	units, events [][]int64
	delays        [][]delayed.Delay
	// watched are all units of open windows.
	watched map[delayed.Observation]int64
	sealed  []stats.Counts // by version
}

func newEarly(versions int, windowMS int64) *early {
	e := &early{window: max(windowMS, 1), delays: make([][]delayed.Delay, versions), watched: map[delayed.Observation]int64{}, sealed: make([]stats.Counts, versions)}
	for range versions {
		e.units = append(e.units, make([]int64, earlySteps+1))
		e.events = append(e.events, make([]int64, earlySteps+1))
	}
	return e
}

// add takes in a unit of an open window, of an age in ms; a negative delay is no
// outcome.
func (e *early) add(version int, age, delay int64) {
	step := min(max(age, 0)*earlySteps/e.window, earlySteps)
	e.units[version][step]++
	after := min(delay*earlySteps/e.window+1, earlySteps)
	if delay < 0 || delay > e.window || after > step {
		e.watched[delayed.Observation{Time: float64(step)}]++
		return
	}
	e.events[version][step]++
	e.watched[delayed.Observation{Time: float64(after), Event: true}]++
	e.delays[version] = append(e.delays[version], delayed.Delay{Delay: float64(after), Age: float64(step)})
}

func (w *writer) early(j *join, m *joinMetric, e *early, now time.Time) error {
	k := phaseKey{experiment: j.id}
	found, err := w.one(sqlNewestPhase, []any{j.id}, &k.epoch, &k.phase)
	if err != nil {
		return fmt.Errorf("find the newest phase: %w", err)
	}
	if !found {
		return experiment.Errorf(experiment.CodeNotFound, "read %s early: %s has no unit yet", m.name, j.experiment)
	}
	h, err := w.horizon(k)
	if err != nil {
		return err
	}
	cells, err := w.sealedCells(sealing{join: j, phaseKey: k, source: experiment.SourceOutcomes}, h.outcomes)
	if err != nil {
		return err
	}
	for _, c := range cells {
		if c.Metric == m.name && c.Slice == "" && c.Version < j.versions {
			e.sealed[c.Version] = e.sealed[c.Version].Merge(stats.Counts{N: c.Counts.N, X: c.Counts.N - c.Counts.X})
		}
	}
	rows, err := w.store.query(w.ctx, sqlEarly, k.experiment, k.epoch, k.phase, h.outcomes, m.event)
	if err != nil {
		return fmt.Errorf("read units: %w", err)
	}
	defer rows.Close()
	var unit, at, delay int64
	version := -1 // of no unit
	end := func() {
		if version >= 0 && version < j.versions {
			e.add(version, now.UnixMilli()-at, delay)
		}
	}
	for rows.Next() {
		var next, when int64
		var kind, v int
		if err := rows.Scan(&next, &kind, &v, &when); err != nil {
			return fmt.Errorf("read units: %w", err)
		}
		switch {
		case kind == 0:
			end()
			unit, version, at, delay = next, v, when, -1
		case version >= 0 && next == unit && delay < 0 && when >= at:
			delay = when - at
		}
	}
	end()
	return rows.Err()
}

// readings estimates each version's share.
func (e *early) readings() []EarlyReading {
	delays := e.common()
	out := make([]EarlyReading, len(e.units))
	for v := range out {
		cohorts := []delayed.Cohort{{Age: earlySteps, Counts: e.sealed[v]}}
		for step, n := range e.units[v] {
			if n > 0 {
				cohorts = append(cohorts, delayed.Cohort{Age: float64(step), Counts: stats.Counts{N: n, X: e.events[v][step]}})
			}
		}
		out[v] = earlyReading(v, cohorts, earlySteps, delays)
	}
	return out
}

// common are the delays of all versions, nil where there are none, or where
// they differ too much to be common.
func (e *early) common() func(age float64) float64 {
	if _, p, err := delayed.DelaysDiffer(e.delays); err != nil || p < earlyDoubt {
		return nil
	}
	left, events := make([]int64, earlySteps+1), make([]int64, earlySteps+1)
	for o, n := range e.watched {
		left[int(o.Time)] += n
		if o.Event {
			events[int(o.Time)] += n
		}
	}
	var steps []delayed.Step
	atRisk := int64(0)
	for t := earlySteps; t >= 0; t-- {
		atRisk += left[t]
		if events[t] > 0 {
			steps = append(steps, delayed.Step{Time: float64(t), Events: events[t], AtRisk: atRisk})
		}
	}
	slices.Reverse(steps)
	curve, err := delayed.CumulativeIncidence(steps)
	if err != nil {
		return nil
	}
	delays, err := curve.Delays(earlySteps)
	if err != nil {
		return nil
	}
	return delays
}

// earlyReading estimates one version's share from its units by age, of which
// those of at least window are mature.
func earlyReading(version int, cohorts []delayed.Cohort, window float64, delays func(age float64) float64) EarlyReading {
	r := EarlyReading{Version: version}
	matured, waiting, err := delayed.Matured(cohorts, window)
	r.Units, r.Waiting = matured.N+waiting, waiting
	if delays != nil {
		if estimate, err := delayed.Weighted(cohorts, delays); err == nil {
			r.Known, r.Weighted, r.Estimate = true, true, estimate
			return r
		}
	}
	if err == nil {
		if estimate, err := matured.Proportion(); err == nil {
			r.Known, r.Estimate = true, estimate
		}
	}
	return r
}
