// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

// Bounds of what routers of a cluster name.
const (
	maxRoutes = 16
	maxObject = 253 // the name of an object, RFC 1123

)

var (
	// apiVersionForm is GROUP/VERSION, or the VERSION of the core group.
	apiVersionForm = regexp.MustCompile(`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?v[0-9]+((alpha|beta)[0-9]+)?$`)
	kindForm       = regexp.MustCompile(`^[A-Z][0-9A-Za-z]{0,62}$`)
)

// objectName checks the name of an object of the cluster.
func (t *translator) objectName(path, name, example string) {
	t.required(path, name, "a name is required", "for example name: "+example)
	if name != "" && (len(name) > maxObject || !objectForm.MatchString(name)) {
		t.fail(path, quote(name), "not the name of an object", fmt.Sprintf("lower-case letters, digits, '-' and '.', at most %d", maxObject))
	}
}

// namespace checks a namespace that may be left out.
func (t *translator) namespace(path, name string) {
	if t.given(path) {
		t.name(path, name)
	}
}

func (t *translator) virtualService(path string, in *v1alpha1.VirtualServiceTraffic) *experiment.RouteObject {
	return t.routeObject(path, experiment.RouteObject{Name: in.Name, Namespace: in.Namespace, Routes: in.Routes}, ".routes", nil)
}

func (t *translator) httpRoute(path string, in *v1alpha1.HTTPRouteTraffic) *experiment.RouteObject {
	return t.routeObject(path, experiment.RouteObject{Name: in.Name, Namespace: in.Namespace, Routes: in.Rules}, ".rules", objectForm)
}

// routeObject checks an object with routes. The form is that of the routes'
// names; nil is any text.
func (t *translator) routeObject(path string, in experiment.RouteObject, field string, form *regexp.Regexp) *experiment.RouteObject {
	t.objectName(path+".name", in.Name, "ranker")
	t.namespace(path+".namespace", in.Namespace)
	if len(in.Routes) > maxRoutes {
		t.fail(path+field, fmt.Sprintf("%d names", len(in.Routes)), fmt.Sprintf("want at most %d names", maxRoutes), "leave it out for every route that leads to a version")
	}
	if t.given(path+field) && len(in.Routes) == 0 {
		t.fail(path+field, "", "no name is given", "leave it out for every route that leads to a version")
	}
	for i, name := range in.Routes {
		at := fmt.Sprintf("%s%s[%d]", path, field, i)
		switch {
		case name == "" || len(name) > maxObject || !printable(name) || form != nil && !form.MatchString(name):
			t.fail(at, quote(name), "not the name of a route", "write it as it stands in the object; routes without a name are meant by leaving "+field[1:]+" out")
		case slices.Contains(in.Routes[:i], name):
			t.fail(at, quote(name), "given twice", "")
		}
	}
	return &experiment.RouteObject{Name: in.Name, Namespace: in.Namespace, Routes: slices.Clone(in.Routes)}
}

// shareFields reads the fields that hold the shares: one version at most has
// none.
func (t *translator) shareFields(path string, in []v1alpha1.FieldTraffic) []experiment.ShareField {
	if len(in) == 0 || len(in) > experiment.MaxVersions {
		t.fail(path, fmt.Sprintf("%d fields", len(in)), fmt.Sprintf("want 1 to %d fields", experiment.MaxVersions), "one for each version; one version may have none, and gets what the others leave")
	}
	names := make([]string, len(t.api.Spec.Versions))
	for i, v := range t.api.Spec.Versions {
		names[i] = v.Name
	}
	var out []experiment.ShareField
	for i, f := range in {
		at := fmt.Sprintf("%s[%d]", path, i)
		t.shareField(at, f)
		version := slices.Index(names, f.Version)
		switch {
		case f.Version == "":
			t.fail(at+".version", "", "a field holds the share of a version", nearest("", names))
		case version < 0 && !t.misnamed(names):
			t.fail(at+".version", quote(f.Version), "no such version", nearest(f.Version, names))
		case slices.ContainsFunc(in[:i], func(o v1alpha1.FieldTraffic) bool { return o.Version == f.Version }):
			t.fail(at+".version", quote(f.Version), "the version has a field already", "give each version one field")
		case slices.ContainsFunc(in[:i], func(o v1alpha1.FieldTraffic) bool { return sameField(o, f) }):
			t.fail(at+".path", quote(f.Path), "the field holds another version's share already", "give each version a field of its own")
		}
		out = append(out, experiment.ShareField{Version: max(0, version), APIVersion: f.APIVersion, Kind: f.Kind, Namespace: f.Namespace, Name: f.Name, Path: f.Path})
	}
	if without := len(names) - len(in); without > 1 && len(in) > 0 {
		t.fail(path, fmt.Sprintf("%d fields", len(in)), fmt.Sprintf("%d versions have no field", without), "one version at most may have none: it gets what the others leave")
	}
	return out
}

// misnamed says whether a version is called what no version can be, so that it
// may be the one that is meant elsewhere. Versions are checked after the router.
func (t *translator) misnamed(names []string) bool {
	return len(names) == 0 || slices.ContainsFunc(names, func(s string) bool { return !nameForm.MatchString(s) })
}

func (t *translator) shareField(at string, f v1alpha1.FieldTraffic) {
	t.required(at+".apiVersion", f.APIVersion, "an object has an apiVersion", "for example apiVersion: serving.knative.dev/v1")
	t.form(at+".apiVersion", f.APIVersion, apiVersionForm, "not an apiVersion", "GROUP/VERSION, for example serving.knative.dev/v1")
	t.required(at+".kind", f.Kind, "an object has a kind", "for example kind: Service")
	t.form(at+".kind", f.Kind, kindForm, "not a kind", "for example Service, as the object writes it")
	t.objectName(at+".name", f.Name, "ranker")
	t.namespace(at+".namespace", f.Namespace)
	t.required(at+".path", f.Path, "a path to the field is required", fieldHint)
	if f.Path == "" {
		return
	}
	steps, err := router.ParsePath(f.Path)
	switch {
	case err != nil:
		t.fail(at+".path", quote(f.Path), "not the path of one field", fieldHint)
	case slices.Contains([]string{"apiVersion", "kind", "status"}, steps[0]):
		t.fail(at+".path", quote(f.Path), "no field that holds a share", fieldHint)
	}
}

const fieldHint = "from the object's root, for example path: .spec.traffic[0].percent"

// sameField says whether two fields are one, however their paths are written.
func sameField(a, b v1alpha1.FieldTraffic) bool {
	p, err := router.ParsePath(a.Path)
	q, err2 := router.ParsePath(b.Path)
	a.Version, a.Path = b.Version, b.Path
	return a == b && err == nil && err2 == nil && p.String() == q.String()
}
