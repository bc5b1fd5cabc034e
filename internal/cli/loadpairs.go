// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/load"
)

// pairFlags are the flags that compare two endpoints.
type pairFlags struct {
	candidate, file string
	require         []string
	show            int
}

func (x *pairFlags) define(f *pflag.FlagSet) {
	f.StringVar(&x.candidate, "pairs", "", "a second URL, of the candidate: send every body to both and compare the answers")
	f.StringVarP(&x.file, "filename", "f", "", "with --pairs: the experiment's file, or -, that says what to compare, redact and require")
	f.StringArrayVar(&x.require, "require", nil, "with --pairs: a limit, 'class>=0.95' or 'failures<=1%'; may be repeated")
	f.IntVar(&x.show, "show", 0, "with --pairs: show the first so many requests whose answers disagree")
}

// asked says whether pairs are wanted, and refuses flags that have no meaning
// with them or without.
func (x *pairFlags) asked(c *cobra.Command) (bool, error) {
	pairs := c.Flags().Changed("pairs")
	names, why := []string{"filename", "require", "show"}, "is of no use without --pairs (add --pairs and the candidate's URL)"
	if pairs {
		names = []string{
			"requests", "rate", "duration", "data-draw", "units", "unit-header", "seed", "version-header", "version-json",
			"outcome", "outcomes-url", "outcomes-token-file", "experiment",
		}
		why = "is of no use with --pairs (every body goes once to both URLs; leave it out)"
	}
	var problems []error
	for _, name := range names {
		if c.Flags().Changed(name) {
			problems = append(problems, usageError{fmt.Errorf("--%s: %s", name, why)})
		}
	}
	return pairs, errors.Join(problems...)
}

func (x *pairFlags) run(ctx context.Context, s IO, o load.Options, flags *loadFlags) error {
	in, err := x.options(&o, flags)
	if err != nil {
		return err
	}
	p := newLoadProgress(s)
	r, err := load.RunPairs(ctx, in, p.showPairs)
	p.close()
	if err != nil && !r.Partial {
		return err
	}
	text := func() string { return pairsText(r) }
	werr := writeLoadReport(s, flags.output, text, struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		load.PairReport
	}{cliVersion, "PairReport", r})
	switch {
	case werr != nil:
		return werr
	case err != nil:
		return err
	case r.Accepted == 0:
		return unpaired(r)
	}
	return gatesError(r)
}

// options reads what the flags name.
func (x *pairFlags) options(o *load.Options, flags *loadFlags) (load.PairOptions, error) {
	var problems []error
	if flags.output != "text" && flags.output != "json" {
		problems = append(problems, usageError{fmt.Errorf("--output: unknown format %q (want text or json)", flags.output)})
	}
	problems = append(problems, flags.readHeaders(o))
	lines, err := flags.readLines()
	problems = append(problems, err)
	in := load.PairOptions{
		Baseline: o.URL, Candidate: x.candidate, Method: o.Method, Header: o.Header, Lines: lines,
		Concurrency: o.Concurrency, Timeout: o.Timeout, Show: x.show,
	}
	for _, text := range x.require {
		g, err := load.ParseRequire(text)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		in.Require = append(in.Require, g)
	}
	if x.file != "" {
		in.Plan, err = readPlan(x.file)
		problems = append(problems, err)
	}
	return in, errors.Join(problems...)
}

// readLines reads the bodies with their places in the file.
func (x *loadFlags) readLines() ([]load.Line, error) {
	switch {
	case x.data != "" && x.lines != "":
		return nil, usageError{errors.New("--data-lines: stands beside --data (want one of them)")}
	case x.data != "":
		body, err := readData(x.data)
		return []load.Line{{Number: 1, Body: body}}, err
	case x.lines == "":
		return nil, usageError{errors.New("--data-lines: is missing beside --pairs (give a file of JSON lines, or one body with --data)")}
	}
	f, err := os.Open(x.lines)
	if err != nil {
		return nil, usageError{fmt.Errorf("--data-lines: %w", err)}
	}
	defer func() { _ = f.Close() }()
	return load.ReadNumbered("--data-lines", f)
}

// unpaired is the error of a comparison without a pair that both took. Refusals
// that are alike are no agreement.
func unpaired(r load.PairReport) error {
	if r.Answered > 0 {
		return experiment.Errorf(experiment.CodeUnavailable, "nothing was compared: no request was answered with a status of 2xx by both (%s; %s)",
			statusesText("baseline", r.Baseline), statusesText("candidate", r.Candidate)).WithHint("are the paths of both URLs right, and the bodies what the models take?")
	}
	name, end := "candidate", r.Candidate
	if r.Baseline.Failed > r.Candidate.Failed || r.Baseline.Failed == r.Pairs {
		name, end = "baseline", r.Baseline
	}
	err := experiment.Errorf(experiment.CodeUnavailable, "nothing was compared: the %s %s failed %s of %s requests",
		name, end.URL, thousands(end.Failed), thousands(r.Pairs))
	if len(end.Failures) == 0 {
		return err.WithHint("it answers with a status of 500 or above; its log may say why")
	}
	f := end.Failures[0]
	return experiment.Errorf(experiment.CodeUnavailable, "%w: %s, %s", err, f.Kind, f.Example).WithHint("%s", unansweredHint(f.Kind))
}

func statusesText(name string, e load.PairEnd) string {
	parts := []string{}
	for _, x := range e.Statuses {
		parts = append(parts, fmt.Sprintf("%d ×%s", x.Code, thousands(x.Count)))
	}
	return name + ": " + cmp.Or(strings.Join(parts, ", "), "no answer")
}

// gatesError carries the exit code of the limits: one that is broken goes before
// one that is undecided.
func gatesError(r load.PairReport) error {
	var undecided error
	for _, g := range r.Gates {
		switch g.Status {
		case experiment.Violated:
			return falseError{fmt.Errorf("%s %s is broken: %s", gateName(g), gateLimit(g), shareText(g.PairShare))}
		case experiment.Undecided:
			if undecided == nil {
				err := experiment.Errorf(experiment.CodeUnavailable, "%s %s is undecided: %s", gateName(g), gateLimit(g), shareText(g.PairShare))
				undecided = inconclusiveError{err.WithHint("more lines narrow the interval")}
			}
		}
	}
	return undecided
}
