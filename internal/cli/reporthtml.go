// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"iter"
	"slices"

	"github.com/spf13/cobra"

	"github.com/headgate-dev/headgate/internal/experiment"
	reports "github.com/headgate-dev/headgate/internal/report"
)

// reportFormats are those of a report; it has no text form besides Markdown.
var reportFormats = [...]string{"md", "html", "json"}

func reportCommand(s IO) *cobra.Command {
	var t target
	var file, format string
	c := &cobra.Command{
		Use: "report [NAME]", Short: "one self-contained account, for those who were not there", Args: cobra.MaximumNArgs(1),
		Long: `Writes one file that needs no other: the verdict first, the question, versions, what
was found and for whom, what was done and when, what can and cannot be concluded,
what departed from the plan, whether the evidence can be trusted, the cost, and how
to check it. It is made of the journal: of a running Headgate, of the files that it
left, or of an export.`,
		Example: "  headgate report ranker -o html >ranker.html\n  headgate report --journal ranker.ndjson -o json | jq .cannotBeConcluded",
		RunE: func(c *cobra.Command, args []string) error {
			if !slices.Contains(reportFormats[:], format) {
				return usageError{fmt.Errorf("--output: unknown format %q: want md, html or json", format)}
			}
			journal := t.journal(c.Context(), nameOf(args), file, s.Err)
			if file != "" && len(args) > 0 {
				journal = only(journal, args[0])
			}
			r, err := reports.Of(journal)
			if err != nil {
				return err
			}
			switch format {
			case "html":
				return r.HTML(s.Out)
			case "json":
				return r.JSON(s.Out)
			default:
				return r.Markdown(s.Out)
			}
		},
	}
	c.ValidArgsFunction = t.complete
	f := c.Flags()
	f.StringVarP(&format, "output", "o", "md", "md, html or json")
	f.StringVar(&file, "journal", "", "make it of this exported journal, or - for standard input")
	complete := cobra.FixedCompletions(reportFormats[:], cobra.ShellCompDirectiveNoFileComp)
	if err := c.RegisterFlagCompletionFunc("output", complete); err != nil {
		panic("a flag that was just defined: " + err.Error())
	}
	t.flag(c)
	return c
}

// only keeps the entries of one experiment of a journal that may hold several.
func only(journal iter.Seq2[experiment.Entry, error], name string) iter.Seq2[experiment.Entry, error] {
	return func(yield func(experiment.Entry, error) bool) {
		wanted := false
		for e, err := range journal {
			if e.Plan != nil {
				wanted = e.Plan.ID() == name || e.Plan.Name == name
			}
			if (wanted || err != nil) && !yield(e, err) {
				return
			}
		}
	}
}
