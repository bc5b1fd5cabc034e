// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router/fields"
	"github.com/headgate-dev/headgate/internal/router/httproute"
	"github.com/headgate-dev/headgate/internal/router/virtualservice"
)

var update = flag.Bool("update", false, "rewrite golden files")

const (
	goldenIn   = ".in.yaml"
	goldenPlan = ".out.json"
	goldenBad  = ".out.txt"
)

// goldenInputs are the experiments in testdata, by name.
func goldenInputs(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/*.in.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden inputs: %v", err)
	}
	out := make(map[string][]byte, len(files))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimSuffix(filepath.Base(file), goldenIn)] = data
	}
	return out
}

// TestPlanGolden translates every testdata/NAME.in.yaml into the plan
// NAME.out.json or the problems NAME.out.txt; exactly one of them exists.
func TestPlanGolden(t *testing.T) {
	for name, data := range goldenInputs(t) {
		t.Run(name, func(t *testing.T) {
			p, err := Plan(data)
			ending, other, got := goldenPlan, goldenBad, ""
			if err != nil {
				checkProblems(t, err)
				ending, other, got = goldenBad, goldenPlan, err.Error()+"\n"
			} else {
				checkPlan(t, p)
				b, err := json.MarshalIndent(p, "", "  ")
				if err != nil {
					t.Fatal(err)
				}
				got = string(b) + "\n"
			}
			file := filepath.Join("testdata", name+ending)
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("%v; got:\n%s", err, got)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s differs (-want +got):\n%s", file, diff)
			}
			if _, err := os.Stat(filepath.Join("testdata", name+other)); err == nil {
				t.Errorf("%s%s is left over", name, other)
			}
		})
	}
}

func TestPlanShortWhenSimple(t *testing.T) {
	if n := strings.Count(string(goldenInputs(t)["minimal"]), "\n"); n > 25 {
		t.Errorf("the minimal experiment has %d lines, want at most 25", n)
	}
}

// editScript is one file of bad inputs. Its commands are
//
//	base      the experiment that edits start from; answers its problems, or ok
//	edit      lines "old => new", each applied once to the base; \n is a line
//	file      a file of its own
//
// Each answers the problems, one a line, or ok with the plan's name.
type editScript struct {
	base string
	// show is told every input and what it came to.
	show func(input string, err error)
}

func (s *editScript) run(t *testing.T, d *datadriven.TestData) string {
	input := d.Input
	switch d.Cmd {
	case "base":
		s.base = input
	case "edit":
		input = s.base
		for line := range strings.Lines(d.Input) {
			old, changed, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " =>")
			if n := strings.Count(input, old); !ok || n != 1 {
				d.Fatalf(t, "%q is in the base %d times", old, n)
			}
			input = strings.Replace(input, old, strings.ReplaceAll(strings.TrimPrefix(changed, " "), `\n`, "\n"), 1)
		}
	case "file":
	default:
		d.Fatalf(t, "unknown command %q", d.Cmd)
	}
	p, err := Plan([]byte(input))
	s.show(input, err)
	if err != nil {
		return err.Error()
	}
	return "ok " + p.ID()
}

// TestPlanBad runs the data-driven bad inputs.
func TestPlanBad(t *testing.T) {
	if *update {
		if err := flag.Set("rewrite", "true"); err != nil {
			t.Fatal(err)
		}
	}
	bad := 0
	s := &editScript{show: func(_ string, err error) {
		if err != nil {
			bad++
			checkProblems(t, err)
		}
	}}
	for _, file := range []string{"testdata/bad.txt", "testdata/bad-stages.txt", "testdata/bad-assignment.txt", "testdata/bad-answers.txt", "testdata/bad-predictions.txt", "testdata/bad-providers.txt", "testdata/bad-strict.txt", "testdata/bad-sources.txt", "testdata/bad-actions.txt"} {
		datadriven.RunTest(t, file, s.run)
	}
	if bad < 200 {
		t.Errorf("%d bad inputs, want at least 200", bad)
	}
}

// checkProblems asks of an error of Plan what every one promises.
func checkProblems(t testing.TB, err error) {
	t.Helper()
	if code := experiment.CodeOf(err); code != experiment.CodeInvalid {
		t.Errorf("code is %q, want invalid", code)
	}
	problems, ok := errors.AsType[Problems](err)
	if !ok || len(problems) == 0 || len(problems) > maxProblems+1 {
		t.Fatalf("%d problems in %T", len(problems), err)
	}
	for i, p := range problems {
		switch {
		case p.Message == "":
			t.Errorf("problem without a message: %+v", p)
		case p.Path != "" && p.Line == 0:
			t.Errorf("problem without its line: %s", p)
		case strings.ContainsFunc(p.String(), unicode.IsControl) || !utf8.ValidString(p.String()):
			t.Errorf("problem that cannot be shown: %q", p.String())
		case i > 0 && i < maxProblems && p.Line < problems[i-1].Line:
			t.Errorf("line %d is reported after line %d", p.Line, problems[i-1].Line)
		case i > 0 && p == problems[i-1]:
			t.Errorf("said twice: %s", p)
		}
	}
}

// checkPlan asks of a plan what the engine, the judge and the gateway take for
// granted.
func checkPlan(t testing.TB, p *experiment.Plan) {
	t.Helper()
	n := len(p.Versions)
	want := func(ok bool, format string, args ...any) {
		t.Helper()
		if !ok {
			t.Errorf(format, args...)
		}
	}
	want(n >= 1 && n <= experiment.MaxVersions && p.Name != "", "%d versions, name %q", n, p.Name)
	want(p.Window > 0 && p.Lag >= 0 && p.Stale >= 2*p.Window && p.OnUnknown.After >= p.Window, "times are %s %s %s %s", p.Window, p.Lag, p.Stale, p.OnUnknown.After)
	a := p.Analysis
	want(a.Alpha > 0 && a.Alpha <= mostAlpha && a.HarmAlpha > 0 && a.HarmAlpha <= mostAlpha && a.Looks >= 1, "analysis is %+v", a)
	route := experiment.RouteOf(p, &experiment.State{Slots: experiment.SlotsOf(experiment.Baseline(n))})
	snapshot := experiment.Snapshot{Routes: []experiment.Route{route}}
	own := p.Router.Kind() == experiment.RouterGateway
	want(!own || snapshot.Check() == nil, "the gateway refuses it: %v", snapshot.Check())
	checkRouter(t, p)
	checkProviders(t, p)
	checkActions(t, p)
	for _, m := range p.Metrics {
		want(!m.OfPredictions() || p.Predictions != nil && p.Predictions.Sample > 0, "nothing is read for %+v", m)
		want(sources(m) == 1 && (m.Goal == experiment.Increase || m.Goal == experiment.Decrease), "metric %+v", m)
		if b := m.Builtin; b != nil {
			latency := b.Kind == experiment.Latency
			want((b.Limit > 0) == latency && (b.Quantile > 0 && b.Quantile < 1) == latency, "builtin %+v", b)
		}
	}
	margin := func(m experiment.Margin) {
		t.Helper()
		want((m.Absolute > 0) != (m.Relative > 0) && m.Absolute >= 0 && m.Relative >= 0, "margin %+v", m)
	}
	if p.Reward != nil && !p.Strict {
		m := p.Metric(p.Reward.Metric)
		byRequest := m != nil && (p.Assignment.Unit.Request || m.Provider != nil && m.Provider.Units())
		want(m != nil && (m.Matures() > 0 && !uncompared(m) || (m.OfAnswers() || m.Provider != nil) && !m.SelfReported() && byRequest) && n >= 2, "reward %+v", p.Reward)
		margin(p.Reward.MinimumEffect)
	}
	for _, o := range p.Objectives {
		want(p.Strict || !o.Rollback, "objective %+v", o)
		want(p.Strict || p.Metric(o.Metric) != nil && p.Metric(o.Metric).Pairs == nil && limited(p.Metric(o.Metric), o), "objective %+v", o)
	}
	for _, g := range p.Guardrails {
		want(p.Metric(g.Metric) != nil && p.Metric(g.Metric).Pairs == nil && !uncompared(p.Metric(g.Metric)) && n >= 2, "guardrail %+v", g)
		want(!p.Metric(g.Metric).WholeSample() || len(g.Slices) == 0, "slices of a whole sample: %+v", g)
		margin(g.NoWorseThan)
	}
	for _, o := range p.Assignment.Overrides {
		want(o.Version >= 0 && o.Version < n && o.Header != "" && o.Value != "", "override %+v", o)
	}
	if p.Assignment.Cohort != "" {
		want(!strings.EqualFold(p.Assignment.Cohort, p.Assignment.Unit.Header) && (!own || !p.Assignment.Unit.Request) && !p.Assignment.RejectMissing, "assignment %+v", p.Assignment)
		want(!slices.ContainsFunc(p.Stages, func(s experiment.Stage) bool { return s.Split == nil && s.Observe == nil || len(s.Where) > 0 }), "a stage that moves traffic by client")
	}
	checkKept(t, p)
	want(len(p.Stages) >= 1 && len(p.Stages) <= maxStages, "%d stages", len(p.Stages))
	for _, s := range p.Stages {
		checkStage(t, p, &s)
	}
}

// checkRouter asks of a plan that a serving stack carries that the stack can, and
// that each version is found in its objects.
func checkRouter(t testing.TB, p *experiment.Plan) {
	t.Helper()
	kind := p.Router.Kind()
	if kind == experiment.RouterGateway {
		return
	}
	if err := p.Fits(string(kind), capabilities(kind)); err != nil {
		t.Error(err)
	}
	var err error
	switch kind {
	case experiment.RouterVirtualService:
		_, err = virtualservice.New(p)
	case experiment.RouterHTTPRoute:
		_, err = httproute.New(p)
	case experiment.RouterFields:
		_, err = fields.New(p)
	case experiment.RouterNone:
		if !p.Strict || p.Stages[0].Iterate.Shift != experiment.ShiftNone {
			t.Errorf("nothing carries what %s moves", p.Stages[0].Name)
		}
	}
	named := kind == experiment.RouterVirtualService || kind == experiment.RouterHTTPRoute
	if err != nil {
		t.Errorf("the router refuses it: %v", err)
	}
	with := map[int]bool{}
	for _, f := range p.Router.Fields {
		with[f.Version] = true
	}
	for i, v := range p.Versions {
		switch {
		case named != (v.Backend != ""):
			t.Errorf("version %d of a %s has backend %q", i, kind, v.Backend)
		case v.Model != "" || v.Path != nil:
			t.Errorf("version %d is rewritten by a %s", i, kind)
		}
	}
	if kind == experiment.RouterFields && (len(with) != len(p.Router.Fields) || len(with) < len(p.Versions)-1) {
		t.Errorf("%d fields hold the shares of %d versions, there are %d", len(p.Router.Fields), len(with), len(p.Versions))
	}
	if !p.Assignment.Unit.Request && p.Assignment.Cohort == "" || p.Assignment.RejectMissing {
		t.Errorf("a %s cannot assign by %+v", kind, p.Assignment)
	}
}

// checkKept asks of what is kept by request that it is there when it is needed,
// and of fields to redact that the one who takes them out can find them.
func checkKept(t testing.TB, p *experiment.Plan) {
	t.Helper()
	keeps := p.Retention.For
	if keeps == 0 {
		keeps = experiment.DefaultRowsFor
	}
	for _, m := range p.Metrics {
		if m.Labels != nil && keeps < p.Window+m.Labels.Window+p.Lag {
			t.Errorf("predictions are kept for %s, and %s wants them for %s", keeps, m.Name, m.Labels.Window)
		}
	}
	if r := p.Retention.Rows; r != 0 && (r < leastRows || r > mostRows) || p.Retention.For > mostRowsFor {
		t.Errorf("retention %+v", p.Retention)
	}
	for i, r := range p.Redact {
		if r.How != experiment.RedactHash && r.How != experiment.RedactRemove || !strings.HasPrefix(r.Path, "$") {
			t.Errorf("redaction %d is %+v", i, r)
		}
	}
}

// sources counts where a metric comes from.
func sources(m experiment.Metric) int {
	n := 0
	for _, on := range []bool{
		m.Builtin != nil, m.Outcomes != nil, m.Pairs != nil, m.Output != nil, m.Response != nil, m.Prediction != nil, m.Drift != nil, m.Labels != nil, m.Provider != nil,
	} {
		if on {
			n++
		}
	}
	return n
}

// uncompared says whether a metric may only be limited.
func uncompared(m *experiment.Metric) bool {
	return m.Drift != nil || m.Labels != nil && m.Labels.Of == experiment.Calibration
}

// limited says whether a limit is one that its metric can have.
func limited(m *experiment.Metric, o experiment.Objective) bool {
	return (o.Max == nil) != (o.Min == nil) && (m.Drift == nil || o.Max != nil && *o.Max > 0) && (!m.WholeSample() || len(o.Slices) == 0)
}

func checkStage(t testing.TB, p *experiment.Plan, s *experiment.Stage) {
	t.Helper()
	kinds := 0
	for _, on := range []bool{s.Ramp != nil, s.Split != nil, s.Mirror != nil, s.Bandit != nil, s.Switch != nil, s.Observe != nil, s.Iterate != nil} {
		if on {
			kinds++
		}
	}
	if kinds != 1 || s.Name == "" || s.AtMost() <= 0 {
		t.Fatalf("stage %q has %d kinds and lasts %s", s.Name, kinds, s.AtMost())
	}
	checkSteps(t, p, s)
	for _, c := range s.Where {
		checkGroups(t, p, c)
	}
	for _, gate := range s.Require {
		if m := p.Metric(gate.Metric); m == nil || !limited(m, gate) || m.Drift != nil && !s.Compares() || (m.Pairs != nil) != (s.Mirror != nil) {
			t.Errorf("gate %+v of %s", gate, s.Kind())
		}
	}
	mature := p.Window + p.OutcomeWindow() + p.Lag
	switch {
	case s.Ramp != nil:
		last := s.Ramp.Steps[len(s.Ramp.Steps)-1]
		h := s.Ramp.Hold
		if last <= 0 || h.Requests < 0 || h.Windows < 0 || (h.Requests == 0 && h.Windows == 0 && h.For == 0) {
			t.Errorf("ramp %+v", s.Ramp)
		}
	case s.Split != nil:
		if u := s.Split.Until; p.Reward == nil || u.AtMost <= mature || u.AtLeast > u.AtMost || u.Pairs != 0 || u.Best != 0 {
			t.Errorf("split %+v", s.Split)
		}
	case s.Mirror != nil:
		if m := s.Mirror; m.Share <= 0 || m.Until.Pairs <= 0 || m.Until.AtLeast > m.Until.AtMost || m.Until.AtMost <= p.Window+p.PairsHold() || m.Timeout < 0 || m.Timeout > mostCopyTimeout || m.Rate < 0 || m.Concurrency < 0 || m.Cost < 0 {
			t.Errorf("mirror %+v", m)
		}
	case s.Bandit != nil:
		if u := s.Bandit.Until; p.Reward == nil || u.AtMost <= mature || u.AtLeast > u.AtMost || u.Pairs != 0 || u.Decided {
			t.Errorf("bandit %+v", s.Bandit)
		}
		checkBandit(t, p, s.Bandit)
	case s.Switch != nil:
		if s.Switch.Soak < p.Window || s.Switch.Warm < 0 {
			t.Errorf("switch %+v", s.Switch)
		}
	case s.Iterate != nil:
		checkIterate(t, p, s.Iterate)
	default:
		if s.Observe.For <= 0 || len(p.Objectives)+len(s.Require) == 0 {
			t.Errorf("observe %+v", s.Observe)
		}
	}
}

// checkSteps asks of every step for shares that can be served.
func checkSteps(t testing.TB, p *experiment.Plan, s *experiment.Stage) {
	t.Helper()
	chosen := slices.IndexFunc(p.Stages, func(s experiment.Stage) bool { return s.Split != nil || s.Bandit != nil })
	at := slices.IndexFunc(p.Stages, func(o experiment.Stage) bool { return o.Name == s.Name })
	// Once a split or a bandit is over, one candidate is left.
	removed := func(v int) bool { return chosen >= 0 && at > chosen && v > 1 }
	for step := range s.Steps() {
		if shares := s.SharesAt(step, len(p.Versions), removed); shares != nil {
			if err := shares.Check(); err != nil {
				t.Errorf("stage %s, step %d: %v", s.Name, step, err)
			}
		}
	}
	if s.Switch != nil && len(p.Versions) > 2 && (chosen < 0 || at < chosen) {
		t.Errorf("several candidates at switch %s", s.Name)
	}
}

func checkGroups(t testing.TB, p *experiment.Plan, c experiment.Groups) {
	t.Helper()
	s := p.Segment(c.Segment)
	if s == nil || (len(c.In) == 0) == (len(c.Not) == 0) {
		t.Fatalf("where %+v", c)
	}
	matched := 0
	for _, group := range s.Groups() {
		if (experiment.Where{c}).Match(func(string) string { return group }) {
			matched++
		}
	}
	for _, group := range slices.Concat(c.In, c.Not) {
		if !slices.Contains(s.Groups(), group) {
			t.Errorf("where asks for %q", group)
		}
	}
	if matched == 0 {
		t.Errorf("where %+v leaves nobody", c)
	}
}

// checkBandit asks for limits between which there is a vector, for everybody
// and for each group.
func checkBandit(t testing.TB, p *experiment.Plan, b *experiment.Bandit) {
	t.Helper()
	n := len(p.Versions)
	if len(b.Min) != n || len(b.Max) != n || b.Every < p.Window || b.Explore < 1 || b.Step <= 0 || b.Fallback < 0 || b.Fallback >= n {
		t.Fatalf("bandit %+v", b)
	}
	var low, high experiment.Share
	for v := range n {
		if b.Min[v] < 0 || b.Min[v] > b.Max[v] || b.Max[v] <= 0 || b.Max[v] > experiment.Whole {
			t.Errorf("version %d has %s to %s", v, b.Min[v].Percent(), b.Max[v].Percent())
		}
		low, high = low+b.Min[v], high+b.Max[v]
	}
	if low > experiment.Whole || high < experiment.Whole {
		t.Errorf("shares sum to %s at least and %s at most", low.Percent(), high.Percent())
	}
	if (b.Epsilon > 0) != (b.Policy == experiment.EpsilonGreedy) || b.Decay < 0 {
		t.Errorf("%s has epsilon %v and decay %v", b.Policy, b.Epsilon, b.Decay)
	}
	if b.Per == "" {
		if b.Pool || len(b.Caps) > 0 {
			t.Errorf("pool %t and caps %v of no segment", b.Pool, b.Caps)
		}
		return
	}
	for _, c := range b.Caps {
		if !slices.Contains(p.Segment(b.Per).Groups(), c.Group) || c.Max < low-b.Min[0] || c.Max <= 0 || experiment.Whole-c.Max > b.Max[0] {
			t.Errorf("cap %+v", c)
		}
	}
}
