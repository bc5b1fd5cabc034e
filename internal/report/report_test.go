// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"iter"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/report"
	"github.com/headgate-dev/headgate/internal/view"
	"github.com/headgate-dev/headgate/stats"
)

var update = flag.Bool("update", false, "rewrite golden files")

var started = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// plan has two versions that differ in two parts, a guardrail by tier, prices
// and a budget.
func plan() *experiment.Plan {
	return &experiment.Plan{
		Namespace: "search", Name: "ranker", Owner: "search-ranking", Hypothesis: "v2 raises clicks by a point without more refunds",
		Versions: []experiment.Version{
			{Name: "v1", Backend: "http://a:1", Cost: experiment.Cost{PerRequest: 0.0004}, Parts: []experiment.Part{{Name: "features", Value: "f7"}, {Name: "model", Value: "r1"}}},
			{Name: "v2", Backend: "http://b:1", Cost: experiment.Cost{PerRequest: 0.0007, PerHour: 1.5}, Parts: []experiment.Part{{Name: "features", Value: "f8"}, {Name: "model", Value: "r2"}}},
		},
		Assignment: experiment.Assignment{Unit: experiment.Unit{Header: "x-user-id"}},
		Segments:   []experiment.Segment{{Name: "tier", Header: "x-tier", Values: []string{"free", "premium"}}},
		Metrics: []experiment.Metric{
			{Name: "click", Goal: experiment.Increase, Outcomes: &experiment.OutcomesMetric{Event: "click", Window: time.Minute, Joined: 0.9}},
			{Name: "refund", Goal: experiment.Decrease, Outcomes: &experiment.OutcomesMetric{Event: "refund", Window: time.Hour}},
			{Name: "errors", Goal: experiment.Decrease, Builtin: &experiment.BuiltinMetric{Kind: experiment.ErrorRate}},
		},
		Reward:     &experiment.Reward{Metric: "click", MinimumEffect: experiment.Margin{Absolute: 0.01}},
		Objectives: []experiment.Objective{{Metric: "errors", Max: new(0.03), Owner: "sre"}},
		Guardrails: []experiment.Guardrail{{Metric: "refund", NoWorseThan: experiment.Margin{Absolute: 0.01}, Slices: []string{"tier"}, Owner: "payments"}},
		Stages: []experiment.Stage{
			{Name: "canary", Where: experiment.Where{{Segment: "tier", Not: []string{"premium"}}}, Ramp: &experiment.Ramp{Steps: []experiment.Share{500}, Hold: experiment.Hold{Requests: 400}, AtMost: time.Hour}},
			{Name: "ab", Split: &experiment.Split{Shares: experiment.Shares{5000, 5000}, Until: experiment.Until{Decided: true, Units: 40000, AtMost: 48 * time.Hour}, Otherwise: experiment.KeepBaseline}},
		},
		Budget:   &experiment.Budget{Cost: 500, Duration: 240 * time.Hour, OnExceeded: experiment.PolicyHold},
		Analysis: experiment.Analysis{Method: experiment.Sequential, Alpha: 0.05, HarmAlpha: 0.05, Looks: 5},
		Window:   5 * time.Second, Lag: time.Second,
	}
}

// writer makes the entries of a journal.
type writer struct {
	plan    *experiment.Plan
	state   experiment.State
	entries []experiment.Entry
}

func begin(p *experiment.Plan) *writer {
	w := &writer{plan: p, state: experiment.State{Plan: p.Hash(), Condition: experiment.Running, Epoch: 1, Phase: 1, Slots: experiment.SlotsOf(experiment.Baseline(len(p.Versions))), Started: started, StageStart: started, PhaseStart: started}}
	w.add(0, experiment.ActStart, nil, nil, experiment.Facts{}, experiment.Because(experiment.ReasonStarted, "version", "v1"))
	w.entries[0].Plan = p
	return w
}

// add decides: to are the shares after it, nil leaves them.
func (w *writer) add(after time.Duration, act experiment.Act, to experiment.Shares, phase *experiment.PhaseTotals, facts experiment.Facts, reasons ...experiment.Reason) {
	now, from := started.Add(after), w.state.Slots.Shares(len(w.plan.Versions))
	if to == nil {
		to = from
	} else {
		w.state.Slots, w.state.PhaseStart = experiment.SlotsOf(to), now
		w.state.Phase++
	}
	d := experiment.Decision{At: now, Act: act, Reasons: reasons, From: from, To: to, Stage: w.state.Stage, Step: w.state.Step}
	if act != experiment.ActHold {
		w.state.Decisions = append(w.state.Decisions, d)
	}
	e := experiment.Entry{
		Seq: int64(len(w.entries)), Engine: "v1", Hash: w.plan.Hash(), Now: now, After: w.state.Hash(), State: w.state.Clone(), Facts: facts, Decision: d,
	}
	if phase != nil {
		e.Totals.Phases = []experiment.PhaseTotals{*phase}
	}
	w.entries = append(w.entries, e)
}

// journal gives the entries as they are read back from a file.
func (w *writer) journal(t *testing.T) iter.Seq2[experiment.Entry, error] {
	t.Helper()
	text, err := json.Marshal(w.entries)
	if err != nil {
		t.Fatal(err)
	}
	var back []experiment.Entry
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	return func(yield func(experiment.Entry, error) bool) {
		for _, e := range back {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func evidence(phase, stage int, start time.Duration, shares experiment.Shares, n int64) *experiment.PhaseTotals {
	p := &experiment.PhaseTotals{Epoch: 1, Phase: phase, Stage: stage, Start: started.Add(start), Shares: shares}
	units := func(n int64, rate float64) stats.Pair {
		return stats.Pair{N: n, MeanY: rate, MeanX: 1, M2Y: float64(n) * rate * (1 - rate)}
	}
	for v, share := range shares {
		m := n * int64(share) / experiment.Whole
		p.Cells = append(p.Cells, experiment.Total{Version: v, Metric: "click", Evidence: experiment.Evidence{Units: units(m, 0.3+0.03*float64(v)), Counts: stats.Counts{N: m, X: m / 25}}})
	}
	for v, share := range shares {
		p.Cells = append(p.Cells, experiment.Total{Version: v, Metric: experiment.CellExposures, Evidence: experiment.Evidence{Counts: stats.Counts{N: n * int64(share) / experiment.Whole}}})
	}
	for v, share := range shares {
		latency := new(stats.Sketch)
		for i := range 100 {
			latency.Add(0.02 + 0.001*float64(i))
		}
		m := 2 * n * int64(share) / experiment.Whole
		p.Cells = append(p.Cells, experiment.Total{Version: v, Metric: experiment.CellRequests, Evidence: experiment.Evidence{Counts: stats.Counts{N: m, X: m / 200}, Sketch: latency}})
	}
	return p
}

func comparison(role experiment.Role, metric, slice string, status experiment.Status, difference, half float64) experiment.Verdict {
	return experiment.Verdict{
		Version: 1, Metric: metric, Slice: slice, Role: role, Status: status, Estimate: &difference,
		Interval: &stats.Interval{Low: difference - half, High: difference + half}, Level: 0.95, Guarantee: experiment.GuaranteeAnytime,
		Basis: experiment.BasisUnits, N: 10000, NBaseline: 10000, Limit: new(0.01),
	}
}

func objective(status experiment.Status, estimate, low, high float64) experiment.Verdict {
	return experiment.Verdict{
		Version: 1, Metric: "errors", Role: experiment.RoleObjective, Status: status, Estimate: &estimate, Interval: &stats.Interval{Low: low, High: high},
		Level: 0.99, Guarantee: experiment.GuaranteeAnytime, Basis: experiment.BasisRequests, N: 20000, Limit: new(0.03),
	}
}

// promoted is a run with a canary, a pause, a doubt that passed and a winner.
func promoted() *writer {
	w := begin(plan())
	w.add(time.Second, experiment.ActAdvance, experiment.Shares{9500, 500}, nil, experiment.Facts{}, experiment.Because(experiment.ReasonStageEntered, "stage", "canary"))
	w.add(10*time.Minute, experiment.ActHold, nil, evidence(2, 0, time.Second, experiment.Shares{9500, 500}, 4000), experiment.Facts{},
		experiment.Because(experiment.ReasonSourceDown, "source", "outcomes", "why", "the file is locked"))
	w.add(11*time.Minute, experiment.ActPause, nil, nil, experiment.Facts{}, experiment.Because(experiment.ReasonPausedBy, "author", "operator", "reason", "a look at the logs"))
	w.add(20*time.Minute, experiment.ActResume, nil, nil, experiment.Facts{}, experiment.Because(experiment.ReasonResumed, "author", "operator"))
	w.state.Stage, w.state.StageStart = 1, started.Add(30*time.Minute)
	w.add(30*time.Minute, experiment.ActAdvance, experiment.Shares{5000, 5000}, nil, experiment.Facts{},
		experiment.Because(experiment.ReasonStageDone, "stage", "canary"), experiment.Because(experiment.ReasonStageEntered, "stage", "ab"))
	better := comparison(experiment.RoleReward, "click", "", experiment.Better, 0.031, 0.019)
	better.Guarantee = experiment.GuaranteeLooks
	j := experiment.Judgement{
		Verdicts: []experiment.Verdict{
			objective(experiment.Met, 0.005, 0.004, 0.0063),
			comparison(experiment.RoleGuardrail, "refund", "", experiment.NotWorse, 0.001, 0.004),
			comparison(experiment.RoleGuardrail, "refund", "tier=free", experiment.NotWorse, -0.002, 0.007),
			comparison(experiment.RoleGuardrail, "refund", "tier=premium", experiment.Undecided, 0.006, 0.012),
			better,
		},
		MismatchLogE: -0.3, Seen: []int64{10010, 9990}, Units: 20000, Spent: experiment.Spent{Cost: 42.25, Units: 11200},
	}
	w.state.Condition, w.state.Outcome, w.state.Winner = experiment.Done, experiment.Promoted, 1
	w.add(26*time.Hour, experiment.ActPromote, experiment.Shares{0, 10000}, evidence(3, 1, 30*time.Minute, experiment.Shares{5000, 5000}, 20000), experiment.Facts{Judgement: j},
		experiment.Because(experiment.ReasonBetter, "version", "v2", "metric", "click", "estimate", "+3.10 points", "interval", "+1.20 to +5.00"))
	return w
}

func of(t *testing.T, w *writer) report.Report {
	t.Helper()
	r, err := report.Of(w.journal(t))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// written renders a report in a format.
func written(t *testing.T, r report.Report, format string) []byte {
	t.Helper()
	var b bytes.Buffer
	write := map[string]func(io.Writer) error{"html": r.HTML, "md": r.Markdown, "json": r.JSON}[format]
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReportGolden(t *testing.T) {
	for format, file := range map[string]string{"html": "testdata/promoted.html", "md": "testdata/promoted.md", "json": "testdata/promoted.json"} {
		t.Run(format, func(t *testing.T) {
			got := written(t, of(t, promoted()), format)
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), string(got)); d != "" {
				t.Errorf("%s differs (-want +got):\n%s", file, d)
			}
		})
	}
}

// TestReportOpensWithTheVerdictOfEveryOtherFace: the sentence is the view's.
func TestReportOpensWithTheVerdictOfEveryOtherFace(t *testing.T) {
	r := of(t, promoted())
	head, rest, _ := strings.Cut(r.View.Verdict.Sentence, "  ")
	for _, format := range []string{"html", "md"} {
		text := string(written(t, r, format))
		_, body, _ := strings.Cut(text, "</head>")
		if body == "" {
			body = text
		}
		at, first := strings.Index(body, head), strings.Index(body, "Versions")
		if at < 0 || at > first || !strings.Contains(strings.NewReplacer("&#39;", "'", "&#43;", "+").Replace(body), rest) {
			t.Errorf("%s: the verdict stands at %d, the versions at %d", format, at, first)
		}
		for _, want := range []string{r.View.Plan, "differs from v1 in features and model", "payments", "paused by operator", "headgate replay ranker.ndjson", "tier=premium"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q", format, want)
			}
		}
	}
}

// otherHost finds an address that a browser would go to.
var otherHost = regexp.MustCompile(`(?i)(src|href|url)\s*[=(]`)

func TestHTMLNeedsNothingElse(t *testing.T) {
	text := written(t, of(t, promoted()), "html")
	if found := otherHost.Find(text); found != nil {
		t.Errorf("it refers to something: %s", found)
	}
	if bytes.Contains(text, []byte("<script")) {
		t.Error("it has a script")
	}
	if len(text) > 200_000 {
		t.Errorf("it has %d bytes", len(text))
	}
	wellFormed(t, text)
}

// wellFormed reads HTML as tags that must close.
func wellFormed(t *testing.T, text []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(text))
	d.Strict = false
	d.AutoClose = []string{"meta", "br", "link"}
	d.Entity = xml.HTMLEntity
	depth := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("at byte %d: %v", d.InputOffset(), err)
		}
		switch token.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		}
	}
	if depth != 0 {
		t.Errorf("%d tags are left open", depth)
	}
}

// TestHostileNamesStayText puts markup, cells and a shell's words into every
// text that comes from outside.
func TestHostileNamesStayText(t *testing.T) {
	p := plan()
	const evil = "<script>alert(1)</script>|[x](http://evil.example)`'; rm -rf ~"
	p.Name, p.Hypothesis, p.Owner, p.Versions[1].Name, p.Versions[1].Parts[0].Value = evil, evil, evil, evil, evil
	p.Guardrails[0].Owner = evil
	w := begin(p)
	w.add(time.Minute, experiment.ActPause, nil, nil, experiment.Facts{Judgement: experiment.Judgement{Verdicts: []experiment.Verdict{comparison(experiment.RoleGuardrail, "refund", evil, experiment.Worse, 0.03, 0.01)}}},
		experiment.Because(experiment.ReasonPausedBy, "author", evil, "reason", evil))
	r := of(t, w)
	html := string(written(t, r, "html"))
	if strings.Contains(html, "<script") || strings.Contains(html, "href") {
		t.Error("the page runs what a name says")
	}
	wellFormed(t, []byte(html))
	md := string(written(t, r, "md"))
	outside, _, _ := strings.Cut(md, "## How to check this")
	fenced := regexp.MustCompile("(?s)```.*?```").ReplaceAllString(outside, "")
	if strings.Contains(fenced, "<script") || strings.Contains(fenced, "[x](") {
		t.Errorf("the text has markup of a name:\n%s", fenced)
	}
	for _, line := range r.Verify {
		if !strings.Contains(line, `'\''; rm -rf`) {
			t.Errorf("the command %s is not one of quoted words", line)
		}
	}
}

// TestHiddenFiguresAreInNoFormat reports a fixed test before its horizon.
func TestHiddenFiguresAreInNoFormat(t *testing.T) {
	p := plan()
	p.Analysis.Method = experiment.Fixed
	w := begin(p)
	w.state.Stage = 1
	v := comparison(experiment.RoleReward, "click", "", experiment.Undecided, 0.0417, 0.0123)
	v.Hidden, v.Need = true, 20000
	facts := experiment.Facts{Judgement: experiment.Judgement{Verdicts: []experiment.Verdict{v}, Arms: []experiment.Arm{{Version: 1, N: 10, Adaptive: 0.0417}}}}
	w.add(time.Hour, experiment.ActAdvance, experiment.Shares{5000, 5000}, evidence(2, 1, 0, experiment.Shares{5000, 5000}, 10000), facts, experiment.Because(experiment.ReasonStageEntered, "stage", "ab"))
	for _, format := range []string{"html", "md", "json"} {
		text := string(written(t, of(t, w), format))
		for _, figure := range []string{"0417", "4.17", "2.94", "5.40", "33.00%", "30.00%"} {
			if strings.Contains(text, figure) {
				t.Errorf("%s shows %s", format, figure)
			}
		}
		if !strings.Contains(text, "hidden until the horizon") {
			t.Errorf("%s does not say that it is hidden", format)
		}
	}
}

// TestOverridesAndDistrustStandFirst reports a promotion against a guardrail,
// on evidence that cannot be trusted.
func TestOverridesAndDistrustStandFirst(t *testing.T) {
	w := begin(plan())
	w.state.Stage, w.state.Condition, w.state.Outcome, w.state.Winner = 1, experiment.Done, experiment.Promoted, 1
	j := experiment.Judgement{Mismatch: true, MismatchLogE: 11, MismatchPhase: 2, Verdicts: []experiment.Verdict{
		objective(experiment.Met, 0.005, 0.004, 0.0063), comparison(experiment.RoleGuardrail, "refund", "tier=premium", experiment.Worse, 0.034, 0.012),
	}}
	harm := experiment.Because(experiment.ReasonGuardrail, "version", "v2", "metric", "refund in tier=premium", "estimate", "+3.40 points", "limit", "1.00%")
	w.state.Overridden = &experiment.Overriding{At: started.Add(time.Hour), Author: "operator", Reason: "the contract ends", Harm: []experiment.Reason{harm}}
	w.add(time.Hour, experiment.ActPromote, experiment.Shares{0, 10000}, nil, experiment.Facts{Judgement: j, Moved: 12},
		experiment.Because(experiment.ReasonPromotedBy, "author", "operator", "reason", "the contract ends"), harm)
	r := of(t, w)
	text := string(written(t, r, "md"))
	for _, want := range []string{"**PROMOTED BY OVERRIDE**", "The evidence cannot be trusted", "promoted by operator (the contract ends) in spite of known harm", "**look**: sample ratio", "**look**: moved units: 12 units"} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	for _, c := range r.Can {
		if strings.Contains(c, "meets") {
			t.Errorf("evidence that cannot be trusted carries %q", c)
		}
	}
	if len(r.Can) == 0 || !strings.Contains(r.Can[0], "v2 is worse in refund in tier=premium") {
		t.Errorf("known harm is not said: %q", r.Can)
	}
}

// TestGapsAreAmongTheChecks: of windows that are not whole a report tells as long
// as the epoch lasts, and whether they are trusted again.
func TestGapsAreAmongTheChecks(t *testing.T) {
	for _, trusted := range []bool{true, false} {
		w := begin(plan())
		phase := evidence(2, 0, time.Second, experiment.Shares{9500, 500}, 4000)
		phase.Folded.Gateway = 9
		phase.Gaps = []experiment.SourceGaps{{Source: experiment.SourceGateway, Windows: 2, Last: []experiment.Gap{{From: 3, To: 5, Why: "gateway b is silent"}}}}
		because := experiment.Because(experiment.ReasonStageEntered, "stage", "canary")
		if !trusted {
			because = experiment.Because(experiment.ReasonIncomplete, "missing", 2, "windows", 9, "source", "gateway", "why", "gateway b is silent")
		}
		w.state.Phase = 2
		w.add(10*time.Minute, experiment.ActHold, nil, phase, experiment.Facts{}, because)
		r := of(t, w)
		want := report.Check{Name: "whole windows", OK: trusted, Text: "2 of 9 windows of gateway are not whole: gateway b is silent"}
		if !slices.Contains(r.Trust, want) {
			t.Errorf("%+v is not among %+v", want, r.Trust)
		}
	}
}

// TestLongJournalsMakeShortReports follows a bandit of many updates.
func TestLongJournalsMakeShortReports(t *testing.T) {
	w := begin(plan())
	w.state.Stage = 1
	for i := range 5000 {
		share := experiment.Share(1000 + i%8000)
		w.add(time.Duration(i+1)*time.Minute, experiment.ActShift, experiment.Shares{experiment.Whole - share, share}, nil, experiment.Facts{}, experiment.Because(experiment.ReasonShares, "update", i, "shares", "new"))
		w.state.Decisions = w.state.Decisions[max(0, len(w.state.Decisions)-experiment.MaxDecisions):]
	}
	w.add(5001*time.Minute, experiment.ActStop, experiment.Shares{10000, 0}, nil, experiment.Facts{}, experiment.Because(experiment.ReasonInconclusive))
	r := of(t, w)
	if len(r.Timeline) != 3 || r.Timeline[1].Repeats != 4999 || len(r.Shares) != report.MaxPoints {
		t.Errorf("%d lines, %d points", len(r.Timeline), len(r.Shares))
	}
	if last := r.Shares[len(r.Shares)-1].Shares[0]; last != 1 {
		t.Errorf("the course ends at %v", last)
	}
	if n := len(written(t, r, "html")); n > 200_000 {
		t.Errorf("it has %d bytes", n)
	}
}

func TestBadJournalsAreRefused(t *testing.T) {
	broken := errors.New("line 3 is not a journal entry")
	whole := promoted().entries
	second := begin(plan()).entries
	for name, c := range map[string]struct {
		entries []experiment.Entry
		err     error
		want    string
	}{
		"an empty one":            {nil, nil, "the journal has no entry"},
		"one without a beginning": {whole[1:], nil, "begins with entry 1, which has no plan"},
		"one of two experiments":  {append(append([]experiment.Entry{}, whole...), second...), nil, "of several experiments: search/ranker and search/ranker"},
		"one that cannot be read": {whole[:2], broken, "line 3"},
		"one that fits no plan":   {[]experiment.Entry{{Plan: &experiment.Plan{}}}, nil, "entry 0 does not fit its plan"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := report.Of(func(yield func(experiment.Entry, error) bool) {
				for _, e := range c.entries {
					if !yield(e, nil) {
						return
					}
				}
				if c.err != nil {
					yield(experiment.Entry{}, c.err)
				}
			})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want one that says %q", err, c.want)
			}
		})
	}
}

func TestJSONIsTheModel(t *testing.T) {
	r := of(t, promoted())
	var back report.Report
	if err := json.Unmarshal(written(t, r, "json"), &back); err != nil {
		t.Fatal(err)
	}
	if back.Kind != report.Kind || back.APIVersion != view.APIVersion || len(back.Forests) != 2 || len(back.Forests[0].Rows) != 3 || back.Decided == nil || len(back.Decided.Flips) == 0 {
		t.Errorf("it came back as %+v", back)
	}
}
