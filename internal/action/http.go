// SPDX-License-Identifier: Apache-2.0

package action

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/outbound"
)

// userAgent is how requests say who asks.
const userAgent = "headgate"

var errElsewhere = errors.New("it redirects to another host, or makes another request of it")

// newClient makes the client of all requests to outside: by the proxy of the
// environment, to no link-local address, and never redirected to another host.
func newClient() *http.Client {
	dialer := &net.Dialer{Timeout: 10 * time.Second, Control: outbound.Guard(false)}
	return &http.Client{
		Transport: &http.Transport{
			Proxy: outbound.Proxy(false), DialContext: dialer.DialContext, ForceAttemptHTTP2: true,
			TLSHandshakeTimeout: 10 * time.Second, MaxIdleConns: 64, MaxConnsPerHost: 64, IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(next *http.Request, before []*http.Request) error {
			first := before[0]
			if len(before) > 5 || next.URL.Host != first.URL.Host || next.URL.Scheme != first.URL.Scheme || next.Method != first.Method {
				return errElsewhere
			}
			return nil
		},
	}
}

// where is an address as it may be shown.
func where(u *url.URL) string { return u.Scheme + "://" + u.Host + u.Path }

// reason is the innermost of net/http's errors that says something: the others
// repeat the address, which may hold a secret.
func reason(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err.Error()
	}
	return err.Error()
}

// unanswered says why a request brought no answer.
func unanswered(u *url.URL, err error) error {
	out := unavailable("ask %s: %s", where(u), reason(err))
	if errors.Is(err, outbound.ErrLinkLocal) || errors.Is(err, errElsewhere) {
		return hopeless(out)
	}
	return out
}

// maxSaid is how much of an answer is repeated, maxAnswer how much is read.
const (
	maxSaid   = 200
	maxAnswer = 64 << 10
)

// answer reads what a server said, and gives it no more time or memory than that.
func answer(resp *http.Response) string {
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return ""
	}
	return string(text)
}

// judge says what a status of an answer means: below 400 it is done; what may
// pass is tried again, when the server says; all else stays as it is.
func judge(u *url.URL, resp *http.Response, said string) error {
	if resp.StatusCode < http.StatusBadRequest && resp.StatusCode != http.StatusNotModified {
		return nil
	}
	if said == "" {
		said = http.StatusText(resp.StatusCode)
	}
	err := unavailable("%s answers %d: %s", where(u), resp.StatusCode, short(said, maxSaid))
	switch {
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusRequestTimeout || resp.StatusCode >= http.StatusInternalServerError:
		return later{err, retryAfter(resp.Header.Get("Retry-After"))}
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
		err.Code = experiment.CodeUnauthorized
	default:
		err.Code = experiment.CodeInvalid
	}
	return hopeless(err)
}

// retryAfter reads the header of that name: seconds, or a time.
func retryAfter(text string) time.Duration {
	if s, err := strconv.Atoi(strings.TrimSpace(text)); err == nil && s > 0 {
		return time.Duration(min(s, int(maxAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// short cuts a text to a line that people can read.
func short(text string, most int) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
