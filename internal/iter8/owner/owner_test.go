// SPDX-License-Identifier: Apache-2.0

package owner

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/yaml"

	api "github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// noRecords is a cluster whose native experiments have not begun.
type noRecords struct{}

func (noRecords) Load(context.Context, string) (experiment.Record, error) {
	return experiment.Record{}, experiment.Errorf(experiment.CodeNotFound, "there is none")
}

func (noRecords) Plan(context.Context, string) (*experiment.Plan, error) {
	return nil, experiment.Errorf(experiment.CodeNotFound, "there is none")
}

// world is a Reconciler with a cluster in memory.
type world struct {
	*Reconciler
	t      *testing.T
	now    time.Time
	writes int // Of status.
	told   *events.FakeRecorder
	broken error // What the API server says to each write of a status, once.
}

func newWorld(t *testing.T, objects ...string) *world {
	t.Helper()
	w := &world{t: t, now: time.Unix(1_700_000_000, 0).UTC(), told: events.NewFakeRecorder(100)}
	scheme := runtime.NewScheme()
	if err := kube.AddToScheme(scheme); err != nil { // Iter8's kinds are in none: they are read as they are.
		t.Fatal(err)
	}
	made := []client.Object{object(t, route)}
	for _, o := range objects {
		made = append(made, object(t, o))
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(made...).WithStatusSubresource(newObject(), &kube.Experiment{}).
		WithInterceptorFuncs(interceptor.Funcs{
			SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
				if err := w.broken; err != nil {
					w.broken = nil
					return err
				}
				// The fake does not compare versions here, as an API server does.
				if now := newObject(); o.GetObjectKind().GroupVersionKind() == Kind {
					if err := c.Get(ctx, client.ObjectKeyFromObject(o), now); err == nil && now.GetResourceVersion() != o.GetResourceVersion() {
						return apierrors.NewConflict(schema.GroupResource{Group: Kind.Group, Resource: "experiments"}, o.GetName(), fmt.Errorf("it has changed"))
					}
				}
				w.writes++
				return c.SubResource(sub).Update(ctx, o, opts...)
			},
		}).Build()
	w.Reconciler = New(Options{Client: c, Live: c, Records: noRecords{}, Events: w.told, Now: func() time.Time { return w.now }})
	return w
}

func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}

const route = `
apiVersion: networking.istio.io/v1beta1
kind: VirtualService
metadata: {name: store, namespace: shop}
spec: {http: [{route: [{weight: 100}, {weight: 0}]}]}
`

// experimentOf is an experiment of a target.
func experimentOf(name, target, more string) string {
	return fmt.Sprintf(`
apiVersion: iter8.tools/v2alpha2
kind: Experiment
metadata: {name: %[1]s, namespace: shop, uid: uid-%[1]s%[3]s}
spec:
  target: %[2]s
  strategy: {testingPattern: A/B}
  criteria:
    rewards: [{metric: visits, preferredDirection: High}]
  versionInfo:
    baseline: {name: v1, weightObjRef: {apiVersion: networking.istio.io/v1beta1, kind: VirtualService, name: store, fieldPath: ".spec.http[0].route[0].weight"}}
    candidates: [{name: v2, weightObjRef: {apiVersion: networking.istio.io/v1beta1, kind: VirtualService, name: store, fieldPath: ".spec.http[0].route[1].weight"}}]
`, name, target, more)
}

const visits = `
apiVersion: iter8.tools/v2alpha2
kind: Metric
metadata: {name: visits, namespace: shop}
spec: {type: Counter, mock: [{name: v1, level: 1}, {name: v2, level: 2}]}
`

func key(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "shop", Name: name}
}

// turn reconciles an experiment.
func (w *world) turn(name string) time.Duration {
	w.t.Helper()
	result, err := w.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: key(name)})
	if err != nil {
		w.t.Fatalf("%s: %v", name, err)
	}
	return result.RequeueAfter
}

// status is an experiment's.
func (w *world) status(name string) *api.ExperimentStatus {
	w.t.Helper()
	u := newObject()
	if err := w.Client.Get(w.t.Context(), key(name), u); err != nil {
		w.t.Fatal(err)
	}
	t := &turn{u: u}
	t.read()
	return &t.e.Status
}

func (w *world) native(name string) *kube.Experiment {
	w.t.Helper()
	e, err := w.nativeOf(w.t.Context(), key(name))
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// says fails unless a condition has a status and, in its message, a part.
func (w *world) says(name string, kind api.ConditionType, status, reason, part string) {
	w.t.Helper()
	c := conditionOf(w.status(name), kind)
	if c == nil || string(c.Status) != status || text(c.Reason) != reason || !strings.Contains(text(c.Message), part) {
		w.t.Errorf("%s: %s is %+v %s %s, want %s, %s: %s", name, kind, c, text(c.Reason), text(c.Message), status, reason, part)
	}
}

func TestAnExperimentOwnsANativeOne(t *testing.T) {
	w := newWorld(t, experimentOf("a", "x", ""), visits)
	w.turn("a")
	n := w.native("a")
	if n == nil || len(n.OwnerReferences) != 1 || n.OwnerReferences[0].UID != "uid-a" || !*n.OwnerReferences[0].Controller {
		t.Fatalf("the native experiment is %+v", n)
	}
	if !n.Spec.Strict || n.Spec.OnDelete != "leave" {
		t.Errorf("strict is %t, on deletion %s", n.Spec.Strict, n.Spec.OnDelete)
	}
	s := w.status("a")
	if len(s.Metrics) != 1 || text(s.VersionRecommendedForPromotion) != "v1" || len(s.CurrentWeightDistribution) != 2 || s.CurrentWeightDistribution[0].Value != 100 {
		t.Errorf("the status is %+v", s)
	}
	before := w.writes
	w.turn("a")
	if w.writes != before {
		t.Error("a status that says nothing new was written")
	}
	w.says("a", api.TargetAcquired, "True", "TargetAcquired", "")
	close(w.told.Events)
	var told []string
	for e := range w.told.Events {
		told = append(told, e)
	}
	if got := strings.Join(told, "\n"); !strings.Contains(got, "Normal ExperimentInitialized Experiment status initialized") || !strings.Contains(got, "Normal StageAdvanced Advanced to Initializing") {
		t.Errorf("events:\n%s", got)
	}
}

func TestATargetIsHeldInTheOrderOfBeginnings(t *testing.T) {
	w := newWorld(t, experimentOf("c", "x", ""), experimentOf("b", "x", ""), experimentOf("a", "x", ""), experimentOf("d", "z", ""), visits)
	for _, name := range []string{"c", "b", "a", "d"} {
		w.turn(name)
		w.now = w.now.Add(time.Second)
	}
	for name, want := range map[string]string{"a": "False", "b": "False", "c": "True", "d": "True"} {
		if c := conditionOf(w.status(name), api.TargetAcquired); string(c.Status) != want {
			t.Errorf("%s has its target: %s", name, c.Status)
		}
	}
	if w.native("b") != nil || w.native("c") == nil {
		t.Error("one that waits has a native experiment, or one that does not has none")
	}
	// The end of one is the turn of whoever waited longest.
	u := newObject()
	if err := w.Client.Get(t.Context(), key("c"), u); err != nil {
		t.Fatal(err)
	}
	var waiting []string
	for _, r := range w.Waiting(t.Context(), u) {
		waiting = append(waiting, r.Name)
	}
	if len(waiting) != 2 {
		t.Errorf("%v wait", waiting)
	}
	if err := w.Client.Delete(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	w.turn("a")
	if w.native("a") != nil {
		t.Error("one was faster than who waited longer")
	}
	w.turn("b")
	if w.native("b") == nil {
		t.Error("the target is free, and nobody takes it")
	}
}

func TestAMetricThatIsMissingFailsIt(t *testing.T) {
	w := newWorld(t, experimentOf("a", "x", ""))
	w.turn("a")
	w.says("a", api.Failed, "True", "MetricUnavailable", "Unable to find metric shop/visits")
	w.says("a", api.Completed, "True", "ExperimentCompleted", "Experiment failed")
	if s := w.status("a"); *s.Stage != api.StageCompleted || w.native("a") != nil {
		t.Errorf("the stage is %s, the native experiment %v", *s.Stage, w.native("a"))
	}
}

func TestAnExperimentThatCannotBeReadFailsAlone(t *testing.T) {
	bad := object(t, experimentOf("a", "x", ""))
	if err := unstructured.SetNestedField(bad.Object, "no number", "spec", "duration", "intervalSeconds"); err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(bad.Object)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, string(text), experimentOf("b", "x", ""), visits)
	w.turn("a")
	w.says("a", api.Failed, "True", "InvalidExperiment", "cannot be read")
	w.turn("b")
	if w.native("b") == nil {
		t.Error("the other one does not run")
	}
}

// TestNamesSurviveASchemaThatDropsThem is how Iter8's own definition keeps a
// metric: without what it is called.
func TestNamesSurviveASchemaThatDropsThem(t *testing.T) {
	w := newWorld(t, experimentOf("a", "x", ""), visits)
	w.turn("a")
	before := w.native("a").Annotations[fromAnnotation]
	u := newObject()
	if err := w.Client.Get(t.Context(), key("a"), u); err != nil {
		t.Fatal(err)
	}
	metrics, _, _ := unstructured.NestedSlice(u.Object, "status", "metrics")
	unstructured.RemoveNestedField(metrics[0].(map[string]any), "metricObj", "metadata")
	if err := unstructured.SetNestedSlice(u.Object, metrics, "status", "metrics"); err != nil {
		t.Fatal(err)
	}
	if err := w.Client.Status().Update(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	writes := w.writes
	w.turn("a")
	if got := w.native("a").Annotations[fromAnnotation]; got != before || w.writes != writes {
		t.Errorf("the native experiment changed, or the status: %s, %s, %d writes", before, got, w.writes-writes)
	}
}

func TestAnEditIsPassedOnButNoWish(t *testing.T) {
	w := newWorld(t, experimentOf("a", "x", ""), visits)
	w.turn("a")
	n := w.native("a")
	n.Spec.Owner = "somebody added this"
	if err := w.Client.Update(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	w.turn("a")
	if got := w.native("a").Spec.Owner; got == "" {
		t.Error("what somebody added was taken away, and the experiment did not change")
	}
	u := newObject()
	if err := w.Client.Get(t.Context(), key("a"), u); err != nil {
		t.Fatal(err)
	}
	if err := unstructured.SetNestedField(u.Object, int64(7), "spec", "duration", "iterationsPerLoop"); err != nil {
		t.Fatal(err)
	}
	if err := w.Client.Update(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	w.turn("a")
	if got := w.native("a").Spec.Stages[0].Iterate.Times; got != 7 {
		t.Errorf("%d iterations", got)
	}
	// An edit that is wrong leaves what runs.
	if err := w.Client.Get(t.Context(), key("a"), u); err != nil {
		t.Fatal(err)
	}
	unstructured.RemoveNestedField(u.Object, "spec", "criteria")
	if err := w.Client.Update(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	w.turn("a")
	w.says("a", api.Completed, "False", Hindered, "Invalid number of rewards for A/B experiment")
	writes := w.writes
	w.now = w.now.Add(time.Minute)
	w.turn("a")
	if w.native("a").Spec.Reward == nil || w.writes != writes {
		t.Error("it was passed on, or told twice")
	}
}

func TestWhatIsSomebodyElsesIsLeftAlone(t *testing.T) {
	native := `{apiVersion: headgate.dev/v1alpha1, kind: Experiment, metadata: {name: a, namespace: shop%s}, spec: {versions: [], traffic: {}, stages: []}}`
	t.Run("a native experiment that is nobody's", func(t *testing.T) {
		w := newWorld(t, experimentOf("a", "x", ""), visits, fmt.Sprintf(native, ""))
		w.turn("a")
		w.says("a", api.Failed, "True", "InvalidExperiment", "There is a native Experiment shop/a already")
		if w.native("a") == nil {
			t.Error("it was deleted")
		}
	})
	owned := `, uid: native, ownerReferences: [{apiVersion: iter8.tools/v2alpha2, kind: Experiment, name: a, uid: former, controller: true}]`
	t.Run("one of a former experiment makes way", func(t *testing.T) {
		w := newWorld(t, experimentOf("a", "x", ""), visits, fmt.Sprintf(native, owned))
		w.turn("a")
		w.turn("a")
		if n := w.native("a"); n == nil || n.OwnerReferences[0].UID != "uid-a" {
			t.Errorf("the native experiment is %+v", n)
		}
	})
	t.Run("one whose experiment is gone goes too", func(t *testing.T) {
		w := newWorld(t, fmt.Sprintf(native, owned))
		w.turn("a")
		if w.native("a") != nil {
			t.Error("it is still there")
		}
	})
	t.Run("one that has no owner stays", func(t *testing.T) {
		w := newWorld(t, fmt.Sprintf(native, ""))
		w.turn("a")
		if w.native("a") == nil {
			t.Error("it was deleted")
		}
	})
}

func TestANativeOneThatIsDeletedFailsIt(t *testing.T) {
	w := newWorld(t, experimentOf("a", "x", ""), visits)
	w.turn("a")
	u := newObject()
	if err := w.Client.Get(t.Context(), key("a"), u); err != nil {
		t.Fatal(err)
	}
	if err := unstructured.SetNestedField(u.Object, metav1.NewTime(w.now).Format(time.RFC3339), "status", "startTime"); err != nil {
		t.Fatal(err)
	}
	if err := w.Client.Status().Update(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if err := w.Client.Delete(t.Context(), w.native("a")); err != nil {
		t.Fatal(err)
	}
	w.turn("a")
	w.says("a", api.Failed, "True", "InvalidExperiment", "The native Experiment was deleted while it ran")
}

func TestWhatCannotBeWrittenIsNotHeld(t *testing.T) {
	w := newWorld(t, experimentOf("a", "x", ""), visits)
	u := newObject()
	if err := w.Client.Get(t.Context(), key("a"), u); err != nil {
		t.Fatal(err)
	}
	first := &turn{r: w.Reconciler, u: u, now: w.now}
	first.read()
	first.e.Status.InitTime = &metav1.Time{Time: w.now}
	w.broken = fmt.Errorf("the API server is away")
	if acquired, err := first.acquire(t.Context()); err == nil {
		t.Fatalf("the target was taken (%t) and nobody knows", acquired)
	}
	if c := conditionOf(w.status("a"), api.TargetAcquired); c != nil && string(c.Status) == "True" {
		t.Error("it is held")
	}
}

func TestRestoreOnDeletionIsAskedFor(t *testing.T) {
	w := newWorld(t, experimentOf("a", "x", ", annotations: {headgate.dev/on-delete: restore, headgate.dev/service-account: promoter}"), visits)
	w.turn("a")
	if got := w.native("a").Spec; got.OnDelete != "restore" {
		t.Errorf("on deletion %s", got.OnDelete)
	}
}

// TestWhatMovesNothingRuns is of experiments that write no shares: nothing is to
// be said of these either.
func TestWhatMovesNothingRuns(t *testing.T) {
	for what, e := range map[string]string{
		"a fixed split": strings.Replace(experimentOf("a", "x", ", annotations: {headgate.dev/on-delete: restore}"), "A/B", "A/B, deploymentPattern: FixedSplit", 1),
		"a conformance": `
apiVersion: iter8.tools/v2alpha2
kind: Experiment
metadata: {name: a, namespace: shop, uid: uid-a}
spec: {target: x, strategy: {testingPattern: Conformance}, versionInfo: {baseline: {name: v1}}}
`,
	} {
		w := newWorld(t, e, visits)
		w.turn("a")
		if p := w.runs("a"); p.Router.Kind() != experiment.RouterNone {
			t.Errorf("%s is run on %s", what, p.Router.Kind())
		}
	}
}
