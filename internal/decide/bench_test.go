// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"fmt"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// crowd is a plan of eight versions with the verdicts that it makes, about 200,
// and a state inside its stage.
func crowd(stage experiment.Stage) (*experiment.Plan, experiment.State, experiment.Facts) {
	limit := .01
	p := &experiment.Plan{
		Name: "x", Window: time.Minute, Stale: 5 * time.Minute, Metrics: everyMetric(), Segments: []experiment.Segment{tier()},
		Reward:    &experiment.Reward{Metric: "purchase", MinimumEffect: experiment.Margin{Absolute: .01}},
		OnUnknown: experiment.OnUnknown{After: time.Hour, Do: experiment.PolicyHold},
	}
	for v := range experiment.MaxVersions {
		p.Versions = append(p.Versions, experiment.Version{Name: fmt.Sprintf("v%d", v+1)})
	}
	for i := range 6 {
		name := fmt.Sprintf("objective-%d", i)
		p.Metrics = append(p.Metrics, experiment.Metric{Name: name, Builtin: &experiment.BuiltinMetric{Kind: experiment.ErrorRate}})
		p.Objectives = append(p.Objectives, experiment.Objective{Metric: name, Max: &limit})
	}
	for i := range 5 {
		name := fmt.Sprintf("guardrail-%d", i)
		p.Metrics = append(p.Metrics, experiment.Metric{Name: name, Outcomes: &experiment.OutcomesMetric{Event: name}})
		p.Guardrails = append(p.Guardrails, experiment.Guardrail{Metric: name, NoWorseThan: experiment.Margin{Absolute: .01}, Slices: []string{"tier"}})
	}
	p.Stages = []experiment.Stage{stage}
	var f experiment.Facts
	j := &f.Judgement
	j.Requests, j.Units, j.Seen = 1000, 900, []int64{2000, 1000, 1000, 1000, 1000, 1000, 1000, 1000}
	e := .001
	add := func(v int, role experiment.Role, metric, slice string, s experiment.Status) {
		j.Verdicts = append(j.Verdicts, experiment.Verdict{
			Version: v, Role: role, Metric: metric, Slice: slice, Status: s, Estimate: &e, Interval: &stats.Interval{High: .002}, N: 1000,
		})
	}
	for v := range p.Versions {
		for _, o := range p.Objectives {
			add(v, experiment.RoleObjective, o.Metric, "", experiment.Met)
		}
		if v == 0 {
			continue
		}
		for _, g := range p.Guardrails {
			for _, slice := range append([]string{""}, p.SlicesOf(&g)...) {
				add(v, experiment.RoleGuardrail, g.Metric, slice, experiment.NotWorse)
			}
		}
		add(v, experiment.RoleReward, "purchase", "", experiment.Undecided)
		j.Arms = append(j.Arms, experiment.Arm{Version: v, N: 500, Mean: .1, SE: .01, Best: .1})
	}
	j.Arms = append(j.Arms, experiment.Arm{N: 500, Mean: .1, SE: .01, Best: .1})
	s, _, _ := Start(p, epoch)
	for range experiment.MaxDecisions {
		s, _, _ = Decide(p, s, experiment.Facts{}, epoch.Add(time.Second))
	}
	return p, s, f
}

// BenchmarkDecide is one decision of eight versions on about 200 verdicts: a
// hold, and a promotion, which looks at every gate and moves every slot. Printed
// is what of 20 microseconds it takes.
func BenchmarkDecide(b *testing.B) {
	shares := experiment.Shares{3000, 1000, 1000, 1000, 1000, 1000, 1000, 1000}
	split := experiment.Stage{Name: "ab", Split: &experiment.Split{Shares: shares, Until: experiment.Until{Decided: true, AtMost: 24 * time.Hour}}}
	learn := experiment.Stage{Name: "learn", Bandit: &experiment.Bandit{Policy: experiment.Thompson, Every: time.Hour, Explore: 100, Until: experiment.Until{AtMost: 24 * time.Hour}}}
	for _, c := range []struct {
		name   string
		stage  experiment.Stage
		change func(*experiment.Facts)
		want   experiment.Act
		after  time.Duration
	}{
		{"hold", split, func(*experiment.Facts) {}, experiment.ActHold, time.Hour},
		{"promote", split, func(f *experiment.Facts) {
			for i := range f.Judgement.Verdicts {
				if v := &f.Judgement.Verdicts[i]; v.Role == experiment.RoleReward {
					v.Status = experiment.Better
				}
			}
		}, experiment.ActPromote, time.Hour},
		{"remove", split, func(f *experiment.Facts) { f.Judgement.Verdicts[20].Status = experiment.Worse }, experiment.ActRemove, time.Hour},
		{"bandit between updates", learn, func(*experiment.Facts) {}, experiment.ActHold, time.Minute},
	} {
		p, s, f := crowd(c.stage)
		c.change(&f)
		if c.stage.Bandit != nil {
			s.Updates, s.Updated = 1, epoch
		}
		now := epoch.Add(c.after)
		b.Run(c.name, func(b *testing.B) {
			if _, d, _ := Decide(p, s, f, now); d.Act != c.want {
				b.Fatalf("%s because %s", d.Act, d.Reasons)
			}
			b.ReportMetric(float64(len(f.Judgement.Verdicts)), "verdicts")
			b.ReportAllocs()
			for b.Loop() {
				Decide(p, s, f, now)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/20, "of-20us")
		})
	}
}
