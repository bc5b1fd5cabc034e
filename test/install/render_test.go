// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/headgate-dev/headgate/internal/controller"
	"github.com/headgate-dev/headgate/test/servers"
)

const (
	// home is where the default install puts the controller.
	home    = "headgate-system"
	account = "headgate-controller"
	// kubeVersion is what Helm is told, which asks no server when it renders.
	kubeVersion = "1.36.3"
)

// file is a path from the top of the repository.
func file(name string) string { return filepath.Join("..", "..", filepath.FromSlash(name)) }

func text(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(file(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// wanted skips what runs real programs, where nobody asked for them.
func wanted(t *testing.T) {
	t.Helper()
	if os.Getenv("HEADGATE_E2E") != "1" {
		t.Skip("runs real programs; set HEADGATE_E2E=1")
	}
}

// tool runs kubectl or helm; the error holds what it says.
func tool(ctx context.Context, name string, env []string, args ...string) (string, error) {
	binary, err := servers.Binary(ctx, name)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(os.Environ(), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// kustomize renders a folder.
func kustomize(t *testing.T, dir string) string {
	t.Helper()
	wanted(t)
	out, err := tool(t.Context(), "kubectl", nil, "kustomize", dir)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// helm runs Helm with its files in a folder of the test's.
func helm(t *testing.T, kubeconfig string, args ...string) (string, error) {
	t.Helper()
	wanted(t)
	dir := t.TempDir()
	return tool(t.Context(), "helm", []string{"KUBECONFIG=" + kubeconfig, "HELM_CACHE_HOME=" + dir, "HELM_CONFIG_HOME=" + dir, "HELM_DATA_HOME=" + dir}, args...)
}

// chart renders the chart.
func chart(t *testing.T, release, namespace string, args ...string) (string, error) {
	t.Helper()
	return helm(t, "", append([]string{"template", release, file("charts/headgate"), "--namespace", namespace, "--kube-version", kubeVersion}, args...)...)
}

func mustChart(t *testing.T, release, namespace string, args ...string) string {
	t.Helper()
	out, err := chart(t, release, namespace, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// objects reads YAML documents, by "Kind namespace/name".
func objects(t *testing.T, text string) map[string]*unstructured.Unstructured {
	t.Helper()
	all := make(map[string]*unstructured.Unstructured)
	for decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096); ; {
		o := &unstructured.Unstructured{}
		if err := decoder.Decode(&o.Object); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("read what was rendered: %v", err)
		}
		if len(o.Object) == 0 {
			continue
		}
		key := fmt.Sprintf("%s %s/%s", o.GetKind(), o.GetNamespace(), o.GetName())
		if all[key] != nil {
			t.Errorf("%s is rendered twice", key)
		}
		all[key] = o
	}
}

// everyOption turns everything on that the chart knows.
const everyOption = `
image: {repository: example/headgate, tag: v1}
imagePullSecrets: [{name: pull}]
shards: 2
concurrency: 32
namespaces: [search, ads]
api: {qps: 80, burst: 160}
prometheus: {url: "http://prometheus.monitoring:9090", scrapeInterval: 30s}
secrets: {search: [token, other]}
workloads: true
iter8: true
routers: {seldon: false}
serviceAccount: {annotations: {a: b}}
podAnnotations: {a: b}
podLabels: {a: b}
nodeSelector: {a: b}
tolerations: [{operator: Exists}]
priorityClassName: system-cluster-critical
webhook: {enabled: true}
podDisruptionBudget: {enabled: true}
networkPolicy: {enabled: true}
serviceMonitor: {enabled: true, labels: {a: b}}
prometheusRule: {enabled: true, labels: {a: b}}
dashboard: {enabled: true}
`

// everyOptionFile is a file with everyOption.
func everyOptionFile(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(name, []byte(everyOption), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestChartIsTheDefaultInstall compares what the chart renders with its default
// values to config/default.
func TestChartIsTheDefaultInstall(t *testing.T) {
	want := objects(t, kustomize(t, file("config/default")))
	got := objects(t, mustChart(t, "headgate", home))
	if len(got) < 15 {
		t.Fatalf("the chart renders %d objects", len(got))
	}
	delete(want, "Namespace /"+home) // Helm makes it, or somebody else did.
	plain := func(all map[string]*unstructured.Unstructured) map[string]map[string]any {
		out := make(map[string]map[string]any)
		for key, o := range all {
			labels, annotations := o.GetLabels(), o.GetAnnotations()
			delete(labels, "app.kubernetes.io/managed-by")
			delete(labels, "helm.sh/chart")
			delete(annotations, "helm.sh/resource-policy")
			o.SetLabels(labels)
			o.SetAnnotations(annotations)
			out[key] = o.Object
		}
		return out
	}
	if d := cmp.Diff(plain(want), plain(got)); d != "" {
		t.Errorf("config/default (-) and the chart (+) differ:\n%s", d)
	}
}

// TestOptionsAreTheSameBothWays compares what the chart adds to config/webhook,
// config/workloads and config/iter8.
func TestOptionsAreTheSameBothWays(t *testing.T) {
	want := objects(t, kustomize(t, withOptions(t)))
	got := objects(t, mustChart(t, "headgate", home, "--set", "webhook.enabled=true,workloads=true,iter8=true"))
	for _, key := range []string{
		"ValidatingWebhookConfiguration /headgate", "Service " + home + "/headgate-webhook", "Deployment " + home + "/headgate-controller",
		"Certificate " + home + "/headgate-webhook", "Issuer " + home + "/headgate-webhook",
		"ClusterRole /headgate-workloads",
		"ClusterRole /headgate-iter8", "ClusterRole /headgate-iter8-view", "ClusterRole /headgate-iter8-edit",
		"CustomResourceDefinition /experiments.iter8.tools", "CustomResourceDefinition /metrics.iter8.tools",
	} {
		if want[key] == nil || got[key] == nil {
			t.Errorf("%s: config has it: %t, the chart: %t", key, want[key] != nil, got[key] != nil)
			continue
		}
		for _, part := range []string{"spec", "webhooks", "rules"} {
			if d := cmp.Diff(want[key].Object[part], got[key].Object[part]); d != "" {
				t.Errorf("%s: config (-) and the chart (+) differ:\n%s", key, d)
			}
		}
	}
	hooks, _, _ := unstructured.NestedSlice(want["ValidatingWebhookConfiguration /headgate"].Object, "webhooks")
	path, _, _ := unstructured.NestedString(hooks[0].(map[string]any), "clientConfig", "service", "path")
	if path != controller.WebhookPath {
		t.Errorf("it asks at %s, the controller answers at %s", path, controller.WebhookPath)
	}
}

// withOptions is a kustomization with the default and its components, in a copy
// of config: kustomize reads nothing by an absolute path.
func withOptions(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "config"), os.DirFS(file("config"))); err != nil {
		t.Fatal(err)
	}
	top := filepath.Join(dir, "top")
	if err := os.Mkdir(top, 0o755); err != nil {
		t.Fatal(err)
	}
	const kustomization = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../config/default]\ncomponents: [../config/webhook, ../config/workloads, ../config/iter8]\n"
	if err := os.WriteFile(filepath.Join(top, "kustomization.yaml"), []byte(kustomization), 0o600); err != nil {
		t.Fatal(err)
	}
	return top
}

// TestNothingIsAllowedByAStar reads every rule that is rendered.
func TestNothingIsAllowedByAStar(t *testing.T) {
	for from, rendered := range map[string]string{
		"config/default": kustomize(t, file("config/default")),
		"the chart":      mustChart(t, "web", "other", "--values", everyOptionFile(t)),
	} {
		rules := 0
		for key, o := range objects(t, rendered) {
			list, _, _ := unstructured.NestedSlice(o.Object, "rules")
			if !strings.Contains(o.GetKind(), "Role") {
				continue
			}
			for _, r := range list {
				rules++
				for _, part := range []string{"apiGroups", "resources", "verbs"} {
					names, _, _ := unstructured.NestedStringSlice(r.(map[string]any), part)
					for _, forbidden := range []string{"*", "escalate", "bind", "impersonate"} {
						if len(names) == 0 || slices.Contains(names, forbidden) {
							t.Errorf("%s: %s: %s are %q", from, key, part, names)
						}
					}
				}
			}
		}
		if rules < 10 {
			t.Errorf("%s: only %d rules", from, rules)
		}
	}
}

// TestPodsMayDoNothing reads what the controller's containers run with.
func TestPodsMayDoNothing(t *testing.T) {
	for from, rendered := range map[string]string{
		"config/default": kustomize(t, file("config/default")),
		"the chart":      mustChart(t, "web", "other", "--values", everyOptionFile(t)),
	} {
		seen := 0
		for key, o := range objects(t, rendered) {
			if o.GetKind() != "Deployment" {
				continue
			}
			seen++
			pod, _, _ := unstructured.NestedMap(o.Object, "spec", "template", "spec")
			containers, _, _ := unstructured.NestedSlice(pod, "containers")
			container := containers[0].(map[string]any)
			got := map[string]any{"pod": pod["securityContext"], "container": container["securityContext"]}
			want := map[string]any{
				"pod": map[string]any{
					"runAsNonRoot": true, "runAsUser": float64(65532), "runAsGroup": float64(65532),
					"seccompProfile": map[string]any{"type": "RuntimeDefault"},
				},
				"container": map[string]any{
					"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
					"capabilities": map[string]any{"drop": []any{"ALL"}},
				},
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s: %s:\n%s", from, key, d)
			}
			if !strings.Contains(text(t, "Dockerfile"), "USER 65532:65532") {
				t.Error("the image runs as another user")
			}
		}
		if seen == 0 {
			t.Errorf("%s has no Deployment", from)
		}
	}
}
