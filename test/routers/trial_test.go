// SPDX-License-Identifier: Apache-2.0

package routers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
	routerkube "github.com/headgate-dev/headgate/internal/router/kube"
	"github.com/headgate-dev/headgate/internal/router/routertest"
	"github.com/headgate-dev/headgate/test/servers"
)

// result is what a step of a case must give, as the routers' golden files say.
type result struct {
	Error   string           `json:"error"`
	Hint    string           `json:"hint"`
	Owned   []map[string]any `json:"owned"`
	Asked   string           `json:"asked"`
	Serving string           `json:"serving"`
	Waits   string           `json:"waits"`
}

// results are the results of a router's cases by their names, FILE/NAME.
func results(t *testing.T, k kind) map[string][]result {
	t.Helper()
	files, err := fs.Glob(k.dir(), "*.out.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no results of %s: %v", k.name, err)
	}
	out := make(map[string][]result)
	for _, file := range files {
		text, err := fs.ReadFile(k.dir(), file)
		if err != nil {
			t.Fatal(err)
		}
		var byName map[string][]result
		if err := yaml.UnmarshalStrict(text, &byName); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for name, steps := range byName {
			out[strings.TrimSuffix(file, ".out.yaml")+"/"+name] = steps
		}
	}
	return out
}

// trial is one case on one server.
type trial struct {
	c      *servers.Cluster
	kind   kind
	one    *routertest.Case
	golden []result
	// refusal is a part of what the server says of objects that it does not
	// take; empty is that it takes them.
	refusal string

	r       router.Router
	kube    *routerkube.Cluster
	objects []*unstructured.Unstructured // As they were created or last read.
}

func (tr *trial) run(t *testing.T) {
	var err error
	if tr.r, err = tr.kind.make(&tr.one.Plan); err != nil {
		tr.wantRefused(t, 0, err)
		return
	}
	tr.kube = routerkube.New(tr.c.Client, tr.c.Client, routerkube.Options{})
	if !tr.create(t) {
		return
	}
	steps := tr.one.Steps
	for i := range steps {
		if steps[i].Edit != nil {
			tr.edit(t, i)
		}
		tr.step(t, i, steps[i].Traffic(&tr.one.Plan))
		if t.Failed() {
			return
		}
	}
	if !steps[len(steps)-1].Kill {
		tr.kill(t)
	}
}

// create makes the case's objects, with nothing in them that their definitions
// do not know, and reports whether there is something to go on with.
func (tr *trial) create(t *testing.T) bool {
	for i, o := range tr.one.Objects {
		u := &unstructured.Unstructured{Object: router.Copy(map[string]any(o))}
		if u.GetNamespace() == "" {
			u.SetNamespace(tr.one.Plan.Namespace)
		}
		delete(u.Object, "status")
		err := tr.c.Client.Create(t.Context(), u, client.FieldValidation("Strict"))
		switch {
		case err != nil && tr.refusal != "" && strings.Contains(err.Error(), tr.refusal):
			return false
		case err != nil:
			t.Fatalf("create what the case gives: %v", err)
		}
		t.Cleanup(func() {
			if err := tr.c.Client.Delete(context.WithoutCancel(t.Context()), u); err != nil {
				t.Error(err)
			}
		})
		tr.objects = append(tr.objects, u)
		tr.status(t, i)
	}
	if tr.refusal != "" {
		t.Errorf("the server takes what it was to refuse with %q", tr.refusal)
	}
	return true
}

// edit puts the objects of step i in place, as somebody else would.
func (tr *trial) edit(t *testing.T, i int) {
	for n, raw := range tr.one.Steps[i].Edit {
		o, err := router.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		tr.objects[n].Object["spec"] = o["spec"]
		if err := tr.c.Client.Update(t.Context(), tr.objects[n], client.FieldValidation("Strict")); err != nil {
			t.Fatal(err)
		}
		tr.status(t, n)
	}
}

// step writes the traffic of step i twice and compares.
func (tr *trial) step(t *testing.T, i int, traffic router.Traffic) {
	before := tr.objects
	res, err := tr.kube.Apply(t.Context(), tr.r, traffic)
	tr.read(t)
	if err != nil {
		tr.wantRefused(t, i, err)
		for n := range before {
			if is, was := tr.objects[n].GetResourceVersion(), before[n].GetResourceVersion(); is != was {
				t.Errorf("step %d: object %d was written all the same", i, n)
			}
		}
		return
	}
	want := tr.golden[i]
	if want.Error != "" {
		t.Fatalf("step %d: written, want the refusal %q", i, want.Error)
	}
	for n, owned := range want.Owned {
		tr.wantOwned(t, i, n, before[n], owned)
	}
	for _, w := range res.Written {
		if !slices.Contains(tr.r.Refs()[w.Object].Versions, w.Target.Kind.Version) {
			t.Errorf("step %d: written as %s", i, w.Target.Kind)
		}
	}
	for n := range tr.objects {
		tr.status(t, n)
	}
	tr.wantSeen(t, i, traffic, want)
	tr.wantNothingToDo(t, i, traffic)
}

// wantRefused compares a refusal with what step i must give.
func (tr *trial) wantRefused(t *testing.T, i int, err error) {
	t.Helper()
	if i >= len(tr.golden) || tr.golden[i].Error == "" {
		t.Fatalf("step %d: %v", i, err)
	}
	if d := cmp.Diff([2]string{tr.golden[i].Error, tr.golden[i].Hint}, [2]string{err.Error(), experiment.HintOf(err)}); d != "" {
		t.Errorf("step %d: refusal (-want +got):\n%s", i, d)
	}
}

// wantOwned compares what object n holds with what it must. The server writes
// out its defaults, so what is wanted goes through the server as well, which
// also refuses it where it holds what the definition does not know.
func (tr *trial) wantOwned(t *testing.T, i, n int, before *unstructured.Unstructured, owned map[string]any) {
	t.Helper()
	want := before.DeepCopy()
	want.Object["metadata"] = map[string]any{"namespace": before.GetNamespace(), "name": before.GetName() + "-wanted"}
	want.SetAnnotations(before.GetAnnotations())
	delete(want.Object, "status")
	for pointer, value := range owned {
		if value == nil {
			continue // It is to be absent; below, it is.
		}
		path := strings.Split(pointer[1:], "/")
		for p := range path {
			path[p] = strings.NewReplacer("~1", "/", "~0", "~").Replace(path[p])
		}
		if err := router.Path(path).Set(want.Object, value); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
	if err := tr.c.Client.Create(t.Context(), want, client.DryRunAll, client.FieldValidation("Strict")); err != nil {
		t.Errorf("step %d: the server refuses what is wanted: %v", i, err)
		return
	}
	for pointer := range owned {
		is, should := router.Pointed(tr.objects[n].Object, pointer), router.Pointed(want.Object, pointer)
		if !router.Equal(is, should) {
			t.Errorf("step %d: object %d at %s (-want +got):\n%s", i, n, pointer, cmp.Diff(should, is))
		}
	}
}

// generations are the numbers that a server counts in its own way.
var generations = regexp.MustCompile(`(generation|is at) [0-9]+`)

// wantSeen compares what is read of the objects.
func (tr *trial) wantSeen(t *testing.T, i int, traffic router.Traffic, want result) {
	t.Helper()
	seen, _, err := tr.kube.Read(t.Context(), tr.r, traffic)
	if err != nil {
		t.Fatalf("step %d: read: %v", i, err)
	}
	got := result{Asked: seen.Asked.String(), Waits: generations.ReplaceAllString(seen.Why, "$1 N")}
	if seen.Serving != nil {
		got.Serving = seen.Serving.String()
	}
	want.Owned, want.Waits = nil, generations.ReplaceAllString(want.Waits, "$1 N")
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("step %d: read (-want +got):\n%s", i, d)
	}
}

// wantNothingToDo writes once more what is there.
func (tr *trial) wantNothingToDo(t *testing.T, i int, traffic router.Traffic) {
	t.Helper()
	before := tr.objects
	res, err := tr.kube.Apply(t.Context(), tr.r, traffic)
	if err != nil || len(res.Written) > 0 {
		t.Errorf("step %d: a second writing wrote %v, %v", i, res.Written, err)
	}
	if drift, err := routerkube.Drift(tr.r, res.Objects, traffic); err != nil || len(drift) > 0 {
		t.Errorf("step %d: drift %+v, %v of what the server holds", i, drift, err)
	}
	tr.read(t)
	for n := range before {
		if is, was := tr.objects[n].GetResourceVersion(), before[n].GetResourceVersion(); is != was {
			t.Errorf("step %d: object %d changed from %s to %s", i, n, was, is)
		}
	}
}

// kill goes the way back from wherever the case has led.
func (tr *trial) kill(t *testing.T) {
	back := router.KilledTraffic(&tr.one.Plan)
	if err := tr.kube.Rehearse(t.Context(), tr.r, back); err != nil {
		t.Errorf("rehearse the kill: %v", err)
	}
	if _, err := tr.kube.Apply(t.Context(), tr.r, back); err != nil {
		t.Errorf("kill: %v", err)
	}
	seen, objects, err := tr.kube.Read(t.Context(), tr.r, back)
	if err != nil || !slices.Equal(seen.Asked, experiment.Baseline(len(tr.one.Plan.Versions))) {
		t.Errorf("killed, the objects ask for %s, %v", seen.Asked, err)
	}
	text, err := json.Marshal(objects)
	if own := fmt.Sprintf(`"name":"%s%s-`, router.Prefix, strings.ReplaceAll(tr.one.Plan.ID(), "/", ".")); err != nil || strings.Contains(string(text), own) {
		t.Errorf("killed, a rule of ours is left (%v):\n%s", err, text)
	}
	tr.read(t)
	tr.wantNothingToDo(t, len(tr.one.Steps), back)
}

// read reads the objects as they stand.
func (tr *trial) read(t *testing.T) {
	t.Helper()
	now := make([]*unstructured.Unstructured, len(tr.objects))
	for n, o := range tr.objects {
		now[n] = &unstructured.Unstructured{}
		now[n].SetGroupVersionKind(o.GroupVersionKind())
		if err := tr.c.Client.Get(t.Context(), client.ObjectKeyFromObject(o), now[n]); err != nil {
			t.Fatal(err)
		}
	}
	tr.objects = now
}

// status writes the status that the case gives object n, as the stack's
// controller would: the generations that it has observed are as far from the
// object's as they are in the case.
func (tr *trial) status(t *testing.T, n int) {
	t.Helper()
	status := tr.one.Objects[n]["status"]
	if status == nil {
		return
	}
	given, _ := router.Int(router.At(tr.one.Objects[n], "metadata", "generation"))
	u := tr.objects[n].DeepCopy()
	u.Object["status"] = observed(router.Copy(status), u.GetGeneration()-given)
	if err := tr.c.Client.Status().Update(t.Context(), u); err != nil {
		t.Fatalf("write the status: %v", err)
	}
	tr.objects[n] = u
}

// observed moves observed generations.
func observed(v any, by int64) any {
	switch x := v.(type) {
	case map[string]any:
		for k := range x {
			if n, ok := router.Int(x[k]); ok && k == "observedGeneration" {
				x[k] = n + by
			} else {
				x[k] = observed(x[k], by)
			}
		}
	case []any:
		for k := range x {
			x[k] = observed(x[k], by)
		}
	}
	return v
}

// experimentalCRDs are definitions of the Gateway API's experimental channel.
func experimentalCRDs(t *testing.T, names ...string) []*servers.CRD {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", "sigs.k8s.io/gateway-api")
	cmd.Dir = filepath.Join("..", "servers", "crds")
	cmd.Env = append(cmd.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(module.Dir, "config", "crd", "experimental", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no experimental definitions in %s: %v", module.Dir, err)
	}
	return slices.DeleteFunc(servers.CRDsOf(t, files...), func(crd *servers.CRD) bool { return !slices.Contains(names, crd.GetName()) })
}

// standIn defines a kind whose real definition is not at hand: it takes
// everything.
func standIn(name, kind, version string) *servers.CRD {
	plural, group, _ := strings.Cut(name, ".")
	return &servers.CRD{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": name},
		"spec": map[string]any{
			"group": group, "scope": "Namespaced",
			"names": map[string]any{"plural": plural, "singular": strings.ToLower(kind), "kind": kind, "listKind": kind + "List"},
			"versions": []any{map[string]any{
				"name": version, "served": true, "storage": true,
				"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
			}},
		},
	}}
}
