// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/template"
	ast "text/template/parse"
	"unicode"
	"unicode/utf8"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// maxRendered is the greatest length of a text for one version, in bytes.
const maxRendered = 4096

// textKind is what a text may hold beside names: words for time, which whoever
// asks fills in, and how many bytes, filled in or not.
type textKind struct {
	times []string
	most  int
}

// Which words for time there are.
const (
	wordWindow  = "Window"
	wordFrom    = "From"
	wordTo      = "To"
	wordElapsed = "Elapsed"
)

// hint lists what is filled in.
func (k textKind) hint() string {
	const names = "{{.Version}}, {{.Backend}}, {{.Workload}}, {{.Namespace}}, {{.Experiment}}, {{.Variables.NAME}} and {{.Params.NAME}} are filled in"
	if len(k.times) == 0 {
		return names
	}
	times := make([]string, len(k.times))
	for i, w := range k.times {
		times[i] = "{{." + w + "}}"
	}
	return names + ", and the time as " + oneOf(times)
}

// filled is what a text may name. Words for time stay as they are, in the form
// in which whoever asks looks for them.
type filled struct {
	Version, Backend, Workload, Namespace, Experiment string
	Window, From, To, Elapsed                         string
	Params, Variables                                 map[string]string
}

// plainNames are those that every text may use.
var plainNames = []string{"Version", "Backend", "Workload", "Namespace", "Experiment"}

// defaultNamespace is where an experiment of a file is, if it does not say.
const defaultNamespace = "default"

// texts renders a text for every version, checks what comes of it, and wants it
// to tell the versions apart.
func (t *translator) texts(path, text string, kind textKind, check func(string) (message, hint string)) []string {
	if strings.TrimSpace(text) == "" {
		t.fail(path, "", "a text is required", "")
		return nil
	}
	out, ok := t.forEach(path, text, kind, check)
	if !ok {
		return nil
	}
	for i, s := range out {
		if k := slices.Index(out[:i], s); k >= 0 {
			t.alike(path, quote(s), k, i, `select by what tells them apart, for example version="{{.Version}}" or deployment="{{.Workload}}"`)
			return nil
		}
	}
	return out
}

// alike reports what is asked for two versions in the same words.
func (t *translator) alike(path, value string, a, b int, hint string) {
	t.fail(path, value, fmt.Sprintf("the same for the versions %s and %s, which it does not tell apart", quote(t.plan.Versions[a].Name), quote(t.plan.Versions[b].Name)), hint)
}

// forEach renders a text for every version and checks what comes of it; false if
// something is wrong. No check is nil.
func (t *translator) forEach(path, text string, kind textKind, check func(string) (message, hint string)) ([]string, bool) {
	tmpl, err := t.template(text, kind)
	if err != nil {
		t.fail(path, quote(text), err.Error(), kind.hint())
		return nil, false
	}
	var out []string
	for i := range t.plan.Versions {
		s, ok := t.render(path, text, tmpl, kind, &t.plan.Versions[i])
		if !ok {
			return nil, false
		}
		if check != nil {
			if message, hint := check(s); message != "" {
				t.fail(path, quote(s), message, hint)
				return nil, false
			}
		}
		out = append(out, s)
	}
	return out, true
}

// template parses a text in which names are filled in and nothing is computed, so
// that what comes of it is bounded. The names that it uses are noted.
func (t *translator) template(text string, kind textKind) (*template.Template, error) {
	if len(text) > kind.most {
		return nil, fmt.Errorf("longer than %d bytes", kind.most)
	}
	tmpl, err := template.New("").Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, notTemplate(err)
	}
	for _, defined := range tmpl.Templates() {
		if defined != tmpl {
			return nil, fmt.Errorf("it defines templates; names are filled in and nothing more")
		}
	}
	for _, node := range tmpl.Root.Nodes {
		if err := t.plain(node, kind); err != nil {
			return nil, err
		}
	}
	return tmpl, nil
}

// notTemplate is what the parser says of a text, with the line of the text where
// it is not the first.
func notTemplate(err error) error {
	_, why, _ := strings.Cut(strings.TrimPrefix(err.Error(), "template: "), ":")
	line, rest, ok := strings.Cut(why, ": ")
	switch {
	case !ok:
		return fmt.Errorf("not a template: %s", why)
	case line == "1":
		return fmt.Errorf("not a template: %s", rest)
	}
	return fmt.Errorf("not a template: line %s of it: %s", line, rest)
}

// plain reports a part of a template that is neither text nor a known name.
func (t *translator) plain(node ast.Node, kind textKind) error {
	if node.Type() == ast.NodeText || node.Type() == ast.NodeComment {
		return nil
	}
	field, literal := named(node)
	switch {
	case literal:
		return nil
	case field == nil:
		return fmt.Errorf("%s: names are filled in and nothing is computed", shortened(node.String()))
	}
	switch name := field.Ident[0]; {
	case len(field.Ident) == 1 && (slices.Contains(plainNames, name) || slices.Contains(kind.times, name)):
		return nil
	case len(field.Ident) == 1 && name == wordElapsed && !t.plan.Strict:
		return fmt.Errorf("%s: elapsed time is a strict experiment's", shortened(node.String()))
	case len(field.Ident) == 2 && name == "Params":
		if _, known := t.params[field.Ident[1]]; !known {
			return fmt.Errorf("%s is no parameter of it", shortened(field.Ident[1]))
		}
		t.used[field.Ident[1]] = true
		return nil
	case len(field.Ident) == 2 && name == "Variables":
		return nil // Whether a version has it, its turn will show.
	}
	return fmt.Errorf("%s: there is no such name", shortened(node.String()))
}

// named is the field that a part of a template fills in; nil if it is something
// else. A text in quotes, such as {{"{{"}}, stands for itself.
func named(node ast.Node) (field *ast.FieldNode, literal bool) {
	action, ok := node.(*ast.ActionNode)
	if !ok {
		return nil, false
	}
	p := action.Pipe
	if len(p.Decl) > 0 || len(p.Cmds) != 1 || len(p.Cmds[0].Args) != 1 {
		return nil, false
	}
	switch arg := p.Cmds[0].Args[0].(type) {
	case *ast.StringNode:
		return nil, true
	case *ast.FieldNode:
		return arg, false
	}
	return nil, false
}

// fieldsIn lists the names that a template asks for. It is plain.
func fieldsIn(tmpl *template.Template) [][]string {
	var out [][]string
	for _, n := range tmpl.Root.Nodes {
		if field, _ := named(n); field != nil {
			out = append(out, field.Ident)
		}
	}
	return out
}

// shortened is a text of the file for a message.
func shortened(s string) string {
	if len(s) > maxName || !printable(s) {
		return quote(s)
	}
	return s
}

// missing reports a name that a version has nothing for.
func (t *translator) missing(path, text string, tmpl *template.Template, v *experiment.Version) bool {
	for _, ident := range fieldsIn(tmpl) {
		switch {
		case ident[0] == "Workload" && v.Workload == "":
			t.deployments(path, text)
			return true
		case ident[0] == "Backend" && v.Backend == "":
			t.fail(path, quote(text), "version "+quote(v.Name)+" has no backend", "select by {{.Version}} or {{.Workload}}")
			return true
		case ident[0] == "Variables" && !slices.ContainsFunc(v.Variables, func(n experiment.NameValue) bool { return n.Name == ident[1] }):
			names := make([]string, len(v.Variables))
			for i, n := range v.Variables {
				names[i] = n.Name
			}
			hint := "write versions: [{name: " + shortened(v.Name) + ", variables: {" + shortened(ident[1]) + ": VALUE}}, …]"
			if len(names) > 0 {
				hint = nearest(ident[1], names)
			}
			t.fail(path, quote(text), "version "+quote(v.Name)+" has no variable "+quote(ident[1]), hint)
			return true
		}
	}
	return false
}

// render fills a text in for one version.
func (t *translator) render(path, text string, tmpl *template.Template, kind textKind, v *experiment.Version) (string, bool) {
	if t.missing(path, text, tmpl, v) {
		return "", false
	}
	variables := make(map[string]string, len(v.Variables))
	for _, n := range v.Variables {
		variables[n.Name] = n.Value
	}
	var b bytes.Buffer
	err := tmpl.Execute(&b, filled{
		Version: v.Name, Backend: v.Backend, Workload: v.Workload, Experiment: t.plan.Name,
		Namespace: cmp.Or(t.plan.Namespace, defaultNamespace), Params: t.params, Variables: variables,
		Window: experiment.WordWindow, From: experiment.WordFrom, To: experiment.WordTo, Elapsed: experiment.WordElapsed,
	})
	s := b.String()
	switch {
	case err != nil:
		t.fail(path, quote(text), "it cannot be filled in", "")
	case len(s) > kind.most:
		t.fail(path, fmt.Sprintf("%d bytes", len(s)), fmt.Sprintf("longer than %d bytes once it is filled in", kind.most), "")
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }):
		t.fail(path, quote(s), "it holds control characters", "")
	default:
		return s, true
	}
	return "", false
}
