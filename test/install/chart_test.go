// SPDX-License-Identifier: Apache-2.0

package install

import (
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// values are the chart's, by their paths; a list or an empty map is one value.
func values(t *testing.T) map[string]string {
	t.Helper()
	var tree map[string]any
	if err := yaml.Unmarshal([]byte(text(t, "charts/headgate/values.yaml")), &tree); err != nil {
		t.Fatal(err)
	}
	flat := make(map[string]string)
	var walk func(at string, v any)
	walk = func(at string, v any) {
		if m, ok := v.(map[string]any); ok && len(m) > 0 && at != "resources" && !strings.HasSuffix(at, ".labels") {
			for k, e := range m {
				walk(strings.TrimPrefix(at+"."+k, "."), e)
			}
			return
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		flat[at] = string(b)
	}
	walk("", tree)
	return flat
}

// TestReadmeListsTheValues compares the table of charts/headgate/README.md to
// values.yaml.
func TestReadmeListsTheValues(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| `([^`]+)` \\| (.+) \\|$")
	told := make(map[string]string)
	for _, m := range row.FindAllStringSubmatch(text(t, "charts/headgate/README.md"), -1) {
		told[m[1]] = m[2]
	}
	if d := cmp.Diff(values(t), told); d != "" {
		t.Errorf("values.yaml (-) and the table of the README (+) differ:\n%s", d)
	}
}

// TestSchemaKnowsTheValues looks up every value in the schema, which refuses
// what it does not know.
func TestSchemaKnowsTheValues(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal([]byte(text(t, "charts/headgate/values.schema.json")), &schema); err != nil {
		t.Fatal(err)
	}
	definitions := schema["definitions"].(map[string]any)
	resolve := func(node map[string]any) map[string]any {
		if ref, ok := node["$ref"].(string); ok {
			return definitions[strings.TrimPrefix(ref, "#/definitions/")].(map[string]any)
		}
		return node
	}
	for _, at := range slices.Sorted(maps.Keys(values(t))) {
		node := schema
		for _, name := range strings.Split(at, ".") {
			properties, _ := resolve(node)["properties"].(map[string]any)
			next, ok := properties[name].(map[string]any)
			if !ok {
				t.Errorf("%s: the schema does not know %s", at, name)
				break
			}
			node = next
		}
	}
}

func TestBadValuesAreRefused(t *testing.T) {
	for set, want := range map[string]string{
		"replicas=many":            "replicas",
		"replica=3":                "replica",
		"shards=0":                 "shards",
		"prometheus.url=ftp://x":   "url",
		"namespaces={Search}":      "namespaces",
		"secrets.search={}":        "secrets",
		"routers.virtualservice=1": "virtualservice",
	} {
		t.Run(set, func(t *testing.T) {
			out, err := chart(t, "headgate", home, "--set", set)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("it says %v, want something about %q\n%.200s", err, want, out)
			}
		})
	}
	t.Run("a webhook without any certificate", func(t *testing.T) {
		_, err := chart(t, "headgate", home, "--set", "webhook.enabled=true,webhook.certManager=false")
		if err == nil || !strings.Contains(err.Error(), "secretName") || !strings.Contains(err.Error(), "caBundle") {
			t.Errorf("it says %v", err)
		}
	})
}

func TestWhatIsLeftOutIsNotRendered(t *testing.T) {
	for set, gone := range map[string]string{
		"routers.seldon=false": "ClusterRole /headgate-router-seldon",
		"users=false":          "ClusterRole /headgate-edit",
		"leaseGuard=false":     "ValidatingAdmissionPolicy /headgate-leases",
		"crds.install=false":   "CustomResourceDefinition /experiments.headgate.dev",
		"namespaces={search}":  "ClusterRoleBinding /headgate-controller",
	} {
		t.Run(set, func(t *testing.T) {
			all := objects(t, mustChart(t, "headgate", home))
			some := objects(t, mustChart(t, "headgate", home, "--set", set))
			if all[gone] == nil || some[gone] != nil {
				t.Errorf("%s is there by default: %t, and with %s: %t", gone, all[gone] != nil, set, some[gone] != nil)
			}
		})
	}
}

// TestTheImageIsBuiltFromWhatItNeeds reads the Dockerfile, which cannot be built
// here: its Go is the module's, and nothing that the programs are made of is
// kept from the build.
func TestTheImageIsBuiltFromWhatItNeeds(t *testing.T) {
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(text(t, "go.mod"))
	if !strings.Contains(text(t, "Dockerfile"), fmt.Sprintf("ARG GO_VERSION=%s\n", version[1])) {
		t.Errorf("the image is not built with Go %s", version[1])
	}
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if .Module}}{{if .Module.Main}}{{.Dir}}{{end}}{{end}}", "./cmd/...")
	cmd.Dir = file(".")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	top, err := exec.CommandContext(t.Context(), "go", "list", "-C", file("."), "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		t.Fatal(err)
	}
	var needed []string
	for _, dir := range strings.Fields(string(out)) {
		needed = append(needed, strings.TrimPrefix(dir, strings.TrimSpace(string(top))+"/"))
	}
	if len(needed) < 20 {
		t.Fatalf("only %d folders: %q", len(needed), needed)
	}
	for _, line := range strings.Split(text(t, ".dockerignore"), "\n") {
		if line == "" || strings.ContainsAny(line, "#*") {
			continue
		}
		for _, dir := range needed {
			if dir == line || strings.HasPrefix(dir, line+"/") {
				t.Errorf(".dockerignore leaves out %s, which the programs need", dir)
			}
		}
	}
}
