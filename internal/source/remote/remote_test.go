// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/outbound"
)

var began = time.Date(2026, 1, 2, 3, 4, 5, 6e8, time.UTC)

// TestTheProxyOfTheEnvironmentIsAsked also for what it would dial for us.
func TestTheProxyOfTheEnvironmentIsAsked(t *testing.T) {
	if testing.Short() {
		t.Skip("a process reads its proxy once")
	}
	for _, host := range []string{"169.254.169.254", "[fe80::1]"} {
		s, err := New(Options{URL: "http://" + host + "/latest"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Ask(t.Context(), Question{}); experiment.CodeOf(err) != experiment.CodeInvalid || !errors.Is(err, outbound.ErrLinkLocal) {
			t.Error(err)
		}
	}
	s, err := New(Options{URL: "http://h"})
	if err != nil {
		t.Fatal(err)
	}
	client, err := s.client(&link{})
	if err != nil {
		t.Fatal(err)
	}
	if transport := client.Transport.(*http.Transport); transport.Proxy == nil || transport.TLSClientConfig.InsecureSkipVerify {
		t.Error("no proxy, or no verification")
	}
}

func TestAddressesAreShownWithoutWhatMayBeSecret(t *testing.T) {
	for address, want := range map[string]string{
		"https://h/p?key=secret":          "https://h/p",
		"https://h/p/#secret":             "https://h/p",
		"https://u:secret@h:1/p@q":        "https://h:1/p@q",
		"https://u:se@cret@h":             "https://h",
		"https://${ACCOUNT}.example/${A}": "https://${ACCOUNT}.example/${A}",
		"${URL}":                          "${URL}",
	} {
		if got := shown(address); got != want {
			t.Errorf("%s is shown as %s, want %s", address, got, want)
		}
	}
}

func TestWhatServersRepeatIsTakenOut(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %s %s", r.URL, r.Header.Get("Authorization"), r.Header.Get("X-Key"))
	}))
	t.Cleanup(web.Close)
	s, err := New(Options{
		URL: web.URL + "/${A}", Named: []experiment.NamedSecret{{Name: "A", Secret: experiment.Secret{Env: "a b/c"}}},
		Headers: []experiment.NameValue{{Name: "X-Key", Value: "literal-key"}}, Username: "user", Password: &experiment.Secret{Env: "pass"},
		Secrets: func(_ context.Context, s experiment.Secret) (string, error) { return s.Env, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	a, err := s.Ask(t.Context(), Question{})
	if err != nil {
		t.Fatal(err)
	}
	said := a.Secretless(string(a.Body))
	for _, secret := range []string{"a%20b", "a b", "literal-key", "dXNlcjpwYXNz"} {
		if strings.Contains(said, secret) {
			t.Errorf("%q tells %s", said, secret)
		}
	}
	if !strings.Contains(string(a.Body), "dXNlcjpwYXNz") || !strings.Contains(string(a.Body), "a%20b%2Fc") && !strings.Contains(string(a.Body), "a%20b/c") {
		t.Errorf("the server was not told: %s", a.Body)
	}
}

func TestSecretsAreReadAgainAfterAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		read := 0
		s, err := New(Options{URL: "http://127.0.0.1:1", Token: &experiment.Secret{Env: "T"}, Secrets: func(context.Context, experiment.Secret) (string, error) {
			read++
			return fmt.Sprint("token ", read), nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		for after, want := range []int{1, 1, 2, 2, 3} {
			l, err := s.connect(t.Context())
			if err != nil || read != want || l.token != fmt.Sprint("token ", want) {
				t.Errorf("after %d × 30 s: %d reads, %v", after, read, err)
			}
			time.Sleep(30 * time.Second)
		}
		s.Close()
	})
}

func TestTheFirstPointIsAskedAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var now, most, asked int
		first := 0
		var asks []Point
		for i := range 20 {
			asks = append(asks, Point{Metric: fmt.Sprint("m", i/2), Version: i % 2, Ask: func(context.Context) (*float64, error) {
				mu.Lock()
				asked++
				now++
				most = max(most, now)
				if i > 0 && now > 0 && first == 0 {
					first = asked
				}
				mu.Unlock()
				time.Sleep(time.Second)
				mu.Lock()
				now--
				mu.Unlock()
				value := float64(i)
				return &value, nil
			}})
		}
		begun := time.Now()
		got := Points(t.Context(), NewBreaker(0, 0), time.Second, asks)
		for i, r := range got {
			if r.Metric != asks[i].Metric || r.Version != i%2 || r.Value == nil || *r.Value != float64(i) {
				t.Errorf("%d: %+v", i, r)
			}
		}
		if took := time.Since(begun); most != Workers || first != 2 || took != 6*time.Second {
			t.Errorf("at most %d at once, in %v", most, took)
		}
	})
	if got := Points(t.Context(), NewBreaker(0, 0), time.Second, nil); len(got) != 0 {
		t.Error(got)
	}
}

// TestASlowProviderIsNotWaitedForEndlessly: of 200 questions of 4 s each, those
// that are under way when half a minute is over fail, and the rest likewise.
func TestASlowProviderIsNotWaitedForEndlessly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asks []Point
		for range 200 {
			asks = append(asks, Point{Metric: "m", Ask: func(ctx context.Context) (*float64, error) {
				select {
				case <-time.After(4 * time.Second):
					return new(float64), nil
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}})
		}
		begun := time.Now()
		told, failed := 0, 0
		for _, r := range Points(t.Context(), NewBreaker(0, 0), 5*time.Second, asks) {
			if r.Failed == "" && r.Value != nil {
				told++
			} else if r.Failed != "" && r.Value == nil {
				failed++
			}
		}
		if took := time.Since(begun); told != 1+6*Workers || told+failed != 200 || took != 30*time.Second {
			t.Errorf("%d told, %d failed, in %v", told, failed, took)
		}
	})
	if Patience(time.Minute) != 2*time.Minute || Patience(time.Second) != 30*time.Second {
		t.Error("patience is not twice a timeout, at least half a minute")
	}
}

// TestAServerThatSaysNoHasAnswered: only what could not be had opens the breaker.
func TestAServerThatSaysNoHasAnswered(t *testing.T) {
	left, leave := context.WithCancel(t.Context())
	leave()
	for name, tc := range map[string]struct {
		ctx  context.Context
		err  error
		open bool
	}{
		"unavailable":          {t.Context(), unavailable("it is away"), true},
		"invalid":              {t.Context(), invalid("no such field"), false},
		"a caller that leaves": {left, unavailable("it is away"), false},
	} {
		b := NewBreaker(2, time.Hour)
		for range 5 {
			_, _ = Guarded(tc.ctx, b, func(context.Context) (int, error) { return 0, tc.err })
		}
		if b.Open() != tc.open {
			t.Errorf("%s: open is %v", name, b.Open())
		}
	}
}

func TestTheWordsForTimeAreFilledIn(t *testing.T) {
	const text = `a{x="{{.Elapsed}}"}[{{.Window}}s] {{.From}}..{{.To}} {{.Other}}`
	if got, want := FillMoment(text, experiment.Moment{Now: began, Elapsed: 42}), `a{x="42"}[42s] 1767323003..1767323045 {{.Other}}`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got, want := FillWindow(text, 60, 90), `a{x="30"}[30s] 60..90 {{.Other}}`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// TestMomentsAreThoseOfTheUnits compares them with what units give one by one.
func TestMomentsAreThoseOfTheUnits(t *testing.T) {
	told := Moments(4, 10, 30)
	if told.Why != "" || !told.Some || told.Units.N != 4 || told.Units.MeanY != 2.5 || told.Units.M2Y != 5 || told.Units.MeanX != 1 || told.Counts.N != 4 {
		t.Errorf("%+v", told)
	}
	if estimate, err := told.Units.Mean(); err != nil || estimate.Value != 2.5 {
		t.Error(estimate, err)
	}
	for _, bad := range [][3]float64{{4, 10, 24.9}, {4.5, 10, 30}, {-1, 0, 0}, {0, 1, 1}, {4, 10, -30}, {1e17, 1, 1}} {
		if told := Moments(bad[0], bad[1], bad[2]); told.Some || told.Why == "" {
			t.Errorf("%v: %+v", bad, told)
		}
	}
	if told := Moments(0, 0, 0); told.Some || told.Why != "" {
		t.Errorf("%+v", told)
	}
}

func TestSpansEndWithThePhase(t *testing.T) {
	s := Span{Start: began, End: began.Add(150 * time.Second), Window: time.Minute}
	for now, want := range map[time.Duration]int64{
		90 * time.Second: 1, 179 * time.Second: 2, 180 * time.Second: 3, time.Hour: 3,
	} {
		if got := s.Matured(began.Add(now), 30*time.Second); got != want {
			t.Errorf("after %v %d windows, want %d", now, got, want)
		}
	}
	from, to := s.Edges(2)
	if diff := cmp.Diff([]time.Duration{2 * time.Minute, 150 * time.Second}, []time.Duration{from.Sub(began), to.Sub(began)}); diff != "" {
		t.Error(diff)
	}
	if g := Gap(3, strings.Repeat("é", 200)); g.From != 3 || g.To != 4 || len(g.Why) > experiment.MaxWhy || !strings.HasSuffix(g.Why, "é") {
		t.Errorf("%+v", g)
	}
}
