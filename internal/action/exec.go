// SPDX-License-Identifier: Apache-2.0

package action

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// maxTail is how much of what a command says last is kept.
const maxTail = 2 << 10

// exec runs a command, where that is allowed: on a laptop as a child process, in
// a cluster as a Job.
func (r *Runner) exec(ctx context.Context, j *job, a *experiment.ExecAction) (result, error) {
	switch {
	case !r.options.AllowExec:
		return result{}, hopeless(invalid("commands are not allowed here").WithHint("whoever runs the experiment allows them: --allow-exec"))
	case len(a.Command) == 0 || a.Command[0] == "":
		return result{}, hopeless(invalid("the command is empty"))
	case r.options.Laptop:
		return child(ctx, j, a.Command)
	}
	return r.inJob(ctx, j, a)
}

// environment is what a command knows of the experiment.
func environment(t *Task) [][2]string {
	e, _ := t.Document["experiment"].(map[string]any)
	text := func(key string) string { s, _ := e[key].(string); return s }
	out := [][2]string{{"HEADGATE_KEY", t.Key}, {"HEADGATE_ACTION", t.Label}}
	for _, key := range []string{"name", "namespace", "id", "outcome", "condition", "stage", "hook", "baseline", "recommended", "winner"} {
		out = append(out, [2]string{"HEADGATE_" + strings.ToUpper(key), text(key)})
	}
	return append(out, [2]string{"HEADGATE_PROMOTED", strconv.FormatBool(e["promoted"] == true)})
}

// child runs a command as a child process with a folder of its own, SCRATCH_DIR.
// Whatever it started is killed with it when time is over.
func child(ctx context.Context, j *job, command []string) (result, error) {
	scratch, err := os.MkdirTemp("", "headgate-action-")
	if err != nil {
		return result{}, unavailable("make a folder for the command: %w", err)
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	ctx, cancel := context.WithTimeout(ctx, j.timeout()-jobGrace)
	defer cancel()
	var said tail
	c := exec.CommandContext(ctx, command[0], command[1:]...)
	c.Env = append(os.Environ(), "SCRATCH_DIR="+scratch)
	for _, v := range environment(&j.task) {
		c.Env = append(c.Env, v[0]+"="+v[1])
	}
	c.Stdout, c.Stderr = &said, &said
	c.WaitDelay = 2 * time.Second
	together(c)
	err = c.Run()
	exit, ended := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return result{}, nil
	case ctx.Err() != nil:
		return result{}, unavailable("the command did not end in time%s", said.after())
	case ended:
		return result{}, unavailable("the command ended with %s%s", exit.ProcessState, said.after())
	}
	return result{}, hopeless(invalid("start the command: %w", err))
}

// tail keeps the last of what is written.
type tail struct{ text []byte }

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if over := len(t.text) - maxTail; over > 0 {
		t.text = append([]byte(nil), t.text[over:]...)
	}
	return len(p), nil
}

// after is what was said last, behind a colon.
func (t *tail) after() string {
	if said := lastOf(strings.ToValidUTF8(string(t.text), "")); said != "" {
		return ": " + said
	}
	return ""
}

// maxLast is how much of what a command said last is repeated.
const maxLast = 400

// lastOf is the end of what a command said, as one line.
func lastOf(said string) string {
	said = strings.Join(strings.Fields(said), " ")
	if over := len(said) - maxLast; over > 0 {
		said = "…" + strings.ToValidUTF8(said[over:], "")
	}
	return said
}

// jobGrace is how much longer than its command a Job may take: somebody has to
// notice.
const jobGrace = 15 * time.Second

// reasonOf says why something ended, from a reason for tools and a message.
func reasonOf(reason, message string) string {
	if reason == "" || message == "" {
		return reason + message
	}
	return fmt.Sprintf("%s: %s", reason, message)
}
