// SPDX-License-Identifier: Apache-2.0

package servers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// CRD is one CustomResourceDefinition.
type CRD = unstructured.Unstructured

const crdKind = "CustomResourceDefinition"

// crdLimit bounds the wait until definitions are served or gone. It is for a
// machine that is busy with other things.
const crdLimit = 3 * time.Minute

// IstioCRDs are Istio's definitions, of those names only if there are any
// ("virtualservices.networking.istio.io"): every definition costs the API server
// some 15 MB.
func IstioCRDs(tb testing.TB, names ...string) []*CRD {
	tb.Helper()
	return moduleCRDs(tb, names, "istio.io/api", "kubernetes/customresourcedefinitions.gen.yaml")
}

// GatewayAPICRDs are the definitions of the Gateway API's standard channel, of
// those names only if there are any ("httproutes.gateway.networking.k8s.io").
func GatewayAPICRDs(tb testing.TB, names ...string) []*CRD {
	tb.Helper()
	return moduleCRDs(tb, names, "sigs.k8s.io/gateway-api", "config/crd/standard/*.yaml")
}

// KnativeCRDs are the definitions of Knative Serving, of those names only if
// there are any ("services.serving.knative.dev").
func KnativeCRDs(tb testing.TB, names ...string) []*CRD {
	tb.Helper()
	return moduleCRDs(tb, names, "knative.dev/serving", "config/core/300-resources/*.yaml")
}

// GivenCRDFiles are the files of the folder that HEADGATE_CRDS names: stacks
// that publish their definitions in no Go module. Without it there are none.
func GivenCRDFiles(tb testing.TB) []string {
	tb.Helper()
	dir := os.Getenv("HEADGATE_CRDS")
	if dir == "" {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		tb.Fatalf("HEADGATE_CRDS: no .yaml file in %s (%v)", dir, err)
	}
	return files
}

// moduleCRDs reads the definitions of files that match a pattern in a module.
func moduleCRDs(tb testing.TB, names []string, module, pattern string) []*CRD {
	tb.Helper()
	dir, err := moduleFiles(tb.Context(), module)
	if err != nil {
		tb.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
	if err != nil || len(files) == 0 {
		tb.Fatalf("no file %s in module %s (%v)", pattern, module, err)
	}
	all := CRDsOf(tb, files...)
	if len(names) == 0 {
		return all
	}
	some := slices.DeleteFunc(all, func(crd *CRD) bool { return !slices.Contains(names, crd.GetName()) })
	if len(some) != len(names) {
		tb.Fatalf("module %s has %d of the definitions %q", module, len(some), names)
	}
	return some
}

// moduleFiles is the folder of a module that the tool module crds pins; it is
// downloaded if it is not there.
func moduleFiles(ctx context.Context, module string) (string, error) {
	dir, err := moduleDir(ctx, "crds")
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", module)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly")
	out, err := cmd.Output()
	var at struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(out, &at); jsonErr != nil || at.Dir == "" {
		return "", fmt.Errorf("download module %s: %w %s", module, errors.Join(err, jsonErr), at.Error)
	}
	return at.Dir, nil
}

// CRDsOf reads the definitions in YAML files; other objects in them are left
// out.
func CRDsOf(tb testing.TB, files ...string) []*CRD {
	tb.Helper()
	var all []*CRD
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		objects, err := parse(text)
		if err != nil {
			tb.Fatalf("read %s: %v", file, err)
		}
		for _, object := range objects {
			if object.GetKind() == crdKind {
				unstructured.RemoveNestedField(object.Object, "status") // The server's to write.
				all = append(all, object)
			}
		}
	}
	return all
}

func parse(text []byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	for decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096); ; {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(&object.Object); errors.Is(err, io.EOF) {
			return objects, nil
		} else if err != nil {
			return nil, err
		}
		if len(object.Object) > 0 { // Else there are comments only.
			objects = append(objects, object)
		}
	}
}

// Apply applies objects, given as YAML, by server-side apply.
func (c *Cluster) Apply(tb testing.TB, text string) {
	tb.Helper()
	objects, err := parse([]byte(text))
	if err != nil {
		tb.Fatalf("read what is to be applied: %v", err)
	}
	for _, object := range objects {
		c.apply(tb, object)
	}
}

func (c *Cluster) apply(tb testing.TB, object *unstructured.Unstructured) {
	tb.Helper()
	err := c.Client.Apply(tb.Context(), client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("headgate-test"), client.ForceOwnership)
	if err != nil {
		tb.Fatalf("apply %s %s: %v", object.GetKind(), object.GetName(), err)
	}
}

// Install applies the definitions and waits until each of their served versions
// can be listed.
func (c *Cluster) Install(tb testing.TB, crds ...*CRD) {
	tb.Helper()
	for _, crd := range crds {
		c.apply(tb, crd.DeepCopy())
	}
	ctx, cancel := context.WithTimeout(tb.Context(), crdLimit)
	defer cancel()
	for _, crd := range crds {
		if err := poll(ctx, pollEvery, func(ctx context.Context) error { return c.serves(ctx, crd) }); err != nil {
			tb.Fatalf("wait for %s to be served: %v", crd.GetName(), err)
		}
	}
}

// Uninstall deletes the definitions, and with them every object of their
// kinds, and waits until they are gone.
func (c *Cluster) Uninstall(tb testing.TB, crds ...*CRD) {
	tb.Helper()
	for _, crd := range crds {
		if err := c.Client.Delete(tb.Context(), crd.DeepCopy()); err != nil {
			tb.Fatalf("delete %s: %v", crd.GetName(), err)
		}
	}
	ctx, cancel := context.WithTimeout(tb.Context(), crdLimit)
	defer cancel()
	for _, crd := range crds {
		err := poll(ctx, pollEvery, func(ctx context.Context) error {
			err := c.Client.Get(ctx, client.ObjectKeyFromObject(crd), crd.DeepCopy())
			if apierrors.IsNotFound(err) {
				return nil
			}
			return fmt.Errorf("still there: %w", err)
		})
		if err != nil {
			tb.Fatalf("wait for %s to be gone: %v", crd.GetName(), err)
		}
	}
}

// serves says whether the kind of a definition is established and can be
// listed in each version that it serves.
func (c *Cluster) serves(ctx context.Context, crd *CRD) error {
	now := crd.DeepCopy()
	if err := c.Client.Get(ctx, client.ObjectKeyFromObject(crd), now); err != nil {
		return err
	}
	if !established(now) {
		conditions, _, _ := unstructured.NestedSlice(now.Object, "status", "conditions")
		return fmt.Errorf("not established: %v", conditions)
	}
	for _, kind := range Served(now) {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind)
		if err := c.Client.List(ctx, list, client.Limit(1)); err != nil {
			return err
		}
	}
	return nil
}

func established(crd *CRD) bool {
	conditions, _, _ := unstructured.NestedSlice(crd.Object, "status", "conditions")
	return slices.ContainsFunc(conditions, func(c any) bool {
		condition, ok := c.(map[string]any)
		return ok && condition["type"] == "Established" && condition["status"] == "True"
	})
}

// Served lists the kind of a definition in each version that is served.
func Served(crd *CRD) []schema.GroupVersionKind {
	group, _, _ := unstructured.NestedString(crd.Object, "spec", "group")
	kind, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "kind")
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	var kinds []schema.GroupVersionKind
	for _, v := range versions {
		if version, ok := v.(map[string]any); ok && version["served"] == true {
			name, _ := version["name"].(string)
			kinds = append(kinds, schema.GroupVersionKind{Group: group, Version: name, Kind: kind})
		}
	}
	return kinds
}
