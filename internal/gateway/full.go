// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"
)

// full is the engine on net/http: HTTP/1.1 and HTTP/2, streams, upgrades to
// WebSocket.
type full struct {
	gateway   *Gateway
	transport *http.Transport
	buffers   buffers
	log       *log.Logger
}

func newFull(g *Gateway) *full {
	dialer := net.Dialer{Timeout: min(dialTimeout, g.options.Timeout/2)}
	return &full{
		gateway: g,
		log:     g.options.ErrorLog,
		// No proxy of the environment stands between a gateway and a version,
		// and bytes pass as they are.
		transport: &http.Transport{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				if within, ok := ctx.Value(dialWithin{}).(time.Duration); ok {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, within)
					defer cancel()
				}
				conn, err := dialer.DialContext(ctx, network, address)
				if err != nil {
					return nil, &dialError{err}
				}
				return conn, nil
			},
			DisableCompression:     true,
			MaxIdleConns:           maxIdle,
			MaxIdleConnsPerHost:    maxIdlePerHost,
			IdleConnTimeout:        upstreamIdle,
			TLSHandshakeTimeout:    dialTimeout,
			ExpectContinueTimeout:  time.Second,
			MaxResponseHeaderBytes: maxAnswerHeader,
		},
	}
}

// ServeHTTP implements http.Handler.
func (f *full) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g := f.gateway
	x := &fullExchange{engine: f, closing: mustClose(r)}
	if r.ProtoMajor == 2 {
		x.unread = r.Body
	}
	if !g.gate.enter() {
		g.metrics.refused.Inc()
		x.refuse(w, &refusedBusy)
		return
	}
	defer g.gate.leave()
	if refused := vet(r); refused != nil {
		g.metrics.refusedUnfit.Inc()
		x.closing = r.ProtoMajor == 1 // What comes after it may have been meant for somebody else.
		x.refuse(w, refused)
		return
	}

	x.span = newSpan(time.Now(), g.options.Timeout, r.Header.Get(headerDeadline))
	ctx, cancel := context.WithDeadline(r.Context(), x.deadline)
	defer cancel()
	if x.asked {
		ctx = context.WithValue(ctx, dialWithin{}, x.timeout/2)
	}
	defer context.AfterFunc(g.life, cancel)()
	x.client = r.Context()
	x.in = r.WithContext(ctx)
	x.body.reader = r.Body
	f.bound(w, r, x.deadline)
	x.serve(w)
}

// bound ends reads and writes that outlast the exchange. Without it, a client
// that sends or reads nothing would hold its window open for ever. Writers that
// have no deadlines belong to tests.
func (f *full) bound(w http.ResponseWriter, r *http.Request, end time.Time) {
	c := http.NewResponseController(w)
	if r.ContentLength != 0 {
		_ = c.SetReadDeadline(end)
	}
	_ = c.SetWriteDeadline(end.Add(grace))
}

// passOver takes in what is left of a request in HTTP/2 before the gateway
// answers in its own name. Where an answer comes first, net/http ends the stream
// by a reset that says that all is well (RFC 9113, section 8.1), and curl throws
// the answer away.
func (x *fullExchange) passOver(w http.ResponseWriter) {
	if x.unread == nil || x.body.touched() { // Whoever reads it may go on to.
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(lingerFor)) // Writers without deadlines belong to tests.
	_, _ = io.CopyN(io.Discard, x.unread, lingerBytes)                           // Whatever it is, nobody wants it.
}

// mustClose says that the connection must not carry another request after this
// one. net/http reads a request with both Transfer-Encoding and Content-Length
// by the former and hides the latter (in HTTP/1.0 the other way round), so
// nobody can tell it from an honest one here. Whoever stands in front may have
// read it by the other; what would then be left over must not be taken for a
// request (RFC 9112, sections 6.1 and 11.2).
func mustClose(r *http.Request) bool {
	return r.ProtoMajor == 1 && (len(r.TransferEncoding) > 0 || r.ProtoMinor == 0)
}

// vet refuses what a reverse proxy cannot pass on, and takes away the wish for
// a protocol that would tunnel past the gateway: only WebSocket is upgraded.
func vet(r *http.Request) *refusal {
	if r.Method == http.MethodConnect {
		return &refusedMethod
	}
	if u := r.URL; u.Opaque != "" || u.Scheme != "" && (u.Scheme != "http" || u.Host == "") {
		return &refusedMessage
	}
	for name := range r.Trailer {
		if !token(name) {
			return &refusedBody
		}
	}
	if !isWebSocket(r.Header) {
		r.Header.Del("Upgrade")
	}
	return nil
}

// dialError says that no connection was made, so nothing was sent.
type dialError struct{ cause error }

func (e *dialError) Error() string { return "dial: " + e.cause.Error() }

func (e *dialError) Unwrap() error { return e.cause }

// buffers lends the buffers that bodies are copied through.
type buffers struct{ pool sync.Pool }

const bufferSize = 32 << 10

// Get implements httputil.BufferPool.
func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, bufferSize)
}

// Put implements httputil.BufferPool.
func (b *buffers) Put(p []byte) { b.pool.Put(&p) }

var _ httputil.BufferPool = (*buffers)(nil)
