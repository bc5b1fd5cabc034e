// SPDX-License-Identifier: Apache-2.0

package apiclient

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/httpapi"
)

const secret = "s3cret-word-of-16"

// store records what comes through the API.
type store struct {
	got   []experiment.UnitOutcome
	id    string
	reply func() error
}

func (s *store) Record(_ context.Context, id string, outcomes []experiment.UnitOutcome) (experiment.Receipt, error) {
	if err := experiment.CheckOutcomes(outcomes); err != nil {
		return experiment.Receipt{}, err
	}
	if s.reply != nil {
		if err := s.reply(); err != nil {
			return experiment.Receipt{}, err
		}
	}
	s.id, s.got = id, outcomes
	return experiment.Receipt{Accepted: len(outcomes)}, nil
}

func api(s *store) http.Handler {
	return httpapi.Bearer(secret, httpapi.Outcomes(s, func() []string { return []string{"search/ranker", "search/other"} }))
}

func newOutcomes(t *testing.T, o OutcomesOptions) *Outcomes {
	t.Helper()
	c, err := NewOutcomes(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestOutcomesArriveAsTheyAre(t *testing.T) {
	s := &store{}
	srv := httptest.NewServer(api(s))
	defer srv.Close()
	c := newOutcomes(t, OutcomesOptions{URL: srv.URL + "/", Experiment: "search/ranker", Token: secret})
	want := []experiment.UnitOutcome{
		{Token: "t", Event: "purchase", Value: 12.5, Key: "k", At: time.Date(2026, 11, 1, 10, 0, 0, 123456789, time.UTC)},
		{Unit: "u <&>\u2028\"", Event: "refund", Value: 0},
		{Request: "r", Event: "truth", Value: 1, Label: "cat"},
	}
	receipt, err := c.Post(t.Context(), want)
	if err != nil || receipt != (experiment.Receipt{Accepted: 3}) {
		t.Fatalf("receipt %+v, error %v", receipt, err)
	}
	if diff := cmp.Diff(want, s.got); diff != "" || s.id != "search/ranker" {
		t.Errorf("to %s (-want +got):\n%s", s.id, diff)
	}
}

func TestRefusalsSayWhatAndWhere(t *testing.T) {
	srv := httptest.NewServer(api(&store{reply: func() error {
		return experiment.InvalidAt(experiment.OutcomePath(1, "token"), "exposure token expired").WithHint("sooner")
	}}))
	defer srv.Close()
	one := []experiment.UnitOutcome{{Unit: "u", Event: "e"}, {Token: "t", Event: "e"}}
	_, err := newOutcomes(t, OutcomesOptions{URL: srv.URL, Experiment: "search/ranker", Token: secret, Patience: time.Hour}).Post(t.Context(), one)
	if experiment.CodeOf(err) != experiment.CodeInvalid || experiment.PathOf(err) != "outcomes[1].token" || err.Error() != "outcomes[1].token: exposure token expired" || experiment.HintOf(err) != "sooner" {
		t.Errorf("error %v at %q, hint %q", err, experiment.PathOf(err), experiment.HintOf(err))
	}
	_, err = newOutcomes(t, OutcomesOptions{URL: srv.URL, Token: secret}).Post(t.Context(), one)
	if experiment.CodeOf(err) != experiment.CodeInvalid || experiment.PathOf(err) != "experiment" {
		t.Errorf("without an experiment: %v", err)
	}
	_, err = newOutcomes(t, OutcomesOptions{URL: srv.URL, Token: "wrong-" + secret}).Post(t.Context(), one)
	if experiment.CodeOf(err) != experiment.CodeUnauthorized || strings.Contains(err.Error()+experiment.HintOf(err), secret) {
		t.Errorf("with a wrong token: %v", err)
	}
	elsewhere := httptest.NewServer(http.RedirectHandler(srv.URL, http.StatusTemporaryRedirect))
	defer elsewhere.Close()
	_, err = newOutcomes(t, OutcomesOptions{URL: elsewhere.URL, Token: secret}).Post(t.Context(), one)
	if experiment.CodeOf(err) != experiment.CodeUnavailable || !strings.Contains(err.Error(), "307") {
		t.Errorf("of a redirect: %v", err)
	}
	elsewhere.Close()
	_, err = newOutcomes(t, OutcomesOptions{URL: elsewhere.URL, Token: secret}).Post(t.Context(), one)
	if experiment.CodeOf(err) != experiment.CodeUnavailable || experiment.HintOf(err) == "" || strings.Contains(err.Error(), secret) {
		t.Errorf("of nobody: %v", err)
	}
}

// inside answers calls without a network, so that time is the test's.
type inside func(*http.Request) (*http.Response, error)

func (f inside) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answering gives what a handler answers, or the error of the try.
func answering(h http.Handler, tries *[]time.Time, fail func(try int) (*http.Response, error)) inside {
	return func(r *http.Request) (*http.Response, error) {
		*tries = append(*tries, time.Now())
		if res, err := fail(len(*tries)); res != nil || err != nil {
			return res, err
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result(), nil
	}
}

func status(code int, after string) *http.Response {
	return &http.Response{StatusCode: code, Status: http.StatusText(code), Header: http.Header{"Retry-After": {after}}, Body: io.NopCloser(strings.NewReader("<html>"))}
}

func TestABatchIsTriedUntilItIsAcknowledged(t *testing.T) {
	for name, tc := range map[string]struct {
		fail func(try int) (*http.Response, error)
		// waits are the bounds of the waits between the tries.
		waits [][2]time.Duration
	}{
		"longer each time": {
			func(try int) (*http.Response, error) {
				if try <= 8 {
					return nil, errors.New("connection reset")
				}
				return nil, nil
			},
			[][2]time.Duration{
				{125 * time.Millisecond, 250 * time.Millisecond},
				{250 * time.Millisecond, 500 * time.Millisecond},
				{500 * time.Millisecond, time.Second},
				{time.Second, 2 * time.Second},
				{2 * time.Second, 4 * time.Second},
				{4 * time.Second, 8 * time.Second},
				{5 * time.Second, 10 * time.Second},
				{5 * time.Second, 10 * time.Second},
			},
		},
		"as the server asks, within bounds": {
			func(try int) (*http.Response, error) {
				switch try {
				case 1:
					return status(http.StatusServiceUnavailable, "7"), nil
				case 2:
					return status(http.StatusTooManyRequests, "86400"), nil
				case 3:
					return status(http.StatusBadGateway, "soon"), nil
				case 4:
					return status(http.StatusInternalServerError, "-5"), nil
				}
				return nil, nil
			},
			[][2]time.Duration{{7 * time.Second, 7 * time.Second}, {30 * time.Second, 30 * time.Second}, {500 * time.Millisecond, time.Second}, {time.Second, 2 * time.Second}},
		},
		"a call that hangs": {
			func(try int) (*http.Response, error) {
				if try == 1 {
					time.Sleep(outcomesTimeout)
					return nil, context.DeadlineExceeded
				}
				return nil, nil
			},
			[][2]time.Duration{{outcomesTimeout + 125*time.Millisecond, outcomesTimeout + 250*time.Millisecond}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &store{}
				var tries []time.Time
				told := 0
				c := newOutcomes(t, OutcomesOptions{URL: "http://headgate.test", Experiment: "search/ranker", Token: secret, Patience: 5 * time.Minute, Retrying: func(error, time.Duration) { told++ }})
				c.http.Transport = answering(api(s), &tries, tc.fail)
				if _, err := c.Post(t.Context(), []experiment.UnitOutcome{{Unit: "u", Event: "e", Key: "k"}}); err != nil {
					t.Fatal(err)
				}
				if len(tries) != len(tc.waits)+1 || told != len(tc.waits) || len(s.got) != 1 || s.got[0].Key != "k" {
					t.Fatalf("%d tries, told of %d, stored %+v; want %d", len(tries), told, s.got, len(tc.waits)+1)
				}
				for i, bounds := range tc.waits {
					if wait := tries[i+1].Sub(tries[i]); wait < bounds[0] || wait > bounds[1] {
						t.Errorf("wait %d is %s, want %s to %s", i+1, wait, bounds[0], bounds[1])
					}
				}
			})
		})
	}
}

func TestPatienceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries []time.Time
		c := newOutcomes(t, OutcomesOptions{URL: "http://headgate.test", Token: secret, Patience: time.Minute})
		c.http.Transport = answering(nil, &tries, func(int) (*http.Response, error) { return status(http.StatusServiceUnavailable, ""), nil })
		began := time.Now()
		_, err := c.Post(t.Context(), []experiment.UnitOutcome{{Unit: "u", Event: "e"}})
		if spent := time.Since(began); experiment.CodeOf(err) != experiment.CodeUnavailable || spent > time.Minute || spent < 45*time.Second || !strings.Contains(err.Error(), "(tried ") || experiment.HintOf(err) == "" {
			t.Errorf("after %s and %d tries: %v", spent, len(tries), err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		c.Retrying = func(error, time.Duration) { cancel() }
		if _, err := c.Post(ctx, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("interrupted: %v", err)
		}
	})
}

func TestAnAnswerThatIsNoReceiptIsNoSuccess(t *testing.T) {
	for _, body := range []string{"", "ok", `{"accepted": 7}`, `{"accepted": 0}`} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, body)
		}))
		_, err := newOutcomes(t, OutcomesOptions{URL: srv.URL}).Post(t.Context(), []experiment.UnitOutcome{{Unit: "u", Event: "e"}})
		if experiment.CodeOf(err) != experiment.CodeUnavailable {
			t.Errorf("of %q: %v", body, err)
		}
		srv.Close()
	}
}

func TestAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"http://127.0.0.1:9090":                  "http://127.0.0.1:9090/v1/outcomes",
		"http://127.0.0.1:9090/":                 "http://127.0.0.1:9090/v1/outcomes",
		"http://127.0.0.1:9090/v1/outcomes":      "http://127.0.0.1:9090/v1/outcomes",
		"https://example.com/headgate":           "https://example.com/headgate/v1/outcomes",
		"":                                       "",
		"127.0.0.1:9090":                         "",
		"ftp://127.0.0.1":                        "",
		"http://":                                "",
		"http://me:" + secret + "@127.0.0.1":     "",
		"http://127.0.0.1/?token=" + secret:      "",
		"http://127.0.0.1:" + secret + "/%zz%%%": "",
	} {
		c, err := NewOutcomes(OutcomesOptions{URL: in})
		switch {
		case want == "" && (experiment.CodeOf(err) != experiment.CodeInvalid || experiment.HintOf(err) == "" || strings.Contains(err.Error(), secret)):
			t.Errorf("%q: error %v", in, err)
		case want != "" && (err != nil || c.at != want):
			t.Errorf("%q: %v, %v; want %s", in, c, err, want)
		}
	}
}
