// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"

	"github.com/spf13/pflag"

	"github.com/headgate-dev/headgate/internal/app/local"
	"github.com/headgate-dev/headgate/internal/load"
)

// outcomeFlags are the flags that say which outcomes follow answers.
func (x *loadFlags) outcomeFlags(f *pflag.FlagSet) {
	f.StringVar(&x.outcome, "outcome", "", "post EVENT[=VALUE][:SHARE][@DELAY] for answers")
	f.StringVar(&x.outcomesURL, "outcomes-url", "", "the API that takes outcomes")
	f.StringVar(&x.token, "outcomes-token-file", "", "a file with the bearer token that the API asks for")
	f.StringVar(&x.to, "experiment", "", "the experiment of the outcomes, if the API serves several")
}

// readOutcome reads them into options.
func (x *loadFlags) readOutcome(o *load.Options) error {
	if x.outcome == "" {
		if x.outcomesURL != "" || x.token != "" {
			return usageError{errors.New("--outcomes-url: is of no use alone (add --outcome EVENT)")}
		}
		return nil
	}
	outcome, err := load.ParseOutcome(x.outcome)
	if err != nil {
		return err
	}
	outcome.URL, outcome.Experiment = x.outcomesURL, x.to
	if x.token != "" {
		if outcome.Token, err = local.ReadToken(x.token); err != nil {
			return err
		}
	}
	o.Outcome = &outcome
	return nil
}
