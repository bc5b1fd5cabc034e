// SPDX-License-Identifier: Apache-2.0

package load

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/stats"
)

// shadowPlan compares labels, takes out what is personal, and wants agreement in
// both tiers.
func shadowPlan() *experiment.Plan {
	return &experiment.Plan{
		Metrics: []experiment.Metric{
			{Name: "errors", Builtin: &experiment.BuiltinMetric{Kind: experiment.ErrorRate}},
			{Name: "label", Goal: experiment.Increase, Pairs: &experiment.PairsMetric{Compare: experiment.CompareClass, Value: ".label"}},
			{Name: "whole", Goal: experiment.Increase, Pairs: &experiment.PairsMetric{Compare: experiment.CompareJSON}},
		},
		Redact: []experiment.Redaction{{Path: "$.id", How: experiment.RedactRemove}, {Path: "$.owner", How: experiment.RedactHash}},
		Segments: []experiment.Segment{
			{Name: "country", Header: "x-country", Values: []string{"de"}},
			{Name: "tier", JSONPath: "$.user.tier", Values: []string{"free", "premium"}},
			{Name: "age", JSONPath: "$.user.age", Bins: []float64{18}},
		},
		Stages: []experiment.Stage{
			{Name: "shadow", Mirror: &experiment.Mirror{}, Require: []experiment.Objective{
				{Metric: "label", Min: new(0.8), Slices: []string{"country", "tier"}}, {Metric: "errors", Max: new(0.01)},
			}},
			{Name: "ab", Split: &experiment.Split{}, Require: []experiment.Objective{{Metric: "label", Min: new(1.0)}}},
		},
	}
}

// The candidate is wrong for premium users only, which the whole does not show.
func TestPairsOfAPlanFindWhoItIsWorseFor(t *testing.T) {
	answer := func(candidate bool) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			var in struct {
				N    int
				User struct{ Tier string }
			}
			if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
				t.Error(err)
			}
			label := "yes"
			if candidate && in.User.Tier == "premium" && in.N%2 == 0 {
				label = "no"
			}
			_, _ = fmt.Fprintf(w, `{"label":%q,"id":%q,"owner":"secret@example.com"}`, label, fmt.Sprint(candidate, in.N))
		}
	}
	var lines []Line
	for i := range 400 {
		user := `{"tier":"free","age":17}`
		if i%10 == 0 {
			user = `{"tier":"premium","age":44}`
		}
		lines = append(lines, Line{i + 1, fmt.Appendf(nil, `{"n":%d,"user":%s}`, i/10, user)})
	}
	r := mustPair(t, PairOptions{Baseline: serve(t, answer(false)), Candidate: serve(t, answer(true)), Lines: lines, Plan: shadowPlan(), Show: 2})
	label := metricOf(t, r, "label")
	if *label.Mean != 0.95 || len(r.Metrics) != 2 {
		t.Errorf("%d metrics, label agrees by %g", len(r.Metrics), *label.Mean)
	}
	var order []string
	for _, s := range label.Slices {
		order = append(order, fmt.Sprint(s.Slice, " ", s.Pairs))
	}
	if d := cmp.Diff([]string{"tier=premium 40", "age=>=18 40", "tier=free 360", "age=<18 360", "tier=other 0", "age=other 0"}, order); d != "" {
		t.Error(d)
	}
	var gates []string
	for _, g := range r.Gates {
		gates = append(gates, fmt.Sprint(g.From, " ", g.Metric, " ", g.Slice, " ", g.Status))
	}
	if d := cmp.Diff([]string{"shadow label  met", "shadow label tier=premium violated", "shadow label tier=free met"}, gates); d != "" {
		t.Error(d)
	}
	notes := strings.Join(r.Notes, "\n")
	for _, want := range []string{"segment country is not told by bodies", "requires errors, which is no metric of pairs", "requires label in every slice of country too: not checked here"} {
		if !strings.Contains(notes, want) {
			t.Errorf("no note says %q: %s", want, notes)
		}
	}
	all, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(all), "secret") || !strings.Contains(string(all), `\"owner\":\"h:`) {
		t.Errorf("what is redacted is shown: %s", all)
	}
	// The id differs always, and was taken out before anything was compared.
	if whole := metricOf(t, r, "whole"); *whole.Mean != 0.95 {
		t.Errorf("whole answers agree by %g", *whole.Mean)
	}
	if r.Disagreeing != 20 || len(r.Shown) != 2 || r.Shown[0].Line != 1 || r.Shown[1].Line != 21 {
		t.Errorf("%d disagree, shown %+v", r.Disagreeing, r.Shown)
	}
}

// What is to be redacted but is no JSON is not shown or compared at all.
func TestPairsShowNothingThatCannotBeRedacted(t *testing.T) {
	answer := func(s string) string {
		return serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, s) })
	}
	p := shadowPlan()
	p.Metrics = []experiment.Metric{{Name: "words", Goal: experiment.Increase, Pairs: &experiment.PairsMetric{Compare: experiment.CompareText}}}
	r := mustPair(t, PairOptions{Baseline: answer("secret one"), Candidate: answer("secret two"), Lines: instances(2), Plan: p, Show: 5})
	if m := metricOf(t, r, "words"); m.Blank != 2 || len(r.Shown) != 0 || r.Baseline.Unread != 2 {
		t.Errorf("%+v, shown %+v", m.PairShare, r.Shown)
	}
}

func TestAPlanWithoutPairsGetsTheUsualOnes(t *testing.T) {
	url := serve(t, classifier(nil, func(int) any { return "a" }))
	p := shadowPlan()
	p.Metrics = p.Metrics[:1]
	r := mustPair(t, PairOptions{Baseline: url + predictPath, Candidate: url + predictPath, Lines: instances(2), Plan: p})
	if metricOf(t, r, "class").Pairs != 2 || !strings.Contains(strings.Join(r.Notes, "\n"), "the usual ones are compared") {
		t.Errorf("%+v, %v", r.Metrics, r.Notes)
	}
}

func TestGatesGoByTheWholeInterval(t *testing.T) {
	share := func(low, high float64) PairShare {
		return PairShare{Pairs: 1, Mean: &high, Low: &low, High: &high}
	}
	for _, c := range []struct {
		limit string
		share PairShare
		want  experiment.Status
	}{
		{"m>=0.9", share(0.9, 0.95), experiment.Met},
		{"m>=0.9", share(0.89, 0.95), experiment.Undecided},
		{"m>=0.9", share(0.8, 0.9), experiment.Undecided},
		{"m>=0.9", share(0.8, 0.89), experiment.Violated},
		{"m<=1%", share(0, 0.01), experiment.Met},
		{"m<=1%", share(0, 0.02), experiment.Undecided},
		{"m<=1%", share(0.011, 0.02), experiment.Violated},
		{"m<=1%", PairShare{Blank: 3}, experiment.Undecided},
	} {
		p := pairPlan{gates: []pairGate{{mustRequire(t, c.limit)[0], "--require"}}}
		got := p.check([]PairMean{{Metric: "m", PairShare: c.share}})
		if len(got) != 1 || got[0].Status != c.want {
			t.Errorf("%s of %v: %v, want %s", c.limit, c.share, got, c.want)
		}
	}
}

func TestParseRequire(t *testing.T) {
	for in, want := range map[string]experiment.Objective{
		"class>=0.95":      {Metric: "class", Min: new(0.95)},
		" failures <= 1% ": {Metric: "failures", Max: new(0.01)},
		"a>=1":             {Metric: "a", Min: new(1.0)},
	} {
		got, err := ParseRequire(in)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%q: %v %s", in, err, d)
		}
	}
	for _, in := range []string{"", "class", ">=1", "class=1", "class>1", "class>=2", "class>=-1", "class>=NaN", "class>=x%", "class>=1>=1"} {
		if _, err := ParseRequire(in); err == nil || !strings.HasPrefix(err.Error(), "--require: ") || !strings.Contains(err.Error(), "'class>=0.95'") {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestPairOptionsAreRefusedByName(t *testing.T) {
	_, err := RunPairs(t.Context(), PairOptions{
		Baseline: "ftp://x", Candidate: "", Method: "G T", Concurrency: 1000, Timeout: -1, Show: -1, Require: mustRequire(t, "clas>=1"),
	}, nil)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`URL: the scheme "ftp"`, "--pairs: is missing", `--method: "G T"`, "--concurrency: 1000", "--timeout: ", "--show: -1",
		"--data-lines: there is nothing to send", `--require: "clas" is no metric of pairs (take failures, latency, class`,
	} {
		if strings.Count(err.Error(), want) != 1 {
			t.Errorf("want %q once in: %v", want, err)
		}
	}
	if experiment.CodeOf(err) != experiment.CodeInvalid {
		t.Errorf("code %v", experiment.CodeOf(err))
	}
}

func tallyOf(values ...float64) *valueTally {
	v := &valueTally{}
	for _, x := range values {
		v.add(experiment.Compared{Value: x}, true)
	}
	return v
}

func TestIntervalsSayHowTheyWereMade(t *testing.T) {
	many := func(n int, x ...float64) []float64 {
		var out []float64
		for range n {
			out = append(out, x...)
		}
		return out
	}
	for _, c := range []struct {
		name   string
		values []float64
		want   string
	}{
		{"one agreement", []float64{1}, "exact"},
		{"all agree", many(500, 1), "exact"},
		{"some do", many(50, 1, 0), "exact"},
		{"one half", []float64{0.5}, "binomial"},
		{"all half: no spread to go by", many(100, 0.5), "binomial"},
		{"few differ", append(many(500, 1), many(29, 0.5)...), "binomial"},
		{"enough differ", append(many(500, 1), many(30, 0.5)...), "t"},
		{"a spread", many(40, 0.2, 0.4, 0.6), "t"},
	} {
		got := tallyOf(c.values...).share()
		if got.Interval != c.want || got.Low == nil || !(*got.Low < *got.Mean || *got.Mean == 0) || !(*got.Mean < *got.High || *got.Mean == 1) {
			t.Errorf("%s: %v by %s, want %s", c.name, got, got.Interval, c.want)
		}
	}
	if none := tallyOf().share(); none.Mean != nil || none.Interval != "" {
		t.Errorf("no pairs have a mean: %+v", none)
	}
}

// The intervals hold the true mean as often as they say, where most rows agree,
// which is where Student's t alone does not.
func TestIntervalsHoldWhatTheyPromise(t *testing.T) {
	chance := rand.New(rand.NewPCG(7, 7))
	for _, c := range []struct {
		differs float64
		n       int
	}{{0.02, 100}, {0.1, 200}, {0.3, 300}, {0.9, 60}} {
		const runs = 2000
		held := 0
		mean := 1 - c.differs/2
		for range runs {
			v := &valueTally{}
			for range c.n {
				x := 1.0
				if chance.Float64() < c.differs {
					x = chance.Float64()
				}
				v.add(experiment.Compared{Value: x}, false)
			}
			if s := v.share(); *s.Low <= mean && mean <= *s.High {
				held++
			}
		}
		// Three standard errors below 95 %.
		low, err := stats.WilsonInterval(stats.Counts{N: runs, X: int64(held)}, 0.003)
		if err != nil {
			t.Fatal(err)
		}
		if low.High < 0.95 {
			t.Errorf("%g differ of %d: held in %d of %d", c.differs, c.n, held, runs)
		}
	}
}

func TestReadNumbered(t *testing.T) {
	got, err := ReadNumbered("--data-lines", strings.NewReader("\n{\"a\":1}\r\n\n  [2] \n3"))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]Line{{2, []byte(`{"a":1}`)}, {4, []byte(`[2]`)}, {5, []byte(`3`)}}, got); d != "" {
		t.Error(d)
	}
	if _, err := ReadNumbered("--data-lines", strings.NewReader(strings.Repeat("1\n", maxLines+1))); err == nil || !strings.Contains(err.Error(), "more than 2000000 lines") {
		t.Errorf("too many lines: %v", err)
	}
}

func TestDifferencesAreShownFromWhereTheyBegin(t *testing.T) {
	long := strings.Repeat("ä", 100)
	x, y := fromDifference([]byte(long+"left"), []byte(long+"right"))
	if x != "…"+strings.Repeat("ä", 12)+"left" || y != "…"+strings.Repeat("ä", 12)+"right" {
		t.Errorf("%q and %q", x, y)
	}
	if x, y := fromDifference([]byte("a"), nil); x != "a" || y != "" {
		t.Errorf("%q and %q", x, y)
	}
}
