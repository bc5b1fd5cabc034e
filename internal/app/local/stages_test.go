// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"sync"
	"testing"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/translate"
)

// staged is an experiment of two versions with the stages and other fields
// given in YAML.
func staged(t *testing.T, name, rest string) *experiment.Plan {
	t.Helper()
	p, err := translate.Plan(fmt.Appendf(nil, `
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: %s, namespace: test}
spec:
  versions: [{name: v1, backend: %q}, {name: v2, backend: %q}]
  traffic: {gateway: {}}
  evidence: {window: 200ms, lag: 100ms}
%s`, name, model(t, "v1"), model(t, "v2"), rest))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// askAs sends a request of a unit of a tier.
func askAs(t *testing.T, r *Run, unit, tier string) (version, token string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.TrafficURL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-User-Id", unit)
	req.Header.Set("X-Tier", tier)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer func() { _ = res.Body.Close() }()
	return res.Header.Get("X-Headgate-Version"), res.Header.Get("X-Headgate-Exposure")
}

// busy sends requests until the test's part is over; each answer goes to tell.
func busy(t *testing.T, r *Run, tell func(version, token string)) (stop func()) {
	t.Helper()
	return sending(t, r, math.MaxInt, tell)
}

// sending is busy with so many requests at most.
func sending(t *testing.T, r *Run, most int, tell func(version, token string)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	client := &http.Client{Transport: &http.Transport{}}
	wg.Go(func() {
		for i := 0; i < most && ctx.Err() == nil; i++ {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.TrafficURL(), nil)
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("X-User-Id", fmt.Sprint("unit-", i))
			res, err := client.Do(req)
			if err != nil {
				continue // The test is over, or the experiment is.
			}
			_ = res.Body.Close()
			if tell != nil {
				tell(res.Header.Get("X-Headgate-Version"), res.Header.Get("X-Headgate-Exposure"))
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
		client.CloseIdleConnections()
	}
}

// replays asserts that the journal decides the same again.
func replays(t *testing.T, r *Run) {
	t.Helper()
	if n, err := engine.Replay(r.Journal(t.Context())); err != nil || n < 2 {
		t.Errorf("%d entries replay: %v", n, err)
	}
}

const tiers = `
  assignment: {unit: {header: x-user-id}}
  segments: [{name: tier, header: x-tier, values: [free, premium]}]
`

func TestWhereKeepsAGroupOnTheBaseline(t *testing.T) {
	h := begin(t, t.TempDir(), staged(t, "where", tiers+`
  metrics: [{name: errors, from: {builtin: error-rate}}]
  objectives: [{metric: errors, max: 5%}]
  stages: [{name: canary, ramp: {steps: [100%]}, where: {tier: {not: [premium]}}, hold: {for: 1h}}]
`))
	defer h.Close()
	r := h.Runs()[0]
	until(t, r, "everything on v2", func(r *Run) bool { return r.View().Versions[1].Share == 1 })
	for i := range 20 {
		unit := fmt.Sprint("unit-", i)
		if v, token := askAs(t, r, unit, "premium"); v != "v1" || token != "" {
			t.Errorf("premium %s got %s, token %q: want the baseline, and no evidence", unit, v, token)
		}
		if v, token := askAs(t, r, unit, "free"); v != "v2" || token == "" {
			t.Errorf("free %s got %s, token %q", unit, v, token)
		}
	}
}

func TestAKillTakesBackEveryGroup(t *testing.T) {
	h := begin(t, t.TempDir(), staged(t, "groups", tiers+`
  metrics: [{name: click, from: {outcomes: {event: click, window: 1h}}}]
  reward: {metric: click, minimumEffect: {relative: 1%}}
  stages: [{name: learn, bandit: {per: tier, every: 2h}, until: {atMost: 24h}}]
`))
	defer h.Close()
	r := h.Runs()[0]
	on := func(version string) (n int) {
		for i := range 60 {
			if v, _ := askAs(t, r, fmt.Sprint("unit-", i), []string{"free", "premium", "else"}[i%3]); v == version {
				n++
			}
		}
		return n
	}
	until(t, r, "even shares", func(r *Run) bool { return r.View().Versions[1].Share == 0.5 })
	if n := on("v2"); n < 15 || n > 45 {
		t.Errorf("%d of 60 units on v2, want about half", n)
	}
	for i := range 10 {
		unit := fmt.Sprint("unit-", i)
		got, _ := askAs(t, r, unit, "premium")
		groups := r.Assign(unit).Groups
		if len(groups) != 3 || groups[1].Slice != "tier=premium" || groups[1].Version != got {
			t.Errorf("%s got %s, the answer to why is %+v", unit, got, groups)
		}
	}
	do(t, r, experiment.Command{ID: "k1", Verb: experiment.VerbKill, Author: "test"})
	if n := on("v2"); n != 0 {
		t.Errorf("%d of 60 units are on v2 after the kill", n)
	}
	replays(t, r)
}

func TestABanditLearnsFromLiveOutcomes(t *testing.T) {
	h := begin(t, t.TempDir(), staged(t, "bandit", `
  assignment: {unit: {request: true}}
  metrics: [{name: click, from: {outcomes: {event: click, window: 2s}}}]
  reward: {metric: click, minimumEffect: {relative: 1%}, range: {low: 0, high: 1}}
  stages: [{name: learn, bandit: {policy: thompson, every: 500ms, explore: 50, step: 30%, min: 5%}, until: {best: 99%, atLeast: 3s, atMost: 30m}}]
`))
	defer h.Close()
	r := h.Runs()[0]
	n := 0
	// Shares are drawn anew in each run. By so few units chance all but never
	// (5.4 standard deviations) looks like a wrong split, as by many it does once
	// in a thousand runs at most.
	stop := sending(t, r, 1000, func(version, token string) {
		// v2 is clicked on every second time, v1 every tenth.
		if n++; version == "v2" && n%2 == 0 || version == "v1" && n%10 == 0 {
			body, _ := json.Marshal(map[string]any{"outcomes": []any{map[string]any{"event": "click", "token": token}}})
			res, err := http.Post(h.APIURL()+"/v1/outcomes", "application/json", bytes.NewReader(body))
			if err == nil {
				if res.StatusCode != http.StatusAccepted && t.Context().Err() == nil {
					t.Errorf("outcome: %s", res.Status)
				}
				_ = res.Body.Close()
			}
		}
	})
	defer http.DefaultClient.CloseIdleConnections()
	defer stop()
	until(t, r, "most traffic on v2", func(r *Run) bool { return r.View().Versions[1].Share > 0.7 })
	until(t, r, "the end", func(r *Run) bool { return r.View().Condition == string(experiment.Done) })
	if v := r.View().Verdict; v.Outcome != string(experiment.Promoted) || v.Code != string(experiment.ReasonBest) {
		t.Errorf("%+v", v)
	}
	replays(t, r)
}

func TestASwitchKeepsTheOldVersionWarm(t *testing.T) {
	h := begin(t, t.TempDir(), staged(t, "switch", `
  assignment: {unit: {header: x-user-id}}
  metrics: [{name: errors, from: {builtin: error-rate}}]
  objectives: [{metric: errors, max: 20%}]
  stages: [{name: cut, switch: {warm: 300ms, soak: 1s}}]
  promote: {keepWarm: {atLeast: 500ms, approval: lead}}
`))
	defer h.Close()
	r := h.Runs()[0]
	defer busy(t, r, nil)()
	until(t, r, "everything on v2", func(r *Run) bool { return r.View().Versions[1].Share == 1 })
	until(t, r, "the old version warm", func(r *Run) bool { return r.View().Condition == string(experiment.Warm) })
	do(t, r, experiment.Command{ID: "a1", Verb: experiment.VerbApprove, Author: "lead"})
	until(t, r, "the end", func(r *Run) bool { return r.View().Condition == string(experiment.Done) })
	if v := r.View().Verdict; v.Outcome != string(experiment.Promoted) {
		t.Errorf("%+v", v)
	}
	if v, _ := ask(t, r, "anybody"); v != "v2" {
		t.Errorf("%s serves in the end", v)
	}
	replays(t, r)
}

func TestWhatTheGatewayCannotDoIsRefusedBeforeAnythingOpens(t *testing.T) {
	p := staged(t, "copied", `
  assignment: {unit: {header: x-user-id}}
  metrics: [{name: error-rate, from: {builtin: error-rate}}]
  objectives: [{metric: error-rate, max: 1%}]
  stages: [{name: ramp, ramp: {steps: [10%, 100%]}, hold: {requests: 100}}]
  promote: {how: copy}
`)
	data := t.TempDir()
	_, err := Start(t.Context(), Options{Data: data + "/x", Experiments: []Experiment{{Plan: p}}})
	if experiment.CodeOf(err) != experiment.CodeInvalid {
		t.Fatalf("got %v", err)
	}
	if want := "spec.promote.how: the gateway cannot do promotion by copy"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}
