// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/test/servers"
)

// exampleFile reads a file of the examples and makes it shorter: each old text
// has to be there.
func exampleFile(t *testing.T, name string, oldnew ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../examples", name))
	if err != nil {
		t.Fatal(err)
	}
	out := string(text)
	for i := 0; i < len(oldnew); i += 2 {
		if !strings.Contains(out, oldnew[i]) {
			t.Fatalf("%s has no %q any more", name, oldnew[i])
		}
		out = strings.ReplaceAll(out, oldnew[i], oldnew[i+1])
	}
	return out
}

// exampleSite gives a site with the namespace of an example and what it needs.
func exampleSite(t *testing.T, namespace string) *site {
	t.Helper()
	s := newSite(t)
	s.Install(t, servers.IstioCRDs(t, "virtualservices.networking.istio.io")...)
	s.Namespace(t, namespace)
	s.namespace = namespace
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		out, err := s.Kubectl(context.Background(), "", "get", "hgx,virtualservices,deployments", "-n", namespace, "-o", "yaml")
		t.Logf("%v\n%s", err, out)
	})
	return s
}

// in is the site for a subtest.
func (s *site) in(t *testing.T) *site {
	of := *s
	of.t = t
	return &of
}

// control wishes something of an experiment, as a person would.
func (s *site) control(name, verb, id string) {
	s.t.Helper()
	patch := fmt.Sprintf(`{"spec": {"control": {"verb": %q, "id": %q, "author": "ann", "reason": "looked at it"}}}`, verb, id)
	if out, err := s.Kubectl(s.t.Context(), "", "patch", "hgx", "-n", s.namespace, name, "--type=merge", "-p", patch); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
}

func says(part string) func(*unstructured.Unstructured) bool {
	return func(u *unstructured.Unstructured) bool {
		message, _, _ := unstructured.NestedString(u.Object, "status", "message")
		return strings.Contains(message, part)
	}
}

func routed(want string) func(*unstructured.Unstructured) bool {
	return func(u *unstructured.Unstructured) bool { return weights(u) == want }
}

func reason(kind, want string) func(*unstructured.Unstructured) bool {
	return func(u *unstructured.Unstructured) bool {
		_, reason, _ := condition(u, kind)
		return reason == want
	}
}

var deploymentKind = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}

func runs(image string) func(*unstructured.Unstructured) bool {
	return func(u *unstructured.Unstructured) bool {
		containers, _, _ := unstructured.NestedSlice(u.Object, "spec", "template", "spec", "containers")
		return len(containers) == 1 && containers[0].(map[string]any)["image"] == image
	}
}

// shorter makes the example's experiment one of seconds.
var shorter = []string{
	"observe: {for: 1m}", "observe: {for: 1s}",
	"{requests: 5000, windows: 3, settle: 1m}", "{requests: 500, windows: 1, settle: 1s}",
	"{warm: 1m, soak: 10m}", "{warm: 1s, soak: 3s}",
	"atLeast: 1h", "atLeast: 1s",
	"{window: 30s, stale: 5m}", "{window: 2s, stale: 30s}",
}

const (
	imageA   = "registry.example.com/score:a"
	imageB   = "registry.example.com/score:b"
	stepTime = 3 * time.Minute
)

// TestBlueGreen runs the five stages of examples/bluegreen with the controller as
// it is released. The mesh and the controller of Deployments are stand-ins: the
// one reads weights and counts, the other writes what a rollout would.
func TestBlueGreen(t *testing.T) {
	s := exampleSite(t, "abtesting")
	all, err := client.NewWithWatch(s.Config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := deployments{t, all, s.namespace}
	_, prometheus := newMesh(t, s, nil)
	s.Apply(t, exampleFile(t, "bluegreen/workloads.yaml"))
	second := []string{"model-green", "model2-green", "model-blue", "model2-blue", "name: model,", "name: model2,"}
	s.Apply(t, exampleFile(t, "bluegreen/workloads.yaml", append(slices.Clone(second), "score.example.com", "score2.example.com")...))
	d.complete("model-green")
	for _, name := range []string{"model2-green", "model2-blue"} {
		d.complete(name)
	}
	routes := s.trail(virtualServiceKind) // Blue's weight, then green's.
	c := s.start(s.Kubeconfig, prometheus)
	s.Apply(t, exampleFile(t, "bluegreen/experiment.yaml", shorter...))
	s.Apply(t, exampleFile(t, "bluegreen/experiment.yaml", slices.Concat(shorter, second, []string{"score-b", "score-c", ", approval: release-team", ""})...))
	experiment := func(what string, want func(*unstructured.Unstructured) bool) {
		t.Helper()
		s.await(experimentKind, "score-b", what, stepTime, want)
	}
	route := func(want string) {
		t.Helper()
		s.await(virtualServiceKind, "model", "at "+want, stepTime, routed(want))
	}

	// Blue_0: nobody gets an image that is not up, and a person lets it go on.
	experiment("waiting for blue to be ready", says("blue does not answer its readiness probe"))
	d.complete("model-blue")
	experiment("waiting for approval", says("blue-0 waits for the approval of release-team"))
	route("0/100")
	s.control("score-b", "approve", "blue-0")
	// Blue_50.
	route("50/50")
	experiment("waiting for approval", says("blue-50 waits for the approval of release-team"))
	s.control("score-b", "approve", "blue-50")
	// Blue_100, and green is kept warm.
	route("100/0")
	experiment("kept warm", is("Promoted", "True"))
	s.await(deploymentKind, "model-green", "noted with what it served", stepTime, func(u *unstructured.Unstructured) bool {
		return strings.Contains(u.GetAnnotations()["headgate.dev/served"], `"ready":2`)
	})
	d.status("model-green", 2, 2, 1)
	experiment("warned of", is("WarmTooSmall", "True"))
	d.complete("model-green")
	experiment("warm again", is("WarmTooSmall", ""))
	experiment("waiting for approval", says("the end of keeping green warm waits for the approval of release-team"))
	if !runs(imageA)(s.object(deploymentKind, "model-green")) {
		t.Error("green was overwritten while it is kept warm")
	}
	s.control("score-b", "approve", "warm")
	// Blue_Green: blue serves while its image is rolled out on green, also when the
	// controller dies.
	experiment("copying", reason("ActionsDone", "Copying"))
	s.await(deploymentKind, "model-green", "overwritten", stepTime, runs(imageB))
	c.kill()
	s.start(s.Kubeconfig, prometheus)
	d.status("model-green", 1, 3, 2)
	experiment("told how far the copy is", says("1 of 2 replicas are updated"))
	if now := weights(s.object(virtualServiceKind, "model")); now != "100/0" {
		t.Errorf("the route is at %s before the copy is complete", now)
	}
	d.complete("model-green")
	// Green_100: green serves, and blue goes.
	route("0/100")
	experiment("over", is("Completed", "True"))
	experiment("told what serves", says("green, a copy of blue, has all traffic"))
	s.awaitGone(deploymentKind, "model-blue")
	experiment("cleaned up", is("ActionsDone", "True"))
	if got, want := s.asked(routes, "model"), []string{"0/100", "50/50", "100/0", "0/100"}; !slices.Equal(got, want) {
		t.Errorf("the route asked for %v, want %v", got, want)
	}
	for _, what := range []string{"Copied", "Retired", "WarmTooSmall", "HG-D513"} {
		s.told("score-b", what)
	}

	t.Run("a kill in the middle of a copy puts everything back", func(t *testing.T) { killsCopy(t, s.in(t)) })
}

// killsCopy kills the second experiment, which went on without approvals until
// its copy waits for a rollout that nobody makes.
func killsCopy(t *testing.T, s *site) {
	s.await(deploymentKind, "model2-green", "overwritten", stepTime, runs(imageB))
	began := time.Now()
	s.control("score-c", "kill", "enough")
	s.await(virtualServiceKind, "model2", "back on green", soon, routed("0/100"))
	back := time.Since(began)
	green := s.await(deploymentKind, "model2-green", "put back", stepTime, runs(imageA))
	t.Logf("traffic back after %v, image after %v", back.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	if a := green.GetAnnotations(); a["headgate.dev/copied"] != "" || a["headgate.dev/replaced"] != "" {
		t.Errorf("annotations are left: %v", a)
	}
	s.await(experimentKind, "score-c", "put right", stepTime, is("ActionsDone", "True"))
	if !runs(imageB)(s.object(deploymentKind, "model2-blue")) {
		t.Error("blue was changed")
	}
}

// awaitGone waits until an object is not there.
func (s *site) awaitGone(kind schema.GroupVersionKind, name string) {
	s.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); ; <-tick.C {
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(kind)
		err := s.Client.Get(s.t.Context(), s.get(name), u)
		switch {
		case apierrors.IsNotFound(err):
			return
		case time.Since(began) > stepTime:
			s.t.Fatalf("%s %s is still there: %v", kind.Kind, name, err)
		}
	}
}
