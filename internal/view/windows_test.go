// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
)

// TestWindowsAreTold: every face says that windows are the sample, once there is
// one, and of which metric.
func TestWindowsAreTold(t *testing.T) {
	p := ranker("v1", "v2")
	p.Metrics = append(p.Metrics,
		experiment.Metric{Name: "depth", Goal: experiment.Decrease, Provider: &experiment.ProviderMetric{Prometheus: &experiment.PrometheusQuery{Query: []string{"a", "b"}}}},
		experiment.Metric{Name: "refused", Goal: experiment.Decrease, Provider: &experiment.ProviderMetric{Prometheus: &experiment.PrometheusQuery{Events: []string{"a", "b"}, Total: []string{"c", "d"}}}},
	)
	p.Objectives = []experiment.Objective{{Metric: "depth", Max: new(12.5)}, {Metric: "refused", Max: new(0.5)}}
	for n, want := range map[int64]bool{0: false, 30: true} {
		in := at(p, 0, 0, time.Hour, experiment.Baseline(2))
		in.Judgement.Verdicts = append(in.Judgement.Verdicts,
			experiment.Verdict{Version: 1, Metric: "depth", Role: experiment.RoleObjective, Status: experiment.Met, Basis: p.Metric("depth").Basis(), N: n, Estimate: new(3.25), Limit: new(12.5), Guarantee: experiment.GuaranteeAnytime},
			experiment.Verdict{Version: 1, Metric: "refused", Role: experiment.RoleObjective, Status: experiment.Met, Basis: p.Metric("refused").Basis(), N: n, Estimate: new(.25), Limit: new(.5), Guarantee: experiment.GuaranteeAnytime})
		e := view.Of(in)
		i := slices.IndexFunc(e.Notices, func(n view.Notice) bool { return n.Kind == view.NoticeWindows })
		if (i >= 0) != want || want && (!strings.Contains(e.Notices[i].Text, "windows are the sample of depth:") || strings.Contains(e.Notices[i].Text, "refused")) {
			t.Errorf("%d windows: %v", n, e.Notices)
		}
		var questions []string
		for _, f := range e.Findings {
			if f.Metric == "depth" || f.Metric == "refused" {
				questions = append(questions, f.Question+" of "+f.Basis)
			}
		}
		if got := strings.Join(questions, "; "); got != "depth <= 12.5 of windows; refused <= 50% of requests" {
			t.Errorf("findings are %q", got)
		}
	}
}
