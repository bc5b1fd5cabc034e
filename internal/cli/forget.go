// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func forgetCommand(s IO) *cobra.Command {
	var t target
	var unit string
	c := &cobra.Command{
		Use: "forget [NAME] --unit UNIT", Short: "delete what is kept of one unit", Args: cobra.MaximumNArgs(1),
		Long: `Deletes the rows that are kept of a unit: its exposures, and the outcomes, pairs,
predictions and labels that wait for their window. What has been summed up
stays: sums name nobody, and evidence that was decided on must be able to
replay. The unit's id itself was never stored, only a keyed hash of it.

A unit that comes back is kept anew.`,
		Example: "  headgate forget --unit user-17",
		RunE: func(c *cobra.Command, args []string) error {
			if unit == "" {
				return usageError{errors.New("--unit: whose rows?")}
			}
			client := t.local()
			defer client.Close()
			rows, err := client.Forget(c.Context(), nameOf(args), unit)
			if err != nil {
				return err
			}
			fmt.Fprintf(s.Out, "%d rows deleted\n", rows)
			return nil
		},
	}
	c.ValidArgsFunction = t.complete
	t.localFlag(c)
	c.Flags().StringVar(&unit, "unit", "", "the unit's id, as requests carry it")
	return c
}
