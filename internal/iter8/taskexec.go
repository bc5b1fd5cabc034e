// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"encoding/json"
	"path"
	"strings"

	"github.com/headgate-dev/headgate/api/v1alpha1"
)

// What Iter8 gave an action: five minutes, and a second try.
const (
	actionTimeout = v1alpha1.Duration("5m")
	actionRetries = int64(1)
)

// command makes an action of a command. What only applies a manifest becomes
// that: it needs no image and no Job.
func (t *tasks) command(command []string, literal bool) v1alpha1.Action {
	if a, ok := kubectlApply(command); ok && !literal {
		return apply(a)
	}
	retries := actionRetries
	return v1alpha1.Action{
		Timeout: actionTimeout, Retries: &retries,
		Exec: &v1alpha1.ExecAction{Image: t.e.Annotations[AnnotationExecImage], Command: command, Literal: literal},
	}
}

// script makes an action of a script in a shell; it is a native template.
func (t *tasks) script(shell, script string) v1alpha1.Action {
	if words, ok := shellWords(script); ok {
		if a, ok := kubectlApply(words); ok {
			return apply(a)
		}
	}
	if strings.Contains(script, "SCRATCH_DIR") {
		script = "export SCRATCH_DIR=\"${SCRATCH_DIR:-$(mktemp -d)}\"\n" + script
	}
	return t.command([]string{shell, "-c", script}, false)
}

func apply(a applied) v1alpha1.Action {
	return v1alpha1.Action{Apply: &v1alpha1.ApplyAction{URL: a.url, Namespace: a.namespace}}
}

// shells are what takes a script after -c.
func isShell(cmd string) bool {
	base := path.Base(cmd)
	return base == "bash" || base == "sh"
}

func (t *tasks) exec(in *inputs) ([]v1alpha1.Action, *Problem) {
	cmd, literal := in.text("cmd", true), in.flag("disableInterpolation", false)
	var raw []json.RawMessage
	in.read("args", &raw)
	args := make([]string, len(raw))
	for i, r := range raw {
		var ok bool
		if args[i], ok = argument(r); !ok {
			return nil, invalid("argument %d is no text and no number", i+1)
		}
	}
	if isShell(cmd) && len(args) == 2 && args[0] == "-c" && !literal {
		return []v1alpha1.Action{t.script(cmd, args[1])}, nil
	}
	if !literal {
		cmd = asIs(cmd)
	}
	return []v1alpha1.Action{t.command(append([]string{cmd}, args...), literal)}, nil
}

// argument writes an argument of a command as Iter8 did: a text as it is, and a
// number or a truth value as it is written.
func argument(raw json.RawMessage) (string, bool) {
	var s string
	switch {
	case json.Unmarshal(raw, &s) == nil && string(raw) != "null":
		return s, true
	case len(raw) > 0 && strings.IndexByte("-0123456789tf", raw[0]) >= 0:
		return string(raw), true
	}
	return "", false
}

func (t *tasks) bash(in *inputs) ([]v1alpha1.Action, *Problem) {
	return []v1alpha1.Action{t.script("/bin/bash", in.text("script", true))}, nil
}

func (t *tasks) promoteKubectl(in *inputs) ([]v1alpha1.Action, *Problem) {
	if in.flag("recursive", false) {
		return nil, invalid("recursive goes with a directory, and there is none here").hint("write one URL with all manifests, or a task for each")
	}
	namespace := in.text("namespace", false)
	return []v1alpha1.Action{apply(applied{url: in.text("manifest", true), namespace: namespace})}, nil
}

// run turns a script of the newer dialect.
func (t *tasks) run(script string) ([]v1alpha1.Action, *Problem) {
	text, err := scriptTemplate(script)
	if err != nil {
		return nil, invalid("%v", err).hint("@< .Name >@, @< .Namespace >@, @< .WinnerFound >@, @< .CandidateWon >@, @< .Spec.… >@ and @< .Status.… >@ are filled in")
	}
	return []v1alpha1.Action{t.script("/bin/bash", text)}, nil
}

func (t *tasks) helmex(*inputs) ([]v1alpha1.Action, *Problem) {
	return nil, invalid("gitops/helmex-update copies values from one part of a Helm file to another, which is not done here").
		hint("write what the winner's values are: a native experiment's action git with set, or a script under run")
}

func (t *tasks) initExperiment(*inputs) ([]v1alpha1.Action, *Problem) {
	return nil, invalid("knative/init-experiment would write weightObjRef into the experiment, which nobody here does").
		hint("write it yourself: weightObjRef: {apiVersion: serving.knative.dev/v1, kind: Service, name: …, fieldPath: \".spec.traffic[0].percent\"}")
}
