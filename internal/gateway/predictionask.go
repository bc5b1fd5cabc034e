// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"net/http"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/prediction"
)

// question is what is kept of a request whose answer is looked at for what it
// predicts. A nil question asks nothing.
type question struct {
	// path tells the protocol.
	path string
	// explains says that the request is for an explanation.
	explains bool
	// body is the request's, nil where nobody looks at it.
	body *bodyCopy
	// exposure and request, the keyed hash of the request's id, are set where
	// rows are asked for. The hash is 0 where no id is known yet.
	exposure experiment.Exposure
	request  uint64
}

// release lets go of what the question holds.
func (q *question) release() {
	if q != nil {
		q.body.release()
	}
}

// requestIDs are the headers that name a request, in the order in which they
// are asked.
var requestIDs = [...]string{"X-Request-Id", "Ce-Id", headerPuid}

// idIn is the keyed hash of the id that a head gives its request, 0 for none.
// What is too long for an outcome to name is none.
func (r *answerReader) idIn(head headers) uint64 {
	for _, name := range requestIDs {
		if id := head.header(name); id != "" && len(id) <= experiment.MaxOutcomeText {
			return r.key.HashUnit(id)
		}
	}
	return 0
}

// question gives what is kept of a call's request; nil where its prediction is
// not read: it is no evidence, is not in the sample, or asks for none.
func (g *Gateway) question(c *call, x exchange) *question {
	q := g.asked(c, x)
	if q != nil && !q.explains && c.route.predictions.features {
		q.body = g.keepBody(c)
	}
	return q
}

// asked is question without the body.
func (g *Gateway) asked(c *call, x exchange) *question {
	p := c.route.predictions
	if p == nil || c.window == nil || !p.bodies && !p.explanations || c.draw() >= p.Sample || !p.asksOne(x.method()) {
		return nil
	}
	path, _, _ := strings.Cut(x.target(), "?")
	explains := prediction.IsExplanation(path)
	if explains && !p.explanations || !explains && !p.bodies {
		return nil
	}
	q := &question{path: strings.Clone(path), explains: explains}
	if explains {
		return q
	}
	if p.Rows {
		q.request = g.answers.idIn(x)
		q.exposure = c.exposed(g, x)
	}
	return q
}

// asksOne says whether requests of a method ask for predictions: all protocols
// but the one that is none of its own say that they are posted.
func (p *predicting) asksOne(method string) bool {
	if p.Protocol == experiment.ProtocolJSON {
		return method != http.MethodHead && method != http.MethodOptions
	}
	return method == http.MethodPost
}

// exposed is the call's exposure as its token has it. Where the application
// assigns, and exposes, it is what the gateway knows of that: the unit's hash is
// 0 where the request does not tell the unit.
func (c *call) exposed(g *Gateway, x exchange) experiment.Exposure {
	e, r := c.exposure, c.route
	if r.cohort != "" {
		e = r.exposure(c.started, c.version, r.tableOf(c.groups))
		e.Window = c.window.index
		unit := ""
		switch {
		case r.unit.header != "":
			unit = x.header(r.unit.header)
		case r.unit.cookie != "":
			unit = x.cookie(r.unit.cookie)
		}
		if checkUnit(unit) == nil {
			e.Unit = g.options.Key.HashUnit(unit)
		}
	}
	e.At = time.UnixMilli(e.At.UnixMilli()).UTC()
	return e
}

// explained counts how a request for an explanation ended, unless its client
// left before that was known.
func (g *Gateway) explained(c *call, e *ending, took time.Duration) {
	failed := e.failed || e.status/100 != 2
	s := c.route.predictions.explanation(failed, !failed, took)
	c.route.log.addSaid(c.window, c.version, c.groups, &s)
}

// explanation is what a request for an explanation tells, of the time that it
// took only where that is known.
func (p *predicting) explanation(failed, timed bool, took time.Duration) (s telling) {
	for i, a := range p.Metrics {
		switch a.Kind {
		case experiment.FailedExplanations:
			s.tells = append(s.tells, tell{metric: i, hit: failed})
		case experiment.ExplanationTime:
			s.tells = append(s.tells, tell{metric: i, mean: true, valued: timed, value: took.Seconds()})
		}
	}
	return s
}
