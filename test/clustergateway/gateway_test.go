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

const (
	// untilOver bounds a canary of two steps of a few windows of a second each.
	untilOver = 3 * time.Minute
	// soon bounds what takes a turn or two, on a machine that is busy with other
	// things.
	soon = time.Minute
	// atOnce bounds what Headgate promises within two seconds: where a change is
	// not passed on as it comes but asked for now and then, it takes longer.
	atOnce = 10 * time.Second
)

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
	l.take()
	within(s.t, atMost, fmt.Sprintf("v2 has %g to %g", low, high), func() error {
		var answers []answer
		var v2 [2]float64
		var n [2]int
		for range 20 { // As long as it takes to see a share.
			time.Sleep(500 * time.Millisecond)
			answers = append(answers, l.take()...)
			if v2, n = shares(answers); min(n[0], n[1]) >= 50 {
				break
			}
		}
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
		l.take()
		s.canary("good", "{name: canary, ramp: {steps: [10%, 50%]}, hold: {requests: 60, windows: 2}}")
		u := s.await("good", "completed", untilOver, is("Completed", "True"))
		if promoted, reason, message := condition(u, "Promoted"); promoted != "True" {
			t.Fatalf("Promoted is %s, %s: %s", promoted, reason, message)
		}
		s.await("good", "served", soon, func(*unstructured.Unstructured) bool {
			a, errA := s.served(s.gateways[0])
			b, errB := s.served(s.gateways[1])
			return errA == nil && errB == nil && a == b && a.Saved && a.Experiment == "search/good"
		})
		answers := l.take()
		sticky(t, answers)
		t.Logf("%d answers; status %s", len(answers), asked(u))
		s.reaches(l, 1, 1, soon)
		s.end("good")
		s.reaches(l, 1, 1, soon) // What has ended stays as it ended.
	})

	step("a bad candidate is rolled back on evidence", func(t *testing.T) {
		s.models[1].failing.Store(true)
		defer s.models[1].failing.Store(false)
		s.canary("bad", "{name: canary, ramp: {steps: [10%, 50%]}, hold: {requests: 2000, windows: 2}}")
		u := s.await("bad", "completed", untilOver, is("Completed", "True"))
		if failed, reason, message := condition(u, "Failed"); failed != "True" || reason != "RolledBack" {
			t.Errorf("Failed is %s, %s: %s", failed, reason, message)
		}
		s.reaches(l, 0, 0, soon)
		s.end("bad")
	})

	step("a kill takes effect at both at once", func(t *testing.T) {
		s.canary("steady", "{name: canary, ramp: {steps: [30%]}, hold: {requests: 1000000}}")
		s.reaches(l, .15, .45, untilOver)
		u := s.await("steady", "there", soon, func(*unstructured.Unstructured) bool { return true })
		began := time.Now()
		kill := []byte(`{"spec": {"control": {"verb": "kill", "author": "ann", "reason": "wrong prices"}}}`)
		if err := s.Client.Patch(t.Context(), u, client.RawPatch(types.MergePatchType, kill)); err != nil {
			t.Fatal(err)
		}
		s.quiet(l, began)
		s.await("steady", "killed", soon, func(u *unstructured.Unstructured) bool {
			c, _, _ := unstructured.NestedString(u.Object, "status", "condition")
			return c == "killed"
		})
		s.reaches(l, 0, 0, soon)
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
		s.quiet(l, began)
		s.startController()
		s.await("lone", "killed", soon, func(u *unstructured.Unstructured) bool {
			c, _, _ := unstructured.NestedString(u.Object, "status", "condition")
			return c == "killed"
		})
		s.reaches(l, 0, 0, soon)
		s.end("lone")
	})

	step("the same name again is told apart", func(t *testing.T) {
		s.canary("lone", "{name: canary, ramp: {steps: [30%]}, hold: {requests: 1000000}}")
		u := s.await("lone", "stalled", soon, is("Stalled", "True"))
		if _, _, message := condition(u, "Stalled"); !strings.Contains(message, "earlier experiment search/lone") {
			t.Errorf("it says %s", message)
		}
		s.reaches(l, 0, 0, soon)
		s.end("lone")
	})

	step("an API server that is away changes nothing", func(t *testing.T) {
		s.canary("away", "{name: canary, ramp: {steps: [30%]}, hold: {requests: 1000000}}")
		s.reaches(l, .15, .45, untilOver)
		var before served
		within(t, soon, "what is served is saved", func() (err error) {
			if before, err = s.served(s.gateways[1]); err == nil && !before.Saved {
				err = fmt.Errorf("it serves %+v", before)
			}
			return err
		})
		l.take()
		s.Down()
		time.Sleep(10 * time.Second) // The time that the task is about.
		answers := l.take()
		if v2, n := shares(answers); v2[0] < .15 || v2[0] > .45 || v2[1] < .15 || v2[1] > .45 || n[0] < users {
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
		l.forgive() // One was down.
		if err := s.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.reaches(l, .15, .45, soon)
		s.end("away") // The controller goes on too, after its own pauses.
		s.reaches(l, 0, 0, soon)
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

// quiet waits until neither gateway gives v2 to anybody any more, and wants that
// soon after the kill.
func (s *site) quiet(l *load, began time.Time) {
	s.t.Helper()
	last := began
	for silent := 0; silent < users; { // Each user asks, and none is given v2.
		time.Sleep(100 * time.Millisecond)
		for _, a := range l.take() {
			silent++
			if a.version == "v2" && a.at.After(last) {
				last, silent = a.at, 0
			}
		}
		if time.Since(began) > untilOver {
			break
		}
	}
	if took := last.Sub(began); took > atOnce {
		s.t.Errorf("v2 answered until %s after the kill", took)
	} else {
		s.t.Logf("v2 last answered %s after the kill", took.Round(time.Millisecond))
	}
}
