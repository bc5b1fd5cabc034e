// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/headgate-dev/headgate/internal/app/desk"
	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/translate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// model serves a version that answers its own name.
func model(t *testing.T, name string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }))
	t.Cleanup(s.Close)
	return s.URL
}

// plan is an experiment whose canary holds long enough to be watched.
func plan(t *testing.T, name string) *experiment.Plan {
	t.Helper()
	p, err := translate.Plan(fmt.Appendf(nil, `
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: %s, namespace: test}
spec:
  versions: [{name: v1, backend: %q}, {name: v2, backend: %q}]
  traffic: {gateway: {}}
  assignment: {unit: {header: x-user-id}}
  metrics:
  - {name: purchase, from: {outcomes: {event: purchase, window: 1h}}}
  - {name: errors, from: {builtin: error-rate}}
  objectives: [{metric: errors, max: 5%%}]
  stages: [{name: canary, ramp: {steps: [50%%]}, hold: {for: 1h}}]
  evidence: {window: 200ms, lag: 100ms}
`, name, model(t, "v1"), model(t, "v2")))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// withWindow gives a plan's outcomes another window.
func withWindow(p *experiment.Plan, window time.Duration) *experiment.Plan {
	p.Metrics[0].Outcomes.Window = window
	return p
}

// begin starts a host and closes it at the end of the test, if it is not
// closed before.
func begin(t *testing.T, data string, plans ...*experiment.Plan) *Host {
	t.Helper()
	o := Options{Data: data}
	for _, p := range plans {
		o.Experiments = append(o.Experiments, Experiment{Plan: p})
	}
	h, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// ask sends a request of a unit and says which version answered.
func ask(t *testing.T, r *Run, unit string) (version, token string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.TrafficURL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-User-Id", unit)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if v := res.Header.Get("X-Headgate-Version"); v != string(body) {
		t.Errorf("the answer of %q is marked as %q", body, v)
	}
	return string(body), res.Header.Get("X-Headgate-Exposure")
}

// assignments asks for n units.
func assignments(t *testing.T, r *Run, n int) []string {
	t.Helper()
	out := make([]string, n)
	for i := range out {
		out[i], _ = ask(t, r, fmt.Sprintf("unit-%d", i))
	}
	return out
}

// until waits for views until one is as wanted; the test's own deadline bounds
// it.
func until(t *testing.T, r *Run, what string, wanted func(*Run) bool) {
	t.Helper()
	deadline := time.After(90 * time.Second)
	for !wanted(r) {
		select {
		case <-r.Changed():
		case <-deadline:
			t.Fatalf("never: %s; the last view says %s", what, r.View().Verdict.Sentence)
		}
	}
}

func shared(r *Run) bool { return r.View().Versions[1].Share == 0.5 }

func do(t *testing.T, r *Run, c experiment.Command) experiment.Decision {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	d, err := r.Do(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestRestartLosesNothing(t *testing.T) {
	data, p := t.TempDir(), plan(t, "restart")
	h := begin(t, data, p)
	r := h.Runs()[0]
	until(t, r, "the canary's share", shared)
	before := assignments(t, r, 100)
	_, token := ask(t, r, "unit-1")
	outcome := experiment.UnitOutcome{Token: token, Event: "purchase", Value: 1, Key: "order-1"}
	if got, err := r.ledger.Record(t.Context(), r.ID(), []experiment.UnitOutcome{outcome}); err != nil || got.Accepted != 1 {
		t.Fatalf("outcome: %+v, %v", got, err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}

	h = begin(t, data, p)
	r = h.Runs()[0]
	defer func() { _ = h.Close() }()
	if !shared(r) || r.View().Stage.Name != "canary" {
		t.Errorf("after a restart: %+v in %s", r.View().Versions, r.View().Stage.Name)
	}
	if after := assignments(t, r, 100); !slices.Equal(before, after) {
		t.Errorf("units moved over a restart")
	}
	if got, err := r.ledger.Record(t.Context(), r.ID(), []experiment.UnitOutcome{outcome}); err != nil || got.Duplicates != 1 {
		t.Errorf("the acknowledged outcome was not found again: %+v, %v", got, err)
	}
	// The first process may have folded some requests, if it was slow.
	counted := r.View().Versions[0].Requests + r.View().Versions[1].Requests
	until(t, r, "evidence goes on", func(r *Run) bool {
		ask(t, r, "unit-1") // In a window that this process has served from its beginning, at last.
		v := r.View()
		return v.Versions[0].Requests+v.Versions[1].Requests > counted && len(v.Health.Incomplete) > 0
	})
	// What the first process had not folded of its requests is a gap, not a zero.
	if gaps := r.View().Health.Incomplete; len(gaps) != 1 || gaps[0].Source != "gateway" || gaps[0].Missing == 0 || gaps[0].Missing > gaps[0].Windows || !strings.Contains(gaps[0].Last, "started anew") {
		t.Errorf("after a restart this is said to be missing: %+v", gaps)
	}
	if n, err := engine.Replay(r.Journal(t.Context())); err != nil || n < 2 {
		t.Errorf("%d entries replayed: %v", n, err)
	}
}

func TestKillWorksWhileTheEngineIsStuckAndSurvivesARestart(t *testing.T) {
	data, p := t.TempDir(), plan(t, "kill")
	h := begin(t, data, p)
	r := h.Runs()[0]
	until(t, r, "the canary's share", shared)
	unit := ""
	for i, v := range assignments(t, r, 50) {
		if v == "v2" {
			unit = fmt.Sprintf("unit-%d", i)
		}
	}
	r.halt() // The engine does not step any more.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := r.Do(ctx, experiment.Command{Verb: experiment.VerbKill, Author: "sre", Reason: "burning"}); err != nil {
		t.Fatalf("kill with a stuck engine: %v", err)
	}
	if v, _ := ask(t, r, unit); v != "v1" {
		t.Errorf("after the kill %s still gets %s", unit, v)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}

	h = begin(t, data, p)
	r = h.Runs()[0]
	defer func() { _ = h.Close() }()
	if v, _ := ask(t, r, unit); v != "v1" {
		t.Errorf("after a restart the killed %s gets %s", unit, v)
	}
	until(t, r, "the kill is obeyed", func(r *Run) bool { return r.View().Condition == string(experiment.Killed) })
	if reasons := r.View().Verdict.Reasons; !strings.Contains(strings.Join(reasons, " "), "killed by sre: burning") {
		t.Errorf("the reason is lost: %v", reasons)
	}
	if d := do(t, r, experiment.Command{Verb: experiment.VerbResume}); d.Reasons[0].Code != experiment.ReasonRefused {
		t.Errorf("resume lifted a kill: %v", d.Reasons)
	}
	do(t, r, experiment.Command{Verb: experiment.VerbRetry, Author: "sre", Reason: "repaired"})
	until(t, r, "the canary's share after a retry", shared)
	if _, marked, _ := desk.ReadKill(r.dir); marked {
		t.Error("the mark of the kill is still there after a retry")
	}
	if versions := assignments(t, r, 100); !slices.Contains(versions, "v2") {
		t.Error("after a retry nobody gets v2")
	}
	if _, err := engine.Replay(r.Journal(t.Context())); err != nil {
		t.Error(err)
	}
}

func TestAKillMarkedWhileNobodyRunsIsHonoured(t *testing.T) {
	data, p := t.TempDir(), plan(t, "marked")
	h := begin(t, data, p)
	until(t, h.Runs()[0], "the canary's share", shared)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if err := desk.WriteKill(filepath.Join(data, desk.DirOf(p.ID())), experiment.Command{Author: "sre"}); err != nil {
		t.Fatal(err)
	}
	h = begin(t, data, p)
	defer func() { _ = h.Close() }()
	if versions := assignments(t, h.Runs()[0], 50); slices.Contains(versions, "v2") {
		t.Error("a killed experiment serves v2")
	}
}

func TestTwoExperimentsDoNotDisturbEachOther(t *testing.T) {
	a, b := plan(t, "a"), plan(t, "b")
	h := begin(t, t.TempDir(), a, b)
	defer func() { _ = h.Close() }()
	for _, r := range h.Runs() {
		until(t, r, "the canary's share of "+r.ID(), shared)
	}
	do(t, h.Runs()[0], experiment.Command{Verb: experiment.VerbKill})
	if slices.Contains(assignments(t, h.Runs()[0], 50), "v2") {
		t.Error("the killed one serves v2")
	}
	if !slices.Contains(assignments(t, h.Runs()[1], 50), "v2") {
		t.Error("the other one was disturbed")
	}
	if _, err := h.find("c"); experiment.CodeOf(err) != experiment.CodeNotFound {
		t.Errorf("an unknown name: %v", err)
	}
	if _, err := h.find(""); experiment.CodeOf(err) != experiment.CodeInvalid {
		t.Errorf("no name among two: %v", err)
	}
}

func TestStartRefuses(t *testing.T) {
	busy, err := net.Listen("tcp", desk.Loopback)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }()
	p := plan(t, "refused")
	dead := *p
	dead.Versions = slices.Clone(p.Versions)
	dead.Versions[1].Backend = "http://" + desk.Loopback[:len(desk.Loopback)-1] + "1"
	for name, c := range map[string]struct {
		o    Options
		want string
	}{
		"a port in use":      {Options{Experiments: []Experiment{{Plan: p, Listen: busy.Addr().String()}}}, "listen for the gateway of test/refused on"},
		"an API port in use": {Options{Experiments: []Experiment{{Plan: p}}, API: busy.Addr().String()}, "listen for the API on"},
		"a dead backend":     {Options{Experiments: []Experiment{{Plan: &dead}}}, "reach version v2 at spec.versions[1].backend"},
		"the same name":      {Options{Experiments: []Experiment{{Plan: p}, {Plan: p}}}, "two experiments are called test/refused"},
		"the same route":     {Options{Experiments: []Experiment{{Plan: p, Listen: "127.0.0.1:7777"}, {Plan: plan(t, "other"), Listen: "127.0.0.1:7777"}}}, "the route 127.0.0.1:7777 of test/other is held by test/refused"},
		"a socket path that is too long": {
			Options{Experiments: []Experiment{{Plan: p}}, Data: filepath.Join(t.TempDir(), strings.Repeat("d", 120))},
			"control socket",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if c.o.Data == "" {
				c.o.Data = filepath.Join(t.TempDir(), "data")
			}
			h, err := Start(t.Context(), c.o)
			if err == nil {
				_ = h.Close()
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), c.want) || experiment.HintOf(err) == "" {
				t.Errorf("got %q (hint %q), want %q and a hint", err, experiment.HintOf(err), c.want)
			}
			if _, err := os.Stat(filepath.Join(c.o.Data, "exposure.key")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("it left files behind")
			}
		})
	}
}

func TestADirectoryBelongsToOneProcessAndOnePlan(t *testing.T) {
	data, p := t.TempDir(), plan(t, "one")
	h := begin(t, data, p)
	if _, err := Start(t.Context(), Options{Experiments: []Experiment{{Plan: p}}, Data: data}); experiment.CodeOf(err) != experiment.CodeConflict {
		t.Errorf("a second process: %v", err)
	}
	info, err := os.Stat(filepath.Join(data, desk.SocketName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the control socket has mode %v: %v", info.Mode(), err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	other := *p
	other.Hypothesis = "another"
	if _, err := Start(t.Context(), Options{Experiments: []Experiment{{Plan: &other}}, Data: data}); experiment.CodeOf(err) != experiment.CodeConflict || !strings.Contains(err.Error(), "another plan") {
		t.Errorf("another plan: %v", err)
	}
}

// TestRowsOfPhasesThatAreOverGo exposes units in the first phase, before the
// canary, and in the second, and looks into the ledger's file afterwards.
func TestRowsOfPhasesThatAreOverGo(t *testing.T) {
	data, p := t.TempDir(), withWindow(plan(t, "prune"), 200*time.Millisecond)
	h := begin(t, data, p)
	r := h.Runs()[0]
	assignments(t, r, 20)
	until(t, r, "the canary's share", shared)
	assignments(t, r, 20)
	until(t, r, "the first phase has matured", func(r *Run) bool { return r.View().Elapsed > 3 })
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(data, desk.DirOf(p.ID()), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var first, later int
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FILTER (WHERE phase = 1), count(*) FILTER (WHERE phase > 1) FROM exposures").Scan(&first, &later); err != nil {
		t.Fatal(err)
	}
	if first != 0 || later == 0 {
		t.Errorf("%d rows of the first phase and %d of the running one are kept, want none and some", first, later)
	}
}

func TestPauseAndResume(t *testing.T) {
	h := begin(t, t.TempDir(), plan(t, "pause"))
	defer func() { _ = h.Close() }()
	r := h.Runs()[0]
	until(t, r, "the canary's share", shared)
	if d := do(t, r, experiment.Command{Verb: experiment.VerbPause, Author: "sre"}); d.Act != experiment.ActPause {
		t.Errorf("pause: %v", d)
	}
	if d := do(t, r, experiment.Command{Verb: experiment.VerbResume, Author: "sre"}); d.Act != experiment.ActResume {
		t.Errorf("resume: %v", d)
	}
	if d := do(t, r, experiment.Command{Verb: experiment.VerbPromote, Author: "owner", Reason: "enough"}); d.Act != experiment.ActPromote {
		t.Errorf("promote: %v", d)
	}
	<-r.Done()
	if slices.Contains(assignments(t, r, 50), "v1") {
		t.Error("after the promotion somebody gets v1")
	}
}
