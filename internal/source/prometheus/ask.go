// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// errTooLarge is an answer of more bytes than are taken.
var errTooLarge = errors.New("the answer is too large")

// raw asks for the raw samples that selectors select, in the time up to a
// moment.
func (s *Source) raw(ctx context.Context, selector string, upto time.Time, over time.Duration) ([]series, error) {
	return s.ask(ctx, "query", "matrix", url.Values{
		"query": {selector + "[" + millis(over) + "]"},
		"time":  {stamp(upto)},
	})
}

// before asks for the newest sample of each series in the time up to a moment.
func (s *Source) before(ctx context.Context, selector string, upto time.Time, over time.Duration) ([]series, error) {
	return s.ask(ctx, "query", "vector", url.Values{
		"query": {"last_over_time(" + selector + "[" + millis(over) + "])"},
		"time":  {stamp(upto)},
	})
}

// steps asks for the value of an expression at moments that lie step apart.
func (s *Source) steps(ctx context.Context, query string, from, to time.Time, step time.Duration) ([]series, error) {
	return s.ask(ctx, "query_range", "matrix", url.Values{
		"query": {query}, "start": {stamp(from)}, "end": {stamp(to)},
		"step": {strconv.FormatFloat(step.Seconds(), 'f', -1, 64)},
	})
}

// millis writes a time span for PromQL. Fractions of a millisecond do not occur:
// moments are cut to milliseconds, as samples are.
func millis(d time.Duration) string { return strconv.FormatInt(max(1, d.Milliseconds()), 10) + "ms" }

func stamp(t time.Time) string {
	ms := t.UnixMilli()
	return fmt.Sprintf("%d.%03d", ms/1000, ms%1000)
}

// ask asks one thing, when there is a place for it, and gives the series.
func (s *Source) ask(ctx context.Context, what, kind string, args url.Values) ([]series, error) {
	select {
	case s.places <- struct{}{}:
		defer func() { <-s.places }()
	case <-ctx.Done():
		return nil, unavailable("ask %s: %w", where(s.base), ctx.Err())
	}
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	l, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	// Thanos then answers with an error where it cannot answer in full; others
	// ignore the field.
	args.Set("partial_response", "false")
	args.Set("timeout", s.options.Timeout.String())
	address := s.base.JoinPath("api/v1", what)
	address.RawQuery = args.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return nil, invalid("ask %s: %s", where(s.base), reason(err))
	}
	req.Header.Set("Accept", "application/json")
	s.authorize(req, l)
	resp, err := l.client.Do(req)
	if err != nil {
		return nil, s.failed(ctx, l, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, s.options.MaxBody+1))
	switch {
	case err != nil:
		return nil, s.failed(ctx, l, err)
	case int64(len(body)) > s.options.MaxBody:
		return nil, invalid("ask %s: %w: more than %d MiB", where(s.base), errTooLarge, s.options.MaxBody>>20).
			WithHint("select fewer series, or make windows shorter")
	}
	if resp.StatusCode == http.StatusUnauthorized {
		s.forget(l)
	}
	answer, err := parse(body, kind)
	if err := s.judge(resp.StatusCode, &answer, err); err != nil {
		err.Message = l.secretless(err.Message)
		return nil, err
	}
	return answer.series, nil
}

// failed says why a request brought no answer, without the address that it was
// sent to: that is long, and its query says nothing about the failure.
func (s *Source) failed(ctx context.Context, l *link, err error) *experiment.Error {
	why := l.secretless(reason(err))
	switch {
	case errors.Is(err, errElsewhere):
		return invalid("ask %s: %s", where(s.base), why)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		why = "no answer within " + s.options.Timeout.String()
	}
	return unavailable("ask %s: %s", where(s.base), why)
}

// reason is the innermost of net/http's errors that says something.
func reason(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err.Error()
	}
	return err.Error()
}

// judge sorts answers: what a person must mend (invalid, unauthorized), what
// mends itself (unavailable) and what cannot be trusted.
func (s *Source) judge(status int, a *answer, unread error) *experiment.Error {
	said := a.Error
	if said == "" {
		said = http.StatusText(status)
	}
	said = short(said)
	at := where(s.base)
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return experiment.Errorf(experiment.CodeUnauthorized, "ask %s: status %d: %s", at, status, said).
			WithHint("check the provider's username, password, token, certificate and tenant")
	case status == http.StatusNotFound && a.Status == "":
		return invalid("ask %s: nothing answers at /api/v1 there", at).WithHint("the url may need a path, such as /prometheus")
	case a.ErrorType == "bad_data" || a.ErrorType == "execution":
		return invalid("ask %s: %s", at, said)
	case status != http.StatusOK:
		return unavailable("ask %s: status %d: %s", at, status, said)
	case unread != nil:
		return unavailable("ask %s: %w", at, unread)
	case a.Status != "success":
		return unavailable("ask %s: %s", at, said)
	}
	for _, w := range a.Warnings {
		if !strings.HasPrefix(w, "PromQL info:") {
			return experiment.Errorf(experiment.CodeUntrustworthy, "ask %s: the answer comes with a warning: %s", at, short(w))
		}
	}
	return nil
}

// short cuts what a server said to a line that people can read.
func short(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "") + "…"
	}
	return text
}
