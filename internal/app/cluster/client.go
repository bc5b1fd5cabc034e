// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/experiment"
	record "github.com/headgate-dev/headgate/internal/record/kube"
	routes "github.com/headgate-dev/headgate/internal/router/kube"
)

// callTimeout bounds one call to the API server.
const callTimeout = 10 * time.Second

// fieldManager is the name under which the cluster keeps what a person wishes.
const fieldManager = "headgate"

// Options say which cluster is meant, and what of it.
type Options struct {
	Config *rest.Config
	// Namespace is the one of names that name none; empty is all namespaces for
	// lists, and an error for names.
	Namespace string
	// Wait bounds how long a verb waits for the controller.
	Wait time.Duration
	// Now is the clock; nil is the machine's.
	Now func() time.Time
}

// Client asks a cluster under the rights of one person.
type Client struct {
	Options
	// Live reads from and writes to the API server, without a cache.
	Live client.Client
	// Routes are the objects that carry traffic.
	Routes  *routes.Cluster
	records *record.Store

	mu   sync.Mutex
	read map[types.NamespacedName]*recorded
}

// New connects to a cluster. Nothing is asked of it yet.
func New(o Options) (*Client, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), kube.AddToScheme(scheme)); err != nil {
		return nil, experiment.Errorf(experiment.CodeInternal, "learn the cluster's kinds: %w", err)
	}
	ctrllog.SetLogger(logr.Discard()) // Else it complains after half a minute, in the middle of a screen.
	config := rest.CopyConfig(o.Config)
	config.WarningHandler = rest.NoWarnings{} // They would be written between the lines of a screen.
	live, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeUnavailable, "reach the cluster: %w", err)
	}
	return &Client{
		Options: o, Live: live,
		Routes:  routes.New(live, live, routes.Options{}),
		records: record.New(live, record.Options{}),
		read:    make(map[types.NamespacedName]*recorded),
	}, nil
}

// Close is there for the contract of clients: nothing is held open.
func (c *Client) Close() {}

// Find reads the experiment of a name, "ranker" or "search/ranker"; an empty
// name is the only one of the namespace.
func (c *Client) Find(ctx context.Context, name string) (*kube.Experiment, error) {
	if name == "" {
		return c.only(ctx)
	}
	key := types.NamespacedName{Namespace: c.Namespace, Name: name}
	if namespace, rest, ok := strings.Cut(name, "/"); ok {
		key = types.NamespacedName{Namespace: namespace, Name: rest}
	}
	if key.Namespace == "" {
		return nil, experiment.Errorf(experiment.CodeInvalid, "the namespace of %s is missing", name).WithHint("name it with -n NAMESPACE")
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var e kube.Experiment
	if err := c.Live.Get(ctx, key, &e); err != nil {
		return nil, Failure("get experiment "+key.String(), err)
	}
	return &e, nil
}

// only is the only experiment of the namespace.
func (c *Client) only(ctx context.Context) (*kube.Experiment, error) {
	all, err := c.Experiments(ctx)
	switch {
	case err != nil:
		return nil, err
	case len(all) == 1:
		return &all[0], nil
	}
	where := "the cluster"
	if c.Namespace != "" {
		where = "namespace " + c.Namespace
	}
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].Name
	}
	if len(all) == 0 {
		return nil, experiment.Errorf(experiment.CodeNotFound, "there is no experiment in %s", where).WithHint("another one is named with -n NAMESPACE")
	}
	return nil, experiment.Errorf(experiment.CodeNotFound, "there are %d experiments in %s: which one?", len(all), where).WithHint("%s", strings.Join(names, ", "))
}

// Experiments lists those of the namespace.
func (c *Client) Experiments(ctx context.Context) ([]kube.Experiment, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var list kube.ExperimentList
	if err := c.Live.List(ctx, &list, client.InNamespace(c.Namespace)); err != nil {
		return nil, Failure("list experiments", err)
	}
	return list.Items, nil
}

// Failure gives a failed call its class and says what to do.
func Failure(doing string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*experiment.Error](err); ok {
		return fmt.Errorf("%s: %w", doing, err)
	}
	fail := func(code experiment.Code) *experiment.Error { return experiment.Errorf(code, "%s: %w", doing, err) }
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case meta.IsNoMatchError(err), apierrors.IsNotFound(err) && !names(err):
		return fail(experiment.CodeUnavailable).WithHint("Headgate is not installed in this cluster; headgate check says what is missing")
	case apierrors.IsNotFound(err):
		return fail(experiment.CodeNotFound).WithHint("headgate get -A lists all experiments of the cluster")
	case apierrors.IsForbidden(err):
		return fail(experiment.CodeUnauthorized).WithHint("ask for the right; the roles headgate-view and headgate-edit have it")
	case apierrors.IsUnauthorized(err):
		return fail(experiment.CodeUnauthorized).WithHint("the API server does not know these credentials; renew them")
	case apierrors.IsConflict(err):
		return fail(experiment.CodeConflict)
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return fail(experiment.CodeInvalid)
	}
	return fail(experiment.CodeUnavailable)
}

// names reports whether a "not found" is of an object rather than of its kind.
func names(err error) bool {
	var s apierrors.APIStatus // Not an error by its type, so errors.As.
	return errors.As(err, &s) && s.Status().Details != nil && s.Status().Details.Name != ""
}
