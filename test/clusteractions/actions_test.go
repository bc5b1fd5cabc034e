// SPDX-License-Identifier: Apache-2.0

// Package clusteractions holds the actions of a plan against a real API server:
// whose rights they have, and what is done twice.
package clusteractions

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/internal/action"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/test/servers"
)

// rights is all that the controller has, and what the namespace's accounts have:
// the second by their group, which nobody impersonates.
const rights = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: headgate-actions}
rules: [{apiGroups: [""], resources: [serviceaccounts], verbs: [impersonate]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: headgate-actions}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: headgate-actions}
subjects: [{kind: ServiceAccount, name: headgate-controller, namespace: headgate-system}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: promoter, namespace: search}
rules:
- {apiGroups: [""], resources: [configmaps], verbs: [get, create, patch, delete]}
- {apiGroups: [apps], resources: [deployments], verbs: [get, create, patch]}
- {apiGroups: [batch], resources: [jobs], verbs: [get, create, delete]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: promoter, namespace: search}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: promoter}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:serviceaccounts:search"}]
`

const manifest = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ranker}
spec:
  replicas: 2
  selector: {matchLabels: {app: ranker}}
  template:
    metadata: {labels: {app: ranker}}
    spec: {containers: [{name: model, image: "model:{{.name}}"}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: flags}
data: {production: "{{.name}}"}
`

// scene is a cluster and a Runner with the controller's rights.
type scene struct {
	*servers.Cluster
	runner *action.Runner
	turn   int
}

// do does an action as the namespace's account, until it ends.
func (s *scene) do(t *testing.T, key string, a experiment.Action) experiment.ActionFact {
	t.Helper()
	s.turn++
	owner := action.Owner{UID: fmt.Sprint("owner-", s.turn), Namespace: "search", ServiceAccount: "promoter"}
	tasks := []action.Task{{Action: a, Key: key, Label: "onFinish/a", Document: map[string]any{"name": "v2", "experiment": map[string]any{"id": "search/ranker"}}}}
	defer s.runner.Forget(owner.UID)
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); {
		f := s.runner.Progress(t.Context(), owner, tasks)[0]
		if f.Done || f.Failed {
			return f
		}
		select {
		case <-t.Context().Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Fatal("it does not end")
	return experiment.ActionFact{}
}

func (s *scene) done(t *testing.T, key string, a experiment.Action) experiment.ActionFact {
	t.Helper()
	f := s.do(t, key, a)
	if !f.Done {
		t.Fatalf("it is not done: %s", f.Why)
	}
	return f
}

func (s *scene) get(t *testing.T, name string, into client.Object) {
	t.Helper()
	if err := s.Client.Get(t.Context(), types.NamespacedName{Namespace: "search", Name: name}, into); err != nil {
		t.Fatal(err)
	}
}

func TestActionsOnARealAPIServer(t *testing.T) {
	c := servers.APIServer(t)
	c.Namespace(t, "search")
	c.Namespace(t, "headgate-system")
	c.ServiceAccount(t, "search", "promoter")
	controller := c.ServiceAccount(t, "headgate-system", "headgate-controller")
	cluster, err := action.NewCluster(controller, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{Cluster: c, runner: action.New(action.Options{Cluster: cluster, AllowExec: true})}
	t.Cleanup(s.runner.Close)

	f := s.do(t, "u/0", experiment.Action{Apply: &experiment.ApplyAction{Manifest: manifest}})
	if !f.Failed || !strings.Contains(f.Why, "let the controller act as the service account") {
		t.Errorf("without the right to impersonate: %+v", f)
	}
	c.Apply(t, rights)
	t.Run("the account's rights are learned a moment later", s.applies)
	t.Run("a right that is missing is named", s.names)
	t.Run("values are changed", s.changes)
	t.Run("a JSON patch is done once", s.patchesOnce)
	t.Run("what kubectl applied before goes with it", s.supersedes)
	t.Run("a Job is made, and taken away when it is called off", s.jobs)
}

func (s *scene) applies(t *testing.T) {
	apply := experiment.Action{Retries: 6, Apply: &experiment.ApplyAction{Manifest: manifest}}
	if f := s.done(t, "u/1", apply); f.Why != "2 objects applied" {
		t.Errorf("%+v", f)
	}
	var d appsv1.Deployment
	s.get(t, "ranker", &d)
	if got := d.Spec.Template.Spec.Containers[0].Image; got != "model:v2" || d.ManagedFields[0].Manager != action.FieldManager {
		t.Errorf("%s, %+v", got, d.ManagedFields)
	}
}

func (s *scene) names(t *testing.T) {
	scale := experiment.Action{Scale: &experiment.ScaleAction{Object: experiment.ObjectRef{APIVersion: "apps/v1", Kind: "Deployment", Name: "ranker"}, Replicas: 0}}
	f := s.do(t, "u/2", scale)
	want := `allow it to ServiceAccount search/promoter in a Role in namespace search: {apiGroups: ["apps"], resources: ["deployments/scale"], verbs: ["patch"]}`
	if !f.Failed || !strings.Contains(f.Why, want) {
		t.Errorf("%+v", f)
	}
}

func (s *scene) changes(t *testing.T) {
	s.Apply(t, strings.Replace(rights[strings.LastIndex(rights, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\n")+4:], "resources: [deployments]", "resources: [deployments, deployments/scale]", 1))
	ranker, flags := experiment.ObjectRef{APIVersion: "apps/v1", Kind: "Deployment", Name: "ranker"}, experiment.ObjectRef{APIVersion: "v1", Kind: "ConfigMap", Name: "flags"}
	s.done(t, "u/3", experiment.Action{Retries: 6, Scale: &experiment.ScaleAction{Object: ranker, Replicas: 5}})
	s.done(t, "u/4", experiment.Action{Patch: &experiment.PatchAction{Object: flags, Type: "merge", Patch: "data: {candidate: null, production: '{{.name}}!'}"}})
	var d appsv1.Deployment
	var m corev1.ConfigMap
	s.get(t, "ranker", &d)
	s.get(t, "flags", &m)
	if *d.Spec.Replicas != 5 || m.Data["production"] != "v2!" {
		t.Errorf("%d replicas, %v", *d.Spec.Replicas, m.Data)
	}
	f := s.do(t, "u/5", experiment.Action{Timeout: 5 * time.Second, Readiness: &experiment.ReadinessAction{Objects: []experiment.ReadyObject{{ObjectRef: ranker, Condition: "Available"}}}})
	if !f.Failed || !strings.Contains(f.Why, "has no condition Available yet") {
		t.Errorf("%+v", f)
	}
	for range 2 { // What is gone is done.
		s.done(t, "u/6", experiment.Action{Delete: &flags})
	}
}

func (s *scene) patchesOnce(t *testing.T) {
	s.done(t, "u/7", experiment.Action{Apply: &experiment.ApplyAction{Manifest: manifest}})
	add := experiment.Action{Patch: &experiment.PatchAction{
		Object: experiment.ObjectRef{APIVersion: "apps/v1", Kind: "Deployment", Name: "ranker"}, Type: "json",
		Patch: `[{op: add, path: /spec/template/spec/containers/-, value: {name: "side-{{.name}}", image: "x:1"}}]`,
	}}
	for range 3 {
		s.done(t, "u/8", add)
	}
	var d appsv1.Deployment
	s.get(t, "ranker", &d)
	if n := len(d.Spec.Template.Spec.Containers); n != 2 {
		t.Errorf("%d containers", n)
	}
	f := s.do(t, "u/9", experiment.Action{Patch: &experiment.PatchAction{Object: add.Patch.Object, Type: "json", Patch: `[{op: test, path: /spec/replicas, value: 99}]`}})
	if !f.Failed {
		t.Errorf("a test that does not hold: %+v", f)
	}
}

func (s *scene) supersedes(t *testing.T) {
	const before = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: byhand, namespace: search}\ndata: {production: v1, candidate: v2}\n"
	if out, err := s.Kubectl(t.Context(), before, "apply", "-f", "-"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.done(t, "u/10", experiment.Action{Apply: &experiment.ApplyAction{Manifest: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: byhand}\ndata: {production: v2}\n"}})
	var m corev1.ConfigMap
	s.get(t, "byhand", &m)
	if diff := cmp.Diff(map[string]string{"production": "v2"}, m.Data); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func (s *scene) jobs(t *testing.T) {
	owner := action.Owner{UID: "jobs", Namespace: "search", ServiceAccount: "promoter"}
	tasks := []action.Task{{Key: "u/11", Label: "a", Document: map[string]any{}, Action: experiment.Action{
		Timeout: time.Minute, Exec: &experiment.ExecAction{Image: "kubectl:1", Command: []string{"sh", "-c", "echo $(date)"}},
	}}}
	s.runner.Progress(t.Context(), owner, tasks)
	count := func() (int, error) {
		var list batchv1.JobList
		err := s.Client.List(t.Context(), &list, client.InNamespace("search"))
		n := 0
		for _, j := range list.Items {
			if j.DeletionTimestamp.IsZero() {
				n++
			}
		}
		return n, err
	}
	eventually(t, func() error {
		if n, err := count(); err != nil || n != 1 {
			return fmt.Errorf("%d Jobs, %w; %v", n, err, s.runner.Progress(t.Context(), owner, tasks))
		}
		return nil
	})
	s.runner.Forget(owner.UID)
	eventually(t, func() error {
		if n, err := count(); err != nil || n != 0 {
			return fmt.Errorf("%d Jobs, %w", n, err)
		}
		return nil
	})
}

func eventually(t *testing.T, try func() error) {
	t.Helper()
	err := errors.New("never tried")
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if err = try(); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal(err)
}
