// SPDX-License-Identifier: Apache-2.0

package load

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

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/httpapi"
)

// fakeRecorder remembers outcomes; reply decides what becomes of a batch.
type fakeRecorder struct {
	mu      sync.Mutex
	tries   int
	got     []experiment.UnitOutcome
	at      []time.Time
	batches int
	reply   func(try int, batch []experiment.UnitOutcome) (experiment.Receipt, error)
}

func (f *fakeRecorder) Record(_ context.Context, _ string, batch []experiment.UnitOutcome) (experiment.Receipt, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tries++
	if f.reply != nil {
		receipt, err := f.reply(f.tries, batch)
		if err != nil {
			return receipt, err
		}
		f.keep(batch)
		return receipt, nil
	}
	f.keep(batch)
	return experiment.Receipt{Accepted: len(batch)}, nil
}

func (f *fakeRecorder) keep(batch []experiment.UnitOutcome) {
	f.batches++
	for _, x := range batch {
		f.got, f.at = append(f.got, x), append(f.at, time.Now())
	}
}

// world is a model whose answers carry tokens, and the real outcomes API, both
// in a bubble.
func world(f *fakeRecorder) (Options, func()) {
	api := httpapi.Outcomes(f, func() []string { return []string{"search/ranker"} })
	n := 0
	var mu sync.Mutex
	o, stop := inBubble(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/outcomes" {
			api.ServeHTTP(w, r)
			return
		}
		mu.Lock()
		n++
		i := n
		mu.Unlock()
		if !strings.HasPrefix(r.URL.Path, "/bare") {
			w.Header().Set("X-Headgate-Exposure", fmt.Sprintf("token-%d-%d", i, time.Now().UnixNano()))
		}
		if strings.HasPrefix(r.URL.Path, "/broken") {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	o.N, o.Rate = 1000, 200
	o.Outcome = &Outcome{Event: "purchase", Value: 12.5, Every: 1, URL: "model"}
	return o, stop
}

func TestOutcomesFollowAnswersAfterTheirDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeRecorder{}
		o, stop := world(f)
		defer stop()
		o.Outcome.Every, o.Outcome.Delay = 0.3, 3*time.Second
		r := mustRun(t, o)
		if x := r.Outcomes; x.Due < 240 || x.Due > 360 || x.Accepted != x.Due || len(f.got) != int(x.Due) {
			t.Fatalf("%d recorded; outcomes = %+v, want about 300, all accepted", len(f.got), *x)
		}
		keys := make(map[string]bool)
		for i, x := range f.got {
			var n, answered int64
			if _, err := fmt.Sscanf(x.Token, "token-%d-%d", &n, &answered); err != nil {
				t.Fatal(err)
			}
			if late := f.at[i].Sub(time.Unix(0, answered)); late < 3*time.Second || late > 3*time.Second+2*linger {
				t.Errorf("outcome %d came %s after its answer, want 3 s", i, late)
			}
			if x.Event != "purchase" || x.Value != 12.5 || keys[x.Key] || x.Key == "" {
				t.Errorf("outcome = %+v", x)
			}
			keys[x.Key] = true
		}
		if f.batches >= len(f.got) {
			t.Errorf("%d calls for %d outcomes: want several to a call", f.batches, len(f.got))
		}
	})
}

func TestReceiptsAreCounted(t *testing.T) {
	down := experiment.Errorf(experiment.CodeUnavailable, "the store is down")
	for name, tc := range map[string]struct {
		path  string
		reply func(int, []experiment.UnitOutcome) (experiment.Receipt, error)
		check func(x Outcomes, f *fakeRecorder) bool
	}{
		"as the receipt says": {
			reply: func(_ int, b []experiment.UnitOutcome) (experiment.Receipt, error) {
				if len(b) < 4 {
					return experiment.Receipt{Unmatched: len(b)}, nil
				}
				return experiment.Receipt{Accepted: len(b) - 3, Duplicates: 1, Late: 1, Unmatched: 1}, nil
			},
			check: func(x Outcomes, _ *fakeRecorder) bool {
				return x.Due == 1000 && x.Duplicates > 0 && x.Late == x.Duplicates && x.Unmatched >= x.Late && x.Failed == 0
			},
		},
		"a store that is down for a moment is asked again": {
			reply: func(try int, b []experiment.UnitOutcome) (experiment.Receipt, error) {
				if try <= 2 {
					return experiment.Receipt{}, down
				}
				return experiment.Receipt{Accepted: len(b)}, nil
			},
			check: func(x Outcomes, f *fakeRecorder) bool { return x.Accepted == 1000 && len(f.got) == 1000 },
		},
		"a store that stays down": {
			reply: func(int, []experiment.UnitOutcome) (experiment.Receipt, error) { return experiment.Receipt{}, down },
			check: func(x Outcomes, _ *fakeRecorder) bool {
				return x.Failed == 1000 && strings.Contains(x.Example, "503") && strings.Contains(x.Example, "store is down")
			},
		},
		"what is refused is not sent again": {
			reply: func(int, []experiment.UnitOutcome) (experiment.Receipt, error) {
				return experiment.Receipt{}, experiment.InvalidAt("outcomes[0].event", "is unknown")
			},
			check: func(x Outcomes, f *fakeRecorder) bool {
				return x.Failed == 1000 && strings.Contains(x.Example, "400") && f.tries*maxPost >= 1000 && f.tries <= 1000
			},
		},
		"a receipt for another batch": {
			reply: func(_ int, b []experiment.UnitOutcome) (experiment.Receipt, error) {
				return experiment.Receipt{Accepted: len(b) + 1}, nil
			},
			check: func(x Outcomes, _ *fakeRecorder) bool { return x.Failed == 1000 && x.Accepted == 0 },
		},
		"answers without a token": {
			path:  "/bare",
			check: func(x Outcomes, f *fakeRecorder) bool { return x.Unexposed == 1000 && f.tries == 0 },
		},
		"failed answers have no outcome": {
			path:  "/broken",
			check: func(x Outcomes, f *fakeRecorder) bool { return x.Due == 0 && f.tries == 0 },
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fakeRecorder{reply: tc.reply}
				o, stop := world(f)
				defer stop()
				o.URL += tc.path
				if r := mustRun(t, o); !tc.check(*r.Outcomes, f) {
					t.Errorf("%d tries, outcomes = %+v", f.tries, *r.Outcomes)
				}
			})
		})
	}
}

func TestInterruptionDropsWaitingOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeRecorder{}
		o, stop := world(f)
		defer stop()
		o.Outcome.Delay = time.Minute
		ctx, cancel := context.WithCancelCause(t.Context())
		defer time.AfterFunc(20*time.Second, func() { cancel(errPulled) }).Stop()
		began := time.Now()
		r, err := Run(ctx, o, nil)
		if !errors.Is(err, errPulled) || !r.Partial || time.Since(began) > 21*time.Second {
			t.Errorf("error %v, partial %t after %s", err, r.Partial, time.Since(began))
		}
		checkSums(t, r)
		if r.Answered != 1000 || r.Outcomes.Dropped != 1000 || f.tries != 0 {
			t.Errorf("answered %d, dropped %d, %d tries", r.Answered, r.Outcomes.Dropped, f.tries)
		}
	})
}

func TestOutcomesGoWhereTheyAreTold(t *testing.T) {
	var got []string
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.URL.Path)
		w.WriteHeader(http.StatusTeapot)
	}))
	defer api.Close()
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Headgate-Exposure", "t") })
	for path, want := range map[string]string{"": "/v1/outcomes", "/": "/v1/outcomes", "/proxy/outcomes": "/proxy/outcomes"} {
		got = nil
		r := mustRun(t, Options{URL: url, N: 1, Outcome: &Outcome{Event: "e", Every: 1, URL: api.URL + path, Experiment: "a/b"}})
		if len(got) != 1 || got[0] != want || r.Outcomes.Failed != 1 {
			t.Errorf("posted to %v with %+v, want %s", got, *r.Outcomes, want)
		}
	}
}
