// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/headgate-dev/headgate/api/kube"
	face "github.com/headgate-dev/headgate/internal/controller"
	"github.com/headgate-dev/headgate/internal/experiment"
	record "github.com/headgate-dev/headgate/internal/record/kube"
	routes "github.com/headgate-dev/headgate/internal/router/kube"
	"github.com/headgate-dev/headgate/internal/router/routers"
	"github.com/headgate-dev/headgate/internal/source/ledger"
	"github.com/headgate-dev/headgate/internal/workload"
)

// Options configures a controller. Only Config is required.
type Options struct {
	Config *rest.Config
	// Namespaces are those whose experiments it runs; none is all.
	Namespaces []string
	// Home is the namespace of the leader's Lease and of the claims of objects
	// that have no namespace.
	Home string
	// Shard and Shards divide the experiments: "0 of 2" and "1 of 2".
	Shard, Shards int
	// Prometheus is the provider of plans that name none; nil is none.
	Prometheus *experiment.PrometheusProvider
	// Ledger is the URL of the ledger of Headgate's own gateways; empty is none.
	// LedgerToken is the file of its bearer token, read at each question; empty
	// sends none.
	Ledger, LedgerToken string
	// Metrics and Health are addresses, on loopback by default; "0" is none.
	Metrics, Health string
	// Webhook is the directory of tls.crt and tls.key; empty runs no webhook.
	Webhook string
	// WebhookPort is where it listens, 9443 by default.
	WebhookPort int
	// Elect asks for a leader's election.
	Elect bool
	// Iter8 says whether Iter8's experiments are run too.
	Iter8 Iter8
	// AllowExec lets actions run commands, as Jobs; ExecImage is that of those
	// whose action names none.
	AllowExec bool
	ExecImage string
	// Concurrency is how many experiments have their turn at once.
	Concurrency int
	Log         *slog.Logger
}

// Defaults of Options.
const (
	defaultMetrics     = "127.0.0.1:8080"
	defaultHealth      = "127.0.0.1:8081"
	defaultConcurrency = 16
	defaultHome        = "headgate-system"
	shutdownTimeout    = 20 * time.Second
	firstRetry         = 50 * time.Millisecond
	lastRetry          = 5 * time.Second
)

// Scheme knows the kinds that the controller reads by their Go types.
func Scheme() (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(s); err != nil {
		return nil, err
	}
	return s, kube.AddToScheme(s)
}

// Run runs a controller until the context ends.
func Run(ctx context.Context, o Options) error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	ctrl.SetLogger(logr.FromSlogHandler(o.Log.Handler()))
	m, err := newManager(&o)
	if err != nil {
		return err
	}
	if err := addController(ctx, m, &o); err != nil {
		return err
	}
	if o.Webhook != "" {
		if err := face.AddWebhook(m); err != nil {
			return err
		}
		if err := m.AddReadyzCheck("webhook", m.GetWebhookServer().StartedChecker()); err != nil {
			return err
		}
	}
	return m.Start(ctx)
}

func newManager(o *Options) (manager.Manager, error) {
	scheme, err := Scheme()
	if err != nil {
		return nil, err
	}
	namespaces := map[string]cache.Config{}
	for _, n := range o.Namespaces {
		namespaces[n] = cache.Config{}
	}
	home, grace := cmp.Or(o.Home, defaultHome), shutdownTimeout
	options := manager.Options{
		Scheme:                 scheme,
		Metrics:                metricsserver.Options{BindAddress: cmp.Or(o.Metrics, defaultMetrics)},
		HealthProbeBindAddress: cmp.Or(o.Health, defaultHealth),
		LeaderElection:         o.Elect, LeaderElectionNamespace: home,
		LeaderElectionID:              leaseOf(o.Shard, o.Shards),
		LeaderElectionReleaseOnCancel: true,
		GracefulShutdownTimeout:       &grace,
		Cache:                         cache.Options{DefaultNamespaces: namespaces},
		// Secrets are read when they are wanted, and never kept.
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}, &kube.ExperimentRecord{}}}},
	}
	if o.Webhook != "" {
		options.WebhookServer = face.NewWebhookServer(o.Webhook, o.WebhookPort)
	}
	m, err := ctrl.NewManager(o.Config, options)
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeUnavailable, "reach the cluster: %w", err)
	}
	for _, add := range []func(string, healthz.Checker) error{m.AddHealthzCheck, m.AddReadyzCheck} {
		if err := add("ping", healthz.Ping); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// leaseOf names the Lease of a shard's leader.
func leaseOf(shard, shards int) string {
	if shards < 2 {
		return "headgate-controller"
	}
	return fmt.Sprintf("headgate-controller-%d-of-%d", shard, shards)
}

func addController(ctx context.Context, m manager.Manager, o *Options) error {
	metrics, err := face.NewMetrics(ctrlmetrics.Registry)
	if err != nil {
		return err
	}
	from := &providers{secrets: m.GetAPIReader(), fallback: o.Prometheus}
	if err := from.shared.Register(ctrlmetrics.Registry); err != nil {
		return err
	}
	if o.Ledger != "" {
		if from.ledger, err = ledger.New(ledger.Options{URL: o.Ledger, TokenFile: o.LedgerToken}); err != nil {
			return err
		}
	}
	records := record.New(m.GetClient(), record.Options{Owner: ownerOf(m.GetClient()), Stored: metrics.Stored})
	if err := addIter8(m, o, records); err != nil {
		return err
	}
	acts, err := addActions(m, o)
	if err != nil {
		return err
	}
	w := &watches{manager: m}
	r := face.New(face.Options{
		Client: m.GetClient(), Reusable: m.GetAPIReader(),
		Routes:   routes.New(liveMaps{m.GetCache(), m.GetAPIReader()}, m.GetClient(), routes.Options{Namespace: cmp.Or(o.Home, defaultHome)}),
		Records:  records,
		Evidence: from.open, Router: routers.New, Workloads: workload.New(m.GetClient(), m.GetAPIReader(), m.GetClient()),
		Actions: acts, Secrets: from.secret,
		Events: m.GetEventRecorder("headgate-controller"), Metrics: metrics,
		Shard: o.Shard, Shards: o.Shards, Log: o.Log, Watch: w.watch,
	})
	c, err := controller.New("experiments", m, controller.Options{
		Reconciler: r, MaxConcurrentReconciles: cmp.Or(o.Concurrency, defaultConcurrency),
		// A turn that could not even be shown, since the cluster is away, is made
		// again within seconds of its return: harm waits for nobody.
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry),
	})
	if err != nil {
		return err
	}
	w.controller, w.routeOf = c, r.RouteOf
	return w.experiments(ctx)
}
