// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/experiment"
	routes "github.com/headgate-dev/headgate/internal/router/kube"
)

// callTimeout bounds one call to the API server.
const callTimeout = 10 * time.Second

// cluster is the cluster that carries the traffic, under the user's rights.
type cluster struct {
	config *rest.Config
	live   client.Client
	routes *routes.Cluster
}

// connect makes the clients. Nothing is asked yet.
func connect(config *rest.Config) (*cluster, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), kube.AddToScheme(scheme)); err != nil {
		return nil, experiment.Errorf(experiment.CodeInternal, "learn the cluster's kinds: %w", err)
	}
	ctrllog.SetLogger(logr.Discard()) // Else it complains after half a minute, in the middle of a screen.
	config = rest.CopyConfig(config)
	config.WarningHandler = rest.NoWarnings{} // They would be written between the lines of a screen.
	live, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, experiment.Errorf(experiment.CodeUnavailable, "reach the cluster: %w", err)
	}
	return &cluster{config, live, routes.New(live, live, routes.Options{})}, nil
}

// secret reads a secret of the user's: a variable, a file, or a key of a Secret
// object in the experiment's namespace. Errors name the place and never what
// stands there.
func (c *cluster) secret(ctx context.Context, namespace string, s experiment.Secret) (string, error) {
	switch {
	case s.Env != "":
		value, ok := os.LookupEnv(s.Env)
		if !ok {
			return "", experiment.Errorf(experiment.CodeInvalid, "the variable %s is not set", s.Env)
		}
		return value, nil
	case s.File != "":
		text, err := os.ReadFile(s.File)
		if err != nil {
			return "", experiment.Errorf(experiment.CodeInvalid, "read a secret: %w", err)
		}
		return strings.TrimRight(string(text), "\r\n"), nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var object corev1.Secret
	err := c.live.Get(ctx, types.NamespacedName{Namespace: namespace, Name: s.Name}, &object)
	switch {
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
		return "", experiment.Errorf(experiment.CodeInvalid, "read secret %s/%s: %w", namespace, s.Name, err).
			WithHint("on a laptop a secret can also be {env: NAME} or {file: PATH}")
	case err != nil:
		return "", experiment.Errorf(experiment.CodeUnavailable, "read secret %s/%s: %w", namespace, s.Name, err)
	}
	value, ok := object.Data[s.Key]
	if !ok {
		return "", experiment.Errorf(experiment.CodeInvalid, "secret %s/%s has no key %q", namespace, s.Name, s.Key)
	}
	return strings.TrimSpace(string(value)), nil
}

// alive reports whether an experiment that holds a claim without an end still
// exists. Where this person may not look, it does.
func (o *object) alive(ctx context.Context, h routes.Holder) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var e kube.Experiment
	switch err := o.Get(ctx, h.Key, &e); {
	case apierrors.IsNotFound(err):
		return false, nil
	case apierrors.IsForbidden(err):
		return true, nil
	case err != nil:
		return false, experiment.Errorf(experiment.CodeUnavailable, "look for the experiment %s, which holds the route: %w", h.Key, err)
	}
	return string(e.UID) == h.UID, nil
}

// mayNotClaim reports that an error is the lack of rights to write Leases.
func mayNotClaim(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), `resource "leases"`)
}
