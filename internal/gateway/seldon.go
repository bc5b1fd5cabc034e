// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"net/http"
	"strings"

	"github.com/headgate-dev/headgate/internal/assign"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// Seldon's first protocol gives every prediction an id, the puid, and takes
// back what became of it as feedback. Splitting feedback anew, as a mesh does,
// hands most rewards to a version that did not earn them: here it goes to the
// version that made the prediction, and to no other.

// headerPuid is where Seldon's requests and answers carry the puid.
const headerPuid = "Seldon-Puid"

// seldonCall is what a request is in Seldon's first protocol.
type seldonCall uint8

const (
	notSeldon seldonCall = iota
	seldonPrediction
	seldonFeedback
)

// seldonCallOf tells by a request's target. What comes before the API's own
// path is the deployment's.
func seldonCallOf(target string) seldonCall {
	path := target
	if i := strings.IndexByte(target, '?'); i >= 0 {
		path = target[:i]
	}
	// Every request is asked, so this is quick to say no.
	const least = len("/api/v1.0/feedback")
	if len(path) < least || path[len(path)-1] != 's' && path[len(path)-1] != 'k' {
		return notSeldon
	}
	rest, kind := "", notSeldon
	if before, ok := strings.CutSuffix(path, "/predictions"); ok {
		rest, kind = before, seldonPrediction
	} else if before, ok := strings.CutSuffix(path, "/feedback"); ok {
		rest, kind = before, seldonFeedback
	}
	if kind == notSeldon || !strings.HasSuffix(rest, "/api/v1.0") && !strings.HasSuffix(rest, "/api/v0.1") {
		return notSeldon
	}
	return kind
}

// By what a feedback's version was found, as the metric of feedback says it.
const (
	byVersion     = "version"
	byPuid        = "puid"
	byRequestPath = "requestPath"
	byRouting     = "routing"
	byExposure    = "exposure"
	byUnit        = "unit"
	byNothing     = "none"
)

// refusedGone keeps what was taken away from a version away from it, and from
// the others, which did not make the prediction.
var refusedGone = refusal{
	http.StatusGone, experiment.CodeConflict,
	"the version that made this prediction takes no traffic any more", "drop the feedback: no other version has earned it",
}

// attribute decides which version gets a feedback. Feedback is no exposure and
// no evidence, whatever becomes of it.
func (g *Gateway) attribute(c *call, in *lookup) *refusal {
	c.pinned = true
	c.started = g.options.Now()
	g.metrics.unassigned[reasonFeedback].Inc()
	body, missing := in.whole()
	if missing != nil && missing.refusal != nil {
		return missing.refusal
	}
	f := readFeedback(body)
	version, by := g.predictor(c, in, &f)
	c.version = version
	if !c.route.reaches(version, in.exchange) {
		return &refusedGone
	}
	g.metrics.feedback.WithLabelValues(c.route.experiment, c.route.versions[version].name, by).Inc()
	return nil
}

// predictor is the version that made the prediction, and what told so. What
// says who answered comes before what says who was assigned: where the baseline
// answered for a candidate, the two differ.
func (g *Gateway) predictor(c *call, in *lookup, f *feedback) (version int, by string) {
	r, x := c.route, in.exchange
	for _, name := range [...]string{x.header(headerVersion), f.version} {
		if v := r.versionNamed(name); v >= 0 {
			return v, byVersion
		}
	}
	for _, puid := range [...]string{f.puid, f.requestPuid, x.header(headerPuid)} {
		if v := g.puids.find(puid, r.versions, c.started); v >= 0 {
			return v, byPuid
		}
	}
	if v := f.inRequestPath(r.versions); v >= 0 {
		return v, byRequestPath
	}
	if v := f.inRouting(r.experiment); v >= 0 && v < len(r.versions) {
		return v, byRouting
	}
	for _, token := range [...]string{x.header(headerExposure), f.exposure} {
		if token == "" {
			continue
		}
		if e, err := g.options.Key.Open(r.experiment, token); err == nil && e.Version < len(r.versions) {
			return e.Version, byExposure
		}
	}
	in.body, in.missing = f.request, nil
	if f.request == nil {
		in.missing = &absent
	}
	return c.likely(in)
}

// likely is the version that a prediction of the same unit would get now; in
// looks into the request that the feedback is about. Without a unit it is the
// one that serves whatever is not assigned.
func (c *call) likely(in *lookup) (version int, by string) {
	r := c.route
	unit, missing := c.identify(in)
	issued := c.issued
	c.issued = "" // A unit that is made up here has met no version.
	switch {
	case missing == &overridden || missing == nil && r.cohort != "":
		return c.version, byUnit
	case missing == &excluded:
		return r.rest, byUnit
	case missing != nil || issued != "" || r.unit.request:
		return r.rest, byNothing
	}
	return r.tableOf(c.groups).slots.At(assign.Slot(assign.Hash(unit), r.salt)), byUnit
}

// reaches says whether a version may get what is meant for it. One without a
// share gets nothing, as after a kill (D8), but from testers who name it; the
// baseline and what serves in its place are always there.
func (r *route) reaches(version int, x headers) bool {
	if version == baseline || version == r.rest {
		return true
	}
	for i := range r.tables {
		if r.tables[i].shares[version] > 0 {
			return true
		}
	}
	if r.picks == nil {
		return false
	}
	v, why := r.picks.pick(x)
	return why == &overridden && v == version
}

// predicted remembers which version answers a prediction, before its client
// can know. Whoever makes the puid up, client or model server, it is in a
// header.
func (g *Gateway) predicted(c *call, served, status int, answer headers) {
	if !c.predicts || status/100 != 2 {
		return
	}
	name := c.route.versions[served].name
	puid := g.puids.hash(answer.header(headerPuid))
	g.puids.put(puid, name, c.started)
	if c.puid != puid {
		g.puids.put(c.puid, name, c.started)
	}
}
