// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/headgate-dev/headgate/internal/app/desk"
	"github.com/headgate-dev/headgate/internal/app/ledger"
	"github.com/headgate-dev/headgate/internal/app/local"
	"github.com/headgate-dev/headgate/internal/translate"
)

func ledgerCommand(s IO) *cobra.Command {
	var o ledger.Options
	var files []string
	var token string
	c := &cobra.Command{
		Use:   "ledger [--gateway URL...] [--events ADDRESS] [-f FILE...]",
		Short: "keep what several gateways have seen, and the outcomes",
		Long: `Takes exposures, pairs, predictions and sealed cells over from gateways, takes
outcomes from applications, and gives sealed windows to whoever decides. Each
row is stored once, however often either side is killed. Its experiments are those
of the files, and those that a controller started with --ledger tells of.

With --events it also takes what model servers' loggers tell of answers, as
CloudEvents at /v1/events, for experiments with predictions: {by: events}, whose
traffic the serving stack carries. Loggers carry no token: let nobody else reach
that address.

The data directory must hold the gateways' exposure key: copy exposure.key from
one gateway's --data to all others' and here. A gateway hands its rows to one
ledger.`,
		Example: `  headgate ledger -f ranker.yaml --gateway http://10.0.0.4:9090 --gateway http://10.0.0.5:9090
  headgate ledger -f ranker.yaml --gateway http://10.0.0.4:9090 --database postgres://headgate@db/headgate
  headgate ledger --events 0.0.0.0:9094`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			for _, file := range files {
				data, err := readFile(file)
				if err != nil {
					return err
				}
				plan, err := translate.Plan(data)
				if err != nil {
					return inFile(file, err)
				}
				o.Plans = append(o.Plans, plan)
			}
			if token != "" {
				var err error
				if o.Token, err = local.ReadToken(token); err != nil {
					return err
				}
			}
			o.Log = slog.New(slog.NewTextHandler(s.Err, nil))
			return runLedger(c.Context(), s, o)
		},
	}
	f := c.Flags()
	f.StringArrayVarP(&files, "filename", "f", nil, "an experiment's file, or - for standard input; may be repeated")
	f.StringArrayVar(&o.Gateways, "gateway", nil, "the admin address of a gateway, http://HOST:PORT; may be repeated")
	f.StringVar(&o.Data, "data", "headgate-ledger-data", "the directory of the exposure key and, without --database, of the ledger's file")
	f.StringVar(&o.Database, "database", "", "the URL of a PostgreSQL database; leave its password to PGPASSFILE")
	f.StringVar(&o.API, "api", desk.Loopback, "the address of outcomes, seals and metrics")
	f.StringVar(&o.Events, "events", "", "the address where model servers' loggers tell of answers; without it nothing is heard")
	f.StringVar(&token, "outcomes-token-file", "", "a file with the bearer token that outcomes, plans and questions for seals must carry")
	c.MarkFlagsOneRequired("gateway", "events")
	return c
}

// runLedger works until it is interrupted or the API fails.
func runLedger(ctx context.Context, s IO, o ledger.Options) error {
	p, err := ledger.Start(ctx, o)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Err, "outcomes, seals and metrics %s\n", p.APIURL())
	if at := p.EventsURL(); at != "" {
		fmt.Fprintf(s.Err, "events of loggers %s\n", at)
	}
	var failure error
	select {
	case <-ctx.Done():
	case failure = <-p.Failed():
	}
	return errors.Join(failure, p.Close())
}
