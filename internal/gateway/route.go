// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/headgate-dev/headgate/internal/assign"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/prediction"
)

// baseline is the index of the version that serves whatever cannot be
// assigned.
const baseline = 0

// Capabilities is what this gateway can do of what plans may need.
func Capabilities() []experiment.Capability {
	return []experiment.Capability{
		experiment.CapSticky, experiment.CapSegments, experiment.CapWhere, experiment.CapCohort, experiment.CapOverrides, experiment.CapExclude,
		experiment.CapRefuse, experiment.CapFineShares, experiment.CapMirror, experiment.CapCopies, experiment.CapMirrorLimits,
		experiment.CapAnswers, experiment.CapRewrite, experiment.CapPredictions, experiment.CapOutcomes,
	}
}

// route is a snapshot laid out for serving. It never changes, so a request
// that has loaded it needs no lock and sees one snapshot from start to end.
type route struct {
	snapshot   *experiment.Snapshot
	experiment string
	unit       unitFinder
	reject     bool
	// rest is the version of requests that are not assigned.
	rest int
	// picks come before the unit; nil is none.
	picks *picks
	// cohort is the header by which applications choose, in canonical form;
	// empty where Headgate assigns.
	cohort string
	// idempotent says that every request may be sent twice.
	idempotent bool
	// renames says that versions know the model in bodies by other names.
	renames  bool
	segments segments
	where    []condition
	epoch    int
	phase    int
	salt     uint64
	// tables is one table for all; or one for each group of segment number
	// by, in the segment's order.
	tables   []table
	by       int
	versions []version
	// answers are the metrics of answers; nil is that no answer is touched.
	answers []answerMetric
	// predictions is what is read of predictions; nil is nothing. redactor takes
	// out what must not be looked at.
	predictions *predicting
	redactor    *prediction.Redactor
	// listens says that answers are looked at, or their heads are.
	listens bool
	// mirror has requests copied; nil is none.
	mirror *mirror
	log    *phaseLog
}

// table is a slot table laid out, with the share of each version in it.
type table struct {
	slice  string
	slots  *assign.Table
	shares experiment.Shares
}

// version is one backend of a route.
type version struct {
	name    string
	model   string // the name that its backend knows, or nothing
	target  *url.URL
	metrics versionMetrics
	// answers are the series of its answers, by metric.
	answers []answerCounts
	// predictions are the series of its predictions, nil where none are read;
	// digests are the last value of each of the route's.
	predictions *predictionSeries
	digests     []atomic.Pointer[string]
	// base is the backend's path, without a slash at its end; pool its
	// connections in the engine fast.
	base string
	pool *pool
	// health is how it fares.
	health *health
	// rewrite is nil where requests pass as they are.
	rewrite *rewrite
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
	r := &s.Routes[0]
	if err := checkRoute(r); err != nil {
		return experiment.Errorf(experiment.CodeInvalid, "snapshot %d, route %q: %w", s.Sequence, r.Experiment, err)
	}
	return nil
}

// checkRoute checks what only matters to this gateway and needs no laying
// out. It never repeats a backend that may hold a password.
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
	if r.Lag < 0 {
		return fmt.Errorf("lag is %s: want 0 or more", r.Lag)
	}
	if err := checkMetrics(r); err != nil {
		return err
	}
	if err := checkMirror(r); err != nil {
		return err
	}
	return checkRules(&r.Rules)
}

// checkMetrics wants every metric to have cells of its own.
func checkMetrics(r *experiment.Route) error {
	taken := map[string]bool{experiment.CellRequests: true, experiment.CellExposures: true}
	take := func(name string) bool {
		free := name != "" && !taken[name]
		taken[name] = true
		return free
	}
	for _, m := range r.Measures {
		if !take(m.Metric) || m.Limit <= 0 {
			return fmt.Errorf("measure %q with limit %s: want a name of its own and a limit of more than 0", m.Metric, m.Limit)
		}
	}
	for _, a := range r.Answers {
		if !take(a.Metric) || isCellName(a.Metric) {
			return fmt.Errorf("metric %q of answers: want a name of its own", a.Metric)
		}
	}
	if r.Predictions == nil {
		return nil
	}
	for _, a := range r.Predictions.Metrics {
		if !take(a.Metric) || isCellName(a.Metric) || a.Metric == experiment.CellTokens {
			return fmt.Errorf("metric %q of predictions: want a name of its own", a.Metric)
		}
	}
	return nil
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

// compile lays out a snapshot that passed its check. It refuses units,
// segments and conditions that cannot be laid out.
func compile(s *experiment.Snapshot) (*route, error) {
	from := &s.Routes[0]
	r := &route{
		snapshot:   s,
		experiment: from.Experiment,
		rest:       from.Default,
		reject:     from.Assignment.RejectMissing,
		idempotent: from.Rules.Idempotent,
		epoch:      from.Epoch,
		phase:      from.Phase,
		salt:       assign.Salt(from.Experiment, from.Epoch),
		versions:   make([]version, len(from.Versions)),
	}
	var err error
	if r.unit, err = newUnitFinder(from.Assignment.Unit); err != nil {
		return nil, err
	}
	if r.picks, err = newPicks(&from.Assignment, len(from.Versions)); err != nil {
		return nil, err
	}
	if r.cohort, err = newCohort(from.Assignment.Cohort); err != nil {
		return nil, err
	}
	if r.segments, err = newSegments(from.Segments); err != nil {
		return nil, err
	}
	if r.answers, err = newAnswers(from.Answers); err != nil {
		return nil, err
	}
	if r.predictions, err = newPredictions(from.Predictions); err != nil {
		return nil, err
	}
	r.listens = r.answers != nil || r.predictions != nil
	if r.where, err = newConditions(from.Where, r.segments); err != nil {
		return nil, err
	}
	if err := r.layOut(from); err != nil {
		return nil, err
	}
	for i, v := range from.Versions {
		target, err := url.Parse(v.Backend)
		if err != nil {
			return nil, fmt.Errorf("version %s: backend is not a URL", v.Name)
		}
		changed, err := newRewrite(&from.Versions[i])
		if err != nil {
			return nil, err
		}
		r.versions[i] = version{name: v.Name, model: v.Model, target: target, base: strings.TrimSuffix(target.EscapedPath(), "/"), rewrite: changed}
		if r.predictions != nil {
			r.versions[i].digests = make([]atomic.Pointer[string], len(r.predictions.digests))
		}
		r.renames = r.renames || v.Model != ""
	}
	return r, nil
}

// layOut lays out the slot tables.
func (r *route) layOut(from *experiment.Route) error {
	tables := from.Tables
	if len(tables) == 0 {
		tables = []experiment.GroupTable{{Slots: from.Slots}}
	} else {
		segment := experiment.SegmentOf(tables[0].Slice)
		r.by = slices.IndexFunc(from.Segments, func(s experiment.Segment) bool { return s.Name == segment })
	}
	for _, t := range tables {
		laid, err := assign.NewTable(t.Slots)
		if err != nil {
			return fmt.Errorf("lay out slots: %w", err)
		}
		r.tables = append(r.tables, table{slice: t.Slice, slots: laid, shares: t.Slots.Shares(len(from.Versions))})
	}
	return nil
}

// matches says whether a request with these groups is the experiment's.
func (r *route) matches(groups uint64) bool {
	for _, c := range r.where {
		if c.allowed>>groupOf(groups, c.segment)&1 == 0 {
			return false
		}
	}
	return true
}

// tableOf is the table that requests with these groups are assigned by.
func (r *route) tableOf(groups uint64) *table {
	if len(r.tables) == 1 {
		return &r.tables[0]
	}
	return &r.tables[groupOf(groups, r.by)]
}

// sameEvidence says whether what two routes of one phase record may be added
// together. Backends may move; all else belongs to the phase.
func sameEvidence(a, b *experiment.Route) bool {
	return a.PhaseStart.Equal(b.PhaseStart) && a.Window == b.Window && a.Lag == b.Lag &&
		slices.Equal(a.Slots, b.Slots) && slices.Equal(a.Measures, b.Measures) && slices.Equal(a.Answers, b.Answers) &&
		samePredictions(a.Predictions, b.Predictions) && slices.Equal(a.Redact, b.Redact) &&
		slices.EqualFunc(a.Segments, b.Segments, sameSegment) && slices.EqualFunc(a.Where, b.Where, sameGroups) &&
		slices.EqualFunc(a.Tables, b.Tables, sameTable) &&
		slices.EqualFunc(a.Versions, b.Versions, func(v, w experiment.Version) bool { return v.Name == w.Name })
}
