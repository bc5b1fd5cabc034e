// SPDX-License-Identifier: Apache-2.0

package install

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// ledgers renders a kustomization of a user's, as config/ledger and config/events
// describe it.
func ledgers(t *testing.T, lines string) map[string]*unstructured.Unstructured {
	t.Helper()
	wanted(t)
	dir := t.TempDir()
	config, err := filepath.Abs(file("config"))
	if err != nil {
		t.Fatal(err)
	}
	if config, err = filepath.Rel(dir, config); err != nil {
		t.Fatal(err)
	}
	text := "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: models\n" + strings.ReplaceAll(lines, "..", config)
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return objects(t, kustomize(t, dir))
}

// TestTheLedgerIsToldWhomToHear renders it with gateways, with loggers and with
// both: what it is started with, where it is reached, and by whom.
func TestTheLedgerIsToldWhomToHear(t *testing.T) {
	gateways := []string{
		"--gateway=http://headgate-gateway-0.headgate-gateway-admin:9090",
		"--gateway=http://headgate-gateway-1.headgate-gateway-admin:9090",
	}
	for name, tc := range map[string]struct {
		lines, secret string
		args          []string
		heard         bool
	}{
		"gateways alone": {"resources: [../gateway]\n", "headgate-gateway", gateways, false},
		"loggers alone":  {"resources: [../ledger]\ncomponents: [../events]\n", "headgate-ledger", []string{"--events=0.0.0.0:9094"}, true},
		"both":           {"resources: [../gateway]\ncomponents: [../events]\n", "headgate-gateway", append(slices.Clone(gateways), "--events=0.0.0.0:9094"), true},
	} {
		t.Run(name, func(t *testing.T) {
			all := ledgers(t, tc.lines)
			set := all["StatefulSet models/headgate-ledger"]
			if set == nil {
				t.Fatal("there is no ledger")
			}
			pod, _, _ := unstructured.NestedMap(set.Object, "spec", "template", "spec")
			containers, _, _ := unstructured.NestedSlice(pod, "containers")
			container := containers[0].(map[string]any)
			args, _, _ := unstructured.NestedStringSlice(container, "args")
			want := append([]string{"ledger", "--data=/data", "--api=0.0.0.0:9093", "--outcomes-token-file=/token/token"}, tc.args...)
			if d := cmp.Diff(want, args); d != "" {
				t.Errorf("it is started otherwise (-want +got):\n%s", d)
			}
			volumes, _, _ := unstructured.NestedSlice(pod, "volumes")
			for _, v := range volumes {
				if secret, _, _ := unstructured.NestedString(v.(map[string]any), "secret", "secretName"); secret != tc.secret {
					t.Errorf("a volume is of the secret %q, want %q", secret, tc.secret)
				}
			}
			checkListening(t, all, container, tc.heard)
		})
	}
}

// checkListening asks that the ledger's Services lead to ports which it has, at
// which it listens, and that only labelled namespaces reach that of events.
func checkListening(t *testing.T, all map[string]*unstructured.Unstructured, container map[string]any, heard bool) {
	t.Helper()
	ports := map[string]float64{}
	list, _, _ := unstructured.NestedSlice(container, "ports")
	for _, p := range list {
		ports[p.(map[string]any)["name"].(string)] = p.(map[string]any)["containerPort"].(float64)
	}
	want := map[string]float64{"api": 9093}
	if heard {
		want["events"] = 9094
	}
	if d := cmp.Diff(want, ports); d != "" {
		t.Errorf("its ports (-want +got):\n%s", d)
	}
	served := map[string]string{}
	for key, o := range all {
		if o.GetKind() != "Service" || !strings.Contains(key, "ledger") {
			continue
		}
		list, _, _ := unstructured.NestedSlice(o.Object, "spec", "ports")
		for _, p := range list {
			served[p.(map[string]any)["targetPort"].(string)] = o.GetName()
		}
	}
	services := map[string]string{"api": "headgate-ledger"}
	if heard {
		services["events"] = "headgate-ledger-events"
	}
	if d := cmp.Diff(services, served); d != "" {
		t.Errorf("its Services (-want +got):\n%s", d)
	}
	policy := all["NetworkPolicy models/headgate-ledger"]
	if (policy != nil) != heard {
		t.Fatalf("there is a NetworkPolicy: %t", policy != nil)
	}
	if policy == nil {
		return
	}
	from := map[string]any{}
	rules, _, _ := unstructured.NestedSlice(policy.Object, "spec", "ingress")
	for _, r := range rules {
		rule := r.(map[string]any)
		for _, p := range rule["ports"].([]any) {
			from[p.(map[string]any)["port"].(string)] = rule["from"]
		}
	}
	labelled := []any{map[string]any{"namespaceSelector": map[string]any{"matchLabels": map[string]any{"headgate.dev/events": "true"}}}}
	if d := cmp.Diff(labelled, from["events"]); d != "" || len(from) != 2 {
		t.Errorf("who reaches events (-want +got):\n%s", d)
	}
	for _, peer := range from["api"].([]any) {
		if d := cmp.Diff(labelled[0], peer); d == "" {
			t.Error("whoever reaches events reaches the API")
		}
	}
}
