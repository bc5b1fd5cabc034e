// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"net/url"
	"slices"

	"github.com/headgate-dev/headgate/internal/assign"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// baseline is the index of the version that serves whatever cannot be
// assigned.
const baseline = 0

// route is a snapshot laid out for serving. It never changes, so a request
// that has loaded it needs no lock and sees one snapshot from start to end.
type route struct {
	snapshot   *experiment.Snapshot
	experiment string
	unit       unitFinder
	reject     bool
	epoch      int
	phase      int
	salt       uint64
	table      *assign.Table
	shares     experiment.Shares
	versions   []version
	log        *phaseLog
}

// version is one backend of a route.
type version struct {
	name    string
	target  *url.URL
	metrics versionMetrics
}

// checkSnapshot reports the first thing that this gateway cannot serve.
func checkSnapshot(s *experiment.Snapshot) error {
	if s == nil {
		return experiment.Errorf(experiment.CodeInvalid, "snapshot is nil")
	}
	if err := s.Check(); err != nil {
		return err
	}
	if n := len(s.Routes); n > 1 {
		return experiment.Errorf(experiment.CodeInvalid, "snapshot %d has %d routes: this gateway serves one experiment", s.Sequence, n).
			WithHint("run one gateway per experiment")
	}
	if err := checkRoute(&s.Routes[0]); err != nil {
		return experiment.Errorf(experiment.CodeInvalid, "snapshot %d, route %q: %w", s.Sequence, s.Routes[0].Experiment, err)
	}
	return nil
}

// checkRoute checks what only matters to this gateway. It never repeats a
// backend that may hold a password.
func checkRoute(r *experiment.Route) error {
	names := make(map[string]bool)
	for _, v := range r.Versions {
		u, err := url.Parse(v.Backend)
		switch {
		case err != nil: // Check has seen to it.
			return fmt.Errorf("version %s: backend is not a URL", v.Name)
		case u.User != nil:
			return fmt.Errorf("version %s: backend holds a user name or password: want none", v.Name)
		case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
			return fmt.Errorf("version %s: backend has a query or fragment: want scheme, host and path", v.Name)
		case !headerValue(v.Name) || names[v.Name]:
			return fmt.Errorf("version name %q is empty, taken or not printable ASCII", v.Name)
		}
		names[v.Name] = true
	}
	if !headerValue(r.Experiment) {
		return fmt.Errorf("experiment %q is empty or not printable ASCII", r.Experiment)
	}
	taken := map[string]bool{experiment.CellRequests: true, experiment.CellExposures: true}
	for _, m := range r.Measures {
		if m.Metric == "" || taken[m.Metric] || m.Limit <= 0 {
			return fmt.Errorf("measure %q with limit %s: want a name of its own and a limit of more than 0", m.Metric, m.Limit)
		}
		taken[m.Metric] = true
	}
	if r.Lag < 0 {
		return fmt.Errorf("lag is %s: want 0 or more", r.Lag)
	}
	_, err := newUnitFinder(r.Assignment.Unit)
	return err
}

// headerValue says whether s can stand in a header as it is.
func headerValue(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}

// compile lays out a snapshot that passed its check.
func compile(s *experiment.Snapshot) (*route, error) {
	from := &s.Routes[0]
	table, err := assign.NewTable(from.Slots)
	if err != nil {
		return nil, fmt.Errorf("lay out slots: %w", err)
	}
	unit, err := newUnitFinder(from.Assignment.Unit)
	if err != nil {
		return nil, err
	}
	r := &route{
		snapshot:   s,
		experiment: from.Experiment,
		unit:       unit,
		reject:     from.Assignment.RejectMissing,
		epoch:      from.Epoch,
		phase:      from.Phase,
		salt:       assign.Salt(from.Experiment, from.Epoch),
		table:      table,
		shares:     from.Slots.Shares(len(from.Versions)),
		versions:   make([]version, len(from.Versions)),
	}
	for i, v := range from.Versions {
		target, err := url.Parse(v.Backend)
		if err != nil {
			return nil, fmt.Errorf("version %s: backend is not a URL", v.Name)
		}
		r.versions[i] = version{name: v.Name, target: target}
	}
	return r, nil
}

// versionOf is the index of the unit's version.
func (r *route) versionOf(unit string) int {
	return r.table.At(assign.Slot(assign.Hash(unit), r.salt))
}

// sameEvidence says whether what two routes of one phase record may be added
// together. Backends may move; all else belongs to the phase.
func sameEvidence(a, b *experiment.Route) bool {
	return a.PhaseStart.Equal(b.PhaseStart) && a.Window == b.Window && a.Lag == b.Lag &&
		slices.Equal(a.Slots, b.Slots) && slices.Equal(a.Measures, b.Measures) &&
		slices.EqualFunc(a.Versions, b.Versions, func(v, w experiment.Version) bool { return v.Name == w.Name })
}
