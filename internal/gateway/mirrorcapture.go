// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/rand"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// maxMirroredAnswer is the longest answer, of the baseline or of a candidate,
// that is kept to be compared.
const maxMirroredAnswer = maxAnswerBody

// headerShadow marks copies, so that a model server can leave out what must not
// happen twice.
const headerShadow = "X-Headgate-Shadow"

// original is a request that is to be copied, and what the baseline answers. It
// is captured while both go their way. A nil original takes nothing.
type original struct {
	mirror *mirror
	// pair is what all its pairs have in common.
	pair experiment.Pair
	// method, target and header are as the baseline gets them, but for the
	// names of paths and models; edit is where the body names the model.
	method, target string
	header         http.Header
	edit           modelEdit
	request        *bodyCopy
	body           []byte
	// route and window are the request's own. asked is what is kept of it where
	// the copies' answers are read for what they predict; nil is that they are
	// not.
	route  *route
	window *window
	asked  *question
	// since is when its head went on its way.
	since  time.Time
	answer reply
	// whole says that the answer is.
	whole bool
	// why is why it is not copied; copyAnswered is that it may be.
	why copyResult
	// held is the room that it takes, copies how many of its copies are not
	// done.
	held   int64
	copies atomic.Int32
}

// reply is an answer as far as it is compared.
type reply struct {
	status int
	failed bool
	took   time.Duration
	body   []byte
	// coded is a coding that nobody reads here, packed one that is read.
	coded, packed bool
}

// begin takes in the head of an answer.
func (s *reply) begin(status int, head headers) {
	s.status = status
	switch coding := head.header("Content-Encoding"); {
	case coding == "" || strings.EqualFold(coding, "identity"):
	case strings.EqualFold(coding, "gzip") || strings.EqualFold(coding, "x-gzip"):
		s.packed = true
	default:
		s.coded = true
	}
}

// capture begins to keep a call that was assigned, if the mirror wants it.
// Only what the baseline is to answer is copied: there is nothing else to
// compare a candidate with.
func (g *Gateway) capture(c *call, x exchange) {
	m := c.route.mirror
	if m == nil || c.window == nil || c.version != baseline || !m.draws(c) {
		return
	}
	if m.rate.dry(c.started) {
		m.count(copyOverRate)
		return
	}
	now := time.Now()
	switch {
	case !copyable(x):
		m.count(copyUnfit)
		return
	case m.hanging(now):
		m.count(copyHanging)
		return
	case !m.rate.take(len(m.shown), now):
		m.count(copyOverRate)
		return
	case g.shadows.kept.full():
		m.count(copyCrowded)
		return
	}
	c.original = &original{
		mirror: m,
		method: strings.Clone(x.method()),
		pair: experiment.Pair{
			Experiment: c.route.experiment, Epoch: c.route.epoch, Phase: c.route.phase, Window: c.window.index,
			ID: pairID(x), Unit: c.exposure.Unit, At: c.started, Groups: c.groups,
		},
		request: g.keepBody(c),
		route:   c.route, window: c.window, asked: g.asked(c, x),
	}
}

// copyable says whether a request is one that a copy can be made of: no
// upgrade, no stream of gRPC, and no copy itself, or a gateway that mirrors to
// itself would never end.
func copyable(x headers) bool {
	return !strings.EqualFold(x.header("Upgrade"), "websocket") && x.header(headerShadow) == "" &&
		!strings.HasPrefix(x.header("Content-Type"), "application/grpc")
}

// pairID names a copied request: by the id that it came with, and something
// that makes it its own, because clients repeat ids.
func pairID(x headers) string {
	const own = 12 // 60 bits tell the requests of one id apart.
	for _, name := range [...]string{"X-Request-Id", "Ce-Id", headerPuid} {
		if id := x.header(name); len(id) <= experiment.MaxPairID && headerValue(id) {
			return id[:min(len(id), experiment.MaxPairID-own-1)] + "." + rand.Text()[:own]
		}
	}
	return rand.Text()
}

// depart takes in the head of the request as the baseline gets it. Both belong
// to the original from now on.
func (o *original) depart(target string, header http.Header) {
	o.since, o.target, o.header = time.Now(), target, header
	n := int64(len(target))
	for name, values := range header {
		for _, v := range values {
			n += int64(len(name) + len(v))
		}
	}
	if !o.reserve(n) {
		o.spoil(copyCrowded)
	}
}

// answers takes in the head of the baseline's answer. length is the body's,
// negative if nobody knows.
func (o *original) answers(status int, length int64, head headers) {
	if o == nil {
		return
	}
	o.answer.begin(status, head)
	if o.asked != nil && o.asked.request == 0 && o.route.predictions.Rows {
		o.asked.request = o.mirror.shadows.answers.idIn(head)
	}
	switch {
	case status == http.StatusSwitchingProtocols || strings.HasPrefix(head.header("Content-Type"), "text/event-stream"):
		o.spoil(copyUnfit)
	case length > maxMirroredAnswer:
		o.spoil(copyTooLarge)
	}
}

// take keeps a piece of the baseline's answer.
func (o *original) take(p []byte) {
	if o == nil || o.why != copyAnswered || len(p) == 0 {
		return
	}
	switch {
	case len(o.answer.body)+len(p) > maxMirroredAnswer:
		o.spoil(copyTooLarge)
	case !o.reserve(int64(len(p))):
		o.spoil(copyCrowded)
	default:
		o.answer.body = append(o.answer.body, p...)
	}
}

// done says that the baseline's answer is complete.
func (o *original) done() {
	if o != nil && !o.whole {
		o.whole = true
		o.answer.took = time.Since(o.since)
	}
}

// reserve takes n more bytes of the room for originals.
func (o *original) reserve(n int64) bool {
	if !o.mirror.shadows.kept.take(n) {
		return false
	}
	o.held += n
	return true
}

// spoil has nothing copied, and keeps nothing.
func (o *original) spoil(why copyResult) {
	o.why, o.answer.body, o.header = why, nil, nil
	o.free()
}

// free gives its room back.
func (o *original) free() {
	o.mirror.shadows.kept.give(o.held)
	o.held = 0
}

// conclude has the copies sent, now that the exchange is over; or counts why
// there are none.
func (o *original) conclude(e *ending) {
	if o.judge(e); o.why != copyAnswered {
		o.free()
		o.request.release()
		o.mirror.count(o.why)
		return
	}
	o.copies.Store(int32(len(o.mirror.shown)))
	for _, s := range o.mirror.shown {
		c := &shadowCopy{original: o, shadow: s, since: time.Now()}
		if refused := s.lane.put(c); refused != copyAnswered {
			c.drop(refused)
		}
	}
}

// judge says whether the exchange is one to compare with.
func (o *original) judge(e *ending) {
	switch {
	case e.cut || o.mirror.life.Err() != nil:
		o.why = copyUnserved
	case o.why != copyAnswered:
	case !e.failed && (e.status == 0 || !o.whole):
		o.why = copyUnanswered
	default:
		body, whole := o.request.bytes()
		switch {
		case !whole && o.request.tooLong():
			o.why = copyTooLarge
		case !whole:
			o.why = copyIncomplete
		case !o.reserve(int64(len(body))):
			o.why = copyCrowded
		}
		o.body = body
	}
	o.answer.status, o.answer.failed = e.status, e.failed
	if e.failed && !o.whole {
		o.answer.body, o.answer.took = nil, 0
		o.answer.coded = true // Half an answer says nothing.
	}
	if sent := o.request.completed(); o.whole && sent.After(o.since) {
		// The candidate gets the body at once; how long the client took to
		// send it is not the baseline's doing.
		o.answer.took = max(0, o.answer.took-sent.Sub(o.since))
	}
}

// release says that one of the copies is done with.
func (o *original) release() {
	if o.copies.Add(-1) == 0 {
		o.free()
		o.request.release()
	}
}
