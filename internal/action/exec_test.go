// SPDX-License-Identifier: Apache-2.0

package action

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func shell(script string) experiment.Action {
	return experiment.Action{Timeout: 20 * time.Second, Exec: &experiment.ExecAction{Command: []string{"/bin/sh", "-c", script}}}
}

func needsShell(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("there is no /bin/sh")
	}
}

func TestACommandKnowsItsExperiment(t *testing.T) {
	needsShell(t)
	out := filepath.Join(t.TempDir(), "out")
	a := shell(`test -d "$SCRATCH_DIR" && printf '%s|%s|%s|%s|{{.name}}' "$HEADGATE_KEY" "$HEADGATE_ID" "$HEADGATE_OUTCOME" "$HEADGATE_HOOK" > "` + out + `"`)
	if _, err := run(t, newRunner(t, Options{Laptop: true, AllowExec: true}), Owner{}, a); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil || string(got) != "u1/4/onFinish/0|search/ranker|promoted|onFinish|v2" {
		t.Errorf("%s, %v", got, err)
	}
}

func TestALiteralCommandStaysAsItIsWritten(t *testing.T) {
	needsShell(t)
	out := filepath.Join(t.TempDir(), "out")
	a := shell(`printf '%s' '{{.name}}' > "` + out + `"`)
	a.Exec.Literal = true
	if _, err := run(t, newRunner(t, Options{Laptop: true, AllowExec: true}), Owner{}, a); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(out); err != nil || string(got) != "{{.name}}" {
		t.Errorf("%s, %v", got, err)
	}
}

func TestACommandThatFailsSaysWhatItSaidLast(t *testing.T) {
	needsShell(t)
	r := newRunner(t, Options{Laptop: true, AllowExec: true})
	_, err := run(t, r, Owner{}, shell(`i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; echo no such bucket >&2; exit 3`))
	if fate(err) != "again" || !strings.Contains(err.Error(), "exit status 3") || !strings.HasSuffix(err.Error(), "no such bucket") || len(err.Error()) > 500 {
		t.Error(err)
	}
	_, err = run(t, r, Owner{}, experiment.Action{Exec: &experiment.ExecAction{Command: []string{"/no/such/command"}}})
	if fate(err) != "last" {
		t.Error(err)
	}
}

func TestCommandsNeedLeave(t *testing.T) {
	_, err := run(t, newRunner(t, Options{Laptop: true}), Owner{}, shell("true"))
	if fate(err) != "last" || !strings.Contains(experiment.HintOf(err), "--allow-exec") {
		t.Errorf("%v; %s", err, experiment.HintOf(err))
	}
}

// inJob is a Runner that may run Jobs, and where they are.
const jobs = "/apis/batch/v1/namespaces/search/jobs"

func command() experiment.Action {
	return experiment.Action{Timeout: 40 * time.Second, Exec: &experiment.ExecAction{Image: "kubectl:1", Command: []string{"/bin/sh", "-c", `echo $(date) $$ {{.name}}`}}}
}

// ends has a Job that is made be at its end.
func (a *api) ends(t *testing.T, condition map[string]any, j *job, r *Runner) (path string) {
	t.Helper()
	as, err := r.acting(&j.owner)
	if err != nil {
		t.Fatal(err)
	}
	made := jobOf(j, j.task.Action.Exec, "kubectl:1", j.task.Key+"/"+strconv.Itoa(j.try), as)
	text, err := json.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(text, &object); err != nil {
		t.Fatal(err)
	}
	object["status"] = map[string]any{"conditions": []any{condition}}
	path = jobs + "/" + made.Name
	a.objects[path] = object
	return path
}

func TestACommandInAClusterIsAJobOfTheServiceAccount(t *testing.T) {
	a := newAPI(t)
	r := inCluster(t, a, Options{AllowExec: true})
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errClosed) // The Job is made, and left to whoever comes next.
	j := &job{owner: promoter, task: task(0, command()), try: 2}
	as, err := r.acting(&promoter)
	if err != nil {
		t.Fatal(err)
	}
	filled, err := fillAll(t.Context(), j.task.Action.Exec, j.task.Document)
	if err != nil {
		t.Fatal(err)
	}
	got := jobOf(j, filled, "kubectl:1", j.task.Key+"/2", as)
	pod := got.Spec.Template.Spec
	c := pod.Containers[0]
	want := []string{"/bin/sh", "-c", "echo $$(date) $$$$ v2"} // As the kubelet has it: echo $(date) $$ v2.
	if diff := cmp.Diff(want, c.Command); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if pod.ServiceAccountName != "promoter" || pod.RestartPolicy != "Never" || *got.Spec.BackoffLimit != 0 || *got.Spec.ActiveDeadlineSeconds != 40 || got.Spec.TTLSecondsAfterFinished == nil {
		t.Errorf("%+v", got.Spec)
	}
	if !*pod.SecurityContext.RunAsNonRoot || *c.SecurityContext.AllowPrivilegeEscalation || c.Image != "kubectl:1" || c.TerminationMessagePolicy != "FallbackToLogsOnError" {
		t.Errorf("%+v", c)
	}
	if got.Annotations[Annotation] != "u1/4/onFinish/0/2" || len(got.Name) > 63 {
		t.Errorf("%+v", got.ObjectMeta)
	}
	_, err = r.once(ctx, j)
	if err == nil || len(a.wrote()) > 1 {
		t.Errorf("%v, %v", err, a.wrote())
	}
}

func TestHowAJobEnds(t *testing.T) {
	for name, c := range map[string]struct {
		condition  map[string]any
		key        string
		want, says string
	}{
		"well":                    {map[string]any{"type": "Complete", "status": "True"}, "", "", ""},
		"in vain":                 {map[string]any{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "it failed"}, "", "again", "BackoffLimitExceeded: it failed: …"},
		"as a Job of another key": {map[string]any{"type": "Complete", "status": "True"}, "v9/1/onStart/0/1", "last", "is another's"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t)
			r := inCluster(t, a, Options{AllowExec: true})
			j := &job{owner: promoter, task: task(0, command()), try: 1}
			path := a.ends(t, c.condition, j, r)
			if c.key != "" {
				a.objects[path]["metadata"].(map[string]any)["annotations"] = map[string]any{Annotation: c.key}
			}
			a.objects["/api/v1/namespaces/search/pods"] = map[string]any{"apiVersion": "v1", "kind": "PodList", "items": []any{map[string]any{
				"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "p"}, "status": map[string]any{"containerStatuses": []any{map[string]any{
					"state": map[string]any{"terminated": map[string]any{"exitCode": 1, "message": strings.Repeat("x ", 1500) + "no such bucket\n"}},
				}}},
			}}}
			_, err := r.once(t.Context(), j)
			if fate(err) != c.want || err != nil && (!strings.Contains(err.Error(), c.says) || len(err.Error()) > 600) {
				t.Errorf("%v (%s)", err, fate(err))
			}
			if c.want == "again" && !strings.HasSuffix(err.Error(), "no such bucket") {
				t.Error(err)
			}
			if len(a.wrote()) != 1 { // Asked to make it, and no more: it was there.
				t.Errorf("%v", a.wrote())
			}
		})
	}
}

func TestAJobThatIsCalledOffIsTakenAway(t *testing.T) {
	for cause, left := range map[error]int{errCalledOff: 0, errClosed: 1} {
		a := newAPI(t)
		r := inCluster(t, a, Options{AllowExec: true})
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error)
		go func() {
			_, err := r.once(ctx, &job{owner: promoter, task: task(0, command()), try: 1})
			done <- err
		}()
		for { // It is followed as soon as it was asked for.
			a.mu.Lock()
			n := len(a.asked)
			a.mu.Unlock()
			if n >= 2 {
				break
			}
			runtime.Gosched()
		}
		cancel(cause)
		if err := <-done; err == nil {
			t.Error("it is done")
		}
		if len(a.objects) != left {
			t.Errorf("%v: %d Jobs are left", cause, len(a.objects))
		}
	}
}

func TestAJobNeedsAnImage(t *testing.T) {
	a := command()
	a.Exec.Image = ""
	r := inCluster(t, newAPI(t), Options{AllowExec: true})
	if _, err := run(t, r, promoter, a); fate(err) != "last" || !strings.Contains(experiment.HintOf(err), "image") {
		t.Error(err)
	}
	r.options.Image = "given:1"
	if as, err := r.acting(&promoter); err != nil || jobOf(&job{owner: promoter, task: task(0, a)}, a.Exec, "given:1", "k", as).Spec.Template.Spec.Containers[0].Image != "given:1" {
		t.Error(err)
	}
}
