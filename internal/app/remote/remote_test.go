// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"

	"github.com/headgate-dev/headgate/internal/apiclient"
	"github.com/headgate-dev/headgate/internal/app/desk"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// strict is an A/B test by made-up numbers, as fast as one may be; v2 wins. It
// iterates as often as it is told.
func strict(name string, times int, more string) string {
	return fmt.Sprintf(`
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: %[1]s}
spec:
  strict: true
  versions: [{name: v1, backend: %[1]s-v1}, {name: v2, backend: %[1]s-v2}]
  traffic: {virtualService: {name: %[1]s}}
  metrics:
  - {name: engagement, goal: increase, from: {mock: {counter: true, levels: {v1: 10, v2: 1000}}}}
  reward: {metric: engagement}
  stages:
  - {name: iterate, iterate: {pattern: reward, every: 1s, times: %[2]d, increment: 30%%}}
%[3]s
`, name, times, more)
}

func plans(t *testing.T, config *rest.Config, texts ...string) []Planned {
	t.Helper()
	f := Files{Config: config, Namespace: "search"}
	var files []File
	for i, text := range texts {
		files = append(files, File{Name: fmt.Sprintf("file-%d", i), Text: []byte(text)})
	}
	out, err := f.Read(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// begin starts one experiment against a fake; it ends with the test.
func begin(t *testing.T, f *fake, data, text string) *Run {
	t.Helper()
	h, err := Start(t.Context(), Options{Plans: plans(t, f.config, text), Data: data, Config: f.config, Place: Place{Server: f.URL}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() }) // It may be closed already.
	return h.Runs()[0]
}

// refused starts one experiment that must not begin.
func refused(t *testing.T, f *fake, data, text string) error {
	t.Helper()
	h, err := Start(t.Context(), Options{Plans: plans(t, f.config, text), Data: data, Config: f.config, Place: Place{Server: f.URL}})
	if err == nil {
		_ = h.Close() // The test has failed.
		t.Fatal("it began")
	}
	return err
}

// until waits for something that another goroutine does.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

func done(t *testing.T, r *Run) {
	t.Helper()
	select {
	case <-r.Done():
	case <-time.After(time.Minute):
		t.Fatalf("it has not ended: %s, %v", r.View().Verdict.Sentence, r.View().Notices)
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
}

// socket is a client of the control socket in a directory.
func socket(t *testing.T, data string) *apiclient.Client {
	c := apiclient.New(filepath.Join(data, desk.SocketName))
	t.Cleanup(c.Close)
	return c
}

func kill(t *testing.T, data string) {
	t.Helper()
	d, err := socket(t, data).Do(t.Context(), "", experiment.Command{Verb: experiment.VerbKill, Author: "ann", Reason: "wrong prices"})
	if err != nil || d.Act != experiment.ActRollback {
		t.Fatalf("%+v, %v", d, err)
	}
}

func TestAnExperimentEndsAndLeavesNothingButItsShares(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.route("ab")
	r := begin(t, f, t.TempDir(), strict("ab", 2, ""))
	if f.claims() != 1 {
		t.Errorf("%d claims while it runs", f.claims())
	}
	done(t, r)
	if v := r.View(); v.Verdict.Outcome != string(experiment.Promoted) || f.shares("ab") != "40/60" {
		t.Errorf("%s: the route says %s", v.Verdict.Sentence, f.shares("ab"))
	}
	if f.claims() != 0 {
		t.Errorf("%d claims are left", f.claims())
	}
	for entry, err := range r.Journal(t.Context()) {
		if err != nil || entry.Seq == 0 && entry.Plan == nil {
			t.Errorf("%+v, %v", entry, err)
		}
	}
}

// TestAnExperimentOfIter8IsAnObjectToItsActions: what it was made of is not in the
// cluster, and texts of actions find it all the same.
func TestAnExperimentOfIter8IsAnObjectToItsActions(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.route("ab")
	told := make(chan string, 1)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // What is missing is not what is wanted.
		told <- string(body)
	}))
	defer hook.Close()
	task := fmt.Sprintf(`    actions:
      finish:
      - task: notification/http
        with: {url: %q, body: '@< .this.metadata.namespace >@/@< .this.metadata.name >@: @< .this.status.versionRecommendedForPromotion >@'}
  criteria:`, hook.URL)
	text := strings.Replace(foreignAB, "  strategy: {testingPattern: A/B, deploymentPattern: Progressive}\n  criteria:", "  strategy:\n    testingPattern: A/B\n    deploymentPattern: Progressive\n"+task, 1)
	done(t, begin(t, f, t.TempDir(), text+"---"+foreignMetric))
	if got := <-told; got != "search/ab: v2" {
		t.Errorf("the action said %q", got)
	}
}

func TestAKillHoldsUntilAPersonLiftsIt(t *testing.T) {
	t.Parallel()
	f, data := newFake(t), t.TempDir()
	f.route("ab")
	text := strict("ab", 30, "")
	h, err := Start(t.Context(), Options{Plans: plans(t, f.config, text), Data: data, Config: f.config, Place: Place{Server: f.URL}})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the candidate has a share", func() bool { return f.shares("ab") != "100/0" })
	kill(t, data)
	if got := f.shares("ab"); got != "100/0" {
		t.Errorf("after the kill: %s", got)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	r := begin(t, f, data, text)
	until(t, "it is killed still", func() bool { return r.View().Condition == string(experiment.Killed) })
	if got := f.shares("ab"); got != "100/0" {
		t.Errorf("after a restart: %s", got)
	}
	select {
	case <-r.Done():
		t.Error("a killed experiment has ended")
	default:
	}
	if d, err := socket(t, data).Do(t.Context(), "", experiment.Command{Verb: experiment.VerbRetry, Author: "ann"}); err != nil || d.Act != experiment.ActRetry {
		t.Fatalf("%+v, %v", d, err)
	}
	until(t, "the candidate has a share again", func() bool { return f.shares("ab") != "100/0" })
}

// TestAKillOvertakesATurnUnderWay stops a turn's write at the API server, kills,
// and lets the write go on.
func TestAKillOvertakesATurnUnderWay(t *testing.T) {
	t.Parallel()
	f, data := newFake(t), t.TempDir()
	f.route("ab")
	held, letGo := make(chan struct{}), make(chan struct{})
	var once sync.Once
	f.set(func() {
		f.before = func(r *http.Request) {
			if r.Method == http.MethodPatch && r.URL.Query().Get("dryRun") == "" {
				once.Do(func() {
					close(held)
					<-letGo
				})
			}
		}
	})
	// An action comes before the first share, so that it is no part of the start.
	r := begin(t, f, data, strict("ab", 30, "  actions: {onStart: [{name: there, readiness: {routes: true}}]}"))
	<-held
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	killed := make(chan struct{})
	var d experiment.Decision
	var err error
	go func() {
		defer close(killed)
		d, err = r.Do(ctx, experiment.Command{Verb: experiment.VerbKill, Author: "ann"})
	}()
	// It is queued when it is marked, and once more when the traffic is back: then
	// it waits for the loop.
	until(t, "the kill is done", func() bool { return len(r.commands.Pending()) == 2 })
	cancel()
	if <-killed; err != nil || d.Act != experiment.ActRollback {
		t.Fatalf("a loop that is stuck keeps a kill up: %+v, %v", d, err)
	}
	close(letGo)
	until(t, "the state knows", func() bool { return r.View().Condition == string(experiment.Killed) })
	if got := f.shares("ab"); got != "100/0" {
		t.Errorf("after the kill: %s", got)
	}
}

func TestAMarkIsObeyedByAProcessThatNobodyCouldReach(t *testing.T) {
	t.Parallel()
	f, data := newFake(t), t.TempDir()
	f.route("ab")
	r := begin(t, f, data, strict("ab", 30, ""))
	until(t, "the candidate has a share", func() bool { return f.shares("ab") != "100/0" })
	if err := desk.WriteKill(filepath.Join(data, desk.DirOf("search/ab")), experiment.Command{Author: "sre"}); err != nil {
		t.Fatal(err)
	}
	until(t, "it is killed", func() bool { return r.View().Condition == string(experiment.Killed) })
	if got := f.shares("ab"); got != "100/0" {
		t.Errorf("after the mark: %s", got)
	}
}

func TestTheWayBackNeedsNoProcess(t *testing.T) {
	t.Parallel()
	f, data := newFake(t), t.TempDir()
	f.route("ab")
	h, err := Start(t.Context(), Options{Plans: plans(t, f.config, strict("ab", 30, "")), Data: data, Config: f.config, Place: Place{Context: "lab", Server: f.URL}})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the candidate has a share", func() bool { return f.shares("ab") != "100/0" })
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if f.shares("ab") == "100/0" {
		t.Error("a process that ends changes the route")
	}
	dir := filepath.Join(data, desk.DirOf("search/ab"))
	place, there, err := PlaceOf(dir)
	if want := (Place{Context: "lab", Server: f.URL}); err != nil || !there || place != want {
		t.Errorf("%+v, %v, %v", place, there, err)
	}
	for _, want := range [][]string{{"VirtualService search/ab"}, nil} {
		back, err := RouteBack(t.Context(), dir, f.config)
		if err != nil || back.Baseline != "v1" || back.Experiment != "search/ab" || !slices.Equal(back.Routes, want) || f.shares("ab") != "100/0" {
			t.Errorf("%+v, %v: %s", back, err, f.shares("ab"))
		}
	}
	if _, there, err := PlaceOf(t.TempDir()); there || err != nil {
		t.Errorf("a directory of another kind: %v, %v", there, err)
	}
}

func TestAKillThatCannotWriteIsMarkedAndTriedAgain(t *testing.T) {
	t.Parallel()
	f, data := newFake(t), t.TempDir()
	f.route("ab")
	r := begin(t, f, data, strict("ab", 30, ""))
	until(t, "the candidate has a share", func() bool { return f.shares("ab") != "100/0" })
	f.set(func() { f.down = true })
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	_, err := r.Do(ctx, experiment.Command{Verb: experiment.VerbKill, Author: "ann"})
	if experiment.CodeOf(err) != experiment.CodeUnavailable || !strings.Contains(err.Error(), "marked") {
		t.Errorf("without an API server: %v", err)
	}
	f.set(func() { f.down = false })
	until(t, "the traffic is back", func() bool { return f.shares("ab") == "100/0" })
}

// ours is carried by Headgate's own gateway.
const ours = `
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: ab}
spec:
  versions: [{name: v1, backend: "http://127.0.0.1:1"}, {name: v2, backend: "http://127.0.0.1:2"}]
  traffic: {gateway: {}}
  assignment: {unit: {header: x-user-id}}
  metrics: [{name: errors, from: {builtin: error-rate}}]
  objectives: [{metric: errors, max: 5%}]
  stages: [{name: canary, ramp: {steps: [10%]}, hold: {requests: 100}}]
`

func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		has  func(t *testing.T, f *fake)
		want string
	}{
		"a route that is not there": {strict("absent", 1, ""), nil, "VirtualService search/absent"},
		"another laptop's route": {strict("ab", 1, ""), func(t *testing.T, f *fake) {
			begin(t, f, t.TempDir(), strict("ab", 30, ""))
		}, "is held by experiment search/ab, which runs outside of the cluster"},
		"no right to write the route": {strict("ab", 1, ""), func(_ *testing.T, f *fake) { f.forbidden["patch virtualservices"] = true }, "cannot patch"},
		"a route of our own gateway":  {ours, nil, "Headgate's own gateway"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.route("ab")
			claims := 0
			if c.has != nil {
				c.has(t, f)
				claims = f.claims()
			}
			err := refused(t, f, t.TempDir(), c.text)
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if f.claims() != claims {
				t.Errorf("%d claims are left, want %d", f.claims(), claims)
			}
		})
	}
}

func TestAnotherPlanOrClusterIsRefusedInADirectory(t *testing.T) {
	t.Parallel()
	f, data := newFake(t), t.TempDir()
	f.route("ab")
	h, err := Start(t.Context(), Options{Plans: plans(t, f.config, strict("ab", 30, "")), Data: data, Config: f.config, Place: Place{Server: f.URL}})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if err := refused(t, f, data, strict("ab", 29, "")); experiment.CodeOf(err) != experiment.CodeConflict || !strings.Contains(err.Error(), "another plan") {
		t.Errorf("another plan: %v", err)
	}
	other := newFake(t)
	other.route("ab")
	if err := refused(t, other, data, strict("ab", 30, "")); experiment.CodeOf(err) != experiment.CodeConflict || !strings.Contains(err.Error(), f.URL) {
		t.Errorf("another cluster: %v", err)
	}
	begin(t, f, data, strict("ab", 30, ""))
}

func TestWithoutRightsToClaimItRunsAndSaysSo(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.route("ab")
	f.forbidden["create leases"] = true
	r := begin(t, f, t.TempDir(), strict("ab", 1, ""))
	if !strings.Contains(r.Unclaimed(), `resources: ["leases"]`) {
		t.Errorf("what is missing: %q", r.Unclaimed())
	}
	done(t, r)
}

// TestARouteThatWasTakenOverIsLeft: a laptop slept, and somebody else claimed the
// route and wrote it meanwhile.
func TestARouteThatWasTakenOverIsLeft(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.route("ab")
	c, err := connect(f.config)
	if err != nil {
		t.Fatal(err)
	}
	r := newRun(plans(t, f.config, strict("ab", 30, ""))[0], c, slog.New(slog.DiscardHandler))
	defer func() { _ = r.close() }()
	if err := r.open(t.Context(), t.TempDir(), &Options{Place: Place{Server: f.URL}}, prometheus.NewRegistry()); err != nil {
		t.Fatal(err)
	}
	f.set(func() {
		for at, o := range f.objects {
			if strings.Contains(at, "/leases/") {
				o["spec"].(map[string]any)["holderIdentity"] = "somebody"
			}
		}
	})
	f.route("ab")
	r.renewed = time.Time{}
	r.loop(t.Context())
	<-r.Done()
	if e, ok := errors.AsType[*experiment.Error](r.Err()); !ok || e.Code != experiment.CodeConflict || !strings.Contains(e.Error(), "taken over") {
		t.Errorf("it goes on: %v", r.Err())
	}
	if got := f.shares("ab"); got != "100/0" {
		t.Errorf("it wrote %s", got)
	}
}

// TestAClaimThatNobodyKeepsIsFree: a laptop's that was not renewed, and that of an
// experiment which the cluster does not have.
func TestAClaimThatNobodyKeepsIsFree(t *testing.T) {
	t.Parallel()
	for name, spec := range map[string]map[string]any{
		"of another laptop that went to sleep": {"holderIdentity": "other", "leaseDurationSeconds": 60, "renewTime": "2026-01-01T00:00:00.000000Z"},
		"of an experiment that is gone":        {"holderIdentity": "other"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.route("ab")
			begin(t, f, t.TempDir(), strict("ab", 30, ""))
			f.set(func() {
				for at, o := range f.objects {
					if strings.Contains(at, "/leases/") {
						o["spec"] = spec
					}
				}
			})
			begin(t, f, t.TempDir(), strict("ab", 30, ""))
		})
	}
}
