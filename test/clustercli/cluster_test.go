// SPDX-License-Identifier: Apache-2.0

package clustercli

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/cli"
	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	record "github.com/headgate-dev/headgate/internal/record/kube"
	"github.com/headgate-dev/headgate/internal/translate"
	"github.com/headgate-dev/headgate/test/servers"
)

const namespace = "search"

// ranker is an experiment on Istio whose first step gives the candidate 10 %.
const ranker = `apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: NAME, namespace: search}
spec:
  owner: search-ranking
  hypothesis: v2 is as healthy as v1
  versions:
  - {name: v1, backend: ranker-v1.search.svc.cluster.local}
  - {name: v2, backend: ranker-v2.search.svc.cluster.local}
  traffic: {virtualService: {name: NAME}}
  assignment: {by: router, unit: {request: true}}
  metrics: [{name: errors, from: {builtin: error-rate}}]
  objectives: [{metric: errors, max: 1%}]
  stages:
  - {name: canary, ramp: {steps: [10%, 50%]}, hold: {requests: 5000}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: NAME, namespace: search}
spec:
  hosts: [NAME]
  http:
  - name: primary
    route:
    - {destination: {host: ranker-v1.search.svc.cluster.local}, weight: 90}
    - {destination: {host: ranker-v2.search.svc.cluster.local}, weight: 10}
`

// world is a cluster with Headgate's and Istio's kinds and no controller.
type world struct {
	*servers.Cluster
	api client.Client // knows Headgate's kinds
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c := servers.APIServer(t)
	files, err := filepath.Glob("../../config/crd/headgate.dev_*.yaml")
	if err != nil || len(files) != 3 {
		t.Fatalf("the definitions of Headgate's kinds: %v, %v", files, err)
	}
	c.Install(t, servers.CRDsOf(t, files...)...)
	c.Install(t, servers.IstioCRDs(t, "virtualservices.networking.istio.io")...)
	c.Namespace(t, namespace)
	scheme := runtime.NewScheme()
	if err := kube.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	api, err := client.New(c.Config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return &world{Cluster: c, api: api}
}

// apply applies an experiment and its route.
func (w *world) apply(t *testing.T, name string) {
	t.Helper()
	w.Apply(t, strings.ReplaceAll(ranker, "NAME", name))
}

// begin writes the record as a controller does that has begun and then stopped.
func (w *world) begin(t *testing.T, name string) experiment.Record {
	t.Helper()
	e := w.experiment(t, name)
	text, err := e.Text()
	if err != nil {
		t.Fatal(err)
	}
	plan, err := translate.Plan(text)
	if err != nil {
		t.Fatal(err)
	}
	owner := func(context.Context, types.NamespacedName) (types.UID, error) { return e.UID, nil }
	store := record.New(w.api, record.Options{Owner: owner})
	now := time.Now().UTC().Truncate(time.Millisecond)
	out := engine.Begin(plan, now)
	rec, err := store.Save(t.Context(), namespace+"/"+name, out.Record, *out.Entry)
	if err != nil {
		t.Fatal(err)
	}
	if out, err = engine.Step(plan, rec, engine.Input{Now: now.Add(time.Second), Ready: []bool{true, true}}); err != nil {
		t.Fatal(err)
	}
	if rec, err = store.Save(t.Context(), namespace+"/"+name, out.Record, *out.Entry); err != nil {
		t.Fatal(err)
	}
	if got := rec.State.Slots.Shares(2).String(); got != "90%/10%" {
		t.Fatalf("it began with %s", got)
	}
	return rec
}

func (w *world) experiment(t *testing.T, name string) *kube.Experiment {
	t.Helper()
	var e kube.Experiment
	if err := w.api.Get(t.Context(), types.NamespacedName{Namespace: namespace, Name: name}, &e); err != nil {
		t.Fatal(err)
	}
	return &e
}

// weights are those of a VirtualService: "90/10".
func (w *world) weights(t *testing.T, name string) string {
	t.Helper()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(schema.GroupVersionKind{Group: "networking.istio.io", Version: "v1", Kind: "VirtualService"})
	if err := w.Client.Get(t.Context(), types.NamespacedName{Namespace: namespace, Name: name}, u); err != nil {
		t.Fatal(err)
	}
	http, _, _ := unstructured.NestedSlice(u.Object, "spec", "http")
	byHost := map[string]any{}
	for _, r := range http[0].(map[string]any)["route"].([]any) {
		host, _, _ := unstructured.NestedString(r.(map[string]any), "destination", "host")
		byHost[host[:len("ranker-v1")]] = r.(map[string]any)["weight"]
	}
	text, err := json.Marshal([]any{byHost["ranker-v1"], byHost["ranker-v2"]})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// headgate runs the command line under a kubeconfig.
func headgate(t *testing.T, kubeconfig string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, talk strings.Builder
	args = append(args, "--kubeconfig", kubeconfig)
	code = cli.Run(t.Context(), args, cli.IO{Out: &out, Err: &talk, Width: 100}, "v0.0.0-test")
	if os.Getenv("HEADGATE_SHOW") != "" {
		t.Logf("headgate %s: %d\n%s%s", strings.Join(args, " "), code, out.String(), talk.String())
	}
	return code, out.String(), talk.String()
}

// want fails the test unless a command ended with a code and said all of it.
func want(t *testing.T, code, got int, text string, parts ...string) {
	t.Helper()
	if code != got {
		t.Errorf("exit code %d, want %d; it said\n%s", got, code, text)
	}
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("it does not say %q:\n%s", p, text)
		}
	}
}
