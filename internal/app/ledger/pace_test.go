// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// answers stands for the network.
type answers func() *http.Response

func (a answers) RoundTrip(*http.Request) (*http.Response, error) {
	if res := a(); res != nil {
		return res, nil
	}
	return nil, errors.New("nobody is there")
}

type storing struct{}

func (storing) Add(context.Context, *experiment.Batch) (bool, error) { return true, nil }

// TestHowOftenItAsks: at once after large batches, else four times a second, and
// ever more seldom while nobody answers, but never more than pullAgain apart.
func TestHowOftenItAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []time.Duration
		begin := time.Now()
		n := uint64(0)
		rows := strings.Repeat(`{},`, many-1) + `{}`
		network := func() *http.Response {
			since := time.Since(begin)
			asked = append(asked, since)
			switch n++; {
			case n <= 4:
				if n == 4 {
					rows = rows[3:]
				}
				return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(fmt.Sprintf(`{"gateway":"a","sequence":%d,"pairs":[%s]}`, n, rows)))}
			case since < time.Second || since > 2*time.Minute:
				return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody}
			}
			return nil
		}
		p := &puller{
			url: "http://gateway", client: &http.Client{Transport: answers(network)}, store: storing{}, log: slog.New(slog.DiscardHandler),
			pulled: newPulled(prometheus.NewRegistry()), within: time.Second,
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute+20*time.Second)
		defer cancel()
		p.run(ctx)
		if asked[3] != 0 || asked[4] != pullEvery || asked[5] != 2*pullEvery {
			t.Errorf("it asks at %v", asked[:6])
		}
		down, well := 0, 0
		for i := 1; i < len(asked); i++ {
			apart := asked[i] - asked[i-1]
			switch {
			case apart > pullAgain:
				t.Errorf("it asks after %s", apart)
			case asked[i] > 10*time.Second && asked[i] <= 2*time.Minute:
				down++
				if apart < pullAgain/2 {
					t.Errorf("nobody answers, and it asks again after %s", apart)
				}
			case asked[i-1] > 2*time.Minute:
				well++
				if apart != pullEvery {
					t.Errorf("it is well again, and asks after %s", apart)
				}
			}
		}
		if down == 0 || well == 0 {
			t.Errorf("it asked %d times while nobody answered, %d times later", down, well)
		}
	})
}

func TestAddressesOfGateways(t *testing.T) {
	for text, want := range map[string]string{
		"http://127.0.0.1:9090":          "http://127.0.0.1:9090",
		"https://gateway:9090/":          "https://gateway:9090",
		"http://proxy/gateways/1/":       "http://proxy/gateways/1",
		"127.0.0.1:9090":                 "",
		"localhost:9090":                 "",
		"":                               "",
		"ftp://gateway":                  "",
		"http://":                        "",
		"http://user:hunter2@gateway":    "",
		"http://gateway/?token=hunter2":  "",
		"http://gateway/#hunter2":        "",
		"http://gateway:port-of-hunter2": "",
	} {
		got, err := checkGateway(text)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q is %q, %v, want %q", text, got, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "hunter2") || experiment.HintOf(err) == "") {
			t.Errorf("%q: %v, hint %q", text, err, experiment.HintOf(err))
		}
	}
}
