// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/api/kube"
)

// installed checks what is installed.
func (k *checker) installed(ctx context.Context) {
	kinds := []struct {
		resource string
		of       reflect.Type
	}{
		{"experiments", reflect.TypeFor[kube.Experiment]()},
		{"metrics", reflect.TypeFor[kube.Metric]()},
		{"experimentrecords", reflect.TypeFor[kube.ExperimentRecord]()},
	}
	for _, kind := range kinds {
		name := kind.resource + "." + kube.Group
		crd, err := k.crd(ctx, name)
		switch {
		case apierrors.IsNotFound(err):
			k.say(CodeKinds, Failed, "", "%s is not installed", name)
			continue
		case err != nil:
			k.say(CodeKinds, Unknown, "ask somebody who may read CustomResourceDefinitions", "%s: %v", name, err)
			continue
		}
		k.say(CodeKinds, OK, "", "%s is installed", name)
		properties, ok := schemaOf(crd)
		if !ok {
			k.say(CodeSchema, Failed, "", "%s does not serve %s", name, kube.VersionName)
			continue
		}
		if lacks := lacking(kind.of, properties, ""); len(lacks) > 0 {
			k.say(CodeSchema, Failed, "", "%s does not know %s", name, some(lacks, 5))
			continue
		}
		k.say(CodeSchema, OK, "", "%s knows every field of this version", name)
	}
	k.leader(ctx)
	k.stacks(ctx)
}

func (k *checker) crd(ctx context.Context, name string) (*unstructured.Unstructured, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	return u, k.Client.Live.Get(ctx, types.NamespacedName{Name: name}, u)
}

// schemaOf is the schema of the version that this program speaks.
func schemaOf(crd *unstructured.Unstructured) (map[string]any, bool) {
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	for _, v := range versions {
		version, _ := v.(map[string]any)
		if version["name"] == kube.VersionName && version["served"] == true {
			s, ok, _ := unstructured.NestedMap(version, "schema", "openAPIV3Schema")
			return s, ok
		}
	}
	return nil, false
}

// lacking are the paths of a type's fields that a schema does not know. Types of
// other modules and those that write themselves are left alone.
func lacking(t reflect.Type, s map[string]any, path string) []string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Slice:
		items, _ := s["items"].(map[string]any)
		if items == nil {
			return nil
		}
		return lacking(t.Elem(), items, path+"[]")
	case reflect.Map:
		values, _ := s["additionalProperties"].(map[string]any)
		if values == nil {
			return nil
		}
		return lacking(t.Elem(), values, path+".*")
	case reflect.Struct:
		if !strings.Contains(t.PkgPath(), "/headgate/api/") {
			return nil
		}
		return lackingFields(t, s, path)
	}
	return nil
}

func lackingFields(t reflect.Type, s map[string]any, path string) []string {
	properties, ok := s["properties"].(map[string]any)
	if !ok {
		return nil // It is written as something else than an object.
	}
	var out []string
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue // Embedded: kind and metadata are every object's.
		}
		sub, known := properties[name].(map[string]any)
		if !known {
			out = append(out, path+"."+name)
			continue
		}
		out = append(out, lacking(f.Type, sub, path+"."+name)...)
	}
	return out
}

// some joins the first few of a list.
func some(list []string, n int) string {
	if len(list) <= n {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:n], ", "), len(list)-n)
}

// leader looks for a controller that leads.
func (k *checker) leader(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var leases coordinationv1.LeaseList
	if err := k.Client.Live.List(ctx, &leases, client.InNamespace(k.Home)); err != nil {
		k.say(CodeController, Warning, "", "cannot look for a controller in %s: %v", k.Home, err)
		return
	}
	found := false
	for _, l := range leases.Items {
		if l.Name != "headgate-controller" && !strings.HasPrefix(l.Name, "headgate-controller-") || l.Spec.RenewTime == nil {
			continue
		}
		found = true
		limit := time.Minute
		if s := l.Spec.LeaseDurationSeconds; s != nil {
			limit = 2 * time.Duration(*s) * time.Second
		}
		held := l.Spec.HolderIdentity != nil && *l.Spec.HolderIdentity != ""
		ago := k.Client.Now().Sub(l.Spec.RenewTime.Time).Round(time.Second)
		if !held || ago > limit {
			k.say(CodeController, Warning, "", "%s: nobody has led for %s", l.Name, ago)
			continue
		}
		k.say(CodeController, OK, "", "%s: %s leads", l.Name, *l.Spec.HolderIdentity)
	}
	if !found {
		k.say(CodeController, Warning, "", "no controller has ever led from %s", k.Home)
	}
}

// stacks says which serving stacks are there, as far as that can be seen.
func (k *checker) stacks(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var deployments appsv1.DeploymentList
	if err := k.Client.Live.List(ctx, &deployments, client.MatchingLabels{"app": "istiod"}); err == nil {
		for _, d := range deployments.Items {
			k.say(CodeMesh, Info, "", "Istio: istiod %s in %s", imageTag(&d), d.Namespace)
		}
	}
	if crd, err := k.crd(ctx, "virtualservices.networking.istio.io"); err == nil {
		k.say(CodeMesh, Info, "", "Istio: VirtualService %s", strings.Join(served(crd), ", "))
	}
	if crd, err := k.crd(ctx, "httproutes.gateway.networking.k8s.io"); err == nil {
		a := crd.GetAnnotations()
		k.say(CodeMesh, Info, "", "Gateway API: HTTPRoute %s, bundle %s, %s channel", strings.Join(served(crd), ", "),
			a["gateway.networking.k8s.io/bundle-version"], a["gateway.networking.k8s.io/channel"])
	}
}

func imageTag(d *appsv1.Deployment) string {
	for _, c := range d.Spec.Template.Spec.Containers {
		image, _, _ := strings.Cut(c.Image, "@")
		if i := strings.LastIndex(image, ":"); i > strings.LastIndex(image, "/") {
			return image[i+1:]
		}
	}
	return "of an unknown version"
}

// served lists the served versions of a kind.
func served(crd *unstructured.Unstructured) []string {
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	var out []string
	for _, v := range versions {
		if version, ok := v.(map[string]any); ok && version["served"] == true {
			name, _ := version["name"].(string)
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
