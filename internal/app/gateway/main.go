// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// gcPercent is how much garbage may stand beside what is alive, in percent. What
// is alive is a few MiB, so that at the default of 100 the collector would run
// many times a second beside the requests, and be seen in their slowest.
// GOGC goes before it.
const gcPercent = 300

// Main runs the program until ctx is done: arguments without the program's
// name, what is printed on request to stdout, the log to stderr. It gives the
// exit code.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer, version string) int {
	o := Options{Version: version, Log: slog.New(slog.NewTextHandler(stderr, nil))}
	flags := flag.NewFlagSet("headgate-gateway", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.Listen, "listen", DefaultListen, "the `address` of traffic")
	flags.StringVar(&o.Admin, "admin", DefaultAdmin, "the `address` of health, metrics, cells and the snapshot's state")
	flags.StringVar(&o.Snapshot, "snapshot", "", "follow the snapshot in this `file` (JSON)")
	flags.StringVar(&o.Map, "configmap", "", "follow the snapshot in a ConfigMap, as `NAMESPACE/NAME[/KEY]`; the key is "+mapKey+" by default")
	flags.StringVar(&o.KubeAPI, "kube-api", "", "the `URL` of the API server; the cluster's own by default")
	flags.StringVar(&o.KubeToken, "kube-token-file", "", "the `file` of the token for the API server; the pod's own by default")
	flags.StringVar(&o.KubeCA, "kube-ca-file", "", "the `file` of the certificates that the API server is trusted by; the pod's own by default")
	flags.StringVar(&o.Baseline, "baseline", "", "the `URL` that answers every request while there is no snapshot at all")
	flags.StringVar(&o.Data, "data", DefaultData, "the `directory` of the last good snapshot and the exposure key")
	flags.StringVar(&o.Exposures, "exposures", "", "append exposures to this `file`, one JSON object a line")
	flags.IntVar(&o.Spool, "spool", DefaultSpool, "how many `rows` (exposures, pairs, predictions) wait to be taken over from /v1/batches; -1 keeps none")
	flags.DurationVar(&o.Drain, "drain", DefaultDrain, "how long what is under way may take after SIGTERM")
	showVersion := flags.Bool("version", false, "print the version and exit")
	flags.Usage = func() { usage(flags) }
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	case flags.NArg() > 0:
		_, _ = fmt.Fprintf(stderr, "headgate-gateway: it takes no arguments but flags: %s\n", strings.Join(flags.Args(), " "))
		return exitUsage
	case *showVersion:
		_, _ = fmt.Fprintln(stdout, "headgate-gateway", version)
		return exitOK
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if err := run(ctx, o); err != nil {
		_, _ = fmt.Fprintln(stderr, "headgate-gateway:", err)
		if hint := experiment.HintOf(err); hint != "" {
			_, _ = fmt.Fprintln(stderr, "hint:", hint)
		}
		return exitFailed
	}
	return exitOK
}

func usage(flags *flag.FlagSet) {
	_, _ = fmt.Fprint(flags.Output(), "headgate-gateway carries the traffic of one experiment as a snapshot says.\n\nUsage:\n  headgate-gateway --snapshot FILE [flags]\n  headgate-gateway --configmap NAMESPACE/NAME [flags]\n\nFlags:\n")
	flags.PrintDefaults()
}

// run serves until ctx is done or a server fails.
func run(ctx context.Context, o Options) error {
	p, err := Start(ctx, o)
	if err != nil {
		return err
	}
	var failure error
	select {
	case <-ctx.Done():
	case failure = <-p.Failed():
	}
	return errors.Join(failure, p.Close())
}
