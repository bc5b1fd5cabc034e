// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"net/http"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// What a candidate answers to copies is read for what it predicts in the same
// way as what versions answer to users: into the cells of predictions and
// digests of the candidate, and into rows, so that labels find them. It is none
// of its requests, which it has none of, and no exposure. The sample is the
// baseline's: of one request the answers of all are read, or of none.

// heads takes in what the head of a copy's answer says.
func (c *shadowCopy) heads(head http.Header) {
	c.kind, c.coding = head.Get("Content-Type"), head.Get("Content-Encoding")
	if p := c.original.route.predictions; p != nil && len(p.digests) > 0 && c.answer.status/100 == 2 {
		c.digests = digestsOf(nil, p.digests, c.version().digests, fullAnswer(head))
	}
}

// version is the candidate, with what the request's route records of it.
func (c *shadowCopy) version() *version { return &c.original.route.versions[c.shadow.index] }

// predicts counts what the answer to a copy predicts. Late is that nobody had
// time to read it.
func (c *shadowCopy) predicts(late bool) {
	o := c.original
	p := o.route.predictions
	asked := o.asked != nil && !o.asked.explains
	if p == nil || c.answer.status/100 != 2 || !asked && len(c.digests) == 0 {
		return
	}
	h := &hearing{
		reader: o.mirror.shadows.answers, log: o.route.log, window: o.window, version: c.shadow.index, groups: o.pair.Groups,
		redactor: o.route.redactor, predictions: p, series: c.version().predictions, digests: c.digests, copied: true,
	}
	if o.mirror.life.Err() == nil {
		h.shifts = o.pair.At
	}
	if asked {
		h.question = c.question()
	}
	h.size, h.body = int64(len(c.answer.body)), c.answer.body
	switch {
	case !h.reads():
	case !h.fits(h.size, c.kind, c.coding):
		h.found = findingUnfit
	case late:
		h.found = findingDropped
	}
	if !late {
		h.read()
	}
	h.record()
}

// question is what is kept of the original, for the row of this candidate: it
// has the unit, the time and the id of the request, by which labels find it. An
// id that the candidate gives the request is none that anybody knows.
func (c *shadowCopy) question() *question {
	o := c.original
	q := *o.asked
	q.exposure.Version = c.shadow.index
	if q.request == 0 && o.route.predictions.Rows {
		q.request = c.puid
	}
	if o.route.predictions.features {
		q.body = o.request
	}
	return &q
}

// explained counts how a copy of a request for an explanation ended.
func (c *shadowCopy) explained(result copyResult) {
	o := c.original
	if o.asked == nil || !o.asked.explains {
		return
	}
	failed := result != copyAnswered || c.answer.status/100 != 2
	s := o.route.predictions.explanation(failed, !failed && !c.heldBack, c.answer.took)
	if o.mirror.life.Err() != nil {
		o.route.log.addSaid(o.window, c.shadow.index, o.pair.Groups, &s)
		return
	}
	o.route.log.addCopied(o.window, o.pair.At, c.shadow.index, o.pair.Groups, &s)
}

// Overheard is an answer that did not come through the gateway: a model
// server's logger told of it.
type Overheard struct {
	Experiment   string
	Epoch, Phase int
	// Window is that of At, when the request was made.
	Window int64
	At     time.Time
	// Version gave the answer.
	Version int
	// ID is the request's, Unit its keyed hash.
	ID   string
	Unit uint64
	// Copied says that it answers a copy of a request that another version
	// answered.
	Copied bool
	// Path is the request's, empty where nobody knows. Body is the answer, of
	// which Redacted says that what is to be redacted was taken out.
	Path     string
	Body     []byte
	Redacted bool
}

// Overhear counts what an answer predicts that others told of. What is of
// another phase than the one served is not counted, nor what the baseline answers
// where requests of this phase came through the gateway: those were read on their
// way.
func (g *Gateway) Overhear(a *Overheard) {
	r := g.route.Load()
	if r == nil || r.predictions == nil || !r.predictions.bodies || r.experiment != a.Experiment || r.epoch != a.Epoch || r.phase != a.Phase ||
		a.Version < 0 || a.Version >= len(r.versions) || a.Version == baseline && r.log.carried.Load() ||
		lot(mix(a.Unit)) >= r.predictions.Sample {
		return
	}
	h := &hearing{
		reader: &g.answers, log: r.log, version: a.Version, predictions: r.predictions, series: r.versions[a.Version].predictions,
		copied: a.Copied, size: int64(len(a.Body)), body: a.Body,
		question: &question{
			path: a.Path, request: g.answers.idIn(onlyID(a.ID)),
			exposure: experiment.Exposure{
				Experiment: a.Experiment, Epoch: a.Epoch, Phase: a.Phase, Window: a.Window, Version: a.Version, Unit: a.Unit,
				At: time.UnixMilli(a.At.UnixMilli()).UTC(),
			},
		},
	}
	if !a.Redacted {
		h.redactor = r.redactor
	}
	h.window = r.log.hold(a.At)
	defer h.window.end()
	h.read()
	h.record()
}

// onlyID is a head that says nothing but the request's id.
type onlyID string

func (id onlyID) header(name string) string {
	if name == requestIDs[0] {
		return string(id)
	}
	return ""
}
