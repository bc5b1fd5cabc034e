// SPDX-License-Identifier: Apache-2.0

package local

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// hooks is a server that is told of transitions; it refuses what is at /refused.
type hooks struct {
	*httptest.Server
	mu    sync.Mutex
	told  []string
	keys  []string
	block chan struct{} // what is at /slow waits for it
}

func newHooks(t *testing.T) *hooks {
	t.Helper()
	h := &hooks{block: make(chan struct{})}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		h.told, h.keys = append(h.told, strings.TrimPrefix(r.URL.Path, "/")+" "+string(body)), append(h.keys, r.Header.Get("Idempotency-Key"))
		h.mu.Unlock()
		switch r.URL.Path {
		case "/refused":
			w.WriteHeader(http.StatusGone)
		case "/slow":
			select {
			case <-h.block:
			case <-r.Context().Done():
			}
		}
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hooks) heard() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.told)
}

// acting is an experiment that observes for a moment, with actions.
func acting(t *testing.T, name, actions string) *experiment.Plan {
	t.Helper()
	return staged(t, name, `
  assignment: {unit: {header: x-user-id}}
  metrics: [{name: errors, from: {builtin: error-rate}}]
  objectives: [{metric: errors, max: 50%}]
  stages: [{name: canary, ramp: {steps: [50%, 100%]}, hold: {for: 400ms}}]
  actions:
`+actions)
}

func TestActionsAreDoneAtTransitions(t *testing.T) {
	s := newHooks(t)
	hook := func(path string) string {
		return fmt.Sprintf(`{name: %s, retries: 0, webhook: {url: "%s/%s", body: "{{.experiment.hook}} {{.name}} {{.experiment.outcome}}"}}`, path, s.URL, path)
	}
	h := begin(t, t.TempDir(), acting(t, "acting", `
    onStart: [`+hook("a")+`]
    onPromote: [`+hook("b")+`, {name: gone, onFailure: ignore, webhook: {url: "`+s.URL+`/refused", body: x}}, `+hook("c")+`]
    onRollback: [`+hook("never")+`]
    onFinish: [`+hook("d")+`]
`))
	defer h.Close()
	r := h.Runs()[0]
	defer busy(t, r, nil)()
	<-r.Done()
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	want := []string{"a onStart v1 ", "b onPromote v2 promoted", "refused x", "c onPromote v2 promoted", "d onFinish v2 promoted"}
	if diff := cmp.Diff(want, s.heard()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i, key := range s.keys {
		if key == "" || slices.Contains(s.keys[:i], key) {
			t.Errorf("keys %q", s.keys)
		}
	}
	replays(t, r)
}

func TestNothingIsGivenBeforeTheStartIsDone(t *testing.T) {
	s := newHooks(t)
	h := begin(t, t.TempDir(), acting(t, "starting", `    onStart: [{webhook: {url: "`+s.URL+`/slow"}}]`))
	defer h.Close()
	r := h.Runs()[0]
	until(t, r, "it waits", func(r *Run) bool {
		return strings.Contains(r.View().Verdict.Sentence+fmt.Sprint(r.View()), "onStart/webhook")
	})
	if got := r.View().Versions[1].Share; got != 0 {
		t.Errorf("the candidate has %g", got)
	}
	close(s.block)
	until(t, r, "half on v2", shared)
}

func TestAKillCallsOffWhatIsUnderWay(t *testing.T) {
	s := newHooks(t)
	h := begin(t, t.TempDir(), acting(t, "killed", `
    onStart: [{timeout: 5m, webhook: {url: "`+s.URL+`/slow", body: start}}]
    onRollback: [{webhook: {url: "`+s.URL+`/back", body: "{{.name}}"}}]
`))
	defer h.Close()
	r := h.Runs()[0]
	until(t, r, "it waits", func(*Run) bool { return len(s.heard()) == 1 })
	do(t, r, experiment.Command{Verb: experiment.VerbKill, Author: "sre", Reason: "burning"})
	<-r.Done() // Not before the action of the rollback is done.
	if diff := cmp.Diff([]string{"slow start", "back v1"}, s.heard()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAnActionGoesOnUnderTheSameKeyAfterARestart(t *testing.T) {
	s := newHooks(t)
	data := t.TempDir()
	p := acting(t, "restarted", `    onStart: [{timeout: 5m, webhook: {url: "`+s.URL+`/slow", body: x}}]`)
	h := begin(t, data, p)
	until(t, h.Runs()[0], "it waits", func(*Run) bool { return len(s.heard()) == 1 })
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	close(s.block)
	h = begin(t, data, p)
	defer h.Close()
	until(t, h.Runs()[0], "half on v2", shared)
	if len(s.keys) != 2 || s.keys[0] != s.keys[1] {
		t.Errorf("keys %q", s.keys)
	}
}

func TestCommandsOfThisMachineNeedLeave(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no /bin/sh")
	}
	out := filepath.Join(t.TempDir(), "out")
	command, err := json.Marshal([]string{"/bin/sh", "-c", `printf %s "$HEADGATE_HOOK" > ` + out})
	if err != nil {
		t.Fatal(err)
	}
	p := acting(t, "commanding", `    onStart: [{exec: {command: `+string(command)+`}}]`)
	_, err = Start(t.Context(), Options{Data: t.TempDir(), Experiments: []Experiment{{Plan: p}}})
	if experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(experiment.HintOf(err), "--allow-exec") {
		t.Errorf("%v; %s", err, experiment.HintOf(err))
	}
	h, err := Start(t.Context(), Options{Data: t.TempDir(), Experiments: []Experiment{{Plan: p}}, AllowExec: true})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	until(t, h.Runs()[0], "half on v2", shared)
	if got, err := os.ReadFile(out); err != nil || string(got) != "onStart" {
		t.Errorf("%s, %v", got, err)
	}
}

func TestObjectsNeedACluster(t *testing.T) {
	p := acting(t, "objects", `    onFinish: [{webhook: {url: "http://127.0.0.1:1"}}, {apply: {url: v2.yaml}}]`)
	_, err := Start(t.Context(), Options{Data: t.TempDir(), Experiments: []Experiment{{Plan: p}}})
	if experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(err.Error(), "spec.actions.onFinish[1].apply") || experiment.HintOf(err) == "" {
		t.Errorf("%v; %s", err, experiment.HintOf(err))
	}
}
