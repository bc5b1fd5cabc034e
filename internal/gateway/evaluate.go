// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/rand"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/assign"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// Evaluate gives the version that a unit has in the snapshot served, by the
// rules that its requests would go by, and counts the exposure: whoever asks
// is about to show the version to the unit. Testers, excluded units and units
// outside of what the stage is limited to are not counted and get no token.
// Where each request is a unit, each question is. It is CodeInvalid for a unit
// that cannot be one, and CodeUnavailable before the first snapshot.
func (g *Gateway) Evaluate(q *experiment.Asked) (experiment.Evaluation, error) {
	r := g.route.Load()
	if r == nil {
		return experiment.Evaluation{}, unserved()
	}
	e := experiment.Evaluation{Experiment: r.experiment, Why: experiment.WhyTargeted, Epoch: r.epoch, Phase: r.phase, Slot: -1}
	e.Version = r.versions[r.rest].name
	if r.picks != nil {
		if version, why := r.picks.pick(said(q.Values)); why == &overridden {
			e.Version = r.versions[version].name
			return e, nil
		} else if why != nil {
			return e, nil
		}
	}
	groups := r.segments.named(q.Values)
	if !r.matches(groups) {
		return e, nil
	}
	unit := q.Unit
	if r.unit.request {
		unit = rand.Text()
	} else if checkUnit(unit) != nil {
		return e, badUnit("unit")
	}
	t := r.tableOf(groups)
	e.Slot = assign.Slot(assign.Hash(unit), r.salt)
	version := t.slots.At(e.Slot)
	e.Version, e.Why = r.versions[version].name, experiment.WhySplit
	if t.shares[version] == experiment.Whole {
		e.Why = experiment.WhyOnly
	}
	exposure := r.exposure(g.options.Now(), version, t)
	exposure.Unit = g.options.Key.HashUnit(unit)
	if !g.options.Expose(exposure, groups) {
		g.metrics.exposuresDropped.Inc()
	}
	e.Token = g.options.Key.Seal(&exposure)
	return e, nil
}

// ahead is how far an application's clock may be ahead of ours.
const ahead = 5 * time.Minute

// Told makes an exposure, with its groups, of an application's word; storing
// it is the caller's. It is CodeConflict where Headgate assigns the units
// itself, CodeInvalid, at the field, for what makes no sense in the phase
// served: a unit that cannot be one, a version that is not there or has no
// share, a segment that is not there, a time outside of the phase.
func (g *Gateway) Told(c *experiment.ClientExposure) (experiment.Exposure, uint64, error) {
	r := g.route.Load()
	switch {
	case r == nil:
		return experiment.Exposure{}, 0, unserved()
	case r.cohort == "":
		return experiment.Exposure{}, 0, experiment.Errorf(experiment.CodeConflict, "Headgate assigns the units of %s, and exposes them itself", r.experiment).
			WithHint("send exposures for experiments with assignment.by: client")
	case checkUnit(c.Unit) != nil:
		return experiment.Exposure{}, 0, badUnit("unit")
	}
	now := g.options.Now()
	at := c.At
	if at.IsZero() {
		at = now
	}
	switch {
	case at.Before(r.log.start):
		return experiment.Exposure{}, 0, experiment.InvalidAt("at", "%s lies before the present phase, which began %s", at.Format(time.RFC3339), r.log.start.UTC().Format(time.RFC3339)).
			WithHint("send exposures as they happen")
	case at.Sub(now) > ahead:
		return experiment.Exposure{}, 0, experiment.InvalidAt("at", "%s lies %s in the future", at.Format(time.RFC3339), at.Sub(now).Round(time.Second)).
			WithHint("set the sender's clock, or leave at out")
	}
	for name := range c.Segments {
		if !r.segments.has(name) {
			return experiment.Exposure{}, 0, experiment.InvalidAt("segments", "there is no such segment: %.64q", name).
				WithHint("name segments as the experiment does")
		}
	}
	groups := r.segments.named(c.Segments)
	t := r.tableOf(groups)
	version := r.versionNamed(c.Version)
	switch {
	case version < 0:
		return experiment.Exposure{}, 0, experiment.InvalidAt("version", "there is no such version: %.64q", c.Version).
			WithHint("the versions are %s", strings.Join(r.versionNames(), ", "))
	case t.shares[version] == 0:
		return experiment.Exposure{}, 0, experiment.InvalidAt("version", "%s has no share of the traffic now", c.Version).
			WithHint("the gateway serves %s to everybody whom an application sends there", r.versions[t.rest()].name)
	}
	e := r.exposure(at, version, t)
	e.Unit = g.options.Key.HashUnit(c.Unit)
	return e, groups, nil
}

func unserved() error {
	return experiment.Errorf(experiment.CodeUnavailable, "no experiment is served yet").WithHint("try again in a moment")
}

func badUnit(path string) error {
	return experiment.InvalidAt(path, "it cannot be a unit").WithHint("send 1 to %d bytes without control characters", maxUnit)
}

// exposure is that of a unit, still to be named, at a time.
func (r *route) exposure(at time.Time, version int, t *table) experiment.Exposure {
	return experiment.Exposure{
		Experiment: r.experiment,
		Epoch:      r.epoch,
		Phase:      r.phase,
		Window:     max(0, int64(at.Sub(r.log.start)/r.log.length)),
		Version:    version,
		Propensity: t.shares[version],
		At:         at,
	}
}

// versionNamed is the index of a version; -1 is none.
func (r *route) versionNamed(name string) int {
	for v := range r.versions {
		if r.versions[v].name == name {
			return v
		}
	}
	return -1
}

func (r *route) versionNames() []string {
	names := make([]string, len(r.versions))
	for v := range r.versions {
		names[v] = r.versions[v].name
	}
	return names
}

// said is what was said of a unit, by name; headers are in lower case.
type said map[string]string

func (s said) header(name string) string { return s[strings.ToLower(name)] }

// named are the groups of values by the segments' names.
func (s segments) named(values map[string]string) uint64 {
	var all uint64
	for i := range s {
		all |= uint64(s[i].groupOfValue(values[s[i].Name])) << (8 * i)
	}
	return all
}

func (s segments) has(name string) bool {
	for i := range s {
		if s[i].Name == name {
			return true
		}
	}
	return false
}
