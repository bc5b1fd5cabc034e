// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/translate"
	"github.com/headgate-dev/headgate/internal/view"
	"github.com/headgate-dev/headgate/stats"
)

const twoVersions = `
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: ranker, namespace: search}
spec:
  versions: [{name: v1, backend: "http://a:1"}, {name: v2, backend: "http://b:1"}]
  traffic: {gateway: {}}
  assignment: {unit: {header: x-user-id}}
  metrics:
  - {name: click, from: {outcomes: {event: click, window: 10s}}}
  - {name: errors, from: {builtin: error-rate}}
  - {name: p99, from: {builtin: latency, quantile: 0.99}}
  reward: {metric: click, minimumEffect: {absolute: 10%}}
  objectives: [{metric: errors, max: 3%}, {metric: p99, max: 250ms}]
  stages:
  - {name: canary, ramp: {steps: [5%, 20%]}, hold: {requests: 200, windows: 3}}
  - {name: ab, split: {v1: 50%, v2: 50%}, until: {decided: true, units: 3000, atMost: 10m}}
  evidence: {window: 5s, lag: 1s, stale: 1m}
`

const oneVersion = `
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: conformance}
spec:
  versions: [{name: v1, backend: "http://a:1"}]
  traffic: {gateway: {}}
  assignment: {unit: {request: true}}
  metrics:
  - {name: errors, from: {builtin: error-rate}}
  - {name: p99, from: {builtin: latency, quantile: 0.99}}
  objectives: [{metric: errors, max: 3%}, {metric: p99, max: 250ms}]
  stages: [{name: watch, observe: {for: 2m}}]
  evidence: {window: 5s, lag: 1s, stale: 1m}
`

func planOf(t testing.TB, yaml string) *experiment.Plan {
	t.Helper()
	p, err := translate.Plan([]byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// truth is what versions are really like: their rates of errors and of slow
// answers, and how often a unit clicks.
type truth struct{ failed, slow, click []float64 }

var (
	same   = truth{[]float64{0.005, 0.005, 0.005}, []float64{0.001, 0.001, 0.001}, []float64{0.3, 0.3, 0.3}}
	better = truth{same.failed, same.slow, []float64{0.3, 0.6, 0.3}}
	worse  = truth{same.failed, same.slow, []float64{0.6, 0.2, 0.6}}
	broken = truth{[]float64{0.005, 0.3, 0.005}, same.slow, same.click}
)

// play steps a plan with evidence drawn window by window, as the gateway and
// the ledger would seal it, latencies included, and shows the input of every
// view, holds included.
func play(t testing.TB, p *experiment.Plan, w truth, seed uint64, perWindow int, show func(view.Input)) {
	t.Helper()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	out := engine.Begin(p, now)
	for range 1000 {
		show(view.Input{Plan: p, Record: &out.Record, Judgement: &out.Judgement, Latest: out.Decision, Now: now})
		if out.Record.State.Condition == experiment.Done {
			return
		}
		now = now.Add(p.Window)
		var err error
		if out, err = engine.Step(p, out.Record, engine.Input{Now: now, Seals: seals(p, &out.Record, w, seed, perWindow, now)}); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatalf("%s did not end", p.Name)
}

func seals(p *experiment.Plan, rec *experiment.Record, w truth, seed uint64, perWindow int, now time.Time) []experiment.Seal {
	var out []experiment.Seal
	for i := range rec.Totals.Phases {
		phase := &rec.Totals.Phases[i]
		end := now
		if i+1 < len(rec.Totals.Phases) {
			end = rec.Totals.Phases[i+1].Start
		}
		for _, source := range p.Sources() {
			hold := p.Lag
			if source == experiment.SourceOutcomes {
				hold += p.OutcomeWindow()
			}
			from := *phase.Folded.Of(source)
			to := min(int64(end.Sub(phase.Start)/p.Window), experiment.SealedWindows(phase.Start, now, p.Window, hold))
			if to <= from {
				continue
			}
			seal := experiment.Seal{Source: source, Epoch: phase.Epoch, Phase: phase.Phase, From: from, To: to}
			for at := from; at < to; at++ {
				for v := range p.Versions {
					key := experiment.CellKey{Epoch: phase.Epoch, Phase: phase.Phase, Window: at, Version: v}
					n := int(phase.Shares[v]) * perWindow / experiment.Whole
					if source == experiment.SourcePairs {
						n = 0
						if v > 0 && p.Stages[phase.Stage].Mirror != nil {
							n = perWindow / 5
						}
					}
					seal.Cells = append(seal.Cells, cells(p, key, source, w, seed, n)...)
				}
			}
			out = append(out, seal)
		}
	}
	return out
}

// cells draws one window of one version; each unit makes one request.
func cells(p *experiment.Plan, key experiment.CellKey, source experiment.Source, w truth, seed uint64, n int) []experiment.Cell {
	if n == 0 {
		return nil
	}
	rng := rand.New(rand.NewPCG(seed, uint64(key.Phase)<<32|uint64(key.Window)<<8|uint64(key.Version)))
	requests, slow, latency, clicks := stats.Counts{N: int64(n)}, stats.Counts{N: int64(n)}, new(stats.Sketch), stats.Pair{}
	for range n {
		if rng.Float64() < w.failed[key.Version] {
			requests.X++
		}
		seconds := 0.02 * (1 + rng.Float64())
		if rng.Float64() < w.slow[key.Version] {
			seconds, slow.X = 1, slow.X+1
		}
		latency.Add(seconds)
		y := 0.0
		if rng.Float64() < w.click[key.Version] {
			y = 1
		}
		clicks.Add(y, 1)
	}
	var out []experiment.Cell
	add := func(metric string, e experiment.Evidence) {
		key.Metric = metric
		out = append(out, experiment.Cell{CellKey: key, Evidence: e})
	}
	switch source {
	case experiment.SourceExposures:
		add(experiment.CellExposures, experiment.Evidence{Counts: requests})
	case experiment.SourceGateway:
		add(experiment.CellRequests, experiment.Evidence{Counts: requests, Sketch: latency})
		for _, m := range p.Metrics {
			if m.Builtin != nil && m.Builtin.Kind == experiment.Latency {
				add(m.Name, experiment.Evidence{Counts: slow})
			}
		}
	case experiment.SourcePairs:
		agree := stats.Pair{}
		for range n {
			agree.Add(1, 1)
		}
		add(experiment.CellMirrored, experiment.Evidence{Counts: stats.Counts{N: int64(n)}})
		add("agree", experiment.Evidence{Units: agree})
	default:
		for _, m := range p.Metrics {
			if m.Outcomes != nil {
				add(m.Name, experiment.Evidence{Units: clicks})
			}
		}
	}
	return out
}

// plans wait for everything that a stage can wait for, alone and together.
func plans() map[string]string {
	canary := func(hold string) string {
		return strings.Replace(twoVersions, "hold: {requests: 200, windows: 3}", "hold: "+hold, 1)
	}
	ab := func(until string) string {
		return strings.Replace(twoVersions, "until: {decided: true, units: 3000, atMost: 10m}", "until: "+until, 1)
	}
	return map[string]string{
		"requests and windows":     twoVersions,
		"requests alone":           canary("{requests: 100}"),
		"windows alone":            canary("{windows: 6}"),
		"time alone":               canary("{for: 1m}"),
		"time after settling":      canary("{requests: 20, settle: 30s, for: 45s}"),
		"units before the horizon": ab("{units: 2000, atMost: 2h}"),
		"the horizon alone":        ab("{atMost: 2m}"),
		"a least time":             ab("{decided: true, atLeast: 90s, atMost: 4m}"),
		"two ramps": strings.Replace(twoVersions, "  - {name: ab",
			"  - {name: more, ramp: {steps: [30%, 40%]}, hold: {requests: 300}}\n  - {name: ab", 1),
		"an observation between": strings.Replace(twoVersions, "  - {name: ab", "  - {name: look, observe: {for: 1m}}\n  - {name: ab", 1),
		"one version":            oneVersion,
		"a fixed test":           strings.Replace(twoVersions, "  stages:", "  analysis: {method: fixed}\n  stages:", 1),
		"a bandit":               strings.Replace(twoVersions, "split: {v1: 50%, v2: 50%}, until: {decided: true, units: 3000, atMost: 10m}", "bandit: {policy: thompson, every: 30s, explore: 200}, until: {best: 0.95, atMost: 10m}", 1),
		"a switch":               strings.Replace(twoVersions, "split: {v1: 50%, v2: 50%}, until: {decided: true, units: 3000, atMost: 10m}", "switch: {warm: 10s, soak: 1m}", 1),
		"a mirror":               strings.NewReplacer("  reward:", "  - {name: agree, from: {pairs: {compare: class, value: .class}}}\n  reward:", "  - {name: canary", "  - {name: shadow, mirror: {share: 20%}, until: {pairs: 300, atMost: 5m}, require: [{metric: agree, min: \"0.5\"}]}\n  - {name: canary").Replace(twoVersions),
		"a promotion kept warm":  twoVersions + "  promote: {keepWarm: {atLeast: 1m, matured: [click], holdback: 5%}}\n",
		"three versions":         strings.NewReplacer(`{name: v2, backend: "http://b:1"}`, `{name: v2, backend: "http://b:1"}, {name: v3, backend: "http://c:1"}`, "split: {v1: 50%, v2: 50%}", "split: {v1: 40%, v2: 30%, v3: 30%}", "steps: [5%, 20%]", "steps: [5%, 10%]").Replace(twoVersions),
	}
}

// TestEveryViewIsSound checks every view of whole runs, with good, bad and
// equal candidates.
func TestEveryViewIsSound(t *testing.T) {
	for name, yaml := range plans() {
		p := planOf(t, yaml)
		for i, w := range []truth{same, better, worse, broken} {
			t.Run(name, func(t *testing.T) {
				play(t, p, w, uint64(i), 200, func(in view.Input) {
					e := view.Of(in)
					checkView(t, in, &e)
					if t.Failed() {
						t.Fatalf("at %s", in.Now.Sub(in.Record.State.Started))
					}
				})
			})
		}
	}
}

// TestProgressNeverFallsInsideAStage follows progress through whole runs: it
// never falls within a stage and ends full.
func TestProgressNeverFallsInsideAStage(t *testing.T) {
	for name, yaml := range plans() {
		t.Run(name, func(t *testing.T) {
			p := planOf(t, yaml)
			last, stage := 0.0, 0
			play(t, p, same, 7, 200, func(in view.Input) {
				e := view.Of(in)
				if e.Stage.Number != stage {
					last, stage = 0, e.Stage.Number
				}
				if e.Stage.Progress < last-1e-9 {
					t.Errorf("at %s: progress of %s falls from %.3f to %.3f (%s)", in.Now.Sub(in.Record.State.Started), e.Stage.Name, last, e.Stage.Progress, e.Verdict.Sentence)
				}
				last = e.Stage.Progress
				if in.Record.State.Condition == experiment.Done && last != 1 {
					t.Errorf("it ends with progress %v", last)
				}
			})
		})
	}
}

// TestViewOfTheFirstMoment has no evidence at all.
func TestViewOfTheFirstMoment(t *testing.T) {
	p := planOf(t, twoVersions)
	out := engine.Begin(p, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	in := view.Input{Plan: p, Record: &out.Record, Judgement: &out.Judgement, Latest: out.Decision, Now: out.Record.State.Started}
	e := view.Of(in)
	checkView(t, in, &e)
	for _, v := range e.Versions {
		if v.ErrorRate != nil || v.P99 != nil || v.Reward != nil || v.Seen != nil {
			t.Errorf("what is not known is shown: %+v", v)
		}
	}
}
