// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// right is something that somebody may do in a namespace.
type right struct {
	group, resource string
	verbs           []string
	// name is of one object; empty is all.
	name string
}

func (r right) String() string {
	name := r.resource
	if r.group != "" {
		name += "." + r.group
	}
	if r.name != "" {
		name += " " + r.name
	}
	return strings.Join(r.verbs, ", ") + " " + name
}

// rights checks what the caller and the controller may do in a namespace, once.
func (k *checker) rights(ctx context.Context, namespace string) {
	if slices.Contains(k.known, namespace) {
		return
	}
	k.known = append(k.known, namespace)
	k.section = "your rights in " + namespace
	k.may(ctx, CodeYouRead, "", namespace, "you",
		right{group: kube.Group, resource: "experiments", verbs: []string{"get", "list"}}, right{group: kube.Group, resource: "experimentrecords", verbs: []string{"get"}})
	k.may(ctx, CodeYouWish, "", namespace, "you", right{group: kube.Group, resource: "experiments", verbs: []string{"patch"}})

	k.section = "the controller's rights in " + namespace
	its := "the controller"
	k.may(ctx, CodeItsKinds, k.Account, namespace, its,
		right{group: kube.Group, resource: "experiments", verbs: []string{"get", "list", "watch", "update", "patch"}},
		right{group: kube.Group, resource: "experiments/status", verbs: []string{"update", "patch"}},
		right{group: kube.Group, resource: "metrics", verbs: []string{"get", "list", "watch"}},
		right{group: kube.Group, resource: "experimentrecords", verbs: []string{"get", "list", "watch", "create", "update", "delete"}})
	k.may(ctx, CodeItsLease, k.Account, namespace, its, right{group: "coordination.k8s.io", resource: "leases", verbs: []string{"get", "create", "update", "delete"}})
	k.may(ctx, CodeItsEvent, k.Account, namespace, its, right{group: "events.k8s.io", resource: "events", verbs: []string{"create", "patch"}})
}

// routeRights checks who may change an object that carries traffic.
func (k *checker) routeRights(ctx context.Context, resource schema.GroupVersionResource, namespace string) {
	k.may(ctx, CodeYouKill, "", namespace, "you", right{group: resource.Group, resource: resource.Resource, verbs: []string{"get", "patch"}})
	verbs := []string{"get", "list", "watch", "patch"}
	if resource.Group == "" {
		verbs = []string{"get", "patch"} // A ConfigMap of gateways needs no more.
	}
	k.may(ctx, CodeItsRoute, k.Account, namespace, "the controller", right{group: resource.Group, resource: resource.Resource, verbs: verbs})
}

// planRights checks what the controller needs for one plan alone.
func (k *checker) planRights(ctx context.Context, p *experiment.Plan) {
	for _, name := range secretNames(p) {
		k.may(ctx, CodeItsSecret, k.Account, p.Namespace, "the controller", right{resource: "secrets", verbs: []string{"get"}, name: name})
	}
	if p.Promote.How == experiment.PromoteCopy || p.Promote.Loser == experiment.LoserScaleDown || p.Promote.Loser == experiment.LoserDelete {
		verbs := []string{"get", "update", "patch"}
		if p.Promote.Loser == experiment.LoserDelete {
			verbs = append(verbs, "delete")
		}
		k.may(ctx, CodeItsWork, k.Account, p.Namespace, "the controller", right{group: "apps", resource: "deployments", verbs: verbs})
	}
}

// may asks whether an account, or where it is empty the caller, has rights. Of
// somebody else's rights not everybody may ask.
func (k *checker) may(ctx context.Context, code Code, account, namespace, who string, rights ...right) {
	var have, lack []string
	for _, r := range rights {
		missing := right{group: r.group, resource: r.resource, name: r.name}
		for _, verb := range r.verbs {
			allowed, err := k.allowed(ctx, account, namespace, r, verb)
			if err != nil {
				k.say(code, Warning, "ask somebody who may ask for others' rights", "it cannot be found out what %s may do: %v", who, err)
				return
			}
			if !allowed {
				missing.verbs = append(missing.verbs, verb)
			}
		}
		if len(missing.verbs) > 0 {
			lack = append(lack, missing.String())
		}
		have = append(have, r.String())
	}
	if len(lack) > 0 {
		status := Failed
		if account == "" {
			status = Warning // Others may have it, and a cluster is no worse for it.
		}
		k.say(code, status, "", "%s may not %s", who, strings.Join(lack, "; "))
		return
	}
	k.say(code, OK, "", "%s may %s", who, strings.Join(have, "; "))
}

func (k *checker) allowed(ctx context.Context, account, namespace string, r right, verb string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	resource, sub, _ := strings.Cut(r.resource, "/")
	asked := &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: verb, Group: r.group, Resource: resource, Subresource: sub, Name: r.name}
	if account == "" {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: asked}}
		err := k.Client.Live.Create(ctx, review)
		return review.Status.Allowed, err
	}
	home, name, _ := strings.Cut(account, "/")
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		ResourceAttributes: asked, User: "system:serviceaccount:" + home + ":" + name,
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + home, "system:authenticated"},
	}}
	err := k.Client.Live.Create(ctx, review)
	return review.Status.Allowed, err
}
