// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strconv"
	"time"
)

// RoundTrip implements http.RoundTripper: it passes the request to its version,
// or to the baseline in its place.
func (x *fullExchange) RoundTrip(out *http.Request) (*http.Response, error) {
	if err := x.keep(out); err != nil {
		return nil, err
	}
	if err := x.enter(&x.ending, x); err != nil {
		return nil, err
	}
	if x.version == baseline || x.pinned {
		return x.engine.transport.RoundTrip(out)
	}
	if !x.fellBack {
		res, err := x.try(out)
		why := x.replaceable(res, err)
		if why == causeNone {
			return res, err
		}
		if res != nil {
			_ = res.Body.Close() // Nobody wants it.
		}
		if err := x.replace(&x.ending, why, x); err != nil {
			return nil, err
		}
	}
	x.shared = false
	x.direct(out, baseline)
	return x.engine.transport.RoundTrip(x.rewind(out))
}

// keep takes the body in where it may be sent twice. One that is long, or of
// which nobody knows how long it is, goes through as it comes, once.
func (x *fullExchange) keep(out *http.Request) error {
	n := x.in.ContentLength
	if !x.route.idempotent || x.pinned || n < 0 || n > mostKept && !x.edit.found() {
		return nil
	}
	if n > 0 && !x.edit.found() {
		kept, err := io.ReadAll(io.LimitReader(&x.body, n))
		if err == nil && int64(len(kept)) < n {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			x.body.state.Store(bodyBroken)
			return err
		}
		x.kept = kept
	}
	x.resends = true
	x.shared = x.version != baseline && !x.hurried()
	x.rewind(out)
	if x.asked {
		out.Header.Set(headerDeadline, strconv.FormatInt(x.left(), 10))
	}
	// This has net/http send it anew on a connection that the version had
	// closed; without a value it is not sent.
	if _, said := out.Header["X-Idempotency-Key"]; !said {
		out.Header["X-Idempotency-Key"] = []string{}
	}
	return nil
}

// rewind puts a request's body back to its beginning, where it was kept.
func (x *fullExchange) rewind(out *http.Request) *http.Request {
	whole := x.kept
	if x.edit.found() {
		whole = x.edit.appendBody(nil, &x.route.versions[x.served()])
	}
	if !x.resends || len(whole) == 0 {
		return out
	}
	out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(whole)), nil }
	out.Body = io.NopCloser(bytes.NewReader(whole))
	return out
}

// served is the index of the version that answers.
func (x *fullExchange) served() int {
	if x.fellBack {
		return baseline
	}
	return x.version
}

// errPart says that a candidate's part of the time is over.
var errPart = errors.New("the candidate has had its time")

// try sends the request to the candidate. What was not sent is left as it is,
// and so is what can be sent again.
func (x *fullExchange) try(out *http.Request) (*http.Response, error) {
	ctx := out.Context()
	var timer *time.Timer
	if x.resends {
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			Got1xxResponse: func(status int, _ textproto.MIMEHeader) error {
				if status != http.StatusContinue {
					x.hinted.Store(true)
				}
				return nil
			},
		})
	}
	if x.shared {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx) // It ends with the exchange at the latest.
		timer = time.AfterFunc(time.Until(x.until()), cancel)
	}
	first := out.WithContext(ctx)
	if out.Body != nil {
		first.Body = io.NopCloser(out.Body) // Closing it would close it for the second attempt.
	}
	res, err := x.engine.transport.RoundTrip(first)
	if timer == nil || timer.Stop() || isUnsent(err) {
		return res, err
	}
	if err == nil {
		_ = res.Body.Close() // It was cut off.
	}
	return nil, errPart
}

// replaceable says why the baseline answers after an attempt at the candidate:
// nothing was sent, or the request may be sent again and nothing of an answer
// went to the client yet.
func (x *fullExchange) replaceable(res *http.Response, err error) cause {
	status := 0
	if err == nil {
		status = res.StatusCode
	}
	why := failure(status, err)
	if err == errPart {
		why = causeTimeout
	}
	switch {
	case why == causeUnconnected:
		if x.resends || !x.body.touched() {
			return why
		}
	case !x.resends || x.hinted.Load():
	case x.client.Err() != nil || x.in.Context().Err() != nil:
	default:
		return why
	}
	return causeNone
}

// patience implements queuer: the exchange's context ends with the client, too.
func (x *fullExchange) patience() (until time.Time, done <-chan struct{}, left func() bool) {
	return x.queueUntil(), x.in.Context().Done(), nil
}

// dialWithin is the key of how long the making of a connection may take, in a
// context.
type dialWithin struct{}
