// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	api "github.com/headgate-dev/headgate/api/iter8"
)

// Convert writes an experiment and the metrics that it refers to as a native
// experiment of its own, with comments on what has changed its meaning. It is one
// that is decided by statistics, unless strict asks for Iter8's own rules or
// statistics are impossible, which it then says. An error is a *Problem.
func Convert(e *api.Experiment, metrics []api.Metric, strict bool) ([]byte, error) {
	if err := Validate(e); err != nil {
		return nil, err
	}
	s, p := strengthOf(e)
	if p != nil {
		return nil, p
	}
	if s == nil {
		s = &strength{}
	}
	head := fmt.Sprintf("What the Iter8 experiment %s is here, decided by statistics. Comments say what that has changed; read them before it runs.", e.Name)
	out, said, p := turnWith(e, metrics, s)
	if strict || p != nil {
		head = fmt.Sprintf("What the Iter8 experiment %s is here. It stays strict, by Iter8's own rules, which claim no error rate", e.Name)
		if p != nil && !strict {
			head += ": " + p.Message
		}
		said = notes{}
		if out, _, p = turnWith(e, metrics, nil); p != nil {
			return nil, p
		}
		head += "."
	}
	out.Spec.Owner = "the team of " + e.Spec.Target
	said.add("spec.owner", "Guessed: write who answers for the experiment.")
	said.lost(e)
	root := node(reflect.ValueOf(out))
	comment(root, "apiVersion", []string{head})
	for _, path := range slices.Sorted(maps.Keys(said)) {
		comment(root, path, said[path])
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(root); err != nil {
		return nil, fmt.Errorf("write the experiment: %w", err)
	}
	return b.Bytes(), nil
}

// lost notes what a native object of its own does not have.
func (n notes) lost(e *api.Experiment) {
	n.add("spec.traffic", "Iter8 let one experiment at a time have the target %s. Here a route belongs to one experiment.", e.Spec.Target)
	for _, key := range slices.Sorted(maps.Keys(e.Spec.Strategy.Actions)) {
		if !slices.Contains([]string{api.ActionStart, api.ActionLoop, api.ActionFinish, api.ActionRollback}, key) {
			n.add("spec.actions", "The action %s was never done by Iter8, and is left out.", key)
			continue
		}
		for _, task := range e.Spec.Strategy.Actions[key] {
			if uses(&task, ".this") || uses(&task, ".Spec") || uses(&task, ".Status") {
				n.add("spec.actions", "A text of the action %s names .this, Iter8's object, which is not there any more: write .experiment.name and others.", key)
				break
			}
		}
	}
}

// uses reports whether a task's texts name something.
func uses(t *api.TaskSpec, what string) bool {
	if strings.Contains(t.Run, what) {
		return true
	}
	for _, raw := range t.With {
		if bytes.Contains(raw.Raw, []byte(what)) {
			return true
		}
	}
	return false
}
