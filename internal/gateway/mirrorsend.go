// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"
)

// shadowCopy is one copy of an original, for one candidate.
type shadowCopy struct {
	original *original
	shadow   *shadow
	// since is when it began to wait: to be sent, and then to be compared.
	since  time.Time
	answer reply
	// held is the room that the answer takes; heldBack says that it was not read
	// as fast as it came.
	held     int64
	heldBack bool
	// kind and coding are the types of its body, digests what its head says of
	// what the candidate is made of. puid is the hash of the id that the
	// baseline's body gives the request, 0 for none.
	kind, coding string
	digests      []string
	puid         uint64
}

// send sends the copy, once, and has what comes back compared. How long the
// baseline took is no reason not to: where it took longer than a copy may, the
// pair may come after its window is sealed, but most come in time, the ledger
// counts those that do not, and what the answer predicts counts anyway. To leave
// out copies of what the baseline was slow at would make it look fast.
func (c *shadowCopy) send() copyResult {
	m := c.original.mirror
	switch {
	case m.life.Err() != nil:
		return c.drop(copyUnserved)
	case time.Since(c.since) > copyWaits:
		return c.drop(copyLate)
	}
	sends, try := c.shadow.breaker.take(time.Now())
	if !sends {
		return c.drop(copyHanging)
	}
	ctx, cancel := context.WithTimeout(m.life, m.timeout)
	result := c.ask(ctx)
	cancel()
	c.shadow.breaker.ended(result, try, time.Now())
	if !result.sent() {
		return c.drop(result)
	}
	c.shadow.metrics.copies[result].Inc()
	c.explained(result)
	if result != copyAnswered {
		c.deliver(nil)
		return result
	}
	c.since = time.Now()
	if !m.shadows.comparers.put(c) {
		c.do(true)
	}
	return result
}

// ask sends the copy and reads the answer.
func (c *shadowCopy) ask(ctx context.Context) copyResult {
	r, err := c.request(ctx)
	if err != nil {
		return copyUnfit
	}
	start := time.Now()
	res, err := c.original.mirror.shadows.transport.RoundTrip(r)
	if err != nil {
		return c.why(ctx)
	}
	defer func() { _ = res.Body.Close() }() // Nobody wants the rest.
	c.answer.begin(res.StatusCode, fullAnswer(res.Header))
	c.heads(res.Header)
	c.answer.failed = res.StatusCode >= http.StatusInternalServerError
	if res.StatusCode == http.StatusSwitchingProtocols {
		return copyFailed // Nobody asked for it.
	}
	result := c.read(ctx, res.Body)
	if c.answer.took = time.Since(start); c.heldBack {
		c.answer.took = 0 // Nobody knows how long it would have taken.
	}
	return result
}

// why is why a copy got no whole answer.
func (c *shadowCopy) why(ctx context.Context) copyResult {
	switch {
	case c.original.mirror.life.Err() != nil:
		return copyUnserved
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return copyTimeout
	}
	return copyFailed
}

// What a candidate may answer beyond the length of the baseline's answer: a
// flood is not read to the end to be told from an answer.
const (
	freeAnswer  = 64 << 10
	timesAnswer = 4
)

// most is how long the candidate's answer may be.
func (c *shadowCopy) most() int {
	return min(maxMirroredAnswer, freeAnswer+timesAnswer*len(c.original.answer.body))
}

// read reads the candidate's answer, as far as it is kept.
func (c *shadowCopy) read(ctx context.Context, body io.Reader) copyResult {
	most := c.most()
	buf := bodies.Get()
	defer bodies.Put(buf)
	for {
		n, err := body.Read(buf)
		switch {
		case len(c.answer.body)+n > most:
			return copyFlooded
		case !c.original.mirror.shadows.heard.take(int64(n)):
			return copyCrowded
		}
		c.held += int64(n)
		if len(c.answer.body) > flowFreely {
			if d := c.shadow.lane.flow.owe(n, time.Now()); d > 0 {
				c.heldBack = true
				rest(ctx, d)
			}
		}
		c.answer.body = append(c.answer.body, buf[:n]...)
		if err == io.EOF {
			return copyAnswered
		}
		if err != nil {
			return c.why(ctx)
		}
	}
}

// request is the copy as the candidate gets it: as the baseline got the
// original, with the candidate's own names of path and model, and marked.
func (c *shadowCopy) request(ctx context.Context) (*http.Request, error) {
	o, v := c.original, c.shadow.version
	target := []byte(o.target)
	if v.rewrite != nil {
		target = v.rewrite.appendTarget(nil, o.target)
	}
	u, err := url.Parse(v.target.Scheme + "://" + v.target.Host + v.base + string(target))
	if err != nil || u.Host != v.target.Host {
		return nil, errTarget
	}
	body := o.body
	if o.edit.found() {
		body = o.edit.appendBody(nil, v)
	}
	r := &http.Request{
		Method: o.method, URL: u, Host: u.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: o.header.Clone(), ContentLength: int64(len(body)), Body: http.NoBody,
	}
	if len(body) > 0 || repeated(o.method) {
		// A body that cannot be had again: then net/http sends nothing twice.
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	for name := range r.Header {
		if unwanted(name) {
			delete(r.Header, name)
		}
	}
	r.Header.Set(headerExperiment, o.pair.Experiment)
	r.Header.Set(headerVersion, v.name)
	r.Header.Set(headerShadow, "true")
	if _, said := r.Header["User-Agent"]; !said {
		r.Header["User-Agent"] = []string{""} // None, as the client had none.
	}
	return r.WithContext(ctx), nil
}

// errTarget says that a request's target is no path of a URL.
var errTarget = errors.New("the target is no path")

// repeated says whether net/http sends requests with the method and without a
// body a second time, where a connection breaks.
func repeated(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// unwanted says whether a header is not for a copy: it is about the client's
// exchange.
func unwanted(name string) bool {
	switch name {
	case "Connection", "Content-Length", "Expect", "Te", "Trailer", "Transfer-Encoding", "Upgrade", headerDeadline:
		return true
	}
	return reserved(name)
}

// drop counts a copy that is not to be.
func (c *shadowCopy) drop(why copyResult) copyResult {
	c.shadow.metrics.copies[why].Inc()
	c.release()
	return why
}

// release gives back what the copy holds.
func (c *shadowCopy) release() {
	c.original.mirror.shadows.heard.give(c.held)
	c.held = 0
	c.original.release()
}
