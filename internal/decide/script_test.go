// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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

func (s *script) argument(arg datadriven.CmdArg, now *time.Time, f *experiment.Facts) error {
	if arg.Key == "at" {
		at, err := time.ParseDuration(strings.Join(arg.Vals, ""))
		*now = s.started.Add(at)
		return err
	}
	numbers := make([]int64, len(arg.Vals))
	for i, text := range arg.Vals {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return err
		}
		numbers[i] = n
	}
	j := &f.Judgement
	switch {
	case arg.Key == "seen":
		j.Seen = numbers
	case len(numbers) != 1:
		return fmt.Errorf("argument %s wants one number", arg.Key)
	case arg.Key == "requests":
		j.Requests = numbers[0]
	case arg.Key == "clean":
		j.Clean = int(numbers[0])
	case arg.Key == "units":
		j.Units = numbers[0]
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
	case "objective", "guardrail", "reward":
		v, err := s.verdict(experiment.Role(kind), w[1:])
		f.Judgement.Verdicts = append(f.Judgement.Verdicts, v)
		return err
	case "mismatch":
		f.Judgement.Mismatch = true
	case "down":
		source, why, _ := strings.Cut(strings.TrimPrefix(line, "down "), ": ")
		health(experiment.SourceHealth{Source: experiment.Source(source), Down: why})
	case "gap":
		health(experiment.SourceHealth{Source: experiment.Source(w[1]), Gap: true})
	case "newest":
		age, err := time.ParseDuration(w[2])
		health(experiment.SourceHealth{Source: experiment.Source(w[1]), Newest: now.Add(-age)})
		return err
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
	for _, o := range s.plan.Objectives {
		if role == experiment.RoleObjective && o.Metric == v.Metric {
			v.Limit = o.Max
			if o.Min != nil {
				v.Limit = o.Min
			}
		}
	}
	for _, g := range s.plan.Guardrails {
		if role == experiment.RoleGuardrail && g.Metric == v.Metric {
			v.Limit = ptr(g.NoWorseThan.Of(1))
		}
	}
	if s.plan.Metric(v.Metric) == nil {
		return v, fmt.Errorf("no metric %q", v.Metric)
	}
	v.Status = experiment.Status(strings.ReplaceAll(w[0], "-", " "))
	for _, x := range w[1:] {
		if e := detail(&v, x); e != nil {
			return v, e
		}
	}
	return v, err
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
	if s.state.Outcome != "" {
		out += fmt.Sprintf(", %s, %s serves", s.state.Outcome, s.plan.Versions[s.state.Winner].Name)
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
	for _, r := range d.Reasons {
		fmt.Fprintf(&b, "  %s %s\n", r.Code, r)
	}
	for _, i := range intents {
		fmt.Fprintf(&b, "  intent %s %d\n", i.Kind, i.Transition)
	}
	return b.String()
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
	if st.UnknownSince != nil {
		fmt.Fprintf(&b, "unknown since %s\n", since(*st.UnknownSince))
	}
	if len(st.Commands) > 0 {
		fmt.Fprintf(&b, "obeyed %s\n", strings.Join(st.Commands, " "))
	}
	for _, d := range st.Decisions {
		fmt.Fprintf(&b, "did %s at %s\n", d.Act, since(d.At))
	}
	return b.String()
}
