// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"maps"
	"strings"

	api "github.com/headgate-dev/headgate/api/iter8"
)

// variables are what the versions' texts can name: those that the experiment
// gives, and more where a text needs them.
type variables struct {
	names *Names
	// of are the variables of each version; more are those that only the texts of
	// metrics use, and that actions do not see by the names that Iter8 had.
	of   []map[string]string
	more []map[string]string
	// named says that the name is a variable: somebody gives one, or a version is
	// called otherwise here.
	named bool
	// clock is the word for the seconds since the start.
	clock string
}

func variablesOf(e *api.Experiment, names *Names, clock string) *variables {
	out := &variables{names: names, clock: clock}
	renamed := false
	for i, v := range details(e) {
		mine := map[string]string{}
		for _, nv := range v.Variables {
			mine[nv.Name] = nv.Value
		}
		out.of = append(out.of, mine)
		out.more = append(out.more, map[string]string{})
		renamed = renamed || names.Versions[i].Iter8 != names.Versions[i].Native
	}
	out.named = renamed || out.some(nameVariable)
	for i := range out.of {
		if _, given := out.of[i][nameVariable]; !given && out.named {
			out.more[i][nameVariable] = names.Versions[i].Iter8
		}
	}
	return out
}

// What texts call the version and the time.
const (
	nameVariable    = "name"
	elapsedVariable = "elapsedTime"
)

// some reports whether the experiment gives any version a variable.
func (v *variables) some(name string) bool {
	for i := range v.of {
		if _, ok := v.of[i][name]; ok {
			return true
		}
	}
	return false
}

// word is the native template for a placeholder of a metric's text; false is one
// that stands for itself.
func (v *variables) word(name, written string) (string, bool) {
	switch {
	case name == elapsedVariable:
		return "{{." + v.clock + "}}", true
	case name == nameVariable && !v.named:
		return "{{.Version}}", true
	case name == nameVariable:
		return "{{.Variables.name}}", true
	case !v.some(name):
		return "", false
	}
	// A version without the variable is asked by the placeholder itself. That goes
	// under another name, so that actions still see no variable there.
	other := name
	for i := range v.of {
		if _, ok := v.of[i][name]; !ok {
			other = name + "_or_" + kindOf(written)
		}
	}
	if other != name {
		for i := range v.of {
			value, ok := v.of[i][name]
			if !ok {
				value = written
			}
			v.more[i][other] = value
		}
	}
	return "{{.Variables." + other + "}}", true
}

// kindOf tells the two ways to write a placeholder apart.
func kindOf(written string) string {
	if strings.HasPrefix(written, "${") {
		return "braces"
	}
	return "name"
}

// native are the variables of a version.
func (v *variables) native(version int) map[string]string {
	out := maps.Clone(v.of[version])
	maps.Copy(out, v.more[version])
	if len(out) == 0 {
		return nil
	}
	return out
}
