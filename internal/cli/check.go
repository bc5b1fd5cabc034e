// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/headgate-dev/headgate/internal/app/check"
	"github.com/headgate-dev/headgate/internal/experiment"
)

func checkCommand(s IO) *cobra.Command {
	var k inCluster
	var f format
	o := check.Options{}
	c := &cobra.Command{
		Use: "check [NAME...]", Short: "is the cluster ready for Headgate, and an experiment for traffic?",
		Long: `Checks what is installed and of which version, what you and the controller may do,
and of each experiment: its spec, its route and whose it is, whether a kill would
work (by a dry run), whether the metrics tell of every version that has traffic,
what would undo a kill by itself, and in what the versions' Deployments differ.
Nothing is changed.

Without a name, every experiment of the namespace is checked. Every line has a
stable code; docs/reference/checks.md lists them.

The exit code is 0 if nothing failed, 3 if something did, and 1 if something could
not be found out. Warnings alone are 0.`,
		Example: "  headgate check\n  headgate check ranker -n search --prometheus http://127.0.0.1:9090\n  headgate check -A -o json | jq '.results[] | select(.status == \"failed\")'",
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			if home, name, ok := strings.Cut(o.Account, "/"); !ok || home == "" || name == "" || strings.Contains(name, "/") {
				return usageError{fmt.Errorf("--service-account %q: want NAMESPACE/NAME", o.Account)}
			}
			o.Home, _, _ = strings.Cut(o.Account, "/")
			var err error
			if o.Client, err = k.connect(); err != nil {
				return err
			}
			defer o.Client.Close()
			o.Names = args
			return runCheck(c.Context(), s, f, o)
		},
	}
	k.place(c)
	fl := c.Flags()
	fl.BoolVarP(&k.all, "all-namespaces", "A", false, "the experiments of all namespaces")
	fl.StringVar(&o.Account, "service-account", "headgate-system/headgate-controller", "the controller's account, NAMESPACE/NAME")
	fl.StringVar(&o.Prometheus, "prometheus", "", "the URL, from here, of the Prometheus of experiments that name none or only one")
	f.flag(c, "json", "yaml")
	return c
}

func runCheck(ctx context.Context, s IO, f format, o check.Options) error {
	r, err := check.Run(ctx, o)
	if err != nil {
		return err
	}
	if done, err := f.write(s.Out, r); err != nil {
		return err
	} else if !done {
		fmt.Fprint(s.Out, checkText(s, &r))
	}
	switch failed, unknown := r.Count(check.Failed), r.Count(check.Unknown); {
	case failed > 0:
		return falseError{fmt.Errorf("%s failed", countOf(failed, "check"))}
	case unknown > 0:
		return experiment.Errorf(experiment.CodeUnavailable, "%s could not be made", countOf(unknown, "check"))
	}
	return nil
}

// checkText lists results by section, a line each, with what to do beneath.
func checkText(s IO, r *check.Report) string {
	var b strings.Builder
	p := painter{s.Color}
	section := ""
	for _, x := range r.Results {
		if x.Section != section {
			if section != "" {
				b.WriteString("\n")
			}
			section = x.Section
			fmt.Fprintf(&b, "%s\n%s\n", p.bold(section), strings.Repeat("-", len(section)))
		}
		fmt.Fprintf(&b, "%s %s  %s\n", p.mark(x.Status), x.Text, p.dim("["+string(x.Code)+"]"))
		if x.Hint != "" {
			for line := range strings.SplitSeq(x.Hint, "\n") {
				fmt.Fprintf(&b, "    %s\n", line)
			}
		}
	}
	sign, word := check.OK, "nothing failed"
	if !r.OK {
		sign, word = check.Failed, fmt.Sprintf("%d failed, %d could not be found out", r.Count(check.Failed), r.Count(check.Unknown))
	}
	fmt.Fprintf(&b, "\n%s %s: %s, %s\n", p.mark(sign), word, countOf(len(r.Results), "check"), countOf(r.Count(check.Warning), "warning"))
	return b.String()
}

// mark is the sign of a status; words stand beside it.
func (p painter) mark(s check.Status) string {
	switch s {
	case check.OK:
		return p.paint("32", "✔")
	case check.Info:
		return p.dim("·")
	case check.Warning:
		return p.paint("33", "‼")
	case check.Unknown:
		return p.paint("33", "?")
	default:
		return p.paint("31", "✘")
	}
}
