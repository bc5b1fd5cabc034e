// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"time"

	"github.com/headgate-dev/headgate/internal/assign"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// exchange is what assignment needs of a request, whichever engine carries it.
type exchange interface {
	headers
	// cookie is the first value of a cookie, or nothing.
	cookie(name string) string
	method() string
	// target is the path and query asked for, as they came.
	target() string
	// prefix reads the body up to limit bytes, without taking them from what
	// is sent upstream. Not whole says that the body is longer.
	prefix(limit int64) (body []byte, whole bool, err error)
}

// call is one exchange from its assignment to its recording. Every call that
// admit makes must end.
type call struct {
	route *route
	// version is the assigned version's index; the baseline's where the
	// request is not assigned.
	version int
	// window takes the evidence; nil where the request is not assigned.
	window *window
	// groups are the request's groups.
	groups   uint64
	started  time.Time
	exposure experiment.Exposure
	// hash is the unit's, 0 where there is none; visit the stay at a version.
	hash  uint64
	visit visit
	// issued is a new unit id to be set as a cookie, or nothing.
	issued string
	// heard is the answer, where its metrics want it; nil is that they do not.
	heard *hearing
	// question is what is kept of the request where its prediction is read; nil
	// is that it is not, or that the answer has it.
	question *question
	// pinned says that no other version may have the request, and that no
	// version may have it twice: it is feedback. predicts says that it is a
	// prediction of Seldon's protocol, puid the hash of its id or 0.
	pinned, predicts bool
	puid             uint64
	// edit is the body, where versions know the model in it by other names.
	edit modelEdit
	// copy keeps the body as the client sent it, where somebody wants it; nil is
	// that nobody does.
	copy *bodyCopy
	// original is the request where it is to be copied; nil is that it is not.
	original *original
}

// ending is how an exchange went.
type ending struct {
	// status is the status answered, 0 if the client got none.
	status int
	// failed says that the assigned version failed: 5xx, no answer, half an
	// answer, or an answer that the baseline had to give.
	failed bool
	// fellBack says that the baseline answered in the version's place, why
	// what for.
	fellBack bool
	why      cause
	// cut says that the gateway was closed, which is nobody's failure.
	cut bool
}

// admit decides which version serves an exchange, before a byte of it goes
// upstream, and counts the exposure. A refusal is what to answer instead.
func (g *Gateway) admit(c *call, x exchange) *refusal {
	r := g.route.Load()
	if r == nil {
		g.metrics.refusedUnserved.Inc()
		return &refusedNoRoute
	}
	c.route = r
	in := lookup{exchange: x, maxBody: g.options.MaxUnitBody}
	switch seldonCallOf(x.target()) {
	case notSeldon:
	case seldonFeedback:
		return g.attribute(c, &in)
	case seldonPrediction:
		c.predicts, c.puid = true, g.puids.hash(x.header(headerPuid))
	}
	refused := g.assign(c, &in)
	if refused == nil && r.mirror != nil {
		g.capture(c, x)
	}
	if refused == nil && r.predictions != nil {
		c.question = g.question(c, x)
	}
	if refused != nil || !r.renames || !namesModelInBody(x.target()) {
		return refused
	}
	var missing *absence
	if c.edit, missing = in.findModel(); missing != nil {
		return missing.refusal
	}
	if c.edit.found() {
		c.copy.takeAll(c.edit.body) // What is sent differs by version.
	}
	return nil
}

// assign finds the version of a call and, where it is evidence, its window.
func (g *Gateway) assign(c *call, in *lookup) *refusal {
	r := c.route
	unit, missing := c.identify(in)
	c.started = g.options.Now()
	if missing != nil {
		if missing != &overridden {
			c.version = r.rest
		}
		g.metrics.unassigned[missing.reason].Inc()
		if missing.refusal != nil {
			return missing.refusal
		}
		if r.reject && !missing.foreign {
			return &refusedNoUnit
		}
		return nil
	}
	if r.cohort != "" {
		// Without a unit, each request has luck of its own where a version
		// comes back by and by.
		c.hash = uint64(c.started.UnixNano())
		c.window = r.log.begin(c.started)
		return nil
	}
	t := r.tableOf(c.groups)
	c.hash = assign.Hash(unit)
	c.version = t.slots.At(assign.Slot(c.hash, r.salt))
	c.window = r.log.begin(c.started)
	c.exposure = experiment.Exposure{
		Experiment: r.experiment,
		Epoch:      r.epoch,
		Phase:      r.phase,
		Window:     c.window.index,
		Version:    c.version,
		Propensity: t.shares[c.version],
		Unit:       g.options.Key.HashUnit(unit),
		At:         c.started,
	}
	if !g.options.Expose(c.exposure, c.groups) {
		g.metrics.exposuresDropped.Inc()
	}
	return nil
}

// identify finds the request's groups and, if it is the experiment's, its
// unit. Where the application assigns, it finds the version instead.
func (c *call) identify(in *lookup) (unit string, missing *absence) {
	r := c.route
	if r.picks != nil {
		if c.version, missing = r.picks.pick(in.exchange); missing != nil {
			return "", missing
		}
	}
	if c.groups, missing = r.segments.groups(in); missing != nil {
		return "", missing
	}
	if !r.matches(c.groups) {
		return "", &outside
	}
	if r.cohort != "" {
		c.version, missing = r.chosen(in.exchange.header(r.cohort), r.tableOf(c.groups))
		return "", missing
	}
	unit, c.issued, missing = r.unit.find(in)
	return unit, missing
}

// token is the exposure's token, or nothing where there is no exposure: where
// the application assigns, it exposes too.
func (g *Gateway) token(c *call) string {
	if c.window == nil || c.route.cohort != "" {
		return ""
	}
	return g.options.Key.Seal(&c.exposure)
}

// finish records how a call ended, once. It is the last thing that happens to
// an exchange: until then its window does not seal.
func (g *Gateway) finish(c *call, e ending) {
	c.leave(!e.cut && (e.failed || e.status != 0), e.failed)
	c.copy.release()
	if c.original != nil {
		defer c.original.conclude(&e)
	}
	if c.window == nil {
		return
	}
	defer c.window.end()
	defer c.question.release()
	if c.heard != nil {
		c.heard.conclude(&e)
	}
	if e.cut {
		g.metrics.cut.Inc()
		return
	}
	took := g.options.Now().Sub(c.started)
	m := &c.route.versions[c.version].metrics
	if e.fellBack {
		m.fallbacks[e.why].Inc()
	}
	o := observation{version: c.version, groups: c.groups, took: took, failed: e.failed, answered: e.status != 0 || e.failed}
	if o.answered {
		m.observe(e.status, took)
	} else {
		m.aborts.Inc()
	}
	if !c.route.log.add(c.window, &o) {
		g.metrics.late.Inc()
	}
	if o.answered && c.question != nil && c.question.explains {
		g.explained(c, &e, took)
	}
}
