// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/cockroachdb/datadriven"
)

// hostile are files that nobody writes by accident, and what is said of them;
// "" is a file that is accepted.
func hostile(t testing.TB) map[string]struct{ in, want string } {
	ramp := string(goldenInputs(t)["ramp"])
	worked := string(goldenInputs(t)["worked"])
	utf16le := "\xff\xfe"
	for _, u := range utf16.Encode([]rune(ramp)) {
		utf16le += string([]byte{byte(u), byte(u >> 8)})
	}
	laughs := "a: &a [" + strings.Repeat("0%, ", 999) + "0%]\n"
	for c := 'b'; c < 'k'; c++ {
		laughs += fmt.Sprintf("%c: &%c [%s*%c]\n", c, c, strings.Repeat(fmt.Sprintf("*%c, ", c-1), 9), c-1)
	}
	spec := "spec:\n  stages:\n  - &s {name: x, ramp: {steps: &q [" + strings.Repeat("1%, ", 999) + "1%]}}\n" +
		strings.Repeat("  - *s\n", 999)
	many := "spec:\n  metrics:\n"
	for i := range 450 {
		many += fmt.Sprintf("  - {name: %s%d}\n", strings.Repeat("x", 55), i)
	}
	many += "  objectives:\n"
	for i := range 450 {
		many += fmt.Sprintf("  - {metric: %s%d}\n", strings.Repeat("y", 55), i)
	}
	return map[string]struct{ in, want string }{
		"byte order mark":           {"\ufeff" + ramp, ""},
		"carriage returns":          {strings.ReplaceAll(ramp, "\n", "\r\n"), ""},
		"UTF-16":                    {utf16le, ""},
		"document markers":          {"---\n" + ramp + "...\n", ""},
		"as much as there may be":   {largest(), ""},
		"no newline at the end":     {strings.TrimSpace(ramp), ""},
		"not UTF-8":                 {"a: \xff\xfe", "not YAML: "},
		"zero byte":                 {"a: \x00", "not YAML: "},
		"billion laughs, unread":    {laughs, "unknown field"},
		"billion laughs, read":      {spec, "more than 5000 values"},
		"alias of itself":           {"spec: {stages: &s [*s]}", "want fields, got a list"},
		"alias of itself as fields": {"spec: &s {traffic: *s}", "unknown field"},
		"alias of itself as a key":  {"spec: &s {? *s : 1}", "a field's name is a list or fields"},
		"aliased key":               {"spec: {owner: &k owner, *k : x}", "line 1: spec.owner: given twice"},
		"deep lists":                {strings.Repeat("[", 5000), "not YAML: "},
		"deeper lists":              {strings.Repeat("[", 500_000), "not YAML: "},
		"deep fields":               {strings.Repeat("{a: ", 5000) + strings.Repeat("}", 5000), "a: unknown field"},
		"deep indents":              {strings.Repeat("- ", 400_000) + "x", "not YAML: "},
		"many unknown fields":       {unknown(100_000), "more than 5000 values"},
		"many problems":             {"spec: {versions: [" + strings.Repeat("1,", 900) + "1]}", "and 80"},
		"many names to compare":     {many, "and "},
		"a name of a mebibyte":      {"? " + strings.Repeat("k", 1<<20-8) + "\n: 1", `kkk..."`},
		"a value of a mebibyte":     {"kind: " + strings.Repeat("v", 1<<20-6), `vvv..."`},
		"names of a metric as long": {"spec: {metrics: [{name: " + strings.Repeat("v", 1<<19) + "}], objectives: [{metric: v}]}", "no such metric"},
		"a comment of a mebibyte":   {"#" + strings.Repeat("c", 1<<20-1), "the file is empty"},
		"more than a mebibyte":      {strings.Repeat("#", 1<<20+1), "the file is larger than 1048576 bytes, got 1048577 bytes"},
		"name that steers":          {`"\e[2J": 1`, `"\x1b[2J": unknown field`},
		"value that steers":         {`kind: "\e[2J"`, `got "\x1b[2J"`},
		"hint that steers":          {`spec: {metrics: [{name: "a\eb"}], objectives: [{metric: "a b"}]}`, `no such metric, got "a b"`},
		"dates as names":            {"spec: {versions: [{name: 2026-01-01}]}", "put it in quotes"},
		"empty names":               {`{"": {"": 1}, ? : 2}`, "unknown field"},
		"control in an approval":    {strings.Replace(worked, "approval: search-lead", `approval: "a\eb"`, 1), "it holds control characters"},
		"control in a part":         {strings.Replace(worked, "model: r1", `model: "r\n1"`, 1), "it holds control characters"},
		"control in a group":        {strings.Replace(worked, "[premium, basic]", `["premium", "a\tb"]`, 1), "not a value"},
		"control in a condition":    {strings.Replace(worked, "not: [premium]", `not: ["pre\emium"]`, 1), "has no such group"},
		"a condition of itself":     {"spec: {stages: [{where: &w {tier: *w}}]}", "want"},
		"many groups":               {strings.Replace(worked, "[premium, basic]", "["+strings.Repeat("a, ", 900)+"b]", 1), "want at most 8 groups"},
		"directives":                {"%YAML 9.9\n---\na: 1", "not YAML: "},
	}
}

// largest is a plan with as much as there may be of everything.
func largest() string {
	var b strings.Builder
	b.WriteString("apiVersion: headgate.dev/v1alpha1\nkind: Experiment\nmetadata: {name: x}\nspec:\n" +
		"  versions: [{name: v1, backend: \"http://a:1\"}, {name: v2, backend: \"http://b:1\"}]\n" +
		"  traffic: {gateway: {}}\n  assignment: {unit: {header: x-user-id}}\n  metrics:\n")
	for i := range maxMetrics {
		fmt.Fprintf(&b, "  - {name: m%d, goal: increase, from: {outcomes: {event: e, per: f, window: 1h}}}\n", i)
	}
	b.WriteString("  objectives:\n")
	for i := range maxMetrics {
		fmt.Fprintf(&b, "  - {metric: m%d, min: 0.1}\n", i)
	}
	b.WriteString("  guardrails:\n")
	for i := range maxMetrics {
		fmt.Fprintf(&b, "  - {metric: m%d, noWorseThan: {relative: 1%%}}\n", i)
	}
	b.WriteString("  stages:\n")
	for i := range maxStages {
		fmt.Fprintf(&b, "  - name: s%d\n    hold: {requests: 1, windows: 1, settle: 1s, for: 1s}\n    ramp: {steps: [", i)
		for step := range maxSteps {
			fmt.Fprintf(&b, "%d%%, ", step+1)
		}
		b.WriteString("]}\n")
	}
	return b.String()
}

func unknown(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d: 1\n", i)
	}
	return b.String()
}

func TestPlanHostile(t *testing.T) {
	for name, tc := range hostile(t) {
		t.Run(name, func(t *testing.T) {
			p, err := Plan([]byte(tc.in))
			if tc.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				checkPlan(t, p)
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error is %.500v, want %q in it", err, tc.want)
			}
			checkProblems(t, err)
			if n := len(err.Error()); n > 100_000 {
				t.Errorf("the answer has %d bytes", n)
			}
			for _, r := range err.Error() {
				if r < ' ' && r != '\n' {
					t.Errorf("the answer holds %q", r)
				}
			}
		})
	}
}

// TestPlanKeepsSecrets puts a password wherever one could stand in a backend.
func TestPlanKeepsSecrets(t *testing.T) {
	const secret = "hunter2"
	ramp := string(goldenInputs(t)["ramp"])
	for _, backend := range []string{
		"http://user:hunter2@a:1", "http://hunter2@a:1", "ftp://user:hunter2@a", "http://user:hunter2@a b", "user:hunter2@a",
		"http://a:1/?token=hunter2", "http://a:1/#hunter2", "http://user:hunter2@[::1", "http://user:hunter2@a:99999", "//user:hunter2@a", "http://user:%zz hunter2@a",
	} {
		t.Run(backend, func(t *testing.T) {
			_, err := Plan([]byte(strings.Replace(ramp, "http://a:1", backend, 1)))
			if err == nil {
				t.Fatal("accepted")
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the secret is in the error: %v", err)
			}
		})
	}
}

// FuzzPlan asks of any file: no panic; a plan that is accepted is one that the
// rest can run, and is the same every time; a refusal says where.
func FuzzPlan(f *testing.F) {
	for _, data := range goldenInputs(f) {
		f.Add(data)
	}
	for _, tc := range hostile(f) {
		if len(tc.in) < 10_000 {
			f.Add([]byte(tc.in))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Plan(data)
		if err != nil {
			checkProblems(t, err)
			return
		}
		checkPlan(t, p)
		if q, err := Plan(data); err != nil || q.Hash() != p.Hash() {
			t.Errorf("the second time it is another plan (%v)", err)
		}
	})
}

// TestPlanIsTheSameEveryTime asks that of all that bad.txt holds, errors included.
func TestPlanIsTheSameEveryTime(t *testing.T) {
	s := &editScript{}
	s.show = func(input string, first error) {
		_, second := Plan([]byte(input))
		if fmt.Sprint(first) != fmt.Sprint(second) {
			t.Errorf("the second time it says otherwise:\n%v\n%v", first, second)
		}
	}
	for _, file := range []string{"testdata/bad.txt", "testdata/bad-stages.txt", "testdata/bad-assignment.txt", "testdata/bad-answers.txt", "testdata/bad-predictions.txt", "testdata/bad-providers.txt", "testdata/bad-strict.txt", "testdata/bad-sources.txt", "testdata/bad-actions.txt"} {
		datadriven.RunTest(t, file, s.run)
	}
}
