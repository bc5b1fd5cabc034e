// SPDX-License-Identifier: Apache-2.0

package clustergateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// untilOver bounds a canary of two steps of a few windows of a second each.
const untilOver = 60 * time.Second

// served is what a gateway says that it serves.
type served struct {
	Experiment string
	Sequence   uint64
	Hash       string
	Saved      bool
}

func (s *site) served(g *gateway) (out served, err error) {
	res, err := http.Get("http://" + g.admin + "/v1/snapshot")
	if err != nil {
		return out, err
	}
	defer func() { _ = res.Body.Close() }()
	return out, json.NewDecoder(res.Body).Decode(&out)
}

// asked is the asked shares that the status shows.
func asked(u *unstructured.Unstructured) string {
	text, _ := json.Marshal(u.Object["status"]) // It came from JSON.
	return string(text)
}

// reaches waits until so much of the load comes to v2, at both gateways.
func (s *site) reaches(l *load, low, high float64, atMost time.Duration) {
	s.t.Helper()
	l.take(0)
	within(s.t, atMost, fmt.Sprintf("v2 has %g to %g", low, high), func() error {
		time.Sleep(500 * time.Millisecond) // As long as it takes to see a share.
		v2, n := shares(l.take(0))
		for i := range v2 {
			if n[i] < 50 || v2[i] < low || v2[i] > high {
				return fmt.Errorf("v2 has %.3f of %d", v2, n)
			}
		}
		return nil
	})
}

func TestGatewaysInACluster(t *testing.T) {
	s := newSite(t)
	l := s.asking()
	step := func(name string, do func(t *testing.T)) {
		s.life.Run(name, func(t *testing.T) {
			s.t, l.t = t, t
			defer func() { s.t, l.t = s.life, s.life }()
			do(t)
		})
	}
	for i, g := range s.gateways {
		if version, err := l.version(t.Context(), 1, i); err != nil || version != "v1" {
			t.Fatalf("before any snapshot gateway %d answers %q, %v: want the baseline\n%s", i, version, err, g.log)
		}
	}

	step("a good candidate is promoted on evidence, units stay", func(t *testing.T) {
		l.take(0)
		s.canary("good", "{name: canary, ramp: {steps: [10%, 50%]}, hold: {requests: 60, windows: 2}}")
		u := s.await("good", "completed", untilOver, is("Completed", "True"))
		if promoted, reason, message := condition(u, "Promoted"); promoted != "True" {
			t.Fatalf("Promoted is %s, %s: %s", promoted, reason, message)
		}
		s.await("good", "served", 5*time.Second, func(*unstructured.Unstructured) bool {
			a, errA := s.served(s.gateways[0])
			b, errB := s.served(s.gateways[1])
			return errA == nil && errB == nil && a == b && a.Saved && a.Experiment == "search/good"
		})
		answers := l.take(0)
		sticky(t, answers)
		t.Logf("%d answers; status %s", len(answers), asked(u))
		s.reaches(l, 1, 1, 5*time.Second)
		s.end("good")
		s.reaches(l, 1, 1, 5*time.Second) // What has ended stays as it ended.
	})

	step("a bad candidate is rolled back on evidence", func(t *testing.T) {
		s.models[1].failing.Store(true)
		defer s.models[1].failing.Store(false)
		s.canary("bad", "{name: canary, ramp: {steps: [10%, 50%]}, hold: {requests: 2000, windows: 2}}")
		u := s.await("bad", "completed", untilOver, is("Completed", "True"))
		if failed, reason, message := condition(u, "Failed"); failed != "True" || reason != "RolledBack" {
			t.Errorf("Failed is %s, %s: %s", failed, reason, message)
		}
		s.reaches(l, 0, 0, 5*time.Second)
		s.end("bad")
	})

	step("a kill takes effect at both within two seconds", func(t *testing.T) {
		s.canary("steady", "{name: canary, ramp: {steps: [30%]}, hold: {requests: 1000000}}")
		s.reaches(l, .15, .45, untilOver)
		u := s.await("steady", "there", time.Second, func(*unstructured.Unstructured) bool { return true })
		began := time.Now()
		kill := []byte(`{"spec": {"control": {"verb": "kill", "author": "ann", "reason": "wrong prices"}}}`)
		if err := s.Client.Patch(t.Context(), u, client.RawPatch(types.MergePatchType, kill)); err != nil {
			t.Fatal(err)
		}
		s.quiet(l, began, 2*time.Second)
		s.await("steady", "killed", 10*time.Second, func(u *unstructured.Unstructured) bool {
			c, _, _ := unstructured.NestedString(u.Object, "status", "condition")
			return c == "killed"
		})
		s.reaches(l, 0, 0, 5*time.Second)
		s.end("steady")
	})

	step("a kill needs no controller", func(t *testing.T) {
		s.canary("lone", "{name: canary, ramp: {steps: [30%]}, hold: {requests: 1000000}}")
		s.reaches(l, .15, .45, untilOver)
		s.controller.kill()
		began := time.Now()
		cmd := exec.CommandContext(t.Context(), s.bin+"/headgate", "kill", "lone", "-n", namespace, "--kubeconfig", s.Kubeconfig, "--reason", "wrong prices", "--timeout", "100ms")
		out, err := cmd.CombinedOutput()
		t.Logf("headgate kill: %v\n%s", err, out)
		if !strings.Contains(string(out), "ConfigMap search/headgate-gateway") {
			t.Errorf("it does not say what it wrote")
		}
		s.quiet(l, began, 3*time.Second) // Its own start takes a part of it.
		s.startController()
		s.await("lone", "killed", 20*time.Second, func(u *unstructured.Unstructured) bool {
			c, _, _ := unstructured.NestedString(u.Object, "status", "condition")
			return c == "killed"
		})
		s.reaches(l, 0, 0, 5*time.Second)
		s.end("lone")
	})

	step("the same name again is told apart", func(t *testing.T) {
		s.canary("lone", "{name: canary, ramp: {steps: [30%]}, hold: {requests: 1000000}}")
		u := s.await("lone", "stalled", 20*time.Second, is("Stalled", "True"))
		if _, _, message := condition(u, "Stalled"); !strings.Contains(message, "earlier experiment search/lone") {
			t.Errorf("it says %s", message)
		}
		s.reaches(l, 0, 0, 5*time.Second)
		s.end("lone")
	})

	step("an API server that is away changes nothing", func(t *testing.T) {
		s.canary("away", "{name: canary, ramp: {steps: [30%]}, hold: {requests: 1000000}}")
		s.reaches(l, .15, .45, untilOver)
		before, err := s.served(s.gateways[1])
		if err != nil {
			t.Fatal(err)
		}
		l.take(0)
		s.Down()
		time.Sleep(10 * time.Second) // The time that the task is about.
		answers := l.take(0)
		if v2, n := shares(answers); v2[0] < .15 || v2[0] > .45 || v2[1] < .15 || v2[1] > .45 || n[0] < 1000 {
			t.Errorf("v2 has %.3f of %d", v2, n)
		}
		sticky(t, answers)

		g := s.gateways[1]
		g.kill()
		g.process = s.run("g1", "headgate-gateway", g.args...)
		s.healthy("http://"+g.admin, g.process)
		if after, err := s.served(g); err != nil || after != before {
			t.Errorf("started anew it serves %+v, %v: want %+v\n%s", after, err, before, g.log)
		}
		l.take(users)
		if err := s.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.reaches(l, .15, .45, 10*time.Second)
		s.end("away") // The controller goes on too, after its own pauses.
		s.reaches(l, 0, 0, 5*time.Second)
	})

	step("the gateways' account may read one ConfigMap", func(t *testing.T) {
		token := s.ServiceAccount(t, namespace, "headgate-gateway")
		kubeconfig := s.KubeconfigOf(t, token)
		for _, c := range []struct {
			args string
			want string
		}{
			{"get configmap/headgate-gateway", "yes"},
			{"watch configmap/headgate-gateway", "yes"},
			{"patch configmap/headgate-gateway", "no"},
			{"get configmap/other", "no"},
			{"list configmaps", "no"},
			{"get secrets", "no"},
		} {
			args := append([]string{"--kubeconfig", kubeconfig, "-n", namespace, "auth", "can-i"}, strings.Fields(c.args)...)
			out, _ := s.Kubectl(t.Context(), "", args...) // A "no" is an error too.
			if strings.TrimSpace(out) != c.want {
				t.Errorf("may it %s? %s", c.args, out)
			}
		}
	})
}

// quiet waits until neither gateway gives v2 to anybody, and wants that within a
// time from the kill.
func (s *site) quiet(l *load, began time.Time, atMost time.Duration) {
	s.t.Helper()
	time.Sleep(time.Until(began.Add(atMost + time.Second))) // So that the last of v2 can be seen.
	last := began
	for _, a := range l.take(0) {
		if a.version == "v2" && a.at.After(last) {
			last = a.at
		}
	}
	if took := last.Sub(began); took > atMost {
		s.t.Errorf("v2 answered until %s after the kill", took)
	} else {
		s.t.Logf("v2 last answered %s after the kill", took.Round(time.Millisecond))
	}
}
