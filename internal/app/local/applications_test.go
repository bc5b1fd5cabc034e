// SPDX-License-Identifier: Apache-2.0

package local

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/translate"
)

const testToken = "a-token-of-the-test"

// clientPlan is an experiment whose application assigns.
func clientPlan(t *testing.T) *experiment.Plan {
	t.Helper()
	p, err := translate.Plan(fmt.Appendf(nil, `
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: checkout}
spec:
  versions: [{name: v1, backend: %q}, {name: v2, backend: %q}]
  traffic: {gateway: {}}
  assignment:
    unit: {header: x-user-id}
    by: client
    cohort: {header: x-model}
    overrides: [{header: x-api-version, value: blue, version: v2}]
  segments: [{name: tier, header: x-tier, values: [premium]}]
  metrics: [{name: purchase, from: {outcomes: {event: purchase, window: 1h}}}]
  reward: {metric: purchase, minimumEffect: {relative: 1%%}}
  stages: [{name: ab, split: {v1: 50%%, v2: 50%%}, until: {decided: true, atMost: 14d}}]
  evidence: {window: 200ms, lag: 100ms}
`, model(t, "v1"), model(t, "v2")))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// api posts JSON to the host's API and gives the status and the answer.
func api(t *testing.T, h *Host, path, token, body string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.APIURL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatalf("%d %q: %v", res.StatusCode, text, err)
	}
	return res.StatusCode, out
}

// sent sends a request with a header and says which version answered.
func sent(t *testing.T, r *Run, header, value string) (version, token string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.TrafficURL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(header, value)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.Header.Get("X-Headgate-Version"), res.Header.Get("X-Headgate-Exposure")
}

func beginWithToken(t *testing.T, plans ...*experiment.Plan) *Host {
	t.Helper()
	o := Options{Data: t.TempDir(), Token: testToken}
	for _, p := range plans {
		o.Experiments = append(o.Experiments, Experiment{Plan: p})
	}
	h, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func TestTheApplicationAssignsAndTellsOfIt(t *testing.T) {
	h := beginWithToken(t, clientPlan(t))
	r := h.Runs()[0]
	until(t, r, "the split", shared)
	for cohort, want := range map[string]string{"v1": "v1", "v2": "v2", "v3": "v1", "": "v1"} {
		if version, token := sent(t, r, "X-Model", cohort); version != want || token != "" {
			t.Errorf("cohort %q is served by %s with token %q, want %s and none", cohort, version, token, want)
		}
	}
	const batch = `{"exposures":[{"unit":"anna","version":"v2","segments":{"tier":"premium"}},{"unit":"bob","version":"v1"},{"unit":"bob","version":"v9"}]}`
	refused := []any{map[string]any{"path": "exposures[2].version", "message": `there is no such version: "v9"`, "hint": "the versions are v1, v2"}}
	for _, want := range []map[string]any{
		{"accepted": 2.0, "duplicates": 0.0, "moved": 0.0, "late": 0.0, "refused": refused},
		{"accepted": 0.0, "duplicates": 2.0, "moved": 0.0, "late": 0.0, "refused": refused},
	} {
		if status, got := api(t, h, "/v1/exposures", testToken, batch); status != 202 || !cmp.Equal(want, got) {
			t.Errorf("answer = %d %v, want 202 %v", status, got, want)
		}
	}
	outcomes := `{"outcomes":[{"unit":"anna","event":"purchase"},{"unit":"carl","event":"purchase"}]}`
	if status, got := api(t, h, "/v1/outcomes", testToken, outcomes); status != 202 || got["accepted"] != 1.0 || got["unmatched"] != 1.0 {
		t.Errorf("outcomes of a told and an untold unit: %d %v", status, got)
	}

	if _, err := r.Do(t.Context(), experiment.Command{Verb: experiment.VerbKill, Author: "test", Reason: "test"}); err != nil {
		t.Fatal(err)
	}
	for header, value := range map[string]string{"X-Model": "v2", "X-Api-Version": "blue"} {
		if version, _ := sent(t, r, header, value); version != "v1" {
			t.Errorf("after the kill %s: %s is served by %s", header, value, version)
		}
	}
	status, got := api(t, h, "/v1/exposures", testToken, `{"unit":"dora","version":"v2"}`)
	if failure, _ := got["error"].(map[string]any); status != 400 || failure["path"] != "version" {
		t.Errorf("after the kill, an exposure to the candidate: %d %v", status, got)
	}
}

func TestOpenFeatureGivesWhatTrafficGets(t *testing.T) {
	h := beginWithToken(t, plan(t, "canary"), clientPlan(t))
	r := h.Runs()[0]
	until(t, r, "the canary's share", shared)
	versions := map[string]bool{}
	for i := range 20 {
		unit := fmt.Sprintf("user-%d", i)
		status, flag := api(t, h, "/ofrep/v1/evaluate/flags/canary", testToken, `{"context":{"targetingKey":"`+unit+`"}}`)
		if status != 200 || flag["reason"] != "SPLIT" {
			t.Fatalf("%s: %d %v", unit, status, flag)
		}
		version, _ := ask(t, r, unit)
		if flag["value"] != version || flag["variant"] != version {
			t.Errorf("%s is told %v, and served by %s", unit, flag, version)
		}
		versions[version] = true
		token := flag["metadata"].(map[string]any)["exposure"].(string)
		outcome := fmt.Sprintf(`{"experiment":"test/canary","token":%q,"event":"purchase"}`, token)
		if status, got := api(t, h, "/v1/outcomes", testToken, outcome); status != 202 || got["accepted"] != 1.0 {
			t.Errorf("an outcome by the token of %s: %d %v", unit, status, got)
		}
	}
	if len(versions) != 2 {
		t.Errorf("only %v came up", versions)
	}
	status, got := api(t, h, "/ofrep/v1/evaluate/flags", testToken, `{"context":{"targetingKey":"anna"}}`)
	flags, _ := got["flags"].([]any)
	if status != 200 || len(flags) != 2 || flags[0].(map[string]any)["key"] != "test/canary" || flags[1].(map[string]any)["key"] != "checkout" {
		t.Errorf("all flags: %d %v", status, got)
	}
	if status, got := api(t, h, "/v1/exposures", testToken, `{"experiment":"test/canary","unit":"anna","version":"v1"}`); status != 409 {
		t.Errorf("an exposure where Headgate assigns: %d %v, want 409", status, got)
	}
}

func TestApplicationsNeedTheToken(t *testing.T) {
	h := beginWithToken(t, clientPlan(t))
	for _, path := range []string{"/v1/outcomes", "/v1/exposures", "/ofrep/v1/evaluate/flags", "/ofrep/v1/evaluate/flags/checkout"} {
		for _, token := range []string{"", "another-token-1234"} {
			if status, got := api(t, h, path, token, `{}`); status != 401 {
				t.Errorf("%s with token %q: %d %v, want 401", path, token, status, got)
			}
		}
		if status, _ := api(t, h, path, testToken, `{}`); status != 400 {
			t.Errorf("%s with the token: %d, want 400", path, status)
		}
	}
}

func TestReadToken(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		ok   bool
	}{
		"a token":                  {testToken, true},
		"a token and a line's end": {testToken + "\r\n", true},
		"nothing":                  {"", false},
		"a short one":              {"secret", false},
		"two":                      {testToken + "\n" + testToken, false},
		"a long one":               {strings.Repeat("secret", 100), false},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "token")
			if err := os.WriteFile(file, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := ReadToken(file)
			if tc.ok && (err != nil || got != testToken) {
				t.Errorf("ReadToken = %q, %v", got, err)
			}
			if !tc.ok && (experiment.CodeOf(err) != experiment.CodeInvalid || got != "" || strings.Contains(err.Error(), "secret")) {
				t.Errorf("ReadToken = %q, %v; want CodeInvalid that keeps it", got, err)
			}
		})
	}
	if _, err := ReadToken(filepath.Join(t.TempDir(), "none")); experiment.CodeOf(err) != experiment.CodeInvalid {
		t.Errorf("of no file: %v", err)
	}
}
