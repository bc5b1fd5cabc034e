// SPDX-License-Identifier: Apache-2.0

package clustercli

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/app/controller"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// deadWebhook is an admission webhook of which nothing answers.
const deadWebhook = `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: dead}
webhooks:
- name: dead.headgate.dev
  clientConfig: {url: "https://127.0.0.1:1/validate"}
  rules: [{apiGroups: [headgate.dev], apiVersions: ["*"], operations: [CREATE, UPDATE], resources: [experiments]}]
  failurePolicy: POLICY
  sideEffects: None
  admissionReviewVersions: [v1]
  timeoutSeconds: 1
`

// killer may do what the guide says a person on call must be allowed to do.
const killer = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: killer}
rules:
- {apiGroups: [headgate.dev], resources: [experiments], verbs: [get, patch]}
- {apiGroups: [headgate.dev], resources: [experimentrecords], verbs: [get]}
- {apiGroups: [networking.istio.io], resources: [virtualservices], verbs: [get, patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: killer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: killer}
subjects: [{kind: ServiceAccount, name: oncall, namespace: people}]
`

// gated is an experiment of gateways that follow a ConfigMap, which nobody has
// written yet.
const gated = `apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: gated, namespace: search}
spec:
  owner: search-ranking
  versions: [{name: v1, backend: "http://ranker-v1.search.svc:8080"}, {name: v2, backend: "http://ranker-v2.search.svc:8080"}]
  traffic: {gateway: {name: gated}}
  assignment: {unit: {header: x-user-id}}
  metrics: [{name: errors, from: {builtin: error-rate}}]
  objectives: [{metric: errors, max: 1%}]
  stages: [{name: canary, ramp: {steps: [10%]}, hold: {requests: 5000}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: gated, namespace: search}
`

func (w *world) control(t *testing.T, name string) (verb, reason string) {
	t.Helper()
	if c := w.experiment(t, name).Spec.Control; c != nil {
		return c.Verb, c.Reason
	}
	return "", ""
}

// edit merges a patch into an experiment.
func (w *world) edit(t *testing.T, name, patch string) {
	t.Helper()
	if err := w.api.Patch(t.Context(), w.experiment(t, name), client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		t.Fatal(err)
	}
}

func (w *world) dropRecord(t *testing.T, name string) {
	t.Helper()
	r := &kube.ExperimentRecord{}
	r.Namespace, r.Name = namespace, name
	if err := w.api.Delete(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

func TestKillWithTheControllerDown(t *testing.T) {
	w := newWorld(t)
	w.Apply(t, killer)
	oncall := w.KubeconfigOf(t, w.ServiceAccount(t, "people", "oncall"))
	kill := func(t *testing.T, name string) (int, string) {
		t.Helper()
		code, out, talk := headgate(t, oncall, "kill", name, "-n", namespace, "--reason", "wrong prices", "--timeout", "100ms")
		return code, out + talk
	}
	killed := func(t *testing.T, name string) {
		t.Helper()
		code, text := kill(t, name)
		want(t, 0, code, text, "ROUTED  v1 has all traffic of search/"+name, "wrote VirtualService search/"+name, "MARKED", "no controller has obeyed")
		if got := w.weights(t, name); got != "[100,0]" {
			t.Errorf("weights %s", got)
		}
		if verb, reason := w.control(t, name); verb != "kill" || reason != "wrong prices" {
			t.Errorf("control %s, %q", verb, reason)
		}
	}

	t.Run("of a running experiment", func(t *testing.T) {
		w.apply(t, "running")
		w.begin(t, "running")
		killed(t, "running")
		code, text := kill(t, "running")
		want(t, 0, code, text, "the route said so already")
	})
	t.Run("a verb does not take the mark away", func(t *testing.T) {
		for _, args := range [][]string{{"resume", "running"}, {"kill", "running", "--lift"}} {
			code, out, talk := headgate(t, oncall, append(args, "-n", namespace, "--timeout", "100ms")...)
			want(t, 1, code, out+talk, "would take the kill away")
		}
		if verb, _ := w.control(t, "running"); verb != "kill" {
			t.Errorf("control %s", verb)
		}
	})
	t.Run("whose record is gone", func(t *testing.T) {
		w.apply(t, "lost")
		w.begin(t, "lost")
		w.dropRecord(t, "lost")
		killed(t, "lost")
	})
	t.Run("whose spec is wrong and whose record is gone", func(t *testing.T) {
		w.apply(t, "wrong")
		w.begin(t, "wrong")
		w.dropRecord(t, "wrong")
		w.edit(t, "wrong", `{"spec":{"objectives":[{"metric":"nothing","max":"1%"}]}}`)
		killed(t, "wrong")
	})
	t.Run("whose webhook is down", func(t *testing.T) {
		w.apply(t, "ignored")
		w.begin(t, "ignored")
		w.webhook(t, "Ignore")
		killed(t, "ignored")
	})
	t.Run("whose webhook refuses everything: the traffic is back, and it says what is not", func(t *testing.T) {
		w.apply(t, "refused")
		w.begin(t, "refused")
		w.webhook(t, "Fail")
		code, text := kill(t, "refused")
		want(t, 1, code, text, "ROUTED", "the kill is not marked", "repeat the kill")
		if got := w.weights(t, "refused"); got != "[100,0]" {
			t.Errorf("weights %s", got)
		}
	})
	t.Run("whose route is gone: it is marked, and it says what is not", func(t *testing.T) {
		w.apply(t, "routeless")
		w.begin(t, "routeless")
		if _, err := w.Kubectl(t.Context(), "", "delete", "virtualservice", "-n", namespace, "routeless"); err != nil {
			t.Fatal(err)
		}
		code, text := kill(t, "routeless")
		want(t, 1, code, text, "MARKED", "did not take the traffic back itself", "not found")
	})
	t.Run("that Headgate's gateways serve", func(t *testing.T) {
		w.Apply(t, gated)
		code, out, talk := headgate(t, w.Kubeconfig, "kill", "gated", "-n", namespace, "--timeout", "100ms")
		want(t, 0, code, out+talk, "ROUTED  v1 has all traffic of search/gated", "wrote ConfigMap search/gated")
		snapshot, err := w.Kubectl(t.Context(), "", "get", "configmap", "-n", namespace, "gated", "-o", `jsonpath={.data.snapshot\.json}`)
		if err != nil {
			t.Fatal(err)
		}
		var s experiment.Snapshot
		if err := json.Unmarshal([]byte(snapshot), &s); err != nil || len(s.Routes) != 1 {
			t.Fatalf("%v: %s", err, snapshot)
		}
		if got := s.Routes[0].Slots.Shares(2).String(); got != "100%/0%" {
			t.Errorf("shares %s", got)
		}
	})
	t.Run("by a person without rights nothing is done, and it says so", func(t *testing.T) {
		w.apply(t, "mine")
		w.begin(t, "mine")
		stranger := w.KubeconfigOf(t, w.ServiceAccount(t, "people", "stranger"))
		code, out, talk := headgate(t, stranger, "kill", "mine", "-n", namespace)
		want(t, 1, code, out+talk, "NOTHING WAS KILLED", "forbidden")
		if got := w.weights(t, "mine"); got != "[90,10]" {
			t.Errorf("weights %s", got)
		}
	})
}

// webhook installs the dead webhook until the test ends, and waits until the API
// server heeds it.
func (w *world) webhook(t *testing.T, policy string) {
	t.Helper()
	name := "dead-" + strings.ToLower(policy)
	w.Apply(t, strings.NewReplacer("POLICY", policy, "name: dead}", "name: "+name+"}").Replace(deadWebhook))
	t.Cleanup(func() {
		if _, err := w.Kubectl(context.WithoutCancel(t.Context()), "", "delete", "validatingwebhookconfiguration", name); err != nil {
			t.Error(err)
		}
	})
	if policy != "Fail" {
		return
	}
	probe := &kube.Experiment{}
	probe.Namespace, probe.Name = namespace, "running"
	until(t, "the webhook to refuse", func() bool {
		return w.api.Patch(t.Context(), probe, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"probe":"x"}}}`)), client.DryRunAll) != nil ||
			w.api.Patch(t.Context(), probe, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"probe":"y"}}}`))) != nil
	})
}

// until waits for something that the cluster does by itself.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	over := time.NewTimer(time.Minute)
	defer over.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-over.C:
			t.Fatalf("waited a minute for %s", what)
		}
	}
}

// TestVerbsWithTheController gives wishes to the controller itself, in this
// process. Nothing answers as its provider: decisions of people need none.
func TestVerbsWithTheController(t *testing.T) {
	w := newWorld(t)
	w.Namespace(t, "headgate-system")
	w.apply(t, "ranker")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- controller.Run(ctx, controller.Options{
			Config: w.Config, Metrics: "0", Health: "0",
			Prometheus: &experiment.PrometheusProvider{URL: "http://127.0.0.1:1", Scrape: 15 * time.Second},
		})
	}()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the controller: %v", err)
		}
	}()
	until(t, "the experiment to begin", func() bool { return w.experiment(t, "ranker").Status.Record != nil })

	say := func(t *testing.T, wantCode int, parts []string, args ...string) {
		t.Helper()
		code, out, talk := headgate(t, w.Kubeconfig, append(args, "-n", namespace)...)
		want(t, wantCode, code, out+talk, parts...)
	}
	t.Run("a pause is obeyed and its decision printed", func(t *testing.T) {
		say(t, 0, []string{"PAUSE", "paused by"}, "pause", "ranker", "--reason", "lunch")
		say(t, 0, []string{"paused"}, "get", "ranker")
	})
	t.Run("a refusal is a condition that is false", func(t *testing.T) {
		say(t, 3, []string{"refused"}, "learn", "ranker")
	})
	t.Run("a wish leaves nothing of the one before", func(t *testing.T) {
		say(t, 0, nil, "resume", "ranker")
		if _, reason := w.control(t, "ranker"); reason != "" {
			t.Errorf("the reason is still %q", reason)
		}
	})
	t.Run("a kill is obeyed, and lifted", func(t *testing.T) {
		say(t, 0, []string{"ROUTED", "MARKED", "ROLLBACK"}, "kill", "ranker", "--reason", "wrong prices")
		say(t, 0, []string{"killed"}, "get", "ranker")
		if got := w.weights(t, "ranker"); got != "[100,0]" {
			t.Errorf("weights %s", got)
		}
		say(t, 0, nil, "kill", "ranker", "--lift", "--reason", "was the cache")
	})
	t.Run("the journal of it all replays", func(t *testing.T) {
		say(t, 0, []string{"every decision the same"}, "replay", "ranker")
	})
}
