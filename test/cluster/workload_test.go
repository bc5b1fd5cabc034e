// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/workload"
	"github.com/headgate-dev/headgate/test/servers"
)

// deployments plays the part of kube-controller-manager, which a test cluster has
// not: it writes the status of Deployments as a rollout goes on.
type deployments struct {
	t         *testing.T
	client    client.WithWatch
	namespace string
}

func (d deployments) key(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: d.namespace, Name: name}
}

func (d deployments) get(name string) *appsv1.Deployment {
	d.t.Helper()
	var out appsv1.Deployment
	if err := d.client.Get(d.t.Context(), d.key(name), &out); err != nil {
		d.t.Fatal(err)
	}
	return &out
}

// create makes a Deployment with one container.
func (d deployments) create(name, image string, replicas int32, more ...func(*appsv1.Deployment)) {
	d.t.Helper()
	labels := map[string]string{"app": "ranker", "version": name}
	out := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: d.namespace, Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "model", Image: image}}},
			},
		},
	}
	for _, m := range more {
		m(out)
	}
	if err := d.client.Create(d.t.Context(), out); err != nil {
		d.t.Fatal(err)
	}
}

// status writes how far a rollout is.
func (d deployments) status(name string, updated, all, available int32) {
	d.t.Helper()
	out := d.get(name)
	out.Status = appsv1.DeploymentStatus{
		ObservedGeneration: out.Generation, Replicas: all, UpdatedReplicas: updated, ReadyReplicas: available, AvailableReplicas: available,
	}
	if err := d.client.Status().Update(d.t.Context(), out); err != nil {
		d.t.Fatal(err)
	}
}

// complete ends the rollout of a Deployment at once.
func (d deployments) complete(name string) {
	d.t.Helper()
	n := *d.get(name).Spec.Replicas
	d.status(name, n, n, n)
}

// change edits a Deployment as somebody else would.
func (d deployments) change(name string, do func(*appsv1.Deployment)) {
	d.t.Helper()
	out := d.get(name)
	do(out)
	if err := d.client.Update(d.t.Context(), out); err != nil {
		d.t.Fatal(err)
	}
}

func image(d *appsv1.Deployment) string { return d.Spec.Template.Spec.Containers[0].Image }

// TestWorkloads does everything that is done with Deployments on a real API
// server; the Deployment controller's part is played by the test.
func TestWorkloads(t *testing.T) {
	c := servers.APIServer(t)
	all, err := client.NewWithWatch(c.Config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	made := 0
	// each gives a test a namespace of its own, with a green baseline of two
	// replicas and a blue winner of three, both up.
	each := func(name string, test func(t *testing.T, d deployments, w *workload.Cluster)) {
		made++
		namespace := fmt.Sprintf("workload-%d", made)
		c.Namespace(t, namespace)
		t.Run(name, func(t *testing.T) {
			d := deployments{t, all, namespace}
			d.create("green", "ranker:1", 2)
			d.create("blue", "ranker:2", 3, blueExtras)
			d.complete("green")
			d.complete("blue")
			test(t, d, workload.New(c.Client, c.Client, c.Client))
		})
	}
	each("a version is ready when a replica is available at the newest spec", isReady)
	each("a copy takes the pods and leaves what tells versions apart", copies)
	each("a copy is complete when every replica is new and available", copyCompletes)
	each("a copy is written once, whoever undoes it", copiesOnce)
	each("a controller that dies before or after its write copies once", copySurvives)
	each("a restore puts back what a copy replaced", restores)
	each("a restore leaves what somebody changed since", restoresOnlyCopies)
	each("a restore brings a scaled-down version up again", restoresReplicas)
	each("a retirement is done once", retiresOnce)
	each("a retirement deletes, but not what was made anew", deletes)
	each("a version kept warm is too small when it has fewer replicas than it served with", warm)
	each("a right that is missing is named", func(t *testing.T, d deployments, _ *workload.Cluster) { rights(t, c, d) })
}

// blueExtras gives the winner what a copy should take, and labels that it should
// not.
func blueExtras(d *appsv1.Deployment) {
	d.Spec.Template.Labels["track"] = "blue"
	d.Spec.Template.Annotations = map[string]string{"sidecar.istio.io/proxyCPU": "100m"}
	seconds := int64(7)
	d.Spec.Template.Spec.TerminationGracePeriodSeconds = &seconds
	d.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "MODEL", Value: "r2"}}
}

var firstKey = workload.Key{UID: "uid", Transition: 5}

func mustCopy(t *testing.T, w *workload.Cluster, d deployments, want workload.Progress) {
	t.Helper()
	got, err := w.Copy(t.Context(), firstKey, d.namespace, "blue", "green")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the copy (-want +got):\n%s", diff)
	}
}

var justWritten = workload.Progress{Why: "it was written just now"}

func isReady(t *testing.T, d deployments, w *workload.Cluster) {
	versions := []experiment.Version{{Name: "v1", Workload: "green"}, {Name: "v2", Workload: "blue"}, {Name: "v3"}, {Name: "v4", Workload: "none"}}
	want := func(want ...bool) {
		t.Helper()
		got, err := w.Ready(t.Context(), d.namespace, versions)
		if !slices.Equal(got, want) {
			t.Errorf("ready %v, want %v", got, want)
		}
		if experiment.CodeOf(err) != experiment.CodeNotFound || !strings.Contains(err.Error(), "none") {
			t.Errorf("of the Deployment that is absent: %v", err)
		}
	}
	want(true, true, true, false)
	d.status("blue", 3, 3, 0)
	want(true, false, true, false)
	d.change("green", func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "ranker:1b" })
	want(false, false, true, false)
	d.status("green", 1, 3, 2)
	want(true, false, true, false)
	if got, err := w.Ready(t.Context(), d.namespace, []experiment.Version{{Name: "v1"}}); got != nil || err != nil {
		t.Errorf("without workloads: %v, %v", got, err)
	}
}

func copies(t *testing.T, d deployments, w *workload.Cluster) {
	before, blue := d.get("green"), d.get("blue")
	mustCopy(t, w, d, justWritten)
	after := d.get("green")
	if diff := cmp.Diff(blue.Spec.Template.Spec, after.Spec.Template.Spec); diff != "" {
		t.Errorf("the pods' spec (-blue +green):\n%s", diff)
	}
	if !maps.Equal(after.Spec.Template.Annotations, blue.Spec.Template.Annotations) {
		t.Errorf("the pods' annotations are %v", after.Spec.Template.Annotations)
	}
	if !maps.Equal(after.Spec.Template.Labels, before.Spec.Template.Labels) {
		t.Errorf("the pods' labels are %v, were %v", after.Spec.Template.Labels, before.Spec.Template.Labels)
	}
	if *after.Spec.Replicas != 3 {
		t.Errorf("%d replicas, want as many as the winner has", *after.Spec.Replicas)
	}
	after.Spec.Template, after.Spec.Replicas = before.Spec.Template, before.Spec.Replicas
	if diff := cmp.Diff(before.Spec, after.Spec); diff != "" {
		t.Errorf("the rest of the Deployment (-before +after):\n%s", diff)
	}
}

func copyCompletes(t *testing.T, d deployments, w *workload.Cluster) {
	mustCopy(t, w, d, justWritten)
	why := func(why string) {
		t.Helper()
		mustCopy(t, w, d, workload.Progress{Why: why})
	}
	why("its newest spec was not acted on yet")
	d.status("green", 1, 3, 2)
	why("1 of 3 replicas are updated")
	d.status("green", 3, 4, 3)
	why("1 replicas of before are still there")
	d.status("green", 3, 3, 2)
	why("2 of 3 replicas are available")
	failing := d.get("green")
	failing.Status.Conditions = []appsv1.DeploymentCondition{{Type: "Progressing", Status: "False", Reason: "ProgressDeadlineExceeded", Message: "no image"}}
	if err := d.client.Status().Update(t.Context(), failing); err != nil {
		t.Fatal(err)
	}
	why("its rollout does not get on: ProgressDeadlineExceeded: no image")
	d.complete("green")
	mustCopy(t, w, d, workload.Progress{Done: true})
}

func copiesOnce(t *testing.T, d deployments, w *workload.Cluster) {
	mustCopy(t, w, d, justWritten)
	d.change("green", func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "ranker:1" })
	d.complete("green")
	at := d.get("green").ResourceVersion
	got, err := w.Copy(t.Context(), firstKey, d.namespace, "blue", "green")
	if err != nil || got.Done || !strings.Contains(got.Why, "GitOps") {
		t.Errorf("what was undone counts as %+v, %v", got, err)
	}
	if now := d.get("green").ResourceVersion; now != at {
		t.Error("it was written again")
	}
}

// copySurvives loses the controller at each of its writes, before and after the
// API server did it.
func copySurvives(t *testing.T, d deployments, w *workload.Cluster) {
	lost := errors.New("lost")
	for _, after := range []bool{false, true} {
		writes := 0
		dying := interceptor.NewClient(d.client, interceptor.Funcs{
			Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
				writes++
				if after {
					if err := c.Update(ctx, o, opts...); err != nil {
						return err
					}
				}
				return lost
			},
		})
		_, err := workload.New(d.client, d.client, dying).Copy(t.Context(), firstKey, d.namespace, "blue", "green")
		if !errors.Is(err, lost) || experiment.CodeOf(err) != experiment.CodeUnavailable || writes != 1 {
			t.Fatalf("%d writes, %v", writes, err)
		}
	}
	generation := d.get("green").Generation
	d.complete("green")
	mustCopy(t, w, d, workload.Progress{Done: true})
	if now := d.get("green").Generation; now != generation {
		t.Errorf("generation %d after the write that was lost, %d now", generation, now)
	}
}

func restores(t *testing.T, d deployments, w *workload.Cluster) {
	before := d.get("green")
	mustCopy(t, w, d, justWritten)
	for _, uid := range []types.UID{"ui", "other", "uid", "uid"} { // Others' copies are none of its business; twice is once.
		got, err := w.Restore(t.Context(), uid, d.namespace, "green")
		if err != nil || !got.Done {
			t.Fatalf("%+v, %v", got, err)
		}
		if want := map[bool]string{true: "ranker:1", false: "ranker:2"}[uid == "uid"]; image(d.get("green")) != want {
			t.Errorf("after %s: %s, want %s", uid, image(d.get("green")), want)
		}
	}
	after := d.get("green")
	if diff := cmp.Diff(before.Spec.Template, after.Spec.Template); diff != "" {
		t.Errorf("the pod template (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(before.Annotations, after.Annotations); diff != "" {
		t.Errorf("annotations are left (-before +after):\n%s", diff)
	}
	if *after.Spec.Replicas != 3 {
		t.Errorf("%d replicas for the traffic that comes back", *after.Spec.Replicas)
	}
	if got, err := w.Restore(t.Context(), "uid", d.namespace, "none"); err != nil || !got.Done || got.Why == "" {
		t.Errorf("of what is gone: %+v, %v", got, err)
	}
}

func restoresOnlyCopies(t *testing.T, d deployments, w *workload.Cluster) {
	mustCopy(t, w, d, justWritten)
	d.change("green", func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "ranker:3" })
	got, err := w.Restore(t.Context(), "uid", d.namespace, "green")
	if err != nil || !got.Done || !strings.Contains(got.Why, "changed since") || image(d.get("green")) != "ranker:3" {
		t.Errorf("%+v, %v: %s", got, err, image(d.get("green")))
	}
}

func restoresReplicas(t *testing.T, d deployments, w *workload.Cluster) {
	if _, err := w.Retire(t.Context(), firstKey, d.namespace, "green", experiment.LoserScaleDown, time.Now()); err != nil {
		t.Fatal(err)
	}
	if n := *d.get("green").Spec.Replicas; n != 0 {
		t.Fatalf("%d replicas", n)
	}
	if _, err := w.Restore(t.Context(), "uid", d.namespace, "green"); err != nil {
		t.Fatal(err)
	}
	if green := d.get("green"); *green.Spec.Replicas != 2 || len(green.Annotations) > 0 {
		t.Errorf("%d replicas, annotations %v", *green.Spec.Replicas, green.Annotations)
	}
}

func retiresOnce(t *testing.T, d deployments, w *workload.Cluster) {
	retire := func() {
		t.Helper()
		if got, err := w.Retire(t.Context(), firstKey, d.namespace, "green", experiment.LoserScaleDown, time.Now()); err != nil || !got.Done {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	retire()
	d.change("green", func(d *appsv1.Deployment) { n := int32(4); d.Spec.Replicas = &n })
	retire()
	if n := *d.get("green").Spec.Replicas; n != 4 {
		t.Errorf("what somebody scaled up has %d replicas", n)
	}
}

func deletes(t *testing.T, d deployments, w *workload.Cluster) {
	asked := time.Now()
	if got, err := w.Retire(t.Context(), firstKey, d.namespace, "green", experiment.LoserDelete, asked); err != nil || !got.Done {
		t.Fatalf("%+v, %v", got, err)
	}
	if err := d.client.Get(t.Context(), d.key("green"), &appsv1.Deployment{}); client.IgnoreNotFound(err) != nil || err == nil {
		t.Fatalf("it is still there: %v", err)
	}
	d.create("green", "ranker:9", 1)
	d.change("green", func(*appsv1.Deployment) {})
	got, err := w.Retire(t.Context(), firstKey, d.namespace, "green", experiment.LoserDelete, asked.Add(-2*time.Second))
	if err != nil || !got.Done || image(d.get("green")) != "ranker:9" {
		t.Errorf("what was made anew: %+v, %v", got, err)
	}
}

func warm(t *testing.T, d deployments, w *workload.Cluster) {
	want := func(part string) {
		t.Helper()
		got, err := w.Warm(t.Context(), firstKey, d.namespace, "green")
		if err != nil || (got == "") != (part == "") || !strings.Contains(got, part) {
			t.Errorf("%q, %v, want %q", got, err, part)
		}
	}
	want("") // It is noted with how many it served.
	want("")
	d.change("green", func(d *appsv1.Deployment) { n := int32(1); d.Spec.Replicas = &n })
	d.complete("green")
	want("has 1 ready replicas, and served with 2")
	d.status("green", 2, 2, 2)
	want("")
	if err := d.client.Delete(t.Context(), d.get("green")); err != nil {
		t.Fatal(err)
	}
	want("is gone")
}

// rights asks as a service account that may read alone.
func rights(t *testing.T, c *servers.Cluster, d deployments) {
	config := c.ServiceAccount(t, d.namespace, "reader")
	role := &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Namespace: d.namespace, Name: "reader"},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"get"}}},
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: d.namespace, Name: "reader"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: d.namespace, Name: "reader"}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "reader"},
	}
	for _, o := range []client.Object{role, binding} {
		if err := d.client.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	reader, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := workload.New(reader, reader, reader)
	for verb, do := range map[string]func() error{
		"update": func() error {
			_, err := w.Copy(t.Context(), firstKey, d.namespace, "blue", "green")
			return err
		},
		"delete": func() error {
			_, err := w.Retire(t.Context(), firstKey, d.namespace, "green", experiment.LoserDelete, time.Now())
			return err
		},
		"patch": func() error {
			_, err := w.Warm(t.Context(), firstKey, d.namespace, "green")
			return err
		},
	} {
		err := do()
		for began := time.Now(); err != nil && strings.Contains(err.Error(), "cannot get") && time.Since(began) < soon; {
			err = do() // RBAC has not seen the role yet.
		}
		if experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(experiment.HintOf(err), `verbs: ["`+verb+`"]`) {
			t.Errorf("%s: %v; %s", verb, err, experiment.HintOf(err))
		}
	}
	if image(d.get("green")) != "ranker:1" {
		t.Error("it was changed")
	}
}
