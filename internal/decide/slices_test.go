// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// TestLimitsInSlices: a limit is kept once it is in every group that it names,
// and broken by any one of them, at whatever point it is asked for.
func TestLimitsInSlices(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	limit := 0.01
	objective := experiment.Objective{Metric: "errors", Max: &limit, Slices: []string{"tier"}}
	p := &experiment.Plan{
		Name: "x", Versions: []experiment.Version{{Name: "v1"}, {Name: "v2"}},
		Segments:   []experiment.Segment{{Name: "tier", Header: "x-tier", Values: []string{"premium"}}},
		Metrics:    []experiment.Metric{{Name: "errors", Goal: experiment.Decrease, Builtin: &experiment.BuiltinMetric{Kind: experiment.ErrorRate}}},
		Objectives: []experiment.Objective{objective},
		OnUnknown:  experiment.OnUnknown{After: time.Hour, Do: experiment.PolicyHold}, Window: time.Minute, Stale: time.Hour,
	}
	stages := map[string]experiment.Stage{
		"switch":  {Name: "cut", Switch: &experiment.Switch{}},
		"observe": {Name: "watch", Observe: &experiment.Observe{}},
		"ramp":    {Name: "canary", Ramp: &experiment.Ramp{Steps: []experiment.Share{1000}, AtMost: time.Hour}},
	}
	for name, stage := range stages {
		for _, c := range []struct {
			premium, other experiment.Status
			n              int64
			want           experiment.Act
			code           experiment.ReasonCode
		}{
			{experiment.Undecided, experiment.Met, 5, experiment.ActHold, experiment.ReasonGateOpen},
			{experiment.Met, experiment.Undecided, 5, experiment.ActHold, experiment.ReasonGateOpen},
			{experiment.Violated, experiment.Met, 5, experiment.ActRollback, experiment.ReasonObjective},
			{experiment.Met, experiment.Undecided, 0, "", ""}, // Nobody is in no tier.
			{experiment.Met, experiment.Met, 5, "", ""},
		} {
			p.Stages = []experiment.Stage{stage}
			s, _, _ := Start(p, now)
			shares := experiment.Shares{9000, 1000}
			if stage.Switch != nil {
				shares = experiment.Shares{0, 10_000}
			}
			s.Slots = experiment.SlotsOf(shares)
			f := experiment.Facts{Judgement: experiment.Judgement{Requests: 10, Verdicts: []experiment.Verdict{}}}
			for v := range 2 {
				of := func(slice string, status experiment.Status, n int64) {
					if v == 0 {
						status = experiment.Met
					}
					f.Judgement.Verdicts = append(f.Judgement.Verdicts, experiment.Verdict{Version: v, Role: experiment.RoleObjective, Metric: "errors", Slice: slice, Status: status, N: n})
				}
				of("", experiment.Met, 10)
				of("tier=premium", c.premium, 5)
				of("tier=other", c.other, c.n)
			}
			_, d, _ := Decide(p, s, f, now.Add(time.Minute))
			switch {
			case c.want == "" && (d.Act == experiment.ActHold || d.Act == experiment.ActRollback):
				t.Errorf("%s, %+v: %s (%v)", name, c, d.Act, d.Reasons)
			case c.want != "" && (d.Act != c.want || d.Reasons[0].Code != c.code):
				t.Errorf("%s, %+v: %s (%v)", name, c, d.Act, d.Reasons)
			}
		}
	}
}
