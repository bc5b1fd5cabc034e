// SPDX-License-Identifier: Apache-2.0

package engine_test

import (
	"encoding/json"
	"errors"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/simulate"
	"github.com/headgate-dev/headgate/stats"
)

// world answers with rates per version: failures, slow answers, purchases and
// refunds.
func world(failed, slow, purchase, refund [2]float64) *simulate.World {
	return &simulate.World{Units: 6000, Rate: 2, Answer: func(rng *rand.Rand, v, _ int, a *simulate.Answer) {
		a.Failed = rng.Float64() < failed[v]
		a.Latency = 100 * time.Millisecond
		if rng.Float64() < slow[v] {
			a.Latency = time.Second
		}
		if rng.Float64() < purchase[v] {
			a.Outcomes = append(a.Outcomes, simulate.Outcome{Event: "purchase", Value: 1, After: 10 * time.Second})
		}
		if rng.Float64() < refund[v] {
			a.Outcomes = append(a.Outcomes, simulate.Outcome{Event: "refund", Value: 1, After: 30 * time.Second})
		}
	}}
}

var none = [2]float64{}

// worlds have the ends that the plan can come to.
var worlds = map[string]struct {
	*simulate.World
	want experiment.Outcome
}{
	"a better candidate":   {world([2]float64{.01, .01}, none, [2]float64{.2, .4}, [2]float64{.1, .1}), experiment.Promoted},
	"the same":             {world([2]float64{.01, .01}, none, [2]float64{.2, .2}, [2]float64{.1, .1}), experiment.NoDifference},
	"a failing candidate":  {world([2]float64{.01, .5}, none, [2]float64{.2, .4}, none), experiment.RolledBack},
	"a slow candidate":     {world(none, [2]float64{0, .5}, [2]float64{.2, .4}, none), experiment.RolledBack},
	"a worse candidate":    {world(none, none, [2]float64{.4, .1}, [2]float64{.1, .1}), experiment.RolledBack},
	"refunds, but better":  {world(none, none, [2]float64{.2, .4}, [2]float64{.1, .4}), experiment.RolledBack},
	"nothing ever happens": {world(none, none, none, none), experiment.Inconclusive},
}

func journalOf(t testing.TB, w *simulate.World, seed uint64) (simulate.Result, []experiment.Entry) {
	t.Helper()
	r, err := simulate.Run(plan(t, ramped), w, seed, true)
	if err != nil {
		t.Fatal(err)
	}
	return r, r.Entries
}

// stored is what is left of a value after it was written and read.
func stored[T any](t testing.TB, v T) T {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out T
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func each(entries []experiment.Entry) iter.Seq2[experiment.Entry, error] {
	return func(yield func(experiment.Entry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// TestReplayReproducesEveryDecision is D6, after the journal was stored.
func TestReplayReproducesEveryDecision(t *testing.T) {
	for name, w := range worlds {
		t.Run(name, func(t *testing.T) {
			r, entries := journalOf(t, w.World, 1)
			if r.Outcome != w.want {
				t.Errorf("ended %s (%s), want %s", r.Outcome, r.Reason, w.want)
			}
			for _, journal := range [][]experiment.Entry{entries, stored(t, entries)} {
				if n, err := engine.Replay(each(journal)); err != nil || n != int64(len(entries)) {
					t.Errorf("%d of %d entries replayed: %v", n, len(entries), err)
				}
			}
			if len(entries) < 4 {
				t.Errorf("the journal has %d entries only", len(entries))
			}
		})
	}
}

func TestReplayFindsTampering(t *testing.T) {
	_, entries := journalOf(t, worlds["a better candidate"].World, 1)
	last := len(entries) - 1
	rehash := func(es []experiment.Entry, i int) { es[i].After = es[i].State.Hash() }
	for name, c := range map[string]struct {
		tamper func(es []experiment.Entry) []experiment.Entry
		seq    int64
		want   string
	}{
		"another act": {func(es []experiment.Entry) []experiment.Entry {
			es[1].Decision.Act = experiment.ActHold
			return es
		}, 1, "it decides"},
		"another reason": {func(es []experiment.Entry) []experiment.Entry {
			es[1].Decision.Reasons[0].Params[0].Value = "somewhere else"
			return es
		}, 1, "it decides"},
		"other shares": {func(es []experiment.Entry) []experiment.Entry {
			es[1].Decision.To = experiment.Shares{4000, 6000}
			return es
		}, 1, "it decides"},
		"another intent": {func(es []experiment.Entry) []experiment.Entry {
			es[1].Intents[0].Transition = 9
			return es
		}, 1, "other actions"},
		"no intent": {func(es []experiment.Entry) []experiment.Entry {
			es[1].Intents = nil
			return es
		}, 1, "other actions"},
		"another verdict": {func(es []experiment.Entry) []experiment.Entry {
			es[last].Facts.Judgement.Verdicts[2].Status = experiment.Violated
			return es
		}, int64(last), "judged otherwise"},
		"another number by a millionth": {func(es []experiment.Entry) []experiment.Entry {
			*es[last].Facts.Judgement.Find(1, experiment.RoleReward, "purchase").Estimate *= 1 + 1e-6
			return es
		}, int64(last), "judged otherwise"},
		"a verdict less": {func(es []experiment.Entry) []experiment.Entry {
			es[last].Facts.Judgement.Verdicts = es[last].Facts.Judgement.Verdicts[1:]
			return es
		}, int64(last), "judged otherwise"},
		"facts that would decide otherwise": {func(es []experiment.Entry) []experiment.Entry {
			es[last].Facts.Sources = []experiment.SourceHealth{{Source: experiment.SourceGateway, Down: "refused"}}
			return es
		}, int64(last), "it leads to another state"},
		"a command": {func(es []experiment.Entry) []experiment.Entry {
			es[1].Facts.Commands = []experiment.Command{{ID: "x", Verb: experiment.VerbPause}}
			return es
		}, 1, "it leads to another state"},
		"other totals": {func(es []experiment.Entry) []experiment.Entry {
			ph := es[last].Totals.Phases
			ph[len(ph)-1].Cells[0].Counts.N++
			return es
		}, int64(last), "judged otherwise"},
		"what tests remembered": {func(es []experiment.Entry) []experiment.Entry {
			es[last].Monitors.Harm[0].Worse = 99
			return es
		}, int64(last), "judged otherwise"},
		"another state": {func(es []experiment.Entry) []experiment.Entry {
			es[2].State.Step = 1
			return es
		}, 2, "the hash it names"},
		"another state and its hash": {func(es []experiment.Entry) []experiment.Entry {
			es[2].State.Step = 1
			rehash(es, 2)
			return es
		}, 2, "it leads to another state"},
		"another state before": {func(es []experiment.Entry) []experiment.Entry {
			es[2].Before = es[2].After
			return es
		}, 2, "does not continue"},
		"another moment": {func(es []experiment.Entry) []experiment.Entry {
			es[1].Now = es[1].Now.Add(time.Nanosecond)
			return es
		}, 1, "it leads to another state"},
		"an entry cut out": {func(es []experiment.Entry) []experiment.Entry {
			return slices.Delete(es, 2, 3)
		}, 3, "entry 2 comes here"},
		"an entry cut out and renumbered": {func(es []experiment.Entry) []experiment.Entry {
			es = slices.Delete(es, 2, 3)
			for i := range es {
				es[i].Seq = int64(i)
			}
			return es
		}, 2, "does not continue"},
		"two entries swapped": {func(es []experiment.Entry) []experiment.Entry {
			es[1], es[2] = es[2], es[1]
			return es
		}, 2, "entry 1 comes here"},
		"an entry twice": {func(es []experiment.Entry) []experiment.Entry {
			return slices.Insert(es, 2, es[1])
		}, 1, "entry 2 comes here"},
		"another engine": {func(es []experiment.Entry) []experiment.Entry {
			es[2].Engine = "0"
			return es
		}, 2, "written by engine"},
		"another plan": {func(es []experiment.Entry) []experiment.Entry {
			es[0].Plan.Analysis.Alpha = .5
			return es
		}, 0, "another plan"},
		"another plan and its hash": {func(es []experiment.Entry) []experiment.Entry {
			es[0].Plan.Analysis.Alpha = .5
			es[0].Hash = es[0].Plan.Hash()
			return es
		}, 0, "it leads to another state"},
		"another plan's hash": {func(es []experiment.Entry) []experiment.Entry {
			es[1].Hash = es[1].After
			return es
		}, 1, "another plan"},
		"no plan": {func(es []experiment.Entry) []experiment.Entry {
			es[0].Plan = nil
			return es
		}, 0, "no plan"},
		"the beginning cut off": {func(es []experiment.Entry) []experiment.Entry {
			return es[1:]
		}, 1, "no plan"},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := engine.Replay(each(c.tamper(stored(t, entries))))
			d, ok := errors.AsType[*engine.Difference](err)
			if !ok || d.Seq != c.seq || !strings.Contains(d.What, c.want) {
				t.Fatalf("after %d entries: %v, want entry %d: …%s…", n, err, c.seq, c.want)
			}
		})
	}
}

func TestReplayForgivesRounding(t *testing.T) {
	_, entries := journalOf(t, worlds["a better candidate"].World, 1)
	*entries[len(entries)-1].Facts.Judgement.Find(1, experiment.RoleReward, "purchase").Estimate *= 1 + 1e-12
	if _, err := engine.Replay(each(entries)); err != nil {
		t.Error(err)
	}
}

func TestReplayPassesOnTheJournalsError(t *testing.T) {
	_, entries := journalOf(t, worlds["a failing candidate"].World, 1)
	broken := errors.New("the disk is gone")
	n, err := engine.Replay(func(yield func(experiment.Entry, error) bool) {
		if yield(entries[0], nil) && yield(entries[1], nil) {
			yield(experiment.Entry{}, broken)
		}
	})
	if !errors.Is(err, broken) || n != 2 {
		t.Errorf("%d entries, %v", n, err)
	}
	if n, err := engine.Replay(each(nil)); n != 0 || err != nil {
		t.Errorf("an empty journal: %d entries, %v", n, err)
	}
}

// repaired gives a tampered journal the hashes that it should have, as somebody
// who means harm would.
func repaired(entries []experiment.Entry) []experiment.Entry {
	if len(entries) == 0 || entries[0].Plan == nil {
		return entries
	}
	hash := entries[0].Plan.Hash()
	for i := range entries {
		e := &entries[i]
		e.Seq, e.Engine, e.Hash = int64(i), engine.Version, hash
		e.State.Plan = hash
		e.After = e.State.Hash()
		if i > 0 {
			e.Before = entries[i-1].After
		}
	}
	return entries
}

// FuzzReplay hands over journals that nobody wrote: replaying may refuse
// them, never panic, also not when the hashes fit.
func FuzzReplay(f *testing.F) {
	_, entries := journalOf(f, worlds["a failing candidate"].World, 1)
	b, err := json.Marshal(entries)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(b), false)
	f.Add(string(b), true)
	for _, cut := range []struct{ from, to string }{
		{`"versions":[{"name":"v1","backend":"http://a:1"},{"name":"v2","backend":"http://b:1"}]`, `"versions":[]`},
		{`"versions":[{"name":"v1","backend":"http://a:1"},`, `"versions":[`},
		{`"stages":[`, `"stagesX":[`},
		{`"stage":0`, `"stage":7`},
		{`"step":0`, `"step":-1`},
		{`"reward":{`, `"rewardX":{`},
		{`"slots":5000`, `"slots":9223372036854775807`},
		{`"version":1`, `"version":255`},
		{`"shares":[`, `"sharesX":[`},
		{`"name":"errors"`, `"name":"erors"`},
		{`"window":60000000000`, `"window":0`},
		{`"atMost":7200000000000`, `"atMost":1`},
		{`"looks":4`, `"looks":1000000000`},
		{`"phases":[`, `"phasesX":[`},
		{`"n":`, `"n":-`},
	} {
		if !strings.Contains(string(b), cut.from) {
			f.Errorf("no %s in the journal", cut.from)
		}
		f.Add(strings.ReplaceAll(string(b), cut.from, cut.to), true)
		f.Add(strings.Replace(string(b), cut.from, cut.to, 1), true)
		f.Add(strings.ReplaceAll(string(b), cut.from, cut.to), false)
	}
	f.Fuzz(func(t *testing.T, text string, repair bool) {
		var journal []experiment.Entry
		if json.Unmarshal([]byte(text), &journal) != nil || len(journal) > 50 {
			return
		}
		if repair {
			journal = repaired(journal)
		}
		if n, err := engine.Replay(each(journal)); n > int64(len(journal)) || (err == nil && n < int64(len(journal))) {
			t.Errorf("%d of %d entries: %v", n, len(journal), err)
		}
	})
}

func BenchmarkStep(b *testing.B) {
	p := plan(b, ramped)
	out := engine.Begin(p, start)
	out, err := engine.Step(p, out.Record, engine.Input{Now: start.Add(time.Minute)})
	if err != nil {
		b.Fatal(err)
	}
	rec := out.Record
	for v := range 2 {
		rec.Totals.Phases[1].Cells = append(rec.Totals.Phases[1].Cells, experiment.Total{Version: v, Metric: "requests", Evidence: experiment.Evidence{Counts: stats.Counts{N: 1000, X: 10}}})
	}
	for b.Loop() {
		if _, err := engine.Step(p, rec, engine.Input{Now: start.Add(2 * time.Minute)}); err != nil {
			b.Fatal(err)
		}
	}
}
