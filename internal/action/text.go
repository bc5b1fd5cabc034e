// SPDX-License-Identifier: Apache-2.0

package action

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"text/template"
	"text/template/parse"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// What a text may come to, and how often its loops may turn.
const (
	maxText  = 256 << 10
	maxTurns = 100_000
	// maxArgs is how many values one function takes, maxMade what all that are
	// called for one text may make.
	maxArgs = 32
	maxMade = 4 << 20
)

var (
	errLong  = fmt.Errorf("it gives more than %d KiB", maxText>>10)
	errTurns = errors.New("its loops turn too often")
	errWidth = errors.New("printf: a width of four digits or by *")
	wide     = regexp.MustCompile(`%[^a-zA-Z%]*([0-9]{4}|\*)`)
)

// fill executes a text. What a document does not have is empty.
func fill(ctx context.Context, text string, doc map[string]any) (string, error) {
	if !strings.Contains(text, "{{") {
		return text, nil
	}
	t, err := template.New("").Option("missingkey=zero").Funcs(functions(ctx)).Parse(text)
	if err != nil {
		return "", invalid("a text is no template: %s", unprefixed(err))
	}
	for _, each := range t.Templates() {
		if each.Tree != nil {
			guard(each.Tree, each.Root)
		}
	}
	var out limited
	if err := t.Execute(&out, doc); err != nil {
		return "", invalid("a text cannot be filled in: %s", unprefixed(err))
	}
	return out.String(), nil
}

// unprefixed takes the name of the template, which is empty, out of an error.
func unprefixed(err error) string { return strings.TrimPrefix(err.Error(), "template: :") }

// The names of the functions that guard calls.
const (
	shown  = "_headgate_shown"
	turned = "_headgate_turned"
)

// show writes what is nothing as nothing, rather than as "<no value>".
func show(v any) any {
	if v == nil {
		return ""
	}
	return v
}

// guard has everything that a text writes go through show, and everything that
// can be repeated counted.
func guard(t *parse.Tree, list *parse.ListNode) {
	if list == nil {
		return
	}
	call := func(name string, pos parse.Pos) *parse.CommandNode {
		return &parse.CommandNode{NodeType: parse.NodeCommand, Pos: pos, Args: []parse.Node{parse.NewIdentifier(name).SetTree(t).SetPos(pos)}}
	}
	for _, n := range list.Nodes {
		switch x := n.(type) {
		case *parse.ActionNode:
			if len(x.Pipe.Decl) == 0 {
				x.Pipe.Cmds = append(x.Pipe.Cmds, call(shown, x.Pos))
			}
		case *parse.IfNode:
			guard(t, x.List)
			guard(t, x.ElseList)
		case *parse.WithNode:
			guard(t, x.List)
			guard(t, x.ElseList)
		case *parse.RangeNode:
			guard(t, x.List)
			guard(t, x.ElseList)
		}
	}
	count := &parse.ActionNode{NodeType: parse.NodeAction, Pos: list.Pos, Pipe: &parse.PipeNode{
		NodeType: parse.NodePipe, Pos: list.Pos, Cmds: []*parse.CommandNode{call(turned, list.Pos)},
	}}
	list.Nodes = append([]parse.Node{count}, list.Nodes...)
}

// functions are what guard calls, and those of templates that make texts, which
// could make one several times as long, again and again: here they are bounded.
func functions(ctx context.Context) template.FuncMap {
	turns, made := 0, 0
	bounded := func(f func(args ...any) string) func(args ...any) (string, error) {
		return func(args ...any) (string, error) {
			if len(args) > maxArgs {
				return "", errLong
			}
			out := f(args...)
			if made += len(out); len(out) > maxText || made > maxMade {
				return "", errLong
			}
			return out, nil
		}
	}
	return template.FuncMap{
		shown: show,
		turned: func() (string, error) {
			if turns++; turns > maxTurns {
				return "", errTurns
			}
			return "", ctx.Err()
		},
		"html": bounded(template.HTMLEscaper), "js": bounded(template.JSEscaper), "urlquery": bounded(template.URLQueryEscaper),
		"print": bounded(fmt.Sprint), "println": bounded(fmt.Sprintln),
		"printf": func(format string, args ...any) (string, error) {
			if wide.MatchString(format) {
				return "", errWidth
			}
			return bounded(func(args ...any) string { return fmt.Sprintf(format, args...) })(args...)
		},
	}
}

// limited keeps what a text may come to.
type limited struct{ strings.Builder }

// Write implements io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > maxText {
		return 0, errLong
	}
	return l.Builder.Write(p)
}

// secretType is what fillAll leaves alone: which secret is read is the plan's to
// say, not a text's.
var secretType = reflect.TypeFor[experiment.Secret]()

// fillAll gives a copy of an action's kind in which every text is filled in.
func fillAll[T any](ctx context.Context, kind *T, doc map[string]any) (*T, error) {
	var out T
	v := reflect.ValueOf(&out).Elem()
	v.Set(reflect.ValueOf(kind).Elem())
	if err := fillValue(ctx, v, doc); err != nil {
		return nil, err
	}
	return &out, nil
}

func fillValue(ctx context.Context, v reflect.Value, doc map[string]any) error {
	switch v.Kind() {
	case reflect.String:
		text, err := fill(ctx, v.String(), doc)
		if err != nil {
			return err
		}
		v.SetString(text)
	case reflect.Slice:
		own := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(own, v)
		v.Set(own)
		for i := range v.Len() {
			if err := fillValue(ctx, v.Index(i), doc); err != nil {
				return err
			}
		}
	case reflect.Struct:
		if v.Type() == secretType {
			return nil
		}
		for i := range v.NumField() {
			if err := fillValue(ctx, v.Field(i), doc); err != nil {
				return fmt.Errorf("%s: %w", v.Type().Field(i).Name, err)
			}
		}
	}
	return nil // Secrets are behind pointers, and stay as they are.
}

// asJSON writes a document.
func asJSON(doc map[string]any) (string, error) {
	text, err := json.Marshal(doc)
	switch {
	case err != nil:
		return "", invalid("the document of the action is no JSON")
	case len(text) > maxText:
		return "", invalid("the document of the action: %w", errLong)
	}
	return string(text), nil
}

func invalid(format string, args ...any) *experiment.Error {
	return experiment.Errorf(experiment.CodeInvalid, format, args...)
}

func unavailable(format string, args ...any) *experiment.Error {
	return experiment.Errorf(experiment.CodeUnavailable, format, args...)
}
