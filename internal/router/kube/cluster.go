// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

// FieldManager is the name under which the cluster keeps what this package
// writes.
const FieldManager = "headgate-controller"

// callTimeout is the default deadline of one call.
const callTimeout = 10 * time.Second

// Options are what may be chosen about a Cluster; the zero value is usable.
type Options struct {
	// Timeout is the deadline of each call to the API server, 10 s where it is
	// 0. An operation makes several calls.
	Timeout time.Duration
	// Namespace holds the leases of objects that have no namespace.
	Namespace string
	// Unclaimed claims no route: for a person who may not write Leases.
	Unclaimed bool
}

// Cluster is a cluster whose objects carry traffic. It is safe for concurrent
// use.
type Cluster struct {
	cached  client.Reader
	live    client.Client
	options Options
	mapping chan struct{} // Held while the mapper asks the API server.

	mu     sync.Mutex
	served map[schema.GroupKind]*meta.RESTMapping
}

// New makes a Cluster. The reader may be a cache; it is asked where a stale
// answer does no harm. The client's reads must go to the API server: a way back
// that a stale cache calls done would never be made. (A manager's client reads
// unstructured objects live unless it was told otherwise.)
func New(reader client.Reader, live client.Client, o Options) *Cluster {
	if o.Timeout <= 0 {
		o.Timeout = callTimeout
	}
	return &Cluster{
		cached: reader, live: live, options: o,
		mapping: make(chan struct{}, 1), served: make(map[schema.GroupKind]*meta.RESTMapping),
	}
}

// Target is an object that a router works on, as the cluster serves it.
type Target struct {
	Kind     schema.GroupVersionKind
	Resource schema.GroupVersionResource
	Key      types.NamespacedName
}

// String names the object for people: "VirtualService search/ranker".
func (t Target) String() string {
	return t.Kind.Kind + " " + strings.TrimPrefix(t.Key.String(), string(types.Separator))
}

// Targets resolves what a router works on, in the order of its Refs: what a
// controller has to watch.
func (c *Cluster) Targets(ctx context.Context, r router.Router) ([]Target, error) {
	refs := r.Refs()
	out := make([]Target, len(refs))
	for i, ref := range refs {
		var err error
		if out[i], err = c.Resolve(ctx, ref); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Resolve finds the best version of an object's kind that the cluster serves.
// CodeInvalid where it serves none of them: the kind is not installed, or only
// in versions that the router cannot write.
func (c *Cluster) Resolve(ctx context.Context, ref router.Ref) (Target, error) {
	gk := schema.GroupKind{Group: ref.Group, Kind: ref.Kind}
	m, err := c.serving(ctx, gk, ref.Versions)
	if err != nil {
		return Target{}, err
	}
	t := Target{Kind: m.GroupVersionKind, Resource: m.Resource, Key: types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name}}
	if m.Scope.Name() == meta.RESTScopeNameRoot {
		t.Key.Namespace = ""
	} else if t.Key.Namespace == "" {
		return Target{}, experiment.Errorf(experiment.CodeInvalid, "%s %s: namespace is missing", ref.Kind, ref.Name)
	}
	return t, nil
}

func (c *Cluster) serving(ctx context.Context, gk schema.GroupKind, versions []string) (*meta.RESTMapping, error) {
	c.mu.Lock()
	m := c.served[gk]
	c.mu.Unlock()
	if m != nil {
		return m, nil
	}
	for _, v := range versions {
		m, err := c.ask(ctx, gk, v)
		if meta.IsNoMatchError(err) {
			continue
		}
		if err != nil {
			return nil, failure(err, call{verb: "discover", gvr: schema.GroupVersionResource{Group: gk.Group, Version: v, Resource: gk.Kind}})
		}
		c.mu.Lock()
		c.served[gk] = m
		c.mu.Unlock()
		return m, nil
	}
	return nil, experiment.Errorf(experiment.CodeInvalid, "the cluster does not serve %s in %s", gk.String(), strings.Join(versions, ", ")).
		WithHint("install the CRDs of that serving stack, or name another router in spec.traffic")
}

// ask asks the mapper, which knows no deadline: the caller stops waiting at its
// own, and only one question is under way at a time.
func (c *Cluster) ask(ctx context.Context, gk schema.GroupKind, version string) (*meta.RESTMapping, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
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
		m, err := c.live.RESTMapper().RESTMapping(gk, version)
		answers <- answer{m, err}
	}()
	select {
	case a := <-answers:
		return a.m, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// forget drops what is known of a kind: it is not served as it was.
func (c *Cluster) forget(gk schema.GroupKind) {
	c.mu.Lock()
	delete(c.served, gk)
	c.mu.Unlock()
}

// fetch reads one object.
func (c *Cluster) fetch(ctx context.Context, from client.Reader, t Target) (router.Object, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(t.Kind)
	if err := from.Get(ctx, t.Key, u); err != nil {
		if notServed(err) {
			c.forget(t.Kind.GroupKind())
		}
		return nil, failure(err, call{verb: "get", gvr: t.Resource, kind: t.Kind.Kind, key: t.Key})
	}
	return router.Object(u.Object), nil
}

// Objects reads a router's objects, in the order of its Refs, from the reader
// that New was given.
func (c *Cluster) Objects(ctx context.Context, r router.Router) ([]router.Object, error) {
	targets, err := c.Targets(ctx, r)
	if err != nil {
		return nil, err
	}
	objects := make([]router.Object, len(targets))
	for i, t := range targets {
		if objects[i], err = c.fetch(ctx, c.cached, t); err != nil {
			return nil, err
		}
	}
	return objects, nil
}

// Object reads one object from the reader that New was given.
func (c *Cluster) Object(ctx context.Context, ref router.Ref) (router.Object, error) {
	t, err := c.Resolve(ctx, ref)
	if err != nil {
		return nil, err
	}
	return c.fetch(ctx, c.cached, t)
}

// Read reads a router's objects and what they say.
func (c *Cluster) Read(ctx context.Context, r router.Router, t router.Traffic) (router.Seen, []router.Object, error) {
	objects, err := c.Objects(ctx, r)
	if err != nil {
		return router.Seen{}, nil, err
	}
	seen, err := r.Read(objects, t)
	return seen, objects, err
}
