// SPDX-License-Identifier: Apache-2.0

package remote_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// untilOver bounds a canary of two steps: each waits for windows of two seconds
// that are read a second or two after their end.
const untilOver = 4 * time.Minute

// canary is an experiment on a VirtualService that ramps in two steps. It names no
// namespace: -n does.
func canary(t *testing.T, name string) string { return ramp(t, name, 100) }

// ramp is such an experiment that waits for so many requests of the candidate at
// each step. It has 40 a second at the first and 200 at the second.
func ramp(t *testing.T, name string, requests int) string {
	return file(t, name+".yaml", fmt.Sprintf(`
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: %[1]s}
spec:
  versions: [{name: v1, backend: %[1]s-v1}, {name: v2, backend: %[1]s-v2}]
  traffic: {virtualService: {name: %[1]s}}
  metrics:
  - {name: errors, from: {builtin: error-rate}}
  objectives: [{metric: errors, max: "5%%"}]
  stages:
  - {name: canary, ramp: {steps: ["10%%", "50%%"]}, hold: {requests: %[2]d, windows: 1, settle: 1s}}
  evidence: {window: 2s, stale: 30s}
`, name, requests))
}

// TestRemote runs experiments from a laptop, on one API server.
func TestRemote(t *testing.T) {
	s := newSite(t)
	at := func(s *site, name, shares string, atMost time.Duration) {
		s.t.Helper()
		s.await(name+" at "+shares, atMost, func() bool { return s.shares(name) == shares })
	}
	in := func(t *testing.T) *site {
		out := *s
		out.t = t
		return &out
	}

	t.Run("a canary is promoted, and nothing of it is left in the cluster", func(t *testing.T) {
		s := in(t)
		s.route("good")
		seen := []string{s.shares("good")}
		p := s.run(t.TempDir(), "-f", canary(t, "good"))
		s.await("the end", untilOver, func() bool {
			if now := s.shares("good"); now != seen[len(seen)-1] {
				seen = append(seen, now)
			}
			select {
			case <-p.ended:
				return true
			default:
				return false
			}
		})
		if code := s.code(p, time.Minute); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if now := s.shares("good"); now != seen[len(seen)-1] {
			seen = append(seen, now)
		}
		if want := []string{"100/0", "90/10", "50/50", "0/100"}; !slices.Equal(seen, want) {
			t.Errorf("the route asked for %v, want %v", seen, want)
		}
		if !strings.Contains(p.out.String(), "PROMOTE") && !strings.Contains(p.out.String(), "promoted") {
			t.Errorf("the report says\n%s", p.out)
		}
		if n := s.leases("good"); n != 0 {
			t.Errorf("%d claims are left", n)
		}
	})

	t.Run("a kill in the middle, and verbs over the control socket", func(t *testing.T) {
		s := in(t)
		s.route("killed")
		data, exp := t.TempDir(), ramp(t, "killed", 600) // There is time for what follows.
		p := s.run(data, "-f", exp)
		at(s, "killed", "90/10", untilOver)
		if code, out := s.headgate("get", "--data", data); code != 0 || !strings.Contains(out, "killed") {
			t.Errorf("get: %d\n%s", code, out)
		}
		if code, out := s.headgate("pause", "--data", data); code != 0 {
			t.Errorf("pause: %d\n%s", code, out)
		}
		began := time.Now()
		if code, out := s.headgate("kill", "--data", data, "--reason", "wrong prices"); code != 0 || !strings.Contains(out, "ROLLBACK") {
			t.Errorf("kill: %d\n%s", code, out)
		}
		if got := s.shares("killed"); got != "100/0" {
			t.Errorf("after the kill the route says %s", got)
		}
		t.Logf("back after %v", time.Since(began).Round(time.Millisecond))
		_ = p.cmd.Process.Signal(syscall.SIGINT)
		if code := s.code(p, time.Minute); code != 130 {
			t.Errorf("interrupted: exit code %d", code)
		}
		p = s.run(data, "-f", exp)
		s.await("the kill is told again", time.Minute, func() bool {
			_, out := s.headgate("get", "--data", data)
			return strings.Contains(strings.ToLower(out), "killed")
		})
		if got := s.shares("killed"); got != "100/0" {
			t.Errorf("after the restart the route says %s", got)
		}
		if code, out := s.headgate("retry", "--data", data, "--reason", "mended"); code != 0 {
			t.Errorf("retry: %d\n%s", code, out)
		}
		if code := s.code(p, untilOver); code != 0 || s.shares("killed") != "0/100" {
			t.Errorf("after the retry: exit code %d, %s", code, s.shares("killed"))
		}
	})

	t.Run("a process that dies is followed by another, and the way back needs none", func(t *testing.T) {
		s := in(t)
		s.route("left")
		data, exp := t.TempDir(), ramp(t, "left", 600) // As above.
		p := s.run(data, "-f", exp)
		at(s, "left", "90/10", untilOver)
		other := s.run(t.TempDir(), "-f", exp)
		if code := s.code(other, time.Minute); code == 0 || !strings.Contains(other.err.String(), "is held by experiment search/left") {
			t.Errorf("a second laptop: exit code %d\n%s", code, other.err)
		}
		_ = p.cmd.Process.Kill()
		<-p.ended
		p = s.run(data, "-f", exp)
		at(s, "left", "50/50", untilOver)
		_ = p.cmd.Process.Signal(syscall.SIGINT)
		if code := s.code(p, time.Minute); code != 130 {
			t.Errorf("interrupted: exit code %d", code)
		}
		if talk := p.err.String(); !strings.Contains(talk, "the route stays as it is: v1 50.0%, v2 50.0%") || !strings.Contains(talk, "headgate kill search/left --data "+data) {
			t.Errorf("it left without a word of the way back:\n%s", talk)
		}
		if got := s.shares("left"); got != "50/50" {
			t.Errorf("it left the route at %s", got)
		}
		if code, out := s.headgate("kill", "search/left", "--data", data); code != 0 || !strings.Contains(out, "ROUTED  v1 has all traffic of search/left") {
			t.Errorf("kill without a process: %d\n%s", code, out)
		}
		if got := s.shares("left"); got != "100/0" {
			t.Errorf("after the kill the route says %s", got)
		}
	})

	t.Run("an experiment of Iter8 chooses a winner and promotes it", func(t *testing.T) { iter8(t, in(t)) })

	t.Run("a route that is not there is refused before anything is written", func(t *testing.T) {
		s := in(t)
		p := s.run(t.TempDir(), "-f", canary(t, "absent"))
		if code := s.code(p, time.Minute); code == 0 || !strings.Contains(p.err.String(), "absent") {
			t.Errorf("exit code %d\n%s", code, p.err)
		}
		if n := s.leases("absent"); n != 0 {
			t.Errorf("%d claims are left", n)
		}
	})
}

// iter8 runs an A/B test of Iter8: a provider over HTTP tells of the versions, and
// the finish task applies what is at a URL.
func iter8(t *testing.T, s *site) {
	s.route("ab")
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/engagement":
			fmt.Fprintf(w, `{"value": %v}`, map[string]float64{"ab-v1": 12, "ab-v2": 17}[r.URL.Query().Get("version")])
		case "/v2.yaml":
			fmt.Fprint(w, strings.TrimSpace(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ab, namespace: search}
spec:
  hosts: [ab]
  http:
  - name: primary
    route:
    - {destination: {host: ab-v2}, weight: 100}
`))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(provider.Close)
	exp := file(t, "ab.yaml", fmt.Sprintf(`
apiVersion: iter8.tools/v2alpha2
kind: Experiment
metadata: {name: ab}
spec:
  target: search/ab
  strategy:
    testingPattern: A/B
    deploymentPattern: Progressive
    actions:
      finish:
      - if: CandidateWon()
        run: kubectl apply -f %[1]s/v2.yaml
  criteria:
    rewards: [{metric: search/engagement, preferredDirection: High}]
    objectives: [{metric: search/latency, upperLimit: 300}]
  duration: {intervalSeconds: 1, iterationsPerLoop: 4}
  versionInfo:
    baseline:
      name: ab-v1
      weightObjRef: {apiVersion: networking.istio.io/v1, kind: VirtualService, namespace: search, name: ab, fieldPath: ".spec.http[0].route[0].weight"}
    candidates:
    - name: ab-v2
      weightObjRef: {apiVersion: networking.istio.io/v1, kind: VirtualService, namespace: search, name: ab, fieldPath: ".spec.http[0].route[1].weight"}
`, provider.URL))
	metrics := file(t, "metrics.yaml", fmt.Sprintf(`
apiVersion: v1
kind: Namespace
metadata: {name: search}
---
apiVersion: iter8.tools/v2alpha2
kind: Metric
metadata: {name: engagement, namespace: search}
spec:
  type: Gauge
  provider: desk
  urlTemplate: %s/engagement
  params: [{name: version, value: $name}]
  jqExpression: .value
---
apiVersion: iter8.tools/v2alpha2
kind: Metric
metadata: {name: latency, namespace: search}
spec:
  mock: [{name: ab-v1, level: "80"}, {name: ab-v2, level: "90"}]
`, provider.URL))
	data := t.TempDir()
	p := s.run(data, "-f", exp, "-f", metrics)
	s.await("the candidate gains", 2*time.Minute, func() bool { return s.shares("ab") != "100/0" })
	if code := s.code(p, 3*time.Minute); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.err)
	}
	if got := s.shares("ab"); got != "100" {
		t.Errorf("what was promoted asks for %s", got)
	}
	if !strings.Contains(p.err.String(), "Namespace search is left out") {
		t.Errorf("nothing is said of the object that is no metric:\n%s", p.err)
	}
	code, journal := s.headgate("export", "--data", data)
	if code != 0 {
		t.Fatalf("export: %d\n%s", code, journal)
	}
	if code, out := s.headgate("replay", file(t, "journal.ndjson", journal)); code != 0 {
		t.Errorf("the journal does not replay: %d\n%s", code, out)
	}
}
