// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
)

// The headers that the gateway owns, in both directions.
const (
	headerExperiment = "X-Headgate-Experiment"
	headerVersion    = "X-Headgate-Version"
	headerExposure   = "X-Headgate-Exposure"
	headerPrefix     = "X-Headgate-"
)

// cookieAge is how long an issued unit lasts, in seconds: longer than an
// experiment, within what browsers keep.
const cookieAge = 365 * 24 * 60 * 60

// fullExchange is an exchange over net/http.
type fullExchange struct {
	call
	ending
	span

	engine *full
	// in is the request, under the exchange's own context; client is the
	// context that ends when the client leaves.
	in     *http.Request
	client context.Context
	// out is where the answer goes.
	out  http.ResponseWriter
	body clientBody
	// resends says that the request can be sent again: kept is its body. hinted
	// says that the client was given something of an answer.
	resends bool
	kept    []byte
	hinted  atomic.Bool
	// closing says that the connection ends with the answer.
	closing bool
	// unread is the request's body in HTTP/2, whatever was read of it.
	unread io.Reader
}

func (x *fullExchange) header(name string) string { return x.in.Header.Get(name) }

func (x *fullExchange) method() string { return x.in.Method }

// target leaves the query out: nobody asks for it.
func (x *fullExchange) target() string { return x.in.URL.EscapedPath() }

func (x *fullExchange) cookie(name string) string { return cookieValue(x.in.Header["Cookie"], name) }

func (x *fullExchange) prefix(limit int64) ([]byte, bool, error) {
	switch n := x.in.ContentLength; {
	case n == 0:
		return nil, true, nil
	case n > limit:
		return nil, false, nil
	}
	b, err := io.ReadAll(io.LimitReader(x.body.reader, limit+1))
	if err != nil {
		return nil, false, err
	}
	x.body.reader = io.MultiReader(bytes.NewReader(b), x.body.reader)
	return b, int64(len(b)) <= limit, nil
}

// serve admits the exchange, passes it on and records how it ended.
func (x *fullExchange) serve(w http.ResponseWriter) {
	g := x.engine.gateway
	x.out = w
	passed := false
	defer func() {
		x.conclude(passed)
		g.finish(&x.call, x.ending)
	}()
	if refused := g.admit(&x.call, x); refused != nil {
		x.refuse(w, refused)
		return
	}
	x.copy.expect(x.in.ContentLength)
	if x.in.ContentLength != 0 {
		x.in.Body = &x.body
		x.body.left, x.body.copy = x.in.ContentLength, x.copy
	}
	proxy := httputil.ReverseProxy{
		Rewrite:        x.rewrite,
		Transport:      x,
		FlushInterval:  -1,
		ErrorLog:       x.engine.log,
		BufferPool:     &x.engine.buffers,
		ModifyResponse: x.modify,
		ErrorHandler:   x.fail,
	}
	proxy.ServeHTTP(w, x.in)
	passed = true
}

// conclude makes up what the proxy could not say: an answer that broke off.
func (x *fullExchange) conclude(passed bool) {
	x.failed = x.failed || x.fellBack || x.status >= http.StatusInternalServerError
	if passed || x.status == 0 {
		return
	}
	switch {
	case x.client.Err() != nil: // The client left amid the answer.
	case x.engine.gateway.life.Err() != nil:
		x.cut = true
	case x.hurried() && x.in.Context().Err() != nil:
	default:
		x.failed = true
	}
}

// rewrite makes the request to the version.
func (x *fullExchange) rewrite(p *httputil.ProxyRequest) {
	for name := range p.Out.Header {
		if reserved(name) {
			delete(p.Out.Header, name)
		}
	}
	p.Out.Header.Del(headerDeadline)
	p.SetXForwarded()
	p.Out.Header.Set(headerExperiment, x.route.experiment)
	x.direct(p.Out, x.version)
	if x.original != nil {
		x.departed(p.Out.Header)
	}
}

// direct addresses a request to a version: the path is appended to that of the
// backend and the host is the backend's, by which many stacks route.
func (x *fullExchange) direct(out *http.Request, version int) {
	v := &x.route.versions[version]
	from := x.in.URL
	out.URL = &url.URL{Path: from.Path, RawPath: from.RawPath, RawQuery: from.RawQuery, ForceQuery: from.ForceQuery}
	if v.rewrite != nil {
		v.rewrite.move(out.URL)
	}
	if x.edit.found() {
		x.body.reader, x.body.left = bytes.NewReader(x.edit.appendBody(nil, v)), -1
		out.ContentLength = x.edit.length(v)
	}
	(&httputil.ProxyRequest{In: x.in, Out: out}).SetURL(v.target)
	out.Header.Set(headerVersion, v.name)
	if x.asked {
		out.Header.Set(headerDeadline, strconv.FormatInt(x.left(), 10))
	}
}

// modify marks the version's answer.
func (x *fullExchange) modify(res *http.Response) error {
	x.status = res.StatusCode
	if x.route.listens && !x.fellBack {
		x.hear(res)
	}
	g := x.engine.gateway
	g.predicted(&x.call, x.served(), res.StatusCode, fullAnswer(res.Header))
	if x.original != nil {
		x.capture(res)
	}
	x.stamp(res.Header)
	if x.in.ContentLength != 0 && !x.body.whole() {
		// Otherwise net/http takes what is left of the body when an answer
		// begins, so that the version never gets it. What the client may then
		// still leave unsent must not be taken for its next request. HTTP/2 is so
		// by itself, and writers that cannot belong to tests.
		_ = http.NewResponseController(x.out).EnableFullDuplex()
		x.closing = x.closing || x.in.ProtoMajor == 1
	}
	if x.closing && res.StatusCode != http.StatusSwitchingProtocols {
		res.Header.Set("Connection", "close")
	}
	return nil
}

// stamp sets the gateway's headers on an answer and removes those that a
// version has made up.
func (x *fullExchange) stamp(h http.Header) {
	h.Set(headerVersion, x.route.versions[x.served()].name)
	h.Del(headerExposure)
	if t := x.engine.gateway.token(&x.call); t != "" {
		h.Set(headerExposure, t)
	}
	// A version that sets the cookie itself knows its unit better.
	if name := x.route.unit.cookie; x.issued != "" && !setsCookie(h, name) {
		h.Add("Set-Cookie", issuedCookie(name, x.issued, x.in.TLS != nil))
	}
}

// issuedCookie sets a unit that was issued.
func issuedCookie(name, unit string, secure bool) string {
	cookie := http.Cookie{
		Name: name, Value: unit, Path: "/", MaxAge: cookieAge,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: secure,
	}
	return cookie.String()
}

// fail answers where no version did. What the error says stays here: it names
// backends.
func (x *fullExchange) fail(w http.ResponseWriter, _ *http.Request, err error) {
	x.status = 0
	refused := &failedGateway
	switch late := errors.Is(x.in.Context().Err(), context.DeadlineExceeded); {
	case x.engine.gateway.life.Err() != nil:
		x.cut, refused = true, &refusedBusy
	case x.client.Err() != nil || x.body.broken():
		// The client's doing, so no answer of the version; a client that is
		// gone does not read it.
		x.refuse(w, &refusedBody)
		return
	case errors.Is(err, errCrowded):
		refused = &refusedBusy
	case late && x.hurried():
		x.refuse(w, &failedTimeout)
		return
	case late:
		refused = &failedTimeout
	}
	x.status = refused.status
	x.stamp(w.Header())
	x.refuse(w, refused)
}

// refuse answers in the gateway's own name.
func (x *fullExchange) refuse(w http.ResponseWriter, r *refusal) {
	if x.closing {
		w.Header().Set("Connection", "close")
	}
	x.passOver(w)
	r.write(w)
}

// reserved says whether a header is the gateway's. Some servers take an
// underscore for a hyphen, so that counts too.
func reserved(name string) bool {
	if len(name) < len(headerPrefix) {
		return false
	}
	for i := range len(headerPrefix) {
		c := name[i]
		if c == '_' {
			c = '-'
		}
		if lower(c) != lower(headerPrefix[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// setsCookie says whether an answer sets the cookie.
func setsCookie(h http.Header, name string) bool {
	for _, line := range h["Set-Cookie"] {
		if cookieNamed(line, name) {
			return true
		}
	}
	return false
}

// cookieNamed says whether a Set-Cookie line is of a cookie.
func cookieNamed(line, name string) bool {
	set, _, _ := strings.Cut(line, "=")
	return strings.TrimSpace(set) == name
}

// isWebSocket says whether a request wishes to become a WebSocket.
func isWebSocket(h http.Header) bool {
	return strings.EqualFold(h.Get("Upgrade"), "websocket")
}

// clientBody is the client's body on its way upstream. It knows whether it has
// been touched, and whether the client is to blame when it does not arrive: a
// read that waits for the client ends with the exchange, by its deadline.
type clientBody struct {
	reader io.Reader
	state  atomic.Int32
	copy   *bodyCopy
	// left is how much is to come, negative if nobody knows. Of a body that has
	// come whole the server is not asked again: it may have closed it, because
	// the answer is on its way, and whoever is told so ends the version's
	// connection amid the answer.
	left int64
}

// The states of a body.
const (
	bodyUntouched int32 = iota
	bodyTouched
	bodyBroken
	bodyWhole
)

func (b *clientBody) Read(p []byte) (int, error) {
	b.state.CompareAndSwap(bodyUntouched, bodyTouched)
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.reader.Read(p)
	if b.left > 0 {
		if b.left -= min(b.left, int64(n)); b.left == 0 {
			b.state.Store(bodyWhole)
		}
	}
	b.copy.take(p[:n])
	switch {
	case errors.Is(err, io.EOF):
		b.state.Store(bodyWhole)
		b.copy.end()
	case err != nil && b.left != 0:
		b.state.Store(bodyBroken)
	}
	return n, err
}

// Close leaves the body to the server, which owns it.
func (b *clientBody) Close() error { return nil }

func (b *clientBody) touched() bool { return b.state.Load() != bodyUntouched }
func (b *clientBody) whole() bool   { return b.state.Load() == bodyWhole }
func (b *clientBody) broken() bool  { return b.state.Load() == bodyBroken }
