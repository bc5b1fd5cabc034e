// SPDX-License-Identifier: Apache-2.0

package install

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/test/servers"
)

// right is some verbs on "resource[/subresource].group" in a namespace; "" is
// all of them.
type right struct{ namespace, resource, verbs string }

// may asks the API server's own authorizer.
func may(t *testing.T, c *servers.Cluster, user string, groups []string, r right, verb string) bool {
	t.Helper()
	name, group, _ := strings.Cut(r.resource, ".")
	resource, sub, _ := strings.Cut(name, "/")
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user, Groups: groups,
		ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: r.namespace, Verb: verb, Group: group, Resource: resource, Subresource: sub},
	}}
	if err := c.Client.Create(t.Context(), review); err != nil {
		t.Fatal(err)
	}
	return review.Status.Allowed
}

func check(t *testing.T, c *servers.Cluster, user string, groups []string, want bool, rights []right) {
	t.Helper()
	for _, r := range rights {
		for _, verb := range strings.Fields(r.verbs) {
			if got := may(t, c, user, groups, r, verb); got == want {
				continue
			} else if !want {
				t.Errorf("%s may %s %s in %q", user, verb, r.resource, r.namespace)
				continue
			}
			// The authorizer learns of a new role a moment later.
			eventually(t, fmt.Sprintf("%s may %s %s in %q", user, verb, r.resource, r.namespace), time.Minute, func() error {
				if !may(t, c, user, groups, r, verb) {
					return errors.New("it is refused")
				}
				return nil
			})
		}
	}
}

const controllerUser = "system:serviceaccount:" + home + ":" + account

// mayDo lists every call that the controller makes.
func mayDo(t *testing.T, c *servers.Cluster) {
	check(t, c, controllerUser, []string{"system:authenticated"}, true, []right{
		{"", "experiments.headgate.dev", "list watch"}, // Its cache.
		{namespace, "experiments.headgate.dev", "get update"},
		{namespace, "experiments/status.headgate.dev", "update"},
		{namespace, "experiments/finalizers.headgate.dev", "update"}, // A record blocks the deletion of its owner.
		{"", "metrics.headgate.dev", "list watch"},
		{namespace, "experimentrecords.headgate.dev", "get create update delete"},
		{namespace, "leases.coordination.k8s.io", "get create update delete"},
		{home, "leases.coordination.k8s.io", "get create update"}, // The leader's.
		{namespace, "events.events.k8s.io", "create patch"},
		{home, "events", "create patch"}, // Of the election.
		{"", "deployments.apps", "list watch"},
		{namespace, "deployments.apps", "get"},
		{"", "virtualservices.networking.istio.io", "list watch"},
		{namespace, "virtualservices.networking.istio.io", "get patch"},
		{namespace, "httproutes.gateway.networking.k8s.io", "get list watch patch"},
		{namespace, "services.serving.knative.dev", "get list watch patch"},
		{namespace, "inferenceservices.serving.kserve.io", "get list watch patch"},
		{namespace, "seldondeployments.machinelearning.seldon.io", "get list watch patch"},
		{namespace, "experiments.mlops.seldon.io", "get list watch patch"},
		{namespace, "trafficsplits.split.smi-spec.io", "get list watch patch"},
	})
}

// mayNotDo lists what a thief of its token would want.
func mayNotDo(t *testing.T, c *servers.Cluster) {
	check(t, c, controllerUser, []string{"system:authenticated"}, false, []right{
		{namespace, "secrets", "get list watch create update delete"},
		{home, "secrets", "get list"},
		{namespace, "configmaps", "get list create update"},
		{namespace, "pods", "get list create delete"},
		{namespace, "pods/exec", "create get"},
		{namespace, "services", "get create update patch"}, // Kubernetes' own, not Knative's.
		{namespace, "serviceaccounts/token", "create"},
		{namespace, "deployments.apps", "create update patch delete"},
		{namespace, "experiments.headgate.dev", "create delete deletecollection"},
		{namespace, "virtualservices.networking.istio.io", "create update delete"},
		{namespace, "httproutes.gateway.networking.k8s.io", "create update delete"},
		{namespace, "gateways.gateway.networking.k8s.io", "get patch"},
		{namespace, "leases.coordination.k8s.io", "list watch patch deletecollection"},
		{"", "clusterroles.rbac.authorization.k8s.io", "get update escalate bind"},
		{"", "nodes", "get list"},
		{"", "namespaces", "get list"},
		{"", "users", "impersonate"},
		{"", "customresourcedefinitions.apiextensions.k8s.io", "get update"},
		{"", "validatingwebhookconfigurations.admissionregistration.k8s.io", "get update"},
	})
}

// rolesOfPeople gives the cluster's own roles to people.
func rolesOfPeople(t *testing.T, c *servers.Cluster) {
	for _, role := range []string{"view", "edit"} {
		binding := &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "people-" + role},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "one-who-may-" + role}},
		}
		if err := c.Client.Create(t.Context(), binding); err != nil {
			t.Fatal(err)
		}
	}
	read := []right{
		{namespace, "experiments.headgate.dev", "get list watch"},
		{namespace, "metrics.headgate.dev", "get list watch"},
		{namespace, "experimentrecords.headgate.dev", "get list watch"},
	}
	write := []right{
		{namespace, "experiments.headgate.dev", "create update patch delete"},
		{namespace, "metrics.headgate.dev", "create update patch delete"},
	}
	never := []right{
		{namespace, "experimentrecords.headgate.dev", "create update patch delete"},
		{namespace, "experiments/status.headgate.dev", "update patch"},
	}
	check(t, c, "one-who-may-view", nil, true, read)
	check(t, c, "one-who-may-view", nil, false, append(slices.Clone(write), never...))
	check(t, c, "one-who-may-edit", nil, true, append(slices.Clone(read), write...))
	check(t, c, "one-who-may-edit", nil, false, never)
}

// guideIsRight applies the manifests of the guide, and asks for what they
// promise.
func guideIsRight(t *testing.T, c *servers.Cluster) {
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(text(t, "docs/guide/kubernetes.md"), -1)
	applied := 0
	for _, b := range blocks {
		for key, o := range objects(t, b[1]) {
			if o.GetKind() == "Kustomization" {
				continue
			}
			if o.GetAPIVersion() == "" {
				t.Fatalf("%q is no object", key)
			}
			applied++
			if err := c.Client.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("headgate-test"), client.ForceOwnership); err != nil {
				t.Errorf("%s: %v", key, err)
			}
		}
	}
	if applied < 5 {
		t.Fatalf("the guide has %d objects", applied)
	}
	check(t, c, "ann", []string{"search-oncall"}, true, []right{
		{namespace, "experiments.headgate.dev", "get patch"},
		{namespace, "experimentrecords.headgate.dev", "get"},
		{namespace, "virtualservices.networking.istio.io", "get patch"},
	})
	check(t, c, "ann", []string{"search-oncall"}, false, []right{{namespace, "experiments.headgate.dev", "create delete"}, {namespace, "experimentrecords.headgate.dev", "patch"}})
	secret := func(name string) bool {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User:               controllerUser,
			ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: "get", Resource: "secrets", Name: name},
		}}
		if err := c.Client.Create(t.Context(), review); err != nil {
			t.Fatal(err)
		}
		return review.Status.Allowed
	}
	// The authorizer learns of a new role a moment later.
	eventually(t, "the controller may read the Secret that is named", time.Minute, func() error {
		if !secret("prometheus-token") {
			return errors.New("it is refused")
		}
		return nil
	})
	if secret("other") {
		t.Error("the controller may read another Secret than the one that is named")
	}
	sumUp(t, c)
	check(t, c, controllerUser, nil, true, []right{{namespace, "traefikservices.traefik.io", "get list watch patch"}})
}
