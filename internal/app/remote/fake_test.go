// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/client-go/rest"
)

// fake is as much of an API server as routes and claims need: it keeps objects,
// counts their versions, and takes JSON patches. That a real one does the same is
// for the tests of module test/.
type fake struct {
	*httptest.Server
	config *rest.Config

	mu      sync.Mutex
	version int
	objects map[string]map[string]any // by their path below their version's
	// forbidden are verbs and resources, "create leases"; before is called
	// before each request, without the lock.
	forbidden map[string]bool
	before    func(r *http.Request)
	down      bool
}

// groups are the kinds that it knows, by group.
var groups = map[string]map[string]string{
	"networking.istio.io": {"virtualservices": "VirtualService"},
	"coordination.k8s.io": {"leases": "Lease"},
	"iter8.tools":         {"metrics": "Metric"},
}

var versionOf = map[string]string{"networking.istio.io": "v1", "coordination.k8s.io": "v1", "iter8.tools": "v2alpha2"}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{objects: map[string]map[string]any{}, forbidden: map[string]bool{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	f.config = &rest.Config{Host: f.URL, QPS: -1}
	return f
}

const routes0 = "networking.istio.io/v1/namespaces/search/virtualservices/"

// route puts a VirtualService with all traffic on v1.
func (f *fake) route(name string) {
	f.put(routes0+name, fmt.Sprintf(`{"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
		"metadata": {"name": %[1]q, "namespace": "search", "resourceVersion": "1"},
		"spec": {"http": [{"route": [{"destination": {"host": "%[1]s-v1"}, "weight": 100}, {"destination": {"host": "%[1]s-v2"}, "weight": 0}]}]}}`, name))
}

func (f *fake) put(at, text string) {
	var o map[string]any
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		panic(err) // The test is wrong.
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.objects[at] = o
}

// shares reads the weights of a route.
func (f *fake) shares(name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	text, _ := json.Marshal(f.objects[routes0+name]) // It came from JSON.
	var o struct {
		Spec struct {
			HTTP []struct{ Route []struct{ Weight int } }
		}
	}
	_ = json.Unmarshal(text, &o) // As it went.
	for _, h := range o.Spec.HTTP {
		for _, r := range h.Route {
			out = append(out, strconv.Itoa(r.Weight))
		}
	}
	return strings.Join(out, "/")
}

// claims are how many leases there are.
func (f *fake) claims() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for at := range f.objects {
		if strings.Contains(at, "/leases/") {
			n++
		}
	}
	return n
}

func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	before := f.before
	f.mu.Unlock()
	if before != nil {
		before(r)
	}
	at := strings.TrimPrefix(r.URL.Path, "/apis/")
	switch parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/"); {
	case len(parts) < 4:
		f.discover(w, parts)
	default:
		body, _ := io.ReadAll(r.Body) // What is missing does not parse.
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.down {
			refuse(w, http.StatusServiceUnavailable, "ServiceUnavailable", "down", nil)
			return
		}
		f.object(w, r, at, body)
	}
}

func (f *fake) discover(w http.ResponseWriter, parts []string) {
	switch {
	case parts[0] == "api" && len(parts) == 1:
		write(w, http.StatusOK, map[string]any{"kind": "APIVersions", "versions": []string{"v1"}})
	case parts[0] == "api":
		write(w, http.StatusOK, map[string]any{"kind": "APIResourceList", "groupVersion": "v1", "resources": []any{}})
	case len(parts) == 1:
		var list []any
		for g := range groups {
			list = append(list, group(g))
		}
		write(w, http.StatusOK, map[string]any{"kind": "APIGroupList", "apiVersion": "v1", "groups": list})
	case groups[parts[1]] == nil:
		refuse(w, http.StatusNotFound, "NotFound", "the server could not find the requested resource", nil)
	case len(parts) == 2:
		write(w, http.StatusOK, group(parts[1]))
	default:
		var list []any
		for plural, kind := range groups[parts[1]] {
			list = append(list, map[string]any{"name": plural, "singularName": strings.ToLower(kind), "namespaced": true, "kind": kind, "verbs": []string{"get", "patch"}})
		}
		write(w, http.StatusOK, map[string]any{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": parts[1] + "/" + versionOf[parts[1]], "resources": list})
	}
}

func group(name string) map[string]any {
	v := map[string]any{"groupVersion": name + "/" + versionOf[name], "version": versionOf[name]}
	return map[string]any{"kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": []any{v}, "preferredVersion": v}
}

// object answers for one object; f.mu is held.
func (f *fake) object(w http.ResponseWriter, r *http.Request, at string, body []byte) {
	verb := map[string]string{"GET": "get", "PATCH": "patch", "POST": "create", "PUT": "update", "DELETE": "delete"}[r.Method]
	resource := path.Base(path.Dir(at))
	if verb == "create" {
		resource = path.Base(at)
	}
	name := map[string]any{"name": path.Base(at), "kind": resource}
	if f.forbidden[verb+" "+resource] {
		refuse(w, http.StatusForbidden, "Forbidden", fmt.Sprintf("%s is forbidden: User \"ann\" cannot %s resource %q in API group \"x\"", path.Base(at), verb, resource), name)
		return
	}
	var given map[string]any
	if verb == "create" || verb == "update" {
		if json.Unmarshal(body, &given) != nil {
			refuse(w, http.StatusBadRequest, "BadRequest", "no JSON", nil)
			return
		}
	}
	if verb == "create" {
		at += "/" + metadata(given)["name"].(string)
		f.store(at, given)
		write(w, http.StatusCreated, given)
		return
	}
	have := f.objects[at]
	switch {
	case have == nil:
		refuse(w, http.StatusNotFound, "NotFound", at+" not found", name)
	case verb == "get":
		write(w, http.StatusOK, have)
	case verb == "delete":
		delete(f.objects, at)
		write(w, http.StatusOK, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Success"})
	case verb == "update" && metadata(given)["resourceVersion"] != metadata(have)["resourceVersion"]:
		refuse(w, http.StatusConflict, "Conflict", "the object has been modified", name)
	case verb == "update":
		f.store(at, given)
		write(w, http.StatusOK, given)
	default:
		f.patch(w, at, have, body, r.URL.Query().Get("dryRun") != "")
	}
}

func (f *fake) patch(w http.ResponseWriter, at string, have map[string]any, body []byte, dry bool) {
	before, _ := json.Marshal(have) // It came from JSON.
	p, err := jsonpatch.DecodePatch(body)
	if err == nil {
		before, err = p.Apply(before)
	}
	var after map[string]any
	if err == nil {
		err = json.Unmarshal(before, &after)
	}
	if err != nil {
		refuse(w, http.StatusUnprocessableEntity, "Invalid", err.Error(), nil)
		return
	}
	if !dry {
		f.store(at, after)
	}
	write(w, http.StatusOK, after)
}

func (f *fake) store(at string, o map[string]any) {
	f.version++
	m := maps.Clone(metadata(o))
	m["resourceVersion"], m["generation"], m["uid"] = strconv.Itoa(100+f.version), f.version, at
	o["metadata"] = m
	f.objects[at] = o
}

func metadata(o map[string]any) map[string]any {
	m, _ := o["metadata"].(map[string]any)
	return m
}

func refuse(w http.ResponseWriter, code int, reason, message string, details map[string]any) {
	write(w, code, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message, "details": details})
}

func write(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // Whoever asked may be gone.
}
