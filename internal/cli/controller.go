// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/headgate-dev/headgate/internal/app/controller"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// defaultScrape is how often Prometheus asks, unless it is said otherwise.
const defaultScrape = 15 * time.Second

func controllerCommand(s IO) *cobra.Command {
	var o controller.Options
	var k clusterFlags
	var shard, prometheus string
	scrape, delay := defaultScrape, experiment.DefaultDelay
	c := &cobra.Command{
		Use:   "controller",
		Short: "run the experiments of a Kubernetes cluster",
		Long: `Watches Experiments (headgate.dev), reads evidence, decides, and writes the shares
into the routes that the cluster has: VirtualServices, HTTPRoutes, or any fields.

It runs inside the cluster under its own service account, or from anywhere with
a kubeconfig. Several may run: one leads (--elect), or each has its part of the
experiments (--shard 0/2 and --shard 1/2).`,
		Example: `  headgate controller --prometheus http://prometheus.monitoring:9090
  headgate controller --kubeconfig ~/.kube/config --namespace search --elect=false`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if o.Shard, o.Shards, err = shardOf(shard); err != nil {
				return usageError{err}
			}
			if prometheus != "" {
				o.Prometheus = &experiment.PrometheusProvider{URL: prometheus, Scrape: scrape, Delay: delay}
			}
			if o.Config, err = k.config(); err != nil {
				return err
			}
			o.Namespaces = k.namespaces
			o.Log = slog.New(slog.NewTextHandler(s.Err, nil))
			return runController(c.Context(), s, o)
		},
	}
	f := c.Flags()
	k.add(f)
	f.StringSliceVarP(&k.namespaces, "namespace", "n", nil, "run the experiments of this namespace only; may be repeated")
	f.StringVar(&o.Home, "home", "headgate-system", "the namespace of the leader's Lease")
	f.StringVar(&shard, "shard", "", "the part of the experiments to run, I/N: 0/2 and 1/2 are all")
	f.StringVar(&prometheus, "prometheus", "", "the URL of the Prometheus that answers for experiments that name none")
	f.DurationVar(&scrape, "scrape-interval", defaultScrape, "how often that Prometheus asks")
	f.DurationVar(&delay, "metrics-delay", experiment.DefaultDelay, "how long after a scrape its samples can be asked for at the latest")
	f.StringVar(&o.Ledger, "ledger", "", "the URL of headgate ledger, which tells what Headgate's own gateways see, and what loggers tell")
	f.StringVar(&o.LedgerToken, "ledger-token-file", "", "a file with the bearer token for the ledger")
	f.StringVar(&o.Metrics, "metrics", "127.0.0.1:8080", "the address of the controller's own metrics; 0 is none")
	f.StringVar(&o.Health, "health", "127.0.0.1:8081", "the address of /healthz and /readyz; 0 is none")
	f.StringVar(&o.Webhook, "webhook-certificates", "", "a directory with tls.crt and tls.key: serve the admission webhook")
	f.IntVar(&o.WebhookPort, "webhook-port", 9443, "the port of the admission webhook")
	f.BoolVar(&o.Elect, "elect", true, "work only as the elected leader")
	o.Iter8 = controller.Iter8Auto
	f.Var(&o.Iter8, "iter8", "run Iter8's experiments (iter8.tools) too; auto is if the cluster knows them at the start")
	f.BoolVar(&o.AllowExec, "allow-exec", false, "let actions of the experiments run commands, as Jobs under the service accounts that they name")
	f.StringVar(&o.ExecImage, "exec-image", "", "the image of commands whose action names none")
	f.IntVar(&o.Concurrency, "concurrency", 16, "how many experiments have their turn at once")
	return c
}

// runController works until it is interrupted.
func runController(ctx context.Context, s IO, o controller.Options) error {
	fmt.Fprintf(s.Err, "controller of %s\n", o.Config.Host)
	return controller.Run(ctx, o)
}

// shardOf reads "0/2".
func shardOf(text string) (shard, shards int, err error) {
	if text == "" {
		return 0, 1, nil
	}
	i, n, ok := strings.Cut(text, "/")
	shard, errI := strconv.Atoi(i)
	shards, errN := strconv.Atoi(n)
	if !ok || errI != nil || errN != nil || shards < 1 || shard < 0 || shard >= shards {
		return 0, 0, fmt.Errorf("--shard %q: want I/N with 0 <= I < N, for example 0/2", text)
	}
	return shard, shards, nil
}

// clusterFlags say which cluster is meant.
type clusterFlags struct {
	kubeconfig, context string
	namespaces          []string
	qps                 float32
	burst               int
}

// add defines the flags.
func (k *clusterFlags) add(f *pflag.FlagSet) {
	f.StringVar(&k.kubeconfig, "kubeconfig", "", "the file that says where the cluster is; by default KUBECONFIG, the file in the home directory, or the pod's own account")
	f.StringVar(&k.context, "context", "", "the context of that file")
	f.Float32Var(&k.qps, "kube-api-qps", 200, "requests a second to the API server")
	f.IntVar(&k.burst, "kube-api-burst", 400, "requests at once to the API server")
}

// config finds the cluster.
func (k *clusterFlags) config() (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = k.kubeconfig
	c, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: k.context}).ClientConfig()
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeInvalid, "find the cluster: %w", err).
			WithHint("name a kubeconfig file: --kubeconfig FILE, or KUBECONFIG")
	}
	c.QPS, c.Burst = k.qps, k.burst
	return c, nil
}
