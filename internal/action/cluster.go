// SPDX-License-Identifier: Apache-2.0

package action

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// FieldManager is the name under which the cluster keeps what actions write.
const FieldManager = "headgate-actions"

// callTimeout bounds one request to the API server.
const callTimeout = 10 * time.Second

// Cluster is where the objects of actions are. It is safe for concurrent use.
type Cluster struct {
	config  *rest.Config
	mapper  meta.RESTMapper
	mapping chan struct{} // Held while the mapper asks the API server.
}

// NewCluster makes a Cluster. A nil mapper makes one, which asks the API server
// when it has to.
func NewCluster(config *rest.Config, mapper meta.RESTMapper) (*Cluster, error) {
	if mapper == nil {
		c, err := rest.HTTPClientFor(config)
		if err != nil {
			return nil, experiment.Errorf(experiment.CodeInvalid, "reach the cluster: %w", err)
		}
		if mapper, err = apiutil.NewDynamicRESTMapper(config, c); err != nil {
			return nil, experiment.Errorf(experiment.CodeUnavailable, "reach the cluster: %w", err)
		}
	}
	return &Cluster{config: config, mapper: mapper, mapping: make(chan struct{}, 1)}, nil
}

// actor acts in a cluster, as somebody.
type actor struct {
	cluster *Cluster
	client  dynamic.Interface
	// namespace is that of objects that name none; account is who acts, empty on
	// a laptop.
	namespace, account string
}

// acting gives who acts for an owner: the service account that it names, or on a
// laptop the user. The account's groups are not asked for: the API server knows
// those of service accounts, and impersonating groups is a right of its own that
// nobody has to give.
func (r *Runner) acting(o *Owner) (*actor, error) {
	c := r.options.Cluster
	if c == nil {
		return nil, hopeless(noCluster())
	}
	a := &actor{cluster: c, namespace: o.Namespace}
	config := rest.CopyConfig(c.config)
	if a.namespace == "" {
		a.namespace = metav1.NamespaceDefault
	}
	if !r.options.Laptop || o.ServiceAccount != "" {
		if a.account = o.ServiceAccount; a.account == "" {
			a.account = "default"
		}
		config.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + a.namespace + ":" + a.account}
	}
	var err error
	if a.client, err = dynamic.NewForConfig(config); err != nil {
		return nil, invalid("reach the cluster: %w", err)
	}
	return a, nil
}

// noCluster refuses what needs a cluster.
func noCluster() *experiment.Error {
	return invalid("there is no cluster to do it in").WithHint("apply the experiment to a cluster where headgate controller runs, or give a kubeconfig")
}

// place is a kind as the cluster serves it, and an object of it.
type place struct {
	mapping   *meta.RESTMapping
	namespace string // empty for kinds that have none
	name      string
	resource  dynamic.ResourceInterface
}

// find says how the cluster serves an object's kind. otherwise is the namespace
// of one that names none.
func (a *actor) find(ctx context.Context, o experiment.ObjectRef, otherwise string) (*place, error) {
	gv, err := schema.ParseGroupVersion(o.APIVersion)
	switch {
	case err != nil || gv.Version == "":
		return nil, hopeless(invalid("apiVersion %q of %s: want GROUP/VERSION or VERSION", o.APIVersion, o.Kind))
	case o.Kind == "" || o.Name == "":
		return nil, hopeless(invalid("an object needs a kind and a name: %q %q", o.Kind, o.Name))
	}
	m, err := a.cluster.ask(ctx, gv.WithKind(o.Kind))
	switch {
	case meta.IsNoMatchError(err):
		return nil, invalid("the cluster does not serve %s %s", o.APIVersion, o.Kind).WithHint("install what it is of, or correct apiVersion and kind")
	case err != nil:
		return nil, unavailable("ask how the cluster serves %s %s: %w", o.APIVersion, o.Kind, err)
	}
	p := &place{mapping: m, name: o.Name}
	if m.Scope.Name() == meta.RESTScopeNameRoot {
		p.resource = a.client.Resource(m.Resource)
		return p, nil
	}
	if p.namespace = o.Namespace; p.namespace == "" {
		p.namespace = otherwise
	}
	if p.namespace == "" {
		p.namespace = a.namespace
	}
	p.resource = a.client.Resource(m.Resource).Namespace(p.namespace)
	return p, nil
}

// ask asks the mapper, which knows no deadline: the caller stops waiting at its
// own, and only one question is under way at a time.
func (c *Cluster) ask(ctx context.Context, kind schema.GroupVersionKind) (*meta.RESTMapping, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	select {
	case c.mapping <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	type answer struct {
		m   *meta.RESTMapping
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		defer func() { <-c.mapping }()
		m, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
		answers <- answer{m, err}
	}()
	select {
	case a := <-answers:
		return a.m, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// String names the object for people.
func (p *place) String() string {
	if p.namespace == "" {
		return p.mapping.GroupVersionKind.Kind + " " + p.name
	}
	return p.mapping.GroupVersionKind.Kind + " " + p.namespace + "/" + p.name
}

// failure says why a request failed, and what to do. sub is a subresource.
func (a *actor) failure(err error, verb string, p *place, sub string) error {
	if err == nil {
		return nil
	}
	fail := func(code experiment.Code) *experiment.Error {
		return experiment.Errorf(code, "%s %s: %w", verb, p, err)
	}
	var status apierrors.APIStatus // Not an error by its type, so errors.As.
	answered := errors.As(err, &status)
	switch {
	case !answered:
		return fail(experiment.CodeUnavailable)
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "cannot impersonate"): // Newer servers say on what.
		return fail(experiment.CodeInvalid).WithHint("let the controller act as the service account: install the component actions, or in the chart actions.enabled, or bind it to "+
			`{apiGroups: [""], resources: [serviceaccounts], resourceNames: [%s], verbs: [impersonate]} in namespace %s`, a.account, a.namespace)
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "cannot "+verb+" resource"):
		return fail(experiment.CodeInvalid).WithHint("%s", a.rule(verb, p, sub))
	case apierrors.IsNotFound(err):
		return fail(experiment.CodeNotFound)
	case apierrors.IsConflict(err), testFailed(status.Status()):
		return fail(experiment.CodeConflict)
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsMethodNotSupported(err), apierrors.IsUnsupportedMediaType(err):
		return hopeless(fail(experiment.CodeInvalid))
	case status.Status().Code < http.StatusInternalServerError && !apierrors.IsTooManyRequests(err):
		return fail(experiment.CodeInvalid)
	}
	return fail(experiment.CodeUnavailable)
}

// testFailed reports that a JSON patch did not apply: the API server answers 422
// as for an object that is invalid, but names no object.
func testFailed(s metav1.Status) bool {
	return s.Code == http.StatusUnprocessableEntity && (s.Details == nil || s.Details.Name == "" && len(s.Details.Causes) == 0)
}

// rule is the right that is missing, as one writes it.
func (a *actor) rule(verb string, p *place, sub string) string {
	resource := p.mapping.Resource.Resource
	if sub != "" {
		resource += "/" + sub
	}
	who, scope := "yourself", "a ClusterRole"
	if a.account != "" {
		who = "ServiceAccount " + a.namespace + "/" + a.account
	}
	if p.namespace != "" {
		scope = "a Role in namespace " + p.namespace
	}
	return `allow it to ` + who + ` in ` + scope + `: {apiGroups: ["` + p.mapping.Resource.Group + `"], resources: ["` + resource + `"], verbs: ["` + verb + `"]}`
}
