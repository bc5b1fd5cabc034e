// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"syscall"

	"github.com/headgate-dev/headgate/internal/gateway/h1"
)

// appendRequest writes the request's head as the version gets it: the path is
// appended to that of the backend, the host is the backend's, and what belongs
// to the client's connection or is the gateway's to say is left out.
func (x *fastExchange) appendRequest(out []byte) []byte {
	c, v := x.c, x.version0()
	out = append(out, c.head.Method...)
	out = append(out, ' ')
	out = append(out, v.base...)
	if v.rewrite != nil {
		out = v.rewrite.appendTarget(out, text(c.head.Target))
	} else {
		out = append(out, c.head.Target...)
	}
	out = append(out, " HTTP/1.1\r\nHost: "...)
	out = append(out, v.target.Host...)
	out = append(out, "\r\n"...)
	for i := range c.head.Fields {
		f := &c.head.Fields[i]
		if f.Hop || isReserved(f.Name) || isForwarding(f.Name) {
			continue
		}
		out = appendField(out, f.Name, f.Value)
	}
	if len(c.ip) > 0 {
		out = append(append(append(out, "X-Forwarded-For: "...), c.ip...), "\r\n"...)
	}
	if len(c.head.Host) > 0 {
		out = append(append(append(out, "X-Forwarded-Host: "...), c.head.Host...), "\r\n"...)
	}
	out = append(out, "X-Forwarded-Proto: http\r\n"...)
	out = append(append(append(out, headerExperiment+": "...), x.route.experiment...), "\r\n"...)
	out = append(append(append(out, headerVersion+": "...), v.name...), "\r\n"...)
	if x.asked {
		out = append(strconv.AppendInt(append(out, headerDeadline+": "...), x.left(), 10), "\r\n"...)
	}
	switch left := x.body.Left(); {
	case x.edit.found():
		out = appendLength(out, x.edit.length(v))
	case left < 0:
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
	case c.head.Said >= 0 || len(x.before) > 0:
		out = appendLength(out, left+int64(len(x.before)+len(x.sent)))
	}
	return append(out, "\r\n"...)
}

// errClientLeft says that the client does not take its answer.
var errClientLeft = errors.New("the client left")

// relay writes the version's answer to the client. Kept says that the client's
// connection goes on.
func (x *fastExchange) relay() (kept bool, err error) {
	c := x.c
	h := &c.answer
	x.status = h.Status
	var body h1.Body
	h.Body(x.up.in, &body)
	left := body.Left()
	chunked := left < 0 && c.head.Minor == 1
	kept = !c.head.Close && (left >= 0 || chunked) && !c.server.draining.Load() && (x.sending != nil || x.body.Done())
	if x.route.listens && !x.fellBack {
		c.server.gateway.hear(&x.call, h.Status, left, fastAnswer{h})
	}
	c.server.gateway.predicted(&x.call, x.served(), h.Status, fastAnswer{h})

	if x.original != nil {
		x.original.answers(h.Status, left, fastAnswer{h})
	}

	c.out = appendStatus(c.out[:0], h.Status, h.Reason)
	c.out = x.appendMarks(x.appendAnswerFields(c.out))
	switch {
	case chunked:
		c.out = append(c.out, "Transfer-Encoding: chunked\r\n"...)
	case h.Said >= 0 && (left > 0 || h.Status != http.StatusNoContent):
		c.out = appendLength(c.out, h.Said)
	}
	c.out = append(c.appendConnection(c.out, kept), "\r\n"...)
	if n := int64(len(x.up.in.Buffered())); left >= 0 && left <= n {
		c.out = append(c.out, x.up.in.Buffered()[:left]...)
		x.heard.take(x.up.in.Buffered()[:left])
		x.original.take(x.up.in.Buffered()[:left])
		x.original.done()
		x.up.in.Discard(int(left))
		if _, err := c.write(c.out); err != nil {
			return false, errClientLeft
		}
		x.heard.done()
		return kept, nil
	}
	x.extend()
	if _, err := c.write(c.out); err != nil {
		return false, errClientLeft
	}
	return kept, x.relayBody(&body, chunked)
}

// relayBody copies an answer's body as it comes, so that streams stream.
func (x *fastExchange) relayBody(body *h1.Body, chunked bool) error {
	buf := bodies.Get()
	defer bodies.Put(buf)
	w := framer{to: clientWriter{x.c}, chunked: chunked}
	for {
		n, err := body.Read(buf[chunkHead : len(buf)-chunkTail])
		if n > 0 {
			x.heard.take(buf[chunkHead : chunkHead+n])
			x.original.take(buf[chunkHead : chunkHead+n])
			if w.write(buf, n) != nil {
				return errClientLeft
			}
		}
		if err == io.EOF {
			x.original.done()
			if w.end(body.Trailers) != nil {
				return errClientLeft
			}
			x.heard.done()
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// clientWriter writes to the client, each time anew within its time.
type clientWriter struct{ c *fastConn }

func (w clientWriter) Write(p []byte) (int, error) { return w.c.write(p) }

// bodies lends the buffers that bodies are copied through.
var bodies buffers

// chunkHead and chunkTail are the room that a chunk's frame takes in a buffer.
const (
	chunkHead = 18
	chunkTail = 2
)

// framer writes a body, in chunks if it must.
type framer struct {
	to      io.Writer
	chunked bool
}

// write writes buf[chunkHead:chunkHead+n], in one piece with its frame: there
// is room for it before and behind.
func (w *framer) write(buf []byte, n int) error {
	from, to := chunkHead, chunkHead+n
	if w.chunked {
		size := strconv.AppendInt(make([]byte, 0, chunkHead), int64(n), 16)
		size = append(size, "\r\n"...)
		from -= copy(buf[chunkHead-len(size):], size)
		to += copy(buf[to:], "\r\n")
	}
	_, err := w.to.Write(buf[from:to])
	return err
}

// end ends the body, with its trailers where it is in chunks.
func (w *framer) end(trailers []byte) error {
	if !w.chunked {
		return nil
	}
	last := append(append([]byte("0\r\n"), trailers...), "\r\n"...)
	_, err := w.to.Write(last)
	return err
}

// appendAnswerFields writes the fields that a version answered with and that
// are for the client.
func (x *fastExchange) appendAnswerFields(out []byte) []byte {
	for i := range x.c.answer.Fields {
		f := &x.c.answer.Fields[i]
		if !f.Hop && !isMark(f.Name) {
			out = appendField(out, f.Name, f.Value)
		}
	}
	return out
}

// appendMarks writes what the gateway says of an answer.
func (x *fastExchange) appendMarks(out []byte) []byte {
	if x.route == nil || x.cut {
		return out
	}
	if x.status == 0 { // The gateway's own refusal, before any version.
		return out
	}
	out = append(append(append(out, headerVersion+": "...), x.version0().name...), "\r\n"...)
	if t := x.c.server.gateway.token(&x.call); t != "" {
		out = append(append(append(out, headerExposure+": "...), t...), "\r\n"...)
	}
	if name := x.route.unit.cookie; x.issued != "" && !x.setsCookie(name) {
		out = append(append(append(out, "Set-Cookie: "...), issuedCookie(name, x.issued, false)...), "\r\n"...)
	}
	return out
}

// setsCookie says whether the version's answer sets the cookie.
func (x *fastExchange) setsCookie(name string) bool {
	for i := range x.c.answer.Fields {
		f := &x.c.answer.Fields[i]
		if h1.EqualFold(f.Name, []byte("set-cookie")) && cookieNamed(text(f.Value), name) {
			return true
		}
	}
	return false
}

func appendField(out, name, value []byte) []byte {
	out = append(out, name...)
	out = append(out, ": "...)
	out = append(out, value...)
	return append(out, "\r\n"...)
}

func appendLength(out []byte, n int64) []byte {
	out = strconv.AppendInt(append(out, "Content-Length: "...), n, 10)
	return append(out, "\r\n"...)
}

func appendStatus(out []byte, status int, reason []byte) []byte {
	if status == http.StatusOK && len(reason) <= 2 {
		return append(out, "HTTP/1.1 200 OK\r\n"...)
	}
	out = strconv.AppendInt(append(out, "HTTP/1.1 "...), int64(status), 10)
	out = append(out, ' ')
	if reason == nil {
		out = append(out, http.StatusText(status)...)
	}
	return append(append(out, reason...), "\r\n"...)
}

// isReserved is reserved for a name in bytes.
func isReserved(name []byte) bool {
	return len(name) > len(headerPrefix) && lower(name[0]) == 'x' && reserved(text(name))
}

// isMark says whether a field is one that the gateway sets on answers.
func isMark(name []byte) bool {
	return len(name) > len(headerPrefix) && lower(name[0]) == 'x' &&
		(h1.EqualFold(name, []byte(headerVersion)) || h1.EqualFold(name, []byte(headerExposure)))
}

// isForwarding says whether a field tells of proxies in front, or is how long
// they wait. Only what this gateway sees itself is passed on.
func isForwarding(name []byte) bool {
	switch len(name) {
	case 9:
		return h1.EqualFold(name, []byte("forwarded"))
	case 15:
		return h1.EqualFold(name, []byte("x-forwarded-for"))
	case 16:
		return h1.EqualFold(name, []byte("x-forwarded-host"))
	case 17:
		return h1.EqualFold(name, []byte("x-forwarded-proto"))
	case len(headerDeadline):
		return h1.EqualFold(name, []byte(headerDeadline))
	}
	return false
}

// isReset says whether a connection was ended by the other side.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// outOfFiles says whether the machine is short of descriptors.
func outOfFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}
