// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

// The annotations of a lease, for people and for the error that another
// experiment gets.
const (
	HolderAnnotation = "headgate.dev/experiment"
	RouteAnnotation  = "headgate.dev/route"
)

// leaseTries bounds how often a claim begins anew because somebody else wrote
// the lease meanwhile.
const leaseTries = 4

// Holder is an experiment that may hold routes.
type Holder struct {
	// UID tells it from a later experiment of the same name.
	UID string
	// Key is its namespace and name; empty where a lease does not say.
	Key types.NamespacedName
	// For is how long its claims hold unless they are renewed, by claiming again:
	// that is for experiments that are no object of the cluster. 0 is as long as
	// the object exists.
	For time.Duration
}

// Alive reports whether an experiment still exists, as the one with that UID.
type Alive func(ctx context.Context, h Holder) (bool, error)

// Claim takes a router's routes for one experiment, all or none of them: each a
// Lease in the namespace of its object. A route whose holder is no longer alive
// is taken over; there is no other expiry, but for Holder.For, so that a
// controller that was away for an hour finds its routes as it left them.
// CodeConflict names the experiment that holds a route. A kill from the command
// line asks no lease.
func (c *Cluster) Claim(ctx context.Context, r router.Router, h Holder, alive Alive) error {
	if h.UID == "" {
		return experiment.Errorf(experiment.CodeInvalid, "claim the routes of %s: its UID is missing", h.Key)
	}
	routes, err := c.routes(ctx, r)
	if err != nil {
		return err
	}
	var taken []route
	for _, at := range routes {
		fresh, err := c.claim(ctx, at, h, alive)
		if err != nil {
			for _, t := range taken {
				err = errors.Join(err, c.release(ctx, t, h))
			}
			return err
		}
		if fresh {
			taken = append(taken, at)
		}
	}
	return nil
}

// Release gives back what the experiment holds of a router's routes. Routes of
// others, and those that nobody holds, stay as they are.
func (c *Cluster) Release(ctx context.Context, r router.Router, h Holder) error {
	routes, err := c.routes(ctx, r)
	if err != nil {
		return err
	}
	var problems []error
	for _, at := range routes {
		problems = append(problems, c.release(ctx, at, h))
	}
	return errors.Join(problems...)
}

// route is what is claimed: one place in one object.
type route struct {
	lease types.NamespacedName
	about string // For people: "VirtualService search/ranker /spec/http".
}

// routes are the places that a router owns. A place inside a list stands for
// the list: experiments that change shares of one list cannot be told apart by
// indices, and their sum is one.
func (c *Cluster) routes(ctx context.Context, r router.Router) ([]route, error) {
	if c.options.Unclaimed {
		return nil, nil
	}
	targets, err := c.Targets(ctx, r)
	if err != nil {
		return nil, err
	}
	var out []route
	for i, t := range targets {
		ns := t.Key.Namespace
		if ns == "" {
			ns = c.options.Namespace
		}
		if ns == "" {
			return nil, experiment.Errorf(experiment.CodeInvalid, "claim %s: it has no namespace, and none is set for its lease", t)
		}
		for _, pointer := range r.Owned(i) {
			path := beforeList(pointer)
			at := route{
				lease: types.NamespacedName{Namespace: ns, Name: LeaseName(t.Kind.GroupKind(), t.Key, path)},
				about: t.String() + " " + path,
			}
			if !slices.Contains(out, at) {
				out = append(out, at)
			}
		}
	}
	// One order for all, so that two experiments cannot each hold what the
	// other waits for.
	slices.SortFunc(out, func(a, b route) int { return strings.Compare(a.lease.String(), b.lease.String()) })
	return out, nil
}

// beforeList cuts a pointer before its first index.
func beforeList(pointer string) string {
	at := split(pointer)
	for i, t := range at {
		if _, index := position(t); index {
			return join(at[:i])
		}
	}
	return pointer
}

// LeaseName names the lease of one place in an object, whatever the version of
// its kind. Golden: a new name would let two experiments hold one route while a
// controller is upgraded.
func LeaseName(gk schema.GroupKind, key types.NamespacedName, path string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{gk.Group, gk.Kind, key.Namespace, key.Name, path}, "\x00")))
	return "headgate-route-" + hex.EncodeToString(sum[:16])
}

func leaseResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
}

func newLease(key types.NamespacedName) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetAPIVersion("coordination.k8s.io/v1")
	u.SetKind("Lease")
	u.SetNamespace(key.Namespace)
	u.SetName(key.Name)
	return u
}

// lease makes one call about a lease.
func (c *Cluster) lease(ctx context.Context, verb string, at route, do func(ctx context.Context) error) error {
	gvr := leaseResource()
	if _, err := c.serving(ctx, schema.GroupKind{Group: gvr.Group, Kind: "Lease"}, []string{gvr.Version}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	return failure(do(ctx), call{verb: verb, gvr: gvr, kind: "Lease", key: at.lease})
}

// claim takes one route; fresh says that it was not held before.
func (c *Cluster) claim(ctx context.Context, at route, h Holder, alive Alive) (fresh bool, err error) {
	for range leaseTries {
		u := newLease(at.lease)
		err = c.lease(ctx, "get", at, func(ctx context.Context) error { return c.live.Get(ctx, at.lease, u) })
		switch experiment.CodeOf(err) {
		case "":
			var mine bool
			if mine, err = c.mayTake(ctx, u, at, h, alive); mine && h.For == 0 || err != nil {
				return false, err
			}
			fresh = !mine
			hold(u, at, h)
			err = c.lease(ctx, "update", at, func(ctx context.Context) error {
				return c.live.Update(ctx, u, client.FieldOwner(FieldManager))
			})
		case experiment.CodeNotFound:
			u, fresh = newLease(at.lease), true
			hold(u, at, h)
			err = c.lease(ctx, "create", at, func(ctx context.Context) error {
				return c.live.Create(ctx, u, client.FieldOwner(FieldManager))
			})
		}
		code := experiment.CodeOf(err)
		if code != experiment.CodeConflict && code != experiment.CodeNotFound {
			return fresh && err == nil, err
		}
	}
	return false, err
}

// mayTake looks at a lease that is there: mine already, or the error that names
// its holder, or neither where the holder is gone.
func (c *Cluster) mayTake(ctx context.Context, u *unstructured.Unstructured, at route, h Holder, alive Alive) (mine bool, err error) {
	uid, _, _ := unstructured.NestedString(u.Object, "spec", "holderIdentity")
	if uid == "" || uid == h.UID {
		return uid == h.UID, nil
	}
	ns, name, _ := strings.Cut(u.GetAnnotations()[HolderAnnotation], "/")
	other := Holder{UID: uid, Key: types.NamespacedName{Namespace: ns, Name: name}}
	until, expires := expiry(u)
	there := expires && time.Now().Before(until)
	if !expires {
		if there, err = alive(ctx, other); err != nil {
			return false, err
		}
	}
	if !there {
		return false, nil
	}
	who := "experiment " + other.Key.String()
	if name == "" {
		who = "an experiment with UID " + uid
	}
	if expires {
		return false, experiment.Errorf(experiment.CodeConflict, "%s is held by %s, which runs outside of the cluster", at.about, who).
			WithHint("a route carries one experiment at a time; that claim ends in %s unless it is renewed", time.Until(until).Round(time.Second))
	}
	return false, experiment.Errorf(experiment.CodeConflict, "%s is held by %s", at.about, who).
		WithHint("a route carries one experiment at a time; wait until that one has ended, or delete it")
}

// expiry is until when a lease holds, where it is one that must be renewed.
func expiry(u *unstructured.Unstructured) (time.Time, bool) {
	seconds, _, _ := unstructured.NestedInt64(u.Object, "spec", "leaseDurationSeconds")
	renewed, _, _ := unstructured.NestedString(u.Object, "spec", "renewTime")
	at, err := time.Parse(metav1.RFC3339Micro, renewed)
	if seconds <= 0 || err != nil {
		return time.Time{}, false
	}
	return at.Add(time.Duration(seconds) * time.Second), true
}

// hold writes who holds a lease, since when, and for how long.
func hold(u *unstructured.Unstructured, at route, h Holder) {
	u.SetAnnotations(map[string]string{HolderAnnotation: h.Key.String(), RouteAnnotation: at.about})
	u.SetLabels(map[string]string{"app.kubernetes.io/managed-by": "headgate"})
	now := time.Now().UTC().Format(metav1.RFC3339Micro)
	spec := map[string]any{"holderIdentity": h.UID, "acquireTime": now}
	if h.For > 0 {
		if before, _, _ := unstructured.NestedString(u.Object, "spec", "holderIdentity"); before == h.UID {
			spec["acquireTime"], _, _ = unstructured.NestedString(u.Object, "spec", "acquireTime")
		}
		spec["renewTime"], spec["leaseDurationSeconds"] = now, int64(max(1, h.For/time.Second))
	}
	u.Object["spec"] = spec
}

func (c *Cluster) release(ctx context.Context, at route, h Holder) error {
	u := newLease(at.lease)
	err := c.lease(ctx, "get", at, func(ctx context.Context) error { return c.live.Get(ctx, at.lease, u) })
	if experiment.CodeOf(err) == experiment.CodeNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	if uid, _, _ := unstructured.NestedString(u.Object, "spec", "holderIdentity"); uid != h.UID {
		return nil
	}
	id, version := u.GetUID(), u.GetResourceVersion()
	err = c.lease(ctx, "delete", at, func(ctx context.Context) error {
		return c.live.Delete(ctx, u, client.Preconditions{UID: &id, ResourceVersion: &version})
	})
	switch experiment.CodeOf(err) {
	case experiment.CodeNotFound, experiment.CodeConflict: // Gone, or taken over: not held any more.
		return nil
	}
	return err
}
