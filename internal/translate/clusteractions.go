// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// Bounds of actions on objects.
const (
	maxReplicas = 100_000
	maxWords    = 64 // of a command
	maxReady    = 16
)

func (t *translator) patch(path string, in *v1alpha1.PatchAction) *experiment.PatchAction {
	out := &experiment.PatchAction{Object: t.objectRef(path+".object", in.Object), Type: cmp.Or(in.Type, "merge"), Patch: in.Patch}
	t.option(path+".type", in.Type, "merge", "json")
	at, example := path+".patch", "for example patch: '{spec: {replicas: 3}}'"
	if out.Type == "json" {
		example = "for example patch: '[{op: replace, path: /spec/replicas, value: 3}]'"
	}
	t.required(at, in.Patch, "a patch is required", example)
	t.document(at, in.Patch, maxManifest, false)
	if in.Patch == "" || holds(in.Patch) || !t.clean(path) {
		return out
	}
	roots, err := parse([]byte(in.Patch))
	want := map[string]yaml.Kind{"merge": yaml.MappingNode, "json": yaml.SequenceNode}[out.Type]
	switch {
	case err != nil:
		t.fail(at, quote(in.Patch), "neither YAML nor JSON", example)
	case len(roots) != 1 || roots[0].Kind != want:
		t.fail(at, quote(in.Patch), "not a "+out.Type+" patch", example)
	}
	return out
}

func (t *translator) apply(path string, in *v1alpha1.ApplyAction) *experiment.ApplyAction {
	const hint = "write http://… or https://…; headgate run takes a path too"
	t.filledOr(path+".namespace", in.Namespace, func() { t.namespace(path+".namespace", in.Namespace) })
	switch at := path + ".url"; {
	case (in.Manifest == "") == (in.URL == ""):
		t.fail(path, "", "exactly one of manifest and url is required", "for example apply: {url: \"https://example.org/v2.yaml\"}")
	case in.Manifest != "":
		t.manifest(path+".manifest", in.Manifest)
	case strings.Contains(in.URL, "://"), strings.Contains(authority(in.URL), "@"):
		t.address(at, in.URL, hint)
	default:
		t.words(at, in.URL, maxText)
	}
	return &experiment.ApplyAction{Manifest: in.Manifest, URL: in.URL, Namespace: in.Namespace}
}

// manifest checks that a text holds objects.
func (t *translator) manifest(path, s string) {
	t.document(path, s, maxManifest, false)
	if holds(s) || !t.clean(path) {
		return
	}
	const example = "begin each document with apiVersion and kind"
	roots, err := parse([]byte(s))
	switch {
	case err != nil:
		t.fail(path, quote(s), "not YAML: "+strings.ReplaceAll(strings.TrimPrefix(err.Error(), "yaml: "), "\n", " "), "")
		return
	case len(roots) == 0:
		t.fail(path, quote(s), "it holds no object", example)
	}
	for i, root := range roots {
		if kindOf(root) == "" {
			t.fail(path, fmt.Sprintf("document %d", i+1), "a document is no object", example)
			return
		}
	}
}

func (t *translator) scale(path string, in *v1alpha1.ScaleAction) *experiment.ScaleAction {
	if !t.given(path + ".replicas") {
		t.fail(path+".replicas", "", "how many replicas is required", "for example replicas: 0")
	}
	return &experiment.ScaleAction{Object: t.objectRef(path+".object", in.Object), Replicas: t.count(path+".replicas", in.Replicas, maxReplicas)}
}

// imageForm is what a container's image may be called.
var imageForm = regexp.MustCompile(`^[!-~]+$`)

func (t *translator) exec(path string, in *v1alpha1.ExecAction) *experiment.ExecAction {
	t.filledOr(path+".image", in.Image, func() {
		t.form(path+".image", in.Image, imageForm, "not an image", "for example image: registry.example.org/tools:1")
	})
	if n := len(in.Command); n == 0 || n > maxWords {
		t.fail(path+".command", fmt.Sprintf("%d words", n), fmt.Sprintf("want 1 to %d words", maxWords), "for example command: [sh, -c, \"echo {{.name}}\"]")
	}
	for i, word := range in.Command {
		at := fmt.Sprintf("%s.command[%d]", path, i)
		if i == 0 {
			t.required(at, word, "a command begins with the program's name", "")
		}
		t.text(at, word, maxManifest)
		if !in.Literal {
			t.document(at, word, maxManifest, false)
		}
	}
	return &experiment.ExecAction{Image: in.Image, Command: slices.Clone(in.Command), Literal: in.Literal}
}

// conditionForm is what a condition of an object is called.
var conditionForm = regexp.MustCompile(`^[A-Za-z]([-A-Za-z0-9./]*[A-Za-z0-9])?$`)

func (t *translator) readiness(path string, in *v1alpha1.ReadinessAction) *experiment.ReadinessAction {
	// Iter8's waits for nothing where an experiment shifts nothing.
	if len(in.Objects) == 0 && !in.Routes && !t.plan.Strict || len(in.Objects) > maxReady {
		t.fail(path, fmt.Sprintf("%d objects", len(in.Objects)), fmt.Sprintf("want 1 to %d objects, or routes", maxReady), "for example readiness: {objects: [{apiVersion: apps/v1, kind: Deployment, name: ranker-v2, condition: Available}]}")
	}
	out := &experiment.ReadinessAction{Routes: in.Routes}
	for i, o := range in.Objects {
		at := fmt.Sprintf("%s.objects[%d]", path, i)
		t.form(at+".condition", o.Condition, conditionForm, "not a condition", "for example condition: Available")
		out.Objects = append(out.Objects, experiment.ReadyObject{ObjectRef: t.objectRef(at, o.ObjectRef), Condition: o.Condition})
	}
	return out
}
