// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// large is the largest experiment that there may be: 8 versions and 24 metrics
// of which all but two are of units, each a guardrail, and one in every group of
// a segment, after a ramp of four phases.
func large() (*experiment.Plan, *experiment.Totals, At) {
	p := rewarded(1_000_000)
	p.Versions = nil
	for v := range experiment.MaxVersions {
		p.Versions = append(p.Versions, experiment.Version{Name: fmt.Sprint("v", v)})
	}
	p.Segments = []experiment.Segment{{Name: "tier", Header: "x-tier", Values: []string{"free", "premium"}, Stratify: true}}
	p.Metrics = p.Metrics[:3] // errors, p99, purchase
	for i := len(p.Metrics); i < 24; i++ {
		name := fmt.Sprint("m", i)
		p.Metrics = append(p.Metrics, experiment.Metric{Name: name, Goal: experiment.Increase, Outcomes: &experiment.OutcomesMetric{Event: name}})
	}
	for i, m := range p.Metrics {
		g := experiment.Guardrail{Metric: m.Name, NoWorseThan: experiment.Margin{Relative: .05}}
		if i < 3 {
			g.Slices = []string{"tier"}
		}
		p.Guardrails = append(p.Guardrails, g)
	}
	p.Objectives = []experiment.Objective{{Metric: "errors", Max: ptr(.02)}, {Metric: "p99", Max: ptr(.02)}}
	rng := rand.New(rand.NewPCG(1, 2))
	shares := make(experiment.Shares, len(p.Versions))
	for v := range shares {
		shares[v] = experiment.Whole / experiment.Share(len(shares))
	}
	all := &experiment.Totals{}
	for number := range 5 {
		ph := experiment.PhaseTotals{Epoch: 1, Phase: number + 1, Shares: shares, Start: start}
		n := int64(2000 * (number + 1))
		for _, slice := range append([]string{""}, p.Segments[0].Slices()...) {
			for v := range p.Versions {
				add := func(metric string, e experiment.Evidence) {
					c := experiment.Cell{CellKey: experiment.CellKey{Epoch: 1, Phase: number + 1, Version: v, Metric: metric, Slice: slice}, Evidence: e}
					t := experiment.Totals{Phases: []experiment.PhaseTotals{ph}}
					if err := t.Fold(experiment.Seal{Source: experiment.SourceGateway, Epoch: 1, Phase: number + 1, From: ph.Folded.Gateway, To: ph.Folded.Gateway + 1, Cells: []experiment.Cell{c}}); err != nil {
						panic(err)
					}
					ph = t.Phases[0]
				}
				add(experiment.CellExposures, experiment.Evidence{Counts: stats.Counts{N: n}})
				add(experiment.CellRequests, experiment.Evidence{Counts: stats.Counts{N: 9 * n, X: n/20 + rng.Int64N(n/50)}})
				for _, m := range p.Metrics[1:] {
					if !m.ByUnit() {
						add(m.Name, experiment.Evidence{Counts: stats.Counts{N: 9 * n, X: n/20 + rng.Int64N(n/50)}})
						continue
					}
					rate := .2 + .01*rng.Float64()
					add(m.Name, experiment.Evidence{Units: stats.Pair{N: n, MeanY: rate, MeanX: 1, M2Y: float64(n) * rate * (1 - rate)}})
				}
			}
		}
		all.Phases = append(all.Phases, ph)
	}
	now := at(time.Minute)
	now.Phase = 5
	return p, all, now
}

func BenchmarkJudgeLarge(b *testing.B) {
	p, all, now := large()
	j, m := Judge(p, all, experiment.Monitors{}, now)
	comparisons := 0
	for _, v := range j.Verdicts {
		if v.Role == experiment.RoleReward || v.Role == experiment.RoleGuardrail {
			comparisons++
		}
	}
	for name, memo := range map[string]*Memo{"with memo": NewMemo(), "without": nil} {
		b.Run(name, func(b *testing.B) {
			now.Memo = memo
			for b.Loop() {
				Judge(p, all, m, now)
			}
			b.ReportMetric(float64(comparisons), "comparisons")
		})
	}
}

// BenchmarkTwentyLooks is the whole of an experiment with twenty looks.
func BenchmarkTwentyLooks(b *testing.B) {
	p := rewarded(20_000)
	p.Analysis.Looks = 20
	var phases []*experiment.Totals
	for look := range 20 {
		n := 500 * (look + 1)
		phases = append(phases, totals(phase(1, half, units(0, "purchase", n, n/5, 1), units(1, "purchase", n, n/5, 1))))
	}
	for name, remember := range map[string]bool{"with memo": true, "without": false} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				now := at(time.Minute)
				if remember {
					now.Memo = NewMemo()
				}
				var m experiment.Monitors
				for _, all := range phases {
					_, m = Judge(p, all, m, now)
				}
				if len(m.Looks) != 20 {
					b.Fatalf("%d looks", len(m.Looks))
				}
			}
		})
	}
}
