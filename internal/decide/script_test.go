// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/translate"
	"github.com/headgate-dev/headgate/stats"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestScripts runs the decision scripts; testdata/README.md documents their
// language.
func TestScripts(t *testing.T) {
	if *update {
		if err := flag.Set("rewrite", "true"); err != nil {
			t.Fatal(err)
		}
	}
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if filepath.Ext(path) != ".txt" {
			return // README.md, or what a failed property left behind.
		}
		s := new(script)
		datadriven.RunTest(t, path, s.run)
	})
}

// TestScriptsShowEveryReason asks that each code of the catalogue is the answer
// in some script. The exceptions say why not.
func TestScriptsShowEveryReason(t *testing.T) {
	exceptions := map[experiment.ReasonCode]string{}
	var all strings.Builder
	err := fs.WalkDir(os.DirFS("testdata"), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".txt" {
			return err
		}
		b, err := os.ReadFile(filepath.Join("testdata", path))
		all.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range experiment.Catalogue() {
		shown := strings.Contains(all.String(), "\n  "+string(e.Code)+" ")
		why, excepted := exceptions[e.Code]
		switch {
		case !shown && why == "":
			t.Errorf("%s (%s) is the answer in no script", e.Code, e.Text)
		case shown && excepted:
			t.Errorf("%s is an exception without need", e.Code)
		}
	}
}

// TestScriptsShowEveryCase asks for a script of each row of rivals' failures that
// is about decisions, and of each item of document 003 that is. The comment at
// the head of a script says what the case is.
func TestScriptsShowEveryCase(t *testing.T) {
	rows := []string{"01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "13", "24"}
	items := []string{
		"prompt-1", "prompt-2", "quiz-1", "quiz-3", "quiz-5", "quiz-6", "quiz-7", "quiz-8",
		"mistake-1", "mistake-2", "mistake-3", "mistake-4", "mistake-5", "mistake-6", "mistake-7", "mistake-8",
	}
	for folder, c := range map[string]struct{ cases, says []string }{
		"rivals": {rows, []string{"# Row ", "\n# They: ", "\n# We: "}},
		"doc003": {items, []string{"# Document 003, ", "\n# Here: "}},
	} {
		for _, name := range c.cases {
			files, err := filepath.Glob(filepath.Join("testdata", folder, name+"-*.txt"))
			if err != nil || len(files) != 1 {
				t.Errorf("%s %s: scripts %v, want one", folder, name, files)
				continue
			}
			text, err := os.ReadFile(files[0])
			if err != nil {
				t.Fatal(err)
			}
			for _, part := range append(c.says, "\ndecide at=") {
				if !strings.Contains("\n"+string(text), part) {
					t.Errorf("%s does not say %q", files[0], part)
				}
			}
		}
	}
}

// script is the state of one file.
type script struct {
	plan    *experiment.Plan
	state   experiment.State
	started time.Time
	journal []string
}

func (s *script) run(t *testing.T, d *datadriven.TestData) string {
	switch {
	case d.Cmd == "plan":
		return s.start(d)
	case s.plan == nil:
		d.Fatalf(t, "a script begins with plan")
	}
	switch d.Cmd {
	case "decide":
		return s.decide(t, d)
	case "edit":
		return s.edit(t, d)
	case "state":
		return s.show()
	case "journal":
		return strings.Join(s.journal, "\n")
	default:
		d.Fatalf(t, "unknown command %q", d.Cmd)
		return ""
	}
}

func (s *script) start(d *datadriven.TestData) string {
	p, err := translate.Plan([]byte(d.Input))
	if err != nil {
		return "error: " + err.Error()
	}
	s.plan, s.started, s.journal = p, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), nil
	var decision experiment.Decision
	var intents []experiment.Intent
	s.state, decision, intents = Start(p, s.started)
	return s.answer(decision, intents)
}

func (s *script) decide(t *testing.T, d *datadriven.TestData) string {
	now := s.started
	var f experiment.Facts
	for _, arg := range d.CmdArgs {
		if err := s.argument(arg, &now, &f); err != nil {
			d.Fatalf(t, "%v", err)
		}
	}
	for line := range strings.Lines(d.Input) {
		if err := s.fact(strings.TrimSpace(line), now, &f); err != nil {
			d.Fatalf(t, "fact %q: %v", line, err)
		}
	}
	r := decideChecked(t, s.plan, s.state, f, now)
	s.state = r.after
	return s.answer(r.decision, r.intents)
}

// edit puts another plan in the place of the script's.
func (s *script) edit(t *testing.T, d *datadriven.TestData) string {
	now := s.started
	if err := s.argument(d.CmdArgs[0], &now, nil); err != nil {
		d.Fatalf(t, "%v", err)
	}
	p, err := translate.Plan([]byte(d.Input))
	if err != nil {
		return "error: " + err.Error()
	}
	after, decision, intents := Adopt(s.plan, p, s.state, now)
	s.plan, s.state = p, after
	return s.answer(decision, intents)
}

func (s *script) argument(arg datadriven.CmdArg, now *time.Time, f *experiment.Facts) error {
	if arg.Key == "at" {
		at, err := time.ParseDuration(strings.Join(arg.Vals, ""))
		*now = s.started.Add(at)
		return err
	}
	numbers := make([]float64, len(arg.Vals))
	for i, text := range arg.Vals {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return err
		}
		numbers[i] = n
	}
	j := &f.Judgement
	if arg.Key == "seen" {
		for _, n := range numbers {
			j.Seen = append(j.Seen, int64(n))
		}
		return nil
	}
	if len(numbers) != 1 {
		return fmt.Errorf("argument %s wants one number", arg.Key)
	}
	n := numbers[0]
	switch arg.Key {
	case "requests":
		j.Requests = int64(n)
	case "clean":
		j.Clean = int(n)
	case "units":
		j.Units = int64(n)
	case "pairs":
		j.Pairs = int64(n)
	case "moved":
		f.Moved = int64(n)
	case "cost":
		j.Spent.Cost = n
	case "mirrored":
		j.Spent.Mirror = n
	case "exposed":
		j.Spent.Units = int64(n)
	default:
		return fmt.Errorf("unknown argument %q", arg.Key)
	}
	return nil
}

// words splits a line at blanks outside of quotes.
func words(line string) []string {
	quoted := false
	fields := strings.FieldsFunc(line, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ' ' && !quoted
	})
	for i := range fields {
		fields[i] = strings.ReplaceAll(fields[i], `"`, "")
	}
	return fields
}

func (s *script) fact(line string, now time.Time, f *experiment.Facts) error {
	w := words(line)
	health := func(h experiment.SourceHealth) { f.Sources = append(f.Sources, h) }
	switch kind := w[0]; kind {
	case "objective", "guardrail", "reward", "gate":
		v, err := s.verdict(experiment.Role(kind), w[1:])
		f.Judgement.Verdicts = append(f.Judgement.Verdicts, v)
		return err
	case "well":
		return s.well(w[1], f)
	case "arm":
		a, err := s.arm(w[1:])
		f.Judgement.Arms = append(f.Judgement.Arms, a)
		return err
	case "joined", "uneven", "range", "slice-mismatch", "mix":
		x, err := s.doubt(w)
		f.Judgement.Doubts = append(f.Judgement.Doubts, x)
		return err
	case "mismatch":
		f.Judgement.Mismatch = true
	case "unsettled":
		f.Route = &experiment.RouteFact{Unsettled: strings.TrimPrefix(line, "unsettled ")}
	case "drifted":
		f.Route = &experiment.RouteFact{Drifted: strings.TrimPrefix(line, "drifted ")}
	case "down":
		source, why, _ := strings.Cut(strings.TrimPrefix(line, "down "), ": ")
		health(experiment.SourceHealth{Source: experiment.Source(source), Down: why})
	case "gap":
		h, err := gapOf(w[1:])
		health(h)
		return err
	case "newest":
		age, err := time.ParseDuration(w[2])
		health(experiment.SourceHealth{Source: experiment.Source(w[1]), Newest: now.Add(-age)})
		return err
	case "done", "doing", "failed":
		return s.action(w, f)
	case "reading":
		return s.reading(w[1:], f)
	case "ready", "not-ready":
		return s.readiness(w, f)
	case "command":
		c, err := commandOf(w[1:])
		f.Commands = append(f.Commands, c)
		return err
	default:
		return fmt.Errorf("unknown fact %q", kind)
	}
	return nil
}

// gapOf reads SOURCE and perhaps missing=, windows=, whole= and why=.
func gapOf(w []string) (experiment.SourceHealth, error) {
	h := experiment.SourceHealth{Source: experiment.Source(w[0]), Gap: true}
	for _, x := range w[1:] {
		name, value, _ := strings.Cut(x, "=")
		if name == "why" {
			h.Why = value
			continue
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return h, err
		}
		switch name {
		case "missing":
			h.Missing = n
		case "windows":
			h.Windows = n
		case "whole":
			h.Whole = n
		default:
			return h, fmt.Errorf("a gap has no %q", name)
		}
	}
	return h, nil
}

// reading reads METRIC and a value of each version: a number, null for none, or
// failed.
func (s *script) reading(w []string, f *experiment.Facts) error {
	if s.plan.Metric(w[0]) == nil || len(w) != 1+len(s.plan.Versions) {
		return fmt.Errorf("want a metric and a value of each of %d versions", len(s.plan.Versions))
	}
	for v, text := range w[1:] {
		r := experiment.Reading{Metric: w[0], Version: v}
		number, err := strconv.ParseFloat(text, 64)
		switch {
		case err == nil:
			r.Value = &number
		case text == "failed":
			r.Failed = "it did not answer in time"
		case text != "null":
			return err
		}
		f.Readings = append(f.Readings, r)
	}
	return nil
}

// action says how one of the state's actions stands: done ACTION, doing ACTION WHY
// or failed ACTION WHY.
func (s *script) action(w []string, f *experiment.Facts) error {
	for _, i := range s.state.Actions {
		if s.plan.Label(i) == w[1] {
			f.Actions = append(f.Actions, experiment.ActionFact{Intent: i, Done: w[0] == "done", Failed: w[0] == "failed", Why: strings.Join(w[2:], " ")})
			return nil
		}
	}
	return fmt.Errorf("nothing asks for %s", w[1])
}

func (s *script) readiness(w []string, f *experiment.Facts) error {
	if f.Ready == nil {
		f.Ready = make([]bool, len(s.plan.Versions))
		for v := range f.Ready {
			f.Ready[v] = true
		}
	}
	if w[0] == "ready" {
		return nil
	}
	v, err := s.version(w[1])
	if err == nil {
		f.Ready[v] = false
	}
	return err
}

func (s *script) version(name string) (int, error) {
	for v := range s.plan.Versions {
		if s.plan.Versions[v].Name == name {
			return v, nil
		}
	}
	return 0, fmt.Errorf("no version %q", name)
}

// verdict reads VERSION METRIC STATUS and details; for the reward METRIC is the
// plan's.
func (s *script) verdict(role experiment.Role, w []string) (experiment.Verdict, error) {
	version, err := s.version(w[0])
	v := experiment.Verdict{Version: version, Role: role}
	w = w[1:]
	if role == experiment.RoleReward {
		if s.plan.Reward == nil {
			return v, errors.New("the plan has no reward")
		}
		v.Metric = s.plan.Reward.Metric
		v.Limit = ptr(s.plan.Reward.MinimumEffect.Of(1))
	} else {
		v.Metric, w = w[0], w[1:]
	}
	if s.plan.Metric(v.Metric) == nil {
		return v, fmt.Errorf("no metric %q", v.Metric)
	}
	s.limit(&v)
	if strings.Contains(w[0], "=") {
		v.Slice, w = w[0], w[1:]
		if g := s.plan.Segment(experiment.SegmentOf(v.Slice)); g == nil || !slices.Contains(g.Slices(), v.Slice) {
			return v, fmt.Errorf("no slice %q", v.Slice)
		}
	}
	v.Status = experiment.Status(strings.ReplaceAll(w[0], "-", " "))
	for _, x := range w[1:] {
		if e := detail(&v, x); e != nil {
			return v, e
		}
	}
	return v, err
}

// limit fills in the plan's limit of what a verdict is about.
func (s *script) limit(v *experiment.Verdict) {
	limits := s.plan.Objectives
	switch v.Role {
	case experiment.RoleGate:
		limits = s.plan.Stages[s.state.Stage].Require
	case experiment.RoleGuardrail:
		for _, g := range s.plan.Guardrails {
			if g.Metric == v.Metric {
				v.Limit = ptr(g.NoWorseThan.Of(1))
			}
		}
		return
	case experiment.RoleReward:
		return
	}
	for _, o := range limits {
		if o.Metric == v.Metric {
			v.Limit = o.Max
			if o.Min != nil {
				v.Limit = o.Min
			}
		}
	}
}

// well says that a version meets every objective and gate and worsens no
// guardrail, in any slice.
func (s *script) well(name string, f *experiment.Facts) error {
	version, err := s.version(name)
	add := func(role experiment.Role, metric, slice string, status experiment.Status) {
		f.Judgement.Verdicts = append(f.Judgement.Verdicts, experiment.Verdict{Version: version, Role: role, Metric: metric, Slice: slice, Status: status})
	}
	for role, limits := range map[experiment.Role][]experiment.Objective{
		experiment.RoleObjective: s.plan.Objectives, experiment.RoleGate: s.plan.Stages[s.state.Stage].Require,
	} {
		for _, o := range limits {
			for _, slice := range append([]string{""}, s.plan.LimitSlices(&o)...) {
				add(role, o.Metric, slice, experiment.Met)
			}
		}
	}
	for _, g := range s.plan.Guardrails {
		for _, slice := range append([]string{""}, s.plan.SlicesOf(&g)...) {
			add(experiment.RoleGuardrail, g.Metric, slice, experiment.NotWorse)
		}
	}
	return err
}

// arm reads VERSION [SLICE] and what is known of it.
func (s *script) arm(w []string) (experiment.Arm, error) {
	version, err := s.version(w[0])
	a := experiment.Arm{Version: version, SE: .01}
	for _, x := range w[1:] {
		key, text, _ := strings.Cut(x, "=")
		number, e := strconv.ParseFloat(text, 64)
		switch key {
		case "n":
			a.N = int64(number)
		case "mean":
			a.Mean = number
		case "se":
			a.SE = number
		case "best":
			a.Best = number
		default:
			a.Slice, e = x, nil
		}
		if e != nil {
			return a, e
		}
	}
	return a, err
}

// doubt reads a reason of the judgement not to be trusted.
func (s *script) doubt(w []string) (experiment.Doubt, error) {
	var x experiment.Doubt
	number := func(i int) float64 {
		n, err := strconv.ParseFloat(w[i], 64)
		if err != nil {
			n = math.NaN()
		}
		return n
	}
	var err error
	switch {
	case w[0] == "joined" && len(w) == 5:
		x = experiment.Doubt{Code: experiment.ReasonJoined, Metric: w[2], Value: number(3), Limit: number(4)}
		x.Version, err = s.version(w[1])
	case w[0] == "uneven" && len(w) == 3:
		x = experiment.Doubt{Code: experiment.ReasonUnevenJoin, Metric: w[2]}
		x.Version, err = s.version(w[1])
	case w[0] == "range" && len(w) == 3:
		x = experiment.Doubt{Code: experiment.ReasonRewardRange, Metric: s.plan.Reward.Metric, Value: number(2)}
		x.Version, err = s.version(w[1])
	case w[0] == "slice-mismatch" && len(w) == 2:
		x = experiment.Doubt{Code: experiment.ReasonSliceMismatch, Slice: w[1]}
	case w[0] == "mix" && len(w) == 5:
		x = experiment.Doubt{Code: experiment.ReasonVersionMix, Header: w[2], Values: w[3:], Value: 2, Limit: 1}
		x.Version, err = s.version(w[1])
	default:
		err = fmt.Errorf("doubt %q has %d words", w[0], len(w))
	}
	if err == nil && (math.IsNaN(x.Value) || math.IsNaN(x.Limit)) {
		err = fmt.Errorf("doubt %q wants numbers", w)
	}
	return x, err
}

func ptr(f float64) *float64 { return &f }

func detail(v *experiment.Verdict, x string) error {
	key, text, _ := strings.Cut(x, "=")
	switch key {
	case "final":
		v.Final = true
		return nil
	case "equivalent":
		v.Equivalent = true
		return nil
	case "hidden":
		v.Hidden = true
		return nil
	}
	number, err := strconv.ParseFloat(text, 64)
	if v.Interval == nil && (key == "low" || key == "high") {
		v.Interval = &stats.Interval{Low: number, High: number}
	}
	switch key {
	case "estimate":
		v.Estimate = &number
	case "low":
		v.Interval.Low = number
	case "high":
		v.Interval.High = number
	case "need":
		v.Need = int64(number)
	case "n":
		v.N = int64(number)
	default:
		return fmt.Errorf("unknown detail %q", key)
	}
	return err
}

func commandOf(w []string) (experiment.Command, error) {
	c := experiment.Command{Verb: experiment.Verb(w[0])}
	for _, x := range w[1:] {
		key, text, _ := strings.Cut(x, "=")
		switch key {
		case "id":
			c.ID = text
		case "author":
			c.Author = text
		case "reason":
			c.Reason = text
		case "version":
			c.Version = text
		case "override":
			c.Override = true
		default:
			return c, fmt.Errorf("unknown detail %q", key)
		}
	}
	if c.ID == "" {
		return c, errors.New("a command has an id")
	}
	return c, nil
}

// where says where the experiment stands.
func (s *script) where() string {
	stage := &s.plan.Stages[s.state.Stage]
	at := stage.Name
	if stage.Ramp != nil {
		at += " " + stage.Ramp.Steps[s.state.Step].Percent()
	}
	out := fmt.Sprintf("%s in %s", s.state.Condition, at)
	if s.state.Condition == experiment.Warm {
		out = "warm on " + s.plan.Versions[s.state.Winner].Name
	}
	if s.state.Outcome != "" {
		serves := s.plan.Versions[s.state.Winner].Name
		if s.state.Copied {
			serves = s.plan.Versions[0].Name + ", a copy of " + serves + ","
		}
		out += fmt.Sprintf(", %s, %s serves", s.state.Outcome, serves)
	}
	return out
}

func (s *script) answer(d experiment.Decision, intents []experiment.Intent) string {
	var b strings.Builder
	shares := d.To.String()
	if d.From.String() != shares {
		shares = d.From.String() + " -> " + shares
	}
	fmt.Fprintf(&b, "%s %s, %s\n", d.Act, shares, s.where())
	s.journal = append(s.journal, fmt.Sprintf("%s %s %s", d.At.Sub(s.started), d.Act, d.To))
	for _, g := range d.Groups {
		if d.Act != experiment.ActHold {
			fmt.Fprintf(&b, "  %s %s\n", g.Slice, g.Shares)
		}
	}
	for _, r := range d.Reasons {
		fmt.Fprintf(&b, "  %s %s\n", r.Code, r)
	}
	for _, i := range intents {
		fmt.Fprintf(&b, "  intent %s %d\n", s.label(i), i.Transition)
	}
	return b.String()
}

// label names an intent: what it is, and which of the plan's actions.
func (s *script) label(i experiment.Intent) string {
	if i.Kind == experiment.IntentRun {
		return "run " + s.plan.Label(i)
	}
	return string(i.Kind)
}

func (s *script) show() string {
	st := &s.state
	since := func(at time.Time) string { return at.Sub(s.started).String() }
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", s.where())
	fmt.Fprintf(&b, "phase %d.%d since %s, stage %d since %s, step %d, transition %d\n",
		st.Epoch, st.Phase, since(st.PhaseStart), st.Stage, since(st.StageStart), st.Step, st.Transition)
	fmt.Fprintf(&b, "slots")
	for _, r := range st.Slots {
		fmt.Fprintf(&b, " %s:%d", s.plan.Versions[r.Version].Name, r.Slots)
	}
	b.WriteByte('\n')
	for _, t := range st.Tables {
		fmt.Fprintf(&b, "slots of %s", t.Slice)
		for _, r := range t.Slots {
			fmt.Fprintf(&b, " %s:%d", s.plan.Versions[r.Version].Name, r.Slots)
		}
		b.WriteByte('\n')
	}
	for _, r := range st.Removed {
		fmt.Fprintf(&b, "removed %s at %s: %s\n", s.plan.Versions[r.Version].Name, since(r.At), r.Reason.Code)
	}
	if st.Updates > 0 || !st.Updated.IsZero() {
		fmt.Fprintf(&b, "%d updates, the last at %s\n", st.Updates, since(st.Updated))
	}
	if st.ReadySince != nil {
		fmt.Fprintf(&b, "ready since %s\n", since(*st.ReadySince))
	}
	if st.UnknownSince != nil {
		fmt.Fprintf(&b, "unknown since %s\n", since(*st.UnknownSince))
	}
	for _, a := range st.Actions {
		fmt.Fprintf(&b, "to do: %s of %d\n", s.label(a), a.Transition)
	}
	for _, f := range st.Failed {
		fmt.Fprintf(&b, "failed: %s of %d, ignored %t\n", s.label(f.Intent), f.Transition, f.Ignored)
	}
	if x := st.Iteration; x != nil {
		fmt.Fprintf(&b, "%d iterations since %s, recommended %s, released %t\n", x.Done, since(x.First), s.plan.Versions[x.Recommended()].Name, st.Released(s.plan))
	}
	if st.Copied {
		fmt.Fprintf(&b, "copied\n")
	}
	if st.Approved || st.Still {
		fmt.Fprintf(&b, "approved %t, still %t\n", st.Approved, st.Still)
	}
	if len(st.Commands) > 0 {
		fmt.Fprintf(&b, "obeyed %s\n", strings.Join(st.Commands, " "))
	}
	for _, d := range st.Decisions {
		fmt.Fprintf(&b, "did %s at %s\n", d.Act, since(d.At))
	}
	return b.String()
}
