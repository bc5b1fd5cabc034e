// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"errors"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	kubeapi "github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// served asks once whether the cluster serves records. A client finds that out
// by itself, but with no deadline: here the caller stops waiting at its own, and
// only one question is under way at a time.
func (s *Store) served(ctx context.Context) error {
	if s.known.Load() {
		return nil
	}
	select {
	case s.asking <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	answer := make(chan error, 1)
	go func() {
		defer func() { <-s.asking }()
		_, err := s.live.RESTMapper().RESTMapping(kubeapi.GroupVersion().WithKind(kubeapi.KindExperimentRecord).GroupKind(), kubeapi.VersionName)
		if err == nil {
			s.known.Store(true)
		}
		answer <- err
	}()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// failure gives a failed request its class and says what to do.
func failure(doing, verb string, key types.NamespacedName, err error) error {
	if err == nil {
		return nil
	}
	fail := func(code experiment.Code) *experiment.Error { return experiment.Errorf(code, "%s: %w", doing, err) }
	var status apierrors.APIStatus // Not an error by its type, so errors.As.
	switch answered := errors.As(err, &status); {
	case meta.IsNoMatchError(err), answered && apierrors.IsNotFound(err) && (status.Status().Details == nil || status.Status().Details.Name == ""):
		return fail(experiment.CodeInvalid).WithHint("install Headgate's CRDs: kubectl apply -k config/crd")
	case !answered: // Nobody answered: the network, a deadline.
		return fail(experiment.CodeUnavailable)
	case apierrors.IsNotFound(err):
		return fail(experiment.CodeNotFound)
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return fail(experiment.CodeConflict).WithHint("load it again and decide anew")
	case apierrors.IsUnauthorized(err):
		return fail(experiment.CodeUnauthorized).WithHint("the API server does not know these credentials; renew them")
	case apierrors.IsForbidden(err):
		return fail(experiment.CodeInvalid).
			WithHint("allow it in namespace %q: {apiGroups: [%q], resources: [experimentrecords], verbs: [%q]}", key.Namespace, kubeapi.Group, verb)
	case status.Status().Code >= http.StatusInternalServerError, apierrors.IsTooManyRequests(err), apierrors.IsTimeout(err):
		return fail(experiment.CodeUnavailable)
	default:
		return fail(experiment.CodeInvalid)
	}
}
