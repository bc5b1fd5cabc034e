// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/simulate"
	"github.com/headgate-dev/headgate/internal/translate"
)

const threeVersions = `
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: ranker}
spec:
  owner: search
  versions:
  - {name: v1, backend: "http://127.0.0.1:1"}
  - {name: v2, backend: "http://127.0.0.1:2"}
  - {name: v3, backend: "http://127.0.0.1:3"}
  traffic: {gateway: {}}
  assignment: {unit: {header: x-user-id}}
  segments: [{name: tier, header: x-tier, values: [premium]}]
  metrics:
  - {name: revenue, from: {outcomes: {event: revenue, window: 30m}}}
  - {name: refund, goal: decrease, from: {outcomes: {event: refund, window: 30m}}}
  - {name: errors, from: {builtin: error-rate}}
  reward: {metric: revenue, minimumEffect: {absolute: 0.5}}
  stages:
  - {name: ab, split: {v1: 40%, v2: 30%, v3: 30%}, until: {decided: true, atMost: 1d}, otherwise: keep}
`

func threePlan(t *testing.T) *experiment.Plan {
	t.Helper()
	p, err := translate.Plan([]byte(threeVersions))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestFlagsMakeAWorld: what each flag says lands in the law that it is about.
func TestFlagsMakeAWorld(t *testing.T) {
	p := threePlan(t)
	of := func(metric string, x ...float64) simulate.Law { return simulate.Law{Metric: metric, Values: x} }
	revenue := func(x ...float64) simulate.Law {
		return simulate.Law{Metric: "revenue", Values: x, SD: 40}
	}
	refund, errors := of("refund", .1, .1, .1), of("errors", .001, .001, .001)
	sums := []string{"12±40"}
	for name, tc := range map[string]struct {
		flags worldFlags
		want  []simulate.Law
	}{
		"the smallest effect is every candidate's": {worldFlags{baselines: sums}, []simulate.Law{revenue(12, 12.5, 12.5), refund, errors}},
		"a bare effect is every candidate's":       {worldFlags{baselines: sums, effects: []string{"50%"}}, []simulate.Law{revenue(12, 18, 18), refund, errors}},
		"an effect of one is only its":             {worldFlags{baselines: sums, effects: []string{"v3=-1"}}, []simulate.Law{revenue(12, 12, 11), refund, errors}},
		"none is none":                             {worldFlags{baselines: sums, effects: []string{"0"}}, []simulate.Law{revenue(12, 12, 12), refund, errors}},
		"to improve refunds is to have less": {
			worldFlags{baselines: sums, effects: []string{"0", "refund,v2=+4pt"}}, []simulate.Law{revenue(12, 12, 12), of("refund", .1, .06, .1), errors},
		},
		"failures are set by version": {
			worldFlags{baselines: sums, effects: []string{"0"}, errors: []string{"1%", "v2=20%"}}, []simulate.Law{revenue(12, 12, 12), refund, of("errors", .01, .2, .01)},
		},
		"a group differs from everybody": {
			worldFlags{baselines: sums, effects: []string{"tier=premium,v2=-2", "+1"}},
			[]simulate.Law{revenue(12, 13, 13), refund, errors, {Metric: "revenue", Slice: "tier=premium", Values: []float64{12, 10, 13}, SD: 40}},
		},
		"some units are not heard of": {
			worldFlags{baselines: sums, effects: []string{"0"}, heard: []string{"90%", "refund=50%"}},
			[]simulate.Law{{Metric: "revenue", Values: []float64{12, 12, 12}, SD: 40, Heard: .9}, {Metric: "refund", Values: []float64{.1, .1, .1}, Heard: .5}, errors},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.flags.traffic, tc.flags.steps = "120/min", 7
			a, err := tc.flags.assumptions(p)
			if err != nil {
				t.Fatal(err)
			}
			near := cmp.Comparer(func(x, y float64) bool { return x-y < 1e-12 && y-x < 1e-12 })
			if d := cmp.Diff(simulate.Assumptions{Rate: 2, Steps: 7, Laws: tc.want}, a, near); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if _, err := simulate.NewFast(p, a); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRunsProgress: a bar that is redrawn on a terminal and taken away, else a
// line at each tenth, but none for what is over at once.
func TestRunsProgress(t *testing.T) {
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(seconds float64) time.Time { return began.Add(time.Duration(seconds * float64(time.Second))) }
	var out strings.Builder
	p := &runsProgress{to: &out, of: 1000, began: began, told: began}
	p.at(500, at(.5)) // Nobody waits yet.
	p.at(600, at(2))
	p.at(590, at(2)) // Another goroutine was quicker.
	p.at(650, at(3)) // No new tenth.
	p.at(651, at(13))
	p.at(1000, at(14))
	p.close()
	want := " 60%  600 of 1,000 runs  300/s  1s left\n 65%  651 of 1,000 runs  50.1/s  7s left\n100%  1,000 of 1,000 runs  71.4/s  0s left\n"
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("without a terminal (-want +got):\n%s", d)
	}
	out.Reset()
	p = &runsProgress{to: &out, width: 80, of: 1000, began: began, told: began}
	p.at(1, at(.05)) // Too soon after the start.
	p.at(500, at(1))
	p.at(501, at(1.01))
	p.at(1000, at(1.02)) // The last is always drawn.
	p.close()
	clear := "\r\x1b[2K"
	want = clear + strings.Repeat("█", 13) + strings.Repeat("·", 13) + "  50%  500 of 1,000 runs  500/s  1s left" +
		clear + strings.Repeat("█", 26) + " 100%  1,000 of 1,000 runs  980/s  0s left" + clear
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("on a terminal (-want +got):\n%s", d)
	}
}

// interrupted is a context that ends after it was asked a number of times.
type interrupted struct {
	context.Context
	left atomic.Int64
}

func (i *interrupted) Err() error {
	if i.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// TestInterruptedSimulationsReportWhatTheyHave: the report of the runs that were
// played, marked partial, and the exit code of an interruption; without any run
// no report.
func TestInterruptedSimulationsReportWhatTheyHave(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.yaml")
	if err := os.WriteFile(file, []byte(threeVersions), 0o600); err != nil {
		t.Fatal(err)
	}
	for polls, want := range map[int64]string{12: "PARTIAL, interrupted: 12 of 100,000 runs of ranker", 0: ""} {
		var out, talk bytes.Buffer
		ctx := &interrupted{Context: t.Context()}
		ctx.left.Store(polls)
		code := Run(ctx, []string{"simulate", "-f", file, "--runs", "100000", "--parallel", "1", "--effect", "0", "--baseline", "10%"}, IO{Out: &out, Err: &talk}, "v0")
		if code != ExitInterrupted || !strings.Contains(out.String(), want) || (want == "") != (out.Len() == 0) {
			t.Errorf("after %d polls: exit code %d\n%s%s", polls, code, out.String(), talk.String())
		}
	}
}
