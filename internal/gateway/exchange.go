// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// exchange is what assignment needs of a request, whichever engine carries it.
type exchange interface {
	// header is the first value of a header given in canonical form, or
	// nothing.
	header(name string) string
	// cookie is the first value of a cookie, or nothing.
	cookie(name string) string
	// prefix reads the body up to limit bytes, without taking them from what
	// is sent upstream. Not whole says that the body is longer.
	prefix(limit int64) (body []byte, whole bool, err error)
}

// call is one exchange from its assignment to its recording. Every call that
// admit makes must end.
type call struct {
	route *route
	// version is the assigned version's index; the baseline's where there is
	// no unit.
	version int
	// window takes the evidence; nil where there is no unit.
	window   *window
	started  time.Time
	exposure experiment.Exposure
	// issued is a new unit id to be set as a cookie, or nothing.
	issued string
}

// ending is how an exchange went.
type ending struct {
	// status is the status answered, 0 if the client got none.
	status int
	// failed says that the assigned version failed: 5xx, no answer, half an
	// answer, or an answer that the baseline had to give.
	failed bool
	// fellBack says that the baseline answered in the version's place.
	fellBack bool
	// cut says that the gateway was closed, which is nobody's failure.
	cut bool
}

// admit decides which version serves an exchange, before a byte of it goes
// upstream, and counts the exposure. A refusal is what to answer instead.
func (g *Gateway) admit(c *call, x exchange) *refusal {
	r := g.route.Load()
	if r == nil {
		return &refusedNoRoute
	}
	unit, issued, missing := r.unit.find(x, g.options.MaxUnitBody)
	c.route, c.started, c.issued = r, g.options.Now(), issued
	if missing != nil {
		g.metrics.unassigned[missing.reason].Inc()
		if missing.refusal != nil {
			return missing.refusal
		}
		if r.reject {
			return &refusedNoUnit
		}
		return nil
	}
	c.version = r.versionOf(unit)
	c.window = r.log.begin(c.started)
	c.exposure = experiment.Exposure{
		Experiment: r.experiment,
		Epoch:      r.epoch,
		Phase:      r.phase,
		Window:     c.window.index,
		Version:    c.version,
		Propensity: r.shares[c.version],
		Unit:       g.options.Key.HashUnit(unit),
		At:         c.started,
	}
	if !g.options.Expose(c.exposure) {
		g.metrics.exposuresDropped.Inc()
	}
	return nil
}

// token is the exposure's token, or nothing where there is no exposure.
func (g *Gateway) token(c *call) string {
	if c.window == nil {
		return ""
	}
	return g.options.Key.Seal(&c.exposure)
}

// finish records how a call ended, once. It is the last thing that happens to
// an exchange: until then its window does not seal.
func (g *Gateway) finish(c *call, e ending) {
	if c.window == nil {
		return
	}
	defer c.window.end()
	if e.cut {
		return
	}
	took := g.options.Now().Sub(c.started)
	m := &c.route.versions[c.version].metrics
	if e.fellBack {
		m.fallbacks.Inc()
	}
	o := observation{took: took, failed: e.failed, answered: e.status != 0 || e.failed}
	if o.answered {
		m.observe(e.status, took)
	} else {
		m.aborts.Inc()
	}
	if !c.window.add(c.version, o, c.route.log.measures) {
		g.metrics.late.Inc()
	}
}
