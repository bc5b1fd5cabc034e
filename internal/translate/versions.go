// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// Bounds of what a version is made of.
const (
	maxParts     = 16
	maxPartValue = 256

	maxVariables     = 32
	maxVariableValue = 4096
)

func (t *translator) versions() {
	vs := t.api.Spec.Versions
	if n := len(vs); n == 0 || n > experiment.MaxVersions {
		t.fail("spec.versions", fmt.Sprintf("%d versions", n), fmt.Sprintf("want 1 to %d versions", experiment.MaxVersions), "the first is the baseline, the rest are candidates")
	}
	t.names("spec.versions", len(vs), func(i int) string { return vs[i].Name })
	for i, v := range vs {
		path := fmt.Sprintf("spec.versions[%d]", i)
		t.backendOf(path, i)
		if v.Workload != "" {
			t.objectName(path+".workload", v.Workload, "ranker-v2")
		}
		t.form(path+".model", v.Model, modelForm, "not the name of a model", fmt.Sprintf("1 to %d printable bytes without blanks", maxPartValue))
		t.plan.Versions = append(t.plan.Versions, experiment.Version{
			Name: v.Name, Backend: v.Backend, Model: v.Model, Path: t.rewrite(path+".path", v.Path), Workload: v.Workload,
			Cost: t.cost(path+".cost", v.Cost), Parts: t.parts(path+".parts", v.Parts),
			Variables: t.variables(path+".variables", v.Variables),
		})
	}
}

// modelForm is what a model may be called in paths and in JSON.
var modelForm = regexp.MustCompile(fmt.Sprintf(`^[!-~]{1,%d}$`, maxPartValue))

// rewrite reads how the beginning of paths is replaced.
func (t *translator) rewrite(path string, p *v1alpha1.PathRewrite) *experiment.PathRewrite {
	if p == nil {
		return nil
	}
	for _, f := range []struct{ field, value string }{{".from", p.From}, {".to", p.To}} {
		t.required(path+f.field, f.value, "a path is required", "for example path: {from: /, to: /ranker}")
		t.form(path+f.field, f.value, pathForm, pathMessage, pathHint)
	}
	if p.From != "" && strings.TrimSuffix(p.From, "/") == strings.TrimSuffix(p.To, "/") {
		t.fail(path, quote(p.From), "it changes nothing", "leave path out")
	}
	return &experiment.PathRewrite{From: p.From, To: p.To}
}

func (t *translator) cost(path string, c *v1alpha1.Cost) experiment.Cost {
	if c == nil {
		return experiment.Cost{}
	}
	return experiment.Cost{
		PerRequest: t.number(path+".perRequest", c.PerRequest, 0, 0, maxAmount),
		PerHour:    t.number(path+".perHour", c.PerHour, 0, 0, maxAmount),
		PerToken:   t.number(path+".perToken", c.PerToken, 0, 0, maxAmount),
	}
}

func (t *translator) parts(path string, in map[string]string) []experiment.Part {
	if len(in) > maxParts {
		t.fail(path, fmt.Sprintf("%d parts", len(in)), fmt.Sprintf("want at most %d parts", maxParts), "")
	}
	var out []experiment.Part
	for _, name := range slices.Sorted(maps.Keys(in)) {
		at, value := join(path, name), in[name]
		t.name(at, name)
		if value == "" {
			t.fail(at, "", "a part says which one it is", "for example parts: {model: r2}")
		}
		t.line(at, value, maxPartValue)
		out = append(out, experiment.Part{Name: name, Value: value})
	}
	return out
}

// variables reads what texts may call by name. Iter8's have any name; those that
// are no identifiers no text can call.
func (t *translator) variables(path string, in map[string]string) []experiment.NameValue {
	if len(in) > maxVariables {
		t.fail(path, fmt.Sprintf("%d variables", len(in)), fmt.Sprintf("want at most %d variables", maxVariables), "")
	}
	var out []experiment.NameValue
	for _, name := range slices.Sorted(maps.Keys(in)) {
		at := join(path, name)
		if name == "" || len(name) > maxNameBytes || !printable(name) {
			t.fail(at, quote(name), "not the name of a variable", fmt.Sprintf("1 to %d printable bytes; texts can call letters, digits and '_'", maxNameBytes))
		}
		t.text(at, in[name], maxVariableValue)
		out = append(out, experiment.NameValue{Name: name, Value: in[name]})
	}
	return out
}

// version finds a version by name and says so, with the value as it stands
// there, when there is none; -1 is none.
func (t *translator) version(path, value, name string) int {
	names := make([]string, len(t.plan.Versions))
	for i, v := range t.plan.Versions {
		names[i] = v.Name
	}
	i := slices.Index(names, name)
	if i < 0 && t.clean("spec.versions") { // Else it may be the one that is misnamed.
		t.fail(path, value, "no such version", nearest(name, names))
	}
	return i
}

// candidates is how many versions compete with the baseline.
func (t *translator) candidates() int { return len(t.plan.Versions) - 1 }
