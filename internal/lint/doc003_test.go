// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/translate"
)

// doc003 are the quiz items, prompts and common mistakes of the course on
// serving traffic patterns that can be told from the plan, and the findings
// that each must have; the golden files hold all of them. What takes a running
// experiment to tell is in the decision scripts.
var doc003 = map[string][]Code{
	"prompt-1-late-labels":            {CodeImmature},
	"quiz-1-one-hour-canary":          {CodeQualityBlind, CodeNoRequests, CodeUnused},
	"quiz-2-per-request":              {CodePerRequest},
	"quiz-4-shadow-side-effects":      {CodeSideEffects},
	"quiz-5-bandit-before-agreeing":   {CodeBanditAlone, CodeNoRange, CodeTooEager, CodeNotJoined, CodeNoMinimum, CodeNoStep, CodeNoCaps, CodeFallback, CodeExplore},
	"quiz-6-two-parts":                {CodeParts},
	"quiz-7-global-win":               {CodeNoSlice},
	"quiz-8-shadow-for-months":        {CodeUnlimited, CodeShadowForever, CodeNoGate},
	"mistake-1-health-is-not-quality": {CodeQualityBlind},
	"mistake-2-no-fixed-end":          {CodeRefused},
	"mistake-2-asks-for-ever":         {CodeNoEnd, CodeFork},
	"mistake-3-mixed-traffic":         {CodeNoSlice},
	"mistake-4-every-request":         {CodeUnlimited, CodeNoBudget},
	"mistake-7-deleting-v1":           {CodeDeleted},
	"mistake-7-deleted-too-early":     {CodeRetiredEarly},
	"mistake-8-reward-freshness":      {CodeNotJoined, CodeNoRange, CodeTooEager},
	"example-ten-percent-for-an-hour": {CodeQualityBlind, CodeNoRequests, CodeNoGuardrail, CodeParts, CodeNoBudget},
	"example-better-plan":             {CodeParts, CodeSideEffects},
}

func TestDocument003(t *testing.T) {
	files, err := filepath.Glob("testdata/doc003/*.yaml")
	if err != nil || len(files) != len(doc003) {
		t.Errorf("%d files (%v), want one for each of %d cases", len(files), err, len(doc003))
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			findings := findingsOf(t, data)
			var b strings.Builder
			for _, f := range findings {
				fmt.Fprintf(&b, "%-7s %s %s: %s\n", f.Severity, f.Code, f.Path, f.Message)
			}
			for _, code := range doc003[name] {
				if !slices.ContainsFunc(findings, func(f Finding) bool { return f.Code == code }) {
					t.Errorf("%s is not among\n%s", code, b.String())
				}
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), b.String()); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// findingsOf reads a file as the command line does.
func findingsOf(t *testing.T, data []byte) []Finding {
	t.Helper()
	p, err := translate.Plan(data)
	if err == nil {
		return Check(p, nil)
	}
	problems, ok := errors.AsType[translate.Problems](err)
	if !ok {
		t.Fatal(err)
	}
	var out []Finding
	for _, q := range problems {
		out = append(out, Refused(q.Path, q.Line, q.Message, q.Hint))
	}
	return out
}
