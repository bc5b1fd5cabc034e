// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/headgate-dev/headgate/internal/view"
)

func getCommand(s IO) *cobra.Command {
	var t target
	var f format
	c := &cobra.Command{
		Use: "get [NAME]", Short: "a line for each running experiment", Args: cobra.MaximumNArgs(1),
		Example: "  headgate get\n  headgate get ranker -o json | jq .verdict",
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			views, err := t.views(c, args)
			if err != nil {
				return err
			}
			return showViews(s, f, views, len(args) == 1)
		},
	}
	c.ValidArgsFunction = t.complete
	c.Flags().BoolVarP(&t.cluster.all, "all-namespaces", "A", false, "the experiments of all namespaces of a cluster")
	t.flag(c)
	f.flag(c, "wide", "json", "yaml", "name")
	return c
}

func showViews(s IO, f format, views []view.Experiment, single bool) error {
	var value any = map[string]any{"apiVersion": view.APIVersion, "kind": "ExperimentList", "items": views}
	if single {
		value = views[0]
	}
	if done, err := f.write(s.Out, value); done {
		return err
	}
	if f.value == "name" {
		for _, v := range views {
			fmt.Fprintln(s.Out, name(v))
		}
		return nil
	}
	rows := [][]string{{"NAME", "CONDITION", "STAGE", "SHARES", "DIFFERENCE", "OBJECTIVES", "HEALTH", "AGE"}}
	if f.value == "wide" {
		rows[0] = append(rows[0], "UNITS", "REQUESTS", "CODE")
	}
	for _, v := range views {
		row := []string{name(v), condition(v), v.Stage.Name, shares(v), difference(v), objectives(v), health(v), age(v.Elapsed)}
		if f.value == "wide" {
			units, requests := int64(0), int64(0)
			for _, x := range v.Versions {
				units, requests = units+x.Units, requests+x.Requests
			}
			row = append(row, thousands(units), thousands(requests), v.Verdict.Code)
		}
		rows = append(rows, row)
	}
	fmt.Fprint(s.Out, table(rows))
	for _, v := range views {
		for _, n := range v.Notices {
			fmt.Fprintf(s.Err, "headgate: note: %s: %s\n", name(v), n.Text)
		}
	}
	return nil
}

// condition is the outcome of what has ended, else the condition; an override
// is marked for ever.
func condition(v view.Experiment) string {
	text := v.Condition
	if v.Verdict.Outcome != "" && v.Condition == "done" {
		text = v.Verdict.Outcome
	}
	if slices.ContainsFunc(v.Notices, func(n view.Notice) bool { return n.Kind == view.NoticeOverride }) {
		text += " (override)"
	}
	return text
}

func shares(v view.Experiment) string {
	parts := make([]string, len(v.Versions))
	for i, x := range v.Versions {
		parts[i] = strings.TrimSuffix(percent(&x.Share, 0), "%")
	}
	return strings.Join(parts, "/")
}

// difference is the reward's, with its interval, or "-": of the candidate that
// is better, else of the first that is left. Where there are several it is
// named.
func difference(v view.Experiment) string {
	var rewards []view.Finding
	for _, f := range v.Findings {
		if f.Role == "reward" && f.Slice == "" && !removed(v, f.Version) {
			rewards = append(rewards, f)
		}
	}
	if len(rewards) == 0 {
		return "-"
	}
	f := rewards[max(0, slices.IndexFunc(rewards, func(f view.Finding) bool { return f.Status == "better" }))]
	text := "-"
	switch {
	case f.Hidden:
		return "hidden"
	case f.Estimate != nil && f.Interval != nil && f.Unit != "":
		text = fmt.Sprintf("%s [%s, %s]", signed(f, *f.Estimate), signed(f, f.Interval.Low), signed(f, f.Interval.High))
	case f.Estimate != nil && f.Interval != nil:
		text = fmt.Sprintf("%+.1f [%+.1f, %+.1f]", 100**f.Estimate, 100*f.Interval.Low, 100*f.Interval.High)
	}
	if len(v.Versions) > 2 {
		text = f.Version + " " + text
	}
	return text
}

func removed(v view.Experiment, version string) bool {
	return slices.ContainsFunc(v.Versions, func(x view.Version) bool { return x.Name == version && x.Removed != nil })
}

// objectives counts the limits that are met among all of the candidates that
// are left, or of the only version.
func objectives(v view.Experiment) string {
	met, all := 0, 0
	for _, f := range v.Findings {
		if !f.IsLimit() || removed(v, f.Version) || len(v.Versions) > 1 && f.Version == v.Versions[0].Name {
			continue
		}
		all++
		if f.Status == "met" {
			met++
		}
	}
	if all == 0 {
		return "-"
	}
	return fmt.Sprintf("%d/%d met", met, all)
}

func health(v view.Experiment) string {
	if v.Health.OK {
		return "ok"
	}
	return "untrustworthy"
}

// age writes a time as kubectl does: 42s, 42m, 3h, 5d.
func age(seconds float64) string {
	n := int64(seconds)
	switch {
	case n < 120:
		return fmt.Sprintf("%ds", n)
	case n < 7200:
		return fmt.Sprintf("%dm", n/60)
	case n < 2*86400:
		return fmt.Sprintf("%dh", n/3600)
	default:
		return fmt.Sprintf("%dd", n/86400)
	}
}

func describeCommand(s IO) *cobra.Command {
	var t target
	var f format
	var file string
	c := &cobra.Command{
		Use: "describe [NAME]", Short: "the full account of an experiment", Args: cobra.MaximumNArgs(1),
		Long: `Writes the full account of an experiment: of a running one by its name, or, with -f,
what the status of an object says. Of an Iter8 experiment these are Iter8's own
sections; with a cluster, Headgate's account follows.`,
		Example: `  headgate describe ranker
  kubectl get experiment quickstart-exp -o yaml | headgate describe -f -`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			switch {
			case file != "" && len(args) > 0:
				return usageError{fmt.Errorf("give a name or a file, not both")}
			case file != "" && f.value != "text":
				return usageError{fmt.Errorf("--output: a file is described as text")}
			case file != "":
				return describeFile(c.Context(), s, &t, file)
			}
			client, err := t.client()
			if err != nil {
				return err
			}
			defer client.Close()
			v, err := client.View(c.Context(), nameOf(args))
			if err != nil {
				return err
			}
			if done, err := f.write(s.Out, v); done {
				return err
			}
			if f.value == "md" {
				_, err = fmt.Fprint(s.Out, markdown(v))
				return err
			}
			_, err = fmt.Fprint(s.Out, strings.TrimPrefix(report(v, s), "\n"))
			return err
		},
	}
	c.ValidArgsFunction = t.complete
	c.Flags().StringVarP(&file, "filename", "f", "", "the file of an object with its status, or - for standard input")
	t.flag(c)
	f.flag(c, "json", "yaml", "md")
	return c
}

// markdown is the account for pull requests and CI summaries.
func markdown(v view.Experiment) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s: %s\n\n", name(v), v.Verdict.Sentence)
	for _, n := range v.Notices {
		fmt.Fprintf(&b, "> %s\n", n.Text)
	}
	if len(v.Notices) > 0 {
		b.WriteString("\n")
	}
	cells := func(row ...string) { b.WriteString("| " + strings.Join(row, " | ") + " |\n") }
	cells("version", "share", "units", "requests", "errors", "p99")
	cells("---", "--:", "--:", "--:", "--:", "--:")
	for _, x := range v.Versions {
		cells(x.Name, percent(&x.Share, 1), thousands(x.Units), thousands(x.Requests), percent(x.ErrorRate, 2), seconds(x.P99))
	}
	b.WriteString("\n")
	cells("version", "question", "status", "estimate", "interval")
	cells("---", "---", "---", "--:", "--:")
	for _, f := range v.Findings {
		estimate, interval := "-", "-"
		if f.Hidden {
			estimate = "hidden"
		}
		if f.Estimate != nil && f.Interval != nil {
			estimate, interval = signed(f, *f.Estimate), fmt.Sprintf("%s to %s", signed(f, f.Interval.Low), signed(f, f.Interval.High))
		}
		cells(f.Version, f.Question, f.Status, estimate, interval)
	}
	agreementMarkdown(v, cells, func(text string) { b.WriteString(text) })
	return b.String()
}
