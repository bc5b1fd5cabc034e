// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	headerExposure = "X-Headgate-Exposure"
	// maxExample bounds the text of an error, in runes.
	maxExample = 160
)

// job is one request as it was drawn.
type job struct {
	due     time.Time
	unit    int // -1 for none
	body    []byte
	outcome bool
}

// newClient reaches what it is told to and nothing else.
func newClient(o *Options) *http.Client {
	t := &http.Transport{
		Proxy:               nil,
		DialContext:         o.dial,
		MaxIdleConnsPerHost: o.Concurrency,
		MaxIdleConns:        2 * o.Concurrency,
		IdleConnTimeout:     time.Minute,
		DisableCompression:  true,
		ForceAttemptHTTP2:   true,
		// Bounds what one answer's header may take.
		MaxResponseHeaderBytes: 256 << 10,
	}
	if t.DialContext == nil {
		t.DialContext = (&net.Dialer{Timeout: o.Timeout}).DialContext
	}
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// ask sends one request and counts what becomes of it, once.
func (r *run) ask(ctx context.Context, j job) {
	reqCtx, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	req := r.request(reqCtx, j)
	sent := time.Now()
	r.tally.left(sent.Sub(j.due))
	res, err := r.client.Do(req)
	var kept []byte
	oversize := false
	if err == nil {
		kept, oversize, err = drain(res.Body, r.o.keep(res.Header))
	}
	if err != nil {
		kind := kindOf(err, res != nil)
		if ctx.Err() != nil {
			kind = "interrupted"
		}
		r.tally.failed(kind, exampleOf(err))
		return
	}
	now := time.Now()
	r.tally.answered(answer{
		status: res.StatusCode, version: r.o.labelOf(res.StatusCode, res.Header, kept), oversize: oversize,
		intended: now.Sub(j.due), actual: now.Sub(sent), unit: j.unit,
	})
	if j.outcome && res.StatusCode/100 == 2 {
		r.outcomes.expect(res.Header.Get(headerExposure), now)
	}
}

// request builds a request of the job. The target and method were checked, so
// that there is no error left to have.
func (r *run) request(ctx context.Context, j job) *http.Request {
	u := *r.o.target
	req := (&http.Request{
		Method: r.o.Method, URL: &u, Host: r.o.Header.Get("Host"),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: r.o.Header.Clone(),
	}).WithContext(ctx)
	req.Header.Del("Host")
	if j.unit >= 0 {
		req.Header.Set(r.o.UnitHeader, "unit-"+strconv.Itoa(j.unit))
	}
	if len(j.body) > 0 {
		req.ContentLength = int64(len(j.body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(j.body)), nil }
		req.Body, _ = req.GetBody() // It has no error.
	}
	return req
}

// drain reads a body to its end, or to maxBody, and returns its first bytes.
// A body that was read to its end leaves its connection for another request.
func drain(body io.ReadCloser, keep int) (kept []byte, oversize bool, err error) {
	defer func() { _ = body.Close() }()
	if keep > 0 {
		if kept, err = io.ReadAll(io.LimitReader(body, int64(keep))); err != nil {
			return nil, false, err
		}
	}
	n, err := io.Copy(io.Discard, io.LimitReader(body, int64(maxBody-len(kept)+1)))
	return kept, int64(len(kept))+n > maxBody, err
}

// kindOf says why there is no answer.
func kindOf(err error, begun bool) string {
	var timeout net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case begun:
		return "cut short"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case is[*net.DNSError](err):
		return "dns"
	case errors.Is(err, http.ErrSchemeMismatch), is[*tls.CertificateVerificationError](err), is[tls.RecordHeaderError](err), is[tls.AlertError](err),
		is[x509.UnknownAuthorityError](err), is[x509.HostnameError](err):
		return "tls"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "reset"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "unreachable"
	}
	return "other"
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// exampleOf is an error without the URL, which may hold secrets and is known
// anyway, on one line.
func exampleOf(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return printable(strings.ReplaceAll(err.Error(), "\n", " "), maxExample)
}
