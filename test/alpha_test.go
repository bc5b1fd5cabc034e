// SPDX-License-Identifier: Apache-2.0

package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/stats"
)

// looks is an experiment of 20 looks with one reward and two guardrails.
const looks = `
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: looks}
spec:
  owner: nobody
  versions: [{name: v1, backend: "http://127.0.0.1:1"}, {name: v2, backend: "http://127.0.0.1:2"}]
  traffic: {gateway: {}}
  assignment: {unit: {header: x-user-id}}
  metrics:
  - {name: purchase, from: {outcomes: {event: purchase, window: 1h}}}
  - {name: refund, goal: decrease, from: {outcomes: {event: refund, per: purchase, window: 1h}}}
  - {name: errors, from: {builtin: error-rate}}
  reward: {metric: purchase, minimumEffect: {relative: 1%}}
  guardrails:
  - {metric: refund, noWorseThan: {absolute: 5%}}
  - {metric: errors, noWorseThan: {absolute: 1%}}
  stages:
  - {name: ab, split: {v1: 50%, v2: 50%}, until: {decided: true, atMost: 20h}, otherwise: keep}
  analysis: {ANALYSIS}
  evidence: {window: 1h, lag: 1m, stale: 5h}
  onUnknown: {after: 10h, do: hold}
`

// identical is 10,000 experiments between identical versions, as the program
// counts them.
type identical struct {
	Headgate, Iter8, Argo, Flagger struct {
		Runs, Promoted int64
	}
}

// TestFalsePromotions is D9 over 10,000 experiments for every method: those with a
// guarantee promote one of two identical versions at most with probability alpha.
// Each test fails a rule that keeps to alpha exactly with probability 1e-6 at
// most, and finds one that exceeds it by 1.5 points with probability .95. Methods
// without a guarantee and the rivals' rules are printed beside; they lie above.
func TestFalsePromotions(t *testing.T) {
	const runs, alpha, sure = 10_000, .05, 1e-6
	binary := build(t)
	check := func(t *testing.T, rule string, promoted, played int64, guaranteed bool) {
		t.Helper()
		p, err := stats.BinomialTestGreater(promoted, played, alpha)
		if err != nil || played != runs {
			t.Fatalf("%s: %d runs, %v", rule, played, err)
		}
		i, err := stats.ClopperPearson(stats.Counts{N: played, X: promoted}, .95)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%-10s %5d of %d promoted, %5.2f%% [%.2f, %.2f]", rule, promoted, played, 100*float64(promoted)/float64(played), 100*i.Low, 100*i.High)
		switch {
		case guaranteed && p < sure:
			t.Errorf("%s promotes more identical versions than alpha allows, p = %.2g", rule, p)
		case !guaranteed && p > sure:
			t.Errorf("%s claims no alpha, and yet alpha explains it (p = %.2g): is it still its rule?", rule, p)
		}
	}
	for _, m := range []struct {
		name, analysis string
		guaranteed     bool
	}{
		{"sequential", "method: sequential, alpha: 5%, looks: 20", true},
		{"anytime", "method: anytime, alpha: 5%", true},
		{"fixed", "method: fixed, alpha: 5%", true},
		{"bayesian", "method: bayesian", false},
		{"threshold", "method: threshold", false},
	} {
		t.Run(m.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "looks.yaml")
			if err := os.WriteFile(file, []byte(strings.Replace(looks, "ANALYSIS", m.analysis, 1)), 0o644); err != nil {
				t.Fatal(err)
			}
			rivals := m.name == "sequential"
			began := time.Now()
			out, err := exec.CommandContext(t.Context(), binary, "simulate", "-f", file, "--runs", fmt.Sprint(runs), "--effect", "0",
				"--baseline", "10%", "--traffic", "1/s", "--seed", "20261121", fmt.Sprintf("--rivals=%v", rivals), "-o", "json").Output()
			if e, ok := errors.AsType[*exec.ExitError](err); ok {
				t.Fatalf("headgate simulate: %v\n%s", err, e.Stderr)
			} else if err != nil {
				t.Fatal(err)
			}
			t.Logf("10,000 experiments of 20 looks took %s", time.Since(began).Round(100*time.Millisecond))
			var r identical
			if err := json.Unmarshal(out, &r); err != nil {
				t.Fatal(err)
			}
			check(t, m.name, r.Headgate.Promoted, r.Headgate.Runs, m.guaranteed)
			if rivals {
				check(t, "iter8", r.Iter8.Promoted, r.Iter8.Runs, false)
				check(t, "argo", r.Argo.Promoted, r.Argo.Runs, false)
				check(t, "flagger", r.Flagger.Promoted, r.Flagger.Runs, false)
			}
		})
	}
}
