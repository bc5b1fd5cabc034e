// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/translate"
)

// draft is what init asks for; the zero value of a field leaves it out.
type draft struct {
	Name, Owner          string
	Baseline, Candidate  string
	Unit                 string
	Reward, Window       string
	MinimumEffect        string
	Errors, Latency      string
	Output               string
	AtMost               string
	Requests             string
	Unsafe, Diverges     string
	overwrite, noPrompts bool
}

// question is one step of the decision tree; ask says whether it applies.
type question struct {
	text string
	into *string
	ask  func(*draft) bool
}

func always(*draft) bool { return true }

func (d *draft) questions() []question {
	hasReward := func(d *draft) bool { return d.Reward != "" }
	return []question{
		{"Is it still unsafe to show the candidate's answers to users (yes or no)?", &d.Unsafe, always},
		{"Is the main fear that it behaves otherwise online than it did offline (yes or no)?", &d.Diverges, always},
		{"What is the experiment called?", &d.Name, always},
		{"Which team answers for it?", &d.Owner, always},
		{"URL of the version in production:", &d.Baseline, always},
		{"URL of the candidate:", &d.Candidate, always},
		{"Which header names the user (or account, session)? Empty: each request is drawn anew.", &d.Unit, always},
		{"What share of requests may fail?", &d.Errors, always},
		{"How long may the slowest 1 % of answers take?", &d.Latency, always},
		{"Is there a clear measure of winning that you can wait for (click, purchase, right label)? Its event's name, or empty for a rollout that only asks whether it is safe:", &d.Reward, always},
		{"How long after a user's first request does that outcome come at the latest?", &d.Window, hasReward},
		{"What is the smallest difference that matters, relative to now?", &d.MinimumEffect, hasReward},
		{"How long may the test take at most?", &d.AtMost, hasReward},
	}
}

func initCommand(s IO) *cobra.Command {
	d := draft{
		Name: "my-model", Owner: "my-team", Baseline: "http://127.0.0.1:9001", Candidate: "http://127.0.0.1:9002",
		Unsafe: "no", Diverges: "no", Errors: "1%", Latency: "250ms", Window: "1h", MinimumEffect: "2%", AtMost: "14d", Requests: "1000",
	}
	c := &cobra.Command{
		Use: "init", Short: "write the shortest valid experiment for your models", Args: cobra.NoArgs,
		Long: `Asks which risk there is, on a terminal, or takes the answers from flags, and
writes an experiment: a canary that protects users, with gentler steps where online
behaviour is the fear, and, if there is a measure of winning that can be waited for,
an A/B test that decides. A candidate whose answers may not be shown yet gets
copies of requests first, whose answers go to nobody.`,
		Example: "  headgate init\n  headgate init --no-prompts --reward purchase --unit x-user-id -f experiment.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			if !d.noPrompts && s.Interactive {
				if err := d.interview(c.InOrStdin(), s.Err); err != nil {
					return err
				}
			}
			return d.save(s)
		},
	}
	f := c.Flags()
	f.StringVar(&d.Name, "name", d.Name, "the experiment's name")
	f.StringVar(&d.Owner, "owner", d.Owner, "the team that answers for it")
	f.StringVar(&d.Baseline, "baseline", d.Baseline, "URL of the version in production")
	f.StringVar(&d.Candidate, "candidate", d.Candidate, "URL of the candidate")
	f.StringVar(&d.Unit, "unit", "", "header that names the user; empty draws each request anew")
	f.StringVar(&d.Reward, "reward", "", "event of the outcome to improve; empty for a safety rollout")
	f.StringVar(&d.Unsafe, "unsafe", d.Unsafe, "yes if the candidate's answers may not be shown to users yet")
	f.StringVar(&d.Diverges, "diverges", d.Diverges, "yes if the main fear is other behaviour online than offline: gentler steps")
	f.StringVar(&d.Window, "window", d.Window, "how long after the first request the outcome comes at the latest")
	f.StringVar(&d.MinimumEffect, "minimum-effect", d.MinimumEffect, "the smallest relative difference that matters")
	f.StringVar(&d.AtMost, "at-most", d.AtMost, "how long the test may take")
	f.StringVar(&d.Errors, "errors", d.Errors, "the share of requests that may fail")
	f.StringVar(&d.Latency, "p99", d.Latency, "how long the slowest 1 % of answers may take")
	f.StringVar(&d.Requests, "requests", d.Requests, "the candidate's requests that each canary step waits for")
	f.StringVarP(&d.Output, "filename", "f", "-", "the file to write, or - for standard output")
	f.BoolVar(&d.overwrite, "overwrite", false, "replace the file if it exists")
	f.BoolVar(&d.noPrompts, "no-prompts", false, "ask nothing")
	return c
}

// interview asks the questions that apply; an empty answer keeps what is shown
// in brackets.
func (d *draft) interview(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	for _, q := range d.questions() {
		if !q.ask(d) {
			continue
		}
		fmt.Fprint(out, q.text)
		if *q.into != "" {
			fmt.Fprintf(out, " [%s]", *q.into)
		}
		fmt.Fprint(out, " ")
		if !lines.Scan() {
			return errors.Join(lines.Err(), experiment.Errorf(experiment.CodeInvalid, "the answers ended at %q", q.text))
		}
		if answer := strings.TrimSpace(lines.Text()); answer != "" {
			*q.into = answer
		}
	}
	return nil
}

// save checks what would be written with the one validator, then writes it.
func (d *draft) save(s IO) error {
	for _, answer := range []struct{ flag, value string }{{"unsafe", d.Unsafe}, {"diverges", d.Diverges}} {
		if answer.value != "yes" && answer.value != "no" {
			return experiment.Errorf(experiment.CodeInvalid, "--%s: want yes or no, got %q", answer.flag, answer.value)
		}
	}
	text := d.yaml()
	if _, err := translate.Plan([]byte(text)); err != nil {
		return inFile("the draft", err)
	}
	if d.Output == "-" {
		_, err := io.WriteString(s.Out, text)
		return err
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if d.overwrite {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(d.Output, flags, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return experiment.Errorf(experiment.CodeInvalid, "%s exists", d.Output).WithHint("choose another -f, or --overwrite")
	}
	if err != nil {
		return experiment.Errorf(experiment.CodeInvalid, "write the experiment: %w", err)
	}
	_, err = io.WriteString(f, text)
	if err = errors.Join(err, f.Close()); err != nil {
		return experiment.Errorf(experiment.CodeInternal, "write the experiment: %w", err)
	}
	fmt.Fprintf(s.Err, "wrote %s; run it with: headgate run -f %s\n", d.Output, d.Output)
	return nil
}

// yaml is the shortest experiment that says what was asked for.
func (d *draft) yaml() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("apiVersion: headgate.dev/v1alpha1\nkind: Experiment\nmetadata: {name: %s}\nspec:", d.Name)
	if d.Owner != "" {
		line("  owner: %q", d.Owner)
	}
	line("  versions:\n  - {name: v1, backend: %q}\n  - {name: v2, backend: %q}\n  traffic: {gateway: {}}", d.Baseline, d.Candidate)
	if d.Unit == "" {
		line("  assignment: {unit: {request: true}}")
	} else {
		line("  assignment: {unit: {header: %q}}", d.Unit)
	}
	line("  metrics:\n  - {name: error-rate, from: {builtin: error-rate}}\n  - {name: p99, from: {builtin: latency, quantile: 0.99}}")
	if d.Unsafe == "yes" {
		line("  - {name: failed-alone, from: {pairs: {compare: failures}}}\n  - {name: same-answer, from: {pairs: {compare: json}}}")
	}
	if d.Reward != "" {
		line("  - {name: reward, from: {outcomes: {event: %q, window: %s}}}", d.Reward, d.Window)
		line("  reward: {metric: reward, minimumEffect: {relative: %s}}", d.MinimumEffect)
	}
	line("  objectives: [{metric: error-rate, max: %s}, {metric: p99, max: %s}]\n  stages:", d.Errors, d.Latency)
	if d.Unsafe == "yes" {
		line("  - {name: shadow, mirror: {share: 10%%}, until: {pairs: %s, atMost: 3d}, require: [{metric: failed-alone, max: %s}]}", d.Requests, d.Errors)
	}
	steps := "1%, 5%, 25%"
	if d.Diverges == "yes" {
		steps = "0.1%, 1%, 5%, 25%"
	}
	if d.Reward == "" {
		steps += ", 100%"
	}
	line("  - {name: canary, ramp: {steps: [%s]}, hold: {requests: %s, windows: 3}}", steps, d.Requests)
	if d.Reward != "" {
		line("  - {name: ab, split: {v1: 50%%, v2: 50%%}, until: {decided: true, atMost: %s}}", d.AtMost)
	}
	return b.String()
}
