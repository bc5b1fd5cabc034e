// SPDX-License-Identifier: Apache-2.0

package clustercli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/app/check"
	"github.com/headgate-dev/headgate/test/servers"
)

// results runs check and reads what it found.
func results(t *testing.T, kubeconfig string, args ...string) (int, check.Report, string) {
	t.Helper()
	code, out, talk := headgate(t, kubeconfig, append([]string{"check", "-o", "json"}, args...)...)
	var r check.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v: %s%s", err, out, talk)
	}
	return code, r, out + talk
}

// found fails the test unless one result has the code, the status and the words.
func found(t *testing.T, r check.Report, code check.Code, status check.Status, parts ...string) {
	t.Helper()
	var have []string
	for _, x := range r.Results {
		if x.Code != code {
			continue
		}
		text := x.Text + "\n" + x.Hint
		have = append(have, fmt.Sprintf("%s: %s", x.Status, text))
		if x.Status == status && !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(text, p) }) {
			return
		}
	}
	t.Errorf("no %s is %s and says %q; there are\n%s", code, status, parts, strings.Join(have, "\n"))
}

func none(t *testing.T, r check.Report, code check.Code, status check.Status) {
	t.Helper()
	for _, x := range r.Results {
		if x.Code == code && x.Status == status {
			t.Errorf("%s is %s: %s", code, status, x.Text)
		}
	}
}

func TestCheckOfAnEmptyCluster(t *testing.T) {
	c := servers.APIServer(t)
	code, r, text := results(t, c.Kubeconfig, "-n", "search")
	if code != 3 || r.OK {
		t.Errorf("code %d: %s", code, text)
	}
	found(t, r, check.CodeReach, check.OK, "Kubernetes v1.")
	for _, kind := range []string{"experiments", "metrics", "experimentrecords"} {
		found(t, r, check.CodeKinds, check.Failed, kind+".headgate.dev is not installed")
	}
	found(t, r, check.CodeController, check.Warning, "no controller")
}

func TestCheckOfNoCluster(t *testing.T) {
	code, r, text := results(t, deadKubeconfig(t))
	if code != 1 || r.OK {
		t.Errorf("code %d: %s", code, text)
	}
	found(t, r, check.CodeReach, check.Unknown, "does not answer")
}

func deadKubeconfig(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config")
	text := "apiVersion: v1\nkind: Config\nclusters: [{name: x, cluster: {server: \"http://127.0.0.1:1\"}}]\ncontexts: [{name: x, context: {cluster: x}}]\ncurrent-context: x\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestCheckOfAnExperiment(t *testing.T) {
	w := newWorld(t)
	w.Namespace(t, "headgate-system")
	for _, file := range []string{"account", "controller", "routers", "users"} {
		text, err := os.ReadFile("../../config/rbac/" + file + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		w.Apply(t, string(text))
	}
	w.apply(t, "ranker")
	w.begin(t, "ranker")
	run := func(t *testing.T, args ...string) (int, check.Report) {
		t.Helper()
		code, r, _ := results(t, w.Kubeconfig, append(args, "-n", namespace)...)
		return code, r
	}

	t.Run("all is well but what is not there yet", func(t *testing.T) {
		// The rules of an aggregated role come from a controller manager, which
		// these tests have none of: what it would write is what they bind.
		for _, role := range []string{"headgate-core", "headgate-router-virtualservice"} {
			w.Apply(t, fmt.Sprintf(`{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: %s},
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: %s}, subjects: [{kind: ServiceAccount, name: headgate-controller, namespace: headgate-system}]}`, role, role))
		}
		var r check.Report
		until(t, "the rights to be known", func() bool {
			_, r = run(t, "ranker")
			return !slices.ContainsFunc(r.Results, func(x check.Result) bool { return x.Code == check.CodeItsRoute && x.Status != check.OK })
		})
		for _, code := range []check.Code{
			check.CodeKinds, check.CodeSchema, check.CodeYouRead, check.CodeYouWish, check.CodeYouKill,
			check.CodeItsKinds, check.CodeItsLease, check.CodeItsEvent, check.CodeItsRoute, check.CodeSpec, check.CodeKill, check.CodeRecord, check.CodeHeal,
		} {
			found(t, r, code, check.OK)
			none(t, r, code, check.Failed)
		}
		found(t, r, check.CodeMesh, check.Info, "VirtualService v1")
		found(t, r, check.CodeStalled, check.Warning, "no controller has seen it")
		found(t, r, check.CodeProvider, check.Warning, "names no provider")
		if got := w.weights(t, "ranker"); got != "[90,10]" {
			t.Errorf("the rehearsal changed the weights: %s", got)
		}
	})
	t.Run("an account without rights is named", func(t *testing.T) {
		_, r := run(t, "ranker", "--service-account", "people/nobody")
		found(t, r, check.CodeItsKinds, check.Failed, "may not get, list, watch, update, patch experiments.headgate.dev")
		found(t, r, check.CodeItsRoute, check.Failed, "virtualservices.networking.istio.io")
	})
	t.Run("a caller without rights is told which, and the rehearsal fails", func(t *testing.T) {
		w.Apply(t, `{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: viewer},
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: headgate-view}, subjects: [{kind: ServiceAccount, name: viewer, namespace: people}]}`)
		viewer := w.KubeconfigOf(t, w.ServiceAccount(t, "people", "viewer"))
		var r check.Report
		until(t, "the viewer's rights to be known", func() bool {
			_, r, _ = results(t, viewer, "ranker", "-n", namespace)
			return !slices.ContainsFunc(r.Results, func(x check.Result) bool { return x.Code == check.CodeYouRead && x.Status != check.OK })
		})
		found(t, r, check.CodeYouWish, check.Warning, "you may not patch experiments")
		found(t, r, check.CodeItsKinds, check.Warning, "cannot be found out")
		found(t, r, check.CodeKill, check.Failed, "virtualservices", "allow it in a Role in namespace search")
		found(t, r, check.CodeKinds, check.Unknown, "forbidden")
	})
	t.Run("GitOps tools that would undo a kill are named with what to write", func(t *testing.T) {
		w.mark(t, "ranker", `{"metadata":{"annotations":{"argocd.argoproj.io/tracking-id":"shop:networking.istio.io/VirtualService:search/ranker"},"labels":{"kustomize.toolkit.fluxcd.io/name":"apps","kustomize.toolkit.fluxcd.io/namespace":"flux-system"}}}`)
		_, r := run(t, "ranker")
		found(t, r, check.CodeHeal, check.Warning, "Argo CD (application shop)", "RespectIgnoreDifferences=true", "/spec/http", "group: networking.istio.io")
		found(t, r, check.CodeHeal, check.Warning, "Flux (Kustomization flux-system/apps)", "kustomize.toolkit.fluxcd.io/ssa: Ignore")
		w.mark(t, "ranker", `{"metadata":{"annotations":{"argocd.argoproj.io/tracking-id":null,"kustomize.toolkit.fluxcd.io/ssa":"Ignore"}}}`)
		_, r = run(t, "ranker")
		found(t, r, check.CodeHeal, check.OK)
		w.mark(t, "ranker", `{"metadata":{"ownerReferences":[{"apiVersion":"flagger.app/v1beta1","kind":"Canary","name":"ranker","uid":"1"}]}}`)
		code, r := run(t, "ranker")
		found(t, r, check.CodeHeal, check.Failed, "Canary ranker")
		if code != 3 {
			t.Errorf("code %d", code)
		}
		w.mark(t, "ranker", `{"metadata":{"ownerReferences":null}}`)
	})
	t.Run("a route of another experiment, a lost record, a wrong spec, a route that is gone", func(t *testing.T) {
		w.apply(t, "broken")
		w.begin(t, "broken")
		w.edit(t, "broken", `{"spec":{"objectives":[{"metric":"nothing","max":"1%"}]}}`)
		_, r := run(t, "broken")
		found(t, r, check.CodeSpec, check.Failed, "nothing")
		e := w.experiment(t, "broken")
		e.Status.Record = recordRef("broken")
		if err := w.api.Status().Update(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		_, r = run(t, "broken")
		found(t, r, check.CodeClaim, check.Warning, "claimed by nobody, and the experiment had begun")
		w.dropRecord(t, "broken")
		if _, err := w.Kubectl(t.Context(), "", "delete", "virtualservice", "-n", namespace, "broken"); err != nil {
			t.Fatal(err)
		}
		w.edit(t, "broken", `{"spec":{"objectives":[{"metric":"errors","max":"1%"}]}}`)
		code, r := run(t, "broken")
		found(t, r, check.CodeRecord, check.Failed, "the record is gone")
		found(t, r, check.CodeKill, check.Failed, "not found")
		if code != 3 {
			t.Errorf("code %d", code)
		}
	})
	t.Run("Deployments of another shape are a warning", func(t *testing.T) {
		w.apply(t, "shapes")
		w.edit(t, "shapes", `{"spec":{"versions":[{"name":"v1","backend":"ranker-v1.search.svc.cluster.local","workload":"d1"},{"name":"v2","backend":"ranker-v2.search.svc.cluster.local","workload":"d2"}],"promote":{"loser":"scaleDown"},"providers":[{"name":"prometheus","prometheus":{"url":"https://127.0.0.1:1","token":{"name":"prometheus-token","key":"token"}}}]}}`)
		w.Apply(t, deployment("d1", 3, "2")+"---\n"+deployment("d2", 1, "4"))
		_, r := run(t, "shapes")
		found(t, r, check.CodeTopology, check.Warning, "v2 differs from v1 in replicas (3 and 1); resources of container model (requests cpu 2 and requests cpu 4)")
		found(t, r, check.CodeItsWork, check.Failed, "the controller may not update, patch deployments.apps", "config/workloads")
		found(t, r, check.CodeItsSecret, check.Failed, "the controller may not get secrets prometheus-token")
		found(t, r, check.CodeProvider, check.Warning, "read secret search/prometheus-token")
		w.Apply(t, deployment("d2", 3, "2"))
		_, r = run(t, "shapes")
		found(t, r, check.CodeTopology, check.OK, "v2 has the shape of v1")
	})
	t.Run("kinds of an older version are told by the fields they lack", func(t *testing.T) {
		if _, err := w.Kubectl(t.Context(), "", "patch", "crd", "experiments.headgate.dev", "--type=json",
			"-p", `[{"op":"remove","path":"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/drift"}]`); err != nil {
			t.Fatal(err)
		}
		_, r := run(t)
		found(t, r, check.CodeSchema, check.Failed, "experiments.headgate.dev does not know", ".spec.drift")
	})
}

// TestCheckMetrics asks a real Prometheus, which scrapes counters of the first
// version alone.
func TestCheckMetrics(t *testing.T) {
	exporter := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(rw, "istio_requests_total{reporter=\"destination\",destination_service_namespace=\"search\",destination_service_name=\"ranker-v1\",response_code=\"200\"} %d\n", time.Now().Unix()%1_000_000)
	}))
	defer exporter.Close()
	url := servers.Prometheus(t, "global: {scrape_interval: 1s}\nscrape_configs:\n- {job_name: mesh, static_configs: [{targets: ['"+strings.TrimPrefix(exporter.URL, "http://")+"']}]}\n")
	w := newWorld(t)
	w.apply(t, "ranker")
	w.edit(t, "ranker", `{"spec":{"providers":[{"name":"prometheus","prometheus":{"url":"`+url+`","scrape":"1s"}}],"evidence":{"window":"10s"}}}`)
	w.begin(t, "ranker")
	var r check.Report
	until(t, "a whole window", func() bool {
		_, r, _ = results(t, w.Kubeconfig, "ranker", "-n", namespace)
		return slices.ContainsFunc(r.Results, func(x check.Result) bool {
			return x.Code == check.CodeSeries && x.Status == check.OK && strings.Contains(x.Text, "requests tells of v1: ")
		})
	})
	found(t, r, check.CodeProvider, check.OK, url)
	found(t, r, check.CodeSeries, check.Failed, "v2 has no series for requests", `destination_service_name="ranker-v2"`)
	_, r, _ = results(t, w.Kubeconfig, "ranker", "-n", namespace, "--prometheus", "http://127.0.0.1:1")
	found(t, r, check.CodeProvider, check.Warning, "from here", "127.0.0.1:1")
}

// mark merges a patch into a route, as the tool would that applied it.
func (w *world) mark(t *testing.T, name, patch string) {
	t.Helper()
	if _, err := w.Kubectl(t.Context(), "", "patch", "virtualservice", "-n", namespace, name, "--type=merge", "-p", patch); err != nil {
		t.Fatal(err)
	}
}

func recordRef(name string) *kube.RecordRef {
	return &kube.RecordRef{Name: name, Revision: 1, Entries: 2}
}

func deployment(name string, replicas int, cpu string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: %s, namespace: search}
spec:
  replicas: %d
  selector: {matchLabels: {app: %s}}
  template:
    metadata: {labels: {app: %s}}
    spec: {containers: [{name: model, image: "example.com/model:1", resources: {requests: {cpu: "%s"}}}]}
`, name, replicas, name, name, cpu)
}
