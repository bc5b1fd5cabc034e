// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/source/remote"
)

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

// ask asks one thing and gives the series.
func (s *Source) ask(ctx context.Context, what, kind string, args url.Values) ([]series, error) {
	body, err := s.answer(ctx, what, kind, args)
	return body.series, err
}

// answer asks one thing and gives what the server said.
func (s *Source) answer(ctx context.Context, what, kind string, args url.Values) (answer, error) {
	// Thanos then answers with an error where it cannot answer in full; others
	// ignore the field.
	args.Set("partial_response", "false")
	args.Set("timeout", s.server.Timeout().String())
	got, err := s.server.Ask(ctx, remote.Question{Path: "api/v1/" + what, Query: args})
	if err != nil {
		if e, ok := errors.AsType[*experiment.Error](err); ok && errors.Is(err, remote.ErrTooLarge) {
			return answer{}, e.WithHint("select fewer series, or make windows shorter")
		}
		return answer{}, err
	}
	said, unread := parse(got.Body, kind)
	if err := s.judge(got.Status, &said, unread); err != nil {
		err.Message = got.Secretless(err.Message)
		return answer{}, err
	}
	return said, nil
}

// judge sorts answers: what a person must mend (invalid, unauthorized), what
// mends itself (unavailable) and what cannot be trusted.
func (s *Source) judge(status int, a *answer, unread error) *experiment.Error {
	said := a.Error
	if said == "" {
		said = http.StatusText(status)
	}
	said = remote.Short(said)
	at := s.server.Where()
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
			return experiment.Errorf(experiment.CodeUntrustworthy, "ask %s: the answer comes with a warning: %s", at, remote.Short(w))
		}
	}
	return nil
}
