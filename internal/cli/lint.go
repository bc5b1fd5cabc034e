// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/headgate-dev/headgate/internal/design"
	"github.com/headgate-dev/headgate/internal/lint"
	"github.com/headgate-dev/headgate/internal/translate"
	"github.com/headgate-dev/headgate/internal/view"
)

func lintCommand(s IO) *cobra.Command {
	var files []string
	var x assumeFlags
	var f format
	c := &cobra.Command{
		Use: "lint -f FILE", Short: "before it runs: what is unwise about an experiment", Args: cobra.NoArgs,
		Long: `Reads an experiment and reports what is unwise about it: experiments that cannot
find out what they ask, that expose more users than they need, that nobody answers
for, or that cannot be taken back. Every finding has a code, the place, why it
matters and what to write instead; docs/reference/findings.md lists them all.

What the traffic decides (a sample that is never reached, an effect that takes
years) needs --traffic and --baseline, as plan does.

The exit code is 3 if there is an error among the findings, else 0.`,
		Example: `  headgate lint -f ranker.yaml
  headgate lint -f ranker.yaml --traffic 50/s --baseline 8% -o json | jq '.findings[].code'`,
		RunE: func(*cobra.Command, []string) error {
			if err := f.check(); err != nil {
				return err
			}
			name, findings, err := lintFile(files, &x)
			if err != nil {
				return err
			}
			return showFindings(s, f, files[0], name, findings)
		},
	}
	filesFlag(c, &files)
	x.define(c)
	f.flag(c, "json", "yaml")
	return c
}

// lintFile gives the experiment's name, as far as it is known, and what there
// is to say about it. What the validator refuses is a finding too.
func lintFile(files []string, x *assumeFlags) (string, []lint.Finding, error) {
	data, more, err := readFiles(files)
	if err != nil {
		return "", nil, err
	}
	p, err := translate.Plan(data, more...)
	if problems, ok := errors.AsType[translate.Problems](err); ok {
		var out []lint.Finding
		for _, q := range problems {
			message := q.Message
			if q.Value != "" {
				message += ", got " + q.Value
			}
			out = append(out, lint.Refused(q.Path, q.Line, message, q.Hint))
		}
		return "", out, nil
	}
	if err != nil {
		return "", nil, inFile(strings.Join(files, ", "), err)
	}
	if x.empty() {
		return p.ID(), lint.Check(p, nil), nil
	}
	a, err := x.assumptions(p)
	if err != nil {
		return "", nil, err
	}
	if _, err := design.Of(p, a); err != nil {
		return "", nil, err // Of an assumption that cannot be.
	}
	return p.ID(), lint.Check(p, &a), nil
}

// lintCounts is how many findings there are of each severity.
type lintCounts struct {
	Errors   int `json:"errors"`
	Warnings int `json:"warnings"`
	Infos    int `json:"infos"`
}

func showFindings(s IO, f format, file, name string, findings []lint.Finding) error {
	var n lintCounts
	for _, x := range findings {
		switch x.Severity {
		case lint.Error:
			n.Errors++
		case lint.Warning:
			n.Warnings++
		default:
			n.Infos++
		}
	}
	done, err := f.write(s.Out, struct {
		APIVersion string         `json:"apiVersion"`
		Kind       string         `json:"kind"`
		Experiment string         `json:"experiment,omitempty"`
		File       string         `json:"file"`
		Counts     lintCounts     `json:"counts"`
		Findings   []lint.Finding `json:"findings"`
	}{view.APIVersion, "LintReport", name, file, n, append([]lint.Finding{}, findings...)})
	if !done && err == nil {
		_, err = fmt.Fprint(s.Out, findingsText(s, file, findings, n))
	}
	if err == nil && n.Errors > 0 {
		err = falseError{fmt.Errorf("%s should not start as it is: %s", file, countOf(n.Errors, "error"))}
	}
	return err
}

func countOf(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// findingsText lists findings for people, the worst first.
func findingsText(s IO, file string, findings []lint.Finding, n lintCounts) string {
	var b strings.Builder
	p := painter{s.Color}
	for _, f := range findings {
		line := ""
		if f.Line > 0 {
			line = fmt.Sprintf(" (line %d)", f.Line)
		}
		fmt.Fprintf(&b, "%s  %s  %s\n", p.severity(f.Severity), p.bold(string(f.Code)), p.dim(f.Path+line))
		hang(&b, "  ", f.Message)
		hang(&b, "  why   ", f.Why)
		hang(&b, "  do    ", f.Remedy)
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "%s: %s, %s, %d to know\n", file, countOf(n.Errors, "error"), countOf(n.Warnings, "warning"), n.Infos)
	return b.String()
}

// severity colours a severity, in a column of its own.
func (p painter) severity(s lint.Severity) string {
	text := fmt.Sprintf("%-7s", s)
	switch s {
	case lint.Error:
		return p.paint("1;31", text)
	case lint.Warning:
		return p.paint("33", text)
	default:
		return p.dim(text)
	}
}
