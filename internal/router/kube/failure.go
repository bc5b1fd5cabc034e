// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"errors"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// call is one request, for its error.
type call struct {
	verb string
	gvr  schema.GroupVersionResource
	kind string
	key  types.NamespacedName
}

func (c call) String() string {
	what := c.kind
	if what == "" {
		what = c.gvr.GroupResource().String()
	}
	at := strings.TrimPrefix(c.key.String(), string(types.Separator))
	return strings.TrimSpace(c.verb + " " + what + " " + at)
}

// failure gives a failed request its class and says what to do.
func failure(err error, c call) error {
	if err == nil {
		return nil
	}
	fail := func(code experiment.Code) *experiment.Error {
		return experiment.Errorf(code, "%s: %w", c, err)
	}
	status, answered := answer(err)
	switch {
	case !answered: // Nobody answered: the network, a deadline.
		return fail(experiment.CodeUnavailable)
	case notServed(err):
		return fail(experiment.CodeInvalid).WithHint("the cluster no longer serves %s; install its CRD again", c.gvr.GroupResource())
	case apierrors.IsNotFound(err):
		return fail(experiment.CodeNotFound).WithHint("create %s %s, or correct its name in the experiment", c.kind, c.key)
	case testFailed(err), apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return fail(experiment.CodeConflict).WithHint("somebody else wrote it meanwhile; it is read again")
	case apierrors.IsUnauthorized(err):
		return fail(experiment.CodeUnauthorized).WithHint("the API server does not know these credentials; renew them")
	case apierrors.IsForbidden(err) && lacksRight(err, c.verb):
		return fail(experiment.CodeInvalid).WithHint("%s", rule(c))
	case passing(int(status.Code)):
		return fail(experiment.CodeUnavailable)
	default:
		return fail(experiment.CodeInvalid).WithHint("the cluster refuses this change; correct the object or what refuses it")
	}
}

// answer is what the API server said, if it was asked and answered.
func answer(err error) (metav1.Status, bool) {
	var s apierrors.APIStatus // Not an error by its type, so errors.As.
	if !errors.As(err, &s) {
		return metav1.Status{}, false
	}
	return s.Status(), true
}

// rule is the RBAC rule that is missing.
func rule(c call) string {
	scope := "a ClusterRole"
	if c.key.Namespace != "" {
		scope = "a Role in namespace " + c.key.Namespace
	}
	return "allow it in " + scope + `: {apiGroups: ["` + c.gvr.Group + `"], resources: ["` + c.gvr.Resource + `"], verbs: ["` + c.verb + `"]}`
}

// notServed reports that the kind is not there, rather than the object.
func notServed(err error) bool {
	status, ok := answer(err)
	return ok && apierrors.IsNotFound(err) && (status.Details == nil || status.Details.Name == "")
}

// testFailed reports that a JSON patch did not apply: the API server answers
// 422 as for an object that is invalid, but names no object.
func testFailed(err error) bool {
	status, ok := answer(err)
	return ok && status.Code == http.StatusUnprocessableEntity &&
		(status.Details == nil || status.Details.Name == "" && len(status.Details.Causes) == 0)
}

// lacksRight tells RBAC's refusal from that of an admission webhook or of a
// quota, which are 403 too.
func lacksRight(err error, verb string) bool {
	return strings.Contains(err.Error(), "cannot "+verb+" resource")
}

// passing reports a failure that may be gone at the next try.
func passing(status int) bool {
	return status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout
}

// contested reports that somebody else wrote meanwhile, anywhere in the error.
func contested(err error) bool {
	if err == nil {
		return false
	}
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range several.Unwrap() {
			if contested(e) {
				return true
			}
		}
		return false
	}
	return experiment.CodeOf(err) == experiment.CodeConflict
}
