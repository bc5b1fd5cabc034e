// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"io"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// askWithin asks with a deadline and says what came when.
func askWithin(t *testing.T, f *flaky, said string) (version string, status int, took time.Duration) {
	t.Helper()
	start := time.Now()
	r := f.request(t.Context(), "GET", nil)
	r.Header.Set(headerDeadline, said)
	res, err := f.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	io.Copy(io.Discard, res.Body)
	return res.Header.Get(headerVersion), res.StatusCode, time.Since(start)
}

func TestDeadlineOfTheClientBoundsTheExchange(t *testing.T) {
	for name, tc := range map[string]struct {
		said    string
		rules   experiment.GatewayRules
		version string
		status  int
		took    time.Duration
		counts  stats.Counts
		aborts  float64
	}{
		"shorter than the gateway's":        {"2000", experiment.GatewayRules{}, "v2", 504, 2 * time.Second, stats.Counts{N: 1, X: 1}, 0},
		"longer than the gateway's":         {"60000", experiment.GatewayRules{}, "v2", 504, defaultTimeout, stats.Counts{N: 1, X: 1}, 0},
		"no number":                         {"2s", experiment.GatewayRules{}, "v2", 504, defaultTimeout, stats.Counts{N: 1, X: 1}, 0},
		"nothing":                           {"0", experiment.GatewayRules{}, "v2", 504, defaultTimeout, stats.Counts{N: 1, X: 1}, 0},
		"too short to blame anybody":        {"999", experiment.GatewayRules{}, "", 504, 999 * time.Millisecond, stats.Counts{}, 1},
		"with time left for the baseline":   {"3000", idempotent(), "v1", 200, 2 * time.Second, stats.Counts{N: 1, X: 1}, 0},
		"too short to leave time for it":    {"300", idempotent(), "", 504, 300 * time.Millisecond, stats.Counts{}, 1},
		"the gateway's, left for the other": {"", idempotent(), "v1", 200, 20 * time.Second, stats.Counts{N: 1, X: 1}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFlaky(t, Options{}, tc.rules)
				defer f.close()
				f.does(hang)
				version, status, took := askWithin(t, f, tc.said)
				if version != tc.version || status != tc.status || took != tc.took {
					t.Errorf("%s answered %d after %s, want %s, %d, %s", version, status, took, tc.version, tc.status, tc.took)
				}
				if e, _ := f.cells(t); e.Counts != tc.counts {
					t.Errorf("cell = %+v, want %+v", e.Counts, tc.counts)
				}
				if got := metric(t, f.reg, "headgate_gateway_client_aborts_total", "version", "v2"); got != tc.aborts {
					t.Errorf("aborts = %v, want %v", got, tc.aborts)
				}
			})
		})
	}
}

// TestConnectionsOutliveDeadlines has a short deadline before a long one on the
// same connections.
func TestConnectionsOutliveDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlaky(t, Options{}, experiment.GatewayRules{})
		defer f.close()
		f.does(func(http.ResponseWriter, *http.Request) { time.Sleep(1500 * time.Millisecond) })
		for i, said := range []string{"2000", "", "2000", "1600", ""} {
			if _, status, took := askWithin(t, f, said); status != 200 || took != 1500*time.Millisecond {
				t.Errorf("request %d: %d after %s", i, status, took)
			}
			time.Sleep(time.Second)
		}
	})
}

func TestWhatIsLeftIsPassedOn(t *testing.T) {
	for name, tc := range map[string]struct {
		said  string
		rules experiment.GatewayRules
		want  string
	}{
		"the client's":               {"5000", experiment.GatewayRules{}, "5000"},
		"a candidate's part of it":   {"6000", idempotent(), "4000"},
		"none where none was given":  {"", experiment.GatewayRules{}, ""},
		"none where it is no number": {"soon", experiment.GatewayRules{}, ""},
		"none that is the gateway's": {"31000", experiment.GatewayRules{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFlaky(t, Options{}, tc.rules)
				defer f.close()
				got := "not asked"
				f.does(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Get(headerDeadline) })
				askWithin(t, f, tc.said)
				if got != tc.want {
					t.Errorf("the model is told %q, want %q", got, tc.want)
				}
			})
		})
	}
	t.Run("the baseline's after the candidate's", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFlaky(t, Options{}, idempotent())
			defer f.close()
			told := make(chan string, 1)
			model := f.serve("first", func(_ http.ResponseWriter, r *http.Request) { told <- r.Header.Get(headerDeadline) })
			defer model()
			synctest.Wait()
			f.route.Versions[0].Backend = "http://first"
			swap(t, f.Gateway, f.route)
			f.does(hang)
			askWithin(t, f, "6000")
			if ms, err := strconv.Atoi(<-told); err != nil || ms > 2000 || ms < 1950 {
				t.Errorf("the baseline is told %d ms (%v), want what is left, 2000", ms, err)
			}
		})
	})
}
