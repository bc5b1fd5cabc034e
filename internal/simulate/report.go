// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// Level is the confidence of the intervals in reports.
const Level = 0.95

// Report is what many runs came to.
type Report struct {
	Experiment string      `json:"experiment"`
	Plan       string      `json:"plan"` // the plan's hash
	Seed       uint64      `json:"seed"`
	Asked      int         `json:"asked"`   // how many runs were asked for
	Partial    bool        `json:"partial"` // it was interrupted
	World      Assumptions `json:"world"`
	// DelaySeconds is the world's mean delay of outcomes.
	DelaySeconds float64 `json:"delaySeconds"`
	// LongestSeconds is how long an experiment may last: regret is counted up
	// to there.
	LongestSeconds float64 `json:"longestSeconds"`
	Truth          Truth   `json:"truth"`
	Headgate       Tally   `json:"headgate"`
	Iter8          *Tally  `json:"iter8,omitempty"`
	Argo           *Tally  `json:"argo,omitempty"`
	Flagger        *Tally  `json:"flagger,omitempty"`
	// Notes say what the figures rest on that is easily overlooked.
	Notes []string `json:"notes,omitempty"`
}

// Tally is what the runs of one rule came to. Promoted, RolledBack and Undecided
// sum to Runs.
type Tally struct {
	Rule       string `json:"rule"`
	Runs       int    `json:"runs"`
	Promoted   int    `json:"promoted"`
	RolledBack int    `json:"rolledBack"`
	Undecided  int    `json:"undecided"`
	// Right and Wrong divide Promoted: did the version deserve it?
	Right int `json:"promotedRight"`
	Wrong int `json:"promotedWrong"`
	// Asked is in how many runs the simulated person answered for the plan.
	Asked int `json:"asked"`
	// Rates are the same numbers per run with their exact intervals. Power is
	// the rate of right promotions where a candidate deserves one, else false
	// promotions is that of all: the other is absent, and both where the plan
	// promotes nothing.
	Rates Rates `json:"rates"`
	// Outcomes and reasons of Headgate's own ends, by number.
	Ends []EndCount `json:"ends,omitempty"`
	// Seconds are quantiles of the time to the end over all runs, Decided over
	// those that promoted or rolled back; absent without any.
	Seconds *Spread `json:"seconds,omitempty"`
	Decided *Spread `json:"secondsToDecision,omitempty"`
	// Worse, Regret and Cost are means per run; see Trial.
	Worse  Mean `json:"exposedToWorse"`
	Regret Mean `json:"regret"`
	Cost   Mean `json:"cost"`
}

// Rates are probabilities with intervals at Level.
type Rates struct {
	Promoted        Rate  `json:"promoted"`
	Right           Rate  `json:"promotedRight"`
	Wrong           Rate  `json:"promotedWrong"`
	RolledBack      Rate  `json:"rolledBack"`
	Undecided       Rate  `json:"undecided"`
	FalsePromotions *Rate `json:"falsePromotions,omitempty"`
	Power           *Rate `json:"power,omitempty"`
}

// Rate is a share of the runs with its exact binomial interval (Clopper and
// Pearson).
type Rate struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Mean is a mean over runs with its standard error.
type Mean struct {
	Value float64 `json:"value"`
	SE    float64 `json:"se"`
}

// Spread is quantiles.
type Spread struct {
	P10 float64 `json:"p10"`
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	Max float64 `json:"max"`
}

// EndCount is how often an experiment ended in a way for a reason.
type EndCount struct {
	Outcome experiment.Outcome    `json:"outcome,omitempty"`
	Reason  experiment.ReasonCode `json:"reason,omitempty"`
	Runs    int                   `json:"runs"`
}

func (w *Fast) report(a Assumptions, o Options, all []played, stage *experiment.Stage) Report {
	r := Report{
		Experiment: w.plan.ID(), Plan: w.plan.Hash(), Seed: o.Seed, Asked: o.Runs, Partial: len(all) < o.Runs,
		World: a, DelaySeconds: a.Delay.Seconds(), LongestSeconds: (time.Duration(w.limit) * w.plan.Window).Seconds(), Truth: w.truth, Notes: w.notes(stage, o.Rivals),
	}
	r.World.Laws = w.laws(a)
	r.World.Units, r.World.Steps = w.units, w.steps
	trials := make([]*Trial, len(all))
	of := func(pick func(*played) *Trial) []*Trial {
		for i := range all {
			trials[i] = pick(&all[i])
		}
		return trials
	}
	r.Headgate = w.tally(string(w.plan.Analysis.Method), of(func(x *played) *Trial { return &x.own }))
	if stage == nil {
		return r
	}
	for i, to := range []**Tally{&r.Iter8, &r.Argo, &r.Flagger} {
		t := w.tally(Rivals()[i].Words(), of(func(x *played) *Trial { return &x.rivals[i] }))
		*to = &t
	}
	return r
}

// laws lists the laws of all metrics, those that nobody spoke for included.
func (w *Fast) laws(a Assumptions) []Law {
	var out []Law
	for i := range w.plan.Metrics {
		m := &w.plan.Metrics[i]
		if !slices.ContainsFunc(a.Laws, func(l Law) bool { return l.Metric == m.Name && l.Slice == "" }) {
			out = append(out, DefaultLaw(w.plan, m))
		}
	}
	return append(out, a.Laws...)
}

func (w *Fast) tally(rule string, trials []*Trial) Tally {
	t := Tally{Rule: rule, Runs: len(trials)}
	var seconds, decided []float64
	var worse, regret, cost stats.Moments
	for _, x := range trials {
		switch x.End {
		case EndPromoted:
			t.Promoted++
			if w.truth.Right(x.Winner) {
				t.Right++
			} else {
				t.Wrong++
			}
		case EndRolledBack:
			t.RolledBack++
		default:
			t.Undecided++
		}
		if x.Asked {
			t.Asked++
		}
		seconds = append(seconds, x.Took.Seconds())
		if x.End != EndUndecided {
			decided = append(decided, x.Took.Seconds())
		}
		worse.Add(float64(x.Worse))
		regret.Add(x.Regret)
		cost.Add(x.Cost)
		t.Ends = count(t.Ends, x)
	}
	slices.SortStableFunc(t.Ends, func(a, b EndCount) int { return b.Runs - a.Runs })
	t.Seconds, t.Decided = spread(seconds), spread(decided)
	t.Worse, t.Regret, t.Cost = mean(worse), mean(regret), mean(cost)
	rate := func(n int) Rate { return rateOf(n, t.Runs) }
	t.Rates = Rates{Promoted: rate(t.Promoted), Right: rate(t.Right), Wrong: rate(t.Wrong), RolledBack: rate(t.RolledBack), Undecided: rate(t.Undecided)}
	switch {
	case !promotes(w.plan):
	case w.truth.Improves():
		t.Rates.Power = &t.Rates.Right
	default:
		t.Rates.FalsePromotions = &t.Rates.Promoted
	}
	return t
}

// promotes says whether some stage of the plan gives a candidate traffic: a plan
// that only watches and mirrors promotes nothing.
func promotes(p *experiment.Plan) bool {
	return len(p.Versions) > 1 && slices.ContainsFunc(p.Stages, func(s experiment.Stage) bool {
		return s.Mirror == nil && s.Observe == nil
	})
}

// count adds an end of Headgate's to the list.
func count(ends []EndCount, x *Trial) []EndCount {
	if x.Outcome == "" && x.Reason == "" && x.End != EndUndecided {
		return ends // A rival's.
	}
	i := slices.IndexFunc(ends, func(e EndCount) bool { return e.Outcome == x.Outcome && e.Reason == x.Reason })
	if i < 0 {
		return append(ends, EndCount{x.Outcome, x.Reason, 1})
	}
	ends[i].Runs++
	return ends
}

func rateOf(n, of int) Rate {
	if of == 0 {
		return Rate{High: 1}
	}
	i, err := stats.ClopperPearson(stats.Counts{N: int64(of), X: int64(n)}, Level)
	if err != nil {
		return Rate{High: 1} // Nothing is known: MaxRuns is far below what the bound takes.
	}
	return Rate{float64(n) / float64(of), i.Low, i.High}
}

func mean(m stats.Moments) Mean {
	v, err := m.Variance()
	if err != nil {
		return Mean{Value: m.Mean}
	}
	return Mean{m.Mean, math.Sqrt(v / float64(m.N))}
}

func spread(xs []float64) *Spread {
	if len(xs) == 0 {
		return nil
	}
	slices.Sort(xs)
	at := func(q float64) float64 { return xs[int(math.Ceil(q*float64(len(xs))))-1] }
	return &Spread{at(.1), at(.5), at(.9), xs[len(xs)-1]}
}

// notes say what the figures rest on.
func (w *Fast) notes(stage *experiment.Stage, rivals bool) []string {
	p := w.plan
	var out []string
	for i := range p.Stages {
		s := &p.Stages[i]
		switch {
		case s.Split != nil && s.Split.Otherwise == experiment.AskPerson, s.Bandit != nil && s.Bandit.Otherwise == experiment.AskPerson:
			out = append(out, fmt.Sprintf("stage %s asks a person at its horizon: the simulated one promotes at once", s.Name))
		}
		if s.Approval != "" {
			out = append(out, fmt.Sprintf("stage %s wants the approval of %s: the simulated person approves at once", s.Name, s.Approval))
		}
	}
	if k := p.Promote.KeepWarm; k != nil && k.Approval != "" {
		out = append(out, "the end of keepWarm wants an approval: the simulated person approves at once")
	}
	if !promotes(p) {
		out = append(out, "no stage gives a candidate traffic, so nothing is promoted: what meets its objectives counts as undecided")
	}
	if !rivals {
		return out
	}
	switch {
	case stage == nil:
		out = append(out, "no rival's rule fits the plan: it has no stage in which versions are compared or ramped")
	case len(p.Versions) > 2:
		out = append(out, fmt.Sprintf("argo and flagger know one candidate: they try %s alone", p.Versions[1].Name))
	}
	if stage != nil {
		out = append(out, fmt.Sprintf("rivals decide in %s alone, on Headgate's matured windows; iter8's rule has no guardrails", stage.Name))
	}
	return out
}
