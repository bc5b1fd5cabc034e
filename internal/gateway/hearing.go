// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/gateway/h1"
	"github.com/headgate-dev/headgate/internal/jq"
	"github.com/headgate-dev/headgate/internal/prediction"
)

// What is kept of answers is bounded.
const (
	// maxAnswerBody is the longest body that is looked at, as it comes and
	// unpacked.
	maxAnswerBody = 1 << 20
	// maxHeard is how many bytes of answers are kept at a time, of those that
	// are on their way to clients and of those that wait to be evaluated.
	maxHeard = 16 << 20
	// mostHeardKept is how large a buffer may have grown to be used again.
	mostHeardKept = 16 << 10
)

// hearing is an answer that is listened to while it goes to its client. A nil
// hearing takes nothing.
type hearing struct {
	reader  *answerReader
	log     *phaseLog
	window  *window
	version int
	groups  uint64
	metrics []answerMetric
	counts  []answerCounts

	readings []reading
	// wants are the metrics that the body is to tell, by their bits; found is
	// findingRead as long as it can.
	wants  uint32
	found  finding
	body   []byte
	packed bool
	// events says that the body is a stream of events, tail that only its end is
	// kept and clipped that its beginning is not there.
	events, tail, clipped bool
	redactor              *prediction.Redactor
	// held is what the reader has reserved for it.
	held int64
	// whole says that the answer is complete.
	whole bool
	// since is when the answer was over.
	since time.Time

	// predictions say what is read of predictions and digests; question is the
	// request, nil where no prediction is read.
	predictions *predicting
	question    *question
	series      *predictionSeries
	digests     []string
	// size is how long the body is, as it came.
	size int64
	// reading is what was read of it, stopped why it was not.
	reading prediction.Reading
	stopped finding
	// sawFeatures says that the request was read.
	sawFeatures, absent, null bool

	// copied says that the answer is to a copy. It counts in another window where
	// its own is sealed: the first that is open from shifts on, unless that is
	// zero.
	copied bool
	shifts time.Time
}

// hear begins to listen to the answer that the assigned version gives to a
// call, if a metric wants it. Headers are read at once. length is the body's,
// negative if nobody knows; it is 0 where there is none.
func (g *Gateway) hear(c *call, status int, length int64, head headers) {
	if c.window == nil || status/100 != 2 {
		return
	}
	wants, p := c.sampled(), c.route.predictions
	predicts := c.question != nil && !c.question.explains
	if wants == 0 && !predicts && (p == nil || len(p.digests) == 0) {
		return
	}
	h := g.answers.hearing()
	c.heard = h
	h.log, h.window, h.version, h.groups = c.route.log, c.window, c.version, c.groups
	h.metrics, h.counts = c.route.answers, c.route.versions[c.version].answers
	h.redactor = c.route.redactor
	if p != nil {
		v := &c.route.versions[c.version]
		h.predictions, h.series = p, v.predictions
		h.digests = digestsOf(h.digests, p.digests, v.digests, head)
	}
	if predicts {
		h.question, c.question = c.question, nil
		if p.Rows && h.question.request == 0 {
			h.question.request = g.answers.idIn(head)
		}
	}
	for i := range h.metrics {
		switch m := &h.metrics[i]; {
		case wants>>i&1 == 0:
		case m.header == "":
			h.wants |= 1 << i
		default:
			h.readings = append(h.readings, inHeader(i, head.header(m.header)))
		}
	}
	if h.keeps() {
		h.found = h.prepare(length, head)
	}
}

// reads says that predictions are read in the body.
func (h *hearing) reads() bool { return h.question != nil && h.predictions.reads }

// keeps says that the body is looked at, as long as it can be.
func (h *hearing) keeps() bool { return h.wants != 0 || h.reads() }

// inHeader reads the number in a header.
func inHeader(metric int, value string) reading {
	number, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || math.IsNaN(number) || math.Abs(number) > jq.MaxNumber {
		return reading{metric: metric, found: findingInvalid}
	}
	return reading{metric: metric, sum: number, count: 1}
}

// prepare says whether a body can be looked at, and makes room for it.
func (h *hearing) prepare(length int64, head headers) finding {
	if !h.fits(length, head.header("Content-Type"), head.header("Content-Encoding")) {
		return findingUnfit
	}
	if h.tail = h.events && !h.packed && !h.reads(); h.tail {
		return findingRead
	}
	if length > maxAnswerBody {
		return findingTooLarge
	}
	if length > 0 {
		if !h.reserve(length) {
			return findingDropped
		}
		if int64(cap(h.body)) < length {
			h.body = make([]byte, 0, length)
		}
	}
	return findingRead
}

// fits says whether a body is one that can be looked at, by what its head says.
func (h *hearing) fits(length int64, kind, coding string) bool {
	plain := isJSON(kind)
	h.events = !plain && isEvents(kind)
	if length == 0 || !h.events && !plain {
		if h.reads() {
			h.reading.Found = unkept(length, kind)
		}
		return false
	}
	switch {
	case coding == "" || strings.EqualFold(coding, "identity"):
	case strings.EqualFold(coding, "gzip") || strings.EqualFold(coding, "x-gzip"):
		h.packed = true
	default:
		return false
	}
	return true
}

// isJSON says whether a content type is JSON's (RFC 8259; RFC 6839, section 3.1).
func isJSON(contentType string) bool {
	if contentType == "application/json" {
		return true
	}
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json"))
}

// reserve takes n more bytes of what the reader may keep; false is that there
// are too many.
func (h *hearing) reserve(n int64) bool {
	if h.reader.held.Add(n) > maxHeard {
		h.reader.held.Add(-n)
		return false
	}
	h.held += n
	return true
}

// take keeps a piece of the body.
func (h *hearing) take(p []byte) {
	if h == nil {
		return
	}
	h.size += int64(len(p))
	if !h.keeps() || h.found != findingRead {
		return
	}
	if h.tail {
		p = h.clip(p)
	}
	n := int64(len(h.body) + len(p))
	switch {
	case n > maxAnswerBody:
		h.spoil(findingTooLarge)
	case n > h.held && !h.reserve(n-h.held):
		h.spoil(findingDropped)
	default:
		h.body = append(h.body, p...)
	}
}

// clip makes room for a piece of the body by letting go of what came before its
// tail, and gives what is to be kept of the piece.
func (h *hearing) clip(p []byte) []byte {
	if len(p) > maxEventTail {
		p = p[len(p)-maxEventTail:]
		h.clipped = true
		h.body = h.body[:0]
	}
	if len(h.body)+len(p) > 2*maxEventTail {
		n := copy(h.body, h.body[len(h.body)-maxEventTail:])
		h.body, h.clipped = h.body[:n], true
	}
	return p
}

// spoil keeps no more of the body, and nothing of what there is.
func (h *hearing) spoil(why finding) {
	h.found, h.body = why, nil
	h.reader.held.Add(-h.held)
	h.held = 0
}

// done says that the answer is complete.
func (h *hearing) done() {
	if h != nil {
		h.whole = true
	}
}

// conclude ends the listening, when the exchange is over and its window is
// still held. An answer that is none, or only half of one, is not counted: the
// request was, as failed or given up.
func (h *hearing) conclude(e *ending) {
	switch {
	case !h.whole || e.cut || e.failed || e.status/100 != 2:
		h.reader.forget(h)
	case h.keeps() && h.found == findingRead, h.question != nil && h.question.body != nil:
		h.reader.queue(h)
	default:
		h.record()
		h.reader.forget(h)
	}
}

// record counts what was found. What the body should have told shares its fate
// where it told nothing.
func (h *hearing) record() {
	if h.predictions != nil {
		h.recordPrediction()
	}
	if h.found != findingRead {
		for i := range h.metrics {
			if h.wants>>i&1 != 0 {
				h.readings = append(h.readings, reading{metric: i, found: h.found})
			}
		}
	}
	if len(h.readings) == 0 {
		return
	}
	kept := h.log.addReadings(h.window, h.version, h.groups, h.readings)
	for _, r := range h.readings {
		if !kept {
			r.found = findingLate
		}
		h.counts[r.metric][r.found].Inc()
	}
}

// fullAnswer is the head of an answer in the engine full.
type fullAnswer http.Header

func (a fullAnswer) header(name string) string { return http.Header(a).Get(name) }

// hear listens to an answer on its way through the engine full.
func (x *fullExchange) hear(res *http.Response) {
	length := res.ContentLength
	if x.in.Method == http.MethodHead {
		length = 0
	}
	x.engine.gateway.hear(&x.call, res.StatusCode, length, fullAnswer(res.Header))
	if x.heard != nil {
		res.Body = &heardBody{res.Body, x.heard}
	}
}

// heardBody is a body that is listened to.
type heardBody struct {
	io.ReadCloser
	heard *hearing
}

// Read implements io.Reader.
func (b *heardBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.heard.take(p[:n])
	if err == io.EOF {
		b.heard.done()
	}
	return n, err
}

// fastAnswer is the head of an answer in the engine fast.
type fastAnswer struct{ *h1.Head }

func (a fastAnswer) header(name string) string { return text(a.Get(name)) }
