// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"context"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate-dev/headgate/examples/digits"
)

// handler is the handler of a model with faults.
func handler(t testing.TB, faults Faults) http.Handler {
	t.Helper()
	model, _ := fixture(t, digits.Weak)
	h, err := NewHandler(model, faults)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// ask makes a request without a network.
func ask(ctx context.Context, h http.Handler, method, path, body string) reply {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body)))
	return reply{w.Code, w.Header(), []byte(strings.TrimSpace(w.Body.String()))}
}

// goodBodies are requests that the model answers, by path.
var goodBodies = map[string]string{
	inferPath:   `{"inputs":[{"name":"pixels","datatype":"FP64","shape":[1,64],"data":` + blank("0") + `}]}`,
	predictPath: `{"instances":[` + blank("0") + `]}`,
	seldonPath:  `{"data":{"ndarray":[` + blank("0") + `]}}`,
}

// likely says whether hits of n, each with probability p, lie outside neither
// tail of the binomial distribution whose mass is below 5e-7: a correct program
// fails once in a million seeds.
func likely(hits, n int, p float64) bool {
	mass := func(k int) float64 {
		choose, _ := math.Lgamma(float64(n + 1))
		in, _ := math.Lgamma(float64(k + 1))
		out, _ := math.Lgamma(float64(n - k + 1))
		return math.Exp(choose - in - out + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
	}
	below, above := 0.0, 0.0
	for k := range n + 1 {
		if k <= hits {
			below += mass(k)
		}
		if k >= hits {
			above += mass(k)
		}
	}
	return min(below, above) >= 5e-7
}

func TestLikelyIsTheExactBound(t *testing.T) {
	// Of 20 fair coins the tail of 20 heads has 2^-20 = 9.5e-7, of 21 half that.
	for _, tc := range []struct {
		hits, n int
		want    bool
	}{{20, 20, true}, {21, 21, false}, {0, 20, true}, {0, 21, false}, {1, 21, true}, {10, 20, true}} {
		if got := likely(tc.hits, tc.n, 0.5); got != tc.want {
			t.Errorf("likely(%d of %d) = %v", tc.hits, tc.n, got)
		}
	}
}

// tally asks n times in a bubble with a clock of its own, in turn by every
// protocol, and counts what failed and what was late by exactly slowBy.
func tally(t *testing.T, h http.Handler, n int, slowBy time.Duration) (failed, slow int) {
	paths := []string{inferPath, predictPath, seldonPath}
	for i := range n {
		path := paths[i%len(paths)]
		began := time.Now()
		got := ask(t.Context(), h, http.MethodPost, path, goodBodies[path])
		took := time.Since(began)
		switch {
		case got.status == http.StatusInternalServerError && took == 0:
			failed++
			if _, info := refusal(t, path, got); !strings.HasPrefix(info, "the model failed on this request") {
				t.Fatalf("failure says %q", info)
			}
		case got.status == http.StatusOK && took == slowBy:
			slow++
		case got.status != http.StatusOK || took != 0:
			t.Fatalf("status %d after %v: %s", got.status, took, got.body)
		}
	}
	return failed, slow
}

func TestFaultsMeetTheirShareOfRequests(t *testing.T) {
	const n, slowBy = 3000, 500 * time.Millisecond
	for name, faults := range map[string]Faults{
		"slow":           {SlowShare: 0.12, SlowBy: slowBy},
		"failing":        {FailShare: 0.15},
		"both":           {SlowShare: 0.12, SlowBy: slowBy, FailShare: 0.15},
		"other seed":     {SlowShare: 0.12, SlowBy: slowBy, FailShare: 0.15, Seed: 99},
		"more than half": {SlowShare: 0.35, SlowBy: slowBy, FailShare: 0.6, Seed: 7},
		"rare":           {SlowShare: 0.001, SlowBy: slowBy, FailShare: 0.002},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				failed, slow := tally(t, handler(t, faults), n, slowBy)
				for what, got := range map[string]struct {
					hits  int
					share float64
				}{"failed": {failed, faults.FailShare}, "were slow": {slow, faults.SlowShare}} {
					if got.share == 0 && got.hits > 0 || got.share > 0 && !likely(got.hits, n, got.share) {
						t.Errorf("%d of %d requests %s; the share is %v", got.hits, n, what, got.share)
					}
				}
			})
		})
	}
	for name, tc := range map[string]struct {
		faults       Faults
		failed, slow int
	}{
		"none":       {Faults{SlowBy: slowBy}, 0, 0},
		"all fail":   {Faults{FailShare: 1}, 30, 0},
		"all slow":   {Faults{SlowShare: 1, SlowBy: slowBy}, 0, 30},
		"all either": {Faults{SlowShare: 0.5, FailShare: 0.5, SlowBy: slowBy, Seed: 1}, -1, -1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				failed, slow := tally(t, handler(t, tc.faults), 30, slowBy)
				exact := failed == tc.failed && slow == tc.slow
				if tc.failed < 0 {
					exact = failed+slow == 30
				}
				if !exact {
					t.Errorf("%d failed and %d were slow", failed, slow)
				}
			})
		})
	}
}

func TestFaultsRepeatWithTheSeed(t *testing.T) {
	sequence := func(seed uint64) string {
		h := handler(t, Faults{FailShare: 0.5, Seed: seed})
		var out strings.Builder
		for range 200 {
			if ask(t.Context(), h, http.MethodPost, predictPath, goodBodies[predictPath]).status == http.StatusOK {
				out.WriteByte('.')
			} else {
				out.WriteByte('x')
			}
			// What never reaches the model meets no fault and uses none up.
			if got := ask(t.Context(), h, http.MethodPost, predictPath, `{}`); got.status != http.StatusBadRequest {
				t.Fatalf("status %d", got.status)
			}
			if got := ask(t.Context(), h, http.MethodGet, "/v2/health/ready", ""); got.status != http.StatusOK {
				t.Fatalf("status %d", got.status)
			}
		}
		return out.String()
	}
	one := sequence(1)
	if again := sequence(1); one != again {
		t.Errorf("seed 1 gives\n%s\nand\n%s", one, again)
	}
	if other := sequence(2); one == other {
		t.Errorf("seeds 1 and 2 both give %s", one)
	}
	rng, plain := newDice(Faults{Seed: 1}).rng, new(strings.Builder)
	for range 200 {
		plain.WriteByte(map[bool]byte{true: 'x', false: '.'}[rng.Float64() < 0.5])
	}
	if one != plain.String() {
		t.Errorf("refused requests used up faults:\n%s\n%s", one, plain)
	}
}

func TestEndOfTheRequestEndsTheWait(t *testing.T) {
	for path, body := range goodBodies {
		t.Run(strings.TrimPrefix(path, "/"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := handler(t, Faults{SlowShare: 1, SlowBy: time.Minute})
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				began := time.Now()
				got := ask(ctx, h, http.MethodPost, path, body)
				if took := time.Since(began); took != time.Second {
					t.Errorf("answered after %v, want 1s", took)
				}
				if _, info := refusal(t, path, got); got.status != 503 || info != "the request ended before the model had answered" {
					t.Errorf("answer %d %s", got.status, got.body)
				}
			})
		})
	}
}

func TestFaultsAreChecked(t *testing.T) {
	model, _ := fixture(t, digits.Weak)
	for name, tc := range map[string]struct {
		faults Faults
		want   string
	}{
		"negative share":      {Faults{SlowShare: -0.1}, "faults: SlowShare is -0.1; a share is from 0 to 1"},
		"share above one":     {Faults{FailShare: 1.1}, "faults: FailShare is 1.1; a share is from 0 to 1"},
		"share of NaN":        {Faults{FailShare: math.NaN()}, "faults: FailShare is NaN; a share is from 0 to 1"},
		"sum above one":       {Faults{FailShare: 0.75, SlowShare: 0.5}, "faults: SlowShare + FailShare is 1.25; a share is from 0 to 1"},
		"negative delay":      {Faults{SlowBy: -1}, "faults: SlowBy is -1ns; it is from 0 to 1m0s"},
		"delay above minutes": {Faults{SlowBy: time.Hour}, "faults: SlowBy is 1h0m0s; it is from 0 to 1m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := NewHandler(model, tc.faults); err == nil || err.Error() != tc.want {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
	t.Run("no model", func(t *testing.T) {
		if _, err := NewHandler(nil, Faults{}); err == nil {
			t.Error("no error")
		}
	})
}
