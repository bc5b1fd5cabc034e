// SPDX-License-Identifier: Apache-2.0

package clustergateway_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// eventsAt is how the ledger says where it hears.
var eventsAt = regexp.MustCompile(`events of loggers (http\S+)\n`)

// newHeardSite is a cluster where KServe carries the traffic, Prometheus counts
// it, and the ledger hears what is answered, at the address that it gives.
func newHeardSite(t *testing.T) (s *site, k *kserve, events string) {
	t.Helper()
	s = newCluster(t)
	s.Install(t, kserveCRDs(t, s.dir)...)
	s.Apply(t, `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: headgate-router-kserve}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: headgate-router-kserve}
subjects: [{kind: ServiceAccount, name: headgate-controller, namespace: headgate-system}]
`)
	s.startLedger("--events", "127.0.0.1:0")
	var said []string
	within(t, soon, "the ledger says where it hears", func() error {
		if said = eventsAt.FindStringSubmatch(s.ledger.log.String()); said == nil {
			return fmt.Errorf("it says\n%s", s.ledger.log)
		}
		return nil
	})
	k = newKServe(s)
	s.startController("--prometheus", k.prometheus, "--scrape-interval", "500ms", "--metrics-delay", "500ms")
	return s, k, said[1]
}

// modelCanary applies the experiment that decides on an InferenceService's newest
// revision, by the errors that the mesh counts and by the drift of its classes.
// The metric and the limit come on top.
func (s *site) modelCanary(service, metric, limit string) {
	s.t.Helper()
	s.Apply(s.t, fmt.Sprintf(`apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: %[1]s, namespace: %[2]s}
spec:
  versions: [{name: v1, workload: %[3]s-deployment}, {name: v2, workload: %[4]s-deployment}]
  traffic:
    pack: istio
    fields:
    - {version: v2, apiVersion: serving.kserve.io/v1beta1, kind: InferenceService, name: %[1]s, path: .spec.predictor.canaryTrafficPercent}
  predictions: {by: events, protocol: kserve}
  metrics:
  - {name: errors, from: {builtin: error-rate}}
  - {name: shift, from: {drift: {of: class}}}
%[5]s
  objectives: [{metric: errors, max: 5%%}, {metric: shift, max: "0.3"}]
%[6]s
  stages:
  - {name: canary, ramp: {steps: [20%%, 50%%]}, hold: {requests: 60, windows: 1, settle: 500ms}, until: {atMost: 1h}}
  evidence: {window: 2s, lag: 500ms, stale: 30s}
`, service, namespace, revisionName(service, 1), revisionName(service, 2), metric, limit))
}

// What labels say of a model, and how much worse it may be.
const (
	right    = "  - {name: right, from: {labels: {event: chargeback, of: accuracy, window: 3s, joined: 80%}}}"
	notWrong = "  guardrails: [{metric: right, noWorseThan: {absolute: 15%}}]"
)

// TestHeard has model canaries that KServe carries judged by what its loggers
// tell of answers, and by labels: four at once, each on its own InferenceService.
// To the mesh all of them are perfect.
func TestHeard(t *testing.T) {
	s, k, events := newHeardSite(t)
	canaries := []struct{ service, candidate, sink, metric, limit string }{
		{"silent", "careful", "", "", ""}, // It has no logger.
		{"good", "careful", events, right, notWrong},
		{"guesses", "guessing", events, right, notWrong},
		{"drifts", "alarmed", events, "", ""},
	}
	for _, c := range canaries {
		k.rollOut(c.service, 1, "careful", c.sink)
		k.rollOut(c.service, 2, c.candidate, c.sink)
	}
	k.counted(2 * len(canaries))
	began := time.Now()
	for _, c := range canaries {
		s.modelCanary(c.service, c.metric, c.limit)
	}
	ends := func(t *testing.T, name string) *unstructured.Unstructured {
		t.Helper()
		s.t = t
		defer func() { s.t = s.life }()
		u := s.await(name, "completed", untilOver, is("Completed", "True"))
		message, _, _ := unstructured.NestedString(u.Object, "status", "message")
		t.Logf("known after %s: %s", time.Since(began).Round(100*time.Millisecond), message)
		if errors := reading(u, "errors"); !strings.HasPrefix(errors, "0 ") { // Where too few are known yet, they are undecided.
			t.Errorf("the mesh tells of errors: %s", errors)
		}
		return u
	}

	for _, c := range []struct{ says, service, metric string }{
		{"a candidate whose classes drift is rolled back", "drifts", "shift"},
		{"a candidate that is wrong is rolled back by labels", "guesses", "right"},
	} {
		t.Run(c.says, func(t *testing.T) {
			u := ends(t, c.service)
			if failed, reason, message := condition(u, "Failed"); failed != "True" || reason != "RolledBack" || !strings.Contains(message, " "+c.metric) {
				t.Errorf("Failed is %s, %s: %s: want it rolled back for %s", failed, reason, message, c.metric)
			}
			k.gets(t, c.service, 0)
			if trace := k.trace(c.service); len(trace) < 4 || !slices.Equal(trace[:3], []int64{100, 0, 20}) || slices.Max(trace[3:]) > 50 {
				t.Errorf("KServe gave its newest revisions %v, want 20 %% and perhaps 50 %%, and then nothing", trace)
			}
		})
	}

	t.Run("a candidate as good as the baseline is promoted step by step", func(t *testing.T) {
		u := ends(t, "good")
		if promoted, reason, message := condition(u, "Promoted"); promoted != "True" {
			t.Errorf("Promoted is %s, %s: %s", promoted, reason, message)
		}
		k.gets(t, "good", 100)
		if got, want := k.trace("good"), []int64{100, 0, 20, 50, 100}; !slices.Equal(got, want) {
			t.Errorf("KServe gave its newest revisions %v, want %v", got, want)
		}
	})

	t.Run("the same candidate is not promoted while nobody tells of its answers", func(t *testing.T) {
		s.t = t
		defer func() { s.t = s.life }()
		const unknown = "shift of v2 is not known to be within its limit"
		u := s.await("silent", "at its last step, and lacks nothing else", untilOver, func(u *unstructured.Unstructured) bool {
			message, _, _ := unstructured.NestedString(u.Object, "status", "message")
			return slices.Equal(k.trace("silent"), []int64{100, 0, 20, 50}) && strings.HasSuffix(message, unknown)
		})
		if errors := reading(u, "errors"); errors != "0 met" {
			t.Errorf("the mesh tells of errors: %s", errors)
		}
		if completed, _, message := condition(u, "Completed"); completed == "True" {
			t.Errorf("it is completed: %s", message)
		}
	})

	if wrong := k.wrongs(); len(wrong) > 0 {
		t.Errorf("%d events or batches of labels went wrong, the first: %s", len(wrong), wrong[0])
	}

	t.Run("a ledger that was killed costs windows", func(t *testing.T) {
		s.t = t
		defer func() { s.t = s.life }()
		says := func(text string) func(*unstructured.Unstructured) bool {
			return func(u *unstructured.Unstructured) bool {
				message, _, _ := unstructured.NestedString(u.Object, "status", "message")
				return strings.HasPrefix(message, "UNTRUSTWORTHY") && strings.Contains(message, text)
			}
		}
		s.ledger.kill()
		s.await("silent", "without its ledger", soon, says("gateway cannot be read: ask the ledger"))
		s.ledger = s.run("ledger", "headgate", s.ledger.cmd.Args[1:]...)
		s.healthy("http://"+s.api, s.ledger)
		s.await("silent", "short of windows", soon, says("windows of gateway are not whole"))
		k.gets(t, "silent", 50)
	})
}

// gets waits until an InferenceService's newest revision is asked to serve a
// percent, and serves it.
func (k *kserve) gets(t *testing.T, service string, percent int64) {
	t.Helper()
	within(t, soon, fmt.Sprintf("%s is at %d %%", service, percent), func() error {
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(inferenceKind)
		if err := k.site.Client.Get(t.Context(), types.NamespacedName{Namespace: namespace, Name: service}, u); err != nil {
			return err
		}
		is, _, _ := unstructured.NestedInt64(u.Object, "spec", "predictor", "canaryTrafficPercent")
		if trace := k.trace(service); is != percent || trace[len(trace)-1] != percent {
			return fmt.Errorf("asked for are %d %%, served was %v", is, trace)
		}
		return nil
	})
}

// reading is what the status says of a metric of v2: its value and the verdict.
func reading(u *unstructured.Unstructured, metric string) string {
	all, _, _ := unstructured.NestedSlice(u.Object, "status", "readings")
	for _, r := range all {
		if m, ok := r.(map[string]any); ok && m["metric"] == metric && m["version"] == "v2" {
			return fmt.Sprint(m["value"], " ", m["verdict"])
		}
	}
	text, _ := json.Marshal(all) // It came from JSON.
	return string(text)
}
