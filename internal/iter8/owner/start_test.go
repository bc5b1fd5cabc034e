// SPDX-License-Identifier: Apache-2.0

package owner

import (
	"context"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	api "github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/translate"
)

// oneRecord is the record of whatever native experiment there is, as a cache
// that is behind would have it: also of one that has just been made.
type oneRecord struct{ state *experiment.State }

func (r *oneRecord) Load(context.Context, string) (experiment.Record, error) {
	if r.state == nil {
		return experiment.Record{}, experiment.Errorf(experiment.CodeNotFound, "there is none")
	}
	return experiment.Record{State: *r.state}, nil
}

// Plan is of one version, as that of a start action is, and of a conformance.
func (r *oneRecord) Plan(context.Context, string) (*experiment.Plan, error) {
	return &experiment.Plan{Strict: true, Versions: []experiment.Version{{Name: "start"}}}, nil
}

// unfilled is an experiment whose versions its start action fills in.
func unfilled(t *testing.T) string {
	t.Helper()
	u := object(t, experimentOf("a", "x", ", annotations: {headgate.dev/service-account: filler, headgate.dev/exec-image: \"registry.example/tools:1\"}"))
	unstructured.RemoveNestedField(u.Object, "spec", "versionInfo")
	actions := map[string]any{"start": []any{map[string]any{"run": "fill @< .Name >@"}}, "finish": []any{map[string]any{"run": "echo finish"}}}
	if err := unstructured.SetNestedMap(u.Object, actions, "spec", "strategy", "actions"); err != nil {
		t.Fatal(err)
	}
	return textOf(t, u)
}

func textOf(t *testing.T, u *unstructured.Unstructured) string {
	t.Helper()
	out, err := u.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// launched is a world in which the start action of a is under way.
func launched(t *testing.T, objects ...string) (*world, *oneRecord) {
	t.Helper()
	w := newWorld(t, append(objects, unfilled(t))...)
	records := &oneRecord{state: &experiment.State{Plan: "former", Condition: experiment.Done, Iteration: &experiment.Iteration{Done: 1, Over: true, Found: true}}}
	w.Records = records
	w.turn("a")
	w.says("a", api.Completed, "False", "StageAdvanced", "Advanced to Initializing") // What the record of a former one says is nothing.
	records.state = &experiment.State{Plan: "p", Condition: experiment.Running, Actions: []experiment.Intent{{Kind: experiment.IntentRun, Hook: experiment.OnStart}}}
	w.begins("a")
	w.turn("a")
	return w, records
}

// runs gives the plan that a native experiment is run as, and fails where it
// cannot be.
func (w *world) runs(name string) *experiment.Plan {
	w.t.Helper()
	n := w.native(name)
	text, err := yaml.Marshal(&v1alpha1.Experiment{
		APIVersion: v1alpha1.APIVersion, Kind: v1alpha1.KindExperiment, Metadata: v1alpha1.Metadata{Name: n.Name, Namespace: n.Namespace}, Spec: n.Spec,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	plan, err := translate.Plan(text)
	if err != nil {
		w.t.Fatalf("%v\n%s", err, text)
	}
	return plan
}

// begins has a native experiment name its record, and hold on to its object.
func (w *world) begins(name string) {
	w.t.Helper()
	n := w.native(name)
	n.Finalizers = []string{"headgate.dev/route"}
	if err := w.Client.Update(w.t.Context(), n); err != nil {
		w.t.Fatal(err)
	}
	n.Status.Record = &kube.RecordRef{Name: name, Revision: 1}
	if err := w.Client.Status().Update(w.t.Context(), n); err != nil {
		w.t.Fatal(err)
	}
}

// change edits the experiment a.
func (w *world) change(edit func(u *unstructured.Unstructured)) {
	w.t.Helper()
	u := newObject()
	if err := w.Client.Get(w.t.Context(), key("a"), u); err != nil {
		w.t.Fatal(err)
	}
	edit(u)
	if err := w.Client.Update(w.t.Context(), u); err != nil {
		w.t.Fatal(err)
	}
}

// fill does what the start action is there for.
func (w *world) fill() {
	w.t.Helper()
	info, _, err := unstructured.NestedMap(object(w.t, experimentOf("a", "x", "")).Object, "spec", "versionInfo")
	if err != nil {
		w.t.Fatal(err)
	}
	w.change(func(u *unstructured.Unstructured) {
		if err := unstructured.SetNestedMap(u.Object, info, "spec", "versionInfo"); err != nil {
			w.t.Fatal(err)
		}
	})
}

// restart has another controller go on.
func (w *world) restart() { w.Reconciler = New(w.Options) }

// release lets a deleted native experiment go.
func (w *world) release(name string) {
	w.t.Helper()
	n := w.native(name)
	if n == nil || n.DeletionTimestamp.IsZero() {
		w.t.Fatalf("the native experiment is not being deleted: %+v", n)
	}
	n.Finalizers = nil
	if err := w.Client.Update(w.t.Context(), n); err != nil {
		w.t.Fatal(err)
	}
}

// filledIn is the state of a start action that is over.
func filledIn() *experiment.State {
	return &experiment.State{Plan: "p", Condition: experiment.Done, Outcome: experiment.OutcomeMet, Iteration: &experiment.Iteration{Done: 1, Over: true, Found: true}}
}

func TestAStartActionComesBeforeVersionsAndMetrics(t *testing.T) {
	w, records := launched(t)
	w.runs("a")
	n := w.native("a")
	if a := n.Spec.Actions; n.Annotations[startAnnotation] != startAlone || len(a.OnStart) != 1 || len(a.OnFinish) != 0 || a.ServiceAccount != "filler" || a.OnStart[0].Exec.Image != "registry.example/tools:1" {
		t.Fatalf("the start action is %+v, %+v", n.Annotations, a)
	}
	w.says("a", api.Completed, "False", "HandlerLaunched", "Start handler 'start' launched")
	if s := w.status("a"); *s.Stage != api.StageInitializing || s.StartTime != nil || s.VersionRecommendedForPromotion != nil {
		t.Errorf("the status is %+v", s)
	}
	// It fills in the versions and makes the metric, and another of its tasks is
	// still to be done.
	w.fill()
	if err := w.Client.Create(t.Context(), object(t, visits)); err != nil {
		t.Fatal(err)
	}
	w.turn("a")
	if got := w.native("a"); got.Annotations[fromAnnotation] != n.Annotations[fromAnnotation] || len(w.status("a").Metrics) != 0 {
		t.Error("it was changed, or the metrics were read, in the middle of its actions")
	}
	records.state = filledIn()
	w.turn("a")
	s := w.status("a")
	if len(s.Metrics) != 1 || *s.Stage != api.StageRunning || text(s.VersionRecommendedForPromotion) != "v1" || len(s.CurrentWeightDistribution) != 2 {
		t.Errorf("the status is %+v", s)
	}
	w.restart()
	w.turn("a") // The former one is not gone yet.
	w.release("a")
	w.restart()
	w.turn("a")
	n = w.native("a")
	if n == nil || n.Annotations[startAnnotation] != startDone || len(n.Spec.Versions) != 2 || len(n.Spec.Actions.OnStart) != 0 || len(n.Spec.Actions.OnFinish) != 1 {
		t.Fatalf("the native experiment is %+v", n)
	}
	w.runs("a")
	// An edit does not bring the start action back.
	w.change(func(u *unstructured.Unstructured) {
		if err := unstructured.SetNestedField(u.Object, int64(7), "spec", "duration", "iterationsPerLoop"); err != nil {
			t.Fatal(err)
		}
	})
	w.restart()
	w.turn("a")
	if n = w.native("a"); n.Spec.Stages[0].Iterate.Times != 7 || len(n.Spec.Actions.OnStart) != 0 || n.Annotations[startAnnotation] != startDone {
		t.Errorf("after the edit it is %+v, %+v", n.Annotations, n.Spec)
	}
}

// TestARecordOfTheStartIsNoResult is of a conformance, whose plan has one version
// as that of the start action has.
func TestARecordOfTheStartIsNoResult(t *testing.T) {
	w, records := launched(t, visits)
	w.fill()
	w.change(func(u *unstructured.Unstructured) {
		unstructured.RemoveNestedField(u.Object, "spec", "versionInfo", "candidates")
		unstructured.RemoveNestedField(u.Object, "spec", "criteria")
		if err := unstructured.SetNestedField(u.Object, "Conformance", "spec", "strategy", "testingPattern"); err != nil {
			t.Fatal(err)
		}
	})
	records.state = filledIn()
	w.turn("a")
	w.release("a")
	w.turn("a")
	w.turn("a")
	w.runs("a")
	if n := w.native("a"); n == nil || n.Annotations[startAnnotation] != startDone || n.Spec.Versions[0].Name != "v1" {
		t.Fatalf("the native experiment is %+v", n)
	}
	w.says("a", api.Completed, "False", "StageAdvanced", "Advanced to Running")
}

func TestAStartActionThatDoesNotBringItAbout(t *testing.T) {
	t.Run("what it leaves without versions has failed", func(t *testing.T) {
		w, records := launched(t, visits)
		records.state = filledIn()
		w.turn("a")
		w.says("a", api.Failed, "True", "InvalidExperiment", "No versionInfo in experiment")
		w.says("a", api.Completed, "True", "ExperimentCompleted", "Experiment failed")
	})
	t.Run("what it fills in is looked at", func(t *testing.T) {
		w, records := launched(t, visits)
		w.fill()
		w.change(func(u *unstructured.Unstructured) {
			unstructured.RemoveNestedField(u.Object, "spec", "versionInfo", "candidates")
		})
		w.turn("a")
		w.says("a", api.Failed, "False", "ExperimentInitialized", "") // It may be about to write more.
		records.state = filledIn()
		w.turn("a")
		w.says("a", api.Failed, "True", "InvalidExperiment", "Invalid number of candidates for A/B experiment")
	})
	t.Run("a metric that is missing then fails it", func(t *testing.T) {
		w, records := launched(t)
		w.fill()
		records.state = filledIn()
		w.turn("a")
		w.says("a", api.Failed, "True", "MetricUnavailable", "Unable to find metric shop/visits")
	})
	t.Run("one that fails fails it", func(t *testing.T) {
		w, records := launched(t, visits)
		w.fill()
		records.state = &experiment.State{
			Plan: "p", Condition: experiment.Done, Outcome: experiment.Inconclusive, Iteration: &experiment.Iteration{Over: true, Failed: "no"},
			Failed: []experiment.ActionFailure{{Intent: experiment.Intent{Kind: experiment.IntentRun, Hook: experiment.OnStart}, Why: "no"}},
		}
		w.turn("a")
		w.says("a", api.Failed, "True", "HandlerFailed", "Start actions failed")
		w.says("a", api.Completed, "True", "ExperimentCompleted", "Start actions failed")
		writes := w.writes
		w.turn("a")
		if w.writes != writes || w.native("a").Annotations[startAnnotation] != startAlone {
			t.Error("it goes on")
		}
	})
	t.Run("where there is none it fails at once", func(t *testing.T) {
		u := object(t, unfilled(t))
		unstructured.RemoveNestedField(u.Object, "spec", "strategy", "actions", "start")
		w := newWorld(t, textOf(t, u), visits)
		w.turn("a")
		w.says("a", api.Failed, "True", "InvalidExperiment", "No versionInfo in experiment")
		if w.native("a") != nil || w.status("a").StartTime != nil {
			t.Error("something was begun")
		}
	})
	t.Run("one that cannot be read fails it before anything is done", func(t *testing.T) {
		u := object(t, unfilled(t))
		if err := unstructured.SetNestedSlice(u.Object, []any{map[string]any{"task": "common/bsh"}}, "spec", "strategy", "actions", "start"); err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, textOf(t, u), visits)
		w.turn("a")
		w.says("a", api.Failed, "True", "InvalidExperiment", "unknown task")
		if w.native("a") != nil {
			t.Error("something was begun")
		}
	})
	t.Run("a native experiment that never begins fails it", func(t *testing.T) {
		w, records := launched(t, visits)
		records.state = nil
		n := w.native("a")
		n.Status.Conditions = []metav1.Condition{{Type: kube.ConditionStalled, Status: metav1.ConditionTrue, Reason: "InvalidSpec", Message: "too many"}}
		if err := w.Client.Status().Update(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		w.turn("a")
		w.says("a", api.Failed, "True", "InvalidExperiment", "too many")
	})
	t.Run("a native experiment of somebody else's is left alone, and nothing is done", func(t *testing.T) {
		w := newWorld(t, unfilled(t), `{apiVersion: headgate.dev/v1alpha1, kind: Experiment, metadata: {name: a, namespace: shop}, spec: {versions: [], traffic: {}, stages: []}}`)
		w.turn("a")
		w.says("a", api.Failed, "True", "InvalidExperiment", "There is a native Experiment shop/a already")
	})
}

// behind is a client whose cache has the experiment a as it was.
type behind struct {
	client.Client
	was *unstructured.Unstructured
}

func (b behind) Get(ctx context.Context, key types.NamespacedName, o client.Object, opts ...client.GetOption) error {
	if u, ok := o.(*unstructured.Unstructured); ok && u.GroupVersionKind() == Kind {
		u.Object = b.was.DeepCopy().Object
		return nil
	}
	return b.Client.Get(ctx, key, o, opts...)
}

// lags gives a function that makes a turn of the experiment a by a cache that has
// it as it is now.
func (w *world) lags() func() {
	w.t.Helper()
	fresh, was := w.Client, newObject()
	if err := fresh.Get(w.t.Context(), key("a"), was); err != nil {
		w.t.Fatal(err)
	}
	return func() {
		w.Client = behind{fresh, was}
		w.turn("a")
		w.Client = fresh
	}
}

func TestWhatWasFilledInIsReadFromTheAPIServer(t *testing.T) {
	w, records := launched(t, visits)
	late := w.lags()
	w.fill()
	records.state = filledIn()
	late()
	if s := w.status("a"); *s.Stage != api.StageRunning || len(s.Metrics) != 1 {
		t.Errorf("the stage is %s: %s", *s.Stage, text(s.Message))
	}
}

func TestAStartActionIsNotDoneAgainForACacheThatIsBehind(t *testing.T) {
	w, records := launched(t, visits)
	unfilled := w.lags()
	w.fill()
	filled := w.lags()
	records.state = filledIn()
	w.turn("a")
	writes := w.writes
	if err := w.Client.Delete(t.Context(), object(t, visits)); err != nil { // It was read, once.
		t.Fatal(err)
	}
	unfilled() // The native experiment is still there as well.
	w.release("a")
	for _, late := range []func(){unfilled, filled} {
		if late(); w.native("a") != nil || w.writes != writes {
			t.Fatalf("a native experiment was made, or the status written %d times: %+v", w.writes-writes, w.native("a"))
		}
	}
	w.turn("a")
	if n := w.native("a"); n == nil || n.Annotations[startAnnotation] != startDone {
		t.Errorf("the native experiment is %+v", n)
	}
}

func TestAStartActionHoldsTheTarget(t *testing.T) {
	w, records := launched(t, visits, experimentOf("b", "x", ""))
	w.turn("b")
	w.says("b", api.TargetAcquired, "False", "ExperimentInitialized", "")
	records.state = filledIn()
	w.turn("a") // It fails: there are no versions.
	w.turn("b")
	w.says("b", api.TargetAcquired, "True", "TargetAcquired", "")
}

func TestADeletedExperimentTakesItsStartActionWithIt(t *testing.T) {
	for _, collected := range []bool{true, false} {
		w, _ := launched(t, visits)
		if !collected { // The object is held by somebody's finalizer.
			w.change(func(u *unstructured.Unstructured) { u.SetFinalizers([]string{"example.org/hold"}) })
		}
		u := newObject()
		if err := w.Client.Get(t.Context(), key("a"), u); err != nil {
			t.Fatal(err)
		}
		if err := w.Client.Delete(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		w.restart()
		w.turn("a")
		w.release("a")
		if w.native("a") != nil {
			t.Error("the start action goes on")
		}
	}
}

func TestAStartActionWithVersionsIsDoneByTheOneNativeExperiment(t *testing.T) {
	u := object(t, strings.Replace(experimentOf("a", "x", ""), "testingPattern: A/B", "testingPattern: A/B, actions: {start: [{run: echo}]}", 1))
	w := newWorld(t, textOf(t, u), visits)
	w.turn("a")
	if n := w.native("a"); n == nil || len(n.Spec.Actions.OnStart) != 1 || len(n.Spec.Versions) != 2 || n.Annotations[startAnnotation] != "" {
		t.Errorf("the native experiment is %+v", n)
	}
	if s := w.status("a"); len(s.Metrics) != 1 || *s.Stage != api.StageInitializing {
		t.Errorf("the status is %+v", s)
	}
}
