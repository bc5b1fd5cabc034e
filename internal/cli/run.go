// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/headgate-dev/headgate/internal/app/desk"
	"github.com/headgate-dev/headgate/internal/app/local"
	laptop "github.com/headgate-dev/headgate/internal/app/remote"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/translate"
)

const runLong = `Serves each experiment's versions behind a gateway of its own, joins outcomes
posted to the API, and moves traffic by the experiment's stages. What it learns
is kept in the data directory and resumed from there. After the verdict it goes
on serving until it is interrupted.

With --kubeconfig, --context, --cluster or -n a cluster carries the traffic, by
the route that the experiment names, under your own rights and with nothing of
Headgate in that cluster. Experiments of Iter8 (iter8.tools) are taken too, with
their metrics in the files or in the cluster. The command ends with the
experiment; the exit code is that of headgate status. Interrupted, it leaves the
route as it is and says how to go back.`

func runCommand(s IO) *cobra.Command {
	var o local.Options
	var files []string
	var listen, token string
	var k carried
	c := &cobra.Command{
		Use:   "run -f FILE...",
		Short: "run experiments on this machine, or from it on a cluster's routes",
		Long:  runLong,
		Example: `  headgate run -f experiment.yaml --listen 127.0.0.1:8080
  headgate run -f ranker.yaml -f fraud.yaml      # each says traffic: {gateway: {listen: …}}
  headgate run -f ranker.yaml -f metrics.yaml    # metrics.yaml holds reusable metrics, kind: Metric
  headgate run -f ranker.yaml --kubeconfig ~/.kube/config -n search --prometheus http://127.0.0.1:9090`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if k.cluster.meant() {
				o, err := k.options(c.Context(), s, files, laptop.Options{Data: o.Data, API: o.API, AllowExec: o.AllowExec})
				if err != nil {
					return err
				}
				return runRemote(c.Context(), s, o)
			}
			plans, err := readPlans(files)
			if err != nil {
				return err
			}
			if listen != "" && len(plans) > 1 {
				return usageError{fmt.Errorf("--listen %s: with several experiments each names its own address: traffic: {gateway: {listen: …}}", listen)}
			}
			for _, plan := range plans {
				o.Experiments = append(o.Experiments, local.Experiment{Plan: plan, Listen: cmp.Or(listen, plan.Listen)})
			}
			if token != "" {
				if o.Token, err = local.ReadToken(token); err != nil {
					return err
				}
			}
			return runLocal(c.Context(), s, o)
		},
	}
	f := c.Flags()
	f.StringVar(&token, "outcomes-token-file", "", "a file with the bearer token that outcomes, exposures and evaluations must carry")
	f.StringArrayVarP(&files, "filename", "f", nil, "an experiment's file, one of reusable metrics, or - for standard input; may be repeated")
	f.StringVar(&listen, "listen", "", "the gateway's address (default the file's, else a free port on loopback)")
	f.StringVar(&o.API, "api", desk.Loopback, "the address of page, outcomes and metrics")
	f.StringVar(&o.Database, "database", "", "the URL of a PostgreSQL database that keeps what is learned instead of files (give the password by PGPASSWORD or ~/.pgpass)")
	f.StringVar(&o.Data, "data", defaultData, "the directory of the run's files")
	f.BoolVar(&o.AllowExec, "allow-exec", false, "let actions of the experiments run commands on this machine")
	k.flag(c)
	if err := c.MarkFlagRequired("filename"); err != nil {
		panic("a flag that was just defined: " + err.Error())
	}
	return c
}

// defaultData is where runs keep their files, and where verbs look for them.
const defaultData = ".headgate"

// readPlans reads files that hold an experiment each, or reusable metrics for all
// of them.
func readPlans(files []string) ([]*experiment.Plan, error) {
	var names []string
	var texts, metrics [][]byte
	for _, file := range files {
		data, err := readFile(file)
		switch {
		case err != nil:
			return nil, err
		case laptop.OfIter8(data):
			return nil, experiment.Errorf(experiment.CodeInvalid, "%s: an experiment of Iter8 is carried by a cluster", file).
				WithHint("say which: --kubeconfig FILE, --context NAME or -n NAMESPACE; or make it one of Headgate's: headgate convert -f %s", file)
		case translate.OnlyMetrics(data) && len(files) > 1:
			metrics = append(metrics, data)
		default:
			names, texts = append(names, file), append(texts, data)
		}
	}
	if len(texts) == 0 {
		return nil, usageError{fmt.Errorf("-f: the files hold reusable metrics and no experiment")}
	}
	plans := make([]*experiment.Plan, len(texts))
	for i, data := range texts {
		var err error
		if plans[i], err = translate.Plan(data, metrics...); err != nil {
			return nil, inFile(names[i], err)
		}
	}
	return plans, nil
}

// inFile says which file a mistake is in.
func inFile(file string, err error) error {
	return experiment.Errorf(experiment.CodeOf(err), "%s:\n%w", file, err).WithHint("%s", experiment.HintOf(err))
}

// maxFile is more than any experiment; reading stops there.
const maxFile = 2 << 20

func readFile(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(os.Stdin, maxFile))
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeInvalid, "read the experiment: %w", err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeInvalid, "read the experiment: %w", err)
	}
	return data, nil
}

func runLocal(ctx context.Context, s IO, o local.Options) (err error) {
	h, err := local.Start(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := h.Close(); err == nil {
			err = cerr
		}
	}()
	for _, r := range h.Runs() {
		fmt.Fprintf(s.Err, "%s: gateway %s\n", r.ID(), r.TrafficURL())
	}
	fmt.Fprintf(s.Err, "page, outcomes and metrics %s\n\n", h.APIURL())
	if len(h.Runs()) > 1 {
		s.Terminal = false // One screen shows one experiment; headgate watch shows any.
	}
	if err := followAll(ctx, s, watchedOf(h.Runs())); err != nil {
		return err
	}
	fmt.Fprintln(s.Err, "\nthe gateway goes on serving; interrupt to stop it")
	<-ctx.Done()
	return nil
}

// followAll shows every run until all have ended.
func followAll(ctx context.Context, s IO, runs []watched) error {
	errs := make(chan error, len(runs))
	for _, r := range runs {
		go func() {
			last, err := follow(ctx, s, r, true)
			if err == nil {
				fmt.Fprint(s.Out, report(last, s))
			}
			errs <- err
		}()
	}
	var first error
	for range runs {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}
