// SPDX-License-Identifier: Apache-2.0

package action

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// asked is one request to an API server.
type asked struct {
	Verb, Path, As, Type, Query string
	Body                        any
}

// api is an API server of what a test needs: it keeps objects by their paths, and
// answers what it is told to.
type api struct {
	*httptest.Server
	mu      sync.Mutex
	objects map[string]map[string]any
	refuse  map[string]int // what to answer, by verb and path
	says    string         // the message of what is refused
	asked   []asked
}

func newAPI(t *testing.T) *api {
	t.Helper()
	a := &api{objects: map[string]map[string]any{}, refuse: map[string]int{}}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	text, _ := io.ReadAll(r.Body)
	var body any
	if json.Unmarshal(text, &body) != nil {
		body = string(text)
	}
	a.asked = append(a.asked, asked{r.Method, r.URL.Path, r.Header.Get("Impersonate-User"), r.Header.Get("Content-Type"), r.URL.RawQuery, body})
	w.Header().Set("Content-Type", "application/json")
	if len(r.Header.Values("Impersonate-Group")) > 0 {
		status(w, 403, "groups cannot be impersonated", "")
		return
	}
	if code := a.refuse[r.Method+" "+r.URL.Path]; code != 0 {
		status(w, code, a.says, "x")
		return
	}
	object := a.objects[r.URL.Path]
	switch r.Method {
	case http.MethodGet:
		if object == nil {
			status(w, 404, "not found", "x")
			return
		}
	case http.MethodPost:
		object = body.(map[string]any)
		path := r.URL.Path + "/" + object["metadata"].(map[string]any)["name"].(string)
		if a.objects[path] != nil {
			status(w, 409, "already exists", "x")
			return
		}
		a.objects[path] = object
	case http.MethodDelete:
		if object == nil {
			status(w, 404, "not found", "x")
			return
		}
		delete(a.objects, r.URL.Path)
	case http.MethodPatch:
		if object == nil {
			object = map[string]any{"apiVersion": "v1", "kind": "Thing", "metadata": map[string]any{"name": "x"}}
		}
	}
	_ = json.NewEncoder(w).Encode(object)
}

// status answers as an API server refuses.
func status(w http.ResponseWriter, code int, message, name string) {
	reason := map[int]string{403: "Forbidden", 404: "NotFound", 409: "Conflict", 422: "Invalid", 500: "InternalError"}[code]
	if message == "already exists" {
		reason = "AlreadyExists"
	}
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason, "code": code, "details": map[string]any{"name": name},
	})
}

// wrote lists the requests that were made, without those that only read.
func (a *api) wrote() []asked {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []asked
	for _, r := range a.asked {
		if r.Verb != http.MethodGet {
			out = append(out, r)
		}
	}
	return out
}

func kinds() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper(nil)
	for kind, scope := range map[schema.GroupVersionKind]meta.RESTScope{
		{Group: "apps", Version: "v1", Kind: "Deployment"}:                         meta.RESTScopeNamespace,
		{Group: "batch", Version: "v1", Kind: "Job"}:                               meta.RESTScopeNamespace,
		{Version: "v1", Kind: "ConfigMap"}:                                         meta.RESTScopeNamespace,
		{Version: "v1", Kind: "Namespace"}:                                         meta.RESTScopeRoot,
		{Group: "serving.kserve.io", Version: "v1beta1", Kind: "InferenceService"}: meta.RESTScopeNamespace,
	} {
		m.Add(kind, scope)
	}
	return m
}

func inCluster(t *testing.T, a *api, o Options) *Runner {
	t.Helper()
	c, err := NewCluster(&rest.Config{Host: a.URL}, kinds())
	if err != nil {
		t.Fatal(err)
	}
	o.Cluster = c
	return newRunner(t, o)
}

var (
	ranker   = experiment.ObjectRef{APIVersion: "apps/v1", Kind: "Deployment", Name: "ranker-{{.name}}"}
	promoter = Owner{UID: "u1", Namespace: "search", ServiceAccount: "promoter"}
)

const (
	asPromoter = "system:serviceaccount:search:promoter"
	rankerPath = "/apis/apps/v1/namespaces/search/deployments/ranker-v2"
)

func TestObjectsAreChangedAsTheServiceAccount(t *testing.T) {
	for name, c := range map[string]struct {
		action experiment.Action
		want   []asked
	}{
		"a merge": {
			experiment.Action{Patch: &experiment.PatchAction{Object: ranker, Type: "merge", Patch: "spec:\n  replicas: 3\n  tag: {{.name}}"}},
			[]asked{{"PATCH", rankerPath, asPromoter, "application/merge-patch+json", "fieldManager=headgate-actions", map[string]any{"spec": map[string]any{"replicas": 3.0, "tag": "v2"}}}},
		},
		"replicas": {
			experiment.Action{Scale: &experiment.ScaleAction{Object: ranker, Replicas: 0}},
			[]asked{{"PATCH", rankerPath + "/scale", asPromoter, "application/merge-patch+json", "fieldManager=headgate-actions", map[string]any{"spec": map[string]any{"replicas": 0.0}}}},
		},
		"a deletion of what is gone": {
			experiment.Action{Delete: &ranker},
			[]asked{{"DELETE", rankerPath, asPromoter, "application/json", "", map[string]any{"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}}},
		},
		"a kind without a namespace": {
			experiment.Action{Patch: &experiment.PatchAction{Object: experiment.ObjectRef{APIVersion: "v1", Kind: "Namespace", Name: "search"}, Patch: "{}"}},
			[]asked{{"PATCH", "/api/v1/namespaces/search", asPromoter, "application/merge-patch+json", "fieldManager=headgate-actions", map[string]any{}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t)
			if _, err := run(t, inCluster(t, a, Options{}), promoter, c.action); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, a.wrote()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhoActs(t *testing.T) {
	for name, c := range map[string]struct {
		options Options
		account string
		want    string
	}{
		"the account that is named":             {Options{}, "promoter", asPromoter},
		"the namespace's default":               {Options{}, "", "system:serviceaccount:search:default"},
		"the user of a laptop":                  {Options{Laptop: true}, "", ""},
		"on a laptop the account that is named": {Options{Laptop: true}, "promoter", asPromoter},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t)
			owner := Owner{Namespace: "search", ServiceAccount: c.account}
			if _, err := run(t, inCluster(t, a, c.options), owner, experiment.Action{Delete: &ranker}); err != nil {
				t.Fatal(err)
			}
			if got := a.wrote()[0].As; got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestAJSONPatchIsDoneOnce(t *testing.T) {
	a := newAPI(t)
	r := inCluster(t, a, Options{})
	patch := experiment.Action{Patch: &experiment.PatchAction{Object: ranker, Type: "json", Patch: `[{op: add, path: /spec/hosts/-, value: "{{.name}}"}]`}}
	object := map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "ranker-v2", "resourceVersion": "7"}}
	a.objects[rankerPath] = object
	if _, err := run(t, r, promoter, patch); err != nil {
		t.Fatal(err)
	}
	object["metadata"].(map[string]any)["annotations"] = map[string]any{"other": "x"}
	if _, err := run(t, r, promoter, patch); err != nil {
		t.Fatal(err)
	}
	object["metadata"].(map[string]any)["annotations"] = map[string]any{Annotation: "u1/4/onFinish/0"}
	res, err := run(t, r, promoter, patch)
	if err != nil || res.why != "it was done before" {
		t.Errorf("%+v, %v", res, err)
	}
	same, add := map[string]any{"op": "test", "path": "/metadata/resourceVersion", "value": "7"}, map[string]any{"op": "add", "path": "/spec/hosts/-", "value": "v2"}
	var bodies []any
	for _, w := range a.wrote() {
		bodies = append(bodies, w.Body)
	}
	want := []any{
		[]any{same, add, map[string]any{"op": "add", "path": "/metadata/annotations", "value": map[string]any{Annotation: "u1/4/onFinish/0"}}},
		[]any{same, add, map[string]any{"op": "add", "path": "/metadata/annotations/headgate.dev~1action", "value": "u1/4/onFinish/0"}},
	}
	if diff := cmp.Diff(want, bodies); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

const twoManifests = `# The service of the winner.
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: ranker}
spec: {model: "{{.name}}"}
---
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: other}}
- {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
`

func TestManifestsAreAppliedInTheirOrder(t *testing.T) {
	a := newAPI(t)
	res, err := run(t, inCluster(t, a, Options{}), promoter, experiment.Action{Apply: &experiment.ApplyAction{Manifest: twoManifests}})
	if err != nil || res.why != "3 objects applied" {
		t.Fatalf("%+v, %v", res, err)
	}
	var paths []string
	for _, w := range a.wrote() {
		paths = append(paths, w.Path)
		if w.Type != "application/apply-patch+yaml" || w.Query != "fieldManager=headgate-actions&force=true" || w.As != asPromoter {
			t.Errorf("%+v", w)
		}
	}
	want(t, paths, "/apis/serving.kserve.io/v1beta1/namespaces/search/inferenceservices/ranker", "/api/v1/namespaces/other/configmaps/a", "/api/v1/namespaces/shop")
	first, _ := a.wrote()[0].Body.(map[string]any)
	if diff := cmp.Diff(map[string]any{"model": "v2"}, first["spec"]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestManifestsAreFetched(t *testing.T) {
	a := newAPI(t)
	files := http.NewServeMux()
	files.HandleFunc("/v2.yaml", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, twoManifests) })
	files.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("#", maxFile+1)) })
	web := httptest.NewServer(files)
	defer web.Close()
	for url, want := range map[string]string{
		web.URL + "/{{.name}}.yaml": "", web.URL + "/large": "last", web.URL + "/none": "last", "http://127.0.0.1:1/x": "again",
		"/etc/hostname": "last", "ftp://h/x": "last", "http://169.254.169.254/x": "last",
	} {
		_, err := run(t, inCluster(t, a, Options{}), promoter, experiment.Action{Apply: &experiment.ApplyAction{URL: url, Namespace: "shop"}})
		if fate(err) != want {
			t.Errorf("%s: %v", url, err)
		}
	}
	if got := a.wrote()[0].Path; got != "/apis/serving.kserve.io/v1beta1/namespaces/shop/inferenceservices/ranker" {
		t.Errorf("applied to %s", got)
	}
}

func TestManifestsAreReadFromALaptopsDisk(t *testing.T) {
	a := newAPI(t)
	path := t.TempDir() + "/v2.yaml"
	write(t, path, twoManifests)
	if _, err := run(t, inCluster(t, a, Options{Laptop: true}), promoter, experiment.Action{Apply: &experiment.ApplyAction{URL: path}}); err != nil || len(a.wrote()) != 3 {
		t.Errorf("%v, %v", err, a.wrote())
	}
}

func TestManifestsThatCannotBeApplied(t *testing.T) {
	for name, c := range map[string]struct{ text, want, says string }{
		"nothing":          {"# nothing\n", "last", "no manifest"},
		"no YAML":          {"a: [", "last", "document 1"},
		"a text":           {"just words", "last", "document 1"},
		"no name":          {"apiVersion: v1\nkind: ConfigMap", "last", "a kind and a name"},
		"no kind":          {"apiVersion: v1\nmetadata: {name: x}", "last", "a kind and a name"},
		"no version":       {"kind: ConfigMap\nmetadata: {name: x}", "last", "apiVersion"},
		"a kind of nobody": {"apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: x}", "again", "does not serve"},
	} {
		_, err := run(t, inCluster(t, newAPI(t), Options{}), promoter, experiment.Action{Apply: &experiment.ApplyAction{Manifest: c.text}})
		if fate(err) != c.want || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v (%s)", name, err, fate(err))
		}
	}
}

func TestWhatAClusterRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		status     int
		says, want string
		hint       string
	}{
		"a right that is missing": {
			403, `deployments.apps "ranker-v2" is forbidden: User "system:serviceaccount:search:promoter" cannot patch resource "deployments" in API group "apps" in the namespace "search"`,
			"again", `allow it to ServiceAccount search/promoter in a Role in namespace search: {apiGroups: ["apps"], resources: ["deployments/scale"], verbs: ["patch"]}`,
		},
		"impersonation": {
			403, `serviceaccounts "promoter" is forbidden: User "x" cannot impersonate resource "serviceaccounts" in API group "" in the namespace "search"`,
			"again", `resourceNames: [promoter], verbs: [impersonate]} in namespace search`,
		},
		"by an admission":        {403, "admission webhook says no", "again", ""},
		"what is not there":      {404, "not found", "again", ""},
		"what is wrong":          {422, "spec.replicas: must be 0 or more", "last", ""},
		"a server with problems": {500, "etcd is away", "again", ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t)
			a.refuse["PATCH "+rankerPath+"/scale"], a.says = c.status, c.says
			_, err := run(t, inCluster(t, a, Options{}), promoter, experiment.Action{Scale: &experiment.ScaleAction{Object: ranker}})
			if fate(err) != c.want || !strings.Contains(experiment.HintOf(err), c.hint) || !strings.Contains(err.Error(), "Deployment search/ranker-v2") {
				t.Errorf("%v; %s (%s)", err, experiment.HintOf(err), fate(err))
			}
		})
	}
}

func TestWithoutAClusterNoObjectIsTouched(t *testing.T) {
	for _, a := range []experiment.Action{
		{Patch: &experiment.PatchAction{}},
		{Apply: &experiment.ApplyAction{}},
		{Delete: &experiment.ObjectRef{}},
		{Scale: &experiment.ScaleAction{}},
		{Readiness: &experiment.ReadinessAction{Objects: []experiment.ReadyObject{{}}}},
		{Exec: &experiment.ExecAction{Command: []string{"x"}, Image: "i"}},
	} {
		_, err := run(t, newRunner(t, Options{AllowExec: true}), promoter, a)
		if fate(err) != "last" || experiment.HintOf(err) == "" {
			t.Errorf("%s: %v", a.Kind(), err)
		}
	}
}

func TestAPlanThatDoesNotFitIsRefusedAtOnce(t *testing.T) {
	plan := func(a experiment.Action) *experiment.Plan {
		return &experiment.Plan{Actions: &experiment.Actions{OnStart: []experiment.Action{{Webhook: &experiment.WebhookAction{}}, a}}}
	}
	for name, c := range map[string]struct {
		action experiment.Action
		want   string
	}{
		"apply":                {experiment.Action{Apply: &experiment.ApplyAction{}}, "spec.actions.onStart[1].apply: there is no cluster"},
		"readiness of objects": {experiment.Action{Readiness: &experiment.ReadinessAction{Objects: []experiment.ReadyObject{{}}}}, "spec.actions.onStart[1].readiness: there is no cluster"},
		"readiness of routes":  {experiment.Action{Readiness: &experiment.ReadinessAction{Routes: true}}, ""},
		"exec":                 {experiment.Action{Exec: &experiment.ExecAction{}}, "commands are not allowed"},
		"load":                 {experiment.Action{Load: &experiment.LoadAction{}}, ""},
	} {
		err := newRunner(t, Options{Laptop: true}).Fits(plan(c.action))
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || experiment.HintOf(err) == "") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := newRunner(t, Options{}).Fits(&experiment.Plan{}); err != nil {
		t.Error(err)
	}
}

// slow is a mapper that answers when it is let.
type slow struct {
	meta.RESTMapper
	let chan struct{}
}

func (s slow) RESTMapping(gk schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	<-s.let
	return s.RESTMapper.RESTMapping(gk, versions...)
}

func TestNobodyWaitsForAMapperWithoutAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		let := make(chan struct{})
		c := &Cluster{mapper: slow{kinds(), let}, mapping: make(chan struct{}, 1)}
		kind := schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}
		for range 2 { // The second waits for the first's question.
			start := time.Now()
			if _, err := c.ask(t.Context(), kind); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != callTimeout {
				t.Errorf("%v after %s", err, time.Since(start))
			}
		}
		close(let)
		synctest.Wait()
		if _, err := c.ask(t.Context(), kind); err != nil {
			t.Error(err)
		}
	})
}

func TestReadinessWaitsForConditions(t *testing.T) {
	a := newAPI(t)
	path := "/apis/serving.kserve.io/v1beta1/namespaces/search/inferenceservices/ranker"
	object := func(s string) map[string]any {
		return map[string]any{"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": map[string]any{"name": "ranker"}, "status": map[string]any{
			"conditions": []any{map[string]any{"type": "Ready", "status": s, "message": "the image is pulled"}},
		}}
	}
	r := inCluster(t, a, Options{})
	as, err := r.acting(&promoter)
	if err != nil {
		t.Fatal(err)
	}
	wanted := experiment.ReadyObject{ObjectRef: experiment.ObjectRef{APIVersion: "serving.kserve.io/v1beta1", Kind: "InferenceService", Name: "ranker"}, Condition: "Ready"}
	check := func(says string) {
		t.Helper()
		err := as.ready(t.Context(), wanted)
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
	check("not found")
	a.objects[path] = object("False")
	check("condition Ready is False: the image is pulled")
	a.objects[path] = object("True")
	check("")
	wanted.Condition = "RoutesReady"
	check("has no condition RoutesReady yet")
	wanted.Condition = ""
	check("")
	if _, err := run(t, r, promoter, experiment.Action{Readiness: &experiment.ReadinessAction{Objects: []experiment.ReadyObject{wanted}}}); err != nil {
		t.Error(err)
	}
}

func TestReadinessAsksEverySecondUntilTheEndOfItsTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		defer r.Close()
		asked := 0
		owner := Owner{Routes: func(context.Context) error {
			if asked++; asked < 4 {
				return fmt.Errorf("route %d is missing", asked)
			}
			return nil
		}}
		a := experiment.Action{Readiness: &experiment.ReadinessAction{Routes: true}}
		start := time.Now()
		if _, err := run(t, r, owner, a); err != nil || time.Since(start) != 3*time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		asked = -100
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		if _, err := r.once(ctx, &job{owner: owner, task: task(0, a)}); err == nil || err.Error() != "route -97 is missing" {
			t.Error(err)
		}
	})
}
