// SPDX-License-Identifier: Apache-2.0

package test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
	routerkube "github.com/headgate-dev/headgate/internal/router/kube"
	"github.com/headgate-dev/headgate/test/servers"
)

// routeNS is where the routes of these tests lie.
const routeNS = "search"

// plainRouter writes each version's weight where it finds its host, in one
// VirtualService or several. It is as simple as a router can be: what is tested
// is how objects are written, not what.
type plainRouter struct {
	names []string
	owned []string
	kinds []string // VirtualService where it is empty.
	// also changes what was rendered.
	also func(objects []router.Object)
}

func (r plainRouter) Kind() experiment.RouterKind           { return experiment.RouterVirtualService }
func (r plainRouter) Capabilities() []experiment.Capability { return nil }

func (r plainRouter) Refs() []router.Ref {
	var refs []router.Ref
	for i, n := range r.names {
		kind := "VirtualService"
		if i < len(r.kinds) {
			kind = r.kinds[i]
		}
		refs = append(refs, router.Ref{
			Group: "networking.istio.io", Versions: []string{"v9", "v1", "v1beta1"}, Kind: kind, Namespace: routeNS, Name: n,
		})
	}
	return refs
}

func (r plainRouter) Owned(int) []string {
	if r.owned != nil {
		return r.owned
	}
	return []string{"/spec/http"}
}

// eachRoute calls do with every destination of an object.
func eachRoute(o router.Object, do func(version string, route map[string]any)) {
	http, _, _ := unstructured.NestedSlice(o, "spec", "http")
	for _, h := range http {
		routes, _ := h.(map[string]any)["route"].([]any)
		for _, e := range routes {
			route := e.(map[string]any)
			do(router.Text(route, "destination", "host"), route)
		}
	}
	if http != nil {
		o["spec"].(map[string]any)["http"] = http
	}
}

func (r plainRouter) Render(objects []router.Object, t router.Traffic) ([]router.Object, error) {
	out := make([]router.Object, len(objects))
	for i, o := range objects {
		out[i] = router.Copy(o)
		if o == nil {
			continue
		}
		eachRoute(out[i], func(host string, route map[string]any) {
			for v := range t.Versions {
				if t.Versions[v].Name == host {
					route["weight"] = int64(t.Shares[v] / 100)
				}
			}
		})
	}
	if r.also != nil {
		r.also(out)
	}
	return out, nil
}

func (r plainRouter) Read(objects []router.Object, t router.Traffic) (router.Seen, error) {
	seen := router.Seen{Asked: make(experiment.Shares, len(t.Versions)), Settled: true}
	for _, o := range objects {
		eachRoute(o, func(host string, route map[string]any) {
			for v := range t.Versions {
				if w, ok := router.Int(route["weight"]); ok && t.Versions[v].Name == host {
					seen.Asked[v] = experiment.Share(w * 100)
				}
			}
		})
	}
	return seen, nil
}

// share is the traffic of v1 and v2 with so much on v2.
func share(percent int) router.Traffic {
	return router.Traffic{
		Experiment: "search/ranker", Versions: []experiment.Version{{Name: "v1"}, {Name: "v2"}},
		Shares: experiment.Shares{experiment.Whole - experiment.Share(percent*100), experiment.Share(percent * 100)},
	}
}

func killed() router.Traffic {
	t := share(0)
	t.Over = true
	return t
}

// routes is the cluster of these tests.
type routes struct {
	*servers.Cluster
	admin client.WithWatch
}

func (c *routes) as(t *testing.T, config *rest.Config) client.WithWatch {
	t.Helper()
	cl, err := client.NewWithWatch(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

func (c *routes) kube(cl client.Client) *routerkube.Cluster {
	return routerkube.New(cl, cl, routerkube.Options{})
}

// hostile is what a route may hold that is nobody's business but its owner's,
// and that must come through unharmed, in JSON's worst letters.
const hostile = "a<b>&c\u2028 \"\\ ü🙂"

// create makes a VirtualService with v1 and v2, or with only one of them.
func (c *routes) create(t *testing.T, name string, weights map[string]int64) {
	t.Helper()
	var list []any
	for _, v := range []string{"v1", "v2"} {
		if w, ok := weights[v]; ok {
			list = append(list, map[string]any{"destination": map[string]any{"host": v, "port": map[string]any{"number": int64(80)}}, "weight": w})
		}
	}
	u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"hosts": []any{"ranker"},
		"http": []any{map[string]any{
			"name": "primary", "route": list, "timeout": "3s",
			"match":            []any{map[string]any{"uri": map[string]any{"regex": hostile}}},
			"mirror":           map[string]any{"host": "elsewhere"},
			"mirrorPercentage": map[string]any{"value": 12.345},
		}},
	}}}
	u.SetGroupVersionKind(schema.GroupVersionKind{Group: "networking.istio.io", Version: "v1", Kind: "VirtualService"})
	u.SetNamespace(routeNS)
	u.SetName(name)
	if err := c.admin.Create(t.Context(), u, client.FieldOwner("team")); err != nil {
		t.Fatal(err)
	}
}

func (c *routes) get(t *testing.T, name string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(schema.GroupVersionKind{Group: "networking.istio.io", Version: "v1", Kind: "VirtualService"})
	if err := c.admin.Get(t.Context(), types.NamespacedName{Namespace: routeNS, Name: name}, u); err != nil {
		t.Fatal(err)
	}
	return u
}

// change writes a route as another tool.
func (c *routes) change(ctx context.Context, name, manager string, do func(u *unstructured.Unstructured)) error {
	for {
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(schema.GroupVersionKind{Group: "networking.istio.io", Version: "v1", Kind: "VirtualService"})
		if err := c.admin.Get(ctx, types.NamespacedName{Namespace: routeNS, Name: name}, u); err != nil {
			return err
		}
		do(u)
		if err := c.admin.Update(ctx, u, client.FieldOwner(manager)); !apierrors.IsConflict(err) {
			return err
		}
	}
}

// reweigh sets the weights of a route as another tool would.
func reweigh(v1, v2 int64) func(u *unstructured.Unstructured) {
	return func(u *unstructured.Unstructured) {
		eachRoute(u.Object, func(host string, route map[string]any) {
			route["weight"] = map[string]int64{"v1": v1, "v2": v2}[host]
		})
	}
}

func (c *routes) wantWeights(t *testing.T, name string, v1, v2 int64) {
	t.Helper()
	got := map[string]int64{}
	eachRoute(c.get(t, name).Object, func(host string, route map[string]any) { got[host], _ = router.Int(route["weight"]) })
	if got["v1"] != v1 || got["v2"] != v2 {
		t.Errorf("%s has the weights %v, want %d and %d", name, got, v1, v2)
	}
}

func wantCode(t *testing.T, doing string, err error, want experiment.Code, words ...string) {
	t.Helper()
	if experiment.CodeOf(err) != want {
		t.Errorf("%s: error = %v (%q, hint %q), want %q", doing, err, experiment.CodeOf(err), experiment.HintOf(err), want)
		return
	}
	for _, w := range words {
		if text := fmt.Sprint(err) + " | " + experiment.HintOf(err); !strings.Contains(text, w) {
			t.Errorf("%s: %q does not say %q", doing, text, w)
		}
	}
}

// disturbed is a client whose patches are preceded by somebody else's write, so
// many times.
func (c *routes) disturbed(name string, times int64) (client.Client, *atomic.Int64) {
	patches := &atomic.Int64{}
	return interceptor.NewClient(c.admin, interceptor.Funcs{
		Patch: func(ctx context.Context, cl client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			if n := patches.Add(1); n <= times {
				err := c.change(ctx, name, "argocd-controller", func(u *unstructured.Unstructured) {
					reweigh(50, 50)(u)
					http, _, _ := unstructured.NestedSlice(u.Object, "spec", "http")
					http[0].(map[string]any)["timeout"] = fmt.Sprintf("%ds", n)
					u.Object["spec"].(map[string]any)["http"] = http
				})
				if err != nil {
					return err
				}
			}
			return cl.Patch(ctx, obj, patch, opts...)
		},
	}), patches
}

// TestKubeRoutes writes routes through a real API server, with Istio's own
// definition of a VirtualService.
func TestKubeRoutes(t *testing.T) {
	cluster := servers.APIServer(t)
	cluster.Install(t, servers.IstioCRDs(t, "virtualservices.networking.istio.io")...)
	cluster.Namespace(t, routeNS)
	c := &routes{Cluster: cluster}
	c.admin = c.as(t, cluster.Config)
	for _, tc := range []struct {
		name string
		test func(*testing.T, *routes)
	}{
		{"what is asked is written once and nothing else is touched", routesWrite},
		{"a write in between is a conflict when shares rise", routesConflict},
		{"the way back gets through a contested object", routesWayBack},
		{"the way back believes no stale cache", routesStale},
		{"the object that gains is written before the one that loses", routesOrder},
		{"the way back goes on past an absent object", routesAbsent},
		{"a missing right is named with its rule", routesRights},
		{"a rehearsal changes nothing and finds what admission refuses", routesRehearsal},
		{"what the cluster does not keep is not written again and again", routesKept},
		{"an annotation that is not there yet is owned too", routesAnnotation},
		{"a kind that is not served and an object that is absent are told apart", routesMissing},
		{"what was there before is put back where it still is", routesRestore},
		{"who wrote a contested route is named", routesDrift},
		{"a route is held by one experiment at a time", routesLease},
		{"of many claimers one holds all routes", routesLeaseRace},
		{"a server that does not answer is unavailable within the deadline", routesTimeout},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.test(t, c) })
	}
}

func routesWrite(t *testing.T, c *routes) {
	c.create(t, "write", map[string]int64{"v1": 100, "v2": 0})
	before := c.get(t, "write")
	k, r := c.kube(c.admin), plainRouter{names: []string{"write"}}
	res, err := k.Apply(t.Context(), r, share(10))
	wantCode(t, "apply", err, "")
	if len(res.Written) != 1 || res.Written[0].Generation != before.GetGeneration()+1 {
		t.Fatalf("result %+v, want one write and the next generation", res.Written)
	}
	c.wantWeights(t, "write", 90, 10)
	after := c.get(t, "write")
	if err := k.Rehearse(t.Context(), r, killed()); err != nil {
		t.Error(err)
	}
	res, err = k.Apply(t.Context(), r, share(10))
	wantCode(t, "apply again", err, "")
	if len(res.Written) != 0 || c.get(t, "write").GetResourceVersion() != after.GetResourceVersion() {
		t.Errorf("what was there already was written again: %+v", res.Written)
	}
	// All but the weights is as it was.
	reweigh(100, 0)(after)
	if diff := cmp.Diff(before.Object["spec"], after.Object["spec"]); diff != "" {
		t.Errorf("more was changed than asked for (-before +after):\n%s", diff)
	}
	seen, objects, err := k.Read(t.Context(), r, share(10))
	wantCode(t, "read", err, "")
	if seen.Asked.String() != "90%/10%" {
		t.Errorf("read %s", seen.Asked)
	}
	if got := routerkube.Writers(objects[0], []string{"/spec/http/0/route/0/weight"}); len(got) == 0 || got[0] != routerkube.FieldManager {
		t.Errorf("writers %q, want %s first", got, routerkube.FieldManager)
	}
	targets, err := k.Targets(t.Context(), r)
	wantCode(t, "targets", err, "")
	if got := targets[0].String() + " " + targets[0].Kind.Version + " " + targets[0].Resource.Resource; got != "VirtualService search/write v1 virtualservices" {
		t.Errorf("target %s", got)
	}
}

func routesConflict(t *testing.T, c *routes) {
	c.create(t, "conflict", map[string]int64{"v1": 90, "v2": 10})
	cl, patches := c.disturbed("conflict", 1)
	_, err := c.kube(cl).Apply(t.Context(), plainRouter{names: []string{"conflict"}}, share(20))
	wantCode(t, "raise", err, experiment.CodeConflict, "conflict")
	if patches.Load() != 1 {
		t.Errorf("%d patches: a share that rises is not to be tried again", patches.Load())
	}
	c.wantWeights(t, "conflict", 50, 50)
}

func routesWayBack(t *testing.T, c *routes) {
	c.create(t, "back", map[string]int64{"v1": 90, "v2": 10})
	cl, patches := c.disturbed("back", 4)
	res, err := c.kube(cl).Apply(t.Context(), plainRouter{names: []string{"back"}}, killed())
	wantCode(t, "kill", err, "")
	if patches.Load() != 5 || len(res.Written) != 1 {
		t.Errorf("%d patches, %d written; want 5 and 1", patches.Load(), len(res.Written))
	}
	c.wantWeights(t, "back", 100, 0)
	if http, _, _ := unstructured.NestedSlice(c.get(t, "back").Object, "spec", "http"); http[0].(map[string]any)["timeout"] != "4s" {
		t.Errorf("the other's change was lost: %v", http[0])
	}
	cl, patches = c.disturbed("back", 1000)
	_, err = c.kube(cl).Apply(t.Context(), plainRouter{names: []string{"back"}}, killed())
	if err != nil || patches.Load() != 0 {
		t.Errorf("%d patches of what was there already, %v", patches.Load(), err)
	}
	if err := c.change(t.Context(), "back", "x", reweigh(90, 10)); err != nil {
		t.Fatal(err)
	}
	_, err = c.kube(cl).Apply(t.Context(), plainRouter{names: []string{"back"}}, killed())
	wantCode(t, "kill of what never rests", err, experiment.CodeConflict)
	if n := patches.Load(); n < 3 || n > 20 {
		t.Errorf("%d patches: want a bounded number", n)
	}
}

func routesStale(t *testing.T, c *routes) {
	c.create(t, "stale", map[string]int64{"v1": 100, "v2": 0})
	old := c.get(t, "stale")
	stale := interceptor.NewClient(c.admin, interceptor.Funcs{
		Get: func(_ context.Context, _ client.WithWatch, _ client.ObjectKey, obj client.Object, _ ...client.GetOption) error {
			obj.(*unstructured.Unstructured).Object = old.DeepCopy().Object
			return nil
		},
	})
	if err := c.change(t.Context(), "stale", "x", reweigh(50, 50)); err != nil {
		t.Fatal(err)
	}
	k := routerkube.New(stale, c.admin, routerkube.Options{})
	_, err := k.Apply(t.Context(), plainRouter{names: []string{"stale"}}, share(10))
	wantCode(t, "raise on a stale cache", err, experiment.CodeConflict)
	c.wantWeights(t, "stale", 50, 50)
	_, err = k.Apply(t.Context(), plainRouter{names: []string{"stale"}}, killed())
	wantCode(t, "kill on a stale cache", err, "")
	c.wantWeights(t, "stale", 100, 0)
}

func routesOrder(t *testing.T, c *routes) {
	c.create(t, "order-a", map[string]int64{"v2": 0})
	c.create(t, "order-b", map[string]int64{"v1": 100})
	k, r := c.kube(c.admin), plainRouter{names: []string{"order-a", "order-b"}}
	for _, tc := range []struct {
		traffic router.Traffic
		first   int
	}{{share(10), 0}, {share(60), 0}, {share(20), 1}, {killed(), 1}} {
		res, err := k.Apply(t.Context(), r, tc.traffic)
		wantCode(t, "apply", err, "")
		if len(res.Written) != 2 || res.Written[0].Object != tc.first {
			t.Errorf("%s: written %+v, want object %d first", tc.traffic.Shares, res.Written, tc.first)
		}
	}
}

func routesAbsent(t *testing.T, c *routes) {
	c.create(t, "there", map[string]int64{"v1": 90, "v2": 10})
	k, r := c.kube(c.admin), plainRouter{names: []string{"not-there", "there"}}
	_, err := k.Apply(t.Context(), r, share(20))
	wantCode(t, "raise", err, experiment.CodeNotFound, "search/not-there", "create")
	c.wantWeights(t, "there", 90, 10)
	res, err := k.Apply(t.Context(), r, killed())
	wantCode(t, "kill", err, experiment.CodeNotFound, "search/not-there")
	if len(res.Written) != 1 || res.Objects[0] != nil {
		t.Errorf("result %+v", res.Written)
	}
	c.wantWeights(t, "there", 100, 0)
	if err := c.change(t.Context(), "there", "x", reweigh(90, 10)); err != nil {
		t.Fatal(err)
	}
	r.kinds = []string{"Unheard"}
	_, err = k.Apply(t.Context(), r, share(20))
	wantCode(t, "raise with a kind that is not served", err, experiment.CodeInvalid, "Unheard")
	_, err = k.Apply(t.Context(), r, killed())
	wantCode(t, "kill with a kind that is not served", err, experiment.CodeInvalid, "Unheard")
	c.wantWeights(t, "there", 100, 0)
}

// role gives a service account rights in the namespace and a client.
func (c *routes) role(t *testing.T, name string, verbs ...string) client.WithWatch {
	t.Helper()
	config := c.ServiceAccount(t, routeNS, name)
	if len(verbs) > 0 {
		for _, o := range []client.Object{
			&rbacv1.Role{
				ObjectMeta: metav1.ObjectMeta{Namespace: routeNS, Name: name},
				Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"networking.istio.io"}, Resources: []string{"virtualservices"}, Verbs: verbs}},
			},
			&rbacv1.RoleBinding{
				ObjectMeta: metav1.ObjectMeta{Namespace: routeNS, Name: name},
				Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: routeNS, Name: name}},
				RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
			},
		} {
			if err := c.admin.Create(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		}
	}
	return c.as(t, config)
}

// settled waits for what the authorizer learns by a watch of its own.
func settled(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not in time: " + what)
		}
	}
}

func routesRights(t *testing.T, c *routes) {
	c.create(t, "rights", map[string]int64{"v1": 90, "v2": 10})
	r := plainRouter{names: []string{"rights"}}
	none := c.kube(c.role(t, "none"))
	_, err := none.Apply(t.Context(), r, share(20))
	wantCode(t, "apply without rights", err, experiment.CodeInvalid, `apiGroups: ["networking.istio.io"]`, `resources: ["virtualservices"]`, `verbs: ["get"]`, "namespace search")
	reader := c.kube(c.role(t, "reader", "get"))
	settled(t, "the reader's role", func() bool { _, err := reader.Objects(t.Context(), r); return err == nil })
	for doing, try := range map[string]func() error{
		"raise":    func() error { _, err := reader.Apply(t.Context(), r, share(20)); return err },
		"kill":     func() error { _, err := reader.Apply(t.Context(), r, killed()); return err },
		"rehearse": func() error { return reader.Rehearse(t.Context(), r, killed()) },
		"claim": func() error {
			return reader.Claim(t.Context(), r, routerkube.Holder{UID: "u"}, nil)
		},
	} {
		verb := `verbs: ["patch"]`
		if doing == "claim" {
			verb = `resources: ["leases"], verbs: ["get"]`
		}
		wantCode(t, doing, try(), experiment.CodeInvalid, verb)
	}
	writer := c.kube(c.role(t, "writer", "get", "patch"))
	settled(t, "the writer's role", func() bool { return writer.Rehearse(t.Context(), r, killed()) == nil })
	_, err = writer.Apply(t.Context(), r, killed())
	wantCode(t, "kill with rights", err, "")
	c.wantWeights(t, "rights", 100, 0)
	stranger := rest.AnonymousClientConfig(c.Config)
	stranger.BearerToken = "nonsense"
	// Discovery fails before anything else: the mapper is a stranger too.
	_, err = c.kube(c.as(t, stranger)).Apply(t.Context(), r, killed())
	wantCode(t, "kill by a stranger", err, experiment.CodeUnauthorized)
	if strings.Contains(fmt.Sprint(err), "nonsense") {
		t.Error("the token is in the error")
	}
}

func routesRehearsal(t *testing.T, c *routes) {
	c.create(t, "rehearsal", map[string]int64{"v1": 90, "v2": 10})
	k, r := c.kube(c.admin), plainRouter{names: []string{"rehearsal"}}
	before := c.get(t, "rehearsal").GetResourceVersion()
	wantCode(t, "rehearse", k.Rehearse(t.Context(), r, killed()), "")
	policy := []client.Object{&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
		"metadata": map[string]any{"name": "frozen"},
		"spec": map[string]any{
			"failurePolicy": "Fail",
			"matchConstraints": map[string]any{"resourceRules": []any{map[string]any{
				"apiGroups": []any{"networking.istio.io"}, "apiVersions": []any{"*"}, "operations": []any{"UPDATE"}, "resources": []any{"virtualservices"},
			}}},
			"validations": []any{map[string]any{"expression": `object.metadata.name != "rehearsal"`, "message": "the routes are frozen until Monday"}},
		},
	}}, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
		"metadata": map[string]any{"name": "frozen"},
		"spec":     map[string]any{"policyName": "frozen", "validationActions": []any{"Deny"}},
	}}}
	for _, o := range policy {
		if err := c.admin.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	defer func() {
		for _, o := range policy {
			if err := c.admin.Delete(t.Context(), o); err != nil {
				t.Error(err)
			}
		}
	}()
	settled(t, "the policy", func() bool { return k.Rehearse(t.Context(), r, killed()) != nil })
	// A refusal by policy is 422 as a failed test of a patch is, and no conflict.
	wantCode(t, "rehearse what is frozen", k.Rehearse(t.Context(), r, killed()), experiment.CodeInvalid, "frozen until Monday")
	_, err := k.Apply(t.Context(), r, share(20))
	wantCode(t, "raise what is frozen", err, experiment.CodeInvalid, "frozen until Monday")
	// Also where there is nothing to change, as before the first share.
	wantCode(t, "rehearse what is so already", k.Rehearse(t.Context(), r, share(10)), experiment.CodeInvalid, "frozen until Monday")
	if got := c.get(t, "rehearsal").GetResourceVersion(); got != before {
		t.Errorf("version %s, was %s: a rehearsal changed something", got, before)
	}
}

func routesKept(t *testing.T, c *routes) {
	c.create(t, "kept", map[string]int64{"v1": 90, "v2": 10})
	r := plainRouter{names: []string{"kept"}, also: func(objects []router.Object) {
		http, _, _ := unstructured.NestedSlice(objects[0], "spec", "http")
		http[0].(map[string]any)["fromTheFuture"] = map[string]any{"host": "v2"}
		objects[0]["spec"].(map[string]any)["http"] = http
	}}
	_, err := c.kube(c.admin).Apply(t.Context(), r, share(20))
	wantCode(t, "a field that the CRD does not know", err, experiment.CodeInvalid, "VirtualService search/kept at /spec/http", "too old")
	r.also = func(objects []router.Object) {
		eachRoute(objects[0], func(_ string, route map[string]any) { route["weight"] = "much" })
	}
	_, err = c.kube(c.admin).Apply(t.Context(), r, share(20))
	wantCode(t, "a value that the CRD refuses", err, experiment.CodeInvalid, "weight")
	r.also = func(objects []router.Object) { objects[0]["spec"].(map[string]any)["hosts"] = []any{"stolen"} }
	_, err = c.kube(c.admin).Apply(t.Context(), r, share(30))
	wantCode(t, "a router that takes what it does not own", err, experiment.CodeInternal, "/spec/http")
}

func routesAnnotation(t *testing.T, c *routes) {
	c.create(t, "annotated", map[string]int64{"v1": 90, "v2": 10})
	set := func(value string) plainRouter {
		return plainRouter{names: []string{"annotated"}, owned: []string{"/metadata/annotations/example.org~1weight", "/spec/http/0/route/1/weight"}, also: func(objects []router.Object) {
			eachRoute(objects[0], func(host string, route map[string]any) {
				if host == "v1" {
					route["weight"] = int64(90)
				}
			})
			u := unstructured.Unstructured{Object: objects[0]}
			all := u.GetAnnotations()
			if all == nil {
				all = map[string]string{}
			}
			all["example.org/weight"] = value
			u.SetAnnotations(all)
		}}
	}
	k := c.kube(c.admin)
	for _, value := range []string{"500m", "600m", "600m"} {
		_, err := k.Apply(t.Context(), set(value), share(20))
		wantCode(t, "annotate "+value, err, "")
		if got := c.get(t, "annotated").GetAnnotations()["example.org/weight"]; got != value {
			t.Errorf("annotation %q, want %q", got, value)
		}
	}
	c.wantWeights(t, "annotated", 90, 20)
	// Somebody puts a rule in front: the index now means another rule.
	cl := interceptor.NewClient(c.admin, interceptor.Funcs{
		Patch: func(ctx context.Context, cl client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			if err := c.change(ctx, "annotated", "x", func(u *unstructured.Unstructured) {
				http, _, _ := unstructured.NestedSlice(u.Object, "spec", "http")
				twin := router.Copy(http[0]).(map[string]any)
				twin["name"] = "in-front"
				u.Object["spec"].(map[string]any)["http"] = append([]any{twin}, http...)
			}); err != nil {
				return err
			}
			return cl.Patch(ctx, obj, patch, opts...)
		},
	})
	_, err := c.kube(cl).Apply(t.Context(), set("600m"), share(30))
	wantCode(t, "write at an index that means another rule", err, experiment.CodeConflict)
}

func routesMissing(t *testing.T, c *routes) {
	k := c.kube(c.admin)
	_, err := k.Resolve(t.Context(), router.Ref{Group: "networking.istio.io", Versions: []string{"v7"}, Kind: "VirtualServant", Namespace: routeNS, Name: "x"})
	wantCode(t, "kind of a known group", err, experiment.CodeInvalid, "VirtualServant.networking.istio.io", "v7", "CRD")
	_, err = k.Resolve(t.Context(), router.Ref{Group: "gateway.networking.k8s.io", Versions: []string{"v1"}, Kind: "HTTPRoute", Namespace: routeNS, Name: "x"})
	wantCode(t, "kind of an unknown group", err, experiment.CodeInvalid, "HTTPRoute.gateway.networking.k8s.io", "CRD")
	_, err = k.Resolve(t.Context(), router.Ref{Group: "networking.istio.io", Versions: []string{"v1"}, Kind: "VirtualService", Name: "x"})
	wantCode(t, "no namespace", err, experiment.CodeInvalid, "namespace")
	_, _, err = k.Read(t.Context(), plainRouter{names: []string{"nowhere"}}, share(10))
	wantCode(t, "absent object", err, experiment.CodeNotFound, "search/nowhere", "correct its name")

	// A definition that goes away and comes back needs no restart.
	crds := servers.GatewayAPICRDs(t, "httproutes.gateway.networking.k8s.io")
	ref := router.Ref{Group: "gateway.networking.k8s.io", Versions: []string{"v1"}, Kind: "HTTPRoute", Namespace: routeNS, Name: "x"}
	c.Install(t, crds...)
	_, err = k.Resolve(t.Context(), ref)
	wantCode(t, "kind installed meanwhile", err, "")
}

func routesRestore(t *testing.T, c *routes) {
	for _, n := range []string{"restore-a", "restore-b", "restore-c", "restore-d"} {
		c.create(t, n, map[string]int64{"v1": 70, "v2": 30})
	}
	k := c.kube(c.admin)
	whole := plainRouter{names: []string{"restore-a", "restore-b"}}
	places := plainRouter{names: []string{"restore-c", "restore-d"}, owned: []string{"/spec/http/0/route/0/weight", "/spec/http/0/route/1/weight"}}
	original := func(r plainRouter) []byte {
		objects, err := k.Objects(t.Context(), r)
		wantCode(t, "read", err, "")
		text, err := routerkube.Original(r, objects)
		wantCode(t, "original", err, "")
		return text
	}
	first, second := original(whole), original(places)
	for _, r := range []plainRouter{whole, places} {
		_, err := k.Apply(t.Context(), r, killed())
		wantCode(t, "kill", err, "")
	}
	if err := c.admin.Delete(t.Context(), c.get(t, "restore-b")); err != nil {
		t.Fatal(err)
	}
	if err := c.change(t.Context(), "restore-d", "x", func(u *unstructured.Unstructured) {
		http, _, _ := unstructured.NestedSlice(u.Object, "spec", "http")
		http[0].(map[string]any)["name"] = "another"
		u.Object["spec"].(map[string]any)["http"] = http
	}); err != nil {
		t.Fatal(err)
	}
	res, left, err := k.Restore(t.Context(), whole, first)
	wantCode(t, "restore", err, "")
	if len(res.Written) != 1 || len(left) != 1 || !strings.Contains(left[0], "restore-b") {
		t.Errorf("written %+v, left %q", res.Written, left)
	}
	c.wantWeights(t, "restore-a", 70, 30)
	res, left, err = k.Restore(t.Context(), places, second)
	wantCode(t, "restore places", err, "")
	if len(res.Written) != 1 || len(left) != 2 || !strings.Contains(left[0], "restore-d") {
		t.Errorf("written %+v, left %q", res.Written, left)
	}
	c.wantWeights(t, "restore-c", 70, 30)
	c.wantWeights(t, "restore-d", 100, 0)
	res, _, err = k.Restore(t.Context(), whole, first)
	if err != nil || len(res.Written) != 0 {
		t.Errorf("restored twice: %+v, %v", res.Written, err)
	}
}

func routesDrift(t *testing.T, c *routes) {
	c.create(t, "drift", map[string]int64{"v1": 100, "v2": 0})
	k, r := c.kube(c.admin), plainRouter{names: []string{"drift"}}
	res, err := k.Apply(t.Context(), r, share(10))
	wantCode(t, "apply", err, "")
	if d, err := routerkube.Drift(r, res.Objects, share(10)); err != nil || d != nil {
		t.Errorf("drift %+v, %v of what was just written", d, err)
	}
	if err := c.change(t.Context(), "drift", "argocd-controller", reweigh(100, 0)); err != nil {
		t.Fatal(err)
	}
	_, objects, err := k.Read(t.Context(), r, share(10))
	wantCode(t, "read", err, "")
	d, err := routerkube.Drift(r, objects, share(10))
	wantCode(t, "drift", err, "")
	want := []routerkube.Difference{{Object: 0, Pointers: []string{"/spec/http"}, Writers: []string{"argocd-controller"}}}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("drift (-want +got):\n%s", diff)
	}
}

// holders are experiments of a test; one is alive while it is in the map.
type holders struct {
	mu sync.Mutex
	is map[string]bool
}

func (h *holders) alive(_ context.Context, who routerkube.Holder) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if who.UID == "unknown" {
		return false, errors.New("nobody knows")
	}
	return h.is[who.UID], nil
}

func holderOf(uid string) routerkube.Holder {
	return routerkube.Holder{UID: uid, Key: types.NamespacedName{Namespace: "search", Name: "exp-" + uid}}
}

func routesLease(t *testing.T, c *routes) {
	for _, n := range []string{"lease-a", "lease-b"} {
		c.create(t, n, map[string]int64{"v1": 100, "v2": 0})
	}
	k := c.kube(c.admin)
	both, one := plainRouter{names: []string{"lease-a", "lease-b"}}, plainRouter{names: []string{"lease-b"}, owned: []string{"/spec/http/3/route/0/weight"}}
	h := &holders{is: map[string]bool{"1": true, "2": true}}
	wantCode(t, "claim", k.Claim(t.Context(), both, holderOf("1"), h.alive), "")
	wantCode(t, "claim again", k.Claim(t.Context(), both, holderOf("1"), h.alive), "")
	wantCode(t, "claim what is held", k.Claim(t.Context(), one, holderOf("2"), h.alive), experiment.CodeConflict, "VirtualService search/lease-b /spec/http", "search/exp-1")
	wantCode(t, "release what another holds", k.Release(t.Context(), one, holderOf("2")), "")
	wantCode(t, "claim what is still held", k.Claim(t.Context(), one, holderOf("2"), h.alive), experiment.CodeConflict)
	delete(h.is, "1")
	wantCode(t, "claim of one that is gone", k.Claim(t.Context(), one, holderOf("2"), h.alive), "")
	// Of two routes one is held: none is taken.
	h.is["3"] = true
	wantCode(t, "release", k.Release(t.Context(), both, holderOf("1")), "")
	wantCode(t, "claim both", k.Claim(t.Context(), both, holderOf("3"), h.alive), experiment.CodeConflict, "search/exp-2")
	h.is["4"] = true
	wantCode(t, "claim the free one", k.Claim(t.Context(), plainRouter{names: []string{"lease-a"}}, holderOf("4"), h.alive), "")
	wantCode(t, "release", k.Release(t.Context(), both, holderOf("4")), "")
	wantCode(t, "release", k.Release(t.Context(), both, holderOf("2")), "")
	wantCode(t, "claim what was released", k.Claim(t.Context(), both, holderOf("3"), h.alive), "")
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(schema.GroupVersionKind{Group: "coordination.k8s.io", Version: "v1", Kind: "LeaseList"})
	if err := c.admin.List(t.Context(), list, client.InNamespace(routeNS)); err != nil || len(list.Items) != 2 {
		t.Errorf("%d leases, %v", len(list.Items), err)
	}
	wantCode(t, "release", k.Release(t.Context(), both, holderOf("3")), "")
	wantCode(t, "claim by unknown", k.Claim(t.Context(), both, holderOf("unknown"), h.alive), "")
	if err := k.Claim(t.Context(), both, holderOf("3"), h.alive); err == nil || !strings.Contains(err.Error(), "nobody knows") {
		t.Errorf("claim where nobody knows of the holder: %v", err)
	}
	wantCode(t, "release", k.Release(t.Context(), both, holderOf("unknown")), "")
	wantCode(t, "claim without a UID", k.Claim(t.Context(), both, routerkube.Holder{}, h.alive), experiment.CodeInvalid)
}

func routesLeaseRace(t *testing.T, c *routes) {
	k := c.kube(c.admin)
	h := &holders{is: map[string]bool{}}
	var won []string
	for round := range 5 {
		r := plainRouter{names: []string{fmt.Sprintf("race-a%d", round), fmt.Sprintf("race-b%d", round)}}
		for i := range 8 {
			h.is[fmt.Sprint(i)] = true
		}
		h.is["dead"] = round%2 == 0
		won = nil
		if round%2 == 1 {
			wantCode(t, "claim", k.Claim(t.Context(), r, holderOf("dead"), h.alive), "")
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		for i := range 8 {
			wg.Go(func() {
				err := k.Claim(t.Context(), r, holderOf(fmt.Sprint(i)), h.alive)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won = append(won, fmt.Sprint(i))
				} else {
					wantCode(t, "lost", err, experiment.CodeConflict)
				}
			})
		}
		wg.Wait()
		if len(won) != 1 {
			t.Errorf("round %d: %q hold the routes, want one", round, won)
		}
		if err := k.Claim(t.Context(), r, holderOf("late"), h.alive); len(won) == 1 && !strings.Contains(fmt.Sprint(err), "exp-"+won[0]) {
			t.Errorf("round %d: %v, want the holder exp-%s", round, err, won[0])
		}
	}
}

func routesTimeout(t *testing.T, c *routes) {
	c.create(t, "slow", map[string]int64{"v1": 90, "v2": 10})
	r := plainRouter{names: []string{"slow"}}
	k := routerkube.New(c.admin, c.admin, routerkube.Options{Timeout: 300 * time.Millisecond})
	settled(t, "an answer in so little time", func() bool { _, err := k.Targets(t.Context(), r); return err == nil })
	unasked := routerkube.New(c.admin, c.as(t, c.Config), routerkube.Options{Timeout: 300 * time.Millisecond})
	c.Pause(t)
	defer c.Resume()
	for doing, try := range map[string]func() error{
		"raise":              func() error { _, err := k.Apply(t.Context(), r, share(20)); return err },
		"kill":               func() error { _, err := k.Apply(t.Context(), r, killed()); return err },
		"claim":              func() error { return k.Claim(t.Context(), r, holderOf("1"), nil) },
		"kill, undiscovered": func() error { _, err := unasked.Apply(t.Context(), r, killed()); return err },
	} {
		start := time.Now()
		wantCode(t, doing, try(), experiment.CodeUnavailable)
		if took := time.Since(start); took > 15*time.Second {
			t.Errorf("%s took %s", doing, took)
		}
	}
	c.Resume()
	c.wantWeights(t, "slow", 90, 10)
	c.Down()
	_, err := k.Apply(t.Context(), r, killed())
	wantCode(t, "kill of a server that is down", err, experiment.CodeUnavailable)
	if err := c.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = c.kube(c.admin).Apply(t.Context(), r, killed()) // One that has just started is given time.
	wantCode(t, "kill once it is up", err, "")
	c.wantWeights(t, "slow", 100, 0)
}
